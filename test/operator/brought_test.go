package operator_test

import (
	"fmt"
	"net/url"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/marketplace"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/koogallerytest"
)

// Values of chargingMode.
const (
	byUse    = 0
	byPeriod = 1
)

// withoutOrderAPI is a Marketplace that sells by calls which bring their orders, and needs no credentials.
func withoutOrderAPI(mkt *v1alpha1.Marketplace) { mkt.Spec.KooGallery.API = v1alpha1.KooGalleryAPI{} }

// broughtSale is a sale whose calls bring their orders: SaaS V1.0.
type broughtSale struct {
	*sale
	ordered koogallerytest.V1Order
}

// orders is a sale of a product that KooGallery has not called about yet. Its buyer would not like to be seen.
func (c *connection) orders(product string, changes ...func(*koogallerytest.V1Order)) *broughtSale {
	GinkgoHelper()
	b := &broughtSale{sale: &sale{connection: c, order: "CS" + random(8), sku: skuOf(product)}}
	b.ordered = koogallerytest.V1Order{
		OrderID: b.order, ProductID: "product-" + product, SKUCode: b.sku, CustomerID: "customer-1",
		CustomerName: "Account " + random(6), MobilePhone: "+86 158 " + random(8), Email: random(8) + "@buyer.example.com",
		ChargingMode: ptr.To(byPeriod), PeriodType: "year", PeriodNumber: 1,
	}
	for _, change := range changes {
		change(&b.ordered)
	}
	line := ""
	if *b.ordered.ChargingMode == byUse {
		line = b.ordered.ProductID
	}
	b.order = b.ordered.OrderID
	b.id = marketplace.InstanceName(string(v1alpha1.ProtocolKooGallery), string(v1alpha1.KooGalleryInternational), b.order, line)
	for what, text := range map[string]string{
		"a buyer's phone number": b.ordered.MobilePhone, "a buyer's mail address": b.ordered.Email, "a buyer's account name": b.ordered.CustomerName,
	} {
		world.hidden.add(what, text)
		world.hidden.add(what+" as it stood in a query", url.QueryEscape(text))
		world.hidden.add(what+" as it stood in a path", url.PathEscape(text))
	}
	return b
}

func (b *broughtSale) v1() koogallerytest.V1 { return b.caller().V1() }

// isTold makes a delivery of the purchase and checks that the buyer is told all that there is to know.
func (b *broughtSale) isTold(ctx SpecContext) *koogallerytest.Exchange {
	GinkgoHelper()
	exchange := answered(b.v1().NewInstance(ctx, b.ordered))(koogallery.ResultSuccess)
	secret := &corev1.Secret{}
	key := client.ObjectKey{Namespace: salesNamespace, Name: v1alpha1.AccessSecretName(b.id)}
	Expect(world.cluster.Get(ctx, key, secret)).To(Succeed())
	Expect(exchange.InstanceID).To(Equal(b.id))
	Expect(exchange.AppInfo).To(Equal(&koogallery.AppInfo{
		FrontEndURL: "https://" + b.id + ".example.com/", AdminURL: "https://" + b.id + ".example.com/admin",
		UserName: "admin", Password: string(secret.Data[v1alpha1.AccessPasswordKey]), Memo: "Welcome to team",
	}))
	return exchange
}

func (b *broughtSale) renewsUntil(ctx SpecContext, until time.Time) {
	GinkgoHelper()
	answered(b.v1().RefreshInstance(ctx, koogallerytest.V1Refresh{
		OrderID: b.order + "-RE" + random(2), InstanceID: b.id, ExpireTime: until,
	}))(koogallery.ResultSuccess)
}

// broughtSales are sales of SaaS V1.0 from their purchase to their end.
func broughtSales() {
	var (
		c       *connection
		b       *broughtSale
		claims  any
		expires = time.Now().Add(2 * time.Hour).UTC().Truncate(time.Second)
	)
	BeforeAll(func(ctx SpecContext) {
		c = connect(ctx, "brought", withoutOrderAPI)
		offer(ctx, product("brought", shop, lasting(3600, 4), listedBy(c)), ready)
	})

	It("needs no credentials of the open API", func(ctx SpecContext) {
		mp := &v1alpha1.Marketplace{}
		mp.Namespace, mp.Name = salesNamespace, c.name
		Expect(world.cluster.Get(ctx, client.ObjectKeyFromObject(mp), mp)).To(Succeed())
		Expect(conditionMissing(mp.Status.Conditions, "Ready", "True MarketplaceReady: which was not needed so far", mp.Generation)).To(BeEmpty())
	})

	It("begins with a purchase that is stored at once, and tells the buyer where to go", func(ctx SpecContext) {
		b = c.orders("brought", func(o *koogallerytest.V1Order) {
			o.Amount, o.DiskSize, o.ExpireTime = ptr.To(2), ptr.To(100), expires
			o.ExtendParams = []koogallerytest.Param{{Name: "domain", Value: "~~~>>>买家"}}
		})
		b.isTold(ctx)
		mpi, err := b.instance(ctx)
		Expect(err).NotTo(HaveOccurred())
		call := mpi.Spec.Subscription.Calls[0]
		secret := &corev1.Secret{}
		key := client.ObjectKey{Namespace: salesNamespace, Name: call.OrderSecretName(mpi.Name, mpi.UID)}
		Expect(world.cluster.Get(ctx, key, secret)).To(Succeed())
		Expect(string(secret.Data[v1alpha1.CallRawKey])).To(And(ContainSubstring(b.ordered.MobilePhone), ContainSubstring(b.ordered.Email)))
		Expect(secret.OwnerReferences).To(ConsistOf(HaveField("UID", mpi.UID)))
	})

	It("runs as bought, and looks like a sale of the other generation", func(ctx SpecContext) {
		mpi, t := b.becomes(ctx, running(2))
		claims = t.claims
		sub := mpi.Spec.Subscription
		Expect(mpi.Status.Timetable.ExpiryTime.UTC()).To(Equal(expires))
		Expect([]any{sub.CustomerID, sub.CustomerName, sub.Type, sub.ChargingMode, sub.ExpirySource}).To(Equal([]any{
			"customer-1", "", v1alpha1.SubscriptionPaid, v1alpha1.ChargingPrepaid, v1alpha1.ExpiryFromOrder,
		}))
		Expect(sub.Attributes).To(ConsistOf(
			v1alpha1.Attribute{Name: "domain", Value: ptr.To("~~~>>>买家")}, v1alpha1.Attribute{Name: "amount", Value: ptr.To("2")},
			v1alpha1.Attribute{Name: "diskSize", Value: ptr.To("100")},
		))
		seen := row(ctx, "mpi", b.id)
		delete(seen, "AGE")
		Expect(seen).To(Equal(map[string]string{
			"NAME": b.id, "PRODUCT": "brought", "PLAN": "team", "QUANTITY": "2", "STATE": "Running", "READY": "True",
			"EXPIRES": expires.Format(time.RFC3339), "CUSTOMER": "customer-1", "NAMESPACE": tenantNamespace(b.id),
			"REVISION": mpi.Status.Revision,
		}))
	})

	It("is told of the acceptance by a second delivery, which tells the buyer again", func(ctx SpecContext) {
		accepted := time.Now().Add(-time.Minute).UTC().Truncate(time.Second)
		b.ordered.AcceptanceTime = accepted
		b.isTold(ctx)
		mpi, err := b.instance(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(mpi.Spec.Subscription.StartTime.UTC()).To(Equal(accepted))
	})

	It("is not doubled, and shown whenever the buyer opens the resource page", func(ctx SpecContext) {
		before, err := b.instance(ctx)
		Expect(err).NotTo(HaveOccurred())
		for range 3 {
			b.isTold(ctx)
		}
		after, err := b.instance(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(after.Generation).To(Equal(before.Generation))
		info := answered(b.v1().QueryInstance(ctx, b.id))(koogallery.ResultSuccess).Info
		Expect(info).To(HaveLen(1))
		Expect(info[0].AppInfo.UserName).To(Equal("admin"))
	})

	It("grows by an upgrade; what that does not name stays", func(ctx SpecContext) {
		upgrade := koogallerytest.V1Order{
			OrderID: b.order + "-UP1", ProductID: b.ordered.ProductID, SKUCode: b.sku, Amount: ptr.To(5),
		}
		answered(b.v1().Upgrade(ctx, b.id, upgrade))(koogallery.ResultSuccess)
		b.becomes(ctx, running(5))
		larger := koogallerytest.V1Order{OrderID: b.order + "-UP2", ProductID: b.ordered.ProductID, SKUCode: b.sku, DiskSize: ptr.To(200)}
		answered(b.v1().Upgrade(ctx, b.id, larger))(koogallery.ResultSuccess)
		b.becomes(ctx, running(5), func(g Gomega, mpi *v1alpha1.MarketplaceInstance, _ tenant) {
			g.Expect(mpi.Spec.Subscription.Attributes).To(ContainElement(v1alpha1.Attribute{Name: "diskSize", Value: ptr.To("200")}))
			g.Expect(mpi.Spec.Subscription.Attributes).To(ContainElement(v1alpha1.Attribute{Name: "domain", Value: ptr.To("~~~>>>买家")}))
			g.Expect(mpi.Spec.Subscription.ExpiryTime.UTC()).To(Equal(expires))
		})
		before, err := b.instance(ctx)
		Expect(err).NotTo(HaveOccurred())
		answered(b.v1().Upgrade(ctx, b.id, upgrade))(koogallery.ResultSuccess)
		stays(ctx, "a repeated upgrade changes nothing", func(g Gomega) {
			after, err := b.instance(ctx)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(after.Generation).To(Equal(before.Generation))
		})
	})

	It("lasts longer by a renewal", func(ctx SpecContext) {
		expires = expires.Add(time.Hour)
		b.renewsUntil(ctx, expires)
		b.becomes(ctx, running(5), func(g Gomega, mpi *v1alpha1.MarketplaceInstance, _ tenant) {
			g.Expect(mpi.Status.Timetable.ExpiryTime.UTC()).To(Equal(expires))
		})
	})

	It("is suspended at its end, tells where to go all the same, and is resumed by a renewal alone", func(ctx SpecContext) {
		answered(b.v1().ExpireInstance(ctx, b.id, b.order))(koogallery.ResultSuccess)
		_, t := b.becomes(ctx, suspended(v1alpha1.ReasonExpired))
		Expect(t.claims).To(Equal(claims))
		b.isTold(ctx)
		expires = expires.Add(time.Hour)
		b.renewsUntil(ctx, expires)
		_, t = b.becomes(ctx, running(5))
		Expect(t.claims).To(Equal(claims))
	})

	It("ends with a release; a late delivery of the purchase is answered, and starts nothing", func(ctx SpecContext) {
		answered(b.v1().ReleaseInstance(ctx, b.id, b.order))(koogallery.ResultSuccess)
		b.removed(ctx)
		exchange, err := b.v1().NewInstance(ctx, b.ordered)
		Expect(err).NotTo(HaveOccurred())
		Expect([]any{exchange.ResultCode, exchange.InstanceID, exchange.AppInfo}).To(Equal([]any{koogallery.ResultSuccess, b.id, (*koogallery.AppInfo)(nil)}))
		answered(b.v1().QueryInstance(ctx, b.id))(koogallery.ResultUnknownInstance)
		answered(b.v1().ReleaseInstance(ctx, b.id, b.order))(koogallery.ResultSuccess)
		stays(ctx, "nothing starts", func(g Gomega) {
			err := world.cluster.Get(ctx, client.ObjectKey{Name: tenantNamespace(b.id)}, &corev1.Namespace{})
			g.Expect(apierrors.IsNotFound(err)).To(BeTrue())
		})
	})
}

// otherBroughtSales are what else SaaS V1.0 and License 1.0 sell.
func otherBroughtSales() {
	It("that is tried becomes paid with its data, in the plan that was bought", func(ctx SpecContext) {
		c := connect(ctx, "tried", withoutOrderAPI)
		offer(ctx, product("tried", shop, listedBy(c), func(p *v1alpha1.MarketplaceProduct) {
			p.Spec.Plans = append(p.Spec.Plans, *p.Spec.Plans[0].DeepCopy())
			p.Spec.Plans[1].Name = "paid"
			p.Spec.Plans[0].Listings = []v1alpha1.Listing{{Marketplace: c.name, ProductIDs: []string{"product-tried"}}}
			p.Spec.Plans[1].Listings = []v1alpha1.Listing{{Marketplace: c.name, ProductIDs: []string{"product-formal"}}}
		}), ready)
		b := c.orders("tried", func(o *koogallerytest.V1Order) {
			o.Trial, o.Amount, o.ExpireTime = true, ptr.To(2), time.Now().Add(time.Hour)
		})
		b.isTold(ctx)
		mpi, before := b.becomes(ctx, running(2))
		Expect(mpi.Spec.Subscription.Type).To(Equal(v1alpha1.SubscriptionTrial))

		until := time.Now().AddDate(1, 0, 0).UTC().Truncate(time.Second)
		answered(b.v1().RefreshInstance(ctx, koogallerytest.V1Refresh{
			OrderID: b.order + "-F", InstanceID: b.id, ProductID: "product-formal", ExpireTime: until, TrialToFormal: true,
		}))(koogallery.ResultSuccess)
		_, after := b.becomes(ctx, running(2), func(g Gomega, mpi *v1alpha1.MarketplaceInstance, _ tenant) {
			g.Expect([]any{mpi.Spec.Subscription.Type, mpi.Status.Effective.Plan, mpi.Status.Timetable.ExpiryTime.UTC()}).
				To(Equal([]any{v1alpha1.SubscriptionPaid, "paid", until}))
		})
		Expect(after.claims).To(Equal(before.claims))
	})

	It("of two products of one order by use is two tenants, each frozen by itself", func(ctx SpecContext) {
		c := connect(ctx, "used", withoutOrderAPI)
		offer(ctx, product("used", web, listedBy(c)), ready)
		first := c.orders("used", func(o *koogallerytest.V1Order) { o.ChargingMode, o.ProductID = ptr.To(byUse), "product-used-1" })
		second := c.orders("used", func(o *koogallerytest.V1Order) {
			o.OrderID, o.ChargingMode, o.ProductID = first.order, ptr.To(byUse), "product-used-2"
		})
		Expect(first.id).NotTo(Equal(second.id))
		first.isTold(ctx)
		second.isTold(ctx)
		runs := look{state: v1alpha1.StateRunning, web: pods(1), conditions: map[string]string{"Ready": "True InstanceReady", "Entitled": "True NoExpiry"}}
		first.becomes(ctx, runs)
		second.becomes(ctx, runs)
		answered(first.v1().InstanceStatus(ctx, first.id, koogallery.StatusFreeze))(koogallery.ResultSuccess)
		first.becomes(ctx, look{state: v1alpha1.StateSuspended, web: pods(0), conditions: map[string]string{"Suspended": "True Frozen"}})
		second.becomes(ctx, runs)
		first.isTold(ctx)
		answered(first.v1().InstanceStatus(ctx, first.id, koogallery.StatusNormal))(koogallery.ResultSuccess)
		first.becomes(ctx, runs)
	})

	DescribeTable("keeps the buyer's phone and mail, however they come", func(ctx SpecContext, name string, kind koogallery.EncryptType,
		options koogallerytest.Options,
	) {
		c := connect(ctx, name, withoutOrderAPI)
		b := c.orders(name)
		encrypted := func(text string) string {
			value, err := koogallery.EncryptField([]byte(c.key), kind, text)
			Expect(err).NotTo(HaveOccurred())
			return value
		}
		// Nobody lists what is bought: the buyer waits for a person, and is kept.
		exchange, err := c.caller().With(options).V1().Send(ctx, map[string]string{
			"activity": koogallery.ActivityNewInstance, "orderId": b.order, "productId": "p+1", "customerId": "customer-1", "businessId": "b1",
			"customerName": b.ordered.CustomerName, "mobilePhone": encrypted(b.ordered.MobilePhone), "email": encrypted(b.ordered.Email),
		})
		answered(exchange, err)(koogallery.ResultInProgress)
		mpi, err := b.instance(ctx)
		Expect(err).NotTo(HaveOccurred())
		secret := &corev1.Secret{}
		key := client.ObjectKey{Namespace: salesNamespace, Name: mpi.Spec.Subscription.Calls[0].OrderSecretName(mpi.Name, mpi.UID)}
		Expect(world.cluster.Get(ctx, key, secret)).To(Succeed())
		Expect(string(secret.Data[v1alpha1.CallRawKey])).To(And(
			ContainSubstring(b.ordered.MobilePhone), ContainSubstring(b.ordered.Email), ContainSubstring(b.ordered.CustomerName), ContainSubstring("p+1"),
		))
		b.becomes(ctx, look{state: v1alpha1.StateBlocked, conditions: map[string]string{"Ready": "False UnknownSKU"}})
	},
		Entry("with 256 bits", "phone-256", koogallery.EncryptAES256, koogallerytest.Options{}),
		Entry("with 128 bits", "phone-128", koogallery.EncryptAES128, koogallerytest.Options{}),
		Entry("with bare plus signs", "phone-plus", koogallery.EncryptAES256, koogallerytest.Options{BarePlus: true}),
	)

	It("by License 1.0 is answered with the license as soon as somebody has made it", func(ctx SpecContext) {
		c := connect(ctx, "licensed", withoutOrderAPI)
		c.setKeys(ctx, map[string]string{"accessKey": c.key, "licenseAccessKey": c.key + "-license"})
		world.hidden.add("the license key", c.key+"-license")
		offer(ctx, product("licensed", web, listedBy(c)), ready)
		b := c.orders("licensed")
		buyer := c.callerWith(c.key + "-license").V1()
		Eventually(ctx, func() (string, error) {
			exchange, err := buyer.GetLicense(ctx, b.ordered)
			return exchange.ResultCode, err
		}).Should(Equal(koogallery.ResultInProgress))
		b.becomes(ctx, look{state: v1alpha1.StateRunning})
		license := "LICENCE-" + random(20)
		world.hidden.add("a license", license)
		create(ctx, &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: salesNamespace, Name: v1alpha1.LicenseSecretName(b.id)},
			StringData: map[string]string{v1alpha1.LicenseKey: license + "\n"},
		})
		for range 2 {
			exchange := answered(buyer.GetLicense(ctx, b.ordered))(koogallery.ResultSuccess)
			Expect([]string{exchange.License, exchange.InstanceID}).To(Equal([]string{license, b.id}))
		}
		answered(buyer.ReleaseLicense(ctx, b.id, b.order))(koogallery.ResultSuccess)
		mpi, err := b.instance(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(mpi.Spec.Subscription.Entitlement.State).To(Equal(v1alpha1.EntitlementReleased))
	})

	It("is refused by a Marketplace that does not name its calls", func(ctx SpecContext) {
		c := connect(ctx, "modern", func(mkt *v1alpha1.Marketplace) { mkt.Spec.KooGallery.CallVersions = nil })
		b := c.orders("modern")
		answered(b.v1().NewInstance(ctx, b.ordered))(koogallery.ResultInvalidParameter)
		_, err := b.instance(ctx)
		Expect(apierrors.IsNotFound(err)).To(BeTrue(), "it was sold: %v", err)
	})

	It("comes to the same address as every other generation's", func(ctx SpecContext) {
		c := connect(ctx, "all")
		keys := map[string]string{"accessKey": c.key, "licenseAccessKey": random(20), "notifyAccessKey": random(20)}
		for name, key := range keys {
			world.hidden.add("the key "+name, key)
		}
		c.setKeys(ctx, keys)
		debug := koogallerytest.Options{Debug: true}
		basic, license, notify := c.caller().With(debug), c.callerWith(keys["licenseAccessKey"]).With(debug), c.callerWith(keys["notifyAccessKey"]).With(debug)
		Eventually(ctx, func() (string, error) {
			exchange, err := notify.OrderNotify(ctx, "CS1", "CS1-1")
			return exchange.ResultCode, err
		}).Should(Equal(koogallery.ResultSuccess))
		// Each answer is checked for what its generation has to be told, and for the signature with the key that made the call.
		answered(basic.NewInstance(ctx, "CS1", "CS1-1"))(koogallery.ResultSuccess)
		answered(basic.V1().NewInstance(ctx, koogallerytest.V1Order{OrderID: "CS1", ProductID: "p1"}))(koogallery.ResultSuccess)
		answered(license.V1().GetLicense(ctx, koogallerytest.V1Order{OrderID: "CS1", ProductID: "p1"}))(koogallery.ResultSuccess)
		answered(license.ReleaseLicenseCode(ctx, "PL1", "", ""))(koogallery.ResultSuccess)
		answered(notify.OrderNotify(ctx, "CS1", "CS1-1"))(koogallery.ResultSuccess)
		// Errors are signed too, and a key opens no other interface than its own.
		answered(c.callerWith(keys["licenseAccessKey"]).V1().NewInstance(ctx, koogallerytest.V1Order{OrderID: "CS1", ProductID: "p1"}))(
			koogallery.ResultUnauthenticated)
		answered(c.caller().V1().Send(ctx, map[string]string{"activity": "upgrade", "orderId": "CS1"}))(koogallery.ResultInvalidParameter)
		answered(c.caller().With(koogallerytest.Options{WrongKey: true}).V1().QueryInstance(ctx, "i1"))(koogallery.ResultUnauthenticated)
	})

	It("in a burst keeps no other call from being answered", func(ctx SpecContext) {
		c := connect(ctx, "burst", withoutOrderAPI)
		const many = 40
		var all sync.WaitGroup
		for i := range many {
			// Nobody sells it yet, so all of them wait as long as they may, or are told at once that a person is needed.
			b := c.orders(fmt.Sprintf("burst-%d", i))
			all.Go(func() {
				defer GinkgoRecover()
				answered(b.v1().NewInstance(ctx, b.ordered))(koogallery.ResultInProgress)
			})
		}
		other := world.main.newOrder("burst", orderOptions{quantity: 1})
		other.purchase(ctx, koogallery.ResultInProgress)
		answered(other.caller().QueryInstance(ctx, other.id))(koogallery.ResultInProgress)
		all.Wait()
	})
}
