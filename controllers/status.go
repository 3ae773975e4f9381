package controllers

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/api/equality"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

// patchStatus writes an instance's status if it changed. Two reconcilers own parts of it, so a write on an older object
// fails rather than taking the other's condition back. An object that is gone needs no status.
func patchStatus(ctx context.Context, c client.Client, before, after *v1alpha1.MarketplaceInstance) error {
	if equality.Semantic.DeepEqual(before.Status, after.Status) {
		return nil
	}
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	if err := client.IgnoreNotFound(c.Status().Patch(ctx, after, patch)); err != nil {
		return fmt.Errorf("writing the status: %w", err)
	}
	return nil
}
