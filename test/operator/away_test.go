package operator_test

import (
	"context"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	coordinationv1 "k8s.io/api/coordination/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery"
)

// withoutAPIServer are callbacks that can't be stored.
func withoutAPIServer() {
	// refused makes a purchase that can't be stored, and returns how to make the very same call again.
	refused := func(ctx SpecContext, s *sale) (again func()) {
		GinkgoHelper()
		exchange, err := s.caller().NewInstance(ctx, s.order, s.line())
		// In time for KooGallery, and nothing is wrong with the answer: that is among the problems.
		answered(exchange, err)(koogallery.ResultInternalError)
		Expect(exchange.Latency).To(BeNumerically("<", 5*time.Second))
		return func() {
			GinkgoHelper()
			var code string
			Eventually(ctx, func(g Gomega) {
				repeated, err := s.caller().Replay(ctx, exchange)
				g.Expect(err).NotTo(HaveOccurred())
				code = repeated.ResultCode
				g.Expect(code).NotTo(Equal(koogallery.ResultInternalError))
			}).Should(Succeed())
			Expect(code).To(Equal(koogallery.ResultInProgress))
		}
	}
	runs := look{state: v1alpha1.StateRunning, web: pods(1)}

	It("that hangs, a call is answered in time with 000005, and the repeated call is stored", func(ctx SpecContext) {
		offer(ctx, product("hanging", web), ready)
		live := world.main.buys(ctx, "hanging", orderOptions{quantity: 1})
		live.becomes(ctx, runs)
		s := world.main.newOrder("hanging", orderOptions{quantity: 1})
		pid, err := world.cluster.apiServerProcess()
		Expect(err).NotTo(HaveOccurred())
		Expect(syscall.Kill(pid, syscall.SIGSTOP)).To(Succeed())
		proceed := func() { _ = syscall.Kill(pid, syscall.SIGCONT) }
		DeferCleanup(proceed)
		again := refused(ctx, s)
		proceed()
		leads(ctx)
		again()
		s.becomes(ctx, runs)
		s.purchase(ctx, koogallery.ResultSuccess)
		live.becomes(ctx, runs)
	})

	It("that is down, a call is answered with 000005, and the repeated call is stored", func(ctx SpecContext) {
		offer(ctx, product("down", web), ready)
		live := world.main.buys(ctx, "down", orderOptions{quantity: 1})
		live.becomes(ctx, runs)
		s := world.main.newOrder("down", orderOptions{quantity: 1})
		Expect(controlplane(ctx, world.paths, "stop-apiserver")).To(Succeed())
		start := func() error { return controlplane(context.Background(), world.paths, "start-apiserver") }
		DeferCleanup(start)
		again := refused(ctx, s)
		Expect(start()).To(Succeed())
		leads(ctx)
		again()
		s.becomes(ctx, runs)
		// What was there before is as it was.
		live.upgrade(ctx, 2)
		live.becomes(ctx, look{state: v1alpha1.StateRunning, web: pods(2)})
		Expect(world.controller.alive()).To(BeTrue(), "the controller has ended:\n%s", world.controller.endOfLog())
		Expect(world.webhook.alive()).To(BeTrue(), "the webhook server has ended:\n%s", world.webhook.endOfLog())
	})
}

// leads waits until the controller holds its lease again. One that has ended because the outage outlasted the lease, which depends on
// how fast the machine starts an API server, is started again, as a kubelet would. Any other end is a failure.
func leads(ctx SpecContext) {
	GinkgoHelper()
	since := time.Now()
	Eventually(ctx, func(g Gomega) {
		if !world.controller.alive() {
			Expect(world.controller.endOfLog()).To(ContainSubstring("leader election lost"), "why the controller has ended")
			Expect(world.controller.start()).To(Succeed())
			Expect(world.controller.untilReady(ctx, healthAddresses["controller"])).To(Succeed())
		}
		leases := &coordinationv1.LeaseList{}
		g.Expect(world.cluster.List(ctx, leases, client.InNamespace(systemNamespace))).To(Succeed())
		g.Expect(leases.Items).To(ContainElement(HaveField("Spec.RenewTime.Time", BeTemporally(">", since))))
	}).Should(Succeed())
}
