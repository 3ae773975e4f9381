package template

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
	chart "helm.sh/helm/v4/pkg/chart/v2"
)

// valuesSchema is a compiled values.schema.json, or why it can't be used.
type valuesSchema struct {
	compiled *jsonschema.Schema
	err      error
	// wantsStallkeeper: the schema speaks of the key stallkeeper. Only then is it shown that key, because a chart that
	// refuses unknown keys would refuse ours.
	wantsStallkeeper bool
}

// compileSchema is not Helm's: that one loads what a schema refers to from files and from the network.
func compileSchema(text []byte) valuesSchema {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return valuesSchema{err: errors.New("values.schema.json is not JSON")}
	}
	compiler := jsonschema.NewCompiler()
	compiler.UseLoader(noLoader{})
	const name = "file:///values.schema.json"
	if err := compiler.AddResource(name, doc); err != nil {
		return valuesSchema{err: fmt.Errorf("values.schema.json: %w", err)}
	}
	compiled, err := compiler.Compile(name)
	if err != nil {
		return valuesSchema{err: fmt.Errorf("values.schema.json: %w", err)}
	}
	var root struct {
		Properties map[string]json.RawMessage `json:"properties"`
	}
	_ = json.Unmarshal(text, &root) // a schema may also be `true`; then nothing is asked of our key
	return valuesSchema{compiled: compiled, wantsStallkeeper: root.Properties[stallkeeperKey] != nil}
}

// noLoader refuses everything outside the schema's own file.
type noLoader struct{}

func (noLoader) Load(url string) (any, error) {
	return nil, fmt.Errorf("%s is outside the chart and is not loaded; put what the schema refers to into the file, "+
		"or set the product's template.chart.valuesSchema to Skip", url)
}

// validate checks the values of a chart and of its enabled dependencies, as Helm does, and names every problem by the path
// of the value, without the value itself.
func (t *Template) validate(ch *chart.Chart, values map[string]any) error {
	problems, err := t.problems(ch, values, "values")
	if err != nil {
		return err
	}
	if len(problems) == 0 {
		return nil
	}
	slices.Sort(problems)
	return fmt.Errorf("the values don't fit the chart's schema: %s", strings.Join(slices.Compact(problems), "; "))
}

func (t *Template) problems(ch *chart.Chart, values map[string]any, path string) ([]string, error) {
	var found []string
	if s, ok := t.schemas[string(ch.Schema)]; ok {
		if s.err != nil {
			return nil, fmt.Errorf("the chart %s: %w", ch.Name(), s.err)
		}
		shown := values
		if _, ours := values[stallkeeperKey]; ours && ch.IsRoot() && !s.wantsStallkeeper {
			shown = make(map[string]any, len(values))
			for k, v := range values {
				if k != stallkeeperKey {
					shown[k] = v
				}
			}
		}
		var invalid *jsonschema.ValidationError
		if err := s.compiled.Validate(shown); errors.As(err, &invalid) {
			found = append(found, leaves(invalid, path)...)
		} else if err != nil {
			return nil, fmt.Errorf("checking the values against the schema of the chart %s failed", ch.Name())
		}
	}
	for _, dep := range ch.Dependencies() {
		below, ok := values[dep.Name()].(map[string]any)
		if !ok {
			continue
		}
		inner, err := t.problems(dep, below, joinPath(path, dep.Name()))
		if err != nil {
			return nil, err
		}
		found = append(found, inner...)
	}
	return found, nil
}

// english is the language of the schema library's messages.
var english = message.NewPrinter(language.English)

// leaves lists the problems at the ends of the tree that the schema library makes.
func leaves(e *jsonschema.ValidationError, path string) []string {
	var found []string
	for _, cause := range e.Causes {
		found = append(found, leaves(cause, path)...)
	}
	if len(e.Causes) > 0 {
		return found
	}
	at := path
	for _, part := range e.InstanceLocation {
		at = joinPath(at, part)
	}
	return []string{at + ": " + problem(e.ErrorKind)}
}

// problem words one violation. The library's words for two kinds hold the value, which may be a password.
func problem(k jsonschema.ErrorKind) string {
	switch k := k.(type) {
	case *kind.Pattern:
		return "does not match the pattern " + k.Want
	case *kind.Format:
		return "is not a valid " + k.Want
	default:
		return k.LocalizedString(english)
	}
}
