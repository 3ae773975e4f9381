package product

import (
	"context"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/apply"
	"github.com/stallkeeper/stallkeeper/controllers/queue"
)

// workers are how many products are checked at once. A check may take minutes, and a registry half of one.
const workers = 4

// SetupWithManager makes the reconciler run.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).Named("product").
		For(&v1alpha1.MarketplaceProduct{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&v1alpha1.MarketplaceInstance{}, countLater()).
		// A revision that somebody deleted is shown again; what is written of it here is no news.
		Watches(&v1alpha1.MarketplaceRevision{}, handler.EnqueueRequestsFromMapFunc(productOfRevision), builder.WithPredicates(onlyDeletions())).
		// The namespace of a check whose product went while no controller ran is found at the start.
		Watches(namespaces(), handler.Funcs{CreateFunc: r.wakeForCheck}).
		// Listings name them.
		Watches(&v1alpha1.Marketplace{}, handler.EnqueueRequestsFromMapFunc(r.productsOfNamespace), builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		WithOptions(controller.Options{MaxConcurrentReconciles: workers, RateLimiter: queue.Retries(time.Second)}).
		Complete(r)
}

// onlyDeletions lets only the end of an object through.
func onlyDeletions() predicate.Predicate {
	return predicate.Funcs{
		CreateFunc: func(event.CreateEvent) bool { return false },
		UpdateFunc: func(event.UpdateEvent) bool { return false },
	}
}

// namespaces is the kind of the cached namespaces.
func namespaces() *unstructured.Unstructured {
	namespace := &unstructured.Unstructured{}
	namespace.SetGroupVersionKind(apply.NamespaceKind)
	return namespace
}

func (r *Reconciler) wakeForCheck(ctx context.Context, e event.CreateEvent, q queue.Queue) {
	labels := e.Object.GetLabels()
	if !e.IsInInitialList || labels[v1alpha1.InstanceLabel] != v1alpha1.CheckInstance {
		return
	}
	key := types.NamespacedName{Namespace: labels[v1alpha1.InstanceNamespaceLabel], Name: labels[v1alpha1.ProductLabel]}
	// One of another release gives another error: its products can't be read.
	if err := r.Get(ctx, key, &v1alpha1.MarketplaceProduct{}); apierrors.IsNotFound(err) {
		q.Add(queue.Request{NamespacedName: key})
	}
}

func productOfRevision(_ context.Context, object client.Object) []queue.Request {
	name := object.GetLabels()[v1alpha1.ProductLabel]
	if name == "" {
		return nil
	}
	return []queue.Request{{NamespacedName: types.NamespacedName{Namespace: object.GetNamespace(), Name: name}}}
}

// productsOfNamespace are the products whose listings may name a Marketplace.
func (r *Reconciler) productsOfNamespace(ctx context.Context, marketplace client.Object) []queue.Request {
	products := &v1alpha1.MarketplaceProductList{}
	if err := r.List(ctx, products, client.InNamespace(marketplace.GetNamespace())); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "Listing the products failed")
		return nil
	}
	var requests []queue.Request
	for i := range products.Items {
		requests = append(requests, queue.Request{NamespacedName: client.ObjectKeyFromObject(&products.Items[i])})
	}
	return requests
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
