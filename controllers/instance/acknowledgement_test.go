package instance

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	"pgregory.net/rapid"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/lifecycle"
	"github.com/stallkeeper/stallkeeper/controllers/protocol"
	"github.com/stallkeeper/stallkeeper/controllers/queue"
	"github.com/stallkeeper/stallkeeper/controllers/sale"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
)

// awaiting is a sale, bought on day 0, of which the marketplace has not been heard since.
func awaiting(mpi *v1alpha1.MarketplaceInstance) {
	mpi.Spec.Subscription.Acknowledgement.State = v1alpha1.AcknowledgementAwaited
}

var ended = salestest.Entitled(v1alpha1.EntitlementReleased, v1alpha1.EntitlementByMarketplace, 20)

func TestNobodyWaitsForSalesThatAreNotTracked(t *testing.T) {
	said := func(mpi *v1alpha1.MarketplaceInstance) {
		mpi.Spec.Subscription.Acknowledgement.State = v1alpha1.AcknowledgementReceived
	}
	received := func(mpi *v1alpha1.MarketplaceInstance) {
		said(mpi)
		mpi.Spec.Subscription.Acknowledgement.Time = salestest.At(0)
	}
	undated := func(mpi *v1alpha1.MarketplaceInstance) { mpi.Spec.Subscription.PurchaseTime = metav1.Time{} }
	tests := map[string]struct {
		mpi  *v1alpha1.MarketplaceInstance
		want string
	}{
		"a sale of an earlier version":    {salestest.Sale(), " "},
		"made by hand":                    {salestest.HandMade(), " "},
		"the marketplace has asked":       {salestest.Sale(received), "True Acknowledged"},
		"a person has looked":             {salestest.Sale(said), "True Acknowledged"},
		"the sale has ended":              {salestest.Sale(awaiting, ended), "True Released"},
		"nobody knows when it was bought": {salestest.Sale(awaiting, undated), " "},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			a := sale.Of(tc.mpi, nil, protocol.Protocol{}, "").Acknowledgement
			if a != (sale.Acknowledgement{}) {
				t.Errorf("awaited: %+v", a)
			}
			if !a.Again(salestest.Day(90)).IsZero() {
				t.Error("it is looked at again")
			}
			v := acknowledgedVerdict(tc.mpi, a, salestest.Day(90))
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
		"it is stopped": {salestest.Product(), false, []string{waits, "4h0m0s False NotAcknowledged Suspend Unacknowledged"}},
		"also while nobody knows what was sold": {
			nil, false, []string{waits, "4h0m0s False NotAcknowledged Suspend Unacknowledged"},
		},
		"a product that nobody asks for before its buyer wants a license runs on": {
			salestest.Product(), true, []string{waits, "4h0m0s False AcknowledgementOverdue Run Paid"},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			mpi := salestest.Sale(awaiting)
			var timeline []string
			for now, next := salestest.Day(0), time.Duration(1); next != 0 && now.Before(salestest.Day(2)); now = now.Add(next) {
				s := sale.Of(mpi, tc.product, protocol.Protocol{DefaultGrace: 15 * 24 * time.Hour}, "")
				s = s.With(sale.Extension{MayStaySilent: tc.silent})
				d, a := s.Decide(now), s.Acknowledgement
				v := acknowledgedVerdict(mpi, a, now)
				line := strings.Join([]string{string(v.Status), v.Reason, string(d.Phase), string(d.Rule)}, " ")
				if len(timeline) == 0 || !strings.HasSuffix(timeline[len(timeline)-1], line) {
					timeline = append(timeline, now.Sub(salestest.Day(0)).String()+" "+line)
				}
				next = queue.Wake(now, d.Until, a.Again(now)).RequeueAfter
			}
			if diff := cmp.Diff(tc.want, timeline); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestWhatIsSaidOfAMissingCallDoesNotTickAndNamesTheOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := sale.Acknowledgement{DueAt: salestest.Day(0).Add(4 * time.Hour)}
		if rapid.Bool().Draw(t, "stops") {
			a.StopAt = a.DueAt
		}
		mpi := salestest.Sale(awaiting)
		now := a.DueAt.Add(time.Duration(rapid.IntRange(-1000, 1000).Draw(t, "since")) * time.Minute)
		v := acknowledgedVerdict(mpi, a, now)
		stopped := !a.StopAt.IsZero() && !now.Before(a.StopAt)
		d := sale.Sale{Instance: mpi, Acknowledgement: a}.Decide(now)
		if stopped != (d.Rule == lifecycle.RuleUnacknowledged) || stopped != (v.Reason == v1alpha1.ReasonNotAcknowledged) {
			t.Fatalf("%s, and %s", v.Reason, d.Rule)
		}
		later := acknowledgedVerdict(mpi, a, now.Add(time.Second))
		if v.Reason == later.Reason && v != later {
			t.Fatalf("it ticks: %v, then %v", v, later)
		}
		if v.Status == metav1.ConditionFalse && (!strings.Contains(v.Message, "order o1") || !strings.Contains(v.Message, "acknowledgement: Received")) {
			t.Fatalf("%q", v.Message)
		}
	})
}

func TestAMissingCallIsAnnouncedByAWarning(t *testing.T) {
	recorder := events.NewFakeRecorder(10)
	r := &Reconciler{Recorder: recorder}
	m := newMemory()
	var before *v1alpha1.MarketplaceInstance
	for _, now := range []time.Time{salestest.Day(0), salestest.Day(1), salestest.Day(2)} {
		mpi := salestest.Sale(awaiting)
		if before != nil {
			mpi = before.DeepCopy()
		}
		was := mpi.DeepCopy()
		p := &pass{Sale: sale.Sale{Instance: mpi, Acknowledgement: sale.Of(mpi, nil, protocol.Protocol{}, "").Acknowledgement}, now: now}
		p.decision = p.Decide(now)
		writeStatus(p, outcome{readiness: healthy, stopped: p.stop()})
		r.announce(was, mpi, m)
		before = mpi
	}
	var got []string
	for len(recorder.Events) > 0 {
		got = append(got, strings.Join(strings.Fields(<-recorder.Events)[:2], " "))
	}
	want := []string{"Normal InstanceReady", "Warning NotAcknowledged", "Warning NotAcknowledged"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}
