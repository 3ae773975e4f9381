package controllers

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	"pgregory.net/rapid"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/lifecycle"
)

// awaiting is a sale, bought on day 0, of which the marketplace has not been heard since.
func awaiting(mpi *v1alpha1.MarketplaceInstance) {
	mpi.Spec.Subscription.Acknowledgement.State = v1alpha1.AcknowledgementAwaited
}

var ended = entitled(v1alpha1.EntitlementReleased, v1alpha1.EntitlementByMarketplace, 20)

func TestNobodyWaitsForSalesThatAreNotTracked(t *testing.T) {
	said := func(mpi *v1alpha1.MarketplaceInstance) {
		mpi.Spec.Subscription.Acknowledgement.State = v1alpha1.AcknowledgementReceived
	}
	received := func(mpi *v1alpha1.MarketplaceInstance) {
		said(mpi)
		mpi.Spec.Subscription.Acknowledgement.Time = at(0)
	}
	undated := func(mpi *v1alpha1.MarketplaceInstance) { mpi.Spec.Subscription.PurchasedAt = metav1.Time{} }
	tests := map[string]struct {
		mpi  *v1alpha1.MarketplaceInstance
		want string
	}{
		"a sale of an earlier version":    {sale(), "True NotAwaited"},
		"made by hand":                    {handMade(), "True NoSale"},
		"the marketplace has asked":       {sale(received), "True Acknowledged"},
		"a person has looked":             {sale(said), "True Acknowledged"},
		"the sale has ended":              {sale(awaiting, ended), "True Released"},
		"nobody knows when it was bought": {sale(awaiting, undated), "True NotAwaited"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			a := SaleOf(tc.mpi, nil, Protocol{}, "").Acknowledgement
			if a != (Acknowledgement{}) {
				t.Errorf("awaited: %+v", a)
			}
			if !a.Again(day(90)).IsZero() {
				t.Error("it is looked at again")
			}
			v := acknowledgedVerdict(tc.mpi, a, day(90))
			if got := string(v.Status) + " " + v.Reason; got != tc.want {
				t.Errorf("%s, want %s", got, tc.want)
			}
		})
	}
}

// TestTheMissingCallIsReportedWhenItIsDue plays a sale as the reconciler does: it looks when it said that it would.
func TestTheMissingCallIsReportedWhenItIsDue(t *testing.T) {
	const waits = "0s Unknown AwaitingAcknowledgement Run Paid"
	tests := map[string]struct {
		product *v1alpha1.MarketplaceProduct
		// silent is true where the marketplace may not call for days.
		silent bool
		want   []string
	}{
		"it is stopped": {product(), false, []string{waits, "4h0m0s False NotAcknowledged Suspend Unacknowledged"}},
		"also while nobody knows what was sold": {
			nil, false, []string{waits, "4h0m0s False NotAcknowledged Suspend Unacknowledged"},
		},
		"a product that nobody asks for before its buyer wants a licence runs on": {
			product(), true, []string{waits, "4h0m0s False AcknowledgementOverdue Run Paid"},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			mpi := sale(awaiting)
			var timeline []string
			for now, next := day(0), time.Duration(1); next != 0 && now.Before(day(2)); now = now.Add(next) {
				s := SaleOf(mpi, tc.product, Protocol{DefaultGrace: 15 * 24 * time.Hour}, "")
				s = s.With(Extension{MayStaySilent: tc.silent})
				d, a := s.Decide(now), s.Acknowledgement
				v := acknowledgedVerdict(mpi, a, now)
				line := strings.Join([]string{string(v.Status), v.Reason, string(d.Phase), string(d.Rule)}, " ")
				if len(timeline) == 0 || !strings.HasSuffix(timeline[len(timeline)-1], line) {
					timeline = append(timeline, now.Sub(day(0)).String()+" "+line)
				}
				next = wake(now, d.Until, a.Again(now)).RequeueAfter
			}
			if diff := cmp.Diff(tc.want, timeline); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestWhatIsSaidOfAMissingCallDoesNotTickAndNamesTheOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := Acknowledgement{DueAt: day(0).Add(4 * time.Hour)}
		if rapid.Bool().Draw(t, "stops") {
			a.StopAt = a.DueAt
		}
		mpi := sale(awaiting)
		now := a.DueAt.Add(time.Duration(rapid.IntRange(-1000, 1000).Draw(t, "since")) * time.Minute)
		v := acknowledgedVerdict(mpi, a, now)
		stopped := !a.StopAt.IsZero() && !now.Before(a.StopAt)
		d := Sale{Instance: mpi, Acknowledgement: a}.Decide(now)
		if stopped != (d.Rule == lifecycle.RuleUnacknowledged) || stopped != (v.Reason == v1alpha1.ReasonNotAcknowledged) {
			t.Fatalf("%s, and %s", v.Reason, d.Rule)
		}
		later := acknowledgedVerdict(mpi, a, now.Add(time.Second))
		if v.Reason == later.Reason && v != later {
			t.Fatalf("it ticks: %v, then %v", v, later)
		}
		if v.Status == metav1.ConditionFalse && (!strings.Contains(v.Message, "order o1") || !strings.Contains(v.Message, "acknowledgement.state")) {
			t.Fatalf("%q", v.Message)
		}
	})
}

func TestAMissingCallIsAnnouncedByAWarning(t *testing.T) {
	recorder := events.NewFakeRecorder(10)
	r := &InstanceReconciler{Recorder: recorder}
	m := r.memories.of(client.ObjectKey{Namespace: "sales", Name: "acme"}, "uid-acme")
	var before *v1alpha1.MarketplaceInstance
	for _, now := range []time.Time{day(0), day(1), day(2)} {
		mpi := sale(awaiting)
		if before != nil {
			mpi = before.DeepCopy()
		}
		was := mpi.DeepCopy()
		k := known{Sale: Sale{Instance: mpi, Acknowledgement: SaleOf(mpi, nil, Protocol{}, "").Acknowledgement}}
		d := k.Decide(now)
		readiness := healthy
		if d.Phase == lifecycle.Suspend {
			readiness = stoppedAll
		}
		report(mpi, k, d, outcome{quiet: true, readiness: readiness}, now)
		r.announce(was, mpi, m)
		before = mpi
	}
	var got []string
	for len(recorder.Events) > 0 {
		got = append(got, strings.Join(strings.Fields(<-recorder.Events)[:2], " "))
	}
	want := []string{"Normal Ready", "Warning NotAcknowledged", "Warning NotAcknowledged"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}
