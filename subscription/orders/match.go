package orders

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/subscription"
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
	// PlanRank is the plan's rank, or its position in a product without ranks; a higher one is a larger plan. -1 when the product has
	// no such plan.
	PlanRank int
	// Quantity is the quantity of the item that meant the plan; nil when it has none.
	Quantity *int32
	// Reductions is when a smaller plan or quantity takes effect; empty when neither the plan nor the product says so.
	Reductions v1alpha1.ReductionPolicy
}

// Find says which product and plan the items of one order line mean, as subscription.FindPlans does. Several items may mean the
// same plan; items that no listing names are passed over as long as another one is listed.
func Find(products []v1alpha1.MarketplaceProduct, marketplaceName string, items []v1alpha1.SoldItem) (Match, *Problem) {
	plans := subscription.FindPlans(products, marketplaceName, items)
	switch len(plans) {
	case 0:
		return Match{}, &Problem{Reason: v1alpha1.ReasonUnknownSKU, Message: fmt.Sprintf(
			"No MarketplaceProduct in this namespace lists %s for Marketplace %q: add the SKU to spec.plans[].listings[].skus"+
				" of the product that was sold, or set productRef and plan in this instance's spec", describe(items), marketplaceName)}
	case 1:
		return matchOf(plans[0]), nil
	}
	return Match{}, ambiguous(plans, items)
}

func matchOf(listed subscription.ListedPlan) Match {
	return Match{
		Product: listed.Product.Name, Plan: listed.Plan, Quantity: listed.Quantity,
		PlanRank: planRank(listed.Product, listed.Plan), Reductions: reductionsOf(listed.Product, listed.Plan),
	}
}

// planOf is a product's plan of that name; nil when it has none.
func planOf(product *v1alpha1.MarketplaceProduct, planName string) *v1alpha1.Plan {
	if i := planIndex(product, planName); i >= 0 {
		return &product.Spec.Plans[i]
	}
	return nil
}

func planIndex(product *v1alpha1.MarketplaceProduct, planName string) int {
	return slices.IndexFunc(product.Spec.Plans, func(p v1alpha1.Plan) bool { return p.Name == planName })
}

// planRank is a plan's rank, or else its position in its product; -1 when the product has no such plan.
func planRank(product *v1alpha1.MarketplaceProduct, planName string) int {
	index := planIndex(product, planName)
	if index >= 0 && product.Spec.Plans[index].Rank != nil {
		return int(*product.Spec.Plans[index].Rank)
	}
	return index
}

// reductionsOf is the plan's word about smaller plans and quantities, or else the product's.
func reductionsOf(product *v1alpha1.MarketplaceProduct, planName string) v1alpha1.ReductionPolicy {
	if plan := planOf(product, planName); plan != nil && plan.Lifecycle.Reductions != "" {
		return plan.Lifecycle.Reductions
	}
	return product.Spec.Lifecycle.Reductions
}

func ambiguous(listed []subscription.ListedPlan, items []v1alpha1.SoldItem) *Problem {
	plans := make([]string, len(listed))
	for i, l := range listed {
		plans[i] = l.Product.Name + "/" + l.Plan
	}
	sort.Strings(plans)
	const most = 8
	if more := len(plans) - most; more > 0 {
		// A condition's message has a bound of its own.
		plans = append(plans[:most], fmt.Sprintf("and %d more", more))
	}
	return &Problem{Reason: v1alpha1.ReasonAmbiguousSKU, Message: fmt.Sprintf(
		"%s is listed by more than one plan (%s): list each SKU and product ID once, or set productRef and plan in this"+
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
		names = append(names, fmt.Sprintf("SKU %q, product ID %q", bounded(item.SKU, 64), bounded(item.ProductID, 64)))
	}
	if len(names) == 0 {
		return "the order, which does not name a product,"
	}
	return strings.Join(names, "; ")
}
