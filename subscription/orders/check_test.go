package orders_test

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"pgregory.net/rapid"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/marketplace"
	"github.com/stallkeeper/stallkeeper/subscription"
	"github.com/stallkeeper/stallkeeper/subscription/orders"
)

// A buyer who is told yes pays; the order that follows must then be of a plan that is known, and of the plan whose limits the
// check has looked at.
func TestACheckAndItsOrderMeanTheSamePlan(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		code := func(label string) string { return rapid.SampledFrom([]string{"", "a", "b", "c"}).Draw(t, label) }
		product := v1alpha1.MarketplaceProduct{ObjectMeta: metav1.ObjectMeta{Name: "shop"}}
		product.Spec.Plans = []v1alpha1.Plan{{Name: "small"}, {Name: "large"}}
		for range rapid.IntRange(0, 4).Draw(t, "listings") {
			listing := v1alpha1.Listing{Marketplace: rapid.SampledFrom([]string{"koogallery", "another"}).Draw(t, "marketplace")}
			if sku := code("listed SKU"); sku != "" {
				listing.SKUs = []string{sku}
			}
			if id := code("listed product"); id != "" {
				listing.ProductIDs = []string{id}
			}
			plan := &product.Spec.Plans[rapid.IntRange(0, 1).Draw(t, "plan")]
			plan.Listings = append(plan.Listings, listing)
		}
		sku, productID := rapid.SampledFrom([]string{"a", "b", "d"}).Draw(t, "SKU"), code("product")
		item := v1alpha1.SoldItem{SKU: sku, ProductID: productID}
		match, problem := orders.Find([]v1alpha1.MarketplaceProduct{product}, "koogallery", []v1alpha1.SoldItem{item})

		// Only the plan that the order means can take the quantity.
		instance := &v1alpha1.MarketplaceInstance{Spec: v1alpha1.MarketplaceInstanceSpec{
			Subscription: &v1alpha1.Subscription{Marketplace: "koogallery", Plan: "small"},
		}}
		for _, plan := range []string{"small", "large"} {
			if problem == nil && plan != match.Plan {
				instance.Status.PlanLimits = append(instance.Status.PlanLimits, v1alpha1.PlanLimit{Plan: plan, MinimumQuantity: 9, Claim: "data"})
			}
		}
		event := marketplace.Event{Kind: marketplace.Check, SKUCode: sku, ProductID: productID, Quantity: ptr.To(int32(1))}
		err := subscription.Changeable(instance, &product, event)
		if unknown := problem != nil && problem.Reason == v1alpha1.ReasonUnknownSKU; unknown != (err != nil) {
			t.Fatalf("the check says %v, the order %v (%+v)", err, problem, match)
		}
	})
}
