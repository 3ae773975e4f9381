package koogallerytest_test

import (
	"context"
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/stallkeeper/stallkeeper/marketplace"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/koogallerytest"
)

// v1Activity makes one call of SaaS V1.0 or License 1.0 and says what the seller has to understand.
type v1Activity struct {
	call func(ctx context.Context, v koogallerytest.V1) (*koogallerytest.Exchange, error)
	want marketplace.Event
}

func v1Activities() map[string]v1Activity {
	five, disk, yearly := 5, 100, 1
	quantity := int32(five)
	expiry := now.AddDate(1, 0, 0)
	order := koogallerytest.V1Order{
		OrderID: "CS1", ProductID: "P1", SKUCode: "S1", CustomerID: "C1", CustomerName: "Zhang San+Söhne",
		MobilePhone: "15900000000", Email: "buyer@example.com", ChargingMode: &yearly, PeriodType: "year", PeriodNumber: 1,
		Amount: &five, DiskSize: &disk, ExpireTime: expiry, AcceptanceTime: now.Add(5 * time.Millisecond), Trial: true,
		ExtendParams: []koogallerytest.Param{{Name: "idNum", Value: "~~~>>>订"}},
	}
	attributes := []marketplace.Attribute{{Name: "idNum", Value: "~~~>>>订"}, {Name: "amount", Value: "5"}, {Name: "diskSize", Value: "100"}}
	items := []marketplace.Item{{ProductID: "P1", SKUCode: "S1", Quantity: &quantity}}
	bought := &marketplace.Order{
		Type: marketplace.OrderTrial, Charging: marketplace.ChargingPrepaid, ExpiresAt: expiry, Items: items, Attributes: attributes,
		CustomerID: "C1", CustomerName: "Zhang San+Söhne", Buyer: marketplace.Buyer{MobilePhone: "15900000000", Email: "buyer@example.com"},
	}
	return map[string]v1Activity{
		"newInstance": {
			func(ctx context.Context, v koogallerytest.V1) (*koogallerytest.Exchange, error) {
				return v.NewInstance(ctx, order)
			},
			marketplace.Event{
				Kind: marketplace.Purchase, OrderID: "CS1", Term: marketplace.TermTrial, Wants: marketplace.WantAccess, Order: bought,
				AcceptedAt: now.Add(5 * time.Millisecond),
			},
		},
		"getLicense": {
			func(ctx context.Context, v koogallerytest.V1) (*koogallerytest.Exchange, error) {
				return v.GetLicense(ctx, order)
			},
			marketplace.Event{
				Kind: marketplace.Purchase, OrderID: "CS1", Term: marketplace.TermTrial, Wants: marketplace.WantLicense, Order: bought,
				AcceptedAt: now.Add(5 * time.Millisecond),
			},
		},
		"refreshInstance": {
			func(ctx context.Context, v koogallerytest.V1) (*koogallerytest.Exchange, error) {
				return v.RefreshInstance(ctx, koogallerytest.V1Refresh{
					OrderID: "CS2", InstanceID: "i-1", ProductID: "P2", ExpireTime: expiry, TrialToFormal: true,
				})
			},
			marketplace.Event{
				Kind: marketplace.Renew, Scene: "TRIAL_TO_FORMAL", OrderID: "CS2", InstanceID: "i-1", ProductID: "P2",
				Term: marketplace.TermPaid, ExpiresAt: expiry,
				Order: &marketplace.Order{Type: marketplace.OrderTrialToFormal, Items: []marketplace.Item{{ProductID: "P2"}}},
			},
		},
		"expireInstance": {
			func(ctx context.Context, v koogallerytest.V1) (*koogallerytest.Exchange, error) {
				return v.ExpireInstance(ctx, "i-1", "CS1")
			},
			marketplace.Event{Kind: marketplace.Suspend, InstanceID: "i-1", OrderID: "CS1", Reason: marketplace.ReasonExpired},
		},
		"releaseInstance": {
			func(ctx context.Context, v koogallerytest.V1) (*koogallerytest.Exchange, error) {
				return v.ReleaseInstance(ctx, "i-1", "")
			},
			marketplace.Event{Kind: marketplace.Release, InstanceID: "i-1"},
		},
		"releaseLicense": {
			func(ctx context.Context, v koogallerytest.V1) (*koogallerytest.Exchange, error) {
				return v.ReleaseLicense(ctx, "i-1", "CS1")
			},
			marketplace.Event{Kind: marketplace.Release, InstanceID: "i-1", OrderID: "CS1"},
		},
		"upgrade": {
			func(ctx context.Context, v koogallerytest.V1) (*koogallerytest.Exchange, error) {
				return v.Upgrade(ctx, "i-1", order)
			},
			marketplace.Event{
				Kind: marketplace.Change, InstanceID: "i-1", OrderID: "CS1",
				Order: &marketplace.Order{Type: marketplace.OrderChange, Items: items, Attributes: attributes},
			},
		},
		"instanceStatus": {
			func(ctx context.Context, v koogallerytest.V1) (*koogallerytest.Exchange, error) {
				return v.InstanceStatus(ctx, "i-1", koogallery.StatusNormal)
			},
			marketplace.Event{Kind: marketplace.Resume, Scene: "NORMAL", InstanceID: "i-1"},
		},
		"queryInstance": {
			func(ctx context.Context, v koogallerytest.V1) (*koogallerytest.Exchange, error) {
				return v.QueryInstance(ctx, "i-1", "i-2")
			},
			marketplace.Event{Kind: marketplace.Query, InstanceIDs: []string{"i-1", "i-2"}},
		},
	}
}

func TestSellerUnderstandsEveryCallOfV1(t *testing.T) {
	options := map[string]koogallerytest.Options{
		"ordinary":        {},
		"debug":           {Debug: true},
		"bare plus signs": {BarePlus: true},
		"skewed by hours": {Skew: -12 * time.Hour},
	}
	ignoreRaw := cmpopts.IgnoreFields(marketplace.Order{}, "Raw")
	for name, tc := range v1Activities() {
		for variant, option := range options {
			t.Run(name+" "+variant, func(t *testing.T) {
				s, caller := newSeller(t)
				exchange, err := tc.call(t.Context(), caller.With(option).V1())
				if err != nil {
					t.Fatal(err)
				}
				if len(exchange.Problems) > 0 || !exchange.Success() {
					t.Errorf("code %s, problems: %q", exchange.ResultCode, exchange.Problems)
				}
				want := tc.want
				want.Activity, want.Test, want.SentAt = name, option.Debug, now.Add(option.Skew)
				if diff := cmp.Diff([]marketplace.Event{want}, s.seen, ignoreRaw); diff != "" {
					t.Errorf("events (-want +got):\n%s", diff)
				}
			})
		}
	}
}

func TestWrongKeyIsRefusedInV1(t *testing.T) {
	s, caller := newSeller(t)
	exchange, err := caller.With(koogallerytest.Options{WrongKey: true}).V1().ReleaseInstance(t.Context(), "i-1", "")
	if err != nil {
		t.Fatal(err)
	}
	if exchange.ResultCode != "000001" || len(exchange.Problems) > 0 || len(s.seen) > 0 {
		t.Errorf("code %s, problems %q, events %+v", exchange.ResultCode, exchange.Problems, s.seen)
	}
}

// KooGallery makes the same call again, and gets the same answer.
func TestReplayInV1(t *testing.T) {
	s, caller := newSeller(t)
	order := koogallerytest.V1Order{OrderID: "CS1", ProductID: "P1", CustomerName: "Zhang San"}
	first, err := caller.V1().NewInstance(t.Context(), order)
	if err != nil {
		t.Fatal(err)
	}
	second, err := caller.Replay(t.Context(), first)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(first.AppInfo, second.AppInfo); diff != "" || second.ResultCode != "000000" || len(s.seen) != 2 {
		t.Errorf("code %s after %d events, (-first +second):\n%s", second.ResultCode, len(s.seen), diff)
	}
}

// The query holds the buyer, the answer the credentials.
func TestExchangeOfV1ShowsNoSecrets(t *testing.T) {
	_, caller := newSeller(t)
	order := koogallerytest.V1Order{OrderID: "CS1", ProductID: "P1", CustomerName: "Zhang San", MobilePhone: "15900000000"}
	exchange, err := caller.V1().NewInstance(t.Context(), order)
	if err != nil {
		t.Fatal(err)
	}
	if exchange.AppInfo == nil || exchange.AppInfo.Password != "initial-password" || exchange.AppInfo.UserName != "admin" {
		t.Fatalf("access data = %+v", exchange.AppInfo)
	}
	license, err := caller.V1().GetLicense(t.Context(), order)
	if err != nil {
		t.Fatal(err)
	}
	if license.License != "THE-LICENSE" {
		t.Fatalf("license = %q", license.License)
	}
	for _, e := range []*koogallerytest.Exchange{exchange, license} {
		shown, err := json.Marshal(e.Redacted())
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range []string{"initial-password", "THE-LICENSE", "authToken", "Zhang", "15900000000", accessKey} {
			if strings.Contains(string(shown), secret) {
				t.Errorf("%q is in %s", secret, shown)
			}
		}
	}
}

func TestCallerFindsBrokenRulesOfV1(t *testing.T) {
	encrypted := func(kind koogallery.EncryptType, text string) string {
		value, err := koogallery.EncryptField([]byte(accessKey), kind, text)
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
	bought := func(members string) string {
		return `{"resultCode":"000000","resultMsg":"ok","instanceId":"i-1"` + members + `}`
	}
	app := func(members string) string { return `,"appInfo":{"frontEndUrl":"https://a"` + members + `}` }
	purchase := func(order koogallerytest.V1Order) func(context.Context, koogallerytest.V1) (*koogallerytest.Exchange, error) {
		order.OrderID, order.ProductID = "CS1", "P1"
		return func(ctx context.Context, v koogallerytest.V1) (*koogallerytest.Exchange, error) {
			return v.NewInstance(ctx, order)
		}
	}
	buy, accept := purchase(koogallerytest.V1Order{}), purchase(koogallerytest.V1Order{AcceptanceTime: now})
	license := func(ctx context.Context, v koogallerytest.V1) (*koogallerytest.Exchange, error) {
		return v.GetLicense(ctx, koogallerytest.V1Order{OrderID: "CS1", ProductID: "P1"})
	}
	ask := func(ctx context.Context, v koogallerytest.V1) (*koogallerytest.Exchange, error) {
		return v.QueryInstance(ctx, "i-1")
	}
	usage := func(entry string) string {
		return `{"resultCode":"000000","resultMsg":"ok","info":[{"instanceId":"i-1","usageInfo":[` + entry + `]}]}`
	}
	const at = `,"statisticalTime":"20260301120000000"`
	tests := map[string]struct {
		call   func(context.Context, koogallerytest.V1) (*koogallerytest.Exchange, error)
		change func(r *reply)
		body   string
		// want is part of the only problem; "" means none.
		want string
	}{
		"a good answer": {buy, nil, bought(app("")), ""},
		"credentials of 256 bits": {buy, nil,
			bought(app(`,"userName":"`+encrypted("1", "admin")+`","password":"`+encrypted("1", "p")+`"`) + `,"encryptType":"1"`), ""},
		"credentials of 128 bits":             {buy, nil, bought(app(`,"password":"`+encrypted("2", "p")+`"`) + `,"encryptType":"2"`), ""},
		"256 bits are the default":            {buy, nil, bought(app(`,"password":"` + encrypted("1", "p") + `"`)), ""},
		"another type than it says":           {buy, nil, bought(app(`,"password":"`+encrypted("1", "p")+`"`) + `,"encryptType":"2"`), "password can't be decrypted"},
		"a password in plain":                 {buy, nil, bought(app(`,"password":"p"`)), "password can't be decrypted"},
		"a user name in plain":                {buy, nil, bought(app(`,"userName":"administrator"`)), "userName can't be decrypted"},
		"an encryptType that is none":         {buy, nil, bought(app("") + `,"encryptType":"3"`), "encryptType"},
		"a long password":                     {buy, nil, bought(app(`,"password":"` + strings.Repeat("x", 129) + `"`)), "password has 129"},
		"no access data":                      {buy, nil, bought(""), "appInfo is missing"},
		"no frontEndUrl":                      {buy, nil, bought(`,"appInfo":{"memo":"m"}`), "frontEndUrl is missing"},
		"no instanceId":                       {buy, nil, `{"resultCode":"000000","resultMsg":"ok"` + app("") + `}`, "instanceId is missing"},
		"in progress":                         {buy, nil, `{"resultCode":"000004","resultMsg":"ok","instanceId":"i-1"}`, ""},
		"an acceptance that is not confirmed": {accept, nil, `{"resultCode":"000004","resultMsg":"ok","instanceId":"i-1"}`, "accepted it has to be 000000"},
		"no Body-Sign":                        {buy, func(r *reply) { r.bodySign = "" }, bought(app("")), "Body-Sign has to be there once"},
		"Body-Sign of another key":            {buy, func(r *reply) { r.bodySign = koogallery.BodySign([]byte("k"), []byte(r.body)) }, bought(app("")), "is wrong"},
		"a license":                           {license, nil, bought(`,"license":"L"`), ""},
		"no license":                          {license, nil, bought(""), "license is missing"},
		"a code of Online License":            {license, nil, `{"resultCode":"000900","resultMsg":"ok"}`, "in no table"},
		"a query with a password in plain":    {ask, nil, `{"resultCode":"000000","resultMsg":"ok","info":[{"instanceId":"i-1"` + app(`,"password":"p"`) + `}]}`, "can't be decrypted"},
		"usage":                               {ask, nil, usage(`{"usageValue":12.5` + at + `}`), ""},
		"usage as a text":                     {ask, nil, usage(`{"usageValue":"12.5"` + at + `}`), "usageValue has to be a number"},
		"usage with five decimals":            {ask, nil, usage(`{"usageValue":0.12345` + at + `}`), "usageValue has to be a number"},
		"usage without time":                  {ask, nil, usage(`{"usageValue":1}`), "statisticalTime is missing"},
		"usage at some time":                  {ask, nil, usage(`{"usageValue":1,"statisticalTime":"now"}`), "statisticalTime has to be"},
		"usage that is a number":              {ask, nil, usage(`1`), "not an object"},
		"a long relatedInstanceId":            {ask, nil, usage(`{"usageValue":1,"relatedInstanceId":"` + strings.Repeat("x", 65) + `"` + at + `}`), "relatedInstanceId has 65"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			answer := reply{
				status: 200, contentType: "application/json", header: koogallery.HeaderBodySign, bodySign: "right", body: tc.body,
			}
			if tc.change != nil {
				tc.change(&answer)
			}
			server := httptest.NewServer(answer)
			t.Cleanup(server.Close)
			exchange, err := tc.call(t.Context(), koogallerytest.Caller{URL: server.URL, AccessKey: accessKey}.V1())
			if err != nil {
				t.Fatal(err)
			}
			checkProblems(t, exchange.Problems, tc.want)
		})
	}
}

func TestLicenseAnswersHaveTheirOwnCodes(t *testing.T) {
	tests := map[string]struct {
		call string
		code string
		want string
	}{
		"a used-up order of Online License": {"getLicenseAsync", "000900", ""},
		"a phone number in Online License":  {"getLicenseAsync", "000101", "in no table"},
		"a used-up order of a license code": {"refreshLicenseCode", "000900", "in no table"},
		"an unknown license code":           {"refreshLicenseCode", "000003", ""},
		"a used-up order of an instance":    {"refreshInstance", "000900", "in no table"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(reply{
				status: 200, contentType: "application/json", header: koogallery.HeaderBodySign, bodySign: "right",
				body: `{"resultCode":"` + tc.code + `","resultMsg":"m"}`,
			})
			t.Cleanup(server.Close)
			exchange, err := activities()[tc.call].call(t.Context(), koogallerytest.Caller{URL: server.URL, AccessKey: accessKey})
			if err != nil {
				t.Fatal(err)
			}
			checkProblems(t, exchange.Problems, tc.want)
		})
	}
}
