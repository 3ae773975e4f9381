package product

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/queue"
	"github.com/stallkeeper/stallkeeper/controllers/render"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
	"github.com/stallkeeper/stallkeeper/controllers/template"
)

// world is a sales namespace with a product's reconciler.
type world struct {
	t       *testing.T
	client  client.Client
	clock   *clocktesting.FakePassiveClock
	r       *Reconciler
	creates int
	// said is how often a status was written.
	said int
}

func newWorld(t *testing.T, objects ...client.Object) *world {
	t.Helper()
	w := &world{t: t, clock: clocktesting.NewFakePassiveClock(salestest.Day(0))}
	plain := fake.NewClientBuilder().WithScheme(salestest.NewTestScheme(t)).WithObjects(objects...).
		WithStatusSubresource(&v1alpha1.MarketplaceProduct{}, &v1alpha1.MarketplaceRevision{}).Build()
	w.client = interceptor.NewClient(plain, interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			w.creates++
			return c.Create(ctx, o, opts...)
		},
		SubResourcePatch: func(ctx context.Context, c client.Client, sub string, o client.Object, p client.Patch, opts ...client.SubResourcePatchOption) error {
			w.said++
			return c.SubResource(sub).Patch(ctx, o, p, opts...)
		},
	})
	w.restart()
	return w
}

// restart forgets what the reconciler remembers.
func (w *world) restart() {
	w.r = &Reconciler{
		Client: w.client, APIReader: w.client, Clock: w.clock, Permissions: salestest.Permissions(),
		Capabilities: func() (template.Capabilities, error) {
			return template.Capabilities{KubeVersion: "v1.37.2", APIVersions: []string{"v1", "apps/v1"}}, nil
		},
	}
}

// pass lets a minute go by and reconciles.
func (w *world) pass() *v1alpha1.MarketplaceProduct {
	w.t.Helper()
	w.clock.SetTime(w.clock.Now().Add(queue.ChartRecheck))
	key := client.ObjectKey{Namespace: "sales", Name: "shop"}
	if _, err := w.r.Reconcile(w.t.Context(), ctrl.Request{NamespacedName: key}); err != nil {
		w.t.Fatal(err)
	}
	p := &v1alpha1.MarketplaceProduct{}
	if err := client.IgnoreNotFound(w.client.Get(w.t.Context(), key, p)); err != nil {
		w.t.Fatal(err)
	}
	return p
}

// change writes the product as a person does.
func (w *world) change(change salestest.ProductChange) {
	w.t.Helper()
	p := &v1alpha1.MarketplaceProduct{}
	if err := w.client.Get(w.t.Context(), client.ObjectKey{Namespace: "sales", Name: "shop"}, p); err != nil {
		w.t.Fatal(err)
	}
	change(p)
	p.Generation++
	if err := w.client.Update(w.t.Context(), p); err != nil {
		w.t.Fatal(err)
	}
}

// shown are the MarketplaceRevisions: state and tenants by name.
func (w *world) shown() map[string]string {
	w.t.Helper()
	list := &v1alpha1.MarketplaceRevisionList{}
	if err := w.client.List(w.t.Context(), list); err != nil {
		w.t.Fatal(err)
	}
	shown := map[string]string{}
	for _, mkr := range list.Items {
		ready := meta.FindStatusCondition(mkr.Status.Conditions, v1alpha1.ConditionReady)
		text := string(mkr.Status.State) + " " + strings.Repeat("t", int(ptr.Deref(mkr.Status.Tenants, 0)))
		if ready == nil {
			w.t.Fatalf("revision %s has no Ready", mkr.Name)
		}
		shown[mkr.Name] = text + " " + ready.Reason
	}
	return shown
}

func reasonOf(p *v1alpha1.MarketplaceProduct, kind string) string {
	if c := meta.FindStatusCondition(p.Status.Conditions, kind); c != nil {
		return string(c.Status) + " " + c.Reason
	}
	return ""
}

func koogallery() *v1alpha1.Marketplace {
	return &v1alpha1.Marketplace{ObjectMeta: metav1.ObjectMeta{Namespace: "sales", Name: "koogallery"}}
}

func TestAProductSaysWhatItIs(t *testing.T) {
	w := newWorld(t, salestest.Product(), koogallery())
	p := w.pass()
	if got := reasonOf(p, v1alpha1.ConditionReady); got != "True ProductReady" {
		t.Errorf("Ready is %s", got)
	}
	if *p.Status.ObservedGeneration != 1 || *p.Status.LatestRevisionGeneration != 1 || reasonOf(p, v1alpha1.ConditionStalled) != "" {
		t.Errorf("status %+v", p.Status)
	}
	first := p.Status.LatestRevision

	w.change(salestest.Inline("{{ fail \"broken\" }}"))
	p = w.pass()
	if *p.Status.ObservedGeneration != 2 || *p.Status.LatestRevisionGeneration != 1 || p.Status.LatestRevision != first {
		t.Errorf("after a bad change the status is %+v", p.Status)
	}
	for _, kind := range []string{v1alpha1.ConditionStalled, v1alpha1.ConditionReady} {
		if got := reasonOf(p, kind); !strings.HasSuffix(got, "RenderFailed") {
			t.Errorf("%s is %s", kind, got)
		}
	}
	w.change(salestest.Inline(salestest.Web))
	p = w.pass()
	if *p.Status.LatestRevisionGeneration != 3 || p.Status.LatestRevision == first || reasonOf(p, v1alpha1.ConditionStalled) != "" {
		t.Errorf("after a good change the status is %+v", p.Status)
	}
	want := map[string]string{first: "Unused  RevisionReady", p.Status.LatestRevision: "Latest  RevisionReady"}
	if diff := cmp.Diff(want, w.shown()); diff != "" {
		t.Errorf("revisions (-want +got):\n%s", diff)
	}
}

func TestARevisionThatStandsIsNotPosted(t *testing.T) {
	w := newWorld(t, salestest.Product(), koogallery())
	w.pass()
	after := w.creates
	for range 3 {
		w.pass()
		w.restart()
	}
	if w.creates != after || after != 2 {
		t.Errorf("%d objects were posted at first, and %d later", after, w.creates-after)
	}
}

func TestAnErasedStatusKeepsTheLastGoodRevision(t *testing.T) {
	w := newWorld(t, salestest.Product(), koogallery())
	first := w.pass().Status.LatestRevision
	w.change(salestest.Inline(salestest.Web))
	second := w.pass().Status.LatestRevision
	w.change(salestest.Inline(salestest.Web + salestest.Settings))
	if back := w.pass().Status.LatestRevision; back != first || first == second {
		t.Fatalf("the product went from %s over %s to %s", first, second, back)
	}
	w.change(salestest.Inline("{{ fail \"broken\" }}"))
	p := w.pass()
	p.Status = v1alpha1.MarketplaceProductStatus{}
	if err := w.client.Status().Update(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	w.restart()
	p = w.pass()
	if p.Status.LatestRevision != first || *p.Status.LatestRevisionGeneration != 3 || *p.Status.ObservedGeneration != 4 {
		t.Errorf("the restored status is %+v, want revision %s", p.Status, first)
	}
}

func TestRevisionsShowTheirTenants(t *testing.T) {
	w := newWorld(t, salestest.Product(), koogallery())
	first := w.pass().Status.LatestRevision
	for _, name := range []string{"a", "b"} {
		mpi := salestest.Sale(func(mpi *v1alpha1.MarketplaceInstance) { mpi.Name, mpi.UID, mpi.Status.Revision = name, "", first })
		if err := w.client.Create(t.Context(), mpi); err != nil {
			t.Fatal(err)
		}
	}
	w.change(salestest.Inline(salestest.Web))
	second := w.pass().Status.LatestRevision
	want := map[string]string{first: "InUse tt RevisionReady", second: "Latest  RevisionReady"}
	if diff := cmp.Diff(want, w.shown()); diff != "" {
		t.Errorf("revisions (-want +got):\n%s", diff)
	}
	content := &appsv1.ControllerRevision{}
	if err := w.client.Get(t.Context(), client.ObjectKey{Namespace: "sales", Name: first}, content); err != nil {
		t.Fatal(err)
	}
	content.Finalizers = nil
	if err := w.client.Update(t.Context(), content); err != nil {
		t.Fatal(err)
	}
	if err := w.client.Delete(t.Context(), content); err != nil {
		t.Fatal(err)
	}
	w.pass()
	want[first] = "InUse tt RevisionContentLost"
	if diff := cmp.Diff(want, w.shown()); diff != "" {
		t.Errorf("after the bytes were lost (-want +got):\n%s", diff)
	}
}

// The tenants that moved since the last count cost one write of the product and one of each revision, however many they are.
func TestAFleetThatMovesIsCountedOnce(t *testing.T) {
	w := newWorld(t, salestest.Product(), koogallery())
	first := w.pass().Status.LatestRevision
	var tenants []*v1alpha1.MarketplaceInstance
	for i := range 40 {
		mpi := salestest.Sale(func(mpi *v1alpha1.MarketplaceInstance) {
			mpi.Name, mpi.UID, mpi.Status.Revision = fmt.Sprint("t", i), "", first
		})
		if err := w.client.Create(t.Context(), mpi); err != nil {
			t.Fatal(err)
		}
		tenants = append(tenants, mpi)
	}
	w.change(salestest.Inline(salestest.Web))
	second := w.pass().Status.LatestRevision
	for _, mpi := range tenants {
		mpi.Status.Revision = second
		if err := w.client.Update(t.Context(), mpi); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []int{3, 0} {
		if w.said = 0; *w.pass().Status.Rollout.Updated != 40 || w.said != want {
			t.Errorf("the status of products and revisions was written %d times, want %d", w.said, want)
		}
	}
}

func TestAShownRevisionIsMadeAgainAndGoesWithItsBytes(t *testing.T) {
	w := newWorld(t, salestest.Product(), koogallery())
	first := w.pass().Status.LatestRevision
	if err := w.client.Delete(t.Context(), &v1alpha1.MarketplaceRevision{ObjectMeta: metav1.ObjectMeta{Namespace: "sales", Name: first}}); err != nil {
		t.Fatal(err)
	}
	w.pass()
	if diff := cmp.Diff(map[string]string{first: "Latest  RevisionReady"}, w.shown()); diff != "" {
		t.Errorf("revisions (-want +got):\n%s", diff)
	}
	if err := w.client.Delete(t.Context(), salestest.Product()); err != nil {
		t.Fatal(err)
	}
	w.clock.SetTime(w.clock.Now().Add(1000 * time.Hour))
	w.pass()
	if diff := cmp.Diff(map[string]string{}, w.shown()); diff != "" {
		t.Errorf("after the product is gone (-want +got):\n%s", diff)
	}
}

func TestListingsLeadToOnePlan(t *testing.T) {
	listed := func(plan int, listings ...v1alpha1.Listing) salestest.ProductChange {
		return func(p *v1alpha1.MarketplaceProduct) { p.Spec.Plans[plan].Listings = listings }
	}
	skus := func(marketplace string, skus ...string) v1alpha1.Listing {
		return v1alpha1.Listing{Marketplace: marketplace, SKUs: skus}
	}
	ids := func(ids ...string) v1alpha1.Listing {
		return v1alpha1.Listing{Marketplace: "koogallery", ProductIDs: ids}
	}
	other := func(listings ...v1alpha1.Listing) *v1alpha1.MarketplaceProduct {
		return salestest.Product(listed(0, listings...), func(p *v1alpha1.MarketplaceProduct) { p.Name, p.UID = "other", "uid-other" })
	}
	for name, tc := range map[string]struct {
		product    *v1alpha1.MarketplaceProduct
		other      *v1alpha1.MarketplaceProduct
		want, says string
	}{
		"none":                    {salestest.Product(listed(0)), nil, "", ""},
		"one":                     {salestest.Product(), nil, "True ListingsResolved", ""},
		"a SKU under two plans":   {salestest.Product(listed(1, skus("koogallery", "shop-small"))), nil, "False ListingAmbiguous", `SKU "shop-small" means the plans shop/small and shop/large`},
		"a SKU of two products":   {salestest.Product(), other(skus("koogallery", "shop-small")), "False ListingAmbiguous", "other/small"},
		"an id under two plans":   {salestest.Product(listed(0, ids("p1")), listed(1, ids("p1", "p2"))), nil, "False ListingAmbiguous", `the product id "p1"`},
		"an id and one SKU":       {salestest.Product(listed(0, ids("p1")), listed(1, skus("koogallery", "s1"))), nil, "True ListingsResolved", ""},
		"two marketplaces":        {salestest.Product(listed(1, skus("elsewhere", "shop-small"))), nil, "False ListingMarketplaceNotFound", `"elsewhere"`},
		"a SKU of two ids":        {salestest.Product(listed(0, v1alpha1.Listing{Marketplace: "koogallery", ProductIDs: []string{"p1"}, SKUs: []string{"s"}}), listed(1, v1alpha1.Listing{Marketplace: "koogallery", ProductIDs: []string{"p2"}, SKUs: []string{"s"}})), nil, "True ListingsResolved", ""},
		"a SKU of any id and one": {salestest.Product(listed(0, skus("koogallery", "s")), listed(1, v1alpha1.Listing{Marketplace: "koogallery", ProductIDs: []string{"p2"}, SKUs: []string{"s"}})), nil, "False ListingAmbiguous", `SKU "s" of the product id "p2"`},
	} {
		t.Run(name, func(t *testing.T) {
			objects := []client.Object{tc.product, koogallery()}
			if tc.other != nil {
				objects = append(objects, tc.other)
			}
			w := newWorld(t, objects...)
			p := w.pass()
			c := meta.FindStatusCondition(p.Status.Conditions, v1alpha1.ConditionListingsResolved)
			if got := reasonOf(p, v1alpha1.ConditionListingsResolved); got != tc.want || tc.says != "" && !strings.Contains(c.Message, tc.says) {
				t.Errorf("ListingsResolved is %s (%v), want %s: %s", got, c, tc.want, tc.says)
			}
		})
	}
}

func TestATemplateOfAConfigMapAndItsValues(t *testing.T) {
	p := salestest.Product(func(p *v1alpha1.MarketplaceProduct) {
		p.Spec.Template = v1alpha1.ProductTemplate{ConfigMapRef: v1alpha1.ConfigMapReference{Name: "files"}}
		p.Spec.ValuesFrom = []v1alpha1.ValuesSource{{SecretRef: v1alpha1.SecretKeyReference{Name: "s", Key: "values.yaml"}}}
	})
	w := newWorld(t, p, koogallery())
	if got := reasonOf(w.pass(), v1alpha1.ConditionReady); got != "False TemplateNotFound" {
		t.Errorf("without the ConfigMap Ready is %s", got)
	}
	create := func(o client.Object) {
		t.Helper()
		if err := w.client.Create(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	create(&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "sales", Name: "files"}, Data: map[string]string{"a.yaml": salestest.Settings}})
	if got := reasonOf(w.pass(), v1alpha1.ConditionReady); got != "False ValuesNotFound" {
		t.Errorf("without the Secret Ready is %s", got)
	}
	create(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "sales", Name: "s"}, Data: map[string][]byte{"values.yaml": []byte("greeting: hi")}})
	if got := reasonOf(w.pass(), v1alpha1.ConditionReady); got != "True ProductReady" {
		t.Errorf("Ready is %s", got)
	}
}

// counted counts how often templates are loaded, which each check of a product begins with.
type counted struct {
	render.Renderer
	loads int
}

func (c *counted) Load(ctx context.Context, src template.Source) (render.Template, error) {
	c.loads++
	return c.Renderer.Load(ctx, src)
}

func TestWhatIsKnownIsNotRenderedAgain(t *testing.T) {
	files := func(text string) map[string]string { return map[string]string{"a.yaml": text} }
	for name, broken := range map[string]string{
		"a good template": salestest.Settings, "one that fails": "{{ fail \"broken\" }}", "one that is no template": "{{ if",
	} {
		t.Run(name, func(t *testing.T) {
			p := salestest.Product(func(p *v1alpha1.MarketplaceProduct) {
				p.Spec.Template = v1alpha1.ProductTemplate{ConfigMapRef: v1alpha1.ConfigMapReference{Name: "files"}}
			})
			source := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "sales", Name: "files"}, Data: files(broken)}
			w := newWorld(t, p, koogallery(), source)
			renderer := &counted{Renderer: render.InProcess{}}
			w.r.Renderer = renderer
			first := reasonOf(w.pass(), v1alpha1.ConditionReady)
			for range 5 {
				if again := reasonOf(w.pass(), v1alpha1.ConditionReady); again != first {
					t.Errorf("Ready is %s, and was %s", again, first)
				}
			}
			if renderer.loads != 1 {
				t.Errorf("the template was loaded %d times, want once", renderer.loads)
			}
			if first != "True ProductReady" && !strings.HasPrefix(first, "False ") {
				t.Errorf("Ready is %s", first)
			}
			source.Data = files(salestest.Settings + "# changed\n")
			if err := w.client.Update(t.Context(), source); err != nil {
				t.Fatal(err)
			}
			if got := reasonOf(w.pass(), v1alpha1.ConditionReady); got != "True ProductReady" || renderer.loads != 2 {
				t.Errorf("once the source has changed, Ready is %s, and it was loaded %d times", got, renderer.loads)
			}
		})
	}
}
