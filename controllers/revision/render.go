package revision

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
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
}

// SeedBytes is the length of a tenant's seed. What is derived from it, here or by a feature, needs that many.
const SeedBytes = 32

// Secrets are made once per instance and kept in its access Secret.
type Secrets struct {
	Seed               []byte
	UserName, Password string
}

// Rendered is what a revision makes of the inputs.
type Rendered struct {
	inputs  Inputs
	Objects []workload.Rendered
	Access  v1alpha1.InstanceAccess
	// Idle names the hooks that never run.
	Idle []string
}

// Render evaluates access and values and renders the template. It is pure. Errors name what to change and hold no
// value of a buyer.
func Render(rev *Revision, in Inputs) (Rendered, error) {
	access, err := RenderAccess(rev, in)
	if err != nil {
		return Rendered{}, err
	}
	values, err := tenantValues(in, access)
	if err != nil {
		return Rendered{}, err
	}
	if rev.Template == nil {
		return Rendered{Access: access}, nil
	}
	output, err := rev.Template.Render(template.Inputs{
		Namespace: in.Namespace, Now: rev.Data.CutAt, Seed: in.Secrets.Seed,
		Values: values, Stallkeeper: in.scope(access), Capabilities: rev.Data.Capabilities,
	})
	if err != nil {
		return Rendered{}, err
	}
	result := Rendered{inputs: in, Access: access, Idle: output.Idle}
	for _, object := range output.Objects {
		result.Objects = append(result.Objects, workload.Rendered{
			Object: object.Unstructured, File: object.File, Events: object.Events,
		})
	}
	return result, nil
}

// tenantValues are the plan's values, evaluated, with the instance's own merged over them.
func tenantValues(in Inputs, access v1alpha1.InstanceAccess) (map[string]any, error) {
	values, err := rawMap(in.Plan.Values)
	if err != nil {
		return nil, fmt.Errorf("reading the values of plan %q: %w", in.Plan.Name, err)
	}
	values, err = template.EvaluateValues(values, in.scope(access))
	if err != nil {
		return nil, fmt.Errorf("plan %q: %w", in.Plan.Name, err)
	}
	overrides, err := rawMap(in.Overrides)
	if err != nil {
		return nil, fmt.Errorf("reading spec.values: %w", err)
	}
	return merged(values, overrides), nil
}

// scope is what templates see of the tenant: as .Values.stallkeeper in the template, and at the top in values and access.
func (in Inputs) scope(access v1alpha1.InstanceAccess) map[string]any {
	attributes := make(map[string]any, len(in.Attributes))
	for name, value := range in.Attributes {
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
func RenderAccess(rev *Revision, in Inputs) (v1alpha1.InstanceAccess, error) {
	scope := in.scope(v1alpha1.InstanceAccess{})
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
		result, err := template.EvaluateString(field.name, field.tmpl, scope)
		switch {
		case err != nil:
			problems = append(problems, err)
		case utf8.RuneCountInString(result) > field.most:
			problems = append(problems, fmt.Errorf("%s: the result has more than %d characters, which no marketplace takes",
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
func RenderUserName(rev *Revision, in Inputs) (string, error) {
	scope := in.scope(v1alpha1.InstanceAccess{})
	delete(scope, "access")
	// With its encryption the marketplace's limit of 128 characters leaves 79 bytes.
	const most = 79
	name, err := template.EvaluateString("access.userName", rev.Data.Access.UserName, scope)
	if err == nil && len(name) > most {
		err = fmt.Errorf("access.userName: the result has more than %d bytes, which no marketplace takes", most)
	}
	return name, err
}

func isWebURL(text string) bool {
	parsed, err := url.Parse(text)
	return err == nil && (parsed.Scheme == "https" || parsed.Scheme == "http") && parsed.Host != ""
}

func rawMap(raw *runtime.RawExtension) (map[string]any, error) {
	values := map[string]any{}
	if raw == nil || len(raw.Raw) == 0 {
		return values, nil
	}
	if err := json.Unmarshal(raw.Raw, &values); err != nil {
		return nil, errors.New("it must be an object")
	}
	return values, nil
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
