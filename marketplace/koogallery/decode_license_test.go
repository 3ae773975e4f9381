package koogallery_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stallkeeper/stallkeeper/marketplace"
)

func TestDecodeLicensesAndNotifications(t *testing.T) {
	expiry := time.Date(2030, 12, 31, 15, 59, 59, 0, time.UTC)
	begin := time.Date(2023, 10, 27, 10, 30, 15, 0, time.UTC)
	renewal := marketplace.Event{
		Kind: marketplace.Renew, Activity: "refreshLicenseCode", Scene: "RENEWAL", OrderID: "CS2", OrderLineID: "CS2-000001",
		License: "PL123456", ProductID: "P2", ExpiresAt: expiry,
	}
	returned := renewal
	returned.Scene, returned.Cancels, returned.ProductID = "UNSUBSCRIBE_RENEWAL_PERIOD", true, ""
	requested := func(request marketplace.LicenseRequest) marketplace.Event {
		return marketplace.Event{
			Kind: marketplace.RequestLicense, Activity: "getLicenseAsync", InstanceID: "i-1", LicenseRequest: &request,
		}
	}
	request := func(times string) string {
		return `{"activity":"getLicenseAsync","instanceId":"i-1","eventId":"E1",` + times + `}`
	}
	tests := map[string]struct {
		body string
		want marketplace.Event
	}{
		"a code's renewal": {
			`{"activity":"refreshLicenseCode","scene":"RENEWAL","orderId":"CS2","orderLineId":"CS2-000001","license":"PL123456",` +
				`"productId":"P2","expireTime":"20301231155959"}`, renewal,
		},
		"a code's renewal given back": {
			`{"activity":"refreshLicenseCode","scene":"UNSUBSCRIBE_RENEWAL_PERIOD","orderId":"CS2","orderLineId":"CS2-000001",` +
				`"license":"PL123456","expireTime":"20301231155959"}`, returned,
		},
		"a code's freeze": {`{"activity":"updateLicenseCodeStatus","license":"PL123456","status":"FREEZE"}`, marketplace.Event{
			Kind: marketplace.Suspend, Activity: "updateLicenseCodeStatus", Scene: "FREEZE", License: "PL123456",
		}},
		"a code's unfreeze": {`{"activity":"updateLicenseCodeStatus","license":"PL123456","status":"UNFREEZE","testFlag":"1"}`, marketplace.Event{
			Kind: marketplace.Resume, Activity: "updateLicenseCodeStatus", Scene: "UNFREEZE", License: "PL123456", Test: true,
		}},
		"a code's release": {`{"activity":"releaseLicenseCode","license":"PL123456"}`, marketplace.Event{
			Kind: marketplace.Release, Activity: "releaseLicenseCode", License: "PL123456",
		}},
		"a code's release by an unsubscription": {
			`{"activity":"releaseLicenseCode","license":"PL123456","orderId":"CS9","orderLineId":"CS9-000001"}`, marketplace.Event{
				Kind: marketplace.Release, Activity: "releaseLicenseCode", License: "PL123456", OrderID: "CS9", OrderLineID: "CS9-000001",
			},
		},
		"a license for a device, in the printed form": {
			request(`"effectiveTime":"2023-10-27 10:30:15 z","expireTime":"2030-12-31 15:59:59 z","deviceFingerprint":"` + strings.Repeat("f", 1024) + `"`),
			requested(marketplace.LicenseRequest{ID: "E1", EffectiveAt: begin, ExpiresAt: expiry, DeviceFingerprint: strings.Repeat("f", 1024)}),
		},
		"a license without end": {
			request(`"effectiveTime":"2023-10-27 10:30:15Z","expireTime":null`), requested(marketplace.LicenseRequest{ID: "E1", EffectiveAt: begin}),
		},
		"a license with the times of ISO 8601": {
			request(`"effectiveTime":"2023-10-27T10:30:15Z"`), requested(marketplace.LicenseRequest{ID: "E1", EffectiveAt: begin}),
		},
		"a license with the zones of Java": {
			request(`"effectiveTime":"2023-10-27 18:30:15 CST","expireTime":"2030-12-31 23:59:59 GMT+08:00"`),
			requested(marketplace.LicenseRequest{ID: "E1", EffectiveAt: begin, ExpiresAt: expiry}),
		},
		"a license in UTC and with an offset": {
			request(`"effectiveTime":"2023-10-27 10:30:15 UTC","expireTime":"2030-12-31 15:59:59 +0000"`),
			requested(marketplace.LicenseRequest{ID: "E1", EffectiveAt: begin, ExpiresAt: expiry}),
		},
		"a license in GMT and with an offset behind it": {
			request(`"effectiveTime":"2023-10-27 10:30:15 GMT","expireTime":"2030-12-31T10:59:59.000-0500"`),
			requested(marketplace.LicenseRequest{ID: "E1", EffectiveAt: begin, ExpiresAt: expiry}),
		},
		"a license for a fingerprint of 5 KiB": {
			request(`"effectiveTime":"2023-10-27 10:30:15 z","deviceFingerprint":"` + strings.Repeat("f", 5<<10) + `"`),
			requested(marketplace.LicenseRequest{ID: "E1", EffectiveAt: begin, DeviceFingerprint: strings.Repeat("f", 5<<10)}),
		},
		"a license with the times of other calls": {
			request(`"effectiveTime":"20231027103015","expireTime":"20301231155959000"`),
			requested(marketplace.LicenseRequest{ID: "E1", EffectiveAt: begin, ExpiresAt: expiry}),
		},
		"an order notification": {`{"activity":"orderNotify","orderId":"CS1","orderLineId":"CS1-000001","testFlag":"0"}`, marketplace.Event{
			Kind: marketplace.Notify, Activity: "orderNotify", OrderID: "CS1", OrderLineID: "CS1-000001",
		}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := allKeys(t).Decode(ordinary(tc.body).request())
			if err != nil {
				t.Fatal(err)
			}
			tc.want.SentAt = now
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestDecodeRefusesLicensesAndNotifications(t *testing.T) {
	request := func(fields string) string { return `{"activity":"getLicenseAsync","instanceId":"i-1"` + fields + `}` }
	tests := map[string]struct {
		body, wantText string
	}{
		"a renewal of no code":                  {`{"activity":"refreshLicenseCode","scene":"RENEWAL","orderId":"o","orderLineId":"l","expireTime":"20301231155959"}`, "license is missing"},
		"a long code":                           {`{"activity":"releaseLicenseCode","license":"` + strings.Repeat("x", 257) + `"}`, "license has more than 256"},
		"a freeze of no code":                   {`{"activity":"updateLicenseCodeStatus","status":"FREEZE"}`, "license is missing"},
		"a freeze without status":               {`{"activity":"updateLicenseCodeStatus","license":"PL1"}`, "status is missing"},
		"a release of no code":                  {`{"activity":"releaseLicenseCode"}`, "license is missing"},
		"a license without its event":           {request(`,"effectiveTime":"2023-10-27 10:30:15 z"`), "eventId is missing"},
		"a license without its beginning":       {request(`,"eventId":"E1"`), "effectiveTime is missing"},
		"a license of some day":                 {request(`,"eventId":"E1","effectiveTime":"27 October"`), "effectiveTime must be a UTC time such as"},
		"a license until some day":              {request(`,"eventId":"E1","effectiveTime":"2023-10-27 10:30:15 z","expireTime":"2023-02-31 10:30:15 z"`), "expireTime must be"},
		"a license of a zone that is not known": {request(`,"eventId":"E1","effectiveTime":"2023-10-27 10:30:15 PST"`), "effectiveTime must be"},
		"a license of the year 1":               {request(`,"eventId":"E1","effectiveTime":"0001-01-01 00:00:00 z"`), "effectiveTime must be"},
		"a long device fingerprint":             {request(`,"eventId":"E1","effectiveTime":"2023-10-27 10:30:15 z","deviceFingerprint":"` + strings.Repeat("f", 5121) + `"`), "deviceFingerprint has more"},
		"a notification of no order":            {`{"activity":"orderNotify","orderLineId":"l"}`, "orderId is missing"},
		"a notification of no line":             {`{"activity":"orderNotify","orderId":"o"}`, "orderLineId is missing"},
		"License 1.0 in a body":                 {`{"activity":"getLicense"}`, `"getLicense" is unknown`},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := allKeys(t).Decode(ordinary(tc.body).request())
			if !errors.Is(err, marketplace.ErrMalformed) || !strings.Contains(err.Error(), tc.wantText) {
				t.Errorf("error = %v, want one that wraps ErrMalformed with %q", err, tc.wantText)
			}
		})
	}
}
