package load

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers"
	"github.com/stallkeeper/stallkeeper/controllers/template"
	"github.com/stallkeeper/stallkeeper/controllers/tenant"
	"github.com/stallkeeper/stallkeeper/controllers/workload"
	"github.com/stallkeeper/stallkeeper/test/apiserver"
)

const (
	fleetNamespace = "sales"
	// plainWriters are how many writes the comparison makes at the same time, as many as the controller works on tenants.
	plainWriters = 16
	// fleetPatience is how long no tenant may get any further.
	fleetPatience = 3 * time.Minute
)

// fleetTemplate has five objects; with the operator's network policy, quota and account, a tenant has eight.
const fleetTemplate = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
      containers:
      - name: web
        image: registry.example.com/web:1
        securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {greeting: hello}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: more}
data: {greeting: hello}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: web}
`

// fleet is a controller with many tenants on a real API server. No node runs: the Deployments get their replicas at once.
type fleet struct {
	t       *testing.T
	config  *rest.Config
	cluster client.WithWatch
}

// TestFleet suspends all tenants of a fleet and makes new ones at once, and compares both with the same writes by a plain client.
func TestFleet(t *testing.T) {
	f := newFleet(t)
	all, burst := number(t, "FLEET_TENANTS", 1400), number(t, "FLEET_BURST", 1000)

	took, _ := f.makes("old", all)
	t.Logf("making %d tenants: %.0f a second", all, float64(all)/took.Seconds())

	suspending := f.sets(all, v1alpha1.DesiredStateSuspended, v1alpha1.StateSuspended)
	plain := f.plainly(all, func(ctx context.Context, i int) error { return f.plainSuspension(ctx, i) })
	t.Logf("suspending %d tenants: %.0f a second, a plain client %.0f a second, ratio %.2f (wanted: at least 0.75)", all,
		float64(all)/suspending.Seconds(), float64(all)/plain.Seconds(), plain.Seconds()/suspending.Seconds())

	took, ready := f.makes("new", burst)
	slices.Sort(ready)
	plain = f.plainly(burst, f.plainTenant)
	t.Logf("making %d tenants at once: %.0f a second, a plain client %.0f a second, ratio %.2f", burst,
		float64(burst)/took.Seconds(), float64(burst)/plain.Seconds(), plain.Seconds()/took.Seconds())
	t.Logf("the median is ready after %s, the last after %s, ratio %.2f (wanted: at most 0.60)", ready[len(ready)/2].Round(time.Millisecond),
		took.Round(time.Millisecond), ready[len(ready)/2].Seconds()/took.Seconds())
}

func newFleet(t *testing.T) *fleet {
	t.Helper()
	if os.Getenv("LOAD") != "1" {
		t.Skip("set LOAD=1, or run make bench-large")
	}
	ctrl.SetLogger(logr.Discard())
	env := &envtest.Environment{
		BinaryAssetsDirectory: apiserver.Binaries(t), CRDDirectoryPaths: []string{filepath.Join("..", "..", "config", "crd")}, ErrorIfCRDPathMissing: true,
		ControlPlaneStartTimeout: 3 * time.Minute, ControlPlaneStopTimeout: time.Minute,
	}
	// Each tenant has a Service, and the range that such servers begin with has 254 addresses.
	env.ControlPlane.GetAPIServer().Configure().Set("service-cluster-ip-range", "10.0.0.0/16")
	config, err := env.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = env.Stop() })
	config.QPS = -1
	scheme := runtime.NewScheme()
	f := &fleet{t: t, config: config}
	f.must(clientgoscheme.AddToScheme(scheme))
	f.must(v1alpha1.AddToScheme(scheme))
	f.cluster, err = client.NewWithWatch(config, client.Options{Scheme: scheme})
	f.must(err)
	f.must(f.cluster.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: fleetNamespace}}))
	f.operates(scheme)
	go f.plays(t.Context())
	product := &v1alpha1.MarketplaceProduct{ObjectMeta: metav1.ObjectMeta{Namespace: fleetNamespace, Name: "shop"}}
	product.Spec.Plans = []v1alpha1.Plan{{Name: "small"}}
	product.Spec.Template.Inline = fleetTemplate
	f.must(f.cluster.Create(t.Context(), product))
	return f
}

func (f *fleet) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

// operates starts the controllers in this process.
func (f *fleet) operates(scheme *runtime.Scheme) {
	f.t.Helper()
	kinds := []schema.GroupVersionKind{
		{Version: "v1", Kind: "ConfigMap"}, {Version: "v1", Kind: "Service"}, {Version: "v1", Kind: "ServiceAccount"},
		{Version: "v1", Kind: "ResourceQuota"}, {Version: "v1", Kind: "LimitRange"}, {Version: "v1", Kind: "PersistentVolumeClaim"},
		{Group: "apps", Version: "v1", Kind: "Deployment"}, {Group: "networking.k8s.io", Version: "v1", Kind: "NetworkPolicy"},
	}
	allowed := sets.New[schema.GroupKind]()
	for _, kind := range kinds {
		allowed.Insert(kind.GroupKind())
	}
	config, serverTime := rest.CopyConfig(f.config), &tenant.ServerTime{}
	config.Wrap(serverTime.Wrap)
	told := controllers.Config{
		SalesNamespaces: []string{fleetNamespace}, CredentialsNamespace: fleetNamespace, TenantPrefix: v1alpha1.DefaultTenantPrefix,
		TenantKinds: kinds, Permissions: workload.Permissions{Kinds: allowed}, ServerTime: serverTime, Tenants: http.DefaultClient, Prometheus: http.DefaultClient,
		Capabilities: func() (template.Capabilities, error) {
			return template.Capabilities{KubeVersion: "v1.37.2", APIVersions: []string{"v1", "apps/v1"}}, nil
		},
		UsageRetention: 35 * 24 * time.Hour, LicenseQueryInterval: 24 * time.Hour,
	}
	mgr, err := ctrl.NewManager(config, ctrl.Options{
		Scheme: scheme, Logger: logr.Discard(), Cache: controllers.CacheOptions(told), Metrics: metricsserver.Options{BindAddress: "0"},
		Client: client.Options{Cache: &client.CacheOptions{DisableFor: controllers.Uncached()}},
	})
	f.must(err)
	f.must(controllers.Setup(f.t.Context(), mgr, told))
	ctx, cancel := context.WithCancel(f.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(ctx) }()
	f.t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			f.t.Error(err)
		}
	})
}

// plays gives each Deployment its replicas, as the controller manager and the nodes would.
func (f *fleet) plays(ctx context.Context) {
	changed := make(chan *appsv1.Deployment, 10000)
	for range plainWriters {
		go func() {
			for d := range changed {
				f.play(ctx, d)
			}
		}()
	}
	defer close(changed)
	for ctx.Err() == nil {
		events, err := f.cluster.Watch(ctx, &appsv1.DeploymentList{})
		if err != nil {
			continue
		}
		for e := range events.ResultChan() {
			if d, ok := e.Object.(*appsv1.Deployment); ok {
				changed <- d
			}
		}
	}
}

func (f *fleet) play(ctx context.Context, d *appsv1.Deployment) {
	wanted := ptr.Deref(d.Spec.Replicas, 1)
	if d.Status.ObservedGeneration == d.Generation && d.Status.ReadyReplicas == wanted {
		return
	}
	before := d.DeepCopy()
	d.Status = appsv1.DeploymentStatus{
		ObservedGeneration: d.Generation, Replicas: wanted, UpdatedReplicas: wanted, ReadyReplicas: wanted, AvailableReplicas: wanted,
		Conditions: []appsv1.DeploymentCondition{
			{Type: appsv1.DeploymentAvailable, Status: corev1.ConditionTrue, Reason: "MinimumReplicasAvailable"},
			{Type: appsv1.DeploymentProgressing, Status: corev1.ConditionTrue, Reason: "NewReplicaSetAvailable"},
		},
	}
	// One that has changed meanwhile comes again.
	_ = f.cluster.Status().Patch(ctx, d, client.MergeFrom(before))
}

func fleetName(prefix string, i int) string { return fmt.Sprintf("%s-%04d", prefix, i) }

// awaits gives how long it takes until each of so many tenants with a prefix is in a state, in the order in which they are, while the
// work is done.
func (f *fleet) awaits(prefix string, tenants int, state v1alpha1.InstanceState, work func(i int) error) []time.Duration {
	f.t.Helper()
	ctx, cancel := context.WithCancel(f.t.Context())
	defer cancel()
	stuck := time.AfterFunc(fleetPatience, cancel)
	defer stuck.Stop()
	began := time.Now()
	failed := make(chan error, 1)
	go func() { failed <- inParallel(tenants, work) }()
	seen := map[string]bool{}
	var times []time.Duration
	for len(times) < tenants && ctx.Err() == nil {
		// The API server ends watches now and then, and begins the next one with all that there is.
		f.watches(ctx, func(mpi *v1alpha1.MarketplaceInstance) bool {
			current := mpi.Status.State == state && ptr.Deref(mpi.Status.ObservedGeneration, 0) == mpi.Generation
			if current && strings.HasPrefix(mpi.Name, prefix) && !seen[mpi.Name] {
				seen[mpi.Name] = true
				times = append(times, time.Since(began))
				stuck.Reset(fleetPatience)
			}
			return len(times) < tenants
		})
	}
	f.must(<-failed)
	if len(times) != tenants {
		f.t.Fatalf("%d of %d tenants are %s; of the others:\n%s", len(times), tenants, state, f.others(prefix, seen))
	}
	return times
}

// watches gives instances as they change, until the watch ends or no more are wanted.
func (f *fleet) watches(ctx context.Context, more func(*v1alpha1.MarketplaceInstance) bool) {
	f.t.Helper()
	events, err := f.cluster.Watch(ctx, &v1alpha1.MarketplaceInstanceList{}, client.InNamespace(fleetNamespace))
	f.must(err)
	defer events.Stop()
	for e := range events.ResultChan() {
		if mpi, ok := e.Object.(*v1alpha1.MarketplaceInstance); ok && !more(mpi) {
			return
		}
	}
}

// makes new tenants at once, and gives how long that takes for the last and for each.
func (f *fleet) makes(prefix string, tenants int) (time.Duration, []time.Duration) {
	f.t.Helper()
	times := f.awaits(prefix, tenants, v1alpha1.StateRunning, func(i int) error {
		mpi := &v1alpha1.MarketplaceInstance{ObjectMeta: metav1.ObjectMeta{Namespace: fleetNamespace, Name: fleetName(prefix, i)}}
		mpi.Spec.ProductRef.Name, mpi.Spec.Plan = "shop", "small"
		return f.cluster.Create(f.t.Context(), mpi)
	})
	return times[len(times)-1], times
}

// sets what is desired of all old tenants, and gives how long it takes until all are so.
func (f *fleet) sets(tenants int, desired v1alpha1.DesiredState, state v1alpha1.InstanceState) time.Duration {
	f.t.Helper()
	times := f.awaits("old", tenants, state, func(i int) error {
		mpi := &v1alpha1.MarketplaceInstance{ObjectMeta: metav1.ObjectMeta{Namespace: fleetNamespace, Name: fleetName("old", i)}}
		return f.cluster.Patch(f.t.Context(), mpi, client.RawPatch(types.MergePatchType, fmt.Appendf(nil, `{"spec":{"desiredState":%q}}`, desired)))
	})
	return times[len(times)-1]
}

// plainly does the same writes as the controller, by a plain client.
func (f *fleet) plainly(tenants int, one func(ctx context.Context, i int) error) time.Duration {
	f.t.Helper()
	began := time.Now()
	f.must(inParallel(tenants, func(i int) error { return one(f.t.Context(), i) }))
	return time.Since(began)
}

// others says how it stands with a few tenants that were not seen.
func (f *fleet) others(prefix string, seen map[string]bool) string {
	list := &v1alpha1.MarketplaceInstanceList{}
	f.must(f.cluster.List(context.WithoutCancel(f.t.Context()), list))
	var said []string
	for i := range list.Items {
		if mpi := &list.Items[i]; strings.HasPrefix(mpi.Name, prefix) && !seen[mpi.Name] && len(said) < 5 {
			said = append(said, fmt.Sprintf("%s generation %d: %+v", mpi.Name, mpi.Generation, mpi.Status))
		}
	}
	return strings.Join(said, "\n")
}

// inParallel does so many things, a few at a time, and gives the first error.
func inParallel(times int, do func(i int) error) error {
	next := make(chan int)
	errs := make(chan error, plainWriters)
	var writers sync.WaitGroup
	for range plainWriters {
		writers.Go(func() {
			for i := range next {
				if err := do(i); err != nil {
					select {
					case errs <- err:
					default:
					}
				}
			}
		})
	}
	for i := range times {
		next <- i
	}
	close(next)
	writers.Wait()
	close(errs)
	return <-errs
}

// applied applies an object under another field owner than the controller's.
func (f *fleet) applied(ctx context.Context, object map[string]any) error {
	return f.cluster.Apply(ctx, client.ApplyConfigurationFromUnstructured(&unstructured.Unstructured{Object: object}),
		client.FieldOwner("plain"), client.ForceOwnership)
}

// plainSuspension writes a Deployment once and the status of its instance twice.
func (f *fleet) plainSuspension(ctx context.Context, i int) error {
	name := fleetName("old", i)
	namespace := v1alpha1.TenantNamespace(v1alpha1.DefaultTenantPrefix, fleetNamespace, name)
	if err := f.applied(ctx, map[string]any{
		"apiVersion": "apps/v1", "kind": "Deployment", "metadata": map[string]any{"namespace": namespace, "name": "web", "annotations": map[string]any{"plain": "0"}},
		"spec": map[string]any{"replicas": int64(0)},
	}); err != nil {
		return err
	}
	return f.plainStatus(ctx, name)
}

// plainStatus writes the status of an instance twice.
func (f *fleet) plainStatus(ctx context.Context, name string) error {
	for _, memo := range []string{"one", "two"} {
		mpi := &v1alpha1.MarketplaceInstance{ObjectMeta: metav1.ObjectMeta{Namespace: fleetNamespace, Name: name}}
		patch := client.RawPatch(types.MergePatchType, fmt.Appendf(nil, `{"status":{"access":{"memo":%q}}}`, memo))
		if err := f.cluster.Status().Patch(ctx, mpi, patch); err != nil {
			return err
		}
	}
	return nil
}

// plainTenant writes what a new tenant needs: its namespace, eight objects, its instance's finalizer, and the status twice.
func (f *fleet) plainTenant(ctx context.Context, i int) error {
	namespace := fmt.Sprintf("plain-%04d", i)
	if err := f.cluster.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}); err != nil {
		return err
	}
	for n := range 7 {
		if err := f.applied(ctx, map[string]any{
			"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"namespace": namespace, "name": fmt.Sprint("object-", n)},
			"data": map[string]any{"greeting": "hello"},
		}); err != nil {
			return err
		}
	}
	labels := map[string]any{"app": "web"}
	if err := f.applied(ctx, map[string]any{
		"apiVersion": "apps/v1", "kind": "Deployment", "metadata": map[string]any{"namespace": namespace, "name": "web"},
		"spec": map[string]any{"replicas": int64(2), "selector": map[string]any{"matchLabels": labels}, "template": map[string]any{
			"metadata": map[string]any{"labels": labels},
			"spec":     map[string]any{"containers": []any{map[string]any{"name": "web", "image": "registry.example.com/web:1"}}},
		}},
	}); err != nil {
		return err
	}
	mpi := &v1alpha1.MarketplaceInstance{ObjectMeta: metav1.ObjectMeta{Namespace: fleetNamespace, Name: fleetName("new", i)}}
	if err := f.cluster.Patch(ctx, mpi, client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"annotations":{"plain":"1"}}}`))); err != nil {
		return err
	}
	return f.plainStatus(ctx, mpi.Name)
}
