package product

import (
	"context"
	"fmt"
	"sort"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

const (
	// keptRevisions is how many revisions are kept that no tenant runs any more, newest first.
	keptRevisions = 5
	// revisionMinAge is how old an unused revision must be before it is deleted: a tenant may be about to move to it.
	revisionMinAge = 10 * time.Minute
)

// collectRevisions deletes revisions that no tenant is pinned to. Those of a product that is gone stay as long as a tenant
// needs them: without its revision a tenant could not even be suspended. It returns how many are left. Only metadata are
// read, because each revision holds a chart.
func (r *Reconciler) collectRevisions(ctx context.Context, namespace, product, current string) (left int, err error) {
	items, err := r.contents(ctx, namespace, product)
	if err != nil {
		return 0, err
	}
	left = len(items)
	sort.Slice(items, func(i, j int) bool {
		return items[j].CreationTimestamp.Before(&items[i].CreationTimestamp)
	})
	unused := 0
	for i := range items {
		revision := &items[i]
		if revision.Name == current || (revision.DeletionTimestamp.IsZero() && r.Clock.Since(revision.CreationTimestamp.Time) < revisionMinAge) {
			continue
		}
		used, err := r.inUse(ctx, namespace, revision.Name)
		if err != nil {
			return left, err
		}
		if used {
			continue
		}
		if unused++; unused <= keptRevisions && revision.DeletionTimestamp.IsZero() && current != "" {
			continue
		}
		if err := r.deleteRevision(ctx, revision); err != nil {
			return left, err
		}
		if err := r.deleteShown(ctx, namespace, revision.Name); err != nil {
			return left, err
		}
		left--
	}
	return left, nil
}

// inUse asks the API server, not the cache, whether a tenant is pinned to a revision or shall move to it.
func (r *Reconciler) inUse(ctx context.Context, namespace, revision string) (bool, error) {
	pinned := &metav1.PartialObjectMetadataList{}
	pinned.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("NamespaceList"))
	err := r.APIReader.List(ctx, pinned, client.Limit(1), client.MatchingLabels{
		v1alpha1.RevisionLabel: revision, v1alpha1.InstanceNamespaceLabel: namespace,
	})
	if err != nil {
		return false, fmt.Errorf("listing the tenants of ControllerRevision %s: %w", revision, err)
	}
	return len(pinned.Items) > 0, nil
}

func (r *Reconciler) deleteRevision(ctx context.Context, revision *metav1.PartialObjectMetadata) error {
	parts, err := r.parts(ctx, revision)
	if err != nil {
		return err
	}
	for i := range parts {
		if err := r.deleteContent(ctx, &parts[i]); err != nil {
			return err
		}
	}
	return r.deleteContent(ctx, revision)
}

// deleteContent lets one ControllerRevision go.
func (r *Reconciler) deleteContent(ctx context.Context, revision *metav1.PartialObjectMetadata) error {
	revision.SetGroupVersionKind(appsv1.SchemeGroupVersion.WithKind("ControllerRevision"))
	before := revision.DeepCopy()
	if controllerutil.RemoveFinalizer(revision, v1alpha1.RevisionFinalizer) {
		if err := r.Patch(ctx, revision, client.MergeFrom(before)); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("releasing ControllerRevision %s: %w", revision.Name, err)
		}
	}
	if err := r.Delete(ctx, revision); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("deleting ControllerRevision %s: %w", revision.Name, err)
	}
	return nil
}
