package openapi_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stallkeeper/stallkeeper/marketplace"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/koogallerytest"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/openapi"
)

// usedBy is a record of the last full hour in the words of all marketplaces.
func usedBy(id string) marketplace.UsageRecord {
	return marketplace.UsageRecord{
		ID: id, InstanceID: "i-" + id, ProductID: "p-1", PackageInstanceID: "i-" + id, Value: "12.5",
		BeginsAt: now.Add(-time.Hour), EndsAt: now, RecordedAt: now.Add(time.Minute),
	}
}

func TestPusherFindsTheRefusedAndPushesTheOthers(t *testing.T) {
	api, server := newAPI(t)
	client, _ := newClient(server)
	api.RefuseUsage("i-bad", "MKT.9002")
	errs := openapi.Pusher{Client: client}.PushUsage(t.Context(), []marketplace.UsageRecord{usedBy("a"), usedBy("bad"), usedBy("b")})
	if errs[0] != nil || !errors.Is(errs[1], marketplace.ErrUsageRefused) || errs[2] != nil {
		t.Errorf("errors %v", errs)
	}
	if diff := cmp.Diff(map[string]int{"a": 1, "b": 1}, pushed(api)); diff != "" {
		t.Errorf("charged (-want +got):\n%s", diff)
	}
	if got := api.Usage()[0]; got.RelatePkgInstance != "i-a" || got.BeginTime != now.Add(-time.Hour).UTC().Format("20060102T150405Z") {
		t.Errorf("pushed %+v", got)
	}
}

func TestPusherTellsErrorsInTheWordsOfAllMarketplaces(t *testing.T) {
	tests := map[string]struct {
		fault koogallerytest.Fault
		want  error
		whole bool
		text  string
	}{
		"no such instance": {koogallerytest.Fault{Status: 500, Code: "MKT.9001"}, marketplace.ErrUsageRefused, false,
			"HTTP 500, code MKT.9001): compare the instance id"},
		"not a metered item": {koogallerytest.Fault{Status: 500, Code: "MKT.9002"}, marketplace.ErrUsageRefused, false, "a metered item"},
		"too old":            {koogallerytest.Fault{Status: 500, Code: "MKT.9004"}, marketplace.ErrUsageTooOld, false, "too long ago"},
		"another seller's":   {koogallerytest.Fault{Status: 401, Code: "MKT.0150"}, marketplace.ErrUsageRefused, false, "this seller account"},
		"a wrong parameter":  {koogallerytest.Fault{Status: 400, Code: "MKT.0101"}, marketplace.ErrUsageInvalid, false, "invalid"},
		"a wrong signature":  {koogallerytest.Fault{Status: 400, Code: "MKT.0102"}, marketplace.ErrUsageRefused, true, "compare accessKey"},
		"wrong keys":         {koogallerytest.Fault{Status: 401, Code: "MKT.0154"}, marketplace.ErrUsageRefused, true, "the AK/SK is rejected"},
		"nobody is there":    {koogallerytest.Fault{Status: 503}, marketplace.ErrUnavailable, true, "unavailable"},
		"an internal error":  {koogallerytest.Fault{Status: 500, Code: "MKT.0999"}, marketplace.ErrUnavailable, true, "MKT.0999"},
		"the rate limit":     {koogallerytest.Fault{Status: 429, RetryAfter: time.Minute}, marketplace.ErrUnavailable, true, "rate limit"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			api, server := newAPI(t)
			api.FailOperation(koogallerytest.PushUsage, tc.fault, -1)
			client, _ := newClient(server)
			err := openapi.Pusher{Client: client}.PushUsage(t.Context(), []marketplace.UsageRecord{usedBy("a")})[0]
			var failed *marketplace.CallError
			if !errors.As(err, &failed) || failed.Kind != tc.want || failed.Whole != tc.whole || !strings.Contains(err.Error(), tc.text) {
				t.Fatalf("error %#v: %v", failed, err)
			}
			if tc.fault.RetryAfter != failed.RetryAfter {
				t.Errorf("retry after %s", failed.RetryAfter)
			}
			for _, secret := range []string{testAK, testSK, testAccessKey, server.URL} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("%q tells %q", err, secret)
				}
			}
		})
	}
}

func TestPusherTellsWhatMayHaveArrivedByTheOldInterface(t *testing.T) {
	tests := map[string]struct {
		fault     koogallerytest.Fault
		uncertain bool
	}{
		"an answer that was lost": {koogallerytest.Fault{Drop: true, CarriedOut: true}, true},
		"a refusal":               {koogallerytest.Fault{Status: 500, Code: "MKT.9001"}, false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			api, server := newAPI(t)
			api.FailOperation(koogallerytest.PushUsageOld, tc.fault, 1)
			client, _ := newClient(server)
			var failed *marketplace.CallError
			if err := (openapi.Pusher{Client: client}).PushUsageOld(t.Context(), usedBy("a")); !errors.As(err, &failed) ||
				failed.Uncertain != tc.uncertain {
				t.Errorf("error %#v", failed)
			}
		})
	}
	_, server := newAPI(t)
	client, _ := newClient(server)
	if err := (openapi.Pusher{Client: client}).PushUsageOld(t.Context(), usedBy("a")); err != nil {
		t.Error(err)
	}
}
