package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	jsonpatch "github.com/evanphx/json-patch/v5"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// manifest is one thing that somebody writes, and the API server's answer. Texts are YAML; those after the first are merged
// into what stands (RFC 7396).
type manifest struct {
	is    string   // merged into the kind's smallest manifest, and created
	then  []string // merged into it one after the other; all but the last are accepted. Nothing: the creation is judged
	at    string   // the field that the answer names; with says empty the manifest is accepted
	says  string   // a part of the answer that tells the remedy
	where string   // "status" for what is written into the status
}

// kinds are the smallest manifests. A test's name is filled in.
var kinds = map[string]string{
	"Marketplace": `
spec:
  protocol: KooGallery
  kooGallery: {site: International, callbackSecretRef: {name: koogallery-callbacks}}`,
	"MarketplaceProduct": `
spec:
  plans: [{name: standard}]
  template: {inline: "kind: ConfigMap"}`,
	"bare MarketplaceProduct": `
spec:
  plans: [{name: standard}]`,
	"MarketplaceInstance": `
spec: {productRef: {name: hello}}`,
	"sold MarketplaceInstance": `
spec:
  subscription: {marketplace: koogallery, instanceID: s7fj, entitlement: {state: Active}}`,
	"MarketplaceRevision": `
spec: {productRef: {name: hello}, contentRef: {name: hello-9f2c}}`,
	"UsageRecord": `
spec:
  instanceRef: {name: acme}
  meter: requests
  startTime: "2026-01-02T00:00:00Z"
  endTime: "2026-01-02T01:00:00Z"
  value: "12.5"`,
}

// judge plays the manifests of a kind against the API server.
func judge(t *testing.T, kind string, manifests map[string]manifest) {
	t.Helper()
	haveKinds(t)
	for _, name := range slices.Sorted(maps.Keys(manifests)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			answer(t, manifests[name], manifests[name].play(t, kind))
		})
	}
}

// play returns the API server's answer to the last step.
func (m manifest) play(t *testing.T, kind string) error {
	t.Helper()
	object := smallest(t, kind)
	merge(t, object, m.is)
	strict := client.FieldValidation(metav1.FieldValidationStrict)
	create := []client.CreateOption{strict}
	if len(m.then) == 0 && m.where == "" {
		create = append(create, client.DryRunAll)
	}
	err := server.Create(t.Context(), object, create...)
	if len(m.then) == 0 || err != nil {
		if err != nil && len(m.then) > 0 {
			t.Fatalf("The first manifest was refused: %v", err)
		}
		return err
	}
	t.Cleanup(func() {
		if err := server.Delete(context.Background(), object); err != nil {
			t.Errorf("Deleting the object failed: %v", err)
		}
	})
	for i, then := range m.then {
		patch := client.RawPatch(types.MergePatchType, asJSON(t, then))
		if m.where == "status" {
			err = server.Status().Patch(t.Context(), object, patch)
		} else {
			err = server.Patch(t.Context(), object, patch, strict)
		}
		if err != nil && i+1 < len(m.then) {
			t.Fatalf("Step %d was refused: %v", i+1, err)
		}
	}
	return err
}

// answer demands that all complaints are about the field that is expected, and that one of them tells the remedy.
func answer(t *testing.T, m manifest, err error) {
	t.Helper()
	if m.says == "" {
		if err != nil {
			t.Errorf("Refused: %v", err)
		}
		return
	}
	if err == nil {
		t.Fatalf("Accepted, and should be refused at %q: %s", m.at, m.says)
	}
	said := false
	for _, cause := range complaints(err) {
		if cause.Field != m.at {
			t.Errorf("It is said at %q, and should be at %q: %s", cause.Field, m.at, cause.Message)
		}
		said = said || strings.Contains(cause.Message, m.says)
	}
	if !said {
		t.Errorf("The answer does not say %q: %v", m.says, err)
	}
}

// complaints are what the API server says about single fields. A field that no kind has is named in the text alone.
func complaints(err error) []metav1.StatusCause {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return nil
	}
	if apierrors.IsBadRequest(err) && strings.Contains(err.Error(), "unknown field") {
		return []metav1.StatusCause{{Message: err.Error()}}
	}
	if status.Status().Details == nil {
		return nil
	}
	var causes []metav1.StatusCause
	for _, cause := range status.Status().Details.Causes {
		// Said, of no field, beside an error of a field's own form.
		if cause.Field != "<nil>" {
			causes = append(causes, cause)
		}
	}
	return causes
}

// smallest is the smallest manifest of a kind, under a name that other tests do not use.
func smallest(t *testing.T, kind string) *unstructured.Unstructured {
	t.Helper()
	text, ok := kinds[kind]
	if !ok {
		t.Fatalf("There is no manifest of a %s", kind)
	}
	object := &unstructured.Unstructured{}
	if err := json.Unmarshal(asJSON(t, text), &object.Object); err != nil {
		t.Fatal(err)
	}
	words := strings.Fields(kind)
	object.SetAPIVersion("stallkeeper.io/v1alpha1")
	object.SetKind(words[len(words)-1])
	object.SetNamespace("default")
	object.SetName(nextName())
	return object
}

// merge merges a YAML text into an object.
func merge(t *testing.T, object *unstructured.Unstructured, text string) {
	t.Helper()
	if text == "" {
		return
	}
	before, err := json.Marshal(object.Object)
	if err != nil {
		t.Fatal(err)
	}
	after, err := jsonpatch.MergePatch(before, asJSON(t, text))
	if err != nil {
		t.Fatal(err)
	}
	object.Object = nil
	if err := json.Unmarshal(after, &object.Object); err != nil {
		t.Fatal(err)
	}
}

func asJSON(t *testing.T, text string) []byte {
	t.Helper()
	raw, err := yaml.YAMLToJSONStrict([]byte(text))
	if err != nil {
		t.Fatalf("The test's YAML can't be read: %v\n%s", err, text)
	}
	return raw
}

var names = make(chan string)

func init() {
	go func() {
		for i := 0; ; i++ {
			names <- fmt.Sprintf("object-%d", i)
		}
	}()
}

func nextName() string { return <-names }

// haveKinds reads the kinds in a test, so that go test does not take a former result for one of changed kinds.
func haveKinds(t *testing.T) map[string]*unstructured.Unstructured {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root(), "config", "crd", "*.yaml"))
	if err != nil || len(files) != 5 {
		t.Fatalf("There are %d kinds in config/crd, and should be 5: %v", len(files), err)
	}
	found := map[string]*unstructured.Unstructured{}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		definition := &unstructured.Unstructured{}
		if err := yaml.Unmarshal(raw, &definition.Object); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		kind, _, err := unstructured.NestedString(definition.Object, "spec", "names", "kind")
		if err != nil {
			t.Fatal(err)
		}
		found[kind] = definition
	}
	return found
}

// long is a text of n letters.
func long(n int) string { return strings.Repeat("a", n) }

// many writes n items of a YAML flow list, each made from its number.
func many(n int, item string) string {
	items := make([]string, n)
	for i := range items {
		items[i] = strings.ReplaceAll(item, "%d", fmt.Sprint(i))
	}
	return "[" + strings.Join(items, ", ") + "]"
}
