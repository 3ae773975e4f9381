package marketplace

import "time"

// CallError is a call to a marketplace's API that failed: the error of OrderReader, LicenseClient and UsagePusher. Its text does
// not change from call to call and holds no key, code, license or personal datum, so that it can stand in a condition.
type CallError struct {
	// Kind is ErrUnavailable, which passes by itself, or one of the sentinels of the interface that was called.
	Kind error
	// Whole is true if the error is not about the one of several things that it was returned for, but would be that of any other.
	Whole bool
	// Uncertain is true if the call may have succeeded all the same.
	Uncertain bool
	// Detail says more, such as "HTTP 401, code MKT.0154"; may be empty.
	Detail string
	// Remedy is what a person can do, without capital letter and full stop; may be empty.
	Remedy string
	// RetryAfter is how long the marketplace asked to wait; zero when it did not.
	RetryAfter time.Duration
	// Cause is the error below, for logs; may be nil.
	Cause error
}

// Error says what it is, and behind it what is known of it and what a person can do.
func (e *CallError) Error() string {
	text := e.Kind.Error()
	if e.Detail != "" {
		text += " (" + e.Detail + ")"
	}
	if e.Remedy != "" {
		text += ": " + e.Remedy
	}
	return text
}

// Unwrap makes errors.Is find the kind.
func (e *CallError) Unwrap() error { return e.Kind }
