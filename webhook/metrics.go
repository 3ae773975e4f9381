package webhook

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/types"
)

// unknownLabel stands for what a caller has named and we don't know, so that strangers can't make new series.
const unknownLabel = "unknown"

// otherActivity stands for every call whose activity was not understood, or not read because it was refused before.
const otherActivity = "other"

type metrics struct {
	callbacks  *prometheus.CounterVec
	rejections *prometheus.CounterVec
	duration   *prometheus.HistogramVec
	inFlight   prometheus.Gauge
	waiting    prometheus.Gauge
	skew       *prometheus.GaugeVec
}

func newMetrics(registerer prometheus.Registerer) (*metrics, error) {
	connection := []string{"namespace", "marketplace"}
	m := &metrics{
		callbacks: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "stallkeeper_callbacks_total",
			Help: "Callbacks answered, by the marketplace's activity and result code.",
		}, append(connection[:2:2], "activity", "code")),
		rejections: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "stallkeeper_callback_rejections_total",
			Help: "Callbacks that were not answered with success, by reason.",
		}, append(connection[:2:2], "reason")),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "stallkeeper_callback_duration_seconds",
			Help:    "Time from a callback's headers to its answer.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2, 4, 5},
		}, []string{"activity"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "stallkeeper_callbacks_in_flight",
			Help: "Verified callbacks that are being processed.",
		}),
		waiting: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "stallkeeper_callbacks_waiting",
			Help: "Recorded purchases whose answer waits for the buyer's access data.",
		}),
		skew: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "stallkeeper_callback_clock_skew_seconds",
			Help: "How far the marketplace's clock was ahead of the server's in the last correctly signed call that was refused for it; 0 if it was accepted.",
		}, connection),
	}
	for _, collector := range []prometheus.Collector{m.callbacks, m.rejections, m.duration, m.inFlight, m.waiting, m.skew} {
		if err := registerer.Register(collector); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// answered counts a call that is over.
func (m *metrics) answered(c *call, code string, took time.Duration) {
	namespace, name, activity := unknownLabel, unknownLabel, c.event.Activity
	if c.connection.marketplace != nil {
		namespace, name = c.target.Namespace, c.target.Name
	}
	if activity == "" {
		activity = otherActivity
	}
	m.callbacks.WithLabelValues(namespace, name, activity, code).Inc()
	m.duration.WithLabelValues(activity).Observe(took.Seconds())
	if c.outcome.Err != nil {
		m.rejections.WithLabelValues(namespace, name, reasonOf(c.outcome.Err)).Inc()
	}
}

func (m *metrics) clockSkew(target types.NamespacedName, skew time.Duration) {
	m.skew.WithLabelValues(target.Namespace, target.Name).Set(skew.Seconds())
}
