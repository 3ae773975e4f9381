package operator_test

import (
	"net/http"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/koogallerytest"
)

// badOrders are purchases whose order can't be looked up or does not fit. None of them is lost: KooGallery is told that it is
// on the way, a person is told what to do, and it runs once that is done.
func badOrders() {
	// bought is a product and a sale of it, each of its own, through a connection whose open API does what api says.
	bought := func(ctx SpecContext, name string, api func(*koogallerytest.OpenAPI)) *sale {
		GinkgoHelper()
		c := connect(ctx, name)
		offer(ctx, product(name, web, listedBy(c)), ready)
		api(c.api)
		began := time.Now()
		s := c.buys(ctx, name, orderOptions{quantity: 1})
		Expect(time.Since(began)).To(BeNumerically("<", 4*time.Second), "a callback must not wait for the open API")
		return s
	}
	fails := func(fault koogallerytest.Fault) func(*koogallerytest.OpenAPI) {
		return func(api *koogallerytest.OpenAPI) { api.Fail(fault, -1) }
	}
	pending := func(reason string) look {
		return look{state: v1alpha1.StatePending, conditions: map[string]string{
			"OrderResolved": "Unknown " + reason, "Ready": "Unknown WaitingForOrder", "Entitled": "Unknown OrderPending", "Suspended": "False WaitingForOrder",
		}}
	}
	blocked := func(reasonAndMessage string) look {
		return look{state: v1alpha1.StateBlocked, conditions: map[string]string{
			"OrderResolved": "False " + reasonAndMessage, "Ready": "False " + reasonAndMessage, "Provisioned": "Unknown WaitingForOrder",
		}}
	}
	runs := look{state: v1alpha1.StateRunning, web: pods(1), conditions: map[string]string{"Ready": "True InstanceReady", "OrderResolved": "True OrderResolved"}}

	It("is looked up in the background when the open API is slow", func(ctx SpecContext) {
		s := bought(ctx, "slow", func(api *koogallerytest.OpenAPI) { api.Fail(koogallerytest.Fault{Delay: 3 * time.Second}, 1) })
		s.query(ctx, koogallery.ResultInProgress)
		s.becomes(ctx, runs)
		s.query(ctx, koogallery.ResultSuccess)
	})

	DescribeTable("waits while the open API fails, and runs once it answers", func(ctx SpecContext, name string, fault koogallerytest.Fault) {
		s := bought(ctx, name, fails(fault))
		mpi, _ := s.becomes(ctx, pending(v1alpha1.ReasonOrderAPIUnavailable))
		Expect(explained(mpi)).NotTo(ContainSubstring("captive"))
		s.query(ctx, koogallery.ResultInProgress)
		s.api.Fail(koogallerytest.Fault{}, 0)
		s.becomes(ctx, runs)
	},
		Entry("with an internal error", "broken", koogallerytest.Fault{Status: http.StatusInternalServerError, Code: "MKT.0999"}),
		Entry("with a page of somebody else", "garbage", koogallerytest.Fault{Status: http.StatusOK, Body: "<html>captive portal</html>"}),
	)

	It("waits while the open API can't be reached, and is looked up once it can", func(ctx SpecContext) {
		ports, err := freePorts(1)
		Expect(err).NotTo(HaveOccurred())
		c := connect(ctx, "unreached", func(mp *v1alpha1.Marketplace) { mp.Spec.KooGallery.API.URL = "http://" + ports[0] })
		offer(ctx, product("unreached", web, listedBy(c)), ready)
		s := c.buys(ctx, "unreached", orderOptions{quantity: 1})
		s.becomes(ctx, pending(v1alpha1.ReasonOrderAPIUnavailable+": check that this machine can reach the open API"))
		serve(ports[0], c.api)
		s.becomes(ctx, runs)
	})

	It("is asked for again when the open API does not know it yet", func(ctx SpecContext) {
		c := connect(ctx, "late")
		offer(ctx, product("late", web, listedBy(c)), ready)
		s := &sale{connection: c, order: "LATE" + random(8), sku: skuOf("late")}
		s.id = s.instanceID()
		s.purchase(ctx, koogallery.ResultInProgress)
		s.becomes(ctx, pending(v1alpha1.ReasonOrderPending+": does not know order"))
		s.sells(s.order, "NEW", orderOptions{sku: s.sku, quantity: 1})
		s.becomes(ctx, runs)
	})

	DescribeTable("needs a person when the open API refuses us", func(ctx SpecContext, name string, fault koogallerytest.Fault, remedy string) {
		s := bought(ctx, name, fails(fault))
		s.becomes(ctx, blocked(v1alpha1.ReasonOrderAPIRefused+": "+remedy))
		s.purchase(ctx, koogallery.ResultInProgress)
		s.query(ctx, koogallery.ResultInProgress)
	},
		Entry("for the credentials", "refused", koogallerytest.Fault{
			Status: http.StatusUnauthorized, Body: `{"error_code":"APIGW.0301","error_msg":"Incorrect IAM authentication information"}`,
		}, "compare ak and sk with the seller account's access keys"),
		Entry("because it is another seller's", "foreign", koogallerytest.Fault{Status: http.StatusForbidden, Code: "MKT.0150"},
			"use the AK/SK of the seller account that"),
	)

	It("needs a person when it is of a type that no purchase has", func(ctx SpecContext) {
		offer(ctx, product("untyped", web), ready)
		s := world.main.newOrder("untyped", orderOptions{quantity: 1})
		s.sells(s.order, "UNSUBSCRIBE", orderOptions{sku: s.sku, quantity: 1})
		s.purchase(ctx, koogallery.ResultInProgress)
		_, t := s.becomes(ctx, blocked(v1alpha1.ReasonUnexpectedOrderType+": nothing was changed"))
		Expect(t.namespace).To(BeNil())
		s.query(ctx, koogallery.ResultInProgress)
	})

	It("of an unknown SKU runs by itself once the seller has listed it", func(ctx SpecContext) {
		p := offer(ctx, product("unlisted", web), ready)
		s := world.main.buys(ctx, "unlisted", orderOptions{quantity: 1, sku: "sku-nobody-knows"})
		_, t := s.becomes(ctx, blocked(v1alpha1.ReasonUnknownSKU+`: No MarketplaceProduct in this namespace lists SKU "sku-nobody-knows"`))
		Expect(t.namespace).To(BeNil())
		s.purchase(ctx, koogallery.ResultInProgress)
		s.query(ctx, koogallery.ResultInProgress)
		change(ctx, p, func(p *v1alpha1.MarketplaceProduct) {
			p.Spec.Plans[0].Listings[0].SKUs = append(p.Spec.Plans[0].Listings[0].SKUs, "sku-nobody-knows")
		})
		s.becomes(ctx, runs)
		s.query(ctx, koogallery.ResultSuccess)
	})
}
