package openapi_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stallkeeper/stallkeeper/marketplace"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/koogallerytest"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/openapi"
)

func TestReadOrderReadsOneLine(t *testing.T) {
	api, server := newAPI(t)
	client, _ := newClient(server)
	const order = `{"orderId":"CS1","orderType":"NEW","createTime":"20260301115900","extendParams":[{"name":"a","value":"1"},{"name":"b","value":"2"}],
		"buyerInfo":{"customerId":"c1","customerName":"n"},"orderLine":[
		{"orderLineId":"L1","chargingMode":"PERIOD","expireTime":"20270301120000","extendParams":[{"name":"b","value":"3"}],
			"productInfo":[{"productId":"P1","skuCode":"S1","linearValue":4}]},
		{"orderLineId":"L2","chargingMode":"NEWER"}]}`
	if err := api.AddOrder([]byte(order)); err != nil {
		t.Fatal(err)
	}
	got, err := openapi.Reader{Client: client}.ReadOrder(t.Context(), "CS1", "L1")
	if err != nil {
		t.Fatal(err)
	}
	if got.Type != marketplace.OrderPurchase || got.Charging != marketplace.ChargingPrepaid || got.CustomerID != "c1" || got.CustomerName != "n" ||
		!got.OrderedAt.Equal(now.Add(-time.Minute)) || !got.ExpiresAt.Equal(now.AddDate(1, 0, 0)) || !strings.Contains(string(got.Raw), `"L2"`) {
		t.Errorf("order = %v", got)
	}
	quantity := int32(4)
	if diff := cmp.Diff([]marketplace.Item{{ProductID: "P1", SKUCode: "S1", Quantity: &quantity}}, got.Items); diff != "" {
		t.Errorf("items (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]marketplace.Attribute{{Name: "a", Value: "1"}, {Name: "b", Value: "3"}}, got.Attributes); diff != "" {
		t.Errorf("the line's attributes over the order's (-want +got):\n%s", diff)
	}
	if _, err := (openapi.Reader{Client: client}).ReadOrder(t.Context(), "CS1", ""); !errors.Is(err, marketplace.ErrOrderInvalid) {
		t.Errorf("no line among two: %v", err)
	}
}

func TestReadOrderTakesWeLinksParametersApart(t *testing.T) {
	const asText = `{"name":"platformParams","value":"{\"tenantName\":\"Acme\",\"tennantId\":\"t-1\",\"userId\":\"u-1\"}"}`
	acme := []marketplace.Attribute{
		{Name: "welink.tenantName", Value: "Acme"}, {Name: "welink.tenantId", Value: "t-1"}, {Name: "welink.userId", Value: "u-1"},
	}
	tests := map[string]struct {
		ofOrder, ofLine string
		want            []marketplace.Attribute
	}{
		"on the line":  {"", asText, acme},
		"on the order": {asText, "", acme},
		"the value is JSON itself": {
			"", `{"name":"platformParams","value":{"tenantName":"Acme","tenantId":"t-1","userId":"u-1"}}`, acme,
		},
		"beside what the buyer entered": {
			`{"name":"domain","value":"a.example.com"}`, asText,
			append([]marketplace.Attribute{{Name: "domain", Value: "a.example.com"}}, acme...),
		},
		"the line's over the order's": {
			`{"name":"platformParams","value":"{\"tenantName\":\"Old\",\"tenantId\":\"t-1\",\"userId\":\"u-1\"}"}`,
			`{"name":"platformParams","value":"{\"tenantName\":\"Acme\"}"}`, acme,
		},
		"what can't be read stays as it is": {
			"", `{"name":"platformParams","value":"none"}`, []marketplace.Attribute{{Name: "platformParams", Value: "none"}},
		},
		"without members there is nothing to take apart": {
			"", `{"name":"platformParams","value":"{}"}`, []marketplace.Attribute{{Name: "platformParams", Value: "{}"}},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			api, server := newAPI(t)
			client, _ := newClient(server)
			order := `{"orderId":"CS1","orderType":"NEW","createTime":"20260301115900","extendParams":[` + tc.ofOrder + `],
				"orderLine":[{"orderLineId":"L1","extendParams":[` + tc.ofLine + `]}]}`
			if err := api.AddOrder([]byte(order)); err != nil {
				t.Fatal(err)
			}
			got, err := openapi.Reader{Client: client}.ReadOrder(t.Context(), "CS1", "L1")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got.Attributes); diff != "" {
				t.Errorf("attributes (-want +got):\n%s", diff)
			}
		})
	}
}

func TestReadOrderTellsErrorsInTheWordsOfAllMarketplaces(t *testing.T) {
	tests := map[string]struct {
		fault koogallerytest.Fault
		want  error
		// whole is whether it says something of every order.
		whole bool
		text  string
	}{
		"no such order": {koogallerytest.Fault{Status: 200, Code: "MKT.0000"}, marketplace.ErrOrderNotFound, false, "HTTP 200"},
		"another seller's": {koogallerytest.Fault{Status: 401, Code: "MKT.0150"}, marketplace.ErrOrderRefused, false,
			"(it does not belong to this seller account, HTTP 401, code MKT.0150): use the AK/SK of the seller account that it belongs to"},
		"wrong keys":         {koogallerytest.Fault{Status: 401, Code: "MKT.0154"}, marketplace.ErrOrderRefused, true, "the AK/SK is rejected"},
		"the rate limit":     {koogallerytest.Fault{Status: 429, RetryAfter: time.Minute}, marketplace.ErrUnavailable, true, "the rate limit is reached"},
		"an unreadable one":  {koogallerytest.Fault{Status: 200, Body: "{\"resultCode\":\"MKT.0000\",\"orderInfo\":7}"}, marketplace.ErrUnavailable, false, "HTTP 200"},
		"an internal error":  {koogallerytest.Fault{Status: 500, Code: "MKT.0999"}, marketplace.ErrUnavailable, false, "MKT.0999"},
		"an outage":          {koogallerytest.Fault{Status: 503, Body: "<html>"}, marketplace.ErrUnavailable, true, "HTTP 503"},
		"a proxy's page":     {koogallerytest.Fault{Status: 200, Body: "<html>"}, marketplace.ErrUnavailable, false, "not one of the open API"},
		"a proxy's redirect": {koogallerytest.Fault{Status: 302, Body: "<html>"}, marketplace.ErrUnavailable, true, "not one of the open API"},
		"a wrong id":         {koogallerytest.Fault{Status: 400, Code: "MKT.0101"}, marketplace.ErrOrderInvalid, false, "the parameters are invalid"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			api, server := newAPI(t)
			api.Fail(tc.fault, -1)
			client, _ := newClient(server)
			_, err := openapi.Reader{Client: client}.ReadOrder(t.Context(), "CS1", "L1")
			var failed *marketplace.CallError
			if !errors.As(err, &failed) || !errors.Is(err, tc.want) || !strings.Contains(err.Error(), tc.text) {
				t.Fatalf("error = %v, want %v with %q", err, tc.want, tc.text)
			}
			if failed.RetryAfter != tc.fault.RetryAfter || failed.Remedy == "" || failed.Whole != tc.whole {
				t.Errorf("error = %#v", failed)
			}
		})
	}
}
