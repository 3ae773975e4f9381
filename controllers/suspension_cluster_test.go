package controllers

import (
	"fmt"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
	"github.com/stallkeeper/stallkeeper/controllers/workload"
)

func TestARevisionThatIsRefusedKeepsNoTenantFromStoppingAndResuming(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-refusal")
	x.operate()
	x.playStatefulSets()
	typed := "\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: token}\ntype: %s\nstringData: {token: \"1\"}\n"
	cases := map[string]struct {
		first, second string
		// object is what the API server refuses, and deployment what has to stop.
		object, deployment string
	}{
		"an immutable ConfigMap changes":         {salestest.Web + fixed("red"), salestest.Web + fixed("blue"), "ConfigMap/fixed", "web"},
		"a claim becomes smaller":                {salestest.Web + claim("2Gi"), salestest.Web + claim("1Gi"), "PersistentVolumeClaim/files", "web"},
		"a claim template becomes smaller":       {salestest.Web + database("2Gi"), salestest.Web + database("1Gi"), "StatefulSet/db", "web"},
		"a Secret gets a type":                   {salestest.Web + fmt.Sprintf(typed, "Opaque"), salestest.Web + fmt.Sprintf(typed, "example.com/token"), "Secret/token", "web"},
		"a Service is refused beside autoscaled": {autoscaled + service("web", "ports: [{port: 80}]"), autoscaled + service("web", ` {{ if ne .Values.stallkeeper.instance.name "sample" }}clusterIP: 192.0.2.1, {{ end }}`+"ports: [{port: 80}]"), "Service/web", "web"},
	}
	i := 0
	for name, c := range cases {
		i++
		t.Run(name, func(*testing.T) {
			product, instance := fmt.Sprint("product-", i), fmt.Sprint("tenant-", i)
			p := x.sells(named(product), withAccess, salestest.Inline(c.first))
			x.boughtOf(product, instance)
			before, ns := x.ready(instance)
			x.scalesIfFree(ns, c.first)
			running := x.replicas(ns, c.deployment)

			change(x, p, salestest.Inline(c.second))
			refused := x.says(instance, v1alpha1.ConditionProvisioned, isRefused)
			x.Expect(refused.Status.Blockers).To(ContainElement(And(HaveField("Object", c.object), HaveField("Remedy", Not(BeEmpty())))))
			x.Expect(refused.Status.Revision).To(Equal(before.Status.Revision))
			x.Expect(refused.Status.TargetRevision).NotTo(Equal(before.Status.Revision))
			x.Expect(refused.Status.Access).To(Equal(before.Status.Access), "the marketplace still tells it")
			x.ready(instance)

			x.freezes(instance)
			x.says(instance, v1alpha1.ConditionSuspended, isFrozen)
			x.Expect(x.replicas(ns, c.deployment)).To(BeZero())
			x.unfreezes(instance)
			after, _ := x.ready(instance)
			x.Expect(x.replicas(ns, c.deployment)).To(Equal(running))
			x.Expect(after.Status.Revision).To(Equal(before.Status.Revision))
		})
	}
}

// scalesIfFree scales the web server where its template leaves that to an autoscaler.
func (x *shop) scalesIfFree(namespace, template string) {
	x.t.Helper()
	if !strings.Contains(template, "replicas:") {
		x.scales(namespace, "web", 7)
	}
}

// The revision that the tenant has is refused by itself: a person's value makes it so.
func TestARefusedServiceKeepsNoAutoscaledWorkloadRunning(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-service")
	x.operate()
	x.sells(salestest.Inline(autoscaled + service("web", "ports: [{port: {{ .Values.port | default 80 }}}]")))
	mpi := x.bought("acme", paidUntil(3))
	_, ns := x.ready("acme")
	x.scales(ns, "web", 7)
	change(x, mpi, func(m *v1alpha1.MarketplaceInstance) { m.Spec.Values = salestest.Raw(`{"port": 99999}`) })
	x.says("acme", v1alpha1.ConditionProvisioned, isRefused)
	change(x, mpi, func(m *v1alpha1.MarketplaceInstance) { paidUntil(-40)(m.Spec.Subscription) })
	x.says("acme", v1alpha1.ConditionEntitled, "False "+v1alpha1.ReasonPaymentOverdue)
	x.says("acme", v1alpha1.ConditionSuspended, "True "+v1alpha1.ReasonPaymentOverdue)
	x.Expect(x.replicas(ns, "web")).To(BeZero())
	change(x, mpi, func(m *v1alpha1.MarketplaceInstance) { paidUntil(30)(m.Spec.Subscription) })
	x.eventually(func() int32 { return x.replicas(ns, "web") }).Should(BeEquivalentTo(7))
}

func TestWhatCannotBeRenderedIsStoppedAndResumed(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		breaks func(x *shop, name string)
		says   string
	}{
		"an attribute that the template can't take": {func(x *shop, name string) {
			change(x, x.instance(name), func(m *v1alpha1.MarketplaceInstance) {
				m.Spec.Subscription.Attributes = []v1alpha1.Attribute{{Name: "domain", Value: ptr.To("acme example")}}
			})
		}, v1alpha1.ReasonRenderFailed},
		"a plan that the pinned revision does not have": {func(x *shop, name string) {
			change(x, x.instance(name), func(m *v1alpha1.MarketplaceInstance) { m.Spec.Subscription.Plan = "gone" })
		}, v1alpha1.ReasonPlanNotFound},
		"a lost access Secret": {func(x *shop, name string) {
			x.Expect(x.client.Delete(t.Context(), x.secret(x.name, v1alpha1.AccessSecretName(name)))).To(Succeed())
			change(x, x.instance(name), func(m *v1alpha1.MarketplaceInstance) { m.Spec.Quantity = ptr.To(int32(9)) })
		}, v1alpha1.ReasonAccessSecretLost},
		"a deleted product, and a lost revision": {func(x *shop, name string) {
			revision := x.instance(name).Status.Revision
			x.Expect(x.client.Delete(t.Context(), here(x, salestest.Product()))).To(Succeed())
			x.running.stop()
			// Its finalizer holds it; a person can take that away.
			held, err := x.typed.AppsV1().ControllerRevisions(x.name).Get(x.t.Context(), revision, metav1.GetOptions{})
			x.Expect(err).NotTo(HaveOccurred())
			held.Finalizers = nil
			_, err = x.typed.AppsV1().ControllerRevisions(x.name).Update(x.t.Context(), held, metav1.UpdateOptions{})
			x.Expect(err).NotTo(HaveOccurred())
			x.Expect(x.typed.AppsV1().ControllerRevisions(x.name).Delete(x.t.Context(), revision, metav1.DeleteOptions{})).To(Succeed())
			x.operate()
		}, v1alpha1.ReasonRevisionNotFound},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := newShop(t, "sales-unrendered")
			x.operate()
			x.sells(declares("domain"), salestest.Access(v1alpha1.ProductAccess{FrontEndURL: "https://{{ .attributes.domain }}.example.com", UserName: "admin"}),
				salestest.Inline(salestest.Web+salestest.Settings+workloadOf("Deployment", "api")))
			x.bought("acme", paidUntil(30), func(sub *v1alpha1.Subscription) {
				sub.Attributes = []v1alpha1.Attribute{{Name: "domain", Value: ptr.To("acme")}}
			})
			_, ns := x.ready("acme")
			x.scales(ns, "api", 5)
			c.breaks(x, "acme")
			x.says("acme", v1alpha1.ConditionProvisioned, "False "+c.says)

			x.freezes("acme")
			x.says("acme", v1alpha1.ConditionSuspended, isFrozen)
			x.Expect([]int32{x.replicas(ns, "web"), x.replicas(ns, "api")}).To(Equal([]int32{0, 0}))
			x.unfreezes("acme")
			x.eventually(func() []int32 { return []int32{x.replicas(ns, "web"), x.replicas(ns, "api")} }).Should(Equal([]int32{2, 5}))
			x.says("acme", v1alpha1.ConditionSuspended, "False "+v1alpha1.ReasonRunning)
			x.says("acme", v1alpha1.ConditionProvisioned, "False "+c.says)
		})
	}
}

// declares names the attributes that buyers enter.
func declares(names ...string) salestest.ProductChange {
	return func(p *v1alpha1.MarketplaceProduct) {
		for _, name := range names {
			p.Spec.Attributes = append(p.Spec.Attributes, v1alpha1.AttributeDeclaration{Name: name, Default: ptr.To("shop")})
		}
	}
}

// What a seller or an operator changes is no part of a revision: it holds for all tenants at once.
func TestNoMistakeThatHoldsForAllTenantsKeepsThemFromStoppingAndResuming(t *testing.T) {
	t.Parallel()
	restarted := func(by func(x *shop)) func(x *shop, p *v1alpha1.MarketplaceProduct) {
		return func(x *shop, _ *v1alpha1.MarketplaceProduct) {
			x.running.stop()
			x.permissions = salestest.Permissions()
			by(x)
			x.operate()
		}
	}
	patches := func(kind, patch string) func(x *shop, p *v1alpha1.MarketplaceProduct) {
		return func(x *shop, p *v1alpha1.MarketplaceProduct) {
			change(x, p, func(p *v1alpha1.MarketplaceProduct) {
				p.Spec.Lifecycle.SuspensionPatches = []v1alpha1.SuspensionPatch{{Group: "apps", Kind: kind, Patch: *salestest.Raw(patch)}}
			})
		}
	}
	for name, mistake := range map[string]func(x *shop, p *v1alpha1.MarketplaceProduct){
		"a suspension patch that no object takes":      patches("Deployment", `{"spec":{"replicas":"none"}}`),
		"a suspension patch that makes it another one": patches("Deployment", `{"metadata":{"name":"other"}}`),
		"a lower Pod Security ceiling":                 restarted(func(x *shop) { x.permissions.MaxPodSecurityLevel = v1alpha1.PodSecurityRestricted }),
		"a kind that may not be made any more": restarted(func(x *shop) {
			x.permissions.Kinds.Delete(schema.GroupKind{Kind: "ConfigMap"})
		}),
		"a kind that runs and may not be made any more": restarted(func(x *shop) {
			x.permissions.Kinds.Delete(schema.GroupKind{Group: "apps", Kind: "Deployment"})
		}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := newShop(t, "sales-mistake")
			x.operate()
			p := x.sells(func(p *v1alpha1.MarketplaceProduct) { p.Spec.Isolation.PodSecurityLevel = v1alpha1.PodSecurityBaseline })
			x.bought("paid", paidUntil(20), func(sub *v1alpha1.Subscription) {
				sub.Entitlement = v1alpha1.Entitlement{State: v1alpha1.EntitlementFrozen, Reason: v1alpha1.EntitlementByMarketplace, Time: metav1.Now()}
			})
			x.bought("ended", paidUntil(20))
			paid := x.says("paid", v1alpha1.ConditionSuspended, isFrozen).Status.Namespace
			_, ended := x.ready("ended")

			mistake(x, p)
			x.unfreezes("paid")
			x.entitle("ended", v1alpha1.EntitlementReleased, time.Now())
			x.eventually(func() int32 { return x.replicas(paid, "web") }).Should(BeEquivalentTo(2), "it is paid")
			x.eventually(func() int32 { return x.replicas(ended, "web") }).Should(BeZero(), "it has ended")
		})
	}
}

// A tenant whose template gives its pods rights stands when the operator may not give them any more.
func TestRightsThatMayNotBeGivenAnyMoreKeepNoTenantFromStopping(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-rights")
	x.permissions.TenantRBAC, x.permissions.RoleRights = true, workload.RoleRights{"configmaps": {"get"}}
	x.permissions.Kinds.Insert(schema.GroupKind{Group: "rbac.authorization.k8s.io", Kind: "Role"})
	x.operate()
	x.sells(salestest.Inline(salestest.Web + "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: reader}\n" +
		"rules: [{apiGroups: [\"\"], resources: [configmaps], verbs: [get]}]\n"))
	x.bought("acme")
	_, ns := x.ready("acme")
	x.running.stop()
	x.permissions.TenantRBAC = false
	x.operate("instance")
	x.says("acme", v1alpha1.ConditionProvisioned, "False "+v1alpha1.ReasonNotPermitted)
	x.freezes("acme")
	x.says("acme", v1alpha1.ConditionSuspended, isFrozen)
	x.Expect(x.replicas(ns, "web")).To(BeZero())
	x.unfreezes("acme")
	x.eventually(func() int32 { return x.replicas(ns, "web") }).Should(BeEquivalentTo(2))
}

func TestResumingWaitsForNoHookAfterEverythingElse(t *testing.T) {
	t.Parallel()
	for name, failed := range map[string]bool{"one that has failed": true, "one that runs": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := newShop(t, "sales-posthook")
			x.operate()
			x.sells(salestest.Inline(autoscaled + salestest.Settings + hook("seed", "post-install", "")))
			x.bought("acme")
			ns := x.tenantOf("acme")
			x.eventually(func() bool { return x.hasWeb(t.Context(), ns) && x.job(ns, "seed") != nil }).Should(BeTrue())
			if failed {
				x.ends(ns, "seed", batchv1.JobFailed)
				x.says("acme", v1alpha1.ConditionProvisioned, "False "+v1alpha1.ReasonUnhealthy)
			}
			x.scales(ns, "web", 7)
			x.freezes("acme")
			x.says("acme", v1alpha1.ConditionSuspended, isFrozen)
			x.Expect(x.replicas(ns, "web")).To(BeZero())
			x.unfreezes("acme")
			x.eventually(func() int32 { return x.replicas(ns, "web") }).Should(BeEquivalentTo(7))
		})
	}
}

// runsPod makes a pod that runs, as the kubelet would say.
func (x *shop) runsPod(namespace, name string, owners ...metav1.OwnerReference) *corev1.Pod {
	x.t.Helper()
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, OwnerReferences: owners}}
	pod.Spec.SecurityContext = &corev1.PodSecurityContext{
		RunAsNonRoot: ptr.To(true), SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
	}
	pod.Spec.Containers = []corev1.Container{{Name: "main", Image: "registry.example.com/app:1", SecurityContext: &corev1.SecurityContext{
		AllowPrivilegeEscalation: ptr.To(false), Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
	}}}
	// The account's controller does not run here.
	pod.Spec.AutomountServiceAccountToken = ptr.To(false)
	x.create(pod)
	pod.Status.Phase = corev1.PodRunning
	x.Expect(x.client.Status().Update(x.t.Context(), pod)).To(Succeed())
	return pod
}

// endsPod takes a pod away at once.
func (x *shop) endsPod(pod *corev1.Pod) {
	x.t.Helper()
	x.Expect(x.client.Delete(x.t.Context(), pod, client.GracePeriodSeconds(0))).To(Succeed())
}

func TestATenantIsStoppedOnlyWhenNoPodRuns(t *testing.T) {
	t.Parallel()
	t.Run("a pod that the application made is named", func(t *testing.T) {
		t.Parallel()
		x := newShop(t, "sales-pod")
		x.operate()
		x.sells()
		x.bought("acme")
		_, ns := x.ready("acme")
		pod := x.runsPod(ns, "notebook-of-a-user")
		x.freezes("acme")
		x.eventually(func() []v1alpha1.Blocker { return x.instance("acme").Status.Blockers }).Should(ContainElement(And(
			HaveField("Object", "Pod/notebook-of-a-user"), HaveField("Remedy", ContainSubstring("kubectl delete pod notebook-of-a-user")))))
		x.says("acme", v1alpha1.ConditionSuspended, "Unknown "+v1alpha1.ReasonSuspending)
		x.endsPod(pod)
		x.says("acme", v1alpha1.ConditionSuspended, isFrozen)
		x.Expect(x.instance("acme").Status.Blockers).To(BeEmpty())
	})
	t.Run("a workload that the application starts later is named", func(t *testing.T) {
		t.Parallel()
		x := newShop(t, "sales-later")
		x.podsRecheck = 100 * time.Millisecond
		x.operate()
		x.sells()
		x.bought("acme")
		_, ns := x.ready("acme")
		x.freezes("acme")
		x.says("acme", v1alpha1.ConditionSuspended, isFrozen)
		pod := x.runsPod(ns, "sandbox-0", metav1.OwnerReference{APIVersion: "apps/v1", Kind: "StatefulSet", Name: "sandbox", UID: "u-1", Controller: ptr.To(true)})
		x.says("acme", v1alpha1.ConditionSuspended, "Unknown "+v1alpha1.ReasonSuspending)
		x.Expect(x.instance("acme").Status.Blockers).To(ContainElement(And(HaveField("Object", "StatefulSet/sandbox"),
			HaveField("Remedy", ContainSubstring("kubectl scale statefulset sandbox --replicas=0")))))
		x.endsPod(pod)
		x.says("acme", v1alpha1.ConditionSuspended, isFrozen)
	})
	t.Run("a Job that a CronJob of an earlier template runs is named by its CronJob", func(t *testing.T) {
		t.Parallel()
		x := newShop(t, "sales-cron")
		x.allows(cronJobs)
		x.operate()
		x.sells(salestest.Inline(salestest.Web + cronJob))
		x.bought("acme")
		_, ns := x.ready("acme")
		cron := &batchv1.CronJob{}
		x.Expect(x.client.Get(t.Context(), client.ObjectKey{Namespace: ns, Name: "tick"}, cron)).To(Succeed())
		run := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "tick-29301420", OwnerReferences: []metav1.OwnerReference{
			*metav1.NewControllerRef(cron, batchv1.SchemeGroupVersion.WithKind("CronJob"))}}, Spec: cron.Spec.JobTemplate.Spec}
		x.create(run)
		pod := x.runsPod(ns, "tick-29301420-x1y2z", *metav1.NewControllerRef(run, batchv1.SchemeGroupVersion.WithKind("Job")))
		x.freezes("acme")
		x.eventually(func() []v1alpha1.Blocker { return x.instance("acme").Status.Blockers }).Should(ContainElement(And(
			HaveField("Object", "CronJob/tick"), HaveField("Message", ContainSubstring("tick-29301420")))))
		x.says("acme", v1alpha1.ConditionSuspended, "Unknown "+v1alpha1.ReasonSuspending)
		x.endsPod(pod)
		x.says("acme", v1alpha1.ConditionSuspended, isFrozen)
	})
	t.Run("a CronJob's Job that runs is suspended, and goes on when the tenant does", func(t *testing.T) {
		t.Parallel()
		x := newShop(t, "sales-schedule")
		x.allows(cronJobs)
		x.operate()
		x.sells(salestest.Inline(salestest.Web + cronJob))
		x.bought("acme")
		_, ns := x.ready("acme")
		cron := &batchv1.CronJob{}
		x.Expect(x.client.Get(t.Context(), client.ObjectKey{Namespace: ns, Name: "tick"}, cron)).To(Succeed())
		// What the CronJob controller does.
		run := &batchv1.Job{
			ObjectMeta: metav1.ObjectMeta{
				Namespace: ns, Name: "tick-29301421", Labels: cron.Spec.JobTemplate.Labels, Annotations: cron.Spec.JobTemplate.Annotations,
				OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(cron, batchv1.SchemeGroupVersion.WithKind("CronJob"))},
			}, Spec: cron.Spec.JobTemplate.Spec,
		}
		x.create(run)
		pod := x.runsPod(ns, run.Name+"-x1y2z", *metav1.NewControllerRef(run, batchv1.SchemeGroupVersion.WithKind("Job")))
		suspended := func() bool {
			x.Expect(x.client.Get(t.Context(), client.ObjectKeyFromObject(run), run)).To(Succeed())
			return ptr.Deref(run.Spec.Suspend, false)
		}
		x.freezes("acme")
		x.eventually(suspended).Should(BeTrue())
		x.passOver("acme")
		x.says("acme", v1alpha1.ConditionSuspended, "Unknown "+v1alpha1.ReasonSuspending)
		x.endsPod(pod) // what the Job controller does with the pods of a Job that is suspended
		x.says("acme", v1alpha1.ConditionSuspended, isFrozen)
		x.unfreezes("acme")
		x.eventually(suspended).Should(BeFalse())
		x.ready("acme")
		x.Expect(run.Annotations).NotTo(HaveKey(v1alpha1.ReplicasAnnotation))
	})
	t.Run("a workload that an earlier revision kept is stopped too", func(t *testing.T) {
		t.Parallel()
		x := newShop(t, "sales-kept")
		x.operate()
		kept := strings.Replace(workloadOf("Deployment", "old", "replicas: 3"), "{name: old}", "{name: old, annotations: {helm.sh/resource-policy: keep}}", 1)
		p := x.sells(salestest.Inline(salestest.Web + kept))
		x.bought("acme")
		before, ns := x.ready("acme")
		change(x, p, salestest.Inline(salestest.Web))
		x.moves("acme", before.Status.Revision)
		x.eventually(func() []string { return x.instance("acme").Status.KeptObjects }).Should(ContainElement("Deployment/old"))
		x.freezes("acme")
		x.says("acme", v1alpha1.ConditionSuspended, isFrozen)
		x.Expect([]int32{x.replicas(ns, "web"), x.replicas(ns, "old")}).To(Equal([]int32{0, 0}))
		x.unfreezes("acme")
		x.ready("acme")
		x.eventually(func() int32 { return x.replicas(ns, "old") }).Should(BeEquivalentTo(3))
	})
	for name, template := range map[string]string{"whose template sets a number": salestest.Web, "that an autoscaler looks after": autoscaled} {
		t.Run("a workload that is scaled up while its tenant is suspended, "+name, func(t *testing.T) {
			t.Parallel()
			x := newShop(t, "sales-scaledup")
			x.operate()
			x.sells(salestest.Inline(template))
			x.bought("acme")
			_, ns := x.ready("acme")
			x.scalesIfFree(ns, template)
			running := x.replicas(ns, "web")
			x.freezes("acme")
			x.says("acme", v1alpha1.ConditionSuspended, isFrozen)
			for range 3 {
				generation := x.deployment(ns, "web").Generation
				x.scales(ns, "web", 4)
				x.eventually(func() bool {
					d := x.deployment(ns, "web")
					return *d.Spec.Replicas == 0 && d.Generation > generation
				}).Should(BeTrue())
			}
			x.says("acme", v1alpha1.ConditionSuspended, isFrozen)
			x.unfreezes("acme")
			x.ready("acme")
			x.Expect(x.replicas(ns, "web")).To(Equal(running), "the number from before the stop counts")
		})
	}
}

func TestReplicasAreHandedToAnAutoscalerWithoutADip(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-handover")
	x.operate()
	fixedNumber := workloadOf("Deployment", "front", "replicas: 3")
	p := x.sells(salestest.Inline(fixedNumber))
	x.bought("runs")
	x.bought("stands")
	x.freezes("stands")
	before, runs := x.ready("runs")
	stands := x.says("stands", v1alpha1.ConditionSuspended, isFrozen).Status.Namespace
	numbers := x.watchReplicas(runs, stands)

	change(x, p, salestest.Inline(workloadOf("Deployment", "front")))
	x.moves("runs", before.Status.Revision)
	x.moves("stands", before.Status.Revision)
	x.ready("runs")
	x.passOver("runs")
	x.passOver("stands")
	x.Expect(numbers()).To(Equal(map[string][]int32{runs: {3}, stands: {0}}))
	x.scales(runs, "front", 5)
	x.passOver("runs")
	x.Expect(x.replicas(runs, "front")).To(BeEquivalentTo(5), "it is the autoscaler's now")
	x.unfreezes("stands")
	x.ready("stands")
	x.Expect(x.replicas(stands, "front")).To(BeEquivalentTo(3))
}

// watchReplicas gives, when it is called, the numbers that the Deployments of some namespaces have had since, without repetition.
func (x *shop) watchReplicas(namespaces ...string) func() map[string][]int32 {
	x.t.Helper()
	seen := map[string]chan int32{}
	for _, namespace := range namespaces {
		numbers := make(chan int32, 100)
		seen[namespace] = numbers
		events, err := x.typed.AppsV1().Deployments(namespace).Watch(x.t.Context(), metav1.ListOptions{})
		x.Expect(err).NotTo(HaveOccurred())
		go func() {
			last := int32(-1)
			for e := range events.ResultChan() {
				if d, ok := e.Object.(*appsv1.Deployment); ok && *d.Spec.Replicas != last {
					last = *d.Spec.Replicas
					numbers <- last
				}
			}
		}()
		x.t.Cleanup(events.Stop)
	}
	return func() map[string][]int32 {
		all := map[string][]int32{}
		for namespace, numbers := range seen {
			for len(numbers) > 0 {
				all[namespace] = append(all[namespace], <-numbers)
			}
		}
		return all
	}
}

func TestATemplateThatBeginsToSetReplicasWhileItsTenantIsSuspended(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-begins")
	o := x.operate()
	p := x.sells(salestest.Inline(autoscaled + salestest.Settings))
	x.bought("acme")
	before, ns := x.ready("acme")
	x.scales(ns, "web", 7)
	x.freezes("acme")
	x.says("acme", v1alpha1.ConditionSuspended, isFrozen)
	x.Expect(x.deployment(ns, "web").Annotations).To(HaveKeyWithValue(v1alpha1.ReplicasAnnotation, "7"))
	change(x, p, salestest.Inline(salestest.Web+salestest.Settings))
	x.moves("acme", before.Status.Revision)
	x.Expect(x.replicas(ns, "web")).To(BeZero())
	x.unfreezes("acme")
	x.ready("acme")
	web := x.deployment(ns, "web")
	x.Expect(*web.Spec.Replicas).To(BeEquivalentTo(2), "the template says so now")
	x.Expect(web.Annotations).NotTo(HaveKey(v1alpha1.ReplicasAnnotation))
	x.passOver("acme")
	o.requests.reset()
	x.passOver("acme")
	x.Expect(o.requests.ofTenants()).To(BeEmpty(), "nothing is left to do")
}

// A person has set the plan of a sale whose order can't be read, and takes it back later: the tenant runs, and has to stop all the same.
func TestATenantWhoseOrderIsNotKnownAnyMoreIsStopped(t *testing.T) {
	t.Parallel()
	frozen := func(sub *v1alpha1.Subscription) {
		sub.Entitlement = v1alpha1.Entitlement{State: v1alpha1.EntitlementFrozen, Reason: v1alpha1.EntitlementByMarketplace, Time: metav1.Now()}
	}
	for name, c := range map[string]struct {
		ends func(*v1alpha1.Subscription)
		says string
	}{
		"when it is frozen":  {frozen, v1alpha1.ReasonFrozen},
		"when it is overdue": {paidUntil(-90), v1alpha1.ReasonPaymentOverdue},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := newShop(t, "sales-unknown")
			x.operate("instance", "product")
			x.sells()
			mpi := here(x, salestest.Sale(salestest.UnknownOrder, func(mpi *v1alpha1.MarketplaceInstance) {
				mpi.Spec.ProductRef.Name, mpi.Spec.Plan = "shop", "small"
			}))
			x.create(mpi)
			_, ns := x.ready("acme")
			change(x, mpi, func(mpi *v1alpha1.MarketplaceInstance) {
				mpi.Spec.Plan = ""
				c.ends(mpi.Spec.Subscription)
			})
			x.says("acme", v1alpha1.ConditionSuspended, "True "+c.says)
			x.Expect(x.replicas(ns, "web")).To(BeZero())
		})
	}
}
