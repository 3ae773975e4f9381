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

// listed is a plan that koogallery sells by SKUs.
func listed(name string, skus ...string) v1alpha1.Plan {
	return v1alpha1.Plan{Name: name, Listings: []v1alpha1.Listing{{Marketplace: "koogallery", SKUs: skus}}}
}

// product has the plans small and large, in this order, sold on koogallery as the SKUs <name>-small and <name>-large.
func product(name string, changes ...func(*v1alpha1.MarketplaceProduct)) v1alpha1.MarketplaceProduct {
	p := v1alpha1.MarketplaceProduct{ObjectMeta: metav1.ObjectMeta{Name: name}}
	p.Spec.Plans = []v1alpha1.Plan{listed("small", name+"-small"), listed("large", name+"-large")}
	for _, change := range changes {
		change(&p)
	}
	return p
}

func shrinks(policy v1alpha1.ReductionPolicy) func(*v1alpha1.MarketplaceProduct) {
	return func(p *v1alpha1.MarketplaceProduct) { p.Spec.Lifecycle.Reductions = policy }
}

// ranked gives the plans small and large a rank.
func ranked(small, large int32) func(*v1alpha1.MarketplaceProduct) {
	return func(p *v1alpha1.MarketplaceProduct) {
		p.Spec.Plans[0].Rank, p.Spec.Plans[1].Rank = ptr.To(small), ptr.To(large)
	}
}

// lists adds SKUs to a plan's listing.
func lists(marketplaceName, plan string, skuCodes ...string) func(*v1alpha1.MarketplaceProduct) {
	return func(p *v1alpha1.MarketplaceProduct) {
		for i := range p.Spec.Plans {
			if p.Spec.Plans[i].Name != plan {
				continue
			}
			for j := range p.Spec.Plans[i].Listings {
				if listing := &p.Spec.Plans[i].Listings[j]; listing.Marketplace == marketplaceName {
					listing.SKUs = append(listing.SKUs, skuCodes...)
					return
				}
			}
			p.Spec.Plans[i].Listings = append(p.Spec.Plans[i].Listings, v1alpha1.Listing{Marketplace: marketplaceName, SKUs: skuCodes})
			return
		}
		p.Spec.Plans = append(p.Spec.Plans, v1alpha1.Plan{Name: plan, Listings: []v1alpha1.Listing{{Marketplace: marketplaceName, SKUs: skuCodes}}})
	}
}

// item is a sold item of a SKU code; a negative quantity is none.
func item(skuCode string, quantity int32) v1alpha1.SoldItem {
	sold := v1alpha1.SoldItem{ProductID: "shop-id", SKU: skuCode}
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
func call(activity, scene, orderID string, lookup v1alpha1.CallPending, sent int) v1alpha1.Call {
	return v1alpha1.Call{
		Operation: activity, Variant: scene, OrderID: orderID, OrderLineID: orderID + "-1", Pending: lookup, Time: at(sent),
	}
}

// bought is a sale whose order was not read yet.
func bought(changes ...func(*v1alpha1.Subscription)) *v1alpha1.Subscription {
	sub := &v1alpha1.Subscription{
		Marketplace: "koogallery", InstanceID: "i1", OrderID: "o1", OrderLineID: "o1-1", PurchaseTime: at(0),
		Entitlement: v1alpha1.Entitlement{State: v1alpha1.EntitlementActive, Time: at(0)},
		Calls:       []v1alpha1.Call{call("newInstance", "", "o1", v1alpha1.CallPendingPurchase, 0)},
	}
	for _, change := range changes {
		change(sub)
	}
	return sub
}

// running is a sale of five of shop's small plan, as its order's reading left it.
func running(changes ...func(*v1alpha1.Subscription)) *v1alpha1.Subscription {
	return bought(append([]func(*v1alpha1.Subscription){func(sub *v1alpha1.Subscription) {
		sub.Calls[0].Pending = ""
		sub.Items, sub.Plan, sub.Quantity = []v1alpha1.SoldItem{item("shop-small", 5)}, "small", ptr.To(int32(5))
		sub.ItemsOrderTime, sub.StartTime = at(0), at(0)
		sub.ExpiryTime, sub.ExpirySource = at(30), v1alpha1.ExpiryFromOrder
		sub.Type, sub.ChargingMode = v1alpha1.SubscriptionPaid, v1alpha1.ChargingPrepaid
	}}, changes...)...)
}

func heard(c v1alpha1.Call) func(*v1alpha1.Subscription) {
	return func(sub *v1alpha1.Subscription) { sub.Calls = append(sub.Calls, c) }
}

// upgraded was told of an upgrade on day 10.
func upgraded(sub *v1alpha1.Subscription) {
	heard(call("upgradeInstance", "", "o2", v1alpha1.CallPendingChange, 10))(sub)
}

// renewed was told of a renewal with a change on day 20, until day 60.
func renewed(sub *v1alpha1.Subscription) {
	c := call("refreshInstance", "RENEWAL_CHANGE", "o3", v1alpha1.CallPendingRenewal, 20)
	c.PreviousExpiryTime = sub.ExpiryTime
	sub.Calls = append(sub.Calls, c)
	sub.ExpiryTime, sub.ExpirySource = at(60), v1alpha1.ExpiryFromRenewal
}

// madeFormal was told on day 5 that its trial became formal, until day 36.
func madeFormal(sub *v1alpha1.Subscription) {
	heard(call("refreshInstance", "TRIAL_TO_FORMAL", "o4", v1alpha1.CallPendingPurchase, 5))(sub)
	sub.Type, sub.ExpiryTime, sub.ExpirySource = v1alpha1.SubscriptionPaid, at(36), v1alpha1.ExpiryFromRenewal
}

// waiting has a smaller quantity that waits for day 30.
func waiting(sub *v1alpha1.Subscription) {
	sub.PendingChange = v1alpha1.PendingChange{
		EffectiveTime: at(30), OrderID: "o3", OrderLineID: "o3-1",
		Items: []v1alpha1.SoldItem{item("shop-small", 3)}, Plan: "small", Quantity: ptr.To(int32(3)),
	}
}

// brought has the orders of all its calls from the calls themselves.
func brought(sub *v1alpha1.Subscription) {
	for i := range sub.Calls {
		sub.Calls[i].Source = v1alpha1.OrderFromCall
	}
}

// saleOf is a sale of shop.
func saleOf(sub *v1alpha1.Subscription) orders.Sale {
	return orders.Sale{Subscription: sub, Product: "shop"}
}
