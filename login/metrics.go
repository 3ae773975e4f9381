package login

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// unknownLabel stands for a namespace that is none of ours, so that strangers can't make new series.
const unknownLabel = "unknown"

// Results of requests that came to what they were for; others have a refusal's reason.
const (
	resultSent      = "Sent"      // to the marketplace, to sign in or out
	resultSignedIn  = "SignedIn"  // handed over to the front end
	resultLed       = "Led"       // to the instance of an enterprise
	resultRestarted = "Restarted" // a code that came unasked was dropped
)

type metrics struct {
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	inFlight prometheus.Gauge
}

func newMetrics(registerer prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "stallkeeper_login_requests_total",
			Help: "Sign-on and sign-out requests, by step and by result: success, or the reason for the refusal.",
		}, []string{"namespace", "step", "result"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "stallkeeper_login_duration_seconds",
			Help:    "Time from a request to its answer, by step.",
			Buckets: []float64{.005, .025, .1, .25, .5, 1, 2, 4, 8},
		}, []string{"step"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "stallkeeper_logins_in_flight",
			Help: "Sign-on requests to a marketplace that are in progress.",
		}),
	}
	for _, collector := range []prometheus.Collector{m.requests, m.duration, m.inFlight} {
		if err := registerer.Register(collector); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *metrics) answered(namespace string, step step, result string, took time.Duration) {
	m.requests.WithLabelValues(namespace, string(step), result).Inc()
	m.duration.WithLabelValues(string(step)).Observe(took.Seconds())
}
