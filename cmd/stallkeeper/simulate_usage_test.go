package main

import (
	"bytes"
	"errors"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/koogallerytest"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/openapi"
)

func TestSimulatedUsageIsShownWithItsVerdict(t *testing.T) {
	now := time.Date(2026, 1, 2, 11, 5, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	api := koogallerytest.NewOpenAPI(koogallerytest.OpenAPIOptions{AK: "ak", SK: "sk", AccessKey: testKey, Clock: clock})
	server := httptest.NewServer(api)
	defer server.Close()
	client := &openapi.Client{BaseURL: server.URL, AK: "ak", SK: "sk", AccessKey: testKey, Clock: clock}
	record := func(sn, value string) openapi.UsageRecord {
		return openapi.UsageRecord{
			MeteringSN: sn, InstanceID: "i-" + sn, Value: value,
			BeginsAt: now.Add(-65 * time.Minute), EndsAt: now.Add(-5 * time.Minute), RecordedAt: now,
		}
	}
	api.RefuseUsage("i-bad", "MKT.9001")
	push := func(records ...openapi.UsageRecord) { _ = client.PushUsage(t.Context(), records) }
	push(record("good", "12.5"), record("bad", "3"))
	push(record("good", "12.5"))
	push(record("good", "12.5"))
	other := *client
	other.AccessKey = "another"
	_ = other.PushUsage(t.Context(), []openapi.UsageRecord{record("good", "1")})

	run := func(args ...string) (string, int) {
		t.Helper()
		var out bytes.Buffer
		cmd := newUsageCommand()
		cmd.SetArgs(append([]string{"--url", server.URL}, args...))
		cmd.SetOut(&out)
		cmd.SetErr(&out)
		cmd.SilenceErrors, cmd.SilenceUsage = true, true
		err := cmd.ExecuteContext(t.Context())
		var exit exitError
		if errors.As(err, &exit) {
			return out.String(), exit.code
		}
		if err != nil {
			t.Fatal(err)
		}
		return out.String(), 0
	}
	got, code := run()
	var rows []string
	for line := range strings.Lines(got) {
		rows = append(rows, regexp.MustCompile(` {2,}`).ReplaceAllString(strings.TrimSpace(line), " | "))
	}
	want := []string{
		"PUSHED | INSTANCE | BEGINS | ENDS | VALUE | METERING SN | VERDICT",
		"11:05:00 | i-good | 20260102T100000Z | 20260102T110000Z | 12.5 | good | " +
			"good, but refused with the rest of its push: MKT.9001 no such instance",
		"11:05:00 | i-bad | 20260102T100000Z | 20260102T110000Z | 3 | bad | MKT.9001 no such instance",
		"11:05:00 | i-good | 20260102T100000Z | 20260102T110000Z | 12.5 | good | MKT.0000 accepted",
		"11:05:00 | i-good | 20260102T100000Z | 20260102T110000Z | 12.5 | good | MKT.0000 accepted, a repeat",
		"11:05:00 | MKT.0102 the signature over the body is wrong",
	}
	if diff := cmp.Diff(want, rows); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if code != exitAnswer {
		t.Errorf("exit code %d with a refused record", code)
	}
	if got, code := run("--instance", "i-good"); code != 0 || strings.Contains(got, "i-bad") {
		t.Errorf("exit code %d, printed\n%s", code, got)
	}
	if got, code := run("-o", "json"); code != exitAnswer || !strings.Contains(got, `"code": "MKT.9001"`) {
		t.Errorf("exit code %d, printed\n%s", code, got)
	}
	if _, code := run("-o", "yaml"); code != exitUsage {
		t.Errorf("exit code %d for a form that there is not", code)
	}
}
