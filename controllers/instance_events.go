package controllers

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

// announce makes an event of every change of readiness. It is called only after the status was written, so that a pass that
// is repeated announces nothing twice.
func (r *InstanceReconciler) announce(before, after *v1alpha1.MarketplaceInstance, memory *memory) {
	was := meta.FindStatusCondition(before.Status.Conditions, v1alpha1.ConditionReady)
	is := meta.FindStatusCondition(after.Status.Conditions, v1alpha1.ConditionReady)
	if is == nil || (was != nil && was.Status == is.Status && was.Reason == is.Reason) {
		return
	}
	// A pass on an object that is not the latest sees the same change again.
	readiness := string(is.Status) + is.Reason
	if memory.announced == readiness {
		return
	}
	memory.announced = readiness
	kind := corev1.EventTypeNormal
	if is.Status == metav1.ConditionFalse && summarize(after) == v1alpha1.StateBlocked {
		kind = corev1.EventTypeWarning
	}
	// The API server refuses an event whose note has more than 1024 bytes.
	r.Recorder.Eventf(after, nil, kind, is.Reason, "Reconcile", "%s", cut(is.Message, 300))
}
