package webhook

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/marketplace"
	"github.com/stallkeeper/stallkeeper/subscription"
)

// check says whether an instance may be changed as an event asks. Errors wrap ErrConflict, with the reason, when it may not.
func (r *recorder) check(ctx context.Context, of *v1alpha1.Marketplace, event marketplace.Event) error {
	instance, err := r.find(ctx, of, event.InstanceID)
	if err != nil {
		return err
	}
	r.acknowledge(ctx, event, instance)
	if instance.Spec.Subscription.Entitlement.State == v1alpha1.EntitlementReleased {
		return fmt.Errorf("%w: the instance was released", marketplace.ErrUnknownInstance)
	}
	product := &v1alpha1.MarketplaceProduct{}
	key := client.ObjectKey{Namespace: instance.Namespace, Name: instance.Spec.ProductRef.Name}
	switch err := r.client.Get(ctx, key, product); {
	case key.Name == "", apierrors.IsNotFound(err):
		product = nil
	case err != nil:
		return unavailable("reading MarketplaceProduct "+key.Name, err)
	}
	return subscription.Changeable(instance.MarketplaceInstance, product, event)
}
