package directory

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/report"
)

// Metrics counts what happens to directories. Its labels are names of sales namespaces and fixed words.
//
//	stallkeeper_directory_calls_waiting{namespace}
//	stallkeeper_directory_calls_folded_total{namespace}
//	stallkeeper_directory_forwards_total{namespace, result}
type Metrics struct {
	calls         client.Reader
	foldedCalls   *prometheus.CounterVec
	forwardsTotal *prometheus.CounterVec
}

var callsWaitingDesc = prometheus.NewDesc("stallkeeper_directory_calls_waiting",
	"Synchronizations that are stored but not yet merged into a directory, by namespace.", []string{"namespace"}, nil)

// NewMetrics makes the metrics; calls is the cache of the calls' metadata.
func NewMetrics(calls client.Reader) *Metrics {
	return &Metrics{
		calls: calls,
		foldedCalls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "stallkeeper_directory_calls_folded_total",
			Help: "Synchronizations that were merged into a directory, by namespace.",
		}, []string{"namespace"}),
		forwardsTotal: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "stallkeeper_directory_forwards_total",
			Help: "Requests with changes to tenants' endpoints, by namespace and result (Taken, Failed).",
		}, []string{"namespace", "result"}),
	}
}

// Describe names the metrics.
func (m *Metrics) Describe(descs chan<- *prometheus.Desc) {
	descs <- callsWaitingDesc
	m.foldedCalls.Describe(descs)
	m.forwardsTotal.Describe(descs)
}

// Collect counts. A list that fails gives no figures rather than wrong ones. What waits for an instance that is about to appear
// (the credentials) is not counted: it has nowhere to go.
func (m *Metrics) Collect(metrics chan<- prometheus.Metric) {
	m.foldedCalls.Collect(metrics)
	m.forwardsTotal.Collect(metrics)
	ctx, cancel := context.WithTimeout(context.Background(), report.MetricsTimeout)
	defer cancel()
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("SecretList"))
	if err := m.calls.List(ctx, list, client.HasLabels{v1alpha1.CallLabel, v1alpha1.InstanceLabel}); err != nil {
		return
	}
	counts := map[string]int{}
	for i := range list.Items {
		counts[list.Items[i].Namespace]++
	}
	for namespace, count := range counts {
		metrics <- prometheus.MustNewConstMetric(callsWaitingDesc, prometheus.GaugeValue, float64(count), namespace)
	}
}

func (m *Metrics) folded(namespace string, calls int) {
	if m != nil {
		m.foldedCalls.WithLabelValues(namespace).Add(float64(calls))
	}
}

func (m *Metrics) forwarded(namespace string, taken bool) {
	if m == nil {
		return
	}
	result := map[bool]string{true: "Taken", false: "Failed"}[taken]
	m.forwardsTotal.WithLabelValues(namespace, result).Inc()
}
