package koogallery

import (
	"errors"

	"github.com/stallkeeper/stallkeeper/marketplace"
)

// Result codes of an answer (protocol page 12.1).
const (
	ResultSuccess          = "000000"
	ResultUnauthenticated  = "000001"
	ResultInvalidParameter = "000002"
	ResultUnknownInstance  = "000003"
	ResultInProgress       = "000004"
	ResultInternalError    = "000005"
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
	internalError   = result{code: ResultInternalError, message: "internal error, please call again"}
)

// errorResults are what errors are answered; the first that fits counts.
//
// Late calls are 000002, as KooGallery's own verifier has it (protocol page 3.1). It has no answer for a replayed nonce: that
// is 000001, because no change of a parameter would make the call authentic. No code for "refused" is documented (protocol
// page 3.11): it is 000002, because 000005 would look like a failure of ours that passes.
var errorResults = []struct {
	err error
	result
}{
	{marketplace.ErrStale, result{code: ResultInvalidParameter, message: "timestamp must be within 60 s of now"}},
	{marketplace.ErrUnauthenticated, result{code: ResultUnauthenticated, message: "authentication failed"}},
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
		return resultOfError(outcome.Err)
	case event.Kind == marketplace.Purchase:
		return resultOfPurchase(event.Test, outcome.Instance)
	case event.Kind == marketplace.Query && !event.Test:
		return resultOfQuery(outcome.Instances)
	}
	return success
}

func resultOfError(err error) result {
	for _, candidate := range errorResults {
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
func resultOfPurchase(test bool, instance marketplace.Instance) result {
	if !answerableID(instance.ID) {
		return internalError
	}
	if test {
		return success
	}
	if found, ok := purchaseResults[instance.State]; ok {
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
