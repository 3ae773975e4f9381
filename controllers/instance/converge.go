package instance

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/apply"
	"github.com/stallkeeper/stallkeeper/controllers/lifecycle"
	"github.com/stallkeeper/stallkeeper/controllers/queue"
	"github.com/stallkeeper/stallkeeper/controllers/render"
	"github.com/stallkeeper/stallkeeper/controllers/report"
	"github.com/stallkeeper/stallkeeper/controllers/tenant"
)

// converge does what was decided.
func (r *Reconciler) converge(ctx context.Context, p *pass) outcome {
	paused := p.Instance.Spec.Reconciliation == v1alpha1.ReconciliationPaused && p.decision.Rule != lifecycle.RuleRemoving
	switch {
	case p.decision.Phase == lifecycle.Nothing:
		return outcome{did: absent}
	case paused && p.withoutTenant():
		return outcome{did: elsewhere}
	case paused, p.decision.Finishing:
		return outcome{did: left}
	case p.decision.Phase == lifecycle.Remove:
		return r.remove(ctx, p)
	case p.decision.Rule == lifecycle.RuleReleased && !p.stands():
		// A released sale starts nothing, not even to stop it.
		return r.confirmGone(ctx, p)
	}
	if err := r.ensureFinalizer(ctx, p); err != nil {
		return outcome{err: err}
	}
	if p.Hosted != nil {
		return hosted(p)
	}
	return r.provision(ctx, p)
}

// provision makes sure that the tenant runs or is stopped, and then that its objects are what the revision and the instance say. What
// keeps it from the latter never keeps it from the former.
func (r *Reconciler) provision(ctx context.Context, p *pass) outcome {
	ctx = render.For(ctx, render.Caller{
		Product: p.Instance.Namespace + "/" + p.Instance.Spec.ProductRef.Name, Tenant: p.Instance.Namespace + "/" + p.Instance.Name,
	})
	inputs, err := r.inputs(p)
	if err != nil {
		return outcome{err: err}
	}
	if p.quiet(inputs, r.accessVersion(ctx, p)) && !r.sources.stale(client.ObjectKeyFromObject(p.Instance)) {
		return p.memory.settled
	}
	p.inputs = inputs
	p.memory.inputs, p.memory.digest = "", ""
	var o outcome
	if p.stop() {
		// It does not wait for anything that could fail.
		r.power(ctx, p, nil, &o)
	}
	sets := r.render(ctx, p)
	if !p.stop() {
		r.power(ctx, p, sets.wanted(), &o)
	}
	settled := r.shape(ctx, p, sets, &o)
	if settled && o.err == nil && o.problem == nil && o.stuck == nil && len(o.blockers)+len(o.nextBlockers) == 0 {
		p.memory.inputs, p.memory.digest = inputs, p.standing.Digest()
		p.memory.settled = outcome{did: o.did, preparing: o.preparing, access: o.access, limits: o.limits, kept: o.kept}
	}
	return o
}

// power stops or resumes what stands.
func (r *Reconciler) power(ctx context.Context, p *pass, wanted map[tenant.Key]int64, o *outcome) {
	if !p.standing.Owned(p.owner()) {
		return
	}
	powered := r.Tenants.Power(ctx, p.standing, tenant.Wish{
		// What has never run waits for the hooks before it. What has run is resumed whatever waits.
		Stop: p.stop(), JobsOnly: !p.stop() && !p.standing.Begun(), Owner: p.owner(), Patches: p.patches(), DataKinds: p.Lifecycle.DataKinds, Wanted: wanted,
	})
	p.standing = powered.Standing
	o.refuse(powered.Refusals)
}

// shape brings the tenant's objects to its target revision, or keeps them on the one that it has. True says that nothing is left to
// do.
func (r *Reconciler) shape(ctx context.Context, p *pass, sets sets, o *outcome) bool {
	if p.pin == "" && asksOnce(p.Instance.Spec.Subscription) {
		o.access = sets.access // the buyer has to be told within seconds, also when the tenant can't be made
	}
	switch {
	case sets.next == nil && sets.former == nil:
		sets.fail(p, o)
		return false
	case sets.next != nil && sets.next.rev.Template == nil:
		return r.withoutWorkload(ctx, p, sets, o)
	case p.pin == "", sets.next != nil && (p.pin == p.target || p.standing.Installing()):
		// What was never installed is installed by its target at once.
		shaped, err := r.Tenants.Shape(ctx, p.standing, sets.next.set)
		return p.shaped(ctx, sets.next, shaped, err, o)
	case sets.next == nil:
		o.stuck = p.staysOn(sets.nextProblem)
		sets.failRetry(o)
		return r.keep(ctx, p, sets.former, o)
	case sets.formerWaits():
		// Moved now, it would have nothing to be taken back to, and would pass by the hooks.
		o.stuck = p.staysOn(sets.formerProblem)
		o.again = queue.Earliest(o.again, p.now.Add(queue.RenderTurnRetry))
		sets.failRetry(o)
		return false
	}
	return r.move(ctx, p, sets, o)
}

// keep holds the tenant on the revision that it has.
func (r *Reconciler) keep(ctx context.Context, p *pass, former *rendering, o *outcome) bool {
	if former == nil {
		return false
	}
	shaped, err := r.Tenants.Shape(ctx, p.standing, former.set)
	return p.shaped(ctx, former, shaped, err, o)
}

// move brings the tenant to its target revision: the hooks before it, and then all of it or nothing.
func (r *Reconciler) move(ctx context.Context, p *pass, sets sets, o *outcome) bool {
	former, next := sets.former, sets.next
	if err := r.targetHolds(ctx, p); err != nil {
		o.err = errors.Join(o.err, err)
		return false
	}
	if former != nil && next.prepares() {
		if refusals := r.Tenants.Check(ctx, p.standing, next.set); len(refusals) > 0 {
			p.refused(refusals, o)
			return r.keep(ctx, p, former, o)
		}
		prepare := next.set
		prepare.Groups = next.prepare
		prepared, err := r.Tenants.Prepare(ctx, p.standing, prepare)
		p.standing = prepared.Standing
		former.set.Next, former.set.Besides = p.target, tenant.Beside(next.prepare)
		if err != nil {
			// An old cache of the namespace, for one: by now the tenant may be on the next revision already.
			o.err = errors.Join(o.err, err)
			return false
		}
		if !prepared.Stands {
			o.preparing = cmp.Or(next.hook(prepared.Waiting, false), "the hooks")
			o.nextBlockers = blockersOf(tenant.Blocked(prepared.Refusals))
			o.err = errors.Join(o.err, tenant.Retry(prepared.Refusals))
			if refused := objections(prepared.Refusals); len(refused) > 0 {
				o.stuck = p.staysOn(refusedBy(refused))
			}
			return r.keep(ctx, p, former, o)
		}
	}
	if was := p.memory.backed; was.inputs == p.inputs && p.now.Before(was.until) {
		o.stuck, o.nextBlockers, o.again = was.stuck, was.blockers, queue.Earliest(o.again, was.until)
		return r.keep(ctx, p, former, o)
	}
	from := tenant.Set{}
	if former != nil {
		from = former.set
		from.Next = p.target
	}
	moved, err := r.Tenants.Move(ctx, p.standing, from, next.set)
	p.standing = moved.Standing
	switch {
	case moved.Moved, err != nil, moved.Checked && !moved.TakenBack:
		return p.shaped(ctx, next, moved.Shaped, err, o)
	case len(moved.Refusals) == 0:
		// A stopped tenant runs no hook, and is not moved past one.
		o.preparing = "the hooks"
		return r.keep(ctx, p, former, o)
	}
	p.refused(moved.Refusals, o)
	if moved.TakenBack {
		p.memory.backed = backed{inputs: p.inputs, until: p.now.Add(queue.TakenBackRetry), stuck: o.stuck, blockers: o.nextBlockers}
		return false
	}
	return r.keep(ctx, p, former, o)
}

// refused takes in why the tenant stays on the revision that it has. What is tried again keeps it nowhere.
func (p *pass) refused(refusals []tenant.Refusal, o *outcome) {
	o.err = errors.Join(o.err, tenant.Retry(refusals))
	o.nextBlockers = blockersOf(tenant.Blocked(refusals))
	if blocked := tenant.Blocked(refusals); len(blocked) > 0 {
		o.stuck = p.staysOn(refusedBy(blocked))
	}
}

// targetHolds asks the API server whether the product still has the target as its revision, and is not held: a process that has just
// become the leader may have an old cache of products, and would move tenants back.
func (r *Reconciler) targetHolds(ctx context.Context, p *pass) error {
	live := &v1alpha1.MarketplaceProduct{}
	if err := r.APIReader.Get(ctx, client.ObjectKeyFromObject(p.Product), live); err != nil {
		return fmt.Errorf("reading MarketplaceProduct %s: %w", p.Product.Name, err)
	}
	if targetRevision(live, p.pin) != p.target {
		return fmt.Errorf("the cache shows an old revision of MarketplaceProduct %s", p.Product.Name)
	}
	return nil
}

// objections are the refusals that stay, but for Jobs that failed: those are a state of the tenant, and no fault of its objects.
func objections(refusals []tenant.Refusal) []tenant.Refusal {
	return slices.DeleteFunc(slices.Clone(tenant.Blocked(refusals)), func(r tenant.Refusal) bool {
		return r.Reason == tenant.ReasonJobFailed || r.Reason == tenant.ReasonHeldBack
	})
}

func refusedBy(refusals []tenant.Refusal) *report.Verdict {
	return report.Problem(v1alpha1.ReasonApplyFailed, refusalText(refusals))
}

// refusalText names the first refusals.
func refusalText(refusals []tenant.Refusal) string {
	const most = 3
	text := ""
	for i, refusal := range refusals {
		if i == most {
			return text + fmt.Sprintf("; and %d more", len(refusals)-most)
		}
		if i > 0 {
			text += "; "
		}
		text += refusal.String()
		if refusal.Remedy != "" {
			text += " (" + refusal.Remedy + ")"
		}
	}
	return text
}

// staysOn says that the tenant stays on the revision that it has.
func (p *pass) staysOn(why *report.Verdict) *report.Verdict {
	if why == nil {
		return nil
	}
	stays := *why
	stays.Message = fmt.Sprintf("The tenant stays on revision %q because it can't be moved to %q: %s", p.pin, p.target, why.Message)
	return &stays
}

// shaped takes in what became of the set of a rendering.
func (p *pass) shaped(ctx context.Context, of *rendering, shaped tenant.Shaped, err error, o *outcome) bool {
	p.standing = shaped.Standing
	p.pin = p.standing.Pin()
	var conflict *apply.NamespaceConflictError
	if errors.As(err, &conflict) {
		o.problem = report.Problem(v1alpha1.ReasonNamespaceConflict, conflict.Error())
		return false
	}
	o.err = errors.Join(o.err, err)
	if err != nil {
		return false
	}
	o.did, o.access, o.kept = made, &of.access, shaped.Orphans
	limits, limitsErr := of.limits(ctx)
	if limitsErr != nil {
		limits = p.Instance.Status.PlanLimits // without them, a plan would be offered whose volumes are too small
	}
	o.limits = limits
	o.refuse(shaped.Refusals)
	o.blockers = append(o.blockers, blockersOf(shaped.Unsaid)...)
	if refused := objections(shaped.Refusals); len(refused) > 0 && o.problem == nil {
		o.problem = refusedBy(refused)
	}
	o.waiting = of.hook(shaped.Waiting, tenant.JobsOf(p.standing.Namespace, of.rev.Name).Install)
	if o.again.IsZero() || !shaped.Standing.Again.IsZero() && shaped.Standing.Again.Before(o.again) {
		o.again = shaped.Standing.Again
	}
	if limitsErr != nil {
		o.again = queue.Earliest(o.again, p.now.Add(queue.RenderTurnRetry))
	}
	return shaped.Stands && len(shaped.Unsaid) == 0 && limitsErr == nil
}

// ensureFinalizer keeps the instance until its tenant is gone. Finalizers are a set for server-side apply, so that no other's
// is lost and no other write stands in the way.
func (r *Reconciler) ensureFinalizer(ctx context.Context, p *pass) error {
	if controllerutil.ContainsFinalizer(p.Instance, v1alpha1.TenantFinalizer) {
		return nil
	}
	intent := report.Intent(p.Instance)
	intent.SetFinalizers([]string{v1alpha1.TenantFinalizer})
	if err := r.Apply(ctx, client.ApplyConfigurationFromUnstructured(intent), client.FieldOwner(v1alpha1.FieldOwner)); err != nil {
		return fmt.Errorf("adding the finalizer: %w", err)
	}
	answer, err := report.Answer(intent)
	if err != nil {
		return err
	}
	p.memory.latest.Keep(answer, p.now)
	return nil
}

// ownerGone asks the API server whether the instance that a namespace records is gone.
func (r *Reconciler) ownerGone(mpi *v1alpha1.MarketplaceInstance) apply.OwnerGone {
	return func(ctx context.Context, uid types.UID) (bool, error) {
		current := &v1alpha1.MarketplaceInstance{}
		err := r.APIReader.Get(ctx, client.ObjectKeyFromObject(mpi), current)
		if err != nil {
			return apierrors.IsNotFound(err), client.IgnoreNotFound(err)
		}
		return current.UID != uid, nil
	}
}

// asksOnce says whether the sale's marketplace wants to know at the purchase, and not later, where the buyer finds the tenant.
func asksOnce(sub *v1alpha1.Subscription) bool {
	return sub != nil && slices.ContainsFunc(sub.Calls, func(call v1alpha1.Call) bool {
		return call.OrderID == sub.OrderID && call.OrderLineID == sub.OrderLineID && call.Source == v1alpha1.OrderFromCall
	})
}
