package openapi_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/openapi"
)

const documented = `{"resultCode":"MKT.0000","resultMsg":"success","orderInfo":{
	"orderId":"CS1","orderType":"NEW","createTime":"20241121080000","buyerInfo":{
		"customerId":"c1","customerName":"n","customerRealName":null,"customerType":1,
		"userId":null,"userName":null,"mobilePhone":"15900000000","email":"buyer@example.com"},
	"extendParams":[],
	"orderLine":[{"orderLineId":"CS1-000001","chargingMode":"PERIOD","periodType":"year","periodNumber":1,
		"expireTime":"20251121235959","currency":"1.00","currencyAfterDiscount":"1.00",
		"productInfo":[{"productId":"P1","skuCode":"S1","linearValue":5,"productName":"Shop"}],
		"extendParams":[{"name":"domain","value":"shop.example.com"}]}]}}`

func order(change func(o *openapi.Order)) openapi.Order {
	quantity := int32(5)
	o := openapi.Order{
		ID: "CS1", Type: openapi.OrderNew, CreatedAt: time.Date(2024, 11, 21, 8, 0, 0, 0, time.UTC),
		Buyer: openapi.Buyer{
			CustomerID: "c1", CustomerName: "n", CustomerType: "1", MobilePhone: "15900000000", Email: "buyer@example.com",
		},
		Lines: []openapi.Line{{
			ID: "CS1-000001", ChargingMode: openapi.ChargingPeriod, PeriodType: "year", PeriodCount: 1,
			ExpiresAt: time.Date(2025, 11, 21, 23, 59, 59, 0, time.UTC),
			Items:     []openapi.Item{{ProductID: "P1", SKUCode: "S1", ProductName: "Shop", Quantity: &quantity}},
			Extend:    []openapi.Param{{Name: "domain", Value: "shop.example.com"}},
		}},
	}
	change(&o)
	return o
}

func same(*openapi.Order) {}

func TestDecodeOrder(t *testing.T) {
	replace := func(old, replacement string) string {
		if !strings.Contains(documented, old) {
			t.Fatalf("the documented answer has no %s", old)
		}
		return strings.Replace(documented, old, replacement, 1)
	}
	line := func(change func(l *openapi.Line)) openapi.Order {
		return order(func(o *openapi.Order) { change(&o.Lines[0]) })
	}
	const product = `[{"productId":"P1","skuCode":"S1","linearValue":5,"productName":"Shop"}]`
	tests := map[string]struct {
		raw  string
		want openapi.Order
	}{
		"the documented form":              {documented, order(same)},
		"the other prefix of the code":     {replace("MKT.0000", "CBC.0000"), order(same)},
		"numbers as texts":                 {replace(`"linearValue":5`, `"linearValue":"5"`), order(same)},
		"a number with a fraction of zero": {replace(`"linearValue":5`, `"linearValue":5.00`), order(same)},
		"texts as numbers":                 {replace(`"20241121080000"`, `20241121080000`), order(same)},
		"a product without its array":      {replace(product, strings.Trim(product, "[]")), order(same)},
		"products as JSON in a text":       {replace(product, `"[{\"productId\":\"P1\",\"skuCode\":\"S1\",\"linearValue\":5,\"productName\":\"Shop\"}]"`), order(same)},
		"an unknown member":                {replace(`"orderType"`, `"future":{"a":[]},"orderType"`), order(same)},
		"an ISO 8601 time":                 {replace(`"20251121235959"`, `"2025-11-21T23:59:59Z"`), order(same)},
		"a time with milliseconds": {replace(`"20251121235959"`, `"20251121235959250"`), line(func(l *openapi.Line) {
			l.ExpiresAt = l.ExpiresAt.Add(250 * time.Millisecond)
		})},
		"names of another spelling": {
			replace(`"orderType"`, `"OrderId":"CS9","ORDERLINE":[],"buyerinfo":{"customerId":"evil"},"orderType"`), order(same),
		},
		"a product's names in another spelling": {replace(`"skuCode":"S1"`, `"skuCode":"S1","SKUCODE":"S9","linearvalue":500`), order(same)},
		"an unreadable time":                    {replace(`"20251121235959"`, `"soon"`), line(func(l *openapi.Line) { l.ExpiresAt = time.Time{} })},
		"a time of another zone":                {replace(`"20251121235959"`, `"2025-11-21T23:59:59+08:00"`), line(func(l *openapi.Line) { l.ExpiresAt = time.Time{} })},
		"no quantity":                           {replace(`"linearValue":5`, `"linearValue":null`), line(func(l *openapi.Line) { l.Items[0].Quantity = nil })},
		"no lines":                              {replace(`"orderLine"`, `"orderLines"`), order(func(o *openapi.Order) { o.Lines = nil })},
		"lines that are null, and other things": {replace(`"orderLine":[`, `"orderLine":[null,5,"x",`), order(same)},
		"no buyer":                              {replace(`"buyerInfo"`, `"buyer"`), order(func(o *openapi.Order) { o.Buyer = openapi.Buyer{} })},
		"parameters on the order": {replace(`"extendParams":[],`, `"extendParams":[{"name":"a","value":1},{"value":"no name"}],`), order(func(o *openapi.Order) {
			o.Extend = []openapi.Param{{Name: "a", Value: "1"}}
		})},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := openapi.DecodeOrder([]byte(tc.raw))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestDecodeOrderRefuses(t *testing.T) {
	tests := map[string]struct {
		raw  string
		want error
	}{
		"no JSON":                    {"<html>", openapi.ErrGateway},
		"nothing":                    {"", openapi.ErrGateway},
		"an array":                   {"[]", openapi.ErrGateway},
		"no code":                    {"{}", openapi.ErrGateway},
		"another service's success":  {`{"code":0}`, openapi.ErrGateway},
		"success without order":      {`{"resultCode":"MKT.0000"}`, openapi.ErrOrderNotFound},
		"success with order null":    {`{"resultCode":"MKT.0000","orderInfo":null}`, openapi.ErrOrderNotFound},
		"success with an empty text": {`{"resultCode":"MKT.0000","orderInfo":""}`, openapi.ErrOrderNotFound},
		"an order that is a number":  {`{"resultCode":"MKT.0000","orderInfo":5}`, openapi.ErrGateway},
		"an error":                   {`{"resultCode":"MKT.0150"}`, openapi.ErrNotPermitted},
		"a quantity twice":           {strings.Replace(documented, `"linearValue":5`, `"linearValue":5,"linearValue":500`, 1), openapi.ErrGateway},
		"an order's id twice":        {strings.Replace(documented, `"orderType"`, `"orderId":"CS9","orderType"`, 1), openapi.ErrGateway},
		"an order twice":             {`{"resultCode":"MKT.0000","orderInfo":{"orderId":"a"},"orderInfo":{"orderId":"b"}}`, openapi.ErrGateway},
		"a code in another spelling": {`{"ResultCode":"MKT.0000","orderInfo":{"orderId":"a"}}`, openapi.ErrGateway},
		"a quantity that is a word":  {strings.Replace(documented, `"linearValue":5`, `"linearValue":"five"`, 1), openapi.ErrGateway},
		"a negative quantity":        {strings.Replace(documented, `"linearValue":5`, `"linearValue":-5`, 1), openapi.ErrGateway},
		"a quantity beyond 32 bits":  {strings.Replace(documented, `"linearValue":5`, `"linearValue":4294967301`, 1), openapi.ErrGateway},
		"half a user":                {strings.Replace(documented, `"linearValue":5`, `"linearValue":0.5`, 1), openapi.ErrGateway},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := openapi.DecodeOrder([]byte(tc.raw)); !errors.Is(err, tc.want) {
				t.Errorf("error = %v, want %v", err, tc.want)
			}
		})
	}
}

// wild is a JSON value of any form.
func wild() *rapid.Generator[any] {
	return rapid.OneOf(rapid.SampledFrom([]any{
		nil, true, 0, -1.5, 1e300, "", "{", "[{", `{"name":"a","name":"b"}`, strings.Repeat("{},", 600), json.RawMessage("[" + strings.Repeat("{},", 600) + "{}]"), "\t", "\x00", strings.Repeat("订", 5000), "20300231155959", []any{}, []any{nil, []any{"x"}}, map[string]any{"a": []any{1}},
		json.RawMessage(strings.Repeat("[", 500) + strings.Repeat("]", 500)),
	}), rapid.Map(rapid.String(), func(text string) any { return text }))
}

// A sale needs the line's id, what is sold, and how many: nothing else of an order's answer holds a sale up, or changes these.
func TestNothingThatIsNotNeededHoldsUpAnOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		of := func(into map[string]any, names ...string) map[string]any {
			for _, name := range names {
				if rapid.IntRange(0, 3).Draw(t, name+" is there") > 0 {
					into[name] = wild().Draw(t, name)
				}
			}
			return into
		}
		product := of(map[string]any{"productId": "P1", "skuCode": "S1", "linearValue": 5}, "productName", "unknown")
		line := of(map[string]any{"orderLineId": "CS1-000001", "productInfo": []any{product}},
			"chargingMode", "periodType", "periodNumber", "expireTime", "currency", "currencyAfterDiscount", "extendParams", "unknown")
		order := of(map[string]any{"orderId": "CS1", "orderLine": []any{line}}, "orderType", "createTime", "extendParams", "unknown")
		order["buyerInfo"] = of(map[string]any{}, "customerId", "customerName", "customerRealName", "customerType", "userId", "userName", "mobilePhone", "email", "unknown")
		raw, err := json.Marshal(of(map[string]any{"resultCode": "MKT.0000", "orderInfo": order}, "resultMsg", "extra_info"))
		if err != nil {
			t.Fatal(err)
		}
		got, err := openapi.DecodeOrder(raw)
		if err != nil {
			t.Fatalf("%v of %s", err, raw)
		}
		if found, ok := got.Line("CS1-000001"); !ok || len(found.Items) != 1 || found.Items[0].ProductID != "P1" || found.Items[0].SKUCode != "S1" || *found.Items[0].Quantity != 5 {
			t.Fatalf("it sells %+v of %s", got.Lines, raw)
		}
	})
}

func TestOrderLine(t *testing.T) {
	one := openapi.Order{Lines: []openapi.Line{{ID: "a"}}}
	two := openapi.Order{Lines: []openapi.Line{{ID: "a"}, {ID: "b"}}}
	tests := map[string]struct {
		order  openapi.Order
		id     string
		wantID string
		wantOK bool
	}{
		"by id":                      {two, "b", "b", true},
		"an id that is not there":    {two, "c", "", false},
		"the only one":               {one, "", "a", true},
		"no id among several":        {two, "", "", false},
		"another id than the only's": {one, "c", "", false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got, ok := tc.order.Line(tc.id); got.ID != tc.wantID || ok != tc.wantOK {
				t.Errorf("Line(%q) = %q, %v, want %q, %v", tc.id, got.ID, ok, tc.wantID, tc.wantOK)
			}
		})
	}
}

// personal is everything in an order that must never be printed.
var personal = []string{"NAME", "REALNAME", "USERID", "USERNAME", "PHONE", "MAIL", "PARAMVALUE"}

func TestPrintingAnOrderShowsNothingPersonal(t *testing.T) {
	o := order(func(o *openapi.Order) {
		o.Buyer = openapi.Buyer{
			CustomerID: "c1", CustomerName: "NAME", CustomerRealName: "REALNAME", UserID: "USERID",
			UserName: "USERNAME", MobilePhone: "PHONE", Email: "MAIL",
		}
		o.Extend = []openapi.Param{{Name: "a", Value: "PARAMVALUE"}}
		o.Lines[0].Extend = o.Extend
	})
	for _, value := range []any{o, &o, o.Buyer, &o.Buyer, o.Lines, o.Extend[0], o.Buyer.MarshalLog(), o.Extend[0].MarshalLog()} {
		encoded, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		texts := []string{string(encoded)}
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
			texts = append(texts, fmt.Sprintf(verb, value))
		}
		for _, text := range texts {
			for _, secret := range personal {
				if strings.Contains(text, secret) || strings.Contains(text, fmt.Sprintf("%x", secret)) {
					t.Errorf("%s is in %s", secret, text)
				}
			}
		}
	}
}

func FuzzDecodeOrder(f *testing.F) {
	for _, raw := range []string{
		documented, "", "{}", "[]", `{"resultCode":"MKT.0000","orderInfo":{"orderLine":"[{}]","buyerInfo":[{}]}}`,
		`{"resultCode":0,"orderInfo":"{\"orderId\":1}"}`, `{"error_code":"APIGW.0301"}`,
		`{"resultCode":"MKT.0000","orderInfo":{"orderLine":{"productInfo":{"linearValue":"1e9"},"expireTime":99999999999999}}}`,
	} {
		f.Add([]byte(raw))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		got, err := openapi.DecodeOrder(raw)
		var failed *openapi.Error
		if err != nil && (!errors.As(err, &failed) || failed.Remedy == "" || len(err.Error()) > 300) {
			t.Fatalf("error = %v", err)
		}
		for _, line := range got.Lines {
			if line.PeriodCount < 0 {
				t.Fatalf("PeriodCount = %d", line.PeriodCount)
			}
			for _, item := range line.Items {
				if item.Quantity != nil && *item.Quantity < 0 {
					t.Fatalf("Quantity = %d", *item.Quantity)
				}
			}
		}
	})
}

func TestAnswersOfTooManyValuesAreNone(t *testing.T) {
	lines := func(count int) string {
		return `{"resultCode":"MKT.0000","orderInfo":{"orderLine":[` + strings.Repeat(`{},`, count-1) + `{}]}}`
	}
	if got, err := openapi.DecodeOrder([]byte(lines(500))); err != nil || len(got.Lines) != 500 {
		t.Errorf("%d of 500 lines, %v", len(got.Lines), err)
	}
	if _, err := openapi.DecodeOrder([]byte(lines(501))); !errors.Is(err, openapi.ErrGateway) {
		t.Errorf("501 lines: %v", err)
	}
}
