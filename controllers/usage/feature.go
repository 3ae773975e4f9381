package usage

import (
	"context"
	"fmt"
	"slices"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/queue"
	"github.com/stallkeeper/stallkeeper/controllers/report"
	"github.com/stallkeeper/stallkeeper/controllers/sale"
	"github.com/stallkeeper/stallkeeper/controllers/workload"
)

// farewell is how long an instance that is being deleted is kept for usage that is still to be pushed: the marketplace wants it
// within two hours.
const farewell = 2 * time.Hour

// Feature makes a tenant what its usage demands: one whose package is used up stops, a last reading comes before a stop, and
// usage that is not pushed yet keeps an instance for a while. reader is the manager's cache.
func Feature(reader client.Reader) sale.Feature {
	return sale.Feature{
		Extend: func(ctx context.Context, s sale.Sale, now time.Time) (sale.Extension, error) {
			l, err := readLedger(ctx, reader, s.Instance, s.Product, s.Protocol.MaxUsageAge, now, client.UnsafeDisableDeepCopy)
			if err != nil || !l.metered {
				return sale.Extension{}, err
			}
			return l.extension(s), nil
		},
		PlanServices: func(product *v1alpha1.MarketplaceProduct, plan string) []workload.ServicePort {
			return askedServices(metersOf(product, plan))
		},
		PlanTexts: queries,
		Watches: []sale.Watch{
			{
				Object: &v1alpha1.MarketplaceInstance{}, Handler: handler.EnqueueRequestsFromMapFunc(relatedInstances(reader)),
				Options: []builder.WatchesOption{builder.WithPredicates(relationChanged())},
			},
			{Object: &v1alpha1.UsageRecord{}, Handler: handler.EnqueueRequestsFromMapFunc(instanceOfRecord(reader))},
		},
	}
}

// extension is what the usage wants of the tenant.
func (l ledger) extension(s sale.Sale) sale.Extension {
	var meters []planMeter
	for _, m := range l.meters {
		// Of a meter that the plan has lost only the last reading is to come.
		if !m.spec.former || m.account.Unread() {
			meters = append(meters, m.spec)
		}
	}
	e := sale.Extension{Services: askedServices(meters)}
	if l.usedUp(s.Instance) {
		e.Stops = append(e.Stops, sale.Stop{Reason: v1alpha1.ReasonPackageUsedUp, Message: "the usage package is exhausted; a renewal," +
			" a larger quantity, or a larger package in the plan resumes the tenant"})
	}
	if l.unread() {
		e.Unfinished = "a final usage reading"
		e.Losses = append(e.Losses, sale.Loss{Reason: v1alpha1.ReasonUsageLost, Message: "The tenant was removed without a final usage reading"})
	}
	if open := l.open(); open > 0 {
		e.Losses = append(e.Losses, sale.Loss{Reason: v1alpha1.ReasonUsageLost, Message: fmt.Sprintf(
			"%d usage record(s) that the marketplace has not accepted are deleted with the instance", open)})
		if deleted := s.Instance.DeletionTimestamp; !deleted.IsZero() {
			e.KeepUntil = deleted.Add(farewell)
			e.Keeping = []v1alpha1.Blocker{usageBlocker(s.Instance, e.KeepUntil)}
		}
	}
	if linked(s.Instance) {
		e.Hosted = &sale.Hosted{By: l.user, Problem: l.unclear, OwnTenant: report.False(v1alpha1.ReasonPackageConsumerUnclear, fmt.Sprintf(
			"spec.subscription.packageConsumerRef names another instance, but namespace %q contains this package's own tenant, which is left unchanged:"+
				" move its data and delete the namespace, or make another instance", s.Namespace))}
	}
	return e
}

// usageBlocker says that an instance is kept for its usage records, which go with it.
func usageBlocker(mpi *v1alpha1.MarketplaceInstance, until time.Time) v1alpha1.Blocker {
	return v1alpha1.Blocker{
		Object: "MarketplaceInstance/" + mpi.Name, Reason: v1alpha1.ReasonPushPending,
		Message: fmt.Sprintf("deletion would lose usage that the marketplace has not accepted; the instance is kept until %s at the latest", report.Stamp(until)),
		Remedy: "list the records with `kubectl get urec`; delete those that should not be charged, or withdraw those that the marketplace" +
			" may have been told of (docs/usage.md)",
	}
}

// askedServices are the tenant's Services that meters ask.
func askedServices(meters []planMeter) []workload.ServicePort {
	var asked []workload.ServicePort
	for _, m := range meters {
		port := workload.ServicePort{Service: m.HTTP.ServiceRef.Name, Port: m.HTTP.ServiceRef.Port}
		if m.asksTenant() && !slices.Contains(asked, port) {
			asked = append(asked, port)
		}
	}
	return asked
}

// instanceOfRecord finds the instance whose lifecycle a usage record can change: by it a tenant that has to stop has told what it
// used, or a package is used up. Others change nothing for a tenant, and there are many of them.
func instanceOfRecord(reader client.Reader) handler.MapFunc {
	return func(ctx context.Context, object client.Object) []queue.Request {
		record, ok := object.(*v1alpha1.UsageRecord)
		if !ok {
			return nil
		}
		key := client.ObjectKey{Namespace: record.Namespace, Name: record.Spec.InstanceRef.Name}
		mpi := &v1alpha1.MarketplaceInstance{}
		if reader.Get(ctx, key, mpi) != nil || !metered(mpi) {
			return nil
		}
		if record.Spec.TenantActivity == v1alpha1.TenantStopped || !mpi.DeletionTimestamp.IsZero() ||
			(isPackage(mpi) && !record.Spec.Delivery.PushTime.IsZero()) {
			return []queue.Request{{NamespacedName: key}}
		}
		if delivery := record.Spec.Delivery; delivery.PackageRef.Name != "" && !delivery.PushTime.IsZero() {
			return instancesOfRecord(record)
		}
		return nil
	}
}
