package koogallery_test

import (
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stallkeeper/stallkeeper/marketplace"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery"
)

// Whoever has no key is refused, whatever is sent, in bounded time and without an echo.
func FuzzVerify(f *testing.F) {
	for _, vector := range readVectors(f).Requests {
		f.Add("POST", "", vector.QueryString, []byte(vector.RawBody))
	}
	for _, vector := range readVectors(f).Tokens {
		f.Add("GET", "", vector.QueryString, []byte(nil))
	}
	f.Add("GET", "", "authToken=a+b%2B&a=+&a=%20;=&&=", []byte(nil))
	f.Add("GET", "/", "authToken=x", []byte(nil))
	f.Add("POST", "", "signature=00&timestamp=1&nonce=1;", []byte(strings.Repeat("[", 100)))
	f.Add("POST", "", "signature=%zz", []byte(`{"a":"\ud800","a":1}`))
	for _, request := range strangers() {
		// The fuzzer's own copies of a seed are as large as it is.
		if len(request.Body)+len(request.Query)+len(request.Path) <= 1<<10 {
			f.Add(request.Method, request.Path, request.Query, request.Body)
		}
	}
	const unknown = "nobody-has-this-key"
	// The seeds are signed, but not with this.
	callbacks := newCallbacks(f, map[string]string{
		koogallery.KeyAccess: unknown, koogallery.KeyLicense: unknown + "-2", koogallery.KeyNotify: unknown + "-3",
	})
	f.Fuzz(func(t *testing.T, method, path, query string, body []byte) {
		_, err := callbacks.Verify(marketplace.Request{Method: method, Path: path, Query: query, Body: body}, now)
		if !errors.Is(err, marketplace.ErrUnauthenticated) && !errors.Is(err, marketplace.ErrMalformed) {
			t.Fatalf("error = %v", err)
		}
		if strings.Contains(err.Error(), unknown) {
			t.Fatal("the error tells a key")
		}
	})
}

// Whoever has the key is heard, whatever is sent: what is refused is refused for what it is, and not for its signature.
func FuzzVerifySigned(f *testing.F) {
	for _, vector := range readVectors(f).Requests {
		f.Add(vector.Nonce, []byte(vector.RawBody))
	}
	f.Add("", []byte("{}"))
	for _, flag := range []string{`"\u0031"`, `"1"`, "1", "1.0", "true", `" 1"`, "null", `["1"]`} {
		f.Add("n", []byte(`{"activity":"releaseInstance","instanceId":"i","testFlag":`+flag+`}`))
	}
	f.Add("+ &=%", []byte(`{"b":null,"a":"\ud800"}`))
	f.Add("n", []byte(strings.Repeat("[", 100)))
	callbacks := allKeys(f)
	f.Fuzz(func(t *testing.T, nonce string, body []byte) {
		c := ordinary(string(body))
		c.nonce = nonce
		proof, err := callbacks.Verify(c.request(), now)
		// With three digits of the time it would have one of the usual lengths, and the time would be in seconds.
		ambiguous := len(nonce) == 61 || len(nonce) == 33 || len(nonce) == 29
		fits := nonce != "" && len(nonce) <= 256 && len(body) <= koogallery.MaxBody && !ambiguous
		if fits != (err == nil) || err != nil && !errors.Is(err, marketplace.ErrMalformed) {
			t.Fatalf("error = %v", err)
		}
		if want := (marketplace.Proof{KeyName: koogallery.KeyAccess, SentAt: now, Nonce: nonce}); err == nil && proof != want {
			t.Fatalf("proof = %+v, want %+v", proof, want)
		}
		// Whichever form of it was signed, the body is a debug call if that one is.
		forms, _ := koogallery.SignedForms(body)
		sent, _ := callbacks.Decode(c.request())
		for _, form := range forms {
			signed, _ := callbacks.Decode(marketplace.Request{Method: "POST", Body: form})
			if len(body) <= koogallery.MaxBody && len(form) <= koogallery.MaxBody && signed.Test != sent.Test {
				t.Fatalf("a debug call is %t as it was sent and %t as it was signed: %s", sent.Test, signed.Test, form)
			}
		}
	})
}

// isTakenAtAnyAge reports whether a call is accepted though it is too old, which only a debug call may be.
func isTakenAtAnyAge(callbacks *koogallery.Callbacks, request marketplace.Request) bool {
	_, once := callbacks.Verify(request, now.AddDate(0, 1, 0))
	_, twice := callbacks.Verify(request, now.AddDate(0, 2, 0))
	return once == nil && twice == nil
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
		`{"activity":"refreshLicenseCode","scene":"RENEWAL","orderId":"o","orderLineId":"l","license":"PL1","expireTime":"20221124023618"}`,
		`{"activity":"updateLicenseCodeStatus","license":"PL1","status":"UNFREEZE"}`,
		`{"activity":"releaseLicenseCode","license":"PL1"}`,
		`{"activity":"getLicenseAsync","instanceId":"i","eventId":"e","effectiveTime":"2023-10-27 10:30:15 z","deviceFingerprint":"f"}`,
		`{"activity":"orderNotify","orderId":"o","orderLineId":"l"}`,
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
		checkEvent(t, event)
		if event.Kind == marketplace.Purchase && event.OrderLineID == "" {
			t.Fatalf("a purchase without line: %+v", event)
		}
	})
}

// The same for calls that stand in a query, whatever their parameters are.
func FuzzDecodeQuery(f *testing.F) {
	for _, vector := range readVectors(f).Tokens {
		f.Add(url.Values{"activity": {vector.Params["activity"]}, "instanceId": {vector.Params["instanceId"]}}.Encode())
	}
	for activity := range mandatory {
		values := url.Values{"amount": {"5"}, "testFlag": {"1"}, "mobilePhone": {"Uh2977H2620i0K25YhLkOSWYQfdwW68rtvhBhA=="}}
		for name, value := range ordinaryQuery(activity).params {
			values.Set(name, value)
		}
		f.Add(values.Encode())
	}
	for _, vector := range readVectors(f).ExtendParams {
		f.Add("activity=newInstance&orderId=o&customerId=c&productId=p&acceptanceTime=20260301120000000&saasExtendParams=" + vector.URLEncoded)
	}
	callbacks := allKeys(f)
	f.Fuzz(func(t *testing.T, query string) {
		values, err := url.ParseQuery(query)
		if err != nil {
			t.Skip()
		}
		c := queryCall{accessKey, map[string]string{}}
		for name := range values {
			c.params[name] = values.Get(name)
		}
		delete(c.params, "authToken")
		event, err := callbacks.Decode(c.request())
		if err != nil {
			checkRefusal(t, err)
			return
		}
		checkEvent(t, event)
		if isTakenAtAnyAge(callbacks, c.request()) && !event.Test {
			t.Fatalf("a real call is taken at any age: %+v", event)
		}
		formal := event.Kind == marketplace.Renew && event.Term == marketplace.TermPaid && event.ProductID != ""
		if (event.Order != nil) != (event.Kind == marketplace.Purchase || event.Kind == marketplace.Change || formal) || event.Lookup != "" {
			t.Fatalf("the order is not where it belongs: %+v", event)
		}
		if event.Order != nil {
			// Whatever is understood can be stored.
			if _, err := marketplace.EncodeOrder(*event.Order); err != nil {
				t.Fatal(err)
			}
		}
		if event.Order != nil && (len(event.Order.Items) != 1 || !json.Valid(event.Order.Raw)) {
			t.Fatalf("half an order: %+v", event)
		}
	})
}

// What is no encrypted field is refused; what is one was made with this key, or by chance.
func FuzzDecryptField(f *testing.F) {
	for _, vector := range readVectors(f).Fields {
		f.Add(vector.AccessKey, string(vector.EncryptType), vector.Value)
	}
	f.Add("", "", "")
	f.Add("k", "1", "Uh2977H2620i0K25")
	f.Fuzz(func(t *testing.T, key, kind, value string) {
		plain, err := koogallery.DecryptField([]byte(key), koogallery.EncryptType(kind), value)
		if err == nil && (len(plain) >= len(value) || !utf8.ValidString(plain)) {
			t.Fatalf("decrypted = %q", plain)
		}
	})
}

// What is read of WeLink's parameter has values, and other parameters are left alone.
func FuzzWeLinkAttributes(f *testing.F) {
	for _, value := range []string{
		`{"tenantName":"订","tennantId":"T1","userId":"U1"}`, `{"tenantId":1,"tennantId":null}`, `{"userId":{"a":[]}}`, `[]`, ``, `{}`,
	} {
		f.Add("platformParams", value)
	}
	f.Add("title", `{"userId":"U1"}`)
	f.Fuzz(func(t *testing.T, name, value string) {
		attributes, ok := koogallery.WeLinkAttributes(name, value)
		if ok != (len(attributes) > 0) || ok && name != "platformParams" {
			t.Fatalf("%v of %q, %t", attributes, name, ok)
		}
		for _, attribute := range attributes {
			if attribute.Value == "" || !strings.HasPrefix(attribute.Name, "welink.") {
				t.Fatalf("attribute %+v", attribute)
			}
		}
	})
}

func checkEvent(t *testing.T, event marketplace.Event) {
	t.Helper()
	if event.Kind == "" || event.Activity == "" {
		t.Fatalf("nothing was understood: %+v", event)
	}
	sold := event.Kind == marketplace.Purchase || event.Kind == marketplace.Notify
	if sold && event.OrderID == "" {
		t.Fatalf("no order: %+v", event)
	}
	if !sold && event.Kind != marketplace.Query && (event.InstanceID == "") == (event.License == "") {
		t.Fatalf("no instance and no license, or both: %+v", event)
	}
	if event.Kind == marketplace.Renew && event.ExpiresAt.IsZero() {
		t.Fatalf("a renewal without end: %+v", event)
	}
	if (event.Kind == marketplace.RequestLicense) != (event.LicenseRequest != nil) {
		t.Fatalf("half a request: %+v", event)
	}
	ids := []string{event.InstanceID, event.OrderID, event.OrderLineID, event.ProductID, event.SKUCode, event.License}
	ids = append(ids, event.InstanceIDs...)
	if event.LicenseRequest != nil {
		ids = append(ids, event.LicenseRequest.ID)
	}
	for _, id := range ids {
		if utf8.RuneCountInString(id) > 64 || strings.ContainsAny(id, "\x00\n") {
			t.Fatalf("not an id: %q", id)
		}
	}
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
