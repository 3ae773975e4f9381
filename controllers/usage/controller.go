package usage

import (
	"context"
	"errors"
	"net/http"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/lifecycle"
	"github.com/stallkeeper/stallkeeper/controllers/queue"
	"github.com/stallkeeper/stallkeeper/controllers/render"
	"github.com/stallkeeper/stallkeeper/controllers/report"
	"github.com/stallkeeper/stallkeeper/controllers/sale"
	"github.com/stallkeeper/stallkeeper/controllers/usage/metering"
)

// statusOwner owns what this reconciler says of an instance.
var statusOwner = report.Owner{
	Name: v1alpha1.FieldOwner + "/usage", Conditions: []string{v1alpha1.ConditionUsageReported, v1alpha1.ConditionPackageAvailable},
	Fields: func(from, to *v1alpha1.MarketplaceInstanceStatus) { to.Usage = from.Usage },
}

// Reconciler counts what the sales use that are charged by it: it asks the sources of their meters after each interval, and
// writes the answers as UsageRecords. PushReconciler tells the marketplace. It owns the conditions UsageReported and
// PackageAvailable, the status of usage, and the status of records that are not on their way.
type Reconciler struct {
	client.Client
	// APIReader reads past the cache where a meter begins.
	APIReader client.Reader
	Clock     clock.PassiveClock
	Recorder  events.EventRecorder
	// Sales reads what is known of a sale, with what all features want of it.
	Sales sale.Reader
	// Renderer evaluates the queries of meters, which a seller has written.
	Renderer render.Renderer
	// PrometheusURL is asked by meters that name no address; may be empty.
	PrometheusURL string
	// Retention is how long records are kept once nothing more becomes of them.
	Retention time.Duration
	// Prometheus and Tenants ask the sources.
	Prometheus, Tenants *http.Client

	memories queue.Memory[memory]
}

// Reconcile counts one instance's usage and says in its status what is counted.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	mpi := &v1alpha1.MarketplaceInstance{}
	if err := r.Get(ctx, req.NamespacedName, mpi); err != nil {
		r.memories.Forget(req.NamespacedName)
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	now := r.Clock.Now()
	before := mpi.DeepCopy()
	memory := r.memories.Of(req.NamespacedName, mpi.UID, r.newMemory)

	known, err := r.gather(ctx, mpi, memory, now)
	if err != nil {
		return ctrl.Result{}, err
	}
	counted := r.count(ctx, mpi, &known, memory)
	err = errors.Join(counted.err, r.keepRecords(ctx, mpi, known, now))
	late := reportUsage(mpi, known, counted, now)

	if err := errors.Join(err, statusOwner.Apply(ctx, r.Client, before, mpi)); err != nil {
		return ctrl.Result{Priority: ptr.To(queue.PriorityNormal)}, err
	}
	r.announce(before, mpi, memory)
	return queue.Wake(now, known.decision.Until, counted.again, late), nil
}

// known is what a pass has read before it counts.
type known struct {
	sale.Sale
	ledger
	decision lifecycle.Decision
	moment   metering.Moment
}

// gather reads everything from caches.
func (r *Reconciler) gather(ctx context.Context, mpi *v1alpha1.MarketplaceInstance, memory *memory, now time.Time,
) (known, error) {
	if !metered(mpi) {
		return known{Sale: sale.Sale{Instance: mpi}}, nil
	}
	s, err := r.Sales.Read(ctx, mpi)
	if err != nil {
		return known{}, err
	}
	if err := r.Sales.Extend(ctx, &s, now); err != nil {
		return known{}, err
	}
	k := known{Sale: s, decision: s.Decide(now)}
	k.ledger, err = readLedger(ctx, r.Client, mpi, s.Product, s.Protocol.MaxUsageAge, now)
	if err != nil {
		return known{}, err
	}
	k.moment = momentOf(mpi, k.decision, s.Policy, memory, now)
	return k, nil
}

// momentOf says whether the tenant uses anything now, and since when not.
func momentOf(mpi *v1alpha1.MarketplaceInstance, d lifecycle.Decision, p lifecycle.Policy, memory *memory, now time.Time,
) metering.Moment {
	m := metering.Moment{
		Now: now, Running: d.Phase == lifecycle.Run, Usable: usable(mpi), ResumedAt: resumedAt(mpi.Spec.Subscription),
	}
	if m.Running || d.Phase == lifecycle.Nothing {
		memory.stopSeen = time.Time{}
		return m
	}
	if memory.stopSeen.IsZero() {
		memory.stopSeen = sale.UnfinishedSince(mpi, now)
	}
	m.StopAt = stoppedSince(mpi, d, p)
	if m.StopAt.IsZero() || m.StopAt.After(now) {
		m.StopAt = memory.stopSeen
	}
	// By then the tenant was stopped without having answered.
	m.GoneSilent = !now.Before(memory.stopSeen.Add(lifecycle.FinishTime + time.Minute))
	return m
}

// usable says whether the buyer can use what was sold, as the marketplace is told it. If status is lost, metering starts slightly late.
func usable(mpi *v1alpha1.MarketplaceInstance) bool {
	return meta.IsStatusConditionTrue(mpi.Status.Conditions, v1alpha1.ConditionReady)
}

// announce makes an event of every change of what is reported about usage. It is called only after the status was written.
func (r *Reconciler) announce(before, after *v1alpha1.MarketplaceInstance, memory *memory) {
	for _, kind := range []string{v1alpha1.ConditionUsageReported, v1alpha1.ConditionPackageAvailable} {
		report.Announcement{Condition: kind, Action: "Count", Messages: true, Warns: needsAttention}.Announce(
			r.Recorder, after, before.Status.Conditions, after.Status.Conditions, memory.announced)
	}
}

// needsAttention tells what is worth a warning: also a package that will be used up soon.
func needsAttention(is metav1.Condition) bool {
	return is.Status == metav1.ConditionFalse || is.Reason == v1alpha1.ReasonPackageLow
}
