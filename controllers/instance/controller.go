package instance

import (
	"context"
	"errors"
	"time"

	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/apply"
	"github.com/stallkeeper/stallkeeper/controllers/lifecycle"
	"github.com/stallkeeper/stallkeeper/controllers/queue"
	"github.com/stallkeeper/stallkeeper/controllers/revision"
	"github.com/stallkeeper/stallkeeper/controllers/sale"
	"github.com/stallkeeper/stallkeeper/controllers/workload"
)

// Reconciler makes each tenant what its instance says: created, scaled, suspended, resumed and removed.
type Reconciler struct {
	client.Client
	// APIReader reads what is not cached: Secrets, ControllerRevisions, pods, and namespaces that are not tenants.
	APIReader client.Reader
	Clock     clock.PassiveClock
	Recorder  events.EventRecorder
	// Applier writes to the tenants' namespaces. Its Kinds are watched.
	Applier *apply.Applier
	// Permissions are the kinds that the operator may make.
	Permissions workload.Permissions
	// Sales reads what is known of a sale.
	Sales sale.Reader
	// Revisions reads the products' revisions.
	Revisions *revision.Cache

	memories memories
	seen     queue.SeenInstances
}

// Reconcile brings one tenant to what its instance says, and the status to what is true.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	mpi := &v1alpha1.MarketplaceInstance{}
	if err := r.Get(ctx, req.NamespacedName, mpi); err != nil {
		r.memories.forget(req.NamespacedName)
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	r.seen.Add(mpi.UID)
	now := r.Clock.Now()
	before := mpi.DeepCopy()
	memory := r.memories.of(req.NamespacedName, mpi.UID)

	known, err := r.gather(ctx, mpi, now)
	if err != nil {
		return ctrl.Result{}, err
	}
	memory.see(known.observed)
	decision := decide(known, memory, now)
	outcome := r.converge(ctx, mpi, known, decision, memory)
	writeStatus(mpi, known, decision, outcome, now)

	if err := errors.Join(outcome.err, statusOwner.Apply(ctx, r.Client, before, mpi)); err != nil {
		return ctrl.Result{Priority: ptr.To(queue.PriorityNormal)}, err
	}
	r.announce(before, mpi, memory)
	return queue.Wake(now, decision.Until, outcome.again, known.Acknowledgement.Again(now)), nil
}

// known is what a pass has read before it decides.
type known struct {
	sale.Sale
	// observed is what stands in the tenant's namespace.
	observed apply.Observed
	// pinned is the revision that the tenant has; target the one that it shall have.
	pinned, target string
	// next is the revision that is prepared while the tenant stays on the target of this pass; empty if none is.
	next string
}

// gather reads everything from caches.
func (r *Reconciler) gather(ctx context.Context, mpi *v1alpha1.MarketplaceInstance, now time.Time) (known, error) {
	s, err := r.Sales.Read(ctx, mpi)
	if err != nil {
		return known{}, err
	}
	if err := r.Sales.Extend(ctx, &s, now); err != nil {
		return known{}, err
	}
	k := known{Sale: s}
	k.observed, err = apply.Observe(ctx, r.Applier.Cache, r.Applier.Kinds, k.Namespace)
	if err != nil {
		return known{}, err
	}
	if ns := k.observed.Namespace; ns != nil && sale.IsTenantOf(ns, mpi) {
		k.pinned = ns.GetLabels()[v1alpha1.RevisionLabel]
	}
	k.target = targetRevision(k.Product, k.pinned)
	return k, nil
}

// decide says what shall be true of the tenant. One that has to stop is waited for while something still needs it running.
func decide(k known, memory *memory, now time.Time) lifecycle.Decision {
	decision := k.Decide(now)
	stopping := decision.Phase == lifecycle.Suspend || decision.Phase == lifecycle.Remove
	if !stopping || k.Unfinished == "" || k.observed.Namespace == nil ||
		k.observed.Readiness(nil, k.Instance.Status.Orphans).Stopped {
		memory.stopSeen = time.Time{}
		return decision
	}
	if memory.stopSeen.IsZero() {
		memory.stopSeen = now
	}
	return k.DecideUnfinished(now, memory.stopSeen)
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
