package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The charts of test/charts are what Helm makes of them. Some show what Stallkeeper refuses, which their values.yaml says in its first line:
// `# refused: ` and a part of the error.
func TestOurChartsAreWhatHelmMakesOfThem(t *testing.T) {
	found, err := charts(filepath.Join("..", "..", "test", "charts"))
	if err != nil {
		t.Fatal(err)
	}
	if len(found) < 2 {
		t.Fatalf("there are %d charts", len(found))
	}
	for _, path := range found {
		t.Run(filepath.Base(path), func(t *testing.T) {
			values, err := os.ReadFile(filepath.Join(path, "values.yaml"))
			if err != nil && !os.IsNotExist(err) {
				t.Fatal(err)
			}
			first, _, _ := strings.Cut(string(values), "\n")
			refused, isRefused := strings.CutPrefix(first, "# refused: ")
			got := compareFile(path, filepath.Join(path, "ci"))
			switch {
			case isRefused && (got.Verdict != Refused || !strings.Contains(got.Why, refused)):
				t.Errorf("want it refused with %q, got %s", refused, got.text())
			case !isRefused && got.Verdict != Same:
				t.Error(got.text())
			}
		})
	}
}

func TestDifferencesAreFound(t *testing.T) {
	base := map[string]any{"a": "1", "l": []any{"x", map[string]any{"k": "v"}}, "none": nil}
	for name, tc := range map[string]struct {
		got, other map[string]any
		want       string
	}{
		"the same":                {map[string]any{"a": "1", "l": []any{"x", map[string]any{"k": "v", "n": nil}}}, base, ""},
		"another value":           {map[string]any{"a": "2", "l": []any{"x", map[string]any{"k": "v"}}}, base, "a"},
		"a field more":            {map[string]any{"a": "1", "b": "2", "l": []any{"x", map[string]any{"k": "v"}}}, base, "b"},
		"a field less":            {map[string]any{"a": "1"}, base, "l is no map"},
		"a shorter list":          {map[string]any{"a": "1", "l": []any{"x"}}, base, "l has another length"},
		"deep":                    {map[string]any{"a": "1", "l": []any{"x", map[string]any{"k": "w"}}}, base, "l[1].k"},
		"a random value":          {map[string]any{"a": "2", "l": []any{"x", map[string]any{"k": "v"}}}, map[string]any{"a": "3", "l": base["l"]}, ""},
		"an empty text":           {map[string]any{"a": "", "l": base["l"]}, base, "a"},
		"an empty text for null":  {map[string]any{"a": "1", "l": base["l"], "none": ""}, base, ""},
		"a random value is empty": {map[string]any{"a": "", "l": []any{"x", map[string]any{"k": "v"}}}, map[string]any{"a": "3", "l": base["l"]}, "a"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := strings.TrimPrefix(differsBut("", base, tc.got, tc.other), "."); !strings.HasPrefix(got, strings.Fields(tc.want + " .")[0]) && tc.want != "" || tc.want == "" && got != "" {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestTheTableOfAFolder(t *testing.T) {
	var out bytes.Buffer
	if err := run(&out, filepath.Join("..", "..", "test", "charts"), ""); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "| orchard | ") || !strings.Contains(out.String(), " charts, ") {
		t.Errorf("got %s", out.String())
	}
}
