package template

import (
	"strings"
	"testing"
)

func TestHostileTextsOfABuyer(t *testing.T) {
	const head = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n"
	for name, tc := range map[string]struct {
		text string
		// want are parts of changes that must be found, none means that nothing is; fails says that hostile texts may fail.
		want  []string
		fails bool
	}{
		"quoted":       {head + "data:\n  title: {{ .Values.title | quote }}\n", nil, false},
		"as JSON":      {head + "data:\n  title: {{ toJson .Values.title }}\n", nil, false},
		"as YAML":      {head + "data:\n  {{- toYaml (dict \"title\" .Values.title \"end\" \"x\") | nindent 2 }}\n", nil, false},
		"encoded":      {strings.Replace(head, "ConfigMap", "Secret", 1) + "data:\n  title: {{ b64enc .Values.title }}\n", nil, false},
		"a checksum":   {head + "data:\n  sum: {{ sha256sum .Values.title }}\n", nil, false},
		"in a name":    {strings.Replace(head, "name: c", "name: {{ printf \"c-%s\" .Values.title | quote }}", 1), nil, false},
		"not quoted":   {head + "data:\n  title: {{ .Values.title }}\n", []string{"stallkeeper-hostile is new", "inline.yaml: ConfigMap 2"}, true},
		"single quote": {head + "data:\n  title: '{{ .Values.title }}'\n", []string{"stallkeeper-hostile is new"}, true},
		"in a list":    {head + "data: {list: [{{ .Values.title }}], replicas: \"1\"}\n", []string{"stallkeeper-hostile is new"}, true},
		"a block":      {head + "data:\n  title: |\n    {{ .Values.title }}\n", []string{"is new"}, true},
		"evaluated":    {head + "data:\n  title: {{ tpl .Values.title . | quote }}\n", []string{"data title evaluates it"}, true},
		"another value of a field that stands there": {
			head + "stallkeeper-hostile: zero\ndata:\n  title: {{ .Values.title }}\n", []string{"stallkeeper-hostile has another value"}, true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			tmpl := parsed(t, Source{Inline: tc.text})
			found, err := CheckHostile("harmless", func(text string) (Output, error) {
				return tmpl.Render(inputs(withValues(map[string]any{"title": text})))
			})
			if err != nil {
				t.Fatal(err)
			}
			var all strings.Builder
			for _, f := range found {
				if f.Fails && !tc.fails || !f.Fails && len(tc.want) == 0 {
					t.Errorf("%s: %s", f.Text, f.Change)
				}
				all.WriteString(f.Change + "\n")
			}
			for _, want := range tc.want {
				if !strings.Contains(all.String(), want) {
					t.Errorf("%q is not found in\n%s", want, all.String())
				}
			}
			if tc.fails && len(found) == 0 {
				t.Error("nothing is found")
			}
		})
	}
	_, err := CheckHostile("x", func(string) (Output, error) { return Output{}, refusef("broken") })
	checkError(t, err, "broken")
}

func TestWhatIsTypedChangesItsOwnValueOnly(t *testing.T) {
	const head = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n"
	const quoted = head + "data:\n  title: {{ .Values.title | quote }}\n  json: {{ dict \"t\" .Values.title | toJson | quote }}\n" +
		"  sum: {{ sha256sum .Values.title }}\n  short: {{ trunc 5 .Values.title | lower | quote }}\n  code: {{ b64enc .Values.title }}\n" +
		"  {{- if hasPrefix \"https://\" .Values.title }}\n  tls: \"true\"\n  {{- end }}\n"
	const bare = head + "data:\n  zero: one\n  title: {{ .Values.title }}\n"
	const evaluated = head + "data:\n  title: {{ tpl .Values.title . | quote }}\n"
	const listed = head + "data:\n{{- range splitList \"\\n\" .Values.title }}\n  {{ . }}: x\n{{- end }}\n"
	const read = head + "data:\n{{- range $k, $v := fromJson .Values.title }}\n  {{ $k }}: {{ toJson $v | quote }}\n{{- end }}\n"
	for name, tc := range map[string]struct{ template, typed, want string }{
		"letters":                       {bare, "a title", ""},
		"a key":                         {bare, "title\n  more: x", "inline.yaml"},
		"an object":                     {bare, "title\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: s}", "inline.yaml"},
		"another value":                 {bare, "title\n  zero: two", "inline.yaml"},
		"an object behind other breaks": {bare, "title\r\n---\r\napiVersion: v1\r\nkind: Secret\r\nmetadata: {name: s}", "inline.yaml"},
		"an address in a list":          {head + "data: {list: \"[{{ .Values.title }}]\", more: \"{{ .Values.title }}\"}\n", `x", "other": "y`, "inline.yaml"},
		"what is read by an action":     {evaluated, `title {{ .Values.secret }}`, "inline.yaml"},
		"an action that is not read":    {quoted, `title {{ .Values.secret }}`, ""},
		"half of an action":             {quoted, `{{`, ""},
		"a name in quotes":              {bare, `Foo "Bar" Ltd`, ""},
		"an address":                    {quoted, "https://example.com/?a=b#c", ""},
		"an address, not quoted":        {bare, "https://example.com/?a=b#c", ""},
		"many lines":                    {quoted, "-----BEGIN\n\tabc: {d}\n", ""},
		"JSON":                          {quoted, `{"a": ["b", 'c']}`, ""},
		"signs alone":                   {quoted, `"'{}`, ""},
		"lines that are a list":         {listed, "a.example.com\nb.example.com", ""},
		"lines with more than words":    {listed, "a\n\"b\"", "inline.yaml"},
		"JSON that is read":             {read, `{"size": {"cpu": "2"}, "names": ["a", "b"]}`, ""},
		"an action in JSON":             {evaluated, `{"a": "{{ .Values.secret }}"}`, "inline.yaml"},
	} {
		t.Run(name, func(t *testing.T) {
			tmpl := parsed(t, Source{Inline: tc.template})
			render := func(change func(string) string) (Output, error) {
				values := map[string]any{"title": change(tc.typed), "secret": "s3cret"}
				return tmpl.Render(inputs(withValues(values), func(in *Inputs) { in.ReportEvaluated = true }))
			}
			typed, err := render(func(text string) string { return text })
			if err != nil {
				t.Fatal(err)
			}
			if got := CheckTyped([]string{"harmless", tc.typed}, typed, render); got != tc.want {
				t.Errorf("changed is %q, want %q", got, tc.want)
			}
		})
	}
}
