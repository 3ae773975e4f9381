package revision

import (
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/stallkeeper/stallkeeper/controllers/template"
)

var (
	kindRole        = schema.GroupKind{Group: "rbac.authorization.k8s.io", Kind: "Role"}
	kindRoleBinding = schema.GroupKind{Group: "rbac.authorization.k8s.io", Kind: "RoleBinding"}
)

// withoutInert leaves out a chart's RoleBindings to Roles that it does not make, and notes them. For Kubernetes such a binding grants nothing,
// and installs all the same: charts of others have them where their Roles are switched off. It would not stay without a meaning in a
// tenant's namespace, where anybody who may make a Role would fill it. In a template of the product's own it is a mistake, and refused.
func withoutInert(objects []template.Object) (kept []template.Object, notes []string) {
	roles := map[string]bool{}
	for _, object := range objects {
		if object.GroupVersionKind().GroupKind() == kindRole {
			roles[object.GetName()] = true
		}
	}
	for _, object := range objects {
		kind, _, _ := unstructured.NestedString(object.Object, "roleRef", "kind")
		name, _, _ := unstructured.NestedString(object.Object, "roleRef", "name")
		if object.GroupVersionKind().GroupKind() == kindRoleBinding && kind == kindRole.Kind && !roles[name] {
			notes = append(notes, fmt.Sprintf("RoleBinding/%s (%s) is left out: the chart does not make the Role %q that it names, so it grants nothing",
				object.GetName(), object.File, name))
			continue
		}
		kept = append(kept, object)
	}
	return kept, notes
}
