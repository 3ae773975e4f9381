package usage

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/report"
	"github.com/stallkeeper/stallkeeper/controllers/sale"
	"github.com/stallkeeper/stallkeeper/controllers/usage/metering"
)

// keepRecords brings the records that are there in order: written by hand ones get their owner, each its state, and old ones go.
func (r *Reconciler) keepRecords(ctx context.Context, mpi *v1alpha1.MarketplaceInstance, k known, now time.Time) error {
	var errs []error
	byName := map[string]*v1alpha1.UsageRecord{}
	for i := range k.records {
		byName[k.records[i].Name] = &k.records[i]
		errs = append(errs, r.adopt(ctx, mpi, &k.records[i], k.ledger))
	}
	if linked(mpi) {
		return errors.Join(errs...)
	}
	for _, m := range k.meters {
		for _, judged := range m.account.Records {
			said, ok := recordVerdict(m, judged)
			if record := byName[judged.Name]; ok && record != nil {
				errs = append(errs, sayOfRecord(ctx, r.Client, r.Recorder, mpi, record, said, now))
			}
		}
		errs = append(errs, r.settle(ctx, mpi, m, byName, now))
	}
	for i := range k.strays {
		errs = append(errs, sayOfRecord(ctx, r.Client, r.Recorder, mpi, &k.strays[i], strayVerdict(&k.strays[i], k.Effective.Plan), now))
	}
	return errors.Join(errs...)
}

// adopt makes a record go with its instance, and notes how its meter is pushed as long as the plan has it: when the buyer has moved to
// another plan, nothing else would tell that it was to be charged.
func (r *Reconciler) adopt(ctx context.Context, mpi *v1alpha1.MarketplaceInstance, record *v1alpha1.UsageRecord, l ledger) error {
	after := record.DeepCopy()
	if !slices.ContainsFunc(record.OwnerReferences, func(owner metav1.OwnerReference) bool { return owner.UID == mpi.UID }) {
		after.OwnerReferences = append(after.OwnerReferences, sale.OwnerOf(mpi))
	}
	for _, m := range l.present() {
		if m.spec.counts(record) && record.Spec.Push == "" && isOpen(record) {
			after.Spec.Push = m.spec.pushOf(record)
		}
	}
	if equality.Semantic.DeepEqual(record, after) {
		return nil
	}
	err := r.Patch(ctx, after, client.MergeFromWithOptions(record, client.MergeFromWithOptimisticLock{}))
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("adopting UsageRecord %s: %w", record.Name, err)
	}
	return nil
}

// settle replaces old records by a checkpoint. It is written first: until the records are gone it counts in their place.
func (r *Reconciler) settle(ctx context.Context, mpi *v1alpha1.MarketplaceInstance, m meterAccount,
	byName map[string]*v1alpha1.UsageRecord, now time.Time,
) error {
	settlement := m.account.Settle(now, r.Retention)
	if c := settlement.Checkpoint; c != nil {
		spec := v1alpha1.UsageRecordSpec{
			StartTime: report.Time(c.Begins), EndTime: report.Time(c.Ends), Value: metering.Amount(0).String(),
			Checkpoint: v1alpha1.UsageCheckpoint{
				Total: c.Checkpoint.Total.String(), PackageStartTime: report.Time(c.Checkpoint.PackageBegins),
				PackageUsed: c.Checkpoint.PackageUsed.String(),
			},
		}
		for _, p := range c.Checkpoint.Packages {
			spec.Checkpoint.Packages = append(spec.Checkpoint.Packages,
				v1alpha1.PackageCheckpoint{Name: p.Name, StartTime: report.Time(p.Begins), Used: p.Used.String()})
		}
		if c.Stopped {
			spec.TenantActivity = v1alpha1.TenantStopped
		}
		if _, err := r.create(ctx, mpi, m.spec, c.Name, spec); err != nil && !apierrors.IsAlreadyExists(err) {
			return err
		}
	}
	for _, name := range settlement.Remove {
		record := byName[name]
		if record == nil {
			continue
		}
		// What a person has written since, such as the end of an uncertain push, is not removed unseen.
		err := r.Delete(ctx, record, client.Preconditions{UID: &record.UID, ResourceVersion: &record.ResourceVersion})
		if client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("removing UsageRecord %s: %w", name, err)
		}
	}
	return nil
}

// saying is what a record's status says.
type saying struct {
	state v1alpha1.UsageRecordState
	// The Verdict is that of Ready, and of Pushed too for a record that is to be pushed.
	report.Verdict
}

// settledSaying is that of a record with which nothing is left to do and which is not pushed.
func settledSaying(state v1alpha1.UsageRecordState, why string) saying {
	return saying{state, report.True(v1alpha1.ReasonSettled, why)}
}

// toPush says whether a record is one that is to be pushed: only such a record has the condition Pushed.
func (s saying) toPush() bool {
	return s.Reason != v1alpha1.ReasonSettled && s.Reason != v1alpha1.ReasonUsageLost
}

// recordVerdict words what a record counts for; false for one that is on its way, of which the push tells.
func recordVerdict(m meterAccount, j metering.Judged) (saying, bool) {
	refused := func(reason, format string, args ...any) (saying, bool) {
		return saying{v1alpha1.UsageRefused, report.False(reason, fmt.Sprintf(format, args...))}, true
	}
	switch j.Verdict {
	case metering.Done:
		return pushedSaying(), true
	case metering.NotOver:
		return saying{v1alpha1.UsagePending, report.Unknown(v1alpha1.ReasonNotOver, "The record is pushed when its interval ends")}, true
	case metering.Uncertain:
		return saying{v1alpha1.UsageUncertain, report.False(v1alpha1.ReasonAnswerLost, "The push was started and its response was lost, and the"+
			" interface for single records can't detect duplicates: check the marketplace's console, and set spec.delivery.pushTime if it shows"+
			" this usage; remove spec.delivery if it does not")}, true
	case metering.Kept:
		return settledSaying(v1alpha1.UsageKept, "The meter is counted but not pushed"), true
	case metering.Base:
		return settledSaying(v1alpha1.UsageBase, checkpointText), true
	case metering.Unused:
		if j.Lost {
			return refused(v1alpha1.ReasonUsageLost, "The amount is unknown: the source did not respond in time. Settle this usage with"+
				" the marketplace's support, then delete this record")
		}
		return settledSaying(v1alpha1.UsageUnused, unusedText), true
	case metering.TooOld:
		return refused(v1alpha1.ReasonTooOld, "The interval began more than %d days ago, which the marketplace rejects: settle this"+
			" usage with its support, then delete this record; where it has spec.delivery, set pushTime in that if the marketplace's console"+
			" shows the usage, else withdrawnTime", int(m.account.Sale.MaxAge.Hours()/24))
	case metering.Overlaps:
		return refused(v1alpha1.ReasonOverlaps, "The record overlaps another record of meter %q: create a record whose startTime and endTime do not,"+
			" or delete the other record", m.spec.Name)
	case metering.BeforeSale:
		return refused(v1alpha1.ReasonBeforeSale, "The sale began at %s: create a record with that startTime or a later one", report.Stamp(m.account.Sale.Begins))
	case metering.Closed:
		return refused(v1alpha1.ReasonBeforeCheckpoint, "The time before the latest checkpoint is already settled: create a record with a later startTime, or"+
			" settle this usage with the marketplace's support")
	case metering.Foreign:
		return refused(v1alpha1.ReasonMeterHasSource, "Meter %q is read by the controller: create records only for meters with records: {}", m.spec.Name)
	}
	return saying{}, false
}

// saidToDiffer says whether a record was found to have another amount than the marketplace was told first.
func saidToDiffer(record *v1alpha1.UsageRecord) bool {
	ready := meta.FindStatusCondition(record.Status.Conditions, v1alpha1.ConditionReady)
	return ready != nil && ready.Reason == v1alpha1.ReasonAmountDiffers
}

func pushedSaying() saying {
	return saying{v1alpha1.UsagePushed, report.True(v1alpha1.ReasonPushed, "The marketplace has accepted it")}
}

const (
	checkpointText = "The record is a checkpoint that replaces earlier records"
	unusedText     = "There was no usage"
)

// strayVerdict words what a record of an unknown meter counts for.
func strayVerdict(record *v1alpha1.UsageRecord, plan string) saying {
	switch fact := recordFact(record); {
	case fact.Pushed:
		return pushedSaying()
	case fact.Withdrawn:
		return withdrawnSaying()
	case fact.Checkpoint != nil:
		return settledSaying(v1alpha1.UsageBase, checkpointText)
	case fact.Value == 0:
		return settledSaying(v1alpha1.UsageUnused, unusedText)
	}
	return saying{v1alpha1.UsageRefused, report.False(v1alpha1.ReasonUnknownMeter, fmt.Sprintf(
		"Plan %q has no meter %q: add it to the plan, correct the name in a new record, or set spec.push of this one to have it pushed as it is",
		plan, record.Spec.Meter))}
}

// setSaying puts into a record's status what is to be said of it. It is pure.
func setSaying(record *v1alpha1.UsageRecord, said saying, now time.Time) {
	status := &record.Status
	status.State, status.ObservedGeneration = said.state, ptr.To(record.Generation)
	set := func(kind string, v report.Verdict) { report.Set(&status.Conditions, kind, v, record.Generation, now) }
	if ready := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionReady); ready != nil && ready.LastTransitionTime.Unix() == 0 {
		// The default status: its time would stay that of 1970 where the first thing to say is Unknown too.
		meta.RemoveStatusCondition(&status.Conditions, v1alpha1.ConditionReady)
	}
	set(v1alpha1.ConditionReady, said.Verdict)
	pushed, stalled := said.Verdict, report.Verdict{Absent: true}
	pushed.Absent = !said.toPush()
	if said.Status == metav1.ConditionFalse {
		stalled = report.True(said.Reason, said.Message)
	}
	set(v1alpha1.ConditionPushed, pushed)
	set(v1alpha1.ConditionStalled, stalled)
}

// sayOfRecord writes a record's status, if it changed, and makes an event of a refusal. mpi is nil where there is no such instance.
func sayOfRecord(ctx context.Context, c client.Client, recorder events.EventRecorder, mpi *v1alpha1.MarketplaceInstance,
	record *v1alpha1.UsageRecord, said saying, now time.Time,
) error {
	before := record.DeepCopy()
	setSaying(record, said, now)
	if equality.Semantic.DeepEqual(before.Status, record.Status) {
		return nil
	}
	if err := c.Status().Patch(ctx, record, client.MergeFrom(before)); err != nil {
		record.Status = before.Status
		if client.IgnoreNotFound(err) == nil {
			return nil
		}
		return fmt.Errorf("writing the status of UsageRecord %s: %w", record.Name, err)
	}
	announcement := report.Announcement{Condition: v1alpha1.ConditionReady, Action: "Push", OnlyFalse: true}
	if mpi != nil {
		announcement.About = mpi
	}
	announcement.Announce(recorder, record, before.Status.Conditions, record.Status.Conditions, nil)
	return nil
}
