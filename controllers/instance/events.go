package instance

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/report"
)

// announce makes an event of every change of readiness, and of a sale of which the marketplace does not seem to know.
func (r *Reconciler) announce(before, after *v1alpha1.MarketplaceInstance, memory *memory) {
	blocked := func(is metav1.Condition) bool {
		return is.Status == metav1.ConditionFalse && report.StateOf(after) == v1alpha1.StateBlocked
	}
	for _, a := range []report.Announcement{
		{Condition: v1alpha1.ConditionAcknowledged, Action: "Reconcile", OnlyFalse: true},
		{Condition: v1alpha1.ConditionReady, Action: "Reconcile", Warns: blocked},
	} {
		a.Announce(r.Recorder, after, before.Status.Conditions, after.Status.Conditions, memory.announced)
	}
}
