package controllers

import (
	"context"
	"net/http"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
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

	// Also when there are no credentials for a while.
	callbacks := &corev1.Secret{}
	x.Expect(x.client.Get(t.Context(), client.ObjectKey{Namespace: x.name, Name: "koogallery-callback"}, callbacks)).To(Succeed())
	x.Expect(x.client.Delete(t.Context(), callbacks)).To(Succeed())
	x.pass("acme")
	callbacks.ResourceVersion = ""
	x.create(callbacks)
	x.restart()
	x.pass("acme")
	x.Expect(x.records("acme")).To(ContainElement("0:17 1:17 9 Uncertain AmountDiffers"))
}

// afterRecords calls then when records were listed in a cache.
type afterRecords struct {
	client.Client
	then func()
}

func (c afterRecords) List(ctx context.Context, list client.ObjectList, options ...client.ListOption) error {
	err := c.Client.List(ctx, list, options...)
	if records, ok := list.(*v1alpha1.UsageRecordList); ok && len(records.Items) > 0 {
		c.then()
	}
	return err
}

// A record that is withdrawn when a push of it has begun is not said to be withdrawn until that has ended: it could be deleted and replaced.
func TestARecordOnItsWayIsNotWithdrawnYet(t *testing.T) {
	t.Parallel()
	x := newMeteredShop(t, "usage-withdrawn-late")
	x.sells(salestest.MeteredBy(salestest.ByRecords))
	x.sellsByUse("acme")
	x.create(x.handWritten("first", "acme", "requests", "7", 0, 60))
	x.api.FailOperation(koogallerytest.PushUsage, koogallerytest.Fault{Drop: true}, -1)
	x.clock.SetTime(x.start.Add(65 * time.Minute))
	x.pass("acme")
	x.clock.SetTime(x.start.Add(2 * time.Hour))

	lists := 0
	x.push.Client = afterRecords{x.running.client, func() {
		// The open records are listed first, and then all of the instance, of which those are found that are due.
		if lists++; lists == 2 {
			x.withdraw("first")
			x.eventually(func() string { return x.seen("acme") }).Should(BeEmpty())
		}
	}}
	x.api.FailOperation(koogallerytest.PushUsage, koogallerytest.Fault{Drop: true, CarriedOut: true}, -1)
	x.pushes()
	x.Expect(x.pushed()).To(Equal([]string{"acme 7"}))
	x.Expect(x.records("acme")).To(Equal([]string{"0:17 1:17 7 Pending MarketplaceUnavailable"}))
	x.push.Client = x.running.client
	x.pass("acme")
	x.Expect(x.records("acme")).To(Equal([]string{"0:17 1:17 7 Withdrawn"}))
}

// withdraw says of a record that the marketplace's console shows nothing of it.
func (x *meteredShop) withdraw(name string) {
	x.t.Helper()
	record := &v1alpha1.UsageRecord{ObjectMeta: metav1.ObjectMeta{Namespace: x.name, Name: name}}
	x.Expect(x.client.Patch(x.t.Context(), record, client.RawPatch(types.MergePatchType,
		[]byte(`{"spec": {"delivery": {"withdrawnTime": "2026-01-02T15:04:05Z"}}}`)))).To(Succeed())
}

// A person who has found that the marketplace shows nothing of a record withdraws it: nothing of it is pushed or counted any more, and another
// one takes its place, whether it is deleted or not.
func TestAWithdrawnRecordIsReplaced(t *testing.T) {
	t.Parallel()
	x := newMeteredShop(t, "usage-withdrawn")
	x.sells(salestest.MeteredBy(salestest.ByRecords))
	x.sellsByUse("acme")
	x.create(x.handWritten("wrong", "acme", "requests", "99999", 0, 60))
	gone := x.handWritten("gone", "acme", "requests", "88888", 60, 120)
	x.create(gone)
	x.api.FailOperation(koogallerytest.PushUsage, koogallerytest.Fault{Drop: true}, -1)
	x.clock.SetTime(x.start.Add(125 * time.Minute))
	x.pass("acme")
	x.Expect(x.records("acme")).To(Equal([]string{"0:17 1:17 99999 Pending MarketplaceUnavailable", "1:17 2:17 88888 Pending MarketplaceUnavailable"}))

	x.withdraw("wrong")
	x.withdraw("gone")
	x.pass("acme")
	x.Expect(x.records("acme")).To(Equal([]string{"0:17 1:17 99999 Withdrawn", "1:17 2:17 88888 Withdrawn"}))
	x.says("acme", v1alpha1.ConditionUsageReported, "True UsageReported")
	x.Expect(x.instance("acme").Status.Usage[0].Total).To(Equal("0"))

	x.Expect(x.client.Delete(t.Context(), gone)).To(Succeed())
	x.create(x.handWritten("right", "acme", "requests", "9", 0, 60))
	x.create(x.handWritten("also-right", "acme", "requests", "8", 60, 120))
	x.api.FailOperation(koogallerytest.PushUsage, koogallerytest.Fault{}, 0)
	x.clock.SetTime(x.start.Add(3 * time.Hour))
	x.pass("acme")
	x.Expect(x.pushed()).To(ConsistOf("acme 9", "acme 8"))
	x.Expect(x.records("acme")).To(ConsistOf("0:17 1:17 99999 Withdrawn", "0:17 1:17 9 Pushed", "1:17 2:17 8 Pushed"))
	x.Expect(x.instance("acme").Status.Usage[0].Total).To(Equal("17"))
}

// What a source has counted follows on a withdrawn record as on any other; deleted, its interval is read again.
func TestAWithdrawnIntervalIsReadAgain(t *testing.T) {
	t.Parallel()
	x := newMeteredShop(t, "usage-withdrawn-read")
	x.sells(salestest.MeteredBy())
	x.sellsByUse("acme")
	x.counts("acme")
	x.source.set(0, func(int) string { return "7777" })
	x.api.FailOperation(koogallerytest.PushUsage, koogallerytest.Fault{Drop: true}, -1)
	x.clock.SetTime(x.start.Add(50 * time.Minute))
	x.pass("acme")
	x.Expect(x.records("acme")).To(ContainElement("0:17 1:00 7777 Pending MarketplaceUnavailable"))
	list := &v1alpha1.UsageRecordList{}
	x.Expect(x.client.List(t.Context(), list, client.InNamespace(x.name))).To(Succeed())
	for i := range list.Items {
		if list.Items[i].Spec.Value == "7777" {
			x.withdraw(list.Items[i].Name)
			x.source.set(0, nil)
			x.pass("acme")
			x.Expect(x.records("acme")).To(ContainElement("0:17 1:00 7777 Withdrawn"), "it is not read again while the record is there")
			x.Expect(x.client.Delete(t.Context(), &list.Items[i])).To(Succeed())
		}
	}
	x.api.FailOperation(koogallerytest.PushUsage, koogallerytest.Fault{}, 0)
	x.clock.SetTime(x.start.Add(2 * time.Hour))
	x.pass("acme")
	x.Expect(x.pushed()).To(ConsistOf("acme 43", "acme 60"))
}

// Two instances with one id are two by mistake. What was told of one's time is not told again of the other's with another amount, whoever
// comes first meanwhile and whichever process looks.
func TestAnHourOfTwinsIsChargedOnce(t *testing.T) {
	t.Parallel()
	x := newMeteredShop(t, "usage-twins-told")
	x.sells(salestest.MeteredBy(salestest.ByRecords))
	x.sellsByUse("acme")
	first := &v1alpha1.MarketplaceInstance{}
	x.Expect(x.client.Get(t.Context(), client.ObjectKey{Namespace: x.name, Name: "acme"}, first)).To(Succeed())
	x.create(x.handWritten("first", "acme", "requests", "5", 0, 60))
	x.create(x.handWritten("same", "acme", "requests", "4", 60, 120))
	x.clock.SetTime(x.start.Add(125 * time.Minute))
	x.pass("acme")
	x.Expect(x.pushed()).To(ConsistOf("acme 5", "acme 4"))

	x.sellsByUse("twin", func(mpi *v1alpha1.MarketplaceInstance) { mpi.Spec.Subscription.InstanceID = "acme" })
	x.create(x.handWritten("second", "twin", "requests", "7", 0, 60))
	x.create(x.handWritten("within", "twin", "requests", "3", 70, 80))
	x.create(x.handWritten("same-again", "twin", "requests", "4", 80, 81))
	x.create(x.handWritten("later", "twin", "requests", "2", 120, 124))
	x.clock.SetTime(x.start.Add(3 * time.Hour))
	x.pass("twin")
	x.Expect(x.records("twin")).To(Equal([]string{
		"0:17 1:17 7 Uncertain AmountDiffers", "1:27 1:37 3 Uncertain AmountDiffers", "1:37 1:38 4 Uncertain AmountDiffers", "2:17 2:21 2 Pending InstanceDuplicate",
	}))

	// The first one was not sold. What it has told stays with the marketplace, also when it is gone, and nobody remembers it.
	x.restart()
	x.Expect(x.client.Delete(t.Context(), first)).To(Succeed())
	x.Expect(x.client.Patch(t.Context(), first, client.RawPatch(types.MergePatchType, []byte(`{"metadata": {"finalizers": null}}`)))).To(Succeed())
	records := &v1alpha1.UsageRecordList{}
	x.Expect(x.client.List(t.Context(), records, client.InNamespace(x.name))).To(Succeed())
	for i := range records.Items {
		if records.Items[i].Spec.InstanceRef.Name == "acme" {
			x.Expect(x.client.Delete(t.Context(), &records.Items[i])).To(Succeed())
		}
	}
	x.eventually(func() bool {
		return apierrors.IsNotFound(x.running.client.Get(t.Context(), client.ObjectKeyFromObject(first), first))
	}).Should(BeTrue())
	x.pass("twin")
	x.Expect(x.pushed()).To(ConsistOf("acme 5", "acme 4", "acme 2"))
	x.says("twin", v1alpha1.ConditionUsageReported, "False UsageUncertain")
}
