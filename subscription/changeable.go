package subscription

import (
	"fmt"

	"k8s.io/utils/ptr"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/marketplace"
)

// Changeable says whether an instance may become what a Check asks for. product is nil when it is not known. It is pure. The
// error wraps marketplace.ErrConflict and its text is for the buyer and the seller: no answer but yes lets the buyer renew with
// the change, so what is not known to be impossible is allowed.
//
// Refused are what the instance's product does not list, a quantity below spec.quantityInUse, and what would make a volume
// claim smaller, by status.planLimits. A person's overrides go over what is sold, also here.
func Changeable(instance *v1alpha1.MarketplaceInstance, product *v1alpha1.MarketplaceProduct, event marketplace.Event) error {
	plan, err := targetPlan(instance, product, event)
	if err != nil {
		return err
	}
	quantity, ok := targetQuantity(instance, event)
	if !ok {
		return nil
	}
	if minimum := ptr.Deref(instance.Spec.QuantityInUse, 0); quantity < minimum {
		return refused("the quantity %d is below the %d in use", quantity, minimum)
	}
	for _, limit := range instance.Status.PlanLimits {
		if limit.Plan == plan && quantity < limit.MinimumQuantity {
			return refused("plan %s with quantity %d would shrink the volume %s below what its data may need; the minimum is %d",
				plan, quantity, limit.Claim, limit.MinimumQuantity)
		}
	}
	return nil
}

// targetPlan is the plan that would run; empty when nobody can tell.
func targetPlan(instance *v1alpha1.MarketplaceInstance, product *v1alpha1.MarketplaceProduct, event marketplace.Event) (string, error) {
	switch {
	case instance.Spec.Plan != "":
		return instance.Spec.Plan, nil
	case event.SKUCode == "" && event.ProductID == "":
		return instance.Spec.Subscription.Plan, nil
	case product == nil:
		return "", nil
	}
	item := v1alpha1.SoldItem{SKU: event.SKUCode, ProductID: event.ProductID}
	plans := FindPlans([]v1alpha1.MarketplaceProduct{*product}, instance.Spec.Subscription.Marketplace, []v1alpha1.SoldItem{item})
	if len(plans) > 0 {
		// Of several, which are the seller's mistake, the first listed: it is not known that the change is impossible.
		return plans[0].Plan, nil
	}
	return "", refused("SKU %q, product ID %q does not belong to this instance's product", event.SKUCode, event.ProductID)
}

// targetQuantity is the quantity that would run; false when nobody can tell, because it is not certain that the call has it.
func targetQuantity(instance *v1alpha1.MarketplaceInstance, event marketplace.Event) (int32, bool) {
	switch {
	case instance.Spec.Quantity != nil:
		return *instance.Spec.Quantity, true
	case event.Quantity != nil:
		return *event.Quantity, true
	}
	// A sale without a quantity is one of it.
	return 1, instance.Spec.Subscription.Quantity == nil
}

func refused(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{marketplace.ErrConflict}, args...)...)
}
