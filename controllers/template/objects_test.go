package template

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestObjectsOfAFile(t *testing.T) {
	const pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\n"
	for name, tc := range map[string]struct {
		text string
		want []string
	}{
		"several documents":                    {pod + "---\n" + strings.Replace(pod, "name: p", "name: q", 1), []string{"Pod p inline.yaml", "Pod q inline.yaml"}},
		"empty ones and comments are left out": {"---\n# nothing\n---\n---  # one\n" + pod + "\n---\n\n...\n", []string{"Pod p inline.yaml"}},
		"a document after an end mark":         {"# nothing\n...\n" + pod, []string{"Pod p inline.yaml"}},
		"content beside the separator":         {"--- {apiVersion: v1, kind: Pod, metadata: {name: p}}\n", []string{"Pod p inline.yaml"}},
		"dashes inside of a text":              {"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata:\n  cert: |\n    -----BEGIN X-----\n    ---\n    ...\n", []string{"ConfigMap c inline.yaml"}},
		"Windows line ends":                    {strings.ReplaceAll(pod+"---\n"+strings.Replace(pod, "name: p", "name: q", 1), "\n", "\r\n"), []string{"Pod p inline.yaml", "Pod q inline.yaml"}},
		"a List":                               {"apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Pod, metadata: {name: p}}\n- {apiVersion: v1, kind: List, items: [{apiVersion: v1, kind: Pod, metadata: {name: q}}]}\n", []string{"Pod p inline.yaml", "Pod q inline.yaml"}},
		"an empty List":                        {"apiVersion: v1\nkind: List\n", []string{}},
		"the same name in another group":       {pod + "---\napiVersion: x.io/v1\nkind: Pod\nmetadata: {name: p}\n", []string{"Pod p inline.yaml", "Pod p inline.yaml"}},
		"texts that are no endless quantity":   {pod + "spec: {a: 1e-999, b: 12e45678901, c: 5e-1, d: 1e-1234-x, e: e-12345, f: '12345678e-'}\n", []string{"Pod p inline.yaml"}},
		"another namespace stays for later":    {pod + "---\napiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: kube-system}\n", []string{"Pod p inline.yaml", "Pod p inline.yaml"}},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := renderInline(t, tc.text)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, names(out)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestObjectsThatAreRefused(t *testing.T) {
	const pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\n"
	for name, tc := range map[string]struct{ text, want string }{
		"no YAML":              {"# one\n---\na: 1\nb: x: y\n", "inline.yaml: line 4 of the rendered file is not YAML: mapping values are not allowed in this context"},
		"a list":               {"- a\n", "inline.yaml: the document at line 1 of the rendered file is not an object"},
		"a text":               {"hello\n", "is not an object"},
		"no apiVersion":        {"kind: Pod\nmetadata: {name: p}\n", "the object has no apiVersion"},
		"a strange apiVersion": {"apiVersion: a/b/c\nkind: Pod\nmetadata: {name: p}\n", "the object has no apiVersion, or one that is not group/version"},
		"no kind":              {"apiVersion: v1\nmetadata: {name: p}\n", "the object has no kind"},
		"no metadata":          {"apiVersion: v1\nkind: Pod\n", "the Pod has no metadata"},
		"no name":              {"apiVersion: v1\nkind: Pod\nmetadata: {labels: {}}\n", "the Pod has no metadata.name"},
		"a number as name":     {"apiVersion: v1\nkind: Pod\nmetadata: {name: 12}\n", "the Pod has no metadata.name, or one that is not a text; quote it"},
		"a generated name":     {"apiVersion: v1\nkind: Pod\nmetadata: {generateName: p-}\n", "the Pod has a generateName"},
		"a number as namespace": {"apiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: 1}\n",
			"the metadata.namespace of the Pod is not a text"},
		"a boolean as annotation": {"apiVersion: v1\nkind: Pod\nmetadata: {name: p, annotations: {b: true, a: 1, c: x}}\n",
			"the metadata.annotations of the Pod: a, b is not a text; quote the value"},
		"a quantity that takes hours to read": {pod + "spec: {containers: [{resources: {requests: {cpu: '1E-2147483647'}}}]}\n",
			"the Pod: spec.containers[0].resources.requests.cpu is a number with thousands of digits, or with a large negative exponent"},
		"a quantity of a million digits": {pod + "spec: {containers: [{resources: {requests: {cpu: '{{ repeat 100000 \"7777777777\" }}'}}}]}\n",
			"the Pod: spec.containers[0].resources.requests.cpu is a number with thousands of digits"},
		"more objects than a tenant has": {"{{ range until 2001 }}---\n" + strings.Replace(pod, "p}", "p{{ . }}}", 1) + "{{ end }}", "more than 2000 objects"},
		"a List of too many": {"apiVersion: v1\nkind: List\nitems:\n{{ range until 2001 }}- {apiVersion: v1, kind: Pod, metadata: {name: p{{ . }}}}\n{{ end }}",
			"more than 2000 objects"},
		"more documents than a tenant has": {"{{ range until 10001 }}---\n# {{ . }}\n{{ end }}", "more than 10000 YAML documents"},
		"labels that are no map":           {"apiVersion: v1\nkind: Pod\nmetadata: {name: p, labels: [a]}\n", "the metadata.labels of the Pod: not a map"},
		"items that are no list":           {"apiVersion: v1\nkind: List\nitems: 1\n", "the items of the List are not a list"},
		"an item that is none":             {"apiVersion: v1\nkind: List\nitems: [1]\n", "an item of the List is not an object"},
		"too many aliases": {"a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\n" +
			"e: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\ng: &g [*f,*f,*f,*f,*f,*f,*f,*f,*f]\n", "excessive aliasing"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := renderInline(t, tc.text)
			checkError(t, err, tc.want)
		})
	}
}

func TestObjectsHavePlainContent(t *testing.T) {
	out, err := renderInline(t, "apiVersion: v1\nkind: X\nmetadata: {name: x}\nspec: {i: 3, big: 9007199254740993, f: 1.5, yes: yes, none: null, l: [1]}\n")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"i": int64(3), "big": int64(9007199254740993), "f": 1.5, "true": true, "l": []any{int64(1)}}
	if diff := cmp.Diff(any(want), out.Objects[0].DeepCopy().Object["spec"]); diff != "" {
		t.Error(diff)
	}
}
