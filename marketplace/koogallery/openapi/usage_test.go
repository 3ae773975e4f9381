package openapi_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/koogallerytest"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/openapi"
)

// usage is a record of the last full hour.
func usage(sn string) openapi.UsageRecord {
	return openapi.UsageRecord{
		MeteringSN: sn, InstanceID: "i-" + sn, ProductID: "p-1", Value: "12.5",
		BeginsAt: now.Add(-time.Hour), EndsAt: now, RecordedAt: now.Add(time.Minute),
	}
}

func changed(change func(r *openapi.UsageRecord)) openapi.UsageRecord {
	record := usage("m-1")
	change(&record)
	return record
}

// pushed is what the fake accepted, by metering_sn and how often.
func pushed(api *koogallerytest.OpenAPI) map[string]int {
	times := map[string]int{}
	for _, record := range api.Usage() {
		times[record.MeteringSN]++
	}
	return times
}

func TestUsageVectors(t *testing.T) {
	var vectors struct {
		Signatures []struct {
			Name, AccessKey, RawBody string
			Headers                  struct{ TS, Nonce, Signature string }
		} `json:"usage_push_signature"`
	}
	readVectors(t, &vectors)
	if len(vectors.Signatures) == 0 {
		t.Fatal("the vectors lack the section")
	}
	for _, vector := range vectors.Signatures {
		t.Run(vector.Name, func(t *testing.T) {
			got := openapi.SignUsage(vector.AccessKey, vector.Headers.TS, vector.Headers.Nonce, []byte(vector.RawBody))
			if got != vector.Headers.Signature {
				t.Errorf("SignUsage() = %s, want %s", got, vector.Headers.Signature)
			}
		})
	}
	vector := vectors.Signatures[0]
	t.Run("sent", func(t *testing.T) {
		var header http.Header
		var body []byte
		server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			header = r.Header
			body, _ = io.ReadAll(r.Body)
			_, _ = io.WriteString(w, `{"error_code":"MKT.0000"}`)
		}))
		t.Cleanup(server.Close)
		client, _ := newClient(server)
		client.AccessKey = vector.AccessKey
		client.Clock = func() time.Time { return time.UnixMilli(1709690865879) }
		client.SetNonce(func() string { return vector.Headers.Nonce })
		// The vector's interval is older than 21 days at its own time of sending; its day alone is moved.
		record := openapi.UsageRecord{
			MeteringSN: "m-0001", InstanceID: "7f141bf1-aec8-4859-8323-fb3a8ad50721", Value: "99",
			BeginsAt: time.Date(2024, 3, 5, 8, 0, 0, 0, time.UTC), EndsAt: time.Date(2024, 3, 5, 9, 0, 0, 0, time.UTC),
			RecordedAt: time.Date(2024, 3, 5, 9, 10, 0, 0, time.UTC),
		}
		if err := client.PushUsage(t.Context(), []openapi.UsageRecord{record}); err != nil {
			t.Fatal(err)
		}
		if want := strings.ReplaceAll(vector.RawBody, "20220809T", "20240305T"); string(body) != want {
			t.Errorf("sent %s\nwant %s", body, want)
		}
		want := openapi.SignUsage(vector.AccessKey, vector.Headers.TS, vector.Headers.Nonce, body)
		if header.Get("ts") != vector.Headers.TS || header.Get("nonce") != vector.Headers.Nonce || header.Get("signature") != want {
			t.Errorf("headers %v", header)
		}
	})
}

func TestPushedUsageArrives(t *testing.T) {
	tests := map[string]struct {
		push     func(c *openapi.Client, records []openapi.UsageRecord) error
		asNumber bool
		want     koogallerytest.PushedUsage
	}{
		"new, as text": {
			func(c *openapi.Client, r []openapi.UsageRecord) error { return c.PushUsage(t.Context(), r) }, false,
			koogallerytest.PushedUsage{MeteringSN: "m-1", UsageValue: json.RawMessage(`"0.1234"`)},
		},
		"new, as number": {
			func(c *openapi.Client, r []openapi.UsageRecord) error { return c.PushUsage(t.Context(), r) }, true,
			koogallerytest.PushedUsage{MeteringSN: "m-1", UsageValue: json.RawMessage(`0.1234`)},
		},
		"old": {
			func(c *openapi.Client, r []openapi.UsageRecord) error { return c.PushUsageOld(t.Context(), r) }, false,
			koogallerytest.PushedUsage{ProductID: "p-1", UsageValue: json.RawMessage(`"0.1234"`)},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			api, server := newAPI(t)
			client, _ := newClient(server)
			client.UsageAsNumber = tc.asNumber
			record := changed(func(r *openapi.UsageRecord) {
				r.InstanceID, r.PackageInstanceID, r.Value = "i<&>1", "pkg-1", "00.12340"
				r.BeginsAt = r.BeginsAt.In(time.FixedZone("", 8*3600))
			})
			if err := tc.push(client, []openapi.UsageRecord{record}); err != nil {
				t.Fatal(err)
			}
			want := tc.want
			want.InstanceID, want.RelatePkgInstance = "i<&>1", "pkg-1"
			want.BeginTime, want.EndTime, want.RecordTime = "20260301T110000Z", "20260301T120000Z", "20260301T120100Z"
			if diff := cmp.Diff([]koogallerytest.PushedUsage{want}, api.Usage()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestUsageCodes(t *testing.T) {
	tests := map[string]struct {
		status int
		want   error
		about  bool
		look   openapi.Outlook
	}{
		"MKT.0999": {500, openapi.ErrUnavailable, false, openapi.OutlookPasses},
		"MKT.0100": {500, openapi.ErrInvalid, true, openapi.OutlookFinal},
		"MKT.0101": {400, openapi.ErrInvalid, true, openapi.OutlookFinal},
		"MKT.0102": {400, openapi.ErrSignature, false, openapi.OutlookRepair},
		"MKT.0199": {400, openapi.ErrInvalid, true, openapi.OutlookFinal},
		"MKT.0150": {401, openapi.ErrNotPermitted, true, openapi.OutlookRepair},
		"MKT.0151": {401, openapi.ErrCredentials, false, openapi.OutlookRepair},
		"MKT.0154": {401, openapi.ErrCredentials, false, openapi.OutlookRepair},
		"MKT.9001": {500, openapi.ErrInstanceNotFound, true, openapi.OutlookRepair},
		"MKT.9002": {500, openapi.ErrMeteredItem, true, openapi.OutlookRepair},
		"CBC.9003": {500, openapi.ErrTooManyRecords, false, openapi.OutlookFinal},
		"CBC.9004": {500, openapi.ErrTooOld, true, openapi.OutlookFinal},
	}
	for code, tc := range tests {
		t.Run(code, func(t *testing.T) {
			api, server := newAPI(t)
			client, _ := newClient(server)
			for operation, push := range map[koogallerytest.Operation]func(r []openapi.UsageRecord) error{
				koogallerytest.PushUsage:    func(r []openapi.UsageRecord) error { return client.PushUsage(t.Context(), r) },
				koogallerytest.PushUsageOld: func(r []openapi.UsageRecord) error { return client.PushUsageOld(t.Context(), r) },
			} {
				api.FailOperation(operation, koogallerytest.Fault{Status: tc.status, Code: code}, -1)
				var one, two *openapi.Error
				if err := push([]openapi.UsageRecord{usage("m-1")}); !errors.As(err, &one) || !errors.Is(err, tc.want) {
					t.Fatalf("%s: error = %v, want %v", operation, err, tc.want)
				}
				if err := push([]openapi.UsageRecord{usage("m-1"), usage("m-2")}); !errors.As(err, &two) {
					t.Fatalf("%s: error = %v", operation, err)
				}
				if one.Code != code || one.Status != tc.status || one.Outlook() != tc.look || one.Remedy == "" {
					t.Errorf("%s: error = %#v", operation, one)
				}
				if (one.Entries != nil) != tc.about || two.Entries != nil {
					t.Errorf("%s: Entries of one record %v, of two %v", operation, one.Entries, two.Entries)
				}
			}
		})
	}
}

func TestPushUsageRefusesBeforeItCalls(t *testing.T) {
	long := strings.Repeat("x", 257)
	sound := usage("m-0")
	tests := map[string]struct {
		records     []openapi.UsageRecord
		want        error
		wantText    string
		wantEntries []int
	}{
		"no records":         {nil, openapi.ErrInvalid, "no records", nil},
		"1001 records":       {slices.Repeat([]openapi.UsageRecord{sound}, 1001), openapi.ErrTooManyRecords, "1001", nil},
		"no metering_sn":     {[]openapi.UsageRecord{sound, changed(func(r *openapi.UsageRecord) { r.MeteringSN = "" })}, openapi.ErrInvalid, "metering_sn must", []int{1}},
		"a long metering_sn": {[]openapi.UsageRecord{changed(func(r *openapi.UsageRecord) { r.MeteringSN = long })}, openapi.ErrInvalid, "metering_sn must", []int{0}},
		"one metering_sn twice": {[]openapi.UsageRecord{sound, usage("m-1"), sound}, openapi.ErrInvalid,
			`record 2, metering_sn "m-0": an earlier record`, []int{2}},
		"no instance":   {[]openapi.UsageRecord{changed(func(r *openapi.UsageRecord) { r.InstanceID = "" })}, openapi.ErrInvalid, "instance_id", []int{0}},
		"no UTF-8":      {[]openapi.UsageRecord{changed(func(r *openapi.UsageRecord) { r.InstanceID = "\xff" })}, openapi.ErrInvalid, "instance_id", []int{0}},
		"a long pkg id": {[]openapi.UsageRecord{changed(func(r *openapi.UsageRecord) { r.PackageInstanceID = long })}, openapi.ErrInvalid, "relate_pkg_instance", []int{0}},
		"no time":       {[]openapi.UsageRecord{changed(func(r *openapi.UsageRecord) { r.RecordedAt = time.Time{} })}, openapi.ErrInvalid, "record_time", []int{0}},
		"less than a second": {[]openapi.UsageRecord{changed(func(r *openapi.UsageRecord) { r.EndsAt = r.BeginsAt.Add(time.Second / 2) })},
			openapi.ErrInvalid, "begin_time must be before end_time", []int{0}},
		"a value that would be rounded": {[]openapi.UsageRecord{changed(func(r *openapi.UsageRecord) { r.Value = "1.00001" })},
			openapi.ErrInvalid, "4 decimals", []int{0}},
		"22 days ago": {
			[]openapi.UsageRecord{sound, changed(func(r *openapi.UsageRecord) { r.BeginsAt = now.Add(-openapi.MaxUsageAge - time.Second) }),
				changed(func(r *openapi.UsageRecord) { r.MeteringSN, r.BeginsAt = "m-2", now.AddDate(0, 0, -30) })},
			openapi.ErrTooOld, `metering_sn "m-1": begin_time 20260208T115959Z is more than 21 days ago`, []int{1, 2},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			api, server := newAPI(t)
			client, _ := newClient(server)
			err := client.PushUsage(t.Context(), tc.records)
			var failed *openapi.Error
			if !errors.As(err, &failed) || !errors.Is(err, tc.want) || !strings.Contains(err.Error(), tc.wantText) {
				t.Fatalf("error = %v, want %v with %q", err, tc.want, tc.wantText)
			}
			if diff := cmp.Diff(tc.wantEntries, failed.Entries); diff != "" {
				t.Errorf("Entries (-want +got):\n%s", diff)
			}
			if got := api.CallsOf(koogallerytest.PushUsage); got != 0 {
				t.Errorf("%d calls, want 0", got)
			}
		})
	}
	t.Run("no access key", func(t *testing.T) {
		client := &openapi.Client{AK: testAK, SK: testSK}
		if err := client.PushUsage(t.Context(), []openapi.UsageRecord{sound}); !errors.Is(err, openapi.ErrSignature) {
			t.Errorf("error = %v", err)
		}
	})
	t.Run("no product for the old API", func(t *testing.T) {
		client := &openapi.Client{AK: testAK, SK: testSK, Clock: clock}
		err := client.PushUsageOld(t.Context(), []openapi.UsageRecord{changed(func(r *openapi.UsageRecord) { r.ProductID = "" })})
		if !errors.Is(err, openapi.ErrInvalid) || !strings.Contains(err.Error(), "product_id") {
			t.Errorf("error = %v", err)
		}
	})
	t.Run("21 days ago is not too old", func(t *testing.T) {
		_, server := newAPI(t)
		client, _ := newClient(server)
		record := changed(func(r *openapi.UsageRecord) { r.BeginsAt = now.Add(-openapi.MaxUsageAge) })
		if err := client.PushUsage(t.Context(), []openapi.UsageRecord{record}); err != nil {
			t.Error(err)
		}
	})
}

// A wrong access key must be found by its own name, and not as one of AK and SK.
func TestAWrongAccessKeyIsASignatureError(t *testing.T) {
	_, server := newAPI(t)
	client, _ := newClient(server)
	client.AccessKey = "other"
	if err := client.PushUsage(t.Context(), []openapi.UsageRecord{usage("m-1")}); !errors.Is(err, openapi.ErrSignature) {
		t.Errorf("error = %v", err)
	}
}

func TestALostAnswerOfAPush(t *testing.T) {
	lost := koogallerytest.Fault{Drop: true, CarriedOut: true}
	t.Run("is repeated by the new API, and counts once", func(t *testing.T) {
		api, server := newAPI(t)
		api.FailOperation(koogallerytest.PushUsage, lost, 2)
		client, _ := newClient(server)
		if err := client.PushUsage(t.Context(), []openapi.UsageRecord{usage("m-1")}); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(map[string]int{"m-1": 1}, pushed(api)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
	t.Run("is not repeated by the old API, nor at its fallback", func(t *testing.T) {
		api, server := newAPI(t)
		api.FailOperation(koogallerytest.PushUsageOld, lost, 1)
		fallback, second := newAPI(t)
		client, _ := newClient(server)
		client.FallbackURL = second.URL
		err := client.PushUsageOld(t.Context(), []openapi.UsageRecord{usage("m-1")})
		var failed *openapi.Error
		if !errors.As(err, &failed) || failed.Kind != openapi.ErrUnavailable || !failed.Uncertain {
			t.Errorf("error = %#v", failed)
		}
		if len(api.Usage()) != 1 || len(fallback.Usage()) != 0 {
			t.Errorf("charged %v and %v", api.Usage(), fallback.Usage())
		}
	})
	for name, broken := range map[string]int32{"is not settled by the refusal of a repeat": 1, "is not settled by the refusal of a part": 4} {
		t.Run(name, func(t *testing.T) {
			var calls atomic.Int32
			server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if calls.Add(1) <= broken {
					w.WriteHeader(http.StatusServiceUnavailable)
					_, _ = io.WriteString(w, `{"error_code": "MKT.0999"}`)
					return
				}
				w.WriteHeader(http.StatusBadRequest)
				_, _ = io.WriteString(w, `{"error_code": "MKT.9001"}`)
			}))
			defer server.Close()
			client, _ := newClient(server)
			other := usage("m-2")
			other.InstanceID = "other"
			for i, err := range client.PushUsageEach(t.Context(), []openapi.UsageRecord{usage("m-1"), other}) {
				var failed *openapi.Error
				if !errors.As(err, &failed) || failed.Kind != openapi.ErrInstanceNotFound || !failed.Uncertain {
					t.Errorf("record %d: %#v", i, failed)
				}
			}
		})
	}
	t.Run("is not feared where nothing was reached", func(t *testing.T) {
		gone := httptest.NewTLSServer(http.NotFoundHandler())
		gone.Close()
		api, server := newAPI(t)
		client, _ := newClient(server)
		client.BaseURL, client.FallbackURL = gone.URL, server.URL
		if err := client.PushUsageOld(t.Context(), []openapi.UsageRecord{usage("m-1")}); err != nil {
			t.Fatal(err)
		}
		client.FallbackURL = ""
		err := client.PushUsageOld(t.Context(), []openapi.UsageRecord{usage("m-1")})
		var failed *openapi.Error
		if !errors.As(err, &failed) || failed.Uncertain {
			t.Errorf("error = %#v", failed)
		}
		if got := len(api.Usage()); got != 1 {
			t.Errorf("%d records, want 1", got)
		}
	})
}

// Whatever the API keeps of a push that it refuses, every sound record is charged once and every refused one has its error.
func TestPushUsageEachFindsTheRefused(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		partly := rapid.Bool().Draw(rt, "partly")
		bad := rapid.SliceOfNDistinct(rapid.IntRange(0, 39), 0, 6, rapid.ID[int]).Draw(rt, "bad")
		api := koogallerytest.NewOpenAPI(koogallerytest.OpenAPIOptions{
			AK: testAK, SK: testSK, AccessKey: testAccessKey, Clock: clock, UsagePartly: partly,
		})
		server := httptest.NewTLSServer(api)
		defer server.Close()
		client, _ := newClient(server)
		var records []openapi.UsageRecord
		want := map[string]int{}
		for i := range 40 {
			records = append(records, usage(fmt.Sprint(i)))
			want[fmt.Sprint(i)] = 1
		}
		for _, i := range bad {
			api.RefuseUsage(records[i].InstanceID, "MKT.9001")
			delete(want, fmt.Sprint(i))
		}
		for i, err := range client.PushUsageEach(t.Context(), records) {
			var failed *openapi.Error
			switch refused := slices.Contains(bad, i); {
			case refused != errors.Is(err, openapi.ErrInstanceNotFound):
				rt.Fatalf("record %d: %v", i, err)
			case refused && (!errors.As(err, &failed) || !slices.Equal(failed.Entries, []int{i})):
				rt.Fatalf("record %d: %#v", i, failed)
			}
		}
		if diff := cmp.Diff(want, pushed(api)); diff != "" {
			rt.Fatalf("charged (-want +got):\n%s", diff)
		}
	})
}

func TestPushUsageEachStops(t *testing.T) {
	tests := map[string]struct {
		fault     koogallerytest.Fault
		want      error
		wantCalls int
	}{
		"at what is the same for every record": {koogallerytest.Fault{Status: 400, Code: "MKT.0102"}, openapi.ErrSignature, 1},
		"where nobody is there":                {koogallerytest.Fault{Status: 503}, openapi.ErrUnavailable, 4},
		// Whatever is split says the same: 1000, 500, … 1, and each call four times.
		"where the API is in trouble": {koogallerytest.Fault{Status: 500, Code: "MKT.0999"}, openapi.ErrUnavailable, 13 * 4},
		// 100 halvings, and a call for each part that is left.
		"where all are refused": {koogallerytest.Fault{Status: 401, Code: "MKT.0150"}, openapi.ErrNotPermitted, 2*100 + 1},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			api, server := newAPI(t)
			api.FailOperation(koogallerytest.PushUsage, tc.fault, -1)
			client, _ := newClient(server)
			var records []openapi.UsageRecord
			for i := range 1000 {
				records = append(records, usage(fmt.Sprint(i)))
			}
			for i, err := range client.PushUsageEach(t.Context(), records) {
				if !errors.Is(err, tc.want) {
					t.Fatalf("record %d: %v, want %v", i, err, tc.want)
				}
			}
			if got := api.CallsOf(koogallerytest.PushUsage); got != tc.wantCalls {
				t.Errorf("%d calls, want %d", got, tc.wantCalls)
			}
		})
	}
}

// One instance whose records are all refused costs the others nothing, however many they are and in whatever order they come.
func TestOneInstanceThatIsRefusedRefusesNoOther(t *testing.T) {
	for name, code := range map[string]string{"by its instance": "MKT.9001", "by its records": "MKT.9004", "by an internal error": "MKT.0999"} {
		t.Run(name, func(t *testing.T) {
			api, server := newAPI(t)
			client, _ := newClient(server)
			var records []openapi.UsageRecord
			for i := range 1000 {
				r := usage(fmt.Sprint(i))
				r.InstanceID = fmt.Sprint("instance-", i%4)
				records = append(records, r)
			}
			api.RefuseUsage("instance-1", code)
			refused, untold := 0, 0
			for i, err := range client.PushUsageEach(t.Context(), records) {
				switch bad := i%4 == 1; {
				case !bad && err != nil:
					t.Fatalf("record %d of another instance: %v", i, err)
				case bad && errors.Is(err, openapi.ErrNotToldApart):
					untold++
				case bad && err != nil:
					refused++
				}
			}
			if got := len(api.Usage()); got != 750 || refused+untold != 250 || refused == 0 {
				t.Errorf("%d accepted, %d refused, %d not told apart", got, refused, untold)
			}
			if calls := api.CallsOf(koogallerytest.PushUsage); code == "MKT.9001" && calls > 10 {
				t.Errorf("%d calls", calls)
			}
		})
	}
}

func TestPushUsageEachTakesMoreThanOnePush(t *testing.T) {
	api, server := newAPI(t)
	client, _ := newClient(server)
	var records []openapi.UsageRecord
	for i := range 2100 {
		records = append(records, usage(fmt.Sprint(i)))
	}
	api.RefuseUsage(records[1500].InstanceID, "MKT.9002")
	for i, err := range client.PushUsageEach(t.Context(), records) {
		if errors.Is(err, openapi.ErrMeteredItem) != (i == 1500) {
			t.Errorf("record %d: %v", i, err)
		}
	}
	if got := len(api.Usage()); got != 2099 {
		t.Errorf("%d records, want 2099", got)
	}
}

func TestPushUsageEachSendsNothingWrong(t *testing.T) {
	api, server := newAPI(t)
	client, _ := newClient(server)
	old := changed(func(r *openapi.UsageRecord) { r.MeteringSN, r.BeginsAt = "m-old", now.AddDate(0, 0, -22) })
	errs := client.PushUsageEach(t.Context(), []openapi.UsageRecord{usage("m-1"), old, usage("m-1"), usage("m-2")})
	if errs[0] != nil || !errors.Is(errs[1], openapi.ErrTooOld) || !errors.Is(errs[2], openapi.ErrInvalid) || errs[3] != nil {
		t.Errorf("errors %v", errs)
	}
	if diff := cmp.Diff(map[string]int{"m-1": 1, "m-2": 1}, pushed(api)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if errs := client.PushUsageEach(t.Context(), nil); len(errs) != 0 || api.CallsOf(koogallerytest.PushUsage) != 1 {
		t.Errorf("nothing to push: %v, %d calls", errs, api.CallsOf(koogallerytest.PushUsage))
	}
}

func TestUsageValue(t *testing.T) {
	tests := map[string]struct {
		asNumber bool
		// want is empty for what is refused.
		want string
	}{
		"99":                    {false, `"99"`},
		"12.50":                 {false, `"12.5"`},
		"0.0001":                {false, `"0.0001"`},
		"007":                   {true, `7`},
		"1.000000":              {true, `1`},
		"0.30000000000000004":   {false, ""},
		"12345678901234567890":  {false, `"12345678901234567890"`},
		"123456789012345.1234":  {false, `"123456789012345.1234"`},
		"123456789012345678901": {false, ""},
		"12345678.9999":         {true, `12345678.9999`},
		"123456789":             {true, ""},
		"0":                     {false, ""},
		"0.0000":                {false, ""},
		"0.00001":               {false, ""},
		"":                      {false, ""},
		".5":                    {false, ""},
		"5.":                    {false, ""},
		"-5":                    {false, ""},
		"+5":                    {false, ""},
		"1e3":                   {false, ""},
		"1.2.3":                 {false, ""},
		"5 5":                   {false, ""},
		"NaN":                   {false, ""},
		"٣":                     {false, ""},
	}
	for text, tc := range tests {
		t.Run(text, func(t *testing.T) {
			got, err := openapi.UsageValue(text, tc.asNumber)
			if got != tc.want || (err == nil) != (tc.want != "") {
				t.Errorf("UsageValue() = %q, %v, want %q", got, err, tc.want)
			}
		})
	}
}

// What is sent is exactly what was meant, in a form that every reader of JSON takes.
func FuzzUsageValue(f *testing.F) {
	for _, text := range []string{"1", "12.5", "0.0001", "00012.3400", "12345678.9999", "1e9", "-1", "\"", "1_000"} {
		f.Add(text, true)
		f.Add(text, false)
	}
	f.Fuzz(func(t *testing.T, text string, asNumber bool) {
		written, err := openapi.UsageValue(text, asNumber)
		if err != nil {
			return
		}
		if !json.Valid([]byte(written)) || strings.HasPrefix(written, `"`) == asNumber {
			t.Fatalf("%q is written as %s", text, written)
		}
		meant, ok1 := new(big.Rat).SetString(text)
		sent, ok2 := new(big.Rat).SetString(strings.Trim(written, `"`))
		if !ok1 || !ok2 || meant.Cmp(sent) != 0 || sent.Sign() <= 0 {
			t.Fatalf("%q is written as %s", text, written)
		}
	})
}
