package template

import (
	"bytes"
	"compress/gzip"
	"io"
	"strings"
	"testing"
)

// Whatever a registry gives as an archive is a chart or an error.
func FuzzChartArchive(f *testing.F) {
	unzip := func(archive []byte) []byte {
		reader, err := gzip.NewReader(bytes.NewReader(archive))
		if err != nil {
			f.Fatal(err)
		}
		content, err := io.ReadAll(reader)
		if err != nil {
			f.Fatal(err)
		}
		return content
	}
	inner := chartOf(f, files{"Chart.yaml": strings.Replace(chartYAML, "shop", "inner", 1), "templates/a.yaml": "{{ fail .Values.x }}"})
	f.Add(unzip(chartOf(f, files{"templates/a.yaml": "kind: {{ .Values.x }}", "values.yaml": "x: 1", "values.schema.json": `{"type":"object"}`})))
	f.Add(unzip(chartOf(f, files{"charts/inner.tgz": string(inner), "requirements.yaml": "dependencies: [{name: inner, version: 1.2.3}]"})))
	f.Add([]byte("no tar"))
	f.Fuzz(func(_ *testing.T, content []byte) {
		var packed bytes.Buffer
		writer := gzip.NewWriter(&packed)
		_, _ = writer.Write(content) // to memory
		_ = writer.Close()
		tmpl, err := Parse(Source{Chart: packed.Bytes()})
		if err == nil {
			_, _ = tmpl.Render(inputs()) // an error is as good as objects
		}
	})
}

// Whatever the files of a chart hold, it is rendered or refused, twice in the same way.
func FuzzChartFiles(f *testing.F) {
	f.Add(chartYAML, "x: {y: [1]}", `{"type":"object","properties":{"x":{"type":"object"}}}`, "kind: {{ .Values.x.y | first }}")
	f.Add(chartYAML+"dependencies: [{name: a, condition: x.y, alias: b, import-values: [c]}]\nkubeVersion: '>1'\n", "x: &a [*a]", `{"$ref":"#/a"}`, "{{- define \"a\" }}{{ end }}")
	f.Add("apiVersion: v1\nname: shop\nversion: 1.2.3\n", "null", `{"pattern":"(("}`, "metadata: {annotations: {helm.sh/hook: 'pre-install,x', helm.sh/hook-weight: y}}\nkind: Job")
	f.Fuzz(func(t *testing.T, chart, values, schema, text string) {
		if chart == "" {
			return
		}
		tmpl, err := Parse(Source{Chart: chartOf(t, files{"Chart.yaml": chart, "values.yaml": values, "values.schema.json": schema, "templates/a.yaml": text})})
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

// Whatever somebody types, a template that quotes it is not refused for it.
func FuzzTyped(f *testing.F) {
	const text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata:\n  title: {{ .Values.title | quote }}\n  json: {{ dict \"t\" .Values.title | toJson | quote }}\n" +
		"  sum: {{ sha256sum .Values.title }}\n  code: {{ b64enc .Values.title }}\n  const: \"abc\"\n  {{- toYaml (dict \"yaml\" .Values.title) | nindent 2 }}\n"
	for _, hostile := range HostileTexts("abc") {
		f.Add(hostile.Text)
	}
	f.Fuzz(func(t *testing.T, typed string) {
		tmpl := parsed(t, Source{Inline: text})
		render := func(change func(string) string) (Output, error) {
			return tmpl.Render(inputs(withValues(map[string]any{"title": change(typed)}), func(in *Inputs) { in.ReportEvaluated = true }))
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
