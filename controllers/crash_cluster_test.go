package controllers

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
)

// playsAlone is a sale on the real API server whose processes the test drives pass by pass.
func playsAlone(t *testing.T) (*played, *WithT) {
	t.Helper()
	c := theCluster(t)
	namespace := fmt.Sprintf("alone-%d", shops.Add(1))
	g := NewWithT(t)
	g.Expect(c.client.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}})).To(Succeed())
	m := newPlayed(c.client, namespace, time.Now())
	g.Expect(m.rest()).To(BeEmpty())
	return m, g
}

// crashes lets the process die after so many writes of what follows from something, and another one take over. It says whether it died.
func (m *played) crashes(writes int, happens func()) bool {
	m.lead.left = writes
	happens()
	_ = m.lead.passes(context.Background(), m.namespace)
	died := m.lead.dead
	m.lead = m.process()
	return died
}

func (m *played) entitled(state v1alpha1.EntitlementState) func() {
	return func() {
		m.edits(func(mpi *v1alpha1.MarketplaceInstance) {
			mpi.Spec.Subscription.Entitlement = v1alpha1.Entitlement{State: state, Time: metav1.Now()}
			if state != v1alpha1.EntitlementActive {
				mpi.Spec.Subscription.Entitlement.Reason = v1alpha1.EntitlementByMarketplace
			}
		})
	}
}

func TestACrashAfterAnyWriteOfASuspensionAndItsEnd(t *testing.T) {
	t.Parallel()
	m, g := playsAlone(t)
	numbers := func() string {
		web, api := m.deployment("web"), m.deployment("api")
		return fmt.Sprintf("%d %d %q %q", *web.Spec.Replicas, *api.Spec.Replicas, web.Annotations[v1alpha1.ReplicasAnnotation],
			api.Annotations[v1alpha1.ReplicasAnnotation])
	}
	d := m.deployment("api")
	d.Spec.Replicas = ptr.To(int32(7))
	g.Expect(m.base.Update(t.Context(), d, client.FieldOwner("autoscaler"))).To(Succeed())
	for n, died := 0, true; died; n++ {
		g.Expect(n).To(BeNumerically("<", 20))
		died = m.crashes(n, m.entitled(v1alpha1.EntitlementFrozen))
		g.Expect(m.rest()).To(BeEmpty())
		g.Expect(numbers()).To(Equal(`0 0 "2" "7"`), "suspending, dead after %d writes", n)
		died = m.crashes(n, m.entitled(v1alpha1.EntitlementActive)) || died
		g.Expect(m.rest()).To(BeEmpty())
		g.Expect(numbers()).To(Equal(`2 7 "" ""`), "resuming, dead after %d writes", n)
	}
}

// migrates is a template with a hook before each upgrade.
func migrates(greeting string) salestest.ProductChange {
	return salestest.Inline(salestest.Web + strings.ReplaceAll(salestest.Settings, `"hello"`, fmt.Sprintf("%q", greeting)) + hook("migrate", "pre-upgrade", ""))
}

// completes ends the hook where it runs, and gives its UID.
func (m *played) completes(t *testing.T) string {
	t.Helper()
	job := &batchv1.Job{}
	if m.base.Get(t.Context(), client.ObjectKey{Namespace: m.tenant(), Name: "migrate"}, job) != nil {
		return ""
	}
	if len(job.Status.Conditions) == 0 {
		now := metav1.Now()
		job.Status.StartTime, job.Status.CompletionTime, job.Status.Succeeded = &now, &now, 1
		job.Status.UncountedTerminatedPods = &batchv1.UncountedTerminatedPods{}
		for _, kind := range []batchv1.JobConditionType{batchv1.JobSuccessCriteriaMet, batchv1.JobComplete} {
			job.Status.Conditions = append(job.Status.Conditions, batchv1.JobCondition{Type: kind, Status: corev1.ConditionTrue, LastTransitionTime: now})
		}
		if err := m.base.Status().Update(t.Context(), job); err != nil {
			t.Fatal(err)
		}
	}
	return string(job.UID)
}

func (m *played) greeting(t *testing.T) string {
	t.Helper()
	c := &corev1.ConfigMap{}
	if err := m.base.Get(t.Context(), client.ObjectKey{Namespace: m.tenant(), Name: "settings"}, c); err != nil {
		t.Fatal(err)
	}
	return c.Data["greeting"]
}

// The hook runs once for each move, wherever the process dies.
func TestACrashAfterAnyWriteOfAMove(t *testing.T) {
	t.Parallel()
	m, g := playsAlone(t)
	m.produces(migrates("0"))
	ran := map[string]bool{}
	note := func() {
		if uid := m.completes(t); uid != "" {
			ran[uid] = true
		}
	}
	for range 3 {
		_ = m.rest()
		note()
	}
	for n, died := 0, true; died; n++ {
		g.Expect(n).To(BeNumerically("<", 25))
		before, greeting := len(ran), fmt.Sprint(n%2+1)
		died = m.crashes(n, func() { m.produces(migrates(greeting)) })
		for range 3 {
			note()
			g.Expect(m.rest()).To(BeEmpty())
		}
		note()
		g.Expect(m.greeting(t)).To(Equal(greeting), "dead after %d writes", n)
		g.Expect(len(ran)-before).To(Equal(1), "runs of the hook, dead after %d writes", n)
	}
}

// A new leader's first list of namespaces came from an API server that lags: it sees the tenant on the revision before, whose migration
// has run.
func TestAnOldNamespaceMovesNoTenantBack(t *testing.T) {
	t.Parallel()
	m, g := playsAlone(t)
	m.produces(migrates("one"))
	for range 3 {
		_ = m.rest()
		m.completes(t)
	}
	g.Expect(m.old.passes(t.Context(), m.namespace)).To(Succeed())
	m.old.cache.frozen, m.old.cache.of = true, "Namespace"
	m.produces(migrates("two"))
	for range 3 {
		_ = m.rest()
		m.completes(t)
	}
	g.Expect(m.greeting(t)).To(Equal("two"))
	for range 3 {
		_ = m.old.passes(t.Context(), m.namespace)
		g.Expect(m.greeting(t)).To(Equal("two"))
	}
	g.Expect(m.rest()).To(BeEmpty())
	g.Expect(m.greeting(t)).To(Equal("two"))
}

// The same of products: the new leader's first list shows the revision from before.
func TestAnOldProductMovesNoTenantBack(t *testing.T) {
	t.Parallel()
	m, g := playsAlone(t)
	g.Expect(m.old.passes(t.Context(), m.namespace)).To(Succeed())
	m.old.cache.frozen, m.old.cache.of = true, "MarketplaceProduct"
	m.produces(salestest.Inline(shopTemplates["second"]))
	g.Expect(m.rest()).To(BeEmpty())
	g.Expect(m.greeting(t)).To(Equal("two"))
	request := ctrl.Request{NamespacedName: client.ObjectKey{Namespace: m.namespace, Name: "acme"}}
	for range 3 {
		_, err := m.old.instance.Reconcile(t.Context(), request)
		g.Expect(err).To(HaveOccurred(), "it is tried again")
		g.Expect(m.greeting(t)).To(Equal("two"))
	}
	m.old.cache.frozen = false
	_, err := m.old.instance.Reconcile(t.Context(), request)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(m.greeting(t)).To(Equal("two"))
}
