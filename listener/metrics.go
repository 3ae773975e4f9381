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
			Help: "Open connections.",
		}),
		shed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "stallkeeper_connections_shed_total",
			Help: "Connections closed to make room for newer ones, by the limit that was reached: Total, or Address for that of one client address.",
		}, []string{"bound"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "stallkeeper_connections_refused_total",
			Help: "New connections closed immediately, because all others were busy or new, by the limit that was reached.",
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
