package controllers

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/lifecycle"
)

func TestReportKeepsTheLimitsUntilTheyAreKnownAnew(t *testing.T) {
	limits := []v1alpha1.PlanLimit{{Plan: "small", MinimumQuantity: 3, Claim: "PersistentVolumeClaim/data"}}
	run := lifecycle.Decision{Phase: lifecycle.Run, Rule: lifecycle.RulePaid}
	mpi := sale()
	report(mpi, known{}, run, outcome{rendered: true, limits: limits, readiness: healthy}, day(1))
	report(mpi, known{}, run, outcome{quiet: true, readiness: healthy}, day(2))
	if diff := cmp.Diff(limits, mpi.Status.Limits); diff != "" {
		t.Errorf("after a quiet pass (-want +got):\n%s", diff)
	}
	report(mpi, known{}, run, outcome{rendered: true, readiness: healthy}, day(3))
	if mpi.Status.Limits != nil {
		t.Errorf("still %v", mpi.Status.Limits)
	}
}
