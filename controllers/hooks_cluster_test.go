package controllers

import (
	"context"
	"fmt"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
)

// hook is a template of a Job that is a hook, with more annotations.
func hook(name, events, more string) string {
	return fmt.Sprintf(`
---
apiVersion: batch/v1
kind: Job
metadata:
  name: %s
  annotations: {helm.sh/hook: "%s"%s}
spec:
  template:
    spec:
      restartPolicy: Never
      securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
      containers:
      - name: job
        image: registry.example.com/job:1
        securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
`, name, events, more)
}

// steps is a ConfigMap that a hook needs.
const steps = `
---
apiVersion: v1
kind: ConfigMap
metadata: {name: steps, annotations: {helm.sh/hook: "pre-install,pre-upgrade", helm.sh/hook-weight: "-5"}}
data: {sql: "create table"}
`

var hooked = salestest.Web + salestest.Settings + steps + hook("migrate", "pre-install,pre-upgrade", "") +
	hook("seed", "post-install", ", helm.sh/hook-delete-policy: hook-succeeded")

// job reads a tenant's Job; nil if there is none.
func (x *shop) job(namespace, name string) *batchv1.Job {
	x.t.Helper()
	j := &batchv1.Job{}
	err := x.client.Get(x.t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, j)
	if apierrors.IsNotFound(err) {
		return nil
	}
	x.Expect(err).NotTo(HaveOccurred())
	return j
}

// ends lets a Job end, as the Job controller would.
func (x *shop) ends(namespace, name string, as batchv1.JobConditionType) *batchv1.Job {
	x.t.Helper()
	var j *batchv1.Job
	x.eventually(func() *batchv1.Job { j = x.job(namespace, name); return j }).ShouldNot(BeNil())
	now := metav1.Now()
	before := batchv1.JobSuccessCriteriaMet
	if as == batchv1.JobFailed {
		before = batchv1.JobFailureTarget
	} else {
		j.Status.Succeeded, j.Status.CompletionTime = 1, &now
	}
	j.Status.StartTime = &now
	for _, kind := range []batchv1.JobConditionType{before, as} {
		j.Status.Conditions = append(j.Status.Conditions, batchv1.JobCondition{
			Type: kind, Status: corev1.ConditionTrue, Reason: "Ended", Message: "the Job has ended", LastTransitionTime: now, LastProbeTime: now,
		})
	}
	x.Expect(x.client.Status().Update(x.t.Context(), j)).To(Succeed())
	return j
}

// message is what a condition of an instance says.
func (x *shop) message(name, kind string) string {
	for _, c := range x.instance(name).Status.Conditions {
		if c.Type == kind {
			return c.Message
		}
	}
	return ""
}

// has says whether a tenant has its Deployment.
func (x *shop) hasWeb(ctx context.Context, namespace string) bool {
	_, err := x.typed.AppsV1().Deployments(namespace).Get(ctx, "web", metav1.GetOptions{})
	return err == nil
}

func TestHooksRunOnceAndInTheirPlace(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-hooks")
	o := x.operate()
	p := x.sells(salestest.Inline(hooked))
	x.buys("acme")
	tenant := v1alpha1.TenantNamespace(v1alpha1.DefaultTenantPrefix, x.name, "acme")

	x.says("acme", v1alpha1.ConditionProvisioned, "Unknown Progressing")
	x.eventually(func() string { return x.message("acme", v1alpha1.ConditionProvisioned) }).
		Should(Equal("Waiting for the pre-install hook Job/migrate"))
	x.Expect(x.hasWeb(t.Context(), tenant)).To(BeFalse())
	x.Expect(x.instance("acme").Status.Revision).To(Equal(p.Status.LatestRevision))

	// A restart while the hook runs.
	o.stop()
	o = x.operate("instance")
	x.awaitPass(func() { x.touch("acme", "while the hook runs") })
	x.Expect(o.requests.writes()).To(BeEmpty(), "waiting writes nothing")
	migrated := x.ends(tenant, "migrate", batchv1.JobComplete)
	x.eventually(func() bool { return x.hasWeb(t.Context(), tenant) }).Should(BeTrue(), "the end of the Job brings the rest")
	x.eventually(func() string { return x.message("acme", v1alpha1.ConditionProvisioned) }).
		Should(ContainSubstring("the post-install hook Job/seed"))
	x.ends(tenant, "seed", batchv1.JobComplete)
	x.says("acme", v1alpha1.ConditionReady, "True InstanceReady")
	x.eventually(func() *batchv1.Job { return x.job(tenant, "seed") }).Should(BeNil(), "its delete policy says so")
	o.stop()

	t.Run("and a restart writes nothing", func(*testing.T) {
		o = x.operateAndPass("instance")
		for i := range 3 {
			x.awaitPass(func() { x.touch("acme", fmt.Sprint("quiet-", i)) })
		}
		x.Expect(o.requests.writes()).To(BeEmpty())
		x.Expect(x.job(tenant, "migrate").UID).To(Equal(migrated.UID))
	})
	t.Run("and scaling runs none again", func(*testing.T) {
		change(x, x.instance("acme"), func(mpi *v1alpha1.MarketplaceInstance) { mpi.Spec.Quantity = ptr.To(int32(9)) })
		x.eventually(func() string { return x.configMap(tenant, "settings").Data["quantity"] }).Should(Equal("9"))
		x.says("acme", v1alpha1.ConditionReady, "True InstanceReady")
		x.Expect(x.job(tenant, "migrate").UID).To(Equal(migrated.UID))
		x.Expect(x.job(tenant, "seed")).To(BeNil())
	})
	t.Run("and what a hook has made is put right", func(*testing.T) {
		change(x, x.configMap(tenant, "steps"), func(c *corev1.ConfigMap) { c.Data["sql"] = "drop table" })
		x.eventually(func() string { return x.configMap(tenant, "steps").Data["sql"] }).Should(Equal("create table"))
		x.Expect(x.job(tenant, "migrate").UID).To(Equal(migrated.UID))
	})
	t.Run("and a new revision is an upgrade", func(*testing.T) {
		x.operate("product")
		change(x, p, salestest.Inline(hooked+hook("notify", "post-upgrade", "")+"# second\n"))
		x.eventually(func() string { return x.message("acme", v1alpha1.ConditionProvisioned) }).
			Should(Equal("Waiting for the pre-upgrade hook Job/migrate"))
		x.says("acme", v1alpha1.ConditionReady, "True InstanceReady")
		x.ends(tenant, "migrate", batchv1.JobComplete)
		x.ends(tenant, "notify", batchv1.JobComplete)
		x.says("acme", v1alpha1.ConditionReady, "True InstanceReady")
		x.Expect(x.job(tenant, "seed")).To(BeNil(), "an upgrade is no install")
	})
	t.Run("and a removal waits for none", func(*testing.T) {
		change(x, p, salestest.Inline(hooked+"# third\n"))
		x.eventually(func() string { return x.message("acme", v1alpha1.ConditionProvisioned) }).Should(ContainSubstring("pre-upgrade hook"))
		x.Expect(x.client.Delete(t.Context(), x.instance("acme"))).To(Succeed())
		x.namespaceGoes(tenant)
		x.gone("acme")
	})
}

func (x *shop) configMap(namespace, name string) *corev1.ConfigMap {
	x.t.Helper()
	c := &corev1.ConfigMap{}
	x.Expect(x.client.Get(x.t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, c)).To(Succeed())
	return c
}

func TestASuspensionInTheMiddleOfAHookGoesOnWhereItWas(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-hookpause")
	x.operate()
	x.sells(salestest.Inline(hooked))
	x.buys("acme")
	tenant := v1alpha1.TenantNamespace(v1alpha1.DefaultTenantPrefix, x.name, "acme")
	x.eventually(func() *batchv1.Job { return x.job(tenant, "migrate") }).ShouldNot(BeNil())
	uid := x.job(tenant, "migrate").UID

	change(x, x.instance("acme"), func(mpi *v1alpha1.MarketplaceInstance) { mpi.Spec.DesiredState = v1alpha1.DesiredStateSuspended })
	x.says("acme", v1alpha1.ConditionSuspended, "True SuspensionRequested")
	x.Expect(*x.job(tenant, "migrate").Spec.Suspend).To(BeTrue())
	x.Expect(*x.deployment(tenant, "web").Spec.Replicas).To(BeZero())
	x.Expect(x.job(tenant, "seed")).To(BeNil())

	change(x, x.instance("acme"), func(mpi *v1alpha1.MarketplaceInstance) { mpi.Spec.DesiredState = v1alpha1.DesiredStateRunning })
	x.eventually(func() bool { return *x.job(tenant, "migrate").Spec.Suspend }).Should(BeFalse())
	x.says("acme", v1alpha1.ConditionProvisioned, "Unknown Progressing")
	x.Expect(x.job(tenant, "migrate").UID).To(Equal(uid))
	x.Expect(*x.deployment(tenant, "web").Spec.Replicas).To(BeZero(), "the web server waits for the hook")
	x.ends(tenant, "migrate", batchv1.JobComplete)
	x.eventually(func() int32 { return *x.deployment(tenant, "web").Spec.Replicas }).Should(BeEquivalentTo(2))
	x.ends(tenant, "seed", batchv1.JobComplete)
	x.says("acme", v1alpha1.ConditionReady, "True InstanceReady")
}

func TestAHookThatFailsSaysWhatToDo(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-hookfail")
	x.operate()
	p := x.sells(salestest.Inline(hooked))
	x.buys("acme")
	tenant := v1alpha1.TenantNamespace(v1alpha1.DefaultTenantPrefix, x.name, "acme")
	failed := x.ends(tenant, "migrate", batchv1.JobFailed)
	mpi := x.says("acme", v1alpha1.ConditionProvisioned, "False Unhealthy")
	x.Expect(mpi.Status.Blockers).To(ContainElement(And(HaveField("Object", "Job/migrate"),
		HaveField("Message", "the pre-install hook has failed: the Job has ended"), HaveField("Remedy", ContainSubstring("kubectl delete job migrate")))))
	x.Expect(mpi.Status.State).To(Equal(v1alpha1.StateBlocked))
	x.Expect(x.hasWeb(t.Context(), tenant)).To(BeFalse())

	x.Expect(x.client.Delete(t.Context(), failed, client.PropagationPolicy(metav1.DeletePropagationBackground))).To(Succeed())
	x.eventually(func() bool { j := x.job(tenant, "migrate"); return j != nil && j.UID != failed.UID }).Should(BeTrue(), "deleted, it runs again")
	x.says("acme", v1alpha1.ConditionProvisioned, "Unknown Progressing")
	x.ends(tenant, "migrate", batchv1.JobFailed)
	x.says("acme", v1alpha1.ConditionProvisioned, "False Unhealthy")

	change(x, p, salestest.Inline(hooked+"# corrected\n"))
	x.eventually(func() string { return x.message("acme", v1alpha1.ConditionProvisioned) }).
		Should(Equal("Waiting for the pre-install hook Job/migrate"), "what was never installed is installed by the next revision")
	x.ends(tenant, "migrate", batchv1.JobComplete)
	x.ends(tenant, "seed", batchv1.JobComplete)
	x.says("acme", v1alpha1.ConditionReady, "True InstanceReady")
	x.Expect(x.instance("acme").Status.Blockers).To(BeEmpty())
}

// What a hook needs of the tenant, such as its database, runs until the hook is through, whatever else happens to the tenant.
func TestATenantStaysAsItIsUntilTheHooksBeforeTheNextRevisionAreThrough(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-hooknext")
	o := x.operate()
	p := x.sells()
	x.buys("acme")
	mpi := x.says("acme", v1alpha1.ConditionReady, "True InstanceReady")
	tenant, first := mpi.Status.Namespace, mpi.Status.Revision
	desire := func(state v1alpha1.DesiredState) {
		change(x, mpi, func(mpi *v1alpha1.MarketplaceInstance) { mpi.Spec.DesiredState = state })
	}
	next := salestest.Web + strings.ReplaceAll(salestest.Settings, `"hello"`, `"changed"`) + steps + hook("migrate", "pre-upgrade", "")

	change(x, p, salestest.Inline(next))
	x.eventually(func() string { return x.message("acme", v1alpha1.ConditionProvisioned) }).
		Should(Equal("Waiting for the pre-upgrade hook Job/migrate"))
	x.says("acme", v1alpha1.ConditionReady, "True InstanceReady")
	now := x.instance("acme")
	x.Expect(now.Status.Revision).To(Equal(first))
	x.Expect(now.Status.TargetRevision).NotTo(Equal(first))
	x.Expect(x.greeting(tenant)).To(Equal("hello"))
	x.Expect(x.configMap(tenant, "steps").Data).NotTo(BeEmpty(), "what the hook needs is there")

	t.Run("it is scaled, and waiting is quiet", func(*testing.T) {
		change(x, mpi, func(mpi *v1alpha1.MarketplaceInstance) { mpi.Spec.Quantity = ptr.To(int32(7)) })
		x.eventually(func() string { return x.configMap(tenant, "settings").Data["quantity"] }).Should(Equal("7"))
		x.says("acme", v1alpha1.ConditionReady, "True InstanceReady")
		o.stop()
		o = x.operateAndPass("instance")
		x.awaitPass(func() { x.touch("acme", "after a restart") })
		x.Expect(o.requests.writes()).To(BeEmpty())
	})
	t.Run("it is suspended and resumed", func(*testing.T) {
		desire(v1alpha1.DesiredStateSuspended)
		x.says("acme", v1alpha1.ConditionSuspended, "True SuspensionRequested")
		x.says("acme", v1alpha1.ConditionProvisioned, "True Provisioned")
		x.Expect(*x.job(tenant, "migrate").Spec.Suspend).To(BeTrue())
		x.Expect(*x.deployment(tenant, "web").Spec.Replicas).To(BeZero())
		x.Expect(x.instance("acme").Status.Revision).To(Equal(first))
		desire(v1alpha1.DesiredStateRunning)
		x.says("acme", v1alpha1.ConditionReady, "True InstanceReady")
		x.Expect(*x.deployment(tenant, "web").Spec.Replicas).To(BeEquivalentTo(2), "what the hook needs runs again")
		x.eventually(func() bool { return *x.job(tenant, "migrate").Spec.Suspend }).Should(BeFalse())
	})
	t.Run("a hook that fails keeps it running", func(*testing.T) {
		failed := x.ends(tenant, "migrate", batchv1.JobFailed)
		x.says("acme", v1alpha1.ConditionProvisioned, "False Unhealthy")
		mpi := x.says("acme", v1alpha1.ConditionReady, "True InstanceReady")
		x.Expect(mpi.Status.Blockers).To(ContainElement(And(HaveField("Object", "Job/migrate"),
			HaveField("Message", ContainSubstring("pre-upgrade hook has failed")), HaveField("Remedy", ContainSubstring("kubectl delete job migrate")))))
		x.Expect(x.deployment(tenant, "web").Status.ReadyReplicas).To(BeEquivalentTo(2))
		desire(v1alpha1.DesiredStateSuspended)
		x.says("acme", v1alpha1.ConditionSuspended, "True SuspensionRequested")
		desire(v1alpha1.DesiredStateRunning)
		x.says("acme", v1alpha1.ConditionReady, "True InstanceReady")
		x.Expect(x.client.Delete(t.Context(), failed, client.PropagationPolicy(metav1.DeletePropagationBackground))).To(Succeed())
		x.eventually(func() bool { j := x.job(tenant, "migrate"); return j != nil && j.UID != failed.UID }).Should(BeTrue())
	})
	t.Run("going back leaves nothing behind", func(*testing.T) {
		x.ends(tenant, "migrate", batchv1.JobFailed)
		x.operate("product")
		change(x, p, salestest.Inline(salestest.Web+salestest.Settings))
		x.eventually(func() *batchv1.Job { return x.job(tenant, "migrate") }).Should(BeNil())
		x.says("acme", v1alpha1.ConditionProvisioned, "True Provisioned")
		x.Expect(x.instance("acme").Status.Blockers).To(BeEmpty())
	})
	t.Run("and it moves when they are through", func(*testing.T) {
		change(x, p, salestest.Inline(next))
		x.eventually(func() *batchv1.Job { return x.job(tenant, "migrate") }).ShouldNot(BeNil())
		x.ends(tenant, "migrate", batchv1.JobComplete)
		x.eventually(func() string { return x.greeting(tenant) }).Should(Equal("changed"))
		x.says("acme", v1alpha1.ConditionProvisioned, "True Provisioned")
		x.Expect(x.instance("acme").Status.Revision).NotTo(Equal(first))
		ran := x.job(tenant, "migrate").UID
		x.awaitPass(func() { x.touch("acme", "moved") })
		x.Expect(x.job(tenant, "migrate").UID).To(Equal(ran))
	})
}

func TestARevisionThatCannotBeMadeDoesNotKeepATenantFromTheNext(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-hookbroken")
	x.operate()
	service := "---\napiVersion: v1\nkind: Service\nmetadata: {name: web%s}\nspec: {%sports: [{port: 80}]}\n"
	// Out of the API server's range, and only for a buyer: the product's check finds nothing.
	const refused = ` {{ if ne .Values.stallkeeper.instance.name "sample" }}clusterIP: 192.0.2.1, {{ end }}`
	p := x.sells()
	x.buys("acme")
	mpi := x.says("acme", v1alpha1.ConditionReady, "True InstanceReady")
	tenant, first := mpi.Status.Namespace, mpi.Status.Revision

	t.Run("a hook that the API server refuses leaves the tenant where it is", func(t *testing.T) {
		change(x, p, salestest.Inline(salestest.Web+salestest.Settings+fmt.Sprintf(service, `, annotations: {helm.sh/hook: pre-upgrade}`, refused)+hook("migrate", "pre-upgrade", "")))
		mpi := x.says("acme", v1alpha1.ConditionProvisioned, "False ApplyFailed")
		x.says("acme", v1alpha1.ConditionReady, "True InstanceReady")
		x.Expect(mpi.Status.Revision).To(Equal(first))
		x.Expect(mpi.Status.Blockers).To(ContainElement(HaveField("Object", "Service/web")))
		x.Expect(x.message("acme", v1alpha1.ConditionProvisioned)).To(ContainSubstring("stays on revision"))
	})
	t.Run("what can't be applied any more is left for a revision with hooks", func(t *testing.T) {
		change(x, p, salestest.Inline(salestest.Web+salestest.Settings+fmt.Sprintf(service, "", refused)))
		x.says("acme", v1alpha1.ConditionProvisioned, "False ApplyFailed")
		x.says("acme", v1alpha1.ConditionReady, "True InstanceReady")
		change(x, p, salestest.Inline(salestest.Web+salestest.Settings+fmt.Sprintf(service, "", "")+hook("migrate", "pre-upgrade", "")))
		x.ends(tenant, "migrate", batchv1.JobComplete)
		x.says("acme", v1alpha1.ConditionReady, "True InstanceReady")
	})
}

// A process that dies between the record of a hook's end and what comes after it leaves a status behind that fits neither.
func TestACrashAfterAHookLosesNothing(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-hookcrash")
	o := x.operate()
	x.sells(salestest.Inline(hooked))
	x.buys("acme")
	tenant := v1alpha1.TenantNamespace(v1alpha1.DefaultTenantPrefix, x.name, "acme")
	x.eventually(func() string { return x.message("acme", v1alpha1.ConditionProvisioned) }).
		Should(Equal("Waiting for the pre-install hook Job/migrate"))
	o.requests.lose("/deployments/web")
	x.ends(tenant, "migrate", batchv1.JobComplete)
	x.eventually(func() string {
		ns, err := x.typed.CoreV1().Namespaces().Get(t.Context(), tenant, metav1.GetOptions{})
		x.Expect(err).NotTo(HaveOccurred())
		return ns.Annotations[v1alpha1.HooksAnnotation]
	}).Should(ContainSubstring("migrate:Succeeded"))
	o.requests.lose("/acme/status")
	o.stop()
	x.Expect(x.hasWeb(t.Context(), tenant)).To(BeFalse())

	x.operate()
	x.ends(tenant, "seed", batchv1.JobComplete)
	x.says("acme", v1alpha1.ConditionReady, "True InstanceReady")
	x.Expect(x.hasWeb(t.Context(), tenant)).To(BeTrue())
}
