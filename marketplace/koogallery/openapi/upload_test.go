package openapi_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/koogallerytest"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/openapi"
)

func TestUploadedLicensesArrive(t *testing.T) {
	tests := map[string]struct {
		upload openapi.LicenseUpload
		want   koogallerytest.UploadedLicense
	}{
		"a text": {
			openapi.LicenseUpload{Text: "许可 <&> \"1\"\n"},
			koogallerytest.UploadedLicense{Type: "CHARACTERS", Text: "许可 <&> \"1\"\n"},
		},
		"a file": {
			openapi.LicenseUpload{FileName: `许可 "1".lic`, File: "\x00\xff\r\n--x"},
			koogallerytest.UploadedLicense{Type: "FILE", FileName: `许可 "1".lic`, File: []byte("\x00\xff\r\n--x")},
		},
		"the largest file": {
			openapi.LicenseUpload{FileName: "a", File: openapi.Confidential(strings.Repeat("x", openapi.MaxLicenseFile))},
			koogallerytest.UploadedLicense{Type: "FILE", FileName: "a", File: []byte(strings.Repeat("x", openapi.MaxLicenseFile))},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			api, server := newAPI(t)
			api.FailOperation(koogallerytest.UploadLicense, koogallerytest.Fault{Status: 503}, 1)
			client, _ := newClient(server)
			if err := client.UploadLicense(t.Context(), "10e758d0-31ad.4c4b", tc.upload); err != nil {
				t.Fatal(err)
			}
			tc.want.EventID = "10e758d0-31ad.4c4b"
			if diff := cmp.Diff([]koogallerytest.UploadedLicense{tc.want}, api.Uploads()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// The page does not say which family of codes an upload answers with.
func TestUploadTakesBothCodesOfSuccess(t *testing.T) {
	for _, code := range []string{"92020000", "MKT.0000"} {
		api, server := newAPI(t)
		api.FailOperation(koogallerytest.UploadLicense, koogallerytest.Fault{Status: 200, Code: code}, 1)
		client, _ := newClient(server)
		if err := client.UploadLicense(t.Context(), "e-1", openapi.LicenseUpload{Text: "x"}); err != nil {
			t.Errorf("%s: %v", code, err)
		}
	}
}

func TestUploadsAreRefusedBeforeACall(t *testing.T) {
	const fine = "e-1"
	tests := map[string]struct {
		eventID string
		upload  openapi.LicenseUpload
	}{
		"no event":            {"", openapi.LicenseUpload{Text: "SECRET"}},
		"a path for an event": {"../../v2", openapi.LicenseUpload{Text: "SECRET"}},
		"the folder above":    {"..", openapi.LicenseUpload{Text: "SECRET"}},
		"a query in it":       {"e?x=1", openapi.LicenseUpload{Text: "SECRET"}},
		"a long event":        {strings.Repeat("x", 257), openapi.LicenseUpload{Text: "SECRET"}},
		"nothing":             {fine, openapi.LicenseUpload{}},
		"text and file":       {fine, openapi.LicenseUpload{Text: "SECRET", File: "SECRET", FileName: "a"}},
		"text and name":       {fine, openapi.LicenseUpload{Text: "SECRET", FileName: "a"}},
		"a long text":         {fine, openapi.LicenseUpload{Text: openapi.Confidential("SECRET" + strings.Repeat("许", 1019))}},
		"no UTF-8":            {fine, openapi.LicenseUpload{Text: "SECRET\xff"}},
		"an empty file":       {fine, openapi.LicenseUpload{FileName: "a"}},
		"a file without name": {fine, openapi.LicenseUpload{File: "SECRET"}},
		"a path for a name":   {fine, openapi.LicenseUpload{File: "SECRET", FileName: "../a"}},
		"a line break in it":  {fine, openapi.LicenseUpload{File: "SECRET", FileName: "a\r\nX-Header: 1"}},
		"a large file":        {fine, openapi.LicenseUpload{FileName: "a", File: openapi.Confidential(strings.Repeat("x", openapi.MaxLicenseFile+1))}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			api, server := newAPI(t)
			client, _ := newClient(server)
			err := client.UploadLicense(t.Context(), tc.eventID, tc.upload)
			if !errors.Is(err, openapi.ErrInvalid) || strings.Contains(err.Error(), "SECRET") {
				t.Errorf("error = %v", err)
			}
			if got := api.CallsOf(koogallerytest.UploadLicense); got != 0 {
				t.Errorf("%d calls, want 0", got)
			}
		})
	}
}
