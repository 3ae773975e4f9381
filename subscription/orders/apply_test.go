package orders_test

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/marketplace"
	"github.com/stallkeeper/stallkeeper/subscription/orders"
)

// answered has no call left that waits for its order.
func answered(sub *v1alpha1.Subscription) {
	for i := range sub.Calls {
		sub.Calls[i].Pending = ""
	}
}

// runs is what is in force, by an order of a day.
func runs(skuCode, plan string, quantity int32, ordered int) func(*v1alpha1.Subscription) {
	return func(sub *v1alpha1.Subscription) {
		sub.Items, sub.Plan, sub.Quantity = []v1alpha1.SoldItem{item(skuCode, quantity)}, plan, ptr.To(quantity)
		sub.ItemsOrderTime = at(ordered)
	}
}

// waitsFor is a change that waits for day 30.
func waitsFor(skuCode, plan string, quantity int32) func(*v1alpha1.Subscription) {
	return func(sub *v1alpha1.Subscription) {
		sub.PendingChange = v1alpha1.PendingChange{
			EffectiveTime: at(30), OrderID: "o3", OrderLineID: "o3-1",
			Items: []v1alpha1.SoldItem{item(skuCode, quantity)}, Plan: plan, Quantity: ptr.To(quantity),
		}
	}
}

// trial is the sale as a trial of one for a week.
func trial(sub *v1alpha1.Subscription) {
	runs("shop-small", "small", 1, 0)(sub)
	sub.Type, sub.ChargingMode, sub.ExpiryTime = v1alpha1.SubscriptionTrial, v1alpha1.ChargingOneTime, at(7)
	sub.Attributes = []v1alpha1.Attribute{{Name: "domain", Value: ptr.To("shop.example.com")}}
}

type applyCase struct {
	sale     orders.Sale
	order    marketplace.Order
	products []v1alpha1.MarketplaceProduct
	want     *v1alpha1.Subscription
}

func checkApply(t *testing.T, tests map[string]applyCase) {
	t.Helper()
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			products := tc.products
			if products == nil {
				products = []v1alpha1.MarketplaceProduct{product("blog"), product("shop")}
			}
			got, problem := orders.Apply(tc.sale, tc.order, products)
			if problem != nil {
				t.Fatal(problem)
			}
			if diff := cmp.Diff(orders.Result{Subscription: tc.want, Product: "shop"}, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// purchase is the order of five of shop's small plan for a month.
func purchase(changes ...func(*marketplace.Order)) marketplace.Order {
	o := order(marketplace.OrderPurchase, 0, "shop-small", 5)
	o.Charging, o.ExpiresAt = marketplace.ChargingPrepaid, day(30)
	for _, change := range changes {
		change(&o)
	}
	return o
}

func TestApplyAPurchase(t *testing.T) {
	buyer := func(o *marketplace.Order) { o.CustomerID, o.CustomerName = "c1", "acme" }
	tried := func(o *marketplace.Order) { o.Type = marketplace.OrderTrial }
	untyped := func(o *marketplace.Order) { o.Type = "" }
	newlyTyped := func(o *marketplace.Order) { o.Type = marketplace.OrderType(strings.Repeat("é\x01", 99)) }
	undated := func(o *marketplace.Order) { o.OrderedAt, o.ExpiresAt, o.Charging = time.Time{}, time.Time{}, "" }
	without := func(sub *v1alpha1.Subscription) {
		sub.ItemsOrderTime, sub.StartTime, sub.ExpiryTime = metav1.Time{}, metav1.Time{}, metav1.Time{}
		sub.ExpirySource, sub.ChargingMode = "", ""
	}
	withFraction := func(o *marketplace.Order) { o.OrderedAt = o.OrderedAt.Add(999 * time.Millisecond) }
	asked := func(o *marketplace.Order) {
		o.Attributes = []marketplace.Attribute{{Name: "domain", Value: "a.example.com"}, {Name: "empty"}, {Value: "nameless"}}
	}
	attributes := func(sub *v1alpha1.Subscription) {
		sub.Attributes = []v1alpha1.Attribute{{Name: "domain", Value: ptr.To("a.example.com")}, {Name: "empty", Value: ptr.To("")}}
	}
	named := func(id, name string) func(*v1alpha1.Subscription) {
		return func(sub *v1alpha1.Subscription) { sub.CustomerID, sub.CustomerName = id, name }
	}
	asTrial := func(sub *v1alpha1.Subscription) { sub.Type = v1alpha1.SubscriptionTrial }
	byPerson := func(sub *v1alpha1.Subscription) {
		sub.ExpiryTime, sub.ExpirySource = at(400), v1alpha1.ExpiryFromPerson
	}
	noDate := func(sub *v1alpha1.Subscription) {
		sub.ExpiryTime, sub.ExpirySource = metav1.Time{}, v1alpha1.ExpiryFromPerson
	}
	dateOnly := func(sub *v1alpha1.Subscription) { sub.ExpiryTime, sub.ExpirySource = at(400), "" }
	// earlyRenewal came before the order was read: nobody knew when the paid time would have ended.
	earlyRenewal := func(sub *v1alpha1.Subscription) {
		sub.Calls = append(sub.Calls, call("refreshInstance", "RENEWAL", "o3", "", 1))
		sub.ExpiryTime, sub.ExpirySource = at(60), v1alpha1.ExpiryFromRenewal
	}
	item64 := strings.Repeat("s", 64)

	checkApply(t, map[string]applyCase{
		"the product, plan, quantity and period become known": {
			sale: orders.Sale{Subscription: bought()}, order: purchase(), want: running(),
		},
		"the buyer's id is kept, and the account's name is not": {
			sale: orders.Sale{Subscription: bought()}, order: purchase(buyer), want: running(named("c1", "")),
		},
		"the account's name is kept where it may be shown": {
			sale:  orders.Sale{Subscription: bought(), ShowCustomerName: true},
			order: purchase(buyer), want: running(named("c1", "acme")),
		},
		"an order of no type": {
			sale: orders.Sale{Subscription: bought()}, order: purchase(untyped), want: running(),
		},
		"an order of a type that nobody knows": {
			sale: orders.Sale{Subscription: bought()}, order: purchase(newlyTyped), want: running(),
		},
		"a trial is one": {
			sale: orders.Sale{Subscription: bought()}, order: purchase(tried), want: running(asTrial),
		},
		"what the buyer entered is kept, but for what has no name": {
			sale: orders.Sale{Subscription: bought()}, order: purchase(asked), want: running(attributes),
		},
		"an order without dates and charging": {
			sale: orders.Sale{Subscription: bought()}, order: purchase(undated), want: running(without),
		},
		"times are kept in whole seconds": {
			sale: orders.Sale{Subscription: bought()}, order: purchase(withFraction), want: running(),
		},
		"a person has set the product already": {
			sale: saleOf(bought()), order: purchase(), want: running(),
		},
		"a renewal that came before keeps its date": {
			sale: orders.Sale{Subscription: bought(earlyRenewal)}, order: purchase(), want: running(earlyRenewal),
		},
		"a date that a person has set stays": {
			sale: orders.Sale{Subscription: bought(byPerson)}, order: purchase(), want: running(byPerson),
		},
		"a date that a person has set without its source stays": {
			sale: orders.Sale{Subscription: bought(dateOnly)}, order: purchase(), want: running(dateOnly),
		},
		"a person's word that it has no end stays": {
			sale: orders.Sale{Subscription: bought(noDate)}, order: purchase(), want: running(noDate),
		},
		"it is the purchase that is applied first": {
			sale: orders.Sale{Subscription: bought(upgraded)}, order: purchase(), want: running(upgraded),
		},
		"the item that means the plan stands behind many others": {
			sale: orders.Sale{Subscription: bought()},
			order: purchase(func(o *marketplace.Order) {
				for range 39 {
					o.Items = append([]marketplace.Item{{SKUCode: item64}}, o.Items...)
				}
			}),
			want: running(func(sub *v1alpha1.Subscription) {
				sub.Items = slices.Repeat([]v1alpha1.SoldItem{{SKU: item64}}, 32)
			}),
		},
	})
}

func TestApplyAChange(t *testing.T) {
	undated := order(marketplace.OrderChange, 10, "shop-small", 10)
	undated.OrderedAt = time.Time{}
	upgrade := order(marketplace.OrderChange, 10, "shop-small", 10)
	upgrade.CustomerID, upgrade.ExpiresAt, upgrade.Charging = "another", day(99), marketplace.ChargingOneTime
	upgrade.Attributes = []marketplace.Attribute{{Name: "domain", Value: "another"}}
	bigger := runs("shop-small", "small", 10, 10)

	checkApply(t, map[string]applyCase{
		"the quantity grows at once, and period, charging, buyer and attributes stay": {
			sale: saleOf(running(upgraded)), order: upgrade, want: running(upgraded, answered, bigger),
		},
		"the plan changes at once, also to a smaller one": {
			sale:  saleOf(running(upgraded, runs("shop-large", "large", 5, 0))),
			order: order(marketplace.OrderChange, 10, "shop-small", 5),
			want:  running(upgraded, answered, runs("shop-small", "small", 5, 10)),
		},
		"an order that was placed before the one in force changes nothing": {
			sale:  saleOf(running(upgraded, runs("shop-large", "large", 7, 11))),
			order: upgrade, want: running(upgraded, answered, runs("shop-large", "large", 7, 11)),
		},
		"an order of the same second is applied": {
			sale:  saleOf(running(upgraded, runs("shop-large", "large", 7, 10))),
			order: upgrade, want: running(upgraded, answered, bigger),
		},
		"an order without a date is applied, and does not let older ones in": {
			sale: saleOf(running(upgraded)), order: undated, want: running(upgraded, answered, runs("shop-small", "small", 10, 0)),
		},
		"a smaller quantity that waited is superseded": {
			sale: saleOf(running(upgraded, waiting)), order: upgrade, want: running(upgraded, answered, bigger),
		},
		"an older order leaves what waits alone": {
			sale:  saleOf(running(upgraded, waiting, runs("shop-small", "small", 7, 11))),
			order: upgrade, want: running(upgraded, answered, waiting, runs("shop-small", "small", 7, 11)),
		},
	})
}

func TestApplyATrialThatBecameFormal(t *testing.T) {
	bought := purchase(func(o *marketplace.Order) { o.Type, o.OrderedAt = marketplace.OrderTrialToFormal, day(5) })
	asPurchase := purchase(func(o *marketplace.Order) { o.OrderedAt, o.Charging = day(5), "" })
	fiveMore := runs("shop-small", "small", 5, 5)
	byPeriod := func(sub *v1alpha1.Subscription) { sub.ChargingMode = v1alpha1.ChargingPrepaid }

	checkApply(t, map[string]applyCase{
		"plan, quantity and charging come from the new order, the buyer's attributes stay": {
			sale: saleOf(running(trial, madeFormal)), order: bought, want: running(trial, madeFormal, answered, fiveMore, byPeriod),
		},
		"the order may be called a purchase, and its charging be unknown": {
			sale: saleOf(running(trial, madeFormal)), order: asPurchase,
			want: running(trial, madeFormal, answered, fiveMore),
		},
	})
}

func TestApplyARenewalWithAChange(t *testing.T) {
	renewal := func(skuCode string, quantity int32) marketplace.Order {
		return order(marketplace.OrderRenewal, 20, skuCode, quantity)
	}
	large := runs("shop-large", "large", 5, 0)
	early := func(sub *v1alpha1.Subscription) {
		heard(call("refreshInstance", "RENEWAL_CHANGE", "o3", v1alpha1.CallPendingRenewal, 20))(sub)
	}
	unnumbered := renewal("shop-small", 0)
	unnumbered.Items[0].Quantity = nil
	atOnce := []v1alpha1.MarketplaceProduct{product("shop", shrinks(v1alpha1.ReductionImmediately))}
	smallAtOnce := []v1alpha1.MarketplaceProduct{product("shop", func(p *v1alpha1.MarketplaceProduct) {
		p.Spec.Plans[0].Lifecycle.Reductions = v1alpha1.ReductionImmediately
	})}
	withoutPlan := []v1alpha1.MarketplaceProduct{product("shop", func(p *v1alpha1.MarketplaceProduct) {
		p.Spec.Plans[0].Name = "tiny"
	})}

	checkApply(t, map[string]applyCase{
		"a larger quantity is in force at once": {
			sale: saleOf(running(renewed)), order: renewal("shop-small", 6),
			want: running(renewed, answered, runs("shop-small", "small", 6, 20)),
		},
		"a plan of a lower rank waits, wherever it stands in the list": {
			sale: saleOf(running(renewed)), order: renewal("shop-large", 5), products: []v1alpha1.MarketplaceProduct{product("shop", ranked(2, 1))},
			want: running(renewed, answered, waitsFor("shop-large", "large", 5)),
		},
		"the same quantity is in force at once": {
			sale: saleOf(running(renewed)), order: renewal("shop-small", 5),
			want: running(renewed, answered, runs("shop-small", "small", 5, 20)),
		},
		"a smaller quantity waits for the end of the period that is paid": {
			sale: saleOf(running(renewed)), order: renewal("shop-small", 3),
			want: running(renewed, answered, waitsFor("shop-small", "small", 3)),
		},
		"no quantity is one, and smaller than five": {
			sale: saleOf(running(renewed)), order: unnumbered,
			want: running(renewed, answered, waitsFor("shop-small", "small", 0), func(sub *v1alpha1.Subscription) {
				sub.PendingChange.Quantity, sub.PendingChange.Items[0].Quantity = nil, nil
			}),
		},
		"a larger plan is in force at once, also with a smaller quantity": {
			sale: saleOf(running(renewed)), order: renewal("shop-large", 1),
			want: running(renewed, answered, runs("shop-large", "large", 1, 20)),
		},
		"a smaller plan waits, also with a larger quantity": {
			sale: saleOf(running(renewed, large)), order: renewal("shop-small", 9),
			want: running(renewed, large, answered, waitsFor("shop-small", "small", 9)),
		},
		"a smaller plan does not wait where the product says so": {
			sale: saleOf(running(renewed, large)), order: renewal("shop-small", 9), products: atOnce,
			want: running(renewed, answered, runs("shop-small", "small", 9, 20)),
		},
		"a smaller quantity does not wait where the plan says so": {
			sale: saleOf(running(renewed)), order: renewal("shop-small", 3), products: smallAtOnce,
			want: running(renewed, answered, runs("shop-small", "small", 3, 20)),
		},
		"a plan that the product no longer has is compared by quantity": {
			sale: saleOf(running(renewed)), order: renewal("shop-large", 3), products: withoutPlan,
			want: running(renewed, answered, waitsFor("shop-large", "large", 3)),
		},
		"without a known end of the period it is in force at once": {
			sale: saleOf(running(early)), order: renewal("shop-small", 3),
			want: running(early, answered, runs("shop-small", "small", 3, 20)),
		},
		"a renewal's order may be called a change": {
			sale: saleOf(running(renewed)), order: order(marketplace.OrderChange, 20, "shop-small", 6),
			want: running(renewed, answered, runs("shop-small", "small", 6, 20)),
		},
		"a smaller one replaces the smaller one that waits": {
			sale: saleOf(running(renewed, waiting)), order: renewal("shop-small", 2),
			want: running(renewed, answered, waitsFor("shop-small", "small", 2)),
		},
		"one that is not smaller ends what waits": {
			sale: saleOf(running(renewed, waiting)), order: renewal("shop-small", 5),
			want: running(renewed, answered, runs("shop-small", "small", 5, 20)),
		},
		"one that was ordered before the order in force changes nothing": {
			sale: saleOf(running(renewed, runs("shop-small", "small", 7, 25))), order: renewal("shop-small", 3),
			want: running(renewed, answered, runs("shop-small", "small", 7, 25)),
		},
	})
}

func TestApplyWhereAPersonHasSetThePlan(t *testing.T) {
	overridden := func(sub *v1alpha1.Subscription) orders.Sale {
		return orders.Sale{Subscription: sub, Product: "shop", PlanOverride: true}
	}
	unlisted := func(quantity int32) func(*v1alpha1.Subscription) {
		return func(sub *v1alpha1.Subscription) {
			sub.Items = []v1alpha1.SoldItem{{SKU: "x", Quantity: ptr.To(quantity)}}
			sub.Plan, sub.Quantity = "", ptr.To(quantity)
		}
	}
	orderOf := func(kind marketplace.OrderType, placed int, quantity int32) marketplace.Order {
		o := purchase(func(o *marketplace.Order) { o.Type, o.OrderedAt = kind, day(placed) })
		o.Items = []marketplace.Item{{SKUCode: "x", Quantity: ptr.To(quantity)}}
		return o
	}
	later := func(sub *v1alpha1.Subscription) { sub.ItemsOrderTime = at(20) }
	large := runs("shop-large", "large", 5, 0)
	twice := product("blog", lists("koogallery", "small", "x"))
	again := product("shop", lists("koogallery", "small", "x"))
	empty := purchase(func(o *marketplace.Order) { o.Items = nil })

	checkApply(t, map[string]applyCase{
		"an order that nobody lists says the quantity": {
			sale: overridden(bought()), order: orderOf(marketplace.OrderPurchase, 0, 5), want: running(unlisted(5)),
		},
		"a listed order still says the plan": {
			sale: overridden(bought()), order: purchase(), want: running(),
		},
		"an order that is listed twice says the quantity": {
			sale: overridden(bought()), order: orderOf(marketplace.OrderPurchase, 0, 5),
			products: []v1alpha1.MarketplaceProduct{twice, again}, want: running(unlisted(5)),
		},
		"an order without items says nothing": {
			sale: overridden(bought()), order: empty,
			want: running(func(sub *v1alpha1.Subscription) { sub.Items, sub.Plan, sub.Quantity = nil, "", nil }),
		},
		"a renewal that nobody lists grows at once, whatever the plan was": {
			sale: overridden(running(renewed, large)), order: orderOf(marketplace.OrderRenewal, 20, 6),
			want: running(renewed, answered, unlisted(6), later),
		},
		"a renewal that nobody lists waits with a smaller quantity": {
			sale: overridden(running(renewed)), order: orderOf(marketplace.OrderRenewal, 20, 3),
			want: running(renewed, answered, waitsFor("x", "", 3), func(sub *v1alpha1.Subscription) {
				sub.PendingChange.Items[0].ProductID = ""
			}),
		},
		"a renewal that nobody lists does not wait where the product says so": {
			sale: overridden(running(renewed)), order: orderOf(marketplace.OrderRenewal, 20, 3),
			products: []v1alpha1.MarketplaceProduct{product("shop", shrinks(v1alpha1.ReductionImmediately))},
			want:     running(renewed, answered, unlisted(3), later),
		},
	})
}

func TestApplyRefuses(t *testing.T) {
	quantity := func(n int32) marketplace.Order { return order(marketplace.OrderPurchase, 0, "shop-small", n) }
	invalid := func(n string) orders.Problem {
		return orders.Problem{Reason: v1alpha1.ReasonOrderInvalid, Message: "Order o1 sells the quantity " + n + ` of SKU ` +
			`"shop-small", product ID "shop-id", which is not between 0 and 9999999: nothing was changed; ask the marketplace's ` +
			"support about this order, or set productRef, plan and quantity in this instance's spec"}
	}
	unexpected := func(orderID, call, want, got string) orders.Problem {
		return orders.Problem{Reason: v1alpha1.ReasonUnexpectedOrderType, Message: "Order " + orderID + " came with the call " +
			call + " and must be of type " + want + ", but the marketplace reports " + got + ": nothing was changed; ask the " +
			"marketplace's support about this order"}
	}
	changed := orders.Problem{Reason: v1alpha1.ReasonProductChanged, Message: `The order is for product "blog", but this instance ` +
		`and its data belong to product "shop": list SKU "blog-small", product ID "shop-id" in "shop", or agree with the ` +
		"buyer on a new purchase"}

	tests := map[string]struct {
		sale  orders.Sale
		order marketplace.Order
		want  orders.Problem
	}{
		"an unsubscription that comes as a purchase": {
			sale: orders.Sale{Subscription: bought()}, order: order(marketplace.OrderUnsubscription, 0, "shop-small", 1),
			want: unexpected("o1", "newInstance", "Purchase or Trial", `"Unsubscription"`),
		},
		"a trial that becomes formal as a purchase": {
			sale: orders.Sale{Subscription: bought()}, order: order(marketplace.OrderTrialToFormal, 0, "shop-small", 1),
			want: unexpected("o1", "newInstance", "Purchase or Trial", `"TrialToFormal"`),
		},
		"an upgrade of a type that nobody knows": {
			sale: saleOf(running(upgraded)), order: order(marketplace.OrderType(strings.Repeat("é\x01", 99)), 10, "shop-small", 1),
			want: unexpected("o2", "upgradeInstance", "Change", `"`+strings.Repeat("é", 64)+`"`),
		},
		"an upgrade of no type": {
			sale: saleOf(running(upgraded)), order: order("", 10, "shop-small", 1),
			want: unexpected("o2", "upgradeInstance", "Change", `""`),
		},
		"a purchase that comes as an upgrade": {
			sale: saleOf(running(upgraded)), order: order(marketplace.OrderPurchase, 10, "shop-small", 1),
			want: unexpected("o2", "upgradeInstance", "Change", `"Purchase"`),
		},
		"a purchase that comes as a renewal": {
			sale: saleOf(running(renewed)), order: order(marketplace.OrderPurchase, 20, "shop-small", 1),
			want: unexpected("o3", "refreshInstance RENEWAL_CHANGE", "Renewal or Change", `"Purchase"`),
		},
		"a second trial that comes as the trial's end": {
			sale: saleOf(running(trial, madeFormal)), order: order(marketplace.OrderTrial, 5, "shop-small", 1),
			want: unexpected("o4", "refreshInstance TRIAL_TO_FORMAL", "TrialToFormal or Purchase", `"Trial"`),
		},
		"a product that nobody lists": {
			sale: orders.Sale{Subscription: bought()}, order: order(marketplace.OrderPurchase, 0, "x", 1),
			want: orders.Problem{Reason: v1alpha1.ReasonUnknownSKU, Message: `No MarketplaceProduct in this namespace lists SKU ` +
				`"x", product ID "shop-id" for Marketplace "koogallery": add the SKU to spec.plans[].listings[].skus of the ` +
				"product that was sold, or set productRef and plan in this instance's spec"},
		},
		"a product that nobody lists, and a plan without a product": {
			sale:  orders.Sale{Subscription: bought(), PlanOverride: true},
			order: order(marketplace.OrderPurchase, 0, "x", 1),
			want: orders.Problem{Reason: v1alpha1.ReasonUnknownSKU, Message: `No MarketplaceProduct in this namespace lists SKU ` +
				`"x", product ID "shop-id" for Marketplace "koogallery": add the SKU to spec.plans[].listings[].skus of the ` +
				"product that was sold, or set productRef and plan in this instance's spec"},
		},
		"another product":                            {saleOf(running(upgraded)), order(marketplace.OrderChange, 10, "blog-small", 1), changed},
		"another product than a person has set":      {saleOf(bought()), order(marketplace.OrderPurchase, 0, "blog-small", 1), changed},
		"a quantity above what can be kept":          {orders.Sale{Subscription: bought()}, quantity(10000000), invalid("10000000")},
		"the largest number":                         {orders.Sale{Subscription: bought()}, quantity(math.MaxInt32), invalid("2147483647")},
		"a negative quantity":                        {orders.Sale{Subscription: bought()}, quantity(-1), invalid("-1")},
		"a quantity too large for any plan override": {saleWithPlan(bought()), quantity(10000000), invalid("10000000")},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			products := []v1alpha1.MarketplaceProduct{product("shop"), product("blog")}
			if tc.want.Reason == v1alpha1.ReasonUnknownSKU {
				products = products[1:]
			}
			got, problem := orders.Apply(tc.sale, tc.order, products)
			if diff := cmp.Diff(&tc.want, problem); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if diff := cmp.Diff(orders.Result{}, got); diff != "" {
				t.Errorf("it changed:\n%s", diff)
			}
		})
	}
}

func saleWithPlan(sub *v1alpha1.Subscription) orders.Sale {
	return orders.Sale{Subscription: sub, Product: "shop", PlanOverride: true}
}

func TestApplyWithoutAPendingCallChangesNothing(t *testing.T) {
	sub := running()
	got, problem := orders.Apply(saleOf(sub), purchase(), nil)
	if problem != nil || got.Subscription != sub || got.Product != "shop" {
		t.Errorf("%+v, %v", got, problem)
	}
}

func TestPendingAndResolved(t *testing.T) {
	tests := map[string]struct {
		sub      *v1alpha1.Subscription
		next     string
		resolved bool
	}{
		"a purchase that was not read":                      {bought(), "o1", false},
		"a purchase and an upgrade that were not read":      {bought(upgraded), "o1", false},
		"a sale whose orders are all known":                 {running(), "", true},
		"an upgrade that was not read":                      {running(upgraded), "o2", true},
		"the first that came is first":                      {running(renewed, upgraded), "o3", true},
		"a trial that became formal does not stop":          {running(madeFormal), "o4", true},
		"a call whose order was read stands before it":      {running(heard(call("a", "", "o9", "", 1)), renewed), "o3", true},
		"a sale whose purchase was forgotten in a full log": {running(func(s *v1alpha1.Subscription) { s.Calls = nil }), "", true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			next, ok := orders.Pending(tc.sub)
			if next.OrderID != tc.next || ok != (tc.next != "") {
				t.Errorf("pending is %q, %t", next.OrderID, ok)
			}
			if got := orders.Resolved(tc.sub); got != tc.resolved {
				t.Errorf("resolved is %t", got)
			}
		})
	}
}

func TestDue(t *testing.T) {
	three := runs("shop-small", "small", 3, 0)
	tests := map[string]struct {
		sub  *v1alpha1.Subscription
		now  time.Time
		want *v1alpha1.Subscription
		next time.Time
	}{
		"nothing waits": {running(), day(30), running(), time.Time{}},
		"just before its date a change still waits": {running(waiting), day(30).Add(-1), running(waiting), day(30)},
		"at its date it is in force":                {running(waiting), day(30), running(three), time.Time{}},
		"long after its date it is in force":        {running(waiting), day(300), running(three), time.Time{}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			before := tc.sub.DeepCopy()
			got, next := orders.Due(tc.sub, tc.now)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if !next.Equal(tc.next) {
				t.Errorf("the next is at %s", next)
			}
			if changed := !cmp.Equal(before, got); changed != (got != tc.sub) {
				t.Error("the same pointer has to mean that nothing changed")
			}
			if len(got.Items) > 0 && got != tc.sub {
				got.Items[0].SKU = "changed"
			}
			if diff := cmp.Diff(before, tc.sub); diff != "" {
				t.Errorf("it changed its argument:\n%s", diff)
			}
		})
	}
}
