package workload

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

// RunsNothing says whether objects of a kind run nothing by themselves, so that a stopped tenant may keep them: the kinds that the
// package knows and that need no stopping, and the product's data kinds.
func RunsNothing(kind schema.GroupKind, dataKinds []v1alpha1.GroupKind) bool {
	traits, ok := known[kind]
	return ok && traits.stop == nil || isDataKind(kind, dataKinds)
}

// PodTemplatePath is where a kind has its pod template; nil for one that has none.
func PodTemplatePath(kind schema.GroupKind) []string { return known[kind].podTemplate }

// ScaledTwice gives the workloads, as Kind/name, that set their replicas and that an autoscaler of the set scales as well. The number of
// their pods would flip between the two.
func ScaledTwice(objects []*unstructured.Unstructured) []string {
	targets := ScaleTargets(objects)
	var twice []string
	for _, object := range objects {
		if targets[identityOf(object).String()] && hasReplicas(object) && setsReplicas(object) {
			twice = append(twice, identityOf(object).String())
		}
	}
	return twice
}

// ScaleTargets are the workloads, as Kind/name, that the autoscalers among the objects scale.
func ScaleTargets(objects []*unstructured.Unstructured) map[string]bool {
	targets := map[string]bool{}
	for _, object := range objects {
		kind := object.GroupVersionKind().GroupKind()
		if kind != kindHPA && kind != kindScaledObject {
			continue
		}
		name, _, _ := unstructured.NestedString(object.Object, "spec", "scaleTargetRef", "name")
		target, _, _ := unstructured.NestedString(object.Object, "spec", "scaleTargetRef", "kind")
		if target == "" {
			target = kindDeployment.Kind // as KEDA takes it
		}
		targets[target+"/"+name] = true
	}
	return targets
}
