package apply

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

// Field owners of the few writes that are not part of the desired set. An apply of [v1alpha1.FieldOwner] leaves their
// fields alone, which is why they are others.
const (
	// scaleOwner owns what suspending and resuming write: the replicas, their annotation and the retention of claims.
	scaleOwner = v1alpha1.FieldOwner + "/scale"
	// recordOwner owns the instance's labels from the moment a namespace is created, and the record of Jobs on it.
	recordOwner = v1alpha1.FieldOwner + "/record"
)

// Annotations of cached objects. They exist in memory only: a cached object is cut down and is never written to the API.
// What somebody stored under these keys is dropped before the object reaches the cache.
const (
	// FieldsAnnotation holds the hash of our entry in managedFields.
	FieldsAnnotation = "cache.stallkeeper.io/fields"
	// ManagerAnnotation holds the name of the other manager that has written last, its status aside.
	ManagerAnnotation = "cache.stallkeeper.io/manager"
)

// OwnFields is the hash of our entry in the object's managedFields, without its time: 22 characters, or empty if we own
// nothing of it. The entry loses exactly the field that somebody else changes, and stays when others add fields of
// their own. The object may come from the API or from the cache.
func OwnFields(obj *unstructured.Unstructured) string {
	if entries, ok := managedFields(obj); ok {
		return ownFields(entries)
	}
	return cached(obj, FieldsAnnotation)
}

// OtherManager is the name of the other manager that has written to the object last, its status aside, or empty. The
// object may come from the API or from the cache.
func OtherManager(obj *unstructured.Unstructured) string {
	if entries, ok := managedFields(obj); ok {
		return otherManager(entries)
	}
	return cached(obj, ManagerAnnotation)
}

// cached reads an in-memory annotation. An object as the API server gives it always has a creation time, a cached one
// never: without this check a person could fake the hash by writing the annotation and emptying managedFields.
func cached(obj *unstructured.Unstructured, key string) string {
	if !trimmed(obj) {
		return ""
	}
	value, _, _ := unstructured.NestedString(obj.Object, "metadata", "annotations", key)
	return value
}

func managedFields(obj *unstructured.Unstructured) ([]any, bool) {
	metadata, _ := obj.Object["metadata"].(map[string]any)
	entries, ok := metadata["managedFields"].([]any)
	return entries, ok
}

func ownFields(entries []any) string {
	for _, e := range entries {
		entry, _ := e.(map[string]any)
		if entry["manager"] != v1alpha1.FieldOwner || entry["operation"] != string(metav1.ManagedFieldsOperationApply) {
			continue
		}
		if subresource, _ := entry["subresource"].(string); subresource != "" {
			continue
		}
		// Maps are encoded with sorted keys, so the bytes are the same wherever the object was read.
		fields, err := json.Marshal([]any{entry["apiVersion"], entry["fieldsV1"]})
		if err != nil {
			return ""
		}
		sum := sha256.Sum256(fields)
		return base64.RawURLEncoding.EncodeToString(sum[:16])
	}
	return ""
}

func otherManager(entries []any) string {
	var newest, name string
	for _, e := range entries {
		entry, _ := e.(map[string]any)
		manager, _ := entry["manager"].(string)
		if manager == v1alpha1.FieldOwner || strings.HasPrefix(manager, v1alpha1.FieldOwner+"/") ||
			entry["subresource"] == "status" {
			continue
		}
		// Times are RFC 3339 in UTC, whose order is that of the strings.
		if time, _ := entry["time"].(string); name == "" || time >= newest {
			newest, name = time, manager
		}
	}
	return name
}
