package revision

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/report"
	"github.com/stallkeeper/stallkeeper/controllers/template"
	"github.com/stallkeeper/stallkeeper/stored"
)

// Source is one entry of valuesFrom: the values of a ConfigMap, as JSON, or the Secret that is read for each rendering.
type Source struct {
	Values []byte
	Secret v1alpha1.SecretKeyReference
}

// SecretValues are the values of Secrets, as JSON, by their references.
type SecretValues map[v1alpha1.SecretKeyReference][]byte

// ReadSources reads a product's valuesFrom: the values of ConfigMaps, which become part of its revision. Errors are *report.Verdict,
// or the API server's.
func ReadSources(ctx context.Context, live client.Reader, product *v1alpha1.MarketplaceProduct) ([]Source, error) {
	var sources []Source
	for i, from := range product.Spec.ValuesFrom {
		if from.SecretRef.Name != "" {
			sources = append(sources, Source{Secret: from.SecretRef})
			continue
		}
		ref, configMap := from.ConfigMapRef, &corev1.ConfigMap{}
		err := live.Get(ctx, types.NamespacedName{Namespace: product.Namespace, Name: ref.Name}, configMap)
		if client.IgnoreNotFound(err) != nil {
			return nil, fmt.Errorf("reading ConfigMap %s: %w", ref.Name, err)
		}
		text, ok := configMap.Data[ref.Key]
		if err != nil || !ok {
			return nil, valuesNotFound(fmt.Sprintf("valuesFrom[%d]", i), "ConfigMap", ref.Name, ref.Key, err)
		}
		values, err := valuesJSON([]byte(text))
		if err != nil {
			return nil, report.Problem(v1alpha1.ReasonInvalidValues, fmt.Sprintf(
				"valuesFrom[%d]: key %q of ConfigMap %q %s", i, ref.Key, ref.Name, err))
		}
		sources = append(sources, Source{Values: values})
	}
	return sources, nil
}

// ReadSecretValues reads the Secrets of a revision's valuesFrom. They are never stored. Errors are *report.Verdict, or the API server's.
func ReadSecretValues(ctx context.Context, live client.Reader, namespace string, sources []Source) (SecretValues, error) {
	read := SecretValues{}
	for _, source := range sources {
		ref := source.Secret
		if ref.Name == "" || read[ref] != nil {
			continue
		}
		secret := &corev1.Secret{}
		err := live.Get(ctx, types.NamespacedName{Namespace: namespace, Name: ref.Name}, secret)
		if client.IgnoreNotFound(err) != nil {
			return nil, fmt.Errorf("reading Secret %s: %w", ref.Name, err)
		}
		if why := notForValues(secret); why != "" {
			return nil, report.Problem(v1alpha1.ReasonInvalidValues, fmt.Sprintf("valuesFrom: Secret %q %s, and is not for values:"+
				" name a Secret of type %s that holds nothing but values", ref.Name, why, corev1.SecretTypeOpaque))
		}
		raw, ok := secret.Data[ref.Key]
		if err != nil || !ok {
			return nil, valuesNotFound("valuesFrom", "Secret", ref.Name, ref.Key, err)
		}
		values, err := valuesJSON(raw)
		if err != nil {
			return nil, report.Problem(v1alpha1.ReasonInvalidValues, fmt.Sprintf("valuesFrom: key %q of Secret %q %s", ref.Key, ref.Name, err))
		}
		read[ref] = values
	}
	return read, nil
}

// notForValues says what makes a Secret another's than a product's author, who need not be let to read the Secrets of the namespace: a registry's
// password, an order of another product's buyer, the seed of a tenant.
func notForValues(secret *corev1.Secret) string {
	domain, _, _ := strings.Cut(string(secret.Type), "/")
	for _, of := range []string{"kubernetes.io", v1alpha1.GroupVersion.Group} {
		if domain == of || strings.HasSuffix(domain, "."+of) {
			return fmt.Sprintf("is of type %s", secret.Type)
		}
	}
	for _, label := range []string{
		v1alpha1.InstanceLabel, v1alpha1.MarketplaceLabel, v1alpha1.CallLabel, v1alpha1.SoldLabel, v1alpha1.EnterpriseLabel,
	} {
		if _, has := secret.Labels[label]; has {
			return fmt.Sprintf("has the label %s of what Stallkeeper keeps", label)
		}
	}
	for _, owner := range secret.OwnerReferences {
		if group, _, _ := strings.Cut(owner.APIVersion, "/"); group == v1alpha1.GroupVersion.Group {
			return fmt.Sprintf("belongs to %s %q", owner.Kind, owner.Name)
		}
	}
	return ""
}

func valuesNotFound(field, kind, name, key string, err error) *report.Verdict {
	if apierrors.IsNotFound(err) {
		return report.Problem(v1alpha1.ReasonValuesNotFound, fmt.Sprintf("%s: %s %q does not exist in this namespace: create it with the key %q",
			field, kind, name, key))
	}
	return report.Problem(v1alpha1.ReasonValuesNotFound, fmt.Sprintf("%s: %s %q has no key %q in data: add it, or correct the key", field, kind, name, key))
}

// ownKey of the values is what Stallkeeper says of the tenant.
const ownKey = "stallkeeper"

// tenantValues are valuesFrom, the product's values and assignments, the plan's, and the instance's own, each over those before.
func tenantValues(ctx context.Context, rev *Revision, in Inputs, access v1alpha1.InstanceAccess) (map[string]any, error) {
	scope := rev.scope(in, access)
	values, left := map[string]any{}, MaxParts
	decode := func(raw []byte) (map[string]any, error) {
		if left -= stored.Parts(raw); left < 0 {
			return nil, fmt.Errorf("%w: take some out, or keep them in a text", errParts)
		}
		return template.DecodeValues(raw)
	}
	for _, source := range rev.Data.ValuesFrom {
		raw := source.Values
		if source.Secret.Name != "" {
			raw = in.SecretValues[source.Secret]
		}
		// What a chart's values file has of {{ }} is the chart's own.
		of, err := decode(raw)
		if err != nil {
			return nil, fmt.Errorf("valuesFrom: %w", err)
		}
		values = merged(values, of)
	}
	for _, layer := range []struct {
		field  string
		values *runtime.RawExtension
		set    []v1alpha1.ValueAssignment
	}{
		{"", rev.Data.Values, rev.Data.Set},
		{fmt.Sprintf("plan %q: ", in.Plan.Name), in.Plan.Values, in.Plan.Set},
	} {
		of, err := decode(rawOf(layer.values))
		if err != nil {
			return nil, fmt.Errorf("%s%w", layer.field, err)
		}
		if of, err = rev.renderer.EvaluateValues(ctx, of, scope); err != nil {
			return nil, fmt.Errorf("%s%w", layer.field, err)
		}
		values = merged(values, of)
		for _, assignment := range layer.set {
			if err := assign(values, assignment, rev.origin(in, assignment)); err != nil {
				return nil, fmt.Errorf("%sset: %w", layer.field, err)
			}
		}
	}
	own, err := decode(rawOf(in.Overrides))
	if err != nil {
		return nil, fmt.Errorf("spec.values of the instance: %w", err)
	}
	if _, taken := own[ownKey]; taken {
		return nil, fmt.Errorf("spec.values.%s of the instance is set by Stallkeeper: remove it", ownKey)
	}
	return merged(values, own), nil
}

// attributes are those of the sale, and the declared ones that it does not have with their defaults.
func (r *Revision) attributes(in Inputs) map[string]string {
	all := map[string]string{}
	for _, declared := range r.Data.Attributes {
		all[declared.Name] = ""
		if declared.Default != nil {
			all[declared.Name] = *declared.Default
		}
	}
	for name, value := range in.Attributes {
		all[name] = value
	}
	return all
}

// origin is the text that an assignment assigns.
func (r *Revision) origin(in Inputs, a v1alpha1.ValueAssignment) string {
	switch a.From {
	case v1alpha1.ValueFromQuantity:
		return strconv.Itoa(int(in.Quantity))
	case v1alpha1.ValueFromAttribute:
		return r.attributes(in)[a.Attribute]
	case v1alpha1.ValueFromPlan:
		return in.Plan.Name
	case v1alpha1.ValueFromTrial:
		return strconv.FormatBool(in.Trial)
	case v1alpha1.ValueFromInstanceName:
		return in.Instance
	case v1alpha1.ValueFromTenantNamespace:
		return in.Namespace
	case v1alpha1.ValueFromCustomerID:
		return in.CustomerID
	}
	return ""
}

// assign sets a value at its path. Errors name the path and hold nothing of the value.
func assign(values map[string]any, a v1alpha1.ValueAssignment, text string) error {
	value, err := typed(a, text)
	if err != nil {
		return fmt.Errorf("%s: %w", a.Path, err)
	}
	keys := PathKeys(a.Path)
	for i, key := range keys[:len(keys)-1] {
		below, isMap := values[key].(map[string]any)
		switch {
		case isMap:
		case values[key] == nil:
			below = map[string]any{}
			values[key] = below
		default:
			return fmt.Errorf("%s: %s is not a map in the values, so no key can be set in it: correct the path or the values", a.Path,
				strings.Join(keys[:i+1], "."))
		}
		values = below
	}
	values[keys[len(keys)-1]] = value
	return nil
}

// PathKeys are the keys of an assignment's path.
func PathKeys(path string) []string {
	var keys []string
	key := strings.Builder{}
	for i := 0; i < len(path); i++ {
		switch {
		case path[i] == '\\' && i+1 < len(path):
			i++
			key.WriteByte(path[i])
		case path[i] == '.':
			keys = append(keys, key.String())
			key.Reset()
		default:
			key.WriteByte(path[i])
		}
	}
	return append(keys, key.String())
}

// typed makes of a text what the assignment says.
func typed(a v1alpha1.ValueAssignment, text string) (any, error) {
	from := string(a.From)
	if a.From == v1alpha1.ValueFromAttribute {
		from = fmt.Sprintf("attribute %q", a.Attribute)
	}
	trimmed := strings.TrimSpace(text)
	switch TypeOf(a) {
	case v1alpha1.ValueInteger:
		whole, err := strconv.ParseInt(trimmed, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%s is not a whole number", from)
		}
		return whole, nil
	case v1alpha1.ValueNumber:
		if !decimal.MatchString(trimmed) {
			return nil, fmt.Errorf("%s is not a number", from)
		}
		number, err := strconv.ParseFloat(trimmed, 64)
		if err != nil {
			return nil, fmt.Errorf("%s is out of range", from)
		}
		return number, nil
	case v1alpha1.ValueBoolean:
		switch strings.ToLower(trimmed) {
		case "true", "yes", "on", "1":
			return true, nil
		case "false", "no", "off", "0", "":
			return false, nil
		}
		return nil, fmt.Errorf("%s must be true, yes, on or 1, or false, no, off, 0 or empty", from)
	default:
		return text, nil
	}
}

// decimal leaves out what Go reads besides: NaN, Inf, hexadecimals, underscores.
var decimal = regexp.MustCompile(`^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?$`)

// TypeOf is what an assignment makes of its value.
func TypeOf(a v1alpha1.ValueAssignment) v1alpha1.ValueType {
	switch {
	case a.As != "":
		return a.As
	case a.From == v1alpha1.ValueFromQuantity:
		return v1alpha1.ValueInteger
	case a.From == v1alpha1.ValueFromTrial:
		return v1alpha1.ValueBoolean
	default:
		return v1alpha1.ValueString
	}
}
