package controllers

import (
	"cmp"
	"context"
	"errors"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/apply"
	"github.com/stallkeeper/stallkeeper/controllers/lifecycle"
	"github.com/stallkeeper/stallkeeper/controllers/workload"
)

// InstanceReconciler makes each tenant what its instance says: created, scaled, suspended, resumed and removed.
type InstanceReconciler struct {
	client.Client
	// APIReader reads what is not cached: Secrets, ControllerRevisions, pods, and namespaces that are not tenants.
	APIReader client.Reader
	Clock     clock.PassiveClock
	Recorder  events.EventRecorder
	// Applier writes to the tenants' namespaces. Its Kinds are watched.
	Applier *apply.Applier
	// Permissions are the kinds that the operator may make.
	Permissions workload.Permissions
	// TenantPrefix begins the names of the tenants' namespaces.
	TenantPrefix string
	Protocols    Protocols

	revisions *revisionCache
	memories  memories
	seen      seenInstances
}

// Reconcile brings one tenant to what its instance says, and the status to what is true.
func (r *InstanceReconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	mpi := &v1alpha1.MarketplaceInstance{}
	if err := r.Get(ctx, req.NamespacedName, mpi); err != nil {
		r.memories.forget(req.NamespacedName)
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	r.seen.add(mpi.UID)
	now := r.Clock.Now()
	before := mpi.DeepCopy()
	memory := r.memories.of(req.NamespacedName, mpi.UID)

	known, err := r.gather(ctx, mpi)
	if err != nil {
		return ctrl.Result{}, err
	}
	memory.see(known.observed)
	decision := r.decide(mpi, known, memory, now)
	outcome := r.converge(ctx, mpi, known, decision, memory)
	report(mpi, known, decision, outcome, now)

	if err := errors.Join(outcome.err, applyInstanceStatus(ctx, r.Client, before, mpi)); err != nil {
		return ctrl.Result{Priority: ptr.To(priorityNormal)}, err
	}
	r.announce(before, mpi, memory)
	return wake(now, decision.Until, outcome.again, known.acknowledgement.again(now)), nil
}

// known is what a pass has read before it decides.
type known struct {
	// namespace is the tenant's.
	namespace string
	// product is nil when it does not exist.
	product   *v1alpha1.MarketplaceProduct
	lifecycle v1alpha1.Lifecycle
	policy    lifecycle.Policy
	effective v1alpha1.EffectiveSubscription
	// acknowledgement is whether the marketplace may not have heard of the sale.
	acknowledgement acknowledgement
	// ledger is what the tenant has used.
	ledger ledger
	// observed is what stands in the tenant's namespace.
	observed apply.Observed
	// pinned is the revision that the tenant has; target the one that it shall have.
	pinned, target string
	// next is the revision that is prepared while the tenant stays on the target of this pass; empty if none is.
	next string
}

// gather reads everything from caches.
func (r *InstanceReconciler) gather(ctx context.Context, mpi *v1alpha1.MarketplaceInstance) (known, error) {
	k := known{namespace: v1alpha1.TenantNamespace(r.TenantPrefix, mpi.Namespace, mpi.Name)}
	var err error
	if k.product, err = productOf(ctx, r.Client, mpi); err != nil {
		return known{}, err
	}
	k.effective = effective(mpi)
	k.lifecycle = lifecycleOf(k.product, k.effective.Plan)
	k.effective.DeletionProtection = deletionProtection(mpi, k.lifecycle)
	protocol, err := protocolOf(ctx, r.Client, r.Protocols, mpi)
	if err != nil {
		return known{}, err
	}
	k.policy = lifecyclePolicy(k.lifecycle, protocol.DefaultGrace)
	k.ledger, err = readLedger(ctx, r.Client, mpi, k.product, protocol.MaxUsageAge, r.Clock.Now(), client.UnsafeDisableDeepCopy)
	if err != nil {
		return known{}, err
	}
	k.acknowledgement = acknowledgementOf(mpi, k.product)
	k.observed, err = apply.Observe(ctx, r.Applier.Cache, r.Applier.Kinds, k.namespace)
	if err != nil {
		return known{}, err
	}
	if ns := k.observed.Namespace; ns != nil && owned(ns, mpi) {
		k.pinned = ns.GetLabels()[v1alpha1.RevisionLabel]
	}
	k.target = targetRevision(k.product, k.pinned)
	return k, nil
}

// targetRevision is the product's, unless its rollout is paused and the tenant has one.
func targetRevision(product *v1alpha1.MarketplaceProduct, pinned string) string {
	switch {
	case product == nil || product.Status.Revision == "":
		return pinned
	case pinned != "" && product.Spec.Rollout.State == v1alpha1.RolloutPaused:
		return pinned
	}
	return product.Status.Revision
}

// productOf is an instance's product; nil when it does not exist.
func productOf(ctx context.Context, reader client.Reader, mpi *v1alpha1.MarketplaceInstance) (*v1alpha1.MarketplaceProduct, error) {
	name := mpi.Spec.ProductRef.Name
	if name == "" {
		return nil, nil
	}
	product := &v1alpha1.MarketplaceProduct{}
	if err := reader.Get(ctx, types.NamespacedName{Namespace: mpi.Namespace, Name: name}, product); err != nil {
		return nil, client.IgnoreNotFound(err)
	}
	return product, nil
}

// protocolOf is what the marketplace's protocol says, or the defaults.
func protocolOf(ctx context.Context, reader client.Reader, protocols Protocols, mpi *v1alpha1.MarketplaceInstance,
) (Protocol, error) {
	defaults := Protocol{DefaultGrace: defaultGrace, MaxUsageAge: defaultUsageAge}
	if mpi.Spec.Subscription == nil {
		return defaults, nil
	}
	mp := &v1alpha1.Marketplace{}
	err := reader.Get(ctx, types.NamespacedName{Namespace: mpi.Namespace, Name: mpi.Spec.Subscription.Marketplace}, mp)
	if client.IgnoreNotFound(err) != nil {
		return Protocol{}, err
	}
	if protocol, ok := protocols[mp.Spec.Protocol]; ok && err == nil {
		protocol.MaxUsageAge = cmp.Or(protocol.MaxUsageAge, defaultUsageAge)
		return protocol, nil
	}
	return defaults, nil
}

// decide decides for a reconciler that knows of a tenant only what it has used.
func decide(mpi *v1alpha1.MarketplaceInstance, product *v1alpha1.MarketplaceProduct, l ledger, p lifecycle.Policy, now time.Time,
) lifecycle.Decision {
	f := facts(mpi, acknowledgementOf(mpi, product), now)
	f.UsedUp = l.usedUp(mpi)
	return lifecycle.Decide(f, p)
}

// decide says what shall be true of the tenant. One that has to stop is waited for while it has something to tell about its usage.
func (r *InstanceReconciler) decide(mpi *v1alpha1.MarketplaceInstance, k known, memory *memory, now time.Time) lifecycle.Decision {
	f := facts(mpi, k.acknowledgement, now)
	f.UsedUp = k.ledger.usedUp(mpi)
	decision := lifecycle.Decide(f, k.policy)
	stopping := decision.Phase == lifecycle.Suspend || decision.Phase == lifecycle.Remove
	if !stopping || !k.ledger.unread() || k.observed.Namespace == nil || k.observed.Readiness(nil, mpi.Status.Orphans).Stopped {
		memory.stopSeen = time.Time{}
		return decision
	}
	if memory.stopSeen.IsZero() {
		memory.stopSeen = now
	}
	f.UnreadSince = memory.stopSeen
	return lifecycle.Decide(f, k.policy)
}

// wake asks for the next pass at the first of the instants that is ahead; zero instants are none.
func wake(now time.Time, instants ...time.Time) ctrl.Result {
	result := ctrl.Result{Priority: ptr.To(priorityNormal)}
	for _, at := range instants {
		// A deadline that is due by the clock's rounding must not become "never".
		if after := max(at.Sub(now), time.Millisecond); !at.IsZero() && (result.RequeueAfter == 0 || after < result.RequeueAfter) {
			result.RequeueAfter = after
		}
	}
	return result
}
