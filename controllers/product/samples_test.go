package product

import (
	"os"
	"path/filepath"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/render"
	"github.com/stallkeeper/stallkeeper/controllers/revision"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
	"github.com/stallkeeper/stallkeeper/controllers/workload"
)

// Whoever copies a sample must get a product that is ready.
func TestTheSamplesAreGoodProducts(t *testing.T) {
	perms := salestest.Permissions()
	perms.TenantRBAC, perms.RoleRights = true, workload.RoleRights{"secrets": {"create", "get", "update", "patch"}}
	for _, kind := range []schema.GroupKind{{Group: "apps", Kind: "StatefulSet"}, {Kind: "Service"}, {Kind: "ServiceAccount"}} {
		perms.Kinds.Insert(kind)
	}
	samples := salestest.SamplesOf(t, "../../config", "MarketplaceProduct", salestest.NewProduct)
	checked := 0
	for file, p := range samples {
		if p.Spec.Template.Chart != (v1alpha1.Chart{}) {
			continue
		}
		checked++
		data := cutOn0(p, nil)
		if p.Spec.Template.ConfigMapRef.Name != "" {
			// kustomize makes the ConfigMap of the folder beside the product.
			data.Content = revision.ContentOf(p, revision.Material{Files: filesIn(t, filepath.Join("../../config", filepath.Dir(file), "templates"))})
		}
		check := check{permissions: perms, features: allFeatures(), renderer: render.InProcess{}}
		note, err := check.run(t.Context(), p, "sample-1", data, nil)
		if err != nil || silly(p) != nil {
			t.Errorf("%s: %v, %v", file, err, silly(p))
		}
		t.Logf("%s: %s", file, note)
	}
	if checked < 4 {
		t.Errorf("only %d of %d samples were checked", checked, len(samples))
	}
}

// filesIn are the files of a folder by their names.
func filesIn(t *testing.T, folder string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, entry := range entries {
		text, err := os.ReadFile(filepath.Join(folder, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[entry.Name()] = string(text)
	}
	return files
}
