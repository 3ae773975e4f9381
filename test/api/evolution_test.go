package api_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/yaml"
)

// What the operator has written must stay writable by it, whatever the kinds become: an upgrade that refuses one write loses a
// call of the marketplace, or freezes a status.
func TestObjectsOfTheLastReleaseAtTheirBoundsCanBeWritten(t *testing.T) {
	t.Parallel()
	for _, refused := range refusedAfterUpgrade(t, releasedKinds(t), definitions(t)) {
		t.Error(refused)
	}
}

// The test above finds what it is there for: a bound that narrows, a word that is taken away, and a rule that judges what stood.
func TestKindsThatRefuseWhatIsStoredAreFound(t *testing.T) {
	t.Parallel()
	next := definitions(t)
	narrow := func(kind, path string, change func(*apiextensionsv1.JSONSchemaProps)) {
		t.Helper()
		if !changed(next[kind].Spec.Versions[0].Schema.OpenAPIV3Schema, strings.Split(path, "."), change) {
			t.Fatalf("%s has no %s", kind, path)
		}
	}
	narrow("MarketplaceInstance", "spec.subscription.calls.[].operation", func(s *apiextensionsv1.JSONSchemaProps) { s.MaxLength = ptr.To(int64(8)) })
	narrow("UsageRecord", "status.state", func(s *apiextensionsv1.JSONSchemaProps) {
		s.Enum = []apiextensionsv1.JSON{{Raw: []byte(`"Pending"`)}}
	})
	narrow("MarketplaceRevision", "status", func(s *apiextensionsv1.JSONSchemaProps) {
		s.XValidations = append(s.XValidations, apiextensionsv1.ValidationRule{Rule: "!has(self.tenants) || self.tenants < 5", Message: "too many"})
	})
	found := strings.Join(refusedAfterUpgrade(t, definitions(t), next), "\n")
	for _, want := range []string{"spec.subscription.calls[0].operation", "status.state", "too many"} {
		if !strings.Contains(found, want) {
			t.Errorf("%q is not found:\n%s", want, found)
		}
	}
}

// changed changes a part of a schema; false when there is none at that path, in which [] stands for a list's items.
func changed(s *apiextensionsv1.JSONSchemaProps, path []string, change func(*apiextensionsv1.JSONSchemaProps)) bool {
	if len(path) == 0 {
		change(s)
		return true
	}
	if path[0] == "[]" {
		return s.Items != nil && changed(s.Items.Schema, path[1:], change)
	}
	below, ok := s.Properties[path[0]]
	if !ok || !changed(&below, path[1:], change) {
		return false
	}
	s.Properties[path[0]] = below
	return true
}

// refusedAfterUpgrade stores an object of each kind at the bounds that it has in one release, and returns what the kinds of the next
// one refuse of what the operator writes into it.
func refusedAfterUpgrade(t *testing.T, released, next map[string]*apiextensionsv1.CustomResourceDefinition) []string {
	t.Helper()
	c := upgradable(t, released)
	var stored []*unstructured.Unstructured
	for _, kind := range []string{"MarketplaceInstance", "UsageRecord", "MarketplaceRevision"} {
		object := atItsBounds(t, released[kind])
		status := object.Object["status"]
		if err := c.Create(t.Context(), object); err != nil {
			t.Fatalf("%s at its bounds was refused by its own release: %v", kind, err)
		}
		object.Object["status"] = status
		if err := c.Status().Update(t.Context(), object); err != nil {
			t.Fatalf("The status of a %s at its bounds was refused by its own release: %v", kind, err)
		}
		stored = append(stored, object)
	}

	upgrade(t, c, next)
	var refused []string
	for _, object := range stored {
		for _, write := range writesOf(object.GetKind()) {
			patch := client.RawPatch(types.MergePatchType, asJSON(t, write))
			var err error
			if strings.HasPrefix(write, "status") {
				err = c.Status().Patch(t.Context(), object, patch)
			} else {
				err = c.Patch(t.Context(), object, patch)
			}
			if err != nil {
				refused = append(refused, fmt.Sprintf("%s: the new kinds refuse %s: %v", object.GetKind(), write, err))
			}
		}
	}
	return refused
}

// writesOf are what the webhook server and the controller write into objects of a kind.
func writesOf(kind string) []string {
	return map[string][]string{
		"MarketplaceInstance": {
			`spec: {subscription: {calls: [{operation: releaseInstance, orderID: CS23, time: "2027-01-01T00:00:00Z"}], entitlement: {state: Active, reason: null}}}`,
			`spec: {subscription: {expiryTime: "2030-01-01T00:00:00Z", expirySource: Renewal}}`,
			`status: {state: Running, observedGeneration: 7}`,
		},
		"UsageRecord":         {`status: {state: Pushed, observedGeneration: 7}`},
		"MarketplaceRevision": {`status: {state: InUse, tenants: 7}`},
	}[kind]
}

// A rule that comes with a new release judges, at the next call about it, also an instance that was stored before.
func TestARuleDoesNotRefuseACallAboutWhatStoodBefore(t *testing.T) {
	t.Parallel()
	c := upgradable(t, withoutRules(t, definitions(t)))
	sold := func(sold string) string { return `spec: {subscription: {` + sold + `}}` }
	before := map[string]string{
		"an end's source without the end":            sold(`expirySource: Person`),
		"an end before its start":                    sold(`startTime: "2027-01-01T00:00:00Z", expiryTime: "2026-01-01T00:00:00Z"`),
		"frozen for nothing":                         sold(`entitlement: {state: Frozen}`),
		"active for a reason":                        sold(`entitlement: {state: Active, reason: Expired}`),
		"no entitlement":                             sold(`entitlement: null`),
		"a marketplace of no Marketplace's name":     sold(`marketplace: Koo Gallery`),
		"a package that uses itself":                 `{metadata: {name: itself}, ` + sold(`packageConsumerRef: {name: itself}`) + `}`,
		"a lifecycle without a person":               `spec: {lifecycle: {runUntilTime: "2028-01-01T00:00:00Z"}}`,
		"a correction of an order that is abandoned": `spec: {correction: {id: a, reason: b, by: c, orderID: d, abandonedOrderIDs: [d]}}`,
		"a plan that no plan is named like":          `spec: {plan: Small}`,
	}
	stored := map[string]*unstructured.Unstructured{}
	for name, is := range before {
		object := smallest(t, "sold MarketplaceInstance")
		merge(t, object, is)
		if err := c.Create(t.Context(), object); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		stored[name] = object
	}

	upgrade(t, c, definitions(t))
	call := `spec: {subscription: {calls: [{operation: upgrade, orderID: CS23, time: "2027-01-01T00:00:00Z"}], quantity: 7}}`
	for name, object := range stored {
		if err := c.Patch(t.Context(), object, client.RawPatch(types.MergePatchType, asJSON(t, call))); err != nil {
			t.Errorf("%s: the call is refused: %v", name, err)
		}
	}
}

// upgradable starts an API server of its own with these kinds.
func upgradable(t *testing.T, kinds map[string]*apiextensionsv1.CustomResourceDefinition) client.Client {
	t.Helper()
	environment := &envtest.Environment{BinaryAssetsDirectory: binaries(), CRDs: slices.Collect(maps.Values(kinds))}
	config, err := environment.Start()
	if err != nil {
		t.Fatalf("Starting the API server failed: %v", err)
	}
	t.Cleanup(func() {
		if err := environment.Stop(); err != nil {
			t.Errorf("Stopping the API server failed: %v", err)
		}
	})
	c, err := clientOf(config)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// upgrade brings new kinds, and returns once they are in force: a mark in their schema's rules tells.
func upgrade(t *testing.T, c client.Client, kinds map[string]*apiextensionsv1.CustomResourceDefinition) {
	t.Helper()
	for kind, definition := range kinds {
		mark(definition)
		err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
			stored := &apiextensionsv1.CustomResourceDefinition{}
			if err := c.Get(ctx, client.ObjectKeyFromObject(definition), stored); err != nil {
				return false, err
			}
			stored.Spec = definition.Spec
			err := c.Update(ctx, stored)
			if apierrors.IsConflict(err) {
				return false, nil
			}
			return err == nil, err
		})
		if err != nil {
			t.Fatalf("Upgrading %s failed: %v", kind, err)
		}
	}
	for kind := range kinds {
		object := smallest(t, kind)
		object.SetName("marked")
		err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
			err := c.Create(ctx, object.DeepCopy(), client.DryRunAll)
			return err != nil && strings.Contains(err.Error(), "the upgrade is in force"), nil
		})
		if err != nil {
			t.Fatalf("The new %s does not come into force: %v", kind, err)
		}
	}
}

// mark adds a rule that refuses the name "marked".
func mark(definition *apiextensionsv1.CustomResourceDefinition) {
	schema := definition.Spec.Versions[0].Schema.OpenAPIV3Schema
	schema.XValidations = append(schema.XValidations, apiextensionsv1.ValidationRule{
		Rule: "self.metadata.name != 'marked'", Message: "the upgrade is in force",
	})
}

// withoutRules are kinds before their rules came.
func withoutRules(t *testing.T, kinds map[string]*apiextensionsv1.CustomResourceDefinition) map[string]*apiextensionsv1.CustomResourceDefinition {
	t.Helper()
	for _, definition := range kinds {
		strip(definition.Spec.Versions[0].Schema.OpenAPIV3Schema)
	}
	return kinds
}

func strip(s *apiextensionsv1.JSONSchemaProps) {
	s.XValidations = nil
	for name := range s.Properties {
		below := s.Properties[name]
		strip(&below)
		s.Properties[name] = below
	}
	if s.Items != nil {
		strip(s.Items.Schema)
	}
	if s.AdditionalProperties != nil && s.AdditionalProperties.Schema != nil {
		strip(s.AdditionalProperties.Schema)
	}
}

// firstOfRules is the release from which the rules of docs/decisions/0017-api-evolution.md hold.
const firstOfRules = "0.3.0"

var releasedChart = regexp.MustCompile(`^stallkeeper-(\d+)\.(\d+)\.(\d+)\.tgz$`)

// releasedKinds are the kinds of the newest chart in charts/released, or those of today while no chart was released under the rules.
func releasedKinds(t *testing.T) map[string]*apiextensionsv1.CustomResourceDefinition {
	t.Helper()
	files, err := os.ReadDir(filepath.Join(root(), "charts", "released"))
	if err != nil {
		t.Fatal(err)
	}
	newest, best := "", versionOf("stallkeeper-"+firstOfRules+".tgz")
	for _, file := range files {
		if version := versionOf(file.Name()); version != nil && slices.Compare(version, best) >= 0 {
			newest, best = file.Name(), version
		}
	}
	if newest == "" {
		return definitions(t)
	}
	archive, err := os.ReadFile(filepath.Join(root(), "charts", "released", newest))
	if err != nil {
		t.Fatal(err)
	}
	kinds, err := kindsOf(archive)
	if err != nil {
		t.Fatalf("%s: %v", newest, err)
	}
	return kinds
}

func versionOf(file string) []int {
	parts := releasedChart.FindStringSubmatch(file)
	if parts == nil {
		return nil
	}
	var version []int
	for _, part := range parts[1:] {
		n, _ := strconv.Atoi(part)
		version = append(version, n)
	}
	return version
}

// kindsOf reads the templates of the kinds in a packaged chart: hack/chart-crds.sh puts actions on lines of their own, and escapes
// what a description says of templates.
func kindsOf(archive []byte) (map[string]*apiextensionsv1.CustomResourceDefinition, error) {
	unpacked, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		return nil, err
	}
	kinds := map[string]*apiextensionsv1.CustomResourceDefinition{}
	for reader := tar.NewReader(unpacked); ; {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return kinds, nil
		}
		if err != nil {
			return nil, err
		}
		if !strings.Contains(header.Name, "/templates/crds/") {
			continue
		}
		text, err := io.ReadAll(reader)
		if err != nil {
			return nil, err
		}
		lines := slices.DeleteFunc(strings.Split(string(text), "\n"), func(line string) bool {
			return strings.HasPrefix(strings.TrimSpace(line), "{{-")
		})
		definition := &apiextensionsv1.CustomResourceDefinition{}
		if err := yaml.Unmarshal([]byte(strings.ReplaceAll(strings.Join(lines, "\n"), `{{ "{{" }}`, "{{")), definition); err != nil {
			return nil, fmt.Errorf("%s: %w", header.Name, err)
		}
		kinds[definition.Spec.Names.Kind] = definition
	}
}

// The first chart that is released under the rules must not be the first one that is read.
func TestTheKindsOfAPackagedChartAreRead(t *testing.T) {
	t.Parallel()
	var archive bytes.Buffer
	packed := gzip.NewWriter(&archive)
	writer := tar.NewWriter(packed)
	files, err := filepath.Glob(filepath.Join(root(), "charts", "stallkeeper", "templates", "crds", "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range append(files, filepath.Join(root(), "charts", "stallkeeper", "Chart.yaml")) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := "stallkeeper/templates/crds/" + filepath.Base(file)
		if filepath.Base(file) == "Chart.yaml" {
			name = "stallkeeper/Chart.yaml"
		}
		if err := writer.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(text))}); err != nil {
			t.Fatal(err)
		}
		if _, err := writer.Write(text); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(writer.Close(), packed.Close()); err != nil {
		t.Fatal(err)
	}

	kinds, err := kindsOf(archive.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	want := definitions(t)
	if len(kinds) != len(want) {
		t.Errorf("%d kinds are read, want %d", len(kinds), len(want))
	}
	for kind, definition := range kinds {
		if diff := cmp.Diff(want[kind].Spec, definition.Spec); diff != "" {
			t.Errorf("%s differs from that of config/crd (-want +got):\n%s", kind, diff)
		}
	}
}

// atItsBounds is an object in which every field is there, every text as long, every list as full and every number as large as its
// kind allows.
func atItsBounds(t *testing.T, definition *apiextensionsv1.CustomResourceDefinition) *unstructured.Unstructured {
	t.Helper()
	schema := definition.Spec.Versions[0].Schema.OpenAPIV3Schema
	object := &unstructured.Unstructured{Object: map[string]any{}}
	for _, part := range []string{"spec", "status"} {
		below := schema.Properties[part]
		object.Object[part] = full(&below, "."+part, 0)
	}
	object.SetAPIVersion(definition.Spec.Group + "/" + definition.Spec.Versions[0].Name)
	object.SetKind(definition.Spec.Names.Kind)
	object.SetNamespace("default")
	object.SetName("at-its-bounds")
	return object
}

// unusual are values that a kind's rules demand, by the end of their place.
var unusual = map[string]any{
	".spec.correction.acknowledgement": "Received",
	".spec.correction.orderID":         "purchase",                // none of those that are abandoned
	".spec.value":                      "0",                       // of a record with a checkpoint
	".spec.delivery.pushTime":          nil,                       // fixes the whole delivery
	"conditions[].message":             strings.Repeat("a", 1024), // 32 of 32 KiB have no room in etcd
}

// full is the largest value that a schema allows; number tells the items of a list from each other.
func full(s *apiextensionsv1.JSONSchemaProps, path string, number int) any {
	for end, value := range unusual {
		if strings.HasSuffix(path, end) {
			return value
		}
	}
	switch {
	case s.XPreserveUnknownFields != nil && *s.XPreserveUnknownFields:
		return map[string]any{"key": "value"}
	case s.Type == "object":
		object := map[string]any{}
		for name := range s.Properties {
			below := s.Properties[name]
			if value := full(&below, path+"."+name, number); value != nil {
				object[name] = value
			}
		}
		return object
	case s.Type == "array":
		var items []any
		for i := range *s.MaxItems {
			items = append(items, full(s.Items.Schema, path+"[]", int(i)))
		}
		return items
	case s.Type == "integer":
		if s.Maximum == nil {
			return int64(1 << 30)
		}
		return int64(*s.Maximum)
	default:
		return fullText(s, number)
	}
}

func fullText(s *apiextensionsv1.JSONSchemaProps, number int) string {
	switch {
	case s.Format == "date-time":
		return "2026-01-01T00:00:00Z"
	case len(s.Enum) > 0:
		return strings.Trim(string(s.Enum[len(s.Enum)-1].Raw), `"`)
	case strings.Contains(s.Pattern, "[1-9]"):
		return "999999999999999.9999"
	default:
		end := strconv.Itoa(number)
		return strings.Repeat("a", int(*s.MaxLength)-len(end)) + end
	}
}
