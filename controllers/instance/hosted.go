package instance

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/apply"
	"github.com/stallkeeper/stallkeeper/controllers/report"
	"github.com/stallkeeper/stallkeeper/controllers/tenant"
)

// withoutTenant says whether nothing has to stand for the sale.
func (p *pass) withoutTenant() bool {
	return !p.stands() && (p.Hosted != nil || p.Product != nil && p.Product.Spec.Template == (v1alpha1.ProductTemplate{}))
}

// withoutWorkload is for a sale whose product has no template: nothing is made for it but the initial credentials, and it is in
// place at once. A tenant that stands all the same, because the product was deleted and made again without its template, stays as it is:
// its data must not go with that.
func (r *Reconciler) withoutWorkload(ctx context.Context, p *pass, sets sets, o *outcome) bool {
	if !p.stands() {
		o.did, o.access = elsewhere, sets.access
		return true
	}
	changed := report.Problem(v1alpha1.ReasonProductChanged, fmt.Sprintf(
		"MarketplaceProduct %q has no template, but namespace %q contains this sale's workload: restore the template, or sell"+
			" under another product", p.Instance.Spec.ProductRef.Name, p.Namespace))
	if sets.former == nil {
		o.problem = changed
		return false
	}
	o.stuck = changed
	return r.keep(ctx, p, sets.former, o)
}

// hosted is for a sale that another instance runs: its buyer is told where that one is.
func hosted(p *pass) outcome {
	by := p.Hosted.By
	switch {
	case p.stands():
		return outcome{problem: &p.Hosted.OwnTenant}
	case by == nil:
		return outcome{did: absent, problem: p.Hosted.Problem}
	}
	o := outcome{did: elsewhere, access: &by.Status.Access}
	if !meta.IsStatusConditionTrue(by.Status.Conditions, v1alpha1.ConditionProvisioned) {
		o.readiness = tenant.Readiness{State: apply.StateProgressing, Blockers: []tenant.Blocker{{
			Refusal: tenant.Refusal{Key: tenant.Key{Group: v1alpha1.GroupVersion.Group, Kind: "MarketplaceInstance", Name: by.Name}},
			State:   apply.StateProgressing,
		}}}
	}
	return o
}
