package sale

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/subscription/orders"
)

// Store writes the subscription, and the product where none stands yet. The write fails if anybody has changed the
// spec since the object was read, because the webhook server may have stored another call. A change of the status alone, which
// the instance's own reconciler may make at any time, is no reason to ask the marketplace again.
func Store(ctx context.Context, c client.Client, live client.Reader, mpi *v1alpha1.MarketplaceInstance, result orders.Result,
) error {
	const attempts = 4
	before := mpi.DeepCopy()
	for attempt := 1; ; attempt++ {
		after := before.DeepCopy()
		after.Spec.Subscription = result.Subscription
		if after.Spec.ProductRef.Name == "" {
			after.Spec.ProductRef.Name = result.Product
		}
		err := c.Patch(ctx, after, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
		if err == nil {
			*mpi = *after
			return nil
		}
		err = fmt.Errorf("storing what was sold: %w", err)
		if !apierrors.IsConflict(err) || attempt == attempts {
			return err
		}
		latest := &v1alpha1.MarketplaceInstance{}
		if getErr := live.Get(ctx, client.ObjectKeyFromObject(mpi), latest); getErr != nil ||
			latest.UID != mpi.UID || latest.Generation != mpi.Generation {
			return err
		}
		before.ResourceVersion = latest.ResourceVersion
	}
}
