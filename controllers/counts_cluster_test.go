package controllers

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

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

// ofTenants are the calls but for those of the product's reconciler, which counts instances now and then.
func (r *requests) ofTenants() []string {
	return slices.DeleteFunc(r.calls(), func(call string) bool {
		return strings.Contains(call, "marketplaceproducts") || strings.Contains(call, "marketplacerevisions") || strings.HasSuffix(call, " controllerrevisions")
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

// The cache may show the instance once more as it was before the first write of its status. A pass over that looks at the Secret again,
// and says again what the first one has said.
func TestANewTenantIsOneWriteAnObject(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-newcalls")
	x.sellsWithoutOperator(salestest.Inline(six))
	o := x.operate("instance")
	// The first tenant of a product has its revision read.
	x.bought("first")
	x.ready("first")
	x.passOver("first")
	o.requests.reset()
	x.bought("acme")
	_, ns := x.ready("acme")
	x.passOver("acme")
	calls := o.requests.calls()
	const ofTheInstance, finalizer, namespace = 1, 1, 1
	isStatus := func(call string) bool { return strings.HasSuffix(call, "/status") }
	isRead := func(call string) bool { return strings.HasPrefix(call, http.MethodGet) }
	all := func() string { return strings.Join(calls, "\n") }
	writes := slices.DeleteFunc(slices.Clone(calls), func(call string) bool { return isStatus(call) || isRead(call) })
	x.Expect(writes).To(HaveLen(x.objects(ns)+ofTheInstance+finalizer+namespace), all)
	x.Expect(slices.Compact(slices.Clone(writes))).To(HaveLen(len(writes)), "each is written once")
	status := slices.DeleteFunc(slices.Clone(calls), func(call string) bool { return !isStatus(call) })
	x.Expect(len(status)).To(And(BeNumerically(">=", 2), BeNumerically("<=", 3)), all)
	reads := slices.DeleteFunc(slices.Clone(calls), func(call string) bool { return !isRead(call) })
	x.Expect(len(reads)).To(BeNumerically("<=", 1), all)
}

func TestASuspensionIsOneWriteAWorkload(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-stopcalls")
	x.sellsWithoutOperator(salestest.Inline(eight))
	o := x.operate("instance")
	x.bought("acme")
	x.ready("acme")
	x.passOver("acme")
	for _, step := range []struct {
		what string
		does func(name string)
		says func()
	}{
		{"suspending", x.freezes, func() { x.says("acme", v1alpha1.ConditionSuspended, isFrozen) }},
		{"resuming", x.unfreezes, func() { x.ready("acme") }},
	} {
		o.requests.reset()
		step.does("acme")
		step.says()
		x.passOver("acme")
		var status, workloads int
		for _, call := range o.requests.calls() {
			switch {
			case strings.HasPrefix(call, http.MethodGet):
			case strings.HasSuffix(call, "/status"):
				status++
			case strings.HasPrefix(call, "PATCH deployments/"):
				workloads++
			default:
				t.Errorf("%s: %s", step.what, call)
			}
		}
		x.Expect(workloads).To(Equal(2), step.what)
		// What was decided and what came of it, and in between what each workload shows on its way, if a pass sees it.
		x.Expect(status).To(BeNumerically("<=", 2+2*workloads), step.what)
	}
}

func TestAfterARestartTheFirstChangeWritesWhatChanged(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-restart")
	x.sellsWithoutOperator(withAccess, salestest.Inline(eight))
	first := x.operate("instance")
	x.bought("acme")
	_, ns := x.ready("acme")
	x.passOver("acme")
	first.stop()

	o := x.operateAndPass("instance")
	x.passOver("acme")
	x.Expect(o.requests.writes()).To(BeEmpty(), "a restart writes nothing")
	for i := range 3 {
		o.requests.reset()
		change(x, x.instance("acme"), func(mpi *v1alpha1.MarketplaceInstance) {
			mpi.Spec.Values = salestest.Raw(fmt.Sprintf(`{"greeting":"good morning %d"}`, i))
		})
		x.eventually(func() string { return x.greeting(ns) }).Should(Equal(fmt.Sprint("good morning ", i)))
		x.passOver("acme")
		var written []string
		for _, call := range o.requests.calls() {
			if !strings.HasPrefix(call, http.MethodGet) && !strings.HasSuffix(call, "/status") {
				written = append(written, call)
			}
		}
		x.Expect(written).To(Equal([]string{"PATCH configmaps/more", "PATCH configmaps/settings"}))
	}
	change(x, x.instance("acme"), func(mpi *v1alpha1.MarketplaceInstance) { mpi.Spec.Quantity = ptr.To(int32(7)) })
	x.ready("acme")
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
