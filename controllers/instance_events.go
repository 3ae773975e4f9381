package controllers

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

// announce makes an event of every change of readiness, and of a sale of which the marketplace does not seem to know. It is
// called only after the status was written, so that a pass that is repeated announces nothing twice.
func (r *InstanceReconciler) announce(before, after *v1alpha1.MarketplaceInstance, memory *memory) {
	if is := newState(before, after, memory, v1alpha1.ConditionAcknowledged); is != nil && is.Status == metav1.ConditionFalse {
		r.eventf(after, corev1.EventTypeWarning, is)
	}
	is := newState(before, after, memory, v1alpha1.ConditionReady)
	if is == nil {
		return
	}
	kind := corev1.EventTypeNormal
	if is.Status == metav1.ConditionFalse && summarize(after) == v1alpha1.StateBlocked {
		kind = corev1.EventTypeWarning
	}
	r.eventf(after, kind, is)
}

// newState is a condition whose status or reason has changed; nil if it has not.
func newState(before, after *v1alpha1.MarketplaceInstance, memory *memory, kind string) *metav1.Condition {
	was := meta.FindStatusCondition(before.Status.Conditions, kind)
	is := meta.FindStatusCondition(after.Status.Conditions, kind)
	if is == nil || (was != nil && was.Status == is.Status && was.Reason == is.Reason) {
		return nil
	}
	// A pass on an object that is not the latest sees the same change again.
	state := string(is.Status) + is.Reason
	if memory.announced[kind] == state {
		return nil
	}
	memory.announced[kind] = state
	return is
}

func (r *InstanceReconciler) eventf(mpi *v1alpha1.MarketplaceInstance, kind string, condition *metav1.Condition) {
	r.Recorder.Eventf(mpi, nil, kind, condition.Reason, "Reconcile", "%s", note(condition.Message))
}

// note is a message that the API server takes as an event's note: up to 1024 bytes.
func note(message string) string {
	if len(message) <= 1024 {
		return message
	}
	return cut(message, 300)
}
