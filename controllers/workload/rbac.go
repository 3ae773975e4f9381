package workload

import (
	"fmt"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/sets"
)

// verbsRefused are the verbs with which a tenant could give itself more rights than its Roles say.
var verbsRefused = sets.New("escalate", "bind", "impersonate")

// roleRefused says why a tenant may not have this Role.
func roleRefused(object *unstructured.Unstructured) []string {
	var role rbacv1.Role
	if err := decode(object.Object, &role); err != nil {
		return []string{fmt.Sprintf("it is not a Role: %v", err)}
	}
	var problems []string
	for i, rule := range role.Rules {
		for _, verb := range rule.Verbs {
			switch {
			case verb == rbacv1.VerbAll:
				problems = append(problems, fmt.Sprintf("rules[%d] has the verb *, which includes escalate, bind and "+
					"impersonate; list the verbs that are needed", i))
			case verbsRefused.Has(verb):
				problems = append(problems, fmt.Sprintf("rules[%d] has the verb %s, which grants more rights than the "+
					"Role says; remove it", i, verb))
			}
		}
	}
	return problems
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
		if subject.Kind != rbacv1.ServiceAccountKind || subject.Namespace != namespace {
			problems = append(problems, fmt.Sprintf("subjects[%d] is %s/%s in namespace %q, but only ServiceAccounts in "+
				"the tenant's namespace can be subjects; set its namespace to {{ .Release.Namespace }} or remove it",
				i, subject.Kind, subject.Name, subject.Namespace))
		}
	}
	return problems
}

// decode reads a part of an object into its type. Fields that the type does not have are left to the API server.
func decode(from map[string]any, to any) error {
	return runtime.DefaultUnstructuredConverter.FromUnstructured(from, to)
}
