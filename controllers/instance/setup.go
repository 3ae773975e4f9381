package instance

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/apply"
	"github.com/stallkeeper/stallkeeper/controllers/queue"
)

// instanceWorkers are how many instances are worked on at once. A pass mostly waits for the API server.
const instanceWorkers = 16

// SetupWithManager makes the reconciler run.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	raise := make(chan event.TypedGenericEvent[queue.Raised])
	guard := &queue.StarvationGuard{Reader: mgr.GetClient(), Seen: &r.seen, Raise: raise, Period: queue.StarvationPeriod}
	if err := mgr.Add(guard); err != nil {
		return fmt.Errorf("adding the starvation guard: %w", err)
	}
	r.sources.Reader, r.sources.Raise, r.sources.Period = r.APIReader, raise, cmp.Or(r.ValuesRecheck, queue.ValuesRecheck)
	if err := mgr.Add(&r.sources); err != nil {
		return fmt.Errorf("adding the look at the Secrets of valuesFrom: %w", err)
	}
	started := manager.RunnableFunc(func(ctx context.Context) error {
		queue.RaiseEvery(ctx, cmp.Or(r.PodsRecheck, queue.PodsRecheck), raise, r.startedAgain)
		return nil
	})
	if err := mgr.Add(started); err != nil {
		return fmt.Errorf("adding the look at the pods of stopped tenants: %w", err)
	}
	b := ctrl.NewControllerManagedBy(mgr).Named("instance").
		Watches(&v1alpha1.MarketplaceInstance{}, queue.InstanceEvents()).
		Watches(&v1alpha1.MarketplaceProduct{}, handler.EnqueueRequestsFromMapFunc(queue.InstancesOfProduct(r.Client)),
			builder.WithPredicates(predicate.Or(predicate.GenerationChangedPredicate{}, revisionChanged()))).
		Watches(&v1alpha1.Marketplace{}, handler.EnqueueRequestsFromMapFunc(r.instancesOfMarketplace), builder.WithPredicates(holdChanged())).
		Watches(queue.SecretMetadata(), accessEvents()).
		WatchesRawSource(source.TypedChannel(raise, queue.RaisedEvents())).
		WithOptions(controller.Options{
			MaxConcurrentReconciles: instanceWorkers, UsePriorityQueue: ptr.To(true),
			RateLimiter: queue.Retries(100 * time.Millisecond),
		})
	for _, feature := range r.Sales.Features {
		for _, watch := range feature.Watches {
			b = b.Watches(watch.Object, watch.Handler, watch.Options...)
		}
		if feature.Wakes != nil {
			b = b.WatchesRawSource(source.Func(func(_ context.Context, instances queue.Queue) error {
				feature.Wakes(instances)
				return nil
			}))
		}
	}
	for _, kind := range slices.Concat(r.Tenants.Kinds, []schema.GroupVersionKind{apply.NamespaceKind}) {
		object := &unstructured.Unstructured{}
		object.SetGroupVersionKind(kind)
		b = b.Watches(object, queue.ObjectEvents(r.Client), builder.WithPredicates(objectChanged()))
	}
	return b.Complete(r)
}

// startedAgain are the instances whose tenants were seen stopped and in which something has started a pod since.
func (r *Reconciler) startedAgain(ctx context.Context) []types.NamespacedName {
	namespaces, err := r.Tenants.StartedAgain(ctx)
	if err != nil {
		return nil // it is asked again
	}
	var instances []types.NamespacedName
	for _, namespace := range namespaces {
		ns := &unstructured.Unstructured{}
		ns.SetGroupVersionKind(apply.NamespaceKind)
		if err := r.Tenants.Cache.Get(ctx, client.ObjectKey{Name: namespace}, ns); err == nil {
			labels := ns.GetLabels()
			instances = append(instances, types.NamespacedName{Namespace: labels[v1alpha1.InstanceNamespaceLabel], Name: labels[v1alpha1.InstanceLabel]})
		}
	}
	return instances
}

// instancesOfMarketplace are the sales of a Marketplace.
func (r *Reconciler) instancesOfMarketplace(ctx context.Context, mp client.Object) []queue.Request {
	return queue.InstancesWhere(ctx, r.Client, mp.GetNamespace(), func(mpi *v1alpha1.MarketplaceInstance) bool {
		return mpi.Spec.Subscription != nil && mpi.Spec.Subscription.Marketplace == mp.GetName()
	})
}

// holdChanged lets a Marketplace's change through that moves the end of its sales.
func holdChanged() predicate.Predicate {
	return predicate.Funcs{
		CreateFunc: func(e event.CreateEvent) bool {
			mp, ok := e.Object.(*v1alpha1.Marketplace)
			return ok && !mp.HeldUntil().IsZero()
		},
		UpdateFunc: func(e event.UpdateEvent) bool {
			was, ok := e.ObjectOld.(*v1alpha1.Marketplace)
			is, still := e.ObjectNew.(*v1alpha1.Marketplace)
			return ok && still && !was.HeldUntil().Equal(is.HeldUntil())
		},
	}
}

// objectChanged drops updates of what the cache does not keep. A resync, whose two objects are one, still passes.
func objectChanged() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		return e.ObjectOld.GetResourceVersion() == e.ObjectNew.GetResourceVersion() || apply.Changed(e.ObjectOld, e.ObjectNew)
	}}
}

// revisionChanged lets a product's change through if instances have something to do or to say: not a new count of them.
func revisionChanged() predicate.Predicate {
	return predicate.Funcs{
		UpdateFunc: func(e event.UpdateEvent) bool {
			was, isProduct := e.ObjectOld.(*v1alpha1.MarketplaceProduct)
			is, stillProduct := e.ObjectNew.(*v1alpha1.MarketplaceProduct)
			return isProduct && stillProduct && (was.Status.LatestRevision != is.Status.LatestRevision ||
				is.Status.LatestRevision == "" && readiness(was) != readiness(is))
		},
	}
}

// readiness is whether a product can be run, which those say that wait for its first revision.
func readiness(product *v1alpha1.MarketplaceProduct) metav1.ConditionStatus {
	if ready := meta.FindStatusCondition(product.Status.Conditions, v1alpha1.ConditionReady); ready != nil {
		return ready.Status
	}
	return metav1.ConditionUnknown
}

// accessEvents wakes the instance whose access Secret was deleted, or was restored.
func accessEvents() handler.EventHandler {
	wake := func(secret client.Object, q queue.Queue) {
		name := secret.GetLabels()[v1alpha1.InstanceLabel]
		if name != "" && secret.GetName() == v1alpha1.AccessSecretName(name) {
			queue.Enqueue(q, types.NamespacedName{Namespace: secret.GetNamespace(), Name: name}, queue.PriorityNormal)
		}
	}
	return handler.Funcs{
		CreateFunc: func(_ context.Context, e event.CreateEvent, q queue.Queue) {
			if !e.IsInInitialList {
				wake(e.Object, q)
			}
		},
		// A person may have taken a kept value out, to have it made anew.
		UpdateFunc: func(_ context.Context, e event.UpdateEvent, q queue.Queue) {
			if e.ObjectOld.GetResourceVersion() != e.ObjectNew.GetResourceVersion() {
				wake(e.ObjectNew, q)
			}
		},
		DeleteFunc: func(_ context.Context, e event.DeleteEvent, q queue.Queue) { wake(e.Object, q) },
	}
}
