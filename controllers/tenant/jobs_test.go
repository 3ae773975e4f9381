package tenant

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

// job is a Job; event is that of a hook, more are further fields of its spec.
func job(name, event, more string) string {
	annotations := ""
	if event != "" {
		annotations = ", annotations: {" + v1alpha1.HookAnnotation + ": " + event + "}"
	}
	return "\n- {apiVersion: batch/v1, kind: Job, metadata: {name: " + name + annotations + "}, spec: {" + more +
		"template: {spec: {restartPolicy: Never, containers: [{name: c, image: \"c:1\"}]}}}}\n"
}

func (w *world) has(kind, name string) bool { return w.server.object(id(kind, name)) != nil }

func TestAHookHoldsWhatComesAfterItUntilItHasSucceeded(t *testing.T) {
	w := newWorld(map[string]string{"a": settings + job("prepare", "pre-install", "") + deployment("web", three) + job("seed", "post-install", "")}, "a")
	out, _ := w.settle(t.Context())
	if out.shaped.Waiting.Name != "prepare" || w.has("Deployment", "web") || !w.has("Job", "prepare") {
		t.Fatalf("waiting for %v, web %v", out.shaped.Waiting, w.has("Deployment", "web"))
	}
	w.ends("prepare", "Complete")
	if out, _ = w.settle(t.Context()); out.shaped.Waiting.Name != "seed" || !w.has("Deployment", "web") {
		t.Fatalf("waiting for %v", out.shaped.Waiting)
	}
	w.ends("seed", "Complete")
	w.settle(t.Context())
	if w.field("Namespace", space, "metadata", "annotations", v1alpha1.InstallingAnnotation) != nil {
		t.Error("it is still being installed")
	}
}

func TestResumingWaitsForNoHook(t *testing.T) {
	w := newWorld(map[string]string{"a": deployment("web", "") + job("seed", "post-install", "")}, "a")
	w.settle(t.Context())
	w.ends("seed", "Failed")
	w.settle(t.Context())
	w.scale("web", 7)
	w.stop = true
	w.settle(t.Context())
	replicas(t, w, "web", 0)
	w.stop = false
	w.settle(t.Context())
	replicas(t, w, "web", 7)
}

func TestHowAJobEnds(t *testing.T) {
	const ttl = "ttlSecondsAfterFinished: 5, "
	for name, tc := range map[string]struct {
		event, spec string
		do          func(*world)
		want        JobState
		runs        bool // the Job stands, and is another one
	}{
		"it succeeded": {"pre-install", "", func(w *world) { w.ends("j", "Complete") }, JobSucceeded, false},
		"it succeeded, was seen, and the cluster deletes it": {"pre-install", ttl, func(w *world) {
			w.ends("j", "Complete")
			w.cache.sync()
			w.pass(w.ctx())
			w.deletes("Job", "j")
		}, JobSucceeded, false},
		"it failed": {"pre-install", "", func(w *world) { w.ends("j", "Failed") }, JobFailed, false},
		"it failed, was seen, and the cluster deletes it": {"pre-install", ttl, func(w *world) {
			w.ends("j", "Failed")
			w.cache.sync()
			w.pass(w.ctx())
			w.clock.SetTime(w.clock.Now().Add(6 * time.Second))
			w.deletes("Job", "j")
		}, JobFailed, false},
		"it failed, was seen, and a person deletes it before the cluster does": {"pre-install", ttl, func(w *world) {
			w.ends("j", "Failed")
			w.cache.sync()
			w.pass(w.ctx())
			w.deletes("Job", "j")
			w.cache.sync()
			w.pass(w.ctx())
		}, JobStarted, true},
		"it failed, was seen, and a person deletes it": {"pre-install", "", func(w *world) {
			w.ends("j", "Failed")
			w.settle(w.ctx())
			w.deletes("Job", "j")
		}, JobStarted, true},
		"a plain Job failed, and a person deletes it": {"", "", func(w *world) {
			w.ends("j", "Failed")
			w.settle(w.ctx())
			w.deletes("Job", "j")
		}, JobStarted, true},
		"it is gone, and how it ended was not seen":          {"pre-install", "", func(w *world) { w.deletes("Job", "j") }, JobLost, false},
		"a plain Job is gone, and how it ended was not seen": {"", "", func(w *world) { w.deletes("Job", "j") }, JobLost, false},
		"a person deletes it before its end is recorded": {"pre-install", ttl, func(w *world) {
			w.ends("j", "Failed")
			w.deletes("Job", "j")
		}, JobLost, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(map[string]string{"a": settings + job("j", tc.event, tc.spec) + deployment("web", three)}, "a")
			w.settle(t.Context())
			former := w.server.object(id("Job", "j")).GetUID()
			tc.do(w)
			out, _ := w.settle(t.Context())
			ns := w.server.object(id("Namespace", space))
			if got := JobsOf(ns, "a").States[tc.event+"/j"].State; got != tc.want {
				t.Errorf("the record says %q, want %q", got, tc.want)
			}
			now := w.server.object(id("Job", "j"))
			if runs := now != nil && now.GetUID() != former; runs != tc.runs {
				t.Errorf("it runs again: %v, want %v", runs, tc.runs)
			}
			failed := slices.ContainsFunc(out.refusals, func(r Refusal) bool { return r.Reason == ReasonJobFailed && r.Remedy != "" })
			if want := tc.want == JobFailed || tc.want == JobLost; failed != want {
				t.Errorf("a person is told what to do: %v, want %v", failed, want)
			}
			if through := w.has("Deployment", "web"); through != (tc.event == "" || tc.want == JobSucceeded) {
				t.Errorf("what comes after it stands: %v", through)
			}
			if tc.want == JobLost || tc.want == JobFailed && now == nil {
				// The remedy works.
				w.server.edit(id("Namespace", space), "kubectl", func(o *unstructuredObject) { dropAnnotation(o, JobsAnnotation) })
				w.settle(t.Context())
				if !w.has("Job", "j") {
					t.Error("the remedy does not make it run again")
				}
			}
		})
	}
}

// expired is the cluster, which deletes each Job that has ended and may go. It says whether there was one.
func (w *world) expired(name string) bool {
	job := w.server.object(w.id("Job", name))
	if job == nil || jobEnd(job) == "" || at(job.Object, ttlPath) == nil {
		return false
	}
	w.deletes("Job", name)
	return true
}

// A Job that may go as soon as it has ended ends between any two requests of ours, and the process dies there.
func TestTheClusterDeletesNoJobBeforeItsEndIsRecorded(t *testing.T) {
	for _, event := range []string{"", "pre-install", "post-install"} {
		for _, end := range []string{"Complete", "Failed"} {
			for n := 1; n < 12; n++ {
				w := newWorld(map[string]string{"a": settings + job("j", event, "ttlSecondsAfterFinished: 0, ") + deployment("web", three)}, "a")
				made := 0
				w.server.memory.Stored = func(before, after *unstructuredObject, _ string) {
					if before == nil && after.GetKind() == "Job" {
						made++
					}
				}
				w.dies(n, true)
				w.pass(t.Context())
				w.lives()
				w.ends("j", end)
				w.expired("j")
				w.settle(t.Context())
				w.ends("j", end) // where it was made only now
				out, _ := w.settle(t.Context())
				for w.expired("j") {
					out, _ = w.settle(t.Context())
				}
				want := map[string]JobState{"Complete": JobSucceeded, "Failed": JobFailed}[end]
				if got := JobsOf(w.server.object(id("Namespace", space)), "a").States[event+"/j"].State; got != want || made != 1 || w.has("Job", "j") {
					t.Errorf("%s %q, dead after %d requests: recorded as %q, made %d times, stands %v; %v", end, event, n, got, made, w.has("Job", "j"), out.refusals)
				}
			}
		}
	}
}

// A Job that its delete policy takes away at its end, and the process dies after any of its requests.
func TestAJobIsDeletedOnlyOnceItsEndIsRecorded(t *testing.T) {
	for end, state := range map[string]JobState{"Complete": JobSucceeded, "Failed": JobFailed} {
		for n := 1; n < 5; n++ {
			hook := strings.Replace(job("j", "pre-install", ""), "annotations: {", "annotations: {helm.sh/hook-delete-policy: \"hook-succeeded,hook-failed\", ", 1)
			w := newWorld(map[string]string{"a": settings + hook + deployment("web", three)}, "a")
			w.settle(t.Context())
			w.ends("j", end)
			w.cache.sync()
			w.dies(n, true)
			w.pass(t.Context())
			w.lives()
			w.settle(t.Context())
			if got := JobsOf(w.server.object(id("Namespace", space)), "a").States["pre-install/j"].State; got != state || w.has("Job", "j") {
				t.Errorf("%s, dead after %d requests: recorded as %q, stands %v", end, n, got, w.has("Job", "j"))
			}
		}
	}
}

func TestAJobRunsOnceForEachRevision(t *testing.T) {
	w := newWorld(map[string]string{"a": settings + migrate, "b": changed + migrate}, "a")
	w.settle(t.Context())
	w.ends("migrate", "Complete")
	w.settle(t.Context())
	first := w.server.object(id("Job", "migrate")).GetUID()
	w.settle(t.Context())
	if w.server.object(id("Job", "migrate")).GetUID() != first {
		t.Error("it ran twice for the same revision")
	}
	w.target = "b"
	w.settle(t.Context())
	second := w.server.object(id("Job", "migrate"))
	if second.GetUID() == first || second.GetLabels()[v1alpha1.RevisionLabel] != "b" {
		t.Error("it did not run for the next one")
	}
	w.ends("migrate", "Complete")
	w.settle(t.Context())
	w.deletes("Job", "migrate")
	w.settle(t.Context())
	if w.has("Job", "migrate") {
		t.Error("done and gone, it ran again")
	}
}

func TestAFailedJobHoldsNoPin(t *testing.T) {
	w := newWorld(map[string]string{"a": settings, "b": changed + migrate + deployment("web", three)}, "a")
	w.settle(t.Context())
	w.target = "b"
	w.settle(t.Context())
	w.ends("migrate", "Failed")
	out, _ := w.settle(t.Context())
	if w.pin() != "b" || !strings.Contains(strings.Join(said(out.refusals), " "), "Job/migrate JobFailed") {
		t.Errorf("pinned to %q; %v", w.pin(), said(out.refusals))
	}
	w.cache.sync()
	st, err := w.Observe(t.Context(), space)
	if err != nil {
		t.Fatal(err)
	}
	r := st.Readiness(nil)
	if len(r.Blockers) == 0 || r.Blockers[0].Name != "migrate" || r.Blockers[0].Remedy == "" {
		t.Errorf("%+v", r)
	}
}

func TestHooksBeforeAnotherRevisionRunWhileTheTenantStays(t *testing.T) {
	w := newWorld(map[string]string{"a": settings + deployment("web", three), "b": changed + deployment("web", "    replicas: 5")}, "a")
	w.settle(t.Context())
	prepare := w.set("b")
	prepare.Groups = nil
	for _, obj := range parse(strings.ReplaceAll(settings, "settings", "for-the-hook") + job("migrate", "pre-upgrade", "")) {
		obj.SetLabels(map[string]string{v1alpha1.InstanceLabel: owner.Name, v1alpha1.InstanceNamespaceLabel: owner.Namespace})
		prepare.Groups = append(prepare.Groups, []*unstructuredObject{obj})
	}
	pass := func() Shaped {
		w.cache.sync()
		w.clock.SetTime(w.clock.Now().Add(time.Minute))
		st, err := w.Observe(t.Context(), space)
		if err != nil {
			t.Fatal(err)
		}
		prepared, err := w.Prepare(t.Context(), st, prepare)
		if err != nil {
			t.Fatal(err)
		}
		stays := w.set("a")
		stays.Next, stays.Besides = "b", Beside(prepare.Groups)
		if _, err := w.Shape(t.Context(), prepared.Standing, stays); err != nil {
			t.Fatal(err)
		}
		return prepared
	}
	if p := pass(); p.Stands || p.Waiting.Name != "migrate" || !w.has("ConfigMap", "for-the-hook") {
		t.Fatalf("%+v", p)
	}
	replicas(t, w, "web", 3)
	writes := len(w.server.writes)
	if p := pass(); p.Stands || len(w.server.writes) != writes {
		t.Errorf("while it waits it writes %v", w.server.writes[writes:])
	}
	w.ends("migrate", "Complete")
	if p := pass(); !p.Stands {
		t.Errorf("%+v", p)
	}
	if got := JobsOf(w.server.object(id("Namespace", space)), "b").States["pre-upgrade/migrate"].State; got != JobSucceeded {
		t.Errorf("the record says %q", got)
	}
	if w.pin() != "a" || !w.has("ConfigMap", "for-the-hook") {
		t.Errorf("pinned to %q", w.pin())
	}
}

func TestAStoppedTenantIsNotMovedPastAHook(t *testing.T) {
	w := newWorld(map[string]string{"a": settings + deployment("web", three), "b": changed + job("migrate", "pre-upgrade", "") + deployment("web", three)}, "a")
	w.settle(t.Context())
	w.stop = true
	w.target = "b"
	w.settle(t.Context())
	if w.pin() != "a" || w.field("ConfigMap", "settings", "data", "mode") != "fast" || w.has("Job", "migrate") {
		t.Errorf("it is on %q, the hook runs %v", w.pin(), w.has("Job", "migrate"))
	}
	w.stop = false
	w.settle(t.Context())
	w.ends("migrate", "Complete")
	w.settle(t.Context())
	if w.pin() != "b" {
		t.Errorf("resumed, it is on %q", w.pin())
	}
}

func TestARecordOfJobsIsReadAsItWasWritten(t *testing.T) {
	jobs := Jobs{Revision: "shop-1", Install: true, States: map[string]JobRecord{
		"pre-install/a": {State: JobFailed, Stands: time.Unix(1_700_000_000, 0)}, "/b": {State: JobSucceeded}, "post-install/c": {State: JobLost},
	}}
	ns := newObject(kindNamespace.WithVersion("v1"), "", space)
	setAnnotation(ns, JobsAnnotation, joinJobs(jobs, Jobs{Revision: "empty"}, Jobs{Revision: "shop-2", States: map[string]JobRecord{"/b": {State: JobStarted}}}))
	if diff := cmp.Diff(jobs, JobsOf(ns, "shop-1")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := JobsOf(ns, "shop-2").States["/b"].State; got != JobStarted {
		t.Errorf("%q", got)
	}
	if got := JobsOf(ns, "other"); len(got.States) != 0 || got.Install {
		t.Errorf("%+v", got)
	}
}
