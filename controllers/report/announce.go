package report

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"
)

// Announced is the last state of each condition of one object that an event was made of. A pass on an object that is not the latest
// sees the same change again.
type Announced map[string]string

// Announcement says which changes of a condition are worth an event. It is made after the status was written, so that a pass
// that is repeated announces nothing twice.
type Announcement struct {
	// Condition is the type of the condition.
	Condition string
	// Action is what the controller was doing, in the words of the events API.
	Action string
	// OnlyFalse leaves out changes to True and Unknown.
	OnlyFalse bool
	// Messages announces a changed message as well. Without it only status and reason count.
	Messages bool
	// Warns tells warnings from normal events; not set: what is False is a warning.
	Warns func(metav1.Condition) bool
	// About is the object that the event is about as well; may be nil.
	About runtime.Object
}

// Announce makes an event of a condition's change. recorder may be nil, announced too: then nothing is remembered.
func (a Announcement) Announce(recorder events.EventRecorder, object runtime.Object, before, after []metav1.Condition, announced Announced) {
	was, is := meta.FindStatusCondition(before, a.Condition), meta.FindStatusCondition(after, a.Condition)
	if recorder == nil || is == nil || was != nil && a.state(was) == a.state(is) {
		return
	}
	if state := a.state(is); announced != nil {
		if announced[a.Condition] == state {
			return
		}
		announced[a.Condition] = state
	}
	if a.OnlyFalse && is.Status != metav1.ConditionFalse {
		return
	}
	kind := corev1.EventTypeNormal
	if a.Warns == nil && is.Status == metav1.ConditionFalse || a.Warns != nil && a.Warns(*is) {
		kind = corev1.EventTypeWarning
	}
	recorder.Eventf(object, a.About, kind, is.Reason, a.Action, "%s", note(is.Message))
}

func (a Announcement) state(condition *metav1.Condition) string {
	state := string(condition.Status) + "/" + condition.Reason
	if a.Messages {
		state += "/" + condition.Message
	}
	return state
}

// note is a message that the API server takes as an event's note: up to 1024 bytes.
func note(message string) string {
	if len(message) <= 1024 {
		return message
	}
	return Cut(message, 300)
}
