package salestest

import "github.com/stallkeeper/stallkeeper/api/v1alpha1"

// MeteredBy sells by a meter with a Prometheus, changed as a test wants it.
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

func ByHTTP(m *v1alpha1.Meter) {
	m.Source, m.Prometheus = v1alpha1.MeterSourceHTTP, v1alpha1.MeterPrometheus{}
	m.HTTP = v1alpha1.MeterHTTP{Service: "web", Port: 80, Path: "/usage"}
}

func ByRecords(m *v1alpha1.Meter) {
	m.Source, m.Prometheus = v1alpha1.MeterSourceRecords, v1alpha1.MeterPrometheus{}
}

func ByOldPush(m *v1alpha1.Meter) { m.Push = v1alpha1.MeterPushOld }
