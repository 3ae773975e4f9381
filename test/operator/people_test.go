package operator_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery"
)

// people change what they may, with kubectl.
func people() {
	It("stops a tenant and starts it again with desiredState", func(ctx SpecContext) {
		offer(ctx, product("held", shop), ready)
		s := world.main.buys(ctx, "held", orderOptions{quantity: 2, expires: time.Now().Add(time.Hour)})
		_, before := s.becomes(ctx, running(2))
		s.edit(ctx, func(mpi *v1alpha1.MarketplaceInstance) { mpi.Spec.DesiredState = v1alpha1.DesiredStateSuspended })
		_, t := s.becomes(ctx, suspended(v1alpha1.ReasonRequested))
		Expect(t.claims).To(Equal(before.claims))
		s.edit(ctx, func(mpi *v1alpha1.MarketplaceInstance) { mpi.Spec.DesiredState = v1alpha1.DesiredStateRunning })
		s.becomes(ctx, running(2))
	})

	It("overrides the quantity, and sees where that differs from what was sold", func(ctx SpecContext) {
		offer(ctx, product("overridden", web), ready)
		s := world.main.buys(ctx, "overridden", orderOptions{quantity: 2})
		s.becomes(ctx, look{state: v1alpha1.StateRunning, web: pods(2)})
		s.edit(ctx, func(mpi *v1alpha1.MarketplaceInstance) { mpi.Spec.Quantity = ptr.To(int32(4)) })
		mpi, _ := s.becomes(ctx, look{state: v1alpha1.StateRunning, web: pods(4)})
		Expect(mpi.Status.Effective.Differences).To(Equal([]string{"quantity: sold 2, runs 4"}))
		Expect(*mpi.Spec.Subscription.Quantity).To(Equal(int32(2)))
		Expect(row(ctx, "mpi", s.id)).To(HaveKeyWithValue("QUANTITY", "4"))
		s.edit(ctx, func(mpi *v1alpha1.MarketplaceInstance) { mpi.Spec.Quantity = nil })
		s.becomes(ctx, look{state: v1alpha1.StateRunning, web: pods(2)}, func(g Gomega, mpi *v1alpha1.MarketplaceInstance, _ tenant) {
			g.Expect(mpi.Status.Effective.Differences).To(BeEmpty())
		})
	})

	It("pauses a tenant: calls are still stored, and caught up with afterwards", func(ctx SpecContext) {
		offer(ctx, product("paused", web), ready)
		s := world.main.buys(ctx, "paused", orderOptions{quantity: 1})
		s.becomes(ctx, look{state: v1alpha1.StateRunning, web: pods(1)})
		s.edit(ctx, func(mpi *v1alpha1.MarketplaceInstance) { mpi.Spec.Reconciliation = v1alpha1.ReconciliationPaused })
		paused := look{state: v1alpha1.StatePaused, web: pods(1), conditions: map[string]string{
			"Paused": "True ReconciliationPaused: until spec.reconciliation is Active again",
		}}
		s.becomes(ctx, paused)
		s.upgrade(ctx, 3)
		s.becomes(ctx, paused, func(g Gomega, mpi *v1alpha1.MarketplaceInstance, _ tenant) {
			g.Expect(mpi.Spec.Subscription.Quantity).To(HaveValue(Equal(int32(3))))
			g.Expect(mpi.Status.ObservedGeneration).To(HaveValue(Equal(mpi.Generation)))
		})
		s.edit(ctx, func(mpi *v1alpha1.MarketplaceInstance) { mpi.Spec.Reconciliation = v1alpha1.ReconciliationActive })
		s.becomes(ctx, look{state: v1alpha1.StateRunning, web: pods(3)})
	})

	It("can't delete a sale by mistake, and can on purpose", func(ctx SpecContext) {
		offer(ctx, product("deleted", shop), ready)
		s := world.main.buys(ctx, "deleted", orderOptions{quantity: 1, expires: time.Now().Add(time.Hour)})
		s.becomes(ctx, running(1))
		_, err := world.cluster.kubectl(ctx, "delete", "mpi", s.id, "--wait=false")
		Expect(err).To(MatchError(And(
			ContainSubstring("deletionProtection is Enabled: deleting the instance deletes the tenant and its data"),
			ContainSubstring(`kubectl patch mpi `+s.id+` -n sales --type=merge -p '{"spec":{"lifecycle":{"deletionProtection":"Disabled"}}}'`),
		)))
		_, err = world.cluster.kubectl(ctx, "delete", "namespace", tenantNamespace(s.id), "--wait=false")
		Expect(err).To(MatchError(ContainSubstring("Delete the instance instead")))
		s.becomes(ctx, running(1))

		_, err = world.cluster.kubectl(ctx, "patch", "mpi", s.id, "--type=merge", "-p", `{"spec":{"lifecycle":{"deletionProtection":"Disabled"}}}`)
		Expect(err).NotTo(HaveOccurred())
		_, err = world.cluster.kubectl(ctx, "delete", "mpi", s.id, "--wait=false")
		Expect(err).NotTo(HaveOccurred())
		s.becomes(ctx, look{state: v1alpha1.StateRemoving, conditions: map[string]string{"Ready": "False Removing"}})
		// The marketplace must not take the sale for stored while its instance goes: 000005, or 000002 once it is gone.
		during, err := s.caller().NewInstance(ctx, s.order, s.line())
		Expect(err).NotTo(HaveOccurred())
		Expect(during.ResultCode).To(BeElementOf(koogallery.ResultInternalError, koogallery.ResultInvalidParameter))
		s.removed(ctx)
		Eventually(ctx, func(g Gomega) {
			_, err := s.instance(ctx)
			g.Expect(apierrors.IsNotFound(err)).To(BeTrue(), "the instance is still there: %v", err)
		}).Should(Succeed())
		s.query(ctx, koogallery.ResultUnknownInstance)
		s.release(ctx)

		// A repeat of the purchase doesn't give the buyer another tenant, until the seller says so.
		s.purchase(ctx, koogallery.ResultInvalidParameter)
		_, err = world.cluster.kubectl(ctx, "delete", "secret", "-l", "stallkeeper.io/sold,stallkeeper.io/instance="+s.id)
		Expect(err).NotTo(HaveOccurred())
		s.purchase(ctx, koogallery.ResultInProgress)
		s.becomes(ctx, running(1))
	})

	It("can't delete a product while its tenants run", func(ctx SpecContext) {
		p := offer(ctx, product("kept", web), ready)
		s := world.main.buys(ctx, "kept", orderOptions{quantity: 1})
		s.becomes(ctx, look{state: v1alpha1.StateRunning, web: pods(1)})
		Eventually(ctx, func() string { return row(ctx, "mpp", p.Name)["INSTANCES"] }).Should(Equal("1"))
		_, err := world.cluster.kubectl(ctx, "delete", "mpp", p.Name, "--wait=false")
		Expect(err).To(MatchError(ContainSubstring("instances that are not released")))
	})

	It("deletes a product without protection while its tenants run: they are still suspended and resumed", func(ctx SpecContext) {
		p := offer(ctx, product("withdrawn", shop), ready)
		s := world.main.buys(ctx, "withdrawn", orderOptions{quantity: 1, expires: time.Now().Add(time.Hour)})
		mpi, before := s.becomes(ctx, running(1))
		change(ctx, p, func(p *v1alpha1.MarketplaceProduct) {
			p.Spec.Lifecycle.DeletionProtection = v1alpha1.DeletionProtectionDisabled
		})
		Expect(world.cluster.Delete(ctx, p)).To(Succeed())
		Eventually(ctx, func(g Gomega) {
			output, err := world.cluster.kubectl(ctx, "get", "mpp", p.Name)
			g.Expect(err).To(HaveOccurred(), "the product is still there: %s", output)
		}).Should(Succeed())
		s.freeze(ctx)
		_, t := s.becomes(ctx, suspended(v1alpha1.ReasonExpired))
		Expect(t.claims).To(Equal(before.claims))
		s.unfreeze(ctx)
		after, _ := s.becomes(ctx, running(1))
		Expect(after.Status.Revision).To(Equal(mpi.Status.Revision))
	})

	It("makes an instance by hand, without a marketplace", func(ctx SpecContext) {
		offer(ctx, product("byhand", shop), ready)
		create(ctx, &v1alpha1.MarketplaceInstance{
			ObjectMeta: metav1.ObjectMeta{Namespace: salesNamespace, Name: "by-hand"},
			Spec: v1alpha1.MarketplaceInstanceSpec{
				ProductRef: v1alpha1.ProductReference{Name: "byhand"}, Plan: "team", Quantity: ptr.To(int32(2)),
			},
		})
		becomes(ctx, "by-hand", look{state: v1alpha1.StateRunning, web: pods(2), data: pods(1), conditions: map[string]string{
			"Ready": "True InstanceReady", "Entitled": "True NoSale",
		}})
		answered(world.main.caller().QueryInstance(ctx, "by-hand"))(koogallery.ResultUnknownInstance)
	})
}

// tenants are kept as their instances say.
func tenants() {
	It("does not take a namespace that is somebody else's", func(ctx SpecContext) {
		offer(ctx, product("taken", shop), ready)
		s := world.main.newOrder("taken", orderOptions{quantity: 1, expires: time.Now().Add(time.Hour)})
		theirs := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: tenantNamespace(s.id)}}
		create(ctx, theirs)
		s.purchase(ctx, koogallery.ResultInProgress)
		_, t := s.becomes(ctx, look{state: v1alpha1.StateBlocked, conditions: map[string]string{
			"Provisioned": "False NamespaceConflict: it already exists and was not created by Stallkeeper; delete it, or give the instance another name",
			"Ready":       "False NamespaceConflict",
		}})
		Expect(t.namespace.Labels).NotTo(HaveKey(v1alpha1.InstanceLabel))
		Expect(t.deployments).To(BeEmpty())
		s.query(ctx, koogallery.ResultInProgress)
	})

	It("whose instance's status is wiped goes on running, and the status comes back", func(ctx SpecContext) {
		offer(ctx, product("wiped", shop), ready)
		s := world.main.buys(ctx, "wiped", orderOptions{quantity: 2, expires: time.Now().Add(time.Hour)})
		before, t := s.becomes(ctx, running(2))
		_, err := world.cluster.kubectl(ctx, "patch", "mpi", s.id, "--subresource=status", "--type=json", "-p", `[{"op":"remove","path":"/status"}]`)
		Expect(err).NotTo(HaveOccurred())
		after, still := s.becomes(ctx, running(2))
		Expect(still.pods).To(Equal(t.pods))
		for i := range before.Status.Conditions {
			before.Status.Conditions[i].LastTransitionTime = metav1.Time{}
		}
		for i := range after.Status.Conditions {
			after.Status.Conditions[i].LastTransitionTime = metav1.Time{}
		}
		Expect(after.Status.Conditions).To(ConsistOf(before.Status.Conditions))
		after.Status.Conditions, before.Status.Conditions = nil, nil
		Expect(after.Status).To(Equal(before.Status))
		s.query(ctx, koogallery.ResultSuccess)
	})

	It("is put right at once when somebody changes or deletes something in it", func(ctx SpecContext) {
		offer(ctx, product("drift", shop), ready)
		s := world.main.buys(ctx, "drift", orderOptions{quantity: 2, expires: time.Now().Add(time.Hour)})
		_, t := s.becomes(ctx, running(2))
		policies := func() (names []string) {
			GinkgoHelper()
			list := &networkingv1.NetworkPolicyList{}
			Expect(world.cluster.List(ctx, list, client.InNamespace(tenantNamespace(s.id)))).To(Succeed())
			for _, policy := range list.Items {
				names = append(names, policy.Name)
			}
			return names
		}
		isolation := policies()
		Expect(isolation).NotTo(BeEmpty())
		kubectl := func(args ...string) {
			GinkgoHelper()
			_, err := world.cluster.kubectl(ctx, append([]string{"-n", tenantNamespace(s.id)}, args...)...)
			Expect(err).NotTo(HaveOccurred())
		}
		kubectl("scale", "deployment", "web", "--replicas=7")
		kubectl("delete", "service", "web")
		kubectl("patch", "configmap", "web", "--type=merge", "-p", `{"data":{"instance":"mine"}}`)
		kubectl("delete", "networkpolicy", "--all")
		_, err := world.cluster.kubectl(ctx, "label", "namespace", tenantNamespace(s.id), "pod-security.kubernetes.io/enforce=privileged", "--overwrite")
		Expect(err).To(MatchError(ContainSubstring("written by Stallkeeper's controller only")))
		began := time.Now()
		s.becomes(ctx, running(2), func(g Gomega, _ *v1alpha1.MarketplaceInstance, now tenant) {
			g.Expect(policies()).To(Equal(isolation))
			g.Expect(now.services).To(HaveKey("web"))
			g.Expect(now.services["web"].UID).NotTo(Equal(t.services["web"].UID))
			g.Expect(now.configMaps["web"].Data).To(HaveKeyWithValue("instance", s.id))
			g.Expect(now.namespace.Labels).To(HaveKeyWithValue("pod-security.kubernetes.io/enforce", "restricted"))
		})
		Expect(time.Since(began)).To(BeNumerically("<", 20*time.Second))
	})
}
