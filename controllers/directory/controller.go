package directory

import (
	"context"
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/apply"
	"github.com/stallkeeper/stallkeeper/controllers/queue"
	"github.com/stallkeeper/stallkeeper/controllers/report"
	"github.com/stallkeeper/stallkeeper/controllers/sale"
	"github.com/stallkeeper/stallkeeper/directory"
)

// statusOwner owns what this reconciler says of an instance.
var statusOwner = report.Owner{
	Name: v1alpha1.FieldOwner + "/directory", Conditions: []string{v1alpha1.ConditionDirectorySynced},
	Fields: func(from, to *v1alpha1.MarketplaceInstanceStatus) { to.Enterprises = from.Enterprises },
}

// Reconciler folds what a marketplace has said of a buyer's enterprise into the instance's directory, and brings that
// into the tenant's namespace. It owns the condition DirectorySynced.
type Reconciler struct {
	client.Client
	// APIReader reads Secrets, which are never cached.
	APIReader client.Reader
	// Calls is a cache of the metadata of those Secrets in the sales namespaces that carry v1alpha1.EnterpriseLabel: the calls,
	// and the first Secret of each directory.
	Calls cache.Cache
	// TenantPrefix begins the names of the tenants' namespaces.
	TenantPrefix string
	// Endpoints is what the Forwarder has found; nil where there is none.
	Endpoints *Endpoints
	// Recorder records events; nil records none.
	Recorder events.EventRecorder
	// Metrics counts; nil counts nothing.
	Metrics *Metrics
}

// Reconcile brings one instance's directory up to date.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	return r.pass(ctx, req, r.synchronize)
}

// synchronize folds what waits, stores it, and delivers what the tenant does not have yet.
func (r *Reconciler) synchronize(ctx context.Context, mpi *v1alpha1.MarketplaceInstance) (report.Verdict, error) {
	waiting, err := r.waiting(ctx, mpi)
	if err != nil {
		return report.Verdict{Absent: true}, err
	}
	if waiting.nothing() {
		mpi.Status.Enterprises = nil
		return report.Verdict{Absent: true}, nil
	}
	place, err := tenantPlace(ctx, r.Client, r.TenantPrefix, mpi)
	if err != nil {
		return report.Verdict{}, err
	}
	if place.ended {
		mpi.Status.Enterprises = nil
		return report.Verdict{Absent: true}, r.forget(ctx, mpi, waiting)
	}
	stored, err := r.open(ctx, mpi)
	if err != nil {
		return unreadable(err)
	}
	folded, err := r.fold(ctx, mpi, stored, waiting)
	if err != nil || folded.Reason == v1alpha1.ReasonDirectoryFull {
		return folded, err
	}
	mpi.Status.Enterprises = enterpriseHashes(stored.Index().Tenants)
	switch {
	case stored.HeadSecret == nil:
		// A person has deleted it, and nothing has come since.
		return report.Verdict{Absent: true}, nil
	case !place.ready && folded.Status == "":
		return report.Unknown(v1alpha1.ReasonDirectoryPending, place.why).Again(queue.DirectoryPendingRetry), nil
	case !place.ready:
		return folded, nil
	}
	delivered, err := r.deliver(ctx, mpi, stored, place.namespace)
	if err != nil || delivered.Status != metav1.ConditionTrue {
		return delivered, err
	}
	if folded.Status == "" {
		return r.forwarded(ctx, mpi, stored, delivered.Again(folded.After))
	}
	return folded, nil
}

// enterpriseHashes stand for enterprises in a status that everybody may read who reads instances; sorted.
func enterpriseHashes(enterprises []directory.EnterpriseLine) []string {
	var hashes []string
	for _, enterprise := range enterprises {
		hashes = append(hashes, v1alpha1.EnterpriseHash(enterprise.TenantID))
	}
	slices.Sort(hashes)
	return hashes
}

// place is where a tenant is.
type place struct {
	// namespace is the tenant's.
	namespace *unstructured.Unstructured
	// ready is true if something may be written there; else why says why not.
	ready bool
	why   string
	// ended is true once the sale is over and the tenant gone: nobody is left to have the directory.
	ended bool
}

// tenantPlace looks where an instance's tenant is, in the cache.
func tenantPlace(ctx context.Context, reader client.Reader, prefix string, mpi *v1alpha1.MarketplaceInstance) (place, error) {
	ns := &unstructured.Unstructured{}
	ns.SetGroupVersionKind(apply.NamespaceKind)
	key := types.NamespacedName{Name: v1alpha1.TenantNamespace(prefix, mpi.Namespace, mpi.Name)}
	err := reader.Get(ctx, key, ns)
	switch {
	case client.IgnoreNotFound(err) != nil:
		return place{}, fmt.Errorf("reading namespace %s: %w", key.Name, err)
	case err == nil && sale.IsTenantOf(ns, mpi) && ns.GetDeletionTimestamp() == nil:
		if mpi.Spec.Reconciliation == v1alpha1.ReconciliationPaused {
			return place{why: "The directory is stored; it is delivered to the tenant once spec.reconciliation is Active again"}, nil
		}
		return place{namespace: ns, ready: true}, nil
	}
	sub := mpi.Spec.Subscription
	released := sub != nil && sub.Entitlement.State == v1alpha1.EntitlementReleased
	return place{
		ended: released && err != nil, why: "The directory is stored; it is delivered to the tenant once the tenant exists",
	}, nil
}
