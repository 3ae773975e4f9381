package controllers

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
)

// remeter gives the product's only plan other meters.
func (x *meteredShop) remeter(meters ...salestest.ProductChange) {
	x.t.Helper()
	p := here(x.shop, salestest.Product())
	change(x.shop, p, func(p *v1alpha1.MarketplaceProduct) {
		p.Spec.Meters, p.Spec.Plans[0].Meters = nil, nil
		for _, add := range meters {
			add(p)
		}
	})
	x.eventually(func() int64 {
		cached := &v1alpha1.MarketplaceProduct{}
		x.Expect(x.running.client.Get(x.t.Context(), client.ObjectKeyFromObject(p), cached)).To(Succeed())
		return cached.Generation
	}).Should(Equal(p.Generation))
}

// defined adds a meter to the product that no plan has.
func defined(meter salestest.ProductChange) salestest.ProductChange {
	return func(p *v1alpha1.MarketplaceProduct) {
		had := p.Spec.Plans[0].Meters
		meter(p)
		p.Spec.Plans[0].Meters = had
	}
}

func meterNamed(name string, push v1alpha1.MeterPush) salestest.ProductChange {
	return salestest.MeteredBy(func(m *salestest.Metered) { m.Name, m.Push = name, push })
}

// The plan has another meter from now on: what the old one has counted is charged, and what it has not told yet is read once more.
func TestWhatAFormerMeterHasCountedIsCharged(t *testing.T) {
	t.Parallel()
	x := newMeteredShop(t, "usage-former")
	shown, written := meterNamed("shown", v1alpha1.MeterPushNone), salestest.MeteredBy(salestest.ByRecords, func(m *salestest.Metered) {
		m.Name, m.Push = "written", v1alpha1.MeterPushNone
	})
	x.sells(meterNamed("requests", ""), shown, written)
	x.sellsByUse("acme")
	x.counts("acme")
	x.create(x.handWritten("by-hand", "acme", "written", "7", 1, 20))
	x.clock.SetTime(x.start.Add(50 * time.Minute))
	x.counts("acme")
	x.clock.SetTime(x.start.Add(time.Hour))
	x.remeter(meterNamed("calls", ""), defined(meterNamed("requests", "")), defined(shown))
	x.pass("acme")
	x.clock.SetTime(x.start.Add(time.Hour + 3*time.Minute))
	x.pass("acme")
	// 43 minutes were counted and not pushed, and 17 not yet read.
	x.Expect(x.pushed()).To(Equal([]string{"acme 43", "acme 17"}))
	x.Expect(x.records("acme")).To(ConsistOf(
		"0:17 0:17 0 Checkpoint", "0:17 0:17 0 Checkpoint", "0:18 0:37 7 Kept", "0:17 1:00 43 Pushed", "0:17 1:00 43 Kept", "1:00 1:17 17 Pushed",
		"1:00 1:17 17 Kept", "1:17 1:17 0 Checkpoint",
	))
	mpi := x.says("acme", v1alpha1.ConditionUsageReported, "True UsageReported")
	x.Expect(mpi.Status.Usage).To(HaveLen(1))
	x.Expect(mpi.Status.Usage[0].Meter).To(Equal("calls"))

	t.Run("and counts no further, also after a restart", func(*testing.T) {
		x.restart()
		x.clock.SetTime(x.start.Add(2*time.Hour - 10*time.Minute))
		x.pass("acme")
		x.Expect(x.pushed()).To(Equal([]string{"acme 43", "acme 17", "acme 43"}))
		x.restart()
		x.clock.SetTime(x.start.Add(5 * time.Hour))
		x.pass("acme")
		x.Expect(x.pushed()).To(HaveLen(6))
	})
	t.Run("until the plan has it again", func(*testing.T) {
		x.remeter(meterNamed("requests", ""), defined(meterNamed("calls", "")))
		x.pass("acme")
		x.clock.SetTime(x.start.Add(6 * time.Hour))
		x.pass("acme")
		x.Expect(x.pushed()).To(HaveLen(8), "the last 17 minutes of calls and 43 of requests")
		x.says("acme", v1alpha1.ConditionUsageReported, "True UsageReported")
	})
}

// The whole definition is gone, so that nothing can be asked.
func TestAMeterThatTheProductLost(t *testing.T) {
	t.Parallel()
	x := newMeteredShop(t, "usage-gone")
	x.sells(meterNamed("requests", ""))
	x.sellsByUse("acme")
	x.counts("acme")
	x.clock.SetTime(x.start.Add(50 * time.Minute))
	x.counts("acme")
	x.clock.SetTime(x.start.Add(time.Hour))
	x.remeter(meterNamed("calls", v1alpha1.MeterPushNone))
	x.pass("acme")
	x.says("acme", v1alpha1.ConditionUsageReported, "False MeterInvalid")
	x.Expect(x.pushed()).To(Equal([]string{"acme 43"}))

	t.Run("and has again in time loses nothing", func(*testing.T) {
		x.clock.SetTime(x.start.Add(time.Hour + 10*time.Minute))
		x.remeter(meterNamed("requests", ""))
		x.clock.SetTime(x.start.Add(time.Hour + 50*time.Minute))
		x.pass("acme")
		x.Expect(x.pushed()).To(Equal([]string{"acme 43", "acme 60"}))
		x.says("acme", v1alpha1.ConditionUsageReported, "True UsageReported")
	})
	t.Run("and does not get back is told", func(*testing.T) {
		x.clock.SetTime(x.start.Add(2 * time.Hour))
		x.remeter(meterNamed("calls", v1alpha1.MeterPushNone))
		x.pass("acme")
		x.clock.SetTime(x.start.Add(2*time.Hour + 30*time.Minute))
		x.pass("acme")
		x.Expect(x.records("acme")).To(ContainElements("2:00 2:17 0 Refused UsageLost", "2:17 2:17 0 Unused"))
		x.says("acme", v1alpha1.ConditionUsageReported, "False UsageLost")
	})
	t.Run("and a product that can't be found says nothing about its meters", func(*testing.T) {
		x.sellsByUse("solo")
		x.counts("solo")
		p := here(x.shop, salestest.Product())
		x.Expect(x.client.Delete(t.Context(), p)).To(Succeed())
		x.eventually(func() bool {
			return client.IgnoreNotFound(x.running.client.Get(t.Context(), client.ObjectKeyFromObject(p), p)) == nil &&
				x.running.client.Get(t.Context(), client.ObjectKeyFromObject(p), p) != nil
		}).Should(BeTrue())
		x.clock.SetTime(x.start.Add(9 * time.Hour))
		x.counts("solo")
		x.Expect(x.records("solo")).To(Equal([]string{"2:47 2:47 0 Checkpoint"}))
	})
}

func TestARecordByHandOfAFormerMeter(t *testing.T) {
	t.Parallel()
	x := newMeteredShop(t, "usage-former-hand")
	byHand := salestest.MeteredBy(salestest.ByRecords)
	x.sells(byHand)
	x.sellsByUse("acme")
	x.create(x.handWritten("in-time", "acme", "requests", "5", 0, 20))
	x.clock.SetTime(x.start.Add(30 * time.Minute))
	x.counts("acme")
	x.remeter(meterNamed("calls", ""))
	x.create(x.handWritten("late", "acme", "requests", "9", 20, 25))
	x.pass("acme")
	x.Expect(x.pushed()).To(Equal([]string{"acme 5"}))
	x.Expect(x.records("acme")).To(ContainElements("0:17 0:37 5 Pushed", "0:37 0:42 9 Refused UnknownMeter"))
	x.says("acme", v1alpha1.ConditionUsageReported, "False UsageRefused")

	// The person means it.
	change(x.shop, x.handWritten("late", "acme", "requests", "9", 20, 25), func(r *v1alpha1.UsageRecord) { r.Spec.Push = v1alpha1.MeterPushBatch })
	x.pass("acme")
	x.Expect(x.pushed()).To(Equal([]string{"acme 5", "acme 9"}))
	x.says("acme", v1alpha1.ConditionUsageReported, "True UsageReported")
}

// What is stored was restored, and may lack what was pushed by the interface that charges a repeat twice.
func TestAnOldPushWaitsWhileTheMarketplaceIsHeld(t *testing.T) {
	t.Parallel()
	x := newMeteredShop(t, "usage-old-held")
	x.sells(salestest.MeteredBy(salestest.ByRecords, salestest.ByOldPush))
	x.sellsByUse("acme")
	mp := &v1alpha1.Marketplace{ObjectMeta: metav1.ObjectMeta{Namespace: x.name, Name: "koogallery"}}
	hold := func(until time.Time) {
		change(x.shop, mp, func(mp *v1alpha1.Marketplace) { mp.Spec.HoldUntilTime = metav1.NewTime(until) })
		x.eventually(func() int64 {
			cached := &v1alpha1.Marketplace{}
			x.Expect(x.running.client.Get(t.Context(), client.ObjectKeyFromObject(mp), cached)).To(Succeed())
			return cached.Generation
		}).Should(Equal(mp.Generation))
	}
	hold(x.start.Add(24 * time.Hour))
	x.create(x.handWritten("by-hand", "acme", "requests", "7", 0, 60))
	x.clock.SetTime(x.start.Add(65 * time.Minute))
	x.pass("acme")
	x.Expect(x.records("acme")).To(Equal([]string{"0:17 1:17 7 Pending CallsUncertain"}))
	x.Expect(x.pushed()).To(BeEmpty())
	hold(time.Time{})
	x.pass("acme")
	x.Expect(x.pushed()).To(Equal([]string{"acme 7"}))
}
