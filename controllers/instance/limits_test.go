package instance

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/lifecycle"
	"github.com/stallkeeper/stallkeeper/controllers/protocol"
	"github.com/stallkeeper/stallkeeper/controllers/queue"
	"github.com/stallkeeper/stallkeeper/controllers/render"
	"github.com/stallkeeper/stallkeeper/controllers/revision"
	"github.com/stallkeeper/stallkeeper/controllers/sale"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
	"github.com/stallkeeper/stallkeeper/controllers/template"
	"github.com/stallkeeper/stallkeeper/controllers/tenant"
)

func TestReportKeepsTheLimitsUntilTheyAreKnownAnew(t *testing.T) {
	limits := []v1alpha1.PlanLimit{{Plan: "small", MinimumQuantity: 3, Claim: "PersistentVolumeClaim/data"}}
	run := lifecycle.Decision{Phase: lifecycle.Run, Rule: lifecycle.RulePaid}
	mpi := salestest.Sale()
	with := func(day int) *pass {
		return &pass{Sale: sale.Sale{Instance: mpi}, decision: run, now: salestest.Day(day)}
	}
	writeStatus(with(1), outcome{did: made, access: &v1alpha1.InstanceAccess{}, limits: limits, readiness: healthy})
	writeStatus(with(2), outcome{did: made, readiness: healthy})
	if diff := cmp.Diff(limits, mpi.Status.PlanLimits); diff != "" {
		t.Errorf("after a quiet pass (-want +got):\n%s", diff)
	}
	writeStatus(with(3), outcome{did: made, access: &v1alpha1.InstanceAccess{}, readiness: healthy})
	if mpi.Status.PlanLimits != nil {
		t.Errorf("still %v", mpi.Status.PlanLimits)
	}
}

// busyAfter renders as often as is left, and then is busy.
type busyAfter struct {
	render.InProcess
	left *int
}

type busyTemplate struct {
	render.Template
	left *int
}

func (b busyAfter) Load(ctx context.Context, src template.Source) (render.Template, error) {
	loaded, err := b.InProcess.Load(ctx, src)
	return busyTemplate{loaded, b.left}, err
}

func (b busyTemplate) Render(ctx context.Context, in template.Inputs) (template.Output, error) {
	if *b.left--; *b.left < 0 {
		return template.Output{}, render.ErrBusy
	}
	return b.Template.Render(ctx, in)
}

// A change to a plan with a smaller volume would be accepted that can't be carried out.
func TestTheLimitsAreKeptWhileTheyCannotBeFound(t *testing.T) {
	product := salestest.Product(salestest.Inline("apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: data}\n" +
		"spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}\n"))
	for name, tc := range map[string]struct {
		renders int
		settled bool
	}{
		"the tenant, and no plan":  {1, false},
		"the tenant, and one plan": {2, false},
		"all":                      {100, true},
	} {
		t.Run(name, func(t *testing.T) {
			c := storedRevision(t, product)
			r := &Reconciler{APIReader: c, Permissions: salestest.Permissions(), Revisions: revision.NewCache(c, busyAfter{left: &tc.renders})}
			mpi := salestest.Sale()
			was := []v1alpha1.PlanLimit{{Plan: "small", MinimumQuantity: 3, Claim: "PersistentVolumeClaim/data"}}
			mpi.Status.PlanLimits = was
			p := &pass{
				Sale: sale.Of(mpi, product, protocol.Protocol{}, "tenant-acme-x"), memory: newMemory(), now: salestest.Day(0),
				secrets: &revision.Secrets{Seed: make([]byte, revision.SeedBytes)}, decision: lifecycle.Decision{Phase: lifecycle.Run, Rule: lifecycle.RulePaid},
			}
			of, problem, err := r.renderRevision(t.Context(), p, "shop-1", c)
			if of == nil {
				t.Fatalf("%v, %v", problem, err)
			}
			var o outcome
			settled := p.shaped(t.Context(), of, tenant.Shaped{Stands: true}, nil, &o)
			if settled != tc.settled || o.err != nil || o.problem != nil {
				t.Errorf("settled is %t: %v, %v", settled, o.err, o.problem)
			}
			if !tc.settled && !o.again.Equal(p.now.Add(queue.RenderTurnRetry)) {
				t.Errorf("they are looked for again at %s", o.again)
			}
			writeStatus(p, o)
			want := was
			if tc.settled {
				want = nil
			}
			if diff := cmp.Diff(want, mpi.Status.PlanLimits); diff != "" {
				t.Errorf("limits (-want +got):\n%s", diff)
			}
		})
	}
}
