package chart_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/stallkeeper/stallkeeper/test/chart"
)

// switchedOn has every template make something.
const switchedOn = `{login: {enabled: true, url: 'https://login.example.com', tls: {mode: certManager}, ingress: {enabled: true}},
	webhook: {host: h.example.com, tls: {mode: certManager, certManager: {issuerName: a}}, ingress: {enabled: true}},
	tenantRBAC: {enabled: true}, metrics: {serviceMonitor: {enabled: true}}, credentials: {ofSalesNamespaces: {sales: [koogallery-openapi]}}}`

// paths are those of all keys of values, of groups too.
func paths(values map[string]any, within ...string) [][]string {
	var all [][]string
	for key, value := range values {
		path := append(slices.Clone(within), key)
		all = append(all, path)
		if group, ok := value.(map[string]any); ok {
			all = append(all, paths(group, path...)...)
		}
	}
	return all
}

// valuesOf are the values of a chart.
func valuesOf(t *testing.T, path string) map[string]any {
	t.Helper()
	values, err := chart.Defaults(path)
	if err != nil {
		t.Fatal(err)
	}
	return runtime.DeepCopyJSON(asJSON(values).(map[string]any))
}

// asJSON makes numbers what JSON has, which is all that can be copied.
func asJSON(value any) any {
	switch value := value.(type) {
	case map[string]any:
		for key, of := range value {
			value[key] = asJSON(of)
		}
	case []any:
		for i, of := range value {
			value[i] = asJSON(of)
		}
	case int:
		return int64(value)
	}
	return value
}

// helm upgrade --reuse-values brings the values of the former release, which lack those that this one has added, and null takes a value
// away. Only where the sales are has no default that could be guessed. Contradictions may be refused, in words.
func TestAValueThatIsNotThereFailsNothing(t *testing.T) {
	release := chart.Release{APIVersions: []string{"monitoring.coreos.com/v1"}}
	for name, given := range map[string]string{"the defaults": "{}", "everything": switchedOn} {
		if _, err := chart.Files(release, parse(t, given)); err != nil {
			t.Fatal(name, err)
		}
		for _, path := range paths(valuesOf(t, chart.Dir())) {
			if path[0] == "salesNamespaces" {
				continue
			}
			t.Run(name+"/"+strings.Join(path, "."), func(t *testing.T) {
				null := parse(t, given)
				if err := unstructured.SetNestedField(null, nil, path...); err != nil {
					t.Fatal(err)
				}
				_, err := chart.Files(release, null)
				failsInWords(t, "with null", err)

				without, former := parse(t, given), release
				former.Defaults = valuesOf(t, chart.Dir())
				unstructured.RemoveNestedField(without, path...)
				unstructured.RemoveNestedField(former.Defaults, path...)
				_, err = chart.Files(former, without)
				failsInWords(t, "without it", err)
			})
		}
	}
}

// failsInWords lets pass what the chart itself refuses because values contradict each other.
func failsInWords(t *testing.T, how string, err error) {
	t.Helper()
	if err != nil && !strings.Contains(err.Error(), "execution error at (stallkeeper/templates/validate.yaml") {
		t.Errorf("%s: %v", how, err)
	}
}

// A text, number or switch that is not there is the default: none is made of it that a process can't read, and what protects stays, such as
// the policies, and the kinds, with which every sale would go.
func TestAValueThatIsNotThereIsTheDefault(t *testing.T) {
	release := chart.Release{APIVersions: []string{"monitoring.coreos.com/v1"}}
	all := valuesOf(t, chart.Dir())
	for name, given := range map[string]string{"the defaults": "{}", "everything": switchedOn} {
		want, err := chart.Files(release, parse(t, given))
		if err != nil {
			t.Fatal(name, err)
		}
		for _, path := range paths(all) {
			is, _, _ := unstructured.NestedFieldNoCopy(all, path...)
			_, isGiven, _ := unstructured.NestedFieldNoCopy(parse(t, given), path...)
			switch is.(type) {
			case string, bool, int64, float64:
			default:
				continue
			}
			if isGiven || slices.Contains(path, "resources") || slices.Contains(path, "annotations") {
				continue
			}
			values := parse(t, given)
			if err := unstructured.SetNestedField(values, nil, path...); err != nil {
				t.Fatal(err)
			}
			got, err := chart.Files(release, values)
			if err != nil {
				t.Errorf("without %s: %v", strings.Join(path, "."), err)
			}
			if diff := cmp.Diff(want, got); err == nil && diff != "" {
				t.Errorf("without %s, whose default is %v (-want +got):\n%s", strings.Join(path, "."), is, diff)
			}
		}
	}
}

// testdata/former has the values of releases that are not kept any more.
func TestTheValuesOfFormerReleasesCanBeReused(t *testing.T) {
	released, err := filepath.Glob(filepath.Join(chart.Root(), "charts", "released", "*.tgz"))
	if err != nil {
		t.Fatal(err)
	}
	former, err := filepath.Glob(filepath.Join("testdata", "former", "*.tgz"))
	if err != nil {
		t.Fatal(err)
	}
	if len(released) == 0 || len(former) == 0 {
		t.Fatal("there are no releases")
	}
	for _, path := range append(released, former...) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			rendered, err := chart.Render(chart.Release{Defaults: valuesOf(t, path)}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := len(rendered.Objects), len(render(t, chart.Release{}, "").Objects); got != want {
				t.Errorf("there are %d objects, and with this chart's own defaults %d", got, want)
			}
		})
	}
}
