package apply

import (
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/selection"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

// NamespaceKind is the kind of the tenants' namespaces. It is always watched; kinds that a caller lists need not hold it.
var NamespaceKind = schema.GroupVersionKind{Version: "v1", Kind: "Namespace"}

// CacheByObject gives the cache options of the tenant kinds and of namespaces: unstructured objects that carry
// v1alpha1.InstanceLabel, cut down by [Transform] before they are kept.
//
// Typed reads of these kinds through the same cache start a second informer, with the same selection and whole objects.
// What else the operator reads of them (a chart in a ConfigMap of a sales namespace) must be read live. Objects come
// without a deep copy, so that a quiet pass costs little: nobody may change them.
func CacheByObject(kinds []schema.GroupVersionKind) map[client.Object]cache.ByObject {
	options := make(map[client.Object]cache.ByObject, len(kinds)+1)
	for _, gvk := range withNamespace(kinds) {
		obj := &unstructured.Unstructured{}
		obj.SetGroupVersionKind(gvk)
		options[obj] = cache.ByObject{
			Label:                 carriesInstance(),
			Transform:             Transform,
			UnsafeDisableDeepCopy: ptr.To(true),
		}
	}
	return options
}

// withNamespace gives the kinds without repeats, namespaces among them.
func withNamespace(kinds []schema.GroupVersionKind) []schema.GroupVersionKind {
	all := append([]schema.GroupVersionKind{NamespaceKind}, kinds...)
	slices.SortFunc(all, func(a, b schema.GroupVersionKind) int { return strings.Compare(a.String(), b.String()) })
	return slices.Compact(all)
}

func carriesInstance() labels.Selector {
	exists, err := labels.NewRequirement(v1alpha1.InstanceLabel, selection.Exists, nil)
	if err != nil {
		// The key is a constant; should it ever be no label, an empty cache is the safe answer.
		return labels.Nothing()
	}
	return labels.NewSelector().Add(*exists)
}

// What the cache keeps. Everything else is dropped: data, pod templates, claim templates, rules, managedFields.
var (
	// keptSpec is what kstatus and the rules for stopped workloads read.
	keptSpec = []string{
		"replicas", "minReplicas", "progressDeadlineSeconds", "updateStrategy", "persistentVolumeClaimRetentionPolicy",
		"parallelism", "completions", "suspend", "paused", "type", "clusterIP", "ttlSecondsAfterFinished",
	}
	// keptStatus is what kstatus and the rules for stopped workloads read.
	keptStatus = []string{
		"observedGeneration", "replicas", "readyReplicas", "availableReplicas", "updatedReplicas", "currentReplicas",
		"fullyLabeledReplicas", "terminatingReplicas", "currentRevision", "updateRevision", "phase", "active", "succeeded",
		"failed", "startTime", "desiredNumberScheduled", "currentNumberScheduled", "updatedNumberScheduled",
		"numberAvailable", "numberReady", "loadBalancer",
	}
	// keptCondition has no times, so that a heartbeat is no change.
	keptCondition = []string{"type", "status", "reason", "message"}
	// keptMetadata has no creation time: its absence tells a cut object from one that the API server gave.
	keptMetadata = []string{"name", "namespace", "uid", "resourceVersion", "generation", "deletionTimestamp"}
)

// keptAnnotation says whether an annotation is read by us, by the rule that keeps an object from being pruned, or by [Judge].
func keptAnnotation(key string) bool {
	return strings.HasPrefix(key, v1alpha1.FieldOwner+"/") || key == "helm.sh/resource-policy" || key == ignoreHealth
}

// Transform cuts an unstructured object down to what this package reads, and notes the hash of our entry in managedFields
// and the other manager in [FieldsAnnotation] and [ManagerAnnotation]. It is a toolscache.TransformFunc: it takes
// tombstones too, leaves other types alone, and changes nothing when done twice. It never returns an error.
func Transform(in any) (any, error) {
	switch obj := in.(type) {
	case *unstructured.Unstructured:
		return trim(obj), nil
	case toolscache.DeletedFinalStateUnknown:
		if inner, ok := obj.Obj.(*unstructured.Unstructured); ok {
			obj.Obj = trim(inner)
		}
		return obj, nil
	default:
		return in, nil
	}
}

// trimmed says whether an object has the form that trim gives it.
func trimmed(obj *unstructured.Unstructured) bool {
	metadata, _ := obj.Object["metadata"].(map[string]any)
	_, created := metadata["creationTimestamp"]
	_, managed := metadata["managedFields"]
	return !created && !managed
}

func trim(obj *unstructured.Unstructured) *unstructured.Unstructured {
	from, _ := obj.Object["metadata"].(map[string]any)
	metadata := pick(from, keptMetadata)
	metadata["labels"] = pickFunc(from["labels"], func(key string) bool {
		return strings.HasPrefix(key, v1alpha1.FieldOwner+"/")
	})
	annotations := pickFunc(from["annotations"], keptAnnotation)
	setUnlessEmpty(annotations, FieldsAnnotation, OwnFields(obj))
	setUnlessEmpty(annotations, ManagerAnnotation, OtherManager(obj))
	if len(annotations) > 0 {
		metadata["annotations"] = annotations
	}
	if controller := controllerReference(from["ownerReferences"]); controller != nil {
		metadata["ownerReferences"] = []any{controller}
	}

	kept := map[string]any{"apiVersion": obj.Object["apiVersion"], "kind": obj.Object["kind"], "metadata": metadata}
	if spec := pickAny(obj.Object["spec"], keptSpec); len(spec) > 0 {
		kept["spec"] = spec
	}
	if status := trimStatus(obj.Object["status"]); len(status) > 0 {
		kept["status"] = status
	}
	return &unstructured.Unstructured{Object: kept}
}

func trimStatus(from any) map[string]any {
	status := pickAny(from, keptStatus)
	all, _ := from.(map[string]any)
	conditions, ok := all["conditions"].([]any)
	if !ok {
		return status
	}
	kept := make([]any, 0, len(conditions))
	for _, condition := range conditions {
		if fields := pickAny(condition, keptCondition); len(fields) > 0 {
			kept = append(kept, fields)
		}
	}
	status["conditions"] = kept
	return status
}

// controllerReference gives the reference of the object's controller, or nil.
func controllerReference(references any) map[string]any {
	list, _ := references.([]any)
	for _, r := range list {
		if reference, _ := r.(map[string]any); reference["controller"] == true {
			return reference
		}
	}
	return nil
}

func pick(from map[string]any, keys []string) map[string]any {
	to := map[string]any{}
	for _, key := range keys {
		if value, ok := from[key]; ok && value != nil {
			to[key] = value
		}
	}
	return to
}

func pickAny(from any, keys []string) map[string]any {
	fields, _ := from.(map[string]any)
	return pick(fields, keys)
}

func pickFunc(from any, keep func(key string) bool) map[string]any {
	fields, _ := from.(map[string]any)
	to := map[string]any{}
	for key, value := range fields {
		if keep(key) {
			to[key] = value
		}
	}
	return to
}

func setUnlessEmpty(annotations map[string]any, key, value string) {
	if value != "" {
		annotations[key] = value
	}
}

// Changed says whether an update of a cached object changed anything that the cache keeps. Most updates don't: the
// resource version moves on with each counter that was cut away. A watch drops those events.
func Changed(before, after client.Object) bool {
	a, aOK := before.(*unstructured.Unstructured)
	b, bOK := after.(*unstructured.Unstructured)
	if !aOK || !bOK {
		return true
	}
	return !equality.Semantic.DeepEqual(withoutVersion(a), withoutVersion(b))
}

// withoutVersion gives a shallow copy without the resource version; what is in the cache stays as it is.
func withoutVersion(obj *unstructured.Unstructured) map[string]any {
	top := maps.Clone(obj.Object)
	if metadata, ok := top["metadata"].(map[string]any); ok {
		metadata = maps.Clone(metadata)
		delete(metadata, "resourceVersion")
		top["metadata"] = metadata
	}
	return top
}
