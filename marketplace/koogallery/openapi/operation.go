package openapi

import (
	"errors"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/internal/exact"
)

// operation is what one of the API's operations is called, and what its answers mean.
type operation struct {
	// attempt begins its errors, such as "querying the order".
	attempt string
	// success are the codes of success, without their prefix.
	success []string
	// kinds are the codes that mean something else here than in commonKinds, without their prefix.
	kinds map[string]error
	// once: a repeat would have the effect a second time, so it is made only when the first try had none for certain.
	once bool
}

const (
	successSuffix = "0000"
	// gatewayPrefix begins the codes of the API gateway, whose numbers mean other things (protocol page 4.1).
	gatewayPrefix = "APIGW."
	// gatewayUnsigned is the gateway's word for wrong authentication data.
	gatewayUnsigned = gatewayPrefix + "0301"
)

// commonKinds are the API's codes, by what stands after the dot: the prefix differs between sites (protocol page 12.5, 12.6).
var commonKinds = map[string]error{
	"0999": ErrUnavailable,
	"0100": ErrInvalid,
	"0101": ErrInvalid,
	"0199": ErrInvalid,
	"0150": ErrNotPermitted,
	"0151": ErrCredentials,
	"0154": ErrCredentials,
	"0250": ErrRateLimited,
	"9002": ErrInvalid,
	"9003": ErrInvalid,
	"9004": ErrInvalid,
}

// codeForm is what counts as a code. Anything else an answer has in its place is not repeated in an error.
var codeForm = regexp.MustCompile(`^(?:[A-Za-z]{0,8}\.?[0-9]{4}|[0-9]{8})$`)

// envelope is what the bodies of all answers have, the gateway's as well. The order query names its code in another way.
type envelope struct {
	ResultCode text `json:"resultCode"`
	ErrorCode  text `json:"error_code"`
}

// code is the answer's code; empty when it has none of the form of a code.
func (e envelope) code() string {
	code := string(e.ResultCode)
	if code == "" {
		code = string(e.ErrorCode)
	}
	if !codeForm.MatchString(code) {
		return ""
	}
	return code
}

// judge returns nil for an answer of success, else what it means.
func (o operation) judge(status int, raw []byte) *Error {
	var body envelope
	if err := exact.Unmarshal(raw, &body); err != nil {
		return o.failed(o.kindOf(status, ""), status, "", nil)
	}
	code := body.code()
	if status == http.StatusOK && slices.Contains(o.success, suffix(code)) {
		return nil
	}
	return o.failed(o.kindOf(status, code), status, code, nil)
}

// kindOf says what a failed answer means: by its code if that is known, else by its status.
func (o operation) kindOf(status int, code string) error {
	unauthorized := status == http.StatusUnauthorized || status == http.StatusForbidden
	if !strings.HasPrefix(code, gatewayPrefix) {
		kind, ok := o.kinds[suffix(code)]
		if !ok {
			kind, ok = commonKinds[suffix(code)]
		}
		// An "internal error" with status 403 is a refusal (protocol page 12.4) and does not pass.
		if ok && (!unauthorized || !errors.Is(kind, ErrUnavailable)) {
			return kind
		}
	}
	switch {
	case code == gatewayUnsigned || unauthorized:
		return ErrCredentials
	case status == http.StatusTooManyRequests || status == http.StatusNotAcceptable:
		return ErrRateLimited
	case status >= http.StatusInternalServerError:
		return ErrUnavailable
	}
	return ErrGateway
}

// failed makes the error of an answer, or of a call without one (status 0).
func (o operation) failed(kind error, status int, code string, cause error) *Error {
	// An answer that is an error of somebody on the way tells that the call was stopped there; an unreadable one with a status
	// of success tells nothing.
	unreadable := errors.Is(kind, ErrGateway) && status < http.StatusMultipleChoices
	uncertain := status != 0 && (unreadable || errors.Is(kind, ErrUnavailable))
	return &Error{
		Attempt: o.attempt, Kind: kind, Status: status, Code: code, Uncertain: uncertain, Remedy: kindFacts[kind].remedy, Cause: cause,
	}
}

// refused makes the error of a call that was not made.
func (o operation) refused(kind, cause error) *Error { return o.failed(kind, 0, "", cause) }

// mayRepeat reports whether a call that failed may succeed when it is made again at once, and does no harm then.
func (o operation) mayRepeat(failed *Error) bool {
	passes := failed.Kind == ErrUnavailable || failed.Kind == ErrRateLimited
	return passes && (!o.once || !failed.Uncertain)
}

// with returns kinds with more of them.
func with(kinds, more map[string]error) map[string]error {
	all := maps.Clone(kinds)
	maps.Copy(all, more)
	return all
}

// suffix is what stands after a code's last dot.
func suffix(code string) string {
	return code[strings.LastIndexByte(code, '.')+1:]
}
