package webhook

import (
	"context"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/marketplace"
	"github.com/stallkeeper/stallkeeper/subscription"
)

// complete stores what a purchase says beyond that it was made: the order that it brings, and when the buyer accepted. The
// instance is there already, made by this delivery or by an earlier one that may have failed half-way.
func (r *recorder) complete(ctx context.Context, of *v1alpha1.Marketplace, event marketplace.Event,
	instance *v1alpha1.MarketplaceInstance,
) (*v1alpha1.MarketplaceInstance, error) {
	if err := r.keepOrder(ctx, instance, event); err != nil {
		return nil, err
	}
	merged, err := subscription.Merge(instance.Spec.Subscription, event, r.clock.Now())
	if err != nil || equality.Semantic.DeepEqual(merged, instance.Spec.Subscription) {
		return instance, err
	}
	event.InstanceID = instance.Spec.Subscription.InstanceID
	return r.merge(ctx, of, event)
}

// keepOrder keeps the order that a call brought, as long as the instance waits for it. Once it was applied, a Secret that is
// missing was deleted by a person, perhaps for the buyer's sake, and stays so.
func (r *recorder) keepOrder(ctx context.Context, instance *v1alpha1.MarketplaceInstance, event marketplace.Event) error {
	if event.Order == nil {
		return nil
	}
	waiting := slices.IndexFunc(instance.Spec.Subscription.Calls, func(call v1alpha1.Call) bool {
		return call.Pending != "" && subscription.IsSameCall(call, event)
	})
	switch {
	case waiting < 0:
		return nil
	case instance.Spec.Subscription.Calls[waiting].Source != v1alpha1.OrderFromCall:
		// The API server has dropped a field that it does not know: nobody would look for the order where it is.
		return errOldKinds
	}
	order, err := marketplace.EncodeOrder(*event.Order)
	if err != nil {
		return fmt.Errorf("%w: %w", marketplace.ErrMalformed, err)
	}
	return r.keepOf(ctx, instance, content{
		kind: v1alpha1.CallOrder, call: instance.Spec.Subscription.Calls[waiting].Key(),
		data: map[string][]byte{v1alpha1.CallOrderKey: order, v1alpha1.CallRawKey: event.Order.Raw},
	})
}
