package template

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func scope() map[string]any {
	return map[string]any{
		"instance":   map[string]any{"name": "s1", "namespace": "tenant-a"},
		"quantity":   3,
		"attributes": map[string]any{"size": "12", "on": "true", "text": `a: "b"` + "\nc: {{ .quantity }} # d", "half": 1.5, "json": `{"k": [1]}`, "none": nil},
		"customer":   map[string]any{"id": "c-9"},
		"plan":       "small", "trial": false,
	}
}

func TestLeaves(t *testing.T) {
	for name, tc := range map[string]struct {
		leaf any
		want any
	}{
		"no template stays":                       {"a { b", "a { b"},
		"a number stays":                          {7, int64(7)},
		"a boolean stays":                         {true, true},
		"nothing stays":                           {nil, nil},
		"a template is a text":                    {"{{ .quantity }}", "3"},
		"a template beside text":                  {"{{ .instance.name }}.example.com", "s1.example.com"},
		"a buyer's text is never read again":      {"{{ .attributes.text }}", `a: "b"` + "\nc: {{ .quantity }} # d"},
		"toInt of a number":                       {"{{ .quantity | toInt }}", int64(3)},
		"toInt of a text":                         {"{{ .attributes.size | toInt }}", int64(12)},
		"toInt in front":                          {"{{ toInt .attributes.size }}", int64(12)},
		"toInt of arithmetic":                     {"{{ mul .quantity 2 | toInt }}", int64(6)},
		"toInt beside text is text":               {"{{ .quantity | toInt }} replicas", "3 replicas"},
		"toInt in the middle is text":             {"{{ .quantity | toInt | add 1 }}", "4"},
		"toInt in a block of YAML":                {"\n{{- .quantity | toInt -}}\n", int64(3)},
		"toBool of a boolean":                     {"{{ .trial | toBool }}", false},
		"toBool of a text":                        {"{{ .attributes.on | toBool }}", true},
		"toBool of a comparison":                  {"{{ eq .plan \"small\" | toBool }}", true},
		"toJSON of a map":                         {"{{ .customer | toJSON }}", map[string]any{"id": "c-9"}},
		"toJSON of a text is the text":            {"{{ .attributes.json | toJSON }}", `{"k": [1]}`},
		"toJSON of JSON that was read by hand":    {"{{ .attributes.json | fromJson | toJSON }}", map[string]any{"k": []any{int64(1)}}},
		"toJSON of nothing":                       {"{{ .attributes.none | toJSON }}", nil},
		"toJSON beside text is JSON":              {"x {{ .customer | toJSON }}", `x {"id":"c-9"}`},
		"toJson is a text":                        {"{{ .customer | toJson }}", `{"id":"c-9"}`},
		"a missing key by index has a default":    {`{{ index .attributes "gone" | default "eu" }}`, "eu"},
		"a condition may ask for what is not set": {`{{ if .attributes.none }}a{{ else }}b{{ end }}`, "b"},
		"a given time has a date":                 {`{{ "2026-03-01" | toDate "2006-01-02" | date "02.01." }}`, "01.03."},
		"lists and maps are gone through":         {[]any{map[string]any{"a": "{{ .plan }}"}}, []any{map[string]any{"a": "small"}}},
		"set does not reach the next leaf":        {[]any{`{{ set . "plan" "x" | len }}`, "{{ .plan }}"}, []any{"6", "small"}},
		"keys are no templates":                   {map[string]any{"{{ .plan }}": 1}, map[string]any{"{{ .plan }}": int64(1)}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := EvaluateValues(map[string]any{"leaf": tc.leaf}, scope())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(map[string]any{"leaf": tc.want}, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestLeavesThatFail(t *testing.T) {
	for name, tc := range map[string]struct {
		leaf any
		want string
	}{
		"a missing key":                   {"{{ .attributes.gone }}", `values.leaf: map has no entry for key "gone"`},
		"in a list, below a strange key":  {[]any{1, map[string]any{"a.b": "{{ .gone }}"}}, `values.leaf[1]["a.b"]: map has no entry for key "gone"`},
		"a value that is not set":         {"{{ .attributes.none }}", "values.leaf: the value is not set; use default"},
		"a missing key by index":          {`{{ index .attributes "gone" }}`, "values.leaf: the value is not set"},
		"a syntax error":                  {"{{ .plan", "values.leaf: unclosed action"},
		"an unknown function":             {"{{ .plan | frob }}", `values.leaf: function "frob" not defined`},
		"toInt of a fraction":             {"{{ .attributes.half | toInt }}", "values.leaf: toInt: a number is not a whole number"},
		"toInt of a text that is none":    {"{{ .attributes.text | toInt }}", "values.leaf: toInt: the text is not a whole number"},
		"toInt of too large a number":     {`{{ "9223372036854775808" | toInt }}`, "values.leaf: toInt: the number does not fit into 64 bits"},
		"toInt of a map":                  {"{{ .customer | toInt }}", "values.leaf: toInt: a map is not a whole number"},
		"toBool of another text":          {"{{ .attributes.text | toBool }}", "values.leaf: toBool: the text is neither true nor false"},
		"toBool of a number":              {"{{ .quantity | toBool }}", "values.leaf: toBool: a number is neither true nor false"},
		"a changing function":             {"{{ randAlphaNum 5 }}", "values.leaf: randAlphaNum gives another result at every pass"},
		"a changing function, typed":      {"{{ randNumeric 5 | toJSON }}", "values.leaf: randNumeric gives another result at every pass"},
		"the clock":                       {"{{ now }}", "values.leaf: there is no clock here"},
		"the clock by another name":       {`{{ date "2006" "x" }}`, "values.leaf: there is no clock here"},
		"the environment":                 {`{{ env "PATH" }}`, `values.leaf: function "env" not defined`},
		"a loop":                          {`{{ range 1000000000 }}{{ end }}`, "values.leaf: the template does more work"},
		"fail hides what the buyer wrote": {`{{ fail .attributes.json }}`, "values.leaf: error calling fail: …"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := EvaluateValues(map[string]any{"leaf": tc.leaf}, scope())
			checkError(t, err, tc.want)
		})
	}
	_, err := EvaluateValues(map[string]any{"a": math.NaN()}, nil)
	checkError(t, err, "values: the value has no JSON form")
	_, err = EvaluateValues(nil, map[string]any{"a": func() {}})
	checkError(t, err, "reading what is known of the instance")
}

func TestTheFirstMistakeIsAlwaysTheSame(t *testing.T) {
	values := map[string]any{"c": "{{ .x }}", "a": "{{ .y }}", "b": "{{ .z }}"}
	for range 20 {
		_, err := EvaluateValues(values, scope())
		checkError(t, err, `values.a: map has no entry for key "y"`)
	}
}

func TestArgumentsOfEvaluateValuesStayAsTheyAre(t *testing.T) {
	values, known := map[string]any{"a": []any{"{{ .plan }}"}}, scope()
	if _, err := EvaluateValues(values, known); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]any{"a": []any{"{{ .plan }}"}}, values); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(scope(), known); diff != "" {
		t.Error(diff)
	}
}

func TestEvaluateString(t *testing.T) {
	got, err := EvaluateString("frontEndURL", "https://{{ .instance.name }}.example.com/{{ .quantity | toInt }}", scope())
	if err != nil || got != "https://s1.example.com/3" {
		t.Errorf("got %q, %v", got, err)
	}
	_, err = EvaluateString("frontEndURL", "https://{{ .host }}", scope())
	checkError(t, err, `frontEndURL: map has no entry for key "host"`)
}

// buyerText draws texts as a hostile buyer writes them.
func buyerText() *rapid.Generator[string] {
	piece := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{
		"\n", "\r\n", ": ", "#", `"`, "'", "{{", "}}", "{{ .quantity }}", "- ", "key: value\n", "&a", "*a", "|", ">", "<no value>", "---\n", "\\", ",", ", ", "?", "[", "]", "Co., Ltd.", "null", "yes", "1e3", "\x00", "\x1b", "\u0085", "\u2028", "\ufeff", "\ufffd", "\x7f", "\u009f", "\t", "\U0001f600",
	}))
	return rapid.Map(rapid.SliceOfN(piece, 0, 8), func(pieces []string) string { return strings.Join(pieces, "") })
}

func TestABuyersTextIsATextWhateverItHolds(t *testing.T) {
	tmpl := parsed(t, Source{Inline: "apiVersion: v1\nkind: ConfigMap\ndata:\n  {{- toYaml .Values.data | nindent 2 }}\n" +
		// Behind a block of text that keeps its line breaks, Helm puts one more at the end of a document.
		"metadata: {name: c}\n"})
	rapid.Check(t, func(t *rapid.T) {
		text := buyerText().Draw(t, "text")
		known := scope()
		known["attributes"] = map[string]any{"x": text}
		values, err := EvaluateValues(map[string]any{"data": map[string]any{
			"whole": "{{ .attributes.x }}", "part": "a {{ .attributes.x }} b", "json": "{{ .attributes.x | toJSON }}",
		}}, known)
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]any{"data": map[string]any{"whole": text, "part": "a " + text + " b", "json": text}}
		if diff := cmp.Diff(want, values); diff != "" {
			t.Fatal(diff)
		}
		in := inputs(withValues(values), func(in *Inputs) { in.Now = time.Unix(0, 0) })
		first, err := tmpl.Render(in)
		if refused := checkText("values.data.json", text); refused != nil {
			checkError(t, err, refused.Error())
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		second, err := tmpl.Render(in)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(first, second); diff != "" {
			t.Fatal(diff)
		}
		if diff := cmp.Diff(want["data"], first.Objects[0].Object["data"]); diff != "" {
			t.Fatal(diff)
		}
	})
}
