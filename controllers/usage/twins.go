package usage

import (
	"cmp"
	"context"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/report"
)

// twinsOf are the other instances that the marketplace knows by the same id.
func twinsOf(ctx context.Context, reader client.Reader, mpi *v1alpha1.MarketplaceInstance) ([]v1alpha1.MarketplaceInstance, error) {
	list := &v1alpha1.MarketplaceInstanceList{}
	err := reader.List(ctx, list, client.InNamespace(mpi.Namespace), client.UnsafeDisableDeepCopy,
		client.MatchingFields{instanceIDField: mpi.Spec.Subscription.InstanceID})
	if err != nil {
		return nil, fmt.Errorf("looking for another instance with the same id: %w", err)
	}
	var twins []v1alpha1.MarketplaceInstance
	for i := range list.Items {
		twin := &list.Items[i]
		if twin.UID != mpi.UID && metered(twin) && twin.Spec.Subscription.Marketplace == mpi.Spec.Subscription.Marketplace {
			twins = append(twins, *twin)
		}
	}
	return twins, nil
}

// duplicate says that an instance's usage is not pushed because that of a twin is; nil where the instance comes first itself. First is
// one that is not released, then the one that was made first.
func duplicate(mpi *v1alpha1.MarketplaceInstance, twins []v1alpha1.MarketplaceInstance) *report.Verdict {
	first := mpi
	for i := range twins {
		if before(&twins[i], first) {
			first = &twins[i]
		}
	}
	if first == mpi {
		return nil
	}
	return report.Problem(v1alpha1.ReasonInstanceDuplicate, fmt.Sprintf("MarketplaceInstance %q has the same spec.subscription.instanceID, and the"+
		" marketplace receives the other's usage: this instance's usage is not pushed. Delete the instance that was not sold", first.Name))
}

func before(a, b *v1alpha1.MarketplaceInstance) bool {
	if released(a) != released(b) {
		return released(b)
	}
	return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Name, b.Name)) < 0
}

func released(mpi *v1alpha1.MarketplaceInstance) bool {
	return mpi.Spec.Subscription.Entitlement.State == v1alpha1.EntitlementReleased
}

// toldOf are the records of an instance's twins of which the marketplace may know the amount, of whichever
// meter: it takes one amount for an id and an interval.
func toldOf(ctx context.Context, reader client.Reader, twins []v1alpha1.MarketplaceInstance) ([]*v1alpha1.UsageRecord, error) {
	var told []*v1alpha1.UsageRecord
	for i := range twins {
		list := &v1alpha1.UsageRecordList{}
		if err := reader.List(ctx, list, client.InNamespace(twins[i].Namespace), client.MatchingFields{recordInstanceField: twins[i].Name},
			client.UnsafeDisableDeepCopy); err != nil {
			return nil, fmt.Errorf("listing the usage records of another instance with the same id: %w", err)
		}
		for k := range list.Items {
			if record := &list.Items[k]; mayBeKnown(record.Spec.Delivery) || standsForTold(record.Spec) {
				told = append(told, record)
			}
		}
	}
	return told, nil
}

// mayBeKnown says whether the marketplace may have an amount.
func mayBeKnown(delivery v1alpha1.UsageDelivery) bool {
	if delivery.WithdrawnTime.IsZero() {
		return !delivery.ToldTime.IsZero() || !delivery.AttemptTime.IsZero() || !delivery.PushTime.IsZero()
	}
	return !delivery.PushTime.IsZero()
}

// standsForTold says whether a record is a checkpoint of such records. They are removed while usage of their time can be charged still, if
// the retention is shorter than that.
func standsForTold(spec v1alpha1.UsageRecordSpec) bool {
	return spec.Push != v1alpha1.MeterPushNone && amountOf(spec.Checkpoint.Total, 0) > 0
}

// conflictOf says that a record must not be pushed because the marketplace may have been told of its time by a twin's; nil where it was not.
// The same amount of the same interval goes by the same number, and is no second one.
func conflictOf(push duePush, told []*v1alpha1.UsageRecord) *saying {
	mine := push.object.Spec
	for _, other := range told {
		theirs := other.Spec
		same := mine.Meter == theirs.Meter && mine.StartTime.Equal(&theirs.StartTime) && mine.EndTime.Equal(&theirs.EndTime) && mine.Value == theirs.Value
		apart := !mine.StartTime.Before(&theirs.EndTime) || !theirs.StartTime.Before(&mine.EndTime)
		if apart || same && !push.old && theirs.Delivery.AttemptTime.IsZero() {
			continue
		}
		said := differsSaying(cmp.Or(theirs.Checkpoint.Total, theirs.Value),
			fmt.Sprintf("by UsageRecord %q of MarketplaceInstance %q", other.Name, theirs.InstanceRef.Name))
		return &said
	}
	return nil
}
