package controllers

import (
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/apply"
)

// instanceWorkers are how many instances are worked on at once. A pass mostly waits for the API server.
const instanceWorkers = 16

// SetupWithManager makes the reconciler run.
func (r *InstanceReconciler) SetupWithManager(mgr ctrl.Manager) error {
	raise := make(chan event.TypedGenericEvent[raised])
	guard := &starvationGuard{reader: mgr.GetClient(), seen: &r.seen, raise: raise, period: starvationPeriod}
	if err := mgr.Add(guard); err != nil {
		return fmt.Errorf("adding the guard against starvation: %w", err)
	}
	b := ctrl.NewControllerManagedBy(mgr).Named("instance").
		Watches(&v1alpha1.MarketplaceInstance{}, instanceEvents()).
		Watches(&v1alpha1.MarketplaceProduct{}, handler.EnqueueRequestsFromMapFunc(instancesOfProduct(r.Client)),
			builder.WithPredicates(predicate.Or(predicate.GenerationChangedPredicate{}, revisionChanged()))).
		WatchesRawSource(source.TypedChannel(raise, raisedEvents())).
		WithOptions(controller.Options{
			MaxConcurrentReconciles: instanceWorkers, UsePriorityQueue: ptr.To(true),
			RateLimiter: retries(100 * time.Millisecond),
		})
	for _, feature := range r.Sales.Features {
		for _, watch := range feature.Watches {
			b = b.Watches(watch.Object, watch.Handler, watch.Options...)
		}
	}
	for _, kind := range slices.Concat(r.Applier.Kinds, []schema.GroupVersionKind{apply.NamespaceKind}) {
		object := &unstructured.Unstructured{}
		object.SetGroupVersionKind(kind)
		b = b.Watches(object, handler.EnqueueRequestsFromMapFunc(InstanceOfObject(r.Client)), builder.WithPredicates(objectChanged()))
	}
	return b.Complete(r)
}

// objectChanged drops updates of what the cache does not keep. A resync, whose two objects are one, still passes.
func objectChanged() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		return e.ObjectOld.GetResourceVersion() == e.ObjectNew.GetResourceVersion() || apply.Changed(e.ObjectOld, e.ObjectNew)
	}}
}

// revisionChanged lets a product's change through if instances have something to do: not a new count of them.
func revisionChanged() predicate.Predicate {
	return predicate.Funcs{
		UpdateFunc: func(e event.UpdateEvent) bool {
			was, isProduct := e.ObjectOld.(*v1alpha1.MarketplaceProduct)
			is, stillProduct := e.ObjectNew.(*v1alpha1.MarketplaceProduct)
			return isProduct && stillProduct && was.Status.Revision != is.Status.Revision
		},
	}
}
