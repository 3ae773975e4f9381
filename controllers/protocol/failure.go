package protocol

import (
	"cmp"
	"errors"
	"time"

	"github.com/stallkeeper/stallkeeper/controllers/queue"
	"github.com/stallkeeper/stallkeeper/controllers/report"
	"github.com/stallkeeper/stallkeeper/marketplace"
)

// Failure says what it means in a condition that a call of an open API has failed.
type Failure struct {
	// Unavailable is the reason, and Unanswered the message, of a call that has not come to an answer.
	Unavailable, Unanswered string
	// Mistakes are the answers that a person has to put right. They are asked in order, and the first that fits decides.
	Mistakes []Mistake
}

// Mistake is an answer that a person has to put right.
type Mistake struct {
	// Kind is the error of package marketplace; nil stands for all but marketplace.ErrUnavailable.
	Kind error
	// Reason is that of the condition.
	Reason string
	// After is how soon to call again; zero means that of WaitsForPerson.
	After time.Duration
}

// FromCallError is the verdict on a call that has failed. subject begins the message about an answer. The error is returned when the call
// is to be repeated after a pause that grows; it is nil when a person has to act first, or the marketplace has said when to call again.
func (f Failure) FromCallError(err error, subject string) (report.Verdict, error) {
	if credentials, ok := errors.AsType[*CredentialsError](err); ok {
		return credentials.Verdict(), nil
	}
	failed, ok := errors.AsType[*marketplace.CallError](err)
	if !ok {
		return report.Unknown(f.Unavailable, f.Unanswered), err
	}
	message := subject + ": " + failed.Error()
	for _, mistake := range f.Mistakes {
		if errors.Is(err, mistake.Kind) || mistake.Kind == nil && !errors.Is(err, marketplace.ErrUnavailable) {
			return report.False(mistake.Reason, message).Again(cmp.Or(mistake.After, queue.OrderProblemRetry)), nil
		}
	}
	if failed.RetryAfter > 0 {
		return report.Unknown(f.Unavailable, message).Again(failed.RetryAfter), nil
	}
	return report.Unknown(f.Unavailable, message), err
}

// WaitsForPerson is a problem that stays until somebody acts. What is changed in the cluster is noticed at once; what is changed at the
// marketplace is not, and is looked at again after a while.
func WaitsForPerson(reason, message string) report.Verdict {
	return report.False(reason, message).Again(queue.OrderProblemRetry)
}
