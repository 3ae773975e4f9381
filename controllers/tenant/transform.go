package tenant

import (
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/controllers/apply"
)

// CacheByObject gives the cache options of the tenant kinds and of namespaces: those of [apply.CacheByObject], with [Transform].
func CacheByObject(kinds []schema.GroupVersionKind) map[client.Object]cache.ByObject {
	options := apply.CacheByObject(kinds)
	for obj, by := range options {
		by.Transform = Transform
		options[obj] = by
	}
	return options
}

// Transform cuts an unstructured object down to what this package reads, and notes who owns what: see [apply.Transform], to which it
// adds. It is a toolscache.TransformFunc, changes nothing when done twice, and never returns an error.
func Transform(in any) (any, error) {
	switch obj := in.(type) {
	case *unstructured.Unstructured:
		return seen(obj), nil
	case toolscache.DeletedFinalStateUnknown:
		if inner, ok := obj.Obj.(*unstructured.Unstructured); ok {
			obj.Obj = seen(inner)
		}
		return obj, nil
	default:
		return in, nil
	}
}

// seen gives an object in the form in which the cache holds it.
func seen(obj *unstructured.Unstructured) *unstructured.Unstructured {
	if held(obj) {
		return obj
	}
	cut, err := apply.Transform(obj)
	kept, ok := cut.(*unstructured.Unstructured)
	if err != nil || !ok {
		return obj
	}
	notes := map[string]string{}
	shape, power := entryOf(obj, ShapeOwner), entryOf(obj, PowerOwner)
	notes[shapeFields] = shapeHash(shape)
	if !power.empty() {
		notes[powerFields] = digest(power.fields)
	}
	if shape.has("spec", "replicas") && !power.has("spec", "replicas") && !othersHave(obj, "spec", "replicas") {
		notes[soleReplicas] = "true"
	}
	if shape.has("metadata", "annotations", KeptAnnotation) {
		notes[shapeKeeps] = "true"
	}
	notes[addedFields] = addedBy(obj)
	notes[hostsNote] = hostsNoted(obj)
	for _, key := range []string{kedaPausedReplicas, kedaPaused} {
		if value, ok := annotation(obj, key); ok {
			setAnnotation(kept, key, value)
		}
	}
	for key, value := range notes {
		if value != "" {
			setAnnotation(kept, key, value)
		}
	}
	if kindOf(obj) == kindNamespace {
		keepLabels(obj, kept)
	}
	return kept
}

// held says whether an object has the form of the cache already. The API server always gives a creation time.
func held(obj *unstructured.Unstructured) bool {
	metadata, _ := obj.Object["metadata"].(map[string]any)
	_, created := metadata["creationTimestamp"]
	_, managed := metadata["managedFields"]
	return !created && !managed
}

// keepLabels keeps those labels of a namespace that we write.
func keepLabels(from, to *unstructured.Unstructured) {
	labels := to.GetLabels()
	if labels == nil {
		labels = map[string]string{}
	}
	for key, value := range from.GetLabels() {
		if strings.HasPrefix(key, podSecurityPrefix) || key == managedByLabel {
			labels[key] = value
		}
	}
	to.SetLabels(labels)
}

// othersHave says whether a field manager that is not ours holds a field.
func othersHave(obj *unstructured.Unstructured, path ...string) bool {
	for _, e := range managed(obj) {
		fields, _ := e["fieldsV1"].(map[string]any)
		if !ours(text(e["manager"])) && (ownEntry{fields: fields}).has(path...) {
			return true
		}
	}
	return false
}
