package webhook_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	testingclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/marketplace"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/koogallerytest"
	"github.com/stallkeeper/stallkeeper/webhook"
)

const (
	accessKey = "the-access-key"
	orderID   = "MOCK1"
	lineID    = "MOCK1-000001"
)

// soldName is the name of the instance of orderID and lineID.
var soldName = marketplace.InstanceName("KooGallery", "International", orderID, lineID)

// stand is a callback server over an API server in memory, and KooGallery's side in front of it.
type stand struct {
	*testing.T
	world   client.WithWatch
	options webhook.Options
	handler *webhook.Handler
	caller  koogallerytest.Caller
	clock   *testingclock.FakeClock
	// waits is told of each call that begins to wait.
	waits    chan struct{}
	registry *prometheus.Registry
	log      *logLines
}

// waitingClock tells of each timer that is set.
type waitingClock struct {
	*testingclock.FakeClock
	waits chan<- struct{}
}

func (c waitingClock) NewTimer(d time.Duration) clock.Timer {
	timer := c.FakeClock.NewTimer(d)
	c.waits <- struct{}{}
	return timer
}

type logLines struct {
	mu    sync.Mutex
	lines []string
}

func (l *logLines) add(_, args string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, args)
}

func (l *logLines) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines, "\n")
}

func (l *logLines) logger() logr.Logger { return funcr.New(l.add, funcr.Options{Verbosity: 10}) }

func koogalleryProtocol(secret map[string][]byte, settings webhook.Settings) (marketplace.Callbacks, error) {
	var options []koogallery.Option
	if len(settings.CallVersions) > 0 {
		var versions []koogallery.Version
		for _, version := range settings.CallVersions {
			versions = append(versions, koogallery.Version(version))
		}
		options = append(options, koogallery.WithVersions(versions...))
	}
	callbacks, err := koogallery.NewCallbacks(secret, options...)
	if err == nil && settings.FieldEncryption == v1alpha1.FieldEncryptionAES128 {
		callbacks = callbacks.WithEncryptType(koogallery.EncryptAES128)
	}
	return callbacks, err
}

// newStand serves over a world with a Marketplace, its keys, and objects. The changes come last.
func newStand(t *testing.T, objects []client.Object, changes ...func(*stand)) *stand {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	builder := fake.NewClientBuilder().WithScheme(scheme).WithStatusSubresource(&v1alpha1.MarketplaceInstance{}).
		WithObjects(connection("koogallery"), callbackSecret(map[string]string{"accessKey": accessKey})).
		WithObjects(objects...)
	for field, values := range webhook.Indexes {
		builder = builder.WithIndex(&v1alpha1.MarketplaceInstance{}, field, values)
	}
	decoy, err := koogallery.NewCallbacks(map[string][]byte{"accessKey": []byte("nobody-has-this")})
	if err != nil {
		t.Fatal(err)
	}
	s := &stand{
		T: t, world: builder.Build(), clock: testingclock.NewFakeClock(day(0)), waits: make(chan struct{}, 1000),
		registry: prometheus.NewRegistry(), log: &logLines{},
	}
	s.options = webhook.Options{
		Namespaces: []string{"sales"},
		Client:     s.world,
		APIReader:  s.world,
		Protocols:  map[v1alpha1.MarketplaceProtocol]webhook.Protocol{v1alpha1.ProtocolKooGallery: koogalleryProtocol},
		Decoy:      decoy,
		Registerer: s.registry,
		Log:        s.log.logger(),
		Clock:      waitingClock{s.clock, s.waits},
		MaxBody:    koogallery.MaxBody,
		Pace:       -1,
	}
	for _, change := range changes {
		change(s)
	}
	if s.handler, err = webhook.NewHandler(s.options); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(s.handler)
	t.Cleanup(server.Close)
	// A machine may be slower than the marketplace is patient.
	s.caller = koogallerytest.Caller{URL: server.URL + "/v1/sales/koogallery", AccessKey: accessKey, Clock: s.clock.Now, Timeout: 5 * time.Minute}
	return s
}

// between puts functions between the handler and the API server, for all that it does there.
func between(funcs interceptor.Funcs) func(*stand) {
	return func(s *stand) {
		intercepted := interceptor.NewClient(s.world, funcs)
		s.options.Client, s.options.APIReader = intercepted, intercepted
	}
}

// allVersions are all versions of calls, also the weak ones.
func allVersions() []v1alpha1.KooGalleryCallVersion {
	var all []v1alpha1.KooGalleryCallVersion
	for _, version := range koogallery.AllVersions() {
		all = append(all, v1alpha1.KooGalleryCallVersion(version))
	}
	return all
}

func connection(name string) *v1alpha1.Marketplace {
	return &v1alpha1.Marketplace{
		ObjectMeta: metav1.ObjectMeta{Namespace: "sales", Name: name},
		Spec: v1alpha1.MarketplaceSpec{
			Protocol: v1alpha1.ProtocolKooGallery, KooGallery: v1alpha1.KooGallery{
				CallVersions: allVersions(), Site: v1alpha1.KooGalleryInternational, CallbackSecretRef: v1alpha1.SecretReference{Name: "callback-keys"},
			},
		},
	}
}

func callbackSecret(keys map[string]string) *corev1.Secret {
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "sales", Name: "callback-keys"}, Data: map[string][]byte{}}
	for name, value := range keys {
		secret.Data[name] = []byte(value)
	}
	return secret
}

// instance is a stored sale named name, changed as a test wants it.
func instance(name string, changes ...func(*v1alpha1.MarketplaceInstance)) *v1alpha1.MarketplaceInstance {
	mpi := &v1alpha1.MarketplaceInstance{
		ObjectMeta: metav1.ObjectMeta{Namespace: "sales", Name: name, Finalizers: []string{v1alpha1.TenantFinalizer}},
		Spec: v1alpha1.MarketplaceInstanceSpec{Subscription: sale(func(sub *v1alpha1.Subscription) {
			sub.InstanceID, sub.OrderID, sub.OrderLineID = name, orderID, lineID
			sub.Calls[0].OrderID, sub.Calls[0].OrderLineID = orderID, lineID
		})},
	}
	for _, change := range changes {
		change(mpi)
	}
	return mpi
}

func subscribed(changes ...func(*v1alpha1.Subscription)) func(*v1alpha1.MarketplaceInstance) {
	return func(mpi *v1alpha1.MarketplaceInstance) {
		for _, change := range changes {
			change(mpi.Spec.Subscription)
		}
	}
}

var releasedSale = subscribed(entitled(v1alpha1.EntitlementReleased, v1alpha1.EntitlementByMarketplace, 0))

func condition(kind string, status metav1.ConditionStatus, reason string) func(*v1alpha1.MarketplaceInstance) {
	return func(mpi *v1alpha1.MarketplaceInstance) {
		meta.SetStatusCondition(&mpi.Status.Conditions, metav1.Condition{Type: kind, Status: status, Reason: reason})
	}
}

var (
	provisioned  = condition(v1alpha1.ConditionProvisioned, metav1.ConditionTrue, v1alpha1.ReasonProvisioned)
	unknownSKU   = condition(v1alpha1.ConditionOrderResolved, metav1.ConditionFalse, v1alpha1.ReasonUnknownSKU)
	withFrontEnd = func(mpi *v1alpha1.MarketplaceInstance) {
		mpi.Status.Access = v1alpha1.InstanceAccess{FrontEndURL: "https://buyer.example.com/", Memo: "Welcome"}
	}
	withCredentials = func(mpi *v1alpha1.MarketplaceInstance) {
		withFrontEnd(mpi)
		mpi.Status.Access.CredentialsSecretRef.Name = v1alpha1.AccessSecretName(mpi.Name)
	}
)

func accessSecret(name string) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: "sales", Name: v1alpha1.AccessSecretName(name)},
		Data:       map[string][]byte{"userName": []byte("admin"), "password": []byte("initial-password"), "seed": []byte("the-seed")},
	}
}

// stored is the sale as the API server has it; nil when it has none.
func (s *stand) stored(name string) *v1alpha1.MarketplaceInstance {
	s.Helper()
	mpi := &v1alpha1.MarketplaceInstance{}
	err := s.world.Get(context.Background(), types.NamespacedName{Namespace: "sales", Name: name}, mpi)
	if client.IgnoreNotFound(err) != nil {
		s.Fatal(err)
	}
	if err != nil {
		return nil
	}
	return mpi
}

// a is a call of KooGallery.
type a func(context.Context, koogallerytest.Caller) (*koogallerytest.Exchange, error)

// do makes a call and checks that its answer has the code and no problem.
func (s *stand) do(call a, wantCode string) *koogallerytest.Exchange {
	s.Helper()
	return s.doWith(s.caller, call, wantCode)
}

func (s *stand) doWith(caller koogallerytest.Caller, call a, wantCode string) *koogallerytest.Exchange {
	s.Helper()
	exchange, err := call(context.Background(), caller)
	if err != nil {
		s.Fatal(err)
	}
	if exchange.ResultCode != wantCode {
		s.Fatalf("answered %s (%s), want %s\n%s", exchange.ResultCode, exchange.ResultMsg, wantCode, s.log.text())
	}
	if len(exchange.Problems) > 0 {
		s.Fatalf("KooGallery would object: %v", exchange.Problems)
	}
	return exchange
}

func newInstance(ctx context.Context, caller koogallerytest.Caller) (*koogallerytest.Exchange, error) {
	return caller.NewInstance(ctx, orderID, lineID)
}

func query(ids ...string) a {
	return func(ctx context.Context, caller koogallerytest.Caller) (*koogallerytest.Exchange, error) {
		return caller.QueryInstance(ctx, ids...)
	}
}

func renewUntil(id, order string, until time.Time) a {
	return refresh(id, koogallery.SceneRenewal, order, until)
}

func refresh(id, scene, order string, until time.Time) a {
	return func(ctx context.Context, caller koogallerytest.Caller) (*koogallerytest.Exchange, error) {
		return caller.RefreshInstance(ctx, koogallerytest.RefreshOptions{
			Scene: scene, OrderID: order, OrderLineID: order + "-1", InstanceID: id, ExpireTime: until,
		})
	}
}

func status(id, status string) a {
	return func(ctx context.Context, caller koogallerytest.Caller) (*koogallerytest.Exchange, error) {
		return caller.UpdateInstanceStatus(ctx, id, status)
	}
}

func releaseOf(id string) a {
	return func(ctx context.Context, caller koogallerytest.Caller) (*koogallerytest.Exchange, error) {
		return caller.ReleaseInstance(ctx, id, "", "")
	}
}

func upgradeOf(id string) a {
	return func(ctx context.Context, caller koogallerytest.Caller) (*koogallerytest.Exchange, error) {
		return caller.UpgradeInstance(ctx, id, "UP1", "UP1-1")
	}
}

func checkOf(id string) a {
	return func(ctx context.Context, caller koogallerytest.Caller) (*koogallerytest.Exchange, error) {
		return caller.ChangeInstanceCheck(ctx, id, koogallerytest.Product{ProductID: "p1", SKUCode: "sku"})
	}
}

func send(body string) a {
	return func(ctx context.Context, caller koogallerytest.Caller) (*koogallerytest.Exchange, error) {
		return caller.Send(ctx, []byte(body))
	}
}

func replay(exchange *koogallerytest.Exchange) a {
	return func(ctx context.Context, caller koogallerytest.Caller) (*koogallerytest.Exchange, error) {
		return caller.Replay(ctx, exchange)
	}
}

// every is one call of each activity about the instance id.
func every(id string) map[string]a {
	return map[string]a{
		"newInstance":          newInstance,
		"queryInstance":        query(id),
		"refreshInstance":      renewUntil(id, "R1", day(60)),
		"updateInstanceStatus": status(id, koogallery.StatusFreeze),
		"releaseInstance":      releaseOf(id),
		"upgradeInstance":      upgradeOf(id),
		"changeInstanceCheck":  checkOf(id),
	}
}

// away is what a client says when there is no API server.
var away = fmt.Errorf("dial tcp: connection refused")
