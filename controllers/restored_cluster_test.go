package controllers

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	testingclock "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
	"github.com/stallkeeper/stallkeeper/test/apiserver"
)

// backup is what a backup tool has of a sales namespace, in the order in which the guide has it restored: without owners and status, and
// with new UIDs then.
func (x *shop) backup() []client.Object {
	x.t.Helper()
	var found []client.Object
	secrets, records, instances := &corev1.SecretList{}, &v1alpha1.UsageRecordList{}, &v1alpha1.MarketplaceInstanceList{}
	for _, list := range []client.ObjectList{secrets, records, instances} {
		x.Expect(x.client.List(x.t.Context(), list, client.InNamespace(x.name))).To(Succeed())
	}
	for i := range secrets.Items {
		found = append(found, &secrets.Items[i])
	}
	for i := range records.Items {
		records.Items[i].Status = v1alpha1.UsageRecordStatus{}
		found = append(found, &records.Items[i])
	}
	for i := range instances.Items {
		instances.Items[i].Status = v1alpha1.MarketplaceInstanceStatus{}
		found = append(found, &instances.Items[i])
	}
	for _, object := range found {
		object.SetOwnerReferences(nil)
		object.SetUID("")
		object.SetResourceVersion("")
		object.SetManagedFields(nil)
		object.SetCreationTimestamp(metav1.Time{})
		object.SetGeneration(0)
	}
	return found
}

// loses takes everything out of the sales namespace, without a controller to see it.
func (x *shop) loses() {
	x.t.Helper()
	for _, lost := range x.backup() {
		x.Expect(x.client.Patch(x.t.Context(), lost, client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"finalizers":null}}`)))).To(Succeed())
		x.Expect(x.client.Delete(x.t.Context(), lost)).To(Succeed())
	}
	x.eventually(func() int { return len(x.backup()) }).Should(BeZero())
}

// A backup is restored of which the marketplace has heard more since. No tenant stops or loses anything, and no hour is charged twice.
func TestARestoredClusterTakesNothingAway(t *testing.T) {
	t.Parallel()
	x := newMeteredShop(t, "restored")
	x.sells(salestest.MeteredBy(), salestest.Inline(salestest.Web+salestest.Settings), withAccess)
	x.sellsByUse("acme")
	paid := here(x.shop, salestest.Sale(func(mpi *v1alpha1.MarketplaceInstance) {
		mpi.Name, mpi.Spec.Subscription.InstanceID = "ben", "ben"
		mpi.Spec.Subscription.ExpiryTime = metav1.NewTime(x.start.Add(30 * 24 * time.Hour))
	}))
	x.create(paid)
	x.says("ben", v1alpha1.ConditionReady, "True InstanceReady")
	x.pass("acme")
	x.clock.SetTime(x.start.Add(50 * time.Minute))
	x.pass("acme")
	saved := x.backup()
	tenants := []string{x.tenantOf("acme"), x.tenantOf("ben")}
	before := []map[string]string{x.versions(tenants[0]), x.versions(tenants[1])}
	// What the backup does not have: two hours were counted and pushed.
	x.clock.SetTime(x.start.Add(2*time.Hour + 50*time.Minute))
	x.pass("acme")
	charged := []string{"acme 43", "acme 60", "acme 60"}
	x.Expect(x.pushed()).To(Equal(charged))

	x.running.stop()
	x.loses()
	x.create(saved...)
	x.operate("instance", "product", "marketplace")
	x.restart()
	for _, name := range []string{"acme", "ben"} {
		x.says(name, v1alpha1.ConditionProvisioned, "False NamespaceConflict")
	}
	x.clock.SetTime(x.start.Add(3*time.Hour + 10*time.Minute))
	x.pass("acme")
	x.Expect(x.pushed()).To(Equal(charged), "the two hours were counted and pushed again, and the marketplace knew them")
	x.Expect(x.records("acme")).To(Equal([]string{"0:17 0:17 0 Checkpoint", "0:17 1:00 43 Pushed", "1:00 2:00 60 Pushed", "2:00 3:00 60 Pushed"}))
	stand := func() []map[string]string { return []map[string]string{x.versions(tenants[0]), x.versions(tenants[1])} }
	x.Expect(stand()).To(Equal(before), "nothing of a tenant was written or removed")

	for i, name := range []string{"acme", "ben"} {
		ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: tenants[i]}}
		x.Expect(x.client.Patch(t.Context(), ns, client.RawPatch("application/merge-patch+json",
			[]byte(`{"metadata":{"annotations":{"`+v1alpha1.AdoptAnnotation+`":"Allow"}}}`)))).To(Succeed())
		x.touch(name, "adopted")
		x.says(name, v1alpha1.ConditionReady, "True InstanceReady")
		x.says(name, v1alpha1.ConditionSuspended, "False Running")
	}
	for i := range tenants {
		was, is := []string{}, []string{}
		for name := range before[i] {
			was = append(was, name)
		}
		for name := range x.versions(tenants[i]) {
			is = append(is, name)
		}
		slices.Sort(was)
		slices.Sort(is)
		x.Expect(is).To(Equal(was))
	}
	x.clock.SetTime(x.start.Add(3*time.Hour + 50*time.Minute))
	x.pass("acme")
	x.Expect(x.pushed()).To(Equal(append(charged, "acme 60")))
	x.says("acme", v1alpha1.ConditionUsageReported, "True UsageReported")
}

// What is stored may lack calls: the renewal of one sale, the marketplace's first word about another, the cancellation of a smaller plan.
func TestAMarketplaceThatIsHeldTakesNothingAway(t *testing.T) {
	t.Parallel()
	x := newShop(t, "held")
	x.operate()
	x.sells()
	x.connects("koogallery", keys())
	mp := &v1alpha1.Marketplace{ObjectMeta: metav1.ObjectMeta{Namespace: x.name, Name: "koogallery"}}
	hold := func(until time.Time) {
		change(x, mp, func(mp *v1alpha1.Marketplace) { mp.Spec.HoldUntilTime = metav1.NewTime(until) })
	}
	hold(time.Now().Add(time.Hour))
	long := metav1.NewTime(time.Now().Add(-48 * time.Hour))
	x.boughtOf("shop", "unpaid", paidUntil(-20))
	x.boughtOf("shop", "unheard", func(sub *v1alpha1.Subscription) {
		sub.PurchaseTime, sub.Acknowledgement.State = long, v1alpha1.AcknowledgementAwaited
	})
	x.boughtOf("shop", "smaller", paidUntil(20), func(sub *v1alpha1.Subscription) {
		sub.Quantity = ptr.To(int32(9))
		sub.PendingChange = v1alpha1.PendingChange{OrderID: "r1", EffectiveTime: long, Plan: "small", Quantity: ptr.To(int32(2)), Items: sub.Items}
	})
	for _, name := range []string{"unpaid", "unheard", "smaller"} {
		x.says(name, v1alpha1.ConditionReady, "True InstanceReady")
		x.says(name, v1alpha1.ConditionSuspended, "False Running")
	}
	x.says("unpaid", v1alpha1.ConditionEntitled, "True CallsUncertain")
	x.says("unheard", v1alpha1.ConditionAcknowledged, "False AcknowledgementOverdue")
	x.Expect(*x.instance("smaller").Spec.Subscription.Quantity).To(BeEquivalentTo(9))

	// What the marketplace has said is no guess.
	x.freezes("smaller")
	x.says("smaller", v1alpha1.ConditionSuspended, "True Frozen")

	hold(time.Time{})
	x.says("unpaid", v1alpha1.ConditionSuspended, "True PaymentOverdue")
	x.says("unheard", v1alpha1.ConditionSuspended, "True NotAcknowledged")
	x.eventually(func() int32 { return *x.instance("smaller").Spec.Subscription.Quantity }).Should(BeEquivalentTo(2))
}

// renews writes the Lease as the leader does.
func (x *shop) renews(at time.Time) {
	x.t.Helper()
	lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: x.name, Name: x.lease}}
	if err := x.client.Create(x.t.Context(), lease); err != nil {
		x.Expect(apierrors.IsAlreadyExists(err)).To(BeTrue())
	}
	change(x, lease, func(lease *coordinationv1.Lease) { lease.Spec.RenewTime = &metav1.MicroTime{Time: at} })
}

// callsComplete is what the Marketplace says of the calls that are stored: "status reason", or nothing.
func (x *shop) callsComplete() string {
	mp := &v1alpha1.Marketplace{}
	x.Expect(x.client.Get(x.t.Context(), client.ObjectKey{Namespace: x.name, Name: "koogallery"}, mp)).To(Succeed())
	c := meta.FindStatusCondition(mp.Status.Conditions, v1alpha1.ConditionCallsComplete)
	if c == nil {
		return ""
	}
	return fmt.Sprint(c.Status, " ", c.Reason)
}

// The store of yesterday is put back: a renewal and a purchase that came since are not in it. The tenant whose renewal is missing keeps
// running, until a person has compared the sales.
func TestAStoreThatIsPutBackIsNoticed(t *testing.T) {
	t.Parallel()
	assets := apiserver.Binaries(t)
	store, backup := filepath.Join(t.TempDir(), "store"), filepath.Join(t.TempDir(), "backup")
	var x *shop
	begin := func() (end func()) {
		c, stop, err := startCluster(assets, store)
		end = sync.OnceFunc(stop)
		t.Cleanup(end)
		if err != nil {
			t.Fatal(err)
		}
		if x == nil {
			x = newShopOn(t, c, "yesterday")
		}
		x.cluster = c
		return end
	}

	end := begin()
	x.lease = "leader"
	x.renews(time.Now())
	running := x.operate()
	x.sells()
	x.connects("koogallery", keys())
	x.boughtOf("shop", "acme", paidUntil(20))
	x.says("acme", v1alpha1.ConditionReady, "True InstanceReady")
	x.Expect(x.callsComplete()).To(BeEmpty())
	running.stop()
	// The paid time and its grace end, and the store is saved in the moment before the renewal comes.
	change(x, x.instance("acme"), func(mpi *v1alpha1.MarketplaceInstance) { paidUntil(-20)(mpi.Spec.Subscription) })
	x.renews(time.Now())
	end()
	if err := os.CopyFS(backup, os.DirFS(store)); err != nil {
		t.Fatal(err)
	}

	end = begin()
	change(x, x.instance("acme"), func(mpi *v1alpha1.MarketplaceInstance) { paidUntil(30)(mpi.Spec.Subscription) })
	x.boughtOf("shop", "ben", paidUntil(30))
	x.renews(time.Now())
	running = x.operate()
	x.says("ben", v1alpha1.ConditionReady, "True InstanceReady")
	x.says("acme", v1alpha1.ConditionEntitled, "True Paid")
	x.Expect(x.callsComplete()).To(BeEmpty(), "a controller that is restarted finds a young Lease")
	running.stop()
	end()

	store, x.ahead = backup, 24*time.Hour
	x.clock = testingclock.NewFakePassiveClock(time.Now().Add(x.ahead))
	begin()
	x.operate()
	x.says("acme", v1alpha1.ConditionEntitled, "True CallsUncertain")
	x.says("acme", v1alpha1.ConditionSuspended, "False Running")
	x.eventually(x.callsComplete).Should(Equal("False CallsUncertain"))

	x.clock.(*testingclock.FakePassiveClock).SetTime(time.Now().Add(x.ahead + time.Minute))
	mp := &v1alpha1.Marketplace{ObjectMeta: metav1.ObjectMeta{Namespace: x.name, Name: "koogallery"}}
	change(x, mp, func(mp *v1alpha1.Marketplace) {
		mp.Spec.HoldUntilTime = metav1.NewTime(mp.Status.CallsUncertain.NoticedTime.Add(time.Second))
	})
	x.says("acme", v1alpha1.ConditionSuspended, "True PaymentOverdue")
	x.eventually(x.callsComplete).Should(BeEmpty())
}
