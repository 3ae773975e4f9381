package controllers

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/apply"
)

// removalRecheck is how soon a namespace that is being deleted is looked at again, should its last event be missed.
const removalRecheck = 30 * time.Second

// usageFarewell is how long an instance that is being deleted is kept for usage that is still to be pushed: the marketplace wants
// it within two hours.
const usageFarewell = 2 * time.Hour

// remove deletes the tenant's namespace with everything in it. It needs neither product nor revision: what was recorded on
// the namespace is enough.
func (r *InstanceReconciler) remove(ctx context.Context, mpi *v1alpha1.MarketplaceInstance, k known) outcome {
	ns, err := r.ownNamespace(ctx, mpi, k)
	if err != nil {
		return outcome{err: err}
	}
	if ns == nil {
		if mpi.DeletionTimestamp.IsZero() {
			return outcome{nothing: true}
		}
		if until := mpi.DeletionTimestamp.Add(usageFarewell); k.ledger.open() > 0 && r.Clock.Now().Before(until) {
			return outcome{nothing: true, again: until, blockers: []v1alpha1.Blocker{usageBlocker(mpi)}}
		}
		r.announceLoss(mpi, k.ledger)
		return outcome{nothing: true, err: r.removeFinalizer(ctx, mpi)}
	}
	if ns.DeletionTimestamp.IsZero() {
		err := r.Delete(ctx, ns, client.Preconditions{UID: ptr.To(ns.UID)})
		if client.IgnoreNotFound(err) != nil {
			return outcome{err: fmt.Errorf("deleting namespace %s: %w", ns.Name, err)}
		}
	}
	return outcome{removing: true, again: r.Clock.Now().Add(removalRecheck), blockers: removalBlockers(k.observed)}
}

// announceLoss makes an event of usage that goes with an instance: there is no condition left to say it.
func (r *InstanceReconciler) announceLoss(mpi *v1alpha1.MarketplaceInstance, l ledger) {
	lost := func(format string, args ...any) {
		r.Recorder.Eventf(mpi, nil, corev1.EventTypeWarning, v1alpha1.ReasonUsageLost, "Remove", format, args...)
	}
	if open := l.open(); open > 0 {
		lost("%d usage record(s) go with the instance, and the marketplace has not accepted them", open)
	}
	if l.unread() {
		lost("The tenant did not tell what it has used last before it had to go")
	}
}

// usageBlocker says that an instance is kept for its usage records, which go with it.
func usageBlocker(mpi *v1alpha1.MarketplaceInstance) v1alpha1.Blocker {
	return v1alpha1.Blocker{
		Object: "MarketplaceInstance/" + mpi.Name, Reason: v1alpha1.ReasonPushPending,
		Message: fmt.Sprintf("usage that the marketplace has not accepted would go with it; it is kept until %s at the latest",
			Stamp(mpi.DeletionTimestamp.Add(usageFarewell))),
		Remedy: "see the records with `kubectl get ur`; delete those that are not to be charged",
	}
}

// confirmGone asks the API server whether there really is no tenant.
func (r *InstanceReconciler) confirmGone(ctx context.Context, mpi *v1alpha1.MarketplaceInstance, k known) outcome {
	ns, err := r.ownNamespace(ctx, mpi, k)
	// If there is one, the cache shows it soon, and its event brings the next pass.
	return outcome{nothing: ns == nil, err: err}
}

// ownNamespace reads the tenant's namespace live; nil if there is none that is this instance's. The cache may not know yet
// what an earlier pass has made, and a finalizer that is removed too early would leave a tenant without an instance.
func (r *InstanceReconciler) ownNamespace(ctx context.Context, mpi *v1alpha1.MarketplaceInstance, k known,
) (*metav1.PartialObjectMetadata, error) {
	ns := &metav1.PartialObjectMetadata{}
	ns.SetGroupVersionKind(apply.NamespaceKind)
	err := r.APIReader.Get(ctx, client.ObjectKey{Name: k.namespace}, ns)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading namespace %s: %w", k.namespace, err)
	}
	if !owned(ns, mpi) {
		return nil, nil
	}
	return ns, nil
}

// owned says whether a namespace records this very instance.
func owned(ns metav1.Object, mpi *v1alpha1.MarketplaceInstance) bool {
	labels := ns.GetLabels()
	return labels[v1alpha1.InstanceLabel] == mpi.Name && labels[v1alpha1.InstanceNamespaceLabel] == mpi.Namespace &&
		ns.GetAnnotations()[v1alpha1.InstanceUIDAnnotation] == string(mpi.UID)
}

func (r *InstanceReconciler) removeFinalizer(ctx context.Context, mpi *v1alpha1.MarketplaceInstance) error {
	before := mpi.DeepCopy()
	if !controllerutil.RemoveFinalizer(mpi, v1alpha1.TenantFinalizer) {
		return nil
	}
	err := r.Patch(ctx, mpi, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("removing the finalizer: %w", err)
	}
	return nil
}

// removalBlockers say what keeps a namespace from going, as far as the namespace itself knows.
func removalBlockers(observed apply.Observed) []v1alpha1.Blocker {
	if observed.Namespace == nil {
		return nil
	}
	var blockers []v1alpha1.Blocker
	for _, condition := range namespaceConditions(observed) {
		if condition.Status != metav1.ConditionTrue {
			continue
		}
		blockers = append(blockers, v1alpha1.Blocker{
			Object: "Namespace/" + observed.Namespace.GetName(), Reason: condition.Type, Message: condition.Message,
			Remedy: "remove the finalizers or the broken API service that it names",
		})
	}
	return blockers
}

// stuck are the conditions of a namespace that say why it does not go. Content that is still being deleted is none.
var stuck = []string{
	"NamespaceDeletionDiscoveryFailure", "NamespaceDeletionGroupVersionParsingFailure", "NamespaceDeletionContentFailure",
	"NamespaceFinalizersRemaining",
}

func namespaceConditions(observed apply.Observed) []metav1.Condition {
	list, _, err := unstructured.NestedSlice(observed.Namespace.Object, "status", "conditions")
	if err != nil {
		return nil
	}
	var found []metav1.Condition
	for _, entry := range list {
		condition := metav1.Condition{}
		fields, ok := entry.(map[string]any)
		if ok && runtime.DefaultUnstructuredConverter.FromUnstructured(fields, &condition) == nil &&
			slices.Contains(stuck, condition.Type) {
			found = append(found, condition)
		}
	}
	return found
}
