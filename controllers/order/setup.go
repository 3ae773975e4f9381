package order

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/queue"
	"github.com/stallkeeper/stallkeeper/subscription"
	"github.com/stallkeeper/stallkeeper/subscription/orders"
)

// workers are how many orders are looked up at once. A look-up mostly waits for the marketplace.
const workers = 8

// SetupWithManager makes the reconciler run.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	unresolved := handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, changed client.Object) []queue.Request {
		return queue.InstancesWhere(ctx, r.Client, changed.GetNamespace(), func(mpi *v1alpha1.MarketplaceInstance) bool {
			if mpi.Spec.Subscription == nil {
				return false
			}
			_, pending := orders.Pending(mpi.Spec.Subscription)
			id := mpi.Spec.Correction.ID
			// A smaller plan whose date has come may have waited for the Marketplace.
			pending = pending || !mpi.Spec.Subscription.PendingChange.EffectiveTime.IsZero()
			return pending || id != "" && !subscription.IsCorrected(mpi.Spec.Subscription, id)
		})
	})
	return ctrl.NewControllerManagedBy(mgr).Named("order").
		Watches(&v1alpha1.MarketplaceInstance{}, queue.InstanceEvents(),
			builder.WithPredicates(predicate.Or(predicate.GenerationChangedPredicate{}, notReported()))).
		Watches(&v1alpha1.MarketplaceProduct{}, unresolved, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(queue.SecretMetadata(), callEvents()).
		Watches(&v1alpha1.Marketplace{}, unresolved, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		WithOptions(queue.Prioritized(workers, 100*time.Millisecond)).
		Complete(r)
}

// notReported lets an instance through whose status says nothing of its correction: one that a person has erased would
// otherwise stay so until the spec changes.
func notReported() predicate.Predicate {
	return predicate.NewPredicateFuncs(func(object client.Object) bool {
		mpi, ok := object.(*v1alpha1.MarketplaceInstance)
		return ok && mpi.Spec.Correction.ID != "" && meta.FindStatusCondition(mpi.Status.Conditions, v1alpha1.ConditionCorrected) == nil
	})
}

// callEvents wakes the instance whose call's Secret was made. Those that are there at the start need nobody to tell of them,
// because every instance is looked at then.
func callEvents() handler.EventHandler {
	return handler.Funcs{CreateFunc: func(_ context.Context, e event.CreateEvent, q queue.Queue) {
		told := e.Object.GetLabels()
		if told[v1alpha1.CallLabel] != string(v1alpha1.CallOrder) || told[v1alpha1.InstanceLabel] == "" || e.IsInInitialList {
			return
		}
		queue.Enqueue(q, types.NamespacedName{Namespace: e.Object.GetNamespace(), Name: told[v1alpha1.InstanceLabel]}, queue.PrioritySale)
	}}
}
