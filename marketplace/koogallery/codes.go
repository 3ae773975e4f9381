package koogallery

import (
	"errors"
	"slices"

	"github.com/stallkeeper/stallkeeper/marketplace"
)

// Result codes of an answer (protocol page 12.1 to 12.3).
const (
	ResultSuccess          = "000000"
	ResultUnauthenticated  = "000001"
	ResultInvalidParameter = "000002"
	ResultUnknownInstance  = "000003"
	ResultInProgress       = "000004"
	ResultInternalError    = "000005"
	// ResultAppSecret is the answer to an applicationSync whose clientSecret can't be decrypted. KooGallery's own sample uses
	// this code so, and no table does (protocol page 8.3).
	ResultAppSecret = "000101"

	// The following are answers to getLicenseAsync only.
	ResultLicenseQuota   = "000900"
	ResultLicensePeriod  = "000901"
	ResultLicenseEnd     = "000902"
	ResultLicenseUnbound = "000903"
)

// result is what a case is answered. With detail the message is the error's own text, which says what the caller can change;
// the others could tell a stranger how we are built.
type result struct {
	code, message string
	detail        bool
}

var (
	success         = result{code: ResultSuccess, message: "success."}
	inProgress      = result{code: ResultInProgress, message: "in progress"}
	unknownInstance = result{code: ResultUnknownInstance, message: "the instance does not exist"}
	internalError   = result{code: ResultInternalError, message: "internal error, please retry"}
)

// errorResult is what an error is answered.
type errorResult struct {
	err error
	result
}

// licenseErrors are what a getLicenseAsync is answered before errorResults are looked at (protocol page 12.3).
var licenseErrors = []errorResult{
	{marketplace.ErrLicenseQuota, result{code: ResultLicenseQuota, message: "the order's licenses are used up"}},
	{marketplace.ErrLicensePeriod, result{code: ResultLicensePeriod, message: "the license's time is outside the order's"}},
	{marketplace.ErrLicenseEnd, result{code: ResultLicenseEnd, message: "a license of this product requires expireTime"}},
	{marketplace.ErrLicenseUnbound, result{code: ResultLicenseUnbound, message: "deviceFingerprint is missing"}},
}

// errorResults are what errors are answered; the first that fits counts.
//
// Late calls are 000002, as KooGallery's own verifier has it (protocol page 3.1). It has no answer for a replayed nonce: that
// is 000001, because no change of a parameter would make the call authentic. No code for "refused" is documented (protocol
// page 3.11): it is 000002, because 000005 would look like a failure of ours that passes.
var errorResults = []errorResult{
	{errOldToken, result{code: ResultInvalidParameter, message: "timeStamp must be within 24 h of now"}},
	{marketplace.ErrStale, result{code: ResultInvalidParameter, message: "timestamp must be within 60 s of now"}},
	{marketplace.ErrUnauthenticated, result{code: ResultUnauthenticated, message: "authentication failed"}},
	{marketplace.ErrUndecipherable, result{code: ResultAppSecret, message: "appSecret is invalid"}},
	{marketplace.ErrMalformed, result{code: ResultInvalidParameter, detail: true}},
	{marketplace.ErrUnknownInstance, unknownInstance},
	{marketplace.ErrConflict, result{code: ResultInvalidParameter, detail: true}},
	{marketplace.ErrUnavailable, internalError},
}

// purchaseResults are what a recorded newInstance is answered. A failed one is in progress: a person can still put it right,
// and any other code would let KooGallery cancel the order after three hours. A released one stays what it was.
var purchaseResults = map[marketplace.State]result{
	marketplace.StateReady:      success,
	marketplace.StateReleased:   success,
	marketplace.StateInProgress: inProgress,
	marketplace.StateFailed:     inProgress,
}

// licenseResults are what a recorded getLicenseAsync is answered: success says that the license was delivered.
var licenseResults = map[marketplace.State]result{
	marketplace.StateReady:      success,
	marketplace.StateInProgress: inProgress,
	marketplace.StateFailed:     internalError,
	marketplace.StateReleased:   unknownInstance,
}

// queryResults are what a queryInstance is answered by the states of the known instances: the first state that one of them
// has counts, so one that is ready is shown whatever the others are. Released ones are unknown to the marketplace.
var queryResults = []struct {
	state marketplace.State
	result
}{
	{marketplace.StateReady, success},
	{marketplace.StateInProgress, inProgress},
	{marketplace.StateFailed, internalError},
}

// resultOf says what an outcome is answered.
func resultOf(event marketplace.Event, outcome marketplace.Outcome) result {
	switch {
	case outcome.Err != nil:
		return resultOfError(event, outcome.Err)
	case event.Kind == marketplace.Purchase:
		return resultOfPurchase(event, outcome.Instance)
	case event.Test:
		return success
	case event.Kind == marketplace.Query:
		return resultOfQuery(outcome.Instances)
	case event.Kind == marketplace.RequestLicense:
		return resultOfState(licenseResults, outcome.Instance.State)
	}
	return success
}

func resultOfError(event marketplace.Event, err error) result {
	candidates := errorResults
	if event.Kind == marketplace.RequestLicense {
		candidates = slices.Concat(licenseErrors, errorResults)
	}
	for _, candidate := range candidates {
		if !errors.Is(err, candidate.err) {
			continue
		}
		found := candidate.result
		if found.detail {
			found.message = err.Error()
		}
		return found
	}
	return internalError
}

// resultOfPurchase refuses to call a purchase good whose id can't be told: KooGallery could never ask for it again.
func resultOfPurchase(event marketplace.Event, instance marketplace.Instance) result {
	switch {
	case !answerableID(instance.ID):
		return internalError
	case event.Test:
		return success
	}
	found := resultOfState(purchaseResults, instance.State)
	switch {
	case found.code == ResultInternalError:
	case event.Wants == marketplace.WantLicense:
		return resultOfLicense(found, instance)
	case event.Wants == marketplace.WantAccess:
		return resultOfWanted(event, found, instance)
	}
	return found
}

// resultOfWanted is for a purchase of SaaS V1.0, which is not polled: it succeeds once the buyer can be shown where to go,
// because the next call may be an hour away; and always when it tells of the acceptance, for which no other code is allowed
// (protocol page 5.4).
func resultOfWanted(event marketplace.Event, found result, instance marketplace.Instance) result {
	known := instance.State == marketplace.StateInProgress && appInfo(instance.Access, plain) != nil
	if known || !event.AcceptedAt.IsZero() {
		return success
	}
	return found
}

// resultOfLicense is for a purchase of License 1.0: there is no success without the license (protocol page 7.4).
func resultOfLicense(found result, instance marketplace.Instance) result {
	if licenseOf(instance) != "" {
		return success
	}
	if found.code == ResultSuccess {
		return inProgress
	}
	return found
}

func resultOfState(results map[marketplace.State]result, state marketplace.State) result {
	if found, ok := results[state]; ok {
		return found
	}
	return internalError
}

func resultOfQuery(instances []marketplace.Instance) result {
	for _, candidate := range queryResults {
		for _, instance := range instances {
			if instance.State == candidate.state {
				return candidate.result
			}
		}
	}
	return unknownInstance
}
