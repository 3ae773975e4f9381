package subscription_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/subscription"
)

// listing lists a SKU code and a product id at the Marketplace koogallery; an empty one is left out.
func listing(plan, sku, product string) v1alpha1.Listing {
	l := v1alpha1.Listing{Marketplace: "koogallery", Plan: plan}
	if sku != "" {
		l.SKUCodes = []string{sku}
	}
	if product != "" {
		l.ProductIDs = []string{product}
	}
	return l
}

func TestFindPlans(t *testing.T) {
	product := func(name string, listings ...v1alpha1.Listing) v1alpha1.MarketplaceProduct {
		return v1alpha1.MarketplaceProduct{
			ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.MarketplaceProductSpec{Listings: listings},
		}
	}
	item := func(sku, productID string, quantity *int32) v1alpha1.SoldItem {
		return v1alpha1.SoldItem{SKUCode: sku, ProductID: productID, Quantity: quantity}
	}
	elsewhere := listing("large", "sku-large", "")
	elsewhere.Marketplace = "another"
	products := []v1alpha1.MarketplaceProduct{
		product("shop", listing("small", "sku-small", "p-shop"), listing("large", "sku-large", ""), listing("large", "sku-huge", "")),
		product("blog", listing("only", "", "p-blog"), listing("only", "sku-both", ""), elsewhere),
		product("twin", listing("a", "sku-twin", ""), listing("b", "sku-twin", "")),
		product("nameless", v1alpha1.Listing{Marketplace: "koogallery", Plan: "x", SKUCodes: []string{""}, ProductIDs: []string{""}}),
	}
	tests := map[string]struct {
		items []v1alpha1.SoldItem
		want  []string
	}{
		"a SKU code":                             {[]v1alpha1.SoldItem{item("sku-small", "", nil)}, []string{"shop/small x-"}},
		"a product id":                           {[]v1alpha1.SoldItem{item("", "p-blog", ptr.To(int32(2)))}, []string{"blog/only x2"}},
		"a SKU code goes before a product id":    {[]v1alpha1.SoldItem{item("sku-large", "p-blog", nil)}, []string{"shop/large x-"}},
		"another item's SKU code goes before it": {[]v1alpha1.SoldItem{item("", "p-blog", nil), item("sku-large", "", nil)}, []string{"shop/large x-"}},
		"a product id, the SKU code is not listed": {
			[]v1alpha1.SoldItem{item("sku-new", "p-shop", nil)}, []string{"shop/small x-"},
		},
		"a listing of another Marketplace is passed over": {[]v1alpha1.SoldItem{item("sku-large", "", nil)}, []string{"shop/large x-"}},
		"an item that is not listed is passed over": {
			[]v1alpha1.SoldItem{item("sku-new", "", ptr.To(int32(9))), item("sku-small", "", ptr.To(int32(3)))}, []string{"shop/small x3"},
		},
		"two items that mean one plan, the first with a quantity counts": {
			[]v1alpha1.SoldItem{item("sku-large", "", nil), item("sku-huge", "", ptr.To(int32(4))), item("sku-large", "", ptr.To(int32(5)))},
			[]string{"shop/large x4"},
		},
		"a SKU code that two plans list":   {[]v1alpha1.SoldItem{item("sku-twin", "", nil)}, []string{"twin/a x-", "twin/b x-"}},
		"items of two products":            {[]v1alpha1.SoldItem{item("sku-both", "", nil), item("sku-small", "", nil)}, []string{"shop/small x-", "blog/only x-"}},
		"nothing that is listed":           {[]v1alpha1.SoldItem{item("sku-new", "p-new", nil)}, nil},
		"an item without a code is not ''": {[]v1alpha1.SoldItem{item("", "", ptr.To(int32(1)))}, nil},
		"no item":                          {nil, nil},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, plan := range subscription.FindPlans(products, "koogallery", tc.items) {
				quantity := "-"
				if plan.Quantity != nil {
					quantity = fmt.Sprint(*plan.Quantity)
				}
				got = append(got, fmt.Sprintf("%s/%s x%s", plan.Product.Name, plan.Plan, quantity))
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}
