package subscription_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/marketplace"
	"github.com/stallkeeper/stallkeeper/subscription"
)

// until is an event whose order says when the paid time ends.
func until(event marketplace.Event, end int) marketplace.Event {
	order := *event.Order
	order.ExpiresAt = day(end)
	event.Order = &order
	return event
}

// after is an event that was sent some time after its day began.
func after(event marketplace.Event, late time.Duration) marketplace.Event {
	event.SentAt = event.SentAt.Add(late)
	return event
}

// outcome is what counts of a sale for its buyer.
type outcome struct {
	Starts, Ends metav1.Time
	State        v1alpha1.EntitlementState
	Waits        []string // the orders whose change is still looked up
}

func TestWhatBecomesOfASale(t *testing.T) {
	bought := func() marketplace.Event { return bringing(purchase(0), marketplace.OrderPurchase) }
	tests := map[string]struct {
		sub    *v1alpha1.Subscription
		events []marketplace.Event
		now    int
		want   outcome
	}{
		"the paid time of a supervised product begins at acceptance, and ends where the accepted call says": {
			sub: sale(), events: []marketplace.Event{until(accepting(bought(), 10), 40)},
			want: outcome{Starts: at(10), Ends: at(40), State: v1alpha1.EntitlementActive},
		},
		"the end that comes with the acceptance lifts the freeze at the estimated end": {
			sub:    sale(frozen(v1alpha1.EntitlementExpired, 30)),
			events: []marketplace.Event{after(until(accepting(bringing(purchase(31), marketplace.OrderPurchase), 31), 61), time.Hour)}, now: 31,
			want: outcome{Starts: at(31), Ends: at(61), State: v1alpha1.EntitlementActive},
		},
		"an acceptance that is repeated after a renewal leaves the renewal's end": {
			sub: sale(expires(60)), events: []marketplace.Event{until(accepting(bought(), 10), 40)},
			want: outcome{Starts: at(10), Ends: at(60), State: v1alpha1.EntitlementActive},
		},
		"an end that the first delivery lacks is taken from the next one": {
			sub: sale(func(sub *v1alpha1.Subscription) { sub.ExpiryTime, sub.ExpirySource = metav1.Time{}, "" }), events: []marketplace.Event{
				until(bought(), 30),
			},
			want: outcome{Ends: at(30), State: v1alpha1.EntitlementActive},
		},
		"an end that stands is not moved by a repeat without acceptance": {
			sub: sale(), events: []marketplace.Event{until(bought(), 5)},
			want: outcome{Ends: at(30), State: v1alpha1.EntitlementActive},
		},
		"a renewal never shortens": {
			sub: sale(), events: []marketplace.Event{renewal("r2", 20, 90), renewal("r1", 21, 60)},
			want: outcome{Ends: at(90), State: v1alpha1.EntitlementActive},
		},
		"a renewal that was sent before and says a later end lengthens": {
			sub: sale(), events: []marketplace.Event{renewal("r1", 21, 60), renewal("r2", 20, 90)},
			want: outcome{Ends: at(90), State: v1alpha1.EntitlementActive},
		},
		"a renewal that is taken back shortens": {
			sub: sale(), events: []marketplace.Event{renewal("r1", 20, 60), cancellation("r1", 21, 30)},
			want: outcome{Ends: at(30), State: v1alpha1.EntitlementActive},
		},
		"a canceled change stays canceled, the cancellation with the renewal's order came first": {
			sub: sale(), events: []marketplace.Event{cancellation("r1", 20, 30), renewalWithChange("r1", 21, 60)},
			want: outcome{Ends: at(30), State: v1alpha1.EntitlementActive},
		},
		"a canceled change stays canceled, the cancellation with an order of its own came first": {
			sub: sale(), events: []marketplace.Event{cancellation("c1", 20, 30), after(renewalWithChange("r1", 19, 60), time.Hour)},
			want: outcome{Ends: at(30), State: v1alpha1.EntitlementActive},
		},
		"a canceled change stays canceled, the renewal is made again after its cancellation": {
			sub: sale(), events: []marketplace.Event{cancellation("c1", 20, 30), after(renewalWithChange("r1", 20, 60), time.Hour)},
			want: outcome{Ends: at(60), State: v1alpha1.EntitlementActive},
		},
		"a renewal with a change that is bought after another one was given back is looked up": {
			sub: sale(), events: []marketplace.Event{
				renewal("r1", 19, 60), cancellation("c1", 20, 30), after(renewalWithChange("r2", 20, 60), time.Hour),
			},
			want: outcome{Ends: at(60), State: v1alpha1.EntitlementActive, Waits: []string{"r2"}},
		},
		"a renewal with a change days after a cancellation is looked up": {
			sub: sale(), events: []marketplace.Event{cancellation("c1", 20, 30), renewalWithChange("r2", 25, 60)},
			want: outcome{Ends: at(60), State: v1alpha1.EntitlementActive, Waits: []string{"r2"}},
		},
		"a cancellation has what was sold before read again, if the change was applied already": {
			sub: sale(heard(refreshed("RENEWAL_CHANGE", "r1", 20, 30)), expires(60)), events: []marketplace.Event{cancellation("c1", 21, 30)},
			want: outcome{Ends: at(30), State: v1alpha1.EntitlementActive, Waits: []string{"o1"}},
		},
		"a cancellation leaves what was bought after the renewal": {
			sub: sale(heard(refreshed("RENEWAL_CHANGE", "r1", 20, 30)), expires(60)), events: []marketplace.Event{
				upgrade("u1", 21), cancellation("c1", 22, 30),
			},
			want: outcome{Ends: at(30), State: v1alpha1.EntitlementActive, Waits: []string{"u1"}},
		},
		"a cancellation of a renewal without a change reads nothing again": {
			sub: sale(heard(refreshed("RENEWAL", "r1", 20, 30)), expires(60)), events: []marketplace.Event{cancellation("c1", 21, 30)},
			want: outcome{Ends: at(30), State: v1alpha1.EntitlementActive},
		},
		"a freeze and an unfreeze within one second": {
			sub: sale(), events: []marketplace.Event{after(freeze(5), 100*time.Millisecond), after(unfreeze(5), 900*time.Millisecond)},
			want: outcome{Ends: at(30), State: v1alpha1.EntitlementActive},
		},
		"an unfreeze and a freeze within one second": {
			sub: sale(), events: []marketplace.Event{after(unfreeze(5), 100*time.Millisecond), after(freeze(5), 900*time.Millisecond)},
			want: outcome{Ends: at(30), State: v1alpha1.EntitlementFrozen},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			sub := tc.sub
			for _, event := range tc.events {
				merged, err := subscription.Merge(sub, event, day(max(tc.now, 22)))
				if err != nil {
					t.Fatal(err)
				}
				sub = merged
			}
			got := outcome{Starts: sub.StartTime, Ends: sub.ExpiryTime, State: sub.Entitlement.State}
			for _, call := range sub.Calls {
				if call.Pending != "" {
					got.Waits = append(got.Waits, call.OrderID)
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}
