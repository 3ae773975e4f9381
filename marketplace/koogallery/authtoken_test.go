package koogallery_test

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

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
		"the license key for an instance": {signed(func(c *queryCall) { c.key = "license-key" }), marketplace.ErrUnauthenticated, "licenseAccessKey", "the key of another kind of interface"},
		"no authToken":                    {func() string { return "activity=expireInstance&instanceId=i-1" }, marketplace.ErrMalformed, "", "GET with an authToken"},
		"an empty authToken":              {func() string { return "activity=expireInstance&authToken=" }, marketplace.ErrUnauthenticated, "", "authToken is wrong"},
		"an authToken that is no base64":  {func() string { return "authToken=***&activity=expireInstance" }, marketplace.ErrUnauthenticated, "", "authToken is wrong"},
		"another value":                   {func() string { return strings.Replace(good(), "i-1", "i-2", 1) }, marketplace.ErrUnauthenticated, "", "authToken is wrong"},
		"one parameter more":              {func() string { return good() + "&orderId=CS1" }, marketplace.ErrUnauthenticated, "", "authToken is wrong"},
		"a parameter twice":               {func() string { return good() + "&instanceId=i-1" }, marketplace.ErrMalformed, "", `"instanceId" is repeated`},
		"a parameter twice, once escaped": {func() string { return good() + "&instance%49d=i-2" }, marketplace.ErrMalformed, "", `"instanceId" is repeated`},
		"an authToken twice":              {func() string { return good() + "&authToken=x" }, marketplace.ErrMalformed, "", `"authToken" is repeated`},
		"a broken escape":                 {func() string { return good() + "&x=%zz" }, marketplace.ErrMalformed, "", "can't be parsed"},
		"bytes that are no UTF-8":         {func() string { return good() + "&x=%ff" }, marketplace.ErrMalformed, "", "can't be parsed"},
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

// KooGallery may repeat a call for hours, and somebody who found its address in a log may do so for years. Neither says anything about
// the clocks.
func TestHowOldAQueryMayBe(t *testing.T) {
	at := func(age time.Duration) string {
		return strings.Replace(now.Add(-age).Format("20060102150405.000"), ".", "", 1)
	}
	tests := map[string]struct {
		call queryCall
		want error
	}{
		"a repeat after three hours":   {ordinaryQuery("newInstance", "timeStamp", at(3*time.Hour)), nil},
		"after a day":                  {ordinaryQuery("newInstance", "timeStamp", at(24*time.Hour)), nil},
		"in the time of China":         {ordinaryQuery("newInstance", "timeStamp", at(-8*time.Hour)), nil},
		"a moment later than that":     {ordinaryQuery("newInstance", "timeStamp", at(24*time.Hour+time.Millisecond)), marketplace.ErrStale},
		"two years old":                {ordinaryQuery("newInstance", "timeStamp", at(2*8760*time.Hour)), marketplace.ErrStale},
		"of next week":                 {ordinaryQuery("newInstance", "timeStamp", at(-168*time.Hour)), marketplace.ErrStale},
		"a debug case of years ago":    {ordinaryQuery("newInstance", "timeStamp", "20200727073711903", "testFlag", "1"), nil},
		"of years ago, testFlag a lie": {ordinaryQuery("newInstance", "timeStamp", "20200727073711903", "testFlag", "10"), marketplace.ErrStale},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			proof, err := bothKeys(t).Verify(tc.call.request(), now)
			if !errors.Is(err, tc.want) || !proof.SentAt.IsZero() || proof.Nonce != "" {
				t.Errorf("proof %+v, error %v, want %v", proof, err, tc.want)
			}
			if answer := bothKeys(t).Encode(proof, marketplace.Event{}, marketplace.Outcome{Err: err}); err != nil &&
				(answer.Code != "000002" || !strings.Contains(string(answer.Body), "within 24 h")) {
				t.Errorf("answered %s", answer.Body)
			}
		})
	}
}

// What a token is over is joined with nothing escaped, so one text can be split in several ways. Each of these is one: a call that
// KooGallery signed, and another one that has the same token.
func TestATokenFitsOneCallOnly(t *testing.T) {
	tests := map[string]struct{ signed, forged map[string]string }{
		"a debug release that becomes a real one": {
			map[string]string{"activity": "releaseInstance", "instanceId": "i-1", "orderId": "CS1", "testFlag": "1"},
			map[string]string{"activity": "releaseInstance", "instanceId": "i-1", "orderId": "CS1&testFlag=1"},
		},
		"a trial that becomes formal": {
			map[string]string{"activity": "newInstance", "orderId": "CS1", "trialFlag": "1", "userId": "u"},
			map[string]string{"activity": "newInstance", "orderId": "CS1", "trialFlag=1&userId": "u"},
		},
		"a name that releases another buyer's instance": {
			map[string]string{"acceptanceTime": "20260301120000000", "activity": "newInstance", "customerName": "x&activity=releaseInstance&instanceId=i-9"},
			map[string]string{"acceptanceTime": "20260301120000000&activity=newInstance&customerName=x", "activity": "releaseInstance", "instanceId": "i-9"},
		},
		"a name that brings a larger disk": {
			map[string]string{"activity": "newInstance", "customerName": "x", "diskSize": "10", "orderId": "CS1"},
			map[string]string{"activity": "newInstance", "customerName": "x&diskSize=10", "orderId": "CS1"},
		},
		"a second sale of one order": {
			map[string]string{"activity": "newInstance", "orderId": "CS1", "periodNumber": "1"},
			map[string]string{"activity": "newInstance", "orderId": "CS1&periodNumber=1"},
		},
		"a parameter without a name": {
			map[string]string{"activity": "releaseInstance", "instanceId": "i-1", "testFlag": "1"},
			map[string]string{"activity": "releaseInstance", "instanceId": "i-1", "testFlag=1&timeStamp": "20260301120000000"},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			for _, call := range []map[string]string{tc.signed, tc.forged} {
				call["timeStamp"] = "20260301120000000"
			}
			if _, doubled := tc.forged["testFlag=1&timeStamp"]; !doubled &&
				koogallery.AuthToken([]byte(accessKey), tc.signed) != koogallery.AuthToken([]byte(accessKey), tc.forged) {
				t.Fatal("the calls have two tokens, so this is no forgery")
			}
			proof, err := bothKeys(t).Verify(queryCall{accessKey, tc.forged}.request(), now)
			if !errors.Is(err, marketplace.ErrMalformed) || !strings.Contains(err.Error(), "ambiguous") || proof.KeyName == "" {
				t.Errorf("proof %+v, error %v", proof, err)
			}
		})
	}
}

// Of all the ways in which the text that a token is over can be split into parameters, at most one is accepted with what any activity
// reads; and what a buyer has typed is refused only where it looks like one of these.
func TestAtMostOneSplitIsAccepted(t *testing.T) {
	callbacks := bothKeys(t)
	pieces := []string{"activity=newInstance", "orderId=CS1", "testFlag=1", "customerName=A&B", "x=1", "instanceId=i", "note=a=b", "trialFlag=0", "R&D"}
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOfNDistinct(rapid.SampledFrom(pieces), 2, 6, func(p string) string { return p }).Draw(t, "pieces"), "&")
		accepted := map[string]bool{}
		for _, params := range splits(text) {
			params["timeStamp"] = "20260301120000000"
			if _, err := callbacks.Verify(queryCall{accessKey, params}.request(), now); err == nil {
				read := ""
				for _, name := range []string{"activity", "orderId", "testFlag", "instanceId", "trialFlag"} {
					read += name + "=" + params[name] + ";"
				}
				accepted[read] = true
			}
		}
		if len(accepted) > 1 {
			t.Fatalf("%q is read as %v", text, accepted)
		}
	})
}

// splits are all parameters that text is the joined form of, but for the order of their names.
func splits(text string) []map[string]string {
	parts := strings.Split(text, "&")
	var all []map[string]string
	for borders := range 1 << (len(parts) - 1) {
		params, pair, ok := map[string]string{}, parts[0], true
		add := func() {
			name, value, found := strings.Cut(pair, "=")
			if _, twice := params[name]; twice || !found {
				ok = false
			}
			params[name] = value
		}
		for i, part := range parts[1:] {
			if borders>>i&1 == 0 {
				pair += "&" + part
				continue
			}
			add()
			pair = part
		}
		if add(); ok {
			all = append(all, params)
		}
	}
	return all
}

func TestVersionsThatAreNotUsedAreRefused(t *testing.T) {
	strong := func(t *testing.T, options ...koogallery.Option) *koogallery.Callbacks {
		callbacks, err := koogallery.NewCallbacks(map[string][]byte{koogallery.KeyAccess: []byte(accessKey), koogallery.KeyKit: []byte(kitKey)}, options...)
		if err != nil {
			t.Fatal(err)
		}
		return callbacks
	}
	kitBody := `{"tenantId":"t","timeStamp":"20260301200000000"}`
	kitToken := koogallery.AuthToken([]byte(kitKey), map[string]string{"tenantId": "t", "timeStamp": "20260301200000000"})
	calls := map[koogallery.Version]marketplace.Request{
		koogallery.SaaSV1: ordinaryQuery("newInstance").request(), koogallery.LicenseV1: ordinaryQuery("getLicense").request(),
		koogallery.KitV1: kitV1("tenantSync", kitBody, kitToken), koogallery.KitV2: kitV2("tenantSync", kitBody, kitBody),
		koogallery.SaaSV2: ordinary(`{"activity":"upgradeInstance"}`).request(), koogallery.LicenseV2: ordinary(`{"activity":"releaseLicenseCode"}`).request(),
		koogallery.OnlineLicense:     ordinary(`{"activity":"getLicenseAsync"}`).request(),
		koogallery.OrderNotification: ordinary(`{"activity":"orderNotify"}`).request(),
	}
	weak := map[koogallery.Version]bool{koogallery.SaaSV1: true, koogallery.LicenseV1: true, koogallery.KitV1: true}
	for _, version := range koogallery.AllVersions() {
		check := func(name string, callbacks *koogallery.Callbacks, want bool) {
			proof, err := callbacks.Verify(calls[version], now)
			refused := errors.Is(err, marketplace.ErrMalformed) && strings.Contains(err.Error(), "does not accept calls of "+string(version)) && proof.KeyName != ""
			if want && err != nil || !want && !refused {
				t.Errorf("%s, %s: proof %+v, error %v", version, name, proof, err)
			}
		}
		check("nothing is said", strong(t), !weak[version])
		check("it is asked for", strong(t, koogallery.WithVersions(version)), true)
		check("all are", strong(t, koogallery.WithVersions(koogallery.AllVersions()...)), true)
		check("none is", strong(t, koogallery.WithVersions()), false)
	}
	for _, version := range []koogallery.Version{koogallery.SaaSV2, koogallery.OnlineLicense} {
		if _, err := strong(t, koogallery.WithVersions(version)).Verify(ordinary(`{"activity":"newInstance"}`).request(), now); err != nil {
			t.Errorf("a purchase with %s: %v", version, err)
		}
	}
	// Who proves nothing learns nothing of what is used.
	stranger := ordinaryQuery("newInstance")
	stranger.key = "other"
	if _, err := strong(t).Verify(stranger.request(), now); !errors.Is(err, marketplace.ErrUnauthenticated) {
		t.Errorf("a stranger's call: %v", err)
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
	licenses := strings.Fields("refreshLicenseCode updateLicenseCodeStatus releaseLicenseCode getLicenseAsync newInstance releaseInstance")
	tests := map[string]struct {
		key, wantKey string
		allowed      []string
	}{
		"the access key":                 {accessKey, "accessKey", every},
		"its successor":                  {nextKey, "accessKeyNext", every},
		"the license key":                {"license-key", "licenseAccessKey", licenses},
		"its successor, of licenses":     {"license-key-next", "licenseAccessKeyNext", licenses},
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
				if proof.LicensesOnly != strings.HasPrefix(tc.wantKey, "licenseAccessKey") {
					t.Errorf("LicensesOnly = %t of %s", proof.LicensesOnly, tc.wantKey)
				}
			})
		}
	}
	for _, key := range []string{accessKey, "license-key", "license-key-next"} {
		for _, activity := range []string{"getLicense", "refreshLicense", "expireLicense", "releaseLicense"} {
			c := ordinaryQuery(activity)
			c.key = key
			proof, err := allKeys(t).Verify(c.request(), now)
			if err != nil || proof.LicensesOnly != (key != accessKey) {
				t.Errorf("%s signed with %s: %+v, %v", activity, key, proof, err)
			}
		}
	}
}
