package template

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"helm.sh/helm/v4/pkg/chart/common"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/engine"
)

func TestRunawayTemplatesAreStopped(t *testing.T) {
	const (
		work    = "does more work than rendering may take"
		deep    = "the definitions lie too deep in each other"
		holds   = "the value holds itself, or is nested more than 256 deep"
		again   = "the value holds more than 1048576 elements, or the same ones again and again"
		doubled = `{{ $d := dict }}{{ range until 40 }}{{ $d = dict "a" $d "b" $d }}{{ end }}`
		cyclic  = `{{ $d := dict "a" 1 }}{{ $_ := set $d "self" $d }}`
	)
	for name, tc := range map[string]struct{ text, want string }{
		"until":                               {"\n{{ range until 1000000000 }}x{{ end }}", "inline.yaml:2: until makes 1000000000 numbers; at most 100000 are allowed"},
		"until, downwards":                    {`{{ until -1000000000 }}`, "until makes 1000000000 numbers"},
		"untilStep":                           {`{{ untilStep 0 1000000000 2 }}`, "makes 500000000 numbers"},
		"untilStep, whole range":              {`{{ untilStep -9223372036854775808 9223372036854775807 1 }}`, "at most 100000"},
		"seq":                                 {`{{ seq 1000000000 }}`, "seq makes 999999999 numbers"},
		"seq with a step":                     {`{{ seq 0 2 1000000000 }}`, "seq makes 500000000 numbers"},
		"seq downwards":                       {`{{ seq 1000000000 1 }}`, "seq makes 999999999 numbers"},
		"seq downwards with a step":           {`{{ seq 1000000000 -1 1 }}`, "seq makes 999999999 numbers"},
		"repeat":                              {`{{ repeat 1000000000 "x" }}`, "repeat 1000000000 makes too long a text"},
		"repeat of a repeat":                  {`{{ repeat 100000 (repeat 100000 "x") }}`, "repeat 100000 makes too long a text"},
		"a negative repeat":                   {`{{ repeat -1 "x" }}`, "repeat -1 makes too long a text"},
		"indent":                              {`{{ indent 1000000000 "x" }}`, "indent by 1000000000 makes too long a text"},
		"nindent of many lines":               {`{{ nindent 100000 (repeat 1000 "x\n") }}`, "indent by 100000 makes too long a text"},
		"replace":                             {`{{ replace "a" (repeat 100000 "b") (repeat 100000 "a") }}`, "replace makes too long a text"},
		"an empty loop over a number":         {`{{ range 1000000000 }}{{ end }}`, work},
		"a trimmed loop":                      {"{{- range 1000000000 -}}\n\n{{- end -}}", work},
		"loops in each other":                 {`{{ range until 100000 }}{{ range until 100000 }}{{ end }}{{ end }}`, work},
		"much text in a loop":                 {`{{ range until 100000 }}` + strings.Repeat("x", 10000) + `{{ end }}`, work},
		"a large value in a loop":             {`{{ $x := repeat 100000 "x" }}{{ range until 100000 }}{{ $x }}{{ end }}`, work},
		"doubling":                            {`{{ $x := "x" }}{{ range until 100 }}{{ $x = printf "%s%s" $x $x }}{{ end }}`, "too long a text"},
		"doubling by cat":                     {`{{ $x := "x" }}{{ range until 100 }}{{ $x = cat $x $x }}{{ end }}`, "too long a text"},
		"a growing list":                      {`{{ $x := list }}{{ range until 100000 }}{{ $x = append $x 1 }}{{ end }}`, work},
		"a template that calls itself":        {`{{ define "a" }}{{ template "a" }}{{ end }}{{ template "a" }}`, deep},
		"definitions that include each other": {mutual(), deep},
		"a value that holds itself":           {cyclic + `{{ $d }}`, holds},
		"a value that holds itself, as YAML":  {cyclic + `{{ toYaml $d }}`, holds},
		"a value that holds itself, as TOML":  {cyclic + `{{ toToml $d }}`, holds},
		"a value that holds itself, pretty":   {cyclic + `{{ toYamlPretty $d }}`, holds},
		"a value that holds itself, printed":  {cyclic + `{{ printf "%v" $d }}`, holds},
		"a value that holds itself, quoted":   {cyclic + `{{ quote $d }}`, holds},
		"a value that holds itself, joined":   {cyclic + `{{ join "," (list $d) }}`, holds},
		"a value that holds itself, copied":   {cyclic + `{{ $x := deepCopy $d }}`, holds},
		"a value that holds itself, merged":   {cyclic + `{{ $x := merge (dict) $d }}`, holds},
		"a value that doubles":                {doubled + `{{ $d }}`, again},
		"a value that doubles, as JSON":       {doubled + `{{ toJson $d }}`, again},
		"a value that doubles, as YAML":       {doubled + `{{ toYaml $d }}`, again},
		"a value that doubles, copied":        {doubled + `{{ $x := deepCopy $d }}`, again},
		"a value that doubles, merged":        {doubled + `{{ $x := merge (dict) $d }}`, again},
		"a value that doubles in lists":       {`{{ $l := list }}{{ range until 40 }}{{ $l = list $l $l }}{{ end }}{{ toString $l }}`, again},
		"a large value, again and again":      {`{{ $l := until 100000 }}{{ range until 1000 }}{{ $x := toJson $l }}{{ end }}`, work},
		"a list that holds itself":            {`{{ $d := dict }}{{ $_ := set $d "l" (list 1 $d) }}{{ $d.l | toString }}`, holds},
		"a long regular expression":           {`{{ $r := repeat 500 "(a{0,999}|b)*c" }}{{ regexMatch $r (repeat 100000 "ab") }}`, work},
		"a large text for an expression":      {`{{ $t := repeat 100000 "ab" }}{{ range until 100 }}{{ $x := regexReplaceAll "(x+x+)+y" $t "z" }}{{ end }}`, work},
		"templates that double":               {doubling(), work},
		"an include that calls itself":        {`{{ define "a" }}{{ include "a" . }}{{ end }}{{ include "a" . }}`, "nested reference name: a"},
		"includes that double":                {strings.ReplaceAll(doubling(), "{{ template", "{{ $_ := include"), work},
		"a text that evaluates itself":        {`{{ tpl .Values.self . }}`, "texts evaluated by tpl lie more than 100 deep in each other"},
		"a loop in a text":                    {`{{ tpl .Values.loop . }}`, work},
		"a loop in a text, piped":             {`{{ . | tpl .Values.loop }}`, work},
		"a loop in a text, in a text":         {`{{ tpl "{{tpl (printf \"%s\" .Values.loop) .}}" . }}`, work},
		"a loop in a text, in a literal":      {"{{ tpl `{{ range 1000000000 }}{{ end }}` . }}", work},
		"much output":                         {`{{ range until 90 }}{{ repeat 100000 "# xx\n" | trunc 100000 }}{{ end }}`, "renders to 9000000 bytes; at most 8388608"},
		"a slow function in a loop":           {`{{ range until 100 }}{{ $_ := derivePassword 1 "long" "p" "u" (print .) }}{{ end }}`, work},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := renderInline(t, tc.text, withValues(map[string]any{
				"self": "{{ tpl .Values.self . }}", "loop": "{{ range 1000000000 }}{{ end }}",
			}))
			checkError(t, err, tc.want)
		})
	}
}

// mutual are 200 definitions, each of which includes the next one, and the last one the first. Helm counts to 1000 for each.
func mutual() string {
	var text strings.Builder
	for i := range 200 {
		fmt.Fprintf(&text, `{{ define "d%d" }}{{ include "d%d" . }}{{ end }}`, i, (i+1)%200)
	}
	return text.String() + `{{ include "d0" . }}`
}

// doubling are templates b to z, each of which calls the next one twice.
func doubling() string {
	var text strings.Builder
	for c := 'b'; c < 'z'; c++ {
		next := string(c + 1)
		text.WriteString(`{{ define "` + string(c) + `" }}{{ template "` + next + `" . }}{{ template "` + next + `" . }}{{ end }}`)
	}
	return text.String() + `{{ define "z" }}{{ end }}{{ template "b" . }}`
}

func TestRenderingLeavesNoGoroutine(t *testing.T) {
	before := runtime.NumGoroutine()
	_, stopped := renderInline(t, `{{ range 1000000000 }}{{ end }}`)
	_, done := renderInline(t, config(`"x"`))
	if stopped == nil || done != nil {
		t.Fatalf("the first is %v, the second %v", stopped, done)
	}
	if after := runtime.NumGoroutine(); after > before {
		t.Errorf("%d goroutines before, %d after", before, after)
	}
}

// snippets are templates in which a call put at the wrong place would show.
var snippets = []string{
	"plain text", "", "\n\n", "a {{ .Values.a }} b", "a {{- .Values.a -}} b", "a\n{{-  .Values.a  -}}\n\nb", "a {{.Values.a}} {{-\n.Values.b\n-}} c",
	"{{/* a comment */}}x", "a {{- /* a comment */ -}} b {{/* }} */}} c",
	"{{ range .Values.list }}{{ . }},{{ end }}", "{{- range $i, $e := .Values.list -}}\n {{ $i }}={{ $e }}\n{{- end -}}",
	"{{ range .Values.none }}x{{ else }} none {{ end }}", "{{ range 3 }}{{ . }}{{ if eq . 1 }}{{ break }}{{ end }} {{ end }}",
	"{{ range .Values.list -}}\n  x\n{{- end }}", "{{ range .Values.list }}\n{{- if eq . \"a\" }}{{ continue }}{{- end }} x {{- end }}",
	"{{ if .Values.a }}x{{ else if .Values.b }}y{{ else }}z{{ end }}", "{{- if not .Values.a }}x{{ else with .Values.b -}} {{ . }} {{- end }}",
	"{{ with $x := .Values.a }}{{ $x }}{{ . }}{{ end }}", "{{ with .Values.none }}x{{ else with .Values.b }}{{ . }}{{ end }}",
	"{{ $x := 1 }}{{ $x = add $x 1 }}{{ $x }}", "{{ $a, $b := 1 }}", "{{ $x := tpl \"{{ .Values.a }}\" . -}} {{ $x }}",
	`{{ "}}" }}{{ "{{" }}{{ '}' }}{{ "\"}}" }}`, "{{ `}}` }}{{ `\\` }}", `{{ print "(" ")" }}`,
	`{{ define "x" }}  {{ end }}{{ define "y" -}} y {{- end }}{{ template "y" }}{{ template "x" . }}`,
	`a {{- template "t" . -}} b{{ define "t" }}{{ .Values.a }}{{ end }}`, `a {{ block "t" .Values }} {{ .a }} {{ end }} b`,
	`{{ tpl .Values.t . }}`, `{{ tpl (printf "%s" .Values.t) . }}`, `{{ . | tpl .Values.t | upper }}`, `{{tpl .Values.t .|upper}}`,
	`{{ tpl (tpl "{{ .Values.t }}" .) . }}`, `{{ tpl "{{ define \"q\" }}Q{{ end }}{{ include \"q\" . }}" . }}`, `{{ (tpl .Values.t .) | quote }}`,
	"{{ tpl\n  .Values.t\n  . }}", `{{ list (tpl .Values.t .) (tpl "x" .) | join "," }}`, `{{ tpl " {{- .Values.a -}} " . }}`, `{{ tpl "{{- .Values.a -}}" . }}`,
	"{{ $| }}", "{{ .Values.a |\n -}} x", "{{ `|` }}", "{{if .Values.a|}}x{{end}}", `{{ tpl "{" . }}`, `{{ tpl "x {{ .Values.a }} {" . }}}`, "x{", "x { {{- .Values.a }}",
	`{{ (dict "a" .Values).a.a }}`, `{{ .Values.none }}x`, `{{ index .Values "none" }}`, `{{ .Values.map }}`, `{{ (index .Values.list 0) -}}  x`,
	"{{ 1 }}{{ 1.5 }}{{ true }}{{ -3 }}{{ 0x1F }}", "{{- 3 -}}", "{{ -3 -}} x", "a {{ if and .Values.a (or .Values.none true) -}} b {{ end -}} c",
	"\u00a0{{ .Values.a }}\u00a0é {{- .Values.b }}", "{{ .Values.a }}\r\n{{- .Values.b }}\r\n", "{{ include \"inc\" . | nindent 2 }}{{ define \"inc\" }}\n a\n{{- end }}",
	"{{ if }}", "{{ .a", "{{ end }}", "{{ nil }}", "{{ range }}{{ end }}", "{{ template }}", "{{ tpl }}", "{{ tpl .Values.a }}", "{{ . | tpl }}",
}

// both renders a text by Helm alone, and metered.
func both(text string) (plainText, meteredText string, plainErr, meteredErr error) {
	render := func(data []byte) (string, error) {
		ch := &chart.Chart{
			Metadata:  &chart.Metadata{APIVersion: "v2", Name: "x", Version: "1.0.0"},
			Templates: []*common.File{{Name: "t", Data: data}},
		}
		s := newSession(nil)
		functions := s.functions()
		for _, name := range helmsOwn {
			delete(functions, name)
		}
		delete(functions, "now")
		out, err := engine.Engine{CustomTemplateFuncs: functions}.RenderWithContext(context.Background(), ch, common.Values{"Values": map[string]any{
			"a": "A", "b": "B", "list": []any{"a", "b"}, "map": map[string]any{"k": "v"}, "t": "{{ .Values.a }}-{{ range .Values.list }}{{ . }}{{ end }}",
		}})
		return out["x/t"], err
	}
	plainText, plainErr = render([]byte(text))
	meteredText, meteredErr = render(metered("t", []byte(text)))
	return plainText, meteredText, plainErr, meteredErr
}

func TestMeteringDoesNotChangeWhatATemplateMeans(t *testing.T) {
	for _, text := range snippets {
		t.Run(text, func(t *testing.T) {
			want, got, wantErr, gotErr := both(text)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			if (wantErr == nil) != (gotErr == nil) {
				t.Errorf("Helm says %v, metered it says %v", wantErr, gotErr)
			}
		})
	}
}

func FuzzInline(f *testing.F) {
	for _, text := range snippets {
		f.Add(text)
	}
	f.Add(config(`tenantSecret "x"`))
	f.Fuzz(func(t *testing.T, text string) {
		tmpl, err := Parse(Source{Inline: text})
		if err != nil {
			return
		}
		_, first := tmpl.Render(inputs())
		_, second := tmpl.Render(inputs())
		if (first == nil) != (second == nil) || first != nil && first.Error() != second.Error() {
			t.Errorf("first %v, then %v", first, second)
		}
	})
}

func FuzzMetering(f *testing.F) {
	for _, text := range snippets {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		// Without metering nothing would stop a loop or a recursion.
		for _, word := range []string{"range", "tpl", "include", "template", "block", "stallkeeper", "until", "derive"} {
			if strings.Count(text, word) > 1 {
				return
			}
		}
		if strings.ContainsAny(text, "0123456789") {
			return
		}
		want, got, wantErr, gotErr := both(text)
		if want != got || (wantErr == nil) != (gotErr == nil) {
			t.Errorf("Helm makes %q (%v), metered it is %q (%v)", want, wantErr, got, gotErr)
		}
	})
}
