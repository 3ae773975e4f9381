package product

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/queue"
)

// SetupWithManager makes the reconciler run.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).Named("product").
		For(&v1alpha1.MarketplaceProduct{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&v1alpha1.MarketplaceInstance{}, countLater()).
		WithOptions(controller.Options{RateLimiter: queue.Retries(time.Second)}).
		Complete(r)
}

// countLater counts a product's instances again a while after one has changed: thousands of tenants that change together
// would otherwise write the product thousands of times.
func countLater() handler.EventHandler {
	later := func(object client.Object, q queue.Queue) {
		if mpi, ok := object.(*v1alpha1.MarketplaceInstance); ok && mpi.Spec.ProductRef.Name != "" {
			q.AddAfter(queue.Request{NamespacedName: types.NamespacedName{
				Namespace: mpi.Namespace, Name: mpi.Spec.ProductRef.Name,
			}}, queue.CountPause)
		}
	}
	return handler.Funcs{
		CreateFunc: func(_ context.Context, e event.CreateEvent, q queue.Queue) { later(e.Object, q) },
		UpdateFunc: func(_ context.Context, e event.UpdateEvent, q queue.Queue) { later(e.ObjectNew, q) },
		DeleteFunc: func(_ context.Context, e event.DeleteEvent, q queue.Queue) { later(e.Object, q) },
	}
}
