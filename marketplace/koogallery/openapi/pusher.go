package openapi

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/stallkeeper/stallkeeper/marketplace"
)

// Pusher is a Client as a marketplace.UsagePusher.
type Pusher struct{ Client *Client }

var _ marketplace.UsagePusher = Pusher{}

// usageErrorKinds says what each kind of error means to somebody who does not know this API.
var usageErrorKinds = map[error]error{
	ErrCredentials:      marketplace.ErrUsageRefused,
	ErrNotPermitted:     marketplace.ErrUsageRefused,
	ErrSignature:        marketplace.ErrUsageRefused,
	ErrInstanceNotFound: marketplace.ErrUsageRefused,
	ErrMeteredItem:      marketplace.ErrUsageRefused,
	ErrInvalid:          marketplace.ErrUsageInvalid,
	ErrTooManyRecords:   marketplace.ErrUsageInvalid,
	ErrTooOld:           marketplace.ErrUsageTooOld,
	ErrRateLimited:      marketplace.ErrUnavailable,
	ErrUnavailable:      marketplace.ErrUnavailable,
	ErrGateway:          marketplace.ErrUnavailable,
}

// PushUsage pushes by the new interface (protocol page 4.3), in batches of up to MaxUsageRecords. Errors are
// *marketplace.CallError.
func (p Pusher) PushUsage(ctx context.Context, records []marketplace.UsageRecord) []error {
	pushed := make([]UsageRecord, len(records))
	for i, record := range records {
		pushed[i] = usageRecordOf(record)
	}
	errs := p.Client.PushUsageEach(ctx, pushed)
	for i, err := range errs {
		if err != nil {
			errs[i] = usageError(err)
		}
	}
	return errs
}

// PushUsageOld pushes one record by the old interface (protocol page 4.4). The error is a *marketplace.CallError.
func (p Pusher) PushUsageOld(ctx context.Context, record marketplace.UsageRecord) error {
	if err := p.Client.PushUsageOld(ctx, []UsageRecord{usageRecordOf(record)}); err != nil {
		return usageError(err)
	}
	return nil
}

func usageRecordOf(record marketplace.UsageRecord) UsageRecord {
	return UsageRecord{
		MeteringSN: record.ID, InstanceID: record.InstanceID, ProductID: record.ProductID,
		PackageInstanceID: record.PackageInstanceID,
		BeginsAt:          record.BeginsAt, EndsAt: record.EndsAt, RecordedAt: record.RecordedAt, Value: record.Value,
	}
}

// usageError says the same in the words of package marketplace. The network's own words are left out of the text, because they
// differ from call to call.
func usageError(err error) error {
	var failed *Error
	if !errors.As(err, &failed) {
		return &marketplace.CallError{Kind: marketplace.ErrUnavailable, Whole: true, Uncertain: true, Cause: err}
	}
	details := []string{failed.Kind.Error()}
	if failed.Status != 0 {
		details = append(details, fmt.Sprintf("HTTP %d", failed.Status))
	}
	if failed.Code != "" {
		details = append(details, "code "+failed.Code)
	}
	kind, ok := usageErrorKinds[failed.Kind]
	if !ok {
		kind = marketplace.ErrUnavailable
	}
	return &marketplace.CallError{
		Kind: kind, Whole: !failed.aboutRecords(), Uncertain: failed.Uncertain, Detail: strings.Join(details, ", "),
		Remedy: failed.Remedy, RetryAfter: failed.RetryAfter, Cause: err,
	}
}
