package marketplace

import (
	"context"
	"errors"
	"time"
)

// What can go wrong when usage is pushed, besides ErrUnavailable, which passes by itself.
var (
	// ErrUsageRefused: the marketplace does not accept it as things are. A person has to act; then the same push can succeed.
	ErrUsageRefused = errors.New("the usage is refused")
	// ErrUsageInvalid: the marketplace calls the record itself wrong.
	ErrUsageInvalid = errors.New("the usage record is invalid")
	// ErrUsageTooOld: it was used too long ago to be charged.
	ErrUsageTooOld = errors.New("the usage is too old to be charged")
)

// UsageRecord is what one instance used in one interval.
type UsageRecord struct {
	// ID is the record's own, 1 to 64 characters: a record that comes again with the same ID counts once.
	ID string
	// InstanceID is the instance, ProductID its product, in the marketplace's words. The latter may be empty unless Old is used.
	InstanceID, ProductID string
	// PackageInstanceID is the package of use to deduct from, for one that stops when it is used up; empty otherwise.
	PackageInstanceID string
	// BeginsAt and EndsAt are the interval; RecordedAt is when it was counted. Whole seconds.
	BeginsAt, EndsAt, RecordedAt time.Time
	// Value is what was used: a decimal number above 0 with at most 8 digits before the point and 4 behind it.
	Value string
}

// UsagePusher tells a marketplace what was used. It is safe for concurrent use.
type UsagePusher interface {
	// PushUsage pushes any number of records. Error i is nil when record i was accepted, else a *CallError; a record that is
	// refused does not hold up the others. Pushing a record again with the same ID is harmless.
	PushUsage(ctx context.Context, records []UsageRecord) []error
	// PushUsageOld pushes one record by an interface that can't tell a repeat. The error is a *CallError or nil. Where it is
	// Uncertain, pushing the record again may charge it twice.
	PushUsageOld(ctx context.Context, record UsageRecord) error
}
