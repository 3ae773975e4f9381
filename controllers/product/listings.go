package product

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/report"
	"github.com/stallkeeper/stallkeeper/subscription"
)

// listings says whether each listing of a product leads to one plan.
func (r *Reconciler) listings(ctx context.Context, product *v1alpha1.MarketplaceProduct) (report.Verdict, error) {
	named := map[string]bool{}
	for _, plan := range product.Spec.Plans {
		for _, listing := range plan.Listings {
			named[listing.Marketplace] = true
		}
	}
	if len(named) == 0 {
		return report.Verdict{Absent: true}, nil
	}
	var missing []string
	for _, name := range slices.Sorted(maps.Keys(named)) {
		err := r.Get(ctx, types.NamespacedName{Namespace: product.Namespace, Name: name}, &v1alpha1.Marketplace{})
		if client.IgnoreNotFound(err) != nil {
			return report.Verdict{}, fmt.Errorf("reading Marketplace %s: %w", name, err)
		}
		if err != nil {
			missing = append(missing, fmt.Sprintf("%q", name))
		}
	}
	products := &v1alpha1.MarketplaceProductList{}
	if err := r.List(ctx, products, client.InNamespace(product.Namespace)); err != nil {
		return report.Verdict{}, fmt.Errorf("listing the products: %w", err)
	}
	if twice := ambiguous(product, products.Items); len(twice) > 0 {
		return report.False(v1alpha1.ReasonListingAmbiguous, "A purchase would fail with AmbiguousSKU: "+strings.Join(twice, "; ")+
			". List each in one plan only"), nil
	}
	if len(missing) > 0 {
		return report.False(v1alpha1.ReasonListingMarketplaceNotFound, fmt.Sprintf(
			"the plans' listings name Marketplaces that do not exist in this namespace: %s. Create them, or correct the names",
			strings.Join(missing, ", "))), nil
	}
	return report.True(v1alpha1.ReasonListingsResolved, "Each listing maps to one plan"), nil
}

// maxAmbiguous bounds the listings that a message names.
const maxAmbiguous = 10

// ambiguous describes what a product lists that leads to more than one plan, of this product or of two. Products that are being deleted
// still sell. What is looked up is what a purchase is looked up by.
func ambiguous(product *v1alpha1.MarketplaceProduct, products []v1alpha1.MarketplaceProduct) []string {
	productIDs := idsOf(products)
	seen := map[string]bool{}
	var found []string
	for _, plan := range product.Spec.Plans {
		for _, listing := range plan.Listings {
			for _, item := range itemsOf(listing, productIDs[listing.Marketplace]) {
				plans := subscription.FindPlans(products, listing.Marketplace, []v1alpha1.SoldItem{item})
				text := listing.Marketplace + ": " + describe(item)
				if len(plans) < 2 || seen[text] || len(found) >= maxAmbiguous {
					continue
				}
				seen[text] = true
				var names []string
				for _, one := range plans {
					names = append(names, fmt.Sprintf("%s/%s", one.Product.Name, one.Plan))
				}
				found = append(found, fmt.Sprintf("%s means the plans %s", text, strings.Join(names, " and ")))
			}
		}
	}
	return found
}

// idsOf are the product ids that listings name, by Marketplace.
func idsOf(products []v1alpha1.MarketplaceProduct) map[string][]string {
	ids := map[string][]string{}
	for i := range products {
		for _, plan := range products[i].Spec.Plans {
			for _, listing := range plan.Listings {
				ids[listing.Marketplace] = append(ids[listing.Marketplace], listing.ProductIDs...)
			}
		}
	}
	for name := range ids {
		slices.Sort(ids[name])
		ids[name] = slices.Compact(ids[name])
	}
	return ids
}

// itemsOf are the items that a marketplace could sell by a listing: of SKUs without a product id, those of any known product, and of an
// unknown one.
func itemsOf(listing v1alpha1.Listing, known []string) []v1alpha1.SoldItem {
	ids, skus := listing.ProductIDs, listing.SKUs
	if len(ids) == 0 {
		ids = append([]string{""}, known...)
	}
	if len(skus) == 0 {
		skus = []string{""}
	}
	var items []v1alpha1.SoldItem
	for _, id := range ids {
		for _, sku := range skus {
			items = append(items, v1alpha1.SoldItem{ProductID: id, SKU: sku})
		}
	}
	return items
}

func describe(item v1alpha1.SoldItem) string {
	switch {
	case item.SKU == "":
		return fmt.Sprintf("each SKU of the product id %q that no plan lists", item.ProductID)
	case item.ProductID == "":
		return fmt.Sprintf("SKU %q", item.SKU)
	default:
		return fmt.Sprintf("SKU %q of the product id %q", item.SKU, item.ProductID)
	}
}
