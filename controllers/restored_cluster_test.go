package controllers

import (
	"slices"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
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
