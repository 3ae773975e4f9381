package koogallery_test

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/stallkeeper/stallkeeper/marketplace"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery"
)

// What KooGallery signs is plain; what arrives has gone through senders and proxies that mean different things by a plus sign.
func TestPlusSignsAreReadAsTheTokenMeansThem(t *testing.T) {
	const phone = "A1b2C3d4E5f6G7h8vFIX6AP2tmP+in/Oh02p6eas3K4g9CY7TroBi6Er6b0="
	tests := map[string]struct {
		customerName string
		// rewrite is what happens to the query on its way.
		rewrite func(query string) string
	}{
		"plus signs escaped, blanks as plus signs": {"Zhang San", func(q string) string { return q }},
		"plus signs escaped, blanks escaped":       {"Zhang San", func(q string) string { return strings.ReplaceAll(q, "+", "%20") }},
		"plus signs bare, no blanks":               {"Zhang", func(q string) string { return strings.ReplaceAll(q, "%2B", "+") }},
		"plus signs bare, blanks escaped":          {"Zhang San", func(q string) string { return strings.ReplaceAll(strings.ReplaceAll(q, "+", "%20"), "%2B", "+") }},
		"plus signs bare, blanks as plus signs":    {"Zhang San", func(q string) string { return strings.ReplaceAll(q, "%2B", "+") }},
		"a name with a plus sign, all bare":        {"A+B", func(q string) string { return strings.ReplaceAll(q, "%2B", "+") }},
		"a name with a plus sign, all escaped":     {"A+B", func(q string) string { return q }},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			// Only some tokens have a plus sign: take one that has.
			var c queryCall
			for i := 0; !strings.Contains(koogallery.AuthToken([]byte(c.key), c.params), "+"); i++ {
				c = ordinaryQuery("newInstance", "customerName", tc.customerName, "mobilePhone", phone, "businessId", fmt.Sprint(i))
				c.key = nextKey
			}
			req := marketplace.Request{Method: "GET", Query: tc.rewrite(c.query())}
			proof, err := bothKeys(t).Verify(req, now)
			if err != nil || proof.KeyName != "accessKeyNext" || proof.Generation != koogallery.GenerationV1 {
				t.Fatalf("proof %+v, error %v", proof, err)
			}
			event, err := bothKeys(t).Decode(req)
			if err != nil || event.Order.CustomerName != tc.customerName {
				t.Errorf("error %v, or another name than %q", err, tc.customerName)
			}
		})
	}
}

func TestVerifyRefusesQueries(t *testing.T) {
	good := func() string { return ordinaryQuery("expireInstance").query() }
	signed := func(change func(q *queryCall)) func() string {
		return func() string {
			c := ordinaryQuery("expireInstance")
			change(&c)
			return c.query()
		}
	}
	tests := map[string]struct {
		query    func() string
		want     error
		wantKey  string
		wantText string
	}{
		"an unknown key":                  {signed(func(c *queryCall) { c.key = "other" }), marketplace.ErrUnauthenticated, "", "authToken is wrong"},
		"a key of another interface":      {signed(func(c *queryCall) { c.key = "kit-key" }), marketplace.ErrUnauthenticated, "", "authToken is wrong"},
		"the notification key":            {signed(func(c *queryCall) { c.key = "notify-key" }), marketplace.ErrUnauthenticated, "", "authToken is wrong"},
		"the licence key for an instance": {signed(func(c *queryCall) { c.key = "license-key" }), marketplace.ErrUnauthenticated, "licenseAccessKey", "not the key of its kind"},
		"no authToken":                    {func() string { return "activity=expireInstance&instanceId=i-1" }, marketplace.ErrMalformed, "", "GET with an authToken"},
		"an empty authToken":              {func() string { return "activity=expireInstance&authToken=" }, marketplace.ErrUnauthenticated, "", "authToken is wrong"},
		"an authToken that is no base64":  {func() string { return "authToken=***&activity=expireInstance" }, marketplace.ErrUnauthenticated, "", "authToken is wrong"},
		"another value":                   {func() string { return strings.Replace(good(), "i-1", "i-2", 1) }, marketplace.ErrUnauthenticated, "", "authToken is wrong"},
		"one parameter more":              {func() string { return good() + "&orderId=CS1" }, marketplace.ErrUnauthenticated, "", "authToken is wrong"},
		"a parameter twice":               {func() string { return good() + "&instanceId=i-1" }, marketplace.ErrMalformed, "", `"instanceId" is given twice`},
		"a parameter twice, once escaped": {func() string { return good() + "&instance%49d=i-2" }, marketplace.ErrMalformed, "", `"instanceId" is given twice`},
		"an authToken twice":              {func() string { return good() + "&authToken=x" }, marketplace.ErrMalformed, "", `"authToken" is given twice`},
		"a broken escape":                 {func() string { return good() + "&x=%zz" }, marketplace.ErrMalformed, "", "can't be read"},
		"bytes that are no UTF-8":         {func() string { return good() + "&x=%ff" }, marketplace.ErrMalformed, "", "can't be read"},
		"no timeStamp":                    {signed(func(c *queryCall) { delete(c.params, "timeStamp") }), marketplace.ErrMalformed, "accessKey", "timeStamp must be"},
		"a timeStamp of 13 digits":        {signed(func(c *queryCall) { c.params["timeStamp"] = "1680508066618" }), marketplace.ErrMalformed, "accessKey", "timeStamp must be"},
		"hundreds of parameters": {func() string {
			var query strings.Builder
			for i := range 200 {
				fmt.Fprintf(&query, "&p%d=", i)
			}
			return good() + query.String()
		}, marketplace.ErrMalformed, "", "more than 128 parameters"},
		"a long query": {func() string { return good() + "&x=" + strings.Repeat("x", koogallery.MaxQuery) }, marketplace.ErrTooLarge, "", "query string"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			proof, err := allKeys(t).Verify(marketplace.Request{Method: "GET", Query: tc.query()}, now)
			if !errors.Is(err, tc.want) || !strings.Contains(err.Error(), tc.wantText) {
				t.Fatalf("error = %v, want one that wraps %v with %q", err, tc.want, tc.wantText)
			}
			if proof.KeyName != tc.wantKey {
				t.Errorf("KeyName = %q, want %q", proof.KeyName, tc.wantKey)
			}
		})
	}
}

// No window is documented, and KooGallery may repeat a call for hours: an old one is as good as a new one, and says nothing
// about the clocks.
func TestOldQueriesAreAccepted(t *testing.T) {
	c := ordinaryQuery("expireInstance", "timeStamp", "20200101000000000")
	proof, err := bothKeys(t).Verify(c.request(), now)
	if err != nil || !proof.SentAt.IsZero() || proof.Nonce != "" {
		t.Errorf("proof %+v, error %v", proof, err)
	}
	event, err := bothKeys(t).Decode(c.request())
	if err != nil || event.SentAt.Year() != 2020 {
		t.Errorf("sent at %s, error %v", event.SentAt, err)
	}
}

func TestQueryIsNotReadWithoutItsToken(t *testing.T) {
	req := ordinaryQuery("newInstance").request()
	req.Query = strings.Replace(req.Query, "CS1", "CS9", 1)
	if event, err := bothKeys(t).Decode(req); !errors.Is(err, marketplace.ErrUnauthenticated) || event.OrderID != "" {
		t.Errorf("event %+v, error %v", event, err)
	}
}

// Whatever values a call has, it verifies as it was signed and no otherwise.
func TestTokenCoversEveryValue(t *testing.T) {
	callbacks := bothKeys(t)
	rapid.Check(t, func(t *rapid.T) {
		c := ordinaryQuery("newInstance")
		c.params["customerName"] = rapid.String().Draw(t, "name")
		c.params["x"] = rapid.StringMatching(`[ +&=%;]{0,6}`).Draw(t, "odd")
		query, err := url.ParseQuery(c.query())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := callbacks.Verify(marketplace.Request{Method: "GET", Query: query.Encode()}, now); err != nil {
			t.Fatal(err)
		}
		query.Set("x", query.Get("x")+"y")
		if _, err := callbacks.Verify(marketplace.Request{Method: "GET", Query: query.Encode()}, now); !errors.Is(err, marketplace.ErrUnauthenticated) {
			t.Fatalf("a changed value: %v", err)
		}
	})
}

// A key that leaked, or that was mixed up in the console, does no more than the interface that it is for.
func TestEachKeySignsItsOwnActivities(t *testing.T) {
	const code = `"license":"PL1"`
	bodies := map[string]string{
		"refreshLicenseCode":      `{"activity":"refreshLicenseCode",` + code + `}`,
		"updateLicenseCodeStatus": `{"activity":"updateLicenseCodeStatus",` + code + `}`,
		"releaseLicenseCode":      `{"activity":"releaseLicenseCode",` + code + `}`,
		"getLicenseAsync":         `{"activity":"getLicenseAsync"}`,
		"orderNotify":             `{"activity":"orderNotify"}`,
		"newInstance":             `{"activity":"newInstance"}`,
		"releaseInstance":         `{"activity":"releaseInstance"}`,
		"upgradeInstance":         `{"activity":"upgradeInstance"}`,
		"queryInstance":           `{"activity":"queryInstance"}`,
		"noSuchActivity":          `{"activity":"noSuchActivity"}`,
		"no JSON":                 `[`,
	}
	every := strings.Fields("refreshLicenseCode updateLicenseCodeStatus releaseLicenseCode getLicenseAsync orderNotify " +
		"newInstance releaseInstance upgradeInstance queryInstance")
	licences := strings.Fields("refreshLicenseCode updateLicenseCodeStatus releaseLicenseCode getLicenseAsync newInstance releaseInstance")
	tests := map[string]struct {
		key, wantKey string
		allowed      []string
	}{
		"the access key":                 {accessKey, "accessKey", every},
		"its successor":                  {nextKey, "accessKeyNext", every},
		"the licence key":                {"license-key", "licenseAccessKey", licences},
		"its successor, of licences":     {"license-key-next", "licenseAccessKeyNext", licences},
		"the notification key":           {"notify-key", "notifyAccessKey", []string{"orderNotify"}},
		"its successor, of notification": {"notify-key-next", "notifyAccessKeyNext", []string{"orderNotify"}},
	}
	for name, tc := range tests {
		// What no table knows is refused by its name, not for its key.
		allowed := map[string]bool{"noSuchActivity": true, "no JSON": true}
		for _, activity := range tc.allowed {
			allowed[activity] = true
		}
		for activity, body := range bodies {
			t.Run(name+" "+activity, func(t *testing.T) {
				c := ordinary(body)
				c.key = tc.key
				proof, err := allKeys(t).Verify(c.request(), now)
				if allowed[activity] != (err == nil) || err != nil && !errors.Is(err, marketplace.ErrUnauthenticated) {
					t.Errorf("error = %v, allowed: %v", err, allowed[activity])
				}
				// The answer is signed with it in both cases.
				if proof.KeyName != tc.wantKey {
					t.Errorf("KeyName = %q, want %q", proof.KeyName, tc.wantKey)
				}
			})
		}
	}
	for _, key := range []string{accessKey, "license-key", "license-key-next"} {
		for _, activity := range []string{"getLicense", "releaseLicense"} {
			c := ordinaryQuery(activity)
			c.key = key
			if _, err := allKeys(t).Verify(c.request(), now); err != nil {
				t.Errorf("%s signed with %s: %v", activity, key, err)
			}
		}
	}
}
