package template

import (
	"fmt"
	"testing"
)

// A chart may bound what its values take, so that nothing harmless can stand in the place of a text. That says nothing about the text.
func TestWhatAChartBoundsIsRefusedOnlyWhenItDoesMore(t *testing.T) {
	const (
		quoted    = "title: {{ .Values.title | quote }}"
		others    = quoted + "\n  own: {{ tpl \"{{ .Release.Name }}\" . }}"
		evaluated = "title: {{ tpl .Values.title . | quote }}"
		changed   = "title: {{ tpl (printf \"%s!\" .Values.title) . | quote }}"
		inYAML    = "title: {{ tpl (toYaml .Values.more) . | quote }}"
		bare      = "title: {{ .Values.title }}"
		list      = "title: {{ tpl .Values.title . }}"
	)
	for name, tc := range map[string]struct {
		bound, data, typed, want string
		renders                  int
	}{
		"braces within a length":                  {`"maxLength": 8`, quoted, "{{name}}", "", 2},
		"braces, beside a text that is evaluated": {`"maxLength": 8`, others, "{{name}}", "", 3},
		"half of an action":                       {`"maxLength": 2`, others, "{{", "", 3},
		"braces within a pattern of signs":        {`"pattern": "^\\{\\{.*\\}\\}$"`, others, "{{name}}", "", 2},
		"braces within a pattern of capitals":     {`"pattern": "^[A-Z{}]+$"`, others, "{{NAME}}", "", 3},
		"braces that the chart asks for": {
			`"minLength": 1`, quoted + "\n  {{ if not (contains \"{{\" .Values.title) }}{{ fail \"no braces\" }}{{ end }}", "{{name}}", "", 1,
		},
		"an apostrophe within a pattern":    {`"pattern": "^[A-Za-z']+$"`, quoted, "O'Neil", "", 2},
		"feet and inches":                   {`"pattern": "^[0-9'\"]+$"`, quoted, `6'2"`, "", 1},
		"a comma":                           {`"maxLength": 29`, quoted, "Huawei Technologies Co., Ltd.", "", 2},
		"a comma that must be there":        {`"pattern": ","`, quoted, "Huawei Technologies Co., Ltd.", "", 1},
		"JSON":                              {`"maxLength": 99`, quoted, `{"a": "b, c"}`, "", 2},
		"JSON of letters":                   {`"maxLength": 9`, quoted, `{"a":"b"}`, "", 0},
		"JSON within a length":              {`"maxLength": 13`, quoted, `{"a": "b, c"}`, "", 3},
		"a color":                           {`"pattern": "^#[0-9a-f]{6}$"`, quoted, "#ff0000", "", 1},
		"one of some words":                 {`"enum": ["it's", "its"]`, quoted, "it's", "", 1},
		"what is evaluated within a length": {`"maxLength": 20`, evaluated, "{{ .Values.secret }}", "templates/a.yaml", 2},
		"what is evaluated behind a text":   {`"maxLength": 22`, evaluated, "a {{ .Values.secret }}", "templates/a.yaml", 2},
		"what is evaluated and changed":     {`"maxLength": 22`, changed, "a {{ .Values.secret }}", "templates/a.yaml", 2},
		"what is evaluated as YAML":         {`"maxLength": 22`, inYAML, "a {{ .Values.secret }}", "templates/a.yaml", 2},
		"what is evaluated without a quote": {`"maxLength": 22`, list, "a {{ .Values.secret }}", "templates/a.yaml", 2},
		"what is evaluated within a pattern of signs": {
			`"pattern": "^\\{\\{.*\\}\\}$"`, evaluated, "{{ .Values.secret }}", "templates/a.yaml", 2,
		},
		"what is evaluated and says that it is not": {
			`"maxLength": 99`, evaluated, "a {{ .Values.secret }}{{ print `{{ .Values.secret }}` }}", "templates/a.yaml", 3,
		},
		"a key within a length": {`"maxLength": 12`, bare, "title\n  x: y", "templates/a.yaml", 2},
	} {
		t.Run(name, func(t *testing.T) {
			tmpl := parsed(t, Source{Chart: chartOf(t, files{
				"values.schema.json": fmt.Sprintf(`{"properties": {"title": {"type": "string", %s}}}`, tc.bound),
				"templates/a.yaml":   "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata:\n  " + tc.data + "\n",
			})})
			renders := -1
			render := func(change func(string) string) (Output, error) {
				renders++
				values := map[string]any{"title": change(tc.typed), "secret": "s3cret", "more": map[string]any{"title": change(tc.typed)}}
				return tmpl.Render(inputs(withValues(values), func(in *Inputs) { in.ReportEvaluated = true }))
			}
			typed, err := render(func(text string) string { return text })
			if err != nil {
				t.Fatal(err)
			}
			if got := CheckTyped([]string{tc.typed}, typed, render); got != tc.want || renders != tc.renders {
				t.Errorf("changed is %q after %d renderings, want %q after %d", got, renders, tc.want, tc.renders)
			}
		})
	}
}

// A text that can't be harmless keeps no other text from being looked at.
func TestATextThatHasToHaveItsSignsHidesNoOther(t *testing.T) {
	tmpl := parsed(t, Source{Chart: chartOf(t, files{
		"values.schema.json": `{"properties": {"color": {"pattern": "^#[0-9a-f]{6}$"}}}`,
		"templates/a.yaml":   "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata:\n  color: {{ .Values.color | quote }}\n  title: {{ .Values.title }}\n",
	})})
	for title, want := range map[string]string{
		"a title": "", "O'Neil": "", "Huawei Technologies Co., Ltd.": "", "a title\n  admin: yes": "templates/a.yaml", "a, b\n  admin: yes": "templates/a.yaml",
	} {
		render := func(change func(string) string) (Output, error) {
			return tmpl.Render(inputs(withValues(map[string]any{"color": change("#ff0000"), "title": change(title)})))
		}
		typed, err := render(func(text string) string { return text })
		if err != nil {
			t.Fatal(err)
		}
		if got := CheckTyped([]string{"#ff0000", title}, typed, render); got != want {
			t.Errorf("%q: changed is %q, want %q", title, got, want)
		}
	}
}
