package operator_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/koogallerytest"
)

// wholeSale is one sale from its purchase to its end.
func wholeSale() {
	var (
		s       *sale
		claims  map[string]types.UID
		dataPod types.UID
		expires = time.Now().Add(2 * time.Hour).UTC().Truncate(time.Second)
	)
	BeforeAll(func(ctx SpecContext) {
		offer(ctx, product("whole", shop, lasting(3600, 4)), ready)
	})

	It("begins with a purchase, which is stored at once and answered with the instance's id", func(ctx SpecContext) {
		s = world.main.buys(ctx, "whole", orderOptions{quantity: 2, expires: expires})
		mpi, err := s.instance(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(mpi.Spec.Subscription.InstanceID).To(Equal(s.id))
		Expect(mpi.Spec.Subscription.OrderID).To(Equal(s.order))
	})

	It("runs as bought", func(ctx SpecContext) {
		mpi, t := s.becomes(ctx, running(2))
		claims, dataPod = t.claims, t.pods["data-0"]
		Expect(claims).To(HaveKey("data-data-0"))
		Expect(mpi.Status.Timetable.ExpiryTime.UTC()).To(Equal(expires))
		Expect(mpi.Status.Timetable.SuspensionTime.UTC()).To(Equal(expires.Add(time.Hour)))
		Expect(mpi.Status.Blockers).To(BeEmpty())

		seen := row(ctx, "mpi", s.id)
		delete(seen, "AGE")
		Expect(seen).To(Equal(map[string]string{
			"NAME": s.id, "PRODUCT": "whole", "PLAN": "team", "QUANTITY": "2", "STATE": "Running", "READY": "True",
			"EXPIRES": expires.Format(time.RFC3339), "CUSTOMER": "customer-1", "NAMESPACE": tenantNamespace(s.id),
			"REVISION": mpi.Status.Revision,
		}))
	})

	It("tells KooGallery how the buyer gets in", func(ctx SpecContext) {
		secret := &corev1.Secret{}
		key := client.ObjectKey{Namespace: salesNamespace, Name: v1alpha1.AccessSecretName(s.id)}
		Expect(world.cluster.Get(ctx, key, secret)).To(Succeed())
		password := string(secret.Data[v1alpha1.AccessPasswordKey])
		Expect(password).NotTo(BeEmpty())
		Expect(s.query(ctx, koogallery.ResultSuccess).Info).To(Equal([]koogallery.InstanceInfo{{
			InstanceID: s.id, AppInfo: &koogallery.AppInfo{
				FrontEndURL: "https://" + s.id + ".example.com/", AdminURL: "https://" + s.id + ".example.com/admin",
				UserName: "admin", Password: password, Memo: "Welcome to team",
			},
		}}))
	})

	It("is not doubled by a repeated purchase", func(ctx SpecContext) {
		before, err := s.instance(ctx)
		Expect(err).NotTo(HaveOccurred())
		for range 3 {
			s.purchase(ctx, koogallery.ResultSuccess)
		}
		after, err := s.instance(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(after.Generation).To(Equal(before.Generation))
		all := &v1alpha1.MarketplaceInstanceList{}
		Expect(world.cluster.List(ctx, all, client.InNamespace(salesNamespace))).To(Succeed())
		var sold []string
		for _, mpi := range all.Items {
			if mpi.Spec.Subscription != nil && mpi.Spec.Subscription.OrderID == s.order {
				sold = append(sold, mpi.Name)
			}
		}
		Expect(sold).To(Equal([]string{s.id}))
	})

	It("grows by an upgrade, and what did not change is not restarted", func(ctx SpecContext) {
		s.upgrade(ctx, 5)
		mpi, t := s.becomes(ctx, running(5))
		Expect(t.pods).To(HaveKeyWithValue("data-0", dataPod))
		Expect(mpi.Spec.Subscription.ExpiryTime.UTC()).To(Equal(expires))
		Expect(row(ctx, "mpi", s.id)).To(HaveKeyWithValue("QUANTITY", "5"))
	})

	It("lasts longer by a renewal", func(ctx SpecContext) {
		expires = expires.Add(time.Hour)
		s.renew(ctx, expires)
		s.becomes(ctx, running(5), func(g Gomega, mpi *v1alpha1.MarketplaceInstance, t tenant) {
			g.Expect(mpi.Status.Timetable.ExpiryTime.UTC()).To(Equal(expires))
			g.Expect(t.pods).To(HaveKeyWithValue("data-0", dataPod))
		})
		Expect(row(ctx, "mpi", s.id)).To(HaveKeyWithValue("EXPIRES", expires.Format(time.RFC3339)))
	})

	frozen := func(ctx SpecContext) {
		s.freeze(ctx)
		_, t := s.becomes(ctx, suspended(v1alpha1.ReasonExpired))
		Expect(t.claims).To(Equal(claims))
		// The buyer may still be shown where to go when they have paid.
		s.query(ctx, koogallery.ResultSuccess)
	}

	It("is suspended by the freeze at its expiry, and resumed by a renewal and an unfreeze", func(ctx SpecContext) {
		frozen(ctx)
		expires = expires.Add(time.Hour)
		s.renew(ctx, expires)
		s.unfreeze(ctx)
		_, t := s.becomes(ctx, running(5))
		Expect(t.claims).To(Equal(claims))
	})

	It("is resumed as well when the unfreeze comes before the renewal", func(ctx SpecContext) {
		frozen(ctx)
		s.unfreeze(ctx)
		expires = expires.Add(time.Hour)
		s.renew(ctx, expires)
		mpi, t := s.becomes(ctx, running(5))
		Expect(t.claims).To(Equal(claims))
		Expect(mpi.Spec.Subscription.ExpiryTime.UTC()).To(Equal(expires))
	})

	It("may be asked whether it could be changed at its renewal", func(ctx SpecContext) {
		answered(s.caller().ChangeInstanceCheck(ctx, s.id, koogallerytest.Product{
			SKUCode: s.sku, LinearValue: ptr.To(int32(9)),
		}))(koogallery.ResultSuccess)
	})

	It("ends with a release: nothing runs any more, and the data are kept for the retention", func(ctx SpecContext) {
		s.release(ctx)
		s.query(ctx, koogallery.ResultUnknownInstance)
		Eventually(ctx, func(g Gomega) {
			mpi, err := s.instance(ctx)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(mpi.Status.Timetable.DeletionTime.IsZero()).To(BeFalse())
			g.Expect(conditionMissing(mpi.Status.Conditions, "Ready", "False Released: the tenant is deleted at", mpi.Generation)).To(BeEmpty())
			g.Expect(conditionMissing(mpi.Status.Conditions, "Entitled", "False Released", mpi.Generation)).To(BeEmpty())
		}).Should(Succeed())
	})

	It("is removed after its retention, and its instance still answers", func(ctx SpecContext) {
		s.removed(ctx)
		s.becomes(ctx, look{state: v1alpha1.StateReleased, conditions: map[string]string{
			"Ready": "False Released", "Provisioned": "False Removed", "Suspended": "True Released",
		}})
		s.query(ctx, koogallery.ResultUnknownInstance)
		answered(s.caller().UpdateInstanceStatus(ctx, s.id, koogallery.StatusUnfreeze))(koogallery.ResultUnknownInstance)
		answered(s.caller().UpgradeInstance(ctx, s.id, s.order+"-LATE", "1"))(koogallery.ResultUnknownInstance)
		s.release(ctx)
	})

	It("starts nothing when the purchase is repeated after its end", func(ctx SpecContext) {
		s.purchase(ctx, koogallery.ResultSuccess)
		stays(ctx, "nothing starts", func(g Gomega) {
			err := world.cluster.Get(ctx, client.ObjectKey{Name: tenantNamespace(s.id)}, &corev1.Namespace{})
			g.Expect(apierrors.IsNotFound(err)).To(BeTrue())
		})
	})
}

func frozenEarly() {
	It("is lifted by an unfreeze only", func(ctx SpecContext) {
		offer(ctx, product("early", shop), ready)
		expires := time.Now().AddDate(0, 1, 0)
		s := world.main.buys(ctx, "early", orderOptions{quantity: 1, expires: expires})
		_, before := s.becomes(ctx, running(1))

		s.freeze(ctx)
		s.becomes(ctx, suspended(v1alpha1.ReasonFrozen))
		s.renew(ctx, expires.AddDate(0, 1, 0))
		s.becomes(ctx, suspended(v1alpha1.ReasonFrozen), func(g Gomega, mpi *v1alpha1.MarketplaceInstance, _ tenant) {
			g.Expect(mpi.Status.Timetable.ExpiryTime.UTC()).To(Equal(expires.AddDate(0, 1, 0).UTC().Truncate(time.Second)))
		})
		s.unfreeze(ctx)
		_, after := s.becomes(ctx, running(1))
		Expect(after.claims).To(Equal(before.claims))
	})
}

func clockActs() {
	It("is made up for by the clock: in grace, suspended, and resumed by a late renewal", func(ctx SpecContext) {
		offer(ctx, product("clock", shop, lasting(5, 3600)), ready)
		s := world.main.buys(ctx, "clock", orderOptions{quantity: 2, expires: time.Now().Add(5 * time.Second)})
		s.becomes(ctx, look{state: v1alpha1.StateInGrace, web: pods(2), data: pods(1), conditions: map[string]string{
			"Ready": "True InstanceReady", "Entitled": "True InGrace: the tenant keeps running until",
		}})
		_, t := s.becomes(ctx, suspended(v1alpha1.ReasonPaymentOverdue))
		Expect(t.claims).NotTo(BeEmpty())
		s.renew(ctx, time.Now().Add(time.Hour))
		_, after := s.becomes(ctx, running(2))
		Expect(after.claims).To(Equal(t.claims))
	})

	It("deletes an unpaid tenant only where the product says so", func(ctx SpecContext) {
		offer(ctx, product("delete", shop, lasting(0, 2), func(p *v1alpha1.MarketplaceProduct) {
			p.Spec.Lifecycle.AfterRetention = v1alpha1.AfterRetentionDelete
		}), ready)
		s := world.main.buys(ctx, "delete", orderOptions{quantity: 1, expires: time.Now().Add(3 * time.Second)})
		Eventually(ctx, func(g Gomega) {
			mpi, err := s.instance(ctx)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(conditionMissing(mpi.Status.Conditions, "Provisioned", "False Removed", mpi.Generation)).To(BeEmpty())
			g.Expect(conditionMissing(mpi.Status.Conditions, "Entitled", "False PaymentOverdue", mpi.Generation)).To(BeEmpty())
		}).Should(Succeed())
		s.removed(ctx)
	})
}

func callbackKeys() {
	It("may be two at once, and be rotated without a restart", func(ctx SpecContext) {
		c := connect(ctx, "rotation")
		next := random(20)
		world.hidden.add("the next access key", next)
		c.setKeys(ctx, map[string]string{"accessKey": c.key, "accessKeyNext": next})
		debug := koogallerytest.Options{Debug: true}
		works := func(key string) func(Gomega) {
			return func(g Gomega) {
				exchange, err := c.callerWith(key).With(debug).QueryInstance(ctx, "any")
				g.Expect(err).NotTo(HaveOccurred())
				// The answer is signed with the key that verified the call.
				g.Expect(exchange.Problems).To(BeEmpty())
				g.Expect(exchange.ResultCode).To(Equal(koogallery.ResultSuccess))
			}
		}
		Eventually(ctx, works(next)).Should(Succeed())
		Eventually(ctx, works(c.key)).Should(Succeed())

		c.setKeys(ctx, map[string]string{"accessKey": next})
		Eventually(ctx, func(g Gomega) {
			exchange, err := c.caller().QueryInstance(ctx, "any")
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(exchange.ResultCode).To(Equal(koogallery.ResultUnauthenticated))
		}).Should(Succeed())
		Eventually(ctx, works(next)).Should(Succeed())
	})

	It("are of one Marketplace: calls to a younger one with the same key are put off, and sell nothing", func(ctx SpecContext) {
		first := connect(ctx, "shared-a")
		second := connect(ctx, "shared-b")
		becomes := func(reason string) {
			GinkgoHelper()
			mp := &v1alpha1.Marketplace{}
			Eventually(ctx, func(g Gomega) {
				g.Expect(world.cluster.Get(ctx, client.ObjectKey{Namespace: salesNamespace, Name: second.name}, mp)).To(Succeed())
				g.Expect(conditionMissing(mp.Status.Conditions, "Ready", reason, mp.Generation)).To(BeEmpty())
			}).Should(Succeed())
		}
		second.setKeys(ctx, map[string]string{"accessKey": second.key, "licenseAccessKey": first.key})
		becomes("False CallbackKeyShared: shared-a")
		Expect(row(ctx, "mkt", second.name)).To(HaveKeyWithValue("REASON", "CallbackKeyShared"))
		debug := koogallerytest.Options{Debug: true}
		Eventually(ctx, func(g Gomega) {
			exchange, err := second.caller().With(debug).NewInstance(ctx, "order-of-two", "1")
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(exchange.ResultCode).To(Equal(koogallery.ResultInternalError))
		}).Should(Succeed())
		answered(second.callerWith(first.key).NewInstance(ctx, "order-of-two", "1"))(koogallery.ResultInternalError)
		answered(first.caller().With(debug).NewInstance(ctx, "order-of-two", "1"))(koogallery.ResultSuccess)

		second.setKeys(ctx, map[string]string{"accessKey": second.key, "licenseAccessKey": ""})
		becomes("True MarketplaceReady")
		Eventually(ctx, func(g Gomega) {
			exchange, err := second.caller().With(debug).NewInstance(ctx, "order-of-two", "1")
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(exchange.ResultCode).To(Equal(koogallery.ResultSuccess))
		}).Should(Succeed())
	})

	It("that is missing is a condition with what to do", func(ctx SpecContext) {
		c := connect(ctx, "keyless")
		c.setKeys(ctx, map[string]string{"other": "x"})
		mp := &v1alpha1.Marketplace{}
		mp.Namespace, mp.Name = salesNamespace, c.name
		Eventually(ctx, func(g Gomega) {
			g.Expect(world.cluster.Get(ctx, client.ObjectKeyFromObject(mp), mp)).To(Succeed())
			g.Expect(conditionMissing(mp.Status.Conditions, "Ready", "False CallbackKeyMissing: accessKey", mp.Generation)).To(BeEmpty())
		}).Should(Succeed())
		Expect(row(ctx, "mkt", c.name)).To(HaveKeyWithValue("REASON", "CallbackKeyMissing"))
		// The marketplace is told to call again, because the sale can still be taken when the key is there.
		exchange, err := c.caller().NewInstance(ctx, "order-without-key", "1")
		Expect(err).NotTo(HaveOccurred())
		Expect(exchange.ResultCode).To(Equal(koogallery.ResultInternalError))
	})
}
