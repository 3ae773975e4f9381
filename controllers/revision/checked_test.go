package revision

import (
	"context"
	"testing"

	"github.com/stallkeeper/stallkeeper/controllers/render"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
	"github.com/stallkeeper/stallkeeper/controllers/template"
)

// counted counts renderings.
type counted struct {
	render.Template
	renders *int
}

func (c counted) Render(ctx context.Context, in template.Inputs) (template.Output, error) {
	*c.renders++
	return c.Template.Render(ctx, in)
}

// A company's name with an apostrophe costs its sale more renderings once, and not in each pass.
func TestABuyersTextIsCheckedOnce(t *testing.T) {
	p := salestest.Product(
		salestest.Values(`{"title":"{{ .attributes.title }}"}`),
		salestest.Inline("apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {title: {{ .Values.title | quote }}, password: {{ randAlphaNum 9 | quote }}}\n"),
	)
	rev := revisionOf(t, p)
	renders := 0
	rev.Template = counted{rev.Template, &renders}
	other := *rev
	other.Name = "shop-2"
	in := SampleInputs(p, rev, p.Spec.Plans[0], false)
	in.Checked = &Checked{}
	pass := func(revs []*Revision, title string, want int) {
		t.Helper()
		renders, in.Attributes["title"] = 0, title
		for _, rev := range revs {
			out, err := Render(t.Context(), rev, in)
			if err != nil {
				t.Fatal(err)
			}
			in.Secrets.Kept = in.Secrets.Kept.With(out.Made)
		}
		if renders != want {
			t.Errorf("%d revisions with %s: %d renderings, want %d", len(revs), title, renders, want)
		}
	}
	one, both := []*Revision{rev}, []*Revision{rev, &other}
	pass(one, "Sons", 1)
	pass(one, "O'Neil & Sons", 3)
	pass(one, "O'Neil & Sons", 1)
	pass(both, "O'Neil & Sons", 4)
	pass(both, "O'Neil & Sons", 2)
	pass(one, "O'Neil & Daughters", 3)
	in.Quantity = 2
	pass(one, "O'Neil & Daughters", 3)
	pass(one, "O'Neil & Daughters", 1)
	pass(one, "Huawei Technologies Co., Ltd.", 3)
	pass(one, "Huawei Technologies Co., Ltd.", 1)
	pass(one, `{"name": "Huawei Technologies Co., Ltd."}`, 3)
	pass(one, `{"name": "Huawei Technologies Co., Ltd."}`, 1)
	pass(one, "O'Neil & Daughters", 3)
	in.Checked = nil
	pass(one, "O'Neil & Daughters", 3)
}

// Looking for a tenant's limits renders once for each plan and quantity, and forgets nothing of its own texts.
func TestLimitsCheckNoTextsOfABuyer(t *testing.T) {
	plans := map[string]string{"small": `{"data":"1Gi","disk":"1Gi"}`, "large": `{"data":"2Gi","disk":"2Gi"}`, "huge": `{"data":"3Gi","disk":"3Gi"}`}
	p := salestest.Product(salestest.Inline(volumes), withPlans(plans, "small", "large", "huge"))
	rev, renders := revisionOf(t, p), 0
	rev.Template = counted{rev.Template, &renders}
	in := SampleInputs(p, rev, p.Spec.Plans[0], false)
	in.CustomerName, in.Checked = "Huawei Technologies Co., Ltd.", &Checked{}
	for _, want := range []int{6, 4} {
		renders = 0
		now, err := Render(t.Context(), rev, in)
		if err != nil {
			t.Fatal(err)
		}
		if limits, err := Limits(t.Context(), rev, now); limits != nil || err != nil || renders != want {
			t.Errorf("%v, %v after %d renderings, want none after %d", limits, err, renders, want)
		}
	}
}

// What was refused stays refused without being rendered again, and a worker that is away is no verdict.
func TestWhatABuyersTextChangesIsRemembered(t *testing.T) {
	p := salestest.Product(
		salestest.Values(`{"title":"{{ .attributes.title }}"}`),
		salestest.Inline("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata:\n  title: {{ .Values.title }}\n"),
	)
	rev := revisionOf(t, p)
	renders := 0
	rev.Template = failing{counted{rev.Template, &renders}, &renders}
	in := SampleInputs(p, rev, p.Spec.Plans[0], false)
	in.Attributes["title"], in.Checked = "a\n  admin: b", &Checked{}
	if _, err := Render(t.Context(), rev, in); err == nil || !Passes(err) {
		t.Errorf("a worker that is away: %v", err)
	}
	for _, want := range []int{3, 1} {
		renders = 10
		if _, err := Render(t.Context(), rev, in); err == nil || Passes(err) || renders-10 != want {
			t.Errorf("%v after %d renderings, want %d", err, renders-10, want)
		}
	}
}

// failing is away for its second rendering.
type failing struct {
	render.Template
	renders *int
}

func (f failing) Render(ctx context.Context, in template.Inputs) (template.Output, error) {
	if *f.renders == 1 {
		return template.Output{}, render.ErrUnavailable
	}
	return f.Template.Render(ctx, in)
}
