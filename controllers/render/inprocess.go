package render

import (
	"context"

	"github.com/stallkeeper/stallkeeper/controllers/template"
)

// InProcess is a Renderer without workers, for tests and tools whose templates are their own.
type InProcess struct{}

// Load implements Renderer.
func (InProcess) Load(_ context.Context, src template.Source) (Template, error) {
	t, err := template.Parse(src)
	if err != nil {
		return nil, mistake{err}
	}
	return local{t}, nil
}

// EvaluateValues implements Renderer.
func (InProcess) EvaluateValues(_ context.Context, values, scope map[string]any) (map[string]any, error) {
	return template.EvaluateValues(values, scope)
}

// EvaluateString implements Renderer.
func (InProcess) EvaluateString(_ context.Context, name, text string, scope map[string]any) (string, error) {
	return template.EvaluateString(name, text, scope)
}

type local struct{ t *template.Template }

// Render implements Template.
func (l local) Render(_ context.Context, in template.Inputs) (template.Output, error) {
	return l.t.Render(in)
}
