package listener

import "github.com/prometheus/client_golang/prometheus"

// Which bound was reached, for metrics.
const (
	fullInAll     = "Total"
	fullOfAddress = "Address"
)

type metrics struct {
	open          prometheus.Gauge
	shed, refused *prometheus.CounterVec
}

func newMetrics(registerer prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		open: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "stallkeeper_connections_open",
			Help: "Connections that are open.",
		}),
		shed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "stallkeeper_connections_shed_total",
			Help: "Connections that were closed to make room for a newer one, by the bound that was reached: Total, or that of one Address.",
		}, []string{"bound"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "stallkeeper_connections_refused_total",
			Help: "New connections that were closed at once, because all others are at work or have just begun, by the bound that was reached.",
		}, []string{"bound"}),
	}
	for _, collector := range []prometheus.Collector{m.open, m.shed, m.refused} {
		if err := registerer.Register(collector); err != nil {
			return nil, err
		}
	}
	for _, bound := range []string{fullInAll, fullOfAddress} {
		m.shed.WithLabelValues(bound)
		m.refused.WithLabelValues(bound)
	}
	return m, nil
}

// full counts a connection that there was no room for.
func (m *metrics) full(bound string, shed bool) {
	if shed {
		m.shed.WithLabelValues(bound).Inc()
		return
	}
	m.refused.WithLabelValues(bound).Inc()
}
