package operator_test

import (
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/koogallerytest"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/openapi"
)

// nothingRuns makes a product for which nothing runs.
func nothingRuns(p *v1alpha1.MarketplaceProduct) {
	p.Spec.Template, p.Spec.Plans[0].Values = v1alpha1.ProductTemplate{}, nil
}

// mintedAs makes a product id mean the product.
func mintedAs(productID string) func(*v1alpha1.MarketplaceProduct) {
	return func(p *v1alpha1.MarketplaceProduct) {
		listing := &p.Spec.Plans[0].Listings[0]
		listing.ProductIDs, listing.SKUs = []string{productID}, nil
	}
}

// mint changes a code of the main connection's open API, or makes one.
func mint(code string, change func(*koogallerytest.MintedLicense)) {
	GinkgoHelper()
	license, _ := world.main.api.License(code)
	license.Code = code
	change(&license)
	Expect(world.main.api.AddLicense(license)).To(Succeed())
}

// enterCode makes the instance of a license code as the seller's software does.
func enterCode(ctx SpecContext, name, code string) {
	GinkgoHelper()
	create(ctx, &v1alpha1.MarketplaceInstance{
		ObjectMeta: metav1.ObjectMeta{Namespace: salesNamespace, Name: name},
		Spec: v1alpha1.MarketplaceInstanceSpec{Subscription: &v1alpha1.Subscription{
			Marketplace: world.main.name, InstanceID: code, License: v1alpha1.License{Type: v1alpha1.LicenseTypeCode},
		}},
	})
}

// sellLicenses sells codes that KooGallery mints, and licenses that the seller makes.
func sellLicenses() {
	It("code runs from its activation to its release, also when the calls never come", func(ctx SpecContext) {
		offer(ctx, product("codes", web, mintedAs("product-of-codes")), ready)
		code := "PL" + strings.ToUpper(random(8))
		mint(code, func(l *koogallerytest.MintedLicense) {
			l.Uncollected, l.OrderID, l.ProductID, l.Amount, l.ExpiresAt = true, "CS-"+code, "product-of-codes", 2, time.Now().Add(48*time.Hour)
		})
		enterCode(ctx, "code-acme", code)
		becomes(ctx, "code-acme", look{state: v1alpha1.StateBlocked, conditions: map[string]string{
			"Licensed": "False LicenseNotCollected: collected", "Ready": "False LicenseNotCollected",
			"OrderResolved": "Unknown WaitingForActivation", "Provisioned": "Unknown WaitingForOrder",
		}})
		mint(code, func(l *koogallerytest.MintedLicense) { l.Uncollected = false })
		_, err := world.cluster.kubectl(ctx, "annotate", "mpi", "code-acme", "example.com/look=1")
		Expect(err).NotTo(HaveOccurred())
		runs := look{state: v1alpha1.StateRunning, web: pods(2), conditions: map[string]string{
			"Licensed": "True LicenseActivated", "OrderResolved": "True OrderResolved", "Entitled": "True Paid", "Ready": "True InstanceReady",
		}}
		mpi, _ := becomes(ctx, "code-acme", runs)
		Expect(mpi.Spec.Subscription.OrderID).To(Equal("CS-" + code))

		By("freezing it by a call before the end, and lifting that")
		caller := world.main.caller()
		answered(caller.UpdateLicenseCodeStatus(ctx, code, koogallery.StatusFreeze))(koogallery.ResultSuccess)
		becomes(ctx, "code-acme", look{state: v1alpha1.StateSuspended, web: pods(0), conditions: map[string]string{"Ready": "False Frozen"}})
		answered(caller.UpdateLicenseCodeStatus(ctx, code, koogallery.StatusUnfreeze))(koogallery.ResultSuccess)
		becomes(ctx, "code-acme", runs)
		answered(caller.UpdateLicenseCodeStatus(ctx, "PL-NOBODYS", koogallery.StatusFreeze))(koogallery.ResultUnknownInstance)

		By("letting the freeze of an expiry, a renewal and a release never come")
		mint(code, func(l *koogallerytest.MintedLicense) { l.Status = openapi.LicenseExpired })
		becomes(ctx, "code-acme", look{state: v1alpha1.StateSuspended, web: pods(0), conditions: map[string]string{
			"Ready": "False Expired", "Licensed": "False LicenseExpired",
		}})
		mint(code, func(l *koogallerytest.MintedLicense) {
			l.Status, l.ExpiresAt = openapi.LicenseAlive, time.Now().Add(96*time.Hour)
		})
		mpi, _ = becomes(ctx, "code-acme", runs)
		Expect(mpi.Spec.Subscription.ExpirySource).To(Equal(v1alpha1.ExpiryFromQuery))
		mint(code, func(l *koogallerytest.MintedLicense) { l.Status = openapi.LicenseReleased })
		_, t := becomes(ctx, "code-acme", look{state: v1alpha1.StateSuspended, web: pods(0), conditions: map[string]string{
			"Ready": "False Released", "Licensed": "False LicenseEnded: the call was never received",
		}})
		Expect(t.namespace).NotTo(BeNil(), "the data are kept for the retention period")
		answered(caller.ReleaseLicenseCode(ctx, code, "", ""))(koogallery.ResultSuccess)
		answered(caller.UpdateLicenseCodeStatus(ctx, code, koogallery.StatusUnfreeze))(koogallery.ResultUnknownInstance)
	})

	It("of software that runs elsewhere needs no tenant, and its sale is shown to the buyer", func(ctx SpecContext) {
		offer(ctx, product("elsewhere", "", nothingRuns), ready)
		s := world.main.buys(ctx, "elsewhere", orderOptions{quantity: 1, expires: time.Now().Add(time.Hour)})
		_, t := s.becomes(ctx, look{state: v1alpha1.StateRunning, conditions: map[string]string{
			"Ready": "True InstanceReady", "Provisioned": "True Provisioned",
		}})
		Expect(t.namespace).To(BeNil())
		Expect(s.query(ctx, koogallery.ResultSuccess).Redacted().Body).To(ContainSubstring("https://" + s.id + ".example.com/"))
		s.freeze(ctx)
		s.becomes(ctx, look{state: v1alpha1.StateSuspended, conditions: map[string]string{"Ready": "False Expired", "Suspended": "True Expired"}})
		s.release(ctx)
		s.becomes(ctx, look{state: v1alpha1.StateReleased})
	})

	It("that a buyer asks for is made by the workload and delivered", func(ctx SpecContext) {
		offer(ctx, product("online", web, func(p *v1alpha1.MarketplaceProduct) {
			p.Spec.License = v1alpha1.ProductLicense{DeviceFingerprint: v1alpha1.LicenseFingerprintRequired, PerUnit: 1}
		}), ready)
		s := world.main.buys(ctx, "online", orderOptions{quantity: 1, expires: time.Now().Add(48 * time.Hour)})
		s.becomes(ctx, look{state: v1alpha1.StateRunning, web: pods(1)})
		request := koogallerytest.LicenseRequest{
			InstanceID: s.id, EventID: "EV-" + random(6), EffectiveTime: time.Now(), ExpireTime: time.Now().Add(24 * time.Hour),
		}
		answered(s.caller().GetLicenseAsync(ctx, request))(koogallery.ResultLicenseUnbound)
		request.DeviceFingerprint = "device-1"
		answered(s.caller().GetLicenseAsync(ctx, request))(koogallery.ResultInProgress)
		another := request
		another.EventID, another.DeviceFingerprint = "EV-another", "device-2"
		answered(s.caller().GetLicenseAsync(ctx, another))(koogallery.ResultLicenseQuota)
		s.becomes(ctx, look{state: v1alpha1.StateRunning, conditions: map[string]string{
			"Ready": "True InstanceReady", "Licensed": "Unknown LicenseAwaited: " + request.EventID,
		}}, func(g Gomega, _ *v1alpha1.MarketplaceInstance, t tenant) {
			g.Expect(t.configMaps[v1alpha1.LicenseRequestsName].Data[v1alpha1.LicenseRequestsKey]).To(ContainSubstring(`"deviceFingerprint": "device-1"`))
		})

		license := "LICENCE-" + random(20)
		world.hidden.add("a license", license)
		create(ctx, &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: tenantNamespace(s.id), Name: v1alpha1.TenantLicensesSecretName},
			StringData: map[string]string{request.EventID: license},
		})
		s.becomes(ctx, look{conditions: map[string]string{"Licensed": "True LicenseDelivered"}})
		Expect(s.api.Uploads()).To(ContainElement(koogallerytest.UploadedLicense{EventID: request.EventID, Type: "CHARACTERS", Text: license}))
		answered(s.caller().GetLicenseAsync(ctx, request))(koogallery.ResultSuccess)

		By("taking one from a person who has put it beside the instance")
		file := "FILE-" + random(20)
		world.hidden.add("a license in a file", file)
		again := request
		again.EventID = "EV-" + random(6)
		answered(s.caller().GetLicenseAsync(ctx, again))(koogallery.ResultInProgress)
		create(ctx, &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: salesNamespace, Name: v1alpha1.LicensesSecretName(s.id)},
			StringData: map[string]string{again.EventID + ".lic": file},
		})
		s.becomes(ctx, look{conditions: map[string]string{"Licensed": "True LicenseDelivered"}})
		Expect(s.api.Uploads()).To(ContainElement(koogallerytest.UploadedLicense{
			EventID: again.EventID, Type: "FILE", FileName: again.EventID + ".lic", File: []byte(file),
		}))
		mpi, err := s.instance(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(mpi.Spec.Subscription.LicenseRequests).To(HaveLen(2))
	})
}
