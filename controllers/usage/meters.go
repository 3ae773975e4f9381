package usage

import (
	"slices"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

// planMeter is a meter of the product as a plan uses it.
type planMeter struct {
	v1alpha1.Meter
	push v1alpha1.MeterPush
	// pack is the plan's package, where it is this meter whose amounts are taken from it; the zero value otherwise.
	pack v1alpha1.UsagePackage
}

// asksTenant says whether a Service of the tenant is asked.
func (m planMeter) asksTenant() bool { return m.HTTP.ServiceRef.Name != "" }

// metersOf are the meters of a product's plan. They are the product's own and not a revision's: what is counted holds at once. The meter
// of a package belongs to its plan whether the plan's meters name it or not. A name that the product does not have is left out.
func metersOf(product *v1alpha1.MarketplaceProduct, planName string) []planMeter {
	plan := planOf(product, planName)
	if plan == nil {
		return nil
	}
	used := slices.Clone(plan.Meters)
	if name := plan.Package.Meter; name != "" && !slices.ContainsFunc(used, func(m v1alpha1.PlanMeter) bool { return m.Name == name }) {
		used = append(used, v1alpha1.PlanMeter{Name: name})
	}
	var meters []planMeter
	for _, use := range used {
		i := slices.IndexFunc(product.Spec.Meters, func(m v1alpha1.Meter) bool { return m.Name == use.Name })
		if i < 0 {
			continue
		}
		meter := planMeter{Meter: product.Spec.Meters[i], push: use.Push}
		if plan.Package.Meter == use.Name {
			meter.pack = plan.Package
		}
		meters = append(meters, meter)
	}
	return meters
}

func planOf(product *v1alpha1.MarketplaceProduct, name string) *v1alpha1.Plan {
	if product == nil {
		return nil
	}
	for i := range product.Spec.Plans {
		if plan := &product.Spec.Plans[i]; plan.Name == name {
			return plan
		}
	}
	return nil
}
