package orders_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/marketplace"
	"github.com/stallkeeper/stallkeeper/subscription/orders"
)

// withAttributes has attributes, given as name and value by turns.
func withAttributes(pairs ...string) func(*v1alpha1.Subscription) {
	return func(sub *v1alpha1.Subscription) {
		sub.Attributes = nil
		for i := 0; i < len(pairs); i += 2 {
			sub.Attributes = append(sub.Attributes, v1alpha1.Attribute{Name: pairs[i], Value: ptr.To(pairs[i+1])})
		}
	}
}

func refunded(o marketplace.Order) marketplace.Order {
	o.Refund = true
	return o
}

func TestApplyAnOrderThatACallHasBrought(t *testing.T) {
	// changeTo is an upgrade as its call brings it: what it does not name stays.
	changeTo := func(sku string, quantity *int32, pairs ...string) marketplace.Order {
		o := marketplace.Order{
			Type: marketplace.OrderChange, OrderedAt: day(10), Items: []marketplace.Item{{ProductID: "shop-id", SKUCode: sku, Quantity: quantity}},
		}
		for i := 0; i < len(pairs); i += 2 {
			o.Attributes = append(o.Attributes, marketplace.Attribute{Name: pairs[i], Value: pairs[i+1]})
		}
		return o
	}
	sized := withAttributes("domain", "a.example.com", "diskSize", "100")
	formalProduct := func(p *v1alpha1.MarketplaceProduct) {
		p.Spec.Plans[0].Listings = []v1alpha1.Listing{{Marketplace: "koogallery", ProductIDs: []string{"trial-id"}}}
		p.Spec.Plans[1].Listings = []v1alpha1.Listing{{Marketplace: "koogallery", ProductIDs: []string{"formal-id"}}}
	}
	tried := func(sub *v1alpha1.Subscription) {
		sub.Items = []v1alpha1.SoldItem{{ProductID: "trial-id", SKU: "unlisted", Quantity: ptr.To(int32(2))}}
		sub.Quantity, sub.Type = ptr.To(int32(2)), v1alpha1.SubscriptionTrial
	}
	checkApply(t, map[string]applyCase{
		"a purchase": {
			sale: orders.Sale{Subscription: bought(brought)}, order: purchase(), want: running(brought),
		},
		"a larger plan": {
			sale: saleOf(running(upgraded, brought)), order: changeTo("shop-large", ptr.To(int32(9))),
			want: running(upgraded, brought, answered, runs("shop-large", "large", 9, 10)),
		},
		"a larger plan that says nothing of the seats, which stay": {
			sale: saleOf(running(upgraded, brought)), order: changeTo("shop-large", nil),
			want: running(upgraded, brought, answered, runs("shop-large", "large", 5, 10)),
		},
		"a larger disk: all else stays": {
			sale: saleOf(running(upgraded, brought, sized)), order: changeTo("shop-small", nil, "diskSize", "200", "domain", "", "idNum", "7"),
			want: running(upgraded, brought, answered, runs("shop-small", "small", 5, 10),
				withAttributes("domain", "a.example.com", "diskSize", "200", "idNum", "7")),
		},
		"an upgrade that comes after a later one changes nothing": {
			sale:  saleOf(running(upgraded, brought, sized, runs("shop-large", "large", 50, 12))),
			order: changeTo("shop-small", ptr.To(int32(6)), "diskSize", "200"),
			want:  running(upgraded, brought, sized, answered, runs("shop-large", "large", 50, 12)),
		},
		"the retry of an earlier upgrade, made after a later one, changes nothing": {
			sale:  saleOf(running(upgraded, brought, sized, runs("shop-small", "small", 8, 9))),
			order: changeTo("shop-small", ptr.To(int32(5)), "diskSize", "50"),
			want:  running(upgraded, brought, sized, answered, runs("shop-small", "small", 8, 9)),
		},
		"the retry of an upgrade to a plan of a lower rank changes nothing": {
			sale:  saleOf(running(upgraded, brought, runs("shop-large", "large", 8, 9))),
			order: changeTo("shop-small", ptr.To(int32(50))),
			want:  running(upgraded, brought, answered, runs("shop-large", "large", 8, 9)),
		},
		"an upgrade that pays money back takes away": {
			sale: saleOf(running(upgraded, brought, runs("shop-small", "small", 8, 9))), order: refunded(changeTo("shop-small", ptr.To(int32(5)))),
			want: running(upgraded, brought, answered, runs("shop-small", "small", 5, 10)),
		},
		"a trial that became formal as another product": {
			sale: saleOf(running(tried, madeFormal, brought)), products: []v1alpha1.MarketplaceProduct{product("shop", formalProduct)},
			order: marketplace.Order{Type: marketplace.OrderTrialToFormal, OrderedAt: day(5), Items: []marketplace.Item{{ProductID: "formal-id"}}},
			want: running(tried, madeFormal, brought, answered, func(sub *v1alpha1.Subscription) {
				sub.Items = []v1alpha1.SoldItem{{ProductID: "formal-id", SKU: "unlisted", Quantity: ptr.To(int32(2))}}
				sub.Plan, sub.Quantity, sub.ItemsOrderTime = "large", ptr.To(int32(2)), at(5)
			}),
		},
		"an upgrade from the order API says all that is sold": {
			sale: saleOf(running(upgraded, sized)), order: changeTo("shop-large", nil, "diskSize", "200"),
			want: running(upgraded, sized, answered, func(sub *v1alpha1.Subscription) {
				sub.Items, sub.Plan, sub.Quantity = []v1alpha1.SoldItem{item("shop-large", -1)}, "large", nil
				sub.ItemsOrderTime = at(10)
			}),
		},
	})
}

// An order may be there while that of a call before it is not.
func TestApplyTheOrderOfALaterCall(t *testing.T) {
	second := call("upgradeInstance", "", "o5", v1alpha1.CallPendingChange, 12)
	sale := saleOf(running(upgraded, heard(second), brought))
	sale.Call = sale.Subscription.Calls[2]
	got, problem := orders.Apply(sale, order(marketplace.OrderChange, 12, "shop-large", 50), []v1alpha1.MarketplaceProduct{product("shop")})
	if problem != nil {
		t.Fatal(problem)
	}
	second.Pending = ""
	want := running(upgraded, heard(second), brought, runs("shop-large", "large", 50, 12))
	if diff := cmp.Diff(want, got.Subscription); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	waiting := orders.AllPending(got.Subscription)
	if len(waiting) != 1 || waiting[0].OrderID != "o2" {
		t.Errorf("waiting are %+v", waiting)
	}
}

// A change that names the purchase's own order is none of the purchase.
func TestAChangeWithThePurchasesOrderKeepsTheCustomer(t *testing.T) {
	change := v1alpha1.Call{
		Operation: "upgrade", OrderID: "o1", OrderLineID: "o1-1", Time: metav1.NewTime(day(3)), Pending: v1alpha1.CallPendingChange,
		Source: v1alpha1.OrderFromCall,
	}
	named := func(sub *v1alpha1.Subscription) { sub.CustomerID = "c1" }
	got, problem := orders.Apply(saleOf(running(named, heard(change))), order(marketplace.OrderChange, 3, "shop-large", 5),
		[]v1alpha1.MarketplaceProduct{product("shop")})
	if problem != nil {
		t.Fatal(problem)
	}
	if got.Subscription.CustomerID != "c1" || got.Subscription.Plan != "large" {
		t.Errorf("customer %q, plan %q", got.Subscription.CustomerID, got.Subscription.Plan)
	}
}

func TestAttributesThatAnOrderAddsStayWithinTheirBound(t *testing.T) {
	var pairs []string
	for i := range 64 {
		pairs = append(pairs, fmt.Sprintf("a%d", i), "x")
	}
	o := order(marketplace.OrderChange, 10, "shop-small", 5)
	o.Attributes = []marketplace.Attribute{{Name: "one more", Value: "x"}, {Name: "a63", Value: "y"}}
	got, problem := orders.Apply(saleOf(running(upgraded, brought, withAttributes(pairs...))), o, []v1alpha1.MarketplaceProduct{product("shop")})
	if problem != nil {
		t.Fatal(problem)
	}
	if all := got.Subscription.Attributes; len(all) != 64 || *all[63].Value != "y" {
		t.Errorf("%d attributes, the last is %q", len(all), *all[len(all)-1].Value)
	}
}
