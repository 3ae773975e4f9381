package licenses_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/marketplace"
	"github.com/stallkeeper/stallkeeper/subscription/licenses"
)

const interval = 24 * time.Hour

// day is midnight of a day after the code was entered, on day 0.
func day(n int) time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, n) }

func at(n int) metav1.Time { return metav1.NewTime(day(n)) }

type change = func(*v1alpha1.Subscription)

// entered is a code as a person enters it.
func entered(changes ...change) *v1alpha1.Subscription {
	sub := &v1alpha1.Subscription{
		Marketplace: "koogallery", InstanceID: "PL1", License: v1alpha1.License{Type: v1alpha1.LicenseTypeCode},
	}
	for _, c := range changes {
		c(sub)
	}
	return sub
}

// bought is a code that was activated on day 0, with an order of 3, and asked about on day 1.
func bought(changes ...change) *v1alpha1.Subscription {
	sub := licenses.Activated(entered(), told("", 30), day(0))
	sub.Calls[0].Pending = ""
	sub.License.LastQueryTime, sub.License.State = at(1), v1alpha1.LicenseActive
	sub.ExpirySource = v1alpha1.ExpiryFromQuery
	for _, c := range changes {
		c(sub)
	}
	return sub
}

// told is what the marketplace tells: the state, and the end of the paid time if it is not 0.
func told(state marketplace.LicenseState, until int) marketplace.LicenseCode {
	code := marketplace.LicenseCode{Code: "PL1", State: state, OrderID: "CS1", ProductID: "P1", Quantity: ptr.To(int32(3))}
	if until != 0 {
		code.ExpiresAt = day(until)
	}
	return code
}

func entitled(state v1alpha1.EntitlementState, reason v1alpha1.EntitlementReason, since int) change {
	return func(sub *v1alpha1.Subscription) {
		sub.Entitlement = v1alpha1.Entitlement{State: state, Reason: reason}
		if since != 0 {
			sub.Entitlement.Time = at(since)
		}
	}
}

func paidUntil(n int, source v1alpha1.ExpirySource) change {
	return func(sub *v1alpha1.Subscription) { sub.ExpiryTime, sub.ExpirySource = at(n), source }
}

func lastState(state v1alpha1.LicenseState, queried int) change {
	return func(sub *v1alpha1.Subscription) { sub.License.State, sub.License.LastQueryTime = state, at(queried) }
}

func renewedOn(n int) change {
	return func(sub *v1alpha1.Subscription) {
		sub.Calls = append(sub.Calls, v1alpha1.Call{Operation: "refreshLicenseCode", Variant: "RENEWAL", OrderID: "R1", Time: at(n)})
	}
}

func TestActivated(t *testing.T) {
	const tooMany = 10_000_000
	tests := map[string]struct {
		sub  *v1alpha1.Subscription
		told marketplace.LicenseCode
		want change
	}{
		"what the marketplace tells becomes the sale": {
			sub: entered(), told: told(marketplace.LicenseAlive, 30),
			want: func(sub *v1alpha1.Subscription) {
				sub.OrderID, sub.PurchaseTime = "CS1", at(2)
				sub.Items = []v1alpha1.SoldItem{{ProductID: "P1", Quantity: ptr.To(int32(3))}}
				sub.ExpiryTime, sub.ExpirySource = at(30), v1alpha1.ExpiryFromOrder
				sub.Calls = []v1alpha1.Call{{Operation: "activate", OrderID: "CS1", Time: at(2), Pending: v1alpha1.CallPendingPurchase}}
			},
		},
		"an activation that tells nothing is one all the same": {
			sub: entered(), want: func(sub *v1alpha1.Subscription) { sub.PurchaseTime = at(2) },
		},
		"what does not fit is left out": {
			sub: entered(), told: marketplace.LicenseCode{OrderID: string(make([]byte, 257)), ProductID: "P1", Quantity: ptr.To(int32(tooMany))},
			want: func(sub *v1alpha1.Subscription) {
				sub.PurchaseTime, sub.Items = at(2), []v1alpha1.SoldItem{{ProductID: "P1"}}
			},
		},
		"an activation of long ago keeps its time": {
			sub: entered(), told: marketplace.LicenseCode{ActivatedAt: day(-9)},
			want: func(sub *v1alpha1.Subscription) { sub.PurchaseTime, sub.License.ActivationTime = at(2), at(-9) },
		},
		"a renewal and a freeze that came before stay": {
			sub:  entered(paidUntil(60, v1alpha1.ExpiryFromRenewal), entitled(v1alpha1.EntitlementFrozen, v1alpha1.EntitlementByMarketplace, 1), renewedOn(1)),
			told: told(marketplace.LicenseAlive, 30),
			want: func(sub *v1alpha1.Subscription) {
				paidUntil(60, v1alpha1.ExpiryFromRenewal)(sub)
				entitled(v1alpha1.EntitlementFrozen, v1alpha1.EntitlementByMarketplace, 1)(sub)
				sub.OrderID, sub.PurchaseTime = "CS1", at(2)
				sub.Items = []v1alpha1.SoldItem{{ProductID: "P1", Quantity: ptr.To(int32(3))}}
				sub.Calls = []v1alpha1.Call{
					{Operation: "activate", OrderID: "CS1", Time: at(2), Pending: v1alpha1.CallPendingPurchase},
					{Operation: "refreshLicenseCode", Variant: "RENEWAL", OrderID: "R1", Time: at(1)},
				}
			},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			before := tc.sub.DeepCopy()
			want := entered(entitled(v1alpha1.EntitlementActive, "", 0), func(sub *v1alpha1.Subscription) { sub.License.ActivationTime = at(2) })
			tc.want(want)
			if diff := cmp.Diff(want, licenses.Activated(tc.sub, tc.told, day(2))); diff != "" {
				t.Errorf("Activated() (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(before, tc.sub); diff != "" {
				t.Errorf("the argument was changed:\n%s", diff)
			}
		})
	}
}

func TestAPersonCanNameTheOrder(t *testing.T) {
	sub := licenses.Activated(entered(), marketplace.LicenseCode{}, day(0))
	if licenses.OrderKnown(sub) || licenses.Ordered(sub) != sub {
		t.Errorf("without an order: %+v", sub)
	}
	sub.OrderID = "CS9"
	ordered := licenses.Ordered(sub)
	if !licenses.OrderKnown(ordered) || len(ordered.Calls) != 1 || ordered.Calls[0].Pending != v1alpha1.CallPendingPurchase {
		t.Errorf("with an order: %+v", ordered.Calls)
	}
	if _, told := licenses.Order(ordered, ordered.Calls[0]); told {
		t.Error("the activation did not tell what was sold, and the order API is not asked")
	}
	if licenses.Ordered(ordered) != ordered {
		t.Error("the order is noted twice")
	}
}

func TestTheOldestCallGivesWayToThePurchase(t *testing.T) {
	sub := entered()
	for i := range 128 {
		renewedOn(i)(sub)
	}
	after := licenses.Activated(sub, told("", 30), day(200))
	if orders := after.Calls; len(orders) != 128 || orders[0].OrderID != "CS1" || orders[1].Time != at(1) || orders[127].Time != at(127) {
		t.Errorf("%d calls, from %+v to %+v", len(after.Calls), after.Calls[0], after.Calls[127])
	}
}

func TestTheOrderIsWhatTheActivationTold(t *testing.T) {
	sub := bought()
	order, ok := licenses.Order(sub, sub.Calls[0])
	want := marketplace.Order{Type: marketplace.OrderPurchase, Items: []marketplace.Item{{ProductID: "P1", Quantity: ptr.To(int32(3))}}}
	if diff := cmp.Diff(want.Items, order.Items); diff != "" || !ok || order.Type != want.Type {
		t.Errorf("Order() = %v, %v\n%s", order, ok, diff)
	}
	if _, ok := licenses.Order(sub, v1alpha1.Call{OrderID: "R1"}); ok {
		t.Error("a renewal's order is told as well")
	}
	if _, ok := licenses.Order(&v1alpha1.Subscription{OrderID: "CS1", Items: sub.Items}, sub.Calls[0]); ok {
		t.Error("the order of a sale that is no code is not asked for")
	}
}

func TestDueAt(t *testing.T) {
	released := entitled(v1alpha1.EntitlementReleased, v1alpha1.EntitlementByMarketplace, 2)
	for name, tc := range map[string]struct {
		sub            *v1alpha1.Subscription
		earliest, last time.Time
	}{
		"a sale that is no code":      {sub: &v1alpha1.Subscription{}},
		"a code that is not active":   {sub: entered()},
		"a released code":             {sub: bought(released)},
		"a code at its first use":     {sub: licenses.Activated(entered(), told("", 30), day(0)), earliest: day(0), last: day(0)},
		"a code that was asked about": {sub: bought(), earliest: day(2).Add(-4 * time.Hour), last: day(2)},
	} {
		t.Run(name, func(t *testing.T) {
			seen := map[time.Time]bool{}
			for _, id := range []string{"a", "b", "c", "d"} {
				due := licenses.DueAt(tc.sub, id, interval)
				if due.Before(tc.earliest) || due.After(tc.last) || due != licenses.DueAt(tc.sub, id, interval) {
					t.Errorf("due at %s, want between %s and %s", due, tc.earliest, tc.last)
				}
				seen[due] = true
			}
			if !tc.last.Equal(tc.earliest) && len(seen) < 4 {
				t.Error("all codes are asked about at the same time")
			}
		})
	}
}

func TestQueried(t *testing.T) {
	const (
		alive, gone = marketplace.LicenseAlive, marketplace.LicenseReleased
		over        = marketplace.LicenseExpired
	)
	active, frozen := v1alpha1.EntitlementActive, v1alpha1.EntitlementFrozen
	tests := map[string]struct {
		sub   *v1alpha1.Subscription
		told  marketplace.LicenseCode
		asked int
		want  change // of what sub is; the time of the query is always noted
		found licenses.Finding
	}{
		"alive with the known date": {sub: bought(), told: told(alive, 30), asked: 2},
		"alive without a date":      {sub: bought(), told: told(alive, 0), asked: 2},
		"the first query's date is trusted, also when it is earlier than the estimate": {
			sub: bought(paidUntil(30, v1alpha1.ExpiryFromOrder)), told: told(alive, 20), asked: 2, want: paidUntil(20, v1alpha1.ExpiryFromQuery),
		},
		"a later date is a renewal that never came": {
			sub: bought(), told: told(alive, 60), asked: 2, want: paidUntil(60, v1alpha1.ExpiryFromQuery), found: licenses.FoundRenewal,
		},
		"the known date in another time zone is no renewal": {
			sub:  bought(paidUntil(30, v1alpha1.ExpiryFromRenewal)),
			told: marketplace.LicenseCode{State: alive, ExpiresAt: day(30).Add(12 * time.Hour)}, asked: 2,
		},
		"a day more is a renewal": {
			sub: bought(paidUntil(30, v1alpha1.ExpiryFromRenewal)), told: told(alive, 31), asked: 2,
			want: paidUntil(31, v1alpha1.ExpiryFromQuery), found: licenses.FoundRenewal,
		},
		"an earlier date than a renewal's is not taken": {
			sub: bought(paidUntil(60, v1alpha1.ExpiryFromRenewal)), told: told(alive, 30), asked: 2,
		},
		"a person's date stays": {sub: bought(paidUntil(10, v1alpha1.ExpiryFromPerson)), told: told(alive, 60), asked: 2},
		"a renewal lifts an expiry": {
			sub: bought(entitled(frozen, v1alpha1.EntitlementExpired, 30)), told: told(alive, 60), asked: 31,
			want: func(sub *v1alpha1.Subscription) {
				paidUntil(60, v1alpha1.ExpiryFromQuery)(sub)
				entitled(active, "", 31)(sub)
			},
			found: licenses.FoundRenewal,
		},
		"alive without a date ahead lifts no expiry": {
			sub: bought(entitled(frozen, v1alpha1.EntitlementExpired, 30)), told: told(alive, 0), asked: 31,
		},
		"nothing lifts a freeze for another reason": {
			sub: bought(entitled(frozen, v1alpha1.EntitlementByMarketplace, 5)), told: told(alive, 60), asked: 6,
			want: paidUntil(60, v1alpha1.ExpiryFromQuery), found: licenses.FoundRenewal,
		},
		"expired at the end is a freeze that never came": {
			sub: bought(), told: told(over, 30), asked: 30,
			want: func(sub *v1alpha1.Subscription) {
				entitled(frozen, v1alpha1.EntitlementExpired, 30)(sub)
				sub.License.State = v1alpha1.LicenseExpired
			},
			found: licenses.FoundExpiry,
		},
		"expired while a renewal is known is not believed at once": {
			sub: bought(paidUntil(60, v1alpha1.ExpiryFromRenewal)), told: told(over, 0), asked: 31,
			want: lastState(v1alpha1.LicenseExpired, 31),
		},
		"expired a second time is": {
			sub: bought(paidUntil(60, v1alpha1.ExpiryFromRenewal), lastState(v1alpha1.LicenseExpired, 31)), told: told(over, 0), asked: 32,
			want: entitled(frozen, v1alpha1.EntitlementExpired, 32), found: licenses.FoundExpiry,
		},
		"expired against a date that a person has set": {
			sub:  bought(paidUntil(60, v1alpha1.ExpiryFromPerson), lastState(v1alpha1.LicenseExpired, 31)),
			told: told(over, 0), asked: 32,
		},
		"expired after an unfreeze that came since": {
			sub:  bought(entitled(active, "", 32), lastState(v1alpha1.LicenseExpired, 31)),
			told: told(over, 0), asked: 33,
		},
		"expired when frozen already": {
			sub: bought(entitled(frozen, v1alpha1.EntitlementExpired, 30)), told: told(over, 0), asked: 31,
			want: lastState(v1alpha1.LicenseExpired, 31),
		},
		"released is a release that never came": {
			sub: bought(), told: told(gone, 0), asked: 40,
			want: func(sub *v1alpha1.Subscription) {
				entitled(v1alpha1.EntitlementReleased, v1alpha1.EntitlementByMarketplace, 40)(sub)
				sub.License.State = v1alpha1.LicenseReleased
			},
			found: licenses.FoundRelease,
		},
		"a release that a person has taken back": {
			sub: bought(lastState(v1alpha1.LicenseReleased, 40)), told: told(gone, 0), asked: 41,
		},
		"a word that nobody knows": {
			sub: bought(), told: told("RELEASED_SOON", 0), asked: 2,
			want: func(sub *v1alpha1.Subscription) { sub.License.State = v1alpha1.LicenseUnknown },
		},
		"no word at all": {
			sub: bought(), told: told("", 0), asked: 2,
			want: func(sub *v1alpha1.Subscription) { sub.License.State = v1alpha1.LicenseUnknown },
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			before := tc.sub.DeepCopy()
			got, found := licenses.Queried(tc.sub, tc.told, day(tc.asked), interval)
			want := tc.sub.DeepCopy()
			if tc.want != nil {
				tc.want(want)
			}
			want.License.LastQueryTime = at(tc.asked)
			if diff := cmp.Diff(want, got); diff != "" || found != tc.found {
				t.Errorf("found %q, want %q (-want +got):\n%s", found, tc.found, diff)
			}
			if diff := cmp.Diff(before, tc.sub); diff != "" {
				t.Errorf("the argument was changed:\n%s", diff)
			}
		})
	}
}

// The answer of a query may be older than a call that came just before it.
func TestAQueryDoesNotContradictACallOfTheLastHour(t *testing.T) {
	hour := func(change change) func(time.Duration) *v1alpha1.Subscription {
		return func(before time.Duration) *v1alpha1.Subscription {
			sub := bought(change)
			sub.Entitlement.Time = metav1.NewTime(sub.Entitlement.Time.Add(-before))
			for i := range sub.Calls[1:] {
				sub.Calls[i+1].Time = metav1.NewTime(sub.Calls[i+1].Time.Add(-before))
			}
			return sub
		}
	}
	for name, tc := range map[string]struct {
		sub  func(time.Duration) *v1alpha1.Subscription
		told marketplace.LicenseCode
	}{
		"a release after an unfreeze":             {hour(entitled(v1alpha1.EntitlementActive, "", 31)), told(marketplace.LicenseReleased, 0)},
		"an expiry after a renewal":               {hour(renewedOn(31)), told(marketplace.LicenseExpired, 0)},
		"a renewal after a freeze":                {hour(entitled(v1alpha1.EntitlementFrozen, v1alpha1.EntitlementExpired, 31)), told(marketplace.LicenseAlive, 60)},
		"a later date after a taken-back renewal": {hour(renewedOn(31)), told(marketplace.LicenseAlive, 60)},
	} {
		t.Run(name, func(t *testing.T) {
			lately := tc.sub(59 * time.Minute)
			got, found := licenses.Queried(lately, tc.told, day(31), interval)
			lately.License.LastQueryTime = at(31)
			if diff := cmp.Diff(lately, got); diff != "" || found != licenses.FoundNothing {
				t.Errorf("within the hour it found %q:\n%s", found, diff)
			}
			if _, found := licenses.Queried(tc.sub(time.Hour), tc.told, day(31), interval); found == licenses.FoundNothing {
				t.Error("after the hour it found nothing")
			}
		})
	}
}

func TestEndedByQuery(t *testing.T) {
	byQuery, _ := licenses.Queried(bought(), told(marketplace.LicenseReleased, 0), day(40), interval)
	byCall := bought(entitled(v1alpha1.EntitlementReleased, v1alpha1.EntitlementByMarketplace, 40))
	if !licenses.EndedByQuery(byQuery) || licenses.EndedByQuery(byCall) || licenses.EndedByQuery(bought()) {
		t.Error("who has ended the sale is not told")
	}
}

func TestPause(t *testing.T) {
	request := func(age time.Duration) v1alpha1.LicenseRequest {
		return v1alpha1.LicenseRequest{RequestTime: metav1.NewTime(day(1).Add(-age))}
	}
	for name, tc := range map[string]struct {
		open []v1alpha1.LicenseRequest
		want time.Duration
	}{
		"just asked":                      {[]v1alpha1.LicenseRequest{request(0)}, 5 * time.Second},
		"asked by a clock that is ahead":  {[]v1alpha1.LicenseRequest{request(-time.Minute)}, 5 * time.Second},
		"asked ten minutes ago":           {[]v1alpha1.LicenseRequest{request(10 * time.Minute)}, time.Minute},
		"asked long ago":                  {[]v1alpha1.LicenseRequest{request(999 * time.Hour)}, time.Hour},
		"asked long ago, and another now": {[]v1alpha1.LicenseRequest{request(999 * time.Hour), request(0)}, 5 * time.Second},
	} {
		if got := licenses.Pause(tc.open, day(1)); got != tc.want {
			t.Errorf("%s: %s, want %s", name, got, tc.want)
		}
	}
}

func TestTheDocumentForWorkloads(t *testing.T) {
	sub := &v1alpha1.Subscription{LicenseRequests: []v1alpha1.LicenseRequest{
		{Key: "E1", ID: "E1", EffectiveTime: at(1), ExpiryTime: at(20), DeviceFingerprint: "d1", RequestTime: at(1)},
		{Key: "r-1", ID: "a.b", RequestTime: at(2)},
	}}
	delivered := licenses.Delivered(sub, "r-1", "digest", day(3))
	document, err := licenses.Document(delivered)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{
  "requests": [
    {
      "key": "E1",
      "id": "E1",
      "effectiveTime": "2026-01-02T00:00:00Z",
      "expiryTime": "2026-01-21T00:00:00Z",
      "deviceFingerprint": "d1",
      "requestTime": "2026-01-02T00:00:00Z",
      "delivered": false
    },
    {
      "key": "r-1",
      "id": "a.b",
      "requestTime": "2026-01-03T00:00:00Z",
      "delivered": true
    }
  ]
}`
	if diff := cmp.Diff(want, document); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if empty, err := licenses.Document(nil); err != nil || empty != "{\n  \"requests\": []\n}" {
		t.Errorf("without a sale: %s, %v", empty, err)
	}
	if open := licenses.Open(delivered); len(open) != 1 || open[0].Key != "E1" || len(licenses.Open(sub)) != 2 {
		t.Errorf("open are %+v", open)
	}
}
