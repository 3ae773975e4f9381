package workload

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

// resourcePolicyAnnotation is Helm's: with the value keep, an object stays when its release no longer has it.
const resourcePolicyAnnotation = "helm.sh/resource-policy"

// KeepOnPrune says whether an object that the tenant's set no longer has must stay all the same, because it holds data:
// claims, Secrets, the product's data kinds, and what Helm's resource policy keeps.
func KeepOnPrune(kind schema.GroupKind, annotations map[string]string, dataKinds []v1alpha1.GroupKind) bool {
	if kind == kindClaim || kind == kindSecret || isDataKind(kind, dataKinds) {
		return true
	}
	return strings.EqualFold(strings.TrimSpace(annotations[resourcePolicyAnnotation]), "keep")
}

// isDataKind says whether the product counts a kind as data.
func isDataKind(kind schema.GroupKind, dataKinds []v1alpha1.GroupKind) bool {
	return slices.Contains(dataKinds, v1alpha1.GroupKind{Group: kind.Group, Kind: kind.Kind})
}
