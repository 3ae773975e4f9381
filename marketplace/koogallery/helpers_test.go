package koogallery_test

import (
	"encoding/base64"
	"maps"
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/stallkeeper/stallkeeper/marketplace"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery"
)

const (
	accessKey = "test-access-key-0001"
	nextKey   = "test-access-key-0002"
)

// now is the time of all tests.
var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func newCallbacks(t testing.TB, keys map[string]string) *koogallery.Callbacks {
	t.Helper()
	secret := map[string][]byte{}
	for name, value := range keys {
		secret[name] = []byte(value)
	}
	callbacks, err := koogallery.NewCallbacks(secret, koogallery.WithVersions(koogallery.AllVersions()...))
	if err != nil {
		t.Fatal(err)
	}
	return callbacks
}

func bothKeys(t testing.TB) *koogallery.Callbacks {
	return newCallbacks(t, map[string]string{koogallery.KeyAccess: accessKey, "accessKeyNext": nextKey})
}

// call is a request to be signed.
type call struct {
	key, nonce, timestamp string
	// payload is what is signed; body what is sent.
	payload, body string
}

// ordinary is a call as KooGallery makes it, with the body signed as it is sent.
func ordinary(body string) call {
	return call{accessKey, "nonce-1", strconv.FormatInt(now.UnixMilli(), 10), body, body}
}

func (c call) query() url.Values {
	signature := koogallery.Sign([]byte(c.key), c.nonce, c.timestamp, []byte(c.payload))
	return url.Values{"signature": {signature}, "timestamp": {c.timestamp}, "nonce": {c.nonce}}
}

func (c call) request() marketplace.Request {
	return marketplace.Request{Method: "POST", Query: c.query().Encode(), Body: []byte(c.body)}
}

// queryCall is a request of SaaS V1.0 to be signed.
type queryCall struct {
	key    string
	params map[string]string
}

// mandatory are the fields that the activities of SaaS V1.0 and License 1.0 can't do without.
var mandatory = map[string]map[string]string{
	"newInstance":     {"orderId": "CS1", "customerId": "C1", "productId": "P1"},
	"getLicense":      {"orderId": "CS1", "customerId": "C1", "productId": "P1"},
	"refreshInstance": {"orderId": "CS2", "instanceId": "i-1", "expireTime": "20301231155959"},
	"expireInstance":  {"instanceId": "i-1"},
	"releaseInstance": {"instanceId": "i-1"},
	"refreshLicense":  {"orderId": "CS2", "instanceId": "i-1", "expireTime": "20301231155959"},
	"expireLicense":   {"instanceId": "i-1"},
	"releaseLicense":  {"instanceId": "i-1"},
	"upgrade":         {"orderId": "CS3", "instanceId": "i-1", "skuCode": "S2", "productId": "P2"},
	"instanceStatus":  {"instanceId": "i-1", "instanceStatus": "FREEZE"},
	"queryInstance":   {"instanceId": "i-1"},
}

// ordinaryQuery is a call with the mandatory fields of its activity, and more of them as names and values. A value "" leaves the
// field out.
func ordinaryQuery(activity string, more ...string) queryCall {
	params := map[string]string{"activity": activity, "timeStamp": "20260301120000000"}
	maps.Copy(params, mandatory[activity])
	for i := 0; i < len(more); i += 2 {
		params[more[i]] = more[i+1]
		if more[i+1] == "" {
			delete(params, more[i])
		}
	}
	return queryCall{accessKey, params}
}

func (q queryCall) query() string {
	values := url.Values{"authToken": {koogallery.AuthToken([]byte(q.key), q.params)}}
	for name, value := range q.params {
		values.Set(name, value)
	}
	return values.Encode()
}

func (q queryCall) request() marketplace.Request {
	return marketplace.Request{Method: "GET", Query: q.query()}
}

func unBase64(t testing.TB, text string) string {
	t.Helper()
	plain, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return string(plain)
}

// allKeys are those of every family.
func allKeys(t testing.TB) *koogallery.Callbacks {
	return newCallbacks(t, map[string]string{
		koogallery.KeyAccess: accessKey, "accessKeyNext": nextKey, koogallery.KeyKit: "kit-key", "kitAccessKeyNext": "kit-key-next",
		koogallery.KeyLicense: "license-key", "licenseAccessKeyNext": "license-key-next",
		koogallery.KeyNotify: "notify-key", "notifyAccessKeyNext": "notify-key-next",
	})
}
