package tenant

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	testingclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/yaml"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/apply"
	"github.com/stallkeeper/stallkeeper/controllers/workload"
)

const instanceLabel = v1alpha1.InstanceLabel

// kinds are those that the tests watch. Secrets are not watched.
var kinds = []schema.GroupVersionKind{
	{Version: "v1", Kind: "ConfigMap"}, {Version: "v1", Kind: "Service"}, {Version: "v1", Kind: "ServiceAccount"},
	{Version: "v1", Kind: "PersistentVolumeClaim"}, {Version: "v1", Kind: "ResourceQuota"},
	{Version: "v1", Kind: "LimitRange"},
	{Group: "networking.k8s.io", Version: "v1", Kind: "NetworkPolicy"}, {Group: "networking.k8s.io", Version: "v1", Kind: "Ingress"},
	{Group: "apps", Version: "v1", Kind: "Deployment"}, {Group: "apps", Version: "v1", Kind: "StatefulSet"},
	{Group: "batch", Version: "v1", Kind: "Job"}, {Group: "batch", Version: "v1", Kind: "CronJob"},
	{Group: "autoscaling", Version: "v2", Kind: "HorizontalPodAutoscaler"},
	{Group: "keda.sh", Version: "v1alpha1", Kind: "ScaledObject"},
	{Group: "db.example.com", Version: "v1", Kind: "Cluster"},
}

var owner = apply.Owner{Name: "acme", Namespace: "sales", UID: "uid-of-acme"}

// space is the namespace of a world's tenant; the tests on the real API server have one each.
const space = "tenant-acme"

// world is one tenant, an API server, a cache of it, and a process that works on it.
type world struct {
	*Tenants
	server *server
	cache  *cached
	clock  *testingclock.FakePassiveClock

	// revisions are the templates by name; target is the one that the tenant shall have.
	revisions map[string]string
	target    string
	stop      bool
	patches   map[schema.GroupKind][]byte
	// rendered says whether revisions can be rendered.
	rendered bool
	// space is the tenant's namespace, owner the instance.
	space string
	owner apply.Owner
	kinds []schema.GroupVersionKind
}

func newWorld(revisions map[string]string, target string) *world {
	return worldOn(newServer(), &world{revisions: revisions, target: target, space: space, owner: owner, kinds: kinds})
}

func worldOn(s *server, w *world) *world {
	w.server, w.cache, w.rendered = s, newCached(s, w.space), true
	w.clock = testingclock.NewFakePassiveClock(time.Unix(1_700_000_000, 0))
	w.restart()
	return w
}

// restart loses what the process remembers.
func (w *world) restart() { w.Tenants = New(w.server, w.cache, w.server, w.kinds, w.clock) }

func (w *world) set(revision string) Set {
	s := Set{
		Namespace: newObject(apply.NamespaceKind, "", w.space), Owner: w.owner, Revision: revision, Stopped: w.stop, Patches: w.patches,
		OwnerGone: func(context.Context, types.UID) (bool, error) { return true, nil },
		HashKey:   []byte("seed"),
		Keep: func(obj *unstructured.Unstructured) bool {
			return workload.KeepOnPrune(kindOf(obj), obj.GetAnnotations(), nil)
		},
	}
	s.Namespace.SetLabels(map[string]string{podSecurityPrefix + "enforce": "restricted", v1alpha1.RevisionLabel: revision})
	var own, configuration, rest []*unstructured.Unstructured
	var after [][]*unstructured.Unstructured
	for _, obj := range parse(w.revisions[revision]) {
		obj.SetNamespace(w.space)
		obj.SetLabels(map[string]string{v1alpha1.InstanceLabel: w.owner.Name, v1alpha1.InstanceNamespaceLabel: w.owner.Namespace})
		event, _ := annotation(obj, v1alpha1.HookAnnotation)
		switch {
		case strings.HasPrefix(event, "pre-"):
			own = append(own, obj)
		case event != "":
			after = append(after, []*unstructured.Unstructured{obj})
		case slices.Contains(configurationKinds, obj.GetKind()):
			configuration = append(configuration, obj)
		default:
			rest = append(rest, obj)
		}
	}
	for _, group := range append([][]*unstructured.Unstructured{configuration, own, rest}, after...) {
		if len(group) > 0 {
			s.Groups = append(s.Groups, group)
		}
	}
	return s
}

var parsed sync.Map

// parse reads a list of objects.
func parse(text string) []*unstructured.Unstructured {
	known, ok := parsed.Load(text)
	if !ok {
		known = parseAnew(text)
		parsed.Store(text, known)
	}
	var objs []*unstructured.Unstructured
	for _, obj := range known.([]*unstructured.Unstructured) {
		objs = append(objs, obj.DeepCopy())
	}
	return objs
}

func parseAnew(text string) []*unstructured.Unstructured {
	var list []map[string]any
	if err := yaml.Unmarshal([]byte(text), &list); err != nil {
		panic(err)
	}
	objs := make([]*unstructured.Unstructured, 0, len(list))
	for _, content := range list {
		obj := &unstructured.Unstructured{Object: content}
		data, err := obj.MarshalJSON()
		if err == nil {
			err = obj.UnmarshalJSON(data)
		}
		if err != nil {
			panic(err)
		}
		objs = append(objs, obj)
	}
	return objs
}

// report is what a pass found.
type report struct {
	refusals []Refusal
	shaped   Shaped
	moved    *Moved
	err      error
}

// pass is what the instance's reconciler does with a tenant.
func (w *world) pass(ctx context.Context) report {
	st, err := w.Observe(ctx, w.space)
	if err != nil {
		return report{err: err}
	}
	if st, err = w.Reclaim(ctx, st, w.owner, false); err != nil {
		return report{err: err}
	}
	wish := Wish{Stop: w.stop, Owner: w.owner, Patches: w.patches}
	first := st.Pin()
	if first == "" {
		first = w.target
	}
	if w.rendered {
		wish.Wanted = w.set(first).Wanted()
	}
	powered := w.Power(ctx, st, wish)
	out := report{refusals: powered.Refusals}
	st = powered.Standing
	if !w.rendered {
		return out
	}
	if first != w.target {
		moved, err := w.Move(ctx, st, w.set(first), w.set(w.target))
		out.moved, out.shaped, out.err = &moved, moved.Shaped, err
		out.refusals = append(out.refusals, moved.Refusals...)
		if err != nil || moved.Checked {
			return out
		}
	}
	stays := w.set(first)
	if first != w.target {
		stays.Next = w.target
	}
	shaped, err := w.Shape(ctx, st, stays)
	out.shaped, out.err = shaped, err
	out.refusals = append(out.refusals, shaped.Refusals...)
	return out
}

// settle runs passes until nothing is written any more, with a cache that catches up in between. It says how many it took.
func (w *world) settle(ctx context.Context) (report, int) {
	var last report
	for i := range 40 {
		w.cache.sync()
		w.clock.SetTime(w.clock.Now().Add(11 * time.Second))
		before := len(w.server.writes)
		last = w.pass(ctx)
		if len(w.server.writes) == before && last.err == nil && Retry(last.refusals) == nil {
			return last, i
		}
	}
	last.err = errors.Join(last.err, errors.New("it does not come to rest"))
	return last, 40
}

func id(kind, name string) objectID {
	for _, gvk := range kinds {
		if gvk.Kind == kind {
			return objectID{GroupKind: gvk.GroupKind(), Namespace: space, Name: name}
		}
	}
	if kind == "Namespace" {
		return objectID{GroupKind: kindNamespace, Name: name}
	}
	return objectID{GroupKind: schema.GroupKind{Kind: kind}, Namespace: space, Name: name}
}

func (w *world) id(kind, name string) objectID {
	of := id(kind, name)
	if of.Namespace != "" {
		of.Namespace = w.space
	}
	return of
}

func (w *world) field(kind, name string, path ...string) any {
	obj := w.server.object(w.id(kind, name))
	if obj == nil {
		return "no " + kind + "/" + name
	}
	return at(obj.Object, path)
}

// scale is what an autoscaler does.
func (w *world) scale(name string, n int64) {
	w.server.edit(w.id("Deployment", name), "kube-controller-manager", func(obj *unstructured.Unstructured) { set(obj, n, "spec", "replicas") })
}

// said gives the refusals in short.
func said(refusals []Refusal) []string {
	var texts []string
	for _, r := range refusals {
		texts = append(texts, r.Key.String()+" "+r.Reason)
	}
	return texts
}

// dies makes the process die at its n-th request that writes: before it is done, or after, so that the answer is lost.
func (w *world) dies(n int, answered bool) {
	dead := errors.New("the process is dead")
	// Requests come from several goroutines.
	var mu sync.Mutex
	count, gone := 0, false
	w.server.before = func(verb string, _ Key) error {
		mu.Lock()
		defer mu.Unlock()
		if gone {
			return dead
		}
		if verb == "get" || verb == "list" {
			return nil
		}
		count++
		if count == n && !answered {
			gone = true
			return dead
		}
		return nil
	}
	w.server.after = func(string, Key) error {
		mu.Lock()
		defer mu.Unlock()
		if gone || count >= n {
			gone = true
			return dead
		}
		return nil
	}
}

// lives ends what [world.dies] has begun: another process takes over.
func (w *world) lives() {
	w.server.before, w.server.after = nil, nil
	w.restart()
}

var errBusy = apierrors.NewTooManyRequests("busy", 1)

func deployment(name string, fields string) string {
	return fmt.Sprintf(`
- apiVersion: apps/v1
  kind: Deployment
  metadata: {name: %[1]s}
  spec:
%[2]s
    selector: {matchLabels: {app: %[1]s}}
    template:
      metadata: {labels: {app: %[1]s}}
      spec: {containers: [{name: main, image: "%[1]s:1", resources: {requests: {cpu: 250m}}}]}
`, name, fields)
}

const (
	three     = "    replicas: 3"
	scaler    = "\n- {apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: web}, spec: {minReplicas: 2, maxReplicas: 9, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}}}\n"
	settings  = "\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {mode: fast}}\n"
	changed   = "\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {mode: slow}}\n"
	account   = "\n- {apiVersion: v1, kind: ServiceAccount, metadata: {name: default}, automountServiceAccountToken: false}\n"
	secret    = "\n- {apiVersion: v1, kind: Secret, metadata: {name: access}, data: {password: czNjcjN0}}\n"
	quota     = "\n- {apiVersion: v1, kind: ResourceQuota, metadata: {name: tenant}, spec: {hard: {pods: \"10\"}}}\n"
	service   = "\n- {apiVersion: v1, kind: Service, metadata: {name: web}, spec: {selector: {app: web}, ports: [{port: 80, protocol: TCP}]}}\n"
	policy    = "\n- {apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: tenant}, spec: {podSelector: {}, policyTypes: [Ingress]}}\n"
	cron      = "\n- {apiVersion: batch/v1, kind: CronJob, metadata: {name: tick}, spec: {schedule: \"* * * * *\", jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: c, image: \"c:1\"}]}}}}}}\n"
	hibernate = "\n- {apiVersion: db.example.com/v1, kind: Cluster, metadata: {name: main}, spec: {instances: 3, hibernate: false}}\n"
	migrate   = "\n- {apiVersion: batch/v1, kind: Job, metadata: {name: migrate}, spec: {template: {spec: {restartPolicy: Never, containers: [{name: c, image: \"c:1\"}]}}}}\n"
)

func statefulSet(size string) string {
	return fmt.Sprintf(`
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
      spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: %s}}}
`, size)
}

func replicas(t *testing.T, w *world, name string, want int64) {
	t.Helper()
	if got := w.field("Deployment", name, "spec", "replicas"); got != want {
		t.Errorf("Deployment/%s has %v replicas, want %d", name, got, want)
	}
}

// configurationKinds are the kinds of these tests that are applied before those that need them.
var configurationKinds = []string{"ConfigMap", "Secret", "ServiceAccount", "PersistentVolumeClaim", "ResourceQuota", "LimitRange", "NetworkPolicy"}
