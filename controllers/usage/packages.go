package usage

import (
	"context"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/queue"
	"github.com/stallkeeper/stallkeeper/controllers/report"
	"github.com/stallkeeper/stallkeeper/controllers/sale"
	"github.com/stallkeeper/stallkeeper/controllers/usage/metering"
	"github.com/stallkeeper/stallkeeper/subscription/orders"
)

// linked says whether a sale is a package that another instance uses. Nothing runs for it.
func linked(mpi *v1alpha1.MarketplaceInstance) bool {
	return mpi.Spec.Subscription != nil && isPackage(mpi) && mpi.Spec.Subscription.PackageConsumerRef.Name != ""
}

// linkedPackage is a package as the instance sees it that uses it.
type linkedPackage struct {
	instance *v1alpha1.MarketplaceInstance
	// meters are those of the package's plan: they say what it holds.
	meters []planMeter
}

// packagesOf are the packages that an instance uses, also those whose sale has ended.
func packagesOf(ctx context.Context, reader client.Reader, mpi *v1alpha1.MarketplaceInstance) ([]linkedPackage, error) {
	if mpi.Spec.Subscription.ChargingMode != v1alpha1.ChargingMetered {
		return nil, nil
	}
	list := &v1alpha1.MarketplaceInstanceList{}
	err := reader.List(ctx, list, client.InNamespace(mpi.Namespace), client.MatchingFields{packageConsumerField: mpi.Name})
	if err != nil {
		return nil, fmt.Errorf("listing the packages: %w", err)
	}
	var found []linkedPackage
	for i := range list.Items {
		sold := &list.Items[i]
		if !linked(sold) || orders.PackageUser(sold.Spec.Subscription, sold.Spec.ProductRef.Name, mpi) != nil {
			continue
		}
		product, err := sale.ProductOf(ctx, reader, sold)
		if err != nil {
			return nil, err
		}
		found = append(found, linkedPackage{sold, metersOf(product, sale.EffectiveOf(sold).Plan)})
	}
	return found, nil
}

// deductions are the packages as one meter of the instance sees them that uses them.
func deductions(packages []linkedPackage, meter string) []metering.Deduction {
	var found []metering.Deduction
	for _, p := range packages {
		i := slices.IndexFunc(p.meters, func(m planMeter) bool { return m.Name == meter && m.pack.Meter != "" })
		if i < 0 {
			continue
		}
		sub := p.instance.Spec.Subscription
		deduction := metering.Deduction{
			Name: p.instance.Name, Sold: saleBegins(sub), Begins: packageBegins(sub), Ends: sub.ExpiryTime.Time,
			Over: sub.Entitlement.State == v1alpha1.EntitlementReleased, Package: packOf(p.meters[i], sale.EffectiveOf(p.instance)),
			Suspends: p.meters[i].pack.WhenUsedUp == v1alpha1.UsedUpSuspend,
		}
		if sub.Entitlement.State != v1alpha1.EntitlementActive {
			deduction.Ends = queue.Earliest(deduction.Ends, sub.Entitlement.Time.Time)
		}
		found = append(found, deduction)
	}
	return found
}

// packOf is what a package holds by a meter of its plan.
func packOf(meter planMeter, runs v1alpha1.EffectiveSubscription) metering.Package {
	pack := metering.Package{Quantity: ptr.Deref(runs.Quantity, 0), WarnAtPercent: meter.pack.WarnAtPercent}
	if meter.pack.Meter != "" {
		pack.Size = amountOf(meter.pack.Size, metering.One)
	}
	return pack
}

// readLinkedLedger is what was used of a package, by the records of the instance that uses it. The package has none.
func readLinkedLedger(ctx context.Context, reader client.Reader, mpi *v1alpha1.MarketplaceInstance, product *v1alpha1.MarketplaceProduct,
	maxAge time.Duration, now time.Time, options ...client.ListOption,
) (ledger, error) {
	l := ledger{metered: true}
	user, problem, err := packageUser(ctx, reader, mpi)
	if err != nil || problem != nil {
		l.unclear = problem
		return l, err
	}
	l.user = user
	userProduct, err := sale.ProductOf(ctx, reader, user)
	if err != nil {
		return ledger{}, err
	}
	used, err := readLedger(ctx, reader, user, userProduct, maxAge, now, options...)
	if err != nil {
		return ledger{}, err
	}
	runs := sale.EffectiveOf(mpi)
	for _, meter := range metersOf(product, runs.Plan) {
		i := slices.IndexFunc(used.meters, func(m meterAccount) bool { return m.spec.Name == meter.Name })
		if i < 0 {
			continue
		}
		account := metering.Account{Opened: used.meters[i].account.Opened, Until: used.meters[i].account.Until}
		for _, p := range used.meters[i].account.Packages {
			if p.Name == mpi.Name {
				account.Total, account.PackageUsed, account.PackageAccepted = p.Used, p.Used, p.Accepted
			}
		}
		l.meters = append(l.meters, meterAccount{spec: meter, pack: packOf(meter, runs), account: account})
	}
	return l, nil
}

// packageUser is the instance that uses a package, or why it can't be the one.
func packageUser(ctx context.Context, reader client.Reader, mpi *v1alpha1.MarketplaceInstance,
) (*v1alpha1.MarketplaceInstance, *report.Verdict, error) {
	name := mpi.Spec.Subscription.PackageConsumerRef.Name
	user := &v1alpha1.MarketplaceInstance{}
	err := reader.Get(ctx, types.NamespacedName{Namespace: mpi.Namespace, Name: name}, user)
	if apierrors.IsNotFound(err) {
		user, err = nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	if unfit := problemOf(orders.PackageUser(mpi.Spec.Subscription, mpi.Spec.ProductRef.Name, user)); unfit != nil {
		return nil, unfit, nil
	}
	return user, nil, nil
}

func problemOf(p *orders.Problem) *report.Verdict {
	if p == nil {
		return nil
	}
	return report.Problem(p.Reason, p.Message)
}
