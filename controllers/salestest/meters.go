package salestest

import "github.com/stallkeeper/stallkeeper/api/v1alpha1"

// Metered is a meter of a product with its use in the plan small.
type Metered struct {
	v1alpha1.Meter
	// Push says how the plan tells the marketplace of it.
	Push v1alpha1.MeterPush
	// Package makes the plan a package of the meter; its Meter is filled in.
	Package v1alpha1.UsagePackage
}

// MeteredBy adds a meter to the product and to the plan small. It is called requests and asks a Prometheus each hour, unless changes say
// otherwise.
func MeteredBy(changes ...func(*Metered)) ProductChange {
	meter := Metered{Meter: v1alpha1.Meter{
		Name: "requests", Unit: "requests", Interval: v1alpha1.MeterHourly,
		Prometheus: v1alpha1.MeterPrometheus{Query: `sum(increase(requests_total{namespace="{{ .instance.tenantNamespace }}"}[$__range])) or vector(0)`},
	}}
	for _, change := range changes {
		change(&meter)
	}
	return func(p *v1alpha1.MarketplaceProduct) {
		p.Spec.Meters = append(p.Spec.Meters, meter.Meter)
		plan := &p.Spec.Plans[0]
		if meter.Package.Size != "" || meter.Package.WhenUsedUp != "" || len(meter.Package.WarnAtPercent) > 0 {
			plan.Package = meter.Package
			plan.Package.Meter = meter.Name
		}
		if plan.Package.Consumer != v1alpha1.PackageConsumerMeteredInstance {
			plan.Meters = append(plan.Meters, v1alpha1.PlanMeter{Name: meter.Name, Push: meter.Push})
		}
	}
}

// ByHTTP makes a meter ask the tenant's web server.
func ByHTTP(m *Metered) {
	m.Prometheus = v1alpha1.MeterPrometheus{}
	m.HTTP = v1alpha1.MeterHTTP{ServiceRef: v1alpha1.ServicePortReference{Name: "web", Port: 80}, Path: "/usage"}
}

// ByRecords makes a meter one whose use is written down as UsageRecords by others.
func ByRecords(m *Metered) {
	m.Prometheus, m.Records = v1alpha1.MeterPrometheus{}, &v1alpha1.MeterRecords{}
}

// ByOldPush makes a meter push by the marketplace's old interface.
func ByOldPush(m *Metered) { m.Push = v1alpha1.MeterPushSingle }
