package controllers

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"pgregory.net/rapid"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
)

// played is one sale and what should be true of it.
type played struct {
	base      client.WithWatch
	namespace string
	lead, old *process
	// templates are the templates by revision, and named the one that the product has now.
	templates map[string]string
	named     string
	// released is when the sale was released; zero while it is not. retention and grace are those in days that the product has.
	released         time.Time
	retention, grace int
	// least is the shortest retention that anything has said, deleted whether the tenant is gone.
	least   int
	deleted bool
	// api is what an autoscaler has chosen.
	api int32
	// problem is what was found while something happened.
	problem string
}

// shops' templates: a number in the one Deployment, none in the other, and what can't be rendered for a buyer who says so.
func shopOf(replicas int, greeting, color string) string {
	return strings.Replace(salestest.Web, "replicas: 2", fmt.Sprint("replicas: ", replicas), 1) + workloadOf("Deployment", "api") + fixed(color) +
		strings.ReplaceAll(salestest.Settings, `"hello"`, fmt.Sprintf("%q", greeting)) + `{{ if .Values.unreadable }}{{ fail "no" }}{{ end }}`
}

// shopTemplates are what the product may have. A tenant of the first two can't take the third; the last is no revision.
var shopTemplates = map[string]string{
	"first": shopOf(2, "one", "red"), "second": shopOf(3, "two", "red"), "refused": shopOf(4, "three", "blue"), "broken": `{{ fail "broken" }}`,
}

func (m *played) tenant() string {
	return v1alpha1.TenantNamespace(v1alpha1.DefaultTenantPrefix, m.namespace, "acme")
}

func (m *played) instance() *v1alpha1.MarketplaceInstance {
	mpi := &v1alpha1.MarketplaceInstance{}
	if err := m.base.Get(context.Background(), client.ObjectKey{Namespace: m.namespace, Name: "acme"}, mpi); err != nil {
		panic(err)
	}
	return mpi
}

// edits changes the instance as the webhook server or a person does.
func (m *played) edits(by func(*v1alpha1.MarketplaceInstance)) {
	mpi := m.instance()
	by(mpi)
	if err := m.base.Update(context.Background(), mpi); err != nil {
		panic(err)
	}
}

// produces changes the product, if it stands.
func (m *played) produces(by func(*v1alpha1.MarketplaceProduct)) bool {
	p := &v1alpha1.MarketplaceProduct{}
	err := m.base.Get(context.Background(), client.ObjectKey{Namespace: m.namespace, Name: "shop"}, p)
	if apierrors.IsNotFound(err) {
		return false
	}
	by(p)
	if err == nil {
		err = m.base.Update(context.Background(), p)
	}
	if err != nil {
		panic(err)
	}
	return true
}

func newPlayed(base client.WithWatch, namespace string) *played {
	m := &played{base: base, namespace: namespace, templates: map[string]string{}, named: "first", retention: 90, least: 90, grace: 15}
	m.lead, m.old = m.process(), m.process()
	p := salestest.Product(salestest.Inline(shopTemplates["first"]), withAccess, func(p *v1alpha1.MarketplaceProduct) {
		p.Namespace, p.UID = namespace, ""
		p.Spec.Lifecycle.RetentionPeriodSeconds, p.Spec.Lifecycle.GracePeriodSeconds = days(90), days(15)
	})
	mpi := salestest.HandMade(func(mpi *v1alpha1.MarketplaceInstance) {
		mpi.Namespace, mpi.UID, mpi.Generation = namespace, "", 0
		mpi.Spec.Plan = ""
		mpi.Spec.Subscription = &v1alpha1.Subscription{
			Marketplace: "koogallery", InstanceID: "acme", OrderID: "o", OrderLineID: "1", Plan: "small", Quantity: ptr.To(int32(1)),
			Items: []v1alpha1.SoldItem{{ProductID: "p1"}}, Entitlement: v1alpha1.Entitlement{State: v1alpha1.EntitlementActive},
		}
		paidUntil(30)(mpi.Spec.Subscription)
	})
	for _, object := range []client.Object{p, mpi} {
		if err := base.Create(context.Background(), object); err != nil {
			panic(err)
		}
	}
	return m
}

// process starts a process that sells.
func (m *played) process() *process {
	p := newProcess(m.base)
	p.deletes = func(string) {
		m.deleted = true
		if kept := time.Since(m.released); m.released.IsZero() || kept < time.Duration(m.least)*24*time.Hour {
			m.problem = fmt.Sprintf("the data go: released %v, kept for %d days at least", m.released, m.least)
		}
	}
	return p
}

// happens is one thing that happens.
func (m *played) happens(t *rapid.T) {
	ctx := context.Background()
	switch rapid.SampledFrom([]string{
		"pass", "pass", "call", "call", "person", "product", "lifecycle", "refuse", "die", "die", "meddle", "delete", "scale", "leader", "erase", "jump",
		"withdraw",
	}).Draw(t, "what") {
	case "pass":
		_ = m.lead.passes(ctx, m.namespace)
	case "call":
		m.call(t)
	case "person":
		m.person(t)
	case "product":
		name := rapid.SampledFrom([]string{"first", "second", "refused", "broken"}).Draw(t, "template")
		if m.produces(salestest.Inline(shopTemplates[name])) {
			m.named = name
		}
	case "lifecycle":
		retention, grace := rapid.SampledFrom([]int{10, 90}).Draw(t, "retention"), rapid.SampledFrom([]int{0, 15}).Draw(t, "grace")
		if m.produces(func(p *v1alpha1.MarketplaceProduct) {
			p.Spec.Lifecycle.RetentionPeriodSeconds, p.Spec.Lifecycle.GracePeriodSeconds = days(int64(retention)), days(int64(grace))
		}) {
			m.retention, m.grace, m.least = retention, grace, min(m.least, retention)
		}
	case "refuse":
		m.lead.refuses = rapid.SampledFrom([]string{"Deployment", "ConfigMap", "Namespace", "Secret", "MarketplaceInstance status"}).Draw(t, "kind")
		_ = m.lead.passes(ctx, m.namespace)
		m.lead.refuses = ""
	case "die":
		m.lead.left = rapid.IntRange(0, 14).Draw(t, "writes")
		_ = m.lead.passes(ctx, m.namespace)
		m.lead = m.process()
	case "meddle":
		m.meddle(t)
	case "delete":
		m.removes(t)
	case "scale":
		m.scale(t)
	case "leader":
		m.old.cache.frozen = rapid.Bool().Draw(t, "paused")
		_ = m.old.passes(ctx, m.namespace)
		m.old.cache.frozen = false
	case "erase":
		mpi := m.instance()
		mpi.Status = v1alpha1.MarketplaceInstanceStatus{}
		if err := m.base.Status().Update(ctx, mpi); err != nil {
			panic(err)
		}
	case "jump":
		m.lead.clock.SetTime(time.Now().AddDate(3, 0, 0))
		_ = m.lead.passes(ctx, m.namespace)
		m.lead.clock.SetTime(time.Now())
	case "withdraw":
		m.withdraw(t)
	}
}

// call is a call of the marketplace.
func (m *played) call(t *rapid.T) {
	what := rapid.SampledFrom([]string{"freeze", "unfreeze", "expire", "renew", "release"}).Draw(t, "call")
	since := rapid.SampledFrom([]int{0, 20, 100}).Draw(t, "days")
	m.edits(func(mpi *v1alpha1.MarketplaceInstance) {
		sub := mpi.Spec.Subscription
		entitled := func(state v1alpha1.EntitlementState, at time.Time) {
			sub.Entitlement = v1alpha1.Entitlement{State: state, Time: metav1.NewTime(at.Truncate(time.Second))}
			if state != v1alpha1.EntitlementActive {
				sub.Entitlement.Reason = v1alpha1.EntitlementByMarketplace
			}
		}
		switch {
		case what == "expire":
			paidUntil(-since - 1)(sub)
		case what == "renew":
			paidUntil(30)(sub)
		case !m.released.IsZero():
			return // what was released stays so
		case what == "freeze":
			entitled(v1alpha1.EntitlementFrozen, time.Now())
		case what == "unfreeze":
			entitled(v1alpha1.EntitlementActive, time.Now())
		case what == "release":
			m.released = ago(since).Truncate(time.Second)
			entitled(v1alpha1.EntitlementReleased, m.released)
		}
	})
}

// person is a person who edits the instance.
func (m *played) person(t *rapid.T) {
	what := rapid.SampledFrom([]string{"hold", "let go", "unreadable", "readable", "quantity"}).Draw(t, "edit")
	m.edits(func(mpi *v1alpha1.MarketplaceInstance) {
		switch what {
		case "hold":
			mpi.Spec.DesiredState = v1alpha1.DesiredStateSuspended
		case "let go":
			mpi.Spec.DesiredState = v1alpha1.DesiredStateRunning
		case "unreadable":
			mpi.Spec.Values = salestest.Raw(`{"unreadable":true}`)
		case "readable":
			mpi.Spec.Values = nil
		case "quantity":
			mpi.Spec.Subscription.Quantity = ptr.To(rapid.Int32Range(1, 9).Draw(t, "quantity"))
		}
	})
}

// withdraw is a product that is deleted, or whose status is erased.
func (m *played) withdraw(t *rapid.T) {
	p := &v1alpha1.MarketplaceProduct{}
	if m.base.Get(context.Background(), client.ObjectKey{Namespace: m.namespace, Name: "shop"}, p) != nil {
		return
	}
	if rapid.IntRange(0, 3).Draw(t, "deletes") > 0 {
		p.Status = v1alpha1.MarketplaceProductStatus{}
		_ = m.base.Status().Update(context.Background(), p)
		return
	}
	// What it said last has to be known: nothing is decided here about a product that changes in the moment in which it goes.
	m.rest()
	_ = m.base.Delete(context.Background(), p)
}

func (m *played) deployment(name string) *appsv1.Deployment {
	d := &appsv1.Deployment{}
	if m.base.Get(context.Background(), client.ObjectKey{Namespace: m.tenant(), Name: name}, d) != nil {
		return nil
	}
	return d
}

// meddle is a person who changes something in the tenant.
func (m *played) meddle(t *rapid.T) {
	patch, object := "", client.Object(nil)
	switch rapid.SampledFrom([]string{"scale", "pause", "setting", "label", "kept"}).Draw(t, "meddles") {
	case "scale":
		object, patch = &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "web"}}, `{"spec":{"replicas":7}}`
	case "pause":
		object, patch = &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "web"}}, `{"spec":{"paused":true}}`
	case "setting":
		object, patch = &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "settings"}}, `{"data":{"greeting":"mine"}}`
	case "label":
		patch = `{"metadata":{"labels":{"pod-security.kubernetes.io/enforce":"privileged"}}}`
		_ = m.base.Patch(context.Background(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: m.tenant()}},
			client.RawPatch(types.MergePatchType, []byte(patch)), client.FieldOwner("kubectl"))
		return
	case "kept":
		object = &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "web"}}
		patch = `{"metadata":{"annotations":{"` + v1alpha1.ReplicasAnnotation + `":null}}}`
	}
	object.SetNamespace(m.tenant())
	_ = m.base.Patch(context.Background(), object, client.RawPatch(types.MergePatchType, []byte(patch)), client.FieldOwner("kubectl"))
}

// removes is a person who deletes something without data.
func (m *played) removes(t *rapid.T) {
	object := map[string]client.Object{"web": &appsv1.Deployment{}, "api": &appsv1.Deployment{}, "settings": &corev1.ConfigMap{}}
	name := rapid.SampledFrom([]string{"web", "api", "settings"}).Draw(t, "object")
	of := object[name]
	of.SetName(name)
	of.SetNamespace(m.tenant())
	if m.base.Delete(context.Background(), of, client.PropagationPolicy(metav1.DeletePropagationBackground)) == nil && name == "api" {
		m.api = 0 // the number went with it
	}
}

// scale is the autoscaler of a workload that runs.
func (m *played) scale(t *rapid.T) {
	d := m.deployment("api")
	if d == nil || ptr.Deref(d.Spec.Replicas, 1) == 0 || d.Annotations[v1alpha1.ReplicasAnnotation] != "" {
		return
	}
	m.api = rapid.Int32Range(2, 9).Draw(t, "replicas")
	d.Spec.Replicas = &m.api
	d.Spec.Replicas = ptr.To(m.api)
	if err := m.base.Update(context.Background(), d, client.FieldOwner("autoscaler")); err != nil {
		panic(err)
	}
}

// rest makes passes until nothing is written any more. It gives what is still written, or empty.
func (m *played) rest() string {
	var last []string
	for range 25 {
		now := time.Now()
		for _, p := range []*process{m.lead, m.old} {
			p.clock.SetTime(now)
			p.take()
		}
		err := m.lead.passes(context.Background(), m.namespace)
		m.learn()
		if last = m.lead.take(); len(last) == 0 && err == nil {
			return ""
		}
		if err != nil {
			last = append(last, err.Error())
		}
	}
	return strings.Join(last, ", ")
}

// learn notes which template a revision has.
func (m *played) learn() {
	p := &v1alpha1.MarketplaceProduct{}
	if m.base.Get(context.Background(), client.ObjectKey{Namespace: m.namespace, Name: "shop"}, p) != nil {
		return
	}
	if ready := meta.FindStatusCondition(p.Status.Conditions, v1alpha1.ConditionReady); ready != nil && ready.Status == metav1.ConditionTrue && ready.ObservedGeneration == p.Generation &&
		m.named != "broken" && p.Status.LatestRevision != "" {
		m.templates[p.Status.LatestRevision] = m.named
	}
}

// stops says whether the tenant has to be stopped.
func (m *played) stops(mpi *v1alpha1.MarketplaceInstance) bool {
	sub := mpi.Spec.Subscription
	return mpi.Spec.DesiredState == v1alpha1.DesiredStateSuspended || sub.Entitlement.State != v1alpha1.EntitlementActive ||
		time.Now().After(sub.ExpiryTime.AddDate(0, 0, m.grace))
}

// check says what is wrong now that things are quiet.
func (m *played) check(t *rapid.T) {
	mpi := m.instance()
	ns := &corev1.Namespace{}
	err := m.base.Get(context.Background(), client.ObjectKey{Name: m.tenant()}, ns)
	if client.IgnoreNotFound(err) != nil {
		t.Fatal(err)
	}
	if m.problem != "" {
		t.Fatal(m.problem)
	}
	if apierrors.IsNotFound(err) || ns.DeletionTimestamp != nil {
		if !m.deleted && !m.stops(mpi) && mpi.Spec.Values == nil && len(m.templates) > 0 {
			t.Fatalf("there is no tenant: %+v", mpi.Status)
		}
		return
	}
	if level := ns.Labels["pod-security.kubernetes.io/enforce"]; level != "restricted" && mpi.Spec.Values == nil {
		t.Fatalf("the namespace is at level %q", level)
	}
	m.checkPower(t, mpi)
	pin := ns.Labels[v1alpha1.RevisionLabel]
	if mpi.Status.Revision != pin {
		t.Fatalf("the status says revision %q, and the tenant is on %q", mpi.Status.Revision, pin)
	}
	m.checkShape(t, mpi, m.templates[pin])
}

// checkPower is P1, P2, P3 and P9.
func (m *played) checkPower(t *rapid.T, mpi *v1alpha1.MarketplaceInstance) {
	stops := m.stops(mpi)
	for _, name := range []string{"web", "api"} {
		d := m.deployment(name)
		if d == nil {
			continue // whether it stands is a matter of shape
		}
		if n := ptr.Deref(d.Spec.Replicas, 1); (n == 0) != stops {
			t.Fatalf("it has to stop: %v, and %s has %d replicas: %+v", stops, name, n, mpi.Status.Conditions)
		} else if name == "api" && !stops && m.api != 0 && n != m.api {
			t.Fatalf("api has %d replicas, and the autoscaler had chosen %d", n, m.api)
		}
	}
	suspended := meta.IsStatusConditionTrue(mpi.Status.Conditions, v1alpha1.ConditionSuspended)
	if suspended != stops {
		t.Fatalf("it has to stop: %v, and it says %+v", stops, mpi.Status.Conditions)
	}
}

// checkShape is P7, and that what stands is what was meant.
func (m *played) checkShape(t *rapid.T, mpi *v1alpha1.MarketplaceInstance, template string) {
	if mpi.Spec.Values != nil {
		return // it can't be rendered
	}
	greeting, replicas := map[string]string{"first": "one", "second": "two", "refused": "three"}[template],
		map[string]int32{"first": 2, "second": 3, "refused": 4}[template]
	c := &corev1.ConfigMap{}
	if err := m.base.Get(context.Background(), client.ObjectKey{Namespace: m.tenant(), Name: "settings"}, c); err != nil {
		t.Fatalf("%v; %+v", err, mpi.Status)
	}
	if want := strconv.Itoa(int(*mpi.Spec.Subscription.Quantity)); c.Data["greeting"] != greeting || c.Data["quantity"] != want {
		t.Fatalf("on %q with the quantity %s, the settings are %v", template, want, c.Data)
	}
	web := m.deployment("web")
	if web == nil || m.deployment("api") == nil {
		t.Fatalf("a workload is missing: %+v", mpi.Status)
	}
	if n := ptr.Deref(web.Spec.Replicas, 1); !m.stops(mpi) && n != replicas || web.Spec.Paused {
		t.Fatalf("on %q, web has %d replicas, paused %v", template, n, web.Spec.Paused)
	}
}

// play is one sequence.
func (m *played) play(t *rapid.T) {
	for range rapid.IntRange(1, 3).Draw(t, "rounds") {
		for range rapid.IntRange(1, 6).Draw(t, "things") {
			m.happens(t)
			m.learn()
		}
		m.lead = m.process() // how often a person meddles in these seconds is not what is looked at
		if left := m.rest(); left != "" {
			t.Fatalf("it does not come to rest: %s; %+v", left, m.instance().Status)
		}
		m.check(t)
		m.lead = m.process()
		if err := m.lead.passes(context.Background(), m.namespace); err != nil {
			t.Fatal(err)
		}
		if writes := slices.DeleteFunc(m.lead.take(), func(w string) bool { return strings.HasPrefix(w, "ControllerRevision") }); len(writes) > 0 {
			t.Fatalf("after a restart, it writes %v", writes)
		}
	}
}

// TestWhateverHappensToASale plays random sequences on the real API server: calls, edits of instance and product, refusals, crashes between
// two writes, changed and deleted objects, a second leader with an old cache, erased statuses, and a clock that jumps. Thousands of them
// are for controllers/tenant, which plays with sets that are rendered already, on an API server in memory.
func TestWhateverHappensToASale(t *testing.T) {
	t.Parallel()
	c := theCluster(t)
	left := sequences(10)
	rapid.Check(t, func(rt *rapid.T) {
		if !left.next() {
			return
		}
		left.plays(func() {
			namespace := fmt.Sprintf("random-%d", shops.Add(1))
			if err := c.client.Create(context.Background(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}); err != nil {
				rt.Fatal(err)
			}
			newPlayed(c.client, namespace).play(rt)
		})
	})
}

// budget is how many sequences are left to be played. One that has failed is played again until it is as short as can be.
type budget struct {
	left    int
	failing bool
}

// sequences is the budget, or what STALLKEEPER_SEQUENCES says.
func sequences(n int) *budget {
	if more, err := strconv.Atoi(os.Getenv("STALLKEEPER_SEQUENCES")); err == nil {
		n = more
	}
	return &budget{left: n}
}

func (b *budget) next() bool {
	b.left--
	return b.left >= 0 || b.failing
}

func (b *budget) plays(sequence func()) {
	b.failing = true
	sequence()
	b.failing = false // a sequence that fails does not come here
}
