package controllers

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
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
	// Each of these owns the one condition that conditionOwners names.
	directoryStatusOwner = v1alpha1.FieldOwner + "/directory"
	forwardStatusOwner   = v1alpha1.FieldOwner + "/forward"
)

// conditionOwners are the owners of the conditions that are not the instance reconciler's.
var conditionOwners = map[string]string{
	v1alpha1.ConditionOrderResolved:      orderStatusOwner,
	v1alpha1.ConditionDirectorySynced:    directoryStatusOwner,
	v1alpha1.ConditionDirectoryForwarded: forwardStatusOwner,
}

// applyInstanceStatus writes everything of an instance's status but the conditions of others, if it changed.
func applyInstanceStatus(ctx context.Context, c client.Client, before, after *v1alpha1.MarketplaceInstance) error {
	if equality.Semantic.DeepEqual(before.Status, after.Status) {
		return nil
	}
	status := after.Status.DeepCopy()
	status.Conditions = slices.DeleteFunc(status.Conditions, func(condition metav1.Condition) bool {
		return conditionOwners[condition.Type] != ""
	})
	return applyStatus(ctx, c, after, status, instanceStatusOwner)
}

// applyCondition writes one condition that conditionOwners names, or takes it back, if it changed.
func applyCondition(ctx context.Context, c client.Client, before, after *v1alpha1.MarketplaceInstance, kind string) error {
	was, is := meta.FindStatusCondition(before.Status.Conditions, kind), meta.FindStatusCondition(after.Status.Conditions, kind)
	if equality.Semantic.DeepEqual(was, is) {
		return nil
	}
	status := &v1alpha1.MarketplaceInstanceStatus{}
	if is != nil {
		status.Conditions = append(status.Conditions, *is)
	}
	return applyStatus(ctx, c, after, status, conditionOwners[kind])
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
