package report

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	applyv1alpha1 "github.com/stallkeeper/stallkeeper/api/v1alpha1/applyconfiguration/api/v1alpha1"
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

// Apply writes the owner's part of a status, if it changed. An object that is gone needs none.
func (o Owner) Apply(ctx context.Context, c client.Client, before, after *v1alpha1.MarketplaceInstance) error {
	was, is := o.part(before), o.part(after)
	if equality.Semantic.DeepEqual(was, is) {
		return nil
	}
	raw, err := json.Marshal(is)
	if err != nil {
		return fmt.Errorf("encoding the status: %w", err)
	}
	part := applyv1alpha1.MarketplaceInstanceStatus()
	if err := json.Unmarshal(raw, part); err != nil {
		return fmt.Errorf("encoding the status: %w", err)
	}
	// With the UID, a status can't reach an instance of the same name that was made meanwhile.
	intent := applyv1alpha1.MarketplaceInstance(after.Name, after.Namespace).WithUID(after.UID).WithStatus(part)
	err = c.Status().Apply(ctx, intent, client.FieldOwner(o.Name), client.ForceOwnership)
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("writing the status: %w", err)
	}
	return nil
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
