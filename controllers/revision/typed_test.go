package revision

import (
	"strings"
	"testing"

	"k8s.io/utils/ptr"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/render"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
)

// A chart is not the seller's to correct, and is sold though it prints what a buyer enters as it is. A buyer who makes use of it gets nothing.
func TestABuyerAddsNothingToAChart(t *testing.T) {
	const text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata:\n  list: {{ .Values.list | quote }}\n  title: {{ .Values.title }}\n"
	p := salestest.Product(salestest.Values(`{"title":"{{ .attributes.title }}","list":"{{ .attributes.list }}"}`))
	p.Spec.Template.Inline = ""
	p.Spec.Attributes = []v1alpha1.AttributeDeclaration{{Name: "list", Default: ptr.To(`["a", 'b']`)}}
	rev, err := Parse(t.Context(), render.InProcess{}, "shop-1", dataOf(p, salestest.ChartArchive(t, "shop", "1.0.0", text, "")))
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		title   string
		refused bool
	}{
		"a title":             {"A title", false},
		"with an apostrophe":  {"O'Neil & \"Sons\"", false},
		"a line more":         {"A title\n  admin: yes", true},
		"an object more":      {"A title\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: c4n4ry}", true},
		"the list once again": {"A title\n  list: \"c4n4ry\"", true},
	} {
		in := SampleInputs(p, rev, p.Spec.Plans[0], false)
		in.Attributes["title"] = tc.title
		_, err := Render(t.Context(), rev, in)
		if (err != nil) != tc.refused {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && (!strings.Contains(err.Error(), "templates/") || strings.Contains(err.Error(), "c4n4ry") || strings.Contains(err.Error(), "admin")) {
			t.Errorf("%s: %v", name, err)
		}
		if in.AsTyped = true; err != nil {
			if _, err := Render(t.Context(), rev, in); err != nil {
				t.Errorf("%s, for a check: %v", name, err)
			}
		}
	}
}
