package subscription

import (
	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/marketplace"
)

// awaited is what a purchase begins with. A marketplace that comes back to ask for the instance can only do so by the id that
// our answer told, so its first call shows that the answer arrived. Of the others nothing would ever show it.
func awaited(event marketplace.Event) v1alpha1.Acknowledgement {
	if event.Wants != marketplace.WantNothing {
		return v1alpha1.Acknowledgement{}
	}
	return v1alpha1.Acknowledgement{State: v1alpha1.AcknowledgementAwaited}
}

// Acknowledged is a copy of sub that knows of a call which named its instance, for events that Merge has no rule for. The rules
// of Merge do the same by themselves.
func Acknowledged(sub *v1alpha1.Subscription, event marketplace.Event) *v1alpha1.Subscription {
	return acknowledged(sub, change{Event: event, sentAt: WholeSecond(event.SentAt)})
}

// acknowledged is a copy of sub that knows of a call which named its instance. Only the first is noted, and nothing is noted
// on a sale of which nobody awaits it. A repeated purchase shows nothing: it is made because our answer did not arrive.
func acknowledged(sub *v1alpha1.Subscription, c change) *v1alpha1.Subscription {
	merged := sub.DeepCopy()
	// A license's code is the marketplace's own.
	if merged == nil || !AwaitsAcknowledgement(merged) || c.License != "" {
		return merged
	}
	merged.Acknowledgement = v1alpha1.Acknowledgement{
		State: v1alpha1.AcknowledgementReceived, By: v1alpha1.AcknowledgedByCall, Time: c.sentAt,
	}
	if c.Kind == marketplace.Query {
		merged.Acknowledgement.By = v1alpha1.AcknowledgedByQuery
	}
	return merged
}

// AwaitsAcknowledgement says whether no call has shown yet that the marketplace knows the instance's id.
func AwaitsAcknowledgement(sub *v1alpha1.Subscription) bool {
	return sub.Acknowledgement.State == v1alpha1.AcknowledgementAwaited
}
