package revision

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stallkeeper/stallkeeper/controllers/render"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
)

func TestAChartsBindingToARoleThatItDoesNotMakeIsLeftOut(t *testing.T) {
	const group = "apiVersion: rbac.authorization.k8s.io/v1\n"
	text := group + "kind: Role\nmetadata: {name: made}\nrules: []\n---\n" +
		group + "kind: RoleBinding\nmetadata: {name: good}\nroleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: made}\n---\n" +
		group + "kind: RoleBinding\nmetadata: {name: wide}\nroleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: edit}\n---\n" +
		group + "kind: RoleBinding\nmetadata: {name: inert}\nroleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: off}\n"
	for name, tc := range map[string]struct {
		inline    bool
		want      []string
		wantNotes int
	}{
		"of a chart":                       {false, []string{"Role/made", "RoleBinding/good", "RoleBinding/wide"}, 1},
		"a template of one's own is asked": {true, []string{"Role/made", "RoleBinding/good", "RoleBinding/wide", "RoleBinding/inert"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			p, archive := salestest.Product(salestest.Inline(text)), []byte(nil)
			if !tc.inline {
				p.Spec.Template.Inline, archive = "", salestest.ChartArchive(t, "shop", "1.0.0", text, "")
			}
			rev, err := Parse(t.Context(), render.InProcess{}, "shop-1", dataOf(p, archive))
			if err != nil {
				t.Fatal(err)
			}
			rendered, err := Render(t.Context(), rev, SampleInputs(p, rev, p.Spec.Plans[0], false))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, r := range rendered.Objects {
				got = append(got, r.Object.GetKind()+"/"+r.Object.GetName())
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
			if len(rendered.Notes) != tc.wantNotes || tc.wantNotes > 0 && !strings.Contains(rendered.Notes[0], `RoleBinding/inert (templates/`) {
				t.Errorf("notes: %q", rendered.Notes)
			}
		})
	}
}
