package controllers

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	kuberuntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"pgregory.net/rapid"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/apiservertest"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
	"github.com/stallkeeper/stallkeeper/marketplace"
	"github.com/stallkeeper/stallkeeper/subscription"
)

// played is one sale and what should be true of it.
type played struct {
	base      client.WithWatch
	namespace string
	lead, old *process
	// now is the time, which goes on with everything that happens.
	now    time.Time
	orders *orderBook
	// said is what the marketplace has said up to now, and ordered what the buyer wants by the order that was made last.
	said    *v1alpha1.Subscription
	ordered marketplace.Order
	// again is the call that the marketplace may repeat.
	again *marketplace.Event
	calls int
	// templates are the templates by revision, written those by the product's UID and generation, and named the one that it has now.
	templates, written map[string]string
	named              string
	// stood is the template that the tenant stood on when things were quiet last; empty if it did not stand.
	stood string
	// retention and grace are those in days that the product has or, when it is gone, had; unpaid says that what is unpaid is deleted.
	retention, grace int
	unpaid           bool
	// deleted says whether the tenant is gone, and claimed whether it has the claim that only the first template has.
	deleted, claimed bool
	// api is what an autoscaler has chosen.
	api int32
	// ends finishes the deletion of a namespace, where nothing else does.
	ends func(*corev1.Namespace)
	// problem is what was found while something happened.
	problem string
}

// orderBook is the marketplace's order API.
type orderBook struct {
	orders map[string]marketplace.Order
	away   bool
}

// ReadOrder implements marketplace.OrderReader.
func (b *orderBook) ReadOrder(_ context.Context, orderID, _ string) (marketplace.Order, error) {
	order, ok := b.orders[orderID]
	switch {
	case b.away:
		return marketplace.Order{}, &marketplace.CallError{Kind: marketplace.ErrUnavailable}
	case !ok:
		return marketplace.Order{}, &marketplace.CallError{Kind: marketplace.ErrOrderNotFound}
	}
	return order, nil
}

// shops' templates: a number in the one Deployment, none in the other, and what can't be rendered for a buyer who says so.
func shopOf(replicas int, greeting, color string) string {
	return strings.Replace(salestest.Web, "replicas: 2", fmt.Sprint("replicas: ", replicas), 1) + workloadOf("Deployment", "api") + fixed(color) +
		strings.ReplaceAll(salestest.Settings, `"hello"`, fmt.Sprintf("%q", greeting)) + `{{ if .Values.unreadable }}{{ fail "no" }}{{ end }}`
}

// shopTemplates are what the product may have. A tenant of the first two can't take the third; the last is no revision.
var shopTemplates = map[string]string{
	"first": shopOf(2, "one", "red") + claim("1Gi"), "second": shopOf(3, "two", "red"), "refused": shopOf(4, "three", "blue"), "broken": `{{ fail "broken" }}`,
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
	m.learn()
	return true
}

// buys is what a marketplace tells of a purchase.
var buys = marketplace.Event{
	Kind: marketplace.Purchase, Activity: "newInstance", InstanceID: "acme", OrderID: "o", OrderLineID: "1", Lookup: marketplace.LookupPurchase,
}

func newPlayed(base client.WithWatch, namespace string, now time.Time) *played {
	m := &played{
		base: base, namespace: namespace, now: now.UTC().Truncate(time.Second), templates: map[string]string{}, written: map[string]string{}, named: "first",
		retention: 90, grace: 15, orders: &orderBook{orders: map[string]marketplace.Order{}},
	}
	m.lead, m.old = m.process(), m.process()
	m.ordered = m.sells("o", marketplace.OrderPurchase, 1, m.now)
	purchase := buys
	purchase.SentAt = m.now
	sub, err := subscription.Merge(nil, purchase, m.now)
	if err != nil {
		panic(err)
	}
	sub.Marketplace, m.said = "koogallery", sub
	mp := &v1alpha1.Marketplace{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "koogallery"}}
	mp.Spec.Protocol, mp.Spec.KooGallery.Site = v1alpha1.ProtocolKooGallery, "International"
	mp.Spec.KooGallery.CallbackSecretRef.Name, mp.Spec.KooGallery.API.CredentialsSecretName = "callback", "openapi"
	credentials := keys()
	credentials.ObjectMeta = metav1.ObjectMeta{Namespace: namespace, Name: "openapi"}
	mpi := &v1alpha1.MarketplaceInstance{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "acme", Finalizers: []string{v1alpha1.TenantFinalizer}},
		Spec:       v1alpha1.MarketplaceInstanceSpec{Subscription: sub.DeepCopy()},
	}
	for _, object := range []client.Object{mp, credentials, m.product(), mpi} {
		if err := base.Create(context.Background(), object); err != nil {
			panic(err)
		}
	}
	m.learn()
	m.happened(marketplace.Event{Kind: marketplace.Query, Activity: "queryInstance"})
	return m
}

// product is what is sold.
func (m *played) product() *v1alpha1.MarketplaceProduct {
	return salestest.Product(salestest.Inline(shopTemplates[m.named]), withAccess, m.periods, func(p *v1alpha1.MarketplaceProduct) {
		p.Namespace, p.UID, p.Generation = m.namespace, "", 0
	})
}

// periods are those that the product shall have.
func (m *played) periods(p *v1alpha1.MarketplaceProduct) {
	p.Spec.Lifecycle.RetentionPeriodSeconds, p.Spec.Lifecycle.GracePeriodSeconds = days(int64(m.retention)), days(int64(m.grace))
	p.Spec.Lifecycle.AfterRetention = v1alpha1.AfterRetentionKeep
	if m.unpaid {
		p.Spec.Lifecycle.AfterRetention = v1alpha1.AfterRetentionDelete
	}
}

// sells makes an order that the order API knows.
func (m *played) sells(id string, kind marketplace.OrderType, quantity int32, at time.Time) marketplace.Order {
	order := marketplace.Order{
		Type: kind, OrderedAt: at, Charging: marketplace.ChargingPrepaid, Refund: true, Raw: []byte("{}"),
		Items: []marketplace.Item{{SKUCode: "shop-small", Quantity: ptr.To(quantity)}},
	}
	if kind == marketplace.OrderPurchase {
		order.ExpiresAt = at.AddDate(0, 0, 30)
	}
	m.orders.orders[id] = order
	return order
}

// process starts a process that sells.
func (m *played) process() *process {
	p := newProcess(m.base, m.orders, m.namespace, m.now)
	p.deletes = func(kind, name string) {
		if !m.due() {
			m.problem = fmt.Sprintf("%s %s goes at %v, with a retention of %d days: %+v", kind, name, m.now, m.retention, m.instance().Spec.Subscription)
		}
		if kind == "Namespace" {
			m.deleted, m.api = true, 0
		}
	}
	return p
}

// removal is when the tenant's data go; false for never.
func (m *played) removal() (time.Time, bool) {
	sub := m.instance().Spec.Subscription
	switch {
	case sub.Entitlement.State == v1alpha1.EntitlementReleased:
		return sub.Entitlement.Time.AddDate(0, 0, m.retention), true
	case m.unpaid && !sub.ExpiryTime.IsZero():
		return sub.ExpiryTime.AddDate(0, 0, m.grace+m.retention), true
	}
	return time.Time{}, false
}

func (m *played) due() bool {
	at, ok := m.removal()
	return ok && !m.now.Before(at)
}

// passes are one pass of the leader, at the time that it is.
func (m *played) passes() error {
	m.lead.at(m.now)
	return m.lead.passes(context.Background(), m.namespace)
}

// happens is one thing that happens.
func (m *played) happens(t *rapid.T) {
	m.now = m.now.Add(time.Second)
	switch rapid.SampledFrom([]string{
		"pass", "pass", "from outside", "from outside", "from outside", "from outside", "from outside", "meanwhile", "meanwhile", "refuse", "lose",
		"die", "die", "old cache", "old cache", "jump", "withdraw", "time", "away",
	}).Draw(t, "what") {
	case "pass":
		_ = m.passes()
	case "from outside":
		m.outside(t)
	case "meanwhile":
		m.lead.before, m.lead.meanwhile = rapid.IntRange(0, 30).Draw(t, "requests"), func() { m.outside(t) }
		_ = m.passes()
		m.lead.meanwhile = nil
	case "refuse":
		m.lead.refuses = rapid.SampledFrom(writtenKinds).Draw(t, "kind")
		_ = m.passes()
		m.lead.refuses = ""
	case "lose":
		m.lead.loses = rapid.SampledFrom(writtenKinds).Draw(t, "kind")
		_ = m.passes()
		m.lead.loses = ""
	case "die":
		m.lead.left = rapid.IntRange(0, 16).Draw(t, "writes")
		_ = m.passes()
		m.lead = m.process()
	case "old cache":
		m.oldCache(t)
	case "jump":
		m.lead.at(m.now)
		m.lead.clock.SetTime(m.now.AddDate(3, 0, 0))
		_ = m.lead.passes(context.Background(), m.namespace)
		m.lead.at(m.now)
	case "withdraw":
		m.withdraw(t)
	case "time":
		m.time(t)
	case "away":
		m.orders.away = !m.orders.away
	}
}

// writtenKinds are the kinds that the controller writes.
var writtenKinds = []string{"Deployment", "ConfigMap", "Namespace", "Secret", "ControllerRevision", "MarketplaceInstance", "MarketplaceInstance status"}

// oldCache is the leader, or another process that takes itself for it, whose cache does not show what has happened since its last pass.
func (m *played) oldCache(t *rapid.T) {
	by := m.lead
	if rapid.Bool().Draw(t, "another leader") {
		by = m.old
	}
	pass := func() {
		by.at(m.now)
		_ = by.passes(context.Background(), m.namespace)
	}
	pass()
	by.cache.frozen, by.cache.of = true, rapid.SampledFrom([]string{"", "", "MarketplaceInstance", "MarketplaceProduct", "DeploymentList"}).Draw(t, "shows the old")
	for range rapid.IntRange(1, 3).Draw(t, "meanwhile") {
		if rapid.IntRange(0, 3).Draw(t, "time") == 0 {
			m.time(t)
		} else {
			m.outside(t)
		}
	}
	pass()
	by.cache.frozen, by.cache.of = false, ""
}

// time passes.
func (m *played) time(t *rapid.T) {
	m.now = m.now.AddDate(0, 0, rapid.SampledFrom([]int{1, 11, 31, 100}).Draw(t, "days"))
}

// lifecycle is a seller who changes how long things are kept.
func (m *played) lifecycle(t *rapid.T) {
	retention, grace := rapid.SampledFrom([]int{10, 90}).Draw(t, "retention"), rapid.SampledFrom([]int{0, 15}).Draw(t, "grace")
	unpaid := rapid.Bool().Draw(t, "unpaid")
	m.produces(func(p *v1alpha1.MarketplaceProduct) {
		m.retention, m.grace, m.unpaid = retention, grace, unpaid
		m.periods(p)
	})
}

// outside is one thing that others do, at any moment.
func (m *played) outside(t *rapid.T) {
	switch rapid.SampledFrom([]string{"call", "call", "call", "person", "product", "lifecycle", "meddle", "delete", "scale", "erase", "pod"}).Draw(t, "who") {
	case "call":
		m.call(t)
	case "person":
		m.person(t)
	case "product":
		m.named = rapid.SampledFrom([]string{"first", "second", "refused", "broken"}).Draw(t, "template")
		m.produces(salestest.Inline(shopTemplates[m.named]))
	case "lifecycle":
		m.lifecycle(t)
	case "meddle":
		m.meddle(t)
	case "delete":
		m.removes(t)
	case "scale":
		m.scale(t)
	case "erase":
		mpi := m.instance()
		mpi.Status = v1alpha1.MarketplaceInstanceStatus{}
		if err := m.base.Status().Update(context.Background(), mpi); err != nil {
			panic(err)
		}
	case "pod":
		m.pod()
	}
}

// call is a call of the marketplace, which may be late, or be made again.
func (m *played) call(t *rapid.T) {
	what := rapid.SampledFrom([]string{"freeze", "unfreeze", "renew", "renew", "cancel", "change", "change", "release", "again"}).Draw(t, "call")
	sent := m.now.Add(-rapid.SampledFrom([]time.Duration{0, 0, time.Hour}).Draw(t, "late"))
	m.calls++
	id := fmt.Sprint("order-", m.calls)
	event := marketplace.Event{OrderID: id, OrderLineID: "1", SentAt: sent}
	switch what {
	case "freeze":
		event = marketplace.Event{Kind: marketplace.Suspend, Activity: "updateInstanceStatus", Scene: "FREEZE", SentAt: sent}
	case "unfreeze":
		event = marketplace.Event{Kind: marketplace.Resume, Activity: "updateInstanceStatus", Scene: "UNFREEZE", SentAt: sent}
	case "renew":
		event.Kind, event.Activity, event.Scene = marketplace.Renew, "refreshInstance", "RENEWAL"
		event.ExpiresAt = m.now.AddDate(0, 0, rapid.SampledFrom([]int{30, 365}).Draw(t, "days"))
	case "cancel":
		event.Kind, event.Activity, event.Scene, event.Cancels = marketplace.Renew, "refreshInstance", "UNSUBSCRIBE_RENEWAL_PERIOD", true
		event.ExpiresAt = m.now.AddDate(0, 0, -rapid.SampledFrom([]int{0, 20, 120}).Draw(t, "days"))
	case "change":
		event.Kind, event.Activity, event.Lookup = marketplace.Change, "upgradeInstance", marketplace.LookupChange
		order := m.sells(id, marketplace.OrderChange, rapid.Int32Range(1, 9).Draw(t, "quantity"), sent)
		if m.happened(event) && !order.OrderedAt.Before(m.ordered.OrderedAt) {
			m.ordered = order
		}
		m.again = &event
		return
	case "release":
		event.Kind, event.Activity = marketplace.Release, "releaseInstance"
	case "again":
		if m.again == nil {
			return
		}
		event = *m.again
	}
	m.again = &event
	m.happened(event)
}

// happened stores a call as the webhook server does, and says whether it was accepted.
func (m *played) happened(event marketplace.Event) bool {
	event.InstanceID = "acme"
	merged, err := subscription.Merge(m.instance().Spec.Subscription, event, m.now)
	if err != nil {
		return false
	}
	m.said = merged.DeepCopy()
	m.edits(func(mpi *v1alpha1.MarketplaceInstance) { mpi.Spec.Subscription = merged })
	return true
}

// person is a person who edits the instance.
func (m *played) person(t *rapid.T) {
	what := rapid.SampledFrom([]string{"hold", "let go", "unreadable", "readable", "quantity", "sold"}).Draw(t, "edit")
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
			mpi.Spec.Quantity = ptr.To(rapid.Int32Range(1, 9).Draw(t, "quantity"))
		case "sold":
			mpi.Spec.Quantity = nil
		}
	})
}

// withdraw is a product that is deleted or comes back, or whose status is erased.
func (m *played) withdraw(t *rapid.T) {
	ctx, p := context.Background(), &v1alpha1.MarketplaceProduct{}
	if m.base.Get(ctx, client.ObjectKey{Namespace: m.namespace, Name: "shop"}, p) != nil {
		if err := m.base.Create(ctx, m.product()); err != nil {
			panic(err)
		}
		m.learn()
		return
	}
	if rapid.IntRange(0, 3).Draw(t, "deletes") > 0 {
		p.Status = v1alpha1.MarketplaceProductStatus{}
		_ = m.base.Status().Update(ctx, p)
		return
	}
	// What it said last has to be known: nothing is decided here about a product that changes in the moment in which it goes.
	m.rest()
	_ = m.base.Delete(ctx, p)
}

// pod is a pod that the application makes, or ends.
func (m *played) pod() {
	ctx := context.Background()
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: m.tenant(), Name: "app"}}
	if m.base.Get(ctx, client.ObjectKeyFromObject(pod), pod) == nil {
		_ = m.base.Delete(ctx, pod, client.GracePeriodSeconds(0))
		return
	}
	unprivileged := &corev1.SecurityContext{
		AllowPrivilegeEscalation: ptr.To(false), RunAsNonRoot: ptr.To(true), Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
	}
	pod.Spec.Containers = []corev1.Container{{Name: "app", Image: "registry.example.com/app:1", SecurityContext: unprivileged}}
	if m.deployment("web") != nil { // there is a tenant
		_ = m.base.Create(ctx, pod)
	}
}

func (m *played) runsPod() bool {
	return m.base.Get(context.Background(), client.ObjectKey{Namespace: m.tenant(), Name: "app"}, &corev1.Pod{}) == nil
}

// binds the claim to a disk, as the cluster does.
func (m *played) binds() {
	claim := m.claim()
	if claim == nil || claim.Status.Phase == corev1.ClaimBound {
		return
	}
	claim.Status.Phase, claim.Status.Capacity = corev1.ClaimBound, claim.Spec.Resources.Requests
	_ = m.base.Status().Update(context.Background(), claim)
}

// finishes the deletion of the tenant's namespace, as the cluster does.
func (m *played) finishes() {
	ns := &corev1.Namespace{}
	if m.ends != nil && m.base.Get(context.Background(), client.ObjectKey{Name: m.tenant()}, ns) == nil && ns.DeletionTimestamp != nil {
		m.ends(ns)
	}
}

func (m *played) claim() *corev1.PersistentVolumeClaim {
	claim := &corev1.PersistentVolumeClaim{}
	if m.base.Get(context.Background(), client.ObjectKey{Namespace: m.tenant(), Name: "files"}, claim) != nil {
		return nil
	}
	return claim
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
	switch rapid.SampledFrom([]string{"scale", "wake", "pause", "setting", "label", "kept"}).Draw(t, "meddles") {
	case "scale":
		object, patch = &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "web"}}, `{"spec":{"replicas":7}}`
	case "wake":
		if d := m.deployment("api"); d == nil || ptr.Deref(d.Spec.Replicas, 1) != 0 {
			return
		}
		if !m.stops(m.instance()) {
			m.api = 0 // it is about to run, and nobody knows which number is the autoscaler's
		}
		object, patch = &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "api"}}, `{"spec":{"replicas":7}}`
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
		m.now = m.now.Add(11 * time.Second)
		m.binds()
		m.finishes()
		m.old.take()
		m.lead.take()
		err := m.passes()
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
	of := func(generation int64) string { return fmt.Sprint(p.UID, " ", generation) }
	m.written[of(p.Generation)] = m.named
	ready := meta.FindStatusCondition(p.Status.Conditions, v1alpha1.ConditionReady)
	if ready != nil && ready.Status == metav1.ConditionTrue && p.Status.LatestRevision != "" {
		m.templates[p.Status.LatestRevision] = m.written[of(ready.ObservedGeneration)]
	}
}

// stops says whether the tenant has to be stopped.
func (m *played) stops(mpi *v1alpha1.MarketplaceInstance) bool {
	return mpi.Spec.DesiredState == v1alpha1.DesiredStateSuspended || mpi.Spec.Subscription.Entitlement.State != v1alpha1.EntitlementActive ||
		!m.now.Before(m.deadline(mpi))
}

// deadline is when the tenant has to stop if nothing else happens.
func (m *played) deadline(mpi *v1alpha1.MarketplaceInstance) time.Time {
	return mpi.Spec.Subscription.ExpiryTime.AddDate(0, 0, m.grace)
}

// isKnown says whether it is known what was sold.
func isKnown(mpi *v1alpha1.MarketplaceInstance) bool { return mpi.Spec.ProductRef.Name != "" }

// isOffered says whether the product stands and can be run.
func (m *played) isOffered() bool {
	p := &v1alpha1.MarketplaceProduct{}
	return m.base.Get(context.Background(), client.ObjectKey{Namespace: m.namespace, Name: "shop"}, p) == nil && p.Status.LatestRevision != ""
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
	m.checkCalls(t, mpi)
	if apierrors.IsNotFound(err) || ns.DeletionTimestamp != nil {
		if m.claimed && !m.deleted {
			t.Fatal("the data are gone")
		}
		if err != nil && isKnown(mpi) && m.isOffered() && !m.stops(mpi) && mpi.Spec.Values == nil {
			t.Fatalf("there is no tenant: %+v", mpi.Status)
		}
		m.stood, m.claimed, m.deleted = "", false, false
		return
	}
	if m.deleted {
		m.stood = "" // another tenant stands
	}
	if m.due() {
		t.Fatalf("the tenant is not removed: %+v", mpi.Status)
	}
	if level := ns.Labels["pod-security.kubernetes.io/enforce"]; level != "restricted" && mpi.Spec.Values == nil {
		t.Fatalf("the namespace is at level %q", level)
	}
	if m.claimed = m.claimed && !m.deleted; m.claimed && m.claim() == nil {
		t.Fatal("the claim is gone")
	}
	m.claimed, m.deleted = m.claim() != nil, false
	m.checkPower(t, mpi)
	m.checkWake(t, mpi)
	pin := ns.Labels[v1alpha1.RevisionLabel]
	if mpi.Status.Revision != pin {
		t.Fatalf("the status says revision %q, and the tenant is on %q", mpi.Status.Revision, pin)
	}
	m.checkMove(t, mpi, m.templates[pin])
	m.checkShape(t, mpi, m.templates[pin])
}

// checkCalls is P5 for the calls that were accepted: what they have said stands, and every order was applied.
func (m *played) checkCalls(t *rapid.T, mpi *v1alpha1.MarketplaceInstance) {
	sub := mpi.Spec.Subscription
	if !equality.Semantic.DeepEqual(sub.Entitlement, m.said.Entitlement) || !m.said.ExpiryTime.IsZero() && !sub.ExpiryTime.Equal(&m.said.ExpiryTime) {
		t.Fatalf("the marketplace has said %+v until %v, and it is %+v until %v", m.said.Entitlement, m.said.ExpiryTime, sub.Entitlement, sub.ExpiryTime)
	}
	if len(sub.Calls) < len(m.said.Calls) {
		t.Fatalf("of the calls %+v there are %+v", m.said.Calls, sub.Calls)
	}
	if sub.Entitlement.State == v1alpha1.EntitlementReleased || m.orders.away || !m.isOffered() {
		return // no order is read
	}
	if !isKnown(mpi) || slices.ContainsFunc(sub.Calls, func(c v1alpha1.Call) bool { return c.Pending != "" }) {
		t.Fatalf("not all orders are read: %+v: %+v", sub.Calls, mpi.Status.Conditions)
	}
	if want := *m.ordered.Items[0].Quantity; *sub.Quantity != want {
		t.Fatalf("%d were ordered last, and %d are sold: %+v", want, *sub.Quantity, sub.Calls)
	}
	if !meta.IsStatusConditionTrue(mpi.Status.Conditions, v1alpha1.ConditionOrderResolved) {
		t.Fatalf("all orders are read, and it says %+v", mpi.Status.Conditions)
	}
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
		} else if kept := d.Annotations[v1alpha1.ReplicasAnnotation]; name == "api" && stops && m.api != 0 && kept != strconv.Itoa(int(m.api)) {
			t.Fatalf("api keeps %q, and the autoscaler had chosen %d", kept, m.api)
		}
	}
	suspended := meta.IsStatusConditionTrue(mpi.Status.Conditions, v1alpha1.ConditionSuspended)
	if suspended != (stops && !m.runsPod()) {
		t.Fatalf("it has to stop: %v, a pod runs: %v, and it says %+v", stops, m.runsPod(), mpi.Status.Conditions)
	}
	entitled := mpi.Spec.Subscription.Entitlement.State == v1alpha1.EntitlementActive && m.now.Before(m.deadline(mpi))
	if meta.IsStatusConditionTrue(mpi.Status.Conditions, v1alpha1.ConditionEntitled) != entitled {
		t.Fatalf("the buyer is entitled: %v, and it says %+v", entitled, mpi.Status.Conditions)
	}
	if meta.IsStatusConditionTrue(mpi.Status.Conditions, v1alpha1.ConditionReady) && stops {
		t.Fatalf("it is stopped, and it says %+v", mpi.Status.Conditions)
	}
}

// checkWake is P2 for what has yet to come: the process looks again before it.
func (m *played) checkWake(t *rapid.T, mpi *v1alpha1.MarketplaceInstance) {
	due := map[string]time.Time{"it stops": m.deadline(mpi)}
	if at, ok := m.removal(); ok {
		due["its data go"] = at
	}
	for what, at := range due {
		if left := at.Sub(m.now); left > 0 && (m.lead.wake == 0 || m.lead.wake > left) && (what != "it stops" || !m.stops(mpi)) {
			t.Fatalf("%s in %v, and the next look is in %v", what, left, m.lead.wake)
		}
	}
}

// checkMove is P7 and P9: a tenant takes what it can take, stays on the rest, and says so.
func (m *played) checkMove(t *rapid.T, mpi *v1alpha1.MarketplaceInstance, template string) {
	stood, takes := m.stood, map[string]string{"first": "red", "second": "red", "refused": "blue"}
	m.stood = template
	if stood != "" && takes[template] != takes[stood] {
		t.Fatalf("it stood on %q, and is on %q", stood, template)
	}
	if mpi.Spec.Values != nil || !m.isOffered() || m.named == "broken" {
		return
	}
	if stood != "" && takes[m.named] == takes[stood] && template != m.named {
		t.Fatalf("it stays on %q, and could be on %q: %+v", template, m.named, mpi.Status)
	}
	if provisioned := meta.IsStatusConditionTrue(mpi.Status.Conditions, v1alpha1.ConditionProvisioned); provisioned && template != m.named {
		t.Fatalf("it is on %q and not on %q, and says %+v", template, m.named, mpi.Status.Conditions)
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
	if want := strconv.Itoa(int(*cmp.Or(mpi.Spec.Quantity, mpi.Spec.Subscription.Quantity))); c.Data["greeting"] != greeting || c.Data["quantity"] != want {
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
	m.lifecycle(t)
	for range rapid.IntRange(1, 3).Draw(t, "rounds") {
		for range rapid.IntRange(1, 6).Draw(t, "things") {
			m.happens(t)
			m.learn()
		}
		m.orders.away = false
		m.lead = m.process() // how often a person meddles in these seconds is not what is looked at
		if left := m.rest(); left != "" {
			t.Fatalf("it does not come to rest: %s; %+v", left, m.instance().Status)
		}
		m.check(t)
		m.lead = m.process()
		if err := m.passes(); err != nil {
			t.Fatal(err)
		}
		if writes := slices.DeleteFunc(m.lead.take(), func(w string) bool { return strings.HasPrefix(w, "ControllerRevision") }); len(writes) > 0 {
			t.Fatalf("after a restart, it writes %v", writes)
		}
	}
}

// TestWhateverHappensToASale plays random sequences on the real API server: calls, edits of instance and product, also between two requests
// of a pass, refusals, lost answers, crashes between two writes, changed and deleted objects, a second leader with an old cache, erased
// statuses, and a clock that jumps.
func TestWhateverHappensToASale(t *testing.T) {
	t.Parallel()
	c := theCluster(t)
	left := sequences("STALLKEEPER_SEQUENCES", 40)
	left.check(t, func(rt *rapid.T) {
		namespace := fmt.Sprintf("random-%d", shops.Add(1))
		if err := c.client.Create(context.Background(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}); err != nil {
			rt.Fatal(err)
		}
		m := newPlayed(c.client, namespace, time.Now())
		m.ends = c.endsNamespace
		m.play(rt)
	})
}

// endsNamespace does what the controller manager does with a namespace that is being deleted.
func (c *cluster) endsNamespace(ns *corev1.Namespace) {
	ctx := context.Background()
	for _, of := range []client.Object{
		&appsv1.Deployment{}, &corev1.ConfigMap{}, &corev1.Secret{}, &corev1.Service{}, &corev1.ServiceAccount{}, &corev1.PersistentVolumeClaim{},
		&corev1.ResourceQuota{}, &corev1.LimitRange{}, &networkingv1.NetworkPolicy{}, &corev1.Pod{},
	} {
		_ = c.client.DeleteAllOf(ctx, of, client.InNamespace(ns.Name), client.GracePeriodSeconds(0), client.PropagationPolicy(metav1.DeletePropagationBackground))
	}
	claims := &corev1.PersistentVolumeClaimList{}
	_ = c.client.List(ctx, claims, client.InNamespace(ns.Name))
	for i := range claims.Items {
		claims.Items[i].Finalizers = nil
		_ = c.client.Update(ctx, &claims.Items[i])
	}
	ns.Spec.Finalizers = nil
	_ = c.client.SubResource("finalize").Update(ctx, ns)
}

// TestWhateverHappensToASaleInMemory plays the same sequences, thousands of them, on the API server in memory.
func TestWhateverHappensToASaleInMemory(t *testing.T) {
	t.Parallel()
	left := sequences("STALLKEEPER_MEMORY_SEQUENCES", 2000)
	defer debug.SetGCPercent(debug.SetGCPercent(400)) // a third of the time goes into collecting otherwise
	left.check(t, func(rt *rapid.T) { newPlayed(inMemory("sales"), "sales", salestest.Day(0)).play(rt) })
}

// schemas are those of all kinds, for all API servers in memory.
var schemas = sync.OnceValues(func() (*apiservertest.Schemas, error) {
	return apiservertest.WithDefinitions(filepath.Join("..", "config", "crd"))
})

var bothSchemes = sync.OnceValues(salestest.BothSchemes)

// inMemory is an API server in memory with one namespace, whose Deployments get their replicas at once.
func inMemory(namespace string) *apiservertest.Server {
	known, err := schemas()
	if err != nil {
		panic(err)
	}
	scheme, err := bothSchemes()
	if err != nil {
		panic(err)
	}
	server := apiservertest.New(scheme, known)
	server.Runs = func(obj *unstructured.Unstructured) {
		if obj.GetKind() != "Deployment" {
			return
		}
		replicas, _, _ := unstructured.NestedInt64(obj.Object, "spec", "replicas")
		status := rolledOut(obj.GetGeneration(), int32(replicas))
		if obj.Object["status"], err = kuberuntime.DefaultUnstructuredConverter.ToUnstructured(&status); err != nil {
			panic(err)
		}
	}
	if err := server.Create(context.Background(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}); err != nil {
		panic(err)
	}
	return server
}

// budget is how many sequences are left to be played. One that has failed is played again until it is as short as can be.
type budget struct {
	left    int
	failing bool
	// same says that the sequences are the same ones in each run, unless -rapid.seed names others.
	same bool
}

// sequences is the budget: the same n sequences in each run, or as many others as the environment says.
func sequences(variable string, n int) *budget {
	if more, err := strconv.Atoi(os.Getenv(variable)); err == nil {
		return &budget{left: more}
	}
	return &budget{left: n, same: flag.Lookup(seedFlag).Value.String() == "0"}
}

const seedFlag = "rapid.seed"

// check plays until nothing is left, whatever number of checks rapid makes at a time.
func (b *budget) check(t *testing.T, sequence func(*rapid.T)) {
	for round := 1; b.left > 0 && !t.Failed(); round++ {
		if b.same {
			if err := flag.Set(seedFlag, strconv.Itoa(round)); err != nil {
				t.Fatal(err)
			}
		}
		rapid.Check(t, func(rt *rapid.T) {
			if b.left--; b.left < 0 && !b.failing {
				return
			}
			b.failing = true
			sequence(rt)
			b.failing = false // a sequence that fails does not come here
		})
	}
}
