package koogallery

import (
	"regexp"
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
	// maxTimeText bounds the times of calls, maxFingerprint a device fingerprint, which may have 5 KiB (protocol page 7.3, 16).
	maxTimeText    = 64
	maxFingerprint = 5 << 10
)

// refreshLicenseCode: protocol page 7.1. Only two of the scenes are documented; the others mean the same as for an instance.
func refreshLicenseCode(f *fields, event *marketplace.Event) {
	refresh(f, event)
	event.License = f.required("license", longestID)
}

// updateLicenseCodeStatus: protocol page 7.1.
func updateLicenseCodeStatus(f *fields, event *marketplace.Event) {
	freeze(f, event, "status")
	event.License = f.required("license", longestID)
}

// releaseLicenseCode: protocol page 7.1.
func releaseLicenseCode(f *fields, event *marketplace.Event) {
	event.Kind = marketplace.Release
	event.License = f.required("license", longestID)
	event.OrderID = f.id("orderId", longestID)
	event.OrderLineID = f.id("orderLineId", longestID)
}

// getLicenseAsync: protocol page 7.3.
func getLicenseAsync(f *fields, event *marketplace.Event) {
	event.Kind = marketplace.RequestLicense
	event.InstanceID = f.required("instanceId", longestID)
	f.required("effectiveTime", maxTimeText)
	event.LicenseRequest = &marketplace.LicenseRequest{
		ID:                f.required("eventId", longestID),
		EffectiveAt:       f.licenseTime("effectiveTime"),
		ExpiresAt:         f.licenseTime("expireTime"),
		DeviceFingerprint: f.fingerprint("deviceFingerprint"),
	}
}

// fingerprint reads what a license is bound to, which may be missing. A license for half of a device's fingerprint would be worth
// nothing, so it is never cut.
func (f *fields) fingerprint(name string) string {
	if text, ok := f.scalar(name); ok && strings.TrimSpace(text) == "" {
		return ""
	}
	return f.required(name, maxFingerprint)
}

// orderNotify: protocol page 11.
func orderNotify(f *fields, event *marketplace.Event) {
	event.Kind = marketplace.Notify
	event.OrderID = f.required("orderId", longestID)
	event.OrderLineID = f.required("orderLineId", longestID)
}

// licenseTimeForm is the pattern yyyy-MM-dd HH:mm:ss z of Java, whose z is any name of a zone, or those of ISO 8601.
var licenseTimeForm = regexp.MustCompile(`^(\d{4}-\d{2}-\d{2})[ T](\d{2}:\d{2}:\d{2})(?:\.\d{1,9})? ?([A-Z]{0,4})([+-]\d{2}:?\d{2})?$`)

// zones are the names of zones that KooGallery's callers may have, as far as they mean one thing there. CST is China's: all else of
// that name is on the other side of the earth from it.
var zones = map[string]time.Duration{"": 0, "Z": 0, "UTC": 0, "UT": 0, "GMT": 0, "CST": 8 * time.Hour}

// licenseTime reads a time of a getLicenseAsync, which may be missing. The only printed example is "2023-10-27 10:30:15 z"; the
// forms of the other activities are taken as well.
func (f *fields) licenseTime(name string) time.Time {
	text, ok := f.scalar(name)
	if text = strings.ToUpper(strings.TrimSpace(text)); ok && text == "" || f.err != nil {
		return time.Time{}
	}
	at, readable := parseUTC(text)
	if !readable && len(text) <= maxTimeText {
		at, readable = parseZoned(text)
	}
	if !readable {
		f.fail("%s must be a UTC time such as 2023-10-27 10:30:15 z", name)
		return time.Time{}
	}
	return at
}

func parseZoned(text string) (time.Time, bool) {
	parts := licenseTimeForm.FindStringSubmatch(text)
	if parts == nil {
		return time.Time{}, false
	}
	ahead, known := zones[parts[3]]
	at, err := time.Parse(time.DateTime, parts[1]+" "+parts[2])
	if offset := strings.ReplaceAll(parts[4], ":", ""); offset != "" {
		var zoned time.Time
		if zoned, err = time.Parse("20060102-0700", "20000101"+offset); err == nil {
			_, seconds := zoned.Zone()
			ahead = time.Duration(seconds) * time.Second
		}
	}
	if err != nil || !known || at.Year() < earliestYear {
		return time.Time{}, false
	}
	return at.Add(-ahead), true
}
