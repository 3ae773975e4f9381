package usage

import (
	"context"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/queue"
	"github.com/stallkeeper/stallkeeper/controllers/report"
	"github.com/stallkeeper/stallkeeper/controllers/usage/metering"
	"github.com/stallkeeper/stallkeeper/marketplace"
)

// duePush is one record on its way.
type duePush struct {
	object   *v1alpha1.UsageRecord
	instance *v1alpha1.MarketplaceInstance
	record   marketplace.UsageRecord
	old      bool
	// first is true if the marketplace can't have been told of it before this push.
	first bool
	// packageName is the package that it is deducted from, where that is an instance of its own; empty otherwise.
	packageName string
	// sold is that package's instance as the cache shows it; nil without one.
	sold *v1alpha1.MarketplaceInstance
	// kept is why it is not pushed; nil when it is.
	kept *saying
}

// collected is everything that is on its way to one marketplace.
type collected struct {
	due, kept []duePush
	// next is when the next record becomes due whose interval is not over.
	next time.Time
}

// refuse notes records that name no instance which could have used something.
func (c *collected) refuse(records []*v1alpha1.UsageRecord, format string, args ...any) {
	for _, record := range records {
		said := saying{v1alpha1.UsageRefused, report.False(v1alpha1.ReasonUnknownInstance, fmt.Sprintf(format, args...))}
		c.kept = append(c.kept, duePush{object: record, kept: &said})
	}
}

// collect finds the records that are due. It reads caches only.
func (r *PushReconciler) collect(ctx context.Context, mp *v1alpha1.Marketplace, now time.Time) (collected, error) {
	open := &v1alpha1.UsageRecordList{}
	if err := r.List(ctx, open, client.InNamespace(mp.Namespace), client.MatchingFields{recordPushField: recordIsOpen}); err != nil {
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
			found.refuse(records, "There is no MarketplaceInstance %q that is billed by usage: correct spec.instanceRef in a new record", name)
			continue
		case linked(mpi):
			found.refuse(records, "MarketplaceInstance %q is a package that %q uses: name the latter in spec.instanceRef of a new record", name,
				mpi.Spec.Subscription.PackageConsumerRef.Name)
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
	told, err := toldOf(ctx, r.Client, l.twins)
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
			object := objects[judged.Name]
			push := duePush{
				object: object, instance: mpi, record: pushRecord(mpi, m, judged),
				// By the old interface it would be charged a second time if the marketplace knows it by its id.
				old:         m.spec.pushOf(object) == v1alpha1.MeterPushSingle && object.Spec.Delivery.ToldTime.IsZero(),
				packageName: m.account.Deducted[judged.Name],
			}
			push.sold = l.packages[push.packageName]
			if sold := push.sold; sold != nil && m.suspends(push.packageName) {
				push.record.PackageInstanceID = sold.Spec.Subscription.InstanceID
			}
			switch conflict := conflictOf(push, told); {
			case conflict != nil:
				push.kept = conflict
			case l.unclear != nil && !saidToDiffer(object):
				push.kept = &saying{v1alpha1.UsagePending, report.False(l.unclear.Reason, l.unclear.Message)}
			}
			if push.kept != nil {
				found.kept = append(found.kept, push)
			} else if l.unclear == nil {
				found.due = append(found.due, push)
			}
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
	if isPackage(mpi) && m.spec.pack.WhenUsedUp == v1alpha1.UsedUpSuspend {
		record.PackageInstanceID = sub.InstanceID
	}
	return record
}

// suspends says whether a package that is an instance of its own stops the tenant when it is used up.
func (m meterAccount) suspends(packageName string) bool {
	return slices.ContainsFunc(m.account.Packages, func(d metering.Deduction) bool { return d.Name == packageName && d.Suspends })
}
