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

// Field owners of an instance's status. Each reconciler applies what is its own, so that none has to wait for another and none
// takes another's conditions back.
const (
	instanceStatusOwner  = v1alpha1.FieldOwner
	orderStatusOwner     = v1alpha1.FieldOwner + "/order"
	licenseStatusOwner   = v1alpha1.FieldOwner + "/license"
	usageStatusOwner     = v1alpha1.FieldOwner + "/usage"
	directoryStatusOwner = v1alpha1.FieldOwner + "/directory"
	forwardStatusOwner   = v1alpha1.FieldOwner + "/forward"
)

// conditionOwners are the owners of the conditions that are not the instance reconciler's.
var conditionOwners = map[string]string{
	v1alpha1.ConditionOrderResolved:      orderStatusOwner,
	v1alpha1.ConditionLicenseActivated:   licenseStatusOwner,
	v1alpha1.ConditionLicenseDelivered:   licenseStatusOwner,
	v1alpha1.ConditionUsageReported:      usageStatusOwner,
	v1alpha1.ConditionPackageAvailable:   usageStatusOwner,
	v1alpha1.ConditionDirectorySynced:    directoryStatusOwner,
	v1alpha1.ConditionDirectoryForwarded: forwardStatusOwner,
}

// applyInstanceStatus writes everything of an instance's status but what the other reconcilers own, if it changed.
func applyInstanceStatus(ctx context.Context, c client.Client, before, after *v1alpha1.MarketplaceInstance) error {
	if equality.Semantic.DeepEqual(before.Status, after.Status) {
		return nil
	}
	status := after.Status.DeepCopy()
	status.Conditions = slices.DeleteFunc(status.Conditions, func(condition metav1.Condition) bool {
		return conditionOwners[condition.Type] != ""
	})
	status.Usage, status.Enterprises = nil, nil
	return applyStatus(ctx, c, after, status, instanceStatusOwner)
}

// applyConditions writes the conditions of one of the conditionOwners, if they changed.
func applyConditions(ctx context.Context, c client.Client, before, after *v1alpha1.MarketplaceInstance, owner string) error {
	if equality.Semantic.DeepEqual(before.Status.Conditions, after.Status.Conditions) {
		return nil
	}
	return applyStatus(ctx, c, after, &v1alpha1.MarketplaceInstanceStatus{Conditions: conditionsOf(after, owner)}, owner)
}

// applyDirectoryStatus writes what is known of an instance's directory, if it changed.
func applyDirectoryStatus(ctx context.Context, c client.Client, before, after *v1alpha1.MarketplaceInstance) error {
	was, is := directoryStatus(before), directoryStatus(after)
	if equality.Semantic.DeepEqual(was, is) {
		return nil
	}
	return applyStatus(ctx, c, after, is, directoryStatusOwner)
}

func directoryStatus(mpi *v1alpha1.MarketplaceInstance) *v1alpha1.MarketplaceInstanceStatus {
	return &v1alpha1.MarketplaceInstanceStatus{
		Enterprises: mpi.Status.Enterprises, Conditions: conditionsOf(mpi, directoryStatusOwner),
	}
}

// conditionsOf are an instance's conditions of one of the conditionOwners.
func conditionsOf(mpi *v1alpha1.MarketplaceInstance, owner string) []metav1.Condition {
	var own []metav1.Condition
	for _, condition := range mpi.Status.Conditions {
		if conditionOwners[condition.Type] == owner {
			own = append(own, condition)
		}
	}
	return own
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
	return &v1alpha1.MarketplaceInstanceStatus{Usage: mpi.Status.Usage, Conditions: conditionsOf(mpi, usageStatusOwner)}
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
