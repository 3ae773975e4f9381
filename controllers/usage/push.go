package usage

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/protocol"
	"github.com/stallkeeper/stallkeeper/controllers/queue"
	"github.com/stallkeeper/stallkeeper/controllers/report"
	"github.com/stallkeeper/stallkeeper/controllers/sale"
	"github.com/stallkeeper/stallkeeper/marketplace"
)

// pushTimeout bounds one pass's pushes with all their repeats.
const pushTimeout = 2 * time.Minute

// pushLook is how long it takes at most until a record is found that became due without an event. It costs a list in the cache.
const pushLook = 10 * time.Minute

// PushReconciler tells each marketplace what was used. It works on a marketplace and not on an instance, so that the records
// of all its sales go in one call.
//
// That a record was accepted is stored in its spec after the call. A crash in between repeats the call with the same id, which the
// marketplace knows again; where it can't, by its old interface, the attempt is stored before the call, and never made twice.
type PushReconciler struct {
	client.Client
	// APIReader reads what must not be out of date.
	APIReader client.Reader
	Clock     clock.PassiveClock
	Recorder  events.EventRecorder
	// Clients makes the clients of the marketplaces' open APIs.
	Clients protocol.Clients
	// Sales reads what is known of a sale.
	Sales sale.Reader

	memories queue.Memory[tries]
}

// Reconcile pushes all that is due of one marketplace.
func (r *PushReconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	mp := &v1alpha1.Marketplace{}
	if err := r.Get(ctx, req.NamespacedName, mp); err != nil {
		r.memories.Forget(req.NamespacedName)
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	now := r.Clock.Now()
	tries := r.memories.Of(req.NamespacedName, mp.UID, r.newTries)
	// Before anything is collected: one that is withdrawn only afterwards may be pushed by this pass, and must not be said to be withdrawn yet.
	forgetErr := r.forgetWithdrawn(ctx, mp, tries, now)
	found, err := r.collect(ctx, mp, now)
	if err != nil {
		return ctrl.Result{}, errors.Join(forgetErr, err)
	}
	err = errors.Join(forgetErr, r.tellKept(ctx, found.kept, now))
	ready, again := tries.ready(found.due, now)
	if len(ready) > 0 {
		next, pushErr := r.push(ctx, mp, ready, tries)
		again, err = queue.Earliest(again, next), errors.Join(err, pushErr)
	}
	if err != nil {
		return ctrl.Result{}, err
	}
	// What became due without an event that is watched is found all the same.
	return queue.Wake(now, again, found.next, now.Add(pushLook)), nil
}

// tellKept says of records that must not be pushed that they wait for a person.
func (r *PushReconciler) tellKept(ctx context.Context, kept []duePush, now time.Time) error {
	var errs []error
	for _, push := range kept {
		errs = append(errs, sayOfRecord(ctx, r.Client, r.Recorder, push.instance, push.object, *push.kept, now))
	}
	return errors.Join(errs...)
}

// forgetWithdrawn lets other amounts stand in the place of records that were withdrawn, and says so of each: the chart's policy lets one
// be deleted only after that.
func (r *PushReconciler) forgetWithdrawn(ctx context.Context, mp *v1alpha1.Marketplace, tries *tries, now time.Time) error {
	list := &v1alpha1.UsageRecordList{}
	if err := r.List(ctx, list, client.InNamespace(mp.Namespace), client.MatchingFields{recordPushField: recordIsWithdrawn}); err != nil {
		return fmt.Errorf("listing the withdrawn usage records: %w", err)
	}
	var errs []error
	for i := range list.Items {
		record := &list.Items[i]
		mpi := &v1alpha1.MarketplaceInstance{}
		err := r.Get(ctx, client.ObjectKey{Namespace: record.Namespace, Name: record.Spec.InstanceRef.Name}, mpi)
		switch {
		case apierrors.IsNotFound(err):
			mpi = nil
		case err != nil:
			errs = append(errs, err)
			continue
		case mpi.Spec.Subscription == nil || mpi.Spec.Subscription.Marketplace != mp.Name:
			continue
		}
		tries.withdrawn(record.UID)
		errs = append(errs, sayOfRecord(ctx, r.Client, r.Recorder, mpi, record, withdrawnSaying(), now))
	}
	return errors.Join(errs...)
}

// push makes the client and pushes records. It says when to try again what has failed.
func (r *PushReconciler) push(ctx context.Context, mp *v1alpha1.Marketplace, due []duePush, tries *tries) (again time.Time, err error) {
	pusher, err := r.Clients.UsagePusher(ctx, mp)
	if credentials, ok := errors.AsType[*protocol.CredentialsError](err); ok {
		var errs []error
		for _, push := range due {
			if saidToDiffer(push.object) {
				// Said of it once, it is known from there only: it would be pushed when there are credentials again.
				continue
			}
			said := saying{v1alpha1.UsagePending, credentials.Verdict()}
			errs = append(errs, r.say(ctx, push, said))
		}
		return r.Clock.Now().Add(queue.CredentialsRetry), errors.Join(errs...)
	}
	if err != nil {
		return time.Time{}, err
	}
	return pushPass{r, pusher, tries, mp.HeldUntil()}.push(ctx, due)
}

// pushPass is one pass's pushes to one marketplace.
type pushPass struct {
	*PushReconciler
	pusher marketplace.UsagePusher
	tries  *tries
	// hold is until when what is stored may lack what was pushed since.
	hold time.Time
}

// push pushes records, and stores what became of each.
func (r pushPass) push(ctx context.Context, due []duePush) (again time.Time, err error) {
	pushing, cancel := context.WithTimeout(ctx, pushTimeout)
	defer cancel()
	var errs []error
	due, accepted := r.tries.split(due)
	for _, push := range accepted {
		// Only to store that had failed.
		errs = append(errs, r.settled(ctx, push, nil))
	}
	due, differ := r.tries.differing(due, r.Clock.Now())
	for _, push := range differ {
		if first, known := r.tries.sent[push.record.ID]; known {
			errs = append(errs, r.say(ctx, push, differsSaying(first.value, "by another record")))
		}
	}
	due, noteErr := r.noted(ctx, due)
	errs = append(errs, noteErr)
	// What was refused before goes by itself: to find a bad record among good ones takes many calls.
	for _, batch := range r.tries.batches(due) {
		var records []marketplace.UsageRecord
		for _, push := range batch {
			records = append(records, push.record)
		}
		r.tries.sending(batch, r.Clock.Now())
		for i, failed := range r.pusher.PushUsage(pushing, records) {
			errs = append(errs, r.settled(ctx, batch[i], failed))
		}
	}
	held := r.Clock.Now().Before(r.hold)
	for _, push := range due {
		switch {
		case !push.old:
		case held:
			errs = append(errs, r.say(ctx, push, heldSaying(r.hold)))
		default:
			errs = append(errs, r.pushOld(ctx, pushing, push))
		}
	}
	_, again = r.tries.ready(due, r.Clock.Now())
	if held {
		again = queue.Earliest(again, r.hold)
	}
	return again, errors.Join(errs...)
}

// noted stores what a push is about to say, before it does; what could not be stored is not pushed. From which package a record is
// deducted, where that is an instance of its own: whatever is bought or used up later, every push of it has to name the same. And that
// the marketplace is told its amount: without that, a record that is deleted before the answer is known, or before it is stored, could be
// replaced by one with another amount, which the marketplace would seem to accept.
func (r *PushReconciler) noted(ctx context.Context, due []duePush) ([]duePush, error) {
	var ready []duePush
	var errs []error
	for _, push := range due {
		chosen := push.packageName == push.object.Spec.Delivery.PackageRef.Name
		push.first = !push.old && push.object.Spec.Delivery.ToldTime.IsZero()
		if chosen && !push.first {
			ready = append(ready, push)
			continue
		}
		if current, err := r.isCurrent(ctx, push.sold); !chosen && (err != nil || !current) {
			errs = append(errs, err)
			continue
		}
		after := push.object.DeepCopy()
		after.Spec.Delivery.PackageRef.Name = push.packageName
		if push.first {
			after.Spec.Delivery.ToldTime = report.Time(r.Clock.Now())
		}
		if err := r.Patch(ctx, after, client.MergeFromWithOptions(push.object, client.MergeFromWithOptimisticLock{})); err != nil {
			errs = append(errs, client.IgnoreNotFound(err))
			continue
		}
		push.object = after
		ready = append(ready, push)
	}
	return ready, errors.Join(errs...)
}

// untold stores that the marketplace has refused a record by the only push that there was, for its own fault or with the whole call, as
// for a wrong key: nothing of it is kept there.
func (r pushPass) untold(ctx context.Context, push *duePush) error {
	r.tries.unsent(*push)
	after := push.object.DeepCopy()
	after.Spec.Delivery.ToldTime = metav1.Time{}
	if err := r.Patch(ctx, after, client.MergeFrom(push.object)); err != nil {
		return client.IgnoreNotFound(err)
	}
	push.object = after
	return nil
}

// isCurrent says whether a package stands at the API server as the cache has shown it: one that was released or renewed meanwhile is
// chosen again when the cache shows that, which begins the next pass.
func (r *PushReconciler) isCurrent(ctx context.Context, sold *v1alpha1.MarketplaceInstance) (bool, error) {
	if sold == nil {
		return true, nil
	}
	live := &v1alpha1.MarketplaceInstance{}
	if err := r.APIReader.Get(ctx, client.ObjectKeyFromObject(sold), live); err != nil {
		return false, client.IgnoreNotFound(err)
	}
	return live.UID == sold.UID && live.Generation == sold.Generation, nil
}

// pushOld pushes a record that must not be pushed twice.
func (r pushPass) pushOld(ctx, pushing context.Context, push duePush) error {
	attempted := push.object.DeepCopy()
	attempted.Spec.Delivery.AttemptTime = report.Time(r.Clock.Now())
	if err := r.Patch(ctx, attempted, client.MergeFromWithOptions(push.object, client.MergeFromWithOptimisticLock{})); err != nil {
		// Somebody else has written it, or is gone with it: the next pass sees what.
		return client.IgnoreNotFound(err)
	}
	push.object = attempted
	failed := r.pusher.PushUsageOld(pushing, push.record)
	if failed == nil {
		return r.settled(ctx, push, nil)
	}
	if mayHaveArrived(failed) {
		// It stays attempted, and the usage reconciler tells a person.
		return nil
	}
	untried := push.object.DeepCopy()
	untried.Spec.Delivery.AttemptTime = metav1.Time{}
	if err := r.Patch(ctx, untried, client.MergeFrom(push.object)); err != nil {
		return client.IgnoreNotFound(err)
	}
	push.object = untried
	return r.settled(ctx, push, failed)
}

func mayHaveArrived(failed error) bool {
	var usageError *marketplace.CallError
	return !errors.As(failed, &usageError) || usageError.Uncertain
}

// settled stores what became of a push.
func (r pushPass) settled(ctx context.Context, push duePush, failed error) error {
	now := r.Clock.Now()
	if failed == nil {
		r.tries.succeeded(push.object.UID, now)
		r.tries.taken(push, now)
		accepted := push.object.DeepCopy()
		accepted.Spec.Delivery.PushTime = report.Time(now)
		err := r.Patch(ctx, accepted, client.MergeFrom(push.object))
		if apierrors.IsNotFound(err) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("storing that UsageRecord %s was accepted: %w", push.object.Name, err)
		}
		return sayOfRecord(ctx, r.Client, r.Recorder, push.instance, accepted, pushedSaying(), now)
	}
	said, pause := pushFailed(failed)
	r.tries.failed(push.object.UID, said.state == v1alpha1.UsageRefused, pause, now)
	var err error
	if push.first && said.Reason == v1alpha1.ReasonMarketplaceRefused && !mayHaveArrived(failed) {
		err = r.untold(ctx, &push)
	}
	return errors.Join(err, r.say(ctx, push, said))
}

// heldSaying is said of a record that may have been pushed before what is stored was restored, by the interface that would charge it twice.
func heldSaying(until time.Time) saying {
	return saying{v1alpha1.UsagePending, report.Unknown(v1alpha1.ReasonCallsUncertain, fmt.Sprintf("It may have been pushed before a restore, and the"+
		" interface for single records can't detect a repeat: it waits until %s, or until spec.holdUntilTime of the Marketplace is removed. Delete it"+
		" if the marketplace's console shows its usage", report.Stamp(until)))}
}

// differsSaying is said of a record of whose time another amount was pushed before.
func differsSaying(first, by string) saying {
	return saying{v1alpha1.UsageUncertain, report.False(v1alpha1.ReasonAmountDiffers, fmt.Sprintf("The amount %s was already pushed for this interval"+
		" %s, and the marketplace keeps the first amount: compare it with the marketplace's console, delete this record and"+
		" create one with that amount", first, by))}
}

func withdrawnSaying() saying {
	return settledSaying(v1alpha1.UsageWithdrawn, "The record is withdrawn: it is not pushed, and another record can take its place. Where the"+
		" controller reads the meter, delete this record, and the interval is read again if no later one was")
}

// pushFailed words a push that failed, and says how long the marketplace wants to be left alone. What is wrong with every record is
// the fault of none: it is tried again as if nobody had answered.
func pushFailed(failed error) (said saying, pause time.Duration) {
	text := "The push failed; retrying: " + failed.Error()
	said = saying{v1alpha1.UsagePending, report.Unknown(v1alpha1.ReasonMarketplaceUnavailable, text)}
	var usageError *marketplace.CallError
	if !errors.As(failed, &usageError) || errors.Is(usageError.Kind, marketplace.ErrUnavailable) {
		if usageError != nil {
			pause = usageError.RetryAfter
		}
		return said, pause
	}
	said.Verdict = report.False(v1alpha1.ReasonMarketplaceRefused, usageError.Error())
	if !usageError.Whole {
		said.state = v1alpha1.UsageRefused
	}
	return said, usageError.RetryAfter
}

func (r *PushReconciler) say(ctx context.Context, push duePush, said saying) error {
	return sayOfRecord(ctx, r.Client, r.Recorder, push.instance, push.object, said, r.Clock.Now())
}
