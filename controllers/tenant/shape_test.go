package tenant

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

func TestOnlyWhatDiffersIsApplied(t *testing.T) {
	all := account + secret + policy + service + statefulSet("1Gi")
	w := newWorld(map[string]string{"a": all + settings + deployment("web", three), "b": all + changed + deployment("web", three)}, "a")
	w.settle(t.Context())
	w.restart()
	w.server.writes = nil
	w.target = "b"
	w.settle(t.Context())
	want := []string{"apply ConfigMap/settings", "patch Namespace/tenant-acme"}
	if diff := cmp.Diff(want, w.server.writes); diff != "" {
		t.Errorf("after a restart, a move to a revision with another ConfigMap writes (-want +got):\n%s", diff)
	}
}

func TestASecretThatChangesIsAppliedOnceAlthoughItIsNeverRead(t *testing.T) {
	w := newWorld(map[string]string{"a": account + secret + settings}, "a")
	w.settle(t.Context())
	w.revisions["a"] = strings.ReplaceAll(w.revisions["a"], "czNjcjN0", "b3RoZXI=")
	w.server.writes = nil
	w.settle(t.Context())
	if diff := cmp.Diff([]string{"apply Secret/access", "apply ServiceAccount/default"}, w.server.writes); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, call := range []string{"get Secret", "list Secret"} {
		if slices.ContainsFunc(w.server.writes, func(s string) bool { return strings.HasPrefix(s, call) }) {
			t.Error("a Secret is read")
		}
	}
}

func TestTheHashOfASecretTellsNothing(t *testing.T) {
	hash := func(key, password string) string {
		s := Set{HashKey: []byte(key)}
		obj := parse(strings.ReplaceAll(secret, "czNjcjN0", password))[0]
		return s.carriedHash(contentOf(s, obj, contentPlace{namespace: space}))
	}
	if hash("", "YQ==") != "" {
		t.Error("without a key a Secret has a hash, from which a short password can be found")
	}
	if hash("k", "YQ==") == hash("k", "Yg==") || hash("k", "YQ==") == hash("other", "YQ==") {
		t.Error("the hash is not one of the content and the key")
	}
}

func TestASecretThatStandsAloneIsCarriedByTheNamespace(t *testing.T) {
	w := newWorld(map[string]string{"a": secret}, "a")
	w.settle(t.Context())
	w.restart()
	w.server.writes = nil
	w.settle(t.Context())
	if len(w.server.writes) > 0 {
		t.Errorf("%v", w.server.writes)
	}
}

func TestOneRefusedObjectHoldsBackOnlyWhatNeedsIt(t *testing.T) {
	refers := strings.ReplaceAll(deployment("needy", three), "containers: [{", `volumes: [{name: v, configMap: {name: fixed}}], containers: [{`)
	w := newWorld(map[string]string{"a": immutable("a") + settings + deployment("web", three)}, "a")
	w.settle(t.Context())
	w.revisions["a"] = immutable("b") + changed + refers + deployment("web", "    replicas: 5") + deployment("new", three)
	out, _ := w.settle(t.Context())
	if diff := cmp.Diff([]string{"ConfigMap/fixed Immutable", "Deployment/needy HeldBack"}, said(out.refusals)); diff != "" {
		t.Errorf("refusals (-want +got):\n%s", diff)
	}
	if got := w.field("ConfigMap", "settings", "data", "mode"); got != "slow" {
		t.Errorf("the other ConfigMap says %v", got)
	}
	replicas(t, w, "web", 5)
	replicas(t, w, "new", 3)
	w.stop = true
	w.settle(t.Context())
	replicas(t, w, "web", 0)
}

func TestNoPodStartsWithoutWhatKeepsTenantsApart(t *testing.T) {
	w := newWorld(map[string]string{"a": policy + deployment("web", three)}, "a")
	w.server.before = func(verb string, key Key) error {
		if verb == "apply" && key.Kind == "NetworkPolicy" {
			return invalid(key, "spec", "no policies here")
		}
		return nil
	}
	out, _ := w.settle(t.Context())
	if w.server.object(id("Deployment", "web")) != nil {
		t.Error("a workload starts without its NetworkPolicy")
	}
	if diff := cmp.Diff([]string{"Deployment/web HeldBack", "NetworkPolicy/tenant Invalid"}, said(out.refusals)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestALateRequestOfAPausedLeaderIsNoticed(t *testing.T) {
	w := newWorld(map[string]string{"a": settings + deployment("web", three), "b": changed + deployment("web", "    replicas: 5")}, "a")
	w.settle(t.Context())
	before := w.set("a")
	w.target = "b"
	w.settle(t.Context())
	for _, c := range contents(before, Standing{Name: space}) {
		if _, err := w.apply(t.Context(), c.obj, ShapeOwner); err != nil {
			t.Fatal(err)
		}
	}
	replicas(t, w, "web", 3)
	w.settle(t.Context())
	replicas(t, w, "web", 5)
	if got := w.field("ConfigMap", "settings", "data", "mode"); got != "slow" {
		t.Errorf("the ConfigMap says %v", got)
	}
}

func TestWhatAPersonAddsIsPutRight(t *testing.T) {
	web := id("Deployment", "web")
	container := func(o *unstructured.Unstructured) map[string]any {
		list, _ := at(o.Object, []string{"spec", "template", "spec", "containers"}).([]any)
		first, _ := list[0].(map[string]any)
		return first
	}
	for name, tc := range map[string]struct {
		of     objectID
		change func(*unstructured.Unstructured)
		gone   []string
		stays  bool
	}{
		"an environment variable": {of: web, change: func(o *unstructured.Unstructured) {
			container(o)["env"] = []any{map[string]any{"name": "A", "value": "b"}}
		}, gone: []string{"spec", "template", "spec", "containers", "0", "env", "0"}},
		"a sidecar": {of: web, change: func(o *unstructured.Unstructured) {
			list, _ := at(o.Object, []string{"spec", "template", "spec", "containers"}).([]any)
			set(o, append(list, map[string]any{"name": "sidecar", "image": "x:1"}), "spec", "template", "spec", "containers")
		}, gone: []string{"spec", "template", "spec", "containers", "1"}},
		"a pause": {of: web, change: func(o *unstructured.Unstructured) { set(o, true, "spec", "paused") }, gone: []string{"spec", "paused"}},
		"a Service's port": {of: id("Service", "web"), change: func(o *unstructured.Unstructured) {
			list, _ := at(o.Object, []string{"spec", "ports"}).([]any)
			set(o, append(list, map[string]any{"name": "x", "port": int64(81), "protocol": "TCP"}), "spec", "ports")
		}, gone: []string{"spec", "ports", "1"}},
		"external addresses": {of: id("Service", "web"), change: func(o *unstructured.Unstructured) {
			set(o, []any{"192.0.2.1"}, "spec", "externalIPs")
		}, gone: []string{"spec", "externalIPs", "0"}},
		"a key of the quota": {of: id("ResourceQuota", "tenant"), change: func(o *unstructured.Unstructured) {
			set(o, "5", "spec", "hard", "services")
		}, gone: []string{"spec", "hard", "services"}},
		"a rule of the policy": {of: id("NetworkPolicy", "tenant"), change: func(o *unstructured.Unstructured) {
			set(o, []any{map[string]any{}}, "spec", "ingress")
		}, gone: []string{"spec", "ingress", "0"}},
		"a Pod Security label": {of: id("Namespace", space), change: func(o *unstructured.Unstructured) {
			o.SetLabels(map[string]string{podSecurityPrefix + "warn": "privileged", v1alpha1.InstanceLabel: "acme", v1alpha1.InstanceNamespaceLabel: "sales"})
		}, gone: []string{"metadata", "labels", podSecurityPrefix + "warn"}},
		"a node": {of: web, change: func(o *unstructured.Unstructured) {
			set(o, map[string]any{"disk": "fast"}, "spec", "template", "spec", "nodeSelector")
		}, gone: []string{"spec", "template", "spec", "nodeSelector", "disk"}},
		"a volume": {of: web, change: func(o *unstructured.Unstructured) {
			set(o, []any{map[string]any{"name": "v", "hostPath": map[string]any{"path": "/"}}}, "spec", "template", "spec", "volumes")
		}, gone: []string{"spec", "template", "spec", "volumes", "0"}},
		"an init container": {of: web, change: func(o *unstructured.Unstructured) {
			set(o, []any{map[string]any{"name": "i", "image": "i:1"}}, "spec", "template", "spec", "initContainers")
		}, gone: []string{"spec", "template", "spec", "initContainers", "0"}},
		"a label of the pods": {of: web, change: func(o *unstructured.Unstructured) {
			set(o, "blue", "spec", "template", "metadata", "labels", "team")
		}, gone: []string{"spec", "template", "metadata", "labels", "team"}},
		"a limit": {of: id("LimitRange", "tenant"), change: func(o *unstructured.Unstructured) {
			list, _ := at(o.Object, []string{"spec", "limits"}).([]any)
			set(o, append(list, map[string]any{"type": "Pod", "max": map[string]any{"cpu": "64"}}), "spec", "limits")
		}, gone: []string{"spec", "limits", "1"}},
		"a rule of the Ingress": {of: id("Ingress", "web"), change: func(o *unstructured.Unstructured) {
			list, _ := at(o.Object, []string{"spec", "rules"}).([]any)
			set(o, append(list, map[string]any{"host": "evil.example.com"}), "spec", "rules")
		}, gone: []string{"spec", "rules", "1"}},
		"a part of a StatefulSet that is not rolled out": {of: id("StatefulSet", "db"), change: func(o *unstructured.Unstructured) {
			set(o, int64(2), "spec", "updateStrategy", "rollingUpdate", "partition")
			set(o, int64(30), "spec", "minReadySeconds")
		}, gone: []string{"spec", "minReadySeconds"}},
		"a time zone of a CronJob": {of: id("CronJob", "tick"), change: func(o *unstructured.Unstructured) {
			set(o, "Asia/Tokyo", "spec", "timeZone")
		}, gone: []string{"spec", "timeZone"}},
		"a behavior of an autoscaler": {of: id("HorizontalPodAutoscaler", "web"), change: func(o *unstructured.Unstructured) {
			set(o, int64(60), "spec", "behavior", "scaleDown", "stabilizationWindowSeconds")
		}, gone: []string{"spec", "behavior", "scaleDown", "stabilizationWindowSeconds"}},
		"an annotation": {of: id("Service", "web"), change: func(o *unstructured.Unstructured) {
			o.SetAnnotations(map[string]string{"mesh.example.com/in": "yes", ContentHashAnnotation: o.GetAnnotations()[ContentHashAnnotation]})
		}, gone: []string{"metadata", "annotations", "mesh.example.com/in"}, stays: true},
		"a pull secret of a ServiceAccount": {of: id("ServiceAccount", "default"), change: func(o *unstructured.Unstructured) {
			o.Object["imagePullSecrets"] = []any{map[string]any{"name": "registry"}}
		}, gone: []string{"imagePullSecrets", "0"}, stays: true},
		"a key of a Secret": {of: id("Secret", "access"), change: func(o *unstructured.Unstructured) {
			set(o, "eA==", "data", "more")
		}, gone: []string{"data", "more"}, stays: true},
		"a label of their own": {of: web, change: func(o *unstructured.Unstructured) {
			labels := o.GetLabels()
			labels["team"] = "blue"
			o.SetLabels(labels)
		}, gone: []string{"metadata", "labels", "team"}, stays: true},
		"a restart": {of: web, change: func(o *unstructured.Unstructured) {
			set(o, "now", "spec", "template", "metadata", "annotations", restartedAt)
		}, gone: []string{"spec", "template", "metadata", "annotations", restartedAt}, stays: true},
		"a key of a ConfigMap": {of: id("ConfigMap", "settings"), change: func(o *unstructured.Unstructured) {
			set(o, "own", "data", "more")
		}, gone: []string{"data", "more"}, stays: true},
	} {
		t.Run(name, func(t *testing.T) {
			const limits = "\n- {apiVersion: v1, kind: LimitRange, metadata: {name: tenant}, spec: {limits: [{type: Container, max: {cpu: \"1\"}}]}}\n"
			const ingress = "\n- {apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: web}, spec: {rules: [{host: a.example.com}]}}\n"
			w := newWorld(map[string]string{"a": account + secret + settings + policy + quota + limits + service + ingress + cron +
				deployment("web", three) + statefulSet("1Gi") + strings.Replace(scaler, "kind: Deployment, name: web", "kind: Deployment, name: other", 1)}, "a")
			w.settle(t.Context())
			w.server.edit(tc.of, "kubectl-edit", tc.change)
			if at(w.server.object(tc.of).Object, tc.gone) == nil {
				t.Fatal("the test adds nothing")
			}
			out, _ := w.settle(t.Context())
			if there := at(w.server.object(tc.of).Object, tc.gone) != nil; there != tc.stays {
				t.Errorf("it stands: %v, want %v; %v", there, tc.stays, out.refusals)
			}
			replicas(t, w, "web", 3)
			if got := w.field("Service", "web", "spec", "ports", "0", "port"); got != int64(80) {
				t.Errorf("the Service's own port is %v", got)
			}
		})
	}
}

// What is ours and was changed comes back, whatever else may be added beside it.
func TestWhatAPersonChangesIsPutRight(t *testing.T) {
	for name, tc := range map[string]struct {
		of   objectID
		path []string
		to   any
	}{
		"the most replicas of an autoscaler":  {id("HorizontalPodAutoscaler", "web"), []string{"spec", "maxReplicas"}, int64(99)},
		"the least replicas of an autoscaler": {id("HorizontalPodAutoscaler", "web"), []string{"spec", "minReplicas"}, int64(9)},
		"a ServiceAccount's token":            {id("ServiceAccount", "default"), []string{"automountServiceAccountToken"}, true},
		"a schedule":                          {id("CronJob", "tick"), []string{"spec", "schedule"}, "0 0 * * *"},
		"a suspended CronJob":                 {id("CronJob", "tick"), []string{"spec", "suspend"}, true},
		"a StatefulSet's replicas":            {id("StatefulSet", "db"), []string{"spec", "replicas"}, int64(0)},
		"a ConfigMap's value":                 {id("ConfigMap", "settings"), []string{"data", "mode"}, "other"},
		"a content hash":                      {id("ConfigMap", "settings"), []string{"metadata", "annotations", ContentHashAnnotation}, "x"},
		"a database that is told to sleep":    {id("Cluster", "main"), []string{"spec", "hibernate"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(map[string]string{"a": account + settings + cron + statefulSet("1Gi") + hibernate + deployment("web", "") + scaler}, "a")
			w.settle(t.Context())
			was := at(w.server.object(tc.of).Object, tc.path)
			w.server.edit(tc.of, "kubectl-edit", func(o *unstructured.Unstructured) { set(o, tc.to, tc.path...) })
			if out, _ := w.settle(t.Context()); out.err != nil {
				t.Fatal(out.err)
			}
			if now := at(w.server.object(tc.of).Object, tc.path); now != was {
				t.Errorf("it is %v, and was %v", now, was)
			}
		})
	}
}

// A number or switch that power holds is owned as it should be, so that only its value tells that it is wrong.
func TestAWrongValueUnderTheRightOwnerIsPutRight(t *testing.T) {
	for name, tc := range map[string]struct {
		of   objectID
		path []string
		to   any
	}{
		"replicas of a Deployment":   {id("Deployment", "web"), []string{"spec", "replicas"}, int64(8)},
		"replicas of a StatefulSet":  {id("StatefulSet", "db"), []string{"spec", "replicas"}, int64(0)},
		"least replicas":             {id("HorizontalPodAutoscaler", "web"), []string{"spec", "minReplicas"}, int64(7)},
		"the switch of a CronJob":    {id("CronJob", "tick"), []string{"spec", "suspend"}, true},
		"a number that KEDA holds":   {id("ScaledObject", "keda"), []string{"metadata", "annotations", kedaPausedReplicas}, "0"},
		"a number that KEDA resumes": {id("ScaledObject", "paused"), []string{"metadata", "annotations", kedaPausedReplicas}, "0"},
	} {
		t.Run(name, func(t *testing.T) {
			const keda = "\n- {apiVersion: keda.sh/v1alpha1, kind: ScaledObject, metadata: {name: keda}, spec: {scaleTargetRef: {name: db}}}\n"
			paused := strings.Replace(keda, "{name: keda}", "{name: paused, annotations: {"+kedaPausedReplicas+": \"4\"}}", 1)
			least := strings.Replace(scaler, "kind: Deployment, name: web", "kind: Deployment, name: other", 1)
			w := newWorld(map[string]string{"a": cron + statefulSet("1Gi") + least + keda + paused + deployment("web", three)}, "a")
			w.settle(t.Context())
			was := at(w.server.object(tc.of).Object, tc.path)
			content := like(w.server.object(tc.of))
			set(content, tc.to, tc.path...)
			if _, err := w.apply(t.Context(), content, PowerOwner); err != nil {
				t.Fatal(err)
			}
			w.restart()
			if out, _ := w.settle(t.Context()); out.err != nil {
				t.Fatal(out.err)
			}
			if now := at(w.server.object(tc.of).Object, tc.path); now != was {
				t.Errorf("it is %v, and was %v", now, was)
			}
		})
	}
}

func TestWhatAManagerAddsThatTheProductNamesStays(t *testing.T) {
	w := newWorld(map[string]string{"a": deployment("web", three) + service}, "a")
	w.settle(t.Context())
	for _, of := range []objectID{id("Deployment", "web"), id("Service", "web")} {
		w.server.edit(of, "injector", func(o *unstructured.Unstructured) {
			if of.Kind == "Service" {
				set(o, []any{"192.0.2.1"}, "spec", "externalIPs")
			} else {
				set(o, true, "spec", "paused")
			}
		})
	}
	w.cache.sync()
	st, err := w.Observe(t.Context(), space)
	if err != nil {
		t.Fatal(err)
	}
	s := w.set("a")
	s.Managers = Managers{kindDeployment: {"injector"}}
	if _, err := w.Shape(t.Context(), st, s); err != nil {
		t.Fatal(err)
	}
	if w.field("Deployment", "web", "spec", "paused") != true {
		t.Error("what the product names as another's is taken away")
	}
	if w.field("Service", "web", "spec", "externalIPs") != nil {
		t.Error("a Service has external addresses")
	}
}

// Another leader writes to the object between our look and our repair.
func TestARepairOverwritesNothingThatCameMeanwhile(t *testing.T) {
	w := newWorld(map[string]string{"a": deployment("web", three)}, "a")
	w.settle(t.Context())
	containers := func(o *unstructured.Unstructured) []any {
		list, _ := at(o.Object, []string{"spec", "template", "spec", "containers"}).([]any)
		return list
	}
	w.server.edit(id("Deployment", "web"), "kubectl", func(o *unstructured.Unstructured) {
		set(o, append(containers(o), map[string]any{"name": "sidecar", "image": "x:1"}), "spec", "template", "spec", "containers")
	})
	w.server.before = func(verb string, key Key) error {
		if verb != "patch" || key.Kind != "Deployment" {
			return nil
		}
		w.server.before = nil
		web := w.server.memory.Object(id("Deployment", "web"))
		first, _ := containers(web)[0].(map[string]any)
		first["image"] = "web:2"
		web.SetResourceVersion("9999")
		w.server.memory.Put(web)
		return nil
	}
	w.cache.sync()
	out := w.pass(t.Context())
	first, _ := containers(w.server.object(id("Deployment", "web")))[0].(map[string]any)
	if first["image"] != "web:2" || Retry(out.refusals) == nil {
		t.Errorf("the image is %v; %v", first["image"], out.refusals)
	}
}

func TestTwoThatOverwriteEachOtherLeaveOffForAWhile(t *testing.T) {
	w := newWorld(map[string]string{"a": settings}, "a")
	w.settle(t.Context())
	for range repairLimit + 3 {
		w.server.edit(id("ConfigMap", "settings"), "other-operator", func(o *unstructured.Unstructured) { set(o, "theirs", "data", "mode") })
		w.settle(t.Context())
	}
	if got := w.field("ConfigMap", "settings", "data", "mode"); got != "theirs" {
		t.Errorf("it says %v", got)
	}
	w.cache.sync()
	out := w.pass(t.Context())
	if len(out.shaped.Unsaid) != 1 || !strings.Contains(out.shaped.Unsaid[0].Message, "other-operator") || out.shaped.Standing.Again.IsZero() {
		t.Errorf("said: %+v, again %v", out.shaped.Unsaid, out.shaped.Standing.Again)
	}
	w.clock.SetTime(w.clock.Now().Add(repairWindow))
	w.settle(t.Context())
	if got := w.field("ConfigMap", "settings", "data", "mode"); got != "fast" {
		t.Errorf("after a while it says %v", got)
	}
}

func TestANamespaceThatSomebodyMakesInTheSameMomentIsNotTaken(t *testing.T) {
	w := newWorld(map[string]string{"a": settings}, "a")
	w.server.before = func(verb string, _ Key) error {
		if verb == "create" {
			w.server.memory.Put(newObject(kindNamespace.WithVersion("v1"), "", space))
		}
		return nil
	}
	out := w.pass(t.Context())
	if out.err == nil || !strings.Contains(out.err.Error(), "not created by Stallkeeper") {
		t.Errorf("%v", out.err)
	}
}

func TestAnUnchangedTenantNeedsNoLook(t *testing.T) {
	w := newWorld(map[string]string{"a": settings + deployment("web", three)}, "a")
	w.settle(t.Context())
	digest := func() string {
		w.cache.sync()
		st, err := w.Observe(t.Context(), space)
		if err != nil {
			t.Fatal(err)
		}
		return st.Digest()
	}
	before := digest()
	w.server.edit(id("Deployment", "web"), "kube-controller-manager", func(o *unstructured.Unstructured) { set(o, int64(2), "status", "readyReplicas") })
	if digest() != before {
		t.Error("a pod that becomes ready is taken for a change")
	}
	for name, change := range map[string]func(*unstructured.Unstructured){
		"an addition": func(o *unstructured.Unstructured) { set(o, true, "spec", "paused") },
		"a number":    func(o *unstructured.Unstructured) { set(o, int64(9), "spec", "replicas") },
	} {
		before = digest()
		w.server.edit(id("Deployment", "web"), "somebody", change)
		if digest() == before {
			t.Errorf("%s is no change", name)
		}
	}
}

func TestPeriodsAreKnownOrNothingIsDue(t *testing.T) {
	p := Periods{Grace: time.Hour, Retention: 90 * 24 * time.Hour, Deletes: true}
	ns := newObject(kindNamespace.WithVersion("v1"), "", space)
	if _, ok := PeriodsOf(ns); ok {
		t.Error("periods of a namespace without any are known")
	}
	setAnnotation(ns, PeriodsAnnotation, p.String())
	if got, ok := PeriodsOf(ns); !ok || got != p {
		t.Errorf("%v, %v", got, ok)
	}
	for _, text := range []string{"", "{}", "null", `{"graceSeconds":1,"retentionSeconds":1}`, `{"graceSeconds":-1,"retentionSeconds":1,"deletesAfterRetention":true}`,
		`{"graceSeconds":1,"retentionSeconds":9e18,"deletesAfterRetention":true}`} {
		if got, ok := parsePeriods(text); ok {
			t.Errorf("%q gives %v", text, got)
		}
	}
}

func FuzzPeriods(f *testing.F) {
	f.Add(`{"graceSeconds":1,"retentionSeconds":1,"deletesAfterRetention":false}`)
	f.Fuzz(func(t *testing.T, text string) {
		p, ok := parsePeriods(text)
		if !ok {
			return
		}
		if again, ok := parsePeriods(p.String()); !ok || again != p || p.Retention < 0 || p.Grace < 0 {
			t.Errorf("%q gives %v, and that gives %v", text, p, again)
		}
	})
}
