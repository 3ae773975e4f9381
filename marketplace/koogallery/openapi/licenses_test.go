package openapi_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stallkeeper/stallkeeper/marketplace"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/koogallerytest"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/openapi"
)

func newLicenses(t *testing.T) (*koogallerytest.OpenAPI, openapi.Licenses) {
	t.Helper()
	api, server := newAPI(t)
	client, _ := newClient(server)
	return api, openapi.Licenses{Client: client}
}

func TestLicensesInTheWordsOfAllMarketplaces(t *testing.T) {
	api, licenses := newLicenses(t)
	mint(t, api, "PL1", "PL2")
	for _, code := range []string{"PL1", "PL2"} {
		activated, err := licenses.ActivateLicense(t.Context(), code)
		if err != nil {
			t.Fatal(err)
		}
		quantity := int32(3)
		want := marketplace.LicenseCode{
			Code: code, State: marketplace.LicenseAlive, OrderID: "CS1", ProductID: "P1", Quantity: &quantity, ExpiresAt: now.AddDate(1, 0, 0),
		}
		if diff := cmp.Diff(want, activated); diff != "" {
			t.Errorf("ActivateLicense() (-want +got):\n%s", diff)
		}
	}
	ended, _ := api.License("PL2")
	ended.Status = openapi.LicenseReleased
	if err := api.AddLicense(ended); err != nil {
		t.Fatal(err)
	}
	want := []marketplace.LicenseCode{
		{Code: "PL1", State: marketplace.LicenseAlive, ActivatedAt: now, ExpiresAt: now.AddDate(1, 0, 0)},
		{Code: "PL2", State: marketplace.LicenseReleased, ActivatedAt: now, ExpiresAt: now.AddDate(1, 0, 0)},
	}
	together, err := licenses.QueryLicenses(t.Context(), []string{"PL1", "PL2"})
	if diff := cmp.Diff(want, together); diff != "" || err != nil {
		t.Errorf("QueryLicenses() %v (-want +got):\n%s", err, diff)
	}
	alone, err := licenses.QueryLicense(t.Context(), "PL2")
	if diff := cmp.Diff(want[1], alone); diff != "" || err != nil {
		t.Errorf("QueryLicense() %v (-want +got):\n%s", err, diff)
	}
	if shown := fmt.Sprintf("%v %+v", together, &alone); strings.Contains(shown, "PL") {
		t.Errorf("printing shows a code: %s", shown)
	}
}

// A state that nobody knows must stay one, so that nothing follows from it.
func TestAnUnknownStateIsNotTranslated(t *testing.T) {
	api, licenses := newLicenses(t)
	api.FailOperation(koogallerytest.QueryLicense, koogallerytest.Fault{
		Status: 200, Body: `{"error_code":"92020000","data":{"license_code":"PL1","status":"released_soon"}}`,
	}, 1)
	if told, err := licenses.QueryLicense(t.Context(), "PL1"); err != nil || told.State != "RELEASED_SOON" {
		t.Errorf("state %q, %v", told.State, err)
	}
}

func TestLicenseErrorsInTheWordsOfAllMarketplaces(t *testing.T) {
	tests := map[string]struct {
		code  string
		fault koogallerytest.Fault
		want  error
		text  string
	}{
		"a code that was not minted":    {code: "PL9", want: marketplace.ErrLicenseUnknown, text: "the license code does not exist (HTTP 200, code 92020005): compare"},
		"a code that was not collected": {code: "PL-uncollected", want: marketplace.ErrLicenseNotCollected, text: "wait until the buyer collects"},
		"a code that is active":         {code: "PL-active", want: marketplace.ErrLicenseActivated, text: "code 92020003"},
		"a code that can't be sent":     {code: strings.Repeat("x", 257), want: marketplace.ErrLicenseInvalid, text: "codes must have 1 to 256 characters"},
		"wrong keys":                    {fault: koogallerytest.Fault{Status: 401, Code: "MKT.0154"}, want: marketplace.ErrLicenseRefused, text: "the AK/SK is rejected"},
		"the rate limit":                {fault: koogallerytest.Fault{Status: 429, RetryAfter: time.Minute}, want: marketplace.ErrUnavailable, text: "the rate limit is reached"},
		"a proxy's page":                {fault: koogallerytest.Fault{Status: 200, Body: "<html>"}, want: marketplace.ErrUnavailable, text: "not one of the open API"},
		"an internal error":             {fault: koogallerytest.Fault{Status: 200, Code: "92020001"}, want: marketplace.ErrUnavailable, text: "code 92020001"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			api, licenses := newLicenses(t)
			mint(t, api, "PL-active")
			if _, err := licenses.ActivateLicense(t.Context(), "PL-active"); err != nil {
				t.Fatal(err)
			}
			if err := api.AddLicense(koogallerytest.MintedLicense{Code: "PL-uncollected", Uncollected: true}); err != nil {
				t.Fatal(err)
			}
			if tc.fault.Status != 0 {
				api.FailOperation(koogallerytest.Activate, tc.fault, -1)
				tc.code = "PL1"
			}
			_, err := licenses.ActivateLicense(t.Context(), tc.code)
			var failed *marketplace.CallError
			if !errors.As(err, &failed) || !errors.Is(err, tc.want) || !strings.Contains(err.Error(), tc.text) {
				t.Fatalf("error %v, want %v with %q", err, tc.want, tc.text)
			}
			if strings.Contains(err.Error(), tc.code) || failed.RetryAfter != tc.fault.RetryAfter {
				t.Errorf("error %q, wait %s", err, failed.RetryAfter)
			}
		})
	}
	_, licenses := newLicenses(t)
	if _, err := licenses.QueryLicenses(t.Context(), nil); !errors.Is(err, marketplace.ErrLicenseInvalid) {
		t.Errorf("no codes: %v", err)
	}
	if _, err := licenses.QueryLicense(t.Context(), "PL9"); !errors.Is(err, marketplace.ErrLicenseUnknown) {
		t.Errorf("an unknown code: %v", err)
	}
}

func TestUploadsOfLicenses(t *testing.T) {
	long := strings.Repeat("许", 1025)
	tests := map[string]struct {
		file marketplace.LicenseFile
		want koogallerytest.UploadedLicense
	}{
		"a text":                     {marketplace.LicenseFile{Content: []byte("ABC-1")}, koogallerytest.UploadedLicense{Type: "CHARACTERS", Text: "ABC-1"}},
		"the longest text":           {marketplace.LicenseFile{Content: []byte(long[:3*1024])}, koogallerytest.UploadedLicense{Type: "CHARACTERS", Text: long[:3*1024]}},
		"a text that is too long":    {marketplace.LicenseFile{Content: []byte(long)}, koogallerytest.UploadedLicense{Type: "FILE", FileName: "E1.lic", File: []byte(long)}},
		"what is no text":            {marketplace.LicenseFile{Content: []byte{0xFF, 0}}, koogallerytest.UploadedLicense{Type: "FILE", FileName: "E1.lic", File: []byte{0xFF, 0}}},
		"a file, also of short text": {marketplace.LicenseFile{Name: "a.txt", Content: []byte("x")}, koogallerytest.UploadedLicense{Type: "FILE", FileName: "a.txt", File: []byte("x")}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			api, licenses := newLicenses(t)
			if err := licenses.UploadLicense(t.Context(), "E1", tc.file, "E1.lic"); err != nil {
				t.Fatal(err)
			}
			tc.want.EventID = "E1"
			if diff := cmp.Diff([]koogallerytest.UploadedLicense{tc.want}, api.Uploads()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	_, licenses := newLicenses(t)
	err := licenses.UploadLicense(t.Context(), "a/b", marketplace.LicenseFile{Content: []byte("THE-LICENSE")}, "x")
	if !errors.Is(err, marketplace.ErrLicenseInvalid) || strings.Contains(err.Error(), "THE-LICENSE") {
		t.Errorf("an id that is no part of a path: %v", err)
	}
}
