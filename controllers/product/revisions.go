package product

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/report"
	"github.com/stallkeeper/stallkeeper/controllers/revision"
)

// reportRevisions brings the MarketplaceRevisions of a product up to date with its ControllerRevisions and its tenants. latest is empty
// for a product that is gone.
func (r *Reconciler) reportRevisions(ctx context.Context, product types.NamespacedName, latest string,
	instances []v1alpha1.MarketplaceInstance,
) error {
	held, err := r.contents(ctx, product.Namespace, product.Name)
	if err != nil {
		return err
	}
	list := &v1alpha1.MarketplaceRevisionList{}
	err = r.List(ctx, list, client.InNamespace(product.Namespace), client.MatchingLabels{v1alpha1.ProductLabel: product.Name})
	if err != nil {
		return fmt.Errorf("listing MarketplaceRevisions: %w", err)
	}
	tenants := tenantsOf(instances)
	shown := map[string]*v1alpha1.MarketplaceRevision{}
	for i := range list.Items {
		shown[list.Items[i].Name] = &list.Items[i]
	}
	var errs []error
	contents := map[string]bool{}
	for _, content := range held {
		contents[content.Name] = true
		if shown[content.Name] == nil && content.DeletionTimestamp.IsZero() {
			made := revision.Shown(&v1alpha1.MarketplaceProduct{ObjectMeta: metav1.ObjectMeta{Namespace: product.Namespace, Name: product.Name}}, content.Name)
			if err := r.Create(ctx, made); err != nil && !apierrors.IsAlreadyExists(err) {
				errs = append(errs, fmt.Errorf("creating MarketplaceRevision %s: %w", content.Name, err))
				continue
			}
			shown[content.Name] = made
		}
	}
	for name, mkr := range shown {
		errs = append(errs, r.reportRevision(ctx, mkr, contents[name], stateOf(name, latest, tenants[name]), tenants[name]))
	}
	return errors.Join(errs...)
}

// tenantsOf counts the tenants of each revision.
func tenantsOf(instances []v1alpha1.MarketplaceInstance) map[string]int32 {
	tenants := map[string]int32{}
	for i := range instances {
		if name := instances[i].Status.Revision; name != "" {
			tenants[name]++
		}
	}
	return tenants
}

func stateOf(name, latest string, tenants int32) v1alpha1.RevisionState {
	switch {
	case name == latest:
		return v1alpha1.RevisionLatest
	case tenants > 0:
		return v1alpha1.RevisionInUse
	default:
		return v1alpha1.RevisionUnused
	}
}

// reportRevision writes one revision's status, or deletes what shows nothing any more.
func (r *Reconciler) reportRevision(ctx context.Context, mkr *v1alpha1.MarketplaceRevision, held bool, state v1alpha1.RevisionState,
	tenants int32,
) error {
	if !held && state == v1alpha1.RevisionUnused {
		return r.deleteShown(ctx, mkr.Namespace, mkr.Name)
	}
	before := mkr.DeepCopy()
	ready, known := r.readable(ctx, mkr, held)
	if !known {
		return nil
	}
	mkr.Status.State, mkr.Status.Tenants = state, ptr.To(tenants)
	mkr.Status.ObservedGeneration = ptr.To(mkr.Generation)
	setConditions(&mkr.Status.Conditions, ready, mkr.Generation)
	if equality.Semantic.DeepEqual(before.Status, mkr.Status) {
		return nil
	}
	if err := client.IgnoreNotFound(r.Status().Patch(ctx, mkr, client.MergeFrom(before))); err != nil {
		return fmt.Errorf("writing the status of MarketplaceRevision %s: %w", mkr.Name, err)
	}
	return nil
}

// readable says whether a revision can run. Its bytes are read once, because they never change; known is false when they can't be read
// now.
func (r *Reconciler) readable(ctx context.Context, mkr *v1alpha1.MarketplaceRevision, held bool) (ready report.Verdict, known bool) {
	lost := report.False(v1alpha1.ReasonRevisionContentLost, fmt.Sprintf("ControllerRevision %q with the revision's content was deleted: restore it from a"+
		" backup; until then, its tenants can only be stopped and removed", mkr.Name))
	if !held {
		return lost, true
	}
	good := report.True(v1alpha1.ReasonRevisionReady, "Tenants can run this revision")
	if meta.IsStatusConditionTrue(mkr.Status.Conditions, v1alpha1.ConditionReady) {
		return good, true
	}
	data, err := revision.Read(ctx, r.APIReader, client.ObjectKeyFromObject(mkr))
	switch {
	case apierrors.IsNotFound(err):
		return lost, true
	case errors.Is(err, revision.ErrIncomplete):
		return report.False(v1alpha1.ReasonRevisionContentLost, fmt.Sprintf("ControllerRevision %q: %s; until then"+
			" its tenants can be stopped and removed only", mkr.Name, err)), true
	case errors.Is(err, revision.ErrUnreadable):
		return report.False(v1alpha1.ReasonRevisionContentUnreadable, fmt.Sprintf("%s: run the version of Stallkeeper that created it,"+
			" or move its tenants to another revision", err)), true
	case err != nil:
		return report.Verdict{}, false
	}
	mkr.Status.ChartDigest = data.ChartDigest()
	return good, true
}

func (r *Reconciler) deleteShown(ctx context.Context, namespace, name string) error {
	mkr := &v1alpha1.MarketplaceRevision{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	if err := client.IgnoreNotFound(r.Delete(ctx, mkr)); err != nil {
		return fmt.Errorf("deleting MarketplaceRevision %s: %w", name, err)
	}
	return nil
}
