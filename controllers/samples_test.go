package controllers

import (
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
)

func TestTheAPIServerTakesTheSamples(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-samples")
	objects := map[string]client.Object{}
	for file, p := range salestest.SamplesOf(t, "../config", "MarketplaceProduct", salestest.NewProduct) {
		objects[file] = p
	}
	for file, mpi := range salestest.SamplesOf(t, "../config", "MarketplaceInstance", func() *v1alpha1.MarketplaceInstance { return &v1alpha1.MarketplaceInstance{} }) {
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
