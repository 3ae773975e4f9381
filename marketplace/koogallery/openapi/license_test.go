package openapi_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/koogallerytest"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/openapi"
)

// mint adds collected codes.
func mint(t *testing.T, api *koogallerytest.OpenAPI, codes ...string) {
	t.Helper()
	for _, code := range codes {
		license := koogallerytest.MintedLicense{
			Code: code, OrderID: "CS1", ProductID: "P1", Amount: 3, ExpiresAt: now.AddDate(1, 0, 0),
		}
		if err := api.AddLicense(license); err != nil {
			t.Fatal(err)
		}
	}
}

// codeList makes so many codes.
func codeList(count int) []string {
	var codes []string
	for i := range count {
		codes = append(codes, fmt.Sprintf("PL%06d", i))
	}
	return codes
}

// shown makes a license comparable by what it hides.
func shown(licenses ...openapi.License) []string {
	var texts []string
	for _, l := range licenses {
		amount := "none"
		if l.Amount != nil {
			amount = fmt.Sprint(*l.Amount)
		}
		texts = append(texts, fmt.Sprintf("%s %s activated %s expires %s order %q product %q amount %s", string(l.Code), l.Status,
			l.ActivatedAt.Format(time.RFC3339), l.ExpiresAt.Format(time.RFC3339), l.OrderID, l.ProductID, amount))
	}
	return texts
}

func TestActivateAndQuery(t *testing.T) {
	api, server := newAPI(t)
	mint(t, api, "PL000001")
	client, _ := newClient(server)
	if _, err := client.QueryLicense(t.Context(), "PL000001"); !errors.Is(err, openapi.ErrNotActivated) {
		t.Errorf("before: %v", err)
	}
	activated, err := client.Activate(t.Context(), "PL000001", now.Add(-time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	const never = "0001-01-01T00:00:00Z"
	want := []string{`PL000001 ALIVE activated ` + never + ` expires 2027-03-01T12:00:00Z order "CS1" product "P1" amount 3`}
	if diff := cmp.Diff(want, shown(activated)); diff != "" {
		t.Errorf("Activate() (-want +got):\n%s", diff)
	}
	if minted, _ := api.License("PL000001"); minted.DeliveredAt != "20260301115900" {
		t.Errorf("delivered at %q", minted.DeliveredAt)
	}
	queried, err := client.QueryLicense(t.Context(), "PL000001")
	if err != nil {
		t.Fatal(err)
	}
	want = []string{`PL000001 ALIVE activated 2026-03-01T12:00:00Z expires 2027-03-01T12:00:00Z order "" product "" amount none`}
	if diff := cmp.Diff(want, shown(queried)); diff != "" {
		t.Errorf("QueryLicense() (-want +got):\n%s", diff)
	}
}

func TestActivateAndQueryABatch(t *testing.T) {
	api, server := newAPI(t)
	codes := codeList(100)
	mint(t, api, codes...)
	client, _ := newClient(server)
	if err := client.ActivateBatch(t.Context(), codes, time.Time{}); err != nil {
		t.Fatal(err)
	}
	ended, _ := api.License(codes[7])
	ended.Status = openapi.LicenseReleased
	if err := api.AddLicense(ended); err != nil {
		t.Fatal(err)
	}
	found, err := client.QueryLicenses(t.Context(), codes)
	if err != nil {
		t.Fatal(err)
	}
	for i, license := range found {
		want := openapi.LicenseAlive
		if i == 7 {
			want = openapi.LicenseReleased
		}
		if string(license.Code) != codes[i] || license.Status != want {
			t.Errorf("license %d: %v", i, shown(license))
		}
	}
	if len(found) != 100 || api.CallsOf(koogallerytest.QueryLicenses) != 1 || api.CallsOf(koogallerytest.ActivateBatch) != 1 {
		t.Errorf("%d licenses in %d calls", len(found), api.CallsOf(koogallerytest.QueryLicenses))
	}
}

// A code that is active already may be so by a call whose answer was lost.
func TestALostAnswerOfAnActivation(t *testing.T) {
	api, server := newAPI(t)
	mint(t, api, "PL000001")
	api.FailOperation(koogallerytest.Activate, koogallerytest.Fault{Drop: true, CarriedOut: true}, 1)
	client, _ := newClient(server)
	if _, err := client.Activate(t.Context(), "PL000001", now); !errors.Is(err, openapi.ErrLicenseState) {
		t.Errorf("error = %v", err)
	}
	if license, err := client.QueryLicense(t.Context(), "PL000001"); err != nil || license.Status != openapi.LicenseAlive {
		t.Errorf("QueryLicense() = %v, %v", shown(license), err)
	}
}

// After success an answer that can't be read must not look like a failure: a second activation would be one.
func TestActivateTakesSuccessAtItsCode(t *testing.T) {
	for _, body := range []string{`{"error_code":"92020000"}`, `{"error_code":92020000,"data":5}`, `{"error_code":"92020000","data":{"license_code_info":"{"}}`} {
		api, server := newAPI(t)
		api.FailOperation(koogallerytest.Activate, koogallerytest.Fault{Status: 200, Body: body}, 1)
		client, _ := newClient(server)
		if license, err := client.Activate(t.Context(), "PL000001", now); err != nil || license.Code != "PL000001" {
			t.Errorf("%s: %v", body, err)
		}
	}
}

func TestLicenseCodes(t *testing.T) {
	tests := map[string]struct {
		fault koogallerytest.Fault
		want  error
		look  openapi.Outlook
	}{
		"an internal error":          {koogallerytest.Fault{Status: 200, Code: "92020001"}, openapi.ErrUnavailable, openapi.OutlookPasses},
		"an older internal error":    {koogallerytest.Fault{Status: 500, Code: "92020001"}, openapi.ErrUnavailable, openapi.OutlookPasses},
		"an older refusal":           {koogallerytest.Fault{Status: 403, Code: "92020001"}, openapi.ErrCredentials, openapi.OutlookRepair},
		"an invalid parameter":       {koogallerytest.Fault{Status: 200, Code: "92020002"}, openapi.ErrInvalid, openapi.OutlookFinal},
		"an older invalid parameter": {koogallerytest.Fault{Status: 400, Code: "92020002"}, openapi.ErrInvalid, openapi.OutlookFinal},
		"activated twice":            {koogallerytest.Fault{Status: 200, Code: "92020003"}, openapi.ErrLicenseState, openapi.OutlookFinal},
		"not collected":              {koogallerytest.Fault{Status: 200, Code: "92020004"}, openapi.ErrNotCollected, openapi.OutlookPasses},
		"no such code":               {koogallerytest.Fault{Status: 200, Code: "92020005"}, openapi.ErrLicenseNotFound, openapi.OutlookFinal},
		"not activated":              {koogallerytest.Fault{Status: 200, Code: "92020011"}, openapi.ErrNotActivated, openapi.OutlookRepair},
		"one of a batch":             {koogallerytest.Fault{Status: 200, Code: "92020020"}, openapi.ErrLicenseBatch, openapi.OutlookFinal},
		"a wrong request":            {koogallerytest.Fault{Status: 400, Code: "95000001"}, openapi.ErrInvalid, openapi.OutlookFinal},
		"a wrong method":             {koogallerytest.Fault{Status: 405, Code: "95000002"}, openapi.ErrInvalid, openapi.OutlookFinal},
		"a wrong content type":       {koogallerytest.Fault{Status: 415, Code: "95000003"}, openapi.ErrInvalid, openapi.OutlookFinal},
		"no JSON":                    {koogallerytest.Fault{Status: 400, Code: "95000004"}, openapi.ErrInvalid, openapi.OutlookFinal},
		"a code nobody knows":        {koogallerytest.Fault{Status: 200, Code: "92029999"}, openapi.ErrGateway, openapi.OutlookPasses},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			api, server := newAPI(t)
			client, _ := newClient(server)
			for operation, try := range map[koogallerytest.Operation]func() error{
				koogallerytest.Activate:      func() error { _, err := client.Activate(t.Context(), "PL1", now); return err },
				koogallerytest.ActivateBatch: func() error { return client.ActivateBatch(t.Context(), []string{"PL1"}, now) },
				koogallerytest.QueryLicense:  func() error { _, err := client.QueryLicense(t.Context(), "PL1"); return err },
				koogallerytest.QueryLicenses: func() error { _, err := client.QueryLicenses(t.Context(), []string{"PL1"}); return err },
				koogallerytest.UploadLicense: func() error {
					return client.UploadLicense(t.Context(), "e-1", openapi.LicenseUpload{Text: "x"})
				},
			} {
				api.FailOperation(operation, tc.fault, -1)
				var failed *openapi.Error
				if err := try(); !errors.As(err, &failed) || !errors.Is(err, tc.want) {
					t.Fatalf("%s: error = %v, want %v", operation, err, tc.want)
				}
				if failed.Code != tc.fault.Code || failed.Outlook() != tc.look || failed.Remedy == "" {
					t.Errorf("%s: error = %#v", operation, failed)
				}
			}
		})
	}
}

func TestCodesAreRefusedBeforeACall(t *testing.T) {
	tests := map[string]struct {
		codes       []string
		wantEntries []int
	}{
		"none":             {nil, nil},
		"101":              {codeList(101), nil},
		"an empty one":     {[]string{"PL1", ""}, []int{1}},
		"a long one":       {[]string{strings.Repeat("x", 257), "PL1"}, []int{0}},
		"one with a blank": {[]string{"PL1 "}, []int{0}},
		"one twice":        {[]string{"PL1", "PL2", "PL1", "PL2"}, []int{2, 3}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			client := &openapi.Client{AK: testAK, SK: testSK}
			_, queried := client.QueryLicenses(t.Context(), tc.codes)
			for _, err := range []error{client.ActivateBatch(t.Context(), tc.codes, now), queried} {
				var failed *openapi.Error
				if !errors.As(err, &failed) || failed.Kind != openapi.ErrInvalid || strings.Contains(err.Error(), "PL1") {
					t.Fatalf("error = %v", err)
				}
				if diff := cmp.Diff(tc.wantEntries, failed.Entries); diff != "" {
					t.Errorf("Entries (-want +got):\n%s", diff)
				}
			}
		})
	}
}

func TestDecodeLicenses(t *testing.T) {
	const (
		unknown = "0001-01-01T00:00:00Z"
		plain   = `A ALIVE activated ` + unknown + ` expires ` + unknown + ` order "" product "" amount none`
		other   = `B EXPIRED activated ` + unknown + ` expires ` + unknown + ` order "" product "" amount none`
	)
	tests := map[string]struct {
		data  string
		codes []string
		want  []string
	}{
		"one object":                 {`{"license_code":"A","status":"ALIVE"}`, []string{"A"}, []string{plain}},
		"one object without a code":  {`{"status":"ALIVE"}`, []string{"A"}, []string{plain}},
		"one object of another code": {`{"license_code":"B","status":"ALIVE"}`, []string{"A"}, nil},
		"no code among several":      {`{"status":"ALIVE"}`, []string{"A", "B"}, nil},
		"JSON in a text":             {`{"license_code_info":"{\"status\":\"alive\"}"}`, []string{"A"}, []string{plain}},
		"an array":                   {`[{"license_code":"B","status":"EXPIRED"},{"license":"A","status":"ALIVE"}]`, []string{"A", "B"}, []string{plain, other}},
		"an array in a text":         {`"[{\"license_code\":\"A\",\"status\":\"ALIVE\"}]"`, []string{"A"}, []string{plain}},
		"a list under any name":      {`{"total":1,"license_list":[{"licenseCode":"A","status":"ALIVE"}]}`, []string{"A"}, []string{plain}},
		"a map by code":              {`{"A":{"status":"ALIVE"},"B":{"status":"EXPIRED"}}`, []string{"A", "B"}, []string{plain, other}},
		"one of them only":           {`[{"license_code":"A","status":"ALIVE"}]`, []string{"A", "B"}, []string{plain}},
		"a status of the page":       {`{"status":200,"list":[{"license_code":"A","status":"ALIVE"}]}`, []string{"A"}, []string{plain}},
		"a status nobody knows": {`{"license_code":"A","status":"FROZEN"}`, []string{"A"},
			[]string{strings.Replace(plain, "ALIVE", "FROZEN", 1)}},
		"no status": {`{"license_code":"A"}`, []string{"A"}, nil},
		"null":      {`null`, []string{"A"}, nil},
		"all of it, and more": {
			`{"license_code":"A","status":"ALIVE","activate_time":20260301120000,"expire_time":"2027-03-01 12:00:00","order_id":5,"product_id":"P","amount":"2","new":{"a":[]}}`,
			[]string{"A"}, []string{`A ALIVE activated 2026-03-01T12:00:00Z expires 2027-03-01T12:00:00Z order "5" product "P" amount 2`},
		},
		"times and amounts that can't be read": {`{"license_code":"A","status":"ALIVE","activate_time":"soon","expire_time":{},"amount":"many"}`, []string{"A"}, []string{plain}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got := openapi.DecodeLicenses([]byte(`{"error_code":"92020000","data":`+tc.data+`}`), tc.codes...)
			if diff := cmp.Diff(tc.want, shown(got...)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// An answer without a state must not pass for one: a release would be missed, or made up.
func TestQueryLicenseWithoutAStateIsAnError(t *testing.T) {
	api, server := newAPI(t)
	api.FailOperation(koogallerytest.QueryLicense, koogallerytest.Fault{Status: 200, Code: "92020000"}, 1)
	client, _ := newClient(server)
	if _, err := client.QueryLicense(t.Context(), "PL1"); !errors.Is(err, openapi.ErrGateway) {
		t.Errorf("error = %v", err)
	}
}

func TestPrintingALicenseShowsNoCode(t *testing.T) {
	license := openapi.License{Code: "SECRET", Status: openapi.LicenseAlive}
	upload := openapi.LicenseUpload{Text: "SECRET", File: "SECRET", FileName: "a.lic"}
	for _, value := range []any{license, &license, upload, &upload, license.Code, upload.File.MarshalLog()} {
		encoded, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		texts := []string{string(encoded)}
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
			texts = append(texts, fmt.Sprintf(verb, value))
		}
		for _, text := range texts {
			if strings.Contains(text, "SECRET") || strings.Contains(text, fmt.Sprintf("%x", "SECRET")) {
				t.Errorf("it is in %s", text)
			}
		}
	}
}

// Whatever comes back, only codes that were asked for are told of, each once, with a state.
func FuzzDecodeLicenses(f *testing.F) {
	for _, raw := range []string{
		`{"data":{"license_code":"A","status":"ALIVE","activate_time":"20260301120000"}}`,
		`{"data":{"license_code_info":"{\"status\":\"ALIVE\",\"amount\":1}"}}`,
		`{"data":[{"license_code":"B","status":"RELEASED"},{"A":{"status":"EXPIRED"}}]}`,
		`{"data":"[[[[[[{\"status\":\"ALIVE\"}]]]]]]"}`, `{"data":null}`, `[]`, ``,
	} {
		f.Add([]byte(raw))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, codes := range [][]string{{"A"}, {"A", "B"}} {
			found := openapi.DecodeLicenses(raw, codes...)
			if len(found) > len(codes) {
				t.Fatalf("%d licenses for %d codes", len(found), len(codes))
			}
			for _, license := range found {
				if license.Status == "" || (license.Code != "A" && license.Code != "B") || (license.Amount != nil && *license.Amount < 0) {
					t.Fatalf("license %v", shown(license))
				}
			}
		}
	})
}
