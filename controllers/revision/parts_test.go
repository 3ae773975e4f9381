package revision

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
	"github.com/stallkeeper/stallkeeper/controllers/template"
)

// revisions are ControllerRevisions by name.
type revisions map[string]*appsv1.ControllerRevision

func (s revisions) Get(_ context.Context, key client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	found, ok := s[key.Name]
	if !ok {
		return apierrors.NewNotFound(schema.GroupResource{Group: "apps", Resource: "controllerrevisions"}, key.Name)
	}
	found.DeepCopyInto(into.(*appsv1.ControllerRevision))
	return nil
}

func (s revisions) List(context.Context, client.ObjectList, ...client.ListOption) error {
	return errors.New("nothing is listed")
}

// largest is a chart of the most bytes that a chart may have.
func largest() []byte {
	chart := make([]byte, template.MaxChartBytes)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range chart {
		chart[i] = byte(random.Uint32())
	}
	return chart
}

func storedRevision(t *testing.T, chart []byte) (Data, revisions) {
	t.Helper()
	p := salestest.Product(salestest.Inline(""))
	data := dataOf(p, chart)
	objects, err := Objects(p, "shop-1", data)
	if err != nil {
		t.Fatal(err)
	}
	all := revisions{}
	for _, object := range objects {
		if len(object.Data.Raw) > maxObjectBytes {
			t.Errorf("%s has %d bytes, and etcd takes 1.5 MiB in a request", object.Name, len(object.Data.Raw))
		}
		if object.Labels[v1alpha1.ProductLabel] != "shop" || object.OwnerReferences[0].UID != p.UID || len(object.Finalizers) != 1 {
			t.Errorf("metadata of %s: %v", object.Name, object.ObjectMeta)
		}
		if part := object.Labels[PartLabel]; (part == "shop-1") != (object.Name != "shop-1") {
			t.Errorf("%s is said to be a part of %q", object.Name, part)
		}
		all[object.Name] = object
	}
	return data, all
}

func TestALargeChartIsStoredInParts(t *testing.T) {
	for name, tc := range map[string]struct {
		bytes, objects int
	}{
		"a small one":           {bytes: 10, objects: 1},
		"the largest in one":    {bytes: 780_000, objects: 1},
		"one byte too large":    {bytes: 790_000, objects: 3},
		"two full parts":        {bytes: 2 * partBytes, objects: 3},
		"a byte more than two":  {bytes: 2*partBytes + 1, objects: 4},
		"as large as it may be": {bytes: template.MaxChartBytes, objects: 7},
	} {
		t.Run(name, func(t *testing.T) {
			want, all := storedRevision(t, largest()[:tc.bytes])
			if len(all) != tc.objects {
				t.Errorf("there are %d objects, want %d", len(all), tc.objects)
			}
			got, err := Read(t.Context(), all, types.NamespacedName{Name: "shop-1"})
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Chart, want.Chart) {
				t.Error("the chart is not the one that was stored")
			}
			got.Chart, want.Chart = nil, nil
			if diff := cmp.Diff(want.CutAt, got.CutAt); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestARevisionWithoutOneOfItsPartsIsIncomplete(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(revisions)
		want   string
	}{
		"gone":          {func(s revisions) { delete(s, "shop-1-part-2") }, `its part 2 of 6, ControllerRevision "shop-1-part-2", is gone: restore it from a backup`},
		"exchanged":     {func(s revisions) { s["shop-1-part-1"] = s["shop-1-part-2"] }, `"shop-1-part-1" is not its part 1`},
		"another shape": {func(s revisions) { s["shop-1-part-1"].Data.Raw = []byte(`{"part": "one"}`) }, `"shop-1-part-1" is not its part 1`},
		"other bytes": {func(s revisions) {
			s["shop-1-part-3"].Data.Raw, _ = json.Marshal(partV1{Encoding: encodingV1, Part: 3, Chart: []byte("x")})
		}, "what its 6 parts hold is not the chart that was stored"},
	} {
		t.Run(name, func(t *testing.T) {
			_, all := storedRevision(t, largest())
			tc.change(all)
			if _, err := Read(t.Context(), all, types.NamespacedName{Name: "shop-1"}); !errors.Is(err, ErrIncomplete) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("the error is %v", err)
			}
		})
	}
	if _, err := Read(t.Context(), revisions{}, types.NamespacedName{Name: "shop-1"}); !apierrors.IsNotFound(err) {
		t.Errorf("the error of no revision at all is %v", err)
	}
}

func TestTheSchemaOfAChartIsSkippedOnlyWhereTheProductSaysSo(t *testing.T) {
	name := func(policy v1alpha1.ValuesSchemaPolicy) string {
		p := salestest.Product(salestest.Inline(""), func(p *v1alpha1.MarketplaceProduct) { p.Spec.Template.Chart.ValuesSchema = policy })
		content := ContentOf(p, Material{Chart: []byte("chart")})
		name, err := content.Name(p)
		if err != nil || content.SkipSchema != (policy == v1alpha1.ValuesSchemaSkip) {
			t.Errorf("%q: %t, %v", policy, content.SkipSchema, err)
		}
		return name
	}
	if name("") != name(v1alpha1.ValuesSchemaValidate) || name("") == name(v1alpha1.ValuesSchemaSkip) {
		t.Errorf("revisions %s, %s and %s", name(""), name(v1alpha1.ValuesSchemaValidate), name(v1alpha1.ValuesSchemaSkip))
	}
}

func TestTheCRDsOfAChartAreSkippedOnlyWhereTheProductSaysSo(t *testing.T) {
	name := func(policy v1alpha1.CRDsPolicy) string {
		p := salestest.Product(salestest.Inline(""), func(p *v1alpha1.MarketplaceProduct) { p.Spec.Template.Chart.CRDs = policy })
		content := ContentOf(p, Material{Chart: []byte("chart")})
		name, err := content.Name(p)
		if err != nil || content.SkipCRDs != (policy == v1alpha1.CRDsSkip) {
			t.Errorf("%q: %t, %v", policy, content.SkipCRDs, err)
		}
		return name
	}
	if name("") != name(v1alpha1.CRDsRefuse) || name("") == name(v1alpha1.CRDsSkip) {
		t.Errorf("revisions %s, %s and %s", name(""), name(v1alpha1.CRDsRefuse), name(v1alpha1.CRDsSkip))
	}
}
