package controllers

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	testingclock "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
)

// days of a period.
func days(n int64) *int64 { return ptr.To(n * 86400) }

// ago is so many days before now.
func ago(days int) time.Time { return time.Now().AddDate(0, 0, -days) }

func TestAProductOrAPlanThatIsGoneShortensNoPeriod(t *testing.T) {
	t.Parallel()
	inProduct := func(p *v1alpha1.MarketplaceProduct) {
		p.Spec.Lifecycle.RetentionPeriodSeconds, p.Spec.Lifecycle.GracePeriodSeconds = days(90), days(60)
	}
	inPlan := func(p *v1alpha1.MarketplaceProduct) {
		p.Spec.Plans[0].Lifecycle.RetentionPeriodSeconds, p.Spec.Plans[0].Lifecycle.GracePeriodSeconds = days(90), days(60)
	}
	deleted := func(x *shop, p *v1alpha1.MarketplaceProduct) {
		x.Expect(x.client.Delete(x.t.Context(), p)).To(Succeed())
	}
	withoutPlan := func(x *shop, p *v1alpha1.MarketplaceProduct) {
		change(x, p, func(p *v1alpha1.MarketplaceProduct) { p.Spec.Plans = p.Spec.Plans[1:] })
	}
	for name, c := range map[string]struct {
		says salestest.ProductChange
		goes func(x *shop, p *v1alpha1.MarketplaceProduct)
	}{
		"the product is deleted":                            {inProduct, deleted},
		"the product is deleted, whose plan had the period": {inPlan, deleted},
		"the plan is gone":                                  {inPlan, withoutPlan},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := newShop(t, "sales-period")
			x.operate()
			p := x.sells(c.says)
			x.bought("released")
			x.bought("ingrace", paidUntil(-20))
			x.ready("released")
			_, grace := x.ready("ingrace")
			x.entitle("released", v1alpha1.EntitlementReleased, ago(20))
			before := x.says("released", v1alpha1.ConditionSuspended, "True "+v1alpha1.ReasonReleased)

			c.goes(x, p)
			for _, name := range []string{"released", "ingrace"} {
				x.passOver(name)
				x.passOver(name)
			}
			x.Expect(x.isDeleting(before.Status.Namespace)).To(BeFalse(), "70 days are left")
			x.Expect(x.instance("released").Status.Timetable.DeletionTime).To(Equal(before.Status.Timetable.DeletionTime))
			x.Expect(x.replicas(grace, "web")).To(BeEquivalentTo(2), "40 days are left")
			x.running.stop()
			x.operateAndPass()
			x.passOver("released")
			x.passOver("ingrace")
			x.Expect(x.isDeleting(before.Status.Namespace)).To(BeFalse(), "nor after a restart")
			x.Expect(x.replicas(grace, "web")).To(BeEquivalentTo(2))
		})
	}
}

// Where nobody has recorded the periods and nothing says them any more, the data are never due.
func TestPeriodsThatNobodyKnowsDeleteNothing(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-unrecorded")
	o := x.operate()
	p := x.sells()
	x.bought("acme")
	_, ns := x.ready("acme")
	o.stop()
	x.Expect(x.client.Delete(t.Context(), p)).To(Succeed())
	x.patched(&corev1.Namespace{}, "", ns, `{"metadata":{"annotations":{"`+v1alpha1.LifecycleAnnotation+`":null}}}`)
	x.entitle("acme", v1alpha1.EntitlementReleased, ago(2000))
	x.operateAndPass()
	x.says("acme", v1alpha1.ConditionSuspended, "True "+v1alpha1.ReasonReleased)
	x.passOver("acme")
	x.Expect(x.isDeleting(ns)).To(BeFalse())
}

func TestAReleasedTenantGoesWhenItsTimeHasCome(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-goes")
	x.operate()
	x.sells(func(p *v1alpha1.MarketplaceProduct) { p.Spec.Lifecycle.RetentionPeriodSeconds = days(10) })
	x.bought("acme")
	_, ns := x.ready("acme")
	x.entitle("acme", v1alpha1.EntitlementReleased, ago(9))
	x.says("acme", v1alpha1.ConditionSuspended, "True "+v1alpha1.ReasonReleased)
	x.passOver("acme")
	x.Expect(x.isDeleting(ns)).To(BeFalse())
	x.entitle("acme", v1alpha1.EntitlementReleased, ago(11))
	x.namespaceGoes(ns)
	x.says("acme", v1alpha1.ConditionProvisioned, "False "+v1alpha1.ReasonRemoved)
}

// A person's word carries no old time: the retention begins when it was said.
func TestAReleaseByAPersonKeepsTheDataForTheRetention(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-person")
	x.operate()
	x.sells(func(p *v1alpha1.MarketplaceProduct) { p.Spec.Lifecycle.RetentionPeriodSeconds = days(90) })
	x.bought("acme", func(sub *v1alpha1.Subscription) {
		sub.PurchaseTime = metav1.NewTime(ago(100))
		sub.Entitlement.Time = sub.PurchaseTime
	})
	mpi, ns := x.ready("acme")
	change(x, mpi, func(mpi *v1alpha1.MarketplaceInstance) {
		mpi.Spec.Correction = v1alpha1.Correction{ID: "c1", Reason: "the buyer has asked", By: "ada", Entitlement: v1alpha1.EntitlementReleased}
	})
	released := x.says("acme", v1alpha1.ConditionSuspended, "True "+v1alpha1.ReasonReleased)
	x.passOver("acme")
	x.Expect(x.isDeleting(ns)).To(BeFalse())
	x.Expect(released.Status.Timetable.DeletionTime.Time).To(BeTemporally(">", time.Now().AddDate(0, 0, 89)))
}

// unpaid deletes an unpaid tenant a day after its paid time.
func unpaid(p *v1alpha1.MarketplaceProduct) {
	p.Spec.Lifecycle.GracePeriodSeconds, p.Spec.Lifecycle.RetentionPeriodSeconds = days(0), days(1)
	p.Spec.Lifecycle.AfterRetention = v1alpha1.AfterRetentionDelete
}

// The timer fires, and the cache does not show yet what the marketplace was answered: the renewal is stored.
func TestARenewalThatNoCacheShowsSavesItsTenant(t *testing.T) {
	t.Parallel()
	instance := func(by func(*v1alpha1.MarketplaceInstance)) func(*shop, *v1alpha1.MarketplaceProduct) {
		return func(x *shop, _ *v1alpha1.MarketplaceProduct) { change(x, x.instance("acme"), by) }
	}
	for name, c := range map[string]struct {
		happens func(*shop, *v1alpha1.MarketplaceProduct)
		deletes bool
	}{
		"a renewal":          {instance(func(mpi *v1alpha1.MarketplaceInstance) { paidUntil(400)(mpi.Spec.Subscription) }), false},
		"another plan alone": {instance(func(mpi *v1alpha1.MarketplaceInstance) { mpi.Spec.Quantity = ptr.To(int32(3)) }), true},
		"a longer retention": {func(x *shop, p *v1alpha1.MarketplaceProduct) {
			change(x, p, func(p *v1alpha1.MarketplaceProduct) { p.Spec.Lifecycle.RetentionPeriodSeconds = days(90) })
		}, false},
		"the product keeps what is not paid": {func(x *shop, p *v1alpha1.MarketplaceProduct) {
			change(x, p, func(p *v1alpha1.MarketplaceProduct) { p.Spec.Lifecycle.AfterRetention = v1alpha1.AfterRetentionKeep })
		}, false},
		"the product is deleted": {func(x *shop, p *v1alpha1.MarketplaceProduct) {
			x.Expect(x.client.Delete(x.t.Context(), p)).To(Succeed())
		}, true},
		"the Marketplace is held": {func(x *shop, _ *v1alpha1.MarketplaceProduct) {
			x.connectsWithoutOrderAPI()
			mp := &v1alpha1.Marketplace{ObjectMeta: metav1.ObjectMeta{Namespace: x.name, Name: "koogallery"}}
			change(x, mp, func(mp *v1alpha1.Marketplace) { mp.Spec.HoldUntilTime = metav1.NewTime(time.Now().AddDate(1, 0, 0)) })
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := newShop(t, "sales-stale")
			// The instant of the test's end of payment lies in the past for the API server, whose clock decides as well.
			fake := testingclock.NewFakePassiveClock(ago(40))
			x.clock = fake
			o := x.operate()
			p := x.sells(unpaid)
			mpi := x.bought("acme", paidUntil(-30))
			_, ns := x.ready("acme")
			x.passOver("acme")
			reconciler := x.instanceReconciler(o)
			o.stop() // its cache stands still from now on
			c.happens(x, p)

			fake.SetTime(time.Now())
			x.Expect(reconciler.Get(t.Context(), client.ObjectKeyFromObject(mpi), &v1alpha1.MarketplaceInstance{})).To(Succeed())
			_, err := reconciler.Reconcile(t.Context(), ctrl.Request{NamespacedName: client.ObjectKeyFromObject(mpi)})
			x.Expect(client.IgnoreNotFound(err)).NotTo(HaveOccurred())
			x.Expect(x.isDeleting(ns)).To(Equal(c.deletes))
		})
	}
}

// A clock that is ahead for a moment is not believed: a deletion needs the API server's time as well.
func TestAJumpOfTheClockDeletesNothing(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-clock")
	fake := testingclock.NewFakePassiveClock(time.Now())
	x.clock = fake
	x.operate("instance", "product")
	x.sells(unpaid)
	x.bought("acme", paidUntil(300))
	_, ns := x.ready("acme")
	x.passOver("acme")
	fake.SetTime(time.Now().AddDate(2, 0, 0))
	x.passOver("acme")
	x.says("acme", v1alpha1.ConditionProvisioned, "False "+v1alpha1.ReasonRemovalHeld)
	x.passOver("acme")
	x.Expect(x.isDeleting(ns)).To(BeFalse(), "it is paid for 300 days by every other clock of the cluster")
	fake.SetTime(time.Now())
	x.touch("acme", "the clock is right again")
	x.ready("acme")
	x.Expect(x.replicas(ns, "web")).To(BeEquivalentTo(2))
}

// The Secret is what the webhook reads before it stores a purchase. It has to be there before the instance is gone, and to outlive it.
func TestASaleIsRememberedBeforeItsInstanceGoes(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-remembered")
	x.operate()
	x.sells()
	remembered := func(order string) error {
		secret := &corev1.Secret{}
		err := x.client.Get(t.Context(), client.ObjectKey{Namespace: x.name, Name: v1alpha1.SoldSecretName("koogallery", order, order+"-1")}, secret)
		if err == nil && (secret.Type != v1alpha1.SoldSecretType || len(secret.OwnerReferences)+len(secret.Data) != 0) {
			t.Errorf("the Secret is %s, owned by %v, with %d keys", secret.Type, secret.OwnerReferences, len(secret.Data))
		}
		return err
	}
	of := func(order string) func(*v1alpha1.Subscription) {
		return func(sub *v1alpha1.Subscription) { sub.OrderID, sub.OrderLineID = order, order+"-1" }
	}
	x.bought("withtenant", of("CS1"))
	_, namespace := x.ready("withtenant")
	x.bought("released", of("CS2"), func(sub *v1alpha1.Subscription) {
		sub.Entitlement = v1alpha1.Entitlement{
			State: v1alpha1.EntitlementReleased, Reason: v1alpha1.EntitlementByMarketplace, Time: metav1.NewTime(ago(100)),
		}
	})
	// As the webhook makes every sale.
	change(x, x.instance("released"), func(mpi *v1alpha1.MarketplaceInstance) { mpi.Finalizers = []string{v1alpha1.TenantFinalizer} })
	x.buys("byhand")
	_, byHand := x.ready("byhand")
	x.Expect(remembered("CS1")).NotTo(Succeed(), "while the sale stands")

	for _, name := range []string{"withtenant", "released", "byhand"} {
		x.Expect(x.client.Delete(t.Context(), x.instance(name))).To(Succeed())
	}
	x.eventually(func() error { return remembered("CS1") }).Should(Succeed(), "while its namespace goes")
	x.Expect(x.instance("withtenant")).NotTo(BeNil())
	x.namespaceGoes(namespace)
	x.namespaceGoes(byHand)
	for _, name := range []string{"withtenant", "released", "byhand"} {
		x.gone(name)
	}
	x.Expect(remembered("CS1")).To(Succeed())
	x.Expect(remembered("CS2")).To(Succeed())
	secrets := &corev1.SecretList{}
	x.Expect(x.client.List(t.Context(), secrets, client.InNamespace(x.name), client.HasLabels{v1alpha1.SoldLabel})).To(Succeed())
	for _, secret := range secrets.Items {
		x.Expect(secret.Labels).To(HaveKeyWithValue(v1alpha1.InstanceLabel, Not(Equal("byhand"))), "it was sold by no marketplace")
	}
}
