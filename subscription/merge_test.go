package subscription_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/marketplace"
	"github.com/stallkeeper/stallkeeper/subscription"
)

// day is midnight of a day after the purchase, which was made on day 0.
func day(n int) time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, n) }

func at(n int) metav1.Time { return metav1.NewTime(day(n)) }

// sale is a monthly sale as the order reconciler leaves it, changed as a test wants it.
func sale(changes ...func(*v1alpha1.Subscription)) *v1alpha1.Subscription {
	sub := &v1alpha1.Subscription{
		Marketplace:  "koogallery",
		InstanceID:   "i1",
		OrderID:      "o1",
		OrderLineID:  "o1-1",
		PurchaseTime: at(0),
		Items:        []v1alpha1.SoldItem{{ProductID: "p1", SKU: "sku"}},
		Type:         v1alpha1.SubscriptionPaid,
		ExpiryTime:   at(30),
		ExpirySource: v1alpha1.ExpiryFromOrder,
		Entitlement:  v1alpha1.Entitlement{State: v1alpha1.EntitlementActive, Time: at(0)},
		Calls:        []v1alpha1.Call{{Operation: "newInstance", OrderID: "o1", OrderLineID: "o1-1", Time: at(0)}},
	}
	for _, change := range changes {
		change(sub)
	}
	return sub
}

func entitled(state v1alpha1.EntitlementState, reason v1alpha1.EntitlementReason, since int) func(*v1alpha1.Subscription) {
	return func(sub *v1alpha1.Subscription) {
		sub.Entitlement = v1alpha1.Entitlement{State: state, Reason: reason, Time: at(since)}
	}
}

func frozen(reason v1alpha1.EntitlementReason, since int) func(*v1alpha1.Subscription) {
	return entitled(v1alpha1.EntitlementFrozen, reason, since)
}

func active(since int) func(*v1alpha1.Subscription) {
	return entitled(v1alpha1.EntitlementActive, "", since)
}

func expires(n int) func(*v1alpha1.Subscription) {
	return func(sub *v1alpha1.Subscription) {
		sub.ExpiryTime, sub.ExpirySource = at(n), v1alpha1.ExpiryFromRenewal
	}
}

func heard(call v1alpha1.Call) func(*v1alpha1.Subscription) {
	return func(sub *v1alpha1.Subscription) { sub.Calls = append(sub.Calls, call) }
}

func refreshed(scene, order string, sent, previous int) v1alpha1.Call {
	return v1alpha1.Call{
		Operation: "refreshInstance", Variant: scene, OrderID: order, OrderLineID: order + "-1",
		Time: at(sent), PreviousExpiryTime: at(previous),
	}
}

func pending(order string, effective int) func(*v1alpha1.Subscription) {
	return func(sub *v1alpha1.Subscription) {
		sub.PendingChange = v1alpha1.PendingChange{
			EffectiveTime: at(effective), OrderID: order, OrderLineID: order + "-1", Plan: "small",
		}
	}
}

func renewal(order string, sent, until int) marketplace.Event {
	return marketplace.Event{
		Kind: marketplace.Renew, Activity: "refreshInstance", Scene: "RENEWAL", InstanceID: "i1",
		OrderID: order, OrderLineID: order + "-1", SentAt: day(sent), ExpiresAt: day(until),
	}
}

func cancellation(order string, sent, until int) marketplace.Event {
	event := renewal(order, sent, until)
	event.Scene, event.Cancels = "UNSUBSCRIBE_RENEWAL_PERIOD", true
	return event
}

func renewalWithChange(order string, sent, until int) marketplace.Event {
	event := renewal(order, sent, until)
	event.Scene, event.Lookup = "RENEWAL_CHANGE", marketplace.LookupRenewal
	return event
}

func trialToFormal(order string, sent, until int) marketplace.Event {
	event := renewal(order, sent, until)
	event.Scene, event.Term, event.Lookup = "TRIAL_TO_FORMAL", marketplace.TermPaid, marketplace.LookupPurchase
	return event
}

func upgrade(order string, sent int) marketplace.Event {
	return marketplace.Event{
		Kind: marketplace.Change, Activity: "upgradeInstance", InstanceID: "i1",
		OrderID: order, OrderLineID: order + "-1", SentAt: day(sent), Lookup: marketplace.LookupChange,
	}
}

func freeze(sent int) marketplace.Event {
	return marketplace.Event{
		Kind: marketplace.Suspend, Activity: "updateInstanceStatus", Scene: "FREEZE", InstanceID: "i1", SentAt: day(sent),
	}
}

func expiry(sent int) marketplace.Event {
	event := freeze(sent)
	event.Reason = marketplace.ReasonExpired
	return event
}

func unfreeze(sent int) marketplace.Event {
	return marketplace.Event{
		Kind: marketplace.Resume, Activity: "updateInstanceStatus", Scene: "UNFREEZE", InstanceID: "i1", SentAt: day(sent),
	}
}

func released(sent int, order string) marketplace.Event {
	event := marketplace.Event{Kind: marketplace.Release, Activity: "releaseInstance", InstanceID: "i1", SentAt: day(sent)}
	if order != "" {
		event.OrderID, event.OrderLineID = order, order+"-1"
	}
	return event
}

func purchase(sent int) marketplace.Event {
	return marketplace.Event{
		Kind: marketplace.Purchase, Activity: "newInstance", InstanceID: "i1",
		OrderID: "o1", OrderLineID: "o1-1", SentAt: day(sent), Lookup: marketplace.LookupPurchase,
	}
}

func hoursLater(event marketplace.Event, hours int) marketplace.Event {
	event.SentAt = event.SentAt.Add(time.Duration(hours) * time.Hour)
	return event
}

// endRead is a sale whose order is to be read for its end.
func endRead(sub *v1alpha1.Subscription) { sub.Calls[0].Pending = v1alpha1.CallPendingExpiry }

func waitsForOrder(sub *v1alpha1.Subscription) { sub.Calls[0].Pending = v1alpha1.CallPendingPurchase }

// bringing is an event that brings its order.
func bringing(event marketplace.Event, order marketplace.OrderType) marketplace.Event {
	event.OrderLineID, event.Lookup, event.Order = "", marketplace.LookupNone, &marketplace.Order{Type: order}
	if event.Kind == marketplace.Purchase {
		event.Wants = marketplace.WantAccess
	}
	return event
}

// accepting is a purchase that tells when the buyer accepted.
func accepting(event marketplace.Event, accepted int) marketplace.Event {
	event.AcceptedAt = day(accepted)
	return event
}

// licensesOnly is an event by a key for licenses.
func licensesOnly(event marketplace.Event) marketplace.Event {
	event.LicensesOnly = true
	return event
}

func soldAsLicense(event marketplace.Event) marketplace.Event {
	event.Activity = "getLicense"
	return event
}

// license is a sale whose purchase was made with such a key.
func license(sub *v1alpha1.Subscription) { sub.Calls[0].Variant = v1alpha1.VariantLicense }

func withProduct(event marketplace.Event, product string) marketplace.Event {
	event.ProductID = product
	return event
}

func TestMerge(t *testing.T) {
	tests := map[string]struct {
		sub     *v1alpha1.Subscription
		events  []marketplace.Event
		now     int // day; the day of the last event when 0
		want    *v1alpha1.Subscription
		wantErr error
	}{
		"a purchase makes the sale, and its order is to be looked up": {
			events: []marketplace.Event{purchase(0)},
			want: &v1alpha1.Subscription{
				InstanceID: "i1", OrderID: "o1", OrderLineID: "o1-1", PurchaseTime: at(0),
				Entitlement:     v1alpha1.Entitlement{State: v1alpha1.EntitlementActive, Time: at(0)},
				Acknowledgement: v1alpha1.Acknowledgement{State: v1alpha1.AcknowledgementAwaited},
				Calls: []v1alpha1.Call{{
					Operation: "newInstance", OrderID: "o1", OrderLineID: "o1-1", Time: at(0), Pending: v1alpha1.CallPendingPurchase,
				}},
			},
		},
		"a purchase with a key for licenses is marked as a license's": {
			events: []marketplace.Event{licensesOnly(purchase(0)), licensesOnly(hoursLater(purchase(0), 1))},
			want: &v1alpha1.Subscription{
				InstanceID: "i1", OrderID: "o1", OrderLineID: "o1-1", PurchaseTime: at(0),
				Entitlement:     v1alpha1.Entitlement{State: v1alpha1.EntitlementActive, Time: at(0)},
				Acknowledgement: v1alpha1.Acknowledgement{State: v1alpha1.AcknowledgementAwaited},
				Calls: []v1alpha1.Call{{
					Operation: "newInstance", Variant: "License", OrderID: "o1", OrderLineID: "o1-1", Time: at(0), Pending: v1alpha1.CallPendingPurchase,
				}},
			},
		},
		"the mark stays whatever comes after": {
			sub: sale(license), events: []marketplace.Event{freeze(10), unfreeze(11), renewal("r1", 20, 60), licensesOnly(hoursLater(purchase(0), 1))},
			want: sale(license, active(11), expires(60), heard(refreshed("RENEWAL", "r1", 20, 30))),
		},
		"a purchase with another key takes the mark off": {
			sub: sale(license), events: []marketplace.Event{hoursLater(purchase(0), 1)}, want: sale(),
		},
		"a sale is not marked by a repeat": {
			sub: sale(), events: []marketplace.Event{licensesOnly(hoursLater(purchase(0), 1))}, want: sale(),
		},
		"a purchase that is repeated within hours changes nothing": {
			sub: sale(), events: []marketplace.Event{hoursLater(purchase(0), 3)}, want: sale(),
		},
		"a purchase that comes once more later may tell of the acceptance: its order is read for its end": {
			sub: sale(), events: []marketplace.Event{purchase(1), purchase(2)}, want: sale(endRead),
		},
		"the end that a renewal has said is not read again": {
			sub: sale(expires(60)), events: []marketplace.Event{purchase(40)}, want: sale(expires(60)),
		},
		"a purchase whose order is not read yet needs no second reading": {
			sub: sale(waitsForOrder), events: []marketplace.Event{purchase(1)}, want: sale(waitsForOrder),
		},
		"a purchase that is repeated after the freeze lifts it not": {
			sub: sale(frozen(v1alpha1.EntitlementExpired, 30)), events: []marketplace.Event{purchase(31)},
			want: sale(frozen(v1alpha1.EntitlementExpired, 30), endRead),
		},
		"a purchase that is repeated after the release does not bring the sale back": {
			sub:    sale(entitled(v1alpha1.EntitlementReleased, v1alpha1.EntitlementByMarketplace, 5)),
			events: []marketplace.Event{purchase(6)},
			want:   sale(entitled(v1alpha1.EntitlementReleased, v1alpha1.EntitlementByMarketplace, 5)),
		},
		"a renewal moves the end": {
			sub: sale(), events: []marketplace.Event{renewal("r1", 20, 60)},
			want: sale(expires(60), heard(refreshed("RENEWAL", "r1", 20, 30))),
		},
		"a repeated renewal changes nothing, whatever its new date and time": {
			sub:    sale(expires(60), heard(refreshed("RENEWAL", "r1", 20, 30))),
			events: []marketplace.Event{renewal("r1", 22, 90)},
			want:   sale(expires(60), heard(refreshed("RENEWAL", "r1", 20, 30))),
		},
		"a renewal with a new product id puts it into the only item": {
			sub: sale(), events: []marketplace.Event{withProduct(renewal("r1", 20, 60), "p2")},
			want: sale(expires(60), heard(refreshed("RENEWAL", "r1", 20, 30)),
				func(sub *v1alpha1.Subscription) { sub.Items[0].ProductID = "p2" }),
		},
		"a renewal whose order is to be looked up leaves the items to it": {
			sub: sale(), events: []marketplace.Event{withProduct(renewalWithChange("r1", 20, 60), "p2")},
			want: sale(expires(60), heard(v1alpha1.Call{
				Operation: "refreshInstance", Variant: "RENEWAL_CHANGE", OrderID: "r1", OrderLineID: "r1-1",
				Time: at(20), PreviousExpiryTime: at(30), Pending: v1alpha1.CallPendingRenewal,
			})),
		},
		"a renewal replaces a date that a person has set": {
			sub: sale(func(sub *v1alpha1.Subscription) {
				sub.ExpiryTime, sub.ExpirySource = at(100), v1alpha1.ExpiryFromPerson
			}),
			events: []marketplace.Event{renewal("r1", 20, 60)},
			want:   sale(expires(60), heard(refreshed("RENEWAL", "r1", 20, 100))),
		},
		"a trial becomes formal and its order is looked up": {
			sub:    sale(func(sub *v1alpha1.Subscription) { sub.Type = v1alpha1.SubscriptionTrial }),
			events: []marketplace.Event{trialToFormal("f1", 7, 37)},
			want: sale(expires(37), heard(v1alpha1.Call{
				Operation: "refreshInstance", Variant: "TRIAL_TO_FORMAL", OrderID: "f1", OrderLineID: "f1-1",
				Time: at(7), PreviousExpiryTime: at(30), Pending: v1alpha1.CallPendingPurchase,
			})),
		},
		"of two renewals in the wrong order the one that was sent last sets the date": {
			sub: sale(), events: []marketplace.Event{renewal("r2", 21, 90), renewal("r1", 20, 60)},
			want: sale(expires(90), heard(refreshed("RENEWAL", "r2", 21, 60)), heard(refreshed("RENEWAL", "r1", 20, 30))),
		},
		"a canceled renewal sets the date back, though it carries the renewal's order": {
			sub: sale(), events: []marketplace.Event{renewal("r1", 20, 60), cancellation("r1", 21, 30)},
			want: sale(expires(30), heard(refreshed("RENEWAL", "r1", 20, 30)),
				heard(refreshed("UNSUBSCRIBE_RENEWAL_PERIOD", "r1", 21, 60))),
		},
		"a renewal that is repeated after it was canceled does not put the date forward again": {
			sub:    sale(),
			events: []marketplace.Event{renewal("r1", 20, 60), cancellation("r1", 21, 30), renewal("r1", 22, 60)},
			want: sale(expires(30), heard(refreshed("RENEWAL", "r1", 20, 30)),
				heard(refreshed("UNSUBSCRIBE_RENEWAL_PERIOD", "r1", 21, 60))),
		},
		"a cancellation that comes before its renewal stands": {
			sub: sale(), events: []marketplace.Event{cancellation("c1", 21, 30), renewal("r1", 20, 60)},
			want: sale(expires(30), heard(refreshed("UNSUBSCRIBE_RENEWAL_PERIOD", "c1", 21, 60)),
				heard(refreshed("RENEWAL", "r1", 20, 30))),
		},
		"the cancellation of a renewal that was never heard of is applied": {
			sub: sale(expires(60)), events: []marketplace.Event{cancellation("c1", 21, 30)},
			want: sale(expires(30), heard(refreshed("UNSUBSCRIBE_RENEWAL_PERIOD", "c1", 21, 60))),
		},
		"a cancellation under the renewal's order drops what waits for the end": {
			sub: sale(expires(60), pending("r1", 30)), events: []marketplace.Event{cancellation("r1", 21, 31)},
			want: sale(expires(31), heard(refreshed("UNSUBSCRIBE_RENEWAL_PERIOD", "r1", 21, 60))),
		},
		"a cancellation under an order of its own drops what would begin at the new end": {
			sub: sale(expires(60), pending("r1", 30)), events: []marketplace.Event{cancellation("c1", 21, 30)},
			want: sale(expires(30), heard(refreshed("UNSUBSCRIBE_RENEWAL_PERIOD", "c1", 21, 60))),
		},
		"a cancellation leaves a change alone that begins before the new end": {
			sub: sale(expires(90), pending("r1", 30)), events: []marketplace.Event{cancellation("c1", 21, 60)},
			want: sale(expires(60), pending("r1", 30), heard(refreshed("UNSUBSCRIBE_RENEWAL_PERIOD", "c1", 21, 90))),
		},
		"the order of a canceled renewal is not looked up any more": {
			sub: sale(), events: []marketplace.Event{renewalWithChange("r1", 20, 60), cancellation("c1", 21, 30)},
			want: sale(expires(30), heard(refreshed("RENEWAL_CHANGE", "r1", 20, 30)),
				heard(refreshed("UNSUBSCRIBE_RENEWAL_PERIOD", "c1", 21, 60))),
		},
		"the order of a renewal that comes after its cancellation is not looked up": {
			sub: sale(), events: []marketplace.Event{cancellation("r1", 21, 30), renewalWithChange("r1", 20, 60)},
			want: sale(expires(30), heard(refreshed("UNSUBSCRIBE_RENEWAL_PERIOD", "r1", 21, 60)),
				heard(refreshed("RENEWAL_CHANGE", "r1", 20, 30))),
		},
		"a freeze long before the end is the marketplace's": {
			sub: sale(), events: []marketplace.Event{freeze(10)}, want: sale(frozen(v1alpha1.EntitlementByMarketplace, 10)),
		},
		"a freeze more than a day before the end is the marketplace's": {
			sub: sale(), events: []marketplace.Event{{Kind: marketplace.Suspend, SentAt: day(29).Add(-time.Second)}},
			want: sale(func(sub *v1alpha1.Subscription) {
				sub.Entitlement = v1alpha1.Entitlement{
					State: v1alpha1.EntitlementFrozen, Reason: v1alpha1.EntitlementByMarketplace,
					Time: metav1.NewTime(day(29).Add(-time.Second)),
				}
			}),
		},
		"a freeze within a day of the end is the expiry": {
			sub: sale(), events: []marketplace.Event{freeze(29)}, want: sale(frozen(v1alpha1.EntitlementExpired, 29)),
		},
		"a freeze of a sale without an end is the marketplace's": {
			sub:    sale(func(sub *v1alpha1.Subscription) { sub.ExpiryTime, sub.ExpirySource = metav1.Time{}, "" }),
			events: []marketplace.Event{freeze(40)},
			want: sale(frozen(v1alpha1.EntitlementByMarketplace, 40),
				func(sub *v1alpha1.Subscription) { sub.ExpiryTime, sub.ExpirySource = metav1.Time{}, "" }),
		},
		"a freeze that says that the time is over is the expiry, whatever the date": {
			sub: sale(), events: []marketplace.Event{expiry(10)}, want: sale(frozen(v1alpha1.EntitlementExpired, 10)),
		},
		"a second freeze keeps the first reason": {
			sub: sale(), events: []marketplace.Event{freeze(10), freeze(31)},
			want: sale(frozen(v1alpha1.EntitlementByMarketplace, 31)),
		},
		"an unfreeze lifts a freeze": {
			sub: sale(), events: []marketplace.Event{freeze(10), unfreeze(11)}, want: sale(active(11)),
		},
		"an unfreeze lifts an expiry": {
			sub: sale(), events: []marketplace.Event{freeze(30), unfreeze(31)}, want: sale(active(31)),
		},
		"an unfreeze that was sent before the freeze loses": {
			sub: sale(), events: []marketplace.Event{freeze(11), unfreeze(10)},
			want: sale(frozen(v1alpha1.EntitlementByMarketplace, 11)),
		},
		"a freeze that was sent before the unfreeze loses": {
			sub: sale(), events: []marketplace.Event{unfreeze(11), freeze(10)}, want: sale(active(11)),
		},
		"an unfreeze sent between two freezes loses when it comes last": {
			sub: sale(), events: []marketplace.Event{freeze(10), freeze(12), unfreeze(11)},
			want: sale(frozen(v1alpha1.EntitlementByMarketplace, 12)),
		},
		"a freeze of the same second as the unfreeze before it counts": {
			sub: sale(active(10)), events: []marketplace.Event{freeze(10)},
			want: sale(frozen(v1alpha1.EntitlementByMarketplace, 10)),
		},
		"a renewal to a date ahead lifts an expiry": {
			sub: sale(), events: []marketplace.Event{freeze(30), renewal("r1", 35, 60)},
			want: sale(active(35), expires(60), heard(refreshed("RENEWAL", "r1", 35, 30))),
		},
		"a renewal to a date that is past lifts nothing": {
			sub: sale(), events: []marketplace.Event{freeze(30), renewal("r1", 35, 40)}, now: 41,
			want: sale(frozen(v1alpha1.EntitlementExpired, 30), expires(40), heard(refreshed("RENEWAL", "r1", 35, 30))),
		},
		"a renewal does not lift the marketplace's own freeze": {
			sub: sale(), events: []marketplace.Event{freeze(10), renewal("r1", 12, 60)},
			want: sale(frozen(v1alpha1.EntitlementByMarketplace, 10), expires(60), heard(refreshed("RENEWAL", "r1", 12, 30))),
		},
		"a renewal that was sent before the expiry's freeze does not lift it": {
			sub: sale(frozen(v1alpha1.EntitlementExpired, 31)), events: []marketplace.Event{renewal("r1", 30, 60)}, now: 32,
			want: sale(frozen(v1alpha1.EntitlementExpired, 31), expires(60), heard(refreshed("RENEWAL", "r1", 30, 30))),
		},
		"an expiry's freeze that comes after the renewal that ends it freezes nothing": {
			sub: sale(), events: []marketplace.Event{renewal("r1", 35, 60), freeze(30)}, now: 36,
			want: sale(active(35), expires(60), heard(refreshed("RENEWAL", "r1", 35, 30))),
		},
		"the marketplace's own freeze that comes after a renewal still freezes": {
			sub: sale(), events: []marketplace.Event{renewal("r1", 12, 60), freeze(10)}, now: 13,
			want: sale(frozen(v1alpha1.EntitlementByMarketplace, 10), expires(60), heard(refreshed("RENEWAL", "r1", 12, 30))),
		},
		"renewal and unfreeze in the wrong order": {
			sub:    sale(),
			events: []marketplace.Event{freeze(30), unfreeze(36), renewal("r1", 35, 60)}, now: 36,
			want: sale(active(36), expires(60), heard(refreshed("RENEWAL", "r1", 35, 30))),
		},
		"a later unfreeze lifts what a person has frozen": {
			sub: sale(frozen(v1alpha1.EntitlementByPerson, 5)), events: []marketplace.Event{unfreeze(6)},
			want: sale(active(6)),
		},
		"an unfreeze that was sent before does not lift what a person has frozen": {
			sub: sale(frozen(v1alpha1.EntitlementByPerson, 5)), events: []marketplace.Event{unfreeze(4)},
			want: sale(frozen(v1alpha1.EntitlementByPerson, 5)),
		},
		"a freeze leaves the reason of what a person has frozen, and moves its time": {
			sub: sale(frozen(v1alpha1.EntitlementByPerson, 5)), events: []marketplace.Event{freeze(31)},
			want: sale(frozen(v1alpha1.EntitlementByPerson, 31)),
		},
		"an upgrade is left to the order reconciler": {
			sub: sale(), events: []marketplace.Event{upgrade("u1", 8)},
			want: sale(heard(v1alpha1.Call{
				Operation: "upgradeInstance", OrderID: "u1", OrderLineID: "u1-1", Time: at(8), Pending: v1alpha1.CallPendingChange,
			})),
		},
		"a repeated upgrade whose order was looked up is not looked up again": {
			sub:    sale(heard(v1alpha1.Call{Operation: "upgradeInstance", OrderID: "u1", OrderLineID: "u1-1", Time: at(8)})),
			events: []marketplace.Event{upgrade("u1", 9)},
			want:   sale(heard(v1alpha1.Call{Operation: "upgradeInstance", OrderID: "u1", OrderLineID: "u1-1", Time: at(8)})),
		},
		"a release ends the sale and what waits": {
			sub: sale(pending("r1", 30)), events: []marketplace.Event{released(9, "")},
			want: sale(entitled(v1alpha1.EntitlementReleased, v1alpha1.EntitlementByMarketplace, 9)),
		},
		"a release by an unsubscription keeps its order": {
			sub: sale(), events: []marketplace.Event{released(9, "un1")},
			want: sale(entitled(v1alpha1.EntitlementReleased, v1alpha1.EntitlementByMarketplace, 9),
				heard(v1alpha1.Call{Operation: "releaseInstance", OrderID: "un1", OrderLineID: "un1-1", Time: at(9)})),
		},
		"a repeated release keeps the first time": {
			sub: sale(), events: []marketplace.Event{released(9, ""), released(12, "un1")},
			want: sale(entitled(v1alpha1.EntitlementReleased, v1alpha1.EntitlementByMarketplace, 9)),
		},
		"a renewal that came before the release is answered as before when it comes again": {
			sub: sale(entitled(v1alpha1.EntitlementReleased, v1alpha1.EntitlementByMarketplace, 9),
				heard(v1alpha1.Call{Operation: "refreshInstance", Variant: "RENEWAL", OrderID: "r1", OrderLineID: "r1-1", Time: at(8)})),
			events: []marketplace.Event{renewal("r1", 10, 60)},
			want: sale(entitled(v1alpha1.EntitlementReleased, v1alpha1.EntitlementByMarketplace, 9),
				heard(v1alpha1.Call{Operation: "refreshInstance", Variant: "RENEWAL", OrderID: "r1", OrderLineID: "r1-1", Time: at(8)})),
		},
		"a renewal after the release finds nothing": {
			sub:    sale(entitled(v1alpha1.EntitlementReleased, v1alpha1.EntitlementByMarketplace, 9)),
			events: []marketplace.Event{renewal("r1", 10, 60)}, wantErr: marketplace.ErrUnknownInstance,
		},
		"an unfreeze after the release finds nothing": {
			sub:    sale(entitled(v1alpha1.EntitlementReleased, v1alpha1.EntitlementByMarketplace, 9)),
			events: []marketplace.Event{unfreeze(10)}, wantErr: marketplace.ErrUnknownInstance,
		},
		"a freeze of nothing finds nothing": {
			events: []marketplace.Event{freeze(10)}, wantErr: marketplace.ErrUnknownInstance,
		},
		"a kind of event that nobody knows is malformed": {
			sub: sale(), events: []marketplace.Event{{Kind: "Dance"}}, wantErr: marketplace.ErrMalformed,
		},
		"a query changes nothing": {
			sub: sale(), events: []marketplace.Event{{Kind: marketplace.Query}}, want: sale(),
		},
		"a call without a time counts as sent now": {
			sub: sale(), events: []marketplace.Event{{Kind: marketplace.Suspend}}, now: 7,
			want: sale(frozen(v1alpha1.EntitlementByMarketplace, 7)),
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			sub := tc.sub
			for _, event := range tc.events {
				now := day(tc.now)
				if tc.now == 0 {
					now = event.SentAt
				}
				before := sub.DeepCopy()
				merged, err := subscription.Merge(sub, event, now)
				if !errors.Is(err, tc.wantErr) || (err != nil) != (tc.wantErr != nil) {
					t.Fatalf("error %v, want %v", err, tc.wantErr)
				}
				if diff := cmp.Diff(before, sub); diff != "" {
					t.Fatalf("Merge changed its argument:\n%s", diff)
				}
				sub = merged
			}
			if diff := cmp.Diff(tc.want, sub, cmpopts.EquateEmpty()); tc.wantErr == nil && diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// What a call brings is waited for as what the order API has to be asked.
func TestMergeOfCallsThatBringTheirOrder(t *testing.T) {
	bought := bringing(purchase(0), marketplace.OrderPurchase)
	bought.Term = marketplace.TermTrial
	stored := func(changes ...func(*v1alpha1.Subscription)) *v1alpha1.Subscription {
		sub := &v1alpha1.Subscription{
			InstanceID: "i1", OrderID: "o1", PurchaseTime: at(0), Type: v1alpha1.SubscriptionTrial,
			Entitlement: v1alpha1.Entitlement{State: v1alpha1.EntitlementActive, Time: at(0)},
			Calls: []v1alpha1.Call{{
				Operation: "newInstance", OrderID: "o1", Time: at(0), Pending: v1alpha1.CallPendingPurchase, Source: v1alpha1.OrderFromCall,
			}},
		}
		for _, change := range changes {
			change(sub)
		}
		return sub
	}
	starts := func(n int) func(*v1alpha1.Subscription) {
		return func(sub *v1alpha1.Subscription) { sub.StartTime = at(n) }
	}
	brought := func(activity, scene, order string, sent int, lookup v1alpha1.CallPending) v1alpha1.Call {
		return v1alpha1.Call{
			Operation: activity, Variant: scene, OrderID: order, Time: at(sent), Pending: lookup, Source: v1alpha1.OrderFromCall,
		}
	}
	tests := map[string]struct {
		sub    *v1alpha1.Subscription
		events []marketplace.Event
		want   *v1alpha1.Subscription
	}{
		"a purchase":                   {nil, []marketplace.Event{bought}, stored()},
		"a purchase that is repeated":  {stored(), []marketplace.Event{bringing(purchase(1), marketplace.OrderPurchase)}, stored()},
		"a purchase, accepted at once": {nil, []marketplace.Event{accepting(bought, 0)}, stored(starts(0))},
		"the acceptance, which comes in a repeat": {
			stored(), []marketplace.Event{accepting(bringing(purchase(3), marketplace.OrderPurchase), 3)}, stored(starts(3)),
		},
		"the acceptance and a repeat that does not know of it": {
			stored(), []marketplace.Event{accepting(bought, 3), bought}, stored(starts(3)),
		},
		"the acceptance of what was released": {
			stored(entitled(v1alpha1.EntitlementReleased, v1alpha1.EntitlementByMarketplace, 2)), []marketplace.Event{accepting(bought, 3)},
			stored(entitled(v1alpha1.EntitlementReleased, v1alpha1.EntitlementByMarketplace, 2)),
		},
		"a license, whose operation is the mark": {
			nil, []marketplace.Event{licensesOnly(soldAsLicense(bought))},
			stored(func(sub *v1alpha1.Subscription) { sub.Calls[0].Operation = "getLicense" }),
		},
		"an upgrade, twice": {
			stored(), []marketplace.Event{bringing(upgrade("u1", 5), marketplace.OrderChange), bringing(upgrade("u1", 6), marketplace.OrderChange)},
			stored(heard(brought("upgradeInstance", "", "u1", 5, v1alpha1.CallPendingChange))),
		},
		"a trial that became formal as another product": {
			stored(), []marketplace.Event{bringing(withProduct(trialToFormal("f1", 5, 35), "p2"), marketplace.OrderTrialToFormal)},
			stored(expires(35), heard(brought("refreshInstance", "TRIAL_TO_FORMAL", "f1", 5, v1alpha1.CallPendingPurchase)),
				func(sub *v1alpha1.Subscription) { sub.Type = v1alpha1.SubscriptionPaid }),
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got := tc.sub
			for _, event := range tc.events {
				before := got.DeepCopy()
				merged, err := subscription.Merge(got, event, event.SentAt)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(before, got); diff != "" {
					t.Errorf("Merge changed its argument:\n%s", diff)
				}
				got = merged
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestMergeDropsTheOldestCallThatNobodyNeeds(t *testing.T) {
	full := func(lookup v1alpha1.CallPending) *v1alpha1.Subscription {
		sub := sale()
		for i := range 127 {
			sub.Calls = append(sub.Calls, v1alpha1.Call{
				Operation: "upgradeInstance", OrderID: fmt.Sprintf("u%d", i), OrderLineID: "1", Time: at(1), Pending: lookup,
			})
		}
		return sub
	}
	waiting := full("")
	waiting.Calls[1].Pending = v1alpha1.CallPendingChange
	tests := map[string]struct {
		sub      *v1alpha1.Subscription
		wantGone string
	}{
		"the purchase stays":                                   {full(""), "u0"},
		"a call that waits for the order API stays":            {waiting, "u1"},
		"when all wait, the oldest but the purchase has to go": {full(v1alpha1.CallPendingChange), "u0"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			merged, err := subscription.Merge(tc.sub, upgrade("new", 40), day(40))
			if err != nil {
				t.Fatal(err)
			}
			orders := map[string]bool{}
			for _, call := range merged.Calls {
				orders[call.OrderID] = true
			}
			if len(merged.Calls) != 128 || orders[tc.wantGone] || !orders["o1"] || !orders["new"] {
				t.Errorf("%d calls; gone %s: %v; purchase: %v; new: %v",
					len(merged.Calls), tc.wantGone, !orders[tc.wantGone], orders["o1"], orders["new"])
			}
		})
	}
}
