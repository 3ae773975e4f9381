package operator_test

import (
	"context"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery"
)

// withoutAPIServer are callbacks that nobody can store.
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
		again()
		s.becomes(ctx, runs)
		// What was there before is as it was.
		live.upgrade(ctx, 2)
		live.becomes(ctx, look{state: v1alpha1.StateRunning, web: pods(2)})
		Expect(world.controller.alive()).To(BeTrue(), "the controller has ended:\n%s", world.controller.endOfLog())
		Expect(world.webhook.alive()).To(BeTrue(), "the webhook server has ended:\n%s", world.webhook.endOfLog())
	})
}
