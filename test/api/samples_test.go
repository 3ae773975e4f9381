package api_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// The samples are what people copy.
func TestTheSamplesAreAccepted(t *testing.T) {
	t.Parallel()
	haveKinds(t)
	files, err := filepath.Glob(filepath.Join(root(), "config", "samples", "*", "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("There are no samples: %v", err)
	}
	seen := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, document := range bytes.Split(text, []byte("\n---\n")) {
			object := &unstructured.Unstructured{}
			if err := yaml.UnmarshalStrict(document, &object.Object); err != nil {
				t.Errorf("%s: %v", file, err)
				continue
			}
			if !strings.HasPrefix(object.GetAPIVersion(), "stallkeeper.io/") {
				continue
			}
			seen++
			object.SetNamespace("default")
			if err := server.Create(t.Context(), object, client.DryRunAll, client.FieldValidation(metav1.FieldValidationStrict)); err != nil {
				t.Errorf("%s is refused: %v", file, err)
			}
		}
	}
	if seen < 12 {
		t.Errorf("Only %d samples were tried", seen)
	}
}
