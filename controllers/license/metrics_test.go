package license

import (
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
)

func TestLicenseMetricsTellWhoWaitsAndWhoAnswers(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	code := func(name string, activated, queried int, changes ...func(*v1alpha1.Subscription)) *v1alpha1.MarketplaceInstance {
		return salestest.Sale(func(mpi *v1alpha1.MarketplaceInstance) {
			mpi.Name, mpi.Spec.Subscription.License.Type = name, v1alpha1.LicenseTypeCode
			license := &mpi.Spec.Subscription.License
			if activated > 0 {
				license.ActivationTime = salestest.At(activated)
			}
			if queried > 0 {
				license.LastQueryTime = salestest.At(queried)
			}
			for _, change := range changes {
				change(mpi.Spec.Subscription)
			}
		})
	}
	ended := func(sub *v1alpha1.Subscription) { sub.Entitlement.State = v1alpha1.EntitlementReleased }
	asked := salestest.Sale(func(mpi *v1alpha1.MarketplaceInstance) {
		mpi.Name, mpi.Spec.Subscription.Marketplace = "tool", "other"
		mpi.Spec.Subscription.LicenseRequests = []v1alpha1.LicenseRequest{{Key: "a"}, {Key: "b", DeliveryTime: salestest.At(1)}}
	})
	reader := fake.NewClientBuilder().WithScheme(scheme).WithObjects(
		code("fresh", 0, 0), code("silent", 3, 0), code("told", 2, 9), code("ended", 1, 1, ended), code("never", 0, 0, ended), asked, salestest.Sale(),
	).Build()
	m := NewMetrics(reader)
	m.queried(true, code("told", 2, 9))
	m.queried(false, code("silent", 3, 0), code("told", 2, 9))
	want := fmt.Sprintf(`
		# HELP stallkeeper_license_last_answer_timestamp_seconds Time of a marketplace's last response to a query about a license code, by namespace and Marketplace.
		# TYPE stallkeeper_license_last_answer_timestamp_seconds gauge
		stallkeeper_license_last_answer_timestamp_seconds{marketplace="koogallery",namespace="sales"} %d
		# HELP stallkeeper_license_oldest_answer_timestamp_seconds Time of a marketplace's last response about the license code that has waited longest for one, by namespace and Marketplace.
		# TYPE stallkeeper_license_oldest_answer_timestamp_seconds gauge
		stallkeeper_license_oldest_answer_timestamp_seconds{marketplace="koogallery",namespace="sales"} %d
		# HELP stallkeeper_license_queries_total Queries about license codes, by namespace, Marketplace and result (Answered, Failed).
		# TYPE stallkeeper_license_queries_total counter
		stallkeeper_license_queries_total{marketplace="koogallery",namespace="sales",result="Answered"} 1
		stallkeeper_license_queries_total{marketplace="koogallery",namespace="sales",result="Failed"} 2
		# HELP stallkeeper_licenses_waiting License codes that are not activated and licenses that are not delivered, by namespace, Marketplace and step (Activation, Delivery).
		# TYPE stallkeeper_licenses_waiting gauge
		stallkeeper_licenses_waiting{marketplace="koogallery",namespace="sales",step="Activation"} 1
		stallkeeper_licenses_waiting{marketplace="koogallery",namespace="sales",step="Delivery"} 0
		stallkeeper_licenses_waiting{marketplace="other",namespace="sales",step="Activation"} 0
		stallkeeper_licenses_waiting{marketplace="other",namespace="sales",step="Delivery"} 1
	`, salestest.Day(9).Unix(), salestest.Day(3).Unix())
	if err := testutil.CollectAndCompare(m, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}
