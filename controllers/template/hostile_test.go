package template

import (
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestHostileTextsOfABuyer(t *testing.T) {
	const head = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n"
	for name, tc := range map[string]struct {
		text string
		// want are parts of changes that must be found, none means that nothing is; fails says that hostile texts may fail.
		want  []string
		fails bool
	}{
		"quoted":                       {head + "data:\n  title: {{ .Values.title | quote }}\n", nil, false},
		"as JSON":                      {head + "data:\n  title: {{ toJson .Values.title }}\n", nil, false},
		"as YAML":                      {head + "data:\n  {{- toYaml (dict \"title\" .Values.title \"end\" \"x\") | nindent 2 }}\n", nil, false},
		"encoded":                      {strings.Replace(head, "ConfigMap", "Secret", 1) + "data:\n  title: {{ b64enc .Values.title }}\n", nil, false},
		"a checksum":                   {head + "data:\n  sum: {{ sha256sum .Values.title }}\n", nil, false},
		"in a name":                    {strings.Replace(head, "name: c", "name: {{ printf \"c-%s\" .Values.title | quote }}", 1), nil, false},
		"not quoted":                   {head + "data:\n  title: {{ .Values.title }}\n", []string{"stallkeeper-hostile is new", "inline.yaml: ConfigMap 2"}, true},
		"single quote":                 {head + "data:\n  title: '{{ .Values.title }}'\n", []string{"stallkeeper-hostile is new"}, true},
		"in a list":                    {head + "data: {list: [{{ .Values.title }}], replicas: \"1\"}\n", []string{"stallkeeper-hostile is new"}, true},
		"a block":                      {head + "data:\n  title: |\n    {{ .Values.title }}\n", []string{"is new"}, true},
		"evaluated":                    {head + "data:\n  title: {{ tpl .Values.title . | quote }}\n", []string{"data title evaluates it"}, true},
		"an argument":                  {head + "args: [--name={{ .Values.title }}, last]\n", []string{"ConfigMap 1 args has another value"}, true},
		"an argument in quotes":        {head + "args: [\"--name={{ .Values.title }}\"]\n", []string{"ConfigMap 1 args has another value"}, true},
		"an argument in single quotes": {head + "args: ['--name={{ .Values.title }}']\n", []string{"ConfigMap 1 args has another value"}, true},
		"a tag in quotes": {
			head + "containers: [{name: app, image: \"repo:{{ .Values.title }}\"}]\n", []string{"containers[0] stallkeeper-hostile is new"}, true,
		},
		"in quotes, between other lines": {
			head + "spec:\n  data:\n    zero: x\n    title: \"{{ .Values.title }}\"\n    last: x\n", []string{"spec data stallkeeper-hostile is new"}, true,
		},
		"in single quotes, between other items": {
			head + "spec:\n  args:\n      - zero\n      - '--name={{ .Values.title }}'\n      - last\n", []string{"spec args has another value"}, true,
		},
		"not quoted, between other items": {
			head + "spec:\n  args:\n      - zero\n      - --name={{ .Values.title }}\n      - last\n", []string{"spec args has another value"}, true,
		},
		"read as JSON, with an error": {head + "data:\n{{- range $k, $v := fromJson .Values.title }}\n  {{ $k }}: {{ toJson $v | quote }}\n{{- end }}\n", nil, false},
		"read as JSON":                {head + "data:\n{{- range $i, $v := fromJsonArray .Values.title }}\n  a{{ $i }}: {{ toJson $v | quote }}\n{{- end }}\n", nil, false},
		"an argument that is quoted":  {head + "args: [{{ printf \"--name=%s\" .Values.title | quote }}, {{ toJson .Values.title }}]\n", nil, false},
		"another value of a field that stands there": {
			head + "stallkeeper-hostile: zero\ndata:\n  title: {{ .Values.title }}\n", []string{"stallkeeper-hostile has another value"}, true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			tmpl, renders := parsed(t, Source{Inline: tc.text}), 0
			found, err := CheckHostile("harmless", func(text string) (Output, error) {
				renders++
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
			if most := 22; !tc.fails && renders > most {
				t.Errorf("%d renderings, and at most %d: each plan of each product costs so many", renders, most)
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
	const arguments = head + "args: [{{ printf \"--name=%s\" .Values.title | quote }}, {{ toJson .Values.title }}]\nblock:\n- \"{{ js .Values.title }}\"\n" +
		"{{- toYaml (dict \"more\" .Values.title) | nindent 0 }}\n"
	const argument, inQuotes = head + "args: [--name={{ .Values.title }}]\n", head + "args: [\"--name={{ .Values.title }}\"]\n"
	const image = head + "containers: [{name: app, image: \"repo:{{ .Values.title }}\"}]\n"
	const parts = head + "args:\n{{- range splitList \",\" .Values.title }}\n- {{ trim . | quote }}\n{{- end }}\nfirst: {{ first (splitList \",\" .Values.title) | quote }}\n"
	const numbers = head + "args: [{{ range splitList \",\" .Values.title }}{{ . | int }}, {{ end }}]\n"
	const keys = head + "labels:\n{{- range splitList \",\" .Values.title }}\n  {{ . }}: x\n{{- end }}\n"
	const hosts = head + "args:\n{{- range splitList \",\" .Values.title }}\n{{- if not (regexMatch \"^[a-z.]+$\" .) }}{{ fail \"no host\" }}{{ end }}\n- {{ quote . }}\n{{- end }}\n"
	const bounded = head + "{{- if not (regexMatch \"^[a-z ,=-]+$\" .Values.title) }}{{ fail \"no words\" }}{{ end }}\nargs: [--name={{ .Values.title }}]\n"
	const loose = head + "data:\n{{- range $k, $v := fromJson .Values.title }}\n  {{ $k }}: {{ $v }}\n{{- end }}\n"
	const filtered = head + "args:\n{{- range splitList \",\" .Values.title }}\n{{- if regexMatch \"^[a-z0-9.-]+$\" . }}\n- host: {{ . | quote }}\n{{- end }}\n{{- end }}\n"
	const yaml = head + "data: {{ fromJson .Values.title | toYaml | nindent 2 }}\n"
	const lines = head + "args:\n{{- range splitList \"\\n\" (fromJson .Values.title).hosts }}\n- {{ quote . }}\n{{- end }}\n"
	const nested = head + "data:\n{{- range $k, $v := fromJson (fromJson .Values.title).more }}\n  {{ $k }}: {{ quote $v }}\n{{- end }}\n"
	const inBlock = head + "args:\n- --name={{ .Values.title }}\n"
	for name, tc := range map[string]struct{ template, typed, want string }{
		"an argument more":                   {argument, "x, --admin=true", "inline.yaml"},
		"an argument more that is a key":     {argument, "x, ? --admin=true", "inline.yaml"},
		"an argument more in quotes":         {inQuotes, `x", "--admin=true`, "inline.yaml"},
		"an argument more in JSON":           {inQuotes, `[", --admin=true, "]`, "inline.yaml"},
		"another image in a map of JSON":     {image, `{", image: evil, x: ": 1}`, "inline.yaml"},
		"another image in JSON":              {image, `[", image: evil, command: [sh, -c, id], x: "]`, "inline.yaml"},
		"a key behind a line break of JSON":  {inBlock, "{\"a\": 1,\n\"admin\": 2}", "inline.yaml"},
		"an argument more, of bounded words": {bounded, "x, --admin=true", "inline.yaml"},
		"a company":                          {arguments, "Huawei Technologies Co., Ltd.", ""},
		"a company, not quoted":              {bare, "Huawei Technologies Co., Ltd.", ""},
		"a company and its city":             {listed, "Huawei Co., Ltd.\nShenzhen, China", ""},
		"JSON that is printed":               {arguments, `[", --admin=true, "]`, ""},
		"JSON with signs that is printed":    {quoted, `{"a": ["b, c", "d: e"], "f": "# \"g\" \\ {"}`, ""},
		"JSON with signs that is read":       {read, "{\"size\": {\"cpu\": \"2, 3\"},\n \"names\": [\"it's\", \"a: {\", \": \\\"b\\u0022\"]}", ""},
		"a key in JSON that is read":         {loose, `{"a": "b\n  admin: c"}`, "inline.yaml"},
		"a key in a key of JSON":             {loose, `{"a: b\n  admin": "c"}`, "inline.yaml"},
		"words in JSON that is read":         {loose, `{"a": "b, c", "d": "e f"}`, ""},
		"parts of a list":                    {parts, "A, example.com,x", ""},
		"parts of a list, with quotes":       {parts, `a "x", b: c`, ""},
		"numbers of a list":                  {numbers, "1,2,3", ""},
		"keys of a list":                     {keys, "red,green", ""},
		"hosts of a list":                    {hosts, "a.example.com,b.example.com", ""},
		"hosts of a list that are filtered":  {filtered, "a.example.com,b.example.com", ""},
		"keys with signs in JSON":            {yaml, `{"#alerts": "critical", "*.example.com": "x", "@y": "a: b"}`, ""},
		"lines in JSON":                      {lines, `{"hosts": "a.example.com\nb.example.com"}`, ""},
		"JSON in JSON":                       {nested, `{"more": "{\"a\": \"b: c\"}"}`, ""},
		"a list behind a line of JSON":       {loose, `{"a": "\n  - c"}`, "inline.yaml"},
		"letters":                            {bare, "a title", ""},
		"a key":                              {bare, "title\n  more: x", "inline.yaml"},
		"an object":                          {bare, "title\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: s}", "inline.yaml"},
		"another value":                      {bare, "title\n  zero: two", "inline.yaml"},
		"an object behind other breaks":      {bare, "title\r\n---\r\napiVersion: v1\r\nkind: Secret\r\nmetadata: {name: s}", "inline.yaml"},
		"an address in a list":               {head + "data: {list: \"[{{ .Values.title }}]\", more: \"{{ .Values.title }}\"}\n", `x", "other": "y`, "inline.yaml"},
		"what is read by an action":          {evaluated, `title {{ .Values.secret }}`, "inline.yaml"},
		"an action that is not read":         {quoted, `title {{ .Values.secret }}`, ""},
		"half of an action":                  {quoted, `{{`, ""},
		"a name in quotes":                   {bare, `Foo "Bar" Ltd`, ""},
		"an address":                         {quoted, "https://example.com/?a=b#c", ""},
		"an address, not quoted":             {bare, "https://example.com/?a=b#c", ""},
		"many lines":                         {quoted, "-----BEGIN\n\tabc: {d}\n", ""},
		"JSON":                               {quoted, `{"a": ["b", 'c']}`, ""},
		"signs alone":                        {quoted, `"'{}`, ""},
		"lines that are a list":              {listed, "a.example.com\nb.example.com", ""},
		"lines with more than words":         {listed, "a\n\"b\"", "inline.yaml"},
		"JSON that is read":                  {read, `{"size": {"cpu": "2"}, "names": ["a", "b"]}`, ""},
		"an action in JSON":                  {evaluated, `{"a": "{{ .Values.secret }}"}`, "inline.yaml"},
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

// Whatever a buyer types, a template that quotes it, or reads it as JSON and quotes what is in it, is not refused for it.
func TestWhatIsQuotedIsNotRefused(t *testing.T) {
	tmpl := parsed(t, Source{Inline: "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\nargs: [{{ printf \"--name=%s\" .Values.title | quote }}, {{ toJson .Values.title }}]\n" +
		"data:\n  code: {{ b64enc .Values.title }}\n  short: {{ trunc 9 .Values.title | quote }}\n  {{- toYaml (dict \"yaml\" .Values.title) | nindent 2 }}\n" +
		"  {{- if .Values.isObject }}\n  read:\n    {{- range $k, $v := fromJson .Values.title }}\n    {{ quote $k }}: {{ $v | toJson }}\n    {{- end }}\n  {{- end }}\n"})
	object := rapid.Custom(func(t *rapid.T) string {
		raw, err := json.Marshal(map[string]any{"plain": buyerText().Draw(t, "text"), "list": []string{buyerText().Draw(t, "first"), buyerText().Draw(t, "second")}})
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	})
	rapid.Check(t, func(t *rapid.T) {
		isObject, typed := rapid.Bool().Draw(t, "is JSON"), ""
		if isObject {
			typed = object.Draw(t, "object")
		} else {
			typed = buyerText().Draw(t, "text")
		}
		render := func(change func(string) string) (Output, error) {
			return tmpl.Render(inputs(withValues(map[string]any{"title": change(typed), "isObject": isObject})))
		}
		out, err := render(func(text string) string { return text })
		if err != nil {
			return
		}
		if change := CheckTyped([]string{typed}, out, render); change != "" {
			t.Errorf("%q changes %s", typed, change)
		}
	})
}
