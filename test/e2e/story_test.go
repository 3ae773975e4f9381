package e2e_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

// One container keeps the order: the first two sales live through all of it.
var _ = Describe("Stallkeeper as it ships", Ordered, func() {
	var first, second *sale

	Describe("its chart over time", overTime)

	It("runs two webhooks and two controllers, restricted and ready soon", func(ctx SpecContext) {
		for _, component := range []string{"webhook", "controller"} {
			pods, err := operatorPods(ctx, component)
			Expect(err).NotTo(HaveOccurred())
			Expect(pods).To(HaveLen(2))
			for _, pod := range pods {
				Expect(pod.Status.ContainerStatuses[0].RestartCount).To(BeZero())
				Expect(pod.Spec.Containers[0].Image).To(Equal(os.Getenv("E2E_IMAGE")))
			}
			took := startToReady(pods)
			remark("%s: from the container's start to ready within %s (Kubernetes notes whole seconds)", component, took)
			Expect(took).To(BeNumerically("<=", 3*time.Second))
		}
	})

	It("answers KooGallery's debug purchase, and creates nothing for it", func(ctx SpecContext) {
		before, after := &v1alpha1.MarketplaceInstanceList{}, &v1alpha1.MarketplaceInstanceList{}
		Expect(world.kube.List(ctx, before, client.InNamespace(salesNamespace))).To(Succeed())
		call(ctx, "purchase", "--debug")
		Expect(world.kube.List(ctx, after, client.InNamespace(salesNamespace))).To(Succeed())
		Expect(after.Items).To(HaveLen(len(before.Items)))
	})

	It("makes a purchase a tenant that answers over HTTP", func(ctx SpecContext) {
		first, second = newSale("first", "shop"), newSale("second", "shop")
		began := time.Now()
		first.purchase(ctx, 1)
		second.purchase(ctx, 1)
		first.untilRuns(ctx, 1)
		remark("from a purchase to a tenant that runs: %.1f s", time.Since(began).Seconds())
		second.untilRuns(ctx, 1)
		Expect(first.namespace).NotTo(Equal(second.namespace))
		for _, s := range []*sale{first, second} {
			s.untilSeen(ctx, "web", "/", "", "Shop "+s.instance+", edition one")
		}
		call(ctx, "query", "--instance", first.instance, "--wait", "--timeout", "30s")
	})

	It("keeps tenants apart, without root and without a token of the API", func(ctx SpecContext) {
		By("looking into the tenant's container")
		Expect(first.inside(ctx, "id", "-u")).To(Equal("1000\n"))
		status, err := first.inside(ctx, "cat", "/proc/self/status")
		Expect(err).NotTo(HaveOccurred())
		Expect(status).To(And(MatchRegexp(`CapEff:\s+0+\n`), MatchRegexp(`NoNewPrivs:\s+1\n`)))
		_, err = first.inside(ctx, "ls", "/var/run/secrets/kubernetes.io")
		Expect(err).To(HaveOccurred(), "a token of the API is mounted")

		By("asking for a pod that is root")
		_, err = kubectl(ctx, "", "run", "root", "-n", first.namespace, "--image=docker.io/library/busybox:1.35", "--dry-run=server",
			`--overrides={"spec":{"securityContext":{"runAsUser":0}}}`, "--", "/bin/busybox", "sleep", "1")
		Expect(err).To(MatchError(ContainSubstring(`violates PodSecurity "restricted`)))

		By("going from one tenant to the other")
		Expect(policies(ctx, first)).To(Succeed())
		neighbor, err := second.address(ctx, "web")
		Expect(err).NotTo(HaveOccurred())
		_, err = first.inside(ctx, "timeout", "5", "wget", "-q", "-O", "-", "http://"+neighbor+"/")
		if err == nil {
			remark("NetworkPolicy is not enforced by this cluster's network: the tenants' policies were checked as objects only")
			return
		}
		second.untilSeen(ctx, "web", "/", "", "edition one")
		remark("NetworkPolicy is enforced: one tenant does not reach the other")
	})

	It("scales, on the same volume", func(ctx SpecContext) {
		first.untilSeen(ctx, "store", "/cgi-bin/note", "kept", "kept")
		change := first.order + "-UP"
		Expect(postOrder(ctx, change, "CHANGE", "shop", 3)).To(Succeed())
		call(ctx, "upgrade", "--instance", first.instance, "--order", change)
		first.untilRuns(ctx, 3)
		first.untilSeen(ctx, "store", "/cgi-bin/note", "", "kept")
	})

	It("suspends without a pod left, and resumes with the data intact", func(ctx SpecContext) {
		claims, err := first.claims(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(claims).To(HaveLen(1))
		call(ctx, "freeze", "--instance", first.instance)
		Eventually(func(g Gomega) {
			g.Expect(first.pods(ctx)).To(BeEmpty())
			g.Expect(first.claims(ctx)).To(Equal(claims))
		}).WithContext(ctx).Should(Succeed())
		_, err = first.visit(ctx, "web", "/", "")
		Expect(err).To(HaveOccurred(), "a suspended tenant answers")
		second.untilSeen(ctx, "web", "/", "", "edition one")

		call(ctx, "unfreeze", "--instance", first.instance)
		first.untilRuns(ctx, 3)
		Expect(first.claims(ctx)).To(Equal(claims))
		first.untilSeen(ctx, "store", "/cgi-bin/note", "", "kept")
	})

	It("takes up a rotated certificate without a restart", func(ctx SpecContext) {
		before, err := operatorPods(ctx, "webhook")
		Expect(err).NotTo(HaveOccurred())
		Expect(servedSerial(world.callback.address())).To(Equal(int64(10)))
		applyCallbackCertificate(ctx, 11)
		began := time.Now()
		// Of several connections each may meet the other pod.
		Eventually(func(g Gomega) {
			for range 8 {
				g.Expect(servedSerial(world.callback.address())).To(Equal(int64(11)))
			}
		}).WithContext(ctx).WithTimeout(3 * time.Minute).Should(Succeed())
		remark("a rotated certificate was served %.0f s after its Secret was changed", time.Since(began).Seconds())
		after, err := operatorPods(ctx, "webhook")
		Expect(err).NotTo(HaveOccurred())
		for i := range before {
			Expect(after[i].UID).To(Equal(before[i].UID))
			Expect(after[i].Status.ContainerStatuses[0].RestartCount).To(BeZero())
		}
		call(ctx, "purchase", "--debug")
	})

	It("loses no purchase and doubles none when a webhook pod is killed", func(ctx SpecContext) {
		streamOfPurchases(ctx, 60, 20)
	})

	It("finishes purchases and releases whose leader was killed in the middle", func(ctx SpecContext) {
		var sales []*sale
		for i := range 4 {
			sales = append(sales, newSale(fmt.Sprintf("leader%d", i), "shop"))
		}
		var began time.Time
		for i, s := range sales {
			s.purchase(ctx, 1)
			if i == len(sales)/2 {
				began = killLeader(ctx)
			}
		}
		for _, s := range sales {
			s.untilRuns(ctx, 1)
			Expect(namespacesOf(ctx, s.instance)).To(HaveLen(1))
			s.untilSeen(ctx, "web", "/", "", "edition one")
		}
		remark("%d purchases were running %.0f s after the leader was killed between them", len(sales), time.Since(began).Seconds())

		By("releasing them, and killing the leader again")
		untilComplete(ctx, "controller")
		for i, s := range sales {
			call(ctx, "release", "--instance", s.instance)
			if i == len(sales)/2 {
				began = killLeader(ctx)
			}
		}
		for _, s := range sales {
			s.untilGone(ctx)
		}
		remark("their tenants were gone %.0f s after the leader was killed between their releases", time.Since(began).Seconds())
		untilComplete(ctx, "controller")
	})

	It("moves tenants to a new revision", func(ctx SpecContext) {
		mustKubectl(ctx, strings.ReplaceAll(testdata("product.yaml"), "edition one", "edition two"), "apply", "-f", "-")
		for _, s := range []*sale{first, second} {
			s.untilSeen(ctx, "web", "/", "", "edition two")
		}
		first.untilSeen(ctx, "store", "/cgi-bin/note", "", "kept")
	})

	It("goes on when a node's kubelet was away", func(ctx SpecContext) {
		if !ours() {
			remark("the kubelet was not stopped: this is not a cluster of our own")
			Skip("only on a cluster of our own")
		}
		controlplane(ctx, "stop", "kubelet")
		s := newSale("kubelet", "shop")
		s.purchase(ctx, 1)
		Eventually(func(g Gomega) {
			instance, err := s.get(ctx)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(instance.Status.Namespace).NotTo(BeEmpty())
		}).WithContext(ctx).Should(Succeed())
		controlplane(ctx, "start", "kubelet")
		s.untilRuns(ctx, 1)
		s.untilSeen(ctx, "web", "/", "", "edition two")
		first.untilSeen(ctx, "store", "/cgi-bin/note", "", "kept")
	})

	It("leaves tenants running when the chart is uninstalled, and a new install takes them over", func(ctx SpecContext) {
		before, err := first.get(ctx)
		Expect(err).NotTo(HaveOccurred())
		_, err = helm(ctx, "uninstall", "stallkeeper", "-n", systemNamespace, "--wait")
		Expect(err).NotTo(HaveOccurred())
		first.untilSeen(ctx, "store", "/cgi-bin/note", "", "kept")
		helmInstallCurrent(ctx)
		reopenCallback(ctx)
		after, err := first.get(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(after.UID).To(Equal(before.UID))
		call(ctx, "freeze", "--instance", second.instance)
		Eventually(func(g Gomega) { g.Expect(second.pods(ctx)).To(BeEmpty()) }).WithContext(ctx).Should(Succeed())
	})

	It("releases a sale: the tenant goes, its volume with it", func(ctx SpecContext) {
		var volumes corev1.PersistentVolumeList
		claims, err := first.claims(ctx)
		Expect(err).NotTo(HaveOccurred())
		call(ctx, "release", "--instance", first.instance)
		first.untilGone(ctx)
		Eventually(func(g Gomega) {
			g.Expect(world.kube.List(ctx, &volumes)).To(Succeed())
			for _, volume := range volumes.Items {
				for _, claim := range claims {
					g.Expect(claim).NotTo(HaveSuffix(" " + volume.Name))
				}
			}
		}).WithContext(ctx).Should(Succeed())
		call(ctx, "query", "--instance", first.instance, "--expect", "000003")
	})

	It("runs a seller's chart, whose hooks run when Helm would run them", runsAChart)

	It("needs no more than its requests", func(ctx SpecContext) {
		memoryInUse(ctx)
	})
})

// startToReady is the longest time between the start of a pod's container and its readiness.
func startToReady(pods []corev1.Pod) time.Duration {
	var longest time.Duration
	for _, pod := range pods {
		running := pod.Status.ContainerStatuses[0].State.Running
		for _, condition := range pod.Status.Conditions {
			if condition.Type == corev1.PodReady && running != nil {
				longest = max(longest, condition.LastTransitionTime.Sub(running.StartedAt.Time))
			}
		}
	}
	return longest
}

// policies checks that nobody comes in but those who are named, and nobody goes out.
func policies(ctx context.Context, s *sale) error {
	var found networkingv1.NetworkPolicyList
	if err := world.kube.List(ctx, &found, client.InNamespace(s.namespace)); err != nil {
		return err
	}
	closed := map[networkingv1.PolicyType]bool{}
	for _, policy := range found.Items {
		everyPod := len(policy.Spec.PodSelector.MatchLabels)+len(policy.Spec.PodSelector.MatchExpressions) == 0
		for _, kind := range policy.Spec.PolicyTypes {
			closed[kind] = closed[kind] || everyPod
		}
		for _, rule := range policy.Spec.Ingress {
			if len(rule.From) == 0 {
				return fmt.Errorf("NetworkPolicy %s lets everybody in", policy.Name)
			}
		}
	}
	if !closed[networkingv1.PolicyTypeIngress] || !closed[networkingv1.PolicyTypeEgress] {
		return fmt.Errorf("of %d NetworkPolicies none closes both directions for every pod", len(found.Items))
	}
	return nil
}

// streamOfPurchases makes count purchases, several at once, and kills a webhook pod when some have been answered. Each call is
// repeated until it is answered, as KooGallery does.
func streamOfPurchases(ctx context.Context, count, killAfter int) {
	GinkgoHelper()
	type answer struct{ order, instance string }
	var (
		orders   = make(chan string)
		answers  = make(chan answer, count)
		answered atomic.Int32
		repeated atomic.Int32
		failures = make(chan error, count)
		workers  sync.WaitGroup
	)
	for range 6 {
		workers.Go(func() {
			for order := range orders {
				id, err := purchaseCard(ctx, order, &repeated)
				if err != nil {
					failures <- err
					continue
				}
				answers <- answer{order, id}
				answered.Add(1)
			}
		})
	}
	prefix := "E2E-" + world.keys.run + "-card-"
	var killed string
	began := time.Now()
	for i := range count {
		orders <- fmt.Sprintf("%s%03d", prefix, i)
		if killed == "" && int(answered.Load()) >= killAfter {
			pods, err := operatorPods(ctx, "webhook")
			Expect(err).NotTo(HaveOccurred())
			killed = pods[0].Name
			Expect(kill(ctx, killed)).To(Succeed())
		}
	}
	close(orders)
	workers.Wait()
	close(answers)
	close(failures)
	for err := range failures {
		Expect(err).NotTo(HaveOccurred())
	}
	Expect(killed).NotTo(BeEmpty(), "the stream was over before a pod was killed")
	remark("%d purchases in %.1f s while webhook pod %s was killed; %d calls had to be repeated", count, time.Since(began).Seconds(), killed, repeated.Load())

	By("comparing what was answered with what there is")
	wanted := map[string]string{}
	for a := range answers {
		wanted[a.order] = a.instance
	}
	Expect(wanted).To(HaveLen(count))
	Eventually(func(g Gomega) {
		var instances v1alpha1.MarketplaceInstanceList
		g.Expect(world.kube.List(ctx, &instances, client.InNamespace(salesNamespace))).To(Succeed())
		found := map[string]string{}
		for _, instance := range instances.Items {
			if instance.Spec.Subscription == nil || !strings.HasPrefix(instance.Spec.Subscription.OrderID, prefix) {
				continue
			}
			order := instance.Spec.Subscription.OrderID
			g.Expect(found).NotTo(HaveKey(order), "order "+order+" has two instances")
			found[order] = instance.Name
			g.Expect(notReady(instance.Status.Conditions)).To(BeEmpty())
		}
		g.Expect(found).To(Equal(wanted))
	}).WithContext(ctx).WithTimeout(2 * time.Minute).Should(Succeed())
	untilComplete(ctx, "webhook")
}

// purchaseCard buys one card.
func purchaseCard(ctx context.Context, order string, repeated *atomic.Int32) (instance string, err error) {
	if err := postOrder(ctx, order, "NEW", "card", 1); err != nil {
		return "", err
	}
	for range 30 {
		var result simulated
		if result, err = simulate(ctx, "purchase", "--order", order, "--request-timeout", "5s"); err == nil {
			return result.Answer.InstanceID, nil
		}
		repeated.Add(1)
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case <-time.After(500 * time.Millisecond):
		}
	}
	return "", fmt.Errorf("order %s was never answered well: %w", order, err)
}

// killLeader kills the controller that leads, and says when.
func killLeader(ctx context.Context) time.Time {
	GinkgoHelper()
	name, err := leader(ctx)
	Expect(err).NotTo(HaveOccurred())
	By("killing the leader " + name)
	Expect(kill(ctx, name)).To(Succeed())
	return time.Now()
}

// namespacesOf are the tenants' namespaces of an instance.
func namespacesOf(ctx context.Context, instance string) ([]corev1.Namespace, error) {
	var found corev1.NamespaceList
	err := world.kube.List(ctx, &found, client.MatchingLabels{v1alpha1.InstanceLabel: instance})
	return found.Items, err
}

// controlplane runs a command of the program that has made the cluster.
func controlplane(ctx context.Context, args ...string) {
	GinkgoHelper()
	_, err := run(ctx, nil, "", append([]string{os.Getenv("E2E_CONTROLPLANE"), "--dir", os.Getenv("E2E_CLUSTER_DIR"),
		"--bin", filepath.Join(world.root, "bin", "controlplane")}, args...)...)
	Expect(err).NotTo(HaveOccurred())
}

// reopenCallback finds the callback's Service again: a new install gives it a new address.
func reopenCallback(ctx context.Context) {
	GinkgoHelper()
	old := world.callback.address()
	opened, err := openDoor(ctx, systemNamespace, "stallkeeper-webhook", 443)
	Expect(err).NotTo(HaveOccurred())
	world.callback.close()
	world.callback = opened
	world.url = strings.ReplaceAll(world.url, old, opened.address())
}
