package koogallery_test

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stallkeeper/stallkeeper/marketplace"
)

// Whoever has no key is refused, whatever is sent, in bounded time and without an echo.
func FuzzVerify(f *testing.F) {
	for _, vector := range readVectors(f).Requests {
		f.Add("POST", "", vector.QueryString, []byte(vector.RawBody))
	}
	f.Add("GET", "/", "authToken=x", []byte(nil))
	f.Add("POST", "", "signature=00&timestamp=1&nonce=1;", []byte(strings.Repeat("[", 100)))
	f.Add("POST", "", "signature=%zz", []byte(`{"a":"\ud800","a":1}`))
	callbacks := bothKeys(f)
	f.Fuzz(func(t *testing.T, method, path, query string, body []byte) {
		_, err := callbacks.Verify(marketplace.Request{Method: method, Path: path, Query: query, Body: body}, now)
		if !errors.Is(err, marketplace.ErrUnauthenticated) && !errors.Is(err, marketplace.ErrMalformed) {
			t.Fatalf("error = %v", err)
		}
		if strings.Contains(err.Error(), accessKey) || strings.Contains(err.Error(), nextKey) {
			t.Fatal("the error tells a key")
		}
	})
}

// What decodes is complete and within its bounds; what does not is malformed, in words fit for a log line.
func FuzzDecode(f *testing.F) {
	for _, vector := range readVectors(f).Requests {
		f.Add([]byte(vector.RawBody))
	}
	for _, body := range []string{
		`{"activity":"queryInstance","instanceId":"a,b, c","testFlag":1}`,
		`{"activity":"refreshInstance","scene":"RENEWAL_CHANGE","orderId":"o","orderLineId":"l","instanceId":"i","expireTime":"20221124023618256"}`,
		`{"activity":"updateInstanceStatus","instanceId":"i","status":"NORMAL"}`,
		`{"activity":"upgradeInstance","instanceId":"i","orderId":"o","orderLineId":"l"}`,
		`{"activity":"changeInstanceCheck","instanceId":"i","productInfo":"[{\"productId\":1,\"linearValue\":\"7\"}]"}`,
		`{"activity":"changeInstanceCheck","instanceId":"i","productInfo":{"linearValue":1e9}}`,
		`{"activity":"\u0000"} {}`, "\xef\xbb\xbf{}", `{"a":1,"a":2}`, `null`,
	} {
		f.Add([]byte(body))
	}
	callbacks := bothKeys(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		event, err := callbacks.Decode(marketplace.Request{Method: "POST", Body: body})
		if err != nil {
			checkRefusal(t, err)
			return
		}
		if event.Kind == "" || event.Activity == "" {
			t.Fatalf("nothing was understood: %+v", event)
		}
		if event.Kind == marketplace.Purchase && (event.OrderID == "" || event.OrderLineID == "") {
			t.Fatalf("a purchase without order: %+v", event)
		}
		if event.Kind != marketplace.Purchase && event.Kind != marketplace.Query && event.InstanceID == "" {
			t.Fatalf("no instance: %+v", event)
		}
		if event.Kind == marketplace.Renew && event.ExpiresAt.IsZero() {
			t.Fatalf("a renewal without end: %+v", event)
		}
		for _, id := range append(event.InstanceIDs, event.InstanceID, event.OrderID, event.OrderLineID, event.ProductID, event.SKUCode) {
			if utf8.RuneCountInString(id) > 64 || strings.ContainsAny(id, "\x00\n") {
				t.Fatalf("not an id: %q", id)
			}
		}
	})
}

func checkRefusal(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, marketplace.ErrMalformed) {
		t.Fatalf("error = %v", err)
	}
	if text := err.Error(); len(text) > 400 || strings.ContainsAny(text, "\x00\n\r\x1b") {
		t.Fatalf("not fit for a log line: %q", text)
	}
}
