package instance

import (
	"context"
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/lifecycle"
	"github.com/stallkeeper/stallkeeper/controllers/queue"
	"github.com/stallkeeper/stallkeeper/controllers/report"
	"github.com/stallkeeper/stallkeeper/controllers/tenant"
)

// remove deletes the tenant's namespace with everything in it. It needs neither product nor revision: what was recorded on
// the namespace is enough. It acts on what it reads live in this moment, because a cache may not show a renewal that was stored already.
func (r *Reconciler) remove(ctx context.Context, p *pass) outcome {
	reading, err := r.Tenants.ReadForRemoval(ctx, p.Namespace, p.owner(), r.ServerTime)
	if err != nil {
		return outcome{err: err}
	}
	if reading.Namespace == nil {
		return r.removed(ctx, p)
	}
	if reading.Namespace.GetDeletionTimestamp() == nil {
		due, err := r.stillDue(ctx, p, reading)
		if err != nil {
			return outcome{err: err}
		}
		if !due {
			// What was read live says otherwise, or the clock of this machine is ahead.
			return outcome{
				again: p.now.Add(queue.RemovalRecheck),
				problem: report.Problem(v1alpha1.ReasonRemovalHeld, "The tenant was due for deletion, but the API server's current data, or its"+
					" clock, says otherwise: nothing is deleted"),
			}
		}
		if err := r.Tenants.Remove(ctx, reading); client.IgnoreNotFound(err) != nil {
			return outcome{err: fmt.Errorf("deleting namespace %s: %w", p.Namespace, err)}
		}
	}
	o := outcome{did: removing, again: p.now.Add(queue.RemovalRecheck), blockers: removalBlockers(p.standing)}
	if !p.Instance.DeletionTimestamp.IsZero() {
		// Now already, so that the instance need not wait for it when the namespace is gone.
		_, o.err = r.rememberSale(ctx, p)
	}
	return o
}

// stillDue decides once more whether the tenant is to be removed, on the instance, product and Marketplace as they are now, and by the API
// server's clock.
func (r *Reconciler) stillDue(ctx context.Context, p *pass, reading tenant.Reading) (bool, error) {
	live := &v1alpha1.MarketplaceInstance{}
	if err := r.APIReader.Get(ctx, client.ObjectKeyFromObject(p.Instance), live); err != nil {
		// One that is gone without its finalizer was let go by a person, with its tenant.
		return false, err
	}
	if live.UID != p.Instance.UID {
		return false, errors.New("the instance was replaced by another one of the same name")
	}
	sales := r.Sales
	sales.Client = r.APIReader // a cache may not show a longer retention yet, nor that the Marketplace holds its sales
	again, err := sales.Read(ctx, live)
	if err != nil {
		return false, err
	}
	again.Extension = p.Extension
	again.Policy = policyOf(again, tenant.Standing{Namespace: reading.Namespace})
	return again.Decide(reading.Now).Phase == lifecycle.Remove && again.Decide(p.now).Phase == lifecycle.Remove, nil
}

// removed is what follows when the tenant is gone.
func (r *Reconciler) removed(ctx context.Context, p *pass) outcome {
	if p.Instance.DeletionTimestamp.IsZero() {
		return outcome{did: absent}
	}
	if p.now.Before(p.KeepUntil) {
		return outcome{did: absent, again: p.KeepUntil, blockers: p.Keeping}
	}
	goes, err := r.rememberSale(ctx, p)
	switch {
	case err != nil:
		return outcome{did: absent, err: err}
	case p.now.Before(goes):
		return outcome{did: absent, again: goes}
	}
	for _, loss := range p.Losses {
		r.Recorder.Eventf(p.Instance, nil, corev1.EventTypeWarning, loss.Reason, "Remove", "%s", loss.Message)
	}
	return outcome{did: absent, err: r.removeFinalizer(ctx, p.Instance)}
}

// confirmGone asks the API server whether there really is no tenant. If there is one, the cache shows it soon, and its event brings the
// next pass.
func (r *Reconciler) confirmGone(ctx context.Context, p *pass) outcome {
	ns := &metav1.PartialObjectMetadata{}
	ns.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Namespace"))
	err := r.APIReader.Get(ctx, client.ObjectKey{Name: p.Namespace}, ns)
	if apierrors.IsNotFound(err) {
		return outcome{did: absent}
	}
	if err != nil {
		return outcome{err: fmt.Errorf("reading namespace %s: %w", p.Namespace, err)}
	}
	return outcome{}
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
func removalBlockers(standing tenant.Standing) []v1alpha1.Blocker {
	if standing.Namespace == nil {
		return nil
	}
	var blockers []v1alpha1.Blocker
	for _, condition := range namespaceConditions(standing.Namespace) {
		if condition.Status != metav1.ConditionTrue {
			continue
		}
		blockers = append(blockers, v1alpha1.Blocker{
			Object: "Namespace/" + standing.Namespace.GetName(), Reason: condition.Type, Message: condition.Message,
			Remedy: "remove the finalizers or the broken APIService that the condition names",
		})
	}
	return blockers
}

// deletionTroubles are the conditions of a namespace that say why it does not go. Content that is still being deleted is none.
var deletionTroubles = []string{
	"NamespaceDeletionDiscoveryFailure", "NamespaceDeletionGroupVersionParsingFailure", "NamespaceDeletionContentFailure",
	"NamespaceFinalizersRemaining",
}

func namespaceConditions(ns *unstructured.Unstructured) []metav1.Condition {
	list, _, err := unstructured.NestedSlice(ns.Object, "status", "conditions")
	if err != nil {
		return nil
	}
	var found []metav1.Condition
	for _, entry := range list {
		condition := metav1.Condition{}
		fields, ok := entry.(map[string]any)
		if ok && runtime.DefaultUnstructuredConverter.FromUnstructured(fields, &condition) == nil &&
			slices.Contains(deletionTroubles, condition.Type) {
			found = append(found, condition)
		}
	}
	return found
}
