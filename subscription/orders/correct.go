package orders

import (
	"slices"
	"time"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/subscription"
)

// Correct applies the correction of an instance's spec, as subscription.ApplyCorrection does, and finds what corrected items mean.
// changed is false when there is none to apply. A Problem, with the reason CorrectionRefused, means that nothing of it is applied. now is
// the controller's clock; sale.Instances are those that may use a package.
func Correct(spec v1alpha1.MarketplaceInstanceSpec, sale Sale, products []v1alpha1.MarketplaceProduct, now time.Time,
) (result Result, changed bool, problem *Problem) {
	result = Result{Subscription: spec.Subscription, Product: spec.ProductRef.Name}
	if err := subscription.CheckCorrection(spec); err != nil {
		return result, false, refusal(err.Error())
	}
	corrected, changed := subscription.ApplyCorrection(spec, now)
	if !changed {
		return result, false, nil
	}
	product := spec.ProductRef.Name
	if items := spec.Correction.Items; len(items) > 0 {
		match, problem := matchFor(sale, corrected.Marketplace, items, products)
		if problem != nil {
			return result, false, refusal(problem.Message)
		}
		corrected.Plan, corrected.Quantity, product = match.Plan, match.Quantity, match.Product
	}
	if name := spec.Correction.PackageConsumerRef.Name; name != "" && corrected.CustomerID != "" && product != "" {
		// Before the order is read the buyer is not known; whether the instance fits is then said of the order.
		i := slices.IndexFunc(sale.Instances, func(mpi v1alpha1.MarketplaceInstance) bool { return mpi.Name == name })
		var user *v1alpha1.MarketplaceInstance
		if i >= 0 {
			user = &sale.Instances[i]
		}
		if problem := PackageUser(corrected, product, user); problem != nil {
			return result, false, refusal(problem.Message)
		}
	}
	return Result{Subscription: corrected, Product: product}, true, nil
}

func refusal(why string) *Problem {
	return &Problem{Reason: v1alpha1.ReasonCorrectionRefused, Message: "The correction was not applied: " + why}
}
