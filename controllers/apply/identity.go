package apply

import (
	"cmp"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

// Owner is the instance that a tenant's namespace belongs to.
type Owner struct {
	// Name and Namespace of the instance, as they stand in the labels v1alpha1.InstanceLabel and
	// v1alpha1.InstanceNamespaceLabel.
	Name, Namespace string
	// UID of the instance, as it stands in the annotation v1alpha1.InstanceUIDAnnotation.
	UID types.UID
}

// owns says whether the labels are those of the owner's objects.
func (o Owner) owns(labels map[string]string) bool {
	return labels[v1alpha1.InstanceLabel] == o.Name && labels[v1alpha1.InstanceNamespaceLabel] == o.Namespace
}

// Key names an object within a tenant. The version is left out, because the same object is served in several.
type Key struct {
	Group, Kind, Name string
}

// KeyOf gives the key of an object.
func KeyOf(obj *unstructured.Unstructured) Key {
	gvk := obj.GroupVersionKind()
	return Key{Group: gvk.Group, Kind: gvk.Kind, Name: obj.GetName()}
}

// String is Kind/name, the form in which people read objects in the status.
func (k Key) String() string { return k.Kind + "/" + k.Name }

// GroupKind of the object.
func (k Key) GroupKind() schema.GroupKind { return schema.GroupKind{Group: k.Group, Kind: k.Kind} }

func compareKeys(a, b Key) int {
	return cmp.Or(cmp.Compare(a.Group, b.Group), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name))
}

// Entry is what identifies one state of an object that we applied.
type Entry struct {
	Key
	// UID of the object; another one means that it was deleted and made anew.
	UID types.UID
	// Fields is the hash of our entry in managedFields, see [OwnFields].
	Fields string
	// Generation of the object when it was read. It is not part of a digest: others may change what is not ours.
	Generation int64
	// ResourceVersion of the object when it was read. It tells whether a cache already shows this state; no part of a digest.
	ResourceVersion string
}

func entryOf(obj *unstructured.Unstructured) Entry {
	return Entry{Key: KeyOf(obj), UID: obj.GetUID(), Fields: OwnFields(obj), Generation: obj.GetGeneration(), ResourceVersion: obj.GetResourceVersion()}
}
