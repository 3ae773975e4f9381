package chart_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/stallkeeper/stallkeeper/test/chart"
)

// value is one value of the chart as values.yaml shows it: a leaf, or a map or list that is passed on as it stands.
type value struct{ path, doc, text string }

// documented reads values.yaml line by line: a comment belongs to the key below it, and a key without a comment of its own is
// a group. Lines below a documented key that are further in are its default.
func documented(t *testing.T) []value {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(chart.Dir(), "values.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var (
		values []value
		groups []string
		docs   []string
		within = -1 // the depth of the documented key whose default is being passed over
	)
	_, body, _ := strings.Cut(string(text), "\n\n") // the file's own comment
	for line := range strings.SplitSeq(body, "\n") {
		trimmed := strings.TrimSpace(line)
		depth := (len(line) - len(strings.TrimLeft(line, " "))) / 2
		switch {
		case trimmed == "":
			continue
		case within >= 0 && depth > within:
			values[len(values)-1].text += "\n" + line
			continue
		case strings.HasPrefix(trimmed, "#"):
			docs = append(docs, strings.TrimSpace(strings.TrimPrefix(trimmed, "#")))
			within = -1
			continue
		}
		key, rest, found := strings.Cut(trimmed, ":")
		if !found {
			t.Fatalf("values.yaml: %q is neither a comment nor a key", line)
		}
		groups = append(groups[:depth], key)
		within = -1
		if len(docs) > 0 {
			values = append(values, value{strings.Join(groups, "."), strings.Join(docs, " "), strings.TrimSpace(rest)})
			docs, within = nil, depth
		} else if strings.TrimSpace(rest) != "" {
			t.Errorf("values.yaml: %s has no comment", strings.Join(groups, "."))
		}
	}
	return values
}

// defaults are the paths of values.yaml as Helm reads it. A documented value is not looked into.
func defaults(tree map[string]any, prefix string, documented []string) []string {
	var paths []string
	for key, child := range tree {
		path := strings.TrimPrefix(prefix+"."+key, ".")
		if group, isMap := child.(map[string]any); isMap && !slices.Contains(documented, path) {
			paths = append(paths, defaults(group, path, documented)...)
		} else {
			paths = append(paths, path)
		}
	}
	return paths
}

// schema are the paths of values.schema.json: as deep as values.yaml documents.
func schema(t *testing.T, node map[string]any, prefix string, documented []string) []string {
	t.Helper()
	var paths []string
	properties, _ := node["properties"].(map[string]any)
	for key, child := range properties {
		path := strings.TrimPrefix(prefix+"."+key, ".")
		if path == "global" { // every chart has it, from Helm
			continue
		}
		object, isObject := child.(map[string]any)
		if !isObject {
			t.Fatalf("values.schema.json: %s is no object", path)
		}
		if _, hasProperties := object["properties"]; hasProperties && !slices.Contains(documented, path) {
			if object["additionalProperties"] != false {
				t.Errorf("values.schema.json: %s lets unknown keys pass", path)
			}
			paths = append(paths, schema(t, object, path, documented)...)
		} else {
			paths = append(paths, path)
		}
	}
	return paths
}

func TestEveryValueIsDocumentedAndInTheSchema(t *testing.T) {
	var documentedPaths []string
	for _, v := range documented(t) {
		documentedPaths = append(documentedPaths, v.path)
	}
	slices.Sort(documentedPaths)

	var tree, root map[string]any
	read(t, "values.yaml", func(text []byte) error { return yaml.Unmarshal(text, &tree) })
	read(t, "values.schema.json", func(text []byte) error { return json.Unmarshal(text, &root) })
	if root["additionalProperties"] != false {
		t.Error("values.schema.json lets unknown keys pass")
	}

	inValues := slices.Sorted(slices.Values(defaults(tree, "", documentedPaths)))
	if diff := cmp.Diff(inValues, documentedPaths); diff != "" {
		t.Errorf("values.yaml: values against comments (-values +comments):\n%s", diff)
	}
	inSchema := slices.Sorted(slices.Values(schema(t, root, "", documentedPaths)))
	if diff := cmp.Diff(inValues, inSchema); diff != "" {
		t.Errorf("values.yaml against values.schema.json (-values +schema):\n%s", diff)
	}
}

func read(t *testing.T, file string, into func([]byte) error) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(chart.Dir(), file))
	if err == nil {
		err = into(text)
	}
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

func TestValuesStayShort(t *testing.T) {
	read(t, "values.yaml", func(text []byte) error {
		if lines := strings.Count(string(text), "\n"); lines >= 290 {
			t.Errorf("values.yaml has %d lines, want under 290", lines)
		}
		return nil
	})
}

// The README's table is made from values.yaml.
func TestReadmeNamesEveryValue(t *testing.T) {
	const begin, end = "<!-- values: made by go test ./test/chart -update -->\n", "<!-- end of values -->"
	var table strings.Builder
	table.WriteString("| value | default | meaning |\n|---|---|---|\n")
	for _, v := range documented(t) {
		text := "`" + v.text + "`"
		if v.text == "" || strings.Contains(v.text, "\n") {
			text = "see `values.yaml`"
		}
		fmt.Fprintf(&table, "| `%s` | %s | %s |\n", v.path, text, strings.ReplaceAll(v.doc, "|", `\|`))
	}
	file := filepath.Join(chart.Dir(), "README.md")
	read(t, "README.md", func(text []byte) error {
		before, rest, found := strings.Cut(string(text), begin)
		got, after, closed := strings.Cut(rest, end)
		if !found || !closed {
			return fmt.Errorf("the marks %q and %q are missing", strings.TrimSpace(begin), end)
		}
		if *update {
			got = table.String()
			if err := os.WriteFile(file, []byte(before+begin+got+end+after), 0o600); err != nil {
				return err
			}
		}
		if diff := cmp.Diff(table.String(), got); diff != "" {
			t.Errorf("README.md: the table of values is old; run with -update (-want +got):\n%s", diff)
		}
		return nil
	})
}
