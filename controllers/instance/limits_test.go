package instance

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/lifecycle"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
)

func TestReportKeepsTheLimitsUntilTheyAreKnownAnew(t *testing.T) {
	limits := []v1alpha1.PlanLimit{{Plan: "small", MinimumQuantity: 3, Claim: "PersistentVolumeClaim/data"}}
	run := lifecycle.Decision{Phase: lifecycle.Run, Rule: lifecycle.RulePaid}
	mpi := salestest.Sale()
	writeStatus(mpi, known{}, run, outcome{rendered: true, limits: limits, readiness: healthy}, salestest.Day(1))
	writeStatus(mpi, known{}, run, outcome{quiet: true, readiness: healthy}, salestest.Day(2))
	if diff := cmp.Diff(limits, mpi.Status.Limits); diff != "" {
		t.Errorf("after a quiet pass (-want +got):\n%s", diff)
	}
	writeStatus(mpi, known{}, run, outcome{rendered: true, readiness: healthy}, salestest.Day(3))
	if mpi.Status.Limits != nil {
		t.Errorf("still %v", mpi.Status.Limits)
	}
}
