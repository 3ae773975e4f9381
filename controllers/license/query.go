package license

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/protocol"
	"github.com/stallkeeper/stallkeeper/controllers/queue"
	"github.com/stallkeeper/stallkeeper/controllers/sale"
	"github.com/stallkeeper/stallkeeper/marketplace"
	"github.com/stallkeeper/stallkeeper/subscription/licenses"
	"github.com/stallkeeper/stallkeeper/subscription/orders"
)

// DefaultQueryInterval is the pause between two queries of a license code that marketplaces ask for.
const DefaultQueryInterval = 24 * time.Hour

// QueryReconciler asks a marketplace every day about each of its license codes, so that calls which never came are
// noticed. Its objects are the Marketplaces: one is asked about many codes at once, and never twice at a time.
type QueryReconciler struct {
	client.Client
	// APIReader reads Secrets, which are never cached.
	APIReader client.Reader
	Clock     clock.PassiveClock
	Recorder  events.EventRecorder
	// Clients makes the clients of the marketplaces' open APIs.
	Clients protocol.Clients
	// Interval is the pause between two queries of a code.
	Interval time.Duration
	// Metrics counts; nil counts nothing.
	Metrics *Metrics

	memories queue.Memory[failures]
}

// Reconcile asks about the codes of one marketplace that are due, at most marketplace.MaxLicenseBatch of them.
func (r *QueryReconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	mp := &v1alpha1.Marketplace{}
	if err := r.Get(ctx, req.NamespacedName, mp); err != nil {
		r.memories.Forget(req.NamespacedName)
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	failed := r.memories.Of(req.NamespacedName, mp.UID, r.newFailures)
	due, next, err := r.due(ctx, mp, failed)
	if err != nil || len(due) == 0 {
		return queue.Wake(r.Clock.Now(), next), err
	}
	api, err := r.Clients.Licenses(ctx, mp)
	if _, unusable := errors.AsType[*protocol.CredentialsError](err); unusable {
		// The connection says so itself.
		r.Metrics.queried(false, due...)
		return ctrl.Result{RequeueAfter: queue.CredentialsRetry}, nil
	}
	if err != nil || api == nil {
		return ctrl.Result{}, err
	}
	if err := r.ask(ctx, api, due, failed); err != nil {
		return ctrl.Result{}, err
	}
	return ctrl.Result{RequeueAfter: queue.QueryPause}, nil
}

// due are the instances whose codes have to be asked about now, those that wait longest first, and when the next one is.
func (r *QueryReconciler) due(ctx context.Context, mp *v1alpha1.Marketplace, failed *failures) (
	[]*v1alpha1.MarketplaceInstance, time.Time, error,
) {
	list := &v1alpha1.MarketplaceInstanceList{}
	if err := r.List(ctx, list, client.InNamespace(mp.Namespace)); err != nil {
		return nil, time.Time{}, err
	}
	now := r.Clock.Now()
	var due []*v1alpha1.MarketplaceInstance
	var next time.Time
	for i := range list.Items {
		mpi := &list.Items[i]
		sub := mpi.Spec.Subscription
		if sub == nil || sub.Marketplace != mp.Name || !mpi.DeletionTimestamp.IsZero() {
			continue
		}
		at := licenses.DueAt(sub, string(mpi.UID), r.Interval)
		if at.IsZero() {
			continue
		}
		if later := failed.until[mpi.UID]; later.After(at) {
			at = later
		}
		if now.Before(at) {
			next = queue.Earliest(next, at)
		} else {
			due = append(due, mpi)
		}
	}
	slices.SortStableFunc(due, func(a, b *v1alpha1.MarketplaceInstance) int {
		return a.Spec.Subscription.License.LastQueryTime.Compare(b.Spec.Subscription.License.LastQueryTime.Time)
	})
	return due[:min(len(due), marketplace.MaxLicenseBatch)], next, nil
}

// ask asks about all at once, and about those by themselves that this does not answer, or answers with bad news. An error is one
// that concerns all.
func (r *QueryReconciler) ask(ctx context.Context, api marketplace.LicenseClient, due []*v1alpha1.MarketplaceInstance,
	failed *failures,
) error {
	asked := r.Clock.Now()
	told, err := r.askTogether(ctx, api, due)
	if err != nil {
		r.Metrics.queried(false, due...)
		return err
	}
	for _, mpi := range due {
		answer, ok := told[mpi.Spec.Subscription.InstanceID]
		if !ok || licenses.IsNews(mpi.Spec.Subscription, answer, asked, r.Interval) {
			err = r.askAlone(ctx, api, mpi)
		} else {
			r.Metrics.queried(true, mpi)
			err = r.note(ctx, mpi, answer, asked)
		}
		if err == nil {
			failed.forget(mpi.UID)
			continue
		}
		// The next pass begins with the others.
		failed.add(mpi.UID, r.Clock.Now())
		if errors.Is(err, marketplace.ErrUnavailable) || errors.Is(err, marketplace.ErrLicenseRefused) {
			return err
		}
		ctrl.LoggerFrom(ctx).Info("Querying a license code failed", "instance", klog.KObj(mpi), "why", err.Error())
	}
	return nil
}

// askTogether asks about several codes and returns the answers by code. One code that can't be asked about keeps all from being
// answered; and the answer about many may be one that nobody can read: then each is left to be asked about alone.
func (r *QueryReconciler) askTogether(ctx context.Context, api marketplace.LicenseClient, due []*v1alpha1.MarketplaceInstance,
) (map[string]marketplace.LicenseCode, error) {
	answers := map[string]marketplace.LicenseCode{}
	var codes []string
	for _, mpi := range due {
		if code := mpi.Spec.Subscription.InstanceID; !slices.Contains(codes, code) {
			codes = append(codes, code)
		}
	}
	if len(codes) == 1 {
		return answers, nil
	}
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	told, err := api.QueryLicenses(ctx, codes)
	if errors.Is(err, marketplace.ErrLicenseRefused) {
		return nil, fmt.Errorf("querying %d license codes: %w", len(codes), err)
	}
	for _, answer := range told {
		answers[answer.Code] = answer
	}
	return answers, nil
}

// askAlone asks about one code and stores what is told.
func (r *QueryReconciler) askAlone(ctx context.Context, api marketplace.LicenseClient, mpi *v1alpha1.MarketplaceInstance) error {
	asked := r.Clock.Now()
	callCtx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	answer, err := api.QueryLicense(callCtx, mpi.Spec.Subscription.InstanceID)
	r.Metrics.queried(err == nil, mpi)
	if err != nil {
		return fmt.Errorf("querying a license code: %w", err)
	}
	return r.note(ctx, mpi, answer, asked)
}

// note stores what was told about a code, and says what it has found. A call that came meanwhile wins: then the code stays due.
func (r *QueryReconciler) note(ctx context.Context, mpi *v1alpha1.MarketplaceInstance, told marketplace.LicenseCode, asked time.Time) error {
	after, finding := licenses.Queried(mpi.Spec.Subscription, told, asked, r.Interval)
	err := sale.Store(ctx, r.Client, r.APIReader, mpi, orders.Result{Subscription: after})
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil || finding == licenses.FoundNothing {
		return err
	}
	texts := map[licenses.Finding]string{
		licenses.FoundRenewal: "The marketplace reports a longer paid period for the license code; the call was never received",
		licenses.FoundExpiry:  "The marketplace reports that the license code has expired; the call was never received",
		licenses.FoundRelease: "The marketplace reports that the license code was released; the call was never received. The data is kept for the retention period",
	}
	ctrl.LoggerFrom(ctx).Info("A query found a change whose call was never received", "instance", klog.KObj(mpi), "finding", finding)
	r.Recorder.Eventf(mpi, nil, corev1.EventTypeWarning, "LicenseQuery"+string(finding), "Query", "%s", texts[finding])
	return nil
}

// failures remember the codes of one marketplace that could not be asked about, so that one of them does not keep the others
// waiting. After a restart they are asked about once more.
type failures struct {
	pauses *queue.Backoff
	until  map[types.UID]time.Time
}

func (r *QueryReconciler) newFailures() *failures {
	return &failures{queue.NewBackoff(queue.QueryFirst, queue.QueryLast, r.Clock), map[types.UID]time.Time{}}
}

func (f *failures) add(uid types.UID, now time.Time) {
	// Those of instances that are gone.
	f.pauses.GC()
	maps.DeleteFunc(f.until, func(_ types.UID, until time.Time) bool { return now.Sub(until) > 2*queue.QueryLast })
	f.pauses.Next(string(uid), now)
	f.until[uid] = now.Add(f.pauses.Get(string(uid)))
}

func (f *failures) forget(uid types.UID) {
	f.pauses.Reset(string(uid))
	delete(f.until, uid)
}
