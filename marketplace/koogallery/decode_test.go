package koogallery_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stallkeeper/stallkeeper/marketplace"
)

func TestDecode(t *testing.T) {
	quantity := int32(5)
	expiry := time.Date(2030, 12, 31, 15, 59, 59, 0, time.UTC)
	refresh := func(scene, more string) string {
		return `{"activity":"refreshInstance","scene":"` + scene + `","orderId":"CS1","orderLineId":"CS1-000001",` +
			`"instanceId":"i-1","expireTime":"20301231155959"` + more + `}`
	}
	renewed := func(scene string) marketplace.Event {
		return marketplace.Event{
			Kind: marketplace.Renew, Activity: "refreshInstance", Scene: scene,
			OrderID: "CS1", OrderLineID: "CS1-000001", InstanceID: "i-1", ExpiresAt: expiry,
		}
	}
	with := func(event marketplace.Event, change func(e *marketplace.Event)) marketplace.Event {
		change(&event)
		return event
	}
	purchase := marketplace.Event{
		Kind: marketplace.Purchase, Activity: "newInstance",
		OrderID: "CS1", OrderLineID: "CS1-000001", Lookup: marketplace.LookupPurchase,
	}
	check := marketplace.Event{
		Kind: marketplace.Check, Activity: "changeInstanceCheck", InstanceID: "i-1",
		ProductID: "P1", SKUCode: "S1", Quantity: &quantity,
	}
	newInstance := func(more string) string {
		return `{"activity":"newInstance","orderId":"CS1","orderLineId":"CS1-000001"` + more + `}`
	}
	checkFor := func(productInfo string) string {
		return `{"activity":"changeInstanceCheck","instanceId":"i-1","productInfo":` + productInfo + `}`
	}
	tests := map[string]struct {
		body string
		want marketplace.Event
	}{
		"a purchase":                        {newInstance(`,"businessId":"b"`), purchase},
		"a purchase without its businessId": {newInstance(""), purchase},
		"a businessId that is a number":     {newInstance(`,"businessId":12345`), purchase},
		"a businessId of 65 characters":     {newInstance(`,"businessId":"` + strings.Repeat("b", 65) + `"`), purchase},
		"an order id that is a number":      {strings.Replace(newInstance(""), `"CS1"`, `20260301`, 1), with(purchase, func(e *marketplace.Event) { e.OrderID = "20260301" })},
		"a product id that can't be one": {refresh("RENEWAL", `,"productId":["P2"]`), with(renewed("RENEWAL"), func(e *marketplace.Event) {
			e.Notes = []string{"productId"}
		})},
		"an unknown member":            {newInstance(`,"future":{"a":[1]}`), purchase},
		"testFlag 0 is a real call":    {newInstance(`,"testFlag":"0"`), purchase},
		"testFlag 11 is a real call":   {newInstance(`,"testFlag":"11"`), purchase},
		"testFlag true is a real call": {newInstance(`,"testFlag":true`), purchase},
		"testFlag null is a real call": {newInstance(`,"testFlag":null`), purchase},
		"testFlag 1 as text":           {newInstance(`,"testFlag":"1"`), with(purchase, func(e *marketplace.Event) { e.Test = true })},
		"testFlag 1 as number":         {newInstance(`,"testFlag":1`), with(purchase, func(e *marketplace.Event) { e.Test = true })},
		"a query for one": {`{"activity":"queryInstance","instanceId":"i-1"}`, marketplace.Event{
			Kind: marketplace.Query, Activity: "queryInstance", InstanceID: "i-1", InstanceIDs: []string{"i-1"},
		}},
		"a query for several, one of them twice": {`{"activity":"queryInstance","instanceId":"i-2, i-1,i-2"}`, marketplace.Event{
			Kind: marketplace.Query, Activity: "queryInstance", InstanceIDs: []string{"i-2", "i-1"},
		}},
		"a trial that became formal": {refresh("TRIAL_TO_FORMAL", ""), with(renewed("TRIAL_TO_FORMAL"), func(e *marketplace.Event) {
			e.Term, e.Lookup = marketplace.TermPaid, marketplace.LookupPurchase
		})},
		"a renewal": {refresh("RENEWAL", ""), renewed("RENEWAL")},
		"a renewal that changes the period type": {refresh("RENEWAL", `,"productId":"P2"`), with(renewed("RENEWAL"), func(e *marketplace.Event) {
			e.ProductID = "P2"
		})},
		"a renewal given back": {refresh("UNSUBSCRIBE_RENEWAL_PERIOD", ""), with(renewed("UNSUBSCRIBE_RENEWAL_PERIOD"), func(e *marketplace.Event) {
			e.Cancels = true
		})},
		"a renewal with a change": {refresh("RENEWAL_CHANGE", ""), with(renewed("RENEWAL_CHANGE"), func(e *marketplace.Event) {
			e.Lookup = marketplace.LookupRenewal
		})},
		"an expireTime with milliseconds": {
			strings.Replace(refresh("RENEWAL", ""), "20301231155959", "20301231155959256", 1),
			with(renewed("RENEWAL"), func(e *marketplace.Event) { e.ExpiresAt = expiry.Add(256 * time.Millisecond) }),
		},
		"a freeze": {`{"activity":"updateInstanceStatus","instanceId":"i-1","status":"FREEZE"}`, marketplace.Event{
			Kind: marketplace.Suspend, Activity: "updateInstanceStatus", Scene: "FREEZE", InstanceID: "i-1",
		}},
		"an unfreeze": {`{"activity":"updateInstanceStatus","instanceId":"i-1","status":"UNFREEZE"}`, marketplace.Event{
			Kind: marketplace.Resume, Activity: "updateInstanceStatus", Scene: "UNFREEZE", InstanceID: "i-1",
		}},
		"the older word for an unfreeze": {`{"activity":"updateInstanceStatus","instanceId":"i-1","status":"NORMAL"}`, marketplace.Event{
			Kind: marketplace.Resume, Activity: "updateInstanceStatus", Scene: "NORMAL", InstanceID: "i-1",
		}},
		"a release": {`{"activity":"releaseInstance","instanceId":"i-1"}`, marketplace.Event{
			Kind: marketplace.Release, Activity: "releaseInstance", InstanceID: "i-1",
		}},
		"a release by an unsubscription": {`{"activity":"releaseInstance","instanceId":"i-1","orderId":"CS9","orderLineId":"CS9-000001"}`, marketplace.Event{
			Kind: marketplace.Release, Activity: "releaseInstance", InstanceID: "i-1", OrderID: "CS9", OrderLineID: "CS9-000001",
		}},
		"an upgrade": {`{"activity":"upgradeInstance","instanceId":"i-1","orderId":"CS2","orderLineId":"CS2-000001"}`, marketplace.Event{
			Kind: marketplace.Change, Activity: "upgradeInstance", InstanceID: "i-1",
			OrderID: "CS2", OrderLineID: "CS2-000001", Lookup: marketplace.LookupChange,
		}},
		"a check with an object":        {checkFor(`{"productId":"P1","skuCode":"S1","linearValue":5}`), check},
		"a check with a text":           {checkFor(`"{\"productId\":\"P1\",\"skuCode\":\"S1\",\"linearValue\":\"5\"}"`), check},
		"a check with an array":         {checkFor(`[{"productId":"P1","skuCode":"S1","linearValue":5}]`), check},
		"a check with an array as text": {checkFor(`"[{\"productId\":\"P1\",\"skuCode\":\"S1\",\"linearValue\":5}]"`), check},
		"a check without quantity": {checkFor(`{"productId":"P1","skuCode":"S1","linearValue":null}`), with(check, func(e *marketplace.Event) {
			e.Quantity = nil
		})},
		"a check without its target, as in the printed example": {`{"activity":"changeInstanceCheck","instanceId":"i-1"}`, marketplace.Event{
			Kind: marketplace.Check, Activity: "changeInstanceCheck", InstanceID: "i-1",
		}},
		"an id of 256 characters that are more bytes": {
			strings.Replace(newInstance(""), `"CS1"`, `"`+strings.Repeat("订", 256)+`"`, 1),
			with(purchase, func(e *marketplace.Event) { e.OrderID = strings.Repeat("订", 256) }),
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := bothKeys(t).Decode(ordinary(tc.body).request())
			if err != nil {
				t.Fatal(err)
			}
			tc.want.SentAt = now
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestDecodeTakesAHundredInstances(t *testing.T) {
	ids := make([]string, 100)
	for i := range ids {
		ids[i] = fmt.Sprintf("%064d", i)
	}
	got, err := bothKeys(t).Decode(ordinary(`{"activity":"queryInstance","instanceId":"` + strings.Join(ids, ",") + `"}`).request())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(ids, got.InstanceIDs); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestDecodeRefuses(t *testing.T) {
	purchase := func(orderID string) string {
		return `{"activity":"newInstance","orderId":` + orderID + `,"orderLineId":"CS1-000001","testFlag":"1"}`
	}
	query := func(ids string) string { return `{"activity":"queryInstance","instanceId":"` + ids + `"}` }
	refresh := func(scene, expireTime string) string {
		return `{"activity":"refreshInstance","scene":"` + scene + `","orderId":"CS1","orderLineId":"CS1-000001","instanceId":"i-1","expireTime":"` + expireTime + `"}`
	}
	check := func(productInfo string) string {
		return `{"activity":"changeInstanceCheck","instanceId":"i-1","productInfo":` + productInfo + `}`
	}
	tests := map[string]struct {
		body, wantText string
	}{
		"no body":                           {"", "the body is empty"},
		"blanks":                            {" \n", "the body is empty"},
		"no JSON":                           {"activity=newInstance", "not a JSON object"},
		"an array":                          {`["newInstance"]`, "not a JSON object"},
		"a text":                            {`"newInstance"`, "not a JSON object"},
		"null":                              {"null", "not a JSON object"},
		"half an object":                    {`{"activity":"newInstance"`, "not JSON"},
		"a comma too many":                  {`{"activity":"newInstance",}`, "not JSON"},
		"something after the object":        {purchase(`"CS1"`) + "{}", "has data after"},
		"a byte order mark":                 {"\xef\xbb\xbf" + purchase(`"CS1"`), "byte order mark"},
		"UTF-16":                            {"\xff\xfe{\x00}\x00", "byte order mark"},
		"Latin-1":                           {purchase("\"caf\xe9\""), "not UTF-8"},
		"a field twice":                     {`{"activity":"newInstance","orderId":"CS1","orderId":"CS2"}`, `repeats the field "orderId"`},
		"thousands of fields":               {manyFields(), "more than 128 fields"},
		"no activity":                       {`{"orderId":"CS1"}`, "activity is missing"},
		"another case of activity":          {`{"Activity":"newInstance"}`, "activity is missing"},
		"an activity that is a number":      {`{"activity":1}`, `the activity "1" is unknown`},
		"another case of a field":           {`{"activity":"newInstance","OrderId":"CS1","orderLineId":"l"}`, "orderId is missing"},
		"a product with a member twice":     {check(`{"skuCode":"S1","skuCode":"S2"}`), "without duplicate members"},
		"half a character in an id":         {purchase(`"CS\ud800"`), "orderId contains"},
		"an unknown activity":               {`{"activity":"deleteEverything"}`, `the activity "deleteEverything" is unknown`},
		"an activity with line breaks":      {`{"activity":"new\nInstance"}`, "activity contains control characters"},
		"a long activity":                   {`{"activity":"` + strings.Repeat("a", 33) + `"}`, "activity has more than 32 characters"},
		"an activity of another generation": {`{"activity":"expireInstance"}`, `"expireInstance" is unknown`},
		"no orderId":                        {`{"activity":"newInstance","orderLineId":"CS1-000001"}`, "orderId is missing"},
		"orderId null":                      {purchase("null"), "orderId is missing"},
		"a blank orderId":                   {purchase(`"  "`), "orderId is missing"},
		"an orderId that is an array":       {purchase("[5]"), "orderId must be a string"},
		"an orderId that is an object":      {purchase("{}"), "orderId must be a string"},
		"a long orderId":                    {purchase(`"` + strings.Repeat("x", 257) + `"`), "orderId has more than 256 characters"},
		"control characters in an id":       {purchase(`"CS1\u0000"`), "orderId contains control characters"},
		"no orderLineId":                    {`{"activity":"newInstance","orderId":"CS1"}`, "orderLineId is missing"},
		"a query for nothing":               {query(""), "instanceId is missing"},
		"a query for a blank":               {query(" "), "instanceId is missing"},
		"a query with an empty id":          {query("i-1,,i-2"), "an empty id"},
		"a query with a comma at its end":   {query("i-1,"), "an empty id"},
		"a query for 101":                   {query(strings.Repeat("i,", 100) + "i"), "more than 100 instances"},
		"a query with a long id":            {query("i-1," + strings.Repeat("x", 257)), "an id of more than 256 characters"},
		"an unknown scene":                  {refresh("GIFT", "20301231155959"), `the scene "GIFT" is unknown`},
		"no scene":                          {refresh("", "20301231155959"), "scene is missing"},
		"no expireTime":                     {refresh("RENEWAL", ""), "expireTime is missing"},
		"an expireTime of 8 digits":         {refresh("RENEWAL", "20301231"), "expireTime must be a UTC time of 14 digits"},
		"an expireTime with letters":        {refresh("RENEWAL", "2030123115595Z"), "expireTime must be"},
		"the 31st of February":              {refresh("RENEWAL", "20300231155959"), "expireTime must be"},
		"the year 1":                        {refresh("RENEWAL", "00010101000000"), "expireTime must be"},
		"a status no page has":              {`{"activity":"updateInstanceStatus","instanceId":"i-1","status":"FROZEN"}`, `the status "FROZEN" is unknown`},
		"no status":                         {`{"activity":"updateInstanceStatus","instanceId":"i-1"}`, "status is missing"},
		"a release of nothing":              {`{"activity":"releaseInstance"}`, "instanceId is missing"},
		"an upgrade without order":          {`{"activity":"upgradeInstance","instanceId":"i-1"}`, "orderId is missing"},
		"a check of a number":               {check("5"), "productInfo must be"},
		"a check of a text":                 {check(`"five"`), "productInfo must be"},
		"a check of two products":           {check(`[{"skuCode":"S1"},{"skuCode":"S2"}]`), "more than one product"},
		"a negative quantity":               {check(`{"linearValue":-1}`), "linearValue must be"},
		"half a user":                       {check(`{"linearValue":0.5}`), "linearValue must be"},
		"a quantity of eight digits":        {check(`{"linearValue":10000000}`), "linearValue must be"},
		"a quantity that is a bool":         {check(`{"linearValue":true}`), "linearValue must be"},
		"a product id of many digits":       {check(`{"productId":` + strings.Repeat("1", 257) + `}`), "productId has more than 256"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := bothKeys(t).Decode(ordinary(tc.body).request())
			if !errors.Is(err, marketplace.ErrMalformed) || !strings.Contains(err.Error(), tc.wantText) {
				t.Errorf("error = %v, want one that wraps ErrMalformed with %q", err, tc.wantText)
			}
		})
	}
}

func manyFields() string {
	var body strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&body, `,"k%d":%d`, i, i)
	}
	return `{"activity":"newInstance"` + body.String() + "}"
}

func TestDecodeRefusesOtherEncodings(t *testing.T) {
	tests := map[string]struct {
		name, value string
		wantErr     bool
	}{
		"utf8 as KooGallery writes it": {"Content-Type", "application/json;charset=utf8", false},
		"UTF-8":                        {"Content-Type", "application/json; charset=UTF-8", false},
		"none":                         {"Content-Type", "application/json", false},
		"unreadable":                   {"Content-Type", ";;", false},
		"GBK":                          {"Content-Type", "application/json;charset=gbk", true},
		"compressed":                   {"Content-Encoding", "gzip", true},
		"not compressed":               {"Content-Encoding", "identity", false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			req := ordinary(release).request()
			req.Header = http.Header{tc.name: {tc.value}}
			if _, err := bothKeys(t).Decode(req); errors.Is(err, marketplace.ErrMalformed) != tc.wantErr {
				t.Errorf("error = %v, want one: %v", err, tc.wantErr)
			}
		})
	}
}

// Answer and metrics of a refused call still need to know what it was.
func TestDecodeTellsWhatItUnderstood(t *testing.T) {
	got, err := bothKeys(t).Decode(ordinary(`{"activity":"releaseInstance","testFlag":1}`).request())
	if err == nil || got.Activity != "releaseInstance" || got.Kind != marketplace.Release || !got.Test {
		t.Errorf("event = %+v, error = %v", got, err)
	}
	got, err = bothKeys(t).Decode(ordinary(`{"activity":"no\u200bsuch"}`).request())
	if err == nil || got.Activity != "" || !strings.Contains(err.Error(), `"nosuch"`) {
		t.Errorf("activity = %q, error = %v", got.Activity, err)
	}
}
