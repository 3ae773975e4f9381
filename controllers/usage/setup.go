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

// relatedInstances finds the instance that uses a package, the packages that an instance uses, and the instances with the same id: what
// becomes of the one is looked at again when the other has changed.
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
		err := reader.List(ctx, list, client.InNamespace(mpi.Namespace), client.MatchingFields{packageConsumerField: mpi.Name})
		if err != nil {
			ctrl.LoggerFrom(ctx).Error(err, "Listing the packages of an instance failed")
			return nil
		}
		twins, err := twinsOf(ctx, reader, mpi)
		if err != nil {
			ctrl.LoggerFrom(ctx).Error(err, "Listing the instances with the same id failed")
		}
		var requests []queue.Request
		for i := range list.Items {
			requests = append(requests, queue.Request{NamespacedName: client.ObjectKeyFromObject(&list.Items[i])})
		}
		for i := range twins {
			requests = append(requests, queue.Request{NamespacedName: client.ObjectKeyFromObject(&twins[i])})
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
			return used.CountedUntilTime.IsZero()
		})
	})
}

// SetupWithManager makes the reconciler run. A record becomes due by itself, or because something else has changed: its instance was made
// or corrected, its product has got the meter, another record that it overlaps was deleted. What no event tells is found by the timer.
func (r *PushReconciler) SetupWithManager(mgr ctrl.Manager) error {
	ofRecord := r.later(func(ctx context.Context, object client.Object) []types.NamespacedName {
		mpi := &v1alpha1.MarketplaceInstance{}
		key := types.NamespacedName{Namespace: object.GetNamespace(), Name: recordInstance(object)[0]}
		if r.Get(ctx, key, mpi) == nil && mpi.Spec.Subscription != nil {
			return marketplaceOf(mpi)
		}
		// It names no sale. Whichever comes first says so.
		return r.marketplaces(ctx, object.GetNamespace(), 1)
	})
	ofInstance := r.later(func(_ context.Context, object client.Object) []types.NamespacedName {
		mpi, ok := object.(*v1alpha1.MarketplaceInstance)
		if !ok || mpi.Spec.Subscription == nil || !metered(mpi) {
			return nil
		}
		return marketplaceOf(mpi)
	})
	ofProduct := r.later(func(ctx context.Context, object client.Object) []types.NamespacedName {
		return r.marketplaces(ctx, object.GetNamespace(), 0)
	})
	return ctrl.NewControllerManagedBy(mgr).Named("usagepush").
		For(&v1alpha1.Marketplace{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&v1alpha1.UsageRecord{}, ofRecord, builder.WithPredicates(mayBeDue())).
		Watches(&v1alpha1.MarketplaceInstance{}, ofInstance, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&v1alpha1.MarketplaceProduct{}, ofProduct, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		WithOptions(controller.Options{
			MaxConcurrentReconciles: pushWorkers, RateLimiter: queue.Retries(time.Second),
		}).
		Complete(r)
}

// later looks at the marketplaces of an object after a pause, in which more may come to go in the same call.
func (r *PushReconciler) later(of func(context.Context, client.Object) []types.NamespacedName) handler.EventHandler {
	add := func(ctx context.Context, object client.Object, q queue.Queue) {
		for _, marketplace := range of(ctx, object) {
			q.AddAfter(queue.Request{NamespacedName: marketplace}, queue.PushPause)
		}
	}
	return handler.Funcs{
		CreateFunc: func(ctx context.Context, e event.CreateEvent, q queue.Queue) { add(ctx, e.Object, q) },
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, q queue.Queue) { add(ctx, e.ObjectNew, q) },
		DeleteFunc: func(ctx context.Context, e event.DeleteEvent, q queue.Queue) { add(ctx, e.Object, q) },
	}
}

// mayBeDue lets a record through that can have something to push, one that was withdrawn, and every record that is deleted: one that it had
// overlapped may be due now.
func mayBeDue() predicate.Predicate {
	return predicate.Funcs{
		CreateFunc: func(e event.CreateEvent) bool { return len(recordPush(e.Object)) > 0 },
		UpdateFunc: func(e event.UpdateEvent) bool {
			return e.ObjectOld.GetGeneration() != e.ObjectNew.GetGeneration() && len(recordPush(e.ObjectNew)) > 0
		},
	}
}

func marketplaceOf(mpi *v1alpha1.MarketplaceInstance) []types.NamespacedName {
	return []types.NamespacedName{{Namespace: mpi.Namespace, Name: mpi.Spec.Subscription.Marketplace}}
}

// marketplaces are those of a sales namespace, at most so many; 0 for all.
func (r *PushReconciler) marketplaces(ctx context.Context, namespace string, most int64) []types.NamespacedName {
	list := &v1alpha1.MarketplaceList{}
	if err := r.List(ctx, list, client.InNamespace(namespace), client.Limit(most)); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "Listing the marketplaces failed")
		return nil
	}
	var names []types.NamespacedName
	for i := range list.Items {
		names = append(names, client.ObjectKeyFromObject(&list.Items[i]))
	}
	return names
}
