package connection

import (
	"time"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/queue"
)

// SetupWithManager makes the reconciler run.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).Named("marketplace").
		For(&v1alpha1.Marketplace{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&v1alpha1.MarketplaceInstance{}, ofSale(), builder.WithPredicates(refusals())).
		// What it remembers of orders is used by one pass at a time.
		WithOptions(controller.Options{RateLimiter: queue.Retries(time.Second), MaxConcurrentReconciles: 1}).
		Complete(r)
}
