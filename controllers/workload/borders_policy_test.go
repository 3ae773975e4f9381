package workload

import (
	"strings"
	"testing"

	"github.com/google/cel-go/cel"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/version"
	"k8s.io/apiserver/pkg/admission"
	plugincel "k8s.io/apiserver/pkg/admission/plugin/cel"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/cel/environment"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/stallkeeper/stallkeeper/test/chart"
)

// tenantRules is the chart's policy about tenants' objects, evaluated as the API server does, for the controller.
type tenantRules struct {
	evaluator   plugincel.ConditionEvaluator
	validations []admissionv1.Validation
	// level of Pod Security of the tenant's namespace.
	level string
}

// celExpression is one of the policy's; with a name, a variable.
type celExpression struct {
	name, text string
	results    []*cel.Type
}

func (e celExpression) GetName() string          { return e.name }
func (e celExpression) GetExpression() string    { return e.text }
func (e celExpression) ReturnTypes() []*cel.Type { return e.results }

// tenantsPolicy is that of a chart with these limits, for the oldest API server that the chart allows.
func tenantsPolicy(t *testing.T, limits Limits) *tenantRules {
	t.Helper()
	given, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&limits)
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]any{"tenantLimits": given}
	if own, _, _ := unstructured.NestedStringSlice(given, "ownHosts"); len(own) > 0 {
		values["webhook"] = map[string]any{"host": own[0]}
	}
	delete(given, "ownHosts")
	rendered, err := chart.Render(chart.Release{}, values)
	if err != nil {
		t.Fatal(err)
	}
	var policy admissionv1.ValidatingAdmissionPolicy
	found := rendered.Find("ValidatingAdmissionPolicy", "", "stallkeeper-tenants")
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(found.Object, &policy); err != nil {
		t.Fatal(err)
	}
	compiler, err := plugincel.NewCompositedCompiler(environment.MustBaseEnvSet(version.MajorMinor(1, 32)))
	if err != nil {
		t.Fatal(err)
	}
	options := plugincel.OptionalVariableDeclarations{HasAuthorizer: true}
	for _, variable := range policy.Spec.Variables {
		one := celExpression{variable.Name, variable.Expression, []*cel.Type{cel.AnyType, cel.DynType}}
		if compiled := compiler.CompileAndStoreVariable(one, options, environment.StoredExpressions); compiled.Error != nil {
			t.Fatalf("%s: %v", variable.Name, compiled.Error)
		}
	}
	var validations []plugincel.ExpressionAccessor
	for _, validation := range policy.Spec.Validations {
		validations = append(validations, celExpression{"", validation.Expression, []*cel.Type{cel.BoolType}})
	}
	return &tenantRules{compiler.CompileCondition(validations, options, environment.StoredExpressions), policy.Spec.Validations, "restricted"}
}

// refuses gives what the policy says against a write, with what it can't judge. What stood before is nil for a creation, what is written for a
// deletion.
func (r *tenantRules) refuses(t *testing.T, object, before *unstructured.Unstructured) []string {
	t.Helper()
	operation, one := admission.Update, object
	switch {
	case before == nil:
		operation = admission.Create
	case object == nil:
		operation, one = admission.Delete, before
	}
	kind := one.GroupVersionKind()
	resource := kind.GroupVersion().WithResource(plural(kind))
	written, stood := asServed(t, object), asServed(t, before)
	versioned := &admission.VersionedAttributes{
		Attributes: admission.NewAttributesRecord(written, stood, kind, one.GetNamespace(), one.GetName(), resource, "", operation, nil, false,
			&user.DefaultInfo{Name: "system:serviceaccount:stallkeeper-system:stallkeeper-controller"}),
		VersionedObject: admission.NewLazyObject(written), VersionedOldObject: admission.NewLazyObject(stood), VersionedKind: kind,
	}
	request := plugincel.CreateAdmissionRequest(versioned.Attributes, metav1.GroupVersionResource(resource), metav1.GroupVersionKind(kind))
	namespace := plugincel.CreateNamespaceObject(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: one.GetNamespace(), Labels: map[string]string{"pod-security.kubernetes.io/enforce": r.level},
	}})
	results, _, err := r.evaluator.ForInput(t.Context(), versioned, request, plugincel.OptionalVariableBindings{}, namespace, celconfig.RuntimeCELCostBudget)
	if err != nil {
		t.Fatal(err)
	}
	var said []string
	for i, result := range results {
		switch {
		case result.Error != nil:
			t.Errorf("%s\ncan't be judged: %v", r.validations[i].Expression, result.Error)
		case result.EvalResult.Value() != true:
			said = append(said, r.validations[i].Message+r.validations[i].MessageExpression)
		}
	}
	return said
}

// asServed is an object as the API server has it: of Kubernetes' own kinds typed, of others as it is; null for none.
func asServed(t *testing.T, object *unstructured.Unstructured) runtime.Object {
	t.Helper()
	if object == nil {
		return nil // and not an interface that holds a nil pointer
	}
	typed, err := scheme.Scheme.New(object.GroupVersionKind())
	if err != nil {
		return object
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, typed); err != nil {
		t.Fatal(err)
	}
	return typed
}

// plural is the resource of a kind.
func plural(kind schema.GroupVersionKind) string {
	name := strings.ToLower(kind.Kind)
	if strings.HasSuffix(name, "s") {
		return name + "es"
	}
	return name + "s"
}
