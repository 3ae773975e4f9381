package tenant

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

// snapshot is all that stands in the tenant's namespace, and the namespace.
func (w *world) snapshot() map[string]any {
	all := map[string]any{}
	for of, obj := range w.server.memory.All() {
		all[of.Kind+"/"+of.Name] = obj.DeepCopy().Object
	}
	return all
}

func TestARevisionThatIsRefusedChangesNothing(t *testing.T) {
	for name, tc := range map[string]struct {
		former, next string
		want         Refusal
	}{
		"an immutable ConfigMap": {
			immutable("a") + settings, immutable("b") + changed,
			Refusal{Key: Key{Kind: "ConfigMap", Name: "fixed"}, Reason: "Immutable", Field: "data"},
		},
		"a port that is none": {
			service + settings, changed + strings.Replace(service, "port: 80", "port: 99999", 1),
			Refusal{Key: Key{Kind: "Service", Name: "web"}, Reason: "Invalid", Field: "spec.ports[0].port", Old: "80", New: "99999"},
		},
		"a claim template that shrinks": {
			statefulSet("2Gi") + settings, statefulSet("1Gi") + changed,
			Refusal{
				Key: Key{Group: "apps", Kind: "StatefulSet", Name: "db"}, Reason: ReasonClaimShrinks, Field: "spec.resources.requests.storage",
				Old: "2Gi", New: "1Gi",
			},
		},
		"a claim that shrinks": {claim("2Gi") + settings, claim("1Gi") + changed, Refusal{
			Key: Key{Kind: "PersistentVolumeClaim", Name: "data"}, Reason: ReasonClaimShrinks, Field: "spec.resources.requests.storage",
			Old: "2Gi", New: "1Gi",
		}},
		"a field that is none": {settings, settings + "\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: bad}, dada: {a: b}}\n", Refusal{
			Key: Key{Kind: "ConfigMap", Name: "bad"}, Reason: "Invalid", Field: "dada",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(map[string]string{"a": tc.former + deployment("web", three), "b": tc.next + deployment("web", "    replicas: 5")}, "a")
			w.settle(t.Context())
			before := w.snapshot()
			w.target = "b"
			w.cache.sync()
			out := w.pass(t.Context())
			if diff := cmp.Diff(before, w.snapshot()); diff != "" {
				t.Errorf("it changes (-before +after):\n%s", diff)
			}
			if len(out.moved.Refusals) != 1 {
				t.Fatalf("refusals: %v", out.moved.Refusals)
			}
			got := out.moved.Refusals[0]
			if got.Message == "" || got.Remedy == "" {
				t.Errorf("no message or remedy: %+v", got)
			}
			got.Message, got.Remedy, got.Err = "", "", nil
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("refusal (-want +got):\n%s", diff)
			}
			w.stop = true
			w.settle(t.Context())
			replicas(t, w, "web", 0)
			w.stop = false
			w.settle(t.Context())
			replicas(t, w, "web", 3)
			if pin := w.field("Namespace", space, "metadata", "labels", v1alpha1.RevisionLabel); pin != nil && pin != "a" {
				t.Errorf("it is pinned to %v", pin)
			}
		})
	}
}

func claim(size string) string {
	return "\n- {apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: data}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: " + size + "}}}}\n"
}

// pin is the revision that the tenant has, or is to have first.
func (w *world) pin() string {
	ns := w.server.object(w.id("Namespace", w.space))
	if ns == nil {
		return w.target
	}
	return ns.GetLabels()[v1alpha1.RevisionLabel]
}

func TestAMoveThatFailsHalfWayIsTakenBack(t *testing.T) {
	w := newWorld(map[string]string{
		"a": settings + deployment("web", three), "b": changed + deployment("web", "    replicas: 5") + deployment("new", three),
	}, "a")
	w.settle(t.Context())
	dry := true
	w.server.before = func(verb string, key Key) error {
		// The dry run is let through, what follows is refused.
		if verb == "apply" && key.Name == "new" {
			if dry {
				dry = false
				return nil
			}
			return invalid(key, "spec", "not today")
		}
		return nil
	}
	w.target, w.server.writes = "b", nil
	w.cache.sync()
	out := w.pass(t.Context())
	if slices.Contains(w.server.writes, "apply Deployment/web") {
		t.Errorf("pods are replaced twice: %v", w.server.writes)
	}
	if !out.moved.TakenBack || out.moved.Moved || w.pin() != "a" {
		t.Errorf("taken back %v, moved %v, pinned to %q", out.moved.TakenBack, out.moved.Moved, w.pin())
	}
	replicas(t, w, "web", 3)
	if got := w.field("ConfigMap", "settings", "data", "mode"); got != "fast" {
		t.Errorf("the ConfigMap says %v", got)
	}
}

func TestACrashAnywhereInAMoveLeavesATenantThatComesToRest(t *testing.T) {
	revisions := map[string]string{
		"a": account + secret + settings + deployment("web", "") + scaler + statefulSet("1Gi"),
		"b": account + secret + changed + deployment("web", three) + statefulSet("2Gi") + service,
	}
	for n := 1; n < 20; n++ {
		for _, answered := range []bool{true, false} {
			w := newWorld(revisions, "a")
			w.settle(t.Context())
			w.scale("web", 7)
			w.cache.sync()
			w.dies(n, answered)
			w.target = "b"
			w.pass(t.Context())
			if w.pin() == "b" && w.field("ConfigMap", "settings", "data", "mode") != "slow" {
				t.Errorf("after %d writes it is pinned to a revision that does not stand", n)
			}
			w.lives()
			if out, _ := w.settle(t.Context()); out.err != nil || w.pin() != "b" {
				t.Errorf("after %d writes: %v, pinned to %q", n, out.err, w.pin())
			}
			replicas(t, w, "web", 3)
		}
	}
}

func TestStrategiesBesideTheServersDefaultsAreRolledOut(t *testing.T) {
	onDelete := strings.Replace(statefulSet("1Gi"), "    replicas: 2\n", "    replicas: 2\n    updateStrategy: {type: OnDelete}\n", 1)
	w := newWorld(map[string]string{
		"a": deployment("web", three) + statefulSet("1Gi"),
		"b": deployment("web", three+"\n    strategy: {type: Recreate}") + onDelete,
	}, "a")
	w.settle(t.Context())
	w.target = "b"
	if out, _ := w.settle(t.Context()); len(out.refusals) > 0 || w.pin() != "b" {
		t.Fatalf("pinned to %q, refused %v", w.pin(), out.refusals)
	}
	if got := w.field("Deployment", "web", "spec", "strategy"); cmp.Diff(map[string]any{"type": "Recreate"}, got) != "" {
		t.Errorf("the strategy is %v", got)
	}
	w.target = "a"
	if out, _ := w.settle(t.Context()); len(out.refusals) > 0 || w.pin() != "a" {
		t.Fatalf("and back: pinned to %q, refused %v", w.pin(), out.refusals)
	}
}

func TestALargerClaimTemplateGrowsTheClaimsAndLeavesThePodsAlone(t *testing.T) {
	w := newWorld(map[string]string{"a": strings.Replace(statefulSet("1Gi"), "    replicas: 2\n", "", 1), "b": strings.Replace(statefulSet("2Gi"), "    replicas: 2\n", "", 1)}, "a")
	w.settle(t.Context())
	w.server.edit(id("StatefulSet", "db"), "autoscaler", func(o *unstructured.Unstructured) { set(o, int64(4), "spec", "replicas") })
	for _, name := range []string{"data-db-0", "data-db-1", "data-other-0"} {
		pvc := parse(strings.Replace(claim("1Gi"), "name: data", "name: "+name, 1))[0]
		pvc.SetNamespace(space)
		if err := w.server.Create(t.Context(), pvc); err != nil {
			t.Fatal(err)
		}
	}
	former := w.server.object(id("StatefulSet", "db")).GetUID()
	w.pod(t, "db-0", "StatefulSet", "db", "Running")
	w.server.edit(id("Pod", "db-0"), "kube-controller-manager", func(pod *unstructured.Unstructured) {
		set(pod, []any{map[string]any{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "db", "uid": string(former), "controller": true}},
			"metadata", "ownerReferences")
	})
	w.target = "b"
	if out, _ := w.settle(t.Context()); len(out.refusals) > 0 || w.pin() != "b" {
		t.Fatalf("pinned to %q, refused %v", w.pin(), out.refusals)
	}
	for name, want := range map[string]string{"data-db-0": "2Gi", "data-db-1": "2Gi", "data-other-0": "1Gi"} {
		if got := w.field("PersistentVolumeClaim", name, "spec", "resources", "requests", "storage"); got != want {
			t.Errorf("%s has %v, want %s", name, got, want)
		}
	}
	if !w.has("Pod", "db-0") {
		t.Error("the pod went with the former StatefulSet")
	}
	set := w.server.object(id("StatefulSet", "db"))
	if set.GetUID() == former || replicasOf(set) != 4 {
		t.Errorf("it is the same: %v; it has %d replicas, want the autoscaler's 4", set.GetUID() == former, replicasOf(set))
	}
	if kept := w.field("Namespace", space, "metadata", "annotations", RecreatedAnnotation); kept != nil {
		t.Errorf("the record stays: %v", kept)
	}
}

// The cluster lets one of two claims grow. All of them are asked before one is changed.
func TestAClaimThatCannotGrowChangesNothing(t *testing.T) {
	for name, moves := range map[string]bool{"in a move": true, "on its own revision": false} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(map[string]string{"a": statefulSet("1Gi") + settings, "b": statefulSet("2Gi") + changed}, "a")
			w.settle(t.Context())
			for _, name := range []string{"data-db-0", "data-db-1"} {
				pvc := parse(strings.Replace(claim("1Gi"), "name: data", "name: "+name, 1))[0]
				pvc.SetNamespace(space)
				if err := w.server.Create(t.Context(), pvc); err != nil {
					t.Fatal(err)
				}
			}
			w.server.before = func(verb string, key Key) error {
				if verb == "patch" && key.Name == "data-db-1" {
					return invalid(key, "spec", "only dynamically provisioned pvc can be resized")
				}
				return nil
			}
			if w.target = "b"; !moves {
				w.target, w.revisions["a"] = "a", statefulSet("2Gi")+settings
			}
			before := w.snapshot()
			w.cache.sync()
			if out := w.pass(t.Context()); len(Blocked(out.refusals)) == 0 {
				t.Error("it is not said")
			}
			if diff := cmp.Diff(before, w.snapshot()); diff != "" {
				t.Errorf("it changes (-before +after):\n%s", diff)
			}
		})
	}
}

func TestARenameThatHoldsANodePortConverges(t *testing.T) {
	w := newWorld(map[string]string{"a": nodePort("front"), "b": nodePort("door")}, "a")
	w.settle(t.Context())
	w.target = "b"
	out, _ := w.settle(t.Context())
	if len(out.refusals) > 0 || w.pin() != "b" || w.server.object(id("Service", "front")) != nil || w.server.object(id("Service", "door")) == nil {
		t.Errorf("pinned to %q, refused %v", w.pin(), out.refusals)
	}
}

func TestANodePortIsHandedOverWithinASet(t *testing.T) {
	plain := func(name string) string { return strings.ReplaceAll(service, "name: web", "name: "+name) }
	other := func(name string) string { return strings.ReplaceAll(nodePort(name), "30080", "30081") }
	for name, tc := range map[string]struct {
		former, next string
		moves        bool
	}{
		"by one that stays":                      {nodePort("front") + plain("door"), plain("front") + nodePort("door"), true},
		"by one that stays, to a new one":        {nodePort("front"), plain("front") + nodePort("door"), true},
		"by one that goes, to one that is there": {nodePort("front") + plain("door"), nodePort("door"), true},
		"by one that takes another's":            {nodePort("front") + other("door") + plain("gate"), plain("front") + nodePort("door") + other("gate"), true},
		"by two that change places":              {nodePort("front") + other("door"), other("front") + nodePort("door"), false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(map[string]string{"a": tc.former + settings, "b": tc.next + changed}, "a")
			w.settle(t.Context())
			before := w.snapshot()
			w.target = "b"
			out, _ := w.settle(t.Context())
			if moved := w.pin() == "b" && len(out.refusals) == 0; moved != tc.moves {
				t.Errorf("pinned to %q, refused %v", w.pin(), said(out.refusals))
			}
			told := slices.ContainsFunc(out.refusals, func(r Refusal) bool {
				return strings.Contains(r.Remedy, "two steps") && strings.Contains(r.Message, "Service/")
			})
			if told == tc.moves {
				t.Errorf("what is to be done is told: %t; %v", told, out.refusals)
			}
			if diff := cmp.Diff(before, w.snapshot()); !tc.moves && diff != "" {
				t.Errorf("it is refused, and changes (-before +after):\n%s", diff)
			}
		})
	}
}

// Values change within a revision, and no dry run is before that.
func TestNodePortsThatChangePlacesAreNotTriedForEver(t *testing.T) {
	other := func(name string) string { return strings.ReplaceAll(nodePort(name), "30080", "30081") }
	w := newWorld(map[string]string{"a": nodePort("front") + other("door")}, "a")
	w.settle(t.Context())
	w.revisions["a"] = other("front") + nodePort("door")
	out, _ := w.settle(t.Context())
	if len(out.refusals) != 2 || Retry(out.refusals) != nil {
		t.Fatalf("refused %v, %v", said(out.refusals), out.err)
	}
	for _, r := range out.refusals {
		if r.Reason != "Invalid" || !strings.Contains(r.Remedy, "two steps") {
			t.Errorf("%+v", r)
		}
	}
	w.revisions["a"] = strings.ReplaceAll(nodePort("front"), "30080", "30082") + nodePort("door")
	w.settle(t.Context())
	w.revisions["a"] = other("front") + nodePort("door")
	if out, _ := w.settle(t.Context()); len(out.refusals) > 0 {
		t.Errorf("after the step between: %v", out.refusals)
	}
}

// only is a cluster that takes one object of a kind at a time, and whose count lags behind by so many requests.
func (w *world) only(kind string, lag int, refuses func(Key) error) {
	left := lag
	w.server.before = func(verb string, key Key) error {
		if verb != "apply" || key.Kind != kind {
			return nil
		}
		for of := range w.server.memory.All() {
			if of.Kind == kind && of.Name != key.Name {
				return refuses(key)
			}
		}
		if w.server.memory.Object(w.id(kind, key.Name)) == nil && left > 0 {
			left--
			return refuses(key)
		}
		return nil
	}
}

func TestARenameOfWhatTheClusterTakesOnceConverges(t *testing.T) {
	ingress := func(name string) string {
		return "\n- {apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: " + name + "}, spec: {rules: [{host: a.example.com}]}}\n"
	}
	named := func(text, from, to string) string { return strings.ReplaceAll(text, "name: "+from, "name: "+to) }
	quotaOf := func(resource string) func(Key) error {
		return func(key Key) error {
			return apierrors.NewForbidden(schema.GroupResource{Resource: "x"}, key.Name, fmt.Errorf(
				"exceeded quota: tenant, requested: %s=1, used: %[1]s=1, limited: %[1]s=1", resource))
		}
	}
	for name, tc := range map[string]struct {
		kind, former, next string
		from, to           string
		refuses            func(Key) error
	}{
		"a count of Services":    {"Service", service, named(service, "web", "door"), "web", "door", quotaOf("services")},
		"a count of ConfigMaps":  {"ConfigMap", settings, named(settings, "settings", "options"), "settings", "options", quotaOf("count/configmaps")},
		"a count of Deployments": {"Deployment", deployment("front", three), deployment("door", three), "front", "door", quotaOf("count/deployments.apps")},
		"a host": {"Ingress", ingress("front"), ingress("door"), "front", "door", func(key Key) error {
			return apierrors.NewForbidden(schema.GroupResource{Resource: "ingresses"}, key.Name, errors.New(
				`admission webhook "validate.nginx.ingress.kubernetes.io" denied the request: host "a.example.com" and path "/" is already defined`))
		}},
	} {
		for lag := range 4 {
			t.Run(fmt.Sprint(name, " that lags by ", lag), func(t *testing.T) {
				w := newWorld(map[string]string{"a": tc.former + account, "b": tc.next + account}, "a")
				w.settle(t.Context())
				w.only(tc.kind, lag, tc.refuses)
				w.target = "b"
				made := 0
				w.server.memory.Stored = func(before, after *unstructured.Unstructured, _ string) {
					if before == nil && after.GetName() == tc.from {
						made++
					}
				}
				for range lag + 2 {
					w.cache.sync()
					w.pass(t.Context())
				}
				out, _ := w.settle(t.Context())
				if w.pin() != "b" || w.server.object(w.id(tc.kind, tc.from)) != nil || w.server.object(w.id(tc.kind, tc.to)) == nil || made > 0 {
					t.Errorf("pinned to %q, refused %v, the former one was made again %d times", w.pin(), out.refusals, made)
				}
			})
		}
	}
}

// What holds data is never what makes room.
func TestARenamedClaimTakesNoOthersPlace(t *testing.T) {
	for name, kept := range map[string]string{
		"a claim":                claim("1Gi"),
		"an object that is kept": strings.Replace(settings, "{name: settings}", "{name: settings, annotations: {helm.sh/resource-policy: keep}}", 1),
	} {
		t.Run(name, func(t *testing.T) {
			of := parse(kept)[0]
			w := newWorld(map[string]string{"a": kept + account, "b": strings.ReplaceAll(kept, "name: "+of.GetName(), "name: other") + account}, "a")
			w.settle(t.Context())
			w.only(of.GetKind(), 0, func(key Key) error {
				return apierrors.NewForbidden(schema.GroupResource{Resource: "x"}, key.Name, errors.New(
					"exceeded quota: tenant, requested: count/x=1, used: count/x=1, limited: count/x=1"))
			})
			w.target = "b"
			out, _ := w.settle(t.Context())
			if w.pin() != "a" || !w.has(of.GetKind(), of.GetName()) || len(out.refusals) == 0 {
				t.Errorf("pinned to %q, it stands %v, refused %v", w.pin(), w.has(of.GetKind(), of.GetName()), out.refusals)
			}
		})
	}
}

func TestAnotherTenantsPortIsNoRename(t *testing.T) {
	w := newWorld(map[string]string{"a": settings + service, "b": settings + service + nodePort("door")}, "a")
	other := parse(nodePort("front"))[0]
	other.SetNamespace("tenant-other")
	if err := w.server.Create(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	w.settle(t.Context())
	w.target = "b"
	out, _ := w.settle(t.Context())
	if len(out.refusals) == 0 || w.pin() != "a" || w.server.object(id("Service", "web")) == nil {
		t.Errorf("pinned to %q, refused %v", w.pin(), out.refusals)
	}
}

func TestAnOldCacheMovesNoTenantBack(t *testing.T) {
	w := newWorld(map[string]string{"a": settings + deployment("web", three), "b": changed + deployment("web", three)}, "a")
	w.settle(t.Context())
	w.target = "b"
	for range 3 {
		w.pass(t.Context()) // the cache stays as it was
	}
	w.restart()
	w.server.writes = nil
	w.pass(t.Context())
	for _, write := range w.server.writes {
		if strings.Contains(write, "Namespace") {
			t.Errorf("the namespace is written: %v", w.server.writes)
		}
	}
	if w.pin() != "b" || w.field("ConfigMap", "settings", "data", "mode") != "slow" {
		t.Errorf("it is on %q with %v", w.pin(), w.field("ConfigMap", "settings", "data", "mode"))
	}
}

// A leader whose cache does not show the workloads yet hands their number to an autoscaler as any other does.
func TestAWorkloadThatTheCacheDoesNotShowKeepsItsNumber(t *testing.T) {
	ctx, w := t.Context(), newWorld(templates, "plain")
	w.cache.sync()
	w.pass(ctx)
	if web := w.server.object(w.id("Deployment", "web")); web == nil || replicasOf(web) != 3 {
		t.Fatalf("web is %v", web)
	}
	w.server.memory.Stored = func(_, after *unstructured.Unstructured, manager string) {
		if after != nil && after.GetKind() == "Deployment" && replicasOf(after) != 3 {
			t.Errorf("%s has %d replicas by %s", after.GetName(), replicasOf(after), manager)
		}
	}
	w.restart()
	w.target = "scaled"
	w.pass(ctx)
	w.pass(ctx)
	if pin := w.server.object(w.id("Namespace", w.space)).GetLabels()[v1alpha1.RevisionLabel]; pin != "scaled" {
		t.Errorf("it is on %q", pin)
	}
}
