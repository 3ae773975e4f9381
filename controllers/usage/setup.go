package usage

import (
	"context"
	"slices"
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
)

const (
	// workers are few, because each of them mostly waits for a Prometheus that has others to serve.
	workers = 8
	// pushWorkers are how many marketplaces are told of usage at once.
	pushWorkers = 2
)

// relatedInstances finds the instance that uses a package, and the packages that an instance uses: what becomes of the one is
// looked at again when the other has changed.
func relatedInstances(reader client.Reader) handler.MapFunc {
	return func(ctx context.Context, object client.Object) []queue.Request {
		mpi, ok := object.(*v1alpha1.MarketplaceInstance)
		if !ok || !metered(mpi) {
			return nil
		}
		if names := packageUserOf(mpi); len(names) > 0 {
			return []queue.Request{{NamespacedName: types.NamespacedName{Namespace: mpi.Namespace, Name: names[0]}}}
		}
		list := &v1alpha1.MarketplaceInstanceList{}
		err := reader.List(ctx, list, client.InNamespace(mpi.Namespace), client.MatchingFields{packageUserField: mpi.Name})
		if err != nil {
			ctrl.LoggerFrom(ctx).Error(err, "Listing the packages of an instance failed")
			return nil
		}
		var requests []queue.Request
		for i := range list.Items {
			requests = append(requests, queue.Request{NamespacedName: client.ObjectKeyFromObject(&list.Items[i])})
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
func instancesOfRecord(object client.Object) []queue.Request {
	record, ok := object.(*v1alpha1.UsageRecord)
	if !ok {
		return nil
	}
	requests := []queue.Request{{NamespacedName: types.NamespacedName{Namespace: record.Namespace, Name: record.Spec.InstanceRef.Name}}}
	if name := record.Spec.Delivery.PackageRef.Name; name != "" {
		requests = append(requests, queue.Request{NamespacedName: types.NamespacedName{Namespace: record.Namespace, Name: name}})
	}
	return requests
}

// SetupWithManager makes the reconciler run.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	ofProduct := handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, product client.Object) []queue.Request {
		return queue.InstancesWhere(ctx, r.Client, product.GetNamespace(), func(mpi *v1alpha1.MarketplaceInstance) bool {
			return mpi.Spec.ProductRef.Name == product.GetName() && metered(mpi)
		})
	})
	ofRecord := handler.EnqueueRequestsFromMapFunc(func(_ context.Context, object client.Object) []queue.Request {
		return instancesOfRecord(object)
	})
	return ctrl.NewControllerManagedBy(mgr).Named("usage").
		Watches(&v1alpha1.MarketplaceInstance{}, queue.InstanceEvents(),
			builder.WithPredicates(predicate.Or(predicate.GenerationChangedPredicate{}, notReported()))).
		Watches(&v1alpha1.MarketplaceInstance{}, handler.EnqueueRequestsFromMapFunc(relatedInstances(r.Client)),
			builder.WithPredicates(relationChanged())).
		Watches(&v1alpha1.MarketplaceProduct{}, ofProduct, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&v1alpha1.UsageRecord{}, ofRecord).
		WithOptions(queue.Prioritized(workers, time.Second)).
		Complete(r)
}

// notReported lets an instance through whose status should speak of usage and does not, or does and should not, and one that
// the buyer can use while a meter waits for that.
func notReported() predicate.Predicate {
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
func (r *PushReconciler) SetupWithManager(mgr ctrl.Manager) error {
	later := func(ctx context.Context, object client.Object, q queue.Queue) {
		if len(recordOpen(object)) == 0 {
			return
		}
		mpi := &v1alpha1.MarketplaceInstance{}
		key := types.NamespacedName{Namespace: object.GetNamespace(), Name: recordInstance(object)[0]}
		if r.Get(ctx, key, mpi) == nil && mpi.Spec.Subscription != nil {
			q.AddAfter(queue.Request{NamespacedName: types.NamespacedName{
				Namespace: mpi.Namespace, Name: mpi.Spec.Subscription.Marketplace,
			}}, queue.PushPause)
			return
		}
		// It names no sale. Whoever comes first says so.
		connections := &v1alpha1.MarketplaceList{}
		if r.List(ctx, connections, client.InNamespace(object.GetNamespace())) == nil && len(connections.Items) > 0 {
			q.AddAfter(queue.Request{NamespacedName: client.ObjectKeyFromObject(&connections.Items[0])}, queue.PushPause)
		}
	}
	return ctrl.NewControllerManagedBy(mgr).Named("usagepush").
		For(&v1alpha1.Marketplace{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&v1alpha1.UsageRecord{}, handler.Funcs{
			CreateFunc: func(ctx context.Context, e event.CreateEvent, q queue.Queue) { later(ctx, e.Object, q) },
			UpdateFunc: func(ctx context.Context, e event.UpdateEvent, q queue.Queue) {
				if e.ObjectOld.GetGeneration() != e.ObjectNew.GetGeneration() {
					later(ctx, e.ObjectNew, q)
				}
			},
		}).
		WithOptions(controller.Options{
			MaxConcurrentReconciles: pushWorkers, RateLimiter: queue.Retries(time.Second),
		}).
		Complete(r)
}
