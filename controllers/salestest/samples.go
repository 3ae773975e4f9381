package salestest

import (
	"io/fs"
	"os"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

// SamplesOf are the objects of a kind among the samples, by their file in the folder config, whose path is given. empty
// makes an object to decode into. A sample with an unknown field fails the test.
func SamplesOf[T client.Object](t *testing.T, config, kind string, empty func() T) map[string]T {
	t.Helper()
	found := map[string]T{}
	samples := os.DirFS(config)
	files, err := fs.Glob(samples, "samples/*/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no samples: %v", err)
	}
	for _, file := range files {
		content, err := fs.ReadFile(samples, file)
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

// NewProduct is an empty product, for SamplesOf.
func NewProduct() *v1alpha1.MarketplaceProduct { return &v1alpha1.MarketplaceProduct{} }
