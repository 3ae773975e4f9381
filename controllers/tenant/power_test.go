package tenant

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

func TestANewTenantCostsOneCallAnObjectAndOneForItsNamespace(t *testing.T) {
	w := newWorld(map[string]string{"a": account + secret + settings + quota + policy + service + deployment("web", three) + statefulSet("1Gi")}, "a")
	if out := w.pass(t.Context()); out.err != nil || len(out.refusals) > 0 || !out.shaped.Stands {
		t.Fatalf("%+v", out)
	}
	// Nothing is looked for first: what exists already says so when it is made.
	if len(w.server.writes) != 9 || w.server.calls != 9 {
		t.Errorf("%d calls, %d writes:\n%s", w.server.calls, len(w.server.writes), strings.Join(w.server.writes, "\n"))
	}
	calls := w.server.calls
	w.pass(t.Context())
	w.cache.sync()
	w.pass(t.Context())
	w.restart()
	w.pass(t.Context())
	if w.server.calls != calls {
		t.Errorf("quiet passes, with and without a restart, cost %d calls: %s", w.server.calls-calls, w.server.writes[9:])
	}
}

func TestSuspendingAndResumingWritesEachWorkloadOnce(t *testing.T) {
	w := newWorld(map[string]string{"a": settings + service + deployment("web", "") + scaler + deployment("api", three) + cron + statefulSet("1Gi")}, "a")
	w.settle(t.Context())
	w.scale("web", 7)
	w.cache.sync()

	w.stop = true
	w.server.writes = nil
	w.settle(t.Context())
	want := []string{"apply CronJob/tick", "apply Deployment/api", "apply Deployment/web", "apply StatefulSet/db"}
	if diff := cmp.Diff(want, slices.Sorted(slices.Values(w.server.writes))); diff != "" {
		t.Errorf("a suspension writes (-want +got):\n%s", diff)
	}
	for _, name := range []string{"web", "api"} {
		replicas(t, w, name, 0)
	}
	w.stop = false
	w.server.writes = nil
	w.settle(t.Context())
	if diff := cmp.Diff(want, slices.Sorted(slices.Values(w.server.writes))); diff != "" {
		t.Errorf("resuming writes (-want +got):\n%s", diff)
	}
	replicas(t, w, "web", 7)
	replicas(t, w, "api", 3)
	if w.field("CronJob", "tick", "spec", "suspend") != false {
		t.Error("the CronJob stays suspended")
	}
}

func TestWhatCantBeRenderedIsStoppedAndResumedAllTheSame(t *testing.T) {
	w := newWorld(map[string]string{"a": deployment("web", "") + scaler + deployment("api", three)}, "a")
	w.settle(t.Context())
	w.scale("web", 7)
	w.rendered = false
	w.restart()
	for range 2 {
		w.stop = true
		w.settle(t.Context())
		replicas(t, w, "web", 0)
		replicas(t, w, "api", 0)
		w.stop = false
		w.settle(t.Context())
		replicas(t, w, "web", 7)
		replicas(t, w, "api", 3)
	}
	w.rendered = true
	if _, passes := w.settle(t.Context()); passes != 0 {
		t.Error("what was resumed without rendering is written again")
	}
}

func TestALeftoverOfAFinishedRevisionIsStopped(t *testing.T) {
	kept := strings.Replace(deployment("old", three), "metadata: {name: old}", "metadata: {name: old, annotations: {helm.sh/resource-policy: keep}}", 1)
	w := newWorld(map[string]string{"a": deployment("web", three) + kept, "b": deployment("web", three)}, "a")
	w.settle(t.Context())
	w.target = "b"
	if out, _ := w.settle(t.Context()); !slices.Equal(out.shaped.Orphans, []string{"Deployment/old"}) {
		t.Fatalf("orphans %v", out.shaped.Orphans)
	}
	w.stop = true
	w.settle(t.Context())
	replicas(t, w, "old", 0)
	w.stop = false
	w.settle(t.Context())
	replicas(t, w, "old", 3)
}

func TestAWorkloadThatSomebodyScalesUpWhileItsTenantIsStoppedGoesBackToZero(t *testing.T) {
	w := newWorld(map[string]string{"a": deployment("web", "")}, "a")
	w.settle(t.Context())
	w.scale("web", 7)
	w.stop = true
	w.settle(t.Context())
	w.scale("web", 4)
	w.settle(t.Context())
	replicas(t, w, "web", 0)
	w.stop = false
	w.settle(t.Context())
	replicas(t, w, "web", 7)
}

func TestReplicasAreHandedToAnAutoscalerWithoutADip(t *testing.T) {
	for name, stopped := range map[string]bool{"while it runs": false, "while it is stopped": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(map[string]string{"a": deployment("web", three), "b": deployment("web", "") + scaler}, "a")
			w.settle(t.Context())
			w.stop = stopped
			w.settle(t.Context())
			var seen []any
			w.server.memory.Stored = func(_, after *unstructured.Unstructured, _ string) {
				if after != nil && after.GetKind() == "Deployment" {
					seen = append(seen, at(after.Object, []string{"spec", "replicas"}))
				}
			}
			w.target = "b"
			w.settle(t.Context())
			want := map[bool]int64{true: 0, false: 3}[stopped]
			for _, n := range seen {
				if n != want {
					t.Errorf("on the way it had %v replicas, want %d", seen, want)
				}
			}
			w.server.memory.Stored = nil
			w.stop = false
			w.settle(t.Context())
			replicas(t, w, "web", 3)
			w.scale("web", 6)
			if _, passes := w.settle(t.Context()); passes != 0 {
				t.Error("the autoscaler's number is written over")
			}
			replicas(t, w, "web", 6)
		})
	}
}

func TestATemplateThatBeginsToSetReplicasWhileItsTenantIsStopped(t *testing.T) {
	w := newWorld(map[string]string{"a": deployment("web", ""), "b": deployment("web", three)}, "a")
	w.settle(t.Context())
	w.scale("web", 7)
	w.stop = true
	w.settle(t.Context())
	w.target = "b"
	w.settle(t.Context())
	replicas(t, w, "web", 0)
	w.stop = false
	w.settle(t.Context())
	replicas(t, w, "web", 3)
	if kept := w.field("Deployment", "web", "metadata", "annotations", KeptAnnotation); kept != nil {
		t.Errorf("the kept number %v stays behind", kept)
	}
	if _, passes := w.settle(t.Context()); passes != 0 {
		t.Error("it does not come to rest")
	}
}

func TestATenantThatIsMadeStoppedStartsNoPod(t *testing.T) {
	w := newWorld(map[string]string{
		"a": deployment("web", "") + deployment("api", three) + cron + hibernate + migrate,
		"b": deployment("web", "") + deployment("api", three) + cron + hibernate + migrate + settings,
	}, "a")
	w.patches = map[schema.GroupKind][]byte{{Group: "db.example.com", Kind: "Cluster"}: []byte(`{"spec":{"hibernate":true}}`)}
	w.stop = true
	w.server.memory.Stored = func(_, after *unstructured.Unstructured, _ string) {
		if after == nil {
			return
		}
		n, _ := number(after, "spec", "replicas")
		runs := n > 0 || (after.GetKind() == "CronJob" || after.GetKind() == "Job") && !flag(after, "spec", "suspend") ||
			after.GetKind() == "Cluster" && !flag(after, "spec", "hibernate")
		if runs {
			t.Errorf("%s runs for a moment", after.GetName())
		}
	}
	w.settle(t.Context())
	w.target = "b"
	if out, _ := w.settle(t.Context()); len(out.refusals) > 0 {
		t.Errorf("refused: %v", out.refusals)
	}
	w.revisions["b"] = strings.ReplaceAll(w.revisions["b"], "web:1", "web:2")
	w.settle(t.Context())
	w.server.memory.Stored = nil
	w.stop = false
	w.settle(t.Context())
	replicas(t, w, "web", 1)
	replicas(t, w, "api", 3)
	if w.field("CronJob", "tick", "spec", "suspend") != false || w.field("Job", "migrate", "spec", "suspend") != false ||
		w.field("Cluster", "main", "spec", "hibernate") != false {
		t.Error("it does not run after it was resumed")
	}
}

func TestASuspensionPatchThatIsRefusedHoldsNothingElse(t *testing.T) {
	cluster := schema.GroupKind{Group: "db.example.com", Kind: "Cluster"}
	for name, patch := range map[string]string{
		"it is no map":                    `[]`,
		"it changes the kind":             `{"kind":"Other"}`,
		"the API server does not take it": `{"spec":{"hibernate":"yes, please"}}`,
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(map[string]string{"a": hibernate + deployment("web", three)}, "a")
			w.patches = map[schema.GroupKind][]byte{cluster: []byte(patch), kindDeployment: []byte(patch)}
			w.settle(t.Context())
			w.server.before = func(verb string, key Key) error {
				if verb == "apply" && strings.Contains(patch, "please") && key.Kind == "Cluster" && w.stop {
					return invalid(key, "spec.hibernate", "must be a boolean")
				}
				return nil
			}
			w.stop = true
			out, _ := w.settle(t.Context())
			// What is stopped without the patch is stopped.
			if diff := cmp.Diff([]string{"Deployment/web " + ReasonSuspensionPatch, "Cluster/main " + ReasonCannotSuspend}, said(sortRefusals(out.refusals))); diff != "" &&
				!strings.Contains(patch, "please") {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if !slices.Contains(said(out.refusals), "Cluster/main "+ReasonCannotSuspend) {
				t.Errorf("refusals: %v", said(out.refusals))
			}
			replicas(t, w, "web", 0)
			w.stop = false
			w.settle(t.Context())
			replicas(t, w, "web", 3)
		})
	}
}

// A patch that no object takes leaves what the revision says where it is.
func TestARefusedPatchResetsNothing(t *testing.T) {
	w := newWorld(map[string]string{"a": service + deployment("web", three)}, "a")
	w.patches = map[schema.GroupKind][]byte{kindService: []byte(`{"spec":{"selector":{"app":"sorry"},"ports":null}}`)}
	w.settle(t.Context())
	w.server.before = func(verb string, key Key) error {
		if verb == "patch" && key.Kind == kindService.Kind {
			return invalid(key, "spec.ports", "Required value")
		}
		return nil
	}
	before := w.server.object(id("Service", "web"))
	w.stop = true
	out, _ := w.settle(t.Context())
	if diff := cmp.Diff([]string{"Service/web " + ReasonSuspensionPatch}, said(out.refusals)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(before, w.server.object(id("Service", "web"))); diff != "" {
		t.Errorf("(-before +after):\n%s", diff)
	}
}

// What we have applied is ours to stop, whatever a person has made of its metadata, and without a revision.
func TestWhatAPersonLabelsOrOwnsIsStopped(t *testing.T) {
	for name, change := range map[string]func(*unstructured.Unstructured){
		"it names another instance": func(o *unstructured.Unstructured) {
			o.SetLabels(map[string]string{v1alpha1.InstanceLabel: "other", v1alpha1.InstanceNamespaceLabel: "sales"})
		},
		"it has another controller": func(o *unstructured.Unstructured) {
			o.SetOwnerReferences([]metav1.OwnerReference{{APIVersion: "flagger.app/v1beta1", Kind: "Canary", Name: "web", UID: "u", Controller: ptr.To(true)}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(map[string]string{"a": deployment("web", three)}, "a")
			w.settle(t.Context())
			w.server.edit(id("Deployment", "web"), "kubectl", change)
			w.rendered, w.stop = false, true
			w.settle(t.Context())
			replicas(t, w, "web", 0)
			w.stop = false
			w.settle(t.Context())
			replicas(t, w, "web", 3)
		})
	}
}

// The number that an autoscaler had chosen is lost with the annotation. Zero would leave a paid tenant stopped.
func TestALostNumberIsNotZero(t *testing.T) {
	for _, rendered := range []bool{true, false} {
		w := newWorld(map[string]string{"a": deployment("web", "")}, "a")
		w.settle(t.Context())
		w.scale("web", 7)
		w.stop, w.rendered = true, rendered
		w.settle(t.Context())
		w.server.edit(id("Deployment", "web"), "kubectl", func(o *unstructured.Unstructured) { dropAnnotation(o, KeptAnnotation) })
		w.settle(t.Context())
		w.stop = false
		w.settle(t.Context())
		replicas(t, w, "web", 1)
	}
}

func TestASuspensionPatchComesAndGoesWithoutRendering(t *testing.T) {
	w := newWorld(map[string]string{"a": hibernate}, "a")
	w.patches = map[schema.GroupKind][]byte{{Group: "db.example.com", Kind: "Cluster"}: []byte(`{"spec":{"hibernate":true,"instances":0,"note":"off"}}`)}
	w.settle(t.Context())
	before := w.field("Cluster", "main", "spec")
	w.rendered = false
	w.stop = true
	if _, passes := w.settle(t.Context()); passes > 2 {
		t.Error("it does not come to rest")
	}
	want := map[string]any{"hibernate": true, "instances": int64(0), "note": "off"}
	if diff := cmp.Diff(want, w.field("Cluster", "main", "spec")); diff != "" {
		t.Errorf("stopped (-want +got):\n%s", diff)
	}
	w.server.edit(id("Cluster", "main"), "somebody", func(obj *unstructured.Unstructured) { set(obj, false, "spec", "hibernate") })
	w.settle(t.Context())
	if diff := cmp.Diff(want, w.field("Cluster", "main", "spec")); diff != "" {
		t.Errorf("somebody wakes it (-want +got):\n%s", diff)
	}
	w.stop = false
	w.settle(t.Context())
	if diff := cmp.Diff(before, w.field("Cluster", "main", "spec")); diff != "" {
		t.Errorf("resumed (-want +got):\n%s", diff)
	}
	w.rendered = true
	w.settle(t.Context())
	if _, passes := w.settle(t.Context()); passes != 0 {
		t.Error("it does not come to rest")
	}
}

// of makes an object of the tenant that another one controls.
func (w *world) of(t *testing.T, apiVersion, kind, name, text string) objectID {
	t.Helper()
	obj := parse(text)[0]
	obj.SetNamespace(w.space)
	obj.SetLabels(map[string]string{v1alpha1.InstanceLabel: w.owner.Name, v1alpha1.InstanceNamespaceLabel: w.owner.Namespace})
	obj.SetOwnerReferences([]metav1.OwnerReference{{APIVersion: apiVersion, Kind: kind, Name: name, UID: "u", Controller: ptr.To(true)}})
	if err := w.server.Create(t.Context(), obj, client.FieldOwner("kube-controller-manager")); err != nil {
		t.Fatal(err)
	}
	return idOf(obj)
}

func TestAJobThatWasStartedByAScheduleStopsWithItsTenant(t *testing.T) {
	started := func(name string) string { return strings.ReplaceAll(migrate, "migrate", name) }
	for name, tc := range map[string]struct {
		version, kind string
		ended         string
		stops         bool
	}{
		"by a CronJob":                {"batch/v1", "CronJob", "", true},
		"by KEDA":                     {"keda.sh/v1alpha1", "ScaledJob", "", true},
		"by a CronJob, and has ended": {"batch/v1", "CronJob", "Complete", false},
		"by another operator, which would set it back": {"example.com/v1", "Flow", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(map[string]string{"a": cron + deployment("web", three)}, "a")
			w.settle(t.Context())
			run := w.of(t, tc.version, tc.kind, "tick", started("tick-29301420"))
			if tc.ended != "" {
				w.ends("tick-29301420", tc.ended)
			}
			w.stop = true
			w.settle(t.Context())
			if got := flag(w.server.object(run), "spec", "suspend"); got != tc.stops {
				t.Errorf("stopped, the Job is suspended: %v, want %v", got, tc.stops)
			}
			w.stop = false
			w.settle(t.Context())
			if job := w.server.object(run); flag(job, "spec", "suspend") || job.GetAnnotations()[KeptAnnotation] != "" {
				t.Error("the tenant is running again, and its Job does not")
			}
		})
	}
}

// A person takes away what a stopped workload would come back with.
func TestWhatIsKeptIsLostAndTheTenantRunsAgain(t *testing.T) {
	for name, of := range map[string]objectID{
		"of a Deployment": id("Deployment", "web"), "of a StatefulSet": id("StatefulSet", "db"), "of a CronJob": id("CronJob", "tick"),
		"of a custom kind": id("Cluster", "main"), "of a ScaledObject": id("ScaledObject", "keda"),
	} {
		for _, rendered := range []bool{true, false} {
			t.Run(fmt.Sprint(name, ", rendered ", rendered), func(t *testing.T) {
				const keda = "\n- {apiVersion: keda.sh/v1alpha1, kind: ScaledObject, metadata: {name: keda}, spec: {scaleTargetRef: {name: db}}}\n"
				w := newWorld(map[string]string{"a": cron + keda + hibernate + statefulSet("1Gi") + deployment("web", three)}, "a")
				w.patches = map[schema.GroupKind][]byte{{Group: "db.example.com", Kind: "Cluster"}: []byte(`{"spec":{"hibernate":true}}`)}
				w.settle(t.Context())
				before := w.server.object(of)
				w.stop = true
				w.settle(t.Context())
				w.server.edit(of, "kubectl", func(o *unstructured.Unstructured) { dropAnnotation(o, KeptAnnotation) })
				w.rendered = rendered
				w.settle(t.Context())
				w.rendered, w.stop = true, false
				if out, _ := w.settle(t.Context()); out.err != nil {
					t.Fatal(out.err)
				}
				after := w.server.object(of)
				if diff := cmp.Diff(before.Object["spec"], after.Object["spec"]); diff != "" {
					t.Errorf("it runs again otherwise than before (-before +after):\n%s", diff)
				}
				if diff := cmp.Diff(before.GetAnnotations(), after.GetAnnotations()); diff != "" {
					t.Errorf("(-before +after):\n%s", diff)
				}
			})
		}
	}
}

func TestAnUnknownKindWithoutAPatchIsNamed(t *testing.T) {
	w := newWorld(map[string]string{"a": hibernate + deployment("web", three)}, "a")
	w.stop = true
	out, _ := w.settle(t.Context())
	if diff := cmp.Diff([]string{"Cluster/main CannotSuspend"}, said(out.refusals)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	replicas(t, w, "web", 0)
}

func TestClaimsAreRetainedBeforeZero(t *testing.T) {
	w := newWorld(map[string]string{"a": statefulSet("1Gi")}, "a")
	w.settle(t.Context())
	w.server.edit(id("StatefulSet", "db"), "somebody", func(obj *unstructured.Unstructured) {
		set(obj, "Delete", "spec", "persistentVolumeClaimRetentionPolicy", "whenScaled")
	})
	w.server.memory.Stored = func(_, after *unstructured.Unstructured, _ string) {
		if after != nil && after.GetKind() == "StatefulSet" && replicasOf(after) == 0 && retention(after) != "Retain" {
			t.Error("it stands at zero and would lose its claims")
		}
	}
	w.stop, w.rendered = true, false
	w.settle(t.Context())
	if got := w.field("StatefulSet", "db", "spec", "replicas"); got != int64(0) {
		t.Errorf("replicas %v", got)
	}
}

func TestAnAutoscalerThatMayScaleToZeroIsHeldWhileItsTenantIsStopped(t *testing.T) {
	zero := strings.Replace(scaler, "minReplicas: 2", "minReplicas: 0", 1)
	keda := "\n- {apiVersion: keda.sh/v1alpha1, kind: ScaledObject, metadata: {name: queue}, spec: {scaleTargetRef: {name: api}}}\n"
	w := newWorld(map[string]string{"a": deployment("web", "") + deployment("api", "") + zero + keda}, "a")
	w.settle(t.Context())
	for _, rendered := range []bool{true, false} {
		w.rendered = rendered
		w.stop = true
		w.settle(t.Context())
		if got := w.field("HorizontalPodAutoscaler", "web", "spec", "minReplicas"); got != int64(1) {
			t.Errorf("stopped, minReplicas is %v", got)
		}
		if got := w.field("ScaledObject", "queue", "metadata", "annotations", kedaPausedReplicas); got != "0" {
			t.Errorf("stopped, KEDA is paused at %v", got)
		}
		w.stop = false
		w.settle(t.Context())
		if got := w.field("HorizontalPodAutoscaler", "web", "spec", "minReplicas"); got != int64(0) {
			t.Errorf("resumed, minReplicas is %v", got)
		}
		if got := w.field("ScaledObject", "queue", "metadata", "annotations", kedaPausedReplicas); got != nil {
			t.Errorf("resumed, KEDA is paused at %v", got)
		}
	}
}

func TestAnOldCacheKeepsNoOldNumber(t *testing.T) {
	w := newWorld(map[string]string{"a": deployment("web", "")}, "a")
	w.settle(t.Context())
	w.scale("web", 9) // the cache does not show it
	w.stop = true
	w.pass(t.Context())
	replicas(t, w, "web", 0)
	w.stop = false
	w.settle(t.Context())
	replicas(t, w, "web", 9)
}

// A new leader whose first list was old sees no Deployment, and makes none anew in the place of the one that was stopped.
func TestAnOldCacheWithoutAWorkloadKeepsTheNumberThatWasKept(t *testing.T) {
	w := newWorld(map[string]string{"a": deployment("web", "")}, "a")
	w.settle(t.Context())
	w.scale("web", 7)
	w.stop = true
	w.settle(t.Context())
	w.restart()
	w.cache.drop(id("Deployment", "web"))
	w.pass(t.Context())
	replicas(t, w, "web", 0)
	w.stop = false
	w.settle(t.Context())
	replicas(t, w, "web", 7)
}

// A webhook takes Retain back. Zero replicas would cost the claims, so the workload runs on, and that is said.
func TestNothingIsScaledToZeroWhereThatWouldCostItsClaims(t *testing.T) {
	w := newWorld(map[string]string{"a": statefulSet("1Gi") + deployment("web", three)}, "a")
	w.server.memory.Admits = func(o *unstructured.Unstructured) {
		if kindOf(o) == kindStatefulSet {
			set(o, "Delete", "spec", "persistentVolumeClaimRetentionPolicy", "whenScaled")
		}
	}
	w.settle(t.Context())
	w.stop = true
	w.cache.sync()
	out := w.pass(t.Context())
	if n := w.field("StatefulSet", "db", "spec", "replicas"); n != int64(2) {
		t.Errorf("it has %v replicas, and its claims go", n)
	}
	if !slices.ContainsFunc(out.refusals, func(r Refusal) bool { return r.Kind == "StatefulSet" && r.Remedy != "" }) {
		t.Errorf("it is not said: %v", said(out.refusals))
	}
	replicas(t, w, "web", 0)
}

func TestWhatIsGoneIsNotMadeAnewByStoppingIt(t *testing.T) {
	w := newWorld(map[string]string{"a": deployment("web", three) + cron}, "a")
	w.settle(t.Context())
	w.deletes("Deployment", "web")
	w.deletes("CronJob", "tick")
	w.stop, w.rendered = true, false
	w.pass(t.Context()) // the cache still shows them
	if w.has("Deployment", "web") || w.has("CronJob", "tick") {
		t.Error("what is not there was applied without a template")
	}
}

func TestAForeignNamespaceIsNotTouched(t *testing.T) {
	w := newWorld(map[string]string{"a": deployment("web", three)}, "a")
	w.settle(t.Context())
	w.server.edit(id("Namespace", space), "somebody", func(obj *unstructured.Unstructured) {
		setAnnotation(obj, "stallkeeper.io/instance-uid", "another")
	})
	w.server.writes = nil
	w.stop = true
	w.cache.sync()
	w.restart()
	if out := w.pass(t.Context()); len(w.server.writes) > 0 || out.err == nil {
		t.Errorf("writes %v, error %v", w.server.writes, out.err)
	}
}

// A policy that is installed after the tenant was made refuses every change of a workload, and matches no subresource.
func TestAWorkloadThatMayNotBeChangedIsStoppedThroughItsScale(t *testing.T) {
	denied := func(verb string, key Key) error {
		if (key.Kind == "Deployment" || key.Kind == "StatefulSet") && (verb == "apply" || verb == "patch") {
			return apierrors.NewForbidden(schema.GroupResource{Group: "apps", Resource: "deployments"}, key.Name,
				errors.New(`ValidatingAdmissionPolicy 'signed' with binding 'signed' denied request: images have to be signed`))
		}
		return nil
	}
	loses := strings.Replace(statefulSet("1Gi"), "whenScaled: Retain", "whenScaled: Delete", 1)
	w := newWorld(map[string]string{"a": deployment("web", "") + scaler + deployment("api", three) + loses}, "a")
	w.settle(t.Context())
	w.scale("web", 7)
	w.cache.sync()
	w.rendered = false
	for range 2 {
		w.server.before = denied
		w.stop = true
		out, _ := w.settle(t.Context())
		replicas(t, w, "web", 0)
		replicas(t, w, "api", 0)
		if n := w.field("StatefulSet", "db", "spec", "replicas"); fmt.Sprint(n) == "0" {
			t.Error("the StatefulSet would lose its claims")
		}
		// It is told who refuses, and nothing is written again and again.
		for _, name := range []string{"Deployment/web", "Deployment/api", "StatefulSet/db"} {
			if !slices.ContainsFunc(out.refusals, func(r Refusal) bool { return r.Key.String() == name && strings.Contains(r.Message, "signed") }) {
				t.Errorf("no refusal of %s: %v", name, out.refusals)
			}
		}
		w.restart()
		w.server.writes = nil
		w.pass(t.Context())
		w.pass(t.Context())
		if len(w.server.writes) > 0 {
			t.Errorf("passes of a stopped tenant write %v", w.server.writes)
		}
		// A person's number of the meantime is none from before the stop.
		w.scale("api", 5)
		w.cache.sync()
		w.settle(t.Context())
		replicas(t, w, "api", 0)

		w.stop = false
		out, _ = w.settle(t.Context())
		replicas(t, w, "web", 7)
		replicas(t, w, "api", 3)
		if len(out.refusals) > 0 {
			t.Errorf("it runs: %v", out.refusals)
		}
		if _, noted := annotation(w.server.object(w.id("Namespace", w.space)), ScaledAnnotation); noted {
			t.Error("the numbers are kept although it runs")
		}
	}
	// Once the policy is gone, a tenant that was stopped like that is stopped as any other, with its numbers.
	w.stop = true
	w.settle(t.Context())
	w.server.before = nil
	w.settle(t.Context())
	if kept, _ := annotation(w.server.object(w.id("Deployment", "web")), KeptAnnotation); kept != "7" {
		t.Errorf("it keeps %q", kept)
	}
	if _, noted := annotation(w.server.object(w.id("Namespace", w.space)), ScaledAnnotation); noted {
		t.Error("the number is kept twice")
	}
	w.stop = false
	w.settle(t.Context())
	replicas(t, w, "web", 7)
	replicas(t, w, "api", 3)
}
