package controllers

import (
	"fmt"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
)

// plainJob is a template of a Job that is no hook, with more lines of its spec.
func plainJob(name, spec string) string {
	return strings.Replace(strings.Replace(hook(name, "x", ""), "  annotations: {helm.sh/hook: \"x\"}\n", "", 1), "spec:\n  template:", "spec:\n"+spec+"  template:", 1)
}

// living is a hook whose Job the cluster deletes by itself once it has ended.
func living(name, events string) string {
	return strings.Replace(hook(name, events, ""), "spec:\n  template:", "spec:\n  ttlSecondsAfterFinished: 0\n  template:", 1)
}

// goes deletes a Job as the cluster does after its time.
func (x *shop) goes(job *batchv1.Job) {
	x.t.Helper()
	x.Expect(x.client.Delete(x.t.Context(), job, client.PropagationPolicy(metav1.DeletePropagationBackground))).To(Succeed())
}

func TestAHookThatFailedAndIsGoneIsNoSuccess(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-gone")
	x.operate()
	x.sells(salestest.Inline(salestest.Web + hook("migrate", "pre-install", ", helm.sh/hook-delete-policy: hook-failed")))
	x.bought("acme")
	ns := x.tenantOf("acme")
	x.ends(ns, "migrate", batchv1.JobFailed)
	x.says("acme", v1alpha1.ConditionProvisioned, "False "+v1alpha1.ReasonUnhealthy)
	x.eventually(func() *batchv1.Job { return x.job(ns, "migrate") }).Should(BeNil(), "its delete policy says so")
	x.passOver("acme")
	x.Expect(x.hasWeb(t.Context(), ns)).To(BeFalse(), "what needs the hook is not there")
	x.Expect(x.job(ns, "migrate")).To(BeNil(), "nor does it run again by itself")
	mpi := x.says("acme", v1alpha1.ConditionProvisioned, "False "+v1alpha1.ReasonUnhealthy)
	x.Expect(mpi.Status.Blockers).To(ContainElement(And(HaveField("Object", "Job/migrate"), HaveField("Remedy", ContainSubstring("kubectl annotate namespace "+ns)))))

	// What the remedy says.
	x.forgetsJobs(ns)
	x.ends(ns, "migrate", batchv1.JobComplete)
	x.ready("acme")
	x.Expect(x.hasWeb(t.Context(), ns)).To(BeTrue())
}

// forgetsJobs is what the remedy of a Job that is gone tells a person to do.
func (x *shop) forgetsJobs(namespace string) {
	x.t.Helper()
	ns, err := x.typed.CoreV1().Namespaces().Get(x.t.Context(), namespace, metav1.GetOptions{})
	x.Expect(err).NotTo(HaveOccurred())
	x.patched(ns, "", namespace, `{"metadata":{"annotations":{"`+v1alpha1.HooksAnnotation+`":null}}}`)
}

// The Job ends and goes while no process looks.
func TestAHookWhoseEndNobodySawIsNoSuccess(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]batchv1.JobConditionType{"that failed": batchv1.JobFailed, "that succeeded": batchv1.JobComplete} {
		t.Run("one "+name, func(t *testing.T) {
			t.Parallel()
			x := newShop(t, "sales-unseen")
			o := x.operate()
			p := x.sells()
			x.bought("acme")
			before, ns := x.ready("acme")
			change(x, p, salestest.Inline(salestest.Web+strings.ReplaceAll(salestest.Settings, `"hello"`, `"changed"`)+living("migrate", "pre-upgrade")))
			x.eventually(func() string { return x.message("acme", v1alpha1.ConditionProvisioned) }).
				Should(Equal("Waiting for the pre-upgrade hook Job/migrate"))
			o.stop()
			x.goes(x.ends(ns, "migrate", end))

			x.operateAndPass()
			mpi := x.says("acme", v1alpha1.ConditionProvisioned, "False "+v1alpha1.ReasonUnhealthy)
			x.passOver("acme")
			x.Expect(x.greeting(ns)).To(Equal("hello"), "the new version does not run on a database that may not be migrated")
			x.Expect(x.instance("acme").Status.Revision).To(Equal(before.Status.Revision))
			x.ready("acme")
			x.Expect(mpi.Status.Blockers).To(ContainElement(And(HaveField("Object", "Job/migrate"), HaveField("Remedy", Not(BeEmpty())))))
			x.forgetsJobs(ns)
			x.ends(ns, "migrate", batchv1.JobComplete)
			x.moves("acme", before.Status.Revision)
			x.Expect(x.greeting(ns)).To(Equal("changed"))
		})
	}
}

func TestAHookThatSucceededAndIsGoneNeverRunsAgain(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-once")
	x.operate()
	x.sells(salestest.Inline(salestest.Web + salestest.Settings + living("migrate", "pre-install,pre-upgrade")))
	x.bought("acme")
	ns := x.tenantOf("acme")
	done := x.ends(ns, "migrate", batchv1.JobComplete)
	x.ready("acme")
	x.goes(done)
	x.passOver("acme")
	change(x, x.instance("acme"), func(mpi *v1alpha1.MarketplaceInstance) { mpi.Spec.Quantity = ptr.To(int32(9)) })
	x.eventually(func() string { return x.configMap(ns, "settings").Data["quantity"] }).Should(Equal("9"))
	x.freezes("acme")
	x.says("acme", v1alpha1.ConditionSuspended, isFrozen)
	x.unfreezes("acme")
	x.ready("acme")
	x.running.stop()
	x.operateAndPass()
	x.passOver("acme")
	x.Expect(x.job(ns, "migrate")).To(BeNil())
}

func TestAJobThatFailedNeverCountsAsSuccessAndRunsAgainWhenItIsDeleted(t *testing.T) {
	t.Parallel()
	for name, spec := range map[string]string{"one that stays": "", "one that the cluster deletes": "  ttlSecondsAfterFinished: 3600\n"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := newShop(t, "sales-jobfails")
			x.operate()
			x.sells(salestest.Inline(salestest.Web + plainJob("seed", spec)))
			x.bought("acme")
			ns := x.tenantOf("acme")
			failed := x.ends(ns, "seed", batchv1.JobFailed)
			mpi := x.says("acme", v1alpha1.ConditionProvisioned, "False "+v1alpha1.ReasonUnhealthy)
			x.Expect(mpi.Status.Blockers).To(ContainElement(And(HaveField("Object", "Job/seed"), HaveField("Remedy", ContainSubstring("kubectl delete job seed")))))
			x.passOver("acme")
			x.Expect(x.job(ns, "seed").UID).To(Equal(failed.UID))

			x.goes(failed)
			x.eventually(func() bool { j := x.job(ns, "seed"); return j != nil && j.UID != failed.UID }).Should(BeTrue(), "a person wants it")
			x.ends(ns, "seed", batchv1.JobComplete)
			x.ready("acme")
		})
	}
}

// A Job that a CronJob has started, or that the tenant itself has, is part of what runs.
func TestAJobOfASuspendedTenantIsHeldAndGoesOn(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-held")
	x.allows(cronJobs)
	x.operate()
	x.sells(salestest.Inline(salestest.Web + plainJob("seed", "") + cronJob))
	x.bought("acme")
	ns := x.tenantOf("acme")
	x.eventually(func() *batchv1.Job { return x.job(ns, "seed") }).ShouldNot(BeNil())
	uid := x.job(ns, "seed").UID
	x.freezes("acme")
	x.says("acme", v1alpha1.ConditionSuspended, isFrozen)
	cron := &batchv1.CronJob{}
	held := func() string {
		x.Expect(x.client.Get(t.Context(), client.ObjectKey{Namespace: ns, Name: "tick"}, cron)).To(Succeed())
		return fmt.Sprint(ptr.Deref(x.job(ns, "seed").Spec.Suspend, false), ptr.Deref(cron.Spec.Suspend, false))
	}
	x.Expect(held()).To(Equal("true true"))
	x.unfreezes("acme")
	x.eventually(held).Should(Equal("false false"))
	x.Expect(x.job(ns, "seed").UID).To(Equal(uid))
	x.ends(ns, "seed", batchv1.JobComplete)
	x.ready("acme")
}
