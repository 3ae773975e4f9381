package instance

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/report"
)

// Metrics counts instances by namespace, product and state when the metrics are read, so that an alert can be set on
// those that are blocked:
//
//	stallkeeper_instances{namespace, product, state}
type Metrics struct {
	// Reader is the cache.
	Reader client.Reader
}

var instancesDesc = prometheus.NewDesc("stallkeeper_instances",
	"MarketplaceInstances by namespace, product (empty until it is known) and state.",
	[]string{"namespace", "product", "state"}, nil)

// Describe names the metric.
func (m Metrics) Describe(descs chan<- *prometheus.Desc) { descs <- instancesDesc }

// Collect counts. A list that fails gives no figures rather than wrong ones.
func (m Metrics) Collect(metrics chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), report.MetricsTimeout)
	defer cancel()
	instances := &v1alpha1.MarketplaceInstanceList{}
	if err := m.Reader.List(ctx, instances, client.UnsafeDisableDeepCopy); err != nil {
		// An invalid metric would fail the whole scrape, also while the cache is still filling.
		return
	}
	type group struct{ namespace, product, state string }
	counts := map[group]int{}
	for i := range instances.Items {
		mpi := &instances.Items[i]
		counts[group{mpi.Namespace, mpi.Spec.ProductRef.Name, string(report.StateOf(mpi))}]++
	}
	for g, count := range counts {
		metrics <- prometheus.MustNewConstMetric(instancesDesc, prometheus.GaugeValue, float64(count), g.namespace, g.product, g.state)
	}
}
