package instance

import (
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
		# HELP stallkeeper_instances MarketplaceInstances by namespace, product (empty until it is known) and state.
		# TYPE stallkeeper_instances gauge
		stallkeeper_instances{namespace="sales",product="",state="Pending"} 1
		stallkeeper_instances{namespace="sales",product="shop",state="Blocked"} 1
		stallkeeper_instances{namespace="sales",product="shop",state="Running"} 2
	`
	if err := testutil.CollectAndCompare(Metrics{Reader: reader}, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}
