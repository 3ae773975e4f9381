package usage

import (
	"cmp"
	"maps"
	"slices"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

// planMeter is a meter of the product as a plan uses it.
type planMeter struct {
	v1alpha1.Meter
	push v1alpha1.MeterPush
	// pack is the plan's package, where it is this meter whose amounts are taken from it; the zero value otherwise.
	pack v1alpha1.UsagePackage
	// former is true if the plan does not have it any more. Its push is then that of its last record, and of each record that record's own.
	former bool
	// gone is true if the product has it no more either, so that its source can't be asked.
	gone bool
}

// pushOf is how a record of the meter is pushed.
func (m planMeter) pushOf(record *v1alpha1.UsageRecord) v1alpha1.MeterPush {
	if m.former {
		return record.Spec.Push
	}
	return cmp.Or(m.push, v1alpha1.MeterPushBatch)
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

// counts says whether a record is one of the meter's.
func (m planMeter) counts(record *v1alpha1.UsageRecord) bool {
	return record.Spec.Meter == m.Name && (!m.former || record.Spec.Push != "")
}

// formerMeters are those that have counted for the sale and that the plan does not have any more: the buyer has moved to another plan, or
// the meter was taken out. What they have counted is charged all the same, and what they have not told yet is read once more. Their
// records say how they are pushed; a meter of which none does was never the sale's.
func formerMeters(product *v1alpha1.MarketplaceProduct, planName string, present []planMeter, records []v1alpha1.UsageRecord) []planMeter {
	last := map[string]*v1alpha1.UsageRecord{}
	for i := range records {
		record := &records[i]
		if record.Spec.Push == "" || slices.ContainsFunc(present, func(m planMeter) bool { return m.Name == record.Spec.Meter }) {
			continue
		}
		if known := last[record.Spec.Meter]; known == nil || known.Spec.EndTime.Before(&record.Spec.EndTime) {
			last[record.Spec.Meter] = record
		}
	}
	var former []planMeter
	for _, name := range slices.Sorted(maps.Keys(last)) {
		meter := planMeter{Meter: v1alpha1.Meter{Name: name}, push: last[name].Spec.Push, former: true, gone: true}
		if plan := planOf(product, planName); plan != nil {
			meter.pack.WhenUsedUp = plan.Package.WhenUsedUp
		}
		if product != nil {
			if i := slices.IndexFunc(product.Spec.Meters, func(m v1alpha1.Meter) bool { return m.Name == name }); i >= 0 {
				meter.Meter, meter.gone = product.Spec.Meters[i], false
			}
		}
		former = append(former, meter)
	}
	return former
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
