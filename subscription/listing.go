package subscription

import (
	"slices"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

// ListedPlan is a plan that sold items mean.
type ListedPlan struct {
	// Product is one of the products that were given, not a copy.
	Product *v1alpha1.MarketplaceProduct
	// Plan is the name that the listing has. The product may have no such plan.
	Plan string
	// Quantity is that of the first item with one that means the plan; nil when no item has one.
	Quantity *int32
}

// FindPlans says which plans the items of one order line mean at a Marketplace, each plan once, in the order of the products,
// items and listings. SKU codes are looked up first, product ids only if no SKU code is listed. Items that no listing names are
// passed over. The result is empty when nothing is listed; more than one plan is a mistake in the listings.
//
// It is the only look-up from what a marketplace sells to plans: the answer to a check and the order that follows must agree, or a
// buyer pays for a change that can't be applied.
func FindPlans(products []v1alpha1.MarketplaceProduct, marketplaceName string, items []v1alpha1.SoldItem) []ListedPlan {
	for _, listed := range []func(v1alpha1.Listing, v1alpha1.SoldItem) bool{listsSKU, listsProduct} {
		if plans := findPlans(products, marketplaceName, items, listed); len(plans) > 0 {
			return plans
		}
	}
	return nil
}

func listsSKU(l v1alpha1.Listing, item v1alpha1.SoldItem) bool {
	return item.SKUCode != "" && slices.Contains(l.SKUCodes, item.SKUCode)
}

func listsProduct(l v1alpha1.Listing, item v1alpha1.SoldItem) bool {
	return item.ProductID != "" && slices.Contains(l.ProductIDs, item.ProductID)
}

func findPlans(products []v1alpha1.MarketplaceProduct, marketplaceName string, items []v1alpha1.SoldItem,
	listed func(v1alpha1.Listing, v1alpha1.SoldItem) bool,
) []ListedPlan {
	var plans []ListedPlan
	for i := range products {
		for _, item := range items {
			for _, listing := range products[i].Spec.Listings {
				if listing.Marketplace == marketplaceName && listed(listing, item) {
					plans = addPlan(plans, ListedPlan{Product: &products[i], Plan: listing.Plan, Quantity: item.Quantity})
				}
			}
		}
	}
	return plans
}

// addPlan keeps each plan once; of the items that mean it, the first with a quantity counts.
func addPlan(plans []ListedPlan, found ListedPlan) []ListedPlan {
	for i, p := range plans {
		if p.Product.Name == found.Product.Name && p.Plan == found.Plan {
			if p.Quantity == nil {
				plans[i].Quantity = found.Quantity
			}
			return plans
		}
	}
	return append(plans, found)
}
