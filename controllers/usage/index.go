package usage

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/usage/metering"
)

// Fields by which usage records, and the packages that an instance uses, are found in the cache; the first one also at the API
// server.
const (
	recordInstanceField  = "spec.instanceRef.name"
	recordPushField      = "push"
	instanceIDField      = "spec.subscription.instanceID"
	packageConsumerField = "spec.subscription.packageConsumerRef.name"
	// recordIsOpen is the value of recordPushField of a record that the marketplace has not accepted and that has something to push;
	// recordIsWithdrawn that of one which was withdrawn.
	recordIsOpen      = "open"
	recordIsWithdrawn = "withdrawn"
)

// SetupIndexes makes the cache find usage records by their instance and those that are not pushed, and packages by the instance
// that uses them. The reconcilers need it.
func SetupIndexes(ctx context.Context, indexer client.FieldIndexer) error {
	if err := errors.Join(
		indexer.IndexField(ctx, &v1alpha1.UsageRecord{}, recordInstanceField, recordInstance),
		indexer.IndexField(ctx, &v1alpha1.UsageRecord{}, recordPushField, recordPush),
		indexer.IndexField(ctx, &v1alpha1.MarketplaceInstance{}, packageConsumerField, packageUserOf),
		indexer.IndexField(ctx, &v1alpha1.MarketplaceInstance{}, instanceIDField, instanceIDOf),
	); err != nil {
		return fmt.Errorf("indexing the usage records and packages: %w", err)
	}
	return nil
}

// packageUserOf is the name of the instance that uses a package.
func packageUserOf(object client.Object) []string {
	mpi, ok := object.(*v1alpha1.MarketplaceInstance)
	if !ok || !linked(mpi) {
		return nil
	}
	return []string{mpi.Spec.Subscription.PackageConsumerRef.Name}
}

// instanceIDOf is the marketplace's id of a sale that is billed by usage.
func instanceIDOf(object client.Object) []string {
	mpi, ok := object.(*v1alpha1.MarketplaceInstance)
	if !ok || !metered(mpi) {
		return nil
	}
	return []string{mpi.Spec.Subscription.InstanceID}
}

func recordInstance(object client.Object) []string {
	record, ok := object.(*v1alpha1.UsageRecord)
	if !ok {
		return nil
	}
	return []string{record.Spec.InstanceRef.Name}
}

func recordPush(object client.Object) []string {
	record, ok := object.(*v1alpha1.UsageRecord)
	switch {
	case !ok || !record.Spec.Delivery.PushTime.IsZero() || record.Spec.Checkpoint.Total != "" || amountOf(record.Spec.Value, metering.One) == 0:
		return nil
	case !record.Spec.Delivery.WithdrawnTime.IsZero():
		return []string{recordIsWithdrawn}
	}
	return []string{recordIsOpen}
}

func isOpen(record client.Object) bool { return slices.Contains(recordPush(record), recordIsOpen) }
