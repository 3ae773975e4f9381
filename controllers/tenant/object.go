package tenant

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/controllers/apply"
)

// Key names an object within a tenant.
type Key = apply.Key

// keyOf names an object.
func keyOf(obj *unstructured.Unstructured) Key { return apply.KeyOf(obj) }

func kindOf(obj *unstructured.Unstructured) schema.GroupKind {
	return obj.GroupVersionKind().GroupKind()
}

// newObject gives an empty object of a kind.
func newObject(gvk schema.GroupVersionKind, namespace, name string) *unstructured.Unstructured {
	obj := &unstructured.Unstructured{Object: map[string]any{}}
	obj.SetGroupVersionKind(gvk)
	obj.SetNamespace(namespace)
	obj.SetName(name)
	return obj
}

// like gives an empty object of the kind and the name of another one.
func like(obj *unstructured.Unstructured) *unstructured.Unstructured {
	return newObject(obj.GroupVersionKind(), obj.GetNamespace(), obj.GetName())
}

// digest is a hash of 22 characters over a value's JSON, whose maps are sorted.
func digest(value any) string {
	data, err := json.Marshal(value)
	if err != nil {
		// Unstructured objects hold JSON values only; a hash that fits nothing makes the object be applied.
		return ""
	}
	sum := sha256.Sum256(data)
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// number reads a whole number of an object.
func number(obj *unstructured.Unstructured, path ...string) (int64, bool) {
	value, found, err := unstructured.NestedFieldNoCopy(obj.Object, path...)
	if err != nil || !found {
		return 0, false
	}
	switch n := value.(type) {
	case int64:
		return n, true
	case int:
		return int64(n), true
	case float64:
		return int64(n), n == float64(int64(n))
	}
	return 0, false
}

// flag reads a switch of an object; false when it is not there.
func flag(obj *unstructured.Unstructured, path ...string) bool {
	value, _, err := unstructured.NestedBool(obj.Object, path...)
	return err == nil && value
}

func annotation(obj *unstructured.Unstructured, key string) (string, bool) {
	value, found, err := unstructured.NestedString(obj.Object, "metadata", "annotations", key)
	return value, found && err == nil
}

func setAnnotation(obj *unstructured.Unstructured, key, value string) {
	annotations := obj.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[key] = value
	obj.SetAnnotations(annotations)
}

func dropAnnotation(obj *unstructured.Unstructured, key string) {
	annotations := obj.GetAnnotations()
	if _, ok := annotations[key]; !ok {
		return
	}
	delete(annotations, key)
	obj.SetAnnotations(annotations)
}

// set writes a value into an object. A parent that is no map is replaced: the API server refused or ignored it anyway.
func set(obj *unstructured.Unstructured, value any, path ...string) {
	at := obj.Object
	for _, step := range path[:len(path)-1] {
		next, ok := at[step].(map[string]any)
		if !ok {
			next = map[string]any{}
			at[step] = next
		}
		at = next
	}
	at[path[len(path)-1]] = value
}

func whole(text string) (int64, bool) {
	n, err := strconv.ParseInt(text, 10, 32)
	return n, err == nil && n >= 0
}

// readLive reads one object past the cache, or nil if there is none. It lists by name, because the controller may list the tenant
// kinds and may not get them.
func readLive(ctx context.Context, live client.Reader, obj *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	gvk := obj.GroupVersionKind()
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(gvk.GroupVersion().WithKind(gvk.Kind + "List"))
	err := live.List(ctx, list, client.InNamespace(obj.GetNamespace()), client.MatchingFieldsSelector{
		Selector: fields.OneTermEqualSelector("metadata.name", obj.GetName()),
	})
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", keyOf(obj), err)
	}
	if len(list.Items) == 0 {
		return nil, nil //nolint:nilnil // it is not there
	}
	return &list.Items[0], nil
}

func mergePatch(fields map[string]any) (client.Patch, error) {
	data, err := json.Marshal(fields)
	if err != nil {
		return nil, fmt.Errorf("encoding a patch: %w", err)
	}
	return client.RawPatch(types.MergePatchType, data), nil
}
