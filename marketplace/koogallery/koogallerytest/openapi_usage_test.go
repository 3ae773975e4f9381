package koogallerytest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/koogallerytest"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/openapi"
)

const (
	usagePath    = "/api/mkp-openapi-public/global/v1/isv/usage-data"
	oldUsagePath = "/rest/marketplace/v1/isv/usage-data"
	soundRecord  = `{"begin_time":"20260301T110000Z","end_time":"20260301T120000Z","instance_id":"i-1","metering_sn":"m-1","record_time":"20260301T120000Z","usage_value":"1.5"}`
	oldRecord    = `{"begin_time":"20260301T110000Z","end_time":"20260301T120000Z","instance_id":"i-1","product_id":"p-1","record_time":"20260301T120000Z","usage_value":"1.5"}`
)

// signed is a POST with both signatures.
func signed(t *testing.T, path, contentType, body string) *http.Request {
	t.Helper()
	req := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	timestamp := strconv.FormatInt(now.UnixMilli(), 10)
	req.Header.Set(openapi.HeaderTimestamp, timestamp)
	req.Header.Set(openapi.HeaderNonce, "n-1")
	req.Header.Set(openapi.HeaderSignature, openapi.SignUsage("access", timestamp, "n-1", []byte(body)))
	req.Header.Set("Content-Type", contentType)
	req.Header.Set(openapi.HeaderDate, now.Format(openapi.DateFormat))
	req.Header.Set("Authorization", openapi.Authorization(req, "ak", "sk", []string{"host", "x-sdk-date"}, []byte(body)))
	return req
}

// answerTo is the status and the code of an answer.
func answerTo(t *testing.T, api http.Handler, req *http.Request) string {
	t.Helper()
	recorder := httptest.NewRecorder()
	api.ServeHTTP(recorder, req)
	var body struct {
		Code string `json:"error_code"`
	}
	if err := json.Unmarshal(recorder.Body.Bytes(), &body); err != nil {
		t.Fatalf("%v: %s", err, recorder.Body)
	}
	return fmt.Sprintf("%d %s", recorder.Code, body.Code)
}

func newUsageAPI(repeats koogallerytest.UsageRepeats) *koogallerytest.OpenAPI {
	return koogallerytest.NewOpenAPI(koogallerytest.OpenAPIOptions{AK: "ak", SK: "sk", AccessKey: "access", Clock: clock, UsageRepeats: repeats})
}

// What the real API refuses has to be refused here, or a seller finds out when usage can't be charged any more.
func TestUsageIsChecked(t *testing.T) {
	record := func(old, replacement string) string {
		return `{"usage_records":[` + strings.Replace(soundRecord, old, replacement, 1) + `]}`
	}
	same := func(*http.Request) {}
	set := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	tests := map[string]struct {
		body   string
		change func(r *http.Request)
		want   string
	}{
		"sound":                    {record("", ""), same, "200 MKT.0000"},
		"a number":                 {record(`"1.5"`, `1.5`), same, "200 MKT.0000"},
		"no AK/SK signature":       {record("", ""), set("Authorization", ""), "401 APIGW.0301"},
		"no signature":             {record("", ""), set("signature", ""), "400 MKT.0102"},
		"another nonce":            {record("", ""), set("nonce", "n-2"), "400 MKT.0102"},
		"a time in seconds":        {record("", ""), set("ts", strconv.FormatInt(now.Unix(), 10)), "400 MKT.0102"},
		"keys in another order":    {`{"usage_records":[{"metering_sn":"m-1",` + soundRecord[1:] + `]}`, same, "400 MKT.0102"},
		"white space":              {record(":", ": "), same, "400 MKT.0102"},
		"no JSON":                  {"x", same, "400 MKT.0102"},
		"no records":               {`{"usage_records":[]}`, same, "400 MKT.0101"},
		"a surplus member":         {record(`"usage_value"`, `"surplus":1,"usage_value"`), same, "400 MKT.0101"},
		"a product":                {record(`"record_time"`, `"product_id":"p","record_time"`), same, "400 MKT.0199"},
		"no metering_sn":           {record(`"metering_sn":"m-1",`, ""), same, "400 MKT.0199"},
		"no instance":              {record(`"i-1"`, `""`), same, "400 MKT.0199"},
		"a time of another form":   {record("20260301T110000Z", "20260301110000"), same, "400 MKT.0199"},
		"an interval of no length": {record("20260301T110000Z", "20260301T120000Z"), same, "400 MKT.0199"},
		"5 decimals":               {record("1.5", "1.50000"), same, "500 MKT.0100"},
		"nothing used":             {record("1.5", "0.0"), same, "500 MKT.0100"},
		"a value that is a word":   {record(`"1.5"`, `true`), same, "500 MKT.0100"},
		"half a text":              {record(`"1.5"`, `{"a":"1.5"}`), same, "500 MKT.0100"},
		"22 days ago":              {record("20260301T110000Z", "20260207T110000Z"), same, "500 MKT.9004"},
		"1001 records":             {`{"usage_records":[` + strings.Repeat(soundRecord+",", 1000) + soundRecord + `]}`, same, "500 MKT.9003"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			api := newUsageAPI(koogallerytest.RepeatsIgnored)
			req := signed(t, usagePath, "application/json", tc.body)
			tc.change(req)
			if got := answerTo(t, api, req); got != tc.want {
				t.Errorf("answered %s, want %s", got, tc.want)
			}
			if kept := len(api.Usage()); (kept == 1) != (tc.want == "200 MKT.0000") {
				t.Errorf("%d records kept", kept)
			}
		})
	}
	t.Run("a nonce twice", func(t *testing.T) {
		api := newUsageAPI(koogallerytest.RepeatsIgnored)
		body := record("", "")
		if got := answerTo(t, api, signed(t, usagePath, "application/json", body)); got != "200 MKT.0000" {
			t.Errorf("first: %s", got)
		}
		if got := answerTo(t, api, signed(t, usagePath, "application/json", body)); got != "400 MKT.0102" {
			t.Errorf("second: %s", got)
		}
	})
	t.Run("the old API", func(t *testing.T) {
		api := newUsageAPI(koogallerytest.RepeatsIgnored)
		for body, want := range map[string]string{oldRecord: "200 MKT.0000", soundRecord: "400 MKT.0199"} {
			req := signed(t, oldUsagePath, "application/json", `{"usage_records":[`+body+`]}`)
			req.Header.Del("signature")
			if got := answerTo(t, api, req); got != want {
				t.Errorf("%s: %s, want %s", body, got, want)
			}
		}
	})
}

func TestRepeatedUsage(t *testing.T) {
	tests := map[koogallerytest.UsageRepeats]struct {
		wantErr  bool
		wantKept int
	}{
		koogallerytest.RepeatsIgnored: {false, 1},
		koogallerytest.RepeatsRefused: {true, 1},
		koogallerytest.RepeatsCounted: {false, 2},
	}
	for repeats, tc := range tests {
		t.Run(string(repeats), func(t *testing.T) {
			api := newUsageAPI(repeats)
			server := httptest.NewServer(api)
			t.Cleanup(server.Close)
			client := &openapi.Client{BaseURL: server.URL, AK: "ak", SK: "sk", AccessKey: "access", Clock: clock}
			record := openapi.UsageRecord{
				MeteringSN: "m-1", InstanceID: "i-1", Value: "1", BeginsAt: now.Add(-time.Hour), EndsAt: now, RecordedAt: now,
			}
			if err := client.PushUsage(t.Context(), []openapi.UsageRecord{record}); err != nil {
				t.Fatal(err)
			}
			if err := client.PushUsage(t.Context(), []openapi.UsageRecord{record}); (err != nil) != tc.wantErr {
				t.Errorf("the repeat: %v", err)
			}
			if got := len(api.Usage()); got != tc.wantKept {
				t.Errorf("%d records kept, want %d", got, tc.wantKept)
			}
		})
	}
}

// Programs read what was pushed over HTTP.
func TestPushedUsageIsListed(t *testing.T) {
	api := newUsageAPI(koogallerytest.RepeatsIgnored)
	if got := answerTo(t, api, signed(t, usagePath, "application/json", `{"usage_records":[`+soundRecord+`]}`)); got != "200 MKT.0000" {
		t.Fatal(got)
	}
	recorder := httptest.NewRecorder()
	api.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/usage", http.NoBody))
	var listed []json.RawMessage
	if err := json.Unmarshal(recorder.Body.Bytes(), &listed); err != nil || len(listed) != 1 {
		t.Fatalf("%v: %s", err, recorder.Body)
	}
	var got, want map[string]any
	for raw, value := range map[string]*map[string]any{string(listed[0]): &got, soundRecord: &want} {
		if err := json.Unmarshal([]byte(raw), value); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
