package workload

import (
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

func TestTheWorkloadIsToldOfLicenceRequests(t *testing.T) {
	told := func(requests string) (found *unstructured.Unstructured) {
		set := own(t, Policy{}, func(tenant *Tenant) { tenant.LicenseRequests = requests })
		for _, object := range set.Groups[0] {
			if object.GetKind() == "ConfigMap" {
				found = object
			}
		}
		return found
	}
	if found := told(""); found != nil {
		t.Errorf("a sale without licences has %s", found.GetName())
	}
	found := told(`{"requests": []}`)
	if found == nil || found.GetName() != "stallkeeper-license-requests" || at(found, "data", "requests.json") != `{"requests": []}` ||
		found.GetLabels()[v1alpha1.InstanceLabel] == "" {
		t.Errorf("the ConfigMap is %v", found)
	}
}
