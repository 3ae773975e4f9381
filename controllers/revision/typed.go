package revision

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/template"
)

// Checked remembers what was found of a tenant's texts, so that a pass that renders the same again renders it once. Lost, it costs a few
// renderings. It is used by one pass at a time.
type Checked struct{ found map[[sha256.Size]byte]string }

// maxChecked bounds it: a pass renders two revisions at most.
const maxChecked = 2

func (c *Checked) of(key [sha256.Size]byte) (found string, known bool) {
	if c == nil {
		return "", false
	}
	found, known = c.found[key]
	return found, known
}

func (c *Checked) note(key [sha256.Size]byte, found string) {
	if c == nil {
		return
	}
	if c.found == nil || len(c.found) >= maxChecked {
		c.found = map[[sha256.Size]byte]string{}
	}
	c.found[key] = found
}

// typed are the texts of the inputs that the seller has not written.
func (r *Revision) typed(in Inputs) []string {
	texts := []string{in.CustomerName}
	for _, name := range slices.Sorted(maps.Keys(in.Attributes)) {
		if !r.isDefault(name, in.Attributes[name]) {
			texts = append(texts, in.Attributes[name])
		}
	}
	return texts
}

// checkTyped refuses objects that a buyer's texts have changed beyond the fields in which they stand: a chart that prints them without a quote
// would let the buyer add objects, and one that evaluates them read the seller's secrets. Most texts could not, and cost nothing. given is what
// output was rendered from.
func (r *Revision) checkTyped(ctx context.Context, in Inputs, given template.Inputs, output template.Output) error {
	texts := r.typed(in)
	if in.AsTyped || !template.NeedsCheck(texts) {
		return nil
	}
	key, err := r.keyOf(given)
	if err != nil {
		return err
	}
	change, known := in.Checked.of(key)
	if !known {
		var passing error
		change = template.CheckTyped(texts, output, func(change func(text string) string) (template.Output, error) {
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
		if passing != nil {
			return passing
		}
		in.Checked.note(key, change)
	}
	if change != "" {
		return fmt.Errorf("what the buyer entered changes more than its own value in %s: quote it where the template prints it, or correct it with"+
			" spec.values of the instance", change)
	}
	return nil
}

// keyOf is a digest of all that an output and its check depend on.
func (r *Revision) keyOf(given template.Inputs) (key [sha256.Size]byte, err error) {
	raw, err := json.Marshal([]any{r.Name, given})
	if err != nil {
		return key, fmt.Errorf("encoding the values: %w", err)
	}
	return sha256.Sum256(raw), nil
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
	given := r.given(in, access, values)
	given.ReportEvaluated = true
	return r.Template.Render(ctx, given)
}

// isDefault reports whether the seller has written an attribute's value.
func (r *Revision) isDefault(name, value string) bool {
	return slices.ContainsFunc(r.Data.Attributes, func(a v1alpha1.AttributeDeclaration) bool {
		return a.Name == name && a.Default != nil && *a.Default == value
	})
}
