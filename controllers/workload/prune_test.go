package workload

import (
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

func TestWhatPruningLeaves(t *testing.T) {
	dataKinds := []v1alpha1.GroupKind{{Group: "objectstorage.example.com", Kind: "Bucket"}}
	tests := map[string]struct {
		kind        schema.GroupKind
		annotations map[string]string
		want        bool
	}{
		"a claim":                     {kind: kindClaim, want: true},
		"a Secret":                    {kind: kindSecret, want: true},
		"a data kind of the product":  {kind: schema.GroupKind{Group: "objectstorage.example.com", Kind: "Bucket"}, want: true},
		"the same kind of a stranger": {kind: schema.GroupKind{Group: "example.com", Kind: "Bucket"}},
		"what Helm keeps":             {kind: kindConfigMap, annotations: map[string]string{"helm.sh/resource-policy": " Keep "}, want: true},
		"what Helm does not keep":     {kind: kindConfigMap, annotations: map[string]string{"helm.sh/resource-policy": "delete"}},
		"a workload":                  {kind: kindDeployment},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := KeepOnPrune(tc.kind, tc.annotations, dataKinds); got != tc.want {
				t.Errorf("KeepOnPrune = %t, want %t", got, tc.want)
			}
		})
	}
}
