package salestest

import (
	"os"
	"path/filepath"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

// SamplesOf are the objects of a kind among the samples, by file. config is the path of the folder config.
func SamplesOf[T client.Object](t *testing.T, config, kind string, empty func() T) map[string]T {
	t.Helper()
	found := map[string]T{}
	files, err := filepath.Glob(filepath.Join(config, "samples", "*", "*.yaml"))
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

func NewProduct() *v1alpha1.MarketplaceProduct { return &v1alpha1.MarketplaceProduct{} }
