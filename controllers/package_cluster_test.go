package controllers

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
	"github.com/stallkeeper/stallkeeper/marketplace"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/koogallerytest"
)

// packaged sells the plan small by use and the plan large as packages of fifty for those who have it.
func packaged(p *v1alpha1.MarketplaceProduct) {
	salestest.MeteredBy()(p)
	p.Spec.Plans[1].Package = v1alpha1.UsagePackage{
		Meter: p.Spec.Meters[0].Name, Size: "50", WarnAtPercent: []int32{40}, WhenUsedUp: v1alpha1.UsedUpSuspend,
		Consumer: v1alpha1.PackageConsumerMeteredInstance,
	}
	p.Spec.Plans[1].Listings = []v1alpha1.Listing{{Marketplace: "koogallery", SKUs: []string{"shop-package"}}}
	p.Spec.Access = v1alpha1.ProductAccess{FrontEndURL: "https://{{ .instance.name }}.example.com", UserName: "admin"}
}

// usedBy is a package of one piece that another instance uses.
func usedBy(user string) salestest.InstanceChange {
	return func(mpi *v1alpha1.MarketplaceInstance) {
		packageOf(1)(mpi)
		mpi.Spec.Subscription.Plan, mpi.Spec.Subscription.PackageConsumerRef.Name = "large", user
		mpi.Spec.Subscription.Items = []v1alpha1.SoldItem{{SKU: "shop-package"}}
	}
}

func TestAPackageIsUsedByTheInstanceThatTheBuyerHas(t *testing.T) {
	t.Parallel()
	x := newMeteredShop(t, "package-use")
	x.sells(packaged)
	x.sellsByUse("acme")
	x.sellsByUse("pack", usedBy("acme"))
	both := func() { x.pass("acme"); x.pass("pack") }
	both()

	mpi := x.says("pack", v1alpha1.ConditionUsageReported, "True UsageReported")
	x.Expect(mpi.Status.Access).To(Equal(x.instance("acme").Status.Access), "the buyer is told where the use is")
	x.Expect(mpi.Status.Access.FrontEndURL).To(Equal("https://acme.example.com"))
	err := x.client.Get(t.Context(), client.ObjectKey{Name: v1alpha1.TenantNamespace(v1alpha1.DefaultTenantPrefix, x.name, "pack")}, &corev1.Namespace{})
	x.Expect(client.IgnoreNotFound(err)).To(Succeed())
	x.Expect(err).To(HaveOccurred(), "nothing runs for a package")

	// It is used up by our word at first.
	x.api.FailOperation(koogallerytest.PushUsage, koogallerytest.Fault{Status: 503}, -1)
	x.clock.SetTime(x.start.Add(50 * time.Minute))
	both()
	x.says("pack", v1alpha1.ConditionPackageAvailable, "True PackageLow")
	x.clock.SetTime(x.start.Add(110 * time.Minute))
	both()
	x.says("pack", v1alpha1.ConditionPackageAvailable, "False PackageUsedUp")
	x.awaitPass(func() { x.touch("acme", "used up by our word") })
	x.says("acme", v1alpha1.ConditionSuspended, "False Running")

	x.api.FailOperation(koogallerytest.PushUsage, koogallerytest.Fault{}, 0)
	x.clock.SetTime(x.start.Add(112 * time.Minute))
	both()
	x.says("acme", v1alpha1.ConditionSuspended, "True PackageUsedUp")
	x.says("pack", v1alpha1.ConditionSuspended, "True PackageUsedUp")
	x.says("pack", v1alpha1.ConditionProvisioned, "True Provisioned")
	x.Expect(x.deducted()).To(Equal([]string{"acme 43 from pack", "acme 60 from pack"}))
	got := x.instance("pack").Status.Usage
	x.Expect(got).To(HaveLen(1))
	x.Expect([]string{got[0].RelatedInstanceID, got[0].PackageUsed, got[0].PackageSize}).To(Equal([]string{"acme", "103", "50"}))
	x.Expect(x.instance("acme").Status.Usage[0].Total).To(Equal("103"), "the instance tells all that it used")

	t.Run("and has no use of its own", func(*testing.T) {
		x.create(x.handWritten("own", "pack", "requests", "7", 0, 30))
		x.pass("pack")
		x.Expect(x.records("pack")).To(Equal([]string{"0:17 0:47 7 Refused UnknownInstance"}))
		x.Expect(x.instance("pack").Status.Usage[0].PackageUsed).To(Equal("103"))
	})

	t.Run("and goes on with another one", func(*testing.T) {
		x.sellsByUse("pack-2", usedBy("acme"), func(mpi *v1alpha1.MarketplaceInstance) {
			mpi.Spec.Subscription.StartTime = metav1.NewTime(x.clock.Now())
		})
		x.says("acme", v1alpha1.ConditionSuspended, "False Running")
		x.clock.SetTime(x.start.Add(230 * time.Minute)) // 7 minutes past
		both()
		x.Expect(x.deducted()[2:]).To(Equal([]string{"acme 60 from pack", "acme 60 from pack-2"}), "an hour is the one's that had it at its beginning")
		x.says("acme", v1alpha1.ConditionSuspended, "True PackageUsedUp")
	})

	t.Run("and without any is billed by usage again", func(*testing.T) {
		for _, name := range []string{"pack", "pack-2"} {
			change(x.shop, &v1alpha1.MarketplaceInstance{ObjectMeta: metav1.ObjectMeta{Namespace: x.name, Name: name}},
				func(mpi *v1alpha1.MarketplaceInstance) {
					mpi.Spec.Subscription.Entitlement = v1alpha1.Entitlement{
						State: v1alpha1.EntitlementReleased, Reason: v1alpha1.EntitlementByMarketplace, Time: metav1.NewTime(x.clock.Now()),
					}
				})
		}
		x.says("acme", v1alpha1.ConditionSuspended, "False Running")
		x.Expect(x.instance("acme").Status.Namespace).NotTo(BeEmpty())
	})

	t.Run("and says so when it is gone", func(*testing.T) {
		x.sellsByUse("pack-3", usedBy("acme"))
		namespace := x.instance("acme").Status.Namespace
		x.Expect(x.client.Delete(t.Context(), x.instance("acme"))).To(Succeed())
		x.namespaceGoes(namespace)
		x.gone("acme")
		x.says("pack-3", v1alpha1.ConditionProvisioned, "False PackageConsumerUnclear")
		x.counts("pack-3")
		x.says("pack-3", v1alpha1.ConditionUsageReported, "False PackageConsumerUnclear")
	})
}

// deducted are what the marketplace has accepted, as "instance value from package".
func (x *meteredShop) deducted() []string {
	told := x.pushed()
	for i, used := range x.api.Usage() {
		told[i] += " from " + used.RelatePkgInstance
	}
	return told
}

// A package that was sold before its plan said whose use it is for keeps its tenant, and so does one of a buyer who has another
// instance by chance.
func TestATenantIsKeptWhenPackagesAreUsedByOthersFromNowOn(t *testing.T) {
	t.Parallel()
	x := newMeteredShop(t, "package-kept")
	x.sells(salestest.MeteredBy(func(m *salestest.Metered) { m.Package.Size = "50" }))
	x.sellsByUse("acme")
	x.sellsByUse("pack", packageOf(1))
	x.pass("pack")
	namespace := x.instance("pack").Status.Namespace
	change(x.shop, here(x.shop, salestest.Product()), func(p *v1alpha1.MarketplaceProduct) {
		p.Spec.Plans[0].Meters, p.Spec.Plans[0].Package.Consumer = nil, v1alpha1.PackageConsumerMeteredInstance
	})
	x.awaitPass(func() { x.touch("pack", "again") })
	mpi := x.says("pack", v1alpha1.ConditionReady, "True InstanceReady")
	x.Expect(mpi.Status.Namespace).To(Equal(namespace))
	x.clock.SetTime(x.start.Add(50 * time.Minute))
	x.pass("pack")
	x.Expect(x.deducted()).To(Equal([]string{"pack 43 from "}))

	x.Expect(x.client.Update(t.Context(), x.linkedTo("pack", "acme"))).To(MatchError(ContainSubstring("can't be added or removed")))
}

func (x *meteredShop) linkedTo(name, user string) *v1alpha1.MarketplaceInstance {
	mpi := x.instance(name)
	mpi.Spec.Subscription.PackageConsumerRef.Name = user
	return mpi
}

func TestAPersonSaysWhoUsesAPackage(t *testing.T) {
	t.Parallel()
	x := newShop(t, "package-link")
	order := func(sku string, charging marketplace.Charging) salestest.OrderAnswer {
		return sold(func(o *marketplace.Order) {
			o.Charging, o.ExpiresAt, o.Items = charging, time.Time{}, []marketplace.Item{{SKUCode: sku, Quantity: ptr.To(int32(1))}}
		})
	}
	x.orders.Answers = map[string]salestest.OrderAnswer{
		"o-1": order("shop-small", marketplace.ChargingMetered), "o-2": order("shop-small", marketplace.ChargingMetered),
		"o-3": order("shop-package", marketplace.ChargingMeteredPackage), "o-4": order("shop-package", marketplace.ChargingMeteredPackage),
	}
	x.operate()
	x.sells(packaged)
	x.connects("koogallery", keys())
	x.isSold("one", "koogallery", "o-1", time.Now())
	x.says("one", v1alpha1.ConditionReady, "True InstanceReady")
	x.isSold("pack", "koogallery", "o-3", time.Now())
	mpi := x.says("pack", v1alpha1.ConditionReady, "True InstanceReady")
	x.Expect(mpi.Spec.Subscription.PackageConsumerRef.Name).To(Equal("one"))
	x.Expect(mpi.Status.Namespace).To(BeEmpty())

	x.isSold("two", "koogallery", "o-2", time.Now())
	x.says("two", v1alpha1.ConditionReady, "True InstanceReady")
	x.isSold("pack-2", "koogallery", "o-4", time.Now())
	mpi = x.says("pack-2", v1alpha1.ConditionOrderResolved, "False PackageConsumerUnclear")
	x.Expect(mpi.Spec.Subscription.PackageConsumerRef.Name).To(BeEmpty())
	x.says("pack-2", v1alpha1.ConditionProvisioned, "Unknown WaitingForOrder")
	change(x, mpi, func(mpi *v1alpha1.MarketplaceInstance) { mpi.Spec.Subscription.PackageConsumerRef.Name = "two" })
	mpi = x.says("pack-2", v1alpha1.ConditionReady, "True InstanceReady")
	x.Expect(mpi.Spec.Subscription.PackageConsumerRef.Name).To(Equal("two"))
	x.Expect(x.instance("pack").Spec.Subscription.PackageConsumerRef.Name).To(Equal("one"), "what was linked stays so")
}
