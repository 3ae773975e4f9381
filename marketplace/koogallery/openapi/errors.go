package openapi

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// What can go wrong with the open API (protocol page 12.4 to 12.6). Every error of a Client is an *Error that wraps one of
// these.
var (
	// ErrCredentials: AK or SK are wrong, or don't belong to a seller, or this machine's clock is off.
	ErrCredentials = errors.New("the AK/SK is rejected")
	// ErrNotPermitted: it belongs to another seller than this account.
	ErrNotPermitted = errors.New("it does not belong to this seller account")
	// ErrRateLimited: too many calls; Error.RetryAfter says how long to wait, if known.
	ErrRateLimited = errors.New("the rate limit is reached")
	// ErrUnavailable: the API can't be reached or has an internal error. Passes.
	ErrUnavailable = errors.New("the open API is unavailable")
	// ErrInvalid: the parameters are wrong, by the API's word or ours. Asking again does not help.
	ErrInvalid = errors.New("the parameters are invalid")
	// ErrGateway: the answer is not one of the open API, but of a gateway, a proxy, or something at a wrong URL.
	ErrGateway = errors.New("the response is not one of the open API")

	// ErrOrderNotFound: the API knows no such order (yet). Right after a purchase this passes.
	ErrOrderNotFound = errors.New("the order does not exist")

	// ErrSignature: the signature over the body of pushed usage is refused; Client.AccessKey is another than KooGallery's.
	ErrSignature = errors.New("the signature of the body is rejected")
	// ErrInstanceNotFound: a record names an instance that the marketplace does not know.
	ErrInstanceNotFound = errors.New("an instance of the records does not exist")
	// ErrMeteredItem: an instance is not one of a metered item, or not of the one that is pushed for.
	ErrMeteredItem = errors.New("a metered item of the records is invalid")
	// ErrTooManyRecords: more than MaxUsageRecords in one push.
	ErrTooManyRecords = errors.New("there are too many usage records")
	// ErrTooOld: the interval of a record began more than MaxUsageAge ago. It can't be charged any more through this API.
	ErrTooOld = errors.New("a usage record began too long ago")

	// ErrLicenseNotFound: the marketplace minted no such code.
	ErrLicenseNotFound = errors.New("the license code does not exist")
	// ErrLicenseState: the code's state does not allow it. An activation says this also when an earlier one succeeded whose
	// answer was lost: QueryLicense tells.
	ErrLicenseState = errors.New("the state of the license code does not allow it")
	// ErrNotCollected: the buyer has not collected the code yet. Passes when they do.
	ErrNotCollected = errors.New("the buyer has not collected the license code")
	// ErrNotActivated: a code was asked for that was never activated.
	ErrNotActivated = errors.New("the license code is not activated")
	// ErrLicenseBatch: a code of a batch is invalid, and the API does not say which. No other was carried out, as far as is known.
	ErrLicenseBatch = errors.New("a license code of the batch is invalid")
)

// Outlook says whether the same call can succeed later.
type Outlook string

const (
	// OutlookPasses: by itself, some time. Make the call again.
	OutlookPasses Outlook = "Passes"
	// OutlookRepair: once something else was done, by a person or by another call. Keep what was to be sent.
	OutlookRepair Outlook = "Repair"
	// OutlookFinal: not with the same content.
	OutlookFinal Outlook = "Final"
)

// kindFacts are the remedy and the outlook of each kind.
var kindFacts = map[error]struct {
	remedy  string
	outlook Outlook
}{
	ErrCredentials:  {"compare ak and sk with the seller account's access keys, and check this machine's clock", OutlookRepair},
	ErrNotPermitted: {"use the AK/SK of the seller account that it belongs to", OutlookRepair},
	ErrRateLimited:  {"wait; if the error persists, ask KooGallery for a higher limit", OutlookPasses},
	ErrUnavailable:  {"check that this machine can reach the open API's address over HTTPS", OutlookPasses},
	ErrInvalid:      {"compare what was sent with the seller console", OutlookFinal},
	// A proxy's error page or a captive portal goes away by itself, a wrong address does not.
	ErrGateway: {"check the site and the address of the open API, and any proxy in between", OutlookPasses},

	ErrOrderNotFound: {"wait a minute, then compare the order id with the seller console", OutlookPasses},

	ErrSignature:        {"compare accessKey with the key of the basic interfaces in the seller console", OutlookRepair},
	ErrInstanceNotFound: {"compare the instance id with the one that the seller console shows for the order", OutlookRepair},
	ErrMeteredItem:      {"compare the instance's product and metered items with the seller console", OutlookRepair},
	ErrTooManyRecords:   {fmt.Sprintf("push at most %d records per call", MaxUsageRecords), OutlookFinal},
	ErrNotToldApart:     {"push them again: the invalid records are isolated step by step", OutlookPasses},
	ErrTooOld:           {"settle this usage with KooGallery's support; it can no longer be pushed", OutlookFinal},

	ErrLicenseNotFound: {"compare the license code with the seller console", OutlookFinal},
	ErrLicenseState:    {"query the license code: if it is ALIVE, it is already activated", OutlookFinal},
	ErrNotCollected:    {"wait until the buyer collects the code in their console", OutlookPasses},
	ErrNotActivated:    {"activate the license code first", OutlookRepair},
	ErrLicenseBatch:    {"send each license code separately", OutlookFinal},
}

// Error is a failed call. Its text never holds a key, a signature, a license or anything that the API said besides its code.
// It may hold the network's own words, such as a port, that differ from call to call: put Kind, Code and Remedy into a
// condition.
type Error struct {
	// Attempt is what was tried, such as "querying the order".
	Attempt string
	// Kind is one of this package's sentinels.
	Kind error
	// Status is the HTTP status; 0 when there was no answer.
	Status int
	// Code is the API's own code, such as "MKT.0150"; empty when it gave none.
	Code string
	// Uncertain: the call may have had its effect although it failed, because its answer was lost, can't be read, or tells
	// of an internal error.
	Uncertain bool
	// Entries are the indices of the records or license codes that the error is about, ascending. Nil when that is not known:
	// the API refuses a batch as a whole and names none.
	Entries []int
	// RetryAfter is how long the API asked to wait, at most an hour; 0 when it did not.
	RetryAfter time.Duration
	// Remedy says what a person can do, without capital letter and full stop.
	Remedy string
	// Cause is the error below, such as a refused connection; may be nil.
	Cause error
}

// Outlook says whether the same call can succeed later.
func (e *Error) Outlook() Outlook { return kindFacts[e.Kind].outlook }

func (e *Error) Error() string {
	var details []string
	if e.Status != 0 {
		details = append(details, "HTTP "+strconv.Itoa(e.Status))
	}
	if e.Code != "" {
		details = append(details, "code "+e.Code)
	}
	if e.Cause != nil {
		details = append(details, e.Cause.Error())
	}
	text := e.Attempt + ": " + e.Kind.Error()
	if len(details) > 0 {
		text += " (" + strings.Join(details, ", ") + ")"
	}
	return text + ": " + e.Remedy
}

// Unwrap makes errors.Is find the kind and what lies below, such as context.Canceled.
func (e *Error) Unwrap() []error {
	if e.Cause == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Cause}
}
