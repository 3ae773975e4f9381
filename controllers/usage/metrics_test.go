package usage

import (
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
)

func TestUsageMetricsTellWhatDoesNotGetThrough(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	record := func(name, value string, ends int, pushed bool) *v1alpha1.UsageRecord {
		r := &v1alpha1.UsageRecord{ObjectMeta: metav1.ObjectMeta{Namespace: "sales", Name: name}}
		r.Spec.Value, r.Spec.EndTime = value, salestest.At(ends)
		if pushed {
			r.Spec.Delivery.PushTime = salestest.At(ends)
		}
		return r
	}
	refused := record("f", "4", 1, false)
	refused.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonOverlaps}}
	differs := record("i", "6", 1, false)
	differs.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonAmountDiffers}}
	kept := record("g", "5", 1, false)
	kept.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonSettled}}
	checkpoint := record("e", "0", 1, false)
	checkpoint.Spec.Checkpoint.Total = "7"
	mpi := salestest.Sale(func(mpi *v1alpha1.MarketplaceInstance) {
		mpi.Status.Conditions = []metav1.Condition{{
			Type: v1alpha1.ConditionUsageReported, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonUsageLate,
		}}
	})
	reader := fake.NewClientBuilder().WithScheme(scheme).WithIndex(&v1alpha1.UsageRecord{}, recordPushField, recordPush).WithObjects(
		mpi, salestest.HandMade(func(mpi *v1alpha1.MarketplaceInstance) { mpi.Name = "pilot" }),
		record("a", "1", 1, true), record("b", "2", 3, false), record("c", "3", 2, false), record("d", "0", 1, false), record("h", "0.00", 1, false),
		refused, differs, kept, checkpoint,
	).Build()
	want := fmt.Sprintf(`
		# HELP stallkeeper_usage_instances MarketplaceInstances that are billed by usage, by namespace, product, and status and reason of UsageReported.
		# TYPE stallkeeper_usage_instances gauge
		stallkeeper_usage_instances{namespace="sales",product="shop",reason="UsageLate",status="False"} 1
		# HELP stallkeeper_usage_oldest_open_timestamp_seconds End of the interval of the oldest UsageRecord to be pushed that the marketplace has not accepted.
		# TYPE stallkeeper_usage_oldest_open_timestamp_seconds gauge
		stallkeeper_usage_oldest_open_timestamp_seconds{namespace="sales"} %d
		# HELP stallkeeper_usage_records_open UsageRecords to be pushed that the marketplace has not accepted.
		# TYPE stallkeeper_usage_records_open gauge
		stallkeeper_usage_records_open{namespace="sales"} 2
	`, salestest.Day(2).Unix())
	if err := testutil.CollectAndCompare(Metrics{Reader: reader}, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}
