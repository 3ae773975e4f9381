package controllers

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/report"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/koogallerytest"
)

func TestUsageIsCountedAndPushedOnce(t *testing.T) {
	t.Parallel()
	x := newMeteredShop(t, "usage-life")
	x.sells(salestest.MeteredBy())
	x.sellsByUse("acme")
	x.pass("acme")
	x.Expect(x.records("acme")).To(Equal([]string{"0:17 0:17 0 Checkpoint"}))

	x.clock.SetTime(x.start.Add(50 * time.Minute)) // it is 7 minutes past the next hour
	x.pass("acme")
	x.Expect(x.records("acme")).To(Equal([]string{"0:17 0:17 0 Checkpoint", "0:17 1:00 43 Pushed"}))
	x.Expect(x.pushed()).To(Equal([]string{"acme 43"}))
	x.Expect(x.source.asked()).To(Equal([]string{
		`sum(increase(requests_total{namespace="` + v1alpha1.TenantNamespace(v1alpha1.DefaultTenantPrefix, x.name, "acme") + `"}[2580s])) or vector(0)`,
	}))
	mpi := x.says("acme", v1alpha1.ConditionUsageReported, "True UsageReported")
	want := []v1alpha1.MeterUsage{{
		Meter: "requests", Unit: "requests", Total: "43", CountedUntilTime: report.Time(x.start.Add(43 * time.Minute)), PendingRecords: ptr.To(int32(0)),
	}}
	x.Expect(equality.Semantic.DeepEqual(mpi.Status.Usage, want)).To(BeTrue(), fmt.Sprint(mpi.Status.Usage))

	t.Run("and not again by another pass or after a restart", func(*testing.T) {
		x.restart()
		x.pass("acme")
		x.Expect(x.pushed()).To(HaveLen(1))
		x.Expect(x.source.asked()).To(HaveLen(1))
	})

	t.Run("what status says is restored when it is erased", func(*testing.T) {
		x.eraseStatus("acme")
		x.pass("acme")
		x.Expect(x.records("acme")).To(Equal([]string{"0:17 0:17 0 Checkpoint", "0:17 1:00 43 Pushed"}))
		restored := x.says("acme", v1alpha1.ConditionUsageReported, "True UsageReported")
		x.Expect(equality.Semantic.DeepEqual(restored.Status.Usage, want)).To(BeTrue(), fmt.Sprint(restored.Status.Usage))
		x.Expect(x.pushed()).To(HaveLen(1))
	})

	t.Run("a change of the meters alone is no new revision", func(*testing.T) {
		p := here(x.shop, salestest.Product())
		x.Expect(x.client.Get(t.Context(), client.ObjectKeyFromObject(p), p)).To(Succeed())
		revision := p.Status.LatestRevision
		change(x.shop, p, func(p *v1alpha1.MarketplaceProduct) { p.Spec.Meters[0].Unit = "calls" })
		x.eventually(func() int64 {
			x.Expect(x.client.Get(t.Context(), client.ObjectKeyFromObject(p), p)).To(Succeed())
			return ptr.Deref(p.Status.ObservedGeneration, 0)
		}).Should(Equal(p.Generation))
		x.Expect(p.Status.LatestRevision).To(Equal(revision))
	})
}

// eraseStatus takes everything away that is said about an instance's usage.
func (x *meteredShop) eraseStatus(name string) {
	x.t.Helper()
	list := &v1alpha1.UsageRecordList{}
	x.Expect(x.client.List(x.t.Context(), list, client.InNamespace(x.name))).To(Succeed())
	for i := range list.Items {
		before := list.Items[i].DeepCopy()
		list.Items[i].Status = v1alpha1.UsageRecordStatus{}
		x.Expect(x.client.Status().Patch(x.t.Context(), &list.Items[i], client.MergeFrom(before))).To(Succeed())
	}
	mpi := x.instance(name)
	before := mpi.DeepCopy()
	mpi.Status = v1alpha1.MarketplaceInstanceStatus{}
	x.Expect(x.client.Status().Patch(x.t.Context(), mpi, client.MergeFrom(before))).To(Succeed())
}

// The marketplace has accepted a record, and that could not be stored.
func TestAPushWhoseStoringWasLostCountsOnce(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		dies      bool
		wantCalls int
	}{
		"the controller lives and stores it later": {false, 1},
		"the controller dies and pushes it again":  {true, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := newMeteredShop(t, "usage-crash")
			x.sells(salestest.MeteredBy())
			x.sellsByUse("acme")
			x.counts("acme")
			x.clock.SetTime(x.start.Add(50 * time.Minute))
			x.counts("acme")
			list := &v1alpha1.UsageRecordList{}
			x.Expect(x.client.List(t.Context(), list, client.InNamespace(x.name))).To(Succeed())
			loses := func() {
				for _, record := range list.Items {
					if record.Spec.Checkpoint.Total == "" {
						x.running.requests.lose("/usagerecords/" + record.Name)
					}
				}
			}
			x.arrives.Store(&loses)
			_, err := x.push.Reconcile(t.Context(), ctrl.Request{NamespacedName: client.ObjectKey{Namespace: x.name, Name: "koogallery"}})
			x.Expect(err).To(MatchError(ContainSubstring("storing that UsageRecord")))
			x.Expect(x.pushed()).To(Equal([]string{"acme 43"}))
			x.arrives.Store(nil)
			x.running.requests.lose("")

			if tc.dies {
				x.restart()
			}
			x.pass("acme")
			x.Expect(x.api.CallsOf(koogallerytest.PushUsage)).To(Equal(tc.wantCalls))
			x.Expect(x.pushed()).To(Equal([]string{"acme 43"}), "the marketplace knew it again")
			x.Expect(x.records("acme")).To(ContainElement("0:17 1:00 43 Pushed"))
		})
	}
}

func TestMissedHoursAreMadeUpForWithoutDoubling(t *testing.T) {
	t.Parallel()
	x := newMeteredShop(t, "usage-outage")
	x.sells(salestest.MeteredBy())
	x.sellsByUse("acme")
	x.pass("acme")

	// The source is away for three hours.
	x.source.set(http.StatusServiceUnavailable, nil)
	for hour := 1; hour <= 3; hour++ {
		x.clock.SetTime(x.start.Add(time.Duration(hour) * time.Hour))
		x.pass("acme")
	}
	x.says("acme", v1alpha1.ConditionUsageReported, "False UsageLate")
	x.Expect(x.records("acme")).To(HaveLen(1))

	// So is the controller for nine more, and the marketplace when it comes back.
	x.restart()
	x.source.set(0, nil)
	x.api.FailOperation(koogallerytest.PushUsage, koogallerytest.Fault{Status: 503}, -1)
	x.clock.SetTime(x.start.Add(12 * time.Hour))
	x.pass("acme")
	x.Expect(x.pushed()).To(BeEmpty())
	x.Expect(x.records("acme")).To(ContainElement("5:00 6:00 60 Pending MarketplaceUnavailable"))
	x.api.FailOperation(koogallerytest.PushUsage, koogallerytest.Fault{}, 0)
	x.clock.SetTime(x.start.Add(12*time.Hour + 5*time.Minute))
	x.pass("acme")

	want := []string{"0:17 0:17 0 Checkpoint", "0:17 1:00 43 Pushed"}
	for hour := 1; hour < 12; hour++ {
		want = append(want, fmt.Sprintf("%d:00 %d:00 60 Pushed", hour, hour+1))
	}
	x.Expect(x.records("acme")).To(Equal(want))
	x.Expect(x.pushed()).To(HaveLen(12))
	mpi := x.says("acme", v1alpha1.ConditionUsageReported, "True UsageReported")
	x.Expect(mpi.Status.Usage[0].Total).To(Equal(strconv.Itoa(43 + 11*60)))
}

func TestOneBadRecordHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	x := newMeteredShop(t, "usage-bad")
	x.sells(salestest.MeteredBy())
	for _, name := range []string{"acme", "bad", "else"} {
		x.sellsByUse(name)
		x.counts(name)
	}
	x.api.RefuseUsage("bad", "MKT.9001")
	x.clock.SetTime(x.start.Add(50 * time.Minute))
	for _, name := range []string{"acme", "bad", "else"} {
		x.counts(name)
	}
	x.pushes()
	x.counts("bad")
	x.Expect(x.pushed()).To(ConsistOf("acme 43", "else 43"))
	x.Expect(x.records("bad")).To(ContainElement("0:17 1:00 43 Refused MarketplaceRefused"))
	mpi := x.says("bad", v1alpha1.ConditionUsageReported, "False UsageRefused")
	x.Expect(mpi.Status.State).To(Equal(v1alpha1.StateRunning), "the tenant runs on")

	x.api.RefuseUsage("bad", "")
	x.clock.SetTime(x.start.Add(2 * time.Hour))
	x.counts("bad")
	x.pushes()
	x.counts("bad")
	x.says("bad", v1alpha1.ConditionUsageReported, "True UsageReported")
	x.Expect(x.pushed()).To(ContainElements("bad 43", "bad 60"))
}

func (x *meteredShop) releases(name string) {
	mpi := x.instance(name)
	change(x.shop, mpi, func(mpi *v1alpha1.MarketplaceInstance) {
		mpi.Spec.Subscription.Entitlement = v1alpha1.Entitlement{
			State: v1alpha1.EntitlementReleased, Reason: v1alpha1.EntitlementByMarketplace, Time: metav1.NewTime(x.clock.Now()),
		}
	})
}

func TestTheLastUsageIsReadBeforeATenantStops(t *testing.T) {
	t.Parallel()
	x := newMeteredShop(t, "usage-last")
	x.sells(salestest.MeteredBy(salestest.ByHTTP), salestest.Inline(salestest.Web+salestest.Settings+`
---
apiVersion: v1
kind: Service
metadata:
  name: web
spec:
  selector: {app: web}
  ports: [{port: 80, targetPort: 8080}]
`))
	for _, name := range []string{"acme", "mute"} {
		x.sellsByUse(name)
		x.counts(name)
	}
	replicas := func(name string) int32 {
		return *x.deployment(v1alpha1.TenantNamespace(v1alpha1.DefaultTenantPrefix, x.name, name), "web").Spec.Replicas
	}

	x.clock.SetTime(x.start.Add(20 * time.Minute))
	x.releases("acme")
	x.says("acme", v1alpha1.ConditionSuspended, "Unknown Suspending")
	x.Expect(replicas("acme")).To(BeEquivalentTo(2), "it was not asked yet")
	x.pass("acme")
	x.says("acme", v1alpha1.ConditionSuspended, "True Released")
	x.Expect(x.records("acme")).To(Equal([]string{"0:17 0:17 0 Checkpoint", "0:17 0:37 20 Pushed"}))
	x.Expect(x.pushed()).To(Equal([]string{"acme 20"}))
	x.Expect(x.source.asked()).To(Equal([]string{
		"web." + v1alpha1.TenantNamespace(v1alpha1.DefaultTenantPrefix, x.name, "acme") + ".svc:80",
	}))

	t.Run("but not for ever", func(*testing.T) {
		x.source.set(http.StatusInternalServerError, nil)
		x.releases("mute")
		x.says("mute", v1alpha1.ConditionSuspended, "Unknown Suspending")
		x.counts("mute")
		x.clock.SetTime(x.start.Add(35*time.Minute - time.Second))
		x.awaitPass(func() { x.touch("mute", "just before the end") })
		x.Expect(replicas("mute")).To(BeEquivalentTo(2))
		x.clock.SetTime(x.start.Add(35 * time.Minute))
		x.touch("mute", "at the end")
		x.says("mute", v1alpha1.ConditionSuspended, "True Released")
		x.clock.SetTime(x.start.Add(37 * time.Minute))
		x.pass("mute")
		x.Expect(x.records("mute")).To(Equal([]string{"0:17 0:17 0 Checkpoint", "0:17 0:37 0 Refused UsageLost", "0:37 0:37 0 Unused"}))
		x.says("mute", v1alpha1.ConditionUsageReported, "False UsageLost")
	})
}

func TestASuspendedTenantUsesNothing(t *testing.T) {
	t.Parallel()
	x := newMeteredShop(t, "usage-suspended")
	x.sells(salestest.MeteredBy())
	mpi := x.sellsByUse("acme")
	x.pass("acme")
	freeze := func(state v1alpha1.EntitlementState, at time.Time) {
		change(x.shop, mpi, func(mpi *v1alpha1.MarketplaceInstance) {
			mpi.Spec.Subscription.Entitlement = v1alpha1.Entitlement{State: state, Time: metav1.NewTime(at)}
			if state == v1alpha1.EntitlementFrozen {
				mpi.Spec.Subscription.Entitlement.Reason = v1alpha1.EntitlementByMarketplace
			}
		})
	}
	x.clock.SetTime(x.start.Add(25 * time.Minute))
	freeze(v1alpha1.EntitlementFrozen, x.start.Add(23*time.Minute))
	x.says("acme", v1alpha1.ConditionSuspended, "True Frozen")
	x.pass("acme")
	x.clock.SetTime(x.start.Add(10 * time.Hour))
	x.pass("acme")
	freeze(v1alpha1.EntitlementActive, x.start.Add(9*time.Hour))
	x.says("acme", v1alpha1.ConditionSuspended, "False Running")
	x.pass("acme")
	x.Expect(x.records("acme")).To(Equal([]string{
		"0:17 0:17 0 Checkpoint", "0:17 0:40 23 Pushed", "0:40 9:17 0 Unused", "9:17 10:00 43 Pushed",
	}))
	x.Expect(x.pushed()).To(Equal([]string{"acme 23", "acme 43"}))
}

func TestNothingIsPushedByGuess(t *testing.T) {
	t.Parallel()
	x := newMeteredShop(t, "usage-guess")
	x.sells(salestest.MeteredBy())
	x.sellsByUse("acme", func(mpi *v1alpha1.MarketplaceInstance) {
		mpi.Spec.Subscription.Items = append(mpi.Spec.Subscription.Items, v1alpha1.SoldItem{SKU: "shop-traffic"})
	})
	x.pass("acme")
	x.clock.SetTime(x.start.Add(50 * time.Minute))
	x.pass("acme")
	x.says("acme", v1alpha1.ConditionUsageReported, "False SeveralMeteredItems")
	x.Expect(x.records("acme")).To(ContainElement("0:17 1:00 43 Pending SeveralMeteredItems"))
	x.Expect(x.api.CallsOf(koogallerytest.PushUsage)).To(BeZero())

	// The seller has asked, and says which one it is.
	change(x.shop, x.instance("acme"), func(mpi *v1alpha1.MarketplaceInstance) {
		mpi.Spec.Subscription.Items = mpi.Spec.Subscription.Items[:1]
	})
	x.pass("acme")
	x.Expect(x.pushed()).To(Equal([]string{"acme 43"}))
	x.says("acme", v1alpha1.ConditionUsageReported, "True UsageReported")
}

// handWritten is a record as a person or a job writes it, in minutes since the start.
func (x *meteredShop) handWritten(name, instance, meter, value string, begins, ends int) *v1alpha1.UsageRecord {
	record := &v1alpha1.UsageRecord{ObjectMeta: metav1.ObjectMeta{Namespace: x.name, Name: name}}
	record.Spec = v1alpha1.UsageRecordSpec{
		InstanceRef: v1alpha1.InstanceReference{Name: instance}, Meter: meter, Value: value,
		StartTime: report.Time(x.start.Add(time.Duration(begins) * time.Minute)), EndTime: report.Time(x.start.Add(time.Duration(ends) * time.Minute)),
	}
	return record
}

func TestRecordsByHand(t *testing.T) {
	t.Parallel()
	x := newMeteredShop(t, "usage-hand")
	x.sells(salestest.MeteredBy(salestest.ByRecords), salestest.MeteredBy(func(m *salestest.Metered) {
		m.Name, m.Push, m.Interval = "shown", v1alpha1.MeterPushNone, v1alpha1.MeterDaily
	}))
	mpi := x.sellsByUse("acme")
	x.create(x.handWritten("a-good", "acme", "requests", "12.5", 0, 60))
	x.clock.SetTime(x.start.Add(3 * time.Hour))
	x.pass("acme")
	x.create(
		x.handWritten("b-overlaps", "acme", "requests", "1", 59, 70),
		x.handWritten("c-before", "acme", "requests", "1", -1, 0),
		x.handWritten("d-source", "acme", "shown", "1", 0, 60),
		x.handWritten("e-meter", "acme", "traffic", "1", 0, 60),
		x.handWritten("f-later", "acme", "requests", "1", 120, 600),
		x.handWritten("g-instance", "nobody", "requests", "1", 0, 60),
	)
	x.pass("acme")
	x.Expect(x.records("acme")).To(ConsistOf(
		"0:17 1:17 12.5 Pushed", "1:16 1:27 1 Refused Overlaps", "0:16 0:17 1 Refused BeforeSale", "0:17 1:17 1 Refused MeterHasSource",
		"0:17 1:17 1 Refused UnknownMeter", "2:17 10:17 1 Pending NotOver", "3:17 3:17 0 Checkpoint",
	))
	x.Expect(x.records("nobody")).To(Equal([]string{"0:17 1:17 1 Refused UnknownInstance"}))
	x.Expect(x.pushed()).To(Equal([]string{"acme 12.5"}))
	x.says("acme", v1alpha1.ConditionUsageReported, "False UsageRefused")
	good := &v1alpha1.UsageRecord{}
	x.Expect(x.client.Get(t.Context(), client.ObjectKey{Namespace: x.name, Name: "a-good"}, good)).To(Succeed())
	x.Expect(good.OwnerReferences).To(ConsistOf(HaveField("UID", mpi.UID)), "it goes with its instance")

	x.clock.SetTime(x.start.Add(22 * 24 * time.Hour))
	x.create(x.handWritten("h-old", "acme", "requests", "1", 700, 760))
	x.pass("acme")
	x.Expect(x.records("acme")).To(ContainElement("11:57 12:57 1 Refused TooOld"))
}

func TestARecordCantBeChanged(t *testing.T) {
	t.Parallel()
	x := newMeteredShop(t, "usage-cel")
	good := x.handWritten("good", "acme", "requests", "12.5", 0, 60)
	x.create(good)
	refused := map[string]func(*v1alpha1.UsageRecord){
		"the value":       func(r *v1alpha1.UsageRecord) { r.Spec.Value = "1" },
		"the end":         func(r *v1alpha1.UsageRecord) { r.Spec.EndTime = report.Time(x.start.Add(2 * time.Hour)) },
		"the meter":       func(r *v1alpha1.UsageRecord) { r.Spec.Meter = "other" },
		"the instance":    func(r *v1alpha1.UsageRecord) { r.Spec.InstanceRef.Name = "other" },
		"the tenant":      func(r *v1alpha1.UsageRecord) { r.Spec.TenantActivity = v1alpha1.TenantStopped },
		"to a checkpoint": func(r *v1alpha1.UsageRecord) { r.Spec.Checkpoint = v1alpha1.UsageCheckpoint{Total: "1"} },
	}
	for name, by := range refused {
		after := good.DeepCopy()
		by(after)
		x.Expect(x.client.Update(t.Context(), after)).To(MatchError(ContainSubstring("can't be changed")), name)
	}
	good.Spec.Delivery.PushTime = report.Time(x.start)
	x.Expect(x.client.Update(t.Context(), good)).To(Succeed())
	good.Spec.Delivery = v1alpha1.UsageDelivery{}
	x.Expect(x.client.Update(t.Context(), good)).To(MatchError(ContainSubstring("can't be changed or taken back")))

	for name, by := range map[string]func(*v1alpha1.UsageRecord){
		"negative": func(r *v1alpha1.UsageRecord) { r.Spec.Value = "-1" }, "five decimals": func(r *v1alpha1.UsageRecord) { r.Spec.Value = "1.00001" },
		"nine digits": func(r *v1alpha1.UsageRecord) { r.Spec.Value = "100000000" },
		"no time":     func(r *v1alpha1.UsageRecord) { r.Spec.EndTime = r.Spec.StartTime },
	} {
		record := x.handWritten("bad", "acme", "requests", "1", 0, 60)
		by(record)
		x.Expect(x.client.Create(t.Context(), record)).NotTo(Succeed(), name)
	}
}

// The old interface can't tell a repeat: what may have arrived waits for a person.
func TestAnOldPushIsNeverMadeTwice(t *testing.T) {
	t.Parallel()
	x := newMeteredShop(t, "usage-old")
	x.sells(salestest.MeteredBy(salestest.ByRecords, salestest.ByOldPush))
	x.sellsByUse("acme")
	x.create(x.handWritten("lost", "acme", "requests", "7", 0, 60), x.handWritten("busy", "acme", "requests", "8", 60, 70))
	x.clock.SetTime(x.start.Add(65 * time.Minute))
	x.api.FailOperation(koogallerytest.PushUsageOld, koogallerytest.Fault{Drop: true, CarriedOut: true}, 1)
	x.pass("acme")
	x.Expect(x.records("acme")).To(Equal([]string{"0:17 1:17 7 Uncertain AnswerLost", "1:17 1:27 8 Pending NotOver"}))
	x.says("acme", v1alpha1.ConditionUsageReported, "False UsageUncertain")
	x.restart()
	x.clock.SetTime(x.start.Add(3 * time.Hour))
	x.pass("acme")
	x.Expect(x.pushed()).To(Equal([]string{"acme 7", "acme 8"}), "each once, though nobody has told that the first one arrived")
	x.Expect(x.api.Usage()[1].ProductID).To(Equal("product-1"))

	lost := &v1alpha1.UsageRecord{ObjectMeta: metav1.ObjectMeta{Namespace: x.name, Name: "lost"}}
	change(x.shop, lost, func(r *v1alpha1.UsageRecord) { r.Spec.Delivery.PushTime = report.Time(x.clock.Now()) })
	x.pass("acme")
	x.Expect(x.records("acme")).To(Equal([]string{"0:17 1:17 7 Pushed", "1:17 1:27 8 Pushed"}))
	x.says("acme", v1alpha1.ConditionUsageReported, "True UsageReported")

	t.Run("but what was refused had no effect, and is tried again", func(*testing.T) {
		x.create(x.handWritten("refused", "acme", "requests", "9", 120, 130))
		x.api.RefuseUsage("acme", "MKT.9001")
		x.pass("acme")
		x.Expect(x.records("acme")).To(ContainElement("2:17 2:27 9 Refused MarketplaceRefused"))
		refused := &v1alpha1.UsageRecord{}
		x.Expect(x.client.Get(t.Context(), client.ObjectKey{Namespace: x.name, Name: "refused"}, refused)).To(Succeed())
		x.Expect(refused.Spec.Delivery).To(BeZero())
		x.api.RefuseUsage("acme", "")
		x.clock.SetTime(x.start.Add(4*time.Hour + time.Minute))
		x.pass("acme")
		x.Expect(x.pushed()).To(Equal([]string{"acme 7", "acme 8", "acme 9"}))
	})
}

func TestAPackageWarnsStopsAndBeginsAnew(t *testing.T) {
	t.Parallel()
	x := newMeteredShop(t, "usage-package")
	x.sells(salestest.MeteredBy(func(m *salestest.Metered) {
		m.Package = v1alpha1.UsagePackage{Size: "50", WarnAtPercent: []int32{40, 80}, WhenUsedUp: v1alpha1.UsedUpSuspend}
	}))
	mpi := x.sellsByUse("acme", packageOf(2))
	x.pass("acme")
	x.says("acme", v1alpha1.ConditionPackageAvailable, "True PackageAvailable")
	x.clock.SetTime(x.start.Add(50 * time.Minute))
	x.pass("acme")
	x.says("acme", v1alpha1.ConditionPackageAvailable, "True PackageLow")

	// It is used up, but the marketplace has not accepted that: a tenant that has paid is not stopped for our word alone.
	x.api.FailOperation(koogallerytest.PushUsage, koogallerytest.Fault{Status: 503}, -1)
	x.clock.SetTime(x.start.Add(110 * time.Minute))
	x.pass("acme")
	x.says("acme", v1alpha1.ConditionPackageAvailable, "False PackageUsedUp")
	x.awaitPass(func() { x.touch("acme", "used up by our word") })
	x.says("acme", v1alpha1.ConditionSuspended, "False Running")

	x.api.FailOperation(koogallerytest.PushUsage, koogallerytest.Fault{}, 0)
	x.clock.SetTime(x.start.Add(112 * time.Minute))
	x.pass("acme")
	x.says("acme", v1alpha1.ConditionSuspended, "True PackageUsedUp")
	x.Expect(x.api.Usage()[0].RelatePkgInstance).To(Equal("acme"))
	got := x.instance("acme").Status.Usage[0]
	x.Expect([]string{got.Total, got.PackageUsed, got.PackageSize}).To(Equal([]string{"103", "103", "100"}))

	// A renewal is another package.
	change(x.shop, mpi, func(mpi *v1alpha1.MarketplaceInstance) {
		sub := mpi.Spec.Subscription
		sub.ExpiryTime, sub.ExpirySource = metav1.NewTime(x.start.AddDate(0, 2, 0)), v1alpha1.ExpiryFromRenewal
		sub.Calls = append(sub.Calls, v1alpha1.Call{
			Operation: "refreshInstance", Variant: "RENEWAL", OrderID: "o2", Time: metav1.NewTime(x.clock.Now()),
			PreviousExpiryTime: metav1.NewTime(x.start.AddDate(0, 1, 0)),
		})
	})
	x.says("acme", v1alpha1.ConditionSuspended, "False Running")
	x.clock.SetTime(x.start.Add(230 * time.Minute))
	x.pass("acme")
	x.says("acme", v1alpha1.ConditionPackageAvailable, "True PackageLow")
	got = x.instance("acme").Status.Usage[0]
	x.Expect(got.PackageUsed).To(Equal("60"), "only the hour that began after the renewal")
	x.says("acme", v1alpha1.ConditionSuspended, "False Running")
}

func TestOldRecordsGoAndTheTotalStays(t *testing.T) {
	t.Parallel()
	x := newMeteredShop(t, "usage-retention")
	x.sells(salestest.MeteredBy(func(m *salestest.Metered) { m.Interval = v1alpha1.MeterDaily }))
	x.sellsByUse("acme")
	x.source.set(0, func(int) string { return "1.5" })
	x.count.Retention = 2 * 24 * time.Hour
	for day := 0; day <= 9; day++ {
		x.clock.SetTime(x.start.AddDate(0, 0, day))
		x.pass("acme")
		x.count.Retention = 2 * 24 * time.Hour
	}
	x.Expect(x.pushed()).To(HaveLen(9))
	x.Expect(len(x.records("acme"))).To(BeNumerically("<", 6))
	x.eraseStatus("acme")
	x.pass("acme")
	mpi := x.says("acme", v1alpha1.ConditionUsageReported, "True UsageReported")
	x.Expect(mpi.Status.Usage[0].Total).To(Equal("13.5"))
	x.Expect(x.pushed()).To(HaveLen(9))
}

func TestAnInstanceWaitsForItsUsageBeforeItGoes(t *testing.T) {
	t.Parallel()
	x := newMeteredShop(t, "usage-delete")
	x.sells(salestest.MeteredBy(salestest.ByRecords))
	mpi := x.sellsByUse("acme")
	x.create(x.handWritten("last", "acme", "requests", "7", 0, 30))
	x.clock.SetTime(x.start.Add(31 * time.Minute))
	x.counts("acme")
	namespace := x.instance("acme").Status.Namespace
	x.Expect(x.client.Delete(t.Context(), mpi)).To(Succeed())
	x.namespaceGoes(namespace)
	x.eventually(func() []v1alpha1.Blocker { return x.instance("acme").Status.Blockers }).Should(
		ConsistOf(HaveField("Reason", v1alpha1.ReasonPushPending)))
	x.pushes()
	x.gone("acme")
	x.Expect(x.pushed()).To(Equal([]string{"acme 7"}))
}

func TestTheMeteredSamplesAreAccepted(t *testing.T) {
	t.Parallel()
	x := newShop(t, "usage-samples")
	for file, object := range map[string]client.Object{"product.yaml": &v1alpha1.MarketplaceProduct{}, "record.yaml": &v1alpha1.UsageRecord{}} {
		text, err := os.ReadFile(filepath.Join("..", "config", "samples", "metered", file))
		x.Expect(err).NotTo(HaveOccurred())
		x.Expect(yaml.UnmarshalStrict(text, object)).To(Succeed())
		object.SetNamespace(x.name)
		x.create(object)
	}
}

func TestAMeterHasExactlyOneSource(t *testing.T) {
	t.Parallel()
	x := newShop(t, "usage-meters")
	for name, by := range map[string]func(*salestest.Metered){
		"two questions": func(m *salestest.Metered) {
			m.HTTP = v1alpha1.MeterHTTP{ServiceRef: v1alpha1.ServicePortReference{Name: "web", Port: 80}, Path: "/usage"}
		},
		"no question":           func(m *salestest.Metered) { m.Prometheus = v1alpha1.MeterPrometheus{} },
		"another's question":    func(m *salestest.Metered) { m.Records = &v1alpha1.MeterRecords{} },
		"a host":                func(m *salestest.Metered) { salestest.ByHTTP(m); m.HTTP.ServiceRef.Name = "web.kube-system" },
		"a query in the path":   func(m *salestest.Metered) { salestest.ByHTTP(m); m.HTTP.Path = "/usage?all=1" },
		"an address of no host": func(m *salestest.Metered) { m.Prometheus.Address = "file:///etc/passwd" },
		"a package of nothing":  func(m *salestest.Metered) { m.Package.Size = "0.0" },
		"a name that is none":   func(m *salestest.Metered) { m.Name = "Requests" },
	} {
		x.Expect(x.client.Create(t.Context(), here(x, salestest.Product(salestest.MeteredBy(by))))).NotTo(Succeed(), name)
	}
	x.create(here(x, salestest.Product(salestest.MeteredBy(salestest.ByHTTP))))
}

func TestADeletedInstanceSaysWhatWasNeverRead(t *testing.T) {
	t.Parallel()
	x := newMeteredShop(t, "usage-unread")
	x.sells(salestest.MeteredBy(salestest.ByHTTP))
	mpi := x.sellsByUse("mute")
	x.counts("mute")
	x.source.set(http.StatusInternalServerError, nil)
	namespace := x.instance("mute").Status.Namespace
	x.Expect(x.client.Delete(t.Context(), mpi)).To(Succeed())
	x.says("mute", v1alpha1.ConditionSuspended, "Unknown Suspending")
	ns, err := x.typed.CoreV1().Namespaces().Get(t.Context(), namespace, metav1.GetOptions{})
	x.Expect(err).NotTo(HaveOccurred())
	x.Expect(ns.DeletionTimestamp).To(BeNil(), "it is asked first")
	x.clock.SetTime(x.start.Add(15 * time.Minute))
	x.touch("mute", "a quarter of an hour later")
	x.namespaceGoes(namespace)
	x.gone("mute")
	x.eventually(func() []string {
		list, err := x.typed.EventsV1().Events(x.name).List(t.Context(), metav1.ListOptions{})
		x.Expect(err).NotTo(HaveOccurred())
		var reasons []string
		for _, e := range list.Items {
			reasons = append(reasons, e.Regarding.Name+" "+e.Reason)
		}
		return reasons
	}).Should(ContainElement("mute UsageLost"))
}

func TestAPushWaitsForItsKeys(t *testing.T) {
	t.Parallel()
	x := newMeteredShop(t, "usage-keys")
	x.sells(salestest.MeteredBy(salestest.ByRecords))
	x.sellsByUse("acme")
	x.create(x.handWritten("first", "acme", "requests", "7", 0, 30))
	x.clock.SetTime(x.start.Add(time.Hour))
	openAPI := x.secret(x.name, "koogallery-openapi")
	x.Expect(x.client.Delete(t.Context(), openAPI)).To(Succeed())
	x.pass("acme")
	x.Expect(x.records("acme")).To(Equal([]string{"0:17 0:47 7 Pending CredentialsMissing"}))
	again := keys()
	again.ObjectMeta = metav1.ObjectMeta{Namespace: x.name, Name: openAPI.Name}
	x.create(again)
	x.pass("acme")
	x.Expect(x.records("acme")).To(Equal([]string{"0:17 0:47 7 Pushed"}))
}
