package orders_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/ptr"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/subscription/orders"
)

func TestFind(t *testing.T) {
	immediately := func(p *v1alpha1.MarketplaceProduct) {
		p.Spec.Plans[1].Lifecycle.Reductions = v1alpha1.ReductionImmediately
	}
	tests := map[string]struct {
		products []v1alpha1.MarketplaceProduct
		items    []v1alpha1.SoldItem
		want     orders.Match
	}{
		"a SKU code": {
			products: []v1alpha1.MarketplaceProduct{product("blog"), product("shop")},
			items:    []v1alpha1.SoldItem{item("shop-large", 3)},
			want:     orders.Match{Product: "shop", Plan: "large", PlanRank: 1, Quantity: ptr.To(int32(3))},
		},
		"a plan's rank goes over its position": {
			products: []v1alpha1.MarketplaceProduct{product("shop", ranked(20, 10))},
			items:    []v1alpha1.SoldItem{item("shop-large", 3)},
			want:     orders.Match{Product: "shop", Plan: "large", PlanRank: 10, Quantity: ptr.To(int32(3))},
		},
		"a SKU code wins over the same item's product id": {
			products: []v1alpha1.MarketplaceProduct{product("blog"), product("shop")},
			items:    []v1alpha1.SoldItem{{ProductID: "blog-id", SKU: "shop-large"}},
			want:     orders.Match{Product: "shop", Plan: "large", PlanRank: 1},
		},
		"a SKU code wins over another item's product id": {
			products: []v1alpha1.MarketplaceProduct{product("blog"), product("shop")},
			items:    []v1alpha1.SoldItem{{ProductID: "blog-id"}, {SKU: "shop-small"}},
			want:     orders.Match{Product: "shop", Plan: "small"},
		},
		"items that nobody lists are passed over": {
			products: []v1alpha1.MarketplaceProduct{product("shop")},
			items:    []v1alpha1.SoldItem{{SKU: "support-hours", Quantity: ptr.To(int32(9))}, item("shop-small", 2)},
			want:     orders.Match{Product: "shop", Plan: "small", Quantity: ptr.To(int32(2))},
		},
		"of two items that mean a plan the one with a quantity counts": {
			products: []v1alpha1.MarketplaceProduct{product("shop", lists("koogallery", "small", "shop-base"))},
			items:    []v1alpha1.SoldItem{item("shop-base", -1), item("shop-small", 4)},
			want:     orders.Match{Product: "shop", Plan: "small", Quantity: ptr.To(int32(4))},
		},
		"of two quantities the one that the order names first counts": {
			products: []v1alpha1.MarketplaceProduct{product("shop", lists("koogallery", "small", "shop-base"))},
			items:    []v1alpha1.SoldItem{item("shop-base", 7), item("shop-small", 4)},
			want:     orders.Match{Product: "shop", Plan: "small", Quantity: ptr.To(int32(7))},
		},
		"a quantity of nothing is a quantity": {
			products: []v1alpha1.MarketplaceProduct{product("shop")},
			items:    []v1alpha1.SoldItem{item("shop-small", 0)},
			want:     orders.Match{Product: "shop", Plan: "small", Quantity: ptr.To(int32(0))},
		},
		"the listings of another marketplace do not count": {
			products: []v1alpha1.MarketplaceProduct{product("blog", lists("elsewhere", "large", "shop-small")), product("shop")},
			items:    []v1alpha1.SoldItem{item("shop-small", 1)},
			want:     orders.Match{Product: "shop", Plan: "small", Quantity: ptr.To(int32(1))},
		},
		"two listings of one plan": {
			products: []v1alpha1.MarketplaceProduct{product("shop", lists("koogallery", "small", "shop-small"))},
			items:    []v1alpha1.SoldItem{item("shop-small", 1)},
			want:     orders.Match{Product: "shop", Plan: "small", Quantity: ptr.To(int32(1))},
		},
		"the product's word about smaller plans": {
			products: []v1alpha1.MarketplaceProduct{product("shop", shrinks(v1alpha1.ReductionImmediately))},
			items:    []v1alpha1.SoldItem{item("shop-small", -1)},
			want:     orders.Match{Product: "shop", Plan: "small", Reductions: v1alpha1.ReductionImmediately},
		},
		"the plan's word over the product's": {
			products: []v1alpha1.MarketplaceProduct{product("shop", shrinks(v1alpha1.ReductionAtExpiry), immediately)},
			items:    []v1alpha1.SoldItem{item("shop-large", -1)},
			want:     orders.Match{Product: "shop", Plan: "large", PlanRank: 1, Reductions: v1alpha1.ReductionImmediately},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got, problem := orders.Find(tc.products, "koogallery", tc.items)
			if problem != nil {
				t.Fatal(problem)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestFindSaysWhatIsTheMatterAndWhatToDo(t *testing.T) {
	unlisted := func(what string) string {
		return "No MarketplaceProduct in this namespace lists " + what + ` for Marketplace "koogallery": add the SKU to ` +
			"spec.plans[].listings[].skus of the product that was sold, or set productRef and plan in this instance's spec"
	}
	ambiguous := func(what, plans string) string {
		return what + " is listed by more than one plan (" + plans + "): list each SKU and product ID once, or set " +
			"productRef and plan in this instance's spec"
	}
	twice := product("blog", lists("koogallery", "large", "shop-small"))

	tests := map[string]struct {
		products []v1alpha1.MarketplaceProduct
		items    []v1alpha1.SoldItem
		want     orders.Problem
	}{
		"a SKU code that no product lists": {
			products: []v1alpha1.MarketplaceProduct{product("blog")},
			items:    []v1alpha1.SoldItem{item("shop-small", 1)},
			want:     orders.Problem{Reason: v1alpha1.ReasonUnknownSKU, Message: unlisted(`SKU "shop-small", product ID "shop-id"`)},
		},
		"no product at all": {
			items: []v1alpha1.SoldItem{{SKU: "a"}, {ProductID: "b"}},
			want: orders.Problem{
				Reason: v1alpha1.ReasonUnknownSKU, Message: unlisted(`SKU "a", product ID ""; SKU "", product ID "b"`),
			},
		},
		"a product that lists it for another marketplace only": {
			products: []v1alpha1.MarketplaceProduct{product("blog", lists("elsewhere", "small", "a"))},
			items:    []v1alpha1.SoldItem{{SKU: "a"}},
			want:     orders.Problem{Reason: v1alpha1.ReasonUnknownSKU, Message: unlisted(`SKU "a", product ID ""`)},
		},
		"an order without items": {
			products: []v1alpha1.MarketplaceProduct{product("shop")},
			want:     orders.Problem{Reason: v1alpha1.ReasonUnknownSKU, Message: unlisted("the order, which does not name a product,")},
		},
		"empty codes match nothing": {
			products: []v1alpha1.MarketplaceProduct{product("shop", lists("koogallery", "small", ""))},
			items:    []v1alpha1.SoldItem{{ProductName: "Shop"}},
			want:     orders.Problem{Reason: v1alpha1.ReasonUnknownSKU, Message: unlisted(`SKU "", product ID ""`)},
		},
		"a code that begins like a listed one": {
			products: []v1alpha1.MarketplaceProduct{product("shop", lists("koogallery", "small", strings.Repeat("x", 64)))},
			items:    []v1alpha1.SoldItem{{SKU: strings.Repeat("x", 65)}},
			want: orders.Problem{
				Reason: v1alpha1.ReasonUnknownSKU, Message: unlisted(`SKU "` + strings.Repeat("x", 64) + `", product ID ""`),
			},
		},
		"more items than a message should name": {
			items: []v1alpha1.SoldItem{{SKU: "a"}, {SKU: "b"}, {SKU: "c"}, {SKU: "d"}, {SKU: "e"}, {SKU: "f"}},
			want: orders.Problem{Reason: v1alpha1.ReasonUnknownSKU, Message: unlisted(`SKU "a", product ID ""; SKU "b", ` +
				`product ID ""; SKU "c", product ID ""; SKU "d", product ID ""; and 2 more`)},
		},
		"a SKU code that two products list": {
			products: []v1alpha1.MarketplaceProduct{product("shop"), twice},
			items:    []v1alpha1.SoldItem{item("shop-small", 1)},
			want: orders.Problem{
				Reason:  v1alpha1.ReasonAmbiguousSKU,
				Message: ambiguous(`SKU "shop-small", product ID "shop-id"`, "blog/large, shop/small"),
			},
		},
		"two items that mean two plans": {
			products: []v1alpha1.MarketplaceProduct{product("shop")},
			items:    []v1alpha1.SoldItem{{SKU: "shop-large"}, {SKU: "shop-small"}},
			want: orders.Problem{
				Reason: v1alpha1.ReasonAmbiguousSKU,
				Message: ambiguous(`SKU "shop-large", product ID ""; SKU "shop-small", product ID ""`,
					"shop/large, shop/small"),
			},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			_, problem := orders.Find(tc.products, "koogallery", tc.items)
			if diff := cmp.Diff(&tc.want, problem); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestAMessageFitsIntoACondition(t *testing.T) {
	const most = 32768 // MaxLength of a condition's message
	var products []v1alpha1.MarketplaceProduct
	for i := range 400 {
		name := fmt.Sprintf("%s-%d", strings.Repeat("p", 48), i)
		products = append(products, product(name, lists("koogallery", "small", "popular")))
	}
	unlisted := v1alpha1.SoldItem{SKU: strings.Repeat("\U0010FFFF", 10000), ProductID: strings.Repeat("\x00", 10000)}

	for name, items := range map[string][]v1alpha1.SoldItem{
		"hundreds of products list it": {{SKU: "popular"}},
		"codes of any length":          {unlisted, unlisted, unlisted, unlisted, unlisted},
	} {
		t.Run(name, func(t *testing.T) {
			_, problem := orders.Find(products, "koogallery", items)
			if problem == nil || len(problem.Error()) > most/4 {
				t.Errorf("%v", problem)
			}
		})
	}
}
