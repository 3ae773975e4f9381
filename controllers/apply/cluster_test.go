package apply

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/yaml"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/test/apiserver"
)

// cluster is one API server for all tests of the package, and a cache with the options that the manager uses.
type cluster struct {
	config *rest.Config
	client client.WithWatch
	cache  cache.Cache
	kinds  []schema.GroupVersionKind
}

var (
	started  sync.Once
	shared   *cluster
	startErr error
	stop     = func() {}
)

func TestMain(m *testing.M) {
	code := m.Run()
	stop()
	os.Exit(code)
}

// theCluster starts the API server for the first test that needs one.
func theCluster(t *testing.T) *cluster {
	t.Helper()
	assets := apiserver.Binaries(t)
	started.Do(func() { shared, startErr = startCluster(assets) })
	if startErr != nil {
		t.Fatalf("starting the API server: %v", startErr)
	}
	return shared
}

func startCluster(assets string) (*cluster, error) {
	env := &envtest.Environment{BinaryAssetsDirectory: assets}
	config, err := env.Start()
	ctx, cancel := context.WithCancel(context.Background())
	stop = func() {
		cancel()
		if err := env.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, "stopping the API server:", err)
		}
	}
	if err != nil {
		return nil, err
	}
	config.QPS, config.Burst = 500, 500

	c := &cluster{config: config, kinds: []schema.GroupVersionKind{
		{Version: "v1", Kind: "ConfigMap"},
		{Version: "v1", Kind: "Service"},
		{Version: "v1", Kind: "ServiceAccount"},
		{Version: "v1", Kind: "PersistentVolumeClaim"},
		{Group: "apps", Version: "v1", Kind: "Deployment"},
		{Group: "apps", Version: "v1", Kind: "StatefulSet"},
		{Group: "batch", Version: "v1", Kind: "Job"},
		{Group: "not.installed.example.com", Version: "v1", Kind: "Gadget"},
	}}
	if c.client, err = client.NewWithWatch(config, client.Options{}); err != nil {
		return nil, err
	}
	served := c.kinds[:len(c.kinds)-1]
	if c.cache, err = cache.New(config, cache.Options{Scheme: scheme.Scheme, ByObject: CacheByObject(served)}); err != nil {
		return nil, err
	}
	go func() {
		if err := c.cache.Start(ctx); err != nil {
			fmt.Fprintln(os.Stderr, "running the cache:", err)
		}
	}()
	if !c.cache.WaitForCacheSync(ctx) {
		return nil, errors.New("the cache did not start")
	}
	return c, nil
}

func (c *cluster) applier() *Applier {
	return &Applier{Client: c.client, Cache: c.cache, Live: c.client, Kinds: c.kinds}
}

// tenant is one namespace of its own.
type tenant struct {
	*cluster
	*gomega.WithT
	t     *testing.T
	owner Owner
	name  string
}

func newTenant(t *testing.T, name string) *tenant {
	return &tenant{
		cluster: theCluster(t), WithT: gomega.NewWithT(t), t: t, name: "tenant-" + name,
		owner: Owner{Name: name, Namespace: "sales", UID: types.UID("uid-" + name)},
	}
}

// set makes a desired set of one group for each text.
func (x *tenant) set(revision string, groups ...string) Set {
	set := Set{
		Namespace: newObject(NamespaceKind, "", x.name), Owner: x.owner, Revision: revision,
		OwnerGone: func(context.Context, types.UID) (bool, error) { return true, nil },
	}
	set.Namespace.SetLabels(map[string]string{v1alpha1.RevisionLabel: revision})
	for _, text := range groups {
		group := objects(x.t, text)
		for _, obj := range group {
			obj.SetLabels(map[string]string{
				v1alpha1.InstanceLabel: x.owner.Name, v1alpha1.InstanceNamespaceLabel: x.owner.Namespace,
			})
		}
		set.Groups = append(set.Groups, group)
	}
	return set
}

func (x *tenant) apply(set Set) Applied {
	x.t.Helper()
	applied, err := x.applier().Apply(x.t.Context(), set)
	x.Expect(err).NotTo(gomega.HaveOccurred())
	return applied
}

func (x *tenant) observe() Observed {
	x.t.Helper()
	observed, err := Observe(x.t.Context(), x.cache, x.kinds, x.name)
	x.Expect(err).NotTo(gomega.HaveOccurred())
	return observed
}

// settle waits until the cache shows what was applied.
func (x *tenant) settle(applied Applied, pruned Pruned) Observed {
	x.t.Helper()
	x.eventually(func() string { return x.observe().Digest() }).Should(gomega.Equal(applied.Digest(pruned)))
	return x.observe()
}

// seen waits until the cache holds the object at least in this version.
func (x *tenant) seen(obj *unstructured.Unstructured) {
	x.t.Helper()
	x.eventually(func() string {
		held := newObject(obj.GroupVersionKind(), obj.GetNamespace(), obj.GetName())
		_ = x.cache.Get(x.t.Context(), client.ObjectKeyFromObject(held), held)
		return held.GetResourceVersion()
	}).Should(gomega.Equal(obj.GetResourceVersion()))
}

func (x *tenant) eventually(f any) gomega.AsyncAssertion {
	x.t.Helper()
	return x.Eventually(f).WithTimeout(20 * time.Second).WithPolling(20 * time.Millisecond)
}

// live reads an object from the API server, or nil.
func (x *tenant) live(kind, name string) *unstructured.Unstructured {
	x.t.Helper()
	gvk := schema.GroupVersionKind{Version: "v1", Kind: kind}
	for _, known := range x.kinds {
		if known.Kind == kind {
			gvk = known
		}
	}
	obj := newObject(gvk, x.name, name)
	err := x.client.Get(x.t.Context(), client.ObjectKeyFromObject(obj), obj)
	if client.IgnoreNotFound(err) != nil {
		x.t.Fatal(err)
	}
	if err != nil {
		return nil
	}
	return obj
}

// patch lets somebody else change an object, and waits until the cache has seen it.
func (x *tenant) patch(kind, name, patch string) *unstructured.Unstructured {
	x.t.Helper()
	obj := x.live(kind, name)
	x.Expect(x.client.Patch(x.t.Context(), obj, mergePatch([]byte(patch)), client.FieldOwner("somebody"))).To(gomega.Succeed())
	if obj.GetLabels()[v1alpha1.InstanceLabel] != "" {
		x.seen(obj)
	}
	return obj
}

func objects(t *testing.T, text string) []*unstructured.Unstructured {
	t.Helper()
	var list []map[string]any
	if err := yaml.Unmarshal([]byte(text), &list); err != nil {
		t.Fatal(err)
	}
	objs := make([]*unstructured.Unstructured, 0, len(list))
	for _, content := range list {
		obj := &unstructured.Unstructured{Object: content}
		// Numbers as the API machinery has them: int64, not float64.
		data, err := obj.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		if err := obj.UnmarshalJSON(data); err != nil {
			t.Fatal(err)
		}
		objs = append(objs, obj)
	}
	return objs
}

const configuration = `
- {apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {mode: fast}}
- {apiVersion: v1, kind: ServiceAccount, metadata: {name: default}, automountServiceAccountToken: false}
- {apiVersion: v1, kind: Secret, metadata: {name: access}, data: {password: czNjcjN0}}
`

const workloads = `
- {apiVersion: v1, kind: Service, metadata: {name: web}, spec: {selector: {app: web}, ports: [{port: 80}]}}
- apiVersion: apps/v1
  kind: Deployment
  metadata: {name: web}
  spec:
    selector: {matchLabels: {app: web}}
    template:
      metadata: {labels: {app: web}}
      spec: {containers: [{name: web, image: "web:1", args: [serve], resources: {requests: {cpu: 1000m}}}]}
- apiVersion: apps/v1
  kind: StatefulSet
  metadata: {name: db}
  spec:
    serviceName: db
    persistentVolumeClaimRetentionPolicy: {whenDeleted: Delete, whenScaled: Delete}
    selector: {matchLabels: {app: db}}
    template:
      metadata: {labels: {app: db}}
      spec: {containers: [{name: db, image: "db:1"}]}
    volumeClaimTemplates:
    - metadata: {name: data}
      spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
`

const migration = `
- apiVersion: batch/v1
  kind: Job
  metadata: {name: migrate}
  spec:
    template:
      spec: {restartPolicy: Never, containers: [{name: migrate, image: "web:1"}]}
`
