package orders

import (
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/marketplace"
	"github.com/stallkeeper/stallkeeper/subscription"
)

// Sale is an instance as far as orders are concerned.
type Sale struct {
	// Subscription is what is known so far, and not nil. It is never changed.
	Subscription *v1alpha1.Subscription
	// Product is the product that the instance has; empty as long as none is known.
	Product string
	// PlanOverride is true if a person has set the plan: then an order need not be listed.
	PlanOverride bool
	// ShowCustomerName is true if the buyer's account name may stand in the subscription.
	ShowCustomerName bool
	// Instances are those that may use the order's package, where it is one.
	Instances []v1alpha1.MarketplaceInstance
	// Call is the pending call that the order belongs to; the first one when not set.
	Call v1alpha1.Call
}

// Result is a subscription after an order was applied.
type Result struct {
	// Subscription is the new one.
	Subscription *v1alpha1.Subscription
	// Product is the product that was sold, or the one that the instance had.
	Product string
}

// Pending is the first call whose order has yet to be asked for; false when there is none.
func Pending(sub *v1alpha1.Subscription) (call v1alpha1.Call, ok bool) {
	if i := pendingIndex(sub); i >= 0 {
		return sub.Calls[i], true
	}
	return v1alpha1.Call{}, false
}

// AllPending are the calls whose orders have yet to be asked for, in the order in which they came. A purchase of which only a later end is
// asked for is none of them: nothing waits for it.
func AllPending(sub *v1alpha1.Subscription) []v1alpha1.Call {
	return slices.DeleteFunc(slices.Clone(sub.Calls), func(c v1alpha1.Call) bool { return !waitsForOrder(c) })
}

func pendingIndex(sub *v1alpha1.Subscription) int { return slices.IndexFunc(sub.Calls, waitsForOrder) }

func waitsForOrder(c v1alpha1.Call) bool {
	return c.Pending != "" && c.Pending != v1alpha1.CallPendingExpiry
}

// callIndex is the index of the pending call that the sale's order belongs to.
func callIndex(sale Sale) int {
	if sale.Call.Operation == "" {
		return pendingIndex(sale.Subscription)
	}
	return slices.IndexFunc(sale.Subscription.Calls, func(c v1alpha1.Call) bool {
		return waitsForOrder(c) && slices.Equal(c.Key(), sale.Call.Key())
	})
}

// Resolved says whether it is known what was sold: no purchase waits for its order any more. Changes and renewals that
// wait do not unresolve a sale that runs.
func Resolved(sub *v1alpha1.Subscription) bool {
	return !slices.ContainsFunc(sub.Calls, func(c v1alpha1.Call) bool {
		return c.Pending == v1alpha1.CallPendingPurchase && isPurchase(sub, c)
	})
}

// IsPurchase says whether a call is the purchase itself.
func IsPurchase(sub *v1alpha1.Subscription, call v1alpha1.Call) bool {
	return call.Pending == v1alpha1.CallPendingPurchase && isPurchase(sub, call)
}

// isPurchase tells the purchase itself from a trial that became formal, which also reads a whole order.
func isPurchase(sub *v1alpha1.Subscription, call v1alpha1.Call) bool {
	return call.OrderID == sub.OrderID && call.OrderLineID == sub.OrderLineID
}

// Apply applies the order of a pending call. It returns a Problem when the order can't be applied; the call then
// keeps its lookup.
func Apply(sale Sale, order marketplace.Order, products []v1alpha1.MarketplaceProduct) (Result, *Problem) {
	index := callIndex(sale)
	if index < 0 {
		return Result{Subscription: sale.Subscription, Product: sale.Product}, nil
	}
	sub := sale.Subscription.DeepCopy()
	call := &sub.Calls[index]
	if problem := checkType(sub, *call, order.Type); problem != nil {
		return Result{}, problem
	}
	items := soldItems(order.Items)
	partial := changesOnly(sub, *call)
	if partial {
		items = completed(items, sub.Items)
	}
	if problem := checkQuantities(*call, items); problem != nil {
		return Result{}, problem
	}
	match, problem := matchFor(sale, sub.Marketplace, items, products)
	if problem != nil {
		return Result{}, problem
	}
	told := *call
	call.Pending = ""
	if problem := describeSale(sub, sale, told, order, match, products); problem != nil {
		return Result{}, problem
	}
	change := v1alpha1.PendingChange{
		OrderID: told.OrderID, OrderLineID: told.OrderLineID, Items: boundedItems(items), Plan: match.Plan, Quantity: match.Quantity,
	}
	switch {
	case isOlder(order, sub):
		// A later order is in force already.
	case partial && told.Pending == v1alpha1.CallPendingChange && !order.Refund && isSmaller(sub, match, products):
		// A call that says what was ordered, and not when, is as old as its first attempt, which nothing tells: its retry may come after a
		// larger order. Only money that goes back takes something away.
	case told.Pending == v1alpha1.CallPendingRenewal && waits(sub, match, told.PreviousExpiryTime, products):
		change.EffectiveTime = told.PreviousExpiryTime
		sub.PendingChange = change
	default:
		putInForce(sub, change, order, partial)
	}
	return Result{Subscription: sub, Product: match.Product}, nil
}

// describeSale puts into a sale what its order says besides what was sold.
func describeSale(
	sub *v1alpha1.Subscription, sale Sale, told v1alpha1.Call, order marketplace.Order, match Match, products []v1alpha1.MarketplaceProduct,
) *Problem {
	switch {
	case IsPurchase(sub, told):
		describePurchase(sub, sale, order)
		return linkPackage(sub, sale, match, products)
	case told.Pending == v1alpha1.CallPendingPurchase && order.Charging != "":
		// A trial that became formal is charged from now on. What the buyer entered for the trial stays.
		sub.ChargingMode = v1alpha1.ChargingMode(order.Charging)
	}
	return nil
}

// isOlder reports whether an order was made before the one whose items are in force.
func isOlder(order marketplace.Order, sub *v1alpha1.Subscription) bool {
	return !order.OrderedAt.IsZero() && order.OrderedAt.Before(sub.ItemsOrderTime.Time)
}

// putInForce makes a change that does not wait what is sold.
func putInForce(sub *v1alpha1.Subscription, change v1alpha1.PendingChange, order marketplace.Order, partial bool) {
	enact(sub, change)
	if partial {
		sub.Attributes = replaced(sub.Attributes, boundedAttributes(order.Attributes))
	}
	if !order.OrderedAt.IsZero() {
		// The time of an order before this one keeps still older ones out.
		sub.ItemsOrderTime = subscription.WholeSecond(order.OrderedAt)
	}
}

// Due enacts the pending change once its date has come; it returns the argument itself when there is none, and the time of
// one that still waits.
func Due(sub *v1alpha1.Subscription, now time.Time) (after *v1alpha1.Subscription, next time.Time) {
	at := sub.PendingChange.EffectiveTime.Time
	if at.IsZero() || now.Before(at) {
		return sub, at
	}
	after = sub.DeepCopy()
	enact(after, after.PendingChange)
	return after, time.Time{}
}

// enact puts a change in force. A change that still waits ends with it: at its date it would take from the buyer what was
// bought since.
func enact(sub *v1alpha1.Subscription, change v1alpha1.PendingChange) {
	sub.Items, sub.Plan, sub.Quantity = change.Items, change.Plan, change.Quantity
	sub.PendingChange = v1alpha1.PendingChange{}
}

// matchFor finds the plan, within the product that the instance has.
func matchFor(sale Sale, marketplaceName string, items []v1alpha1.SoldItem, products []v1alpha1.MarketplaceProduct,
) (Match, *Problem) {
	match, problem := Find(products, marketplaceName, items)
	if problem != nil && sale.Product != "" && sale.PlanOverride {
		// A person has decided what runs; the quantity is still the marketplace's to say.
		match, problem = Match{Product: sale.Product, Quantity: firstQuantity(items)}, nil
		if i := productIndex(products, sale.Product); i >= 0 {
			match.Reductions = reductionsOf(&products[i], "")
		}
	}
	if problem == nil && sale.Product != "" && match.Product != sale.Product {
		return Match{}, &Problem{Reason: v1alpha1.ReasonProductChanged, Message: fmt.Sprintf(
			"The order is for product %q, but this instance and its data belong to product %q: list %s in %q, or agree with the"+
				" buyer on a new purchase", match.Product, sale.Product, describe(items), sale.Product)}
	}
	return match, problem
}

func productIndex(products []v1alpha1.MarketplaceProduct, name string) int {
	return slices.IndexFunc(products, func(p v1alpha1.MarketplaceProduct) bool { return p.Name == name })
}

func firstQuantity(items []v1alpha1.SoldItem) *int32 {
	for _, item := range items {
		if item.Quantity != nil {
			return item.Quantity
		}
	}
	return nil
}

// waits says whether a renewal's change is a smaller plan or quantity that waits for the end of the period already paid.
func waits(sub *v1alpha1.Subscription, match Match, previousEnd metav1.Time, products []v1alpha1.MarketplaceProduct) bool {
	return !previousEnd.IsZero() && match.Reductions != v1alpha1.ReductionImmediately && isSmaller(sub, match, products)
}

// isSmaller says whether a match is a plan of a lower rank than what is sold, or less of the same plan.
func isSmaller(sub *v1alpha1.Subscription, match Match, products []v1alpha1.MarketplaceProduct) bool {
	present := -1
	if i := productIndex(products, match.Product); i >= 0 {
		present = planRank(&products[i], sub.Plan)
	}
	if present >= 0 && match.Plan != "" && match.Plan != sub.Plan {
		return match.PlanRank < present
	}
	return ptr.Deref(match.Quantity, 1) < ptr.Deref(sub.Quantity, 1)
}

// describePurchase takes from the order of the purchase what no call has said.
func describePurchase(sub *v1alpha1.Subscription, sale Sale, order marketplace.Order) {
	sub.CustomerID = bounded(order.CustomerID, maxID)
	if sale.ShowCustomerName {
		sub.CustomerName = bounded(order.CustomerName, 256)
	}
	sub.ChargingMode = v1alpha1.ChargingMode(order.Charging)
	sub.Attributes = boundedAttributes(order.Attributes)
	if sub.Type == "" {
		sub.Type = v1alpha1.SubscriptionPaid
		if order.Type == marketplace.OrderTrial {
			sub.Type = v1alpha1.SubscriptionTrial
		}
	}
	if sub.StartTime.IsZero() {
		sub.StartTime = subscription.WholeSecond(order.OrderedAt)
	}
	// A renewal that came before the order was read, or a person, knows better than the order's estimate.
	if sub.ExpirySource == "" && sub.ExpiryTime.IsZero() && !order.ExpiresAt.IsZero() {
		sub.ExpiryTime, sub.ExpirySource = subscription.WholeSecond(order.ExpiresAt), v1alpha1.ExpiryFromOrder
	}
}

// Estimate is the purchase's call where its order was asked for and has named the end of the paid time; false where something else has.
func Estimate(sub *v1alpha1.Subscription) (call v1alpha1.Call, ok bool) {
	if sub.ExpirySource != v1alpha1.ExpiryFromOrder {
		return v1alpha1.Call{}, false
	}
	for _, call := range sub.Calls {
		if isPurchase(sub, call) && call.OrderID != "" && call.Source == "" && !waitsForOrder(call) {
			return call, true
		}
	}
	return v1alpha1.Call{}, false
}

// ReadEnd takes the end of the paid time from an order that is read once more, and returns the argument itself when nothing changes. It is a
// later end than was estimated, or none that counts: what takes paid time back comes as a call, and a renewal or a person knows better. An
// order without an end, the zero Order among them, only settles that it was asked for.
func ReadEnd(sub *v1alpha1.Subscription, order marketplace.Order) *v1alpha1.Subscription {
	end := subscription.WholeSecond(order.ExpiresAt)
	later := sub.ExpirySource == v1alpha1.ExpiryFromOrder && sub.ExpiryTime.Before(&end)
	asked := slices.IndexFunc(sub.Calls, func(c v1alpha1.Call) bool { return c.Pending == v1alpha1.CallPendingExpiry })
	if !later && asked < 0 {
		return sub
	}
	after := sub.DeepCopy()
	if later {
		after.ExpiryTime = end
	}
	if asked >= 0 {
		after.Calls[asked].Pending = ""
	}
	return after
}

// orderTypes are those that say what an order is for.
var orderTypes = []marketplace.OrderType{
	marketplace.OrderPurchase, marketplace.OrderTrial, marketplace.OrderTrialToFormal, marketplace.OrderRenewal, marketplace.OrderChange,
	marketplace.OrderUnsubscription,
}

// checkType refuses orders that can't belong to their call, such as an unsubscription that comes as a purchase. A purchase of no type, or of one
// that is not known, is what its call says: refused, it would be lost.
func checkType(sub *v1alpha1.Subscription, call v1alpha1.Call, got marketplace.OrderType) *Problem {
	var want []marketplace.OrderType
	switch {
	case call.Pending == v1alpha1.CallPendingChange && isPurchase(sub, call):
		// A change that went over it was given back; and some changes come with the order of the purchase.
		want = []marketplace.OrderType{marketplace.OrderChange, marketplace.OrderPurchase, marketplace.OrderTrial}
	case call.Pending == v1alpha1.CallPendingChange && !call.PreviousExpiryTime.IsZero():
		want = []marketplace.OrderType{marketplace.OrderRenewal, marketplace.OrderChange, marketplace.OrderTrialToFormal, marketplace.OrderPurchase}
	case call.Pending == v1alpha1.CallPendingChange:
		want = []marketplace.OrderType{marketplace.OrderChange}
	case call.Pending == v1alpha1.CallPendingRenewal:
		want = []marketplace.OrderType{marketplace.OrderRenewal, marketplace.OrderChange}
	case isPurchase(sub, call):
		want = []marketplace.OrderType{marketplace.OrderPurchase, marketplace.OrderTrial}
	default:
		want = []marketplace.OrderType{marketplace.OrderTrialToFormal, marketplace.OrderPurchase}
	}
	if slices.Contains(want, got) || isPurchase(sub, call) && !slices.Contains(orderTypes, got) {
		return nil
	}
	names := make([]string, len(want))
	for i, t := range want {
		names[i] = string(t)
	}
	return &Problem{Reason: v1alpha1.ReasonUnexpectedOrderType, Message: fmt.Sprintf(
		"Order %s came with the call %s and must be of type %s, but the marketplace reports %q: nothing was changed; ask the"+
			" marketplace's support about this order", call.OrderID, strings.TrimSpace(call.Operation+" "+call.Variant),
		strings.Join(names, " or "), bounded(string(got), 64))}
}

// checkQuantities refuses what the API can't hold: a cut number would be another one than was sold.
func checkQuantities(call v1alpha1.Call, items []v1alpha1.SoldItem) *Problem {
	for _, item := range items {
		if quantity := ptr.Deref(item.Quantity, 0); quantity < 0 || quantity > subscription.MaxQuantity {
			return &Problem{Reason: v1alpha1.ReasonOrderInvalid, Message: fmt.Sprintf(
				"Order %s sells the quantity %d of %s, which is not between 0 and %d: nothing was changed; ask the marketplace's"+
					" support about this order, or set productRef, plan and quantity in this instance's spec",
				call.OrderID, quantity, describe([]v1alpha1.SoldItem{item}), subscription.MaxQuantity)}
		}
	}
	return nil
}

// soldItems are the items in the marketplace's own words. What they mean is looked up by these: a code that was cut could
// be another one.
func soldItems(items []marketplace.Item) []v1alpha1.SoldItem {
	var sold []v1alpha1.SoldItem
	for _, item := range items {
		entry := v1alpha1.SoldItem{ProductID: item.ProductID, SKU: item.SKUCode, ProductName: item.ProductName}
		if item.Quantity != nil {
			entry.Quantity = ptr.To(*item.Quantity)
		}
		if entry != (v1alpha1.SoldItem{}) {
			sold = append(sold, entry)
		}
	}
	return sold
}
