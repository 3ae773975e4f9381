package template

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMissingValuesAreReported(t *testing.T) {
	const head = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata:\n"
	for name, tc := range map[string]struct {
		text string
		want []string
	}{
		"a value that is there":             {"  a: {{ .Values.replicas }}\n", nil},
		"a null that somebody wrote":        {"  a: {{ .Values.null }}\n", nil},
		"a misspelled value":                {"  a: b\n  c: {{ .Values.replica }}\n", []string{"inline.yaml:6: .Values.replica"}},
		"with trim markers":                 {"  c:\n    {{- .Values.replica -}}\n  x\n", []string{"inline.yaml:6: .Values.replica"}},
		"a missing attribute":               {"  a: {{ .Values.stallkeeper.attributes.size | quote }}\n", []string{"inline.yaml:5: .Values.stallkeeper.attributes.size"}},
		"as a number":                       {"  a: \"{{ .Values.replica | int }}\"\n", []string{"inline.yaml:5: .Values.replica"}},
		"inside of printf":                  {"  a: {{ printf \"%v-%v\" .Values.replica .Values.replicas | quote }}\n", []string{"inline.yaml:5: .Values.replica"}},
		"in parentheses":                    {"  a: {{ add (mul .Values.replica 2) 1 | quote }}\n", []string{"inline.yaml:5: .Values.replica"}},
		"from the root":                     {"  a: {{ range list 1 }}{{ $.Values.replica }}{{ end }}\n", []string{"inline.yaml:5: $.Values.replica"}},
		"of a variable's map":               {"  a: {{ $v := .Values }}{{ $v.replica }}\n", []string{"inline.yaml:5: $v.replica"}},
		"as a variable":                     {"{{ $r := .Values.replica }}  a: {{ $r }}\n", []string{"inline.yaml:5: $r"}},
		"of what with found":                {"  a: {{ with .Values.map }}{{ .none }}{{ .b }}{{ end }}\n", []string{"inline.yaml:5: .none"}},
		"in a definition":                   {"  a: {{ include \"x\" . }}\n{{ define \"x\" }}\n{{ .Values.replica }}{{ end }}", []string{"inline.yaml:7: .Values.replica"}},
		"once for a place":                  {"  a: \"{{ range until 5 }}{{ $.Values.replica }}{{ end }}\"\n", []string{"inline.yaml:5: $.Values.replica"}},
		"in a branch not taken":             {"  a: {{ if false }}{{ .Values.replica }}{{ end }}\n", nil},
		"behind a default":                  {"  a: {{ .Values.replica | default 1 | quote }}\n", nil},
		"as the argument of default":        {"  a: {{ default 1 .Values.replica | quote }}\n", nil},
		"quoted, then behind a default":     {"  a: {{ .Values.replica | toString | default \"1\" | quote }}\n", nil},
		"asked by get":                      {"  a: {{ get .Values \"replica\" | quote }}\n", []string{"inline.yaml:5: .Values.replica"}},
		"asked by get, behind a default":    {"  a: {{ get .Values \"replica\" | default \"x\" | quote }}\n", nil},
		"of what index finds":               {"  a: {{ (index .Values \"map\").none }}x\n", []string{"inline.yaml:5: .Values.map.none"}},
		"of a field in parentheses":         {"  a: {{ (.Values.map).none | quote }}\n", []string{"inline.yaml:5: .Values.map.none"}},
		"by index of what get finds":        {"  a: {{ index (get .Values \"map\") \"none\" }}x\n", nil},
		"by index":                          {"  a: {{ index .Values \"replica\" | quote }}\n", []string{"inline.yaml:5: .Values.replica"}},
		"by index, two deep":                {"  a: {{ index .Values.map \"none\" }}x\n", []string{"inline.yaml:5: .Values.map.none"}},
		"by index, behind a default":        {"  a: {{ index .Values \"replica\" | default 1 | quote }}\n", nil},
		"by dig, which has a default":       {"  a: {{ dig \"replica\" \"none\" .Values.map | quote }}\n", nil},
		"by coalesce":                       {"  a: {{ coalesce .Values.replica .Values.replicas | quote }}\n", nil},
		"by ternary, not chosen":            {"  a: {{ ternary .Values.replica \"x\" false | quote }}\n", nil},
		"by range":                          {"  a: x{{ range .Values.none }}{{ . }}{{ end }}\n", nil},
		"by hasKey":                         {"  a: {{ hasKey .Values \"replica\" | quote }}\n", nil},
		"by else":                           {"  a: {{ if .Values.replica }}x{{ else }}{{ .Values.replicax }}{{ end }}\n", []string{"inline.yaml:5: .Values.replicax"}},
		"by with, else":                     {"  a: {{ with .Values.replica }}{{ . }}{{ else }}{{ .Values.typo }}x{{ end }}\n", []string{"inline.yaml:5: .Values.typo"}},
		"by and":                            {"  a: {{ if and .Values.replica .Values.none }}x{{ end }}\n", nil},
		"by eq":                             {"  a: {{ eq (toString .Values.replica) \"1\" | quote }}\n", []string{"inline.yaml:5: .Values.replica"}},
		"by ternary's condition":            {"  a: {{ ternary \"x\" .Values.none (eq .Values.replica 1) }}\n", []string{"inline.yaml:5: .Values.replica"}},
		"by a condition before ternary":     {"  a: {{ eq .Values.replica 1 | ternary \"x\" .Values.none }}y\n", []string{"inline.yaml:5: .Values.replica"}},
		"compared by if":                    {"  a: {{ if eq .Values.mode \"x\" }}x{{ else }}y{{ end }}\n", []string{"inline.yaml:5: .Values.mode"}},
		"compared by if, with trim markers": {"  a: x\n  {{- if (not (eq .Values.mode \"x\")) }}\n  b: y\n  {{- end }}\n", []string{"inline.yaml:6: .Values.mode"}},
		"compared by if, as a number":       {"  a: {{ if gt (int .Values.mode) 1 }}x{{ else }}y{{ end }}\n", []string{"inline.yaml:5: .Values.mode"}},
		"compared by if, behind a default":  {"  a: {{ if eq (.Values.mode | default \"x\") \"x\" }}x{{ else }}y{{ end }}\n", nil},
		"compared by and, first":            {"  a: {{ if and (eq .Values.mode \"x\") .Values.none }}x{{ else }}y{{ end }}\n", []string{"inline.yaml:5: .Values.mode"}},
		"compared by and, when it is there": {"  a: {{ if and .Values.mode (eq .Values.mode \"x\") }}x{{ else }}y{{ end }}\n", nil},
		"compared by else if":               {"  a: {{ if .Values.mode }}x{{ else if eq .Values.mode \"x\" }}x{{ else }}y{{ end }}\n", nil},
		"asked by if":                       {"  a: {{ if .Values.replica }}{{ .Values.replica }}{{ end }}\n", nil},
		"given to include":                  {"  a: {{ include \"x\" (dict \"r\" .Values.replica) }}\n{{ define \"x\" }}{{ .r | default 1 }}{{ end }}", nil},
		"given to include, and printed":     {"  a: x{{ include \"x\" (dict \"r\" .Values.replica) }}\n{{ define \"x\" }}{{ .r }}{{ end }}", []string{"inline.yaml:6: .r"}},
		"set in a map of the template's":    {"  a: x{{ $d := dict }}{{ $_ := set $d \"r\" .Values.replica }}{{ $d.r }}\n", []string{"inline.yaml:5: $d.r"}},
		"a null given on":                   {"  a: x{{ with .Values.map }}{{ .null }}{{ end }}\n", nil},
		"a field of what is no map":         {"  a: {{ .Release.Name }}\n", nil},
		"a missing whole, written as YAML":  {"  a: {{ toYaml .Values.none }}\n", []string{"inline.yaml:5: .Values.none"}},
		"a method of a value":               {"  a: {{ .Capabilities.KubeVersion.GitVersion }}\n", nil},
		"a text with actions, by tpl":       {"  a: {{ tpl \"{{ .Values.replicas }}\" . }}\n", nil},
		"in a text of a value, by tpl":      {"  a: b\n  c: {{ tpl .Values.text . | quote }}\n", []string{"inline.yaml:6: .Values.none in the text that tpl is given"}},
		"compared in such a text":           {"  a: {{ tpl \"{{ if eq .Values.none 1 }}x{{ end }}y\" . }}\n", []string{"inline.yaml:5: .Values.none in the text that tpl is given"}},
		"in a text in a text":               {"  a: {{ tpl \"{{ tpl .Values.text . }}\" . | quote }}\n", []string{"inline.yaml:5: .Values.none in the text that tpl is given"}},
		"in a definition that a text has":   {"  a: {{ tpl \"{{ define `y` }}{{ .Values.none }}{{ end }}x{{ include `y` . }}\" . }}\n", []string{"inline.yaml:5: .Values.none in the text that tpl is given"}},
		"in a definition that a text calls": {"  a: {{ tpl \"x{{ include `x` . }}\" . }}\n{{ define \"x\" }}{{ .Values.none }}{{ end }}", []string{"inline.yaml:6: .Values.none"}},
		"behind a default in such a text":   {"  a: {{ tpl \"{{ .Values.none | default 1 }}\" . | quote }}\n", nil},
		"in a block":                        {"  a: {{ block \"b\" . }}{{ .Values.replica }}{{ end }}x\n", []string{"inline.yaml:5: .Values.replica"}},
		"given to template":                 {"  a: {{ template \"x\" .Values }}\n{{ define \"x\" }}{{ .replica }}x{{ end }}", []string{"inline.yaml:6: .replica"}},
		"of a list that range goes through": {"  a: {{ range .Values.list }}{{ .name }}{{ .nane }}{{ end }}\n", []string{"inline.yaml:5: .nane"}},
		"through a list":                    {"  a: {{ list .Values.replica .Values.replicas | join \",\" | quote }}\n", []string{"inline.yaml:5: .Values.replica"}},
		"written to a variable later":       {"  a: {{ $r := 1 }}{{ $r = .Values.replica }}{{ $r }}x\n", []string{"inline.yaml:5: $r"}},
		"two on one line, in their order":   {"  a: {{ .Values.y }}{{ .Values.x }}\n", []string{"inline.yaml:5: .Values.y", "inline.yaml:5: .Values.x"}},
		"through toString behind a comment": {"{{/* x */}}\n  a: {{ .Values.replica | toString }}x\n", []string{"inline.yaml:6: .Values.replica"}},
	} {
		t.Run(name, func(t *testing.T) {
			values := withValues(map[string]any{"replicas": 2, "null": nil, "text": "x{{ .Values.none }}", "map": map[string]any{"b": "c", "null": nil}, "list": []any{map[string]any{"name": "n"}}})
			attributes := func(in *Inputs) { in.Stallkeeper = map[string]any{"attributes": map[string]any{"a": "b"}} }
			plain, err := renderInline(t, head+tc.text, values, attributes)
			if err != nil {
				t.Fatal(err)
			}
			out, err := renderInline(t, head+tc.text, values, func(in *Inputs) { in.ReportMissing = true }, attributes)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(plain.Objects, out.Objects); diff != "" {
				t.Errorf("asking changes the result: %s", diff)
			}
			var got []string
			for _, m := range out.Missing {
				got = append(got, m.String())
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
			if len(plain.Missing) > 0 {
				t.Error("reported without being asked")
			}
		})
	}
}

func TestMissingValuesOfAChartAreKnownByTheirFile(t *testing.T) {
	out, err := renderChart(t, files{
		"templates/a.yaml":           config(`.Values.none | quote`),
		"charts/db/Chart.yaml":       "apiVersion: v2\nname: db\nversion: 1.0.0\n",
		"charts/db/templates/b.yaml": config(`.Values.size | quote`) + "# {{ .Values.global.zone }}\n",
		"values.yaml":                "global: {zone: a}\n",
	}, func(in *Inputs) { in.ReportMissing = true })
	if err == nil {
		want := []MissingValue{{"charts/db/templates/b.yaml", 6, ".Values.size"}, {"templates/a.yaml", 6, ".Values.none"}}
		if diff := cmp.Diff(want, out.Missing); diff != "" {
			t.Error(diff)
		}
	} else {
		t.Error(err)
	}
}
