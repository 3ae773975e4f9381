package chart_test

import (
	"testing"

	"github.com/google/cel-go/cel"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/util/version"
	plugincel "k8s.io/apiserver/pkg/admission/plugin/cel"
	"k8s.io/apiserver/pkg/cel/environment"

	"github.com/stallkeeper/stallkeeper/test/chart"
)

// expression is one of a policy's, with the name of a variable and the type that it has to have.
type expression struct {
	name, text string
	types      []*cel.Type
}

func (e expression) GetName() string          { return e.name }
func (e expression) GetExpression() string    { return e.text }
func (e expression) ReturnTypes() []*cel.Type { return e.types }

// The oldest API server that Chart.yaml allows knows fewer functions than the one that the tests run with.
func TestPoliciesCompileForTheOldestAPIServer(t *testing.T) {
	rendered := render(t, chart.Release{}, everything)
	for _, object := range rendered.OfKind("ValidatingAdmissionPolicy") {
		t.Run(object.GetName(), func(t *testing.T) {
			var policy admissionv1.ValidatingAdmissionPolicy
			convert(t, object, &policy)
			compiler, err := plugincel.NewCompositedCompiler(environment.MustBaseEnvSet(version.MajorMinor(1, 32)))
			if err != nil {
				t.Fatal(err)
			}
			options := plugincel.OptionalVariableDeclarations{HasAuthorizer: true}
			check := func(text string, result plugincel.CompilationResult) {
				if result.Error != nil {
					t.Errorf("%s\n%v", text, result.Error)
				}
			}
			condition := func(text string, kind *cel.Type) {
				check(text, compiler.CompileCELExpression(expression{"", text, []*cel.Type{kind}}, options, environment.NewExpressions))
			}
			for _, match := range policy.Spec.MatchConditions {
				condition(match.Expression, cel.BoolType)
			}
			for _, variable := range policy.Spec.Variables {
				check(variable.Expression, compiler.CompileAndStoreVariable(
					expression{variable.Name, variable.Expression, []*cel.Type{cel.AnyType, cel.DynType}}, options, environment.NewExpressions))
			}
			for _, validation := range policy.Spec.Validations {
				condition(validation.Expression, cel.BoolType)
				if validation.MessageExpression != "" {
					condition(validation.MessageExpression, cel.StringType)
				}
			}
		})
	}
}
