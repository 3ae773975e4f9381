package report

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

// Owner is a reconciler as the owner of a part of the instances' status. Each applies what is its own, so that no reconciler has to
// wait for another, or takes another's conditions back.
type Owner struct {
	// Name is the field owner.
	Name string
	// Conditions are the types of its conditions.
	Conditions []string
	// Fields copies its fields beside the conditions; nil when it has none.
	Fields func(from, to *v1alpha1.MarketplaceInstanceStatus)
}

// Apply writes the owner's part of a status, if it changed. After a write, after is the instance as the API server has answered it. An
// object that is gone needs no write.
func (o Owner) Apply(ctx context.Context, c client.Client, before, after *v1alpha1.MarketplaceInstance) error {
	was, is := o.part(before), o.part(after)
	if equality.Semantic.DeepEqual(was, is) {
		return nil
	}
	raw, err := json.Marshal(is)
	if err != nil {
		return fmt.Errorf("encoding the status: %w", err)
	}
	status := map[string]any{}
	if err := utiljson.Unmarshal(raw, &status); err != nil {
		return fmt.Errorf("encoding the status: %w", err)
	}
	intent := Intent(after)
	intent.Object["status"] = status
	err = c.Status().Apply(ctx, client.ApplyConfigurationFromUnstructured(intent), client.FieldOwner(o.Name), client.ForceOwnership)
	switch {
	case apierrors.IsNotFound(err):
		return nil
	case err != nil:
		return fmt.Errorf("writing the status: %w", err)
	}
	answer, err := Answer(intent)
	if err != nil {
		return err
	}
	*after = *answer
	return nil
}

// Intent is an instance to be applied to, without any field yet. With the UID, what is applied can't reach an instance of the same name
// that was made meanwhile.
func Intent(mpi *v1alpha1.MarketplaceInstance) *unstructured.Unstructured {
	intent := &unstructured.Unstructured{}
	intent.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("MarketplaceInstance"))
	intent.SetName(mpi.Name)
	intent.SetNamespace(mpi.Namespace)
	intent.SetUID(mpi.UID)
	return intent
}

// Answer is what the API server has answered to an apply of an [Intent].
func Answer(applied *unstructured.Unstructured) (*v1alpha1.MarketplaceInstance, error) {
	answer := &v1alpha1.MarketplaceInstance{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(applied.Object, answer); err != nil {
		return nil, fmt.Errorf("reading the instance that was written: %w", err)
	}
	return answer, nil
}

// part is the owner's part of an instance's status.
func (o Owner) part(mpi *v1alpha1.MarketplaceInstance) *v1alpha1.MarketplaceInstanceStatus {
	part := &v1alpha1.MarketplaceInstanceStatus{}
	if o.Fields != nil {
		o.Fields(&mpi.Status, part)
	}
	part.Conditions = slices.DeleteFunc(slices.Clone(mpi.Status.Conditions), func(condition metav1.Condition) bool {
		return !slices.Contains(o.Conditions, condition.Type)
	})
	return part
}
