package sale

import (
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/lifecycle"
)

// roomToFinish is what is left of lifecycle.FinishTime when a process begins to look: one that was away for longer would lose the last
// reading though the tenant still runs.
const roomToFinish = 2 * time.Minute

// StoppingSince is since when the tenant is being stopped, as far as the status tells. Erased, it is now.
func StoppingSince(mpi *v1alpha1.MarketplaceInstance, now time.Time) time.Time {
	condition := meta.FindStatusCondition(mpi.Status.Conditions, v1alpha1.ConditionSuspended)
	if condition == nil || condition.Reason != v1alpha1.ReasonSuspending || condition.LastTransitionTime.After(now) {
		return now
	}
	return condition.LastTransitionTime.Time
}

// UnfinishedSince is since when a tenant that has to stop is waited for, to a process that sees it for the first time. Without what an
// earlier process has waited already, a controller that restarts every few minutes would keep an unpaid tenant running for ever.
func UnfinishedSince(mpi *v1alpha1.MarketplaceInstance, now time.Time) time.Time {
	since := StoppingSince(mpi, now)
	if latest := now.Add(roomToFinish - lifecycle.FinishTime); since.Before(latest) {
		return latest
	}
	return since
}
