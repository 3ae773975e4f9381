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
// after it failed gives it a new time; therefore a renewal never shortens the paid time, only a cancellation or a person does. A
// correction counts as a call of its time; a release that one has taken back stays so, whatever was sent since. Whether a freeze is an
// expiry is decided when it arrives, by the renewals known then.
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
		return nil, fmt.Errorf("%w: events of kind %q are not supported", marketplace.ErrMalformed, event.Kind)
	case sub == nil:
		return nil, marketplace.ErrUnknownInstance
	case isRepeat(sub.Calls, event):
		// Also after a release: the same call gets the same answer, at every replica.
		return acknowledged(sub, c), nil
	case sub.Entitlement.State == v1alpha1.EntitlementReleased && event.Kind != marketplace.Release:
		return nil, fmt.Errorf("%w: the instance was released", marketplace.ErrUnknownInstance)
	case sub.Entitlement.State == v1alpha1.EntitlementReleased:
		return acknowledged(sub, c), nil
	}
	merged := acknowledged(sub, c)
	rule(merged, c)
	return merged, nil
}

func purchased(c change) *v1alpha1.Subscription {
	sub := &v1alpha1.Subscription{
		InstanceID:   c.InstanceID,
		OrderID:      c.OrderID,
		OrderLineID:  c.OrderLineID,
		PurchaseTime: c.sentAt,
		StartTime:    WholeSecond(c.AcceptedAt),
		Type:         v1alpha1.SubscriptionType(c.Term),
		Entitlement:  v1alpha1.Entitlement{State: v1alpha1.EntitlementActive, Time: c.sentAt},

		Acknowledgement: awaited(c.Event),
	}
	appendOrder(sub, c.purchaseCall())
	return sub
}

// accepted takes from a repeated purchase when the buyer accepted, and the end that follows from it, which the first one could only
// estimate. All else was said then.
func accepted(sub *v1alpha1.Subscription, c change) *v1alpha1.Subscription {
	if sub.Entitlement.State == v1alpha1.EntitlementReleased {
		return sub
	}
	unmarkLicense(sub, c)
	if !c.AcceptedAt.IsZero() {
		sub.StartTime = WholeSecond(c.AcceptedAt)
	}
	unknown := sub.ExpiryTime.IsZero() && sub.ExpirySource == ""
	// A renewal, a query or a person knows better than the order.
	estimated := sub.ExpirySource == v1alpha1.ExpiryFromOrder && !c.AcceptedAt.IsZero()
	if c.Order != nil && !c.Order.ExpiresAt.IsZero() && (unknown || estimated) {
		sub.ExpiryTime, sub.ExpirySource = WholeSecond(c.Order.ExpiresAt), v1alpha1.ExpiryFromOrder
		endExpiry(sub, c)
	}
	readEndAgain(sub, c)
	return sub
}

// acceptancePatience is how long after the purchase a repeat of it may be one of a failed call, and says nothing new.
const acceptancePatience = cancellationPatience

// readEndAgain has the order of a purchase read for its end once more, where the call can't bring it. A product under supervision is paid
// from the buyer's acceptance on, of which the marketplace tells by the purchase's call; the end that was read before is an estimate.
func readEndAgain(sub *v1alpha1.Subscription, c change) {
	estimated := sub.ExpirySource == v1alpha1.ExpiryFromOrder && c.Lookup == marketplace.LookupPurchase
	if !estimated || c.sentAt.Sub(sub.PurchaseTime.Time) < acceptancePatience {
		return
	}
	for i := range sub.Calls {
		if call := &sub.Calls[i]; sameOrder(*call, c.Event) && call.Pending == "" && call.Source == "" {
			call.Pending = v1alpha1.CallPendingExpiry
		}
	}
}

// renew moves the end of the paid time, forward or, when a renewal is taken back, to what it was. The date is absolute, so a
// renewal that is taken back need not be known.
func renew(sub *v1alpha1.Subscription, c change) {
	call := c.orderCall()
	call.PreviousExpiryTime = sub.ExpiryTime
	canceled := !c.Cancels && hasOtherScene(sub.Calls, c.Event)
	next := nextCall(sub.Calls, c, func(call v1alpha1.Call) bool { return movesExpiry(call, c) })
	switch {
	case next != nil:
		// The call came late: it goes into the history before next, whose date stays in force.
		canceled = canceled || !c.Cancels && awaitsRenewal(sub, *next)
		call.PreviousExpiryTime, next.PreviousExpiryTime = next.PreviousExpiryTime, WholeSecond(c.ExpiresAt)
		if !c.Cancels && !canceled && !isTakenBackLater(sub, c) {
			setExpiry(sub, c)
		}
	case !canceled:
		canceled = !c.Cancels && canceledLately(sub, c)
		setExpiry(sub, c)
	}
	if canceled && call.Pending == v1alpha1.CallPendingRenewal {
		// Taken back before it came: else the order reconciler would apply its change.
		call.Pending = ""
	}
	if c.Cancels {
		takeBackRenewal(sub, c, next == nil)
	}
	if c.Term != "" {
		sub.Type = v1alpha1.SubscriptionType(c.Term)
	}
	appendOrder(sub, call)
}

// movesExpiry says whether a call has moved the end of the paid time as c does: a renewal or its cancellation, or a correction.
func movesExpiry(call v1alpha1.Call, c change) bool {
	return call.Operation == c.Activity || call.Operation == v1alpha1.OperationCorrection && !call.PreviousExpiryTime.IsZero()
}

// cancellationPatience is how long after its cancellation a renewal may still come: a marketplace repeats a failed call for three
// hours, each time with another time.
const cancellationPatience = 4 * time.Hour

// canceledLately says whether the latest change of the end is a cancellation whose renewal has not come yet. The renewal's change
// must not be applied then; its date is, because it may also be another renewal, and paid time is not taken away by a guess.
func canceledLately(sub *v1alpha1.Subscription, c change) bool {
	var latest *v1alpha1.Call
	for i := range sub.Calls {
		if call := &sub.Calls[i]; movesExpiry(*call, c) && (latest == nil || !call.Time.Before(&latest.Time)) {
			latest = call
		}
	}
	return latest != nil && c.sentAt.Sub(latest.Time.Time) <= cancellationPatience && awaitsRenewal(sub, *latest)
}

// awaitsRenewal says whether a call is a cancellation that found nothing to take back: the end was before it what it is after it.
func awaitsRenewal(sub *v1alpha1.Subscription, call v1alpha1.Call) bool {
	if !marketplace.Cancels(call.Variant) {
		return false
	}
	renewed := func(other v1alpha1.Call) bool {
		return sameOrderLine(other, call) && other.Operation == call.Operation && other.Variant != call.Variant
	}
	after := sub.ExpiryTime
	next := nextCall(sub.Calls, change{Event: marketplace.Event{Activity: call.Operation}, sentAt: call.Time}, func(other v1alpha1.Call) bool {
		return movesExpiry(other, change{Event: marketplace.Event{Activity: call.Operation}})
	})
	if next != nil {
		after = next.PreviousExpiryTime
	}
	return !after.Before(&call.PreviousExpiryTime) && !slices.ContainsFunc(sub.Calls, renewed)
}

func sameOrderLine(a, b v1alpha1.Call) bool {
	return a.OrderID == b.OrderID && a.OrderLineID == b.OrderLineID
}

// isTakenBackLater says whether a cancellation or a correction that was sent after c has said the end anew.
func isTakenBackLater(sub *v1alpha1.Subscription, c change) bool {
	return slices.ContainsFunc(sub.Calls, func(call v1alpha1.Call) bool {
		said := marketplace.Cancels(call.Variant) || call.Operation == v1alpha1.OperationCorrection
		return said && movesExpiry(call, c) && c.sentAt.Before(&call.Time)
	})
}

// setExpiry puts the date of a renewal in force, and lifts a freeze caused by expiry. Only what takes a renewal back brings an
// earlier end: a renewal with one is an old one that comes through late. A person's date gives way to every later renewal.
func setExpiry(sub *v1alpha1.Subscription, c change) {
	end := WholeSecond(c.ExpiresAt)
	shortens := !c.Cancels && sub.ExpirySource != v1alpha1.ExpiryFromPerson && end.Before(&sub.ExpiryTime)
	if !end.IsZero() && !shortens {
		sub.ExpiryTime, sub.ExpirySource = end, v1alpha1.ExpiryFromRenewal
	}
	if c.ProductID != "" && c.Lookup == marketplace.LookupNone && c.Order == nil && len(sub.Items) == 1 {
		sub.Items[0].ProductID = c.ProductID
	}
	endExpiry(sub, c)
}

// endExpiry ends a freeze that was for want of payment, once the paid time ends ahead.
func endExpiry(sub *v1alpha1.Subscription, c change) {
	entitlement := &sub.Entitlement
	// A renewal that was sent before the freeze can't end it: the marketplace knew of it.
	expired := entitlement.State == v1alpha1.EntitlementFrozen && entitlement.Reason == v1alpha1.EntitlementExpired
	if expired && !c.sentAt.Before(&entitlement.Time) && c.now.Before(&sub.ExpiryTime) {
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
	if pending := sub.PendingChange; ofRenewal(pending.OrderID, pending.OrderLineID, pending.EffectiveTime) {
		sub.PendingChange = v1alpha1.PendingChange{}
	}
	for i := range sub.Calls {
		call := &sub.Calls[i]
		if marketplace.Cancels(call.Variant) || !ofRenewal(call.OrderID, call.OrderLineID, call.PreviousExpiryTime) {
			continue
		}
		switch {
		case call.Pending == v1alpha1.CallPendingRenewal:
			call.Pending = ""
		case call.Operation == c.Activity && marketplace.RenewsWithChange(call.Variant):
			readBefore(sub, *call)
		}
	}
}

// readBefore has what was sold before a renewal read again, because the renewal's larger plan or quantity is in force already and
// goes with it. A change that was bought after the renewal, and what a person has said, stay.
func readBefore(sub *v1alpha1.Subscription, renewal v1alpha1.Call) {
	var before *v1alpha1.Call
	for i := range sub.Calls {
		call := &sub.Calls[i]
		changes := call.OrderID == sub.OrderID && call.OrderLineID == sub.OrderLineID || call.Operation == v1alpha1.OperationCorrection ||
			call.PreviousExpiryTime.IsZero() || marketplace.RenewsWithChange(call.Variant)
		switch {
		case !changes || sameOrderLine(*call, renewal) || marketplace.Cancels(call.Variant):
		case renewal.Time.Before(&call.Time):
			return
		case before == nil || !call.Time.Before(&before.Time):
			before = call
		}
	}
	if before == nil || before.Operation == v1alpha1.OperationCorrection || before.Pending != "" {
		return
	}
	before.Pending, sub.ItemsOrderTime = v1alpha1.CallPendingChange, metav1.Time{}
}

// changeOrder leaves what was bought to the order reconciler, wherever the order is: only there are the products known.
func changeOrder(sub *v1alpha1.Subscription, c change) {
	appendOrder(sub, c.orderCall())
}

// suspend freezes. A freeze at the end of the paid time has a reason of its own, because a renewal lifts it.
func suspend(sub *v1alpha1.Subscription, c change) {
	entitlement := &sub.Entitlement
	if c.sentAt.Before(&entitlement.Time) {
		return
	}
	if isFrozen(sub) {
		// The first reason stays. The time moves, so that an unfreeze sent between the two loses when it comes last.
		entitlement.Time = c.sentAt
		return
	}
	next := nextCall(sub.Calls, c, func(call v1alpha1.Call) bool { return !call.PreviousExpiryTime.IsZero() })
	expiry := sub.ExpiryTime
	if next != nil {
		expiry = next.PreviousExpiryTime
	}
	frozen := v1alpha1.Entitlement{
		State: v1alpha1.EntitlementFrozen, Reason: v1alpha1.EntitlementByMarketplace, Time: c.sentAt,
	}
	atEnd := !expiry.IsZero() && !c.sentAt.Time.Before(expiry.Add(-ExpiryTolerance))
	// Where the call itself says that the time is over, only a renewal will lift it, whatever date is known here.
	if atEnd || c.Reason == marketplace.ReasonExpired {
		frozen.Reason = v1alpha1.EntitlementExpired
		if next != nil && c.now.Before(&sub.ExpiryTime) {
			// The renewal that ends this freeze came before it.
			frozen = v1alpha1.Entitlement{State: v1alpha1.EntitlementActive, Time: next.Time}
		}
	}
	*entitlement = frozen
}

// resume ends a freeze that was sent before it, also one that a person has set.
func resume(sub *v1alpha1.Subscription, c change) {
	entitlement := &sub.Entitlement
	if c.sentAt.Before(&entitlement.Time) {
		return
	}
	// The time moves also when nothing is frozen, so that an older freeze that comes later loses.
	entitlement.State, entitlement.Time = v1alpha1.EntitlementActive, c.sentAt
	entitlement.Reason = ""
}

// release ends the sale, whatever was sent after it, but for a correction: a person who takes a release back knows of it.
func release(sub *v1alpha1.Subscription, c change) {
	if c.sentAt.Before(&sub.Entitlement.Time) && isCorrected(sub, sub.Entitlement.Time) || isTakenBack(sub, c) {
		return
	}
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

// isTakenBack says whether a release is one that a person has taken back: it was recorded before, or is older than the correction that took
// one back. The correction need not be in force any more: a freeze or an unfreeze since then is no reason to release again.
func isTakenBack(sub *v1alpha1.Subscription, c change) bool {
	return slices.ContainsFunc(sub.Calls, func(call v1alpha1.Call) bool {
		recorded := IsSameCall(call, c.Event) && call.Time.Equal(&c.sentAt)
		return recorded || takesBackRelease(call) && c.sentAt.Before(&call.Time)
	})
}

func takesBackRelease(call v1alpha1.Call) bool {
	return call.Operation == v1alpha1.OperationCorrection && call.Variant == v1alpha1.VariantReleaseTakenBack
}

func isFrozen(sub *v1alpha1.Subscription) bool {
	return sub.Entitlement.State == v1alpha1.EntitlementFrozen
}

// orderCall is the call as it is recorded. An order that the call itself brought is looked up as one of the order API would be,
// but in the call's Secret.
func (c change) orderCall() v1alpha1.Call {
	call := v1alpha1.Call{
		Operation:   c.Activity,
		Variant:     c.Scene,
		OrderID:     c.OrderID,
		OrderLineID: c.OrderLineID,
		Time:        c.sentAt,
		Pending:     v1alpha1.CallPending(c.Lookup),
	}
	if lookup := broughtLookups[c.Kind]; c.Order != nil && lookup != "" {
		call.Pending, call.Source = lookup, v1alpha1.OrderFromCall
	}
	return call
}

// broughtLookups say what an order is for that came with a call.
var broughtLookups = map[marketplace.Kind]v1alpha1.CallPending{
	marketplace.Purchase: v1alpha1.CallPendingPurchase,
	marketplace.Renew:    v1alpha1.CallPendingPurchase, // a trial that became formal
	marketplace.Change:   v1alpha1.CallPendingChange,
}

// isRepeat finds a call with an order that was applied before. Calls without one, and releases, converge by themselves.
func isRepeat(orders []v1alpha1.Call, event marketplace.Event) bool {
	if event.OrderID == "" || event.Kind != marketplace.Renew && event.Kind != marketplace.Change {
		return false
	}
	return slices.ContainsFunc(orders, func(call v1alpha1.Call) bool { return IsSameCall(call, event) })
}

// IsSameCall says whether a recorded call and an event are one call, of which one may be a repeat: the same activity, scene,
// order and line.
func IsSameCall(call v1alpha1.Call, event marketplace.Event) bool {
	return sameOrder(call, event) && call.Variant == event.Scene
}

// hasOtherScene finds the other half of a renewal and its cancellation.
func hasOtherScene(orders []v1alpha1.Call, event marketplace.Event) bool {
	for _, call := range orders {
		if sameOrder(call, event) && call.Variant != event.Scene {
			return true
		}
	}
	return false
}

func sameOrder(call v1alpha1.Call, event marketplace.Event) bool {
	return call.Operation == event.Activity && call.OrderID == event.OrderID && call.OrderLineID == event.OrderLineID
}

// nextCall is the earliest call, among those that fit, that was sent after c; nil when c is the latest.
func nextCall(orders []v1alpha1.Call, c change, fits func(v1alpha1.Call) bool) *v1alpha1.Call {
	var next *v1alpha1.Call
	for i := range orders {
		call := &orders[i]
		if fits(*call) && c.sentAt.Before(&call.Time) && (next == nil || call.Time.Before(&next.Time)) {
			next = call
		}
	}
	return next
}

// appendOrder records a call that has an order. When the list is full the oldest call goes that nothing waits for; a call is
// never refused for it.
func appendOrder(sub *v1alpha1.Subscription, call v1alpha1.Call) {
	if call.OrderID != "" {
		appendCall(sub, call)
	}
}

func appendCall(sub *v1alpha1.Subscription, call v1alpha1.Call) {
	for len(sub.Calls) >= MaxOrders {
		i := dispensable(sub)
		sub.Calls = append(sub.Calls[:i], sub.Calls[i+1:]...)
	}
	sub.Calls = append(sub.Calls, call)
}

// dispensable is the index of the call to drop: the oldest that is not kept and waits for no order, else the oldest that is not kept.
func dispensable(sub *v1alpha1.Subscription) int {
	oldest := -1
	for i, call := range sub.Calls {
		if isKept(sub, i) {
			continue
		}
		if call.Pending == "" {
			return i
		}
		if oldest < 0 {
			oldest = i
		}
	}
	return max(oldest, 0)
}

// isKept says whether a call must not be dropped: the purchase, a release in force, the latest correction that took one back, and a
// correction that is in force or the latest, which would be applied anew if it were forgotten. They are less than ten.
func isKept(sub *v1alpha1.Subscription, i int) bool {
	call := sub.Calls[i]
	switch {
	case call.OrderID != "" && call.OrderID == sub.OrderID && call.OrderLineID == sub.OrderLineID:
		return true
	case call.Operation != v1alpha1.OperationCorrection:
		return sub.Entitlement.State == v1alpha1.EntitlementReleased && call.Time.Equal(&sub.Entitlement.Time)
	}
	corrects := func(other v1alpha1.Call) bool { return other.Operation == v1alpha1.OperationCorrection }
	dated := func(other v1alpha1.Call) bool { return corrects(other) && !other.PreviousExpiryTime.IsZero() }
	last := isLatest(sub, i, corrects) || isLatest(sub, i, takesBackRelease)
	dates := sub.ExpirySource == v1alpha1.ExpiryFromPerson && isLatest(sub, i, dated)
	return last || dates || call.Time.Equal(&sub.Entitlement.Time) || call.Time.Equal(&sub.ItemsOrderTime) ||
		call.Time.Equal(&sub.Acknowledgement.Time)
}

// isLatest says whether a call is the latest of those that fit.
func isLatest(sub *v1alpha1.Subscription, i int, fits func(v1alpha1.Call) bool) bool {
	return fits(sub.Calls[i]) && !slices.ContainsFunc(sub.Calls[i+1:], fits)
}
