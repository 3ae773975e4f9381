package instance

import (
	"context"
	"fmt"
	"slices"

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
	"github.com/stallkeeper/stallkeeper/controllers/queue"
	"github.com/stallkeeper/stallkeeper/controllers/sale"
)

// remove deletes the tenant's namespace with everything in it. It needs neither product nor revision: what was recorded on
// the namespace is enough.
func (r *Reconciler) remove(ctx context.Context, mpi *v1alpha1.MarketplaceInstance, k known) outcome {
	ns, err := r.ownNamespace(ctx, mpi, k)
	if err != nil {
		return outcome{err: err}
	}
	if ns == nil {
		if mpi.DeletionTimestamp.IsZero() {
			return outcome{nothing: true}
		}
		if r.Clock.Now().Before(k.KeepUntil) {
			return outcome{nothing: true, again: k.KeepUntil, blockers: k.Keeping}
		}
		for _, loss := range k.Losses {
			r.Recorder.Eventf(mpi, nil, corev1.EventTypeWarning, loss.Reason, "Remove", "%s", loss.Message)
		}
		return outcome{nothing: true, err: r.removeFinalizer(ctx, mpi)}
	}
	if ns.DeletionTimestamp.IsZero() {
		err := r.Delete(ctx, ns, client.Preconditions{UID: ptr.To(ns.UID)})
		if client.IgnoreNotFound(err) != nil {
			return outcome{err: fmt.Errorf("deleting namespace %s: %w", ns.Name, err)}
		}
	}
	return outcome{removing: true, again: r.Clock.Now().Add(queue.RemovalRecheck), blockers: removalBlockers(k.observed)}
}

// confirmGone asks the API server whether there really is no tenant.
func (r *Reconciler) confirmGone(ctx context.Context, mpi *v1alpha1.MarketplaceInstance, k known) outcome {
	ns, err := r.ownNamespace(ctx, mpi, k)
	// If there is one, the cache shows it soon, and its event brings the next pass.
	return outcome{nothing: ns == nil, err: err}
}

// ownNamespace reads the tenant's namespace live; nil if there is none that is this instance's. The cache may not know yet
// what an earlier pass has made, and a finalizer that is removed too early would leave a tenant without an instance.
func (r *Reconciler) ownNamespace(ctx context.Context, mpi *v1alpha1.MarketplaceInstance, k known,
) (*metav1.PartialObjectMetadata, error) {
	ns := &metav1.PartialObjectMetadata{}
	ns.SetGroupVersionKind(apply.NamespaceKind)
	err := r.APIReader.Get(ctx, client.ObjectKey{Name: k.Namespace}, ns)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading namespace %s: %w", k.Namespace, err)
	}
	if !sale.IsTenantOf(ns, mpi) {
		return nil, nil
	}
	return ns, nil
}

func (r *Reconciler) removeFinalizer(ctx context.Context, mpi *v1alpha1.MarketplaceInstance) error {
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
