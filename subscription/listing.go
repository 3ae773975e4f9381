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

// FindPlans finds the plans that a marketplace's items mean, in the order of items and products. A listing that names product ids and
// SKUs means items that fit both; one that names product ids alone means the SKUs of these products that no listing of that
// Marketplace names. The result is empty when nothing is listed; more than one plan is a mistake in the listings.
//
// It is the only look-up from what a marketplace sells to plans: the answer to a check and the order that follows must agree, or a
// buyer pays for a change that can't be applied.
func FindPlans(products []v1alpha1.MarketplaceProduct, marketplaceName string, items []v1alpha1.SoldItem) []ListedPlan {
	listedSKUs := SKUs(products, marketplaceName)
	var plans []ListedPlan
	for i := range products {
		product := &products[i]
		for _, plan := range product.Spec.Plans {
			for _, item := range items {
				if slices.ContainsFunc(plan.Listings, func(l v1alpha1.Listing) bool {
					return l.Marketplace == marketplaceName && Lists(l, item, listedSKUs)
				}) {
					plans = addPlan(plans, ListedPlan{Product: product, Plan: plan.Name, Quantity: item.Quantity})
				}
			}
		}
	}
	return plans
}

// SKUs are those that a Marketplace's listings name.
func SKUs(products []v1alpha1.MarketplaceProduct, marketplaceName string) map[string]bool {
	skus := map[string]bool{}
	for i := range products {
		for _, plan := range products[i].Spec.Plans {
			for _, listing := range plan.Listings {
				if listing.Marketplace != marketplaceName {
					continue
				}
				for _, sku := range listing.SKUs {
					skus[sku] = sku != ""
				}
			}
		}
	}
	return skus
}

// Lists says whether a listing means an item. listedSKUs are those that the Marketplace's listings name.
func Lists(l v1alpha1.Listing, item v1alpha1.SoldItem, listedSKUs map[string]bool) bool {
	product := len(l.ProductIDs) == 0 || slices.Contains(l.ProductIDs, item.ProductID)
	if len(l.SKUs) == 0 {
		return product && len(l.ProductIDs) > 0 && item.ProductID != "" && !listedSKUs[item.SKU]
	}
	return product && item.SKU != "" && slices.Contains(l.SKUs, item.SKU)
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
