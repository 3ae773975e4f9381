package apply

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

// hookOf is the Job of a hook, with more lines in its annotations or its spec.
func hookOf(name, event string, more ...string) string {
	text := `
- apiVersion: batch/v1
  kind: Job
  metadata: {name: ` + name + `, annotations: {stallkeeper.io/hook: ` + event + `ANNOTATIONS}}
  spec: {SPECtemplate: {spec: {restartPolicy: Never, containers: [{name: a, image: "web:1"}]}}}
`
	annotations, spec := "", ""
	for _, line := range more {
		if strings.HasPrefix(line, "helm.sh") {
			annotations += ", " + line
		} else {
			spec += line + ", "
		}
	}
	return strings.NewReplacer("ANNOTATIONS", annotations, "SPEC", spec).Replace(text)
}

var job = func(name string) Key { return Key{Group: "batch", Kind: "Job", Name: name} }

// release is a set with hooks of an install and of an upgrade.
func (x *tenant) release(revision string) Set {
	return x.set(revision, configuration, hookOf("migrate", "pre-install"), hookOf("migrate", "pre-upgrade"), workloads,
		hookOf("seed", "post-install", "helm.sh/hook-delete-policy: hook-succeeded"))
}

// namespaceSays is an annotation of the tenant's namespace.
func (x *tenant) namespaceSays(annotation string) string {
	x.t.Helper()
	ns := newObject(NamespaceKind, "", x.name)
	x.Expect(x.client.Get(x.t.Context(), client.ObjectKeyFromObject(ns), ns)).To(Succeed())
	return ns.GetAnnotations()[annotation]
}

// fail lets the Job fail, as the Job controller would.
func (x *tenant) fail(job *unstructured.Unstructured) {
	x.t.Helper()
	now := "2026-01-01T00:00:00Z"
	job.Object["status"] = map[string]any{"startTime": now, "failed": int64(1), "conditions": []any{
		map[string]any{"type": "FailureTarget", "status": "True", "lastTransitionTime": now, "lastProbeTime": now},
		map[string]any{"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "it failed too often",
			"lastTransitionTime": now, "lastProbeTime": now},
	}}
	x.Expect(x.client.Status().Update(x.t.Context(), job)).To(Succeed())
	x.seen(job)
}

// shows waits until the cache shows what was applied, and how far the hooks are.
func (x *tenant) shows(applied Applied) Observed {
	x.t.Helper()
	x.settle(applied, Pruned{})
	x.eventually(func() string { return x.observe().Hooks() }).Should(Equal(applied.Hooks))
	return x.observe()
}

func (x *tenant) deletes(obj *unstructured.Unstructured) {
	x.t.Helper()
	x.Expect(x.client.Delete(x.t.Context(), obj, client.PropagationPolicy(metav1.DeletePropagationBackground))).To(Succeed())
}

func TestAnInstallWaitsForItsHooksAndAnUpgradeRunsItsOwn(t *testing.T) {
	x := newTenant(t, "hooks")
	first := x.release("rev-1")
	applied := x.apply(first)
	x.Expect(applied.Waiting).To(Equal(job("migrate")))
	x.Expect(x.live("ConfigMap", "settings")).NotTo(BeNil())
	x.Expect(x.live("Deployment", "web")).To(BeNil(), "the hook is not through")
	observed := x.shows(applied)
	x.Expect(observed.Hooks()).To(Equal(applied.Hooks))
	x.Expect(x.namespaceSays(v1alpha1.HooksAnnotation)).To(Equal("rev-1=install pre-install/migrate:Started"))
	x.Expect(observed.Readiness(nil, nil)).To(Equal(Readiness{State: StateProgressing, Blockers: []Blocker{{
		Key: job("migrate"), State: StateProgressing, Reason: "JobRunning", Message: "the pre-install hook is not complete yet",
		Hook: "pre-install",
	}}}))
	again := x.apply(first)
	x.Expect(again.Digest(Pruned{})).To(Equal(applied.Digest(Pruned{})), "waiting changes nothing")

	migrate := x.live("Job", "migrate")
	x.finish(migrate)
	x.Expect(x.observe().Hooks()).NotTo(Equal(applied.Hooks), "what comes after it is due")
	x.Expect(x.observe().Readiness(nil, nil).State).To(Equal(StateProgressing), "and until it is applied, nothing is ready")
	applied = x.apply(first)
	x.Expect(applied.Waiting).To(Equal(job("seed")))
	x.Expect(x.live("Deployment", "web")).NotTo(BeNil(), "a hook after everything else waits for no pod")
	x.Expect(x.namespaceSays(v1alpha1.InstallingAnnotation)).To(Equal("true"))

	x.finish(x.live("Job", "seed"))
	applied = x.apply(first)
	x.Expect(applied.Waiting).To(Equal(Key{}))
	x.Expect(x.live("Job", "seed")).To(BeNil(), "its delete policy says so")
	x.Expect(x.namespaceSays(v1alpha1.InstallingAnnotation)).To(BeEmpty())
	observed = x.shows(applied)
	x.Expect(observed.Hooks()).To(Equal(applied.Hooks))
	applied = x.apply(first)
	x.Expect(applied.Waiting).To(Equal(Key{}))
	x.Expect(x.live("Job", "seed")).To(BeNil(), "it has run for this revision")
	x.Expect(x.live("Job", "migrate").GetUID()).To(Equal(migrate.GetUID()))

	second := x.release("rev-2")
	applied = x.apply(second)
	x.Expect(applied.Waiting).To(Equal(job("migrate")))
	x.Expect(applied.Wanted).NotTo(ContainElement(job("seed")), "an upgrade has no post-install")
	x.Expect(x.namespaceSays(v1alpha1.HooksAnnotation)).To(Equal("rev-2=upgrade pre-upgrade/migrate:Started"))
	x.Expect(x.live("Job", "migrate").GetUID()).NotTo(Equal(migrate.GetUID()))
	x.Expect(x.live("Job", "migrate").GetAnnotations()).To(HaveKeyWithValue(v1alpha1.HookAnnotation, "pre-upgrade"))
	x.finish(x.live("Job", "migrate"))
	x.Expect(x.apply(second).Waiting).To(Equal(Key{}))
	x.Expect(x.live("Job", "seed")).To(BeNil())
}

func TestATenantFromBeforeIsUpgradedAndNeverInstalled(t *testing.T) {
	x := newTenant(t, "older")
	x.apply(x.set("rev-1", configuration, workloads))
	x.Expect(x.namespaceSays(v1alpha1.InstallingAnnotation)).To(BeEmpty(), "a revision without hooks is installed at once")

	applied := x.apply(x.release("rev-2"))

	x.Expect(applied.Waiting).To(Equal(job("migrate")))
	x.Expect(x.namespaceSays(v1alpha1.HooksAnnotation)).To(Equal("rev-2=upgrade pre-upgrade/migrate:Started"))
}

func TestARevisionThatComesBackRunsItsHooksAgain(t *testing.T) {
	x := newTenant(t, "back")
	first := x.set("rev-1", hookOf("migrate", "pre-upgrade"), configuration)
	plain := x.set("rev-2", configuration)
	x.apply(plain)
	x.apply(first)
	x.finish(x.live("Job", "migrate"))
	x.Expect(x.apply(first).Waiting).To(Equal(Key{}))
	x.apply(plain)
	x.Expect(x.namespaceSays(v1alpha1.HooksAnnotation)).To(BeEmpty())
	former := x.live("Job", "migrate").GetUID()
	x.deletes(x.live("Job", "migrate"))
	x.Expect(x.apply(first).Waiting).To(Equal(job("migrate")))
	x.Expect(x.live("Job", "migrate").GetUID()).NotTo(Equal(former))
}

func TestAHookThatFailedHoldsUpWhatComesAfterIt(t *testing.T) {
	x := newTenant(t, "failedhook")
	set := x.set("rev-1", hookOf("migrate", "pre-install"), configuration)
	x.apply(set)
	failed := x.live("Job", "migrate")
	x.fail(failed)
	applied := x.apply(set)
	x.Expect(applied.Waiting).To(Equal(job("migrate")))
	x.Expect(x.live("ConfigMap", "settings")).To(BeNil())
	readiness := x.shows(applied).Readiness(nil, nil)
	x.Expect(readiness.State).To(Equal(StateFailed))
	x.Expect(readiness.Blockers).To(HaveExactElements(And(
		HaveField("Key", job("migrate")), HaveField("Reason", "BackoffLimitExceeded"),
		HaveField("Message", "the pre-install hook failed: it failed too often"),
		HaveField("Remedy", ContainSubstring("kubectl delete job migrate -n tenant-failedhook")),
	)))
	x.Expect(x.apply(set).Waiting).To(Equal(job("migrate")), "it does not run again by itself")
	x.Expect(x.live("Job", "migrate").GetUID()).To(Equal(failed.GetUID()))

	x.deletes(x.live("Job", "migrate"))
	x.apply(set)
	x.Expect(x.live("Job", "migrate")).NotTo(BeNil(), "deleted by a person, it runs again")
	x.finish(x.live("Job", "migrate"))
	x.Expect(x.apply(set).Waiting).To(Equal(Key{}))
	x.Expect(x.live("ConfigMap", "settings")).NotTo(BeNil())
}

func TestAHookThatFailedAndIsDeletedByItsPolicyDoesNotRunAgain(t *testing.T) {
	x := newTenant(t, "failedgone")
	set := x.set("rev-1", hookOf("migrate", "pre-install", `helm.sh/hook-delete-policy: "before-hook-creation, HOOK-FAILED"`), configuration)
	x.apply(set)
	x.fail(x.live("Job", "migrate"))
	for range 2 {
		applied := x.apply(set)
		x.Expect(applied.Waiting).To(Equal(job("migrate")))
		x.Expect(x.live("Job", "migrate")).To(BeNil())
		readiness := x.shows(applied).Readiness(nil, nil)
		x.Expect(readiness.State).To(Equal(StateFailed))
		x.Expect(readiness.Blockers).To(HaveExactElements(And(
			HaveField("Key", job("migrate")), HaveField("Reason", "HookFailed"), HaveField("Hook", "pre-install"),
			HaveField("Remedy", ContainSubstring("kubectl annotate namespace tenant-failedgone stallkeeper.io/hooks-")),
		)))
	}
	ns := newObject(NamespaceKind, "", x.name)
	x.Expect(x.client.Patch(t.Context(), ns, mergePatch([]byte(`{"metadata":{"annotations":{"stallkeeper.io/hooks":null}}}`)))).To(Succeed())
	x.seen(ns)
	x.apply(set)
	x.Expect(x.live("Job", "migrate")).NotTo(BeNil(), "the remedy makes it run again")
}

func TestSuspendingWaitsForNoHook(t *testing.T) {
	x := newTenant(t, "hooksuspend")
	running := x.set("rev-1", configuration, hookOf("migrate", "pre-install"), workloads, hookOf("seed", "post-install"))
	stopped := x.set("rev-1", configuration, workloads, hookOf("migrate", "pre-install", "suspend: true"), hookOf("seed", "post-install", "suspend: true"))
	suspended := func(name string) bool {
		suspend, _, _ := unstructured.NestedBool(x.live("Job", name).Object, "spec", "suspend")
		return suspend
	}
	x.Expect(x.apply(stopped).Waiting).To(Equal(Key{}))
	x.Expect(x.live("Deployment", "web")).NotTo(BeNil())
	x.Expect(x.live("Job", "migrate")).To(BeNil(), "what has not begun does not begin")
	x.Expect(x.namespaceSays(v1alpha1.InstallingAnnotation)).To(Equal("true"), "and the tenant is not installed by that")

	x.Expect(x.apply(running).Waiting).To(Equal(job("migrate")))
	migrate := x.live("Job", "migrate").GetUID()
	applied := x.apply(stopped)
	x.Expect(applied.Waiting).To(Equal(Key{}))
	x.Expect(suspended("migrate")).To(BeTrue())
	x.Expect(x.shows(applied).Readiness(nil, nil).Stopped).To(BeFalse(), "the Deployment of this test is not stopped")

	x.Expect(x.apply(running).Waiting).To(Equal(job("migrate")))
	x.Expect(suspended("migrate")).To(BeFalse())
	x.Expect(x.live("Job", "migrate").GetUID()).To(Equal(migrate), "it goes on where it was")
	x.finish(x.live("Job", "migrate"))
	x.apply(stopped)
	x.Expect(x.live("Job", "seed")).To(BeNil())
	x.Expect(x.apply(running).Waiting).To(Equal(job("seed")))
	x.finish(x.live("Job", "seed"))
	x.Expect(x.apply(stopped).Waiting).To(Equal(Key{}))
	x.Expect(x.namespaceSays(v1alpha1.InstallingAnnotation)).To(BeEmpty(), "the last hook ended before the suspension")

	x.Expect(x.apply(x.set("rev-2", hookOf("migrate", "post-upgrade"))).Waiting).To(Equal(job("migrate")))
	x.apply(x.set("rev-3", hookOf("migrate", "post-upgrade", "suspend: true")))
	x.Expect(x.live("Job", "migrate")).To(BeNil(), "what an earlier revision left running is stopped for good")
}

func TestAJobOfTwoEventsRunsAtBoth(t *testing.T) {
	x := newTenant(t, "twice")
	set := x.set("rev-1", hookOf("check", "pre-install"), configuration, hookOf("check", "post-install"))
	x.apply(set)
	before := x.live("Job", "check")
	x.finish(before)
	x.Expect(x.apply(set).Waiting).To(Equal(job("check")))
	after := x.live("Job", "check")
	x.Expect(after.GetUID()).NotTo(Equal(before.GetUID()))
	x.finish(after)
	applied := x.apply(set)
	x.Expect(applied.Waiting).To(Equal(Key{}))
	x.shows(applied)
	x.Expect(x.live("Job", "check").GetUID()).To(Equal(after.GetUID()))
}

func TestAHookIsNeitherLostNorDoubledByACrash(t *testing.T) {
	x := newTenant(t, "hookcrash")
	set := x.set("rev-1", hookOf("migrate", "pre-install"), configuration, hookOf("seed", "post-install", "helm.sh/hook-delete-policy: hook-succeeded"))
	interrupted := x.applier()
	interrupted.Client = interceptor.NewClient(x.client, interceptor.Funcs{
		Patch: func(context.Context, client.WithWatch, client.Object, client.Patch, ...client.PatchOption) error {
			return errInterrupted
		},
	})
	_, err := interrupted.Apply(t.Context(), set)
	x.Expect(err).To(MatchError(errInterrupted), "the Job is made and not recorded")
	migrate := x.live("Job", "migrate").GetUID()
	applied := x.apply(set)
	x.Expect(x.live("Job", "migrate").GetUID()).To(Equal(migrate))

	x.finish(x.live("Job", "migrate"))
	broken := x.applier()
	broken.Client = interceptor.NewClient(x.client, interceptor.Funcs{
		Apply: func(ctx context.Context, c client.WithWatch, obj runtime.ApplyConfiguration, opts ...client.ApplyOption) error {
			if x.namespaceSays(v1alpha1.HooksAnnotation) != applied.Hooks {
				return errInterrupted
			}
			return c.Apply(ctx, obj, opts...)
		},
	})
	_, err = broken.Apply(t.Context(), set)
	x.Expect(err).To(MatchError(errInterrupted), "the end is recorded and nothing else done")
	x.eventually(func() string { return x.observe().Hooks() }).Should(Equal("rev-1=install pre-install/migrate:Succeeded"))
	x.Expect(x.observe().Hooks()).NotTo(Equal(applied.Hooks), "what was known before the crash does not hold any more")
	x.Expect(x.apply(set).Waiting).To(Equal(job("seed")))
	x.finish(x.live("Job", "seed"))

	keeping := x.applier()
	keeping.Client = interceptor.NewClient(x.client, interceptor.Funcs{
		Delete: func(context.Context, client.WithWatch, client.Object, ...client.DeleteOption) error {
			return errInterrupted
		},
	})
	_, err = keeping.Apply(t.Context(), set)
	x.Expect(err).To(MatchError(errInterrupted), "its end is recorded, and it is not deleted")
	applied = x.apply(set)
	x.Expect(applied.Waiting).To(Equal(Key{}))
	x.Expect(x.live("Job", "seed")).To(BeNil())
	x.shows(applied)
}

func TestAHookThatTheClusterCleansUpCountsAsDone(t *testing.T) {
	x := newTenant(t, "hookttl")
	set := x.set("rev-1", hookOf("migrate", "pre-install", "ttlSecondsAfterFinished: 0"), hookOf("load", "pre-install"), configuration)
	x.apply(set)
	x.deletes(x.live("Job", "migrate"))
	x.Expect(x.apply(set).Waiting).To(Equal(job("load")))
	x.Expect(x.live("Job", "migrate")).To(BeNil())

	x.deletes(x.live("Job", "load"))
	x.Expect(x.apply(set).Waiting).To(Equal(job("load")))
	x.Expect(x.live("Job", "load")).NotTo(BeNil(), "nobody but a person deletes a Job before its end was seen")
}

func TestTheRecordOfHooksIsReadAsItWasWritten(t *testing.T) {
	for name, tc := range map[string]struct {
		annotations map[string]string
		want        hookRecord
	}{
		"nothing: a tenant from before": {want: hookRecord{revision: "shop-2", release: upgrade}},
		"a tenant that is being made": {
			annotations: map[string]string{v1alpha1.InstallingAnnotation: "true"}, want: hookRecord{revision: "shop-2", release: install},
		},
		"an install that is over": {
			annotations: map[string]string{v1alpha1.HooksAnnotation: "shop-2=install"}, want: hookRecord{revision: "shop-2", release: install},
		},
		"another revision's": {
			annotations: map[string]string{v1alpha1.HooksAnnotation: "shop-1=install pre-install/a:Failed"},
			want:        hookRecord{revision: "shop-2", release: upgrade},
		},
		"its own": {
			annotations: map[string]string{v1alpha1.HooksAnnotation: "shop-2=upgrade post-upgrade/b.c:Started,pre-upgrade/a:Succeeded"},
			want: hookRecord{revision: "shop-2", release: upgrade, states: map[string]hookState{
				"post-upgrade/b.c": hookStarted, "pre-upgrade/a": hookSucceeded,
			}},
		},
		"broken by hand": {
			annotations: map[string]string{v1alpha1.HooksAnnotation: "shop-2=reinstall a,b"}, want: hookRecord{revision: "shop-2", release: upgrade},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if tc.want.states == nil {
				tc.want.states = map[string]hookState{}
			}
			ns := newObject(NamespaceKind, "", "tenant")
			ns.SetAnnotations(tc.annotations)
			got := recordedHooks(ns, "shop-2")
			if diff := cmp.Diff(tc.want, got, cmp.AllowUnexported(hookRecord{})); diff != "" {
				t.Error(diff)
			}
			ns.SetAnnotations(map[string]string{v1alpha1.HooksAnnotation: got.String()})
			if diff := cmp.Diff(got, recordedHooks(ns, "shop-2"), cmp.AllowUnexported(hookRecord{})); diff != "" {
				t.Errorf("written and read: %s", diff)
			}
		})
	}
}

func TestTheHooksBeforeTheNextRevisionRunBesideTheOneThatStands(t *testing.T) {
	x := newTenant(t, "next")
	const steps = "\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {mode: next}}\n"
	stand := x.set("rev-1", configuration, workloads, hookOf("migrate", "post-install"))
	x.apply(stand)
	x.finish(x.live("Job", "migrate"))
	x.apply(stand)
	stand.Next = &Next{Revision: "rev-2", Groups: x.set("rev-2", steps, hookOf("migrate", "pre-upgrade")).Groups}
	mode := func() any { return x.live("ConfigMap", "settings").Object["data"].(map[string]any)["mode"] }

	applied := x.apply(stand)
	x.Expect(applied.Prepared).To(BeFalse())
	x.Expect(applied.Waiting).To(Equal(Key{}), "what stands is complete")
	x.Expect(mode()).To(Equal("next"), "an object of both is the next one's")
	observed := x.shows(applied)
	x.Expect(observed.Preparing("rev-2")).To(BeTrue())
	x.Expect(observed.Preparing("rev-1")).To(BeFalse())
	readiness := observed.Readiness(nil, nil)
	x.Expect(readiness.Next).To(HaveExactElements(And(HaveField("Key", job("migrate")), HaveField("State", StateProgressing), HaveField("Hook", "pre-upgrade"))))
	for _, blocker := range readiness.Blockers {
		x.Expect(blocker.Key).NotTo(Equal(job("migrate")), "it says nothing about the tenant as it stands")
	}
	x.fail(x.live("Job", "migrate"))
	x.Expect(x.apply(stand).Prepared).To(BeFalse())
	x.Expect(x.observe().Readiness(nil, nil).Next).To(HaveExactElements(HaveField("State", StateFailed)))

	x.deletes(x.live("Job", "migrate"))
	x.apply(stand)
	x.finish(x.live("Job", "migrate"))
	x.Expect(x.apply(stand).Prepared).To(BeTrue())
	moved := x.set("rev-2", steps, hookOf("migrate", "pre-upgrade"), workloads)
	ran := x.live("Job", "migrate").GetUID()
	applied = x.apply(moved)
	x.Expect(applied.Waiting).To(Equal(Key{}), "the hook has run for this revision")
	x.Expect(x.live("Job", "migrate").GetUID()).To(Equal(ran))
	x.Expect(x.namespaceSays(v1alpha1.HooksAnnotation)).To(Equal("rev-2=upgrade pre-upgrade/migrate:Succeeded"))

	stand.Next = nil
	x.apply(stand)
	x.Expect(x.namespaceSays(v1alpha1.HooksAnnotation)).To(Equal("rev-1=upgrade"))
}
