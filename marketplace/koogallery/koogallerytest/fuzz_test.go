package koogallerytest_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/stallkeeper/stallkeeper/marketplace/koogallery"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/koogallerytest"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/openapi"
)

// Whatever a seller answers, the checks come to an end, and what is shown of it holds no password.
func FuzzChecks(f *testing.F) {
	for _, body := range []string{
		`{"resultCode":"000000","resultMsg":"ok","instanceId":"i"}`,
		`{"resultCode":"000000","resultMsg":"ok","encryptType":"1","instanceId":"i","appInfo":{"frontEndUrl":"u","password":"hunter2"}}`,
		`{"resultCode":"000000","resultMsg":"ok","info":[{"instanceId":"i-1","usageInfo":[{"usageValue":1e9,"statisticalTime":"1"}]}]}`,
		`{"info":{"a":1},"appInfo":[],"license":7}`, `{"resultCode":0}`, `[`, ``, "\xff", `null`,
	} {
		f.Add("application/json", `sign_type="HMAC-SHA256", signature= "x"`, []byte(body))
	}
	f.Add("text/html;charset=gbk", "\t", []byte("<h1>"))
	var contentType, signature string
	var answer []byte
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Content-Type"], w.Header()["Body-Sign"] = []string{contentType}, []string{signature}
		_, _ = w.Write(answer)
	}))
	f.Cleanup(server.Close)
	caller := koogallerytest.Caller{URL: server.URL, AccessKey: accessKey, Options: koogallerytest.Options{Debug: true}}
	f.Fuzz(func(t *testing.T, givenType, givenSignature string, body []byte) {
		contentType, signature, answer = givenType, givenSignature, body
		query, err := caller.QueryInstance(t.Context(), "i-1", "i-2")
		purchase, err2 := caller.V1().NewInstance(t.Context(), koogallerytest.V1Order{OrderID: "CS1", ProductID: "P1"})
		if err != nil || err2 != nil {
			// A header that is none makes the whole answer none.
			return
		}
		for _, exchange := range []*koogallerytest.Exchange{query, purchase} {
			if exchange.ResultCode != "000000" && len(exchange.Problems) == 0 {
				t.Fatalf("nothing is wrong with %q", body)
			}
			shown := exchange.Redacted()
			all := []*koogallery.AppInfo{shown.AppInfo}
			for _, info := range shown.Info {
				all = append(all, info.AppInfo)
			}
			for _, access := range all {
				if access != nil && access.Password != "" && access.Password != "***" {
					t.Fatalf("the password %q is shown", access.Password)
				}
			}
		}
	})
}

// Whatever a seller sends, the fake answers in JSON, or refuses in a line what was posted.
func FuzzOpenAPI(f *testing.F) {
	f.Add("POST", "/orders", []byte(`{"orderInfo":{"orderId":"CS1"}}`))
	f.Add("POST", "/orders", []byte(strings.Repeat(`{"orderInfo":`, 50)))
	f.Add("POST", "/licenses", []byte(`{"code":"PL1","expiresAt":"2027-01-31T23:59:59Z","amount":5}`))
	f.Add("GET", "/usage", []byte(nil))
	f.Add("POST", licenseV1+"activate", []byte(`{"license":"PL1","real_effect_time":"20260301120000"}`))
	f.Add("POST", licenseV2+"heartbeat", []byte(`{"license_list":["PL1"]}`))
	f.Add("POST", "/api/mkp-openapi-public/global/v1/isv/usage-data", []byte(`{"usage_records":[{"instance_id":"i","usage_value":"1"}]}`))
	f.Add("GET", "/api/mkp-openapi-public/global/v1/order/query?orderId=MOCKPERIODYEARNEW", []byte(nil))
	f.Fuzz(func(t *testing.T, method, target string, body []byte) {
		request, err := http.NewRequest(method, "http://127.0.0.1/"+strings.TrimPrefix(target, "/"), bytes.NewReader(body))
		if err != nil {
			t.Skip()
		}
		// Signed, or nothing would be read of it.
		timestamp := strconv.FormatInt(now.UnixMilli(), 10)
		for name, value := range map[string]string{
			"Content-Type": "application/json", openapi.HeaderTimestamp: timestamp, openapi.HeaderNonce: "n-1",
			openapi.HeaderSignature: openapi.SignUsage("access", timestamp, "n-1", body), openapi.HeaderDate: now.Format(openapi.DateFormat),
		} {
			request.Header.Set(name, value)
		}
		request.Header.Set("Authorization", openapi.Authorization(request, "ak", "sk", []string{"host", "x-sdk-date"}, body))
		api := newUsageAPI(koogallerytest.RepeatsIgnored)
		recorder := httptest.NewRecorder()
		api.ServeHTTP(recorder, request)
		posted := recorder.Code == http.StatusCreated || strings.HasPrefix(recorder.Header().Get("Content-Type"), "text/plain")
		if !posted && !json.Valid(recorder.Body.Bytes()) {
			t.Fatalf("status %d with %q", recorder.Code, recorder.Body)
		}
	})
}
