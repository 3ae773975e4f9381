package subscription_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/marketplace"
	"github.com/stallkeeper/stallkeeper/subscription"
)

// corrected is a sale with a correction with the id t-1 of jane.
func corrected(sub *v1alpha1.Subscription, change func(*v1alpha1.Correction)) v1alpha1.MarketplaceInstanceSpec {
	spec := v1alpha1.MarketplaceInstanceSpec{
		Subscription: sub, Correction: v1alpha1.Correction{ID: "t-1", By: "jane", Reason: "ticket"},
	}
	change(&spec.Correction)
	return spec
}

// correction is the entry of calls that such a correction leaves on a day.
func correction(day, previousExpiry int) v1alpha1.Call {
	call := v1alpha1.Call{Operation: v1alpha1.OperationCorrection, ID: "t-1", By: "jane", Reason: "ticket", Time: at(day)}
	if previousExpiry > 0 {
		call.PreviousExpiryTime = at(previousExpiry)
	}
	return call
}

// takenBack is the same of one that has taken a release back.
func takenBack(day int) v1alpha1.Call {
	call := correction(day, 0)
	call.Variant = v1alpha1.VariantReleaseTakenBack
	return call
}

func state(state v1alpha1.EntitlementState) func(*v1alpha1.Correction) {
	return func(c *v1alpha1.Correction) { c.Entitlement = state }
}

func expiring(day int) func(*v1alpha1.Correction) {
	return func(c *v1alpha1.Correction) { c.ExpiryTime = at(day) }
}

func abandons(orders ...string) func(*v1alpha1.Correction) {
	return func(c *v1alpha1.Correction) { c.AbandonedOrderIDs = orders }
}

func TestApplyCorrection(t *testing.T) {
	waits := func(sub *v1alpha1.Subscription) {
		sub.Calls = append(sub.Calls, v1alpha1.Call{
			Operation: "upgradeInstance", OrderID: "u1", OrderLineID: "u1-1", Time: at(3), Pending: v1alpha1.CallPendingChange,
		})
	}
	answered := func(sub *v1alpha1.Subscription) { sub.Calls[len(sub.Calls)-1].Pending = "" }
	byPerson := func(day int) func(*v1alpha1.Subscription) {
		return func(sub *v1alpha1.Subscription) {
			sub.ExpiryTime, sub.ExpirySource = at(day), v1alpha1.ExpiryFromPerson
		}
	}
	released := entitled(v1alpha1.EntitlementReleased, v1alpha1.EntitlementByMarketplace, 5)
	tests := map[string]struct {
		spec v1alpha1.MarketplaceInstanceSpec
		want *v1alpha1.Subscription // on day 10
	}{
		"a freeze": {
			corrected(sale(), state(v1alpha1.EntitlementFrozen)),
			sale(frozen(v1alpha1.EntitlementByPerson, 10), heard(correction(10, 0))),
		},
		"a freeze is lifted": {
			corrected(sale(frozen(v1alpha1.EntitlementByMarketplace, 5)), state(v1alpha1.EntitlementActive)),
			sale(active(10), heard(correction(10, 0))),
		},
		"a release begins with the controller's clock, and ends what waits": {
			corrected(sale(pending("r1", 30)), state(v1alpha1.EntitlementReleased)),
			sale(entitled(v1alpha1.EntitlementReleased, v1alpha1.EntitlementByPerson, 10), heard(correction(10, 0))),
		},
		"a release is taken back": {
			corrected(sale(released), state(v1alpha1.EntitlementActive)), sale(active(10), heard(takenBack(10))),
		},
		"a release is taken back to a freeze": {
			corrected(sale(released), state(v1alpha1.EntitlementFrozen)), sale(frozen(v1alpha1.EntitlementByPerson, 10), heard(takenBack(10))),
		},
		"a release is put in a person's words": {
			corrected(sale(released), state(v1alpha1.EntitlementReleased)),
			sale(entitled(v1alpha1.EntitlementReleased, v1alpha1.EntitlementByPerson, 10), heard(correction(10, 0))),
		},
		"what was released is corrected in something else": {
			corrected(sale(released), expiring(90)), sale(released, byPerson(90), heard(correction(10, 30))),
		},
		"an end": {corrected(sale(), expiring(90)), sale(byPerson(90), heard(correction(10, 30)))},
		"an acknowledgement": {
			corrected(sale(awaiting), func(c *v1alpha1.Correction) { c.Acknowledgement = v1alpha1.AcknowledgementReceived }),
			sale(heard(correction(10, 0)), func(sub *v1alpha1.Subscription) {
				sub.Acknowledgement = v1alpha1.Acknowledgement{
					State: v1alpha1.AcknowledgementReceived, By: v1alpha1.AcknowledgedByPerson, Time: at(10),
				}
			}),
		},
		"an order that is not waited for any more": {corrected(sale(waits), abandons("u1")), sale(waits, answered, heard(correction(10, 0)))},
		"an abandoned order's change that waits":   {corrected(sale(pending("r1", 30)), abandons("r1")), sale(heard(correction(10, 0)))},
		"the order of the purchase is looked up": {
			corrected(sale(func(sub *v1alpha1.Subscription) { sub.OrderID, sub.OrderLineID, sub.Calls = "", "", nil }),
				func(c *v1alpha1.Correction) { c.OrderID = "o9" }),
			sale(func(sub *v1alpha1.Subscription) {
				call := correction(10, 0)
				call.OrderID, call.Pending = "o9", v1alpha1.CallPendingPurchase
				sub.OrderID, sub.OrderLineID, sub.Calls = "o9", "", []v1alpha1.Call{call}
			}),
		},
		"what was sold, which ends the waiting for the purchase and a change that waits": {
			corrected(sale(pending("r1", 30), func(sub *v1alpha1.Subscription) {
				sub.Calls[0].Pending = v1alpha1.CallPendingPurchase
			}), func(c *v1alpha1.Correction) { c.Items = []v1alpha1.SoldItem{{SKU: "new"}} }),
			sale(heard(correction(10, 0)), func(sub *v1alpha1.Subscription) {
				sub.Items, sub.ItemsOrderTime = []v1alpha1.SoldItem{{SKU: "new"}}, at(10)
			}),
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			before := tc.spec.DeepCopy()
			got, changed := subscription.ApplyCorrection(tc.spec, day(10))
			last := &got.Calls[len(got.Calls)-1]
			if len(last.Digest) != 64 {
				t.Errorf("the entry's digest is %q", last.Digest)
			}
			last.Digest = ""
			if diff := cmp.Diff(tc.want, got); diff != "" || !changed {
				t.Fatalf("changed %t, -want +got:\n%s", changed, diff)
			}
			if diff := cmp.Diff(before, &tc.spec); diff != "" {
				t.Errorf("the argument was changed:\n%s", diff)
			}
			tc.spec.Subscription = got
			if again, changed := subscription.ApplyCorrection(tc.spec, day(11)); changed || again != got {
				t.Error("a correction whose id stands in calls was applied again")
			}
		})
	}
}

func TestACorrectionThatCannotBeIsRefusedWhole(t *testing.T) {
	tests := map[string]struct {
		spec v1alpha1.MarketplaceInstanceSpec
		want string
	}{
		"is not a sale":          {corrected(nil, expiring(9)), "is not a sale"},
		"another purchase order": {corrected(sale(), func(c *v1alpha1.Correction) { c.OrderID = "o9" }), "orderID"},
		"a package whose order was read": {
			corrected(sale(), func(c *v1alpha1.Correction) { c.PackageConsumerRef.Name = "x" }), "packageConsumerRef",
		},
		"an order that no call has named": {corrected(sale(), abandons("u9")), "abandonedOrderIDs names u9"},
		"an order that is not waited for": {corrected(sale(), abandons("o1")), "abandonedOrderIDs names o1"},
		"an end before the beginning": {
			corrected(sale(func(sub *v1alpha1.Subscription) { sub.StartTime = at(5) }), expiring(4)), "expiryTime is before",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if err := subscription.CheckCorrection(tc.spec); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q in it", err, tc.want)
			}
			if got, changed := subscription.ApplyCorrection(tc.spec, day(10)); changed || got != tc.spec.Subscription {
				t.Error("it was applied")
			}
		})
	}
}

func TestAnotherCorrectionUnderTheSameIDIsRefusedAndARepeatIsNot(t *testing.T) {
	spec := corrected(sale(), state(v1alpha1.EntitlementFrozen))
	spec.Subscription, _ = subscription.ApplyCorrection(spec, day(10))
	if err := subscription.CheckCorrection(spec); err != nil {
		t.Errorf("the repeat is refused: %v", err)
	}
	spec.Correction.Entitlement = v1alpha1.EntitlementReleased
	if err := subscription.CheckCorrection(spec); err == nil || !strings.Contains(err.Error(), `id "t-1" was used at 2026-01-11T00:00:00Z by jane`) {
		t.Errorf("got %v", err)
	}
	if got, changed := subscription.ApplyCorrection(spec, day(11)); changed || got != spec.Subscription {
		t.Error("it was applied")
	}
	// What was noted before corrections had digests can't be told from a repeat.
	spec.Subscription.Calls[len(spec.Subscription.Calls)-1].Digest = ""
	if err := subscription.CheckCorrection(spec); err != nil {
		t.Errorf("it is refused: %v", err)
	}
}

func TestALaterCallGoesOverACorrectionAndAnEarlierOneDoesNot(t *testing.T) {
	tests := map[string]struct {
		sub    *v1alpha1.Subscription
		change func(*v1alpha1.Correction) // on day 10
		event  marketplace.Event
		want   string
	}{
		"a later unfreeze":                {sale(), state(v1alpha1.EntitlementFrozen), unfreeze(11), "Active until 2026-01-31"},
		"an earlier unfreeze":             {sale(), state(v1alpha1.EntitlementFrozen), unfreeze(9), "Frozen until 2026-01-31"},
		"a later freeze":                  {sale(), state(v1alpha1.EntitlementActive), freeze(11), "Frozen until 2026-01-31"},
		"an earlier freeze":               {sale(), state(v1alpha1.EntitlementActive), freeze(9), "Active until 2026-01-31"},
		"a later release":                 {sale(), state(v1alpha1.EntitlementActive), released(11, "o2"), "Released until 2026-01-31"},
		"an earlier release":              {sale(), state(v1alpha1.EntitlementActive), released(9, "o2"), "Active until 2026-01-31"},
		"a later renewal":                 {sale(), expiring(90), renewal("r1", 11, 60), "Active until 2026-03-02"},
		"an earlier renewal":              {sale(), expiring(40), renewal("r1", 9, 60), "Active until 2026-02-10"},
		"a later renewal of a longer end": {sale(), expiring(40), renewal("r1", 11, 60), "Active until 2026-03-02"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			sub, _ := subscription.ApplyCorrection(corrected(tc.sub, tc.change), day(10))
			got, err := subscription.Merge(sub, tc.event, day(12))
			if err != nil {
				t.Fatal(err)
			}
			if result(got) != tc.want {
				t.Errorf("%s, want %s", result(got), tc.want)
			}
		})
	}
}

// A release that comes once more says nothing that the person has not known. One that was sent after the correction does, and so does one
// that came late and that no correction has taken back.
func TestAReleaseThatWasTakenBackStaysSo(t *testing.T) {
	type step func(t *testing.T, sub *v1alpha1.Subscription) *v1alpha1.Subscription
	call := func(event marketplace.Event) step {
		return func(t *testing.T, sub *v1alpha1.Subscription) *v1alpha1.Subscription {
			t.Helper()
			merged, err := subscription.Merge(sub, event, day(100))
			if err != nil {
				t.Fatal(err)
			}
			return merged
		}
	}
	correct := func(on int, id string, change func(*v1alpha1.Correction)) step {
		return func(t *testing.T, sub *v1alpha1.Subscription) *v1alpha1.Subscription {
			t.Helper()
			spec := corrected(sub, change)
			spec.Correction.ID = id
			sub, changed := subscription.ApplyCorrection(spec, day(on))
			if !changed {
				t.Fatal("the correction was not applied")
			}
			return sub
		}
	}
	takes := func(on int) step { return correct(on, fmt.Sprintf("t-%d", on), state(v1alpha1.EntitlementActive)) }
	// Calls of SaaS V1.0 name the order of the purchase, or none.
	byOrder := func(sent int) step { return call(released(sent, "o1")) }
	without := func(sent int) step { return call(released(sent, "")) }
	upgrades := func(t *testing.T, sub *v1alpha1.Subscription) *v1alpha1.Subscription {
		t.Helper()
		for i := range 300 {
			sub = call(upgrade(fmt.Sprintf("u%d", i), 12))(t, sub)
		}
		return sub
	}
	unmarked := func(_ *testing.T, sub *v1alpha1.Subscription) *v1alpha1.Subscription {
		sub = sub.DeepCopy()
		sub.Calls[len(sub.Calls)-1].Variant = ""
		return sub
	}
	for name, tc := range map[string]struct {
		steps []step
		want  v1alpha1.EntitlementState
	}{
		"the same release, at once":                 {[]step{byOrder(9), takes(10), byOrder(9)}, v1alpha1.EntitlementActive},
		"the same release, unfrozen since":          {[]step{byOrder(9), takes(10), call(unfreeze(11)), byOrder(9)}, v1alpha1.EntitlementActive},
		"the same release, frozen since":            {[]step{byOrder(9), takes(10), call(freeze(11)), byOrder(9)}, v1alpha1.EntitlementFrozen},
		"the same release, renewed since an expiry": {[]step{byOrder(9), takes(10), call(expiry(11)), call(renewal("r1", 12, 200)), byOrder(9)}, v1alpha1.EntitlementActive},
		"one without an order, unfrozen since":      {[]step{without(9), takes(10), call(unfreeze(11)), without(9)}, v1alpha1.EntitlementActive},
		"one that was repeated before":              {[]step{byOrder(7), byOrder(9), takes(10), call(unfreeze(11)), byOrder(9)}, v1alpha1.EntitlementActive},
		"one of another activity's order":           {[]step{byOrder(7), takes(10), call(unfreeze(11)), call(released(8, "un1"))}, v1alpha1.EntitlementActive},
		"taken back to a freeze, unfrozen since": {
			[]step{byOrder(9), correct(10, "t", state(v1alpha1.EntitlementFrozen)), call(unfreeze(11)), byOrder(9)}, v1alpha1.EntitlementActive,
		},
		"corrected in something else since": {
			[]step{byOrder(9), takes(10), call(unfreeze(11)), correct(12, "t", expiring(90)), byOrder(9)}, v1alpha1.EntitlementActive,
		},
		"hundreds of calls since": {
			[]step{without(9), takes(10), call(unfreeze(11)), correct(12, "t", expiring(90)), upgrades, without(9)}, v1alpha1.EntitlementActive,
		},
		"taken back twice": {
			[]step{byOrder(5), takes(6), byOrder(9), takes(10), call(unfreeze(11)), byOrder(5), byOrder(9)}, v1alpha1.EntitlementActive,
		},
		"a correction from before corrections were marked, the same release": {
			[]step{byOrder(9), takes(10), unmarked, call(unfreeze(11)), byOrder(9)}, v1alpha1.EntitlementActive,
		},

		"a new release": {[]step{byOrder(9), takes(10), byOrder(11)}, v1alpha1.EntitlementReleased},
		"a new release in the correction's second": {[]step{byOrder(9), takes(10), byOrder(10)}, v1alpha1.EntitlementReleased},
		"a new release without an order":           {[]step{without(9), takes(10), call(unfreeze(11)), without(12)}, v1alpha1.EntitlementReleased},
		"a new release that comes after what was sent later": {
			[]step{byOrder(9), takes(10), call(unfreeze(13)), byOrder(12)}, v1alpha1.EntitlementReleased,
		},
		"a late release, of which no correction knew": {
			[]step{correct(10, "t", state(v1alpha1.EntitlementFrozen)), call(unfreeze(11)), byOrder(9)}, v1alpha1.EntitlementReleased,
		},
		"a late release, corrected in something else since": {
			[]step{correct(10, "t", expiring(90)), byOrder(9)}, v1alpha1.EntitlementReleased,
		},
	} {
		t.Run(name, func(t *testing.T) {
			sub := sale()
			for _, step := range tc.steps {
				sub = step(t, sub)
			}
			if got := sub.Entitlement.State; got != tc.want {
				t.Errorf("it is %s, want %s", got, tc.want)
			}
			if len(sub.Calls) > subscription.MaxOrders {
				t.Errorf("%d calls are kept", len(sub.Calls))
			}
		})
	}
}

func TestAFullListKeepsThePurchaseTheReleaseAndTheCorrection(t *testing.T) {
	sub, _ := subscription.ApplyCorrection(corrected(sale(), expiring(5000)), day(1))
	for i := range 300 {
		merged, err := subscription.Merge(sub, upgrade(fmt.Sprintf("u%d", i), 2+i), day(400))
		if err != nil {
			t.Fatal(err)
		}
		sub = merged
	}
	sub, err := subscription.Merge(sub, released(400, "o9"), day(400))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 300 {
		spec := corrected(sub, func(c *v1alpha1.Correction) {
			c.ID, c.Acknowledgement = fmt.Sprintf("t%d", i), v1alpha1.AcknowledgementReceived
		})
		sub, _ = subscription.ApplyCorrection(spec, day(401+i))
	}
	kept := map[string]bool{}
	for _, call := range sub.Calls {
		kept[call.Operation+" "+call.OrderID+call.ID] = true
	}
	for _, want := range []string{"newInstance o1", "releaseInstance o9", "Correction t-1", "Correction t299"} {
		if !kept[want] {
			t.Errorf("%s was forgotten", want)
		}
	}
	if len(sub.Calls) > subscription.MaxOrders {
		t.Errorf("%d calls are kept", len(sub.Calls))
	}
}
