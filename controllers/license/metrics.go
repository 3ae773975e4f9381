package license

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/queue"
	"github.com/stallkeeper/stallkeeper/controllers/report"
	"github.com/stallkeeper/stallkeeper/subscription/licenses"
)

// Metrics says whether the marketplaces answer about licenses, and how many buyers wait. Its labels are names of sales
// namespaces and Marketplaces, and fixed words.
//
//	stallkeeper_license_queries_total{namespace, marketplace, result}                  questions about codes: Answered, Failed
//	stallkeeper_license_last_answer_timestamp_seconds{namespace, marketplace}          when one was last answered
//	stallkeeper_license_oldest_answer_timestamp_seconds{namespace, marketplace}        the same of the code that waits longest
//	stallkeeper_licenses_waiting{namespace, marketplace, step}                         Activation of a code, Delivery of a license
type Metrics struct {
	reader  client.Reader
	queries *prometheus.CounterVec
}

var (
	marketplaceLabels = []string{"namespace", "marketplace"}
	lastAnswerDesc    = prometheus.NewDesc("stallkeeper_license_last_answer_timestamp_seconds",
		"Time of a marketplace's last response to a query about a license code, by namespace and Marketplace.", marketplaceLabels, nil)
	oldestAnswerDesc = prometheus.NewDesc("stallkeeper_license_oldest_answer_timestamp_seconds",
		"Time of a marketplace's last response about the license code that has waited longest for one, by namespace and Marketplace.",
		marketplaceLabels, nil)
	waitingDesc = prometheus.NewDesc("stallkeeper_licenses_waiting",
		"License codes that are not activated and licenses that are not delivered, by namespace, Marketplace and step (Activation, Delivery).",
		[]string{"namespace", "marketplace", "step"}, nil)
)

// NewMetrics makes the metrics; reader is the cache.
func NewMetrics(reader client.Reader) *Metrics {
	return &Metrics{
		reader: reader,
		queries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "stallkeeper_license_queries_total",
			Help: "Queries about license codes, by namespace, Marketplace and result (Answered, Failed).",
		}, []string{"namespace", "marketplace", "result"}),
	}
}

// Describe names the metrics.
func (m *Metrics) Describe(descs chan<- *prometheus.Desc) {
	m.queries.Describe(descs)
	descs <- lastAnswerDesc
	descs <- oldestAnswerDesc
	descs <- waitingDesc
}

// connectionFigures are those of one Marketplace.
type connectionFigures struct {
	last, oldest         time.Time
	activation, delivery int
}

// Collect counts. A list that fails gives no figures rather than wrong ones.
func (m *Metrics) Collect(metrics chan<- prometheus.Metric) {
	m.queries.Collect(metrics)
	ctx, cancel := context.WithTimeout(context.Background(), report.MetricsTimeout)
	defer cancel()
	instances := &v1alpha1.MarketplaceInstanceList{}
	if err := m.reader.List(ctx, instances, client.UnsafeDisableDeepCopy); err != nil {
		return
	}
	type connection struct{ namespace, marketplace string }
	figures := map[connection]*connectionFigures{}
	for i := range instances.Items {
		mpi := &instances.Items[i]
		if !sellsLicenses(mpi) || !mpi.DeletionTimestamp.IsZero() {
			continue
		}
		key := connection{mpi.Namespace, mpi.Spec.Subscription.Marketplace}
		if figures[key] == nil {
			figures[key] = &connectionFigures{}
		}
		figures[key].add(mpi.Spec.Subscription)
	}
	for key, f := range figures {
		gauge := func(desc *prometheus.Desc, value float64, more ...string) {
			metrics <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, append([]string{key.namespace, key.marketplace}, more...)...)
		}
		if !f.last.IsZero() {
			gauge(lastAnswerDesc, float64(f.last.Unix()))
		}
		if !f.oldest.IsZero() {
			gauge(oldestAnswerDesc, float64(f.oldest.Unix()))
		}
		gauge(waitingDesc, float64(f.activation), "Activation")
		gauge(waitingDesc, float64(f.delivery), "Delivery")
	}
}

func (f *connectionFigures) add(sub *v1alpha1.Subscription) {
	if sub.Entitlement.State == v1alpha1.EntitlementReleased {
		// Its code is not asked about any more, and nothing is delivered.
		return
	}
	f.delivery += len(licenses.Open(sub))
	switch {
	case !licenses.IsCode(sub):
	case !licenses.IsActivated(sub):
		f.activation++
	default:
		answered := sub.License.LastQueryTime.Time
		if answered.After(f.last) {
			f.last = answered
		}
		if answered.IsZero() {
			answered = sub.License.ActivationTime.Time
		}
		f.oldest = queue.Earliest(f.oldest, answered)
	}
}

// queried counts what became of queries about codes.
func (m *Metrics) queried(answered bool, asked ...*v1alpha1.MarketplaceInstance) {
	if m == nil {
		return
	}
	result := map[bool]string{true: "Answered", false: "Failed"}[answered]
	for _, mpi := range asked {
		m.queries.WithLabelValues(mpi.Namespace, mpi.Spec.Subscription.Marketplace, result).Inc()
	}
}
