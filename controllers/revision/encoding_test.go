package revision

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/utils/ptr"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
)

// products are five products that between them use every field of the encoding.
func products() map[string]struct {
	product  *v1alpha1.MarketplaceProduct
	material Material
} {
	type of = struct {
		product  *v1alpha1.MarketplaceProduct
		material Material
	}
	chart := salestest.Inline("")
	return map[string]of{
		"inline": {product: salestest.Product()},
		"nothing runs": {product: salestest.Product(chart, func(p *v1alpha1.MarketplaceProduct) {
			p.Spec.Access.Memo = "See https://example.com"
		})},
		"a chart with values": {salestest.Product(chart, func(p *v1alpha1.MarketplaceProduct) {
			p.Spec.Values = salestest.Raw(`{"b": 1, "a": {"d": 9007199254740993, "c": 1.50}}`)
			p.Spec.Plans[0].Values = salestest.Raw(`{"greeting": null}`)
			p.Spec.Plans[1].Quota = v1alpha1.ResourceList{"pods": resource.MustParse("5"), "requests.cpu": resource.MustParse("1500m")}
		}), Material{Chart: []byte("chart")}},
		"assignments and attributes": {product: salestest.Product(func(p *v1alpha1.MarketplaceProduct) {
			p.Spec.Attributes = []v1alpha1.AttributeDeclaration{{Name: "size", Default: ptr.To("")}, {Name: "domain"}}
			p.Spec.Set = []v1alpha1.ValueAssignment{{Path: "z", From: v1alpha1.ValueFromQuantity}, {Path: "a", From: v1alpha1.ValueFromPlan}}
			p.Spec.Plans[0].Set = []v1alpha1.ValueAssignment{
				{Path: "size", From: v1alpha1.ValueFromAttribute, Attribute: "size", As: v1alpha1.ValueInteger},
			}
			p.Spec.Template.MissingValues = v1alpha1.MissingValuesWarn
		})},
		"files, sources and isolation": {salestest.Product(chart, func(p *v1alpha1.MarketplaceProduct) {
			p.Spec.Access = v1alpha1.ProductAccess{FrontEndURL: "https://a.example.com", AdminURL: "https://b.example.com", UserName: "admin"}
			p.Spec.Isolation = v1alpha1.Isolation{
				PodSecurityLevel: v1alpha1.PodSecurityBaseline, IngressFromNamespaces: []string{"traefik", "ingress"},
				Egress: v1alpha1.EgressAll, APIAccess: v1alpha1.APIAccessServiceAccountToken,
			}
		}), Material{
			Files: map[string]string{"b.yaml": "b: 1", "a.yaml": "a: 1"},
			Sources: []Source{
				{Values: []byte(`{"z": 1, "a": 2}`)}, {Secret: v1alpha1.SecretKeyReference{Name: "values", Key: "secret.yaml"}},
			},
		}},
	}
}

// A name that differs here moves every tenant at the upgrade of the operator: put the encoding right, and not the test.
func TestRevisionsKeepTheirNames(t *testing.T) {
	golden := map[string]string{
		"inline":                       "shop-a8cfdca013",
		"nothing runs":                 "shop-920c8622e6",
		"a chart with values":          "shop-a4a2bb6e17",
		"assignments and attributes":   "shop-2fb2d11bdd",
		"files, sources and isolation": "shop-0b1e056a55",
	}
	for name, tc := range products() {
		got, err := ContentOf(tc.product, tc.material).Name(tc.product)
		if err != nil || got != golden[name] {
			t.Errorf("the revision of %q is %s, want %s (%v)", name, got, golden[name], err)
		}
	}
}

func TestWhatMeansTheSameIsOneRevision(t *testing.T) {
	for name, tc := range products() {
		t.Run(name, func(t *testing.T) {
			want, err := ContentOf(tc.product, tc.material).Name(tc.product)
			if err != nil {
				t.Fatal(err)
			}
			other := tc.product.DeepCopy()
			slices.Reverse(other.Spec.Plans)
			slices.Reverse(other.Spec.Set)
			slices.Reverse(other.Spec.Attributes)
			slices.Reverse(other.Spec.Isolation.IngressFromNamespaces)
			for i, plan := range other.Spec.Plans {
				other.Spec.Plans[i].Rank = ptr.To(int32(i))
				for name, quantity := range plan.Quota {
					plan.Quota[name] = resource.MustParse(quantity.String())
				}
			}
			if other.Spec.Values != nil {
				other.Spec.Values = salestest.Raw(`{"a":{"c":1.50,"d":9007199254740993},"b":1}`)
			}
			if got, err := ContentOf(other, tc.material).Name(other); err != nil || got != want {
				t.Errorf("the revision is %s, %v, and sorted otherwise it is %s", want, err, got)
			}
		})
	}
}

func TestWhatIsEncodedIsDecoded(t *testing.T) {
	for name, tc := range products() {
		t.Run(name, func(t *testing.T) {
			data := Data{Content: ContentOf(tc.product, tc.material), CutAt: salestest.Day(0)}
			raw, err := data.Encode()
			if err != nil {
				t.Fatal(err)
			}
			read, _, err := decode(raw)
			if err != nil {
				t.Fatal(err)
			}
			again, err := read.Encode()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(raw), string(again)); diff != "" {
				t.Errorf("encoded again (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWhatIsNoRevisionIsUnreadable(t *testing.T) {
	for name, raw := range map[string]string{
		"nothing":              ``,
		"another encoding":     `{"encoding":2,"content":{"plans":[]}}`,
		"none":                 `{"content":{"plans":[]}}`,
		"another shape":        `{"encoding":1,"content":{"plans":{}}}`,
		"a quota that is none": `{"encoding":1,"content":{"plans":[{"name":"a","quota":{"pods":"many"}}]}}`,
	} {
		if _, _, err := decode([]byte(raw)); !errors.Is(err, ErrUnreadable) {
			t.Errorf("the error of %s is %v", name, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, tc := range products() {
		raw, err := Data{Content: ContentOf(tc.product, tc.material)}.Encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		data, _, err := decode(raw)
		if err != nil {
			return
		}
		if again, err := data.Encode(); err != nil || !json.Valid(again) {
			t.Errorf("what was decoded can't be encoded: %v", err)
		}
	})
}
