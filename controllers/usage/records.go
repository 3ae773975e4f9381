package usage

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/events"
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
		errs = append(errs, r.adopt(ctx, mpi, &k.records[i]))
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
		if said, ok := strayVerdict(&k.strays[i], k.Effective.Plan); ok {
			errs = append(errs, sayOfRecord(ctx, r.Client, r.Recorder, mpi, &k.strays[i], said, now))
		}
	}
	return errors.Join(errs...)
}

// adopt makes a record go with its instance.
func (r *Reconciler) adopt(ctx context.Context, mpi *v1alpha1.MarketplaceInstance, record *v1alpha1.UsageRecord) error {
	for _, owner := range record.OwnerReferences {
		if owner.UID == mpi.UID {
			return nil
		}
	}
	after := record.DeepCopy()
	after.OwnerReferences = append(after.OwnerReferences, sale.OwnerOf(mpi))
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
			BeginsAt: report.Time(c.Begins), EndsAt: report.Time(c.Ends), Value: metering.Amount(0).String(),
			Checkpoint: v1alpha1.UsageCheckpoint{
				Total: c.Checkpoint.Total.String(), PackageBeginsAt: report.Time(c.Checkpoint.PackageBegins),
				PackageUsed: c.Checkpoint.PackageUsed.String(),
			},
		}
		for _, p := range c.Checkpoint.Packages {
			spec.Checkpoint.Packages = append(spec.Checkpoint.Packages,
				v1alpha1.PackageCheckpoint{Name: p.Name, BeginsAt: report.Time(p.Begins), Used: p.Used.String()})
		}
		if c.Stopped {
			spec.Tenant = v1alpha1.TenantStopped
		}
		if _, err := r.create(ctx, mpi, m.spec.Name, c.Name, spec); err != nil && !apierrors.IsAlreadyExists(err) {
			return err
		}
	}
	for _, name := range settlement.Remove {
		record := byName[name]
		if record == nil {
			continue
		}
		// What somebody has written since, such as the end of an uncertain push, is not removed unseen.
		err := r.Delete(ctx, record, client.Preconditions{UID: &record.UID, ResourceVersion: &record.ResourceVersion})
		if client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("removing UsageRecord %s: %w", name, err)
		}
	}
	return nil
}

// saying is what a record's status says. Without a reason it has no condition.
type saying struct {
	state v1alpha1.UsageRecordState
	report.Verdict
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
		return saying{v1alpha1.UsagePending, report.Unknown(v1alpha1.ReasonNotOver, "It is pushed when its interval is over")}, true
	case metering.Uncertain:
		return saying{v1alpha1.UsageUncertain, report.False(v1alpha1.ReasonAnswerLost, "The push was begun and its answer was lost, and the old"+
			" interface can't tell a repeat: look at the marketplace's console, and set spec.delivery.pushedAt if it shows this usage, or remove"+
			" spec.delivery if it does not")}, true
	case metering.Kept:
		return saying{state: v1alpha1.UsageKept}, true
	case metering.Base:
		return saying{state: v1alpha1.UsageBase}, true
	case metering.Unused:
		if j.Lost {
			return refused(v1alpha1.ReasonUsageLost, "Nobody knows what was used: the source did not answer before it was too late. If you"+
				" know, settle it with the marketplace's support")
		}
		return saying{state: v1alpha1.UsageUnused}, true
	case metering.TooOld:
		return refused(v1alpha1.ReasonTooOld, "The interval began more than %d days ago, which the marketplace does not accept: settle this"+
			" usage with its support", int(m.account.Sale.MaxAge.Hours()/24))
	case metering.Overlaps:
		return refused(v1alpha1.ReasonOverlaps, "Another record of meter %q stands for a part of the same time: correct beginsAt and endsAt"+
			" in a new record", m.spec.Name)
	case metering.BeforeSale:
		return refused(v1alpha1.ReasonBeforeSale, "The sale began at %s: let beginsAt be no earlier", report.Stamp(m.account.Sale.Begins))
	case metering.Closed:
		return refused(v1alpha1.ReasonBeforeCheckpoint, "The time before the latest checkpoint is settled: let beginsAt be later, or"+
			" settle it with the marketplace's support")
	case metering.Foreign:
		return refused(v1alpha1.ReasonMeterHasSource, "Meter %q is read by the controller: write records for meters with source Records"+
			" only", m.spec.Name)
	}
	return saying{}, false
}

func pushedSaying() saying {
	return saying{v1alpha1.UsagePushed, report.True(v1alpha1.ReasonPushed, "The marketplace has accepted it")}
}

// strayVerdict words what a record of an unknown meter counts for.
func strayVerdict(record *v1alpha1.UsageRecord, plan string) (saying, bool) {
	switch fact := recordFact(record); {
	case fact.Pushed:
		return pushedSaying(), true
	case fact.Checkpoint != nil, fact.Value == 0:
		return saying{}, false
	}
	return saying{v1alpha1.UsageRefused, report.False(v1alpha1.ReasonUnknownMeter, fmt.Sprintf(
		"Plan %q has no meter %q: add it to the plan, or correct the name in a new record", plan, record.Spec.Meter))}, true
}

// sayOfRecord writes a record's status, if it changed, and makes an event of a refusal. mpi is nil where there is no such instance.
func sayOfRecord(ctx context.Context, c client.Client, recorder events.EventRecorder, mpi *v1alpha1.MarketplaceInstance,
	record *v1alpha1.UsageRecord, said saying, now time.Time,
) error {
	before := record.DeepCopy()
	record.Status.State = said.state
	pushed := said.Verdict
	// A state that needs no explanation has no condition.
	pushed.Absent = pushed.Status == ""
	report.Set(&record.Status.Conditions, v1alpha1.ConditionPushed, pushed, record.Generation, now)
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
	announcement := report.Announcement{Condition: v1alpha1.ConditionPushed, Action: "Push", OnlyFalse: true}
	if mpi != nil {
		announcement.About = mpi
	}
	announcement.Announce(recorder, record, before.Status.Conditions, record.Status.Conditions, nil)
	return nil
}
