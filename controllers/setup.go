package controllers

import (
	"context"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
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
	"github.com/stallkeeper/stallkeeper/subscription/orders"
)

const (
	// instanceWorkers and orderWorkers are how many instances are worked on at once. A pass mostly waits for the API server,
	// and a look-up for the marketplace.
	instanceWorkers = 16
	orderWorkers    = 8
	// licenseWorkers are how many licence codes are activated, and licences delivered, at once.
	licenseWorkers = 8
	// usageWorkers are few, because each of them mostly waits for a Prometheus that has others to serve.
	usageWorkers = 8
	// pushWorkers are how many marketplaces are told of usage at once.
	pushWorkers = 2
	// pushPause is how long a record waits for others, to go with them in one call.
	pushPause = 10 * time.Second
	// productStatusPause is the shortest time between two counts of a product's instances.
	productStatusPause = 5 * time.Second
)

// retries is how soon a failed pass is repeated: after a pause that doubles each time, up to two minutes.
func retries(first time.Duration) workqueue.TypedRateLimiter[request] {
	const last = 2 * time.Minute
	return workqueue.NewTypedItemExponentialFailureRateLimiter[request](first, last)
}

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
		Watches(&v1alpha1.MarketplaceInstance{}, handler.EnqueueRequestsFromMapFunc(relatedInstances(r.Client)),
			builder.WithPredicates(relationChanged())).
		Watches(&v1alpha1.UsageRecord{}, handler.EnqueueRequestsFromMapFunc(r.instanceOfRecord)).
		WatchesRawSource(source.TypedChannel(raise, raisedEvents())).
		WithOptions(controller.Options{
			MaxConcurrentReconciles: instanceWorkers, UsePriorityQueue: ptr.To(true),
			RateLimiter: retries(100 * time.Millisecond),
		})
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

// instanceOfRecord finds the instance whose lifecycle a usage record can change: by it a tenant that has to stop has told what it
// used, or a package is used up. Others change nothing here, and there are many of them.
func (r *InstanceReconciler) instanceOfRecord(ctx context.Context, object client.Object) []request {
	record, ok := object.(*v1alpha1.UsageRecord)
	if !ok {
		return nil
	}
	key := types.NamespacedName{Namespace: record.Namespace, Name: record.Spec.InstanceRef.Name}
	mpi := &v1alpha1.MarketplaceInstance{}
	if r.Get(ctx, key, mpi) != nil || !metered(mpi) {
		return nil
	}
	if record.Spec.Tenant == v1alpha1.TenantStopped || !mpi.DeletionTimestamp.IsZero() ||
		(isPackage(mpi) && !record.Spec.Delivery.PushedAt.IsZero()) {
		return []request{{NamespacedName: key}}
	}
	if delivery := record.Spec.Delivery; delivery.PackageRef.Name != "" && !delivery.PushedAt.IsZero() {
		return instancesOfRecord(record)
	}
	return nil
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

func instancesOfProduct(reader client.Reader) handler.MapFunc {
	return func(ctx context.Context, product client.Object) []request {
		return instancesWhere(ctx, reader, product.GetNamespace(), func(mpi *v1alpha1.MarketplaceInstance) bool {
			return mpi.Spec.ProductRef.Name == product.GetName()
		})
	}
}

// instancesWhere lists instances from the cache. A list that fails brings nothing: the cache is filled, or the process ends.
func instancesWhere(ctx context.Context, reader client.Reader, namespace string, where func(*v1alpha1.MarketplaceInstance) bool,
) []request {
	instances := &v1alpha1.MarketplaceInstanceList{}
	if err := reader.List(ctx, instances, client.InNamespace(namespace)); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "Listing the instances failed")
		return nil
	}
	var requests []request
	for i := range instances.Items {
		if where(&instances.Items[i]) {
			requests = append(requests, request{NamespacedName: client.ObjectKeyFromObject(&instances.Items[i])})
		}
	}
	return requests
}

// SetupWithManager makes the reconciler run.
func (r *OrderReconciler) SetupWithManager(mgr ctrl.Manager) error {
	unresolved := handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, changed client.Object) []request {
		return instancesWhere(ctx, r.Client, changed.GetNamespace(), func(mpi *v1alpha1.MarketplaceInstance) bool {
			if mpi.Spec.Subscription == nil {
				return false
			}
			_, pending := orders.Pending(mpi.Spec.Subscription)
			return pending
		})
	})
	return ctrl.NewControllerManagedBy(mgr).Named("order").
		Watches(&v1alpha1.MarketplaceInstance{}, instanceEvents(),
			builder.WithPredicates(predicate.Or(predicate.GenerationChangedPredicate{}, orderNotReported()))).
		Watches(&v1alpha1.MarketplaceProduct{}, unresolved, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(callSecrets(), callEvents()).
		Watches(&v1alpha1.Marketplace{}, unresolved, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		WithOptions(controller.Options{
			MaxConcurrentReconciles: orderWorkers, UsePriorityQueue: ptr.To(true),
			RateLimiter: retries(100 * time.Millisecond),
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

// SetupWithManager makes the reconciler run.
func (r *ProductReconciler) SetupWithManager(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).Named("product").
		For(&v1alpha1.MarketplaceProduct{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&v1alpha1.MarketplaceInstance{}, countLater()).
		WithOptions(controller.Options{RateLimiter: retries(time.Second)}).
		Complete(r)
}

// countLater counts a product's instances again a while after one has changed: thousands of tenants that change together
// would otherwise write the product thousands of times.
func countLater() handler.EventHandler {
	later := func(object client.Object, q queue) {
		if mpi, ok := object.(*v1alpha1.MarketplaceInstance); ok && mpi.Spec.ProductRef.Name != "" {
			q.AddAfter(request{NamespacedName: types.NamespacedName{
				Namespace: mpi.Namespace, Name: mpi.Spec.ProductRef.Name,
			}}, productStatusPause)
		}
	}
	return handler.Funcs{
		CreateFunc: func(_ context.Context, e event.CreateEvent, q queue) { later(e.Object, q) },
		UpdateFunc: func(_ context.Context, e event.UpdateEvent, q queue) { later(e.ObjectNew, q) },
		DeleteFunc: func(_ context.Context, e event.DeleteEvent, q queue) { later(e.Object, q) },
	}
}

// SetupWithManager makes the reconciler run.
func (r *MarketplaceReconciler) SetupWithManager(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).Named("marketplace").
		For(&v1alpha1.Marketplace{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		// What it remembers of orders is used by one pass at a time.
		WithOptions(controller.Options{RateLimiter: retries(time.Second), MaxConcurrentReconciles: 1}).
		Complete(r)
}
