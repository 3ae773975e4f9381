package controllers

import (
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
	// Namespace is the controller's own, from which tenants are told of changes of their directory; may be empty.
	Namespace string
	Protocols Protocols

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
	decision := lifecycle.Decide(facts(mpi, known.acknowledgement, now), known.policy)
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
	if name := mpi.Spec.ProductRef.Name; name != "" {
		product := &v1alpha1.MarketplaceProduct{}
		err := r.Get(ctx, types.NamespacedName{Namespace: mpi.Namespace, Name: name}, product)
		if client.IgnoreNotFound(err) != nil {
			return known{}, err
		}
		if err == nil {
			k.product = product
		}
	}
	k.effective = effective(mpi)
	k.lifecycle = lifecycleOf(k.product, k.effective.Plan)
	k.effective.DeletionProtection = deletionProtection(mpi, k.lifecycle)
	grace, err := graceOf(ctx, r.Client, r.Protocols, mpi)
	if err != nil {
		return known{}, err
	}
	k.policy = lifecyclePolicy(k.lifecycle, grace)
	if k.acknowledgement, err = r.acknowledgementOf(ctx, mpi); err != nil {
		return known{}, err
	}
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

// forwardsFrom is where a product's tenants are told of changes of their directory from; empty when they are not.
func (r *InstanceReconciler) forwardsFrom(product *v1alpha1.MarketplaceProduct) string {
	if product == nil || product.Spec.Directory.Forward.Service == "" {
		return ""
	}
	return r.Namespace
}

// graceOf is the marketplace's own default.
func graceOf(ctx context.Context, reader client.Reader, protocols Protocols, mpi *v1alpha1.MarketplaceInstance) (time.Duration, error) {
	if mpi.Spec.Subscription == nil {
		return defaultGrace, nil
	}
	mp := &v1alpha1.Marketplace{}
	err := reader.Get(ctx, types.NamespacedName{Namespace: mpi.Namespace, Name: mpi.Spec.Subscription.Marketplace}, mp)
	if client.IgnoreNotFound(err) != nil {
		return 0, err
	}
	if protocol, ok := protocols[mp.Spec.Protocol]; ok && err == nil {
		return protocol.DefaultGrace, nil
	}
	return defaultGrace, nil
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
