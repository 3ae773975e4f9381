package instance

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/apply"
	"github.com/stallkeeper/stallkeeper/controllers/queue"
)

// look adds the state of the tenant's objects to an outcome, and if they have not been healthy for a while, the reason.
func (r *Reconciler) look(ctx context.Context, mpi *v1alpha1.MarketplaceInstance, k known, o outcome, entries []apply.Entry,
	memory *memory,
) outcome {
	orphans := mpi.Status.Orphans
	if o.rendered {
		orphans = o.orphans
	}
	o.readiness = k.observed.Readiness(entries, orphans)
	if o.waiting != (apply.Key{}) && o.readiness.State == apply.StateReady {
		// The cache may not show yet how far the hook is, and nothing after it is there.
		o.readiness.State = apply.StateProgressing
		o.readiness.Blockers = []apply.Blocker{{Key: o.waiting, State: apply.StateProgressing}}
	}
	for _, blocker := range o.readiness.Next {
		if o.moving && blocker.State == apply.StateFailed {
			o.nextBlockers = append(o.nextBlockers, failedBlocker(blocker))
		}
	}
	now := r.Clock.Now()
	if o.problem != nil {
		o.again = queue.Earliest(o.again, now.Add(queue.ProblemRetry))
	}
	if o.readiness.State == apply.StateReady || o.nothing {
		memory.pods = podsMemory{}
		return o
	}
	for _, blocker := range o.readiness.Blockers {
		if blocker.State == apply.StateFailed {
			o.blockers = append(o.blockers, failedBlocker(blocker))
		}
	}
	due := memory.pods.due(unhealthySince(mpi, now))
	if now.Before(due) {
		o.again = queue.Earliest(o.again, due)
		o.blockers = append(o.blockers, memory.pods.blockers...)
		return o
	}
	problems, err := apply.PodProblems(ctx, r.APIReader, k.Namespace, k.observed)
	if err != nil {
		// The reason is a kindness: the tenant's own state does not depend on it.
		problems = nil
	}
	memory.pods.looked(now, podBlockers(problems))
	o.again = queue.Earliest(o.again, memory.pods.due(now))
	o.blockers = append(o.blockers, memory.pods.blockers...)
	return o
}

func failedBlocker(b apply.Blocker) v1alpha1.Blocker {
	return v1alpha1.Blocker{Object: b.String(), Reason: b.Reason, Message: b.Message, Remedy: b.Remedy}
}

// unhealthySince is since when the tenant is not provisioned, as far as the status tells. Erased, the wait begins anew.
func unhealthySince(mpi *v1alpha1.MarketplaceInstance, now time.Time) time.Time {
	condition := meta.FindStatusCondition(mpi.Status.Conditions, v1alpha1.ConditionProvisioned)
	if condition == nil || condition.Status == "True" {
		return now
	}
	return condition.LastTransitionTime.Time
}

func podBlockers(problems []apply.Problem) []v1alpha1.Blocker {
	var blockers []v1alpha1.Blocker
	for _, p := range problems {
		blockers = append(blockers, v1alpha1.Blocker{
			Object: p.Kind + "/" + p.Name, Reason: p.Reason, Message: p.Message, Remedy: p.Remedy,
		})
	}
	return blockers
}
