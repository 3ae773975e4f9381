package controllers

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/utils/ptr"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
	"github.com/stallkeeper/stallkeeper/marketplace"
	"github.com/stallkeeper/stallkeeper/subscription"
)

// purchased stores a sale as the webhook server does for a purchase, with its finalizer.
func (x *shop) purchased(name string, event marketplace.Event) *v1alpha1.MarketplaceInstance {
	x.t.Helper()
	event.Kind, event.Activity, event.InstanceID, event.OrderID, event.SentAt = marketplace.Purchase, "newInstance", name, "o-"+name, time.Now()
	sub, err := subscription.Merge(nil, event, time.Now())
	x.Expect(err).NotTo(HaveOccurred())
	sub.Marketplace = "koogallery"
	mpi := &v1alpha1.MarketplaceInstance{}
	mpi.Namespace, mpi.Name, mpi.Finalizers = x.name, name, []string{v1alpha1.TenantFinalizer}
	mpi.Spec.Subscription = sub
	x.create(mpi)
	return mpi
}

// calls stores a call about a sale as the webhook server does. Calls of one sale are told apart by their time, in whole seconds.
func (x *shop) calls(name string, kind marketplace.Kind, secondsLater int) {
	x.t.Helper()
	x.sub(name, func(sub *v1alpha1.Subscription) {
		at := time.Now().Add(time.Duration(secondsLater) * time.Second)
		merged, err := subscription.Merge(sub, marketplace.Event{Kind: kind, Activity: string(kind), InstanceID: name, SentAt: at}, at)
		x.Expect(err).NotTo(HaveOccurred())
		*sub = *merged
	})
}

// written are the writes of the same kind, with how many there are of each.
func written(writes []string) map[string]int {
	count := map[string]int{}
	for _, write := range writes {
		kind, _, _ := strings.Cut(write, "/")
		if strings.HasSuffix(write, "/status") {
			kind = "status"
		}
		count[kind]++
	}
	return count
}

// A whole sale is the objects, which are the tenant's and the Secrets beside the instance, and four writes: of the namespace, of the
// instance, which gets what was sold, and twice of the status.
// An end of the sale, and its taking back, is one write a workload and two of the status, whoever says it.
func TestAWholeSaleIsOneWriteAnObject(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-whole")
	x.orders.Answers["o-api"] = sold()
	x.sellsWithoutOperator(withAccess, salestest.Inline(eight))
	x.connects("koogallery", keys())
	o := x.operate(slices.DeleteFunc(slices.Clone(reconcilersOfTenants), func(name string) bool { return name == "marketplace" })...)
	// The first tenant of a product has its revision read.
	x.bought("first")
	x.ready("first")
	x.passOver("first")

	// Secrets are not watched, and not counted among the objects.
	ofTheProduct := []string{"patch secrets/access"}
	sales := map[string]struct {
		begins        func(name string)
		secrets       int
		stop, resumes func(name string)
	}{
		"api": {
			begins: func(name string) {
				x.purchased(name, marketplace.Event{OrderLineID: "1", Lookup: marketplace.LookupPurchase})
			},
			secrets: 2,
			stop:    func(name string) { x.calls(name, marketplace.Suspend, 1) },
			resumes: func(name string) { x.calls(name, marketplace.Resume, 2) },
		},
		"brought": {
			begins: func(name string) {
				raw := inCall(x, marketplace.OrderPurchase, "shop-small", 3)
				order, err := marketplace.DecodeOrder(raw)
				x.Expect(err).NotTo(HaveOccurred())
				mpi := x.purchased(name, marketplace.Event{Order: &order})
				x.brings(mpi, mpi.Spec.Subscription.Calls[0], raw)
			},
			secrets: 1,
			stop:    func(name string) { x.calls(name, marketplace.Suspend, 1) },
			resumes: func(name string) { x.calls(name, marketplace.Resume, 2) },
		},
		"hand": {
			begins:  func(name string) { x.buys(name) },
			secrets: 1,
			stop:    func(name string) { x.desires(name, v1alpha1.DesiredStateSuspended) },
			resumes: func(name string) { x.desires(name, v1alpha1.DesiredStateRunning) },
		},
	}
	for name, sale := range sales {
		asked := x.follow(o)
		sale.begins(name)
		_, ns := x.ready(name)
		x.passOver(name)
		got := written(asked.writes())
		objects := 0
		for kind, count := range got {
			if kind != "status" && kind != "create namespaces" && kind != "create secrets" && kind != "patch marketplaceinstances" {
				objects += count
			}
		}
		instance := got["patch marketplaceinstances"]
		if name == "brought" {
			// A pass that comes before the call's Secret writes the finalizer by itself.
			x.Expect(instance).To(BeElementOf(1, 2))
			instance = 1
		}
		x.Expect([]int{got["create namespaces"], got["create secrets"], instance, got["status"], objects}).
			To(Equal([]int{1, sale.secrets, 1, 2, x.objects(ns) + len(ofTheProduct)}), "%s: %v", name, asked.calls())

		x.changesPower(o, name, "a stop", x.objects(ns), func() {
			sale.stop(name)
			x.eventually(func() bool { return x.suspended(name) }).Should(BeTrue())
		})
		x.changesPower(o, name, "taken back", x.objects(ns), func() {
			sale.resumes(name)
			x.ready(name)
		})
		if name == "hand" {
			continue
		}
		x.changesPower(o, name, "a release", x.objects(ns), func() {
			x.calls(name, marketplace.Release, 3)
			x.says(name, v1alpha1.ConditionSuspended, "True "+v1alpha1.ReasonReleased)
		})
		x.says(name, v1alpha1.ConditionOrderResolved, "True "+v1alpha1.ReasonReleased)
	}
}

// changesPower checks what is written when a tenant of two workloads stops or runs.
func (x *shop) changesPower(o *operator, name, what string, objects int, does func()) {
	x.t.Helper()
	asked := x.follow(o)
	does()
	x.passOver(name)
	x.Expect(asked.writes()).To(ConsistOf("patch deployments/web", "patch deployments/api", statusOf(name), statusOf(name)), "%s of %s", what, name)
	x.Expect(x.objects(x.tenantOf(name))).To(Equal(objects))
}

// suspended says whether a tenant is stopped as of the present generation.
func (x *shop) suspended(name string) bool {
	mpi := x.instance(name)
	said := condition(mpi, v1alpha1.ConditionSuspended)
	return said.Status == "True" && said.ObservedGeneration == mpi.Generation
}

// What is written does not depend on how many objects a tenant has, nor on what they are.
func TestTenantsOfAllSizesCostOneWriteAnObject(t *testing.T) {
	t.Parallel()
	var twenty strings.Builder
	for i := range 15 {
		twenty.WriteString(strings.ReplaceAll(salestest.Settings, "name: settings", fmt.Sprint("name: settings-", i)))
	}
	for name, tc := range map[string]struct {
		template string
		objects  int
		// jobs end in this order.
		jobs []string
		// more are the calls beside one an object, the namespace, the Secret and two of the status.
		more []string
		// stops are the writes of a suspension beside those of the status, of which there is one where nothing has to stop.
		stops  []string
		status int
	}{
		"one": {template: salestest.Settings, objects: 3, status: 1},
		"twenty": {
			template: salestest.Web + twenty.String() + service("web", "ports: [{port: 80}]") + workloadOf("Deployment", "api", "replicas: 1"), objects: 20,
			stops: []string{"patch deployments/api", "patch deployments/web"}, status: 2,
		},
		"hooks": {
			template: hooked, objects: 6, jobs: []string{"migrate", "seed"}, stops: []string{"patch deployments/web"}, status: 2,
			more: []string{
				// That each Job has begun is noted by itself, with how the one before it ended; how the last one ended, with the install.
				"patch namespace", "patch namespace", "patch namespace",
				// Whatever stands under the name of a Job is looked for, but in a namespace that was made a moment ago.
				"list jobs", "patch jobs/seed", "delete jobs/seed",
				// What is waited for is said once more.
				statusOf("acme"),
			},
		},
	} {
		x := newShop(t, "sales-size-"+name)
		x.sellsWithoutOperator(salestest.Inline(tc.template))
		o := x.operate("instance", "order")
		ends := func(ns string) {
			for _, job := range tc.jobs {
				x.ends(ns, job, batchv1.JobComplete)
			}
		}
		x.bought("first")
		ends(x.tenantOf("first"))
		x.ready("first")
		x.passOver("first")

		asked := x.follow(o)
		x.purchasedAndRead("acme")
		ends(x.tenantOf("acme"))
		_, ns := x.ready("acme")
		x.passOver("acme")
		x.Expect(x.objects(ns)).To(Equal(tc.objects), name)
		// Each pass but the first looks whether the access Secret is still there.
		calls := slices.DeleteFunc(asked.calls(), func(call string) bool { return call == "get secrets/acme-access" })
		for _, call := range tc.more {
			x.Expect(calls).To(ContainElement(call), name)
			i := slices.Index(calls, call)
			calls = slices.Delete(calls, i, i+1)
		}
		others := slices.DeleteFunc(slices.Clone(calls), func(call string) bool { return call == statusOf("acme") })
		x.Expect(others).To(HaveLen(tc.objects+2), "%s: %v", name, asked.calls())
		x.Expect(len(calls)-len(others)).To(Equal(tc.status), "%s: %v", name, asked.calls())

		asked.reset()
		x.calls("acme", marketplace.Suspend, 1)
		x.eventually(func() bool { return x.suspended("acme") }).Should(BeTrue())
		x.passOver("acme")
		x.Expect(asked.writes()).To(ConsistOf(append(tc.stops, slices.Repeat([]string{statusOf("acme")}, tc.status)...)), name)
		o.stop()
		o = x.operateAndPass("instance", "order")
		asked = x.follow(o)
		asked.from = 0
		x.passOver("acme")
		x.Expect(asked.writes()).To(BeEmpty(), "a restart writes nothing: %s", name)
		o.stop()
	}
}

// purchasedAndRead is a sale whose order is in its spec.
func (x *shop) purchasedAndRead(name string) {
	x.t.Helper()
	mpi := here(x, salestest.HandMade())
	mpi.Name, mpi.Finalizers = name, []string{v1alpha1.TenantFinalizer}
	mpi.Spec.Plan = ""
	mpi.Spec.Subscription = &v1alpha1.Subscription{
		Marketplace: "koogallery", InstanceID: name, OrderID: "o-" + name, OrderLineID: "1", Plan: "small", Quantity: ptr.To(int32(1)),
		Items: []v1alpha1.SoldItem{{ProductID: "p1"}}, Entitlement: v1alpha1.Entitlement{State: v1alpha1.EntitlementActive},
	}
	x.create(mpi)
}
