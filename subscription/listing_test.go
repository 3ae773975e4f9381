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

// listed is a plan that lists a SKU and a product id at the Marketplace koogallery; an empty one is left out.
func listed(plan, sku, product string) v1alpha1.Plan {
	l := v1alpha1.Listing{Marketplace: "koogallery"}
	if sku != "" {
		l.SKUs = []string{sku}
	}
	if product != "" {
		l.ProductIDs = []string{product}
	}
	return v1alpha1.Plan{Name: plan, Listings: []v1alpha1.Listing{l}}
}

func TestFindPlans(t *testing.T) {
	product := func(name string, plans ...v1alpha1.Plan) v1alpha1.MarketplaceProduct {
		return v1alpha1.MarketplaceProduct{
			ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.MarketplaceProductSpec{Plans: plans},
		}
	}
	item := func(sku, productID string, quantity *int32) v1alpha1.SoldItem {
		return v1alpha1.SoldItem{SKU: sku, ProductID: productID, Quantity: quantity}
	}
	elsewhere := listed("large", "sku-large", "")
	elsewhere.Listings[0].Marketplace = "another"
	sizes := listed("large", "sku-large", "")
	sizes.Listings[0].SKUs = append(sizes.Listings[0].SKUs, "sku-huge")
	products := []v1alpha1.MarketplaceProduct{
		product("shop", listed("small", "sku-small", "p-shop"), sizes),
		product("blog", listed("only", "", "p-blog"), listed("both", "sku-both", ""), elsewhere),
		product("twin", listed("a", "sku-twin", ""), listed("b", "sku-twin", "")),
		product("nameless", v1alpha1.Plan{Name: "x", Listings: []v1alpha1.Listing{
			{Marketplace: "koogallery", SKUs: []string{""}, ProductIDs: []string{""}},
		}}),
	}
	tests := map[string]struct {
		items []v1alpha1.SoldItem
		want  []string
	}{
		"a SKU":                       {[]v1alpha1.SoldItem{item("sku-large", "", nil)}, []string{"shop/large x-"}},
		"a SKU and its product id":    {[]v1alpha1.SoldItem{item("sku-small", "p-shop", nil)}, []string{"shop/small x-"}},
		"a SKU of another product id": {[]v1alpha1.SoldItem{item("sku-small", "p-new", nil)}, nil},
		"a SKU without the product id that its listing wants": {[]v1alpha1.SoldItem{item("sku-small", "", nil)}, nil},
		"a product id that is listed beside other SKUs does not sell a SKU that is listed nowhere": {
			[]v1alpha1.SoldItem{item("sku-new", "p-shop", nil)}, nil,
		},
		"a product id that is listed alone sells each SKU of it that is listed nowhere": {
			[]v1alpha1.SoldItem{item("sku-new", "p-blog", nil)}, []string{"blog/only x-"},
		},
		"a product id":                                    {[]v1alpha1.SoldItem{item("", "p-blog", ptr.To(int32(2)))}, []string{"blog/only x2"}},
		"a SKU goes before a product id":                  {[]v1alpha1.SoldItem{item("sku-large", "p-blog", nil)}, []string{"shop/large x-"}},
		"a listing of another Marketplace is passed over": {[]v1alpha1.SoldItem{item("sku-large", "", nil)}, []string{"shop/large x-"}},
		"an item that is not listed is passed over": {
			[]v1alpha1.SoldItem{item("sku-new", "", ptr.To(int32(9))), item("sku-large", "", ptr.To(int32(3)))}, []string{"shop/large x3"},
		},
		"two items that mean one plan, the first with a quantity counts": {
			[]v1alpha1.SoldItem{item("sku-large", "", nil), item("sku-huge", "", ptr.To(int32(4))), item("sku-large", "", ptr.To(int32(5)))},
			[]string{"shop/large x4"},
		},
		"a SKU code that two plans list":   {[]v1alpha1.SoldItem{item("sku-twin", "", nil)}, []string{"twin/a x-", "twin/b x-"}},
		"items of two products":            {[]v1alpha1.SoldItem{item("sku-both", "", nil), item("sku-large", "", nil)}, []string{"shop/large x-", "blog/both x-"}},
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
