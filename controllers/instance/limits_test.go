package instance

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/lifecycle"
	"github.com/stallkeeper/stallkeeper/controllers/sale"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
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
