package orders

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

// Problem is why an order can't be applied. It stays until somebody acts.
type Problem struct {
	// Reason is one of the reasons of the condition OrderResolved.
	Reason string
	// Message says what is the matter and what to do.
	Message string
}

// Error makes a Problem usable as an error.
func (p *Problem) Error() string { return p.Message }

// Match is what sold items mean.
type Match struct {
	// Product and Plan are the names of a MarketplaceProduct and of one of its plans.
	Product, Plan string
	// PlanRank is the plan's position in the product; a higher one is a larger plan. -1 when the product has no such plan.
	PlanRank int
	// Quantity is the quantity of the item that meant the plan; nil when it has none.
	Quantity *int32
	// PendingChange is what the product says about smaller plans and quantities.
	PendingChange v1alpha1.PendingChangePolicy
}

// Find says which product and plan the items of one order line mean. SKU codes are looked up first, product ids only if no
// SKU code is listed. Several items may mean the same plan; items that no listing names are passed over as long as another
// one is listed.
func Find(products []v1alpha1.MarketplaceProduct, marketplaceName string, items []v1alpha1.SoldItem) (Match, *Problem) {
	bySKU := func(l v1alpha1.Listing, i v1alpha1.SoldItem) bool {
		return i.SKUCode != "" && slices.Contains(l.SKUCodes, i.SKUCode)
	}
	byProduct := func(l v1alpha1.Listing, i v1alpha1.SoldItem) bool {
		return i.ProductID != "" && slices.Contains(l.ProductIDs, i.ProductID)
	}
	for _, listed := range []func(v1alpha1.Listing, v1alpha1.SoldItem) bool{bySKU, byProduct} {
		matches := findBy(products, marketplaceName, items, listed)
		if len(matches) == 1 {
			return matches[0], nil
		}
		if len(matches) > 1 {
			return Match{}, ambiguous(matches, items)
		}
	}
	return Match{}, &Problem{Reason: v1alpha1.ReasonUnknownSKU, Message: fmt.Sprintf(
		"No MarketplaceProduct in this namespace lists %s for Marketplace %q: add the SKU code or product id to spec.listings"+
			" of the product that was sold, or set productRef and plan in this instance's spec", describe(items), marketplaceName)}
}

func findBy(products []v1alpha1.MarketplaceProduct, marketplaceName string, items []v1alpha1.SoldItem,
	listed func(v1alpha1.Listing, v1alpha1.SoldItem) bool,
) []Match {
	var matches []Match
	for i := range products {
		for _, item := range items {
			for _, listing := range products[i].Spec.Listings {
				if listing.Marketplace == marketplaceName && listed(listing, item) {
					matches = addMatch(matches, matchOf(&products[i], listing.Plan, item))
				}
			}
		}
	}
	return matches
}

// addMatch keeps one match for each plan; of the items that mean it, the first with a quantity counts.
func addMatch(matches []Match, found Match) []Match {
	for i, m := range matches {
		if m.Product == found.Product && m.Plan == found.Plan {
			if m.Quantity == nil {
				matches[i].Quantity = found.Quantity
			}
			return matches
		}
	}
	return append(matches, found)
}

func matchOf(product *v1alpha1.MarketplaceProduct, planName string, item v1alpha1.SoldItem) Match {
	return Match{
		Product: product.Name, Plan: planName, Quantity: item.Quantity,
		PlanRank: planRank(product, planName), PendingChange: pendingChangePolicy(product, planName),
	}
}

// planRank is a plan's position in its product; -1 when the product has no such plan.
func planRank(product *v1alpha1.MarketplaceProduct, planName string) int {
	return slices.IndexFunc(product.Spec.Plans, func(p v1alpha1.Plan) bool { return p.Name == planName })
}

// pendingChangePolicy is the plan's word about smaller plans and quantities, or else the product's.
func pendingChangePolicy(product *v1alpha1.MarketplaceProduct, planName string) v1alpha1.PendingChangePolicy {
	if rank := planRank(product, planName); rank >= 0 && product.Spec.Plans[rank].Lifecycle.PendingChange != "" {
		return product.Spec.Plans[rank].Lifecycle.PendingChange
	}
	return product.Spec.Lifecycle.PendingChange
}

func ambiguous(matches []Match, items []v1alpha1.SoldItem) *Problem {
	plans := make([]string, len(matches))
	for i, m := range matches {
		plans[i] = m.Product + "/" + m.Plan
	}
	sort.Strings(plans)
	const most = 8
	if more := len(plans) - most; more > 0 {
		// A condition's message has a bound of its own.
		plans = append(plans[:most], fmt.Sprintf("and %d more", more))
	}
	return &Problem{Reason: v1alpha1.ReasonAmbiguousSKU, Message: fmt.Sprintf(
		"%s is listed by more than one plan (%s): list each SKU code or product id once, or set productRef and plan in this"+
			" instance's spec", describe(items), strings.Join(plans, ", "))}
}

// describe names items as the seller console does. It is bounded, because it goes into a condition.
func describe(items []v1alpha1.SoldItem) string {
	const most = 4
	var names []string
	for i, item := range items {
		if i == most {
			names = append(names, fmt.Sprintf("and %d more", len(items)-most))
			break
		}
		names = append(names, fmt.Sprintf("SKU code %q, product id %q", bounded(item.SKUCode, 64), bounded(item.ProductID, 64)))
	}
	if len(names) == 0 {
		return "the order, which names no product,"
	}
	return strings.Join(names, "; ")
}
