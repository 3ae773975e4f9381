package revision

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime"
	"pgregory.net/rapid"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/render"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
	"github.com/stallkeeper/stallkeeper/controllers/template"
)

// volumes is a template with a claim and a StatefulSet's, whose sizes are values.
const volumes = `
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: data
spec:
  accessModes: [ReadWriteOnce]
  resources:
    requests:
      storage: {{ .Values.data }}
---
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: db
spec:
  volumeClaimTemplates:
  - metadata:
      name: disk
    spec:
      resources:
        requests:
          storage: {{ .Values.disk }}
`

// withPlans sells plans by name, each with values.
func withPlans(named map[string]string, order ...string) salestest.ProductChange {
	return func(p *v1alpha1.MarketplaceProduct) {
		p.Spec.Plans = nil
		for _, name := range order {
			p.Spec.Plans = append(p.Spec.Plans, v1alpha1.Plan{Name: name, Values: &runtime.RawExtension{Raw: []byte(named[name])}})
		}
	}
}

// limitsOf are those of a tenant of the plan at index 0.
func limitsOf(t interface {
	Helper()
	Fatal(...any)
}, p *v1alpha1.MarketplaceProduct, quantity int32) []v1alpha1.PlanLimit {
	t.Helper()
	rev := revisionOf(t, p)
	in := SampleInputs(p, rev, p.Spec.Plans[0], false)
	in.Quantity = quantity
	now, err := Render(context.Background(), rev, in)
	if err != nil {
		t.Fatal(err)
	}
	limits, err := Limits(context.Background(), rev, now)
	if err != nil {
		t.Fatal(err)
	}
	return limits
}

func TestATenantCannotChangeToWhereItsVolumesShrink(t *testing.T) {
	plans := func(now, then string) salestest.ProductChange {
		return withPlans(map[string]string{"now": now, "then": then}, "now", "then")
	}
	byQuantity := `{"data":"{{ .quantity }}Gi","disk":"1Gi"}`
	tests := map[string]struct {
		change   salestest.ProductChange
		inline   string
		quantity int32
		want     []v1alpha1.PlanLimit
	}{
		"sizes that depend on nothing": {plans(`{"data":"5Gi","disk":"1Gi"}`, `{"data":"5Gi","disk":"1Gi"}`), volumes, 5, nil},
		"a larger plan":                {plans(`{"data":"5Gi","disk":"1Gi"}`, `{"data":"6Gi","disk":"1Gi"}`), volumes, 5, nil},
		"the same size written in another way": {
			plans(`{"data":"1Gi","disk":"1Gi"}`, `{"data":1073741824,"disk":"1024Mi"}`), volumes, 5, nil,
		},
		"a smaller plan, at no quantity that is known": {
			plans(`{"data":"5Gi","disk":"1Gi"}`, `{"data":"4Gi","disk":"1Gi"}`), volumes, 5,
			[]v1alpha1.PlanLimit{{Plan: "then", MinimumQuantity: 6, Claim: "PersistentVolumeClaim/data"}},
		},
		"a smaller plan of one": {
			plans(`{"data":"5Gi","disk":"1Gi"}`, `{"data":"4Gi","disk":"1Gi"}`), volumes, 1,
			[]v1alpha1.PlanLimit{{Plan: "then", MinimumQuantity: 2, Claim: "PersistentVolumeClaim/data"}},
		},
		"a StatefulSet's claim": {
			plans(`{"data":"5Gi","disk":"2Gi"}`, `{"data":"5Gi","disk":"1Gi"}`), volumes, 1,
			[]v1alpha1.PlanLimit{{Plan: "then", MinimumQuantity: 2, Claim: "StatefulSet/db/disk"}},
		},
		"sizes that grow with the quantity": {
			plans(byQuantity, `{"data":"{{ mul 3 .quantity }}Gi","disk":"1Gi"}`), volumes, 10,
			[]v1alpha1.PlanLimit{
				{Plan: "now", MinimumQuantity: 10, Claim: "PersistentVolumeClaim/data"},
				{Plan: "then", MinimumQuantity: 4, Claim: "PersistentVolumeClaim/data"},
			},
		},
		"sizes in steps": {
			plans(`{"data":"{{ mul 10 (ceil (divf .quantity 5)) }}Gi","disk":"1Gi"}`, byQuantity), volumes, 10,
			[]v1alpha1.PlanLimit{
				{Plan: "now", MinimumQuantity: 6, Claim: "PersistentVolumeClaim/data"},
				{Plan: "then", MinimumQuantity: 11, Claim: "PersistentVolumeClaim/data"},
			},
		},
		"a plan whose template fails is not known": {
			plans(`{"data":"5Gi","disk":"1Gi"}`, `{"data":"{{ fail \"no\" }}","disk":"1Gi"}`), volumes, 5, nil,
		},
		"a size that is none":         {plans(`{"data":"much","disk":"1Gi"}`, `{"data":"1","disk":"1Gi"}`), volumes, 5, nil},
		"a tenant without any volume": {plans(`{}`, `{}`), salestest.Settings, 5, nil},
		"nothing of it": {
			plans(byQuantity, byQuantity), volumes, 0, nil,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got := limitsOf(t, salestest.Product(salestest.Inline(tc.inline), tc.change), tc.quantity)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("limits (-want +got):\n%s", diff)
			}
		})
	}
}

// broken is a template that can't be rendered.
type broken struct {
	render.Template
	err error
}

func (b broken) Render(context.Context, template.Inputs) (template.Output, error) {
	return template.Output{}, b.err
}

func TestLimitsThatAreNotKnownAreNotNone(t *testing.T) {
	for name, tc := range map[string]struct {
		err   error
		known bool
	}{
		"its turn does not come": {render.ErrBusy, false},
		"there is no worker":     {render.ErrUnavailable, false},
		"the process ends":       {context.Canceled, false},
		"it is paused":           {&render.LimitError{Exceeded: render.Time, Paused: true}, false},
		"it takes too much":      {&render.LimitError{Exceeded: render.Time}, true},
		"it fails":               {errors.New("no"), true},
	} {
		t.Run(name, func(t *testing.T) {
			p := salestest.Product(salestest.Inline(volumes), withPlans(map[string]string{"one": `{"data":"5Gi","disk":"1Gi"}`}, "one"))
			rev := revisionOf(t, p)
			now, err := Render(t.Context(), rev, SampleInputs(p, rev, p.Spec.Plans[0], false))
			if err != nil {
				t.Fatal(err)
			}
			rev.Template = broken{rev.Template, tc.err}
			if limits, err := Limits(t.Context(), rev, now); limits != nil || (err == nil) != tc.known || err != nil && !errors.Is(err, tc.err) {
				t.Errorf("%v, %v", limits, err)
			}
		})
	}
}

func TestTheSearchForLimitsIsBounded(t *testing.T) {
	p := salestest.Product(salestest.Inline(volumes), func(p *v1alpha1.MarketplaceProduct) {
		p.Spec.Plans = nil
		for i := range 64 {
			p.Spec.Plans = append(p.Spec.Plans, v1alpha1.Plan{
				Name: "p" + string(rune('A'+i)), Values: &runtime.RawExtension{Raw: []byte(`{"data":"{{ .quantity }}Gi","disk":"1Gi"}`)},
			})
		}
	})
	limits := limitsOf(t, p, 9999999)
	if len(limits) == 0 || len(limits) > 3 {
		t.Errorf("%d plans were searched", len(limits))
	}
}

func TestLimitsRefuseWhatShrinksAndNothingElse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		present := rapid.Int32Range(1, 10_000).Draw(t, "present")
		least := rapid.Int32Range(1, 12_000).Draw(t, "least")
		got := limitOf(v1alpha1.Plan{Name: "p"}, present, func(_ v1alpha1.Plan, quantity int32) string {
			if quantity < 1 || quantity > present {
				t.Fatalf("asked for %d of %d", quantity, present)
			}
			if quantity < least {
				return "claim"
			}
			return ""
		})
		if want := min(least, present+1); got.MinimumQuantity != want {
			t.Fatalf("the least is %d, want %d", got.MinimumQuantity, want)
		}
	})
}
