package instance

import (
	"context"
	"errors"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/apply"
	"github.com/stallkeeper/stallkeeper/controllers/lifecycle"
	"github.com/stallkeeper/stallkeeper/controllers/queue"
	"github.com/stallkeeper/stallkeeper/controllers/report"
	"github.com/stallkeeper/stallkeeper/controllers/sale"
	"github.com/stallkeeper/stallkeeper/controllers/tenant"
)

// look adds the state of the tenant's objects to an outcome, and if they have not been healthy for a while, the reason.
func (r *Reconciler) look(ctx context.Context, p *pass, o *outcome) {
	if p.now.Before(unhealthySince(p.Instance, p.now).Add(queue.PodsFirst)) {
		o.retried = nil // most of it passes, and each that is named would be a write of the status
	}
	if o.problem != nil || o.stuck != nil || len(o.nextBlockers) > 0 {
		o.again = queue.Earliest(o.again, p.now.Add(retryOf(o.problem, o.stuck)))
	}
	if o.did == elsewhere && o.readiness.State == "" {
		o.readiness.State = apply.StateReady
	}
	switch o.did {
	case absent, removing, elsewhere:
		o.stopped = true
		p.memory.pods, p.memory.waiting = podsMemory{}, nil
		return
	}
	kept := p.Instance.Status.KeptObjects
	if o.did == made {
		kept = o.kept
	}
	o.readiness = p.standing.Readiness(kept)
	o.again = queue.Earliest(o.again, p.standing.Again)
	if p.decision.Phase == lifecycle.Suspend || p.decision.Phase == lifecycle.Remove {
		r.lookStopped(ctx, p, o)
	}
	if o.readiness.State == apply.StateReady {
		p.memory.pods, p.memory.waiting = podsMemory{}, nil
		return
	}
	for _, blocker := range o.readiness.Blockers {
		if blocker.State == apply.StateFailed {
			o.blockers = append(o.blockers, v1alpha1.Blocker{
				Object: blocker.Key.String(), Reason: blocker.Reason, Message: blocker.Message, Remedy: blocker.Remedy,
			})
		}
	}
	r.lookAtPods(ctx, p, o)
	o.waitsFor = p.memory.waitsFor(o.readiness.Blockers)
}

// retryOf is how soon what is said of a tenant is looked at again.
func retryOf(said ...*report.Verdict) time.Duration {
	retry := queue.ProblemRetry
	for _, verdict := range said {
		if verdict != nil && verdict.After > 0 {
			retry = min(retry, verdict.After)
		}
	}
	return retry
}

// lookStopped says whether nothing of the tenant runs, and names what does.
func (r *Reconciler) lookStopped(ctx context.Context, p *pass, o *outcome) {
	stopped, err := r.Tenants.LookStopped(ctx, p.standing)
	o.err = errors.Join(o.err, err)
	o.stopped = err == nil && stopped.Stopped
	o.again = queue.Earliest(o.again, stopped.Again)
	if p.decision.Finishing {
		return
	}
	o.blockers = append(o.blockers, blockersOf(stopped.Running)...)
	// Pods take their time to end. Each that is named meanwhile would be a write of the status.
	switch named := sale.StoppingSince(p.Instance, p.now).Add(queue.PodsFirst); {
	case len(stopped.Ending) == 0:
	case p.now.Before(named):
		o.again = queue.Earliest(o.again, named)
	default:
		o.blockers = append(o.blockers, blockersOf(stopped.Ending)...)
	}
}

// lookAtPods asks the pods of a tenant that has not been healthy for a while for the reason.
func (r *Reconciler) lookAtPods(ctx context.Context, p *pass, o *outcome) {
	memory := p.memory
	due := memory.pods.due(unhealthySince(p.Instance, p.now))
	if p.now.Before(due) {
		o.again = queue.Earliest(o.again, due)
		o.blockers = append(o.blockers, memory.pods.blockers...)
		return
	}
	problems, err := apply.PodProblems(ctx, r.APIReader, p.Namespace, apply.Observed{Namespace: p.standing.Namespace, Objects: p.standing.Objects})
	if err != nil {
		// The reason is a kindness: the tenant's own state does not depend on it.
		problems = nil
	}
	memory.waiting = nil // what is ready since is left out, now that it takes long
	memory.pods.looked(r.Clock, append(podBlockers(problems), unaddressed(o.readiness.Blockers)...))
	o.again = queue.Earliest(o.again, memory.pods.due(p.now))
	o.blockers = append(o.blockers, memory.pods.blockers...)
}

// unaddressed are what has no address by which the buyer would reach it.
func unaddressed(waiting []tenant.Blocker) []v1alpha1.Blocker {
	var found []tenant.Refusal
	for _, w := range waiting {
		if w.Reason == apply.ProblemAddress {
			found = append(found, w.Refusal)
		}
	}
	return blockersOf(found)
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
