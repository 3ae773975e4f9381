package apply

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

// Observed is what stands in a tenant's namespace, as the cache shows it.
type Observed struct {
	// Namespace is the tenant's namespace, or nil.
	Namespace *unstructured.Unstructured
	// Objects are the objects of the watched kinds with the instance label, without the namespace. They belong to the
	// cache and must not be changed.
	Objects map[Key]*unstructured.Unstructured
}

// Observe lists the tenant's objects from the cache. A kind that the cluster does not serve has no objects. It returns an
// error if a kind can't be listed; then nothing may be concluded from what is missing.
func Observe(
	ctx context.Context, reader client.Reader, kinds []schema.GroupVersionKind, namespace string,
) (Observed, error) {
	observed := Observed{Objects: map[Key]*unstructured.Unstructured{}}
	for _, gvk := range withNamespace(kinds) {
		if gvk == NamespaceKind {
			continue
		}
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(gvk.GroupVersion().WithKind(gvk.Kind + "List"))
		err := reader.List(ctx, list, client.InNamespace(namespace))
		if meta.IsNoMatchError(err) {
			continue
		}
		if err != nil {
			return Observed{}, fmt.Errorf("listing %s in namespace %s: %w", gvk.Kind, namespace, err)
		}
		for i := range list.Items {
			if obj := &list.Items[i]; obj.GetLabels()[v1alpha1.InstanceLabel] != "" {
				observed.Objects[KeyOf(obj)] = obj
			}
		}
	}

	ns := newObject(NamespaceKind, "", namespace)
	err := reader.Get(ctx, client.ObjectKeyFromObject(ns), ns)
	if client.IgnoreNotFound(err) != nil {
		return Observed{}, fmt.Errorf("reading namespace %s: %w", namespace, err)
	}
	if !apierrors.IsNotFound(err) {
		observed.Namespace = ns
	}
	return observed, nil
}

// newObject gives an empty object of a kind.
func newObject(gvk schema.GroupVersionKind, namespace, name string) *unstructured.Unstructured {
	obj := &unstructured.Unstructured{}
	obj.SetGroupVersionKind(gvk)
	obj.SetNamespace(namespace)
	obj.SetName(name)
	return obj
}
