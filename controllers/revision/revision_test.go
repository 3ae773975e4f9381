package revision

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/render"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
)

func TestRevisionNameFollowsWhatATenantGets(t *testing.T) {
	nameOf := func(t *testing.T, p *v1alpha1.MarketplaceProduct, chart []byte) string {
		t.Helper()
		name, err := ContentOf(p, Material{Chart: chart}).Name(p)
		if err != nil {
			t.Fatal(err)
		}
		return name
	}
	base := []salestest.ProductChange{
		salestest.Values(`{"a":1,"b":{"c":"{{ .quantity }}"}}`),
		func(p *v1alpha1.MarketplaceProduct) {
			p.Spec.Plans[0].Quota = v1alpha1.ResourceList{"pods": resource.MustParse("5")}
		},
	}
	tests := map[string]struct {
		change salestest.ProductChange
		chart  []byte
		same   bool
	}{
		"nothing": {func(*v1alpha1.MarketplaceProduct) {}, nil, true},
		"the product's lifecycle": {func(p *v1alpha1.MarketplaceProduct) {
			p.Spec.Lifecycle.GracePeriodSeconds = ptr.To(int64(5))
		}, nil, true},
		"a plan's lifecycle": {func(p *v1alpha1.MarketplaceProduct) {
			p.Spec.Plans[0].Lifecycle.AfterRetention = v1alpha1.AfterRetentionDelete
		}, nil, true},
		"the listings": {func(p *v1alpha1.MarketplaceProduct) { p.Spec.Plans[0].Listings = nil }, nil, true},
		"the rollout":  {func(p *v1alpha1.MarketplaceProduct) { p.Spec.Rollout.State = v1alpha1.RolloutPaused }, nil, true},
		"labels and generation": {func(p *v1alpha1.MarketplaceProduct) {
			p.Generation, p.Labels = 9, map[string]string{"a": "b"}
		}, nil, true},
		"a plan's values": {salestest.Values(`{"a":2}`), nil, false},
		"a plan's quota": {func(p *v1alpha1.MarketplaceProduct) {
			p.Spec.Plans[0].Quota = v1alpha1.ResourceList{"pods": resource.MustParse("6")}
		}, nil, false},
		"another plan": {func(p *v1alpha1.MarketplaceProduct) {
			p.Spec.Plans = append(p.Spec.Plans, v1alpha1.Plan{Name: "huge"})
		}, nil, false},
		"the template":  {salestest.Inline("a: b"), nil, false},
		"the chart":     {func(*v1alpha1.MarketplaceProduct) {}, []byte("chart"), false},
		"access":        {salestest.Access(v1alpha1.ProductAccess{Memo: "hello"}), nil, false},
		"the isolation": {func(p *v1alpha1.MarketplaceProduct) { p.Spec.Isolation.Egress = v1alpha1.EgressNone }, nil, false},
		"a product of the same name that was made anew": {func(p *v1alpha1.MarketplaceProduct) { p.UID = "another" }, nil, false},
	}
	want := nameOf(t, salestest.Product(base...), nil)
	if !strings.HasPrefix(want, "shop-") || len(want) != len("shop-")+10 {
		t.Errorf("the revision is named %q, want the product's name and ten characters", want)
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got := nameOf(t, salestest.Product(append(base, tc.change)...), tc.chart)
			if (got == want) != tc.same {
				t.Errorf("revision %s became %s; want the same name: %t", want, got, tc.same)
			}
		})
	}
}

func TestARevisionIsSelfContained(t *testing.T) {
	p := salestest.Product(salestest.Values(`{"greeting":"hi"}`), salestest.Access(v1alpha1.ProductAccess{FrontEndURL: "https://{{ .instance.name }}.example.com"}))
	data := dataOf(p, nil)
	objects, err := Objects(p, "shop-1", data)
	if err != nil || len(objects) != 1 {
		t.Fatal(len(objects), err)
	}
	object := objects[0]
	read, _, err := decode(object.Data.Raw)
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(data.Plans, func(a, b v1alpha1.Plan) int { return strings.Compare(a.Name, b.Name) })
	if diff := cmp.Diff(data, read); diff != "" {
		t.Errorf("what is read is not what was written (-want +got):\n%s", diff)
	}
	rev, err := Parse(context.Background(), render.InProcess{}, "shop-1", read)
	if err != nil {
		t.Fatal(err)
	}
	tenant, err := Render(context.Background(), rev, SampleInputs(p, rev, p.Spec.Plans[0], false))
	if err != nil {
		t.Fatal(err)
	}
	if len(tenant.Objects) != 2 || tenant.Access.FrontEndURL != "https://sample.example.com" {
		t.Errorf("rendered %d objects and %q", len(tenant.Objects), tenant.Access.FrontEndURL)
	}
	if object.OwnerReferences[0].UID != p.UID || object.Labels[v1alpha1.ProductLabel] != "shop" ||
		!strings.Contains(strings.Join(object.Finalizers, " "), v1alpha1.RevisionFinalizer) {
		t.Errorf("metadata %v", object.ObjectMeta)
	}
}

func TestRevisionsAreReadOnce(t *testing.T) {
	objects, err := Objects(salestest.Product(), "shop-1", dataOf(salestest.Product(), nil))
	if err != nil {
		t.Fatal(err)
	}
	object := objects[0]
	broken := object.DeepCopy()
	broken.Name, broken.Data.Raw = "broken", []byte(`{"encoding":1,"content":{"plans":"none"}}`)
	empty := object.DeepCopy()
	empty.Name, empty.Data.Raw = "empty", []byte(`{}`)
	reads := 0
	live := interceptor.NewClient(fake.NewClientBuilder().WithScheme(salestest.NewTestScheme(t)).WithObjects(object, broken, empty).Build(),
		interceptor.Funcs{Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
			reads++
			return c.Get(ctx, key, o, opts...)
		}})
	revisions := NewCache(live, render.InProcess{})
	get := func(name string) (*Revision, error) {
		return revisions.Get(t.Context(), types.NamespacedName{Namespace: "sales", Name: name})
	}
	for range 3 {
		if rev, err := get("shop-1"); err != nil || rev.Name != "shop-1" || reads != 1 {
			t.Errorf("revision %v, error %v, after %d reads", rev, err, reads)
		}
	}
	if _, err := get("gone"); !apierrors.IsNotFound(err) {
		t.Errorf("the error of a revision that is gone is %v", err)
	}
	for _, name := range []string{"broken", "empty"} {
		if _, err := get(name); err == nil || apierrors.IsNotFound(err) || !strings.Contains(err.Error(), name) {
			t.Errorf("the error of revision %s is %v", name, err)
		}
	}
}

func TestTheChartDigestIsThatOfTheArchive(t *testing.T) {
	// printf chart | sha256sum
	chart := ContentOf(salestest.Product(salestest.Inline("")), Material{Chart: []byte("chart")})
	if want := "sha256:cc57fc1903e444cf6a726490b43b27ee9f87facc037f86872201847c565b45fb"; chart.ChartDigest() != want {
		t.Errorf("digest of the chart is %q, want %q", chart.ChartDigest(), want)
	}
	if inlined := ContentOf(salestest.Product(), Material{}); inlined.ChartDigest() != "" {
		t.Errorf("the digest of an inline template is %q", inlined.ChartDigest())
	}
}
