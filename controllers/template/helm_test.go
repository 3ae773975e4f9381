package template

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	chartutil "helm.sh/helm/v4/pkg/chart/v2/util"
	"helm.sh/helm/v4/pkg/engine"
	release "helm.sh/helm/v4/pkg/release/v1/util"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// helmObjects is what Helm's own library makes of a chart and a file of values, hooks behind the others, decoded as its client does.
func helmObjects(tb testing.TB, archive []byte, valuesFile string) []map[string]any {
	tb.Helper()
	ch, err := loader.LoadArchive(bytes.NewReader(archive))
	if err != nil {
		tb.Fatal(err)
	}
	values := map[string]any{}
	if err := yaml.Unmarshal([]byte(valuesFile), &values); err != nil {
		tb.Fatal(err)
	}
	if err := chartutil.ProcessDependencies(ch, values); err != nil {
		tb.Fatal(err)
	}
	options := common.ReleaseOptions{Name: "app", Namespace: "tenant-a", Revision: 1, IsInstall: true}
	top, err := util.ToRenderValuesWithSchemaValidation(ch, values, options, nil, true)
	if err != nil {
		tb.Fatal(err)
	}
	rendered, err := engine.Render(ch, top)
	if err != nil {
		tb.Fatal(err)
	}
	for name := range rendered {
		if strings.HasSuffix(name, "NOTES.txt") {
			delete(rendered, name)
		}
	}
	hooks, manifests, err := release.SortManifests(rendered, nil, release.InstallOrder)
	if err != nil {
		tb.Fatal(err)
	}
	var all strings.Builder
	for _, m := range manifests {
		all.WriteString("---\n# Source: " + m.Name + "\n" + m.Content + "\n")
	}
	objects := decoded(tb, all.String())
	for _, h := range hooks {
		objects = append(objects, decoded(tb, h.Manifest)...)
	}
	return objects
}

// decoded reads a manifest as Helm's client does.
func decoded(tb testing.TB, manifest string) []map[string]any {
	tb.Helper()
	var objects []map[string]any
	decoder := utilyaml.NewYAMLOrJSONDecoder(strings.NewReader(manifest), 4096)
	for {
		var raw runtime.RawExtension
		if err := decoder.Decode(&raw); errors.Is(err, io.EOF) {
			return objects
		} else if err != nil {
			tb.Fatal(err)
		}
		if len(bytes.TrimSpace(raw.Raw)) == 0 || string(raw.Raw) == "null" {
			continue
		}
		object, _, err := unstructured.UnstructuredJSONScheme.Decode(raw.Raw, nil, nil)
		if err != nil {
			tb.Fatal(err)
		}
		if list, ok := object.(*unstructured.UnstructuredList); ok {
			for _, item := range list.Items {
				objects = append(objects, item.Object)
			}
			continue
		}
		one, _ := object.(*unstructured.Unstructured)
		objects = append(objects, one.Object)
	}
}

// byName sorts what has its nulls taken out, as the API server does, by kind and name.
func byName(objects []map[string]any) map[string]any {
	named := map[string]any{}
	for _, object := range objects {
		withoutNulls(object)
		o := &unstructured.Unstructured{Object: object}
		named[o.GetKind()+"/"+o.GetName()] = object
	}
	return named
}

const configMap = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %}\ndata: {a: b}\n"

func named(name string) string { return strings.Replace(configMap, "%", name, 1) }

func TestAChartIsWhatHelmMakesOfIt(t *testing.T) {
	one := "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: one\n"
	for name, tc := range map[string]struct {
		content files
		values  string
		notes   []string
	}{
		"a separator that is glued to the first line": {
			content: files{"templates/a.yaml": "---\n{{- if true -}}\n" + named("one") + "{{- end }}\n---\n{{- if true -}}\n" + named("two") + "{{- end }}\n"},
		},
		"a separator with a comment, and one with a variable": {
			content: files{"templates/a.yaml": named("one") + "--- # next\n" + named("two") + "---\n{{- $w := \"b\" -}}\n# x\n" + named("three")},
		},
		"a key twice": {
			content: files{"templates/a.yaml": one + "data:\n  threads: \"8\"\n  mode: a\n  threads: \"100\"\n"},
			notes:   []string{`templates/a.yaml: line 8 of the rendered file is not YAML: key "threads" already set in map; of a key that stands twice the last one counts`},
		},
		"typed lists": {
			content: files{"templates/a.yaml": "apiVersion: v1\nkind: ConfigMapList\nitems:\n- apiVersion: v1\n  kind: ConfigMap\n  metadata: {name: one}\n- metadata: {name: two}\n"},
		},
		"an object twice": {
			content: files{"templates/a.yaml": named("one"), "templates/b.yaml": strings.Replace(named("one"), "a: b", "c: d", 1)},
			notes:   []string{"ConfigMap one stands in templates/a.yaml and in templates/b.yaml; the last one counts"},
		},
		"a block of text at the end of a file, cut":      {content: files{"templates/a.yaml": one + "data:\n  text: |\n    abc\n{{- /* end */ -}}\n"}},
		"a block of text at the end of a file, kept":     {content: files{"templates/a.yaml": one + "data:\n  text: |+\n    abc\n"}},
		"a block of text at the end of a file, indented": {content: files{"templates/a.yaml": one + "data:\n  text: |\n    {{- \"0 3 * * *\" | nindent 4 }}\n{{- if false }}\n---\nx: y\n{{- end }}"}},
		"a block of text at the end of a hook": {
			content: files{"templates/a.yaml": one + "  annotations: {helm.sh/hook: pre-install}\ndata:\n  text: |\n    abc\n{{- /* end */ -}}\n"},
		},
		"a block of text at the end of a hook, kept": {
			content: files{"templates/a.yaml": one + "  annotations: {helm.sh/hook: pre-install}\ndata:\n  text: |+\n    abc\n\n"},
		},
		"a block of text before another document": {content: files{"templates/a.yaml": one + "data:\n  text: |+\n    abc\n\n---\n" + named("two")}},
		"anchors":            {content: files{"templates/a.yaml": one + "data: &d\n  a: b\n---\n" + strings.Replace(one, "one", "two", 1) + "data:\n  <<: &e {x: y}\n  z: w\n"}},
		"Windows line ends":  {content: files{"templates/a.yaml": strings.ReplaceAll(one+"data:\n  a: |\n    x\n    y\n---\n"+named("two"), "\n", "\r\n")}},
		"an indented object": {content: files{"templates/a.yaml": "\n  " + named("one")}},
		"numbers of a file of values": {
			content: files{"values.yaml": "own: 1000000\n", "templates/a.yaml": one + `data:
  print: {{ .Values.n | quote }}
  kind: {{ kindOf .Values.n }}
  own: {{ .Values.own | quote }}
  compared: {{ eq .Values.limit 10.0 | quote }}
  whole: {{ .Values.n | int64 | quote }}
  yaml: {{ toYaml .Values.tree | quote }}
  float: {{ .Values.f | quote }}
  {{- range $k, $v := .Values.env }}
  {{ $k }}: {{ if kindIs "float64" $v }}{{ $v | toString | quote }}{{ else }}{{ tpl $v $ | quote }}{{ end }}
  {{- end }}
`}, values: "n: 12345678\nlimit: 10\nf: 0.5\ntree: {a: 8080, b: 123456789012}\nenv: {WORKERS: 8, NAME: x}\n",
		},
		"nulls in values": {
			content: files{
				"values.yaml":      "own: {probe: {httpGet: {port: 80}, tcpSocket: {port: 80}}, runAsUser: 999, list: [a]}\n",
				"templates/a.yaml": one + "data:\n  own: {{ toJson .Values.own | quote }}\n",
			}, values: "own: {probe: {httpGet: null}, runAsUser: null, list: null}\n",
		},
		"values that are printed as a whole": {
			content: files{"values.yaml": "a: 1\nb: {c: d}\n", "templates/a.yaml": one + `data:
  yaml: {{ toYaml .Values | quote }}
  json: {{ toJson .Values | quote }}
  pretty: {{ toPrettyJson .Values | quote }}
  toml: {{ toToml .Values | quote }}
  inner: {{ toYaml (dict "values" .Values "l" (list .Values)) | quote }}
  sum: {{ .Values | toString | sha256sum }}
  print: {{ print .Values | quote }}
  printed: "{{ .Values }}"
  copied: {{ toYaml (merge (dict "x" 1) (deepCopy .Values)) | quote }}
  keys: {{ keys .Values | sortAlpha | join "," }}
  {{- range $k, $v := .Values }}
  range-{{ $k }}: x
  {{- end }}
`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			archive := chartOf(t, tc.content)
			raw, err := yaml.YAMLToJSON([]byte(tc.values + "\n"))
			if err != nil {
				t.Fatal(err)
			}
			if string(raw) == "null" {
				raw = nil
			}
			values, err := DecodeValues(raw)
			if err != nil {
				t.Fatal(err)
			}
			out, err := parsed(t, Source{Chart: archive}).Render(inputs(withValues(values)))
			if err != nil {
				t.Fatal(err)
			}
			var got []map[string]any
			for _, object := range out.Objects {
				got = append(got, object.Object)
			}
			if diff := cmp.Diff(byName(helmObjects(t, archive, tc.values)), byName(got)); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(tc.notes, out.Notes); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestLargeWholeNumbersStayExact(t *testing.T) {
	values, err := DecodeValues([]byte(`{"account": 123456789012345678, "most": 9007199254740992}`))
	if err != nil {
		t.Fatal(err)
	}
	evaluated, err := EvaluateValues(values, scope())
	if err != nil {
		t.Fatal(err)
	}
	out, err := renderInline(t, config(`printf "%v %s %s" .Values.account (toYaml .Values.account) (kindOf .Values.most)`), withValues(evaluated))
	if diff := cmp.Diff("123456789012345678 123456789012345678 float64", valueOf(t, out, err)); diff != "" {
		t.Error(diff)
	}
	if _, err := DecodeValues([]byte(`[1]`)); err == nil {
		t.Error("a list was taken for values")
	}
}

func TestOurKeyIsThereForWhoAsksForIt(t *testing.T) {
	for expression, want := range map[string]string{
		`.Values.stallkeeper.plan`:                                 "small",
		`index .Values "stallkeeper" "plan"`:                       "small",
		`dig "stallkeeper" "plan" "none" (deepCopy .Values.AsMap)`: "small",
		`hasKey .Values "stallkeeper" | toString`:                  "true",
		`toJson .Values.stallkeeper`:                               `{"plan":"small","quantity":3}`,
		`toJson (dict "stallkeeper" .Values.stallkeeper)`:          `{"stallkeeper":{"plan":"small","quantity":3}}`,
		`tpl "{{ .Values.stallkeeper.plan }}" .`:                   "small",
		`(get (deepCopy .Values) "stallkeeper").plan`:              "small",
		`range $k, $v := .Values.stallkeeper }}{{ $k }}{{ end`:     "planquantity",
	} {
		t.Run(expression, func(t *testing.T) {
			text := config(expression)
			if strings.HasPrefix(expression, "range") {
				text = strings.Replace(text, " | toJson", "", 1)
			}
			out, err := renderInline(t, text, withValues(map[string]any{"a": 1, "b": 2}))
			if diff := cmp.Diff(want, valueOf(t, out, err)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestFieldsWithoutAValueAreLeftOut(t *testing.T) {
	out, err := renderInline(t, `apiVersion: apps/v1
kind: Deployment
metadata: {name: d, labels: , annotations: {a: , b: x}, creationTimestamp: null}
spec:
  strategy:
  selector: {matchLabels: {app: d, none: }}
  template:
    metadata: {labels: {app: d}}
    spec:
      nodeSelector:
      volumes:
        - {name: tmp, emptyDir: }
        - {name: mem, emptyDir: {medium: Memory, sizeLimit: }}
        - {name: s, secret: {secretName: x}}
      containers: [{name: c, env: , args: [null], securityContext: {runAsUser: null}}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: c}
data: {empty: , text: x}
---
apiVersion: example.com/v1
kind: Thing
metadata: {name: t, labels: null}
spec: {kept: null}
`)
	if err != nil {
		t.Fatal(err)
	}
	want := []map[string]any{
		{
			"apiVersion": "apps/v1", "kind": "Deployment",
			"metadata": map[string]any{"name": "d", "annotations": map[string]any{"a": "", "b": "x"}},
			"spec": map[string]any{
				"selector": map[string]any{"matchLabels": map[string]any{"app": "d", "none": ""}},
				"template": map[string]any{
					"metadata": map[string]any{"labels": map[string]any{"app": "d"}},
					"spec": map[string]any{
						"volumes": []any{
							map[string]any{"name": "tmp", "emptyDir": map[string]any{}},
							map[string]any{"name": "mem", "emptyDir": map[string]any{"medium": "Memory"}},
							map[string]any{"name": "s", "secret": map[string]any{"secretName": "x"}},
						},
						"containers": []any{map[string]any{"name": "c", "args": []any{nil}, "securityContext": map[string]any{}}},
					},
				},
			},
		},
		{"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "c"}, "data": map[string]any{"empty": "", "text": "x"}},
		{"apiVersion": "example.com/v1", "kind": "Thing", "metadata": map[string]any{"name": "t"}, "spec": map[string]any{"kept": nil}},
	}
	for i, object := range out.Objects {
		if diff := cmp.Diff(want[i], object.Object); diff != "" {
			t.Error(diff)
		}
	}
}

func TestASchemaCanBeLeftOut(t *testing.T) {
	content := files{
		"values.schema.json": `{"properties": {"podAnnotations": {"$ref": "https://example.com/definitions.json#/a"}}}`,
		"templates/a.yaml":   config(`"x"`),
	}
	_, err := renderChart(t, content)
	checkError(t, err, "https://example.com/definitions.json is outside the chart and is not loaded")
	checkError(t, err, "or set the product's template.chart.valuesSchema to Skip")
	out, err := renderChart(t, content, func(in *Inputs) { in.SkipSchema = true })
	if got := valueOf(t, out, err); got != "x" {
		t.Errorf("got %q", got)
	}
}

func TestAHooksJobStaysUntilItsEndWasSeen(t *testing.T) {
	job := hookJob("migrate", "pre-install", "") + "spec:\n  ttlSecondsAfterFinished: 60\n  backoffLimit: 2\n"
	plainJob := strings.Replace(strings.Replace(job, "helm.sh/hook: pre-install", "a: b", 1), "name: migrate", "name: other", 1)
	out, err := renderInline(t, job+"---\n"+plainJob)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]any{}
	for _, object := range out.Objects {
		got[object.GetName()] = object.Object["spec"]
	}
	want := map[string]any{
		"migrate": map[string]any{"backoffLimit": int64(2)},
		"other":   map[string]any{"backoffLimit": int64(2), "ttlSecondsAfterFinished": int64(60)},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// The escape for a chart's own actions in values, as the docs have it.
func TestAChartsOwnActionsInValues(t *testing.T) {
	values, err := EvaluateValues(map[string]any{"host": `{{ "{{ .Release.Name }}-db" }}`}, scope())
	if err != nil {
		t.Fatal(err)
	}
	out, err := renderInline(t, config(`tpl .Values.host .`), withValues(values))
	if got := valueOf(t, out, err); got != "app-db" {
		t.Errorf("got %q", got)
	}
}
