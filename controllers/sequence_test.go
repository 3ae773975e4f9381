package controllers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	kuberuntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/events"
	testingclock "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/instance"
	"github.com/stallkeeper/stallkeeper/controllers/order"
	"github.com/stallkeeper/stallkeeper/controllers/product"
	"github.com/stallkeeper/stallkeeper/controllers/protocol"
	"github.com/stallkeeper/stallkeeper/controllers/revision"
	"github.com/stallkeeper/stallkeeper/controllers/sale"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
	"github.com/stallkeeper/stallkeeper/controllers/template"
	"github.com/stallkeeper/stallkeeper/controllers/tenant"
	"github.com/stallkeeper/stallkeeper/marketplace"
)

// gate stands between the processes and the API server: it counts writes, refuses some, loses answers, lets something happen between two
// requests, and lets a process die.
type gate struct {
	mu     sync.Mutex
	writes []string
	// refuses is the kind that the API server does not take now, and loses the one whose writes it takes without an answer; empty for none.
	refuses, loses string
	// left is after how many writes the process dies; -1 for never. dead says that it has.
	left int
	dead bool
	// before is how many requests there are yet before meanwhile happens; nil for nothing.
	before    int
	meanwhile func()
	// deletes is told of each object with data that is deleted.
	deletes func(kind, name string)
}

var (
	errDead = errors.New("the process is dead")
	errLost = apierrors.NewServerTimeout(schema.GroupResource{}, "any", 1)
)

// request lets a request through, or does not. Those of the test itself always get through.
func (g *gate) request(kind, name string, write bool, send func() error) error {
	if happens := g.due(); happens != nil {
		happens()
	}
	if err := g.enters(kind, name, write); err != nil {
		return err
	}
	if err := send(); err != nil || !write || g.loses != kind {
		return err
	}
	return errLost
}

// due is what happens before this request, or nil.
func (g *gate) due() func() {
	g.mu.Lock()
	defer g.mu.Unlock()
	happens := g.meanwhile
	if happens == nil {
		return nil
	}
	if g.before--; g.before >= 0 {
		return nil
	}
	g.meanwhile = nil
	return happens
}

// enters says whether a request gets through.
func (g *gate) enters(kind, name string, write bool) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.dead:
		return errDead
	case !write:
		return nil
	case g.left == 0:
		g.dead = true
		return errDead
	case g.refuses == kind:
		return apierrors.NewTooManyRequests("busy", 1)
	}
	if g.left > 0 {
		g.left--
	}
	g.writes = append(g.writes, kind+"/"+name)
	return nil
}

func (g *gate) take() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	writes := g.writes
	g.writes = nil
	return writes
}

func kindOf(object kuberuntime.Object) string {
	if kind := object.GetObjectKind().GroupVersionKind().Kind; kind != "" {
		return kind
	}
	return reflect.TypeOf(object).Elem().Name()
}

// through gives the client of a process.
func (g *gate) through(base client.WithWatch) client.WithWatch {
	return interceptor.NewClient(base, interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, options ...client.GetOption) error {
			return g.request(kindOf(o), key.Name, false, func() error { return c.Get(ctx, key, o, options...) })
		},
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
			return g.request(kindOf(list), "", false, func() error { return c.List(ctx, list, options...) })
		},
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, options ...client.CreateOption) error {
			return g.request(kindOf(o), o.GetName(), true, func() error { return c.Create(ctx, o, options...) })
		},
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, patch client.Patch, options ...client.PatchOption) error {
			tries := client.PatchOptions{}
			tries.ApplyOptions(options)
			return g.request(kindOf(o), o.GetName(), len(tries.DryRun) == 0, func() error { return c.Patch(ctx, o, patch, options...) })
		},
		Apply: func(ctx context.Context, c client.WithWatch, config kuberuntime.ApplyConfiguration, options ...client.ApplyOption) error {
			o, err := applied(config)
			if err != nil {
				return err
			}
			tries := client.ApplyOptions{}
			tries.ApplyOptions(options)
			return g.request(o.GetKind(), o.GetName(), len(tries.DryRun) == 0, func() error { return c.Apply(ctx, config, options...) })
		},
		Delete: g.deletion,
		SubResourceApply: func(ctx context.Context, c client.Client, sub string, config kuberuntime.ApplyConfiguration,
			options ...client.SubResourceApplyOption,
		) error {
			o, err := applied(config)
			if err != nil {
				return err
			}
			return g.request(o.GetKind()+" "+sub, o.GetName(), true, func() error { return c.SubResource(sub).Apply(ctx, config, options...) })
		},
		SubResourcePatch: func(ctx context.Context, c client.Client, sub string, o client.Object, patch client.Patch,
			options ...client.SubResourcePatchOption,
		) error {
			return g.request(kindOf(o)+" "+sub, o.GetName(), true, func() error { return c.SubResource(sub).Patch(ctx, o, patch, options...) })
		},
	})
}

func applied(config kuberuntime.ApplyConfiguration) (*unstructured.Unstructured, error) {
	data, err := json.Marshal(config)
	if err != nil {
		return nil, err
	}
	o := &unstructured.Unstructured{}
	return o, o.UnmarshalJSON(data)
}

func (g *gate) deletion(ctx context.Context, c client.WithWatch, o client.Object, options ...client.DeleteOption) error {
	return g.request(kindOf(o), o.GetName(), true, func() error {
		if kind := kindOf(o); g.deletes != nil && (kind == "Namespace" || kind == "PersistentVolumeClaim") {
			g.deletes(kind, o.GetName())
		}
		return c.Delete(ctx, o, options...)
	})
}

// shown is a process's cache. Once it is frozen, it shows what it has shown before.
type shown struct {
	client.Client
	mu     sync.Mutex
	frozen bool
	// of is the one kind that is frozen; empty for all.
	of   string
	memo map[string]kuberuntime.Object
}

func (s *shown) recall(key string, into kuberuntime.Object) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	held, ok := s.memo[key]
	if !s.frozen || !ok || s.of != "" && kindOf(into) != s.of {
		return false
	}
	reflect.ValueOf(into).Elem().Set(reflect.ValueOf(held.DeepCopyObject()).Elem())
	return true
}

func (s *shown) remember(key string, object kuberuntime.Object) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.frozen {
		s.memo[key] = object.DeepCopyObject()
	}
}

func (s *shown) Get(ctx context.Context, key client.ObjectKey, o client.Object, options ...client.GetOption) error {
	at := kindOf(o) + " " + key.String()
	if s.recall(at, o) {
		return nil
	}
	if err := s.Client.Get(ctx, key, o, options...); err != nil {
		return err
	}
	if u, ok := o.(*unstructured.Unstructured); ok {
		if err := transform(u); err != nil {
			return err
		}
	}
	s.remember(at, o)
	return nil
}

func (s *shown) List(ctx context.Context, list client.ObjectList, options ...client.ListOption) error {
	o := client.ListOptions{}
	o.ApplyOptions(options)
	at := fmt.Sprint(kindOf(list), " in ", o.Namespace, o.LabelSelector, o.FieldSelector)
	if s.recall(at, list) {
		return nil
	}
	if err := s.Client.List(ctx, list, options...); err != nil {
		return err
	}
	if u, ok := list.(*unstructured.UnstructuredList); ok {
		for i := range u.Items {
			if err := transform(&u.Items[i]); err != nil {
				return err
			}
		}
	}
	s.remember(at, list)
	return nil
}

func transform(u *unstructured.Unstructured) error {
	cut, err := tenant.Transform(u.DeepCopy())
	if err != nil {
		return err
	}
	u.Object = cut.(*unstructured.Unstructured).Object
	return nil
}

// process is a controller process whose passes a test makes itself.
type process struct {
	*gate
	cache    *shown
	clock    *testingclock.FakePassiveClock
	server   *tenant.ServerTime
	instance *instance.Reconciler
	product  *product.Reconciler
	order    *order.Reconciler
	// wake is when the last pass over the instance wants the next one; zero for never.
	wake time.Duration
}

// newProcess starts one on an API server, at a time. The credentials of the order API are in a namespace.
func newProcess(base client.WithWatch, orders marketplace.OrderReader, namespace string, now time.Time) *process {
	p := &process{gate: &gate{left: -1}, clock: testingclock.NewFakePassiveClock(now), server: &tenant.ServerTime{}}
	live := p.through(base)
	p.cache = &shown{Client: live, memo: map[string]kuberuntime.Object{}}
	recorder := events.NewFakeRecorder(1000)
	protocols := (&shop{}).protocols()
	kooGallery := protocols[v1alpha1.ProtocolKooGallery]
	kooGallery.NewOrderReader = func(protocol.OpenAPI) (marketplace.OrderReader, error) { return orders, nil }
	protocols[v1alpha1.ProtocolKooGallery] = kooGallery
	findings := &order.Findings{}
	p.instance = &instance.Reconciler{
		Client: p.cache, APIReader: live, Revisions: revision.NewCache(live, renderings), Clock: p.clock, Recorder: recorder,
		Permissions: salestest.Permissions(), ServerTime: p.server,
		Tenants: tenant.New(live, p.cache, live, salestest.TenantKinds(), p.clock),
		Sales: sale.Reader{
			Client: p.cache, Protocols: protocols, TenantPrefix: v1alpha1.DefaultTenantPrefix, Features: []sale.Feature{order.Feature(findings)},
		},
	}
	p.product = &product.Reconciler{
		Client: p.cache, APIReader: live, Clock: p.clock, Permissions: salestest.Permissions(), Renderer: renderings,
		Capabilities: func() (template.Capabilities, error) { return capabilities, nil },
	}
	p.order = &order.Reconciler{
		Client: p.cache, APIReader: live, Clock: p.clock, Findings: findings,
		Clients: protocol.Clients{Secrets: live, Namespace: namespace, Protocols: protocols},
	}
	p.at(now)
	return p
}

// at sets the clocks: that of the process and that of the API server.
func (p *process) at(now time.Time) {
	p.clock.SetTime(now)
	response := &http.Response{Header: http.Header{"Date": []string{now.UTC().Format(http.TimeFormat)}}}
	_, _ = p.server.Wrap(salestest.RoundTripper(func(*http.Request) (*http.Response, error) { return response, nil })).RoundTrip(nil)
}

// passes go over the product, the sale's orders and the instance once.
func (p *process) passes(ctx context.Context, namespace string) error {
	request := func(name string) ctrl.Request {
		return ctrl.Request{NamespacedName: client.ObjectKey{Namespace: namespace, Name: name}}
	}
	_, first := p.product.Reconcile(ctx, request("shop"))
	_, second := p.order.Reconcile(ctx, request("acme"))
	result, third := p.instance.Reconcile(ctx, request("acme"))
	p.wake = result.RequeueAfter
	return errors.Join(first, second, third)
}
