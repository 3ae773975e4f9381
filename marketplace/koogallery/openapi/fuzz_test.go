package openapi_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/openapi"
)

// answering answers every request in one way.
type answering struct {
	status     int
	retryAfter string
	body       []byte
}

func (a answering) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: a.status, Header: http.Header{"Retry-After": {a.retryAfter}}, Body: io.NopCloser(bytes.NewReader(a.body)),
	}, nil
}

// Whatever the API answers, every operation ends with a success or with an Error that says what to do and repeats nothing of the
// answer but its code.
func FuzzAnswers(f *testing.F) {
	for _, body := range []string{
		documented, `{"error_code":"MKT.9001"}`, `{"error_code":"92020000","data":{"license_code":"A","status":"ALIVE"}}`,
		`{"error_code":92020003}`, `{"resultCode":{"a":1}}`, `{"error_code":"APIGW.0301","error_msg":"Incorrect"}`, `<html>`, ``, `null`,
	} {
		for _, status := range []int{200, 401, 406, 500} {
			f.Add(status, "5", []byte(body))
		}
	}
	f.Add(302, "Fri, 31 Dec 2027 23:59:59 GMT", []byte("{}"))
	f.Fuzz(func(t *testing.T, status int, retryAfter string, body []byte) {
		client := &openapi.Client{
			BaseURL: "https://api.example.com", AK: "ak", SK: "the-secret", AccessKey: "the-access-key",
			HTTP:  &http.Client{Transport: answering{status, retryAfter, body}},
			Clock: func() time.Time { return now },
		}
		client.SetWait(func(context.Context, time.Duration) bool { return true })
		usage := []openapi.UsageRecord{{
			MeteringSN: "1", InstanceID: "i", ProductID: "p", BeginsAt: now.Add(-time.Hour), EndsAt: now, RecordedAt: now, Value: "1",
		}}
		_, _, queried := client.QueryOrder(t.Context(), "CS1", "")
		_, activated := client.Activate(t.Context(), "A", now)
		_, asked := client.QueryLicense(t.Context(), "A")
		_, listed := client.QueryLicenses(t.Context(), []string{"A", "B"})
		for _, err := range []error{
			queried, activated, asked, listed, client.ActivateBatch(t.Context(), []string{"A", "B"}, now), client.PushUsage(t.Context(), usage),
			client.PushUsageOld(t.Context(), usage), client.UploadLicense(t.Context(), "E1", openapi.LicenseUpload{Text: "LICENSE"}),
		} {
			if err == nil {
				continue
			}
			var failed *openapi.Error
			if !errors.As(err, &failed) || failed.Remedy == "" || len(err.Error()) > 300 || strings.Contains(err.Error(), "the-secret") ||
				failed.RetryAfter < 0 {
				t.Fatalf("error = %v", err)
			}
		}
	})
}
