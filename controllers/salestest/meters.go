package salestest

import "github.com/stallkeeper/stallkeeper/api/v1alpha1"

// MeteredBy adds a meter to the plan small. It is called requests and asks a Prometheus each hour, unless changes say otherwise.
func MeteredBy(changes ...func(*v1alpha1.Meter)) ProductChange {
	meter := v1alpha1.Meter{
		Name: "requests", Unit: "requests", Source: v1alpha1.MeterSourcePrometheus, Interval: v1alpha1.MeterHourly,
		Prometheus: v1alpha1.MeterPrometheus{Query: `sum(increase(requests_total{namespace="{{ .instance.tenantNamespace }}"}[$__range])) or vector(0)`},
	}
	for _, change := range changes {
		change(&meter)
	}
	return func(p *v1alpha1.MarketplaceProduct) { p.Spec.Plans[0].Meters = append(p.Spec.Plans[0].Meters, meter) }
}

// ByHTTP makes a meter ask the tenant's web server.
func ByHTTP(m *v1alpha1.Meter) {
	m.Source, m.Prometheus = v1alpha1.MeterSourceHTTP, v1alpha1.MeterPrometheus{}
	m.HTTP = v1alpha1.MeterHTTP{Service: "web", Port: 80, Path: "/usage"}
}

// ByRecords makes a meter one whose use is written down as UsageRecords by others.
func ByRecords(m *v1alpha1.Meter) {
	m.Source, m.Prometheus = v1alpha1.MeterSourceRecords, v1alpha1.MeterPrometheus{}
}

// ByOldPush makes a meter push by the marketplace's old interface.
func ByOldPush(m *v1alpha1.Meter) { m.Push = v1alpha1.MeterPushOld }
