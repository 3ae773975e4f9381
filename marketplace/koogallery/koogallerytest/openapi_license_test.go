package koogallerytest_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/koogallerytest"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/openapi"
)

const (
	licenseV1 = "/api/mkp-openapi-public/global/v1/license/"
	licenseV2 = "/api/mkp-openapi-public/global/v2/license/"
)

func TestLicensesAreChecked(t *testing.T) {
	hundredAndOne := `{"license_list":["` + strings.Repeat(`new","`, 100) + `new"]}`
	tests := map[string]struct {
		path, contentType, body, want string
	}{
		"activating":                                 {licenseV1 + "activate", "application/json", `{"license":"new","real_effect_time":"20260301120000"}`, "200 92020000"},
		"activating what is not there":               {licenseV1 + "activate", "application/json", `{"license":"none"}`, "200 92020005"},
		"activating what is not collected":           {licenseV1 + "activate", "application/json", `{"license":"waiting"}`, "200 92020004"},
		"activating twice":                           {licenseV1 + "activate", "application/json", `{"license":"active"}`, "200 92020003"},
		"activating what was released":               {licenseV1 + "activate", "application/json", `{"license":"released"}`, "200 92020003"},
		"a time of another form":                     {licenseV1 + "activate", "application/json", `{"license":"new","real_effect_time":"now"}`, "200 92020002"},
		"text":                                       {licenseV1 + "activate", "text/plain", `{"license":"new"}`, "415 95000003"},
		"no JSON":                                    {licenseV1 + "activate", "application/json", `x`, "400 95000004"},
		"activating several":                         {licenseV2 + "activate", "application/json", `{"license_list":["new","other"]}`, "200 92020000"},
		"activating several, one of which is active": {licenseV2 + "activate", "application/json", `{"license_list":["new","active"]}`, "200 92020020"},
		"activating none":                            {licenseV2 + "activate", "application/json", `{"license_list":[]}`, "200 92020002"},
		"activating 101":                             {licenseV2 + "activate", "application/json", hundredAndOne, "200 92020002"},
		"asking":                                     {licenseV1 + "heartbeat", "application/json", `{"license":"active"}`, "200 92020000"},
		"asking for what is not active":              {licenseV1 + "heartbeat", "application/json", `{"license":"new"}`, "200 92020011"},
		"asking for what is not there":               {licenseV1 + "heartbeat", "application/json", `{"license":"none"}`, "200 92020005"},
		"asking for several":                         {licenseV2 + "heartbeat", "application/json", `{"license_list":["active"]}`, "200 92020000"},
		"asking for several, one of which is not":    {licenseV2 + "heartbeat", "application/json", `{"license_list":["active","new"]}`, "200 92020020"},
		"asking for 101":                             {licenseV2 + "heartbeat", "application/json", hundredAndOne, "200 92020002"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			api := newUsageAPI(koogallerytest.RepeatsIgnored)
			for _, license := range []koogallerytest.MintedLicense{
				{Code: "new"}, {Code: "other"}, {Code: "waiting", Uncollected: true}, {Code: "active", ActivatedAt: now},
				{Code: "released", Status: openapi.LicenseReleased},
			} {
				if err := api.AddLicense(license); err != nil {
					t.Fatal(err)
				}
			}
			if got := answerTo(t, api, signed(t, tc.path, tc.contentType, tc.body)); got != tc.want {
				t.Errorf("answered %s, want %s", got, tc.want)
			}
			activated, _ := api.License("new")
			if want := strings.HasPrefix(name, "activating") && tc.want == "200 92020000"; activated.ActivatedAt.IsZero() == want {
				t.Errorf("activated at %s", activated.ActivatedAt)
			}
		})
	}
}

func TestUploadsAreChecked(t *testing.T) {
	const (
		path      = "/api/mkp-openapi-public/global/v1/market-event/e-1/file"
		multipart = "multipart/form-data; boundary=b"
		described = "--b\r\nContent-Disposition: form-data; name=\"isvUpdateFileReq\"\r\nContent-Type: application/json\r\n\r\n"
		file      = "\r\n--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nx\r\n--b--\r\n"
		sumOfX    = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
	)
	tests := map[string]struct{ contentType, body, want string }{
		"a text":                  {multipart, described + `{"type":"CHARACTERS","characters":"x"}` + "\r\n--b--\r\n", "200 92020000"},
		"a file":                  {multipart, described + `{"type":"FILE","file_name":"a","sha256":"` + sumOfX + `"}` + file, "200 92020000"},
		"a file of another sum":   {multipart, described + `{"type":"FILE","file_name":"a","sha256":"00"}` + file, "400 95000001"},
		"a file without its name": {multipart, described + `{"type":"FILE","sha256":"` + sumOfX + `"}` + file, "400 95000001"},
		"a text with a file":      {multipart, described + `{"type":"CHARACTERS","characters":"x"}` + file, "400 95000001"},
		"no text":                 {multipart, described + `{"type":"CHARACTERS"}` + "\r\n--b--\r\n", "400 95000001"},
		"no such type":            {multipart, described + `{"type":"LINK","characters":"x"}` + "\r\n--b--\r\n", "400 95000001"},
		"a description not called JSON": {multipart, strings.Replace(described, "application/json", "text/plain", 1) +
			`{"type":"CHARACTERS","characters":"x"}` + "\r\n--b--\r\n", "400 95000001"},
		"a description that is none": {multipart, described + "x\r\n--b--\r\n", "400 95000001"},
		"half an upload":             {multipart, described + `{"type":"CHARACTERS","characters":"x"}`, "400 95000001"},
		"JSON":                       {"application/json", `{"type":"CHARACTERS","characters":"x"}`, "400 95000001"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			api := newUsageAPI(koogallerytest.RepeatsIgnored)
			if got := answerTo(t, api, signed(t, path, tc.contentType, tc.body)); got != tc.want {
				t.Errorf("answered %s, want %s", got, tc.want)
			}
			recorder := httptest.NewRecorder()
			api.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/uploads", http.NoBody))
			var listed []koogallerytest.UploadedLicense
			if err := json.Unmarshal(recorder.Body.Bytes(), &listed); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(api.Uploads(), listed); diff != "" || (len(listed) == 1) != (tc.want == "200 92020000") {
				t.Errorf("%d uploads, listed (-kept +listed):\n%s", len(listed), diff)
			}
		})
	}
}

func TestPostedLicensesAreMinted(t *testing.T) {
	api, server, _ := newOpenAPI(t)
	if status := post(t, server.URL+"/licenses", `{"code":"PL1","uncollected":true,"amount":5}`); status != http.StatusCreated {
		t.Fatalf("status %d", status)
	}
	minted, ok := api.License("PL1")
	want := koogallerytest.MintedLicense{Code: "PL1", Uncollected: true, Amount: 5, Status: openapi.LicenseAlive}
	if diff := cmp.Diff(want, minted); !ok || diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, body := range []string{"", "[]", "{}", `{"code":"` + strings.Repeat("x", 65) + `"}`} {
		if status := post(t, server.URL+"/licenses", body); status != http.StatusBadRequest {
			t.Errorf("posting %q: status %d", body, status)
		}
	}
}

// Whoever plays a release must not have to know all that was minted, nor take the activation back.
func TestACodeThatIsPostedAgainChangesInWhatIsPosted(t *testing.T) {
	api, server, _ := newOpenAPI(t)
	active := koogallerytest.MintedLicense{Code: "PL2", Amount: 5, ActivatedAt: now, ProductID: "P1", Status: openapi.LicenseAlive}
	for _, license := range []koogallerytest.MintedLicense{active, {Code: "PL1"}} {
		if err := api.AddLicense(license); err != nil {
			t.Fatal(err)
		}
	}
	if status := post(t, server.URL+"/licenses", `{"code":"PL2","status":"RELEASED"}`); status != http.StatusCreated {
		t.Fatalf("status %d", status)
	}
	active.Status = openapi.LicenseReleased
	want := []koogallerytest.MintedLicense{{Code: "PL1", Status: openapi.LicenseAlive}, active}
	recorder := httptest.NewRecorder()
	api.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/licenses", http.NoBody))
	var listed []koogallerytest.MintedLicense
	if err := json.Unmarshal(recorder.Body.Bytes(), &listed); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, listed); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
