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
	"github.com/stallkeeper/stallkeeper/controllers/licenses"
	"github.com/stallkeeper/stallkeeper/controllers/orders"
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

// Fields by which usage records, and the packages that an instance uses, are found in the cache; the first one also at the API
// server.
const (
	recordInstanceField = "spec.instanceRef.name"
	recordOpenField     = "open"
	packageUserField    = "spec.subscription.packageUsedBy.name"
	// recordIsOpen is the value of recordOpenField of a record that the marketplace has not accepted and that has something to push.
	recordIsOpen = "true"
)

// SetupIndexes makes the cache find usage records by their instance and those that are not pushed, and packages by the instance
// that uses them. The reconcilers need it.
func SetupIndexes(ctx context.Context, indexer client.FieldIndexer) error {
	err := indexer.IndexField(ctx, &v1alpha1.UsageRecord{}, recordInstanceField, recordInstance)
	if err == nil {
		err = indexer.IndexField(ctx, &v1alpha1.UsageRecord{}, recordOpenField, recordOpen)
	}
	if err == nil {
		err = indexer.IndexField(ctx, &v1alpha1.MarketplaceInstance{}, packageUserField, packageUserOf)
	}
	if err != nil {
		return fmt.Errorf("indexing the usage records and packages: %w", err)
	}
	return nil
}

// packageUserOf is the name of the instance that uses a package.
func packageUserOf(object client.Object) []string {
	mpi, ok := object.(*v1alpha1.MarketplaceInstance)
	if !ok || !linked(mpi) {
		return nil
	}
	return []string{mpi.Spec.Subscription.PackageUsedBy.Name}
}

// relatedInstances finds the instance that uses a package, and the packages that an instance uses: what becomes of the one is
// looked at again when the other has changed.
func relatedInstances(reader client.Reader) handler.MapFunc {
	return func(ctx context.Context, object client.Object) []request {
		mpi, ok := object.(*v1alpha1.MarketplaceInstance)
		if !ok || !metered(mpi) {
			return nil
		}
		if names := packageUserOf(mpi); len(names) > 0 {
			return []request{{NamespacedName: types.NamespacedName{Namespace: mpi.Namespace, Name: names[0]}}}
		}
		list := &v1alpha1.MarketplaceInstanceList{}
		err := reader.List(ctx, list, client.InNamespace(mpi.Namespace), client.MatchingFields{packageUserField: mpi.Name})
		if err != nil {
			ctrl.LoggerFrom(ctx).Error(err, "Listing the packages of an instance failed")
			return nil
		}
		var requests []request
		for i := range list.Items {
			requests = append(requests, request{NamespacedName: client.ObjectKeyFromObject(&list.Items[i])})
		}
		return requests
	}
}

// relationChanged drops changes of an instance that mean nothing to its packages or to the instance that uses it.
func relationChanged() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		was, isInstance := e.ObjectOld.(*v1alpha1.MarketplaceInstance)
		is, stillInstance := e.ObjectNew.(*v1alpha1.MarketplaceInstance)
		provisioned := func(mpi *v1alpha1.MarketplaceInstance) bool {
			return meta.IsStatusConditionTrue(mpi.Status.Conditions, v1alpha1.ConditionProvisioned)
		}
		return isInstance && stillInstance && (was.Generation != is.Generation || was.Status.Access != is.Status.Access ||
			provisioned(was) != provisioned(is))
	}}
}

// instancesOfRecord finds the instance that a usage record is of, and the package that it is deducted from.
func instancesOfRecord(object client.Object) []request {
	record, ok := object.(*v1alpha1.UsageRecord)
	if !ok {
		return nil
	}
	requests := []request{{NamespacedName: types.NamespacedName{Namespace: record.Namespace, Name: record.Spec.InstanceRef.Name}}}
	if name := record.Spec.Delivery.PackageRef.Name; name != "" {
		requests = append(requests, request{NamespacedName: types.NamespacedName{Namespace: record.Namespace, Name: name}})
	}
	return requests
}

func recordInstance(object client.Object) []string {
	record, ok := object.(*v1alpha1.UsageRecord)
	if !ok {
		return nil
	}
	return []string{record.Spec.InstanceRef.Name}
}

func recordOpen(object client.Object) []string {
	record, ok := object.(*v1alpha1.UsageRecord)
	if !ok || !record.Spec.Delivery.PushedAt.IsZero() || record.Spec.Checkpoint.Total != "" || record.Spec.Value == "0" {
		return nil
	}
	return []string{recordIsOpen}
}

// SetupWithManager makes the reconciler run.
func (r *UsageReconciler) SetupWithManager(mgr ctrl.Manager) error {
	ofProduct := handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, product client.Object) []request {
		return instancesWhere(ctx, r.Client, product.GetNamespace(), func(mpi *v1alpha1.MarketplaceInstance) bool {
			return mpi.Spec.ProductRef.Name == product.GetName() && metered(mpi)
		})
	})
	ofRecord := handler.EnqueueRequestsFromMapFunc(func(_ context.Context, object client.Object) []request {
		return instancesOfRecord(object)
	})
	return ctrl.NewControllerManagedBy(mgr).Named("usage").
		Watches(&v1alpha1.MarketplaceInstance{}, instanceEvents(),
			builder.WithPredicates(predicate.Or(predicate.GenerationChangedPredicate{}, usageNotReported()))).
		Watches(&v1alpha1.MarketplaceInstance{}, handler.EnqueueRequestsFromMapFunc(relatedInstances(r.Client)),
			builder.WithPredicates(relationChanged())).
		Watches(&v1alpha1.MarketplaceProduct{}, ofProduct, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&v1alpha1.UsageRecord{}, ofRecord).
		WithOptions(controller.Options{
			MaxConcurrentReconciles: usageWorkers, UsePriorityQueue: ptr.To(true), RateLimiter: retries(time.Second),
		}).
		Complete(r)
}

// usageNotReported lets an instance through whose status should speak of usage and does not, or does and should not, and one that
// the buyer can use while a meter waits for that.
func usageNotReported() predicate.Predicate {
	return predicate.NewPredicateFuncs(func(object client.Object) bool {
		mpi, ok := object.(*v1alpha1.MarketplaceInstance)
		if !ok {
			return false
		}
		said := meta.FindStatusCondition(mpi.Status.Conditions, v1alpha1.ConditionUsageReported) != nil
		return said != metered(mpi) || usable(mpi) && slices.ContainsFunc(mpi.Status.Usage, func(used v1alpha1.MeterUsage) bool {
			return used.CountedUntil.IsZero()
		})
	})
}

// SetupWithManager makes the reconciler run.
func (r *UsagePushReconciler) SetupWithManager(mgr ctrl.Manager) error {
	later := func(ctx context.Context, object client.Object, q queue) {
		if len(recordOpen(object)) == 0 {
			return
		}
		mpi := &v1alpha1.MarketplaceInstance{}
		key := types.NamespacedName{Namespace: object.GetNamespace(), Name: recordInstance(object)[0]}
		if r.Get(ctx, key, mpi) == nil && mpi.Spec.Subscription != nil {
			q.AddAfter(request{NamespacedName: types.NamespacedName{
				Namespace: mpi.Namespace, Name: mpi.Spec.Subscription.Marketplace,
			}}, r.pause())
			return
		}
		// It names no sale. Whoever comes first says so.
		connections := &v1alpha1.MarketplaceList{}
		if r.List(ctx, connections, client.InNamespace(object.GetNamespace())) == nil && len(connections.Items) > 0 {
			q.AddAfter(request{NamespacedName: client.ObjectKeyFromObject(&connections.Items[0])}, r.pause())
		}
	}
	return ctrl.NewControllerManagedBy(mgr).Named("usagepush").
		For(&v1alpha1.Marketplace{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&v1alpha1.UsageRecord{}, handler.Funcs{
			CreateFunc: func(ctx context.Context, e event.CreateEvent, q queue) { later(ctx, e.Object, q) },
			UpdateFunc: func(ctx context.Context, e event.UpdateEvent, q queue) {
				if e.ObjectOld.GetGeneration() != e.ObjectNew.GetGeneration() {
					later(ctx, e.ObjectNew, q)
				}
			},
		}).
		WithOptions(controller.Options{
			MaxConcurrentReconciles: pushWorkers, RateLimiter: retries(time.Second),
		}).
		Complete(r)
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

// SetupWithManager makes the reconciler run.
func (r *LicenseReconciler) SetupWithManager(mgr ctrl.Manager) error {
	waiting := handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, changed client.Object) []request {
		return instancesWhere(ctx, r.Client, changed.GetNamespace(), func(mpi *v1alpha1.MarketplaceInstance) bool {
			sub := mpi.Spec.Subscription
			return sub != nil && (!licenses.IsActivated(sub) || len(licenses.Open(sub)) > 0)
		})
	})
	ofLicenses := predicate.NewPredicateFuncs(func(object client.Object) bool {
		mpi, ok := object.(*v1alpha1.MarketplaceInstance)
		return ok && sellsLicenses(mpi)
	})
	// A person who has put a licence into its Secret can annotate the instance, and need not wait for the next look.
	changed := predicate.Or(predicate.GenerationChangedPredicate{}, predicate.AnnotationChangedPredicate{}, licenseNotReported())
	return ctrl.NewControllerManagedBy(mgr).Named("license").
		Watches(&v1alpha1.MarketplaceInstance{}, instanceEvents(), builder.WithPredicates(ofLicenses, changed)).
		Watches(&v1alpha1.Marketplace{}, waiting, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		WithOptions(controller.Options{
			MaxConcurrentReconciles: licenseWorkers, UsePriorityQueue: ptr.To(true),
			RateLimiter: retries(100 * time.Millisecond),
		}).
		Complete(r)
}

// licenseNotReported lets an instance through whose status says nothing of its licences.
func licenseNotReported() predicate.Predicate {
	return predicate.NewPredicateFuncs(func(object client.Object) bool {
		mpi, ok := object.(*v1alpha1.MarketplaceInstance)
		missing := func(kind string) bool { return meta.FindStatusCondition(mpi.Status.Conditions, kind) == nil }
		return ok && (licenses.IsCode(mpi.Spec.Subscription) && missing(v1alpha1.ConditionLicenseActivated) ||
			mpi.Spec.Subscription != nil && len(mpi.Spec.Subscription.LicenseRequests) > 0 && missing(v1alpha1.ConditionLicenseDelivered))
	})
}

// SetupWithManager makes the reconciler run.
func (r *LicenseQueryReconciler) SetupWithManager(mgr ctrl.Manager) error {
	marketplaceOf := handler.EnqueueRequestsFromMapFunc(func(_ context.Context, object client.Object) []request {
		mpi, ok := object.(*v1alpha1.MarketplaceInstance)
		if !ok || !licenses.IsCode(mpi.Spec.Subscription) || !licenses.IsActivated(mpi.Spec.Subscription) {
			return nil
		}
		return []request{{NamespacedName: types.NamespacedName{Namespace: mpi.Namespace, Name: mpi.Spec.Subscription.Marketplace}}}
	})
	return ctrl.NewControllerManagedBy(mgr).Named("license-query").
		For(&v1alpha1.Marketplace{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&v1alpha1.MarketplaceInstance{}, marketplaceOf, builder.WithPredicates(predicate.GenerationChangedPredicate{}, notJustQueried())).
		WithOptions(controller.Options{RateLimiter: retries(time.Second)}).
		Complete(r)
}

// notJustQueried drops the changes that a query itself has made: a hundred of them would each begin the next pass at once.
func notJustQueried() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		was, isInstance := e.ObjectOld.(*v1alpha1.MarketplaceInstance)
		is, stillInstance := e.ObjectNew.(*v1alpha1.MarketplaceInstance)
		return isInstance && stillInstance && was.Spec.Subscription != nil && is.Spec.Subscription != nil &&
			was.Spec.Subscription.License.QueriedAt.Equal(&is.Spec.Subscription.License.QueriedAt)
	}}
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
