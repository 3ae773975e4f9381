package openapi

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// What can go wrong with the open API (protocol page 12.5). Every error of a Client is an *Error that wraps one of these.
var (
	// ErrOrderNotFound: the API knows no such order (yet). Right after a purchase this passes.
	ErrOrderNotFound = errors.New("the order does not exist")
	// ErrNotPermitted: the order may not be read with this account, because it is another seller's.
	ErrNotPermitted = errors.New("the order may not be read")
	// ErrCredentials: AK or SK are wrong, or don't belong to a seller, or this machine's clock is off.
	ErrCredentials = errors.New("the AK/SK is refused")
	// ErrRateLimited: too many calls; Error.RetryAfter says how long to wait, if known.
	ErrRateLimited = errors.New("the rate limit is reached")
	// ErrUnavailable: the API can't be reached or has an internal error. Passes.
	ErrUnavailable = errors.New("the open API is unavailable")
	// ErrInvalid: the parameters are wrong, by the API's word or ours. Asking again does not help.
	ErrInvalid = errors.New("the parameters are invalid")
	// ErrGateway: the answer is not one of the order query, but of an API gateway, a proxy, or something at a wrong URL.
	ErrGateway = errors.New("the answer is not one of the order query")
)

// remedies say what a person can do about each kind.
var remedies = map[error]string{
	ErrOrderNotFound: "wait a minute, then compare the order id with the seller console",
	ErrNotPermitted:  "use the AK/SK of the seller account that the order belongs to",
	ErrCredentials:   "compare ak and sk with the seller account's access keys, and this machine's clock with the time",
	ErrRateLimited:   "wait; if it stays so, ask KooGallery for a higher limit",
	ErrUnavailable:   "check that this machine reaches the open API's address over HTTPS",
	ErrInvalid:       "compare the order id and the order line id with the seller console",
	ErrGateway:       "check the site and the address of the open API, and proxies on the way",
}

// kinds are the API's codes, by what stands after the dot: the prefix differs between sites (protocol page 12.5).
var kinds = map[string]error{
	"0999": ErrUnavailable,
	"0100": ErrInvalid,
	"0101": ErrInvalid,
	"0199": ErrInvalid,
	"0150": ErrNotPermitted,
	"0151": ErrCredentials,
	"0154": ErrCredentials,
	"0250": ErrRateLimited,
	"9001": ErrOrderNotFound,
	"9002": ErrInvalid,
	"9003": ErrInvalid,
	"9004": ErrInvalid,
}

const (
	successSuffix = "0000"
	// gatewayPrefix begins the codes of the API gateway, whose numbers mean other things (protocol page 4.1).
	gatewayPrefix = "APIGW."
)

// codeForm is what counts as a code. Anything else an answer has in its place is not repeated in an error.
var codeForm = regexp.MustCompile(`^[A-Za-z]{0,8}\.?[0-9]{4}$`)

// Error is a failed call. Its text never holds a key, a signature or anything that the API said besides its code. It may hold
// the network's own words, such as a port, that differ from call to call: put Kind, Code and Remedy into a condition.
type Error struct {
	// Kind is one of this package's sentinels.
	Kind error
	// Status is the HTTP status; 0 when there was no answer.
	Status int
	// Code is the API's own code, such as "MKT.0150"; empty when it gave none.
	Code string
	// RetryAfter is how long the API asked to wait, at most an hour; 0 when it did not.
	RetryAfter time.Duration
	// Remedy says what a person can do, without capital letter and full stop.
	Remedy string
	// Cause is the error below, such as a refused connection; may be nil.
	Cause error
}

// newError makes an error with the remedy of its kind.
func newError(kind error, status int, code string, cause error) *Error {
	return &Error{Kind: kind, Status: status, Code: code, Remedy: remedies[kind], Cause: cause}
}

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
	text := "querying the order: " + e.Kind.Error()
	if len(details) > 0 {
		text += " (" + strings.Join(details, ", ") + ")"
	}
	return fmt.Sprintf("%s: %s", text, e.Remedy)
}

// Unwrap makes errors.Is find the kind and what lies below, such as context.Canceled.
func (e *Error) Unwrap() []error {
	if e.Cause == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Cause}
}

// kindOf says what a failed answer means: by its code if that is known, else by its status.
func kindOf(status int, code string) error {
	if !strings.HasPrefix(code, gatewayPrefix) {
		if kind, ok := kinds[suffix(code)]; ok {
			return kind
		}
	}
	if code == gatewayPrefix+"0301" {
		return ErrCredentials
	}
	switch {
	case status == http.StatusTooManyRequests || status == http.StatusNotAcceptable:
		return ErrRateLimited
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return ErrCredentials
	case status >= http.StatusInternalServerError:
		return ErrUnavailable
	}
	return ErrGateway
}

// suffix is what stands after a code's last dot.
func suffix(code string) string {
	return code[strings.LastIndexByte(code, '.')+1:]
}

// passes reports whether a call may succeed when it is made again soon.
func passes(err *Error) bool {
	return err.Kind == ErrUnavailable || err.Kind == ErrRateLimited
}
