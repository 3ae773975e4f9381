package apiservertest_test

import (
	"path/filepath"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/apiservertest"
)

func says(kind string, uid types.UID) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": v1alpha1.GroupVersion.String(), "kind": "MarketplaceInstance", "metadata": map[string]any{"namespace": "sales", "name": "acme", "uid": string(uid)},
		"status": map[string]any{"conditions": []any{map[string]any{
			"type": kind, "status": "True", "reason": "R", "message": "m", "lastTransitionTime": "2026-01-01T00:00:00Z",
		}}},
	}}
}

// Each reconciler owns conditions of its own, and neither the status nor the rest changes with a write of the other.
func TestTheStatusHasOwnersAndIsASubresource(t *testing.T) {
	schemas, err := apiservertest.WithDefinitions(filepath.Join("..", "..", "config", "crd"))
	if err != nil {
		t.Fatal(err)
	}
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	server := apiservertest.New(scheme, schemas)
	server.Put(&unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": "sales"}}})
	mpi := &v1alpha1.MarketplaceInstance{ObjectMeta: metav1.ObjectMeta{Namespace: "sales", Name: "acme"}}
	mpi.Status.Revision = "no write of the object writes the status"
	if err := server.Create(t.Context(), mpi); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"One", "Two", "One"} {
		config := client.ApplyConfigurationFromUnstructured(says(kind, mpi.UID))
		if err := server.Status().Apply(t.Context(), config, client.FieldOwner(kind), client.ForceOwnership); err != nil {
			t.Fatal(err)
		}
	}
	if err := server.Get(t.Context(), client.ObjectKeyFromObject(mpi), mpi); err != nil {
		t.Fatal(err)
	}
	version := mpi.ResourceVersion
	mpi.Spec.Plan, mpi.Status.Conditions = "small", nil
	if err := server.Update(t.Context(), mpi); err != nil {
		t.Fatal(err)
	}
	if len(mpi.Status.Conditions) != 2 || mpi.Status.Revision != "" || mpi.Spec.Plan != "small" || mpi.Generation != 2 {
		t.Errorf("it is %+v", mpi)
	}
	mpi.ResourceVersion = version
	if err := server.Update(t.Context(), mpi); err == nil {
		t.Error("what was read before the last write is stored")
	}
}
