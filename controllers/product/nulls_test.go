package product

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/render"
	"github.com/stallkeeper/stallkeeper/controllers/revision"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
)

// A null takes away what the chart itself sets, in whichever of the documented ways it comes to the API server.
func TestANullReachesTheChart(t *testing.T) {
	const (
		defaults = "gone: 1\ndeep: {gone: {a: b}, stays: 2}\nlist: [1, 2]\n"
		nulls    = `{"gone": null, "deep": {"gone": null}, "list": [{"a": null, "b": {"c": null}}, null]}`
		without  = `{"deep": {"stays": 2}, "list": [{"a": null, "b": {"c": null}}, null]}`
		all      = `{"gone": 1, "deep": {"gone": {"a": "b"}, "stays": 2}, "list": [1, 2]}`
	)
	const text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {all: {{ toJson .Values | quote }}}\n"
	archive := salestest.ChartArchive(t, "app", "1.0.0", text, defaults)
	server := realServer(t)
	for _, object := range []*corev1.ConfigMap{
		{ObjectMeta: metav1.ObjectMeta{Namespace: "sales", Name: "nulls-chart"}, BinaryData: map[string][]byte{"chart.tgz": archive}},
		{ObjectMeta: metav1.ObjectMeta{Namespace: "sales", Name: "nulls-values"}, Data: map[string]string{"values.yaml": "gone: null\ndeep: {gone: }\nlist: [{a: null, b: {c: null}}, null]\n"}},
	} {
		if err := server.client.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	fromChart := func(p *v1alpha1.MarketplaceProduct) {
		p.Spec.Plans = p.Spec.Plans[:1]
		p.Spec.Template = v1alpha1.ProductTemplate{Chart: v1alpha1.Chart{ConfigMapRef: v1alpha1.ConfigMapKeyReference{Name: "nulls-chart", Key: "chart.tgz"}}}
	}
	patch := func(s *stall, kind types.PatchType, options ...client.PatchOption) {
		s.t.Helper()
		body := &unstructured.Unstructured{}
		body.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("MarketplaceProduct"))
		body.SetNamespace(s.product.Namespace)
		body.SetName(s.product.Name)
		s.product.Spec.Plans[0].Values = salestest.Raw(nulls)
		spec, err := json.Marshal(map[string]any{"apiVersion": body.GetAPIVersion(), "kind": body.GetKind(), "metadata": body.Object["metadata"], "spec": s.product.Spec})
		if err != nil {
			s.t.Fatal(err)
		}
		if err := s.client.Patch(s.t.Context(), body, client.RawPatch(kind, spec), options...); err != nil {
			s.t.Fatal(err)
		}
	}
	for name, tc := range map[string]struct {
		changes []salestest.ProductChange
		then    func(*stall)
		want    string
	}{
		"created": {[]salestest.ProductChange{salestest.Values(nulls)}, func(*stall) {}, without},
		"replaced": {nil, func(s *stall) {
			s.product.Spec.Plans[0].Values = salestest.Raw(nulls)
			if err := s.client.Update(s.t.Context(), s.product); err != nil {
				s.t.Fatal(err)
			}
		}, without},
		"applied by the server": {nil, func(s *stall) {
			patch(s, types.ApplyPatchType, client.FieldOwner("seller"), client.ForceOwnership)
		}, without},
		"in a ConfigMap of valuesFrom": {[]salestest.ProductChange{func(p *v1alpha1.MarketplaceProduct) {
			p.Spec.ValuesFrom = []v1alpha1.ValuesSource{{ConfigMapRef: v1alpha1.ConfigMapKeyReference{Name: "nulls-values", Key: "values.yaml"}}}
		}}, func(*stall) {}, without},
		"of the product": {[]salestest.ProductChange{func(p *v1alpha1.MarketplaceProduct) { p.Spec.Values = salestest.Raw(nulls) }}, func(*stall) {}, without},
		"none":           {nil, func(*stall) {}, all},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStall(t, append([]salestest.ProductChange{fromChart}, tc.changes...)...)
			tc.then(s)
			ready := s.pass()
			data, err := revision.Read(t.Context(), s.client, types.NamespacedName{Namespace: "sales", Name: s.product.Status.LatestRevision})
			if err != nil {
				t.Fatalf("%v: %s", err, ready)
			}
			rev, err := revision.Parse(t.Context(), render.InProcess{}, s.product.Status.LatestRevision, data)
			if err != nil {
				t.Fatal(err)
			}
			rendered, err := revision.Render(t.Context(), rev, revision.SampleInputs(s.product, rev, data.Plans[0], false))
			if err != nil {
				t.Fatal(err)
			}
			got, _, _ := unstructured.NestedString(rendered.Objects[0].Object.Object, "data", "all")
			var is, want any
			if err := json.Unmarshal([]byte(got), &is); err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal([]byte(tc.want), &want); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, is); diff != "" {
				t.Errorf("what the chart sees (-want +got):\n%s", diff)
			}
		})
	}
}
