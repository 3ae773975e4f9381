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
	"github.com/stallkeeper/stallkeeper/controllers/queue"
	"github.com/stallkeeper/stallkeeper/controllers/revision"
	"github.com/stallkeeper/stallkeeper/controllers/sale"
	"github.com/stallkeeper/stallkeeper/controllers/tenant"
	"github.com/stallkeeper/stallkeeper/controllers/workload"
)

// Reconciler makes each tenant what its instance says: created, scaled, suspended, resumed and removed.
type Reconciler struct {
	client.Client
	// APIReader reads what is not cached: Secrets, ControllerRevisions, pods, and namespaces that are not tenants.
	APIReader client.Reader
	Clock     clock.PassiveClock
	Recorder  events.EventRecorder
	// Tenants reads and writes the tenants' namespaces. Its Kinds are watched.
	Tenants *tenant.Tenants
	// ServerTime is the API server's clock, without which nothing is deleted.
	ServerTime *tenant.ServerTime
	// Permissions are the kinds that the operator may make.
	Permissions workload.Permissions
	// Sales reads what is known of a sale.
	Sales sale.Reader
	// Revisions reads the products' revisions.
	Revisions *revision.Cache
	// ValuesRecheck is how often the Secrets of valuesFrom are looked at; zero means queue.ValuesRecheck.
	ValuesRecheck time.Duration
	// PodsRecheck is how often pods are looked for in tenants that were seen stopped; zero means queue.PodsRecheck.
	PodsRecheck time.Duration

	memories queue.Memory[memory]
	sources  secretSources
	seen     queue.SeenInstances
}

// Reconcile brings one tenant to what its instance says, and the status to what is true.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	mpi := &v1alpha1.MarketplaceInstance{}
	if err := r.Get(ctx, req.NamespacedName, mpi); err != nil {
		r.forget(req.NamespacedName)
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	r.seen.Add(mpi.UID)
	now := r.Clock.Now()
	memory := r.memories.Of(req.NamespacedName, mpi.UID, newMemory)
	mpi = memory.latest.Of(mpi, now)
	before := mpi.DeepCopy()

	p, err := r.gather(ctx, mpi, memory, now)
	if err != nil {
		return ctrl.Result{}, err
	}
	if p.unread() {
		return queue.Wake(now, p.decision.Until, p.Acknowledgement.Again(now)), nil
	}
	o := r.converge(ctx, p)
	r.look(ctx, p, &o)
	writeStatus(p, o)

	err = statusOwner.Apply(ctx, r.Client, before, mpi)
	if err == nil && mpi.ResourceVersion != before.ResourceVersion {
		memory.latest.Keep(mpi, now)
	}
	if err := errors.Join(o.err, err); err != nil {
		return ctrl.Result{Priority: ptr.To(queue.PriorityNormal)}, err
	}
	r.announce(before, mpi, memory)
	next := queue.Wake(p.now, p.decision.Until, o.again, p.Acknowledgement.Again(p.now))
	if deadline := queue.Wake(p.now, p.decision.Until); deadline.RequeueAfter > 0 && deadline.RequeueAfter == next.RequeueAfter {
		next.Priority = ptr.To(queue.PriorityDeadline)
	}
	return next, nil
}

// forget drops what is remembered of an instance that is gone.
func (r *Reconciler) forget(key client.ObjectKey) {
	r.memories.Forget(key)
	r.sources.rendered(key, nil)
	r.Tenants.Forget(v1alpha1.TenantNamespace(r.Sales.TenantPrefix, key.Namespace, key.Name))
}
