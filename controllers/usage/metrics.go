package usage

import (
	"context"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/queue"
	"github.com/stallkeeper/stallkeeper/controllers/report"
)

// Metrics says how far the reporting of usage is when the metrics are read, so that an alert can be set on what does not get
// through:
//
//	stallkeeper_usage_records_open{namespace}                        records that are to be pushed and were not accepted
//	stallkeeper_usage_oldest_open_timestamp_seconds{namespace}       the end of the oldest of them
//	stallkeeper_usage_instances{namespace, product, status, reason}  sales that are billed by usage, by UsageReported
type Metrics struct {
	// Reader is the cache.
	Reader client.Reader
}

var (
	openRecordsDesc = prometheus.NewDesc("stallkeeper_usage_records_open",
		"UsageRecords to be pushed that the marketplace has not accepted.", []string{"namespace"}, nil)
	oldestOpenDesc = prometheus.NewDesc("stallkeeper_usage_oldest_open_timestamp_seconds",
		"End of the interval of the oldest UsageRecord to be pushed that the marketplace has not accepted.", []string{"namespace"}, nil)
	usageInstancesDesc = prometheus.NewDesc("stallkeeper_usage_instances",
		"MarketplaceInstances that are billed by usage, by namespace, product, and status and reason of UsageReported.",
		[]string{"namespace", "product", "status", "reason"}, nil)
)

// Describe names the metrics.
func (m Metrics) Describe(descs chan<- *prometheus.Desc) {
	descs <- openRecordsDesc
	descs <- oldestOpenDesc
	descs <- usageInstancesDesc
}

// never are the reasons of Ready of records that nothing will be pushed of unless a person changes something.
var never = []string{
	v1alpha1.ReasonSettled, v1alpha1.ReasonPushed, v1alpha1.ReasonUsageLost, v1alpha1.ReasonTooOld, v1alpha1.ReasonOverlaps,
	v1alpha1.ReasonBeforeSale, v1alpha1.ReasonBeforeCheckpoint, v1alpha1.ReasonMeterHasSource, v1alpha1.ReasonUnknownMeter,
	v1alpha1.ReasonUnknownInstance, v1alpha1.ReasonAmountDiffers,
}

// stillToPush says whether a record that is not accepted will be pushed, as far as its status knows.
func stillToPush(record *v1alpha1.UsageRecord) bool {
	ready := meta.FindStatusCondition(record.Status.Conditions, v1alpha1.ConditionReady)
	return ready == nil || !slices.Contains(never, ready.Reason)
}

// Collect counts. A list that fails gives no figures rather than wrong ones.
func (m Metrics) Collect(metrics chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), report.MetricsTimeout)
	defer cancel()
	open := &v1alpha1.UsageRecordList{}
	err := m.Reader.List(ctx, open, client.MatchingFields{recordPushField: recordIsOpen}, client.UnsafeDisableDeepCopy)
	instances := &v1alpha1.MarketplaceInstanceList{}
	if err != nil || m.Reader.List(ctx, instances, client.UnsafeDisableDeepCopy) != nil {
		return
	}
	counts, oldest := map[string]int{}, map[string]time.Time{}
	for i := range open.Items {
		record := &open.Items[i]
		if !stillToPush(record) {
			continue
		}
		counts[record.Namespace]++
		oldest[record.Namespace] = queue.Earliest(oldest[record.Namespace], record.Spec.EndTime.Time)
	}
	for namespace, count := range counts {
		metrics <- prometheus.MustNewConstMetric(openRecordsDesc, prometheus.GaugeValue, float64(count), namespace)
		metrics <- prometheus.MustNewConstMetric(oldestOpenDesc, prometheus.GaugeValue, float64(oldest[namespace].Unix()), namespace)
	}
	type group struct{ namespace, product, status, reason string }
	groups := map[group]int{}
	for i := range instances.Items {
		mpi := &instances.Items[i]
		for _, condition := range mpi.Status.Conditions {
			if condition.Type == v1alpha1.ConditionUsageReported {
				groups[group{mpi.Namespace, mpi.Spec.ProductRef.Name, string(condition.Status), condition.Reason}]++
			}
		}
	}
	for g, count := range groups {
		metrics <- prometheus.MustNewConstMetric(usageInstancesDesc, prometheus.GaugeValue, float64(count), g.namespace, g.product,
			g.status, g.reason)
	}
}
