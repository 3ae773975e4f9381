package chart_test

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/stallkeeper/stallkeeper/test/chart"
)

var update = flag.Bool("update", false, "write the golden file and the README's table of values")

// render fails the test when the chart can't be rendered. Values are written as YAML, as a user writes them.
func render(t *testing.T, release chart.Release, values string) chart.Rendered {
	t.Helper()
	rendered, err := chart.Render(release, parse(t, values))
	if err != nil {
		t.Fatal(err)
	}
	return rendered
}

func parse(t *testing.T, values string) map[string]any {
	t.Helper()
	parsed := map[string]any{}
	if err := yaml.Unmarshal([]byte(values), &parsed); err != nil {
		t.Fatalf("the test's values: %v", err)
	}
	return parsed
}

// The golden file is what a reviewer sees change. CRDs are left out: they are generated, and reviewed in config/crd.
func TestDefaults(t *testing.T) {
	var got strings.Builder
	for _, object := range render(t, chart.Release{}, "").Objects {
		if object.GetKind() == "CustomResourceDefinition" {
			continue
		}
		text, err := yaml.Marshal(object.Object)
		if err != nil {
			t.Fatal(err)
		}
		got.WriteString("---\n" + string(text))
	}
	const golden = "testdata/defaults.yaml"
	if *update {
		if err := os.WriteFile(golden, []byte(got.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("the default rendering changed; if it is meant, run with -update (-want +got):\n%s", diff)
	}
}

func TestNotesSayWhatToDoNext(t *testing.T) {
	notes := render(t, chart.Release{}, "").Notes
	for _, want := range []string{
		"create secret tls stallkeeper-webhook-tls -n stallkeeper-system",
		"create secret generic koogallery-openapi -n stallkeeper-system",
		"/v1/sales/MARKETPLACE",
		"kubectl get mpi -n sales",
	} {
		if !strings.Contains(notes, want) {
			t.Errorf("the notes do not say %q:\n%s", want, notes)
		}
	}
	if lines := strings.Count(strings.TrimSpace(notes), "\n") + 1; lines > 10 {
		t.Errorf("the notes have %d lines, want at most 10", lines)
	}
	if notes := render(t, chart.Release{}, "login: {enabled: true, url: 'https://login.example.com/'}").Notes; !strings.Contains(notes, "https://login.example.com/login/sales/INSTANCE") {
		t.Errorf("the notes do not say where users sign in:\n%s", notes)
	}
	if notes := render(t, chart.Release{}, "admissionPolicies: {enabled: false}").Notes; !strings.Contains(notes, "WARNING") {
		t.Errorf("the notes do not warn of switched off policies:\n%s", notes)
	}
}
