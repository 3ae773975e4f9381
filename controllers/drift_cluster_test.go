package controllers

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
)

// What caused a suspension, or took it back, is gone without a trace in the instance when the next process begins.
func TestACrashBetweenTheTenantAndItsStatusIsRepaired(t *testing.T) {
	t.Parallel()
	grace := func(x *shop, p *v1alpha1.MarketplaceProduct, days int64) {
		change(x, p, func(p *v1alpha1.MarketplaceProduct) { p.Spec.Lifecycle.GracePeriodSeconds = ptr.To(days * 86400) })
	}
	for name, c := range map[string]struct {
		// before and mistake are the days of grace, of a tenant whose paid time has ended a day ago.
		before, mistake int64
		stands, fails   int32
	}{
		"one that runs was being stopped":       {15, 0, 2, 0},
		"one that is stopped was being resumed": {0, 15, 0, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := newShop(t, "sales-halfway")
			o := x.operate()
			p := x.sells()
			grace(x, p, 15)
			x.bought("acme", paidUntil(-1))
			_, ns := x.ready("acme")
			replicas := func() int32 { return x.replicas(ns, "web") }
			grace(x, p, c.before)
			x.eventually(replicas).Should(Equal(c.stands))
			x.passOver("acme")

			o.requests.lose("/acme/status")
			grace(x, p, c.mistake)
			x.eventually(replicas).Should(Equal(c.fails))
			o.stop()
			grace(x, p, c.before)
			o = x.operateAndPass()
			x.eventually(replicas).Should(Equal(c.stands))
			x.says("acme", v1alpha1.ConditionProvisioned, isHealthy)
			x.passOver("acme")
			o.requests.reset()
			x.passOver("acme")
			x.Expect(o.requests.ofTenants()).To(BeEmpty())
		})
	}
}

// pauser holds one request back, as a process that is frozen does.
type pauser struct {
	mu sync.Mutex
	// suffix is the end of the path of the patch that is held; empty for none.
	suffix        string
	held, release chan struct{}
}

func (p *pauser) takes(req *http.Request) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.suffix == "" || req.Method != http.MethodPatch || !strings.HasSuffix(req.URL.Path, p.suffix) {
		return false
	}
	p.suffix = ""
	return true
}

func (p *pauser) holds(suffix string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.suffix = suffix
}

func (p *pauser) wrap(next http.RoundTripper) http.RoundTripper {
	return salestest.RoundTripper(func(req *http.Request) (*http.Response, error) {
		if p.takes(req) {
			close(p.held)
			<-p.release
			// The process is past its own deadlines: the request is on its way all the same.
			req = req.WithContext(context.WithoutCancel(req.Context()))
		}
		return next.RoundTrip(req)
	})
}

// A leader is paused in the middle of a suspension. Another one takes over, and resumes the tenant, which was paid for. The first one's
// last request arrives, and it dies.
func TestALateRequestOfAPausedLeaderIsPutRight(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-late")
	x.sellsWithoutOperator()
	paused := &pauser{held: make(chan struct{}), release: make(chan struct{})}
	y := *x
	c := *x.cluster
	c.config = rest.CopyConfig(x.config)
	c.config.Wrap(paused.wrap)
	y.cluster, y.passes = &c, &passes{count: map[string]int{}}
	first := y.operate("instance")
	x.bought("acme")
	_, ns := x.ready("acme")

	paused.holds("/deployments/web")
	x.freezes("acme")
	<-paused.held
	second := x.operate("instance")
	x.says("acme", v1alpha1.ConditionSuspended, isFrozen)
	x.unfreezes("acme")
	x.ready("acme")
	x.eventually(func() int32 { return x.replicas(ns, "web") }).Should(BeEquivalentTo(2))
	close(paused.release)
	first.stop()

	x.passOver("acme")
	x.eventually(func() int32 { return x.replicas(ns, "web") }).Should(BeEquivalentTo(2))
	x.ready("acme")
	x.passOver("acme")
	second.requests.reset()
	x.passOver("acme")
	x.Expect(second.requests.all()).To(BeEmpty())
	x.Expect(x.replicas(ns, "web")).To(BeEquivalentTo(2))
}

// sellsWithoutOperator sells the shop's product, whose revision is made by a process that has ended.
func (x *shop) sellsWithoutOperator(changes ...salestest.ProductChange) *v1alpha1.MarketplaceProduct {
	x.t.Helper()
	o := x.operate("product")
	p := x.sells(changes...)
	o.stop()
	return p
}

// patched changes an object as a person does with kubectl.
func (x *shop) patched(object client.Object, namespace, name, patch string) {
	x.t.Helper()
	object.SetNamespace(namespace)
	object.SetName(name)
	x.Expect(x.client.Patch(x.t.Context(), object, client.RawPatch(types.StrategicMergePatchType, []byte(patch)),
		client.FieldOwner("kubectl-edit"))).To(Succeed())
}

func TestWhatAPersonAddsIsTakenAway(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-added")
	x.operate()
	x.sells(salestest.Inline(salestest.Web+service("web", "ports: [{name: http, port: 80}]")+salestest.Settings), func(p *v1alpha1.MarketplaceProduct) {
		p.Spec.Plans[0].Quota = v1alpha1.ResourceList{"requests.cpu": resource.MustParse("2")}
	})
	x.bought("acme")
	_, ns := x.ready("acme")
	get := func(object client.Object, name string) {
		x.Expect(x.client.Get(t.Context(), client.ObjectKey{Namespace: ns, Name: name}, object)).To(Succeed())
	}
	for name, c := range map[string]struct {
		object client.Object
		name   string
		patch  string
		// left is what must become empty.
		left func() any
	}{
		"a sidecar": {x.deployment(ns, "web"), "web", `{"spec":{"template":{"spec":{"containers":[{"name":"debug","image":"evil:1"}]}}}}`, func() any {
			return x.deployment(ns, "web").Spec.Template.Spec.Containers[1:]
		}},
		"an environment variable": {x.deployment(ns, "web"), "web",
			`{"spec":{"template":{"spec":{"containers":[{"name":"web","env":[{"name":"LEVEL","value":"debug"}]}]}}}}`, func() any {
				return x.deployment(ns, "web").Spec.Template.Spec.Containers[0].Env
			}},
		"a rollout that is paused": {x.deployment(ns, "web"), "web", `{"spec":{"paused":true}}`, func() any {
			return map[bool]string{true: "paused"}[x.deployment(ns, "web").Spec.Paused]
		}},
		"a port of a Service": {&corev1.Service{}, "web", `{"spec":{"ports":[{"name":"http","port":80},{"name":"admin","port":8081}]}}`, func() any {
			s := &corev1.Service{}
			get(s, "web")
			return s.Spec.Ports[1:]
		}},
		"an address of a Service": {&corev1.Service{}, "web", `{"spec":{"externalIPs":["203.0.113.7"]}}`, func() any {
			s := &corev1.Service{}
			get(s, "web")
			return s.Spec.ExternalIPs
		}},
		"a key of the quota": {&corev1.ResourceQuota{}, "tenant", `{"spec":{"hard":{"pods":"100"}}}`, func() any {
			q := &corev1.ResourceQuota{}
			get(q, "tenant")
			pods, has := q.Spec.Hard[corev1.ResourcePods]
			return map[bool]string{true: pods.String()}[has]
		}},
		"a rule of the network policy": {&networkingv1.NetworkPolicy{}, "tenant",
			`{"spec":{"ingress":[{"from":[{"podSelector":{}}]},{"from":[{"namespaceSelector":{}}]}]}}`, func() any {
				policy := &networkingv1.NetworkPolicy{}
				get(policy, "tenant")
				return policy.Spec.Ingress[1:]
			}},
	} {
		t.Run(name, func(*testing.T) {
			x.patched(c.object, ns, c.name, c.patch)
			x.eventually(c.left).Should(BeEmpty())
			x.ready("acme")
		})
	}
}

// What others write where they may stays, or two managers overwrite each other for ever.
func TestWhatOthersMayWriteStays(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-theirs")
	o := x.operate()
	x.sells(salestest.Inline(autoscaled + salestest.Settings))
	x.bought("acme")
	_, ns := x.ready("acme")
	x.patched(x.deployment(ns, "web"), ns, "web", `{"metadata":{"labels":{"mesh.example.com/in":"yes"}},"spec":{"template":{"metadata":{"annotations":{"kubectl.kubernetes.io/restartedAt":"2026-01-01T00:00:00Z"}}}}}`)
	x.patched(&corev1.ConfigMap{}, ns, "settings", `{"data":{"theirs":"1"}}`)
	x.scales(ns, "web", 6)
	x.ready("acme")
	x.passOver("acme")
	o.requests.reset()
	x.passOver("acme")
	x.Expect(o.requests.ofTenants()).To(BeEmpty())
	web := x.deployment(ns, "web")
	x.Expect(*web.Spec.Replicas).To(BeEquivalentTo(6))
	x.Expect(web.Labels).To(HaveKey("mesh.example.com/in"))
	x.Expect(web.Spec.Template.Annotations).To(HaveKey("kubectl.kubernetes.io/restartedAt"))
	x.Expect(x.configMap(ns, "settings").Data).To(HaveKeyWithValue("theirs", "1"))
}

// An instance is deleted and made again under its name. The former one's access Secret stands until the garbage collector has come by.
func TestTheAccessSecretOfAFormerInstanceIsNotTaken(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-former")
	x.operate()
	x.sells(withAccess)
	first := x.buys("acme")
	_, ns := x.ready("acme")
	former := x.secret(x.name, v1alpha1.AccessSecretName("acme"))
	x.Expect(x.client.Delete(t.Context(), first)).To(Succeed())
	x.namespaceGoes(ns)
	x.gone("acme")

	second := x.buys("acme")
	x.passOver("acme")
	x.Expect(x.secret(x.name, former.Name).UID).To(Equal(former.UID))
	x.Expect(condition(x.instance("acme"), v1alpha1.ConditionReady).Status).NotTo(Equal(metav1.ConditionTrue), "nothing is made of what goes in a moment")
	// What the garbage collector does: all owners are gone.
	x.Expect(x.client.Delete(t.Context(), former)).To(Succeed())
	x.ready("acme")
	own := x.secret(x.name, former.Name)
	x.Expect(own.OwnerReferences).To(ConsistOf(HaveField("UID", second.UID)))
	x.Expect(own.Data["seed"]).NotTo(Equal(former.Data["seed"]))
	x.desires("acme", v1alpha1.DesiredStateSuspended)
	x.says("acme", v1alpha1.ConditionSuspended, isHeld)
	x.Expect(x.replicas(ns, "web")).To(BeZero())
}

func TestADeletedAccessSecretIsNoticedAtOnce(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-noticed")
	x.operate()
	x.sells(withAccess)
	x.bought("acme")
	_, ns := x.ready("acme")
	x.passOver("acme")
	lost := x.secret(x.name, v1alpha1.AccessSecretName("acme"))
	x.Expect(x.client.Delete(t.Context(), lost)).To(Succeed())
	x.says("acme", v1alpha1.ConditionProvisioned, "False "+v1alpha1.ReasonAccessSecretLost)
	x.Expect(x.replicas(ns, "web")).To(BeEquivalentTo(2), "it runs on")

	x.create(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: x.name, Name: lost.Name, Labels: lost.Labels}, Data: lost.Data})
	x.ready("acme")
	x.says("acme", v1alpha1.ConditionProvisioned, isHealthy)
}

// Two processes believe that they lead, while sales are frozen and unfrozen; then one of them ends.
func TestTwoLeadersForAMomentLeaveNoPaidTenantStopped(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-leaders")
	x.operate()
	x.sells()
	names := []string{"t0", "t1", "t2", "t3", "t4", "t5"}
	namespaces := map[string]string{}
	for _, name := range names {
		x.bought(name)
	}
	for _, name := range names {
		_, namespaces[name] = x.ready(name)
	}
	all := func(state v1alpha1.EntitlementState) {
		var wg sync.WaitGroup
		for _, name := range names {
			wg.Go(func() { x.entitle(name, state, time.Now()) })
		}
		wg.Wait()
	}
	for range 3 {
		x.meanwhile(func() {
			all(v1alpha1.EntitlementFrozen)
			all(v1alpha1.EntitlementActive)
		})
		for _, name := range names {
			x.passOver(name)
			x.ready(name)
			x.eventually(func() int32 { return x.replicas(namespaces[name], "web") }).Should(BeEquivalentTo(2))
		}
	}
}

// meanwhile lets something happen while a second process operates beside the first.
func (x *shop) meanwhile(happens func()) {
	x.t.Helper()
	first, counted := x.running, x.passes
	x.passes = &passes{count: map[string]int{}}
	other := x.operateAndPass("instance")
	x.running, x.passes = first, counted
	happens()
	other.stop()
}
