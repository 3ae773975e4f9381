package koogallery

import (
	"strings"
	"time"

	"github.com/stallkeeper/stallkeeper/marketplace"
)

// Names of the activities of license codes 2.0 (protocol page 7.1), of Online License (7.3), whose other activities are those
// of SaaS V2.0, and of the order notification (11).
const (
	ActivityRefreshLicenseCode      = "refreshLicenseCode"
	ActivityUpdateLicenseCodeStatus = "updateLicenseCodeStatus"
	ActivityReleaseLicenseCode      = "releaseLicenseCode"
	ActivityGetLicenseAsync         = "getLicenseAsync"
	ActivityOrderNotify             = "orderNotify"
)

const (
	// maxTimeText bounds the times of a getLicenseAsync, maxFingerprint its device fingerprint (protocol page 7.3).
	maxTimeText    = 32
	maxFingerprint = 1024
)

// refreshLicenseCode: protocol page 7.1. Only two of the scenes are documented; the others mean the same as for an instance.
func refreshLicenseCode(f *fields, event *marketplace.Event) {
	refresh(f, event)
	event.License = f.required("license", maxID)
}

// updateLicenseCodeStatus: protocol page 7.1.
func updateLicenseCodeStatus(f *fields, event *marketplace.Event) {
	freeze(f, event, "status")
	event.License = f.required("license", maxID)
}

// releaseLicenseCode: protocol page 7.1.
func releaseLicenseCode(f *fields, event *marketplace.Event) {
	event.Kind = marketplace.Release
	event.License = f.required("license", maxID)
	event.OrderID = f.optional("orderId", maxID)
	event.OrderLineID = f.optional("orderLineId", maxID)
}

// getLicenseAsync: protocol page 7.3.
func getLicenseAsync(f *fields, event *marketplace.Event) {
	event.Kind = marketplace.RequestLicense
	event.InstanceID = f.required("instanceId", maxID)
	f.required("effectiveTime", maxTimeText)
	event.LicenseRequest = &marketplace.LicenseRequest{
		ID:                f.required("eventId", maxID),
		EffectiveAt:       f.licenseTime("effectiveTime"),
		ExpiresAt:         f.licenseTime("expireTime"),
		DeviceFingerprint: f.optional("deviceFingerprint", maxFingerprint),
	}
}

// orderNotify: protocol page 11.
func orderNotify(f *fields, event *marketplace.Event) {
	event.Kind = marketplace.Notify
	event.OrderID = f.required("orderId", maxID)
	event.OrderLineID = f.required("orderLineId", maxID)
}

// licenseTime reads a time of a getLicenseAsync, which may be missing. The only printed example is "2023-10-27 10:30:15 z"; the
// forms of the other activities are taken as well.
func (f *fields) licenseTime(name string) time.Time {
	text := strings.ToUpper(f.optional(name, maxTimeText))
	if f.err != nil || text == "" {
		return time.Time{}
	}
	if at, ok := parseUTC(text); ok {
		return at
	}
	text = strings.TrimSpace(strings.TrimSuffix(text, "Z"))
	for _, layout := range []string{"2006-01-02 15:04:05", "2006-01-02T15:04:05"} {
		if at, err := time.Parse(layout, text); err == nil && at.Year() >= earliestYear {
			return at
		}
	}
	f.fail("%s must be a UTC time such as 2023-10-27 10:30:15 z", name)
	return time.Time{}
}
