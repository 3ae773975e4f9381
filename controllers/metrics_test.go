package controllers

import (
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

func TestInstanceMetricsCountByState(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	instance := func(name, product string, provisioned metav1.ConditionStatus, reason string) *v1alpha1.MarketplaceInstance {
		mpi := &v1alpha1.MarketplaceInstance{ObjectMeta: metav1.ObjectMeta{Namespace: "sales", Name: name}}
		mpi.Spec.ProductRef.Name = product
		mpi.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionProvisioned, Status: provisioned, Reason: reason}}
		return mpi
	}
	reader := fake.NewClientBuilder().WithScheme(scheme).WithObjects(
		instance("a", "shop", metav1.ConditionTrue, v1alpha1.ReasonProvisioned),
		instance("b", "shop", metav1.ConditionTrue, v1alpha1.ReasonProvisioned),
		instance("c", "shop", metav1.ConditionFalse, v1alpha1.ReasonRenderFailed),
		instance("d", "", metav1.ConditionUnknown, v1alpha1.ReasonWaitingForOrder),
	).Build()
	want := `
		# HELP stallkeeper_instances MarketplaceInstances by namespace, product (empty as long as it is not known) and state.
		# TYPE stallkeeper_instances gauge
		stallkeeper_instances{namespace="sales",product="",state="Pending"} 1
		stallkeeper_instances{namespace="sales",product="shop",state="Blocked"} 1
		stallkeeper_instances{namespace="sales",product="shop",state="Running"} 2
	`
	if err := testutil.CollectAndCompare(InstanceMetrics{Reader: reader}, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}

func TestUsageMetricsTellWhatDoesNotGetThrough(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	record := func(name, value string, ends int, pushed bool) *v1alpha1.UsageRecord {
		r := &v1alpha1.UsageRecord{ObjectMeta: metav1.ObjectMeta{Namespace: "sales", Name: name}}
		r.Spec.Value, r.Spec.EndsAt = value, at(ends)
		if pushed {
			r.Spec.Delivery.PushedAt = at(ends)
		}
		return r
	}
	checkpoint := record("e", "0", 1, false)
	checkpoint.Spec.Checkpoint.Total = "7"
	mpi := sale(func(mpi *v1alpha1.MarketplaceInstance) {
		mpi.Status.Conditions = []metav1.Condition{{
			Type: v1alpha1.ConditionUsageReported, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonUsageLate,
		}}
	})
	reader := fake.NewClientBuilder().WithScheme(scheme).WithIndex(&v1alpha1.UsageRecord{}, recordOpenField, recordOpen).WithObjects(
		mpi, handMade(func(mpi *v1alpha1.MarketplaceInstance) { mpi.Name = "pilot" }),
		record("a", "1", 1, true), record("b", "2", 3, false), record("c", "3", 2, false), record("d", "0", 1, false), checkpoint,
	).Build()
	want := fmt.Sprintf(`
		# HELP stallkeeper_usage_instances MarketplaceInstances that are charged by use, by namespace, product, and status and reason of UsageReported.
		# TYPE stallkeeper_usage_instances gauge
		stallkeeper_usage_instances{namespace="sales",product="shop",reason="UsageLate",status="False"} 1
		# HELP stallkeeper_usage_oldest_open_timestamp_seconds End of the interval of the oldest UsageRecord that the marketplace has not accepted.
		# TYPE stallkeeper_usage_oldest_open_timestamp_seconds gauge
		stallkeeper_usage_oldest_open_timestamp_seconds{namespace="sales"} %d
		# HELP stallkeeper_usage_records_open UsageRecords that the marketplace has not accepted.
		# TYPE stallkeeper_usage_records_open gauge
		stallkeeper_usage_records_open{namespace="sales"} 2
	`, day(2).Unix())
	if err := testutil.CollectAndCompare(UsageMetrics{Reader: reader}, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}

func TestLicenseMetricsTellWhoWaitsAndWhoAnswers(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	code := func(name string, activated, queried int, changes ...func(*v1alpha1.Subscription)) *v1alpha1.MarketplaceInstance {
		return sale(func(mpi *v1alpha1.MarketplaceInstance) {
			mpi.Name, mpi.Spec.Subscription.License.Type = name, v1alpha1.LicenseTypeCode
			license := &mpi.Spec.Subscription.License
			if activated > 0 {
				license.ActivatedAt = at(activated)
			}
			if queried > 0 {
				license.QueriedAt = at(queried)
			}
			for _, change := range changes {
				change(mpi.Spec.Subscription)
			}
		})
	}
	ended := func(sub *v1alpha1.Subscription) { sub.Entitlement.State = v1alpha1.EntitlementReleased }
	asked := sale(func(mpi *v1alpha1.MarketplaceInstance) {
		mpi.Name, mpi.Spec.Subscription.Marketplace = "tool", "other"
		mpi.Spec.Subscription.LicenseRequests = []v1alpha1.LicenseRequest{{Key: "a"}, {Key: "b", DeliveredAt: at(1)}}
	})
	reader := fake.NewClientBuilder().WithScheme(scheme).WithObjects(
		code("fresh", 0, 0), code("silent", 3, 0), code("told", 2, 9), code("ended", 1, 1, ended), code("never", 0, 0, ended), asked, sale(),
	).Build()
	m := NewLicenseMetrics(reader)
	m.queried(true, code("told", 2, 9))
	m.queried(false, code("silent", 3, 0), code("told", 2, 9))
	want := fmt.Sprintf(`
		# HELP stallkeeper_license_last_answer_timestamp_seconds When a marketplace last answered a query about a licence code, by namespace and Marketplace.
		# TYPE stallkeeper_license_last_answer_timestamp_seconds gauge
		stallkeeper_license_last_answer_timestamp_seconds{marketplace="koogallery",namespace="sales"} %d
		# HELP stallkeeper_license_oldest_answer_timestamp_seconds When a marketplace last answered about the licence code that waits longest for an answer, by namespace and Marketplace.
		# TYPE stallkeeper_license_oldest_answer_timestamp_seconds gauge
		stallkeeper_license_oldest_answer_timestamp_seconds{marketplace="koogallery",namespace="sales"} %d
		# HELP stallkeeper_license_queries_total Queries about licence codes, by namespace, Marketplace and result (Answered, Failed).
		# TYPE stallkeeper_license_queries_total counter
		stallkeeper_license_queries_total{marketplace="koogallery",namespace="sales",result="Answered"} 1
		stallkeeper_license_queries_total{marketplace="koogallery",namespace="sales",result="Failed"} 2
		# HELP stallkeeper_licenses_waiting Licence codes that are not activated and licences that are not delivered, by namespace, Marketplace and step (Activation, Delivery).
		# TYPE stallkeeper_licenses_waiting gauge
		stallkeeper_licenses_waiting{marketplace="koogallery",namespace="sales",step="Activation"} 1
		stallkeeper_licenses_waiting{marketplace="koogallery",namespace="sales",step="Delivery"} 0
		stallkeeper_licenses_waiting{marketplace="other",namespace="sales",step="Activation"} 0
		stallkeeper_licenses_waiting{marketplace="other",namespace="sales",step="Delivery"} 1
	`, day(9).Unix(), day(3).Unix())
	if err := testutil.CollectAndCompare(m, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}
