package controllers

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

// Field owners of an instance's status. Each reconciler applies what is its own, so that neither has to wait for the other
// and none takes the other's conditions back.
const (
	instanceStatusOwner = v1alpha1.FieldOwner
	orderStatusOwner    = v1alpha1.FieldOwner + "/order"
	usageStatusOwner    = v1alpha1.FieldOwner + "/usage"
)

// othersConditions are those of the other reconcilers.
var (
	usageConditions  = []string{v1alpha1.ConditionUsageReported, v1alpha1.ConditionPackageAvailable}
	othersConditions = append([]string{v1alpha1.ConditionOrderResolved}, usageConditions...)
)

// applyInstanceStatus writes everything of an instance's status but what the other reconcilers own, if it changed.
func applyInstanceStatus(ctx context.Context, c client.Client, before, after *v1alpha1.MarketplaceInstance) error {
	if equality.Semantic.DeepEqual(before.Status, after.Status) {
		return nil
	}
	status := after.Status.DeepCopy()
	status.Conditions = slices.DeleteFunc(status.Conditions, func(condition metav1.Condition) bool {
		return slices.Contains(othersConditions, condition.Type)
	})
	status.Usage = nil
	return applyStatus(ctx, c, after, status, instanceStatusOwner)
}

// applyOrderResolved writes the condition OrderResolved, if it changed.
func applyOrderResolved(ctx context.Context, c client.Client, before, after *v1alpha1.MarketplaceInstance) error {
	if equality.Semantic.DeepEqual(before.Status.Conditions, after.Status.Conditions) {
		return nil
	}
	status := &v1alpha1.MarketplaceInstanceStatus{}
	for _, condition := range after.Status.Conditions {
		if condition.Type == v1alpha1.ConditionOrderResolved {
			status.Conditions = append(status.Conditions, condition)
		}
	}
	return applyStatus(ctx, c, after, status, orderStatusOwner)
}

// applyUsageStatus writes what is known of an instance's usage, if it changed.
func applyUsageStatus(ctx context.Context, c client.Client, before, after *v1alpha1.MarketplaceInstance) error {
	was, is := usageStatus(before), usageStatus(after)
	if equality.Semantic.DeepEqual(was, is) {
		return nil
	}
	return applyStatus(ctx, c, after, is, usageStatusOwner)
}

func usageStatus(mpi *v1alpha1.MarketplaceInstance) *v1alpha1.MarketplaceInstanceStatus {
	status := &v1alpha1.MarketplaceInstanceStatus{Usage: mpi.Status.Usage}
	for _, condition := range mpi.Status.Conditions {
		if slices.Contains(usageConditions, condition.Type) {
			status.Conditions = append(status.Conditions, condition)
		}
	}
	return status
}

// applyStatus applies one owner's part of a status. An object that is gone needs none.
func applyStatus(ctx context.Context, c client.Client, mpi *v1alpha1.MarketplaceInstance, status *v1alpha1.MarketplaceInstanceStatus,
	owner string,
) error {
	raw, err := json.Marshal(status)
	if err != nil {
		return fmt.Errorf("encoding the status: %w", err)
	}
	part := applyv1alpha1.MarketplaceInstanceStatus()
	if err := json.Unmarshal(raw, part); err != nil {
		return fmt.Errorf("encoding the status: %w", err)
	}
	// With the UID, a status can't reach an instance of the same name that was made meanwhile.
	intent := applyv1alpha1.MarketplaceInstance(mpi.Name, mpi.Namespace).WithUID(mpi.UID).WithStatus(part)
	err = c.Status().Apply(ctx, intent, client.FieldOwner(owner), client.ForceOwnership)
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("writing the status: %w", err)
	}
	return nil
}
