package koogallery_test

import (
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
	callbacks, err := koogallery.NewCallbacks(secret)
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
