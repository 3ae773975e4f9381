package webhook

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/marketplace"
	"github.com/stallkeeper/stallkeeper/subscription"
)

// licenseKinds are the kinds of events that a key for licenses may make, about sales that are licenses.
var licenseKinds = map[marketplace.Kind]bool{
	marketplace.Purchase: true, marketplace.Renew: true, marketplace.Change: true, marketplace.Suspend: true, marketplace.Resume: true,
	marketplace.Release: true, marketplace.RequestLicense: true,
}

// checkLicense refuses an event about a sale that is no license, as if there were no such sale, if a key for licenses has made it: that key
// would else release every tenant. A sale that nobody has marked is one if its product says so.
func (r *recorder) checkLicense(ctx context.Context, event marketplace.Event, instance *v1alpha1.MarketplaceInstance) error {
	if !event.LicensesOnly || subscription.IsLicense(instance.Spec.Subscription) {
		return nil
	}
	policy, err := r.licensePolicy(ctx, instance)
	if err == nil && policy.ProductLicense == (v1alpha1.ProductLicense{}) {
		err = fmt.Errorf("%w: if MarketplaceInstance %s is one, set spec.license of its product and restart the call", errNoLicense, instance.Name)
	}
	return err
}

// changeCode stores an event about a license code. The code is the instance's id; an instance that is no license code's is
// unknown, whatever its id.
func (r *recorder) changeCode(ctx context.Context, of *v1alpha1.Marketplace, event marketplace.Event) error {
	event.InstanceID = event.License
	instance, err := r.find(ctx, of, event.InstanceID)
	switch {
	case err != nil:
		return err
	case instance.Spec.Subscription.License.Type != v1alpha1.LicenseTypeCode:
		return fmt.Errorf("%w: the instance is not a license code", marketplace.ErrUnknownInstance)
	}
	_, err = r.merge(ctx, of, event)
	return err
}

// requestLicense stores a request for a license, or finds it and says whether the license was delivered.
func (r *recorder) requestLicense(ctx context.Context, of *v1alpha1.Marketplace, event marketplace.Event) marketplace.Outcome {
	outcome := marketplace.Outcome{Instance: marketplace.Instance{ID: event.InstanceID}}
	instance, err := r.find(ctx, of, event.InstanceID)
	for err == nil {
		if err = r.checkLicense(ctx, event, instance.MarketplaceInstance); err != nil {
			break
		}
		var policy subscription.LicensePolicy
		if policy, err = r.licensePolicy(ctx, instance.MarketplaceInstance); err != nil {
			break
		}
		sub := instance.Spec.Subscription
		merged, refused := subscription.MergeLicenseRequest(sub, *event.LicenseRequest, policy, r.clock.Now())
		if refused == nil {
			// Such a sale is asked for by nothing else.
			merged = subscription.Acknowledged(merged, event)
		}
		unchanged := refused == nil && equality.Semantic.DeepEqual(merged, sub)
		switch {
		case instance.live && (unchanged || refused != nil):
			outcome.Instance.State, outcome.Err = deliveryOf(sub, *event.LicenseRequest), refused
			return outcome
		case !unchanged && refused == nil:
			if _, err = r.patch(ctx, instance.MarketplaceInstance, merged); err == nil {
				outcome.Instance.State = marketplace.StateInProgress
				return outcome
			}
			if !apierrors.IsConflict(err) && !apierrors.IsNotFound(err) {
				outcome.Err = unavailable("patching MarketplaceInstance "+instance.Name, err)
				return outcome
			}
		}
		instance, err = r.findLive(ctx, of, event.InstanceID)
	}
	outcome.Err = err
	return outcome
}

// deliveryOf says how far the license of a request is.
func deliveryOf(sub *v1alpha1.Subscription, request marketplace.LicenseRequest) marketplace.State {
	if known := subscription.FindLicenseRequest(sub, request); known != nil && !known.DeliveryTime.IsZero() {
		return marketplace.StateReady
	}
	return marketplace.StateInProgress
}

// licensePolicy is what the sale's product and a person say about licenses; the product says nothing as long as it is not known
// what was sold. It is read live: such requests are rare.
func (r *recorder) licensePolicy(ctx context.Context, instance *v1alpha1.MarketplaceInstance) (subscription.LicensePolicy, error) {
	policy := subscription.LicensePolicy{Quantity: instance.Spec.Quantity}
	name := instance.Spec.ProductRef.Name
	if name == "" {
		return policy, nil
	}
	product := &v1alpha1.MarketplaceProduct{}
	err := r.live.Get(ctx, client.ObjectKey{Namespace: instance.Namespace, Name: name}, product)
	switch {
	case apierrors.IsNotFound(err):
		return policy, nil
	case err != nil:
		return policy, unavailable("reading MarketplaceProduct "+name, err)
	}
	policy.ProductLicense = product.Spec.License
	return policy, nil
}
