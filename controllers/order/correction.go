package order

import (
	"context"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/protocol"
	"github.com/stallkeeper/stallkeeper/controllers/report"
	"github.com/stallkeeper/stallkeeper/subscription"
	"github.com/stallkeeper/stallkeeper/subscription/orders"
)

// correct folds spec.correction into what is known of the sale, once, and says what became of it.
func (r *Reconciler) correct(ctx context.Context, mpi *v1alpha1.MarketplaceInstance) (report.Verdict, error) {
	correction := mpi.Spec.Correction
	switch {
	case correction.ID == "":
		return report.Verdict{Absent: true}, nil
	case subscription.IsCorrected(mpi.Spec.Subscription, correction.ID) && subscription.CheckCorrection(mpi.Spec) == nil:
		return applied(correction.ID), nil
	}
	pending := report.Unknown(v1alpha1.ReasonCorrectionPending, fmt.Sprintf("Correction %q is being applied", correction.ID))
	sale := orders.Sale{Subscription: mpi.Spec.Subscription, Product: mpi.Spec.ProductRef.Name, PlanOverride: mpi.Spec.Plan != ""}
	products := &v1alpha1.MarketplaceProductList{}
	if err := r.List(ctx, products, client.InNamespace(mpi.Namespace)); err != nil {
		return pending, err
	}
	if correction.PackageConsumerRef.Name != "" {
		users := &v1alpha1.MarketplaceInstanceList{}
		if err := r.List(ctx, users, client.InNamespace(mpi.Namespace)); err != nil {
			return pending, err
		}
		sale.Instances = users.Items
	}
	result, changed, problem := orders.Correct(mpi.Spec, sale, products.Items, r.Clock.Now())
	switch {
	case problem != nil:
		return protocol.WaitsForPerson(problem.Reason, problem.Message), nil //nolint:nilerr // a Problem is what is said, no failure
	case changed:
		if err := r.store(ctx, mpi, result); err != nil {
			return pending, err
		}
	}
	return applied(correction.ID), nil
}

func applied(id string) report.Verdict {
	return report.True(v1alpha1.ReasonCorrectionApplied, fmt.Sprintf("Correction %q was applied", id))
}
