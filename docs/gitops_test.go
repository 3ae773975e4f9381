package docs_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"github.com/google/cel-go/cel"
	lua "github.com/yuin/gopher-lua"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

// generation is that of the objects that the tools are shown.
const generation = 3

// shown is what an object of a kind shows: conditions as "Type=Status Reason", and the generation that they speak of (0: none yet).
type shown struct {
	kind       string
	conditions []string
	observed   int64
	deleted    bool
}

// object is the shown object as a tool reads it from the API server.
func (s shown) object(t *testing.T) map[string]any {
	t.Helper()
	metadata := map[string]any{"name": "one", "namespace": "sales", "generation": int64(generation)}
	if s.deleted {
		metadata["deletionTimestamp"] = "2027-01-01T00:00:00Z"
	}
	var conditions []any
	for _, text := range s.conditions {
		kind, rest, _ := strings.Cut(text, "=")
		is, reason, found := strings.Cut(rest, " ")
		if !found {
			t.Fatalf("condition %q has no reason", text)
		}
		one, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&metav1.Condition{
			Type: kind, Status: metav1.ConditionStatus(is), Reason: reason, Message: "what " + reason + " says", ObservedGeneration: s.observed,
		})
		if err != nil {
			t.Fatal(err)
		}
		conditions = append(conditions, one)
	}
	state := map[string]any{"conditions": conditions}
	if s.observed != 0 {
		state["observedGeneration"] = s.observed
	}
	return map[string]any{
		"apiVersion": v1alpha1.GroupVersion.String(), "kind": s.kind, "metadata": metadata, "spec": map[string]any{}, "status": state,
	}
}

func TestToolsSeeWhatTheConditionsSay(t *testing.T) {
	script, expressions := healthScript(t), healthExpressions(t)
	pending := []string{"Ready=Unknown " + v1alpha1.ReasonPending}
	stalled := func(reason string) []string { return []string{"Ready=False " + reason, "Stalled=True " + reason} }
	tests := map[string]struct {
		shown       shown
		wantKstatus status.Status
		wantArgo    string
		// wantFlux is what the expressions for instances say; they are not asked about other kinds.
		wantFlux status.Status
	}{
		"a Marketplace that was just created": {
			shown{kind: "Marketplace", conditions: pending}, status.InProgressStatus, "Progressing", "",
		},
		"a Marketplace that can be called": {
			shown{kind: "Marketplace", conditions: []string{"Ready=True " + v1alpha1.ReasonMarketplaceReady}, observed: generation},
			status.CurrentStatus, "Healthy", "",
		},
		"a Marketplace without its keys": {
			shown{kind: "Marketplace", conditions: stalled(v1alpha1.ReasonCallbackSecretNotFound), observed: generation},
			status.FailedStatus, "Degraded", "",
		},
		"a product that can be run": {
			shown{kind: "MarketplaceProduct", conditions: []string{"Ready=True " + v1alpha1.ReasonProductReady}, observed: generation},
			status.CurrentStatus, "Healthy", "",
		},
		"a product that was good before its last change": {
			shown{kind: "MarketplaceProduct", conditions: []string{"Ready=True " + v1alpha1.ReasonProductReady}, observed: generation - 1},
			status.InProgressStatus, "Progressing", "",
		},
		"a product whose template is wrong": {
			shown{kind: "MarketplaceProduct", conditions: stalled(v1alpha1.ReasonRenderFailed), observed: generation},
			status.FailedStatus, "Degraded", "",
		},
		"a product whose registry is retried": {
			shown{kind: "MarketplaceProduct", conditions: []string{"Ready=Unknown " + v1alpha1.ReasonChartUnavailable}, observed: generation},
			status.InProgressStatus, "Progressing", "",
		},
		"a revision that can be run": {
			shown{kind: "MarketplaceRevision", conditions: []string{"Ready=True " + v1alpha1.ReasonRevisionReady}, observed: generation},
			status.CurrentStatus, "Healthy", "",
		},
		"a revision whose bytes are gone": {
			shown{kind: "MarketplaceRevision", conditions: stalled(v1alpha1.ReasonRevisionContentLost), observed: generation},
			status.FailedStatus, "Degraded", "",
		},
		"an instance that was just created": {
			shown{kind: "MarketplaceInstance", conditions: pending}, status.InProgressStatus, "Progressing", status.InProgressStatus,
		},
		"a tenant on its way": {
			shown{
				kind:       "MarketplaceInstance",
				conditions: []string{"Ready=Unknown " + v1alpha1.ReasonProgressing, "Suspended=False " + v1alpha1.ReasonRunning}, observed: generation,
			},
			status.InProgressStatus, "Progressing", status.InProgressStatus,
		},
		"a tenant that runs": {
			shown{
				kind:       "MarketplaceInstance",
				conditions: []string{"Ready=True " + v1alpha1.ReasonInstanceReady, "Suspended=False " + v1alpha1.ReasonRunning}, observed: generation,
			},
			status.CurrentStatus, "Healthy", status.CurrentStatus,
		},
		"a tenant that runs and whose spec has changed": {
			shown{
				kind:       "MarketplaceInstance",
				conditions: []string{"Ready=True " + v1alpha1.ReasonInstanceReady, "Suspended=False " + v1alpha1.ReasonRunning}, observed: generation - 1,
			},
			status.InProgressStatus, "Progressing", status.InProgressStatus,
		},
		"a tenant that needs a person": {
			shown{
				kind:       "MarketplaceInstance",
				conditions: append(stalled(v1alpha1.ReasonApplyFailed), "Suspended=False "+v1alpha1.ReasonRunning), observed: generation,
			},
			status.FailedStatus, "Degraded", status.FailedStatus,
		},
		"a tenant that is stopped and can't be, which needs a person": {
			shown{
				kind:       "MarketplaceInstance",
				conditions: append(stalled(v1alpha1.ReasonNotAcknowledged), "Suspended=True "+v1alpha1.ReasonNotAcknowledged), observed: generation,
			},
			status.FailedStatus, "Degraded", status.FailedStatus,
		},
		"a tenant that is suspended as a person wants": {
			shown{
				kind:       "MarketplaceInstance",
				conditions: []string{"Ready=False " + v1alpha1.ReasonRequested, "Suspended=True " + v1alpha1.ReasonRequested}, observed: generation,
			},
			status.InProgressStatus, "Suspended", status.CurrentStatus,
		},
		"a tenant that is being stopped": {
			shown{
				kind:       "MarketplaceInstance",
				conditions: []string{"Ready=False " + v1alpha1.ReasonFrozen, "Suspended=False " + v1alpha1.ReasonSuspending}, observed: generation,
			},
			status.InProgressStatus, "Progressing", status.InProgressStatus,
		},
		"a tenant that is left alone": {
			shown{
				kind: "MarketplaceInstance", observed: generation,
				conditions: []string{
					"Ready=Unknown " + v1alpha1.ReasonProgressing, "Paused=True " + v1alpha1.ReasonReconciliationPaused,
				},
			},
			status.InProgressStatus, "Suspended", status.CurrentStatus,
		},
		"an instance that is being deleted": {
			shown{kind: "MarketplaceInstance", conditions: []string{"Ready=False " + v1alpha1.ReasonRemoving}, observed: generation, deleted: true},
			status.TerminatingStatus, "Progressing", status.InProgressStatus,
		},
		"a record that waits to be pushed": {
			shown{kind: "UsageRecord", conditions: []string{"Ready=Unknown " + v1alpha1.ReasonNotOver, "Pushed=Unknown " + v1alpha1.ReasonNotOver}, observed: generation},
			status.InProgressStatus, "Progressing", "",
		},
		"a record with which nothing is left to do": {
			shown{kind: "UsageRecord", conditions: []string{"Ready=True " + v1alpha1.ReasonSettled}, observed: generation},
			status.CurrentStatus, "Healthy", "",
		},
		"a record that can't be charged": {
			shown{kind: "UsageRecord", conditions: append(stalled(v1alpha1.ReasonTooOld), "Pushed=False "+v1alpha1.ReasonTooOld), observed: generation},
			status.FailedStatus, "Degraded", "",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			object := tc.shown.object(t)
			result, err := status.Compute(&unstructured.Unstructured{Object: object})
			if err != nil {
				t.Fatal(err)
			}
			if result.Status != tc.wantKstatus {
				t.Errorf("kstatus says %s, want %s", result.Status, tc.wantKstatus)
			}
			if got, message := runHealthScript(t, script, object); got != tc.wantArgo || message == "" {
				t.Errorf("Argo CD says %s (%q), want %s", got, message, tc.wantArgo)
			}
			if tc.shown.kind != expressions.Kind {
				return
			}
			if got := expressions.evaluate(t, object); got != tc.wantFlux {
				t.Errorf("Flux says %s, want %s", got, tc.wantFlux)
			}
		})
	}
}

// gitOpsExample decodes the YAML block of gitops.md that is of a kind.
func gitOpsExample(t *testing.T, kind string, into any) {
	t.Helper()
	for _, block := range yamlBlock.FindAllStringSubmatch(read(t, "gitops.md"), -1) {
		if strings.Contains(block[1], "\nkind: "+kind+"\n") {
			if err := yaml.Unmarshal([]byte(block[1]), into); err != nil {
				t.Fatal(err)
			}
			return
		}
	}
	t.Fatalf("gitops.md has no example of kind %s", kind)
}

// healthScript is Argo CD's script for our kinds, as gitops.md shows it.
func healthScript(t *testing.T) string {
	t.Helper()
	var settings struct{ Data map[string]string }
	gitOpsExample(t, "ConfigMap", &settings)
	var customizations map[string]map[string]string
	if err := yaml.Unmarshal([]byte(settings.Data["resource.customizations"]), &customizations); err != nil {
		t.Fatal(err)
	}
	script := customizations[v1alpha1.GroupVersion.Group+"/*"]["health.lua"]
	if script == "" {
		t.Fatal("gitops.md has no health.lua for all kinds of the group")
	}
	return script
}

// runHealthScript runs the script as Argo CD does: with obj, and no libraries but the base and the tables.
func runHealthScript(t *testing.T, script string, object map[string]any) (health, message string) {
	t.Helper()
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	for _, library := range []struct {
		name string
		open lua.LGFunction
	}{{lua.BaseLibName, lua.OpenBase}, {lua.TabLibName, lua.OpenTable}} {
		if err := state.CallByParam(lua.P{Fn: state.NewFunction(library.open), Protect: true}, lua.LString(library.name)); err != nil {
			t.Fatal(err)
		}
	}
	state.SetGlobal("obj", luaValue(state, object))
	if err := state.DoString(script); err != nil {
		t.Fatal(err)
	}
	answer, ok := state.Get(-1).(*lua.LTable)
	if !ok {
		t.Fatalf("the script returns a %s", state.Get(-1).Type())
	}
	return answer.RawGetString("status").String(), answer.RawGetString("message").String()
}

// luaValue is a JSON value as Lua's.
func luaValue(state *lua.LState, value any) lua.LValue {
	switch value := value.(type) {
	case nil:
		return lua.LNil
	case string:
		return lua.LString(value)
	case bool:
		return lua.LBool(value)
	case int64:
		return lua.LNumber(value)
	case []any:
		list := state.NewTable()
		for _, one := range value {
			list.Append(luaValue(state, one))
		}
		return list
	case map[string]any:
		table := state.NewTable()
		for key, one := range value {
			table.RawSetString(key, luaValue(state, one))
		}
		return table
	}
	panic(fmt.Sprintf("no Lua value of %T", value))
}

// expressions are one of Flux's healthCheckExprs.
type expressions struct{ APIVersion, Kind, InProgress, Failed, Current string }

// healthExpressions are those that gitops.md shows.
func healthExpressions(t *testing.T) expressions {
	t.Helper()
	var kustomization struct {
		Spec struct{ HealthCheckExprs []expressions }
	}
	gitOpsExample(t, "Kustomization", &kustomization)
	if all := kustomization.Spec.HealthCheckExprs; len(all) != 1 || all[0].APIVersion != v1alpha1.GroupVersion.String() {
		t.Fatalf("gitops.md has other healthCheckExprs than those for instances: %v", all)
	}
	return kustomization.Spec.HealthCheckExprs[0]
}

// evaluate says what Flux makes of an object: it asks inProgress, failed and current, in this order.
func (e expressions) evaluate(t *testing.T, object map[string]any) status.Status {
	t.Helper()
	for _, asked := range []struct {
		expression string
		means      status.Status
	}{{e.InProgress, status.InProgressStatus}, {e.Failed, status.FailedStatus}, {e.Current, status.CurrentStatus}} {
		if evaluateCEL(t, asked.expression, object) {
			return asked.means
		}
	}
	return status.InProgressStatus
}

// evaluateCEL evaluates an expression over the object's top-level fields.
func evaluateCEL(t *testing.T, expression string, object map[string]any) bool {
	t.Helper()
	var options []cel.EnvOption
	for _, name := range []string{"apiVersion", "kind", "metadata", "spec", "status"} {
		options = append(options, cel.Variable(name, cel.DynType))
	}
	environment, err := cel.NewEnv(options...)
	if err != nil {
		t.Fatal(err)
	}
	ast, issues := environment.Compile(expression)
	if issues.Err() != nil {
		t.Fatal(issues.Err())
	}
	program, err := environment.Program(ast)
	if err != nil {
		t.Fatal(err)
	}
	answer, _, err := program.Eval(object)
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	is, ok := answer.Value().(bool)
	if !ok {
		t.Fatalf("%s is no boolean", expression)
	}
	return is
}
