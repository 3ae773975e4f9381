package report

import (
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

// States are all states, in the order in which they are shown.
var States = []v1alpha1.InstanceState{
	v1alpha1.StatePending, v1alpha1.StateProvisioning, v1alpha1.StateRunning, v1alpha1.StateInGrace,
	v1alpha1.StateSuspending, v1alpha1.StateSuspended, v1alpha1.StateReleased, v1alpha1.StateRemoving,
	v1alpha1.StateBlocked, v1alpha1.StatePaused,
}

// StateOf sums an instance's conditions up in one word for people.
func StateOf(mpi *v1alpha1.MarketplaceInstance) v1alpha1.InstanceState {
	of := func(kind string) metav1.Condition {
		if found := meta.FindStatusCondition(mpi.Status.Conditions, kind); found != nil {
			return *found
		}
		return metav1.Condition{Status: metav1.ConditionUnknown}
	}
	provisioned, suspended := of(v1alpha1.ConditionProvisioned), of(v1alpha1.ConditionSuspended)
	switch {
	case !mpi.DeletionTimestamp.IsZero(), provisioned.Reason == v1alpha1.ReasonRemoving:
		return v1alpha1.StateRemoving
	case of(v1alpha1.ConditionPaused).Status == metav1.ConditionTrue:
		return v1alpha1.StatePaused
	case provisioned.Reason == v1alpha1.ReasonRemoved:
		return v1alpha1.StateReleased
	case isOver(suspended, provisioned):
		return v1alpha1.StateSuspended
	case provisioned.Status == metav1.ConditionFalse:
		return v1alpha1.StateBlocked
	case provisioned.Reason == v1alpha1.ReasonWaitingForOrder && of(v1alpha1.ConditionReady).Status == metav1.ConditionFalse:
		return v1alpha1.StateBlocked
	case provisioned.Reason == v1alpha1.ReasonWaitingForOrder, provisioned.Reason == "":
		return v1alpha1.StatePending
	case suspended.Status == metav1.ConditionTrue:
		return suspendedState(suspended.Reason, of(v1alpha1.ConditionOrderResolved))
	case suspended.Reason == v1alpha1.ReasonSuspending:
		return v1alpha1.StateSuspending
	case provisioned.Status != metav1.ConditionTrue:
		return v1alpha1.StateProvisioning
	case of(v1alpha1.ConditionReady).Status == metav1.ConditionFalse:
		// It runs, and what was bought since can't be applied.
		return v1alpha1.StateBlocked
	case of(v1alpha1.ConditionEntitled).Reason == v1alpha1.ReasonInGrace:
		return v1alpha1.StateInGrace
	}
	return v1alpha1.StateRunning
}

// suspendedState tells what a person has to decide from what ends by itself. A renewal that was paid and can't be read would bring the tenant
// back.
func suspendedState(reason string, order metav1.Condition) v1alpha1.InstanceState {
	if reason == v1alpha1.ReasonNotAcknowledged || order.Status == metav1.ConditionFalse {
		return v1alpha1.StateBlocked
	}
	return v1alpha1.StateSuspended
}

// isOver says whether a tenant is stopped and never runs again. What is wrong with its objects is nobody's task then, but for what keeps it
// from being deleted.
func isOver(suspended, provisioned metav1.Condition) bool {
	ended := suspended.Reason == v1alpha1.ReasonReleased || suspended.Reason == v1alpha1.ReasonRetentionEnded
	return suspended.Status == metav1.ConditionTrue && ended && provisioned.Reason != v1alpha1.ReasonRemovalHeld
}
