package koogallery_test

import (
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/stallkeeper/stallkeeper/marketplace"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery"
)

const release = `{"activity":"releaseInstance","instanceId":"i-1"}`

func TestVerifyAccepts(t *testing.T) {
	millis := func(at time.Time) string { return strconv.FormatInt(at.UnixMilli(), 10) }
	tests := map[string]struct {
		change   func(c *call)
		wantKey  string
		wantTime time.Time
	}{
		"an ordinary call":       {func(*call) {}, "accessKey", now},
		"the successor of a key": {func(c *call) { c.key = nextKey }, "accessKeyNext", now},
		"seconds":                {func(c *call) { c.timestamp = c.timestamp[:10] }, "accessKey", now},
		"60 s ago":               {func(c *call) { c.timestamp = millis(now.Add(-time.Minute)) }, "accessKey", now.Add(-time.Minute)},
		"60 s ahead":             {func(c *call) { c.timestamp = millis(now.Add(time.Minute)) }, "accessKey", now.Add(time.Minute)},
		"a nonce with marks":     {func(c *call) { c.nonce = "a+b/c= &d" }, "accessKey", now},
		"no body":                {func(c *call) { c.payload, c.body = "", "" }, "accessKey", now},
		"members in another order": {func(c *call) {
			c.body = `{"instanceId":"i-1", "activity" : "releaseInstance"}` + "\n"
		}, "accessKey", now},
		"null members left out of what is signed": {func(c *call) {
			c.body = `{"activity":"releaseInstance","instanceId":"i-1","orderId":null}`
		}, "accessKey", now},
		"nested members and nulls kept in their order": {func(c *call) {
			c.payload = `{"a":{"z":1,"b":null},"x":[2.50,1e3]}`
			c.body = `{ "x": [ 2.50, 1e3 ], "a": { "z": 1, "b": null } }`
		}, "accessKey", now},
		"escaped characters that were signed unescaped": {func(c *call) {
			c.payload = `{"a":"订单 <&>/","n":{"k":"é\"\\"}}`
			c.body = `{"n":{"k":"\u00e9\"\\"},"a":"\u8ba2\u5355 \u003c\u0026>\/"}`
		}, "accessKey", now},
		"escaped characters that were signed escaped": {func(c *call) {
			c.payload = `{"a":"\u8ba2","b":"1"}`
			c.body = `{"b":"1","a":"\u8ba2"}`
		}, "accessKey", now},
		"control characters, which Java escapes in its own way": {func(c *call) {
			c.payload = `{"a":"\u001F\b\t\n\f\r\"\\","b":1}`
			c.body = `{"b":1,"a":"\u001f\u0008\u0009\u000a\u000c\u000d\u0022\u005c"}`
		}, "accessKey", now},
		"a fingerprint of the documented length, escaped and in another order": {func(c *call) {
			fingerprint := strings.Repeat("指", 1024)
			c.payload = `{"activity":"getLicenseAsync","deviceFingerprint":"` + fingerprint + `"}`
			c.body = `{"deviceFingerprint":"` + strings.Repeat(`\u6307`, 1024) + `","activity":"getLicenseAsync"}`
		}, "accessKey", now},
		"the largest body as it came": {func(c *call) {
			c.payload = `{"b":1,"a":"` + strings.Repeat("x", koogallery.MaxBody-14) + `"}`
			c.body = c.payload
		}, "accessKey", now},
		"numbers and bools that were signed as texts": {func(c *call) {
			c.payload = `{"a":"订","flag":"1","n":{"b":2},"on":"true","testFlag":"-1.50"}`
			c.body = `{"testFlag":-1.50,"a":"\u8ba2","n":{"b":2},"on":true,"flag":1}`
		}, "accessKey", now},
		"large numbers": {func(c *call) {
			c.payload = `{"a":12345678901234567890,"b":1}`
			c.body = `{"b":1,"a":12345678901234567890}`
		}, "accessKey", now},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			c := ordinary(release)
			tc.change(&c)
			proof, err := bothKeys(t).Verify(c.request(), now)
			if err != nil {
				t.Fatal(err)
			}
			want := marketplace.Proof{KeyName: tc.wantKey, SentAt: tc.wantTime, Nonce: c.nonce}
			if diff := cmp.Diff(want, proof); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestVerifyRefuses(t *testing.T) {
	millis := func(at time.Time) string { return strconv.FormatInt(at.UnixMilli(), 10) }
	signed := func(change func(c *call)) func() marketplace.Request {
		return func() marketplace.Request {
			c := ordinary(release)
			change(&c)
			return c.request()
		}
	}
	changed := func(change func(r *marketplace.Request)) func() marketplace.Request {
		return func() marketplace.Request {
			r := ordinary(release).request()
			change(&r)
			return r
		}
	}
	without := func(parameter string) func() marketplace.Request {
		return changed(func(r *marketplace.Request) {
			query := ordinary(release).query()
			query.Del(parameter)
			r.Query = query.Encode()
		})
	}
	tests := map[string]struct {
		request func() marketplace.Request
		want    error
		// wantKey is in the proof that comes with the error.
		wantKey  string
		wantText string
	}{
		"an unknown key":         {signed(func(c *call) { c.key = "other" }), marketplace.ErrUnauthenticated, "", "the signature is wrong"},
		"another body":           {changed(func(r *marketplace.Request) { r.Body = []byte(`{"activity":"newInstance"}`) }), marketplace.ErrUnauthenticated, "", ""},
		"a body that is no JSON": {changed(func(r *marketplace.Request) { r.Body = []byte("\xff") }), marketplace.ErrUnauthenticated, "", ""},
		"a nested number signed as a text": {signed(func(c *call) {
			c.payload, c.body = `{"n":{"b":"2"}}`, `{"n":{"b":2}}`
		}), marketplace.ErrUnauthenticated, "", ""},
		"a text that was signed as a number": {signed(func(c *call) {
			c.payload, c.body = `{"testFlag":1}`, `{"testFlag":"1"}`
		}), marketplace.ErrUnauthenticated, "", ""},
		"a repeated member":          {signed(func(c *call) { c.body = `{"instanceId":"i-2","activity":"releaseInstance","instanceId":"i-1"}` }), marketplace.ErrUnauthenticated, "", ""},
		"a signature that is no hex": {changed(func(r *marketplace.Request) { r.Query = "signature=xyz&timestamp=1&nonce=n" }), marketplace.ErrUnauthenticated, "", ""},
		"half a signature":           {changed(func(r *marketplace.Request) { r.Query = "signature=abcd&timestamp=1&nonce=n" }), marketplace.ErrUnauthenticated, "", ""},
		"no signature":               {without("signature"), marketplace.ErrUnauthenticated, "", "signature is missing"},
		"no timestamp":               {without("timestamp"), marketplace.ErrMalformed, "", "timestamp is missing"},
		"no nonce":                   {without("nonce"), marketplace.ErrMalformed, "", "nonce is missing"},
		"a long nonce":               {signed(func(c *call) { c.nonce = strings.Repeat("n", 257) }), marketplace.ErrMalformed, "", "256 characters"},
		"two timestamps":             {changed(func(r *marketplace.Request) { r.Query += "&timestamp=1" }), marketplace.ErrMalformed, "", "timestamp is repeated"},
		"two signatures":             {changed(func(r *marketplace.Request) { r.Query += "&signature=00" }), marketplace.ErrMalformed, "", "signature is repeated"},
		"a query that can't be read": {changed(func(r *marketplace.Request) { r.Query += "&x=%zz" }), marketplace.ErrMalformed, "", "query string"},
		"GET":                        {changed(func(r *marketplace.Request) { r.Method = "GET" }), marketplace.ErrMalformed, "", "POST"},
		"a path below":               {changed(func(r *marketplace.Request) { r.Path = "/produceAPI/v2/otherSync" }), marketplace.ErrMalformed, "", "path"},
		"a timestamp of 12 digits":   {signed(func(c *call) { c.timestamp = c.timestamp[:12] }), marketplace.ErrMalformed, "accessKey", "13 digits"},
		"a signed timestamp":         {signed(func(c *call) { c.timestamp = "+" + c.timestamp[:12] }), marketplace.ErrMalformed, "accessKey", "13 digits"},
		"60.001 s ago":               {signed(func(c *call) { c.timestamp = millis(now.Add(-60001 * time.Millisecond)) }), marketplace.ErrStale, "accessKey", "1m0s before the server's time"},
		"61 s ahead":                 {signed(func(c *call) { c.timestamp = millis(now.Add(61 * time.Second)) }), marketplace.ErrStale, "accessKey", "1m1s after the server's time"},
		"the year 1970":              {signed(func(c *call) { c.timestamp = "0000000000" }), marketplace.ErrStale, "accessKey", "before the server's time"},
		"a long query": {changed(func(r *marketplace.Request) { r.Query += "&x=" + strings.Repeat("x", koogallery.MaxQuery) }),
			marketplace.ErrTooLarge, "", "query string"},
		"1 MiB of nested arrays": {signed(func(c *call) { c.body = strings.Repeat("[", 1<<20) }), marketplace.ErrTooLarge, "", "body"},
		"the most nested arrays that are read": {signed(func(c *call) { c.body = `{"a":` + strings.Repeat("[", koogallery.MaxBody-5) }),
			marketplace.ErrUnauthenticated, "", ""},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			proof, err := bothKeys(t).Verify(tc.request(), now)
			if !errors.Is(err, tc.want) {
				t.Fatalf("error = %v, want one that wraps %v", err, tc.want)
			}
			if proof.KeyName != tc.wantKey {
				t.Errorf("KeyName = %q, want %q", proof.KeyName, tc.wantKey)
			}
			if !strings.Contains(err.Error(), tc.wantText) {
				t.Errorf("error = %q, want one with %q", err, tc.wantText)
			}
		})
	}
}

// The skew is measured with the proof of stale calls.
func TestStaleCallTellsItsTime(t *testing.T) {
	c := ordinary(release)
	proof, err := bothKeys(t).Verify(c.request(), now.Add(5*time.Minute))
	if !errors.Is(err, marketplace.ErrStale) || !proof.SentAt.Equal(now) {
		t.Errorf("proof of %s with error %v, want one of %s with ErrStale", proof.SentAt, err, now)
	}
}

func TestOneChangedByteBreaksTheSignature(t *testing.T) {
	callbacks := bothKeys(t)
	rapid.Check(t, func(t *rapid.T) {
		req := ordinary(release).request()
		at := rapid.IntRange(0, len(req.Body)-1).Draw(t, "at")
		flip := rapid.ByteRange(1, 255).Draw(t, "flip")
		req.Body[at] ^= flip
		if _, err := callbacks.Verify(req, now); !errors.Is(err, marketplace.ErrUnauthenticated) {
			t.Fatalf("body %q: %v", req.Body, err)
		}
	})
}
