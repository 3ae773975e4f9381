package queue

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

// InstancesOfProduct finds the instances of a product.
func InstancesOfProduct(reader client.Reader) handler.MapFunc {
	return func(ctx context.Context, product client.Object) []Request {
		return InstancesWhere(ctx, reader, product.GetNamespace(), func(mpi *v1alpha1.MarketplaceInstance) bool {
			return mpi.Spec.ProductRef.Name == product.GetName()
		})
	}
}

// InstancesWhere finds instances in the cache. A list that fails brings nothing: the cache is filled, or the process ends.
func InstancesWhere(ctx context.Context, reader client.Reader, namespace string, where func(*v1alpha1.MarketplaceInstance) bool,
) []Request {
	instances := &v1alpha1.MarketplaceInstanceList{}
	if err := reader.List(ctx, instances, client.InNamespace(namespace)); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "Listing the instances failed")
		return nil
	}
	var requests []Request
	for i := range instances.Items {
		if where(&instances.Items[i]) {
			requests = append(requests, Request{NamespacedName: client.ObjectKeyFromObject(&instances.Items[i])})
		}
	}
	return requests
}

// instanceOf finds the instance by the labels of one of its tenant's objects; nil for one of another release, whose instances can't be
// read.
func instanceOf(ctx context.Context, reader client.Reader, object client.Object) *v1alpha1.MarketplaceInstance {
	labels := object.GetLabels()
	key := types.NamespacedName{
		Namespace: labels[v1alpha1.InstanceNamespaceLabel], Name: labels[v1alpha1.InstanceLabel],
	}
	mpi := &v1alpha1.MarketplaceInstance{}
	if key.Name == "" || key.Namespace == "" || reader.Get(ctx, key, mpi) != nil {
		return nil
	}
	return mpi
}

// ObjectEvents wake the instance of a tenant's object. A tenant that is on its way goes before those that have not begun.
func ObjectEvents(reader client.Reader) handler.EventHandler {
	wake := func(ctx context.Context, object client.Object, q Queue, otherwise int) {
		if mpi := instanceOf(ctx, reader, object); mpi != nil {
			Enqueue(q, client.ObjectKeyFromObject(mpi), priorityOf(mpi, otherwise))
		}
	}
	return handler.Funcs{
		CreateFunc: func(ctx context.Context, e event.CreateEvent, q Queue) {
			if e.IsInInitialList {
				// Every instance is looked at then.
				return
			}
			wake(ctx, e.Object, q, PriorityNormal)
		},
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, q Queue) { wake(ctx, e.ObjectNew, q, PriorityNormal) },
		DeleteFunc: func(ctx context.Context, e event.DeleteEvent, q Queue) { wake(ctx, e.Object, q, PriorityNormal) },
	}
}

// SecretMetadata stands for Secrets of which names and labels are watched, and never what is in them.
func SecretMetadata() *metav1.PartialObjectMetadata {
	secret := &metav1.PartialObjectMetadata{}
	secret.SetGroupVersionKind(schema.GroupVersionKind{Version: "v1", Kind: "Secret"})
	return secret
}
