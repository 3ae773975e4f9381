package instance

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/apply"
	"github.com/stallkeeper/stallkeeper/controllers/lifecycle"
	"github.com/stallkeeper/stallkeeper/controllers/report"
	"github.com/stallkeeper/stallkeeper/controllers/revision"
	"github.com/stallkeeper/stallkeeper/controllers/sale"
	"github.com/stallkeeper/stallkeeper/controllers/tenant"
)

// pass is one go over an instance: what was read before anything was decided, and what was decided.
type pass struct {
	sale.Sale
	now    time.Time
	memory *memory
	// standing is what stands in the tenant's namespace. It is replaced by what each step of the pass has left.
	standing tenant.Standing
	// pin is the revision that the tenant has; empty if it has none. target is the one that it shall have.
	pin, target string
	decision    lifecycle.Decision
	// inputs is a digest of everything that decides about the tenant, but for what stands.
	inputs string
	// secrets are the instance's, once they were read; nil again when they have changed.
	secrets *revision.Secrets
}

// owner is the instance as tenants' namespaces record it.
func (p *pass) owner() apply.Owner {
	return apply.Owner{Name: p.Instance.Name, Namespace: p.Instance.Namespace, UID: p.Instance.UID}
}

// stop says whether the tenant has to be stopped.
func (p *pass) stop() bool { return p.decision.Phase == lifecycle.Suspend }

// stands says whether there is a namespace of the tenant's name, whoever's it is.
func (p *pass) stands() bool { return p.standing.Namespace != nil }

// gather reads everything from caches, and decides. What it writes is the labels of a namespace that can't be seen without them.
func (r *Reconciler) gather(ctx context.Context, mpi *v1alpha1.MarketplaceInstance, memory *memory, now time.Time) (*pass, error) {
	s, err := r.Sales.Read(ctx, mpi)
	if err != nil {
		return nil, err
	}
	if err := r.Sales.Extend(ctx, &s, now); err != nil {
		return nil, err
	}
	p := &pass{Sale: s, now: now, memory: memory}
	if p.standing, err = r.Tenants.Observe(ctx, p.Namespace); err != nil {
		return nil, err
	}
	if p.standing, err = r.Tenants.Reclaim(ctx, p.standing, p.owner(), mpi.Status.Namespace != ""); err != nil {
		return nil, err
	}
	if p.standing.Owned(p.owner()) {
		p.pin = p.standing.Pin()
	}
	p.target = targetRevision(p.Product, p.pin)
	p.Policy = policyOf(p.Sale, p.standing)
	p.decide()
	return p, nil
}

// policyOf is the product's policy. Where the product or the plan is gone or not known, the periods hold that were recorded with the
// tenant; where none were and nothing says them, its data are never due.
func policyOf(s sale.Sale, standing tenant.Standing) lifecycle.Policy {
	if s.PeriodsKnown() && s.Effective.Plan != "" {
		return s.Policy
	}
	if recorded, ok := tenant.PeriodsOf(standing.Namespace); ok {
		return lifecycle.Policy{Grace: recorded.Grace, Retention: recorded.Retention, DeleteUnpaid: recorded.Deletes}
	}
	if s.PeriodsKnown() {
		return s.Policy
	}
	return lifecycle.Policy{Grace: s.Policy.Grace, Retention: time.Duration(math.MaxInt64)}
}

// periods are the policy as it is recorded with the tenant.
func (p *pass) periods() tenant.Periods {
	return tenant.Periods{Grace: p.Policy.Grace, Retention: p.Policy.Retention, Deletes: p.Policy.DeleteUnpaid}
}

// decide says what shall be true of the tenant. One that has to stop is waited for while something still needs it running.
func (p *pass) decide() {
	p.decision = p.Decide(p.now)
	if p.stop() && !p.Resolved() && !p.stands() {
		// There is nothing to stop, and nothing is made only to be stopped.
		p.decision.Phase, p.decision.Rule = lifecycle.Nothing, lifecycle.RuleUnresolved
	}
	stopping := p.decision.Phase == lifecycle.Suspend || p.decision.Phase == lifecycle.Remove
	if !stopping || p.Unfinished == "" || !p.stands() || p.standing.AtZero() {
		p.memory.stopSeen = time.Time{}
		return
	}
	if p.memory.stopSeen.IsZero() {
		p.memory.stopSeen = sale.UnfinishedSince(p.Instance, p.now)
	}
	p.decision = p.DecideUnfinished(p.now, p.memory.stopSeen)
}

// unread says whether a new sale's order is being read for the first time. There is nothing to say of it that would not be written anew a
// moment later: what is found wakes the instance.
func (p *pass) unread() bool {
	return p.decision.Phase == lifecycle.Nothing && p.Instance.Status.ObservedGeneration == nil && p.Orders != nil && p.Orders.IsZero()
}

// targetRevision is the product's, unless its rollout is paused and the tenant has one.
func targetRevision(product *v1alpha1.MarketplaceProduct, pin string) string {
	switch {
	case product == nil || product.Status.LatestRevision == "":
		return pin
	case pin != "" && product.Spec.Rollout.State == v1alpha1.RolloutPaused:
		return pin
	}
	return product.Status.LatestRevision
}

// inputs is a digest of everything that decides about the tenant, but for what stands.
func (r *Reconciler) inputs(p *pass) (string, error) {
	kinds := r.Permissions.Kinds.UnsortedList()
	names := make(map[string]bool, len(kinds))
	for _, kind := range kinds {
		names[kind.String()] = true
	}
	var drift v1alpha1.Drift
	if p.Product != nil {
		drift = p.Product.Spec.Drift
	}
	raw, err := json.Marshal(map[string]any{
		"format": revision.Format, "target": p.target, "generation": p.Instance.Generation, "uid": p.Instance.UID, "stop": p.stop(),
		"lifecycle": p.Lifecycle, "policy": p.Policy, "protection": p.Effective.DeletionProtection, "features": p.Inputs,
		"kinds": names, "tenantRBAC": r.Permissions.TenantRBAC, "roleRights": r.Permissions.RoleRights, "level": r.Permissions.MaxPodSecurityLevel,
		"asked": p.Services, "controller": r.Permissions.Controller, "drift": drift,
	})
	if err != nil {
		return "", fmt.Errorf("encoding the inputs: %w", err)
	}
	sum := sha256.Sum256(raw)
	return base64.RawURLEncoding.EncodeToString(sum[:16]), nil
}

// quiet says whether nothing has changed since a pass of this process that left everything as it should be. A status that a person has
// erased is rendered anew.
func (p *pass) quiet(inputs, access string) bool {
	return p.memory.inputs == inputs && access != "" && p.memory.access == access &&
		p.memory.digest == p.standing.Digest() && p.Instance.Status.ObservedGeneration != nil
}

// patches are the product's suspension patches by kind.
func (p *pass) patches() map[schema.GroupKind][]byte {
	patches := make(map[schema.GroupKind][]byte, len(p.Lifecycle.SuspensionPatches))
	for _, s := range p.Lifecycle.SuspensionPatches {
		patches[schema.GroupKind{Group: s.Group, Kind: s.Kind}] = s.Patch.Raw
	}
	return patches
}

// managers are the field managers whose additions the product lets stand, by kind.
func (p *pass) managers() tenant.Managers {
	if p.Product == nil {
		return nil
	}
	managers := tenant.Managers{}
	for _, of := range p.Product.Spec.Drift.Ignore {
		managers[schema.GroupKind{Group: of.Group, Kind: of.Kind}] = of.Managers
	}
	return managers
}

// did is what a pass has made of the tenant.
type did int

const (
	// left: the tenant was left as it is, because nothing had to be done, nothing may be done, or nothing could be done.
	left did = iota
	// absent: there is no tenant, and none is wanted.
	absent
	// removing: the tenant is on its way out.
	removing
	// elsewhere: nothing runs for the sale itself, because its product has no template, or another instance runs what was sold.
	elsewhere
	// made: the tenant was brought to what a revision says.
	made
)

// outcome is what a pass has done and seen.
type outcome struct {
	did did
	// err is what went wrong and is tried again.
	err error
	// retried are the objects that were refused and are tried again; they are named once that has lasted.
	retried []tenant.Refusal
	// problem is what went wrong and stays; stuck is why the tenant can't be moved to its target revision, while everything else holds on
	// the revision that it has.
	problem, stuck *report.Verdict
	// preparing names the hook of the next revision that the tenant waits for, while it stays on its own; empty if it waits for none.
	preparing string
	// waiting names the hook of its own revision that what comes after it waits for.
	waiting string
	// access is what the buyer is told; nil if this pass does not know.
	access *v1alpha1.InstanceAccess
	// limits and kept are those of a tenant that was made.
	limits []v1alpha1.PlanLimit
	kept   []string
	// readiness is the state of the tenant's objects, and stopped says that none of its pods runs.
	readiness tenant.Readiness
	stopped   bool
	// waitsFor names the objects that are not ready yet.
	waitsFor []string
	// blockers keep the tenant from being what it should be, nextBlockers from its next revision.
	blockers, nextBlockers []v1alpha1.Blocker
	// again is when to look again without an event; zero for never.
	again time.Time
}

// refuse takes in what was refused: what stays becomes blockers, what passes is tried again.
func (o *outcome) refuse(refusals []tenant.Refusal) {
	if err := tenant.Retry(refusals); err != nil && o.err == nil {
		o.err = err
	}
	for _, refusal := range refusals {
		if refusal.Retry {
			o.retried = append(o.retried, refusal)
		}
	}
	o.blockers = append(o.blockers, blockersOf(tenant.Blocked(refusals))...)
}

func blockersOf(refusals []tenant.Refusal) []v1alpha1.Blocker {
	var blockers []v1alpha1.Blocker
	for _, refusal := range refusals {
		blockers = append(blockers, v1alpha1.Blocker{
			Object: refusal.Key.String(), Reason: refusal.Reason, Message: refusal.Message, Remedy: refusal.Remedy,
		})
	}
	return slices.Clip(blockers)
}
