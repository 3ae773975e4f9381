package orders_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/ptr"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/subscription/orders"
)

func TestCorrectedItemsMeanAPlan(t *testing.T) {
	spec := func(sub *v1alpha1.Subscription, change func(*v1alpha1.Correction)) v1alpha1.MarketplaceInstanceSpec {
		spec := v1alpha1.MarketplaceInstanceSpec{Subscription: sub, Correction: v1alpha1.Correction{ID: "t-1", By: "jane", Reason: "ticket"}}
		change(&spec.Correction)
		return spec
	}
	sells := func(sku string) func(*v1alpha1.Correction) {
		return func(c *v1alpha1.Correction) { c.Items = []v1alpha1.SoldItem{{SKU: sku, Quantity: ptr.To(int32(7))}} }
	}
	usedBy := func(name string) func(*v1alpha1.Correction) {
		return func(c *v1alpha1.Correction) { c.PackageConsumerRef.Name = name }
	}
	bySomebody := bought(func(sub *v1alpha1.Subscription) { sub.CustomerID = "c1" })
	tests := map[string]struct {
		spec    v1alpha1.MarketplaceInstanceSpec
		product string
		want    string // plan and product, when it is applied
		refused string // part of why it is not
	}{
		"a purchase that could not be read": {spec: spec(bought(), sells("shop-large")), want: "shop/large"},
		"another plan of the same product":  {spec: spec(running(), sells("shop-large")), product: "shop", want: "shop/large"},
		"what no product lists":             {spec: spec(running(), sells("x")), product: "shop", refused: `SKU "x"`},
		"another product than the tenant's": {spec: spec(running(), sells("blog-small")), product: "shop", refused: `product "blog"`},
		"a package of an unknown instance":  {spec: spec(bySomebody, usedBy("a")), product: "shop", refused: "does not exist"},
		"nothing that the products have to say": {
			spec: spec(running(), func(c *v1alpha1.Correction) { c.ExpiryTime = at(90) }), product: "shop", want: "shop/small",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			tc.spec.ProductRef.Name = tc.product
			sale := orders.Sale{Subscription: tc.spec.Subscription, Product: tc.product}
			products := []v1alpha1.MarketplaceProduct{product("shop"), product("blog")}
			got, changed, problem := orders.Correct(tc.spec, sale, products, day(10))
			switch {
			case tc.refused != "":
				if problem == nil || problem.Reason != v1alpha1.ReasonCorrectionRefused || !strings.Contains(problem.Message, tc.refused) {
					t.Errorf("the problem is %v, want %q", problem, tc.refused)
				}
				if diff := cmp.Diff(tc.spec.Subscription, got.Subscription); diff != "" || changed {
					t.Errorf("a part of it was applied:\n%s", diff)
				}
			case problem != nil || !changed:
				t.Fatalf("changed %t, problem %v", changed, problem)
			case got.Product+"/"+got.Subscription.Plan != tc.want:
				t.Errorf("it is %s/%s, want %s", got.Product, got.Subscription.Plan, tc.want)
			case !orders.Resolved(got.Subscription):
				t.Error("it still waits for the purchase")
			}
		})
	}
}
