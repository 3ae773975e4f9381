package orders_test

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/marketplace"
	"github.com/stallkeeper/stallkeeper/subscription/orders"
)

// day is midnight of a day after the purchase, which was made on day 0.
func day(n int) time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, n) }

func at(n int) metav1.Time { return metav1.NewTime(day(n)) }

// product has the plans small and large, in this order, sold on koogallery as <name>-small and <name>-large (SKU codes), and
// all of it as product <name>-id, which means small.
func product(name string, changes ...func(*v1alpha1.MarketplaceProduct)) v1alpha1.MarketplaceProduct {
	p := v1alpha1.MarketplaceProduct{ObjectMeta: metav1.ObjectMeta{Name: name}}
	p.Spec.Plans = []v1alpha1.Plan{{Name: "small"}, {Name: "large"}}
	p.Spec.Listings = []v1alpha1.Listing{
		{Marketplace: "koogallery", Plan: "small", SKUCodes: []string{name + "-small"}, ProductIDs: []string{name + "-id"}},
		{Marketplace: "koogallery", Plan: "large", SKUCodes: []string{name + "-large"}},
	}
	for _, change := range changes {
		change(&p)
	}
	return p
}

func shrinks(policy v1alpha1.PendingChangePolicy) func(*v1alpha1.MarketplaceProduct) {
	return func(p *v1alpha1.MarketplaceProduct) { p.Spec.Lifecycle.PendingChange = policy }
}

// lists adds a listing.
func lists(marketplaceName, plan string, skuCodes ...string) func(*v1alpha1.MarketplaceProduct) {
	return func(p *v1alpha1.MarketplaceProduct) {
		p.Spec.Listings = append(p.Spec.Listings, v1alpha1.Listing{Marketplace: marketplaceName, Plan: plan, SKUCodes: skuCodes})
	}
}

// item is a sold item of a SKU code; a negative quantity is none.
func item(skuCode string, quantity int32) v1alpha1.SoldItem {
	sold := v1alpha1.SoldItem{ProductID: "shop-id", SKUCode: skuCode}
	if quantity >= 0 {
		sold.Quantity = ptr.To(quantity)
	}
	return sold
}

// order is one that the marketplace's order API answers, placed on a day.
func order(kind marketplace.OrderType, placed int, skuCode string, quantity int32) marketplace.Order {
	return marketplace.Order{
		Type: kind, OrderedAt: day(placed),
		Items: []marketplace.Item{{ProductID: "shop-id", SKUCode: skuCode, Quantity: ptr.To(quantity)}},
	}
}

// call is one of the marketplace's calls whose order is o<n>.
func call(activity, scene, orderID string, lookup v1alpha1.OrderLookup, sent int) v1alpha1.OrderCall {
	return v1alpha1.OrderCall{
		Activity: activity, Scene: scene, OrderID: orderID, OrderLineID: orderID + "-1", Lookup: lookup, Time: at(sent),
	}
}

// bought is a sale whose order was not read yet.
func bought(changes ...func(*v1alpha1.Subscription)) *v1alpha1.Subscription {
	sub := &v1alpha1.Subscription{
		Marketplace: "koogallery", InstanceID: "i1", OrderID: "o1", OrderLineID: "o1-1", PurchasedAt: at(0),
		Entitlement: v1alpha1.Entitlement{State: v1alpha1.EntitlementActive, Time: at(0)},
		Orders:      []v1alpha1.OrderCall{call("newInstance", "", "o1", v1alpha1.LookupPurchase, 0)},
	}
	for _, change := range changes {
		change(sub)
	}
	return sub
}

// running is a sale of five of shop's small plan, as its order's reading left it.
func running(changes ...func(*v1alpha1.Subscription)) *v1alpha1.Subscription {
	return bought(append([]func(*v1alpha1.Subscription){func(sub *v1alpha1.Subscription) {
		sub.Orders[0].Lookup = ""
		sub.Items, sub.Plan, sub.Quantity = []v1alpha1.SoldItem{item("shop-small", 5)}, "small", ptr.To(int32(5))
		sub.ItemsOrderedAt, sub.StartsAt = at(0), at(0)
		sub.ExpiresAt, sub.ExpiresAtSource = at(30), v1alpha1.ExpiryFromOrder
		sub.Type, sub.ChargingMode = v1alpha1.SubscriptionFormal, v1alpha1.ChargingPeriod
	}}, changes...)...)
}

func heard(c v1alpha1.OrderCall) func(*v1alpha1.Subscription) {
	return func(sub *v1alpha1.Subscription) { sub.Orders = append(sub.Orders, c) }
}

// upgraded was told of an upgrade on day 10.
func upgraded(sub *v1alpha1.Subscription) {
	heard(call("upgradeInstance", "", "o2", v1alpha1.LookupChange, 10))(sub)
}

// renewed was told of a renewal with a change on day 20, until day 60.
func renewed(sub *v1alpha1.Subscription) {
	c := call("refreshInstance", "RENEWAL_CHANGE", "o3", v1alpha1.LookupRenewal, 20)
	c.PreviousExpiresAt = sub.ExpiresAt
	sub.Orders = append(sub.Orders, c)
	sub.ExpiresAt, sub.ExpiresAtSource = at(60), v1alpha1.ExpiryFromRenewal
}

// madeFormal was told on day 5 that its trial became formal, until day 36.
func madeFormal(sub *v1alpha1.Subscription) {
	heard(call("refreshInstance", "TRIAL_TO_FORMAL", "o4", v1alpha1.LookupPurchase, 5))(sub)
	sub.Type, sub.ExpiresAt, sub.ExpiresAtSource = v1alpha1.SubscriptionFormal, at(36), v1alpha1.ExpiryFromRenewal
}

// waiting has a smaller quantity that waits for day 30.
func waiting(sub *v1alpha1.Subscription) {
	sub.PendingChange = v1alpha1.PendingChange{
		EffectiveAt: at(30), OrderID: "o3", OrderLineID: "o3-1",
		Items: []v1alpha1.SoldItem{item("shop-small", 3)}, Plan: "small", Quantity: ptr.To(int32(3)),
	}
}

// brought has the orders of all its calls from the calls themselves.
func brought(sub *v1alpha1.Subscription) {
	for i := range sub.Orders {
		sub.Orders[i].Source = v1alpha1.OrderFromCall
	}
}

// saleOf is a sale of shop.
func saleOf(sub *v1alpha1.Subscription) orders.Sale {
	return orders.Sale{Subscription: sub, Product: "shop"}
}
