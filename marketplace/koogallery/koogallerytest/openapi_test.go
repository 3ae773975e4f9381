package koogallerytest_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/koogallerytest"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/openapi"
)

const queryPath = "/api/mkp-openapi-public/global/v1/order/query?orderId=MOCKONETIMENEW"

func newOpenAPI(t *testing.T) (*koogallerytest.OpenAPI, *httptest.Server, *openapi.Client) {
	t.Helper()
	api := koogallerytest.NewOpenAPI(koogallerytest.OpenAPIOptions{AK: "ak", SK: "sk", Clock: clock, SKUCode: "S1"})
	server := httptest.NewServer(api)
	t.Cleanup(server.Close)
	return api, server, &openapi.Client{BaseURL: server.URL, AK: "ak", SK: "sk", Clock: clock}
}

func TestPostedOrdersAreAnswered(t *testing.T) {
	const posted = `{"orderId":"CS1","orderType":"NEW","future":[1.50],"orderLine":[{"orderLineId":"CS1-000001"}]}`
	for name, body := range map[string]string{"as orderInfo": posted, "as an answer with it": `{"orderInfo":` + posted + `}`} {
		t.Run(name, func(t *testing.T) {
			_, server, client := newOpenAPI(t)
			if _, _, err := client.QueryOrder(t.Context(), "CS1", ""); !errors.Is(err, openapi.ErrOrderNotFound) {
				t.Fatalf("before: %v", err)
			}
			if status := post(t, server.URL+"/orders", body); status != http.StatusCreated {
				t.Fatalf("status %d", status)
			}
			order, raw, err := client.QueryOrder(t.Context(), "CS1", "CS1-000001")
			if err != nil {
				t.Fatal(err)
			}
			if order.Type != openapi.OrderNew || !strings.Contains(string(raw), posted) {
				t.Errorf("order %+v from %s", order, raw)
			}
		})
	}
}

func TestBadOrdersAreRefused(t *testing.T) {
	api, server, _ := newOpenAPI(t)
	for _, body := range []string{"", "[]", "{}", `{"orderId":5}`, `{"orderInfo":{}}`, `{"orderId":"` + strings.Repeat("x", 65) + `"}`} {
		if err := api.AddOrder(json.RawMessage(body)); err == nil {
			t.Errorf("AddOrder(%q) succeeded", body)
		}
		if status := post(t, server.URL+"/orders", body); status != http.StatusBadRequest {
			t.Errorf("posting %q: status %d", body, status)
		}
	}
}

func post(t *testing.T, target, body string) int {
	t.Helper()
	resp, err := http.Post(target, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}

// Everything that the real gateway refuses has to be refused here, or a seller finds out in production.
func TestSignatureIsChecked(t *testing.T) {
	date := now.Format(openapi.DateFormat)
	headers := []string{"host", "x-sdk-date"}
	sign := func(req *http.Request, names []string) {
		req.Header.Set("Authorization", openapi.Authorization(req, "ak", "sk", names, nil))
	}
	tests := map[string]struct {
		sign       func(req *http.Request)
		wantStatus int
	}{
		"well signed": {func(req *http.Request) {
			req.Header.Set(openapi.HeaderDate, date)
			sign(req, headers)
		}, 200},
		"not signed": {func(req *http.Request) { req.Header.Set(openapi.HeaderDate, date) }, 401},
		"no date":    {func(req *http.Request) { sign(req, headers) }, 401},
		"an unsigned date": {func(req *http.Request) {
			req.Header.Set(openapi.HeaderDate, date)
			sign(req, []string{"host"})
		}, 401},
		"another method": {func(req *http.Request) { req.Method = http.MethodDelete }, 405},
		"another path":   {func(req *http.Request) { req.URL.Path = "/" }, 404},
		"15 minutes late": {func(req *http.Request) {
			req.Header.Set(openapi.HeaderDate, now.Add(-15*time.Minute).Format(openapi.DateFormat))
			sign(req, headers)
		}, 200},
		"later": {func(req *http.Request) {
			req.Header.Set(openapi.HeaderDate, now.Add(-15*time.Minute-time.Second).Format(openapi.DateFormat))
			sign(req, headers)
		}, 401},
		"another query than signed": {func(req *http.Request) {
			req.Header.Set(openapi.HeaderDate, date)
			sign(req, headers)
			req.URL.RawQuery += "&orderLineId=x"
		}, 401},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			_, server, _ := newOpenAPI(t)
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+queryPath, http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			tc.sign(req)
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = resp.Body.Close() }()
			body, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode != tc.wantStatus {
				t.Errorf("status %d, want %d: %s", resp.StatusCode, tc.wantStatus, body)
			}
		})
	}
}

func TestFaultsEnd(t *testing.T) {
	api, _, client := newOpenAPI(t)
	api.Fail(koogallerytest.Fault{Status: 401, Code: "MKT.0150"}, 1)
	if _, _, err := client.QueryOrder(t.Context(), "MOCKONETIMENEW", ""); !errors.Is(err, openapi.ErrNotPermitted) {
		t.Errorf("first: %v", err)
	}
	order, _, err := client.QueryOrder(t.Context(), "MOCKONETIMENEW", "")
	if err != nil {
		t.Fatal(err)
	}
	if sku := order.Lines[0].Items[0].SKUCode; sku != "S1" {
		t.Errorf("the mock order sells %q", sku)
	}
	if all, one := api.Calls(""), api.Calls("MOCKONETIMENEW"); all != 2 || one != 2 {
		t.Errorf("%d calls, %d of them for the order", all, one)
	}
}
