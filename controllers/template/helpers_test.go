package template

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// seed is a seed as an instance has it.
var seed = []byte("0123456789abcdef0123456789abcdef")

// inputs are the inputs of a tenant without values.
func inputs(change ...func(*Inputs)) Inputs {
	in := Inputs{
		Namespace:    "tenant-a",
		Now:          time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC),
		Seed:         seed,
		Stallkeeper:  map[string]any{"plan": "small", "quantity": 3},
		Capabilities: Capabilities{KubeVersion: "v1.37.2", APIVersions: []string{"apps/v1", "apps/v1/Deployment"}},
	}
	for _, c := range change {
		c(&in)
	}
	return in
}

func withValues(values map[string]any) func(*Inputs) { return func(in *Inputs) { in.Values = values } }

// files are a chart's files by their path inside of it.
type files map[string]string

const chartYAML = "apiVersion: v2\nname: shop\nversion: 1.2.3\nappVersion: \"9\"\n"

// chartOf packages files as a chart named shop; Chart.yaml is added when it is missing.
func chartOf(tb testing.TB, content files) []byte {
	tb.Helper()
	content = maps.Clone(content)
	if content["Chart.yaml"] == "" {
		content["Chart.yaml"] = chartYAML
	}
	var packed bytes.Buffer
	zip := gzip.NewWriter(&packed)
	archive := tar.NewWriter(zip)
	for _, name := range slices.Sorted(maps.Keys(content)) {
		header := &tar.Header{Name: "shop/" + name, Mode: 0o644, Size: int64(len(content[name])), Typeflag: tar.TypeReg}
		if err := archive.WriteHeader(header); err != nil {
			tb.Fatal(err)
		}
		if _, err := archive.Write([]byte(content[name])); err != nil {
			tb.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		tb.Fatal(err)
	}
	if err := zip.Close(); err != nil {
		tb.Fatal(err)
	}
	return packed.Bytes()
}

func parsed(tb testing.TB, src Source) *Template {
	tb.Helper()
	t, err := Parse(src)
	if err != nil {
		tb.Fatalf("Parse: %v", err)
	}
	return t
}

// renderChart and renderInline render for the tenant of inputs.
func renderChart(tb testing.TB, content files, change ...func(*Inputs)) (Output, error) {
	tb.Helper()
	return parsed(tb, Source{Chart: chartOf(tb, content)}).Render(inputs(change...))
}

func renderInline(tb testing.TB, text string, change ...func(*Inputs)) (Output, error) {
	tb.Helper()
	return parsed(tb, Source{Inline: text}).Render(inputs(change...))
}

// config is a ConfigMap whose key `value` holds an expression, quoted as JSON so that any result fits in.
func config(expression string) string {
	return "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: c\ndata:\n  value: {{ " + expression + " | toJson }}\n"
}

// valueOf is the key `value` of the only object.
func valueOf(tb testing.TB, out Output, err error) string {
	tb.Helper()
	if err != nil {
		tb.Fatalf("Render: %v", err)
	}
	if len(out.Objects) != 1 {
		tb.Fatalf("want one object, got %d", len(out.Objects))
	}
	data, _ := out.Objects[0].Object["data"].(map[string]any)
	value, _ := data["value"].(string)
	return value
}

// names lists kind, name and file of the objects.
func names(out Output) []string {
	list := []string{}
	for _, o := range out.Objects {
		list = append(list, strings.Join([]string{o.GetKind(), o.GetName(), o.File}, " "))
	}
	return list
}

// checkError wants an error that holds a text, or none when the text is empty.
func checkError(tb interface {
	Helper()
	Errorf(string, ...any)
}, err error, want string) {
	tb.Helper()
	switch {
	case want == "" && err != nil:
		tb.Errorf("unexpected error: %v", err)
	case want != "" && err == nil:
		tb.Errorf("no error, want %q", want)
	case want != "" && !strings.Contains(err.Error(), want):
		tb.Errorf("error is\n  %v\nwant it to hold\n  %v", err, want)
	case err != nil && strings.Contains(err.Error(), "\n"):
		tb.Errorf("the error has several lines: %q", err)
	}
}
