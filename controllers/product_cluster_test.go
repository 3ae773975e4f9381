package controllers

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/product"
	"github.com/stallkeeper/stallkeeper/controllers/queue"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
	"github.com/stallkeeper/stallkeeper/controllers/template"
)

// revisions are the names of the revisions that stand.
func (x *shop) revisions() []string {
	x.t.Helper()
	list := &appsv1.ControllerRevisionList{}
	x.Expect(x.client.List(x.t.Context(), list, client.InNamespace(x.name))).To(Succeed())
	var names []string
	for _, r := range list.Items {
		names = append(names, r.Name)
	}
	return names
}

func TestAProductIsCutIntoRevisions(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-revisions")
	x.operate()
	p := x.sells()
	first := p.Status.LatestRevision
	ready := func(want string) {
		t.Helper()
		x.eventually(func() string {
			x.Expect(x.client.Get(t.Context(), client.ObjectKeyFromObject(p), p)).To(Succeed())
			for _, c := range p.Status.Conditions {
				if c.Type == v1alpha1.ConditionReady && c.ObservedGeneration == p.Generation {
					return string(c.Status) + " " + c.Reason
				}
			}
			return ""
		}).Should(Equal(want))
	}
	ready("True ProductReady")
	x.Expect(x.revisions()).To(ConsistOf(first))

	change(x, p, func(p *v1alpha1.MarketplaceProduct) {
		p.Spec.Lifecycle.AfterRetention = v1alpha1.AfterRetentionDelete
		p.Spec.Plans[1].Listings = []v1alpha1.Listing{{Marketplace: "koogallery", SKUs: []string{"shop-large"}}}
	})
	ready("True ProductReady")
	x.Expect(p.Status.LatestRevision).To(Equal(first), "lifecycle and listings are no new revision")
	x.Expect(x.revisions()).To(ConsistOf(first))

	change(x, p, salestest.Inline("{{ fail \"broken\" }}"))
	ready("False RenderFailed")
	x.Expect(p.Status.LatestRevision).To(Equal(first), "the last good one stays in force")

	change(x, p, salestest.Inline(salestest.Web))
	ready("True ProductReady")
	x.Expect(p.Status.LatestRevision).NotTo(Equal(first))
	x.Expect(x.revisions()).To(ConsistOf(first, p.Status.LatestRevision))
}

func TestARevisionStaysAsLongAsATenantNeedsIt(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-collect")
	o := x.operate()
	p := x.sells()
	x.buys("acme")
	mpi := x.says("acme", v1alpha1.ConditionReady, "True InstanceReady")
	revision := p.Status.LatestRevision
	o.stop()
	x.Expect(x.client.Delete(t.Context(), p)).To(Succeed())

	clock := clocktesting.NewFakePassiveClock(time.Now())
	r := &product.Reconciler{Client: x.client, APIReader: x.client, Clock: clock, Permissions: salestest.Permissions()}
	collect := func() ctrl.Result {
		t.Helper()
		result, err := r.Reconcile(t.Context(), ctrl.Request{NamespacedName: client.ObjectKeyFromObject(p)})
		x.Expect(err).NotTo(HaveOccurred())
		return result
	}
	clock.SetTime(clock.Now().Add(24 * time.Hour))
	x.Expect(collect().RequeueAfter).To(Equal(queue.ChartRecheck))
	x.Expect(x.revisions()).To(ConsistOf(revision), "a tenant is pinned to it")

	t.Run("the tenant can still be suspended", func(*testing.T) {
		x.operate("instance", "order")
		change(x, mpi, func(mpi *v1alpha1.MarketplaceInstance) { mpi.Spec.DesiredState = v1alpha1.DesiredStateSuspended })
		x.says("acme", v1alpha1.ConditionSuspended, "True SuspensionRequested")
		x.Expect(x.client.Delete(t.Context(), mpi)).To(Succeed())
		x.namespaceGoes(mpi.Status.Namespace)
		x.gone("acme")
		x.running.stop()
	})
	x.Expect(collect()).To(Equal(ctrl.Result{}))
	x.Expect(x.revisions()).To(BeEmpty(), "nobody needs it any more")
}

// A product that is deleted soon after it was made leaves a revision that is too young to be collected at once.
func TestAYoungRevisionIsCollectedLater(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-young")
	p := here(x, salestest.Product())
	x.create(p)
	clock := clocktesting.NewFakePassiveClock(time.Now())
	r := &product.Reconciler{
		Client: x.client, APIReader: x.client, Clock: clock, Permissions: salestest.Permissions(),
		Capabilities: func() (template.Capabilities, error) { return capabilities, nil },
	}
	reconcile := func() ctrl.Result {
		t.Helper()
		result, err := r.Reconcile(t.Context(), ctrl.Request{NamespacedName: client.ObjectKeyFromObject(p)})
		x.Expect(err).NotTo(HaveOccurred())
		return result
	}
	reconcile()
	x.Expect(x.client.Delete(t.Context(), p)).To(Succeed())
	x.Expect(reconcile().RequeueAfter).To(Equal(queue.ChartRecheck), "it is looked at again")
	x.Expect(x.revisions()).To(HaveLen(1))
	clock.SetTime(clock.Now().Add(12 * time.Minute))
	x.Expect(reconcile()).To(Equal(ctrl.Result{}))
	x.Expect(x.revisions()).To(BeEmpty())
}

func TestAChartFromAConfigMapBecomesATenant(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-chart")
	x.operate()
	archive := salestest.ChartArchive(t, "app", "1.0.0", salestest.Web+salestest.Settings, "greeting: from the chart\n")
	x.create(&corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: x.name, Name: "charts"}, BinaryData: map[string][]byte{"app.tgz": archive},
	})
	x.sells(func(p *v1alpha1.MarketplaceProduct) {
		p.Spec.Template = v1alpha1.ProductTemplate{Chart: v1alpha1.Chart{
			ConfigMapRef: v1alpha1.ConfigMapKeyReference{Name: "charts", Key: "app.tgz"},
		}}
	})
	x.buys("acme")
	mpi := x.says("acme", v1alpha1.ConditionReady, "True InstanceReady")
	c := &corev1.ConfigMap{}
	x.Expect(x.client.Get(t.Context(), client.ObjectKey{Namespace: mpi.Status.Namespace, Name: "settings"}, c)).To(Succeed())
	x.Expect(c.Data).To(HaveKeyWithValue("greeting", "from the chart"))
}
