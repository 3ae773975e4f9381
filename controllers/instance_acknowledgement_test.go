package controllers

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	testingclock "k8s.io/utils/clock/testing"
	"pgregory.net/rapid"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/lifecycle"
)

// awaiting is a sale, bought on day 0, of which the marketplace has not been heard since.
func awaiting(mpi *v1alpha1.MarketplaceInstance) {
	mpi.Spec.Subscription.Acknowledgement.State = v1alpha1.AcknowledgementAwaited
}

var ended = entitled(v1alpha1.EntitlementReleased, v1alpha1.EntitlementByMarketplace, 20)

// other is another sale, bought some time after the first one, that the marketplace asked for some time later.
func other(bought, asked time.Duration, changes ...instanceChange) v1alpha1.MarketplaceInstance {
	mpi := sale(append([]instanceChange{func(mpi *v1alpha1.MarketplaceInstance) {
		mpi.Name, mpi.UID = "other", "uid-other"
		mpi.Spec.Subscription.PurchasedAt = metav1.NewTime(day(0).Add(bought))
		mpi.Spec.Subscription.Acknowledgement = v1alpha1.Acknowledgement{
			State: v1alpha1.AcknowledgementReceived, By: v1alpha1.AcknowledgedByQuery,
			Time: metav1.NewTime(day(0).Add(bought + asked)),
		}
	}}, changes...)...)
	return *mpi
}

func TestASaleIsStoppedOnlyIfTheMarketplaceCouldHaveAsked(t *testing.T) {
	const minute = time.Minute
	by := func(source v1alpha1.AcknowledgementSource) instanceChange {
		return func(mpi *v1alpha1.MarketplaceInstance) { mpi.Spec.Subscription.Acknowledgement.By = source }
	}
	tests := map[string]struct {
		others []v1alpha1.MarketplaceInstance
		stopAt time.Time
	}{
		"no other sale": {nil, time.Time{}},
		"another sale, asked for after the order had to be cancelled": {
			[]v1alpha1.MarketplaceInstance{other(3*time.Hour, minute)}, day(0).Add(4*time.Hour + minute),
		},
		"asked for at that very moment": {
			[]v1alpha1.MarketplaceInstance{other(3*time.Hour-minute, minute)}, day(0).Add(4 * time.Hour),
		},
		"asked for a moment before it": {
			[]v1alpha1.MarketplaceInstance{other(3*time.Hour-2*minute, minute)}, time.Time{},
		},
		"the earliest counts": {
			[]v1alpha1.MarketplaceInstance{other(50*time.Hour, minute), other(5*time.Hour, minute), other(70*time.Hour, minute)},
			day(0).Add(6*time.Hour + minute),
		},
		"asked for late, perhaps by its buyer only": {
			[]v1alpha1.MarketplaceInstance{other(3*time.Hour, 4*time.Hour)}, time.Time{},
		},
		"known by another call": {
			[]v1alpha1.MarketplaceInstance{other(3*time.Hour, minute, by(v1alpha1.AcknowledgedByCall))}, time.Time{},
		},
		"known by a person": {
			[]v1alpha1.MarketplaceInstance{other(3*time.Hour, minute, by(v1alpha1.AcknowledgedByPerson))}, time.Time{},
		},
		"of another product": {
			[]v1alpha1.MarketplaceInstance{other(3*time.Hour, minute, func(mpi *v1alpha1.MarketplaceInstance) { mpi.Spec.ProductRef.Name = "blog" })},
			time.Time{},
		},
		"of another connection": {
			[]v1alpha1.MarketplaceInstance{other(3*time.Hour, minute, func(mpi *v1alpha1.MarketplaceInstance) { mpi.Spec.Subscription.Marketplace = "x" })},
			time.Time{},
		},
		"one that was released since": {
			[]v1alpha1.MarketplaceInstance{other(3*time.Hour, minute, ended)}, day(0).Add(4*time.Hour + minute),
		},
		"one that is not known either": {[]v1alpha1.MarketplaceInstance{other(3*time.Hour, minute, func(mpi *v1alpha1.MarketplaceInstance) {
			mpi.Spec.Subscription.Acknowledgement = v1alpha1.Acknowledgement{State: v1alpha1.AcknowledgementAwaited}
		})}, time.Time{}},
		"a tenant without a sale and a product": {[]v1alpha1.MarketplaceInstance{*handMade(func(mpi *v1alpha1.MarketplaceInstance) {
			mpi.Spec.ProductRef.Name = ""
		})}, time.Time{}},
		"a tenant without a sale": {[]v1alpha1.MarketplaceInstance{*handMade()}, time.Time{}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			mpi := sale(awaiting)
			builder := fake.NewClientBuilder().WithScheme(newTestScheme(t)).WithObjects(mpi)
			for i := range tc.others {
				tc.others[i].Name += string(rune('a' + i))
				builder = builder.WithObjects(&tc.others[i])
			}
			r := &InstanceReconciler{Client: builder.Build(), Clock: testingclock.NewFakeClock(day(90))}
			got, err := r.acknowledgementOf(t.Context(), mpi)
			if err != nil {
				t.Fatal(err)
			}
			want := acknowledgement{dueAt: day(0).Add(4 * time.Hour), stopAt: tc.stopAt}
			if diff := cmp.Diff(want, got, cmp.AllowUnexported(acknowledgement{})); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

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
			lost := other(3*time.Hour, time.Minute)
			r := &InstanceReconciler{
				Client: fake.NewClientBuilder().WithScheme(newTestScheme(t)).WithObjects(&lost).Build(), Clock: testingclock.NewFakeClock(day(90)),
			}
			a, err := r.acknowledgementOf(t.Context(), tc.mpi)
			if err != nil || a != (acknowledgement{}) {
				t.Errorf("awaited: %+v, error %v", a, err)
			}
			if !a.again(day(90)).IsZero() {
				t.Error("it is looked at again")
			}
			v := acknowledgedVerdict(tc.mpi, a, day(90))
			if got := string(v.status) + " " + v.reason; got != tc.want {
				t.Errorf("%s, want %s", got, tc.want)
			}
		})
	}
}

func TestASaleOfWhichNobodyKnowsTheProductIsComparedWithNone(t *testing.T) {
	unresolved := other(3*time.Hour, time.Minute, unknownOrder)
	r := &InstanceReconciler{
		Client: fake.NewClientBuilder().WithScheme(newTestScheme(t)).WithObjects(&unresolved).Build(), Clock: testingclock.NewFakeClock(day(90)),
	}
	a, err := r.acknowledgementOf(t.Context(), sale(awaiting, unknownOrder))
	if err != nil || !a.stopAt.IsZero() {
		t.Errorf("%+v, error %v", a, err)
	}
}

// TestTheMissingCallIsReportedWhenItIsDue plays a sale as the reconciler does: it looks when it said that it would.
func TestTheMissingCallIsReportedWhenItIsDue(t *testing.T) {
	later := other(30*time.Hour, time.Minute)
	mpi := sale(awaiting)
	c := fake.NewClientBuilder().WithScheme(newTestScheme(t)).WithObjects(mpi).Build()
	clock := testingclock.NewFakeClock(day(0))
	r := &InstanceReconciler{Client: c, Clock: clock}
	var timeline []string
	for range 200 {
		if clock.Since(day(0)) >= 30*time.Hour+time.Minute {
			if err := c.Create(t.Context(), later.DeepCopy()); err != nil && !apierrors.IsAlreadyExists(err) {
				t.Fatal(err)
			}
		}
		now := clock.Now()
		a, err := r.acknowledgementOf(t.Context(), mpi)
		if err != nil {
			t.Fatal(err)
		}
		d := lifecycle.Decide(facts(mpi, a, now), lifecycle.Policy{Grace: 15 * 24 * time.Hour})
		v := acknowledgedVerdict(mpi, a, now)
		line := strings.Join([]string{string(v.status), v.reason, string(d.Phase), string(d.Rule)}, " ")
		if len(timeline) == 0 || !strings.HasSuffix(timeline[len(timeline)-1], line) {
			timeline = append(timeline, clock.Since(day(0)).String()+" "+line)
		}
		next := wake(now, d.Until, a.again(now)).RequeueAfter
		if next == 0 || d.Rule == lifecycle.RuleUnacknowledged {
			break
		}
		clock.Step(next)
	}
	want := []string{
		"0s Unknown AwaitingAcknowledgement Run Paid",
		"4h0m0s False AcknowledgementOverdue Run Paid",
		"31h1m0s False NotAcknowledged Suspend Unacknowledged",
	}
	if diff := cmp.Diff(want, timeline); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestWhatIsSaidOfAMissingCallDoesNotTickAndNamesTheOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := acknowledgement{dueAt: day(0).Add(acknowledgementDue)}
		if rapid.Bool().Draw(t, "could have asked") {
			a.stopAt = a.dueAt.Add(time.Duration(rapid.IntRange(0, 1000).Draw(t, "minutes")) * time.Minute)
		}
		mpi := sale(awaiting)
		now := a.dueAt.Add(time.Duration(rapid.IntRange(-1000, 1000).Draw(t, "since")) * time.Minute)
		v := acknowledgedVerdict(mpi, a, now)
		stopped := !a.stopAt.IsZero() && !now.Before(a.stopAt)
		d := lifecycle.Decide(facts(mpi, a, now), lifecycle.Policy{})
		if stopped != (d.Rule == lifecycle.RuleUnacknowledged) || stopped != (v.reason == v1alpha1.ReasonNotAcknowledged) {
			t.Fatalf("%s, and %s", v.reason, d.Rule)
		}
		later := acknowledgedVerdict(mpi, a, now.Add(time.Second))
		if v.reason == later.reason && v != later {
			t.Fatalf("it ticks: %v, then %v", v, later)
		}
		if v.status == metav1.ConditionFalse && (!strings.Contains(v.message, "order o1") || !strings.Contains(v.message, "acknowledgement.state")) {
			t.Fatalf("%q", v.message)
		}
	})
}

func TestAMissingCallIsAnnouncedByAWarning(t *testing.T) {
	recorder := events.NewFakeRecorder(10)
	r := &InstanceReconciler{Recorder: recorder}
	m := r.memories.of(client.ObjectKey{Namespace: "sales", Name: "acme"}, "uid-acme")
	var before *v1alpha1.MarketplaceInstance
	a := acknowledgement{dueAt: day(0).Add(acknowledgementDue)}
	for _, step := range []struct {
		now    time.Time
		stopAt time.Time
	}{{now: day(0)}, {now: day(1)}, {now: day(2)}, {now: day(3), stopAt: day(3)}, {now: day(4), stopAt: day(3)}} {
		mpi := sale(awaiting)
		if before != nil {
			mpi = before.DeepCopy()
		}
		was := mpi.DeepCopy()
		a.stopAt = step.stopAt
		d := lifecycle.Decide(facts(mpi, a, step.now), lifecycle.Policy{})
		readiness := healthy
		if d.Phase == lifecycle.Suspend {
			readiness = stoppedAll
		}
		report(mpi, known{acknowledgement: a}, d, outcome{quiet: true, readiness: readiness}, step.now)
		r.announce(was, mpi, m)
		before = mpi
	}
	var got []string
	for len(recorder.Events) > 0 {
		got = append(got, strings.Join(strings.Fields(<-recorder.Events)[:2], " "))
	}
	want := []string{
		"Normal Ready", "Warning AcknowledgementOverdue", "Warning NotAcknowledged", "Warning NotAcknowledged",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}
