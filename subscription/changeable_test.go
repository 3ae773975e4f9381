package subscription_test

import (
	"errors"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/marketplace"
	"github.com/stallkeeper/stallkeeper/subscription"
)

// shop sells the plans small and large.
func shop() *v1alpha1.MarketplaceProduct {
	return &v1alpha1.MarketplaceProduct{
		ObjectMeta: metav1.ObjectMeta{Namespace: "sales", Name: "shop"},
		Spec: v1alpha1.MarketplaceProductSpec{
			Plans: []v1alpha1.Plan{
				{Name: "small", Listings: []v1alpha1.Listing{{Marketplace: "koogallery", SKUs: []string{"sku-small"}}}},
				{Name: "large", Listings: []v1alpha1.Listing{
					{Marketplace: "koogallery", SKUs: []string{"sku-large"}}, {Marketplace: "another", SKUs: []string{"sku-elsewhere"}},
				}},
				{Name: "rest", Listings: []v1alpha1.Listing{{Marketplace: "koogallery", ProductIDs: []string{"p-rest"}}}},
			},
		},
	}
}

// runsFive is five of shop's large plan, whose volume would become smaller with fewer than three of it and with any number up
// to five of the small plan.
func runsFive(changes ...func(*v1alpha1.MarketplaceInstance)) *v1alpha1.MarketplaceInstance {
	mpi := &v1alpha1.MarketplaceInstance{
		ObjectMeta: metav1.ObjectMeta{Namespace: "sales", Name: "i1"},
		Spec: v1alpha1.MarketplaceInstanceSpec{
			ProductRef: v1alpha1.ProductReference{Name: "shop"},
			Subscription: sale(func(sub *v1alpha1.Subscription) {
				sub.Plan, sub.Quantity = "large", ptr.To(int32(5))
			}),
		},
		Status: v1alpha1.MarketplaceInstanceStatus{PlanLimits: []v1alpha1.PlanLimit{
			{Plan: "small", MinimumQuantity: 6, Claim: "PersistentVolumeClaim/data"},
			{Plan: "large", MinimumQuantity: 3, Claim: "PersistentVolumeClaim/data"},
			{Plan: "rest", MinimumQuantity: 2, Claim: "PersistentVolumeClaim/data"},
		}},
	}
	for _, change := range changes {
		change(mpi)
	}
	return mpi
}

func inUse(quantity int32) func(*v1alpha1.MarketplaceInstance) {
	return func(mpi *v1alpha1.MarketplaceInstance) { mpi.Spec.QuantityInUse = &quantity }
}

func checkFor(sku, product string, quantity *int32) marketplace.Event {
	return marketplace.Event{Kind: marketplace.Check, InstanceID: "i1", SKUCode: sku, ProductID: product, Quantity: quantity}
}

func TestChangeable(t *testing.T) {
	runs := func(plan string, quantity *int32) func(*v1alpha1.MarketplaceInstance) {
		return func(mpi *v1alpha1.MarketplaceInstance) { mpi.Spec.Plan, mpi.Spec.Quantity = plan, quantity }
	}
	noLimits := func(mpi *v1alpha1.MarketplaceInstance) { mpi.Status = v1alpha1.MarketplaceInstanceStatus{} }
	uncounted := func(mpi *v1alpha1.MarketplaceInstance) { mpi.Spec.Subscription.Quantity = nil }
	tests := map[string]struct {
		instance *v1alpha1.MarketplaceInstance
		product  *v1alpha1.MarketplaceProduct
		event    marketplace.Event
		refused  string // part of the reason; allowed when empty
	}{
		"more of the same":                        {runsFive(), shop(), checkFor("sku-large", "", ptr.To(int32(9))), ""},
		"less, and nothing is in the way":         {runsFive(), shop(), checkFor("sku-large", "", ptr.To(int32(3))), ""},
		"less than the volume needs":              {runsFive(), shop(), checkFor("sku-large", "", ptr.To(int32(2))), "PersistentVolumeClaim/data"},
		"a smaller plan, whose volume is smaller": {runsFive(), shop(), checkFor("sku-small", "", ptr.To(int32(5))), "the minimum is 6"},
		"a smaller plan of which nothing is known at this quantity": {
			runsFive(), shop(), checkFor("sku-small", "", ptr.To(int32(6))), "",
		},
		"before anything is known of the volumes": {runsFive(noLimits), shop(), checkFor("sku-small", "", ptr.To(int32(1))), ""},
		"less than is in use":                     {runsFive(inUse(4)), shop(), checkFor("sku-large", "", ptr.To(int32(3))), "below the 4 in use"},
		"as much as is in use":                    {runsFive(inUse(4)), shop(), checkFor("sku-large", "", ptr.To(int32(4))), ""},
		"less than is in use of a product that is gone": {
			runsFive(inUse(4)), nil, checkFor("sku-large", "", ptr.To(int32(3))), "below the 4 in use",
		},
		"a product id, where no SKU code is listed": {runsFive(), shop(), checkFor("sku-new", "p-rest", ptr.To(int32(1))), "plan rest"},
		"an unknown SKU":                      {runsFive(), shop(), checkFor("sku-other", "p-other", ptr.To(int32(9))), `SKU "sku-other"`},
		"a SKU of another connection":         {runsFive(), shop(), checkFor("sku-elsewhere", "", ptr.To(int32(9))), "sku-elsewhere"},
		"an unknown SKU, the product is gone": {runsFive(), nil, checkFor("sku-other", "", ptr.To(int32(9))), ""},
		"an unknown SKU, a person has chosen the plan": {
			runsFive(runs("large", nil)), shop(), checkFor("sku-other", "", ptr.To(int32(9))), "",
		},
		"less, but a person has chosen the quantity": {
			runsFive(inUse(4), runs("", ptr.To(int32(7)))), shop(), checkFor("sku-large", "", ptr.To(int32(1))), "",
		},
		"a smaller plan, but a person has chosen the larger one": {
			runsFive(runs("large", nil)), shop(), checkFor("sku-small", "", ptr.To(int32(5))), "",
		},
		"nothing is said, as in the printed example": {runsFive(inUse(4)), shop(), checkFor("", "", nil), ""},
		"only a quantity": {runsFive(), shop(), checkFor("", "", ptr.To(int32(2))), "plan large"},
		"a SKU without a quantity, which the sale has": {
			runsFive(inUse(4)), shop(), checkFor("sku-small", "", nil), "",
		},
		"a SKU without a quantity, as the sale": {runsFive(uncounted), shop(), checkFor("sku-small", "", nil), "quantity 1"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			err := subscription.Changeable(tc.instance, tc.product, tc.event)
			switch {
			case tc.refused == "" && err != nil:
				t.Errorf("refused: %v", err)
			case tc.refused != "" && (!errors.Is(err, marketplace.ErrConflict) || !strings.Contains(err.Error(), tc.refused)):
				t.Errorf("got %v, want a refusal that says %q", err, tc.refused)
			}
		})
	}
}
