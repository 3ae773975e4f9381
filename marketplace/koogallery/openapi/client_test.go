package openapi_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/koogallerytest"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/openapi"
)

const (
	testAK = "TESTACCESSKEYID00001"
	testSK = "test-secret-access-key-0001"
	// testAccessKey is the one of the protocol's vectors.
	testAccessKey = "test-access-key-0001"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func clock() time.Time { return now }

// newClient talks to the server and notes its pauses instead of making them.
func newClient(server *httptest.Server) (client *openapi.Client, pauses *[]time.Duration) {
	client = &openapi.Client{
		BaseURL: server.URL, AK: testAK, SK: testSK, AccessKey: testAccessKey, HTTP: server.Client(), Clock: clock,
	}
	pauses = &[]time.Duration{}
	client.SetWait(func(_ context.Context, delay time.Duration) bool {
		*pauses = append(*pauses, delay)
		return true
	})
	return client, pauses
}

func newAPI(t *testing.T) (*koogallerytest.OpenAPI, *httptest.Server) {
	return newAPIWith(t, koogallerytest.OpenAPIOptions{})
}

func newAPIWith(t *testing.T, options koogallerytest.OpenAPIOptions) (*koogallerytest.OpenAPI, *httptest.Server) {
	options.AK, options.SK, options.AccessKey, options.Clock = testAK, testSK, testAccessKey, clock
	api := koogallerytest.NewOpenAPI(options)
	server := httptest.NewTLSServer(api)
	t.Cleanup(server.Close)
	return api, server
}

func TestQueryOrderReadsTheMockOrders(t *testing.T) {
	tests := map[string]struct {
		wantType, wantMode string
		wantExpiry         time.Time
	}{
		"MOCKPERIODYEARNEW":      {openapi.OrderNew, openapi.ChargingPeriod, now.AddDate(1, 0, 0)},
		"MOCKONETIMENEW":         {openapi.OrderNew, openapi.ChargingOneTime, time.Time{}},
		"MOCKONDEMAND":           {openapi.OrderNew, openapi.ChargingOnDemand, time.Time{}},
		"MOCKONDEMANDPKG":        {openapi.OrderNew, openapi.ChargingOnDemandPackage, now.AddDate(1, 0, 0)},
		"MOCKPERIODDAYTRIAL":     {openapi.OrderTrial, openapi.ChargingPeriod, now.AddDate(0, 0, 1)},
		"MOCKMONTYTRIALTOFORMAL": {openapi.OrderTrialToFormal, openapi.ChargingPeriod, now.AddDate(0, 1, 0)},
		"MOCKMONTYUNSUBSCRIBE":   {openapi.OrderUnsubscribe, openapi.ChargingPeriod, now.AddDate(0, 1, 0)},
		"MOCKMONTYRENEW":         {openapi.OrderRenew, openapi.ChargingPeriod, now.AddDate(0, 1, 0)},
		"MOCKMONTYCHANGE":        {openapi.OrderChange, openapi.ChargingPeriod, now.AddDate(0, 1, 0)},
	}
	_, server := newAPI(t)
	client, _ := newClient(server)
	for id, tc := range tests {
		t.Run(id, func(t *testing.T) {
			order, raw, err := client.QueryOrder(t.Context(), id, id+"-000001")
			if err != nil {
				t.Fatal(err)
			}
			line, ok := order.Line(id + "-000001")
			if !ok || order.Type != tc.wantType || line.ChargingMode != tc.wantMode || !line.ExpiresAt.Equal(tc.wantExpiry) {
				t.Errorf("order = %+v", order)
			}
			kept, err := openapi.DecodeOrder(raw)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(order, kept); diff != "" {
				t.Errorf("the raw answer says something else (-asked +raw):\n%s", diff)
			}
		})
	}
}

func TestQueryOrderNeverRetriesWhatStaysWrong(t *testing.T) {
	tests := map[string]struct {
		fault koogallerytest.Fault
		want  error
	}{
		"another seller's order":        {koogallerytest.Fault{Status: 401, Code: "MKT.0150"}, openapi.ErrNotPermitted},
		"the other prefix":              {koogallerytest.Fault{Status: 401, Code: "CBC.0150"}, openapi.ErrNotPermitted},
		"no seller":                     {koogallerytest.Fault{Status: 401, Code: "MKT.0151"}, openapi.ErrCredentials},
		"a wrong token":                 {koogallerytest.Fault{Status: 401, Code: "MKT.0154"}, openapi.ErrCredentials},
		"an input check, with 500":      {koogallerytest.Fault{Status: 500, Code: "MKT.0100"}, openapi.ErrInvalid},
		"a wrong parameter":             {koogallerytest.Fault{Status: 400, Code: "MKT.0101"}, openapi.ErrInvalid},
		"another parameter error":       {koogallerytest.Fault{Status: 400, Code: "MKT.0199"}, openapi.ErrInvalid},
		"an unknown id, with 500":       {koogallerytest.Fault{Status: 500, Code: "MKT.9001"}, openapi.ErrOrderNotFound},
		"no order in the answer":        {koogallerytest.Fault{Status: 200, Code: "MKT.0000"}, openapi.ErrOrderNotFound},
		"the gateway's signature check": {koogallerytest.Fault{Status: 401, Body: `{"error_code":"APIGW.0301"}`}, openapi.ErrCredentials},
		"a gateway without the API":     {koogallerytest.Fault{Status: 404, Body: `{"error_code":"APIGW.0101"}`}, openapi.ErrGateway},
		"a page of something else":      {koogallerytest.Fault{Status: 200, Body: "<html>"}, openapi.ErrGateway},
		"a code nobody knows":           {koogallerytest.Fault{Status: 200, Code: "MKT.7777"}, openapi.ErrGateway},
		"more than 10000 values":        {koogallerytest.Fault{Status: 200, Body: "[" + strings.Repeat("1,", 10_001) + "1]"}, openapi.ErrGateway},
		"more than 256 KiB":             {koogallerytest.Fault{Status: 200, Body: strings.Repeat(" ", 256<<10+1)}, openapi.ErrGateway},
		"a wait longer than the call":   {koogallerytest.Fault{Status: 429, RetryAfter: 5 * time.Minute}, openapi.ErrRateLimited},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			api, server := newAPI(t)
			api.Fail(tc.fault, -1)
			client, _ := newClient(server)
			_, raw, err := client.QueryOrder(t.Context(), "CS1", "CS1-000001")
			var failed *openapi.Error
			if !errors.Is(err, tc.want) || !errors.As(err, &failed) || failed.Remedy == "" || raw != nil {
				t.Fatalf("error = %v, want %v with a remedy", err, tc.want)
			}
			if failed.RetryAfter != tc.fault.RetryAfter {
				t.Errorf("RetryAfter = %s, want %s", failed.RetryAfter, tc.fault.RetryAfter)
			}
			if got := api.Calls("CS1"); got != 1 {
				t.Errorf("%d calls, want 1", got)
			}
		})
	}
}

func TestQueryOrderRetriesWhatPasses(t *testing.T) {
	tests := map[string]koogallerytest.Fault{
		"an internal error":   {Status: 500, Code: "MKT.0999"},
		"a bad gateway":       {Status: 502, Body: "<html>"},
		"a gateway's timeout": {Status: 504, Body: `{"error_code":"APIGW.0201"}`},
		"the rate limit":      {Status: 406, Code: "MKT.0250"},
		"a gateway's limit":   {Status: 429, Body: `{"error_code":"APIGW.0308"}`, RetryAfter: 2 * time.Second},
	}
	for name, fault := range tests {
		t.Run(name, func(t *testing.T) {
			api, server := newAPI(t)
			api.Fail(fault, 3)
			client, pauses := newClient(server)
			if _, _, err := client.QueryOrder(t.Context(), "MOCKONETIMENEW", ""); err != nil {
				t.Fatal(err)
			}
			if got := api.Calls("MOCKONETIMENEW"); got != 4 {
				t.Errorf("%d calls, want 4", got)
			}
			for i, pause := range *pauses {
				if least := max(250*time.Millisecond<<i, fault.RetryAfter); pause < least || pause > 10*time.Second {
					t.Errorf("pause %d is %s, want %s or more", i, pause, least)
				}
			}
		})
	}
}

func TestQueryOrderGivesUp(t *testing.T) {
	api, server := newAPI(t)
	api.Fail(koogallerytest.Fault{Status: 503, Code: "MKT.0999"}, -1)
	client, _ := newClient(server)
	if _, _, err := client.QueryOrder(t.Context(), "CS1", ""); !errors.Is(err, openapi.ErrUnavailable) {
		t.Errorf("error = %v", err)
	}
	if got := api.Calls("CS1"); got != 4 {
		t.Errorf("%d calls, want 4", got)
	}
}

func TestQueryOrderEndsWithItsContext(t *testing.T) {
	api, server := newAPI(t)
	api.Fail(koogallerytest.Fault{Delay: time.Hour}, -1)
	client, _ := newClient(server)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, _, err := client.QueryOrder(ctx, "CS1", "")
	if !errors.Is(err, openapi.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error = %v", err)
	}
	if got := api.Calls("CS1"); got != 1 {
		t.Errorf("%d calls, want 1", got)
	}
}

func TestQueryOrderFallsBackWhenNothingAnswers(t *testing.T) {
	gone := httptest.NewTLSServer(http.NotFoundHandler())
	gone.Close()
	api, server := newAPI(t)
	client, _ := newClient(server)
	client.BaseURL, client.FallbackURL = gone.URL, server.URL
	if _, _, err := client.QueryOrder(t.Context(), "MOCKONETIMENEW", ""); err != nil {
		t.Fatal(err)
	}
	if got := api.Calls("MOCKONETIMENEW"); got != 1 {
		t.Errorf("%d calls, want 1", got)
	}
}

// An answer is an answer: a second host must not be asked for another.
func TestQueryOrderDoesNotFallBackOnAnAnswer(t *testing.T) {
	first, server := newAPI(t)
	first.Fail(koogallerytest.Fault{Status: 401, Code: "MKT.0150"}, -1)
	second, fallback := newAPI(t)
	client, _ := newClient(server)
	client.FallbackURL = fallback.URL
	if _, _, err := client.QueryOrder(t.Context(), "CS1", ""); !errors.Is(err, openapi.ErrNotPermitted) {
		t.Errorf("error = %v", err)
	}
	if got := second.Calls(""); got != 0 {
		t.Errorf("the fallback had %d calls, want 0", got)
	}
}

func TestQueryOrderVerifiesTheCertificate(t *testing.T) {
	api, server := newAPI(t)
	client, _ := newClient(server)
	client.HTTP = nil
	_, _, err := client.QueryOrder(t.Context(), "CS1", "")
	var unknown x509.UnknownAuthorityError
	if !errors.Is(err, openapi.ErrUnavailable) || !errors.As(err, &unknown) {
		t.Errorf("error = %v", err)
	}
	if got := api.Calls(""); got != 0 {
		t.Errorf("%d calls arrived, want 0", got)
	}
}

func TestQueryOrderFollowsNoRedirect(t *testing.T) {
	api, target := newAPI(t)
	server := httptest.NewTLSServer(http.RedirectHandler(target.URL, http.StatusTemporaryRedirect))
	t.Cleanup(server.Close)
	client, _ := newClient(server)
	if _, _, err := client.QueryOrder(t.Context(), "CS1", ""); !errors.Is(err, openapi.ErrGateway) {
		t.Errorf("error = %v", err)
	}
	if got := api.Calls(""); got != 0 {
		t.Errorf("%d calls arrived, want 0", got)
	}
}

func TestQueryOrderRefusesBeforeItCalls(t *testing.T) {
	tests := map[string]struct {
		change func(c *openapi.Client)
		id     string
		want   error
	}{
		"no id":             {func(*openapi.Client) {}, "", openapi.ErrInvalid},
		"a long id":         {func(*openapi.Client) {}, strings.Repeat("x", 257), openapi.ErrInvalid},
		"no SK":             {func(c *openapi.Client) { c.SK = "" }, "CS1", openapi.ErrCredentials},
		"no address":        {func(c *openapi.Client) { c.BaseURL = "" }, "CS1", openapi.ErrGateway},
		"a host only":       {func(c *openapi.Client) { c.BaseURL = "mkt.myhuaweicloud.com" }, "CS1", openapi.ErrGateway},
		"http to elsewhere": {func(c *openapi.Client) { c.BaseURL = "http://mkt.myhuaweicloud.com" }, "CS1", openapi.ErrGateway},
		"a user in it":      {func(c *openapi.Client) { c.BaseURL = "https://u:p@localhost" }, "CS1", openapi.ErrGateway},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			api, server := newAPI(t)
			client, _ := newClient(server)
			tc.change(client)
			if _, _, err := client.QueryOrder(t.Context(), tc.id, ""); !errors.Is(err, tc.want) {
				t.Errorf("error = %v, want %v", err, tc.want)
			}
			if got := api.Calls(""); got != 0 {
				t.Errorf("%d calls, want 0", got)
			}
		})
	}
}

func TestWrongKeysAndClocksAreCredentialErrors(t *testing.T) {
	tests := map[string]func(c *openapi.Client){
		"another AK": func(c *openapi.Client) { c.AK = "OTHER" },
		"another SK": func(c *openapi.Client) { c.SK = "other" },
		"a late clock": func(c *openapi.Client) {
			c.Clock = func() time.Time { return now.Add(-16 * time.Minute) }
		},
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			_, server := newAPI(t)
			client, _ := newClient(server)
			change(client)
			if _, _, err := client.QueryOrder(t.Context(), "MOCKONETIMENEW", ""); !errors.Is(err, openapi.ErrCredentials) {
				t.Errorf("error = %v", err)
			}
		})
	}
}

// everyOperation makes each call of the API with secrets and personal data in it.
func everyOperation(ctx context.Context, client *openapi.Client) map[string]error {
	_, _, query := client.QueryOrder(ctx, "ORDERID", "")
	_, activate := client.Activate(ctx, "LICENSE", now)
	_, queryLicense := client.QueryLicense(ctx, "LICENSE")
	_, queryLicenses := client.QueryLicenses(ctx, []string{"LICENSE"})
	return map[string]error{
		"QueryOrder": query, "Activate": activate, "QueryLicense": queryLicense, "QueryLicenses": queryLicenses,
		"PushUsage":     client.PushUsage(ctx, []openapi.UsageRecord{usage("m-1")}),
		"PushUsageOld":  client.PushUsageOld(ctx, []openapi.UsageRecord{usage("m-1")}),
		"ActivateBatch": client.ActivateBatch(ctx, []string{"LICENSE"}, now),
		"UploadLicense": client.UploadLicense(ctx, "EVENT", openapi.LicenseUpload{Text: "LICENSE"}),
	}
}

// An API that repeats the request in its answer must not bring keys, licenses or buyers into a log.
func TestErrorsRepeatNothing(t *testing.T) {
	echo := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(status)
			body, _ := io.ReadAll(r.Body)
			_, _ = fmt.Fprintf(w, `{"resultCode":%q,"error_code":%q,"resultMsg":%q,"error_msg":%q,"orderInfo":{"buyerInfo":{"email":"MAIL"}}}`,
				testSK, "LICENSE", r.Header.Get("Authorization")+r.Header.Get("signature"), body)
		}
	}
	for _, status := range []int{200, 302, 400, 401, 404, 406, 429, 500, 503} {
		server := httptest.NewTLSServer(echo(status))
		client, _ := newClient(server)
		for name, err := range everyOperation(t.Context(), client) {
			for _, secret := range []string{testSK, testAccessKey, "Signature", "SDK-HMAC", "MAIL", "ORDERID", "LICENSE", "EVENT"} {
				if err == nil || strings.Contains(err.Error(), secret) {
					t.Errorf("%s, status %d: %q is in %v", name, status, secret, err)
				}
			}
		}
		server.Close()
	}
	client := openapi.Client{AK: testAK, SK: testSK, AccessKey: testAccessKey}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		text := fmt.Sprintf(verb, client) + fmt.Sprintf(verb, &client)
		if strings.Contains(text, testSK) || strings.Contains(text, testAccessKey) {
			t.Errorf("a key is in %s", text)
		}
	}
}

// The same rules hold for all operations: attempts, and what is never done again.
func TestEveryOperationRetriesAndGivesUp(t *testing.T) {
	tests := map[string]struct {
		status        int
		body          string
		wantKind      error
		wantCalls     int
		wantOld       int
		wantUncertain bool
	}{
		// The old usage push is made once when it may have been carried out.
		"no service":               {503, "", openapi.ErrUnavailable, 4, 1, true},
		"an internal error":        {500, `{"error_code":"MKT.0999"}`, openapi.ErrUnavailable, 4, 1, true},
		"too many calls":           {429, "", openapi.ErrRateLimited, 4, 4, false},
		"the gateway's refusal":    {401, `{"error_code":"APIGW.0301"}`, openapi.ErrCredentials, 1, 1, false},
		"the account's refusal":    {403, "", openapi.ErrCredentials, 1, 1, false},
		"another seller's account": {401, `{"error_code":"MKT.0150"}`, openapi.ErrNotPermitted, 1, 1, false},
		"no such address":          {404, "<html>", openapi.ErrGateway, 1, 1, false},
		"a redirect":               {307, "", openapi.ErrGateway, 1, 1, false},
		"a page":                   {200, "<html>", openapi.ErrGateway, 1, 1, true},
		"success of another API":   {200, `{"code":0}`, openapi.ErrGateway, 1, 1, true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var calls atomic.Int32
			server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				calls.Add(1)
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(tc.status)
				_, _ = io.WriteString(w, tc.body)
			}))
			t.Cleanup(server.Close)
			client, _ := newClient(server)
			var total int
			for operation, err := range everyOperation(t.Context(), client) {
				var failed *openapi.Error
				if !errors.As(err, &failed) || failed.Kind != tc.wantKind || failed.Uncertain != tc.wantUncertain || failed.Remedy == "" {
					t.Errorf("%s: error = %#v, want %v, uncertain %v", operation, failed, tc.wantKind, tc.wantUncertain)
				}
				total += tc.wantCalls
				if operation == "PushUsageOld" {
					total += tc.wantOld - tc.wantCalls
				}
			}
			if got := int(calls.Load()); got != total {
				t.Errorf("%d calls, want %d", got, total)
			}
		})
	}
}

// Retry-After is not always a number.
func TestRetryAfterAsDate(t *testing.T) {
	tests := map[string]struct {
		header string
		want   time.Duration
	}{
		"in a minute": {now.Add(time.Minute).Format(http.TimeFormat), time.Minute},
		"in the past": {now.Add(-time.Minute).Format(http.TimeFormat), 0},
		"next year":   {now.AddDate(1, 0, 0).Format(http.TimeFormat), time.Hour},
		"a word":      {"later", 0},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", tc.header)
				w.WriteHeader(http.StatusTooManyRequests)
			}))
			t.Cleanup(server.Close)
			client, _ := newClient(server)
			_, _, err := client.QueryOrder(t.Context(), "CS1", "")
			var failed *openapi.Error
			if !errors.As(err, &failed) || !errors.Is(err, openapi.ErrRateLimited) || failed.RetryAfter != tc.want {
				t.Errorf("error = %#v, want RetryAfter %s", failed, tc.want)
			}
		})
	}
}

func TestHost(t *testing.T) {
	tests := map[string]struct{ wantBase, wantFallback string }{
		"China":         {"https://mkt.myhuaweicloud.com", "https://mkt.myhuaweicloud.cn"},
		"International": {"https://mkt-intl.myhuaweicloud.com", ""},
		"Europe":        {"https://mkt.myhuaweicloud.eu", ""},
		"Mars":          {"", ""},
	}
	for site, tc := range tests {
		t.Run(site, func(t *testing.T) {
			base, fallback, ok := openapi.Host(site)
			if base != tc.wantBase || fallback != tc.wantFallback || ok != (tc.wantBase != "") {
				t.Errorf("Host() = %q, %q, %v", base, fallback, ok)
			}
		})
	}
}
