package koogallerytest

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stallkeeper/stallkeeper/marketplace/koogallery"
)

// defaultTimeout is KooGallery's own (protocol page 2).
const defaultTimeout = 20 * time.Second

// tamperedField is what Options.Tampered adds.
const tamperedField = "addedOnTheWay"

// Caller makes KooGallery's calls to one callback URL and checks the answers. Its own methods are those of the generations with
// a body: SaaS V2.0, license codes 2.0, Online License, order notification; V1 has the others. Methods return an error when no
// HTTP answer came; everything that is wrong with an answer is in Exchange.Problems.
type Caller struct {
	// URL is the callback URL, with http or https. A query it has is kept.
	URL string
	// Address, as host:port, is connected to instead of the URL's, whose host the certificate is still checked for; empty means
	// the URL's.
	Address string
	// AccessKey signs the calls and checks the answers' Body-Sign. KooGallery has one for each kind of interface.
	AccessKey string
	// TLS is used for https, for example with the RootCAs of a test; nil means the system's.
	TLS *tls.Config
	// Timeout bounds one call; 0 means 20 s, KooGallery's own.
	Timeout time.Duration
	// Clock gives the time of the calls, and by it is measured how long they take; nil means time.Now.
	Clock func() time.Time
	// Nonce makes the nonce of a call; nil means 64 random hex characters.
	Nonce func() string
	// Options say how the calls differ from the ordinary.
	Options Options
}

// Options are deviations from an ordinary call. The zero value is an ordinary call in production.
type Options struct {
	// Debug sends testFlag 1, as the debug console and the daily probes do.
	Debug bool
	// LowerHex writes the signature in lower case instead of upper case.
	LowerHex bool
	// Seconds sends the timestamp in seconds instead of milliseconds.
	Seconds bool
	// Reordered signs the canonical body and sends it with its members in descending order, with blanks, and with a null.
	Reordered bool
	// WrongKey signs with another key; the answer is still checked with the right one.
	WrongKey bool
	// BarePlus leaves the plus signs in a query of SaaS V1.0 unescaped, as some senders and proxies do (protocol page 5.1).
	BarePlus bool
	// Skew is added to the time of the call.
	Skew time.Duration
	// Tampered sends a field or parameter more than was signed.
	Tampered bool
	// Omit leaves out a parameter that proves who calls, such as "nonce" or "authToken", after signing.
	Omit string
	// Refused says that the call shall be refused: a code that is none of success is then no problem, also in debug calls.
	Refused bool
	// AnyKey leaves open which key the answer is signed with, and whether it is: of a call that proves nothing, nobody can tell whose it
	// was.
	AnyKey bool
}

// With is a copy of the caller with other options.
func (c Caller) With(options Options) Caller {
	c.Options = options
	return c
}

// RefreshOptions are the fields of refreshInstance (protocol page 3.7).
type RefreshOptions struct {
	// Scene is one of koogallery's Scene constants.
	Scene string
	// OrderID, OrderLineID and InstanceID are mandatory.
	OrderID, OrderLineID, InstanceID string
	// ProductID is sent when it is not empty.
	ProductID string
	// ExpireTime is sent as 14 digits in UTC.
	ExpireTime time.Time
}

// Product is the target of changeInstanceCheck.
type Product struct {
	ProductID   string `json:"productId,omitempty"`
	SKUCode     string `json:"skuCode,omitempty"`
	LinearValue *int32 `json:"linearValue,omitempty"`
}

// NewInstance tells of a purchase (protocol page 3.5).
func (c Caller) NewInstance(ctx context.Context, orderID, orderLineID string) (*Exchange, error) {
	return c.call(ctx, koogallery.ActivityNewInstance, map[string]any{
		"orderId":     orderID,
		"orderLineId": orderLineID,
		"businessId":  randomHex(16),
	})
}

// QueryInstance asks for the access data of instances (protocol page 3.6).
func (c Caller) QueryInstance(ctx context.Context, instanceIDs ...string) (*Exchange, error) {
	return c.call(ctx, koogallery.ActivityQueryInstance, map[string]any{"instanceId": strings.Join(instanceIDs, ",")})
}

// RefreshInstance changes the paid period (protocol page 3.7).
func (c Caller) RefreshInstance(ctx context.Context, refresh RefreshOptions) (*Exchange, error) {
	return c.call(ctx, koogallery.ActivityRefreshInstance, refresh.fields())
}

func (o RefreshOptions) fields() map[string]any {
	return map[string]any{
		"scene":       o.Scene,
		"orderId":     o.OrderID,
		"orderLineId": o.OrderLineID,
		"instanceId":  o.InstanceID,
		"productId":   o.ProductID,
		"expireTime":  o.ExpireTime.UTC().Format(orderTime),
	}
}

// UpdateInstanceStatus freezes or unfreezes (protocol page 3.8); status is one of koogallery's Status constants.
func (c Caller) UpdateInstanceStatus(ctx context.Context, instanceID, status string) (*Exchange, error) {
	return c.call(ctx, koogallery.ActivityUpdateInstanceStatus, map[string]any{"instanceId": instanceID, "status": status})
}

// ReleaseInstance ends a sale (protocol page 3.9). orderID and orderLineID are those of an unsubscription, or empty.
func (c Caller) ReleaseInstance(ctx context.Context, instanceID, orderID, orderLineID string) (*Exchange, error) {
	return c.call(ctx, koogallery.ActivityReleaseInstance, map[string]any{
		"instanceId":  instanceID,
		"orderId":     orderID,
		"orderLineId": orderLineID,
	})
}

// UpgradeInstance tells of a change order (protocol page 3.10).
func (c Caller) UpgradeInstance(ctx context.Context, instanceID, orderID, orderLineID string) (*Exchange, error) {
	return c.call(ctx, koogallery.ActivityUpgradeInstance, map[string]any{
		"instanceId":  instanceID,
		"orderId":     orderID,
		"orderLineId": orderLineID,
	})
}

// ChangeInstanceCheck asks whether a change at renewal would be possible (protocol page 3.11).
func (c Caller) ChangeInstanceCheck(ctx context.Context, instanceID string, target Product) (*Exchange, error) {
	return c.call(ctx, koogallery.ActivityChangeInstanceCheck, map[string]any{"instanceId": instanceID, "productInfo": target})
}

// Send signs the very bytes of any body and sends them. Options about the body have no effect.
func (c Caller) Send(ctx context.Context, body []byte) (*Exchange, error) {
	return c.signAndSend(ctx, body, body)
}

// Replay sends the very bytes of an exchange again, signature and nonce included.
func (c Caller) Replay(ctx context.Context, exchange *Exchange) (*Exchange, error) {
	return c.exchange(ctx, exchange.sent)
}

// call sends an activity; fields that are empty texts are left out.
func (c Caller) call(ctx context.Context, activity string, fields map[string]any) (*Exchange, error) {
	maps.DeleteFunc(fields, func(_ string, value any) bool { return value == "" })
	fields["activity"] = activity
	if c.Options.Debug {
		fields["testFlag"] = "1"
	}
	payload := marshal(fields)
	switch {
	case c.Options.Reordered:
		return c.signAndSend(ctx, payload, reordered(fields))
	case c.Options.Tampered:
		fields[tamperedField] = "1"
		return c.signAndSend(ctx, payload, marshal(fields))
	}
	return c.signAndSend(ctx, payload, payload)
}

func (c Caller) signAndSend(ctx context.Context, payload, body []byte) (*Exchange, error) {
	key := c.AccessKey
	if c.Options.WrongKey {
		key += "-wrong"
	}
	nonce, timestamp := c.nonce(), c.timestamp()
	signature := koogallery.Sign([]byte(key), nonce, timestamp, payload)
	if !c.Options.LowerHex {
		signature = strings.ToUpper(signature)
	}
	query := url.Values{"signature": {signature}, "timestamp": {timestamp}, "nonce": {nonce}}
	query.Del(c.Options.Omit)
	sent := message{method: http.MethodPost, target: c.target(query.Encode()), body: body}
	sent.readBody()
	return c.exchange(ctx, sent)
}

// target is the callback URL with more query.
func (c Caller) target(query string) string {
	if strings.Contains(c.URL, "?") {
		return c.URL + "&" + query
	}
	return c.URL + "?" + query
}

// now is the time of a call.
func (c Caller) now() time.Time { return c.clock().Add(c.Options.Skew) }

func (c Caller) clock() time.Time {
	if c.Clock != nil {
		return c.Clock()
	}
	return time.Now()
}

func (c Caller) timestamp() string {
	at := c.now()
	if c.Options.Seconds {
		return strconv.FormatInt(at.Unix(), 10)
	}
	return strconv.FormatInt(at.UnixMilli(), 10)
}

func (c Caller) nonce() string {
	if c.Nonce != nil {
		return c.Nonce()
	}
	return strings.ToUpper(randomHex(32))
}

// marshal writes compact JSON with sorted members and without HTML escapes, as KooGallery signs it.
func marshal(value any) []byte {
	var written bytes.Buffer
	encoder := json.NewEncoder(&written)
	encoder.SetEscapeHTML(false)
	// Maps and structs of texts and numbers can't fail.
	_ = encoder.Encode(value)
	return bytes.TrimSuffix(written.Bytes(), []byte("\n"))
}

// reordered writes the same members as marshal does, in another form.
func reordered(fields map[string]any) []byte {
	members := []string{`"zzz": null`}
	for _, name := range slices.Backward(slices.Sorted(maps.Keys(fields))) {
		members = append(members, string(marshal(name))+": "+string(marshal(fields[name])))
	}
	return []byte("{ " + strings.Join(members, ",\n  ") + " }")
}

func randomHex(size int) string {
	random := make([]byte, size)
	// It never fails: crypto/rand ends the program instead.
	_, _ = rand.Read(random)
	return hex.EncodeToString(random)
}
