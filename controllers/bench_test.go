package controllers

import (
	"fmt"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/apply"
	"github.com/stallkeeper/stallkeeper/controllers/instance"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
)

// bench is a ready tenant and a reconciler that nothing but the benchmark calls.
type bench struct {
	*shop
	reconciler *instance.Reconciler
	key        ctrl.Request
	rounds     int
}

func newBench(b *testing.B, name string) *bench {
	b.Helper()
	x := newShop(b, name)
	x.operate()
	x.sells(withAccess)
	x.buys("acme")
	x.says("acme", v1alpha1.ConditionReady, "True InstanceReady")
	mpi := x.says("acme", v1alpha1.ConditionEntitled, "True NoSale")
	x.running.stop()

	// Without the instance's reconciler, but with all that it watches in the cache.
	o := x.operate("order", "product")
	for _, kind := range append(salestest.TenantKinds(), apply.NamespaceKind) {
		object := &unstructured.Unstructured{}
		object.SetGroupVersionKind(kind)
		_, err := o.cache.GetInformer(b.Context(), object)
		x.Expect(err).NotTo(HaveOccurred())
	}
	x.Expect(o.cache.WaitForCacheSync(b.Context())).To(BeTrue())
	reconciler := x.instanceReconciler(o)
	return &bench{shop: x, reconciler: reconciler, key: ctrl.Request{NamespacedName: client.ObjectKeyFromObject(mpi)}}
}

func (b *bench) pass() {
	b.t.Helper()
	if _, err := b.reconciler.Reconcile(b.t.Context(), b.key); err != nil {
		b.t.Fatal(err)
	}
}

// changeInputs makes the next pass a full one: it renders, applies and reports.
func (b *bench) changeInputs() {
	b.rounds++
	b.reconciler.Permissions = salestest.Permissions()
	b.reconciler.Permissions.Kinds.Insert(schema.GroupKind{Group: fmt.Sprint(b.rounds), Kind: "Unused"})
}

// BenchmarkQuietPass is a pass over a tenant where nothing has changed: the price of each of thousands after a start.
func BenchmarkQuietPass(b *testing.B) {
	x := newBench(b, "bench-quiet")
	x.pass()
	x.running.requests.reset()
	for b.Loop() {
		x.pass()
	}
	b.ReportMetric(float64(len(x.running.requests.all()))/float64(b.N), "requests/op")
}

// BenchmarkFullPass is a pass that renders, applies and reports, although all stands as it should: the least that a pass
// without digests would cost.
func BenchmarkFullPass(b *testing.B) {
	x := newBench(b, "bench-full")
	x.running.requests.reset()
	for b.Loop() {
		x.changeInputs()
		x.pass()
	}
	b.ReportMetric(float64(len(x.running.requests.all()))/float64(b.N), "requests/op")
}

// BenchmarkPassRatio tells how many quiet passes one full pass is worth, measured side by side, so that it says something
// on any machine.
func BenchmarkPassRatio(b *testing.B) {
	x := newBench(b, "bench-ratio")
	const quietPasses = 20
	var quiet, full time.Duration
	for b.Loop() {
		x.changeInputs()
		start := time.Now()
		x.pass()
		full += time.Since(start)
		// A quiet pass sees what was reported.
		stored := x.instance("acme").ResourceVersion
		x.eventually(func() string {
			mpi := &v1alpha1.MarketplaceInstance{}
			x.Expect(x.reconciler.Get(b.Context(), x.key.NamespacedName, mpi)).To(Succeed())
			return mpi.ResourceVersion
		}).Should(Equal(stored))
		start = time.Now()
		for range quietPasses {
			x.pass()
		}
		quiet += time.Since(start) / quietPasses
	}
	b.ReportMetric(float64(full)/float64(quiet), "quiet/full")
	b.ReportMetric(float64(b.N)/quiet.Seconds(), "quiet/s")
	b.ReportMetric(float64(b.N)/full.Seconds(), "full/s")
	b.ReportMetric(0, "ns/op")
}
