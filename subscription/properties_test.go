package subscription_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/marketplace"
	"github.com/stallkeeper/stallkeeper/subscription"
)

// anyEvent draws an event of any kind, often about an order that was heard before.
func anyEvent(t *rapid.T) marketplace.Event {
	sent := rapid.IntRange(0, 100).Draw(t, "sent")
	until := rapid.IntRange(1, 200).Draw(t, "until")
	order := fmt.Sprintf("x%d", rapid.IntRange(0, 300).Draw(t, "order"))
	return rapid.SampledFrom([]marketplace.Event{
		purchase(sent), renewal(order, sent, until), cancellation(order, sent, until), renewalWithChange(order, sent, until),
		trialToFormal(order, sent, until), upgrade(order, sent), upgrade(order, sent), freeze(sent), unfreeze(sent),
		released(sent, ""), released(sent, order), {Kind: marketplace.Query}, {Kind: marketplace.Check},
		bringing(purchase(sent), marketplace.OrderPurchase), accepting(bringing(purchase(sent), marketplace.OrderPurchase), until),
		bringing(upgrade(order, sent), marketplace.OrderChange), expiry(sent),
		bringing(withProduct(trialToFormal(order, sent, until), "p2"), marketplace.OrderTrialToFormal),
	}).Draw(t, "event")
}

func TestMergeNeverForgetsAReleaseNorGrowsNorRepeats(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sub := sale()
		tracked := rapid.Bool().Draw(t, "tracked")
		if tracked {
			awaiting(sub)
		}
		now := day(rapid.IntRange(0, 100).Draw(t, "now"))
		for range rapid.IntRange(1, 250).Draw(t, "events") {
			event := anyEvent(t)
			if event.Kind == marketplace.Release && rapid.IntRange(0, 9).Draw(t, "rarely") > 0 {
				continue
			}
			was := sub.Acknowledgement
			wasReleased := sub.Entitlement.State == v1alpha1.EntitlementReleased
			merged, err := subscription.Merge(sub, event, now)
			if err != nil {
				if !wasReleased || !errors.Is(err, marketplace.ErrUnknownInstance) {
					t.Fatalf("%+v: %v", event, err)
				}
				continue
			}
			again, err := subscription.Merge(merged, event, now)
			if err != nil {
				t.Fatalf("repeating %+v: %v", event, err)
			}
			if diff := cmp.Diff(merged, again); diff != "" {
				t.Fatalf("repeating %+v changed:\n%s", event, diff)
			}
			if wasReleased && merged.Entitlement.State != v1alpha1.EntitlementReleased {
				t.Fatalf("%+v took the release back", event)
			}
			if tracked && event.Kind != marketplace.Purchase && merged.Acknowledgement.State != v1alpha1.AcknowledgementReceived {
				t.Fatalf("%+v did not show that the marketplace knows of the sale", event)
			}
			if (!tracked || was.State == v1alpha1.AcknowledgementReceived) && merged.Acknowledgement != was {
				t.Fatalf("%+v made %+v of %+v", event, merged.Acknowledgement, was)
			}
			if len(merged.Calls) > 128 {
				t.Fatalf("%d calls are kept", len(merged.Calls))
			}
			if merged.Calls[0].Operation != "newInstance" {
				t.Fatal("the purchase was forgotten")
			}
			for _, call := range merged.Calls {
				if call.Source != "" && call.Pending == "" {
					t.Fatalf("nobody waits for what a call has brought: %+v", call)
				}
			}
			sub = merged
		}
	})
}

// mergeAll merges events one after the other.
func mergeAll(t *rapid.T, events []marketplace.Event, now int) *v1alpha1.Subscription {
	sub := sale()
	for _, event := range events {
		merged, err := subscription.Merge(sub, event, day(now))
		if err != nil {
			t.Fatal(err)
		}
		sub = merged
	}
	return sub
}

// result is what has to be the same whatever the order of arrival was.
func result(sub *v1alpha1.Subscription) string {
	return fmt.Sprintf("%s until %s", sub.Entitlement.State, sub.ExpiryTime.UTC().Format("2006-01-02"))
}

func TestMergeOfFreezesComesToWhatWasSentLast(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var events []marketplace.Event
		for sent := range rapid.IntRange(1, 8).Draw(t, "events") {
			events = append(events, rapid.SampledFrom([]marketplace.Event{freeze(sent + 1), unfreeze(sent + 1)}).Draw(t, "event"))
		}
		want := result(mergeAll(t, events, 20))
		arrived := rapid.Permutation(events).Draw(t, "arrived")
		if got := result(mergeAll(t, arrived, 20)); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	})
}

func TestMergeOfRenewalsAndCancellationsComesToWhatWasSentLast(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var events []marketplace.Event
		// A renewal ends no earlier than one that was given back before it: if it came first, its date would be lost, because a renewal
		// never shortens.
		period, ends := rapid.IntRange(1, 60).Draw(t, "period"), []int{30}
		for sent := range rapid.IntRange(1, 8).Draw(t, "events") {
			order, end := fmt.Sprintf("r%d", sent), ends[len(ends)-1]
			last := len(events) - 1
			if len(ends) > 1 && !events[last].Cancels && rapid.IntRange(0, 2).Draw(t, "canceled") == 0 {
				ends = ends[:len(ends)-1]
				events = append(events, cancellation(order, sent+1, ends[len(ends)-1]))
				continue
			}
			until := end + period
			ends = append(ends, until)
			events = append(events, rapid.SampledFrom([]marketplace.Event{
				renewal(order, sent+1, until), renewalWithChange(order, sent+1, until), trialToFormal(order, sent+1, until),
			}).Draw(t, "event"))
		}
		want := mergeAll(t, events, 20)
		got := mergeAll(t, rapid.Permutation(events).Draw(t, "arrived"), 20)
		if paid := day(ends[len(ends)-1]); !want.ExpiryTime.Time.Equal(paid) {
			t.Fatalf("paid until %s, want %s", want.ExpiryTime, paid)
		}
		if result(got) != result(want) {
			t.Fatalf("%s, want %s", result(got), result(want))
		}
		// The history is the same too, though it was written in another order.
		before := map[string]string{}
		for _, call := range want.Calls {
			before[call.OrderID] = call.PreviousExpiryTime.String()
		}
		for _, call := range got.Calls {
			if before[call.OrderID] != call.PreviousExpiryTime.String() {
				t.Errorf("before %s it expired at %s, want %s", call.OrderID, call.PreviousExpiryTime, before[call.OrderID])
			}
		}
	})
}

// TestMergeOfAnExpiryAndItsRenewalInAnyOrder plays months in which the sale expires, is renewed and perhaps unfrozen, and
// perhaps frozen and unfrozen for another reason. Within a month the calls arrive in any order.
func TestMergeOfAnExpiryAndItsRenewalInAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var inOrder, arrived []marketplace.Event
		end := 30
		months := rapid.IntRange(1, 4).Draw(t, "months")
		for month := range months {
			calls := []marketplace.Event{freeze(end), renewal(fmt.Sprintf("r%d", month), end+2, end+30)}
			if rapid.Bool().Draw(t, "unfrozen") {
				calls = append(calls, unfreeze(end+3))
			}
			inOrder = append(inOrder, calls...)
			arrived = append(arrived, rapid.Permutation(calls).Draw(t, "arrived")...)
			if rapid.Bool().Draw(t, "disputed") {
				dispute := []marketplace.Event{freeze(end + 10), unfreeze(end + 12)}
				inOrder = append(inOrder, dispute...)
				arrived = append(arrived, rapid.Permutation(dispute).Draw(t, "dispute")...)
			}
			end += 30
		}
		if rapid.Bool().Draw(t, "ends frozen") {
			inOrder, arrived = append(inOrder, freeze(end)), append(arrived, freeze(end))
		}
		now := 31 // before every new end, as if all calls of the sale came in one hour
		want := result(mergeAll(t, inOrder, now))
		if got := result(mergeAll(t, arrived, now)); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	})
}
