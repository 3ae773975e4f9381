package workload

import (
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

func TestAddedObjectsAreTheTenantsOwn(t *testing.T) {
	added := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "added"}, "data": map[string]any{"key": "value"},
	}}
	set := own(t, Policy{}, func(tenant *Tenant) { tenant.Objects = []*unstructured.Unstructured{added} })
	var found *unstructured.Unstructured
	for _, object := range set.Groups[0] {
		if object.GetKind() == "ConfigMap" {
			found = object
		}
	}
	if found == nil || found.GetName() != "added" || at(found, "data", "key") != "value" || found.GetNamespace() == "" ||
		found.GetLabels()[v1alpha1.InstanceLabel] == "" {
		t.Errorf("the ConfigMap is %v", found)
	}
	if added.GetNamespace() != "" {
		t.Error("the caller's object was changed")
	}
}
