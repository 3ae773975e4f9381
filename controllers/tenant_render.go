package controllers

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

// tenantInputs is what a tenant's objects are made from, besides its revision.
type tenantInputs struct {
	// instance and salesNamespace name the MarketplaceInstance; namespace is the tenant's.
	instance, salesNamespace, namespace string
	plan                                v1alpha1.Plan
	quantity                            int32
	attributes                          map[string]string
	customerID, customerName            string
	trial, suspended                    bool
	// overrides are the instance's own values.
	overrides *runtime.RawExtension
	secrets   tenantSecrets
}

// SeedBytes is the length of a tenant's seed. What is derived from it, here or by a feature, needs that many.
const SeedBytes = 32

// tenantSecrets are made once per instance and kept in its access Secret.
type tenantSecrets struct {
	seed               []byte
	userName, password string
}

// renderedTenant is what a revision makes of the inputs.
type renderedTenant struct {
	inputs  tenantInputs
	objects []workload.Rendered
	access  v1alpha1.InstanceAccess
	// idle names the hooks that never run.
	idle []string
}

// renderTenant evaluates access and values and renders the template. It is pure. Errors name what to change and hold no
// value of a buyer.
func renderTenant(rev *revision, in tenantInputs) (renderedTenant, error) {
	access, err := renderAccess(rev, in)
	if err != nil {
		return renderedTenant{}, err
	}
	values, err := tenantValues(in, access)
	if err != nil {
		return renderedTenant{}, err
	}
	if rev.template == nil {
		return renderedTenant{access: access}, nil
	}
	output, err := rev.template.Render(template.Inputs{
		Namespace: in.namespace, Now: rev.data.CutAt, Seed: in.secrets.seed,
		Values: values, Stallkeeper: in.scope(access), Capabilities: rev.data.Capabilities,
	})
	if err != nil {
		return renderedTenant{}, err
	}
	result := renderedTenant{inputs: in, access: access, idle: output.Idle}
	for _, object := range output.Objects {
		result.objects = append(result.objects, workload.Rendered{
			Object: object.Unstructured, File: object.File, Events: object.Events,
		})
	}
	return result, nil
}

// tenantValues are the plan's values, evaluated, with the instance's own merged over them.
func tenantValues(in tenantInputs, access v1alpha1.InstanceAccess) (map[string]any, error) {
	values, err := rawMap(in.plan.Values)
	if err != nil {
		return nil, fmt.Errorf("reading the values of plan %q: %w", in.plan.Name, err)
	}
	values, err = template.EvaluateValues(values, in.scope(access))
	if err != nil {
		return nil, fmt.Errorf("plan %q: %w", in.plan.Name, err)
	}
	overrides, err := rawMap(in.overrides)
	if err != nil {
		return nil, fmt.Errorf("reading spec.values: %w", err)
	}
	return merged(values, overrides), nil
}

// scope is what templates see of the tenant: as .Values.stallkeeper in the template, and at the top in values and access.
func (in tenantInputs) scope(access v1alpha1.InstanceAccess) map[string]any {
	attributes := make(map[string]any, len(in.attributes))
	for name, value := range in.attributes {
		attributes[name] = value
	}
	return map[string]any{
		"instance":   map[string]any{"name": in.instance, "namespace": in.salesNamespace, "tenantNamespace": in.namespace},
		"plan":       in.plan.Name,
		"quantity":   int64(in.quantity),
		"attributes": attributes,
		"customer":   map[string]any{"id": in.customerID, "name": in.customerName},
		"trial":      in.trial,
		"suspended":  in.suspended,
		"access": map[string]any{
			"frontEndURL": access.FrontEndURL, "adminURL": access.AdminURL, "memo": access.Memo,
			"userName": in.secrets.userName, "password": in.secrets.password, "secretName": workload.AccessSecretName,
		},
	}
}

// renderAccess evaluates the access templates and checks what the marketplaces demand of their results.
func renderAccess(rev *revision, in tenantInputs) (v1alpha1.InstanceAccess, error) {
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
		{"access.frontEndURL", rev.data.Access.FrontEndURL, 512, true, &access.FrontEndURL},
		{"access.adminURL", rev.data.Access.AdminURL, 512, true, &access.AdminURL},
		{"access.memo", rev.data.Access.Memo, 1024, false, &access.Memo},
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

// renderUserName evaluates the administrator's account name.
func renderUserName(rev *revision, in tenantInputs) (string, error) {
	scope := in.scope(v1alpha1.InstanceAccess{})
	delete(scope, "access")
	// With its encryption the marketplace's limit of 128 characters leaves 79 bytes.
	const most = 79
	name, err := template.EvaluateString("access.userName", rev.data.Access.UserName, scope)
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
