package koogallery_test

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/stallkeeper/stallkeeper/marketplace"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery"
)

func TestWhatIsScreened(t *testing.T) {
	hmac := strings.Repeat("aB", 32)
	query := func(signature, timestamp, nonce string) string {
		return url.Values{"signature": {signature}, "timestamp": {timestamp}, "nonce": {nonce}}.Encode()
	}
	kit := func(sign, timestamp, nonce string) http.Header {
		return http.Header{koogallery.HeaderKitSign: {sign}, koogallery.HeaderKitTimestamp: {timestamp}, koogallery.HeaderKitNonce: {nonce}}
	}
	tests := map[string]struct {
		req  marketplace.Request
		want error
	}{
		"a call that may be signed":       {marketplace.Request{Method: "POST", Query: query(hmac, "1", "n")}, nil},
		"a signature that is too short":   {marketplace.Request{Method: "POST", Query: query("00", "1", "n")}, marketplace.ErrUnauthenticated},
		"a signature that is no hex":      {marketplace.Request{Method: "POST", Query: query(strings.Repeat("x", 64), "1", "n")}, marketplace.ErrUnauthenticated},
		"no signature":                    {marketplace.Request{Method: "POST", Query: query("", "1", "n")}, marketplace.ErrUnauthenticated},
		"no nonce":                        {marketplace.Request{Method: "POST", Query: query(hmac, "1", "")}, marketplace.ErrMalformed},
		"another method":                  {marketplace.Request{Method: "PUT", Query: query(hmac, "1", "n")}, marketplace.ErrMalformed},
		"another path":                    {marketplace.Request{Method: "POST", Path: "/x", Query: query(hmac, "1", "n")}, marketplace.ErrMalformed},
		"a query that is too long":        {marketplace.Request{Method: "POST", Query: strings.Repeat("x", koogallery.MaxQuery+1)}, marketplace.ErrTooLarge},
		"V1.0, which has no body":         {marketplace.Request{Method: "GET", Query: "authToken=x"}, nil},
		"the Kit, which may be signed":    {marketplace.Request{Method: "POST", Path: koogallery.KitV2Path + "authSync", Header: kit(hmac, "1", "n")}, nil},
		"the Kit without a signature":     {marketplace.Request{Method: "POST", Path: koogallery.KitV2Path + "authSync", Header: kit("", "1", "n")}, marketplace.ErrUnauthenticated},
		"the Kit with a short one":        {marketplace.Request{Method: "POST", Path: koogallery.KitV2Path + "authSync", Header: kit("ab", "1", "n")}, marketplace.ErrUnauthenticated},
		"the Kit's V1 with a short token": {marketplace.Request{Method: "POST", Path: koogallery.KitPath + "authSync", Header: http.Header{koogallery.HeaderKitToken: {"QUJD"}}}, marketplace.ErrUnauthenticated},
	}
	for sentence, tc := range tests {
		t.Run(sentence, func(t *testing.T) {
			if err := kitCallbacks(t).Screen(tc.req); !errors.Is(err, tc.want) || (err == nil) != (tc.want == nil) {
				t.Errorf("the error is %v, want %v", err, tc.want)
			}
		})
	}
}

// What is screened would be refused for the same reason with its body, whatever that is.
func TestScreeningRefusesNothingThatVerifyTakes(t *testing.T) {
	callbacks := kitCallbacks(t)
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.SampledFrom([]string{"", "00", strings.Repeat("ab", 32), strings.Repeat("zz", 32), "1772366400000", "n", "QUJD"})
		query := url.Values{}
		for _, name := range []string{"signature", "timestamp", "nonce", "authToken"} {
			if rapid.Bool().Draw(t, name) {
				query.Add(name, word.Draw(t, "value"))
			}
		}
		req := marketplace.Request{
			Method: rapid.SampledFrom([]string{"POST", "GET", "PUT"}).Draw(t, "method"),
			Path:   rapid.SampledFrom([]string{"", "/", "/x", koogallery.KitPath + "authSync", koogallery.KitV2Path + "authSync"}).Draw(t, "path"),
			Query:  query.Encode(), Header: http.Header{}, Body: []byte(rapid.SampledFrom([]string{"", "{}", "x"}).Draw(t, "body")),
		}
		for _, name := range []string{koogallery.HeaderKitSign, koogallery.HeaderKitTimestamp, koogallery.HeaderKitNonce, koogallery.HeaderKitToken} {
			for range rapid.IntRange(0, 2).Draw(t, name) {
				req.Header.Add(name, word.Draw(t, "value"))
			}
		}
		screened := callbacks.Screen(req)
		_, verified := callbacks.Verify(req, now)
		if screened == nil {
			return
		}
		for _, kind := range []error{marketplace.ErrUnauthenticated, marketplace.ErrMalformed, marketplace.ErrTooLarge} {
			if errors.Is(screened, kind) != errors.Is(verified, kind) {
				t.Fatalf("screened: %v; verified: %v", screened, verified)
			}
		}
	})
}
