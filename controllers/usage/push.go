package usage

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/protocol"
	"github.com/stallkeeper/stallkeeper/controllers/queue"
	"github.com/stallkeeper/stallkeeper/controllers/report"
	"github.com/stallkeeper/stallkeeper/controllers/sale"
	"github.com/stallkeeper/stallkeeper/controllers/usage/metering"
	"github.com/stallkeeper/stallkeeper/marketplace"
)

const (
	// pushTimeout bounds one pass's pushes with all their repeats.
	pushTimeout = 2 * time.Minute
)

// PushReconciler tells each marketplace what was used. It works on a marketplace and not on an instance, so that the records
// of all its sales go in one call.
//
// That a record was accepted is stored in its spec after the call. A crash in between repeats the call with the same id, which the
// marketplace knows again; where it can't, by its old interface, the attempt is stored before the call, and never made twice.
type PushReconciler struct {
	client.Client
	// APIReader reads Secrets, which are never cached.
	APIReader client.Reader
	Clock     clock.PassiveClock
	Recorder  events.EventRecorder
	// CredentialsNamespace is where the Secrets with the open API's credentials are.
	CredentialsNamespace string
	Protocols            protocol.Protocols
	// Sales reads what is known of a sale.
	Sales sale.Reader
	// Pause is how long a record waits for others, to go with them in one call; 10 s when it is 0.
	Pause time.Duration

	tries pushTries
}

func (r *PushReconciler) pause() time.Duration { return cmp.Or(r.Pause, queue.PushPause) }

// Reconcile pushes all that is due of one marketplace.
func (r *PushReconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	mp := &v1alpha1.Marketplace{}
	if err := r.Get(ctx, req.NamespacedName, mp); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	now := r.Clock.Now()
	found, err := r.collect(ctx, mp, now)
	if err != nil {
		return ctrl.Result{}, err
	}
	err = r.tellUnclear(ctx, found.unclear, now)
	ready, again := r.tries.ready(found.due, now)
	if len(ready) > 0 {
		next, pushErr := r.push(ctx, mp, ready)
		again, err = queue.Earliest(again, next), errors.Join(err, pushErr)
	}
	if err != nil {
		return ctrl.Result{}, err
	}
	return queue.Wake(now, again, found.next), nil
}

// duePush is one record on its way.
type duePush struct {
	object   *v1alpha1.UsageRecord
	instance *v1alpha1.MarketplaceInstance
	record   marketplace.UsageRecord
	old      bool
	// packageName is the package that it is deducted from, where that is an instance of its own; empty otherwise.
	packageName string
	// unclear is why it is not pushed; nil when it is.
	unclear *report.Verdict
}

// collected is everything that is on its way to one marketplace.
type collected struct {
	due, unclear []duePush
	// next is when the next record becomes due whose interval is not over.
	next time.Time
}

// refuse notes records that name no instance which could have used something.
func (c *collected) refuse(records []*v1alpha1.UsageRecord, format string, args ...any) {
	for _, record := range records {
		c.unclear = append(c.unclear, duePush{object: record, unclear: report.Problem(v1alpha1.ReasonUnknownInstance, fmt.Sprintf(format, args...))})
	}
}

// collect finds the records that are due. It reads caches only.
func (r *PushReconciler) collect(ctx context.Context, mp *v1alpha1.Marketplace, now time.Time) (collected, error) {
	open := &v1alpha1.UsageRecordList{}
	if err := r.List(ctx, open, client.InNamespace(mp.Namespace), client.MatchingFields{recordOpenField: recordIsOpen}); err != nil {
		return collected{}, fmt.Errorf("listing the open usage records: %w", err)
	}
	instances := map[string][]*v1alpha1.UsageRecord{}
	for i := range open.Items {
		name := open.Items[i].Spec.InstanceRef.Name
		instances[name] = append(instances[name], &open.Items[i])
	}
	var found collected
	for name, records := range instances {
		mpi := &v1alpha1.MarketplaceInstance{}
		err := r.Get(ctx, types.NamespacedName{Namespace: mp.Namespace, Name: name}, mpi)
		switch {
		case client.IgnoreNotFound(err) != nil:
			return collected{}, err
		case err != nil || !metered(mpi):
			found.refuse(records, "There is no MarketplaceInstance %q that is charged by use: correct spec.instanceRef in a new record", name)
			continue
		case linked(mpi):
			found.refuse(records, "MarketplaceInstance %q is a package that %q uses: name that one in spec.instanceRef of a new record", name,
				mpi.Spec.Subscription.PackageUsedBy.Name)
			continue
		case mpi.Spec.Subscription.Marketplace != mp.Name:
			continue
		}
		if err := r.collectInstance(ctx, mpi, now, &found); err != nil {
			return collected{}, err
		}
	}
	slices.SortFunc(found.due, func(a, b duePush) int { return a.record.BeginsAt.Compare(b.record.BeginsAt) })
	return found, nil
}

func (r *PushReconciler) collectInstance(ctx context.Context, mpi *v1alpha1.MarketplaceInstance, now time.Time,
	found *collected,
) error {
	s, err := r.Sales.Read(ctx, mpi)
	if err != nil {
		return err
	}
	l, err := readLedger(ctx, r.Client, mpi, s.Product, s.Protocol.MaxUsageAge, now)
	if err != nil {
		return err
	}
	objects := map[string]*v1alpha1.UsageRecord{}
	for i := range l.records {
		objects[l.records[i].Name] = &l.records[i]
	}
	for _, m := range l.meters {
		found.next = queue.Earliest(found.next, m.account.NextDue())
		for _, judged := range m.account.Due() {
			push := duePush{
				object: objects[judged.Name], instance: mpi, record: pushRecord(mpi, m, judged),
				old: m.spec.Push == v1alpha1.MeterPushOld, packageName: m.account.Deducted[judged.Name],
			}
			if sold := l.packages[push.packageName]; sold != nil && m.suspends(push.packageName) {
				push.record.PackageInstanceID = sold.Spec.Subscription.InstanceID
			}
			if l.unclear != nil {
				push.unclear = l.unclear
				found.unclear = append(found.unclear, push)
				continue
			}
			found.due = append(found.due, push)
		}
	}
	return nil
}

// pushRecord is a record in the words of package marketplace. All of it follows from what is stored, so that every push of it is
// the same.
func pushRecord(mpi *v1alpha1.MarketplaceInstance, m meterAccount, j metering.Judged) marketplace.UsageRecord {
	sub := mpi.Spec.Subscription
	record := marketplace.UsageRecord{
		ID: metering.SerialNumber(sub.InstanceID, m.spec.Name, j.Begins), InstanceID: sub.InstanceID,
		BeginsAt: j.Begins, EndsAt: j.Ends, RecordedAt: j.Created, Value: j.Value.String(),
	}
	if len(sub.Items) > 0 {
		record.ProductID = sub.Items[0].ProductID
	}
	if isPackage(mpi) && m.spec.Package.WhenUsedUp == v1alpha1.UsedUpSuspend {
		record.PackageInstanceID = sub.InstanceID
	}
	return record
}

// suspends says whether a package that is an instance of its own stops the tenant when it is used up.
func (m meterAccount) suspends(packageName string) bool {
	return slices.ContainsFunc(m.account.Packages, func(d metering.Deduction) bool { return d.Name == packageName && d.Suspends })
}

// tellUnclear says of records that nobody knows how to push that they wait for a person.
func (r *PushReconciler) tellUnclear(ctx context.Context, unclear []duePush, now time.Time) error {
	var errs []error
	for _, push := range unclear {
		said := saying{v1alpha1.UsagePending, report.False(push.unclear.Reason, push.unclear.Message)}
		if push.instance == nil {
			said.state = v1alpha1.UsageRefused
		}
		errs = append(errs, sayOfRecord(ctx, r.Client, r.Recorder, push.instance, push.object, said, now))
	}
	return errors.Join(errs...)
}

// push pushes records, and stores what became of each. It says when to try again what has failed.
func (r *PushReconciler) push(ctx context.Context, mp *v1alpha1.Marketplace, due []duePush) (again time.Time, err error) {
	pushing, cancel := context.WithTimeout(ctx, pushTimeout)
	defer cancel()
	apis := protocol.Clients{Secrets: r.APIReader, Namespace: r.CredentialsNamespace, Protocols: r.Protocols}
	pusher, err := apis.UsagePusher(ctx, mp)
	var credentials *protocol.CredentialsError
	switch {
	case errors.As(err, &credentials):
		var errs []error
		for _, push := range due {
			said := saying{v1alpha1.UsagePending, report.False(v1alpha1.ReasonCredentialsMissing, credentials.Text)}
			errs = append(errs, r.say(ctx, push, said))
		}
		return r.Clock.Now().Add(queue.CredentialsRetry), errors.Join(errs...)
	case err != nil:
		return time.Time{}, err
	}
	var errs []error
	due, accepted := r.tries.split(due)
	for _, push := range accepted {
		// Only to store that had failed.
		errs = append(errs, r.settled(ctx, push, nil))
	}
	due, chooseErr := r.chosen(ctx, due)
	errs = append(errs, chooseErr)
	// What was refused before goes by itself: to find a bad record among good ones takes many calls.
	for _, batch := range r.tries.batches(due) {
		var records []marketplace.UsageRecord
		for _, push := range batch {
			records = append(records, push.record)
		}
		for i, failed := range pusher.PushUsage(pushing, records) {
			errs = append(errs, r.settled(ctx, batch[i], failed))
		}
	}
	for _, push := range due {
		if push.old {
			errs = append(errs, r.pushOld(ctx, pushing, pusher, push))
		}
	}
	_, again = r.tries.ready(due, r.Clock.Now())
	return again, errors.Join(errs...)
}

// chosen stores from which package each record is deducted, where that is an instance of its own: whatever is bought or used up
// later, every push of a record has to name the same. What could not be stored is not pushed.
func (r *PushReconciler) chosen(ctx context.Context, due []duePush) ([]duePush, error) {
	var ready []duePush
	var errs []error
	for _, push := range due {
		if push.packageName != push.object.Spec.Delivery.PackageRef.Name {
			after := push.object.DeepCopy()
			after.Spec.Delivery.PackageRef.Name = push.packageName
			if err := r.Patch(ctx, after, client.MergeFromWithOptions(push.object, client.MergeFromWithOptimisticLock{})); err != nil {
				errs = append(errs, client.IgnoreNotFound(err))
				continue
			}
			push.object = after
		}
		ready = append(ready, push)
	}
	return ready, errors.Join(errs...)
}

// pushOld pushes a record that must not be pushed twice.
func (r *PushReconciler) pushOld(ctx, pushing context.Context, pusher marketplace.UsagePusher, push duePush) error {
	attempted := push.object.DeepCopy()
	attempted.Spec.Delivery.AttemptedAt = report.Time(r.Clock.Now())
	if err := r.Patch(ctx, attempted, client.MergeFromWithOptions(push.object, client.MergeFromWithOptimisticLock{})); err != nil {
		// Somebody else has written it, or is gone with it: the next pass sees what.
		return client.IgnoreNotFound(err)
	}
	push.object = attempted
	failed := pusher.PushUsageOld(pushing, push.record)
	if failed == nil {
		return r.settled(ctx, push, nil)
	}
	if mayHaveArrived(failed) {
		// It stays attempted, and the usage reconciler tells a person.
		return nil
	}
	untried := push.object.DeepCopy()
	untried.Spec.Delivery.AttemptedAt = metav1.Time{}
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
func (r *PushReconciler) settled(ctx context.Context, push duePush, failed error) error {
	now := r.Clock.Now()
	if failed == nil {
		r.tries.succeeded(push.object.UID, now)
		accepted := push.object.DeepCopy()
		accepted.Spec.Delivery.PushedAt = report.Time(now)
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
	return r.say(ctx, push, said)
}

// pushFailed words a push that failed, and says how long the marketplace wants to be left alone. What is wrong with every record is
// the fault of none: it is tried again as if nobody had answered.
func pushFailed(failed error) (said saying, pause time.Duration) {
	text := "The push failed and is tried again: " + failed.Error()
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

// pushTries remembers what became of pushes. Lost, records are tried again at once.
type pushTries struct {
	mu sync.Mutex
	by map[types.UID]*pushTry
}

type pushTry struct {
	pause time.Duration
	// next is when it may be tried again.
	next time.Time
	// refused is true if the record itself was not accepted; accepted if it was, and only the cache or the store is behind.
	refused, accepted bool
}

// forgetTries is how long after its next try a record is remembered that never came again.
const forgetTries = 2 * time.Hour

// ready are the records that may be tried now, and when the next one may.
func (t *pushTries) ready(due []duePush, now time.Time) (ready []duePush, next time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for uid, try := range t.by {
		if now.Sub(try.next) > forgetTries {
			delete(t.by, uid)
		}
	}
	for _, push := range due {
		if try := t.by[push.object.UID]; try != nil && now.Before(try.next) {
			next = queue.Earliest(next, try.next)
			continue
		}
		ready = append(ready, push)
	}
	return ready, next
}

// split takes the records out that the marketplace has accepted already.
func (t *pushTries) split(due []duePush) (open, accepted []duePush) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, push := range due {
		if try := t.by[push.object.UID]; try != nil && try.accepted {
			accepted = append(accepted, push)
			continue
		}
		open = append(open, push)
	}
	return open, accepted
}

// batches are the records of the new interface, those that were refused before apart from the others.
func (t *pushTries) batches(due []duePush) [][]duePush {
	t.mu.Lock()
	defer t.mu.Unlock()
	var fresh, suspect []duePush
	for _, push := range due {
		try := t.by[push.object.UID]
		switch {
		case push.old:
		case try != nil && try.refused:
			suspect = append(suspect, push)
		default:
			fresh = append(fresh, push)
		}
	}
	return slices.DeleteFunc([][]duePush{fresh, suspect}, func(batch []duePush) bool { return len(batch) == 0 })
}

func (t *pushTries) failed(uid types.UID, refused bool, pause time.Duration, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	try := t.of(uid)
	try.refused = refused
	try.pause = min(max(2*try.pause, queue.PushFirst), queue.PushLast)
	if refused {
		try.pause = queue.RefusedPushRetry
	}
	try.next = now.Add(max(try.pause, pause))
}

func (t *pushTries) succeeded(uid types.UID, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	*t.of(uid) = pushTry{accepted: true, next: now}
}

// of is what is remembered of a record. The caller holds the lock.
func (t *pushTries) of(uid types.UID) *pushTry {
	if t.by == nil {
		t.by = map[types.UID]*pushTry{}
	}
	if t.by[uid] == nil {
		t.by[uid] = &pushTry{}
	}
	return t.by[uid]
}
