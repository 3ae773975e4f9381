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
	released := func(mpi *v1alpha1.MarketplaceInstance) int {
		if mpi.Spec.Subscription.Entitlement.State == v1alpha1.EntitlementReleased {
			return 1
		}
		return 0
	}
	return cmp.Or(released(a)-released(b), a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Name, b.Name)) < 0
}
