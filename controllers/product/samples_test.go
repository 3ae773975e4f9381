package product

import (
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/stallkeeper/stallkeeper/controllers/salestest"
)

// Whoever copies a sample must get a product that is ready.
func TestTheSamplesAreGoodProducts(t *testing.T) {
	perms := salestest.Permissions()
	perms.TenantRBAC = true
	for _, kind := range []schema.GroupKind{{Group: "apps", Kind: "StatefulSet"}, {Kind: "Service"}, {Kind: "ServiceAccount"}} {
		perms.Kinds.Insert(kind)
	}
	samples := salestest.SamplesOf(t, "../../config", "MarketplaceProduct", salestest.NewProduct)
	checked := 0
	for file, p := range samples {
		if p.Spec.Template.Chart.ConfigMapRef.Name != "" {
			continue
		}
		checked++
		check := check{permissions: perms, features: allFeatures()}
		if _, err := check.run(p, "sample-1", cutOn0(p, nil)); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
	if checked < 4 {
		t.Errorf("only %d of %d samples were checked", checked, len(samples))
	}
}
