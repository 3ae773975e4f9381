package controllers

import (
	"os"
	"path/filepath"
	"testing"

	"gopkg.in/yaml.v2"
	"sigs.k8s.io/controller-runtime/pkg/client"

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
