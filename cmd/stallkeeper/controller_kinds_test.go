package main

import (
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/stallkeeper/stallkeeper/controllers/tenant"
)

// A kind that templates may not have any more stands in tenants that were made before.
func TestWhatHasToStopIsWatchedWhateverTemplatesMayHave(t *testing.T) {
	mapper := meta.NewDefaultRESTMapper([]schema.GroupVersion{{Group: "apps", Version: "v1"}, {Group: "batch", Version: "v1"}})
	for _, kind := range tenant.StoppedKinds() {
		if kind.Group != "keda.sh" {
			mapper.Add(kind.WithVersion("v1"), meta.RESTScopeNamespace)
		}
	}
	listed := schema.GroupVersionKind{Group: "autoscaling", Version: "v2", Kind: "HorizontalPodAutoscaler"}
	watched, err := withStopped(mapper, []schema.GroupVersionKind{listed})
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range tenant.StoppedKinds() {
		want := kind.WithVersion("v1")
		switch {
		case kind == listed.GroupKind():
			want = listed
		case kind.Group == "keda.sh": // not served
			if slices.ContainsFunc(watched, func(gvk schema.GroupVersionKind) bool { return gvk.Group == "keda.sh" }) {
				t.Errorf("%s is watched, and the cluster does not serve it", kind)
			}
			continue
		}
		if !slices.Contains(watched, want) {
			t.Errorf("%s is not watched: %v", want, watched)
		}
	}
	if len(watched) != len(tenant.StoppedKinds())-2 {
		t.Errorf("watched: %v", watched)
	}
}
