package revision

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/render"
	"github.com/stallkeeper/stallkeeper/controllers/template"
	"github.com/stallkeeper/stallkeeper/controllers/workload"
)

// Inputs is what a tenant's objects are made from, besides its revision.
type Inputs struct {
	// Instance and salesNamespace name the MarketplaceInstance; namespace is the tenant's.
	Instance, SalesNamespace, Namespace string
	Plan                                v1alpha1.Plan
	Quantity                            int32
	Attributes                          map[string]string
	CustomerID, CustomerName            string
	Trial, Suspended                    bool
	// Overrides are the instance's own values.
	Overrides *runtime.RawExtension
	Secrets   Secrets
	// SecretValues are those of the revision's valuesFrom; see ReadSecretValues.
	SecretValues SecretValues
	// ReportMissing asks for Rendered.Missing.
	ReportMissing bool
	// Checked is what is remembered of the buyer's texts; nil remembers nothing.
	Checked *Checked
	// AsTyped asks for what is made of a buyer's texts, however much they change; for checks.
	AsTyped bool
}

// SeedBytes is the length of a tenant's seed. What is derived from it, here or by a feature, needs that many.
const SeedBytes = 32

// Secrets are made once per instance and kept in its access Secret.
type Secrets struct {
	Seed               []byte
	UserName, Password string
	// Kept are the values that random functions gave for this tenant. Nil means that none can be kept.
	Kept template.Kept
}

// Rendered is what a revision makes of the inputs.
type Rendered struct {
	inputs  Inputs
	Objects []workload.Rendered
	Access  v1alpha1.InstanceAccess
	// Made are values of random functions that must be kept for the tenant, over Secrets.Kept, before the objects are used. Nil when
	// there is nothing to keep.
	Made template.Kept
	// Idle names the hooks that never run.
	Idle []string
	// Notes are worth knowing and no mistakes.
	Notes []string
	// Missing are the values that the template asks for and that are not there, when Inputs.ReportMissing asked for them.
	Missing []template.MissingValue
}

// MissingError names values that the template asks for and that are not there, where the product's missingValues says Fail.
type MissingError struct{ Missing []template.MissingValue }

// Error names at most ten of them with their places.
func (e *MissingError) Error() string {
	const most = 10
	var places []string
	for i, missing := range e.Missing {
		if i == most {
			places = append(places, fmt.Sprintf("and %d more", len(e.Missing)-most))
			break
		}
		places = append(places, missing.String())
	}
	return "the template uses undefined values: " + strings.Join(places, ", ") +
		"; correct the name, set the value, or use default; with template.missingValues: Warn they render as empty"
}

// Render evaluates access and values and renders the template. It is pure but for the renderer's processes. Errors name what to
// change and hold no value of a buyer; those that wrap render.ErrUnavailable or the context's pass by themselves.
func Render(ctx context.Context, rev *Revision, in Inputs) (Rendered, error) {
	access, err := RenderAccess(ctx, rev, in)
	if err != nil {
		return Rendered{}, err
	}
	values, err := tenantValues(ctx, rev, in, access)
	if err != nil {
		return Rendered{}, err
	}
	if rev.Template == nil {
		return Rendered{Access: access}, nil
	}
	fails := rev.Data.MissingValues == v1alpha1.MissingValuesFail
	given := rev.given(in, access, values)
	output, err := rev.Template.Render(ctx, given)
	if err != nil {
		return Rendered{}, err
	}
	if fails && len(output.Missing) > 0 {
		return Rendered{}, &MissingError{output.Missing}
	}
	if output.Made != nil {
		in.Secrets.Kept = in.Secrets.Kept.With(output.Made)
		given.Kept = in.Secrets.Kept
	}
	if err := rev.checkTyped(ctx, in, given, output); err != nil {
		return Rendered{}, err
	}
	if rev.Data.Chart != nil {
		var notes []string
		output.Objects, notes = withoutInert(output.Objects)
		output.Notes = append(output.Notes, notes...)
	}
	result := Rendered{inputs: in, Access: access, Made: output.Made, Idle: output.Idle, Notes: output.Notes, Missing: output.Missing}
	for _, object := range output.Objects {
		result.Objects = append(result.Objects, workload.Rendered{
			Object: object.Unstructured, File: object.File, Events: object.Events,
		})
	}
	return result, nil
}

// given is what the template is rendered from.
func (r *Revision) given(in Inputs, access v1alpha1.InstanceAccess, values map[string]any) template.Inputs {
	return template.Inputs{
		Namespace: in.Namespace, Now: r.Data.CutAt, Seed: in.Secrets.Seed, Kept: in.Secrets.Kept,
		ReportMissing:   r.Data.MissingValues == v1alpha1.MissingValuesFail || in.ReportMissing,
		ReportEvaluated: !in.AsTyped && template.NeedsCheck(r.typed(in)),
		SkipSchema:      r.Data.SkipSchema, SkipCRDs: r.Data.SkipCRDs,
		Values: values, Stallkeeper: r.scope(in, access), Capabilities: r.Data.Capabilities,
	}
}

// Passes says whether an error of Render is no fault of the product's and passes by itself.
func Passes(err error) bool {
	return errors.Is(err, render.ErrUnavailable) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// scope is what templates see of the tenant: as .Values.stallkeeper in the template, and at the top in values and access.
func (r *Revision) scope(in Inputs, access v1alpha1.InstanceAccess) map[string]any {
	attributes := map[string]any{}
	for name, value := range r.attributes(in) {
		attributes[name] = value
	}
	return map[string]any{
		"instance":   map[string]any{"name": in.Instance, "namespace": in.SalesNamespace, "tenantNamespace": in.Namespace},
		"plan":       in.Plan.Name,
		"quantity":   int64(in.Quantity),
		"attributes": attributes,
		"customer":   map[string]any{"id": in.CustomerID, "name": in.CustomerName},
		"trial":      in.Trial,
		"suspended":  in.Suspended,
		"access": map[string]any{
			"frontEndURL": access.FrontEndURL, "adminURL": access.AdminURL, "memo": access.Memo,
			"userName": in.Secrets.UserName, "password": in.Secrets.Password, "secretName": workload.AccessSecretName,
		},
	}
}

// RenderAccess evaluates the access templates and checks what the marketplaces demand of their results.
func RenderAccess(ctx context.Context, rev *Revision, in Inputs) (v1alpha1.InstanceAccess, error) {
	scope := rev.scope(in, v1alpha1.InstanceAccess{})
	// Access can't be a function of itself.
	delete(scope, "access")
	var access v1alpha1.InstanceAccess
	var problems []error
	for _, field := range []struct {
		name, tmpl string
		most       int
		isURL      bool
		set        *string
	}{
		{"access.frontEndURL", rev.Data.Access.FrontEndURL, 512, true, &access.FrontEndURL},
		{"access.adminURL", rev.Data.Access.AdminURL, 512, true, &access.AdminURL},
		{"access.memo", rev.Data.Access.Memo, 1024, false, &access.Memo},
	} {
		result, err := rev.renderer.EvaluateString(ctx, field.name, field.tmpl, scope)
		switch {
		case err != nil:
			problems = append(problems, err)
		case utf8.RuneCountInString(result) > field.most:
			problems = append(problems, fmt.Errorf("%s: the result has more than %d characters, the marketplaces' maximum",
				field.name, field.most))
		case field.isURL && result != "" && !isWebURL(result):
			problems = append(problems, fmt.Errorf("%s: the result is not a URL that begins with https:// or http://", field.name))
		default:
			*field.set = result
		}
	}
	return access, errors.Join(problems...)
}

// RenderUserName evaluates the administrator's account name.
func RenderUserName(ctx context.Context, rev *Revision, in Inputs) (string, error) {
	scope := rev.scope(in, v1alpha1.InstanceAccess{})
	delete(scope, "access")
	// With its encryption the marketplace's limit of 128 characters leaves 79 bytes.
	const most = 79
	name, err := rev.renderer.EvaluateString(ctx, "access.userName", rev.Data.Access.UserName, scope)
	if err == nil && len(name) > most {
		err = fmt.Errorf("access.userName: the result has more than %d bytes, the marketplaces' maximum", most)
	}
	return name, err
}

func isWebURL(text string) bool {
	parsed, err := url.Parse(text)
	return err == nil && (parsed.Scheme == "https" || parsed.Scheme == "http") && parsed.Host != ""
}

// merged lays over on top of base, map by map. A null stays: it takes away what the chart sets as well, as in Helm.
func merged(base, over map[string]any) map[string]any {
	for key, value := range over {
		below, bothMaps := base[key].(map[string]any)
		above, isMap := value.(map[string]any)
		if bothMaps && isMap {
			value = merged(below, above)
		}
		base[key] = value
	}
	return base
}
