package controllers

import (
	"net/http"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/koogallerytest"
)

// told says whether a record is marked as one of which the marketplace may know the amount. The chart's policy keeps such a record.
func (x *meteredShop) told(name string) bool {
	x.t.Helper()
	record := &v1alpha1.UsageRecord{}
	x.Expect(x.client.Get(x.t.Context(), client.ObjectKey{Namespace: x.name, Name: name}, record)).To(Succeed())
	return !record.Spec.Delivery.ToldTime.IsZero()
}

// The marketplace keeps the first amount of an interval: that it was told one is known to every process, from before the call.
func TestWhatTheMarketplaceWasToldIsKnownAfterARestart(t *testing.T) {
	t.Parallel()
	x := newMeteredShop(t, "usage-told")
	x.sells(salestest.MeteredBy(salestest.ByRecords))
	x.sellsByUse("acme")
	x.create(x.handWritten("first", "acme", "requests", "7", 0, 60))
	x.clock.SetTime(x.start.Add(65 * time.Minute))
	x.counts("acme")
	x.Expect(x.told("first")).To(BeFalse(), "before the first push")

	var atTheCall []bool
	arrives := func() { atTheCall = append(atTheCall, x.told("first")) }
	x.arrives.Store(&arrives)
	x.api.FailOperation(koogallerytest.PushUsage, koogallerytest.Fault{Drop: true, CarriedOut: true}, -1)
	x.pass("acme")
	x.Expect(atTheCall).NotTo(BeEmpty())
	x.Expect(atTheCall).NotTo(ContainElement(false), "a crash after the call would forget it")
	x.arrives.Store(nil)
	x.Expect(x.records("acme")).To(ContainElement("0:17 1:17 7 Pending MarketplaceUnavailable"))

	// Another process, to which the same record is refused: the first push may have been accepted all the same.
	x.restart()
	x.api.FailOperation(koogallerytest.PushUsage, koogallerytest.Fault{}, 0)
	x.api.RefuseUsage("acme", "MKT.9001")
	x.pass("acme")
	x.Expect(x.records("acme")).To(ContainElement("0:17 1:17 7 Refused MarketplaceRefused"))
	x.Expect(x.told("first")).To(BeTrue())

	// By the old interface the same use would have no number by which to know it again.
	x.remeter(salestest.MeteredBy(salestest.ByRecords, salestest.ByOldPush))
	x.api.RefuseUsage("acme", "")
	x.restart()
	x.pass("acme")
	x.Expect(x.api.CallsOf(koogallerytest.PushUsageOld)).To(BeZero())
	x.Expect(x.pushed()).To(Equal([]string{"acme 7"}))
	x.Expect(x.records("acme")).To(ContainElement("0:17 1:17 7 Pushed"))
}

// What was refused by the only push that there was can be replaced, also by another process.
func TestARefusedAmountCanBeReplaced(t *testing.T) {
	t.Parallel()
	x := newMeteredShop(t, "usage-untold")
	x.sells(salestest.MeteredBy(salestest.ByRecords))
	x.sellsByUse("acme")
	wrong := x.handWritten("wrong", "acme", "requests", "7", 0, 60)
	x.create(wrong)
	x.api.RefuseUsage("acme", "MKT.9001")
	x.clock.SetTime(x.start.Add(65 * time.Minute))
	x.pass("acme")
	x.Expect(x.records("acme")).To(ContainElement("0:17 1:17 7 Refused MarketplaceRefused"))
	x.Expect(x.told("wrong")).To(BeFalse())
	// So is what was refused with the whole call.
	x.api.RefuseUsage("acme", "")
	x.api.FailOperation(koogallerytest.PushUsage, koogallerytest.Fault{Status: http.StatusBadRequest, Code: "MKT.0102"}, -1)
	x.clock.SetTime(x.start.Add(129 * time.Minute))
	x.pass("acme")
	x.Expect(x.records("acme")).To(ContainElement("0:17 1:17 7 Pending MarketplaceRefused"))
	x.Expect(x.told("wrong")).To(BeFalse())
	// An answer that can't be an amount's fault says nothing of what arrived.
	x.api.FailOperation(koogallerytest.PushUsage, koogallerytest.Fault{Status: http.StatusServiceUnavailable}, -1)
	x.create(x.handWritten("other", "acme", "requests", "8", 60, 64))
	x.clock.SetTime(x.start.Add(3 * time.Hour))
	x.pass("acme")
	x.Expect([]bool{x.told("wrong"), x.told("other")}).To(Equal([]bool{true, true}))

	x.Expect(x.client.Delete(t.Context(), wrong)).To(Succeed())
	x.api.FailOperation(koogallerytest.PushUsage, koogallerytest.Fault{}, 0)
	x.restart()
	x.create(x.handWritten("right", "acme", "requests", "9", 0, 60))
	x.pass("acme")
	x.Expect(x.pushed()).To(ConsistOf("acme 8", "acme 9"))
}

// A record that has another amount than the marketplace was told is not taken for pushed by a process that does not know the first amount.
func TestAnAmountThatDiffersStaysSoAfterARestart(t *testing.T) {
	t.Parallel()
	x := newMeteredShop(t, "usage-differs")
	x.sells(salestest.MeteredBy(salestest.ByRecords))
	x.sellsByUse("acme")
	first := x.handWritten("first", "acme", "requests", "7", 0, 60)
	x.create(first)
	x.api.FailOperation(koogallerytest.PushUsage, koogallerytest.Fault{Drop: true, CarriedOut: true}, -1)
	x.clock.SetTime(x.start.Add(65 * time.Minute))
	x.pass("acme")
	x.Expect(x.client.Delete(t.Context(), first)).To(Succeed())
	x.api.FailOperation(koogallerytest.PushUsage, koogallerytest.Fault{}, 0)
	x.create(x.handWritten("second", "acme", "requests", "9", 0, 60))
	x.pass("acme")
	x.Expect(x.records("acme")).To(ContainElement("0:17 1:17 9 Uncertain AmountDiffers"))
	x.restart()
	x.pass("acme")
	x.pass("acme")
	x.Expect(x.records("acme")).To(ContainElement("0:17 1:17 9 Uncertain AmountDiffers"))
	x.says("acme", v1alpha1.ConditionUsageReported, "False UsageUncertain")
	x.Expect(x.pushed()).To(Equal([]string{"acme 7"}))
}
