package tenant

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	testingclock "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/apply"
	"github.com/stallkeeper/stallkeeper/test/apiserver"
)

// The API server is one for all tests of the package. Without binaries the tests that need it are skipped.
var (
	startOnce sync.Once
	theConfig *rest.Config
	errStart  error
	stopAll   = func() {}
)

func TestMain(m *testing.M) {
	code := m.Run()
	stopAll()
	os.Exit(code)
}

func realConfig(t *testing.T) *rest.Config {
	t.Helper()
	assets := apiserver.Binaries(t)
	startOnce.Do(func() {
		env := &envtest.Environment{BinaryAssetsDirectory: assets}
		theConfig, errStart = env.Start()
		if theConfig != nil {
			theConfig.QPS, theConfig.Burst = 1000, 1000
		}
		stopAll = func() { _ = env.Stop() }
	})
	if errStart != nil {
		t.Fatalf("starting the API server: %v", errStart)
	}
	return theConfig
}

// builtIn are the watched kinds that the real API server has.
var builtIn = kinds[:len(kinds)-2]

// liveTenant is one tenant on the real API server.
type liveTenant struct {
	*Tenants
	t      *testing.T
	client client.Client
	name   string
	owner  apply.Owner
	writes *writes
}

// writes counts requests that change something, dry runs aside.
type writes struct {
	mu   sync.Mutex
	made []string
}

func (w *writes) wrap(next http.RoundTripper) http.RoundTripper {
	return roundTrip(func(req *http.Request) (*http.Response, error) {
		if req.Method != http.MethodGet && req.URL.Query().Get("dryRun") == "" {
			w.mu.Lock()
			w.made = append(w.made, req.Method+" "+req.URL.Path+" by "+req.URL.Query().Get("fieldManager"))
			w.mu.Unlock()
		}
		return next.RoundTrip(req)
	})
}

func (w *writes) take() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	made := w.made
	w.made = nil
	return made
}

// fresh is a cache without lag: what stands, in the form of the cache.
type fresh struct{ client.Client }

func (f fresh) List(ctx context.Context, list client.ObjectList, options ...client.ListOption) error {
	if err := f.Client.List(ctx, list, options...); err != nil {
		return err
	}
	if u, ok := list.(*unstructured.UnstructuredList); ok {
		for i := range u.Items {
			u.Items[i] = *seen(&u.Items[i])
		}
	}
	return nil
}

func (f fresh) Get(ctx context.Context, key client.ObjectKey, obj client.Object, options ...client.GetOption) error {
	if err := f.Client.Get(ctx, key, obj, options...); err != nil {
		return err
	}
	if u, ok := obj.(*unstructured.Unstructured); ok {
		u.Object = seen(u).Object
	}
	return nil
}

func newReal(t *testing.T, name string) *liveTenant {
	t.Helper()
	r := &liveTenant{t: t, name: "tenant-" + name, owner: apply.Owner{Name: name, Namespace: "sales", UID: types.UID("uid-" + name)}, writes: &writes{}}
	config := rest.CopyConfig(realConfig(t))
	plain, err := client.New(config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r.client = plain
	config.Wrap(r.writes.wrap)
	counted, err := client.New(config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r.Tenants = New(counted, fresh{plain}, plain, builtIn, testingclock.NewFakePassiveClock(time.Unix(1_700_000_000, 0)))
	return r
}

func (r *liveTenant) restart() { r.Tenants = New(r.Client, r.Cache, r.Live, r.Kinds, r.Clock) }

func (r *liveTenant) set(revision, text string) Set {
	text = strings.ReplaceAll(text, "a.example.com", r.name+".example.com") // a host is of one tenant
	s := Set{
		Namespace: newObject(apply.NamespaceKind, "", r.name), Owner: r.owner, Revision: revision, HashKey: []byte("seed"),
		OwnerGone: func(context.Context, types.UID) (bool, error) { return true, nil },
	}
	s.Namespace.SetLabels(map[string]string{podSecurityPrefix + "enforce": "baseline"})
	var group []*unstructured.Unstructured
	for _, obj := range parse(text) {
		obj.SetNamespace(r.name)
		obj.SetLabels(map[string]string{v1alpha1.InstanceLabel: r.owner.Name, v1alpha1.InstanceNamespaceLabel: r.owner.Namespace})
		group = append(group, obj)
	}
	s.Groups = [][]*unstructured.Unstructured{group}
	return s
}

func (r *liveTenant) observe() Standing {
	r.t.Helper()
	st, err := r.Observe(r.t.Context(), r.name)
	if err != nil {
		r.t.Fatal(err)
	}
	return st
}

func (r *liveTenant) shape(s Set) Shaped {
	r.t.Helper()
	shaped, err := r.Shape(r.t.Context(), r.observe(), s)
	if err != nil {
		r.t.Fatal(err)
	}
	return shaped
}

func (r *liveTenant) power(stop bool) Powered {
	r.t.Helper()
	return r.Power(r.t.Context(), r.observe(), Wish{Stop: stop, Owner: r.owner})
}

func (r *liveTenant) move(former, next Set) Moved {
	r.t.Helper()
	moved, err := r.Move(r.t.Context(), r.observe(), former, next)
	if err != nil {
		r.t.Fatal(err)
	}
	return moved
}

func (r *liveTenant) live(kind, name string) *unstructured.Unstructured {
	r.t.Helper()
	for _, gvk := range builtIn {
		if gvk.Kind != kind {
			continue
		}
		obj := newObject(gvk, r.name, name)
		if err := r.client.Get(r.t.Context(), client.ObjectKeyFromObject(obj), obj); err != nil {
			r.t.Fatal(err)
		}
		return obj
	}
	r.t.Fatalf("no kind %s", kind)
	return nil
}

func (r *liveTenant) at(kind, name string, path ...string) any {
	r.t.Helper()
	return at(r.live(kind, name).Object, path)
}

func (r *liveTenant) edit(kind, name, patch string) {
	r.t.Helper()
	err := r.client.Patch(r.t.Context(), r.live(kind, name), client.RawPatch(types.StrategicMergePatchType, []byte(patch)), client.FieldOwner("kubectl-edit"))
	if err != nil {
		r.t.Fatal(err)
	}
}

// scale is what an autoscaler does.
func (r *liveTenant) scale(name string, n int32) {
	r.t.Helper()
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: r.name, Name: name}}
	scale := &autoscalingv1.Scale{ObjectMeta: d.ObjectMeta, Spec: autoscalingv1.ScaleSpec{Replicas: n}}
	if err := r.client.SubResource("scale").Update(r.t.Context(), d, client.WithSubResourceBody(scale), client.FieldOwner("kube-controller-manager")); err != nil {
		r.t.Fatal(err)
	}
}

// sample has the kinds of a usual tenant, with lists and maps of all sorts.
const sample = `
- {apiVersion: v1, kind: ServiceAccount, metadata: {name: default}, automountServiceAccountToken: false}
- {apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {mode: fast}}
- {apiVersion: v1, kind: Secret, metadata: {name: access}, data: {password: czNjcjN0}}
- {apiVersion: v1, kind: ResourceQuota, metadata: {name: tenant}, spec: {hard: {requests.cpu: "2", pods: "50"}}}
- apiVersion: networking.k8s.io/v1
  kind: NetworkPolicy
  metadata: {name: tenant}
  spec: {podSelector: {}, policyTypes: [Ingress, Egress], ingress: [{from: [{podSelector: {}}]}]}
- {apiVersion: v1, kind: Service, metadata: {name: web}, spec: {selector: {app: web}, ports: [{name: http, port: 80}, {name: more, port: 8080, targetPort: more}]}}
- {apiVersion: v1, kind: LimitRange, metadata: {name: tenant}, spec: {limits: [{type: Container, default: {cpu: 100m}}]}}
- apiVersion: networking.k8s.io/v1
  kind: Ingress
  metadata: {name: web}
  spec: {rules: [{host: a.example.com, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {name: http}}}}]}}]}
- {apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: data}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1024Mi}}}}
- apiVersion: autoscaling/v2
  kind: HorizontalPodAutoscaler
  metadata: {name: auto}
  spec:
    minReplicas: 2
    maxReplicas: 9
    scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: auto}
    metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 80}}}]
- apiVersion: batch/v1
  kind: CronJob
  metadata: {name: tick}
  spec: {schedule: "* * * * *", jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: c, image: "c:1"}]}}}}}
- apiVersion: apps/v1
  kind: Deployment
  metadata: {name: web, annotations: {note: "1"}}
  spec:
    replicas: 3
    selector: {matchLabels: {app: web}}
    template:
      metadata: {labels: {app: web}}
      spec:
        securityContext: {runAsNonRoot: true}
        volumes: [{name: v, configMap: {name: settings}}, {name: e, emptyDir: {}}]
        tolerations: [{key: a, operator: Exists}]
        containers:
        - name: web
          image: "web:1"
          args: [serve]
          ports: [{containerPort: 80}, {name: more, containerPort: 8080, protocol: TCP}]
          env: [{name: A, value: b}, {name: P, valueFrom: {secretKeyRef: {name: access, key: password}}}]
          resources: {requests: {cpu: 1000m, memory: 0.5Gi}, limits: {memory: 1024Mi}}
          volumeMounts: [{name: v, mountPath: /v}]
- apiVersion: apps/v1
  kind: Deployment
  metadata: {name: auto}
  spec:
    selector: {matchLabels: {app: auto}}
    template:
      metadata: {labels: {app: auto}}
      spec: {containers: [{name: auto, image: "auto:1"}]}
- apiVersion: apps/v1
  kind: StatefulSet
  metadata: {name: db}
  spec:
    replicas: 2
    serviceName: db
    persistentVolumeClaimRetentionPolicy: {whenDeleted: Retain, whenScaled: Retain}
    selector: {matchLabels: {app: db}}
    template:
      metadata: {labels: {app: db}}
      spec: {containers: [{name: db, image: "db:1"}]}
    volumeClaimTemplates:
    - metadata: {name: data}
      spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
`

func TestARealTenantCostsOneCallAnObjectAndThenNone(t *testing.T) {
	r := newReal(t, "cost")
	s := r.set("a", sample)
	if shaped := r.shape(s); !shaped.Stands {
		t.Fatalf("%v", shaped.Refusals)
	}
	if made := r.writes.take(); len(made) != len(s.objects())+1 {
		t.Errorf("%d writes for %d objects and a namespace:\n%s", len(made), len(s.objects()), strings.Join(made, "\n"))
	}
	r.restart()
	shaped := r.shape(s)
	powered := r.power(false)
	if made := r.writes.take(); len(made) > 0 || !shaped.Stands {
		t.Errorf("after a restart it writes %v; %v, %v", made, shaped.Refusals, powered.Refusals)
	}
}

func TestARealSuspensionIsOneWriteAWorkloadAndAsManyBack(t *testing.T) {
	r := newReal(t, "power")
	s := r.set("a", sample)
	r.shape(s)
	r.scale("auto", 7)
	r.writes.take()
	if p := r.power(true); len(p.Refusals) > 0 {
		t.Fatal(p.Refusals)
	}
	made := r.writes.take()
	if len(made) != 4 || slices.ContainsFunc(made, func(s string) bool { return !strings.HasSuffix(s, "by "+PowerOwner) }) {
		t.Errorf("suspending writes:\n%s", strings.Join(made, "\n"))
	}
	s.Stopped = true
	r.restart()
	r.shape(s)
	if made := r.writes.take(); len(made) > 0 {
		t.Errorf("a stopped tenant's shape writes %v", made)
	}
	for kind, names := range map[string][]string{"Deployment": {"web", "auto"}, "StatefulSet": {"db"}} {
		for _, name := range names {
			if n := r.at(kind, name, "spec", "replicas"); n != int64(0) {
				t.Errorf("%s/%s has %v replicas", kind, name, n)
			}
		}
	}
	r.restart()
	r.power(false)
	if made := r.writes.take(); len(made) != 4 {
		t.Errorf("resuming writes:\n%s", strings.Join(made, "\n"))
	}
	s.Stopped = false
	r.shape(s)
	if made := r.writes.take(); len(made) > 0 {
		t.Errorf("and then:\n%s", strings.Join(made, "\n"))
	}
	for name, want := range map[string]int64{"web": 3, "auto": 7} {
		if n := r.at("Deployment", name, "spec", "replicas"); n != want {
			t.Errorf("%s has %v replicas, want %d", name, n, want)
		}
	}
	r.scale("auto", 9)
	r.shape(s)
	if n := r.at("Deployment", "auto", "spec", "replicas"); n != int64(9) {
		t.Errorf("the autoscaler's number became %v", n)
	}
}

func TestARealTenantThatIsMadeStopped(t *testing.T) {
	r := newReal(t, "made-stopped")
	s := r.set("a", sample)
	s.Stopped = true
	r.shape(s)
	r.power(true)
	s = r.set("a", strings.ReplaceAll(sample, "web:1", "web:2"))
	s.Stopped = true
	if shaped := r.shape(s); !shaped.Stands {
		t.Fatal(shaped.Refusals)
	}
	if d := r.live("Deployment", "web"); replicasOf(d) != 0 || d.GetAnnotations()[KeptAnnotation] != "3" {
		t.Errorf("%d replicas, kept %v", replicasOf(d), d.GetAnnotations())
	}
	if !flag(r.live("CronJob", "tick"), "spec", "suspend") {
		t.Error("the CronJob runs")
	}
	r.power(false)
	s.Stopped = false
	r.shape(s)
	r.writes.take()
	r.restart()
	r.power(false)
	if shaped := r.shape(s); !shaped.Stands {
		t.Fatal(shaped.Refusals)
	}
	if made := r.writes.take(); len(made) > 0 {
		t.Errorf("it does not come to rest:\n%s", strings.Join(made, "\n"))
	}
	if d := r.live("Deployment", "web"); replicasOf(d) != 3 || d.GetAnnotations()[KeptAnnotation] != "" {
		t.Errorf("%d replicas, %v", replicasOf(d), d.GetAnnotations())
	}
}

func TestWhatAPersonAddsOnTheRealAPIServerIsPutRight(t *testing.T) {
	r := newReal(t, "drift")
	s := r.set("a", sample)
	r.shape(s)
	for name, tc := range map[string]struct {
		kind, object, patch string
		gone                []string
	}{
		"an environment variable":  {"Deployment", "web", `{"spec":{"template":{"spec":{"containers":[{"name":"web","env":[{"name":"X","value":"y"}]}]}}}}`, nil},
		"a sidecar":                {"Deployment", "web", `{"spec":{"template":{"spec":{"containers":[{"name":"evil","image":"evil:1"}]}}}}`, []string{"spec", "template", "spec", "containers", "1"}},
		"a pause":                  {"Deployment", "auto", `{"spec":{"paused":true}}`, []string{"spec", "paused"}},
		"a port":                   {"Service", "web", `{"spec":{"ports":[{"name":"evil","port":81}]}}`, []string{"spec", "ports", "2"}},
		"external addresses":       {"Service", "web", `{"spec":{"externalIPs":["192.0.2.1"]}}`, []string{"spec", "externalIPs"}},
		"a key of the quota":       {"ResourceQuota", "tenant", `{"spec":{"hard":{"services":"9"}}}`, []string{"spec", "hard", "services"}},
		"a rule":                   {"NetworkPolicy", "tenant", `{"spec":{"egress":[{}]}}`, []string{"spec", "egress"}},
		"a volume":                 {"Deployment", "web", `{"spec":{"template":{"spec":{"volumes":[{"name":"x","emptyDir":{}}]}}}}`, []string{"spec", "template", "spec", "volumes", "2"}},
		"another volume":           {"Deployment", "web", `{"spec":{"template":{"spec":{"volumes":[{"name":"e","emptyDir":null,"hostPath":{"path":"/"}}]}}}}`, nil},
		"an autoscaler's pace":     {"HorizontalPodAutoscaler", "auto", `{"spec":{"behavior":{"scaleDown":{"selectPolicy":"Disabled"}}}}`, []string{"spec", "behavior"}},
		"a node":                   {"Deployment", "web", `{"spec":{"template":{"spec":{"nodeSelector":{"disk":"fast"}}}}}`, []string{"spec", "template", "spec", "nodeSelector"}},
		"a host network":           {"Deployment", "auto", `{"spec":{"template":{"spec":{"hostAliases":[{"ip":"192.0.2.1","hostnames":["a"]}],"dnsPolicy":"Default"}}}}`, nil},
		"a rule of the Ingress":    {"Ingress", "web", `{"spec":{"rules":[{"host":"a.example.com"},{"host":"evil.example.com"}]}}`, nil},
		"a limit":                  {"LimitRange", "tenant", `{"spec":{"limits":[{"type":"Container","default":{"cpu":"100m","memory":"1Gi"}},{"type":"Pod","max":{"cpu":"64"}}]}}`, nil},
		"a partition":              {"StatefulSet", "db", `{"spec":{"updateStrategy":{"rollingUpdate":{"partition":2}}}}`, nil},
		"the least of autoscaling": {"HorizontalPodAutoscaler", "auto", `{"spec":{"minReplicas":1,"maxReplicas":99}}`, nil},
		"a type of a Service":      {"Service", "web", `{"spec":{"sessionAffinity":"ClientIP"}}`, nil},
		"a suspended CronJob":      {"CronJob", "tick", `{"spec":{"suspend":true}}`, nil},
		"another image":            {"Deployment", "web", `{"spec":{"template":{"spec":{"containers":[{"name":"web","image":"evil:1"}]}}}}`, nil},
		"replicas of the template": {"Deployment", "web", `{"spec":{"replicas":9}}`, nil},
	} {
		before := r.live(tc.kind, tc.object)
		r.edit(tc.kind, tc.object, tc.patch)
		if shaped := r.shape(s); !shaped.Stands {
			t.Errorf("%s: %v", name, shaped.Refusals)
		}
		after := r.live(tc.kind, tc.object)
		if diff := cmp.Diff(before.Object["spec"], after.Object["spec"]); diff != "" {
			t.Errorf("%s stays (-before +after):\n%s", name, diff)
		}
		if tc.gone != nil && at(after.Object, tc.gone) != nil {
			t.Errorf("%s stays", name)
		}
		r.writes.take()
		r.restart()
		r.shape(s)
		if made := r.writes.take(); len(made) > 0 {
			t.Errorf("%s: it does not come to rest: %v", name, made)
		}
	}
}

// A key of a ConfigMap may stand in one of its two maps only, and the API server refuses ours while a person's stands in the other.
func TestAKeyThatAPersonMovesToTheOtherMapOfAConfigMapComesBack(t *testing.T) {
	r := newReal(t, "crossed")
	set := r.set("a", `
- {apiVersion: v1, kind: ConfigMap, metadata: {name: texts}, data: {greeting: hello, tone: kind}}
- {apiVersion: v1, kind: ConfigMap, metadata: {name: bytes}, binaryData: {logo: AAEC}}
`)
	r.shape(set)
	for name, patch := range map[string]string{
		"texts": `{"data":{"greeting":null},"binaryData":{"greeting":"AAEC","more":"AAEC"}}`, "bytes": `{"binaryData":{"logo":null},"data":{"logo":"no"}}`,
	} {
		if err := r.client.Patch(t.Context(), r.live("ConfigMap", name), client.RawPatch(types.MergePatchType, []byte(patch)), client.FieldOwner("person")); err != nil {
			t.Fatal(err)
		}
	}
	if shaped := r.shape(set); len(shaped.Refusals) > 0 || !shaped.Stands {
		t.Fatalf("refused %v", shaped.Refusals)
	}
	got := []any{
		r.at("ConfigMap", "texts", "data"), r.at("ConfigMap", "texts", "binaryData"), r.at("ConfigMap", "bytes", "data"), r.at("ConfigMap", "bytes", "binaryData"),
	}
	want := []any{
		map[string]any{"greeting": "hello", "tone": "kind"}, map[string]any{"more": "AAEC"}, nil, map[string]any{"logo": "AAEC"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	r.writes.take()
	if r.shape(set); len(r.writes.take()) > 0 {
		t.Error("a quiet pass writes")
	}
}

func TestRealStrategiesBesideDefaults(t *testing.T) {
	r := newReal(t, "strategy")
	former := r.set("a", deployment("web", three)+statefulSet("1Gi"))
	onDelete := strings.Replace(statefulSet("1Gi"), "    replicas: 2\n", "    replicas: 2\n    updateStrategy: {type: OnDelete}\n", 1)
	next := r.set("b", deployment("web", three+"\n    strategy: {type: Recreate}")+onDelete)
	r.shape(former)
	moved := r.move(former, next)
	if !moved.Moved || r.observe().Pin() != "b" {
		t.Fatalf("%+v", moved.Refusals)
	}
	if diff := cmp.Diff(map[string]any{"type": "Recreate"}, r.at("Deployment", "web", "spec", "strategy")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]any{"type": "OnDelete"}, r.at("StatefulSet", "db", "spec", "updateStrategy")); diff != "" {
		t.Error(diff)
	}
	if moved = r.move(next, former); !moved.Moved {
		t.Fatalf("and back: %+v", moved.Refusals)
	}
}

func TestRealRefusalsLeaveATenantAsItIs(t *testing.T) {
	for name, tc := range map[string]struct {
		former, next       string
		object, field      string
		oldValue, newValue string
	}{
		"immutable": {immutable("a"), immutable("b"), "ConfigMap/fixed", "data", "", ""},
		"port":      {service, strings.Replace(service, "port: 80", "port: 99999", 1), "Service/web", "spec.ports[0].port", "80", "99999"},
		"shrinks":   {statefulSet("2Gi"), statefulSet("1Gi"), "StatefulSet/db", "spec.resources.requests.storage", "2Gi", "1Gi"},
		"selector":  {deployment("x", three), strings.ReplaceAll(deployment("x", three), "app: x", "app: other"), "Deployment/x", "spec.selector", "", ""},
		"clusterip": {
			strings.Replace(service, "selector:", "clusterIP: None, selector:", 1), strings.Replace(service, "selector:", "clusterIP: 10.0.0.77, selector:", 1),
			"Service/web", "spec.clusterIPs[0]", "None", "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newReal(t, "refused-"+name)
			former := r.set("a", tc.former+settings+deployment("web", three))
			r.shape(former)
			r.writes.take()
			moved := r.move(former, r.set("b", tc.next+changed+deployment("web", "    replicas: 5")))
			if made := r.writes.take(); len(made) > 0 || moved.Moved || moved.Checked || r.observe().Pin() != "a" {
				t.Errorf("it writes %v", made)
			}
			if len(moved.Refusals) != 1 {
				t.Fatalf("%v", moved.Refusals)
			}
			got := moved.Refusals[0]
			if got.Key.String() != tc.object || got.Field != tc.field || got.Old != tc.oldValue || got.New != tc.newValue || got.Remedy == "" {
				t.Errorf("%s %s %q -> %q: %s; %s", got.Key, got.Field, got.Old, got.New, got.Message, got.Remedy)
			}
			r.power(true)
			if n := r.at("Deployment", "web", "spec", "replicas"); n != int64(0) {
				t.Errorf("it can't be stopped: %v", n)
			}
		})
	}
}

// However large it is, it is said, and not tried for ever.
func TestARealObjectThatIsTooLarge(t *testing.T) {
	for name, bytes := range map[string]int{"a little": 1_200_000, "for the storage": 2_500_000, "for the API server": 3_900_000} {
		t.Run(name, func(t *testing.T) {
			r := newReal(t, fmt.Sprint("large-", bytes))
			former := r.set("a", settings+deployment("web", three))
			r.shape(former)
			large := strings.Replace(changed, "mode: slow", "mode: "+strings.Repeat("x", bytes), 1)
			moved := r.move(former, r.set("b", large+deployment("web", "    replicas: 5")))
			if len(moved.Refusals) != 1 || moved.Checked || Retry(moved.Refusals) != nil || moved.Refusals[0].Remedy == "" || len(moved.Refusals[0].Message) > 500 {
				t.Errorf("%.500v", moved.Refusals)
			}
			if n := r.at("Deployment", "web", "spec", "replicas"); n != int64(3) {
				t.Errorf("it has %v replicas", n)
			}
		})
	}
}

func TestARealRenameOfANodePort(t *testing.T) {
	r := newReal(t, "rename")
	former, next := r.set("a", nodePort("front")+settings), r.set("b", nodePort("door")+settings)
	if shaped := r.shape(former); !shaped.Stands {
		t.Fatal(shaped.Refusals)
	}
	if moved := r.move(former, next); !moved.Moved || !moved.Stands {
		t.Fatalf("%+v", moved.Refusals)
	}
	if n := r.at("Service", "door", "spec", "ports", "0", "nodePort"); n != int64(30080) {
		t.Errorf("%v", n)
	}
}

func TestARealClaimTemplateGrows(t *testing.T) {
	r := newReal(t, "grow")
	class := &storagev1.StorageClass{
		ObjectMeta: metav1.ObjectMeta{Name: "grows"}, Provisioner: "example.com/disk", AllowVolumeExpansion: ptr.To(true),
	}
	if err := r.client.Create(t.Context(), class); err != nil {
		t.Fatal(err)
	}
	with := func(size string) string {
		return strings.Replace(statefulSet(size), "accessModes:", "storageClassName: grows, accessModes:", 1)
	}
	former, next := r.set("a", with("1Gi")), r.set("b", with("2Gi"))
	r.shape(former)
	claim := &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Namespace: r.name, Name: "data-db-0"},
		Spec: corev1.PersistentVolumeClaimSpec{
			StorageClassName: ptr.To("grows"), VolumeName: "disk-1", AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources: corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}},
		},
	}
	if err := r.client.Create(t.Context(), claim); err != nil {
		t.Fatal(err)
	}
	claim.Status.Phase, claim.Status.Capacity = corev1.ClaimBound, claim.Spec.Resources.Requests
	if err := r.client.Status().Update(t.Context(), claim); err != nil {
		t.Fatal(err)
	}
	r.edit("StatefulSet", "db", `{"spec":{"replicas":2}}`)
	r.move(former, next)
	if got := r.at("PersistentVolumeClaim", "data-db-0", "spec", "resources", "requests", "storage"); got != "2Gi" {
		t.Errorf("the claim has %v", got)
	}
	// No garbage collector runs here: it is what takes away the finalizer once the pods are on their own.
	set := r.live("StatefulSet", "db")
	if set.GetDeletionTimestamp() == nil || !slices.Contains(set.GetFinalizers(), "orphan") {
		t.Fatalf("%v", set.GetFinalizers())
	}
	again := r.move(former, next)
	if again.Moved || Retry(again.Refusals) == nil {
		t.Errorf("while it goes: moved %v, %v", again.Moved, again.Refusals)
	}
	if err := r.client.Patch(t.Context(), set, client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`))); err != nil {
		t.Fatal(err)
	}
	if moved := r.move(former, next); !moved.Moved {
		t.Fatalf("%+v", moved.Refusals)
	}
	if n := r.at("StatefulSet", "db", "spec", "replicas"); n != int64(2) {
		t.Errorf("%v replicas", n)
	}
}

func TestARealCacheShowsWhatIsWritten(t *testing.T) {
	r := newReal(t, "cache")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c, err := cache.New(theConfig, cache.Options{Scheme: scheme.Scheme, ByObject: CacheByObject(builtIn)})
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = c.Start(ctx) }()
	if !c.WaitForCacheSync(ctx) {
		t.Fatal("the cache does not start")
	}
	r.Cache = c
	r.restart()
	s := r.set("a", sample)
	r.shape(s)
	r.writes.take()
	for range 20 { // while the cache catches up, nothing is written twice
		if shaped := r.shape(s); !shaped.Stands {
			t.Fatal(shaped.Refusals)
		}
		r.power(false)
	}
	if made := r.writes.take(); len(made) > 0 {
		t.Errorf("%v", made)
	}
}

func TestTheRealAPIServerSaysWhatTimeItIs(t *testing.T) {
	r := newReal(t, "time")
	r.shape(r.set("a", settings))
	server := &ServerTime{}
	config := rest.CopyConfig(theConfig)
	config.Wrap(server.Wrap)
	live, err := client.New(config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r.Live = live
	reading, err := r.ReadForRemoval(t.Context(), r.name, r.owner, server)
	if err != nil || reading.Namespace == nil {
		t.Fatal(err)
	}
	if off := time.Since(reading.Now); off < -5*time.Second || off > time.Minute {
		t.Errorf("the API server's time is %v", reading.Now)
	}
	stale := reading
	stale.Namespace = reading.Namespace.DeepCopy()
	stale.Namespace.SetResourceVersion("1")
	if err := r.Remove(t.Context(), stale); err == nil {
		t.Error("what has changed since it was read is deleted")
	}
	if err := r.Remove(t.Context(), reading); err != nil {
		t.Error(err)
	}
}
