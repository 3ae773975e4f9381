package controllers

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kuberuntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrlconfig "sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/directory"
	"github.com/stallkeeper/stallkeeper/controllers/instance"
	"github.com/stallkeeper/stallkeeper/controllers/license"
	"github.com/stallkeeper/stallkeeper/controllers/protocol"
	"github.com/stallkeeper/stallkeeper/controllers/queue"
	"github.com/stallkeeper/stallkeeper/controllers/render"
	"github.com/stallkeeper/stallkeeper/controllers/revision"
	"github.com/stallkeeper/stallkeeper/controllers/sale"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
	"github.com/stallkeeper/stallkeeper/controllers/template"
	"github.com/stallkeeper/stallkeeper/controllers/tenant"
	"github.com/stallkeeper/stallkeeper/controllers/usage"
	"github.com/stallkeeper/stallkeeper/controllers/workload"
	"github.com/stallkeeper/stallkeeper/marketplace"
	"github.com/stallkeeper/stallkeeper/test/apiserver"
)

// testsPerCore is how many tests run at the same time on each core, unless -parallel says otherwise. A test waits for the API server
// and for its controllers most of the time: one a core, which is Go's default, leaves the cores idle.
const testsPerCore = 3

// cluster is one API server for all tests of the package, which run in parallel. Each sells in a namespace of its own and runs
// controllers of its own, which see the tenants of all tests: names of tenants are made of that namespace's. There is no controller
// manager: playDeployments plays its part for Deployments, and namespaces go when a test says so.
type cluster struct {
	config *rest.Config
	client client.WithWatch
	typed  kubernetes.Interface
	scheme *kuberuntime.Scheme
	asked  auditLog
}

var (
	started  sync.Once
	shared   *cluster
	startErr error
	stop     = func() {}
)

// workerVariable makes this test's binary a process that renders templates.
const workerVariable = "STALLKEEPER_TEST_RENDER_WORKER"

func TestMain(m *testing.M) {
	if os.Getenv(workerVariable) != "" {
		if err := render.Serve(context.Background(), os.Stdin, os.Stdout, render.Limits{}); err != nil {
			fmt.Fprintln(os.Stderr, "Error:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	ctrl.SetLogger(logr.Discard())
	if err := runSeveralTestsPerCore(); err != nil {
		fmt.Fprintln(os.Stderr, "setting -parallel:", err)
		os.Exit(2)
	}
	code := m.Run()
	stop()
	os.Exit(code)
}

// runSeveralTestsPerCore sets -parallel unless it was given.
func runSeveralTestsPerCore() error {
	const parallel = "test.parallel"
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == parallel })
	if given {
		return nil
	}
	return flag.Set(parallel, strconv.Itoa(testsPerCore*runtime.GOMAXPROCS(0)))
}

// theCluster starts the API server for the first test that needs one.
func theCluster(t testing.TB) *cluster {
	t.Helper()
	assets := apiserver.Binaries(t)
	started.Do(func() { shared, stop, startErr = startCluster(assets, "") })
	if startErr != nil {
		t.Fatalf("starting the API server: %v", startErr)
	}
	return shared
}

// startCluster starts an API server over what is stored in a folder, or over nothing if none is named. The folder stays when it ends. It also
// gives what stops it, in any case.
func startCluster(assets, store string) (_ *cluster, stop func(), _ error) {
	stop = func() {}
	env := &envtest.Environment{
		BinaryAssetsDirectory: assets, CRDDirectoryPaths: []string{filepath.Join("..", "config", "crd")}, ErrorIfCRDPathMissing: true,
		// The API server takes long where other packages' tests share the cores.
		ControlPlaneStartTimeout: 3 * time.Minute, ControlPlaneStopTimeout: time.Minute,
	}
	env.ControlPlane.Etcd = &envtest.Etcd{DataDir: store}
	logs, err := os.MkdirTemp("", "audit")
	if err != nil {
		return nil, stop, err
	}
	audit := auditLog{logs}
	if err := audit.begin(env); err != nil {
		return nil, stop, err
	}
	config, err := env.Start()
	ctx, cancel := context.WithCancel(context.Background())
	stop = func() {
		cancel()
		if err := env.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, "stopping the API server:", err)
		}
		_ = os.RemoveAll(logs)
	}
	if err != nil {
		return nil, stop, err
	}
	config.QPS, config.Burst = 1000, 1000
	c := &cluster{config: config, asked: audit}
	if c.scheme, err = salestest.BothSchemes(); err != nil {
		return nil, stop, err
	}
	if c.client, err = client.NewWithWatch(config, client.Options{Scheme: c.scheme}); err != nil {
		return nil, stop, err
	}
	if c.typed, err = kubernetes.NewForConfig(config); err != nil {
		return nil, stop, err
	}
	go c.playDeployments(ctx)
	return c, stop, nil
}

// playDeployments does what the controller manager and the nodes would do: every Deployment gets its replicas at once, but
// for those named slow.
func (c *cluster) playDeployments(ctx context.Context) {
	for ctx.Err() == nil {
		events, err := c.client.Watch(ctx, &appsv1.DeploymentList{})
		if err != nil {
			continue
		}
		for e := range events.ResultChan() {
			if d, ok := e.Object.(*appsv1.Deployment); ok && d.Name != "slow" && d.DeletionTimestamp.IsZero() {
				c.play(ctx, d)
			}
		}
	}
}

func (c *cluster) play(ctx context.Context, d *appsv1.Deployment) {
	if d.Status.ObservedGeneration == d.Generation && d.Status.ReadyReplicas == ptr.Deref(d.Spec.Replicas, 1) {
		return
	}
	before := d.DeepCopy()
	d.Status = rolledOut(d.Generation, ptr.Deref(d.Spec.Replicas, 1))
	// One that has changed meanwhile comes again.
	_ = c.client.Status().Patch(ctx, d, client.MergeFrom(before))
}

// rolledOut is the status of a Deployment that has its replicas.
func rolledOut(generation int64, replicas int32) appsv1.DeploymentStatus {
	return appsv1.DeploymentStatus{
		ObservedGeneration: generation, Replicas: replicas, UpdatedReplicas: replicas, ReadyReplicas: replicas, AvailableReplicas: replicas,
		Conditions: []appsv1.DeploymentCondition{
			{Type: appsv1.DeploymentAvailable, Status: corev1.ConditionTrue, Reason: "MinimumReplicasAvailable"},
			{Type: appsv1.DeploymentProgressing, Status: corev1.ConditionTrue, Reason: "NewReplicaSetAvailable"},
		},
	}
}

// requests counts what a process asks of the API server, but for watches.
type requests struct {
	mu   sync.Mutex
	seen []string
	// lost is the end of the paths whose requests never arrive; empty for none.
	lost string
}

func (r *requests) wrap(next http.RoundTripper) http.RoundTripper {
	return salestest.RoundTripper(func(req *http.Request) (*http.Response, error) {
		if req.URL.Query().Get("watch") != "true" && !r.note(req) {
			return nil, errors.New("the request was lost")
		}
		return next.RoundTrip(req)
	})
}

// note counts a request; false if it is to be lost.
func (r *requests) note(req *http.Request) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen = append(r.seen, req.Method+" "+req.URL.Path)
	return r.lost == "" || !strings.HasSuffix(req.URL.Path, r.lost)
}

func (r *requests) lose(suffix string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lost = suffix
}

// all returns the requests since the last reset; writes only those that change something, events aside.
func (r *requests) all() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.seen...)
}

// about are the requests whose path has a part.
func (r *requests) about(part string) []string {
	return slices.DeleteFunc(r.all(), func(request string) bool { return !strings.Contains(request, part) })
}

func (r *requests) writes() []string {
	var writes []string
	for _, request := range r.all() {
		if !strings.HasPrefix(request, http.MethodGet) && !strings.Contains(request, "/events") {
			writes = append(writes, request)
		}
	}
	return writes
}

func (r *requests) reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen = nil
}

// shop is a sales namespace of its own, in which a test sells.
type shop struct {
	*cluster
	*gomega.WithT
	t testing.TB
	// name is the namespace's.
	name string
	// orders is the marketplace's order API, licenses its license API.
	orders   *salestest.OrderAPI
	licenses *licenseAPI
	// kinds are those of the tenants that the operator watches.
	kinds []schema.GroupVersionKind
	// permissions are what the operator may make.
	permissions workload.Permissions
	// running is the operator that runs now.
	running *operator
	// clock is what the time is for tenants.
	clock clock.PassiveClock
	// protocol is what the operator knows of the marketplace, beside how it is asked for orders.
	protocol protocol.Protocol
	// features are added to those of the product.
	features []sale.Feature
	// renderer renders the templates; in the process when nil.
	renderer render.Renderer
	passes   *passes
	// ahead is how much later the API server's answers say it is.
	ahead time.Duration
	// lease is the leader election's Lease that an operator looks at; none if empty.
	lease string
	// endpoint stands in for the network between the controller and the tenants' workloads.
	endpoint *endpoint
	// podsRecheck is how often pods are looked for in stopped tenants; seldom when zero.
	podsRecheck time.Duration
}

// shops counts them, so that a test can run more than once.
var shops atomic.Int64

func newShop(t testing.TB, name string) *shop {
	t.Helper()
	return newShopOn(t, theCluster(t), name)
}

// newShopOn is a shop on another API server than that of most tests.
func newShopOn(t testing.TB, c *cluster, name string) *shop {
	t.Helper()
	name = fmt.Sprintf("%s-%d", name, shops.Add(1))
	x := &shop{cluster: c, WithT: gomega.NewWithT(t), t: t, name: name,
		orders: &salestest.OrderAPI{Answers: map[string]salestest.OrderAnswer{}}, kinds: salestest.TenantKinds(), permissions: salestest.Permissions(), clock: clock.RealClock{}, endpoint: &endpoint{},
		passes:   &passes{count: map[string]int{}},
		licenses: &licenseAPI{codes: map[string]*licenseCode{}, uploads: map[string]upload{}},
	}
	x.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})
	return x
}

// operator is a controller process.
type operator struct {
	requests *requests
	// agent is how the API server knows it.
	agent    string
	cache    cache.Cache
	client   client.Client
	recorder events.EventRecorder
	// time is what the API server's time is known from.
	time *tenant.ServerTime
	stop func()
}

// operate starts a controller process with all reconcilers, or only with those that are named. It ends with the test, or by
// its stop.
func (x *shop) operate(only ...string) *operator {
	x.t.Helper()
	o := &operator{requests: &requests{}, time: &tenant.ServerTime{}, agent: fmt.Sprint("operator-", agents.Add(1))}
	config := rest.CopyConfig(x.config)
	config.UserAgent = o.agent
	config.Wrap(o.requests.wrap)
	told := x.told(only)
	told.ServerTime = o.time
	config.Wrap(x.aheadBy(x.ahead))
	config.Wrap(o.time.Wrap)
	told.Features = append(told.Features, x.passes.feature())
	mgr, err := ctrl.NewManager(config, ctrl.Options{
		Scheme: x.scheme, Logger: logr.Discard(), Cache: CacheOptions(told),
		Client:  client.Options{Cache: &client.CacheOptions{DisableFor: Uncached()}},
		Metrics: metricsserver.Options{BindAddress: "0"},
		// Several operators run in this process, also at the same time.
		Controller: ctrlconfig.Controller{SkipNameValidation: ptr.To(true)},
	})
	x.Expect(err).NotTo(gomega.HaveOccurred())
	x.Expect(Setup(x.t.Context(), mgr, told)).To(gomega.Succeed())
	o.cache, o.client, o.recorder = mgr.GetCache(), mgr.GetClient(), mgr.GetEventRecorder("stallkeeper")

	ctx, cancel := context.WithCancel(x.t.Context())
	done := make(chan error, 1)
	go func() { done <- mgr.Start(ctx) }()
	o.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			x.t.Errorf("the operator ended with %v", err)
		}
	})
	x.t.Cleanup(o.stop)
	x.Expect(o.cache.WaitForCacheSync(ctx)).To(gomega.BeTrue())
	x.running = o
	return o
}

// aheadBy moves the Date of answers.
func (x *shop) aheadBy(ahead time.Duration) func(http.RoundTripper) http.RoundTripper {
	return func(next http.RoundTripper) http.RoundTripper {
		return salestest.RoundTripper(func(req *http.Request) (*http.Response, error) {
			response, err := next.RoundTrip(req)
			if err == nil && ahead > 0 {
				response.Header.Set("Date", time.Now().Add(ahead).UTC().Format(http.TimeFormat))
			}
			return response, err
		})
	}
}

// capabilities are those of the cluster that products are checked for.
var capabilities = template.Capabilities{KubeVersion: "v1.37.2", APIVersions: []string{"v1", "apps/v1"}}

// config is what the operator is told.
func (x *shop) told(only []string) Config {
	return Config{
		SalesNamespaces: []string{x.name}, CredentialsNamespace: x.name, TenantPrefix: v1alpha1.DefaultTenantPrefix, TenantKinds: x.kinds,
		Permissions: x.permissions, Protocols: x.protocols(), UsageRetention: 35 * 24 * time.Hour,
		Capabilities:         func() (template.Capabilities, error) { return capabilities, nil },
		LicenseQueryInterval: license.DefaultQueryInterval, Clock: x.clock, Tenants: &http.Client{Transport: x.endpoint}, Only: only,
		Features: x.features, Renderer: x.renderer, ValuesRecheck: time.Second, PodsRecheck: x.podsRecheck,
		LeaderLease: types.NamespacedName{Namespace: x.name, Name: x.lease},
	}
}

func (x *shop) protocols() protocol.Protocols {
	kooGallery := x.protocol
	kooGallery.CheckCallbackKeys = func(map[string][]byte) error { return nil }
	kooGallery.NewOrderReader = func(protocol.OpenAPI) (marketplace.OrderReader, error) { return x.orders, nil }
	kooGallery.NewLicenseClient = func(protocol.OpenAPI) (marketplace.LicenseClient, error) { return x.licenses, nil }
	kooGallery.DefaultGrace = 15 * 24 * time.Hour
	return protocol.Protocols{v1alpha1.ProtocolKooGallery: kooGallery}
}

// create makes objects.
func (x *shop) create(objects ...client.Object) {
	x.t.Helper()
	for _, object := range objects {
		x.Expect(x.client.Create(x.t.Context(), object)).To(gomega.Succeed())
	}
}

// here puts an object of the builders into the sales namespace, without what only an API server says.
func here[T client.Object](x *shop, object T) T {
	object.SetNamespace(x.name)
	object.SetUID("")
	object.SetGeneration(0)
	return object
}

// sells creates the product and waits until it can be run.
func (x *shop) sells(changes ...salestest.ProductChange) *v1alpha1.MarketplaceProduct {
	x.t.Helper()
	p := here(x, salestest.Product(changes...))
	x.create(p)
	x.eventually(func() string {
		x.Expect(x.client.Get(x.t.Context(), client.ObjectKeyFromObject(p), p)).To(gomega.Succeed())
		return p.Status.LatestRevision
	}).ShouldNot(gomega.BeEmpty(), func() string { return fmt.Sprint(p.Status.Conditions) })
	return p
}

// buys creates an instance by hand.
func (x *shop) buys(name string, changes ...salestest.InstanceChange) *v1alpha1.MarketplaceInstance {
	x.t.Helper()
	mpi := here(x, salestest.HandMade(changes...))
	mpi.Name = name
	x.create(mpi)
	return mpi
}

// instance reads an instance; nil if there is none.
func (x *shop) instance(name string) *v1alpha1.MarketplaceInstance {
	x.t.Helper()
	mpi := &v1alpha1.MarketplaceInstance{}
	err := x.client.Get(x.t.Context(), client.ObjectKey{Namespace: x.name, Name: name}, mpi)
	if apierrors.IsNotFound(err) {
		return nil
	}
	x.Expect(err).NotTo(gomega.HaveOccurred())
	return mpi
}

// gone waits until an instance is gone. A clock that stands still is moved: the sale is remembered for a moment before.
func (x *shop) gone(name string) {
	x.t.Helper()
	x.eventually(func() *v1alpha1.MarketplaceInstance {
		if still, ok := x.clock.(interface{ SetTime(time.Time) }); ok {
			still.SetTime(x.clock.Now().Add(queue.RememberedSale))
		}
		return x.instance(name)
	}).Should(gomega.BeNil())
}

// says waits until a condition of an instance is as wanted, such as "True Ready", and speaks of the present generation.
func (x *shop) says(name, kind, want string) *v1alpha1.MarketplaceInstance {
	x.t.Helper()
	var mpi *v1alpha1.MarketplaceInstance
	x.eventually(func() string {
		mpi = x.instance(name)
		for _, c := range mpi.Status.Conditions {
			if c.Type == kind && c.ObservedGeneration == mpi.Generation {
				return fmt.Sprintf("%s %s", c.Status, c.Reason)
			}
		}
		return ""
	}).Should(gomega.Equal(want), func() string { return fmt.Sprintf("%+v", mpi.Status) })
	return mpi
}

// change changes an object as a person would.
func change[T client.Object](x *shop, object T, by func(T)) {
	x.t.Helper()
	x.eventually(func() error {
		if err := x.client.Get(x.t.Context(), client.ObjectKeyFromObject(object), object); err != nil {
			return err
		}
		by(object)
		return x.client.Update(x.t.Context(), object, client.FieldOwner("a-person"))
	}).Should(gomega.Succeed())
}

// namespaceGoes does what the controller manager would do with a namespace that is being deleted.
func (x *shop) namespaceGoes(name string) {
	x.t.Helper()
	var ns *corev1.Namespace
	x.eventually(func() (*metav1.Time, error) {
		var err error
		ns, err = x.typed.CoreV1().Namespaces().Get(x.t.Context(), name, metav1.GetOptions{})
		if err != nil {
			return nil, err
		}
		return ns.DeletionTimestamp, nil
	}).ShouldNot(gomega.BeNil(), "the namespace is not being deleted")
	ns.Spec.Finalizers = nil
	_, err := x.typed.CoreV1().Namespaces().Finalize(x.t.Context(), ns, metav1.UpdateOptions{})
	x.Expect(err).NotTo(gomega.HaveOccurred())
}

func (x *shop) eventually(f any) gomega.AsyncAssertion {
	x.t.Helper()
	return x.Eventually(f).WithTimeout(patience).WithPolling(20 * time.Millisecond)
}

// patience is how long a test waits for what must become true. It is long, because all tests share the cores, and costs nothing
// where the test passes.
const patience = 3 * time.Minute

// passes counts the passes over each instance. It is a feature that wants nothing.
type passes struct {
	mu    sync.Mutex
	count map[string]int
}

func (p *passes) feature() sale.Feature {
	return sale.Feature{Extend: func(_ context.Context, s sale.Sale, _ time.Time) (sale.Extension, error) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.count[s.Instance.Name]++
		return sale.Extension{}, nil
	}}
}

func (p *passes) all() map[string]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.count)
}

// awaitPass waits until the instance reconciler has gone over an instance once more, from the beginning to the end: one instance is
// never worked on twice at a time, so that the beginning of another pass is the end of the one before.
func (x *shop) awaitPass(trigger func()) {
	x.t.Helper()
	before := x.passes.all()
	trigger()
	instance := ""
	x.eventually(func() string {
		for name, count := range x.passes.all() {
			if count > before[name] {
				instance = name
			}
		}
		return instance
	}).ShouldNot(gomega.BeEmpty())
	began := x.passes.all()[instance]
	x.touch(instance, fmt.Sprint("after pass ", shops.Add(1)))
	x.eventually(func() int { return x.passes.all()[instance] }).Should(gomega.BeNumerically(">", began))
}

// operateAndPass starts a controller process and waits until it has begun with every instance.
func (x *shop) operateAndPass(only ...string) *operator {
	x.t.Helper()
	before := x.passes.all()
	o := x.operate(only...)
	list := &v1alpha1.MarketplaceInstanceList{}
	x.Expect(x.client.List(x.t.Context(), list, client.InNamespace(x.name))).To(gomega.Succeed())
	for i := range list.Items {
		x.eventually(func() int { return x.passes.all()[list.Items[i].Name] }).Should(gomega.BeNumerically(">", before[list.Items[i].Name]))
	}
	return o
}

// erase takes away what the status of an instance says. Another reconciler may write it meanwhile.
func (x *shop) erase(name string, by func(*v1alpha1.MarketplaceInstanceStatus)) {
	x.t.Helper()
	x.eventually(func() error {
		mpi := x.instance(name)
		by(&mpi.Status)
		return x.client.Status().Update(x.t.Context(), mpi)
	}).Should(gomega.Succeed())
}

// wholeStatus erases all of it.
func wholeStatus(status *v1alpha1.MarketplaceInstanceStatus) {
	*status = v1alpha1.MarketplaceInstanceStatus{}
}

// touch changes an instance without changing its spec.
func (x *shop) touch(name, value string) {
	x.t.Helper()
	x.Expect(x.client.Patch(x.t.Context(), x.instance(name),
		client.RawPatch("application/merge-patch+json", fmt.Appendf(nil, `{"metadata":{"annotations":{"touched":%q}}}`, value)))).
		To(gomega.Succeed())
}

// instanceReconciler is one for passes that a test makes itself, over the caches of a running operator.
func (x *shop) instanceReconciler(o *operator) *instance.Reconciler {
	return &instance.Reconciler{
		Client: o.client, APIReader: x.client, Revisions: revision.NewCache(x.client, render.InProcess{}), Clock: x.clock, Recorder: o.recorder, Permissions: x.permissions,
		Tenants: tenant.New(o.client, o.cache, x.client, x.kinds, x.clock), ServerTime: o.time,
		Sales: sale.Reader{
			Client: o.client, Protocols: x.protocols(), TenantPrefix: v1alpha1.DefaultTenantPrefix,
			Features: []sale.Feature{license.Feature(), usage.Feature(o.client), directory.Feature()},
		},
	}
}
