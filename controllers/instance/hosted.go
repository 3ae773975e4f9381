package instance

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/apply"
	"github.com/stallkeeper/stallkeeper/controllers/report"
	"github.com/stallkeeper/stallkeeper/controllers/revision"
)

// withoutWorkload is for a sale whose product has no template: nothing is made for it but the initial credentials, and it is in
// place at once. What the buyer is told is rendered as for any other.
func (r *Reconciler) withoutWorkload(ctx context.Context, mpi *v1alpha1.MarketplaceInstance, k known, rev *revision.Revision,
	plan v1alpha1.Plan, suspended bool, inputs string, memory *memory,
) outcome {
	if k.observed.Namespace != nil {
		// The product was deleted and made again without its template. The tenant's data must not go with that.
		return r.look(ctx, mpi, k, outcome{problem: report.Problem(v1alpha1.ReasonProductChanged, fmt.Sprintf(
			"MarketplaceProduct %q has no template, but namespace %q has this sale's workload: give it the template again, or sell"+
				" under another product", mpi.Spec.ProductRef.Name, k.Namespace))}, nil, memory)
	}
	result := outcome{bare: true, revision: rev.Name, readiness: bareReadiness(suspended)}
	if mpi.Status.InputsDigest == inputs {
		result.quiet = true
		return result
	}
	in := r.tenantInputs(mpi, k, plan, suspended)
	secrets, problem, err := r.ensureAccessSecret(ctx, mpi, k, rev, in)
	if problem != nil || err != nil {
		return r.look(ctx, mpi, k, outcome{problem: problem, err: err}, nil, memory)
	}
	in.Secrets = secrets
	rendered, err := revision.Render(rev, in)
	if err != nil {
		return r.look(ctx, mpi, k, outcome{problem: renderFailed(err)}, nil, memory)
	}
	result.rendered, result.access, result.inputs = true, withCredentials(rendered.Access, mpi, secrets), inputs
	return result
}

// withoutTenant is for a sale that another instance runs: its buyer is told where that one is.
func (r *Reconciler) withoutTenant(ctx context.Context, mpi *v1alpha1.MarketplaceInstance, k known, suspended bool, memory *memory,
) outcome {
	user := k.Hosted.By
	switch {
	case k.observed.Namespace != nil:
		return r.look(ctx, mpi, k, outcome{problem: &k.Hosted.OwnTenant}, nil, memory)
	case user == nil:
		return outcome{nothing: true, problem: k.Hosted.Problem}
	}
	result := outcome{bare: true, published: true, access: user.Status.Access, readiness: bareReadiness(suspended)}
	if !meta.IsStatusConditionTrue(user.Status.Conditions, v1alpha1.ConditionProvisioned) {
		result.readiness.State = apply.StateProgressing
		result.readiness.Blockers = []apply.Blocker{{
			Key: apply.Key{Group: v1alpha1.GroupVersion.Group, Kind: "MarketplaceInstance", Name: user.Name}, State: apply.StateProgressing,
		}}
	}
	return result
}

// isBare says whether a sale without a workload is in place, as far as its status tells.
func isBare(mpi *v1alpha1.MarketplaceInstance, k known) bool {
	if k.Hosted != nil {
		return k.observed.Namespace == nil
	}
	return k.Product != nil && k.Product.Spec.Template == (v1alpha1.ProductTemplate{}) && k.observed.Namespace == nil &&
		mpi.Status.InputsDigest != ""
}

func bareReadiness(suspended bool) apply.Readiness {
	return apply.Readiness{State: apply.StateReady, Stopped: suspended}
}
