package controllers

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

// samplesOf are the objects of a kind among the samples, by file.
func samplesOf[T client.Object](t *testing.T, kind string, empty func() T) map[string]T {
	t.Helper()
	found := map[string]T{}
	files, err := filepath.Glob("../config/samples/*/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no samples: %v", err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var head struct{ Kind string }
		if err := yaml.Unmarshal(content, &head); err != nil {
			t.Fatal(err)
		}
		if head.Kind != kind {
			continue
		}
		object := empty()
		if err := yaml.UnmarshalStrict(content, object); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		found[file] = object
	}
	return found
}

func newProduct() *v1alpha1.MarketplaceProduct { return &v1alpha1.MarketplaceProduct{} }

// Whoever copies a sample must get a product that is ready.
func TestTheSamplesAreGoodProducts(t *testing.T) {
	perms := permissions()
	perms.TenantRBAC = true
	for _, kind := range []schema.GroupKind{{Group: "apps", Kind: "StatefulSet"}, {Kind: "Service"}, {Kind: "ServiceAccount"}} {
		perms.Kinds.Insert(kind)
	}
	samples := samplesOf(t, "MarketplaceProduct", newProduct)
	checked := 0
	for file, p := range samples {
		if p.Spec.Template.Chart.ConfigMapRef.Name != "" {
			continue
		}
		checked++
		check := productCheck{permissions: perms, features: allFeatures()}
		if _, err := check.run(p, "sample-1", dataOf(p, nil)); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
	if checked < 4 {
		t.Errorf("only %d of %d samples were checked", checked, len(samples))
	}
}

func TestTheAPIServerTakesTheSamples(t *testing.T) {
	x := newShop(t, "sales-samples")
	objects := map[string]client.Object{}
	for file, p := range samplesOf(t, "MarketplaceProduct", newProduct) {
		objects[file] = p
	}
	for file, mpi := range samplesOf(t, "MarketplaceInstance", func() *v1alpha1.MarketplaceInstance { return &v1alpha1.MarketplaceInstance{} }) {
		objects[file] = mpi
	}
	for file, object := range objects {
		object.SetNamespace(x.name)
		// Two samples may have one name.
		object.SetName(strings.TrimSuffix(filepath.Base(file), ".yaml"))
		if err := x.client.Create(t.Context(), object, client.DryRunAll); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}
