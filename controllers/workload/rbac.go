package workload

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/sets"
)

// RoleRights are the verbs that a tenant's Role may allow, by the resource as RBAC names it, with its group behind a dot: "pods/log",
// "deployments.apps". The admission policy holds the controller to the same list.
type RoleRights map[string][]string

// ParseRoleRights reads RoleRights from JSON. The empty text is none.
func ParseRoleRights(text string) (RoleRights, error) {
	rights := RoleRights{}
	if text == "" {
		return rights, nil
	}
	if err := json.Unmarshal([]byte(text), &rights); err != nil {
		return nil, errors.New(`must be JSON of verbs by resource, such as {"pods/log":["get"],"deployments.apps":["list","watch"]}`)
	}
	return rights, nil
}

// verbsRefused are the verbs with which a tenant could give itself more rights than its Roles say.
var verbsRefused = sets.New("escalate", "bind", "impersonate")

// roleRefused says why a tenant may not have this Role.
func roleRefused(object *unstructured.Unstructured, rights RoleRights) []string {
	var role rbacv1.Role
	if err := decode(object.Object, &role); err != nil {
		return []string{fmt.Sprintf("it is not a Role: %v", err)}
	}
	var problems []string
	for i, rule := range role.Rules {
		at := fmt.Sprintf("rules[%d]", i)
		for _, problem := range ruleRefused(rule, rights) {
			problems = append(problems, at+" "+problem)
		}
	}
	return problems
}

// ruleRefused says what of a rule is not on the list.
func ruleRefused(rule rbacv1.PolicyRule, rights RoleRights) []string {
	switch {
	case slices.Contains(rule.Verbs, rbacv1.VerbAll):
		return []string{"has the verb *, which includes escalate, bind and impersonate; list the verbs that are needed"}
	case slices.Contains(rule.APIGroups, rbacv1.APIGroupAll), slices.ContainsFunc(rule.Resources, func(r string) bool { return strings.Contains(r, "*") }):
		return []string{"has *, which includes what the tenant is bounded by; list the groups and resources that are needed"}
	case len(rule.NonResourceURLs) > 0:
		return []string{"has nonResourceURLs, which only a ClusterRole may have; remove them"}
	}
	var problems []string
	for _, verb := range rule.Verbs {
		if verbsRefused.Has(verb) {
			problems = append(problems, fmt.Sprintf("has the verb %s, which grants more rights than the Role says; remove it", verb))
		}
	}
	if len(problems) > 0 {
		return problems
	}
	var missing []string
	for _, group := range rule.APIGroups {
		for _, resource := range rule.Resources {
			name := strings.TrimSuffix(resource+"."+group, ".")
			beyond := slices.DeleteFunc(slices.Clone(rule.Verbs), func(verb string) bool { return slices.Contains(rights[name], verb) })
			if len(beyond) > 0 {
				missing = append(missing, fmt.Sprintf("%s (%s)", name, strings.Join(beyond, ", ")))
			}
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return []string{fmt.Sprintf("allows what is not on the list of the chart value tenantRBAC.rules: %s; add it there, or switch it off by the "+
		"values of the product", strings.Join(missing, ", "))}
}

// roleBindingRefused says why a tenant may not have this RoleBinding.
func roleBindingRefused(object *unstructured.Unstructured, namespace string) []string {
	var binding rbacv1.RoleBinding
	if err := decode(object.Object, &binding); err != nil {
		return []string{fmt.Sprintf("it is not a RoleBinding: %v", err)}
	}
	var problems []string
	if binding.RoleRef.Kind != kindRole.Kind {
		problems = append(problems, fmt.Sprintf("roleRef is %s/%s, but a tenant can only use its own Roles; "+
			"add a Role with the required rules", binding.RoleRef.Kind, binding.RoleRef.Name))
	}
	for i, subject := range binding.Subjects {
		// In a RoleBinding an account without a namespace is one of the same namespace.
		if subject.Kind != rbacv1.ServiceAccountKind || subject.Namespace != namespace && subject.Namespace != "" {
			problems = append(problems, fmt.Sprintf("subjects[%d] is %s/%s in namespace %q, but only ServiceAccounts in "+
				"the tenant's namespace can be subjects; set its namespace to {{ .Release.Namespace }} or remove it",
				i, subject.Kind, subject.Name, subject.Namespace))
		}
	}
	return problems
}

// rolesMissing says which RoleBindings name a Role that the template does not make. They would be stored, and give nothing.
func (b *builder) rolesMissing(rendered []Rendered) []string {
	var problems []string
	for _, r := range rendered {
		if r.Object.GroupVersionKind().GroupKind() != kindRoleBinding {
			continue
		}
		kind, _, _ := unstructured.NestedString(r.Object.Object, "roleRef", "kind")
		name, _, _ := unstructured.NestedString(r.Object.Object, "roleRef", "name")
		if _, made := b.files[identity{kindRole, name}]; kind == kindRole.Kind && !made {
			problems = append(problems, fmt.Sprintf("%s (%s): roleRef names the Role %q, which the template does not make: "+
				"correct the name, or switch the Role on by the values of the product", identityOf(r.Object), r.File, name))
		}
	}
	return problems
}

// decode reads a part of an object into its type. Fields that the type does not have are left to the API server.
func decode(from map[string]any, to any) error {
	return runtime.DefaultUnstructuredConverter.FromUnstructured(from, to)
}
