package koogallerytest

import (
	"context"
	"encoding/base64"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stallkeeper/stallkeeper/marketplace/koogallery"
)

// V1 makes the calls of SaaS V1.0 and License 1.0: GET, with everything in the query. Of the Options it does not know those
// about hex digits, seconds and the order of members. Nothing of a query is in the Exchange, because it holds the buyer's data.
type V1 struct {
	caller Caller
}

// V1 is the same caller for SaaS V1.0 and License 1.0.
func (c Caller) V1() V1 { return V1{c} }

// V1Order are the fields of newInstance, getLicense and upgrade that say what was ordered (protocol page 5.4 and 5.9). Texts
// that are empty, numbers that are nil and times that are zero are left out.
type V1Order struct {
	// OrderID and ProductID are mandatory; SKUCode is for an upgrade.
	OrderID, ProductID, SKUCode string
	// CustomerID is the buyer's account; empty means an invented one. CustomerName is its name.
	CustomerID, CustomerName string
	// UserID and UserName are the IAM user's.
	UserID, UserName string
	// MobilePhone and Email are in plain; they are encrypted on the way.
	MobilePhone, Email string
	// ChargingMode is 0 pay-per-use, 1 yearly/monthly, 3 one-time, 5 package.
	ChargingMode *int
	// PeriodType is year or month; PeriodNumber is left out when it is 0.
	PeriodType   string
	PeriodNumber int
	// Amount, DiskSize and BandWidth are the linear attributes.
	Amount, DiskSize, BandWidth *int
	// ExpireTime is the estimated end, AcceptanceTime when the buyer accepted.
	ExpireTime, AcceptanceTime time.Time
	// Trial sends trialFlag 1.
	Trial bool
	// OrderAmount is what was paid, such as "99.5". ProvisionType is 1 or 2, opened after the purchase or after its acceptance;
	// left out when it is 0.
	OrderAmount   string
	ProvisionType int
	// ExtendParams is what the buyer filled in.
	ExtendParams []Param
}

// V1Refresh are the fields of refreshInstance (protocol page 5.6).
type V1Refresh struct {
	// OrderID and InstanceID are mandatory.
	OrderID, InstanceID string
	// ProductID is sent when it is not empty.
	ProductID string
	// ExpireTime is sent as 14 digits in UTC.
	ExpireTime time.Time
	// TrialToFormal sends trialToFormal 1.
	TrialToFormal bool
	// OrderAmount is sent when it is not empty; below 0 a renewal is given back.
	OrderAmount string
}

// NewInstance tells of a purchase, of its acceptance, or asks for the access data (protocol page 5.4).
func (v V1) NewInstance(ctx context.Context, order V1Order) (*Exchange, error) {
	return v.call(ctx, koogallery.ActivityNewInstance, v.purchase(order))
}

// GetLicense buys a license of License 1.0 (protocol page 7.4).
func (v V1) GetLicense(ctx context.Context, order V1Order) (*Exchange, error) {
	return v.call(ctx, koogallery.ActivityGetLicense, v.purchase(order))
}

// RefreshInstance renews, or makes a trial formal (protocol page 5.6).
func (v V1) RefreshInstance(ctx context.Context, refresh V1Refresh) (*Exchange, error) {
	return v.call(ctx, koogallery.ActivityRefreshInstance, refresh.params())
}

func (refresh V1Refresh) params() map[string]string {
	params := map[string]string{
		"orderId":     refresh.OrderID,
		"instanceId":  refresh.InstanceID,
		"productId":   refresh.ProductID,
		"expireTime":  timeText(refresh.ExpireTime, orderTime),
		"orderAmount": refresh.OrderAmount,
	}
	if refresh.TrialToFormal {
		params["trialToFormal"] = "1"
	}
	return params
}

// ExpireInstance freezes an instance whose time is over (protocol page 5.7). orderID is the purchase's; may be empty.
func (v V1) ExpireInstance(ctx context.Context, instanceID, orderID string) (*Exchange, error) {
	return v.call(ctx, koogallery.ActivityExpireInstance, map[string]string{"instanceId": instanceID, "orderId": orderID})
}

// ReleaseInstance ends a sale (protocol page 5.8). orderID is the purchase's; may be empty.
func (v V1) ReleaseInstance(ctx context.Context, instanceID, orderID string) (*Exchange, error) {
	return v.call(ctx, koogallery.ActivityReleaseInstance, map[string]string{"instanceId": instanceID, "orderId": orderID})
}

// ReleaseLicense ends a sale of License 1.0 (protocol page 7.4). orderID is the purchase's.
func (v V1) ReleaseLicense(ctx context.Context, instanceID, orderID string) (*Exchange, error) {
	return v.call(ctx, koogallery.ActivityReleaseLicense, map[string]string{"instanceId": instanceID, "orderId": orderID})
}

// RefreshLicense renews a sale of License 1.0 (protocol page 16).
func (v V1) RefreshLicense(ctx context.Context, refresh V1Refresh) (*Exchange, error) {
	return v.call(ctx, koogallery.ActivityRefreshLicense, refresh.params())
}

// ExpireLicense freezes a sale of License 1.0 whose time is over (protocol page 16). orderID is the purchase's; may be empty.
func (v V1) ExpireLicense(ctx context.Context, instanceID, orderID string) (*Exchange, error) {
	return v.call(ctx, koogallery.ActivityExpireLicense, map[string]string{"instanceId": instanceID, "orderId": orderID})
}

// Upgrade tells of a change order (protocol page 5.9). Of the order it sends what an upgrade has.
func (v V1) Upgrade(ctx context.Context, instanceID string, order V1Order) (*Exchange, error) {
	params := ordered(order)
	params["instanceId"] = instanceID
	return v.call(ctx, koogallery.ActivityUpgrade, params)
}

// InstanceStatus freezes or unfreezes (protocol page 5.10); status is koogallery.StatusFreeze or StatusNormal.
func (v V1) InstanceStatus(ctx context.Context, instanceID, status string) (*Exchange, error) {
	return v.call(ctx, koogallery.ActivityInstanceStatus, map[string]string{"instanceId": instanceID, "instanceStatus": status})
}

// QueryInstance asks for the access data of instances (protocol page 5.11).
func (v V1) QueryInstance(ctx context.Context, instanceIDs ...string) (*Exchange, error) {
	return v.call(ctx, koogallery.ActivityQueryInstance, map[string]string{"instanceId": strings.Join(instanceIDs, ",")})
}

// Send signs any parameters and sends them. timeStamp is added where it is missing, and authToken always.
func (v V1) Send(ctx context.Context, params map[string]string) (*Exchange, error) {
	params = maps.Clone(params)
	if params["timeStamp"] == "" {
		params["timeStamp"] = v.timeStamp()
	}
	key := v.caller.AccessKey
	if v.caller.Options.WrongKey {
		key += "-wrong"
	}
	params["authToken"] = koogallery.AuthToken([]byte(key), v.withURL(params))
	if v.caller.Options.Tampered {
		params[tamperedField] = "1"
	}
	delete(params, v.caller.Options.Omit)
	return v.caller.exchange(ctx, v.message(params))
}

// withURL adds the callback URL's own parameters: the token is over all of the query.
func (v V1) withURL(params map[string]string) map[string]string {
	all := maps.Clone(params)
	// A URL that is none is found when it is called.
	if target, err := url.Parse(v.caller.URL); err == nil {
		for name := range target.Query() {
			all[name] = target.Query().Get(name)
		}
	}
	return all
}

// call sends an activity; parameters that are empty are left out.
func (v V1) call(ctx context.Context, activity string, params map[string]string) (*Exchange, error) {
	maps.DeleteFunc(params, func(_, value string) bool { return value == "" })
	params["activity"] = activity
	if v.caller.Options.Debug {
		params["testFlag"] = "1"
	}
	return v.Send(ctx, params)
}

func (v V1) message(params map[string]string) message {
	pairs := make([]string, 0, len(params))
	for _, name := range slices.Sorted(maps.Keys(params)) {
		// Blanks are sent as %20, so that a bare plus sign can mean nothing but itself.
		value := strings.ReplaceAll(url.QueryEscape(params[name]), "+", "%20")
		if v.caller.Options.BarePlus {
			value = strings.ReplaceAll(value, "%2B", "+")
		}
		pairs = append(pairs, url.QueryEscape(name)+"="+value)
	}
	return message{
		method: http.MethodGet, target: v.caller.target(strings.Join(pairs, "&")), v1: true,
		activity: params["activity"], instanceIDs: params["instanceId"], debug: params["testFlag"] == "1",
		accepted: params["acceptanceTime"] != "",
	}
}

func (v V1) timeStamp() string {
	return timeText(v.caller.now(), milliTime)
}

func (v V1) purchase(order V1Order) map[string]string {
	params := ordered(order)
	params["businessId"] = randomHex(16)
	params["customerId"] = order.CustomerID
	if order.CustomerID == "" {
		params["customerId"] = "mock-customer-id"
	}
	params["customerName"] = order.CustomerName
	params["userId"], params["userName"] = order.UserID, order.UserName
	params["mobilePhone"] = v.sensitive(order.MobilePhone)
	params["email"] = v.sensitive(order.Email)
	params["chargingMode"] = numberText(order.ChargingMode)
	params["periodType"] = order.PeriodType
	if order.PeriodNumber != 0 {
		params["periodNumber"] = strconv.Itoa(order.PeriodNumber)
	}
	params["expireTime"] = timeText(order.ExpireTime, orderTime)
	params["acceptanceTime"] = timeText(order.AcceptanceTime, milliTime)
	if order.Trial {
		params["trialFlag"] = "1"
	}
	params["orderAmount"] = order.OrderAmount
	if order.ProvisionType != 0 {
		params["provisionType"] = strconv.Itoa(order.ProvisionType)
	}
	return params
}

// ordered are the parameters that a purchase and an upgrade have in common.
func ordered(order V1Order) map[string]string {
	return map[string]string{
		"orderId": order.OrderID, "productId": order.ProductID, "skuCode": order.SKUCode,
		"amount": numberText(order.Amount), "diskSize": numberText(order.DiskSize), "bandWidth": numberText(order.BandWidth),
		"saasExtendParams": extendText(order.ExtendParams),
	}
}

// sensitive encrypts as KooGallery does (protocol page 6).
func (v V1) sensitive(text string) string {
	if text == "" {
		return ""
	}
	// What is too long for the protocol is not sent.
	encrypted, _ := koogallery.EncryptField([]byte(v.caller.AccessKey), koogallery.EncryptAES256, text)
	return encrypted
}

// extendText is the value of saasExtendParams (protocol page 5.5): encoded for a URL once here, and again with all others.
func extendText(params []Param) string {
	if len(params) == 0 {
		return ""
	}
	return url.QueryEscape(base64.StdEncoding.EncodeToString(marshal(params)))
}

func numberText(number *int) string {
	if number == nil {
		return ""
	}
	return strconv.Itoa(*number)
}

// milliTime is orderTime with milliseconds, whose dot is cut afterwards.
const milliTime = orderTime + ".000"

func timeText(at time.Time, layout string) string {
	if at.IsZero() {
		return ""
	}
	return strings.ReplaceAll(at.UTC().Format(layout), ".", "")
}
