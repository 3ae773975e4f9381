package order

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/queue"
	"github.com/stallkeeper/stallkeeper/subscription/orders"
)

// orderWorkers are how many orders are looked up at once. A look-up mostly waits for the marketplace.
const orderWorkers = 8

// SetupWithManager makes the reconciler run.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	unresolved := handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, changed client.Object) []queue.Request {
		return queue.InstancesWhere(ctx, r.Client, changed.GetNamespace(), func(mpi *v1alpha1.MarketplaceInstance) bool {
			if mpi.Spec.Subscription == nil {
				return false
			}
			_, pending := orders.Pending(mpi.Spec.Subscription)
			return pending
		})
	})
	return ctrl.NewControllerManagedBy(mgr).Named("order").
		Watches(&v1alpha1.MarketplaceInstance{}, queue.InstanceEvents(),
			builder.WithPredicates(predicate.Or(predicate.GenerationChangedPredicate{}, orderNotReported()))).
		Watches(&v1alpha1.MarketplaceProduct{}, unresolved, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(callSecrets(), callEvents()).
		Watches(&v1alpha1.Marketplace{}, unresolved, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		WithOptions(controller.Options{
			MaxConcurrentReconciles: orderWorkers, UsePriorityQueue: ptr.To(true),
			RateLimiter: queue.Retries(100 * time.Millisecond),
		}).
		Complete(r)
}

// orderNotReported lets an instance through whose status says nothing of its order: one that somebody has erased would
// otherwise stay so until the spec changes.
func orderNotReported() predicate.Predicate {
	return predicate.NewPredicateFuncs(func(object client.Object) bool {
		mpi, ok := object.(*v1alpha1.MarketplaceInstance)
		return ok && meta.FindStatusCondition(mpi.Status.Conditions, v1alpha1.ConditionOrderResolved) == nil
	})
}
