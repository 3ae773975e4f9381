package template

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"text/template"
	"text/template/parse"
	"time"
)

// typed are the functions whose result keeps its type when they end a leaf that is one action.
var typed = []string{"toInt", "toBool", "toJSON"}

// EvaluateValues evaluates a plan's values for one instance. A text that holds {{ is a template over scope; everything else,
// keys included, is taken as it is. The result of a leaf is a text and is never parsed again. Only a leaf that is one action
// ending with toInt, toBool or toJSON gives a whole number, a boolean, or the value itself (a map, a list).
//
// A key that scope does not have is an error. Errors begin with the path of the leaf (values.ingress.host) and hold none of
// scope's texts. Neither argument is changed or kept.
func EvaluateValues(values, scope map[string]any) (map[string]any, error) {
	evaluated, err := plainMap(values)
	if err != nil {
		return nil, fmt.Errorf("values: %w", err)
	}
	known, err := plainMap(scope)
	if err != nil {
		return nil, fmt.Errorf("reading what is known of the instance: %w", err)
	}
	e := newEvaluation(known)
	out, err := e.value("values", evaluated)
	if err != nil {
		return nil, err
	}
	m, _ := out.(map[string]any)
	return m, nil
}

// EvaluateString evaluates one template over scope, such as an access URL, to a text. Errors begin with name.
func EvaluateString(name, text string, scope map[string]any) (string, error) {
	known, err := plainMap(scope)
	if err != nil {
		return "", fmt.Errorf("%s: reading what is known of the instance: %w", name, err)
	}
	return newEvaluation(known).run(name, text)
}

// leafName is the name of a leaf's template. People know a leaf by its path.
const leafName = "leaf"

// evaluation evaluates leaves over one scope and under one budget.
type evaluation struct {
	scope     map[string]any
	functions template.FuncMap
	// printed is the last value that an action printed.
	printed any
}

func newEvaluation(scope map[string]any) *evaluation {
	e := &evaluation{scope: scope}
	s := newSession(func() (time.Time, error) {
		return time.Time{}, refusef("there is no clock here; give the function a time")
	})
	s.changing.refused = true
	e.functions = s.functions()
	delete(e.functions, "tenantSecret")
	maps.Copy(e.functions, template.FuncMap{"toInt": toInt, "toBool": toBool, "toJSON": toJSON})
	maps.Copy(e.functions, s.budget.functions(func(v reflect.Value) (reflect.Value, error) {
		v, err := s.printed(v)
		if err != nil {
			return v, err
		}
		if !v.IsValid() {
			return v, refusef("the value is not set; use default, or take it from somewhere else")
		}
		e.printed = v.Interface()
		return v, nil
	}, s.evaluated.note))
	return e
}

// value evaluates what a plain value holds, in the order of the keys, so that the same mistake is reported at every pass.
func (e *evaluation) value(path string, v any) (any, error) {
	switch v := v.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			leaf, err := e.value(joinPath(path, key), v[key])
			if err != nil {
				return nil, err
			}
			v[key] = leaf
		}
		return v, nil
	case []any:
		for i := range v {
			leaf, err := e.value(fmt.Sprintf("%s[%d]", path, i), v[i])
			if err != nil {
				return nil, err
			}
			v[i] = leaf
		}
		return v, nil
	case string:
		return e.leaf(path, v)
	default:
		return v, nil
	}
}

// leaf evaluates one text.
func (e *evaluation) leaf(path, text string) (any, error) {
	result, err := e.run(path, text)
	if err != nil {
		return nil, err
	}
	if !keepsType(text) {
		return result, nil
	}
	if j, ok := e.printed.(jsonValue); ok {
		return j.value, nil
	}
	return e.printed, nil
}

// run evaluates a text to a text.
func (e *evaluation) run(name, text string) (string, error) {
	if !strings.Contains(text, "{{") {
		return text, nil
	}
	t := template.New(leafName).Option("missingkey=error").Funcs(e.functions)
	if _, err := t.Parse(string(metered(leafName, []byte(text)))); err != nil {
		return "", e.describe(name, text, err)
	}
	var out strings.Builder
	// A copy, because functions such as set change what they get, and the next leaf must not see that.
	if err := t.Execute(&out, copyPlain(e.scope)); err != nil {
		return "", e.describe(name, text, err)
	}
	if out.Len() > maxOutputBytes {
		return "", fmt.Errorf("%s: the text has %d bytes; at most %d are allowed", name, out.Len(), maxOutputBytes)
	}
	return out.String(), nil
}

// keepsType says whether a leaf is one action that ends with one of the typed functions.
func keepsType(text string) bool {
	tree := parse.New(leafName)
	tree.Mode = parse.SkipFuncCheck
	if _, err := tree.Parse(text, "", "", map[string]*parse.Tree{}); err != nil || tree.Root == nil {
		return false
	}
	var only *parse.ActionNode
	for _, n := range tree.Root.Nodes {
		action, ok := n.(*parse.ActionNode)
		if text, isText := n.(*parse.TextNode); isText && blank(text) {
			continue // a block of YAML ends with a line break
		}
		if !ok || only != nil {
			return false
		}
		only = action
	}
	if only == nil || len(only.Pipe.Decl) > 0 {
		return false
	}
	command := only.Pipe.Cmds[len(only.Pipe.Cmds)-1]
	function, ok := command.Args[0].(*parse.IdentifierNode)
	return ok && slices.Contains(typed, function.Ident)
}

// describe words an error of a leaf.
func (e *evaluation) describe(name, source string, err error) error {
	var own *refusal
	if errors.As(err, &own) {
		return fmt.Errorf("%s: %w", name, own)
	}
	text, rest := err.Error(), err.Error()
	for _, at := range location.FindAllStringSubmatchIndex(text, -1) {
		if text[at[2]:at[3]] == leafName {
			rest = text[at[1]:]
		}
	}
	rest = executing.ReplaceAllString(strings.TrimLeft(rest, ": "), "")
	r := &reporter{sources: [][]byte{[]byte(source)}, values: e.scope}
	return fmt.Errorf("%s: %s", name, r.short(r.unquote(rest)))
}

// jsonValue is the result of toJSON: printed it is JSON, as the end of a leaf it is the value.
type jsonValue struct {
	value any
	text  string
}

func (j jsonValue) String() string { return j.text }

// toJSON keeps a value as it is. A text stays a text: it is not read as JSON.
func toJSON(v any) (jsonValue, error) {
	value, err := plain(v)
	if err != nil {
		return jsonValue{}, refusef("toJSON: the value has no JSON form")
	}
	text, err := json.Marshal(value)
	if err != nil {
		return jsonValue{}, refusef("toJSON: the value has no JSON form")
	}
	return jsonValue{value: value, text: string(text)}, nil
}
