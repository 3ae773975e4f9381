package api_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	acmeta "k8s.io/client-go/applyconfigurations/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	ac "github.com/stallkeeper/stallkeeper/api/v1alpha1/applyconfiguration/api/v1alpha1"
)

// condition is a condition as a controller writes it.
func condition(kind, status, reason string) string {
	return `{type: ` + kind + `, status: "` + status + `", reason: ` + reason + `, message: said, lastTransitionTime: "2026-01-02T00:00:00Z"}`
}

// The tools that wait for readiness take an object without conditions for a ready one.
func TestBeforeTheControllerHasLookedNothingIsReady(t *testing.T) {
	t.Parallel()
	haveKinds(t)
	for kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			object := smallest(t, kind)
			create(t, object)
			got, _, err := unstructured.NestedSlice(object.Object, "status", "conditions")
			if err != nil {
				t.Fatal(err)
			}
			want := []any{map[string]any{
				"type": "Ready", "status": "Unknown", "reason": v1alpha1.ReasonPending, "message": "Waiting for the controller",
				"lastTransitionTime": "1970-01-01T00:00:00Z",
			}}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("Conditions (-want +got):\n%s", diff)
			}
		})
	}
}

// Several reconcilers say what they know of one instance, each its own conditions. What is shown before must not stay beside it,
// nor keep one of them from writing first.
func TestTheFirstStatusTakesThePlaceOfTheDefault(t *testing.T) {
	t.Parallel()
	haveKinds(t)
	object := smallest(t, "MarketplaceInstance")
	create(t, object)
	apply := func(owner, kind, status, reason string) {
		t.Helper()
		said := acmeta.Condition().WithType(kind).WithStatus(metav1.ConditionStatus(status)).WithReason(reason).WithMessage("said").
			WithLastTransitionTime(metav1.Unix(1800000000, 0))
		err := server.Status().Apply(t.Context(), ac.MarketplaceInstance(object.GetName(), object.GetNamespace()).
			WithStatus(ac.MarketplaceInstanceStatus().WithConditions(said)), client.FieldOwner(owner))
		if err != nil {
			t.Fatalf("%s of %s was refused: %v", kind, owner, err)
		}
	}
	conditions := func() map[string]string {
		t.Helper()
		mpi := &v1alpha1.MarketplaceInstance{}
		if err := server.Get(t.Context(), client.ObjectKeyFromObject(object), mpi); err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		for _, c := range mpi.Status.Conditions {
			got[c.Type] = string(c.Status) + " " + c.Reason
		}
		return got
	}

	apply("orders", "OrderResolved", "True", "OrderResolved")
	want := map[string]string{"Ready": "Unknown Pending", "OrderResolved": "True OrderResolved"}
	if diff := cmp.Diff(want, conditions()); diff != "" {
		t.Errorf("After the first reconciler (-want +got):\n%s", diff)
	}
	apply("instance", "Ready", "True", "InstanceReady")
	want["Ready"] = "True InstanceReady"
	if diff := cmp.Diff(want, conditions()); diff != "" {
		t.Errorf("After the second one (-want +got):\n%s", diff)
	}
}

// People and controllers look instances up by what the marketplace says of them.
func TestInstancesAreFoundByTheirFields(t *testing.T) {
	t.Parallel()
	haveKinds(t)
	object := smallest(t, "sold MarketplaceInstance")
	merge(t, object, `
spec:
  productRef: {name: found}
  subscription: {marketplace: found, instanceID: found-id, orderID: found-order, customerID: found-customer}`)
	create(t, object)
	merge(t, object, `status: {state: Blocked, effective: {plan: found-plan}, revision: found-1}`)
	if err := server.Status().Update(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	for field, value := range map[string]string{
		"spec.productRef.name":          "found",
		"spec.subscription.marketplace": "found",
		"spec.subscription.instanceID":  "found-id",
		"spec.subscription.orderID":     "found-order",
		"spec.subscription.customerID":  "found-customer",
		"status.state":                  "Blocked",
		"status.effective.plan":         "found-plan",
		"status.revision":               "found-1",
	} {
		list := &v1alpha1.MarketplaceInstanceList{}
		if err := server.List(t.Context(), list, client.MatchingFields{field: value}); err != nil {
			t.Errorf("Looking for %s failed: %v", field, err)
			continue
		}
		if len(list.Items) != 1 || list.Items[0].Name != object.GetName() {
			t.Errorf("By %s %d instances are found", field, len(list.Items))
		}
	}
}

// create makes an object that goes with the test.
func create(t *testing.T, object client.Object) {
	t.Helper()
	if err := server.Create(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Delete(context.Background(), object); err != nil {
			t.Errorf("Deleting the object failed: %v", err)
		}
	})
}
