package marketplace

import "errors"

// The few ways in which a callback can fail. Errors on the way of a callback wrap one of them; only an Answerer turns them
// into a status and a result code. Their texts never contain a key, a signature, a query string or a body.
var (
	// ErrUnauthenticated: the signature is missing or wrong. Nothing in the request may be believed.
	ErrUnauthenticated = errors.New("the request is not authentic")
	// ErrStale: well signed, but outside the time window. Wraps ErrUnauthenticated. Many of them mean that a clock is wrong.
	ErrStale = kind{"the request's time is outside the allowed window", ErrUnauthenticated}
	// ErrReplayed: well signed, but its nonce was answered before. Wraps ErrUnauthenticated.
	ErrReplayed = kind{"the request is a replay", ErrUnauthenticated}
	// ErrMalformed: authentic, but not what the protocol describes. The text names the field and what it has to be.
	ErrMalformed = errors.New("the request is malformed")
	// ErrTooLarge: the body or the query is longer than any real call. Wraps ErrMalformed.
	ErrTooLarge = kind{"the request is too large", ErrMalformed}
	// ErrUndecipherable: a secret in the request can't be decrypted with our private key. Wraps ErrMalformed.
	ErrUndecipherable = kind{"a secret can't be decrypted", ErrMalformed}
	// ErrUnknownInstance: the instance id is not one of ours, or the instance was released.
	ErrUnknownInstance = errors.New("the instance does not exist")
	// ErrConflict: understood, but what it asks for is not allowed in the instance's state. The text says why.
	ErrConflict = errors.New("the request conflicts with the instance's state")
	// ErrLicenseQuota refuses a RequestLicense: the order has no license left. Wraps ErrConflict.
	ErrLicenseQuota = kind{"the order's licenses are used up", ErrConflict}
	// ErrLicensePeriod refuses a RequestLicense: its time is not within the order's. Wraps ErrConflict.
	ErrLicensePeriod = kind{"the license's time is outside the order's", ErrConflict}
	// ErrLicenseEnd refuses a RequestLicense without ExpiresAt, where the product sells periods. Wraps ErrConflict.
	ErrLicenseEnd = kind{"a license of this product needs an end", ErrConflict}
	// ErrLicenseUnbound refuses a RequestLicense without DeviceFingerprint, where the product needs one. Wraps ErrConflict.
	ErrLicenseUnbound = kind{"the device fingerprint is missing", ErrConflict}
	// ErrUnavailable: could not be stored or read now; the marketplace shall repeat the call.
	ErrUnavailable = errors.New("temporarily unavailable")
)

// kind is a sentinel that is a special case of another one.
type kind struct {
	text string
	of   error
}

func (k kind) Error() string { return k.text }
func (k kind) Unwrap() error { return k.of }
