package controllers

import (
	"context"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"pgregory.net/rapid"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
	"github.com/stallkeeper/stallkeeper/marketplace"
	"github.com/stallkeeper/stallkeeper/subscription"
)

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
