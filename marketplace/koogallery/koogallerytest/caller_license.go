package koogallerytest

import (
	"context"
	"time"

	"github.com/stallkeeper/stallkeeper/marketplace/koogallery"
)

// LicenseRequest are the fields of getLicenseAsync (protocol page 7.3).
type LicenseRequest struct {
	// InstanceID and EventID are mandatory.
	InstanceID, EventID string
	// EffectiveTime is mandatory; ExpireTime is left out when it is zero.
	EffectiveTime, ExpireTime time.Time
	// DeviceFingerprint is sent when it is not empty.
	DeviceFingerprint string
}

// RefreshLicenseCode changes the paid period of a license code (protocol page 7.1); refresh.InstanceID is not sent. Like all
// calls of license products it is signed with the Caller's AccessKey, which has to be the license key.
func (c Caller) RefreshLicenseCode(ctx context.Context, license string, refresh RefreshOptions) (*Exchange, error) {
	fields := refresh.fields()
	delete(fields, "instanceId")
	fields["license"] = license
	return c.call(ctx, koogallery.ActivityRefreshLicenseCode, fields)
}

// UpdateLicenseCodeStatus freezes or unfreezes a license code (protocol page 7.1).
func (c Caller) UpdateLicenseCodeStatus(ctx context.Context, license, status string) (*Exchange, error) {
	return c.call(ctx, koogallery.ActivityUpdateLicenseCodeStatus, map[string]any{"license": license, "status": status})
}

// ReleaseLicenseCode ends the sale of a license code (protocol page 7.1). orderID and orderLineID are those of an
// unsubscription, or empty.
func (c Caller) ReleaseLicenseCode(ctx context.Context, license, orderID, orderLineID string) (*Exchange, error) {
	return c.call(ctx, koogallery.ActivityReleaseLicenseCode, map[string]any{
		"license":     license,
		"orderId":     orderID,
		"orderLineId": orderLineID,
	})
}

// GetLicenseAsync asks for a license of an Online License instance (protocol page 7.3).
func (c Caller) GetLicenseAsync(ctx context.Context, request LicenseRequest) (*Exchange, error) {
	return c.call(ctx, koogallery.ActivityGetLicenseAsync, map[string]any{
		"instanceId":        request.InstanceID,
		"eventId":           request.EventID,
		"effectiveTime":     eventTime(request.EffectiveTime),
		"expireTime":        eventTime(request.ExpireTime),
		"deviceFingerprint": request.DeviceFingerprint,
	})
}

// OrderNotify tells that an order was made (protocol page 11). The Caller's AccessKey has to be the notification key.
func (c Caller) OrderNotify(ctx context.Context, orderID, orderLineID string) (*Exchange, error) {
	return c.call(ctx, koogallery.ActivityOrderNotify, map[string]any{"orderId": orderID, "orderLineId": orderLineID})
}

// eventTime is in the form of the only printed example.
func eventTime(at time.Time) string { return timeText(at, "2006-01-02 15:04:05 z") }
