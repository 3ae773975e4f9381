package controllers

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"pgregory.net/rapid"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

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
