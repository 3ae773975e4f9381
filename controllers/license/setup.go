package license

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
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
	"github.com/stallkeeper/stallkeeper/subscription/licenses"
)

// workers are how many license codes are activated, and licenses delivered, at once.
const workers = 8

// SetupWithManager makes the reconciler run.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	waiting := handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, changed client.Object) []queue.Request {
		return queue.InstancesWhere(ctx, r.Client, changed.GetNamespace(), func(mpi *v1alpha1.MarketplaceInstance) bool {
			sub := mpi.Spec.Subscription
			return sub != nil && (!licenses.IsActivated(sub) || len(licenses.Open(sub)) > 0)
		})
	})
	ofLicenses := predicate.NewPredicateFuncs(func(object client.Object) bool {
		mpi, ok := object.(*v1alpha1.MarketplaceInstance)
		return ok && sellsLicenses(mpi)
	})
	// A person who has put a license into its Secret can annotate the instance, and need not wait for the next look.
	changed := predicate.Or(predicate.GenerationChangedPredicate{}, predicate.AnnotationChangedPredicate{}, notReported())
	return ctrl.NewControllerManagedBy(mgr).Named("license").
		Watches(&v1alpha1.MarketplaceInstance{}, queue.InstanceEvents(), builder.WithPredicates(ofLicenses, changed)).
		Watches(&v1alpha1.Marketplace{}, waiting, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		WithOptions(queue.Prioritized(workers, 100*time.Millisecond)).
		Complete(r)
}

// notReported lets an instance through whose status says nothing of its licenses.
func notReported() predicate.Predicate {
	return predicate.NewPredicateFuncs(func(object client.Object) bool {
		mpi, ok := object.(*v1alpha1.MarketplaceInstance)
		return ok && sellsLicenses(mpi) && meta.FindStatusCondition(mpi.Status.Conditions, v1alpha1.ConditionLicensed) == nil
	})
}

// SetupWithManager makes the reconciler run.
func (r *QueryReconciler) SetupWithManager(mgr ctrl.Manager) error {
	marketplaceOf := handler.EnqueueRequestsFromMapFunc(func(_ context.Context, object client.Object) []queue.Request {
		mpi, ok := object.(*v1alpha1.MarketplaceInstance)
		if !ok || !licenses.IsCode(mpi.Spec.Subscription) || !licenses.IsActivated(mpi.Spec.Subscription) {
			return nil
		}
		return []queue.Request{{NamespacedName: types.NamespacedName{Namespace: mpi.Namespace, Name: mpi.Spec.Subscription.Marketplace}}}
	})
	return ctrl.NewControllerManagedBy(mgr).Named("license-query").
		For(&v1alpha1.Marketplace{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&v1alpha1.MarketplaceInstance{}, marketplaceOf, builder.WithPredicates(predicate.GenerationChangedPredicate{}, notJustQueried())).
		WithOptions(controller.Options{RateLimiter: queue.Retries(time.Second)}).
		Complete(r)
}

// notJustQueried drops the changes that a query itself has made: a hundred of them would each begin the next pass at once.
func notJustQueried() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		was, isInstance := e.ObjectOld.(*v1alpha1.MarketplaceInstance)
		is, stillInstance := e.ObjectNew.(*v1alpha1.MarketplaceInstance)
		return isInstance && stillInstance && was.Spec.Subscription != nil && is.Spec.Subscription != nil &&
			was.Spec.Subscription.License.LastQueryTime.Equal(&is.Spec.Subscription.License.LastQueryTime)
	}}
}
