package workload

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/validate/content"
	"k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

// ownPrefix begins the labels and annotations by which the operator finds its objects.
const ownPrefix = v1alpha1.FieldOwner + "/"

// kindRefused says why a tenant may not have objects of this kind; empty when it may.
func (b *builder) kindRefused(object *unstructured.Unstructured) string {
	kind := object.GroupVersionKind().GroupKind()
	if why, ok := neverInTenants[kind]; ok {
		return why
	}
	switch {
	case kind.Kind == "":
		return "the object has no kind; add apiVersion and kind"
	case kind.Group == v1alpha1.FieldOwner:
		return "a tenant can't contain the operator's own kinds; remove it from the template"
	case clusterScoped.Has(kind):
		return fmt.Sprintf("%s is cluster-scoped, but a tenant is one namespace; disable it in the product's values or remove it from the "+
			"template, and install it once for the cluster", kind.Kind)
	case kind == kindRole || kind == kindRoleBinding:
		if !b.permissions.TenantRBAC {
			return "Roles and RoleBindings are outside the operator's permissions; allow them with Stallkeeper's chart value tenantRBAC.enabled"
		}
	case !b.permissions.Kinds.Has(kind):
		return fmt.Sprintf("%s is outside the operator's permissions; %sadd it to Stallkeeper's chart value extraTenantKinds", kind, b.meant(kind))
	}
	return ""
}

// meant names a permitted kind of the same name, whose group or letters are others: an apiVersion of an old Kubernetes, or a misspelled one.
func (b *builder) meant(kind schema.GroupKind) string {
	for _, other := range slices.SortedFunc(maps.Keys(b.permissions.Kinds), func(x, y schema.GroupKind) int { return strings.Compare(x.String(), y.String()) }) {
		if strings.EqualFold(other.Kind, kind.Kind) {
			return fmt.Sprintf("correct apiVersion and kind where %s is meant, or ", other)
		}
	}
	return ""
}

// identityRefused says what is wrong with an object's name and namespace.
func (b *builder) identityRefused(object *unstructured.Unstructured, file string) []string {
	var problems []string
	id := identityOf(object)
	switch first, twice := b.files[id]; {
	case id.name == "":
		problems = append(problems, "metadata.name is missing; with generateName, each reconciliation would create another object")
	case twice:
		problems = append(problems, fmt.Sprintf("the template defines it twice, first in %s; remove one", first))
	case isReserved(id, b.policy.Reserved):
		problems = append(problems, "the name is reserved for an object that every tenant has; use another name")
	default:
		problems = append(problems, nameRefused(id)...)
	}
	b.files[id] = file
	if namespace := object.GetNamespace(); namespace != "" && namespace != b.tenant.Namespace {
		problems = append(problems, fmt.Sprintf("metadata.namespace is %q, not the tenant's; remove it from the template",
			namespace))
	}
	return problems
}

// nameRefused says why a name could not be stored, or could be stored but not be run.
func nameRefused(id identity) []string {
	var problems []string
	invalid := validation.NameIsDNSSubdomain(id.name, false)
	if id.kind == kindRole || id.kind == kindRoleBinding {
		invalid = content.IsPathSegmentName(id.name)
	}
	for _, problem := range invalid {
		problems = append(problems, "metadata.name is invalid: "+problem)
	}
	if longest := known[id.kind].maxName; longest > 0 && len(id.name) > longest {
		problems = append(problems, fmt.Sprintf("metadata.name has %d characters, but a %s allows at most %d; shorten it",
			len(id.name), id.kind.Kind, longest))
	}
	return problems
}

// contentRefused says what is wrong with an object beyond its kind and name.
func (b *builder) contentRefused(object *unstructured.Unstructured) []string {
	problems := metadataRefused(object)
	switch object.GroupVersionKind().GroupKind() {
	case kindService:
		if ips, _, _ := unstructured.NestedFieldNoCopy(object.Object, "spec", "externalIPs"); ips != nil {
			problems = append(problems, "spec.externalIPs would capture other tenants' traffic; remove it")
		}
	case kindSecret:
		problems = append(problems, b.secretRefused(object)...)
	case kindRole:
		problems = append(problems, roleRefused(object, b.permissions.RoleRights)...)
	case kindRoleBinding:
		problems = append(problems, roleBindingRefused(object, b.tenant.Namespace)...)
	}
	return append(problems, b.podTemplateRefused(object)...)
}

// metadataRefused says what is wrong with an object's metadata.
func metadataRefused(object *unstructured.Unstructured) []string {
	var problems []string
	if len(object.GetOwnerReferences()) > 0 {
		problems = append(problems, "metadata.ownerReferences would let the cluster delete it with another object; "+
			"remove them")
	}
	if len(object.GetFinalizers()) > 0 {
		problems = append(problems, "metadata.finalizers would keep the tenant from being removed; remove them")
	}
	for _, field := range []string{"labels", "annotations"} {
		entries, _, err := unstructured.NestedStringMap(object.Object, "metadata", field)
		if err != nil {
			problems = append(problems, fmt.Sprintf("metadata.%s has a value that is not a string; quote it", field))
		}
		for _, key := range slices.Sorted(maps.Keys(entries)) {
			if strings.HasPrefix(key, ownPrefix) {
				problems = append(problems, fmt.Sprintf("metadata.%s has %s, and the prefix %s is the operator's; remove it",
					field, key, ownPrefix))
			}
		}
	}
	return problems
}

// secretRefused says why a Secret could not be stored, or would give out what isolation.apiAccess denies.
func (b *builder) secretRefused(object *unstructured.Unstructured) []string {
	var problems []string
	text, _, err := unstructured.NestedMap(object.Object, "stringData")
	if err != nil {
		problems = append(problems, "stringData is not a map of strings")
	}
	for _, key := range slices.Sorted(maps.Keys(text)) {
		if _, ok := text[key].(string); !ok {
			problems = append(problems, fmt.Sprintf("stringData.%s is not a string; quote it", key))
		}
	}
	data, _, _ := unstructured.NestedFieldNoCopy(object.Object, "data")
	if _, ok := data.(map[string]any); data != nil && !ok {
		problems = append(problems, "data is not a map of base64 strings")
	}
	kind, _, _ := unstructured.NestedString(object.Object, "type")
	if kind == string(corev1.SecretTypeServiceAccountToken) && b.access == v1alpha1.APIAccessNone {
		problems = append(problems, "it requests a token for the Kubernetes API; "+allowAPIAccess)
	}
	return problems
}
