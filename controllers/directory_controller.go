package controllers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/apply"
	"github.com/stallkeeper/stallkeeper/controllers/directory"
)

const (
	// directoryPendingRetry is how soon it is looked again whether a tenant can have its directory.
	directoryPendingRetry = time.Minute
	// directoryProblemRetry is how soon a directory is tried again that waits for a person.
	directoryProblemRetry = 5 * time.Minute
)

// DirectoryReconciler folds what a marketplace has said of a buyer's enterprise into the instance's directory, and brings that
// into the tenant's namespace. It owns the condition DirectorySynced.
type DirectoryReconciler struct {
	client.Client
	// APIReader reads Secrets, which are never cached.
	APIReader client.Reader
	// Calls is a cache of the metadata of those Secrets in the sales namespaces that carry v1alpha1.EnterpriseLabel: the calls,
	// and the first Secret of each directory.
	Calls client.Reader
	// TenantPrefix begins the names of the tenants' namespaces.
	TenantPrefix string
	// Recorder records events; nil records none.
	Recorder events.EventRecorder
	// Metrics counts; nil counts nothing.
	Metrics *DirectoryMetrics
}

// Reconcile brings one instance's directory up to date.
func (r *DirectoryReconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	mpi := &v1alpha1.MarketplaceInstance{}
	if err := r.Get(ctx, req.NamespacedName, mpi); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if !mpi.DeletionTimestamp.IsZero() {
		// The Secrets go with their owner.
		return ctrl.Result{}, nil
	}
	before := mpi.DeepCopy()
	synced, err := r.synchronize(ctx, mpi)
	synced.report(mpi, v1alpha1.ConditionDirectorySynced, err)
	result := ctrl.Result{Priority: ptr.To(priorityNormal), RequeueAfter: synced.after}
	if err := errors.Join(err, applyDirectoryStatus(ctx, r.Client, before, mpi)); err != nil {
		return ctrl.Result{Priority: ptr.To(priorityNormal)}, err
	}
	warn(r.Recorder, before, mpi, v1alpha1.ConditionDirectorySynced)
	return result, nil
}

// warn makes an event when a condition has become False. It is called after the status was written.
func warn(recorder events.EventRecorder, before, after *v1alpha1.MarketplaceInstance, kind string) {
	was, is := meta.FindStatusCondition(before.Status.Conditions, kind), meta.FindStatusCondition(after.Status.Conditions, kind)
	if recorder == nil || is == nil || is.Status != metav1.ConditionFalse || was != nil && was.Reason == is.Reason {
		return
	}
	// The API server refuses an event whose note has more than 1024 bytes.
	recorder.Eventf(after, nil, corev1.EventTypeWarning, is.Reason, "Synchronize", "%s", cut(is.Message, 300))
}

// synchronize folds what waits, stores it, and delivers what the tenant does not have yet.
func (r *DirectoryReconciler) synchronize(ctx context.Context, mpi *v1alpha1.MarketplaceInstance) (directoryReport, error) {
	waiting, err := r.waiting(ctx, mpi)
	if err != nil {
		return directoryReport{none: true}, err
	}
	if waiting.nothing() {
		mpi.Status.Enterprises = nil
		return directoryReport{none: true}, nil
	}
	place, err := tenantPlace(ctx, r.Client, r.TenantPrefix, mpi)
	if err != nil {
		return directoryReport{}, err
	}
	if place.ended {
		mpi.Status.Enterprises = nil
		return directoryReport{none: true}, r.forget(ctx, mpi, waiting)
	}
	stored, err := r.open(ctx, mpi)
	if err != nil {
		return unreadable(err)
	}
	folded, err := r.fold(ctx, mpi, stored, waiting)
	if err != nil || folded.reason == v1alpha1.ReasonDirectoryFull {
		return folded, err
	}
	mpi.Status.Enterprises = enterpriseHashes(stored.Index().Tenants)
	switch {
	case stored.head == nil:
		// Somebody has deleted it, and nothing has come since.
		return directoryReport{none: true}, nil
	case !place.ready && folded.status == "":
		return pending(v1alpha1.ReasonDirectoryPending, place.why, directoryPendingRetry), nil
	case !place.ready:
		return folded, nil
	}
	delivered, err := r.deliver(ctx, mpi, stored, place.namespace)
	if err != nil || delivered.status != metav1.ConditionTrue {
		return delivered, err
	}
	if folded.status == "" {
		folded.verdict = delivered.verdict
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
	case err == nil && owned(ns, mpi) && ns.GetDeletionTimestamp() == nil:
		if mpi.Spec.Reconciliation == v1alpha1.ReconciliationPaused {
			return place{why: "Everything is stored; the tenant gets it when spec.reconciliation is Active again"}, nil
		}
		return place{namespace: ns, ready: true}, nil
	}
	sub := mpi.Spec.Subscription
	released := sub != nil && sub.Entitlement.State == v1alpha1.EntitlementReleased
	return place{
		ended: released && err != nil, why: "Everything is stored; the tenant gets it when it exists",
	}, nil
}

// directoryReport is what a pass has to say in its condition.
type directoryReport struct {
	verdict
	// none is true if there is nothing to have a condition for.
	none bool
	// after is when to look again without an event; zero for never.
	after time.Duration
}

func pending(reason, message string, after time.Duration) directoryReport {
	return directoryReport{verdict: wait(reason, message), after: after}
}

func failing(reason, message string) directoryReport {
	return directoryReport{verdict: no(reason, message), after: directoryProblemRetry}
}

// report writes it. A pass that failed before it learned anything says only that it failed.
func (r directoryReport) report(mpi *v1alpha1.MarketplaceInstance, kind string, err error) {
	if r.none && err == nil {
		meta.RemoveStatusCondition(&mpi.Status.Conditions, kind)
		return
	}
	v := r.verdict
	if v.status == "" {
		v = wait(v1alpha1.ReasonDirectoryFailed, "Reading or writing the directory failed and is tried again")
	}
	meta.SetStatusCondition(&mpi.Status.Conditions, metav1.Condition{
		Type: kind, Status: v.status, Reason: v.reason, Message: v.message, ObservedGeneration: mpi.Generation,
	})
}
