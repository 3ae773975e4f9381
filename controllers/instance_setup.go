package controllers

import (
	"context"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
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
	r.revisions = newRevisionCache(r.APIReader)
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
		b = b.Watches(object, handler.EnqueueRequestsFromMapFunc(r.instanceOfObject), builder.WithPredicates(objectChanged()))
	}
	return b.Complete(r)
}

// objectChanged drops updates of what the cache does not keep. A resync, whose two objects are one, still passes.
func objectChanged() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		return e.ObjectOld.GetResourceVersion() == e.ObjectNew.GetResourceVersion() || apply.Changed(e.ObjectOld, e.ObjectNew)
	}}
}

// instanceOfObject finds the instance by the labels of one of its tenant's objects. The tenants of another release's sales
// namespaces are seen as well, but their instances can't be read, and are none of this controller's business.
func (r *InstanceReconciler) instanceOfObject(ctx context.Context, object client.Object) []request {
	labels := object.GetLabels()
	key := types.NamespacedName{
		Namespace: labels[v1alpha1.InstanceNamespaceLabel], Name: labels[v1alpha1.InstanceLabel],
	}
	if key.Name == "" || key.Namespace == "" || r.Get(ctx, key, &v1alpha1.MarketplaceInstance{}) != nil {
		return nil
	}
	return []request{{NamespacedName: key}}
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
