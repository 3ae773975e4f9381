package subscription

import (
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/marketplace"
)

// change is one event on its way into a subscription, with its times as they are stored.
type change struct {
	marketplace.Event
	sentAt, now metav1.Time
}

// rules say what the events do to a sale that is known and not released.
var rules = map[marketplace.Kind]func(*v1alpha1.Subscription, change){
	marketplace.Renew:   renew,
	marketplace.Change:  changeOrder,
	marketplace.Suspend: suspend,
	marketplace.Resume:  resume,
	marketplace.Release: release,
}

// Merge is what an event makes of what the marketplace has said so far. It returns a new value and never changes sub; a
// result that equals sub means that nothing is to be written. sub is nil for a sale that is not known yet; only a Purchase
// makes it known, under event.InstanceID, and leaves its Marketplace to the caller. What the call's own order says is left to the
// caller too.
//
// It fails with marketplace.ErrUnknownInstance for a sale that is unknown or released, and with marketplace.ErrMalformed
// for a kind of event that it has no rule for.
//
// Order. A repeat (the same activity, scene, order and line) changes nothing. Else the time of the call is the only order
// there is, in whole seconds: of several dates the one that was sent last counts, and of freeze, unfreeze and the renewal
// that ends a freeze too. Calls of one second count in the order of their arrival. A marketplace that makes a call again
// after it failed gives it a new time, so a renewal that failed at first and is made again after a later renewal counts as
// the later one. Whether a freeze is an expiry is decided when it arrives, by the renewals known then.
func Merge(sub *v1alpha1.Subscription, event marketplace.Event, now time.Time) (*v1alpha1.Subscription, error) {
	c := change{Event: event, sentAt: WholeSecond(event.SentAt), now: WholeSecond(now)}
	if c.sentAt.IsZero() {
		c.sentAt = c.now
	}
	switch event.Kind {
	case marketplace.Notify:
		return sub.DeepCopy(), nil
	case marketplace.Query, marketplace.Check, marketplace.Synchronize:
		return acknowledged(sub, c), nil
	case marketplace.Purchase:
		if sub == nil {
			return purchased(c), nil
		}
		return accepted(sub.DeepCopy(), c), nil
	}
	rule, ok := rules[event.Kind]
	switch {
	case !ok:
		return nil, fmt.Errorf("%w: there is no rule for an event of kind %q", marketplace.ErrMalformed, event.Kind)
	case sub == nil:
		return nil, marketplace.ErrUnknownInstance
	case sub.Entitlement.State == v1alpha1.EntitlementReleased && event.Kind != marketplace.Release:
		return nil, fmt.Errorf("%w: it was released", marketplace.ErrUnknownInstance)
	case sub.Entitlement.State == v1alpha1.EntitlementReleased, isRepeat(sub.Orders, event):
		return acknowledged(sub, c), nil
	}
	merged := acknowledged(sub, c)
	rule(merged, c)
	return merged, nil
}

func purchased(c change) *v1alpha1.Subscription {
	sub := &v1alpha1.Subscription{
		InstanceID:  c.InstanceID,
		OrderID:     c.OrderID,
		OrderLineID: c.OrderLineID,
		PurchasedAt: c.sentAt,
		StartsAt:    WholeSecond(c.AcceptedAt),
		Type:        v1alpha1.SubscriptionType(c.Term),
		Entitlement: v1alpha1.Entitlement{State: v1alpha1.EntitlementActive, Time: c.sentAt},

		Acknowledgement: awaited(c.Event),
	}
	appendOrder(sub, c.orderCall())
	return sub
}

// accepted takes from a repeated purchase when the buyer accepted, which the first one could not know. All else was said then.
func accepted(sub *v1alpha1.Subscription, c change) *v1alpha1.Subscription {
	if !c.AcceptedAt.IsZero() && sub.Entitlement.State != v1alpha1.EntitlementReleased {
		sub.StartsAt = WholeSecond(c.AcceptedAt)
	}
	return sub
}

// renew moves the end of the paid time, forward or, when a renewal is taken back, to what it was. The date is absolute, so a
// renewal that is taken back need not be known.
func renew(sub *v1alpha1.Subscription, c change) {
	call := c.orderCall()
	call.PreviousExpiresAt = sub.ExpiresAt
	next := nextCall(sub.Orders, c, func(call v1alpha1.OrderCall) bool { return call.Activity == c.Activity })
	if next != nil {
		// The call came late: it goes into the history before next, whose date stays in force.
		call.PreviousExpiresAt, next.PreviousExpiresAt = next.PreviousExpiresAt, WholeSecond(c.ExpiresAt)
		if call.Lookup == v1alpha1.LookupRenewal && hasOtherScene(sub.Orders, c.Event) {
			// Given back already: else the order reconciler would apply its change.
			call.Lookup = ""
		}
	} else {
		setExpiry(sub, c)
	}
	if c.Cancels {
		takeBackRenewal(sub, c, next == nil)
	}
	if c.Term != "" {
		sub.Type = v1alpha1.SubscriptionType(c.Term)
	}
	appendOrder(sub, call)
}

// setExpiry puts the date of the latest renewal in force, and ends a freeze that was for want of it.
func setExpiry(sub *v1alpha1.Subscription, c change) {
	if !c.ExpiresAt.IsZero() {
		sub.ExpiresAt, sub.ExpiresAtSource = WholeSecond(c.ExpiresAt), v1alpha1.ExpiryFromRenewal
	}
	if c.ProductID != "" && c.Lookup == marketplace.LookupNone && c.Order == nil && len(sub.Items) == 1 {
		sub.Items[0].ProductID = c.ProductID
	}
	entitlement := &sub.Entitlement
	// A renewal that was sent before the freeze can't end it: the marketplace knew of it.
	expired := entitlement.State == v1alpha1.EntitlementFrozen && entitlement.Reason == v1alpha1.EntitlementExpired
	if expired && !c.sentAt.Before(&entitlement.Time) && c.now.Before(&sub.ExpiresAt) {
		*entitlement = v1alpha1.Entitlement{State: v1alpha1.EntitlementActive, Time: c.sentAt}
	}
}

// takeBackRenewal drops what the renewal had bought for the next period. The call carries either the renewal's own order or
// one of its own, so the renewal is also known by beginning where the paid time now ends, if the call's date is in force.
func takeBackRenewal(sub *v1alpha1.Subscription, c change, inForce bool) {
	end := WholeSecond(c.ExpiresAt)
	ofRenewal := func(orderID, orderLineID string, begins metav1.Time) bool {
		same := orderID == c.OrderID && orderLineID == c.OrderLineID
		return same || (inForce && !end.IsZero() && !begins.IsZero() && !begins.Before(&end))
	}
	if pending := sub.PendingChange; ofRenewal(pending.OrderID, pending.OrderLineID, pending.EffectiveAt) {
		sub.PendingChange = v1alpha1.PendingChange{}
	}
	for i := range sub.Orders {
		call := &sub.Orders[i]
		if call.Lookup == v1alpha1.LookupRenewal && ofRenewal(call.OrderID, call.OrderLineID, call.PreviousExpiresAt) {
			call.Lookup = ""
		}
	}
}

// changeOrder leaves what was bought to the order reconciler, wherever the order is: only there are the products known.
func changeOrder(sub *v1alpha1.Subscription, c change) {
	appendOrder(sub, c.orderCall())
}

// suspend freezes. A freeze at the end of the paid time has a reason of its own, because a renewal lifts it.
func suspend(sub *v1alpha1.Subscription, c change) {
	entitlement := &sub.Entitlement
	if c.sentAt.Before(&entitlement.Time) || entitlement.Reason == v1alpha1.EntitlementByPerson && isFrozen(sub) {
		return
	}
	if isFrozen(sub) {
		// The first reason stays. The time moves, so that an unfreeze sent between the two loses when it comes last.
		entitlement.Time = c.sentAt
		return
	}
	next := nextCall(sub.Orders, c, func(call v1alpha1.OrderCall) bool { return !call.PreviousExpiresAt.IsZero() })
	expiry := sub.ExpiresAt
	if next != nil {
		expiry = next.PreviousExpiresAt
	}
	frozen := v1alpha1.Entitlement{
		State: v1alpha1.EntitlementFrozen, Reason: v1alpha1.EntitlementByMarketplace, Time: c.sentAt,
	}
	atEnd := !expiry.IsZero() && !c.sentAt.Time.Before(expiry.Add(-ExpiryTolerance))
	// Where the call itself says that the time is over, only a renewal will lift it, whatever date is known here.
	if atEnd || c.Reason == marketplace.ReasonExpired {
		frozen.Reason = v1alpha1.EntitlementExpired
		if next != nil && c.now.Before(&sub.ExpiresAt) {
			// The renewal that ends this freeze came before it.
			frozen = v1alpha1.Entitlement{State: v1alpha1.EntitlementActive, Time: next.Time}
		}
	}
	*entitlement = frozen
}

// resume ends a freeze, but for one that a person has set.
func resume(sub *v1alpha1.Subscription, c change) {
	entitlement := &sub.Entitlement
	if c.sentAt.Before(&entitlement.Time) || entitlement.Reason == v1alpha1.EntitlementByPerson && isFrozen(sub) {
		return
	}
	// The time moves also when nothing is frozen, so that an older freeze that comes later loses.
	entitlement.State, entitlement.Time = v1alpha1.EntitlementActive, c.sentAt
	entitlement.Reason = ""
}

func release(sub *v1alpha1.Subscription, c change) {
	sub.Entitlement = v1alpha1.Entitlement{
		State: v1alpha1.EntitlementReleased, Reason: v1alpha1.EntitlementByMarketplace, Time: c.sentAt,
	}
	sub.PendingChange = v1alpha1.PendingChange{}
	if sub.License.Type != "" {
		// Else the next query would take a release for news that a person has taken back.
		sub.License.State = v1alpha1.LicenseReleased
	}
	appendOrder(sub, c.orderCall())
}

func isFrozen(sub *v1alpha1.Subscription) bool {
	return sub.Entitlement.State == v1alpha1.EntitlementFrozen
}

// orderCall is the call as it is recorded. An order that the call itself brought is looked up as one of the order API would be,
// but in the call's Secret.
func (c change) orderCall() v1alpha1.OrderCall {
	call := v1alpha1.OrderCall{
		Activity:    c.Activity,
		Scene:       c.Scene,
		OrderID:     c.OrderID,
		OrderLineID: c.OrderLineID,
		Time:        c.sentAt,
		Lookup:      v1alpha1.OrderLookup(c.Lookup),
	}
	if lookup := broughtLookups[c.Kind]; c.Order != nil && lookup != "" {
		call.Lookup, call.Source = lookup, v1alpha1.OrderFromCall
	}
	return call
}

// broughtLookups say what an order is for that came with a call.
var broughtLookups = map[marketplace.Kind]v1alpha1.OrderLookup{
	marketplace.Purchase: v1alpha1.LookupPurchase,
	marketplace.Renew:    v1alpha1.LookupPurchase, // a trial that became formal
	marketplace.Change:   v1alpha1.LookupChange,
}

// isRepeat finds a call with an order that was applied before. Calls without one, and releases, converge by themselves.
func isRepeat(orders []v1alpha1.OrderCall, event marketplace.Event) bool {
	if event.OrderID == "" || event.Kind != marketplace.Renew && event.Kind != marketplace.Change {
		return false
	}
	return slices.ContainsFunc(orders, func(call v1alpha1.OrderCall) bool { return IsSameCall(call, event) })
}

// IsSameCall says whether a recorded call and an event are one call, of which one may be a repeat: the same activity, scene,
// order and line.
func IsSameCall(call v1alpha1.OrderCall, event marketplace.Event) bool {
	return sameOrder(call, event) && call.Scene == event.Scene
}

// hasOtherScene finds the other half of a renewal and its cancellation.
func hasOtherScene(orders []v1alpha1.OrderCall, event marketplace.Event) bool {
	for _, call := range orders {
		if sameOrder(call, event) && call.Scene != event.Scene {
			return true
		}
	}
	return false
}

func sameOrder(call v1alpha1.OrderCall, event marketplace.Event) bool {
	return call.Activity == event.Activity && call.OrderID == event.OrderID && call.OrderLineID == event.OrderLineID
}

// nextCall is the earliest call, among those that fit, that was sent after c; nil when c is the latest.
func nextCall(orders []v1alpha1.OrderCall, c change, fits func(v1alpha1.OrderCall) bool) *v1alpha1.OrderCall {
	var next *v1alpha1.OrderCall
	for i := range orders {
		call := &orders[i]
		if fits(*call) && c.sentAt.Before(&call.Time) && (next == nil || call.Time.Before(&next.Time)) {
			next = call
		}
	}
	return next
}

// appendOrder records a call that has an order. When the list is full the oldest call goes that nobody waits for; a call is
// never refused for it.
func appendOrder(sub *v1alpha1.Subscription, call v1alpha1.OrderCall) {
	if call.OrderID == "" {
		return
	}
	for len(sub.Orders) >= MaxOrders {
		i := dispensable(sub)
		sub.Orders = append(sub.Orders[:i], sub.Orders[i+1:]...)
	}
	sub.Orders = append(sub.Orders, call)
}

// dispensable is the index of the call to drop: the oldest that is neither the purchase nor waiting for the order API, else
// the oldest that is not the purchase.
func dispensable(sub *v1alpha1.Subscription) int {
	oldest := -1
	for i, call := range sub.Orders {
		if call.OrderID == sub.OrderID && call.OrderLineID == sub.OrderLineID {
			continue
		}
		if call.Lookup == "" {
			return i
		}
		if oldest < 0 {
			oldest = i
		}
	}
	return max(oldest, 0)
}
