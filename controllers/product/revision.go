package product

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sort"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/queue"
	"github.com/stallkeeper/stallkeeper/controllers/report"
	"github.com/stallkeeper/stallkeeper/controllers/revision"
	"github.com/stallkeeper/stallkeeper/controllers/template"
)

const (
	// keptRevisions is how many revisions are kept that no tenant runs any more, newest first.
	keptRevisions = 5
	// revisionMinAge is how old an unused revision must be before it is deleted: a tenant may be about to move to it.
	revisionMinAge = 10 * time.Minute
)

// cutRevision is a checked revision.
type cutRevision struct {
	name, chartDigest string
	// note is worth knowing and no problem.
	note string
}

// checkedRevisions remembers the last check of each product, so that counting instances does not render plans.
type checkedRevisions struct {
	mu   sync.Mutex
	seen map[types.UID]checkedRevision
}

type checkedRevision struct {
	generation int64
	at         time.Time
	cut        cutRevision
}

func (c *checkedRevisions) get(product *v1alpha1.MarketplaceProduct, now time.Time) (cutRevision, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	last, ok := c.seen[product.UID]
	if !ok || last.generation != product.Generation || now.Sub(last.at) >= queue.ChartRecheck {
		return cutRevision{}, false
	}
	return last.cut, true
}

func (c *checkedRevisions) put(product *v1alpha1.MarketplaceProduct, now time.Time, cut cutRevision) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.seen == nil {
		c.seen = map[types.UID]checkedRevision{}
	}
	c.seen[product.UID] = checkedRevision{generation: product.Generation, at: now, cut: cut}
}

// cutRevision checks the product and makes sure that its revision exists.
func (r *Reconciler) cutRevision(ctx context.Context, product *v1alpha1.MarketplaceProduct) (cutRevision, error) {
	now := r.Clock.Now()
	if cut, ok := r.checked.get(product, now); ok {
		return cut, nil
	}
	chart, err := r.chart(ctx, product)
	if err != nil {
		return cutRevision{}, err
	}
	capabilities, err := r.Capabilities()
	if err != nil {
		return cutRevision{}, fmt.Errorf("asking for the cluster's capabilities: %w", err)
	}
	content := revision.ContentOf(product, chart)
	name, err := content.Name(product)
	if err != nil {
		return cutRevision{}, err
	}
	data := revision.Data{Content: content, CutAt: now.UTC().Truncate(time.Second), Capabilities: capabilities}
	note, err := productCheck{r.Permissions, r.Features}.run(product, name, data)
	if err != nil {
		return cutRevision{}, err
	}
	object, err := revision.Object(product, name, data)
	if err != nil {
		return cutRevision{}, err
	}
	if err := r.Create(ctx, object); err != nil && !apierrors.IsAlreadyExists(err) {
		return cutRevision{}, fmt.Errorf("creating ControllerRevision %s: %w", name, err)
	}
	cut := cutRevision{name: name, chartDigest: content.ChartDigest(), note: note}
	r.checked.put(product, now, cut)
	return cut, nil
}

// chart returns the chart's bytes. A chart of a registry is an exact version: once a revision holds it, the registry is not
// asked again for the same generation of the product.
func (r *Reconciler) chart(ctx context.Context, product *v1alpha1.MarketplaceProduct) ([]byte, error) {
	observed := product.Status.ObservedGeneration
	if product.Spec.Template.Chart.OCI.Reference != "" && observed != nil && *observed == product.Generation {
		held := &appsv1.ControllerRevision{}
		err := r.APIReader.Get(ctx, types.NamespacedName{Namespace: product.Namespace, Name: product.Status.Revision}, held)
		if client.IgnoreNotFound(err) != nil {
			return nil, fmt.Errorf("reading ControllerRevision %s: %w", product.Status.Revision, err)
		}
		var data revision.Data
		if err == nil && json.Unmarshal(held.Data.Raw, &data) == nil && len(data.Chart) > 0 {
			return data.Chart, nil
		}
	}
	ctx, cancel := context.WithTimeout(ctx, registryTimeout)
	defer cancel()
	return chartSource{live: r.APIReader}.fetch(ctx, product)
}

// collectRevisions deletes revisions that no tenant is pinned to. Those of a product that is gone stay as long as a tenant
// needs them: without its revision a tenant could not even be suspended. It returns how many are left. Only metadata are
// read, because each revision holds a chart.
func (r *Reconciler) collectRevisions(ctx context.Context, namespace, product, current string) (left int, err error) {
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(appsv1.SchemeGroupVersion.WithKind("ControllerRevisionList"))
	err = r.APIReader.List(ctx, list, client.InNamespace(namespace), client.MatchingLabels{v1alpha1.ProductLabel: product})
	if err != nil {
		return 0, fmt.Errorf("listing ControllerRevisions: %w", err)
	}
	left = len(list.Items)
	sort.Slice(list.Items, func(i, j int) bool {
		return list.Items[j].CreationTimestamp.Before(&list.Items[i].CreationTimestamp)
	})
	unused := 0
	for i := range list.Items {
		revision := &list.Items[i]
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

// templateProblem words what is wrong with a template.
func templateProblem(err error) error {
	var unsupported *template.UnsupportedError
	reason := v1alpha1.ReasonInvalidTemplate
	switch {
	case errors.Is(err, template.ErrChartTooLarge):
		reason = v1alpha1.ReasonChartTooLarge
	case errors.As(err, &unsupported):
		reason = v1alpha1.ReasonUnsupported
	}
	return report.Problem(reason, err.Error())
}
