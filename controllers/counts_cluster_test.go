package controllers

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"k8s.io/utils/ptr"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
)

// calls are the requests of an operator, but for events, each as its method and its path below the namespace, sorted.
func (r *requests) calls() []string {
	var calls []string
	for _, request := range r.all() {
		if strings.Contains(request, "/events") {
			continue
		}
		method, path, _ := strings.Cut(request, " ")
		_, below, _ := strings.Cut(path, "/namespaces/")
		_, below, _ = strings.Cut(below, "/")
		if below == "" {
			below = "namespace"
		}
		calls = append(calls, method+" "+below)
	}
	slices.Sort(calls)
	return calls
}

// ofTenants are the calls but for those of the product's reconciler, which counts instances and looks for its revision now and then.
func (r *requests) ofTenants() []string {
	return slices.DeleteFunc(r.calls(), func(call string) bool {
		return strings.Contains(call, "marketplaceproducts") || strings.Contains(call, "marketplacerevisions") || strings.Contains(call, " controllerrevisions")
	})
}

// six is a template whose tenant has eight objects, with the account and the policy of the operator.
var six = salestest.Web + service("web", "ports: [{port: 80}]") + salestest.Settings + service("api", "ports: [{port: 80}]") +
	strings.ReplaceAll(salestest.Settings, "name: settings", "name: more") + strings.ReplaceAll(salestest.Settings, "name: settings", "name: most")

// eight is a template with two workloads.
var eight = salestest.Web + service("web", "ports: [{port: 80}]") + salestest.Settings + workloadOf("Deployment", "api", "replicas: 1") +
	service("api", "ports: [{port: 80}]") + strings.ReplaceAll(salestest.Settings, "name: settings", "name: more")

// objects are how many objects a tenant has.
func (x *shop) objects(namespace string) int { return len(x.versions(namespace)) }

// statusOf is the write of what the reconcilers say of an instance.
func statusOf(name string) string { return "patch marketplaceinstances/" + name + "/status" }

// A tenant of N objects costs N + 4 calls of its own: its Secret and its namespace, and the status twice. An instance that a person makes
// gets its finalizer besides; that of a sale has it from the webhook.
func TestANewTenantIsOneWriteAnObject(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-newcalls")
	x.sellsWithoutOperator(salestest.Inline(six))
	o := x.operate("instance")
	// The first tenant of a product has its revision read.
	x.bought("first")
	x.ready("first")
	x.passOver("first")
	asked := x.follow(o)
	for name, finalizers := range map[string][]string{"hers": nil, "sold": {v1alpha1.TenantFinalizer}} {
		asked.reset()
		mpi := here(x, salestest.HandMade())
		mpi.Name, mpi.Finalizers = name, finalizers
		x.create(mpi)
		_, ns := x.ready(name)
		x.passOver(name)
		want := []string{
			"create namespaces", "create secrets", "patch configmaps/more", "patch configmaps/most", "patch configmaps/settings", "patch deployments/web",
			statusOf(name), statusOf(name), "patch networkpolicies/tenant", "patch serviceaccounts/default", "patch services/api", "patch services/web",
		}
		if finalizers == nil {
			want = append(want, "patch marketplaceinstances/"+name)
		}
		x.Expect(asked.calls()).To(ConsistOf(want))
		x.Expect(x.objects(ns) + 4 + map[bool]int{true: 1}[finalizers == nil]).To(Equal(len(want)))
	}
}

// Each step is a change of one kind, with all that all reconcilers write because of it, and all that is asked.
func TestWhatDidNotChangeIsNotWritten(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-changes")
	x.sellsWithoutOperator(withAccess, salestest.Inline(eight))
	o := x.operate(reconcilersOfTenants...)
	x.bought("acme", paidUntil(10))
	x.ready("acme")
	x.says("acme", v1alpha1.ConditionOrderResolved, "True "+v1alpha1.ReasonOrderResolved)
	x.passOver("acme")
	const secret = "get secrets/acme-access"
	status, web, api := statusOf("acme"), "patch deployments/web", "patch deployments/api"
	edited := ""
	for _, step := range []struct {
		what string
		does func()
		want []string
	}{
		{"nothing", func() {}, nil},
		{"a renewal", func() {
			x.sub("acme", paidUntil(40))
			x.entitled("acme", v1alpha1.ReasonPaid)
		}, []string{secret, status}},
		{"another quantity", func() {
			change(x, x.instance("acme"), func(mpi *v1alpha1.MarketplaceInstance) { mpi.Spec.Quantity = ptr.To(int32(7)) })
			x.ready("acme")
		}, []string{secret, "patch configmaps/more", "patch configmaps/settings", status}},
		{"a freeze", func() {
			x.freezes("acme")
			x.says("acme", v1alpha1.ConditionSuspended, isFrozen)
		}, []string{secret, web, api, status, status, "list pods"}},
		{"a renewal while it is frozen", func() {
			x.sub("acme", paidUntil(70))
			x.entitled("acme", v1alpha1.ReasonFrozen)
		}, []string{secret, status}},
		{"an unfreeze", func() {
			x.unfreezes("acme")
			x.ready("acme")
		}, []string{secret, web, api, status, status}},
		{"a revision with one object changed", func() {
			from := x.instance("acme").Status.Revision
			editor := x.operate("product")
			change(x, here(x, salestest.Product()), func(p *v1alpha1.MarketplaceProduct) {
				withAccess(p)
				salestest.Inline(strings.Replace(eight, "name: more\n", "name: more\n  labels: {edited: once}\n", 1))(p)
			})
			edited = x.moves("acme", from).Status.Revision
			editor.stop()
			x.ready("acme")
		}, []string{secret, "get controllerrevisions/REVISION", "get marketplaceproducts/shop", "get namespace", "try configmaps/more", "patch configmaps/more", "patch namespace", status}},
		{"a release", func() {
			x.entitle("acme", v1alpha1.EntitlementReleased, time.Now())
			x.says("acme", v1alpha1.ConditionSuspended, "True "+v1alpha1.ReasonReleased)
		}, []string{secret, web, api, status, status, "list pods"}},
	} {
		asked := x.follow(o)
		step.does()
		x.passOver("acme")
		for i := range step.want {
			step.want[i] = strings.ReplaceAll(step.want[i], "REVISION", edited)
		}
		x.Expect(asked.calls()).To(ConsistOf(step.want), step.what)
	}
}

// reconcilersOfTenants are all that look at instances; not the product's, which counts them now and then.
var reconcilersOfTenants = []string{"instance", "order", "license", "license-query", "usage", "usagepush", "directory", "directory-forward", "marketplace"}

// sub changes what was sold, as a call of the marketplace does.
func (x *shop) sub(name string, by func(*v1alpha1.Subscription)) {
	x.t.Helper()
	change(x, x.instance(name), func(mpi *v1alpha1.MarketplaceInstance) { by(mpi.Spec.Subscription) })
}

// entitled waits until the entitlement of the present generation is told.
func (x *shop) entitled(name, reason string) {
	x.t.Helper()
	x.eventually(func() bool {
		mpi := x.instance(name)
		said := condition(mpi, v1alpha1.ConditionEntitled)
		return said.ObservedGeneration == mpi.Generation && said.Reason == reason
	}).Should(BeTrue())
}

func TestAfterARestartTheFirstChangeWritesWhatChanged(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-restart")
	x.sellsWithoutOperator(withAccess, salestest.Inline(eight))
	first := x.operate(reconcilersOfTenants...)
	x.bought("acme")
	_, ns := x.ready("acme")
	x.says("acme", v1alpha1.ConditionOrderResolved, "True "+v1alpha1.ReasonOrderResolved)
	x.passOver("acme")
	first.stop()

	o := x.operateAndPass(reconcilersOfTenants...)
	asked := x.follow(o)
	asked.from = 0
	x.passOver("acme")
	x.Expect(asked.writes()).To(BeEmpty(), "a restart writes nothing")
	for i := range 3 {
		asked.reset()
		change(x, x.instance("acme"), func(mpi *v1alpha1.MarketplaceInstance) {
			mpi.Spec.Values = salestest.Raw(fmt.Sprintf(`{"greeting":"good morning %d"}`, i))
		})
		x.eventually(func() string { return x.greeting(ns) }).Should(Equal(fmt.Sprint("good morning ", i)))
		x.ready("acme")
		x.passOver("acme")
		x.Expect(asked.writes()).To(ConsistOf("patch configmaps/more", "patch configmaps/settings", statusOf("acme")))
	}
}

// A revision that exists is not posted again: the API server would have to read all of it.
func TestARevisionThatExistsIsNotPostedAgain(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-posted")
	x.sellsWithoutOperator()
	o := x.operate("product")
	p := here(x, salestest.Product())
	change(x, p, func(p *v1alpha1.MarketplaceProduct) {
		p.Annotations = map[string]string{"touched": "yes"}
		p.Spec.Rollout.State = v1alpha1.RolloutPaused
	})
	x.eventually(func() []string { return o.requests.about("/controllerrevisions/") }).ShouldNot(BeEmpty(), "it is read first")
	posts := slices.DeleteFunc(o.requests.about("/controllerrevisions"), func(r string) bool { return !strings.HasPrefix(r, http.MethodPost) })
	x.Expect(posts).To(BeEmpty())
}
