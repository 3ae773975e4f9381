package operator_test

import (
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

// revisions reach the tenants that run already.
func revisions() {
	inline := func(template string) func(*v1alpha1.MarketplaceProduct) {
		return func(p *v1alpha1.MarketplaceProduct) { p.Spec.Template.Inline = strings.TrimPrefix(template, "\n---\n") }
	}
	It("reaches running tenants, and prunes what is gone but never claims", func(ctx SpecContext) {
		p := offer(ctx, product("revised", shop), ready)
		s := world.main.buys(ctx, "revised", orderOptions{quantity: 1, expires: time.Now().Add(time.Hour)})
		before, t := s.becomes(ctx, running(1))

		// The settings, their Service and the StatefulSet are gone, something else is new.
		change(ctx, p, inline(strings.ReplaceAll(settings, "{name: web}", "{name: new}")+web))
		offered(ctx, p, ready)
		after, now := s.becomes(ctx, look{state: v1alpha1.StateRunning, web: pods(1)}, func(g Gomega, mpi *v1alpha1.MarketplaceInstance, now tenant) {
			g.Expect(mpi.Status.Revision).To(Equal(p.Status.LatestRevision))
			g.Expect(now.configMaps).To(And(HaveKey("new"), Not(HaveKey("web"))))
			g.Expect(now.services).To(And(HaveKey("new"), Not(HaveKey("web"))))
			g.Expect(now.sets).To(BeEmpty())
			g.Expect(mpi.Status.KeptObjects).To(ConsistOf("PersistentVolumeClaim/data-data-0"))
		})
		Expect(after.Status.Revision).NotTo(Equal(before.Status.Revision))
		Expect(now.namespace.Labels).To(HaveKeyWithValue(v1alpha1.RevisionLabel, after.Status.Revision))
		Expect(now.claims).To(Equal(t.claims))
		// The Deployment did not change, so its pods were left alone.
		for name, uid := range t.pods {
			if strings.HasPrefix(name, "web-") {
				Expect(now.pods).To(HaveKeyWithValue(name, uid))
			}
		}
	})

	It("stays away while the rollout is paused, and arrives when it is not", func(ctx SpecContext) {
		p := offer(ctx, product("unrolled", settings+web), ready)
		s := world.main.buys(ctx, "unrolled", orderOptions{quantity: 1})
		before, _ := s.becomes(ctx, look{state: v1alpha1.StateRunning, web: pods(1)})
		change(ctx, p, func(p *v1alpha1.MarketplaceProduct) {
			p.Spec.Rollout.State = v1alpha1.RolloutPaused
			inline(strings.ReplaceAll(settings, "{name: web}", "{name: new}") + web)(p)
		})
		offered(ctx, p, ready)
		Expect(p.Status.LatestRevision).NotTo(Equal(before.Status.Revision))
		// Changes of the sale still arrive, in the revision that the tenant has.
		s.upgrade(ctx, 2)
		mpi, t := s.becomes(ctx, look{state: v1alpha1.StateRunning, web: pods(2)})
		Expect(mpi.Status.Revision).To(Equal(before.Status.Revision))
		Expect(t.configMaps).To(And(HaveKey("web"), Not(HaveKey("new"))))
		// New tenants start with the new one.
		other := world.main.buys(ctx, "unrolled", orderOptions{quantity: 1})
		first, _ := other.becomes(ctx, look{state: v1alpha1.StateRunning, web: pods(1)})
		Expect(first.Status.Revision).To(Equal(p.Status.LatestRevision))

		change(ctx, p, func(p *v1alpha1.MarketplaceProduct) { p.Spec.Rollout.State = v1alpha1.RolloutActive })
		s.becomes(ctx, look{state: v1alpha1.StateRunning, web: pods(2)}, func(g Gomega, mpi *v1alpha1.MarketplaceInstance, now tenant) {
			g.Expect(mpi.Status.Revision).To(Equal(p.Status.LatestRevision))
			g.Expect(now.configMaps).To(And(HaveKey("new"), Not(HaveKey("web"))))
		})
		Eventually(ctx, func(g Gomega) {
			seen := row(ctx, "mpp", p.Name)
			g.Expect(seen).To(And(HaveKeyWithValue("INSTANCES", "2"), HaveKeyWithValue("UPDATED", "2")))
		}).Should(Succeed())
	})

	It("that does not render leaves the last good one in force", func(ctx SpecContext) {
		p := offer(ctx, product("regressed", web), ready)
		good := p.Status.LatestRevision
		s := world.main.buys(ctx, "regressed", orderOptions{quantity: 1})
		s.becomes(ctx, look{state: v1alpha1.StateRunning, web: pods(1)})
		change(ctx, p, inline(web+"\n{{ fail \"broken\" }}"))
		offered(ctx, p, "False RenderFailed: broken")
		Expect(p.Status.LatestRevision).To(Equal(good))
		s.upgrade(ctx, 2)
		mpi, _ := s.becomes(ctx, look{state: v1alpha1.StateRunning, web: pods(2)})
		Expect(mpi.Status.Revision).To(Equal(good))
		change(ctx, p, quota(string(corev1.ResourcePods), "9"))
	})
}
