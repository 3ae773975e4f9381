package directory

import (
	"context"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/queue"
)

const (
	// workers bounds the directories in memory at once. One of 50,000 users takes about 50 MB while it is folded.
	workers = 2
	// forwardWorkers is how many endpoints are talked to at once. A slow one keeps others waiting no longer than a request may take.
	forwardWorkers = 8
)

// CacheOptions are the options of the cache for Reconciler.Calls.
func CacheOptions(namespaces []string) cache.Options {
	options := cache.Options{
		DefaultNamespaces: map[string]cache.Config{}, DefaultTransform: cache.TransformStripManagedFields(),
		ReaderFailOnMissingInformer: true,
	}
	for _, namespace := range namespaces {
		options.DefaultNamespaces[namespace] = cache.Config{}
	}
	if exists, err := labels.Parse(v1alpha1.EnterpriseLabel); err == nil {
		options.DefaultLabelSelector = exists
	} else {
		// The key is a constant; should it ever be no label, an empty cache is the safe answer.
		options.DefaultLabelSelector = labels.Nothing()
	}
	return options
}

// SetupWithManager makes the reconciler run.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	building := ctrl.NewControllerManagedBy(mgr).Named("directory")
	if r.Endpoints != nil {
		building = building.WatchesRawSource(r.Endpoints.source())
	}
	return building.
		WatchesRawSource(source.Kind(r.Calls, client.Object(queue.SecretMetadata()), handler.EnqueueRequestsFromMapFunc(r.instancesOfCall))).
		Watches(&v1alpha1.MarketplaceInstance{}, queue.InstanceEvents(), builder.WithPredicates(placeChanged())).
		Watches(&v1alpha1.MarketplaceProduct{}, handler.EnqueueRequestsFromMapFunc(queue.InstancesOfProduct(r.Client)),
			builder.WithPredicates(directoryChanged())).
		WithOptions(queue.Prioritized(workers, time.Second)).
		Complete(r)
}

// SetupWithManager makes the forwarder run. The first Secret of a directory changes with its generation.
func (r *Forwarder) SetupWithManager(mgr ctrl.Manager) error {
	ofHead := func(_ context.Context, secret client.Object) []queue.Request {
		labels := secret.GetLabels()
		if labels[v1alpha1.CallLabel] != "" || labels[v1alpha1.InstanceLabel] == "" {
			return nil
		}
		return []queue.Request{{NamespacedName: types.NamespacedName{Namespace: secret.GetNamespace(), Name: labels[v1alpha1.InstanceLabel]}}}
	}
	return ctrl.NewControllerManagedBy(mgr).Named("directory-forward").
		WatchesRawSource(source.Kind(r.Calls, client.Object(queue.SecretMetadata()), handler.EnqueueRequestsFromMapFunc(ofHead))).
		Watches(&v1alpha1.MarketplaceInstance{}, queue.InstanceEvents(), builder.WithPredicates(placeChanged())).
		Watches(&v1alpha1.MarketplaceProduct{}, handler.EnqueueRequestsFromMapFunc(queue.InstancesOfProduct(r.Client)),
			builder.WithPredicates(directoryChanged())).
		WithOptions(queue.Prioritized(forwardWorkers, time.Second)).
		Complete(r)
}

// instancesOfCall are the instances that a call, or a directory's first Secret, is about. A call about no instance is about every
// one whose directory is about the same enterprise.
func (r *Reconciler) instancesOfCall(ctx context.Context, secret client.Object) []queue.Request {
	if name := secret.GetLabels()[v1alpha1.InstanceLabel]; name != "" {
		return []queue.Request{{NamespacedName: types.NamespacedName{Namespace: secret.GetNamespace(), Name: name}}}
	}
	heads, err := r.list(ctx, secret.GetNamespace(), client.HasLabels{v1alpha1.InstanceLabel}, client.MatchingLabels{
		v1alpha1.EnterpriseLabel: secret.GetLabels()[v1alpha1.EnterpriseLabel],
	})
	if err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "Listing the directories failed")
		return nil
	}
	var requests []queue.Request
	for _, head := range heads {
		requests = append(requests, queue.Request{NamespacedName: types.NamespacedName{
			Namespace: head.Namespace, Name: head.Labels[v1alpha1.InstanceLabel],
		}})
	}
	return requests
}

// placeChanged lets an instance through when it may have got a tenant or lost it, was paused or released, or a person has erased what is
// said of its directory.
func placeChanged() predicate.Predicate {
	return predicate.Or(predicate.GenerationChangedPredicate{}, predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		was, isInstance := e.ObjectOld.(*v1alpha1.MarketplaceInstance)
		is, stillInstance := e.ObjectNew.(*v1alpha1.MarketplaceInstance)
		return isInstance && stillInstance &&
			(was.Status.Namespace != is.Status.Namespace || !slices.Equal(was.Status.Enterprises, is.Status.Enterprises))
	}})
}

// directoryChanged lets a product through whose directory may have changed.
func directoryChanged() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		was, isProduct := e.ObjectOld.(*v1alpha1.MarketplaceProduct)
		is, stillProduct := e.ObjectNew.(*v1alpha1.MarketplaceProduct)
		return isProduct && stillProduct && (was.Spec.Directory != is.Spec.Directory || was.Spec.Login != is.Spec.Login)
	}}
}
