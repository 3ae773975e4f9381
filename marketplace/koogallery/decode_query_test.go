package koogallery_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/stallkeeper/stallkeeper/marketplace"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery"
)

func base64Of(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }

// ignoreRaw leaves out what TestRawOrderHoldsAllThatWasSaid looks at.
var ignoreRaw = cmpopts.IgnoreFields(marketplace.Order{}, "Raw")

func TestDecodeQuery(t *testing.T) {
	number := func(n int32) *int32 { return &n }
	expiry := time.Date(2030, 12, 31, 15, 59, 59, 0, time.UTC)
	purchase := func(change func(e *marketplace.Event)) marketplace.Event {
		event := marketplace.Event{
			Kind: marketplace.Purchase, Activity: "newInstance", OrderID: "CS1", Term: marketplace.TermPaid, Wants: marketplace.WantAccess,
			Order: &marketplace.Order{
				Type: marketplace.OrderPurchase, CustomerID: "C1", Items: []marketplace.Item{{ProductID: "P1"}},
			},
		}
		if change != nil {
			change(&event)
		}
		return event
	}
	notes := func(names ...string) func(e *marketplace.Event) {
		return func(e *marketplace.Event) { e.Notes = names }
	}
	attributes := func(pairs ...string) func(e *marketplace.Event) {
		return func(e *marketplace.Event) {
			for i := 0; i < len(pairs); i += 2 {
				e.Order.Attributes = append(e.Order.Attributes, marketplace.Attribute{Name: pairs[i], Value: pairs[i+1]})
			}
		}
	}
	upgraded := marketplace.Event{
		Kind: marketplace.Change, Activity: "upgrade", InstanceID: "i-1", OrderID: "CS3",
		Order: &marketplace.Order{
			Type: marketplace.OrderChange, Items: []marketplace.Item{{ProductID: "P2", SKUCode: "S2", Quantity: number(50)}},
			Attributes: []marketplace.Attribute{{Name: "amount", Value: "50"}},
		},
	}
	renewed := marketplace.Event{
		Kind: marketplace.Renew, Activity: "refreshInstance", Scene: "RENEWAL", OrderID: "CS2", InstanceID: "i-1", ExpiresAt: expiry,
	}
	tests := map[string]struct {
		call queryCall
		want marketplace.Event
	}{
		"the least that a purchase has": {ordinaryQuery("newInstance"), purchase(nil)},
		"a debug purchase": {ordinaryQuery("newInstance", "testFlag", "1"), purchase(func(e *marketplace.Event) {
			e.Test = true
		})},
		"a purchase by the year": {
			ordinaryQuery("newInstance", "chargingMode", "1", "skuCode", "S1", "periodType", "year", "periodNumber", "1",
				"expireTime", "20301231155959", "customerName", "张三", "orderAmount", "99.5", "provisionType", "1", "testFlag", "0"),
			purchase(func(e *marketplace.Event) {
				e.Order.Charging, e.Order.ExpiresAt = marketplace.ChargingPrepaid, expiry
				e.Order.CustomerName, e.Order.Items[0].SKUCode = "张三", "S1"
			}),
		},
		"a purchase by use, of which an order has several": {ordinaryQuery("newInstance", "chargingMode", "0"), purchase(func(e *marketplace.Event) {
			e.Order.Charging, e.OrderLineID = marketplace.ChargingMetered, "P1"
		})},
		"a purchase for ever": {ordinaryQuery("newInstance", "chargingMode", "3"), purchase(func(e *marketplace.Event) {
			e.Order.Charging = marketplace.ChargingOneTime
		})},
		"a package": {ordinaryQuery("newInstance", "chargingMode", "5"), purchase(func(e *marketplace.Event) {
			e.Order.Charging = marketplace.ChargingMeteredPackage
		})},
		"a charging mode with zeros": {ordinaryQuery("newInstance", "chargingMode", "0001"), purchase(func(e *marketplace.Event) {
			e.Order.Charging = marketplace.ChargingPrepaid
		})},
		"a quantity with a fraction of zero": {ordinaryQuery("newInstance", "amount", "1.0"), purchase(func(e *marketplace.Event) {
			e.Order.Items[0].Quantity = number(1)
			e.Order.Attributes = []marketplace.Attribute{{Name: "amount", Value: "1"}}
		})},
		"a customer with a tab in the name": {ordinaryQuery("newInstance", "customerName", "A\tB"), purchase(func(e *marketplace.Event) {
			e.Order.CustomerName, e.Notes = "AB", []string{"customerName"}
		})},
		"a customer with a long name": {ordinaryQuery("newInstance", "customerName", strings.Repeat("订", 65)), purchase(func(e *marketplace.Event) {
			e.Order.CustomerName, e.Notes = strings.Repeat("订", 64), []string{"customerName"}
		})},
		"a customer whose name has the marks of a query": {ordinaryQuery("newInstance", "customerName", "R&D=1 & Söhne"), purchase(func(e *marketplace.Event) {
			e.Order.CustomerName = "R&D=1 & Söhne"
		})},
		"no customer": {ordinaryQuery("newInstance", "customerId", ""), purchase(func(e *marketplace.Event) { e.Order.CustomerID = "" })},
		"no product":  {ordinaryQuery("newInstance", "productId", ""), purchase(func(e *marketplace.Event) { e.Order.Items[0].ProductID = "" })},
		"a product id that can't be one": {ordinaryQuery("newInstance", "productId", strings.Repeat("p", 257), "skuCode", "S1"), purchase(func(e *marketplace.Event) {
			e.Order.Items[0] = marketplace.Item{SKUCode: "S1"}
			e.Notes = []string{"productId"}
		})},
		"a long businessId": {ordinaryQuery("newInstance", "businessId", strings.Repeat("b", 65)), purchase(nil)},
		"an acceptance that can't be read counts from the call": {ordinaryQuery("newInstance", "acceptanceTime", "now"), purchase(func(e *marketplace.Event) {
			e.AcceptedAt, e.Notes = now, []string{"acceptanceTime"}
		})},
		"an acceptance with the end that counts from then on": {
			ordinaryQuery("newInstance", "acceptanceTime", "20260301120000000", "expireTime", "20270301120000"), purchase(func(e *marketplace.Event) {
				e.AcceptedAt, e.Order.ExpiresAt = now, now.AddDate(1, 0, 0)
			}),
		},
		"parameters that are no base64":   {ordinaryQuery("newInstance", "saasExtendParams", "[{}]"), purchase(notes("saasExtendParams"))},
		"parameters that are no JSON":     {ordinaryQuery("newInstance", "saasExtendParams", base64Of("name=value")), purchase(notes("saasExtendParams"))},
		"parameters that are one object":  {ordinaryQuery("newInstance", "saasExtendParams", base64Of(`{"name":"a","value":"b"}`)), purchase(attributes("a", "b"))},
		"parameters in the other base64":  {ordinaryQuery("newInstance", "saasExtendParams", "W3sibmFtZSI6ImEiLCJ2YWx1ZSI6Ij8_Pj4ifV0"), purchase(attributes("a", "??>>"))},
		"parameters of 3,000 characters":  {ordinaryQuery("newInstance", "saasExtendParams", base64Of(`[{"name":"a","value":"`+strings.Repeat("v", 2200)+`"}]`)), purchase(attributes("a", strings.Repeat("v", 2200)))},
		"parameters with a broken escape": {ordinaryQuery("newInstance", "saasExtendParams", "W10%zz"), purchase(notes("saasExtendParams"))},
		"a parameter with a name twice is left out": {
			ordinaryQuery("newInstance", "saasExtendParams", base64Of(`[{"name":"a","name":"b","value":"1"},{"name":"c","Value":"2","value":"3"}]`)),
			purchase(func(e *marketplace.Event) {
				e.Order.Attributes, e.Notes = []marketplace.Attribute{{Name: "c", Value: "3"}}, []string{"saasExtendParams"}
			}),
		},
		"a renewal that is given back": {ordinaryQuery("refreshInstance", "orderAmount", "-12.5"), marketplace.Event{
			Kind: marketplace.Renew, Activity: "refreshInstance", Scene: "UNSUBSCRIBE_RENEWAL_PERIOD", Cancels: true, OrderID: "CS2", InstanceID: "i-1",
			ExpiresAt: time.Date(2030, 12, 31, 15, 59, 59, 0, time.UTC),
		}},
		"a debug call of a trial that becomes formal, without a product": {
			ordinaryQuery("refreshInstance", "trialToFormal", "1", "testFlag", "1", "productId", " "), marketplace.Event{
				Kind: marketplace.Renew, Activity: "refreshInstance", Scene: "TRIAL_TO_FORMAL", Term: marketplace.TermPaid, OrderID: "CS2", InstanceID: "i-1",
				ExpiresAt: time.Date(2030, 12, 31, 15, 59, 59, 0, time.UTC), Test: true,
			},
		},
		"a license's renewal": {ordinaryQuery("refreshLicense"), marketplace.Event{
			Kind: marketplace.Renew, Activity: "refreshLicense", Scene: "RENEWAL", OrderID: "CS2", InstanceID: "i-1",
			ExpiresAt: time.Date(2030, 12, 31, 15, 59, 59, 0, time.UTC),
		}},
		"a license's expiry": {ordinaryQuery("expireLicense"), marketplace.Event{
			Kind: marketplace.Suspend, Activity: "expireLicense", Reason: marketplace.ReasonExpired, InstanceID: "i-1",
		}},
		"a charging mode of the future": {ordinaryQuery("newInstance", "chargingMode", "9"), purchase(notes("chargingMode"))},
		"a trial": {ordinaryQuery("newInstance", "trialFlag", "1"), purchase(func(e *marketplace.Event) {
			e.Term, e.Order.Type = marketplace.TermTrial, marketplace.OrderTrial
		})},
		"trialFlag 0 is no trial": {ordinaryQuery("newInstance", "trialFlag", "0"), purchase(nil)},
		"linear attributes": {ordinaryQuery("newInstance", "amount", "5", "diskSize", "100", "bandWidth", "0"), purchase(func(e *marketplace.Event) {
			e.Order.Items[0].Quantity = number(5)
			attributes("amount", "5", "diskSize", "100", "bandWidth", "0")(e)
		})},
		"the acceptance": {ordinaryQuery("newInstance", "acceptanceTime", "20301231155959123", "provisionType", "2"), purchase(func(e *marketplace.Event) {
			e.AcceptedAt = expiry.Add(123 * time.Millisecond)
		})},
		"an estimated end that can't be read": {ordinaryQuery("newInstance", "expireTime", "soon"), purchase(notes("expireTime"))},
		"what was paid for counts before what was filled in": {
			ordinaryQuery("newInstance", "diskSize", "100", "saasExtendParams", base64Of(`[{"name":"diskSize","value":"9000"},{"name":"idNum","value":7}]`)),
			purchase(attributes("diskSize", "100", "idNum", "7")),
		},
		"parameters without a name, and twice": {
			ordinaryQuery("newInstance", "saasExtendParams", base64Of(`[{"value":"x"},{"name":"a","value":"1"},{"name":"a","value":null}]`)),
			purchase(attributes("a", "")),
		},
		"no parameters": {ordinaryQuery("newInstance", "saasExtendParams", base64Of(`[]`)), purchase(nil)},
		"parameters with plus signs that became blanks": {
			ordinaryQuery("newInstance", "saasExtendParams", strings.ReplaceAll(base64Of(`[{"name":"a","value":"~~~>>>"}]`), "+", " ")),
			purchase(attributes("a", "~~~>>>")),
		},
		"WeLink's company, as the interface spells it": {
			ordinaryQuery("newInstance", "saasExtendParams",
				base64Of(`[{"name":"platformParams","value":"{\"tenantName\":\"ACME\",\"tennantId\":\"T1\",\"userId\":\"U1\"}"}]`)),
			purchase(attributes("welink.tenantName", "ACME", "welink.tenantId", "T1", "welink.userId", "U1")),
		},
		"WeLink's company, as a page spells it": {
			ordinaryQuery("newInstance", "saasExtendParams", base64Of(`[{"name":"platformParams","value":{"tenantId":"T1"}}]`)),
			purchase(attributes("welink.tenantId", "T1")),
		},
		"WeLink's company, unreadable": {
			ordinaryQuery("newInstance", "saasExtendParams", base64Of(`[{"name":"platformParams","value":"T1"}]`)),
			purchase(attributes("platformParams", "T1")),
		},
		"a license": {ordinaryQuery("getLicense", "amount", "3", "chargingMode", "0"), marketplace.Event{
			Kind: marketplace.Purchase, Activity: "getLicense", OrderID: "CS1", Term: marketplace.TermPaid, Wants: marketplace.WantLicense,
			Order: &marketplace.Order{
				Type: marketplace.OrderPurchase, Charging: marketplace.ChargingMetered, CustomerID: "C1",
				Items:      []marketplace.Item{{ProductID: "P1", Quantity: number(3)}},
				Attributes: []marketplace.Attribute{{Name: "amount", Value: "3"}},
			},
		}},
		"a renewal": {ordinaryQuery("refreshInstance"), renewed},
		"a renewal of another period": {ordinaryQuery("refreshInstance", "productId", "P9", "periodType", "month"), func() marketplace.Event {
			event := renewed
			event.ProductID = "P9"
			return event
		}()},
		"a trial that became formal": {ordinaryQuery("refreshInstance", "trialToFormal", "1"), func() marketplace.Event {
			event := renewed
			event.Scene, event.Term = "TRIAL_TO_FORMAL", marketplace.TermPaid
			return event
		}()},
		"a trial that became formal as another product": {ordinaryQuery("refreshInstance", "trialToFormal", "1", "productId", "P9"), func() marketplace.Event {
			event := renewed
			event.Scene, event.Term, event.ProductID = "TRIAL_TO_FORMAL", marketplace.TermPaid, "P9"
			event.Order = &marketplace.Order{Type: marketplace.OrderTrialToFormal, Items: []marketplace.Item{{ProductID: "P9"}}}
			return event
		}()},
		"the end of the paid time": {ordinaryQuery("expireInstance", "orderId", "CS1"), marketplace.Event{
			Kind: marketplace.Suspend, Activity: "expireInstance", Reason: marketplace.ReasonExpired, InstanceID: "i-1", OrderID: "CS1",
		}},
		"a release": {ordinaryQuery("releaseInstance", "orderId", "CS1", "orderAmount", "0.001"), marketplace.Event{
			Kind: marketplace.Release, Activity: "releaseInstance", InstanceID: "i-1", OrderID: "CS1",
		}},
		"a release without order, as in the printed example": {ordinaryQuery("releaseInstance"), marketplace.Event{
			Kind: marketplace.Release, Activity: "releaseInstance", InstanceID: "i-1",
		}},
		"a license's release": {ordinaryQuery("releaseLicense", "orderId", "CS1"), marketplace.Event{
			Kind: marketplace.Release, Activity: "releaseLicense", InstanceID: "i-1", OrderID: "CS1",
		}},
		"an upgrade": {ordinaryQuery("upgrade", "amount", "50"), upgraded},
		"a freeze": {ordinaryQuery("instanceStatus"), marketplace.Event{
			Kind: marketplace.Suspend, Activity: "instanceStatus", Scene: "FREEZE", InstanceID: "i-1",
		}},
		"an unfreeze": {ordinaryQuery("instanceStatus", "instanceStatus", "NORMAL"), marketplace.Event{
			Kind: marketplace.Resume, Activity: "instanceStatus", Scene: "NORMAL", InstanceID: "i-1",
		}},
		"a query": {ordinaryQuery("queryInstance", "instanceId", "i-2,i-1"), marketplace.Event{
			Kind: marketplace.Query, Activity: "queryInstance", InstanceIDs: []string{"i-2", "i-1"},
		}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := bothKeys(t).Decode(tc.call.request())
			if err != nil {
				t.Fatal(err)
			}
			tc.want.SentAt = now
			if diff := cmp.Diff(tc.want, got, ignoreRaw); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// One sale has one name, whatever the delivery, and what is sold as several has several.
func TestQueriesNameTheSaleByItsKey(t *testing.T) {
	key := func(more ...string) string {
		event, err := bothKeys(t).Decode(ordinaryQuery("newInstance", more...).request())
		if err != nil {
			t.Fatal(err)
		}
		return marketplace.InstanceName("KooGallery", "China", event.OrderID, event.OrderLineID)
	}
	first := key("chargingMode", "1", "businessId", "b1")
	if again := key("chargingMode", "1", "businessId", "b2", "acceptanceTime", "20260301120000000"); again != first {
		t.Error("the acceptance names another instance")
	}
	if other := key("chargingMode", "1", "orderId", "CS9"); other == first {
		t.Error("another order names the same instance")
	}
	if key("chargingMode", "0", "productId", "P1") == key("chargingMode", "0", "productId", "P2") {
		t.Error("two products by use name one instance")
	}
}

func TestBuyerIsReadAndNeverPrinted(t *testing.T) {
	encrypted := func(kind koogallery.EncryptType, text string) string {
		value, err := koogallery.EncryptField([]byte(nextKey), kind, text)
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
	c := ordinaryQuery("newInstance", "userId", "U1", "userName", "zhangsan",
		"mobilePhone", encrypted(koogallery.EncryptAES256, "15900000000"), "email", encrypted(koogallery.EncryptAES128, "buyer@example.com"))
	c.key = nextKey
	event, err := bothKeys(t).Decode(c.request())
	if err != nil {
		t.Fatal(err)
	}
	want := marketplace.Buyer{UserID: "U1", UserName: "zhangsan", MobilePhone: "15900000000", Email: "buyer@example.com"}
	if event.Order.Buyer != want {
		t.Error("the buyer is another one")
	}
	buyer, err := json.Marshal(event.Order.Buyer)
	if err != nil {
		t.Fatal(err)
	}
	printed := fmt.Sprintf("%v %+v %#v %s %v %+v %#v %s", event, event, *event.Order, *event.Order, want, want, want, buyer)
	for _, personal := range []string{"15900000000", "buyer@example.com", "zhangsan", "U1", fmt.Sprint([]byte("15900000000"))} {
		if strings.Contains(printed, personal) {
			t.Errorf("%q is printed", personal)
		}
	}
}

// What can't be decrypted costs no sale; it stays as it came.
func TestUnreadableBuyerDataIsKept(t *testing.T) {
	event, err := bothKeys(t).Decode(ordinaryQuery("newInstance", "mobilePhone", "15900000000").request())
	if err != nil {
		t.Fatal(err)
	}
	if event.Order.Buyer.MobilePhone != "" || !strings.Contains(string(event.Order.Raw), `"mobilePhone":"15900000000"`) {
		t.Error("the phone number is lost, or taken for a decrypted one")
	}
}

func TestRawOrderHoldsAllThatWasSaid(t *testing.T) {
	mail, err := koogallery.EncryptField([]byte(accessKey), koogallery.EncryptAES256, "buyer@example.com")
	if err != nil {
		t.Fatal(err)
	}
	c := ordinaryQuery("newInstance", "email", mail, "orderAmount", "99.5", "future", "1")
	event, err := bothKeys(t).Decode(c.request())
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]string
	if err := json.Unmarshal(event.Order.Raw, &got); err != nil {
		t.Fatal(err)
	}
	want := c.params
	want["email"] = "buyer@example.com"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestDecodeRefusesQueries(t *testing.T) {
	long := strings.Repeat("x", 257)
	tests := map[string]struct {
		call     queryCall
		wantText string
	}{
		"no activity":                       {ordinaryQuery("newInstance", "activity", ""), "activity is missing"},
		"an unknown activity":               {ordinaryQuery("newInstance", "activity", "danceInstance"), `the activity "danceInstance" is unknown`},
		"an activity of another generation": {ordinaryQuery("newInstance", "activity", "upgradeInstance"), `"upgradeInstance" is unknown`},
		"no orderId":                        {ordinaryQuery("newInstance", "orderId", ""), "orderId is missing"},
		"a blank orderId":                   {ordinaryQuery("newInstance", "orderId", " "), "orderId is missing"},
		"a long orderId":                    {ordinaryQuery("newInstance", "orderId", long), "orderId has more than 256 characters"},
		"a line break in an id":             {ordinaryQuery("newInstance", "orderId", "CS\n1"), "orderId contains control characters"},
		"no productId, billed by usage":     {ordinaryQuery("newInstance", "chargingMode", "0", "productId", ""), "productId is missing"},
		"half a user":                       {ordinaryQuery("newInstance", "amount", "0.5"), "amount must be a whole number"},
		"a negative disk":                   {ordinaryQuery("newInstance", "diskSize", "-1"), "diskSize must be a whole number"},
		"a bandwidth of eight digits":       {ordinaryQuery("newInstance", "bandWidth", "10000000"), "bandWidth must be a whole number"},
		"half an amount":                    {ordinaryQuery("getLicense", "amount", "five"), "amount must be a whole number"},
		"a license without order":           {ordinaryQuery("getLicense", "orderId", ""), "orderId is missing"},
		"a license renewed without an end":  {ordinaryQuery("refreshLicense", "expireTime", ""), "expireTime is missing"},
		"an expiry of no license":           {ordinaryQuery("expireLicense", "instanceId", ""), "instanceId is missing"},
		"a renewal without order":           {ordinaryQuery("refreshInstance", "orderId", ""), "orderId is missing"},
		"a renewal without instance":        {ordinaryQuery("refreshInstance", "instanceId", ""), "instanceId is missing"},
		"a renewal without end":             {ordinaryQuery("refreshInstance", "expireTime", ""), "expireTime is missing"},
		"a renewal until some day":          {ordinaryQuery("refreshInstance", "expireTime", "20300231155959"), "expireTime must be a UTC time"},
		"an expiry of nothing":              {ordinaryQuery("expireInstance", "instanceId", ""), "instanceId is missing"},
		"a release of nothing":              {ordinaryQuery("releaseInstance", "instanceId", ""), "instanceId is missing"},
		"an upgrade that names nothing": {
			ordinaryQuery("upgrade", "skuCode", "", "productId", "", "amount", "", "diskSize", "", "bandWidth", "", "saasExtendParams", ""), "are all missing",
		},
		"an upgrade whose SKU can't be read": {ordinaryQuery("upgrade", "skuCode", "a\x00"), "skuCode contains"},
		"an upgrade without order":           {ordinaryQuery("upgrade", "orderId", ""), "orderId is missing"},
		"an unknown status":                  {ordinaryQuery("instanceStatus", "instanceStatus", "MELT"), `the status "MELT" is unknown`},
		"a query for nothing":                {ordinaryQuery("queryInstance", "instanceId", ""), "instanceId is missing"},
		"a query for 101":                    {ordinaryQuery("queryInstance", "instanceId", strings.Repeat("i,", 100)+"i"), "more than 100 instances"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			event, err := bothKeys(t).Decode(tc.call.request())
			if !errors.Is(err, marketplace.ErrMalformed) || !strings.Contains(err.Error(), tc.wantText) {
				t.Errorf("error = %v, want one that wraps ErrMalformed with %q", err, tc.wantText)
			}
			if event.Order != nil {
				t.Error("a call that was not understood has an order")
			}
		})
	}
}
