package revision

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/template"
)

// checkTyped refuses objects that a buyer's texts have changed beyond the fields in which they stand: a chart that prints them without a quote
// would let the buyer add objects, and one that evaluates them read the seller's secrets. Most texts could not, and cost nothing.
func (r *Revision) checkTyped(ctx context.Context, in Inputs, output template.Output) error {
	if in.AsTyped {
		return nil
	}
	texts := []string{in.CustomerName}
	for _, name := range slices.Sorted(maps.Keys(in.Attributes)) {
		if !r.isDefault(name, in.Attributes[name]) {
			texts = append(texts, in.Attributes[name])
		}
	}
	var passing error
	change := template.CheckTyped(texts, output, func(change func(text string) string) (template.Output, error) {
		changed := in
		changed.CustomerName = change(in.CustomerName)
		changed.Attributes = map[string]string{}
		for name, value := range in.Attributes {
			if !r.isDefault(name, value) {
				value = change(value)
			}
			changed.Attributes[name] = value
		}
		out, err := r.outputOf(ctx, changed)
		if err != nil && Passes(err) {
			passing = err
		}
		return out, err
	})
	switch {
	case passing != nil:
		return passing
	case change != "":
		return fmt.Errorf("what the buyer entered changes more than its own value in %s: quote it where the template prints it, or correct it with"+
			" spec.values of the instance", change)
	}
	return nil
}

// outputOf renders the template with all that is made of the inputs before.
func (r *Revision) outputOf(ctx context.Context, in Inputs) (template.Output, error) {
	access, err := RenderAccess(ctx, r, in)
	if err != nil {
		return template.Output{}, err
	}
	values, err := tenantValues(ctx, r, in, access)
	if err != nil {
		return template.Output{}, err
	}
	return r.output(ctx, in, access, values)
}

// isDefault reports whether the seller has written an attribute's value.
func (r *Revision) isDefault(name, value string) bool {
	return slices.ContainsFunc(r.Data.Attributes, func(a v1alpha1.AttributeDeclaration) bool {
		return a.Name == name && a.Default != nil && *a.Default == value
	})
}
