package apply

import (
	"context"
	"fmt"
	"slices"

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

// Entries are the objects that we applied, the namespace included, in a fixed order. Left out is what others made and
// only carries our label (the claims of a StatefulSet), and what is being deleted: it is as good as gone, and counting
// it would hide that it has to be made anew.
func (o Observed) Entries() []Entry {
	entries := make([]Entry, 0, len(o.Objects)+1)
	add := func(obj *unstructured.Unstructured) {
		if e := entryOf(obj); e.Fields != "" && obj.GetDeletionTimestamp() == nil {
			entries = append(entries, e)
		}
	}
	for _, obj := range o.Objects {
		add(obj)
	}
	if o.Namespace != nil {
		add(o.Namespace)
	}
	slices.SortFunc(entries, func(a, b Entry) int { return compareKeys(a.Key, b.Key) })
	return entries
}

// Left gives the entries that an apply has left as they are: those of the set that it did not come to, and if it has stopped at
// a hook, also those that only a prune would take away.
func (o Observed) Left(applied Applied, stopped bool) []Entry {
	done, wanted := map[Key]bool{}, map[Key]bool{}
	for _, e := range applied.Entries {
		done[e.Key] = true
	}
	for _, key := range applied.Wanted {
		wanted[key] = true
	}
	return slices.DeleteFunc(o.Entries(), func(e Entry) bool { return done[e.Key] || !stopped && !wanted[e.Key] })
}

// Installing says whether the tenant's first revision is not there yet with all its hooks.
func (o Observed) Installing() bool {
	if o.Namespace == nil {
		return true
	}
	_, installing := o.Namespace.GetAnnotations()[v1alpha1.InstallingAnnotation]
	return installing
}

// Digest is the [Digest] of Entries. It equals [Applied.Digest] as long as nobody has touched what we applied.
func (o Observed) Digest() string { return Digest(o.Entries()) }

// newObject gives an empty object of a kind.
func newObject(gvk schema.GroupVersionKind, namespace, name string) *unstructured.Unstructured {
	obj := &unstructured.Unstructured{}
	obj.SetGroupVersionKind(gvk)
	obj.SetNamespace(namespace)
	obj.SetName(name)
	return obj
}
