package report

import (
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Verdict is what a pass has to say in one condition. The zero value says nothing, and leaves the condition as it is.
type Verdict struct {
	// Status is True, False or Unknown; empty in a verdict that says nothing.
	Status metav1.ConditionStatus
	// Reason is one of the API's reasons, Message a text for people. Neither holds a clock reading or a random name: the write
	// would trigger the next pass.
	Reason, Message string
	// After is how soon to look again without an event; zero for never.
	After time.Duration
	// Absent removes the condition: there is nothing that it could be about.
	Absent bool
}

// True says that something is as it was sold.
func True(reason, message string) Verdict {
	return Verdict{Status: metav1.ConditionTrue, Reason: reason, Message: message}
}

// False says that something stays wrong until a fact changes or a person acts.
func False(reason, message string) Verdict {
	return Verdict{Status: metav1.ConditionFalse, Reason: reason, Message: message}
}

// Unknown says that something is on its way.
func Unknown(reason, message string) Verdict {
	return Verdict{Status: metav1.ConditionUnknown, Reason: reason, Message: message}
}

// Problem is a False verdict as a pointer, so that nil means that all is well. It is also an error. Who says it is sure that it stays
// until somebody acts: Stalled follows from it, and tools take that for a failure. See Passing for the rest.
func Problem(reason, message string) *Verdict {
	v := False(reason, message)
	return &v
}

// Passing is an Unknown verdict as a pointer: something is in the way that the controller tries again by itself, so that no person is called.
func Passing(reason, message string) *Verdict {
	v := Unknown(reason, message)
	return &v
}

// Error is the message.
func (v *Verdict) Error() string { return v.Message }

// Again is the verdict with another pause before the next look.
func (v Verdict) Again(after time.Duration) Verdict {
	v.After = after
	return v
}

// IsZero reports whether the verdict says nothing.
func (v Verdict) IsZero() bool { return v.Status == "" && !v.Absent }

// Set writes a verdict into conditions, as of a generation. now is when the status changes if it does; zero means the present.
func Set(conditions *[]metav1.Condition, kind string, v Verdict, generation int64, now time.Time) {
	switch {
	case v.Absent:
		meta.RemoveStatusCondition(conditions, kind)
	case v.Status != "":
		forgetDefault(conditions, kind)
		meta.SetStatusCondition(conditions, metav1.Condition{
			Type: kind, Status: v.Status, Reason: v.Reason, Message: Shorten(v.Message), ObservedGeneration: generation,
			LastTransitionTime: Time(now),
		})
	}
}

// forgetDefault drops the condition that the API server serves before the first status was written: it has changed at no time that means
// anything, and its time would stay if its status does.
func forgetDefault(conditions *[]metav1.Condition, kind string) {
	if is := meta.FindStatusCondition(*conditions, kind); is != nil && is.LastTransitionTime.Unix() == 0 {
		meta.RemoveStatusCondition(conditions, kind)
	}
}

// Shorten bounds a message to what a condition holds.
func Shorten(message string) string {
	const most = 4096
	message = strings.ToValidUTF8(message, "\uFFFD")
	if len(message) <= most {
		return message
	}
	return strings.ToValidUTF8(message[:most], "") + "…"
}

// Cut bounds a text to a number of characters.
func Cut(text string, most int) string {
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return text
}

// Time is an instant as the API stores it: in UTC and whole seconds. The zero instant stays zero.
func Time(t time.Time) metav1.Time {
	if t.IsZero() {
		return metav1.Time{}
	}
	return metav1.NewTime(t.UTC().Truncate(time.Second))
}

// Stamp is an instant as messages write it.
func Stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
