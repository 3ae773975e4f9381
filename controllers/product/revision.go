package product

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/queue"
	"github.com/stallkeeper/stallkeeper/controllers/revision"
)

// cutRevision is a checked revision.
type cutRevision struct {
	name, chartDigest string
	// note is worth knowing and no problem.
	note string
}

// checkedRevision is what the last check of a product has found. It is remembered so that counting instances does not render plans.
type checkedRevision struct {
	generation int64
	at         time.Time
	cut        cutRevision
}

// cutRevision checks the product and makes sure that its revision exists.
func (r *Reconciler) cutRevision(ctx context.Context, product *v1alpha1.MarketplaceProduct) (cutRevision, error) {
	now := r.Clock.Now()
	last := r.checked.Of(client.ObjectKeyFromObject(product), product.UID, func() *checkedRevision { return &checkedRevision{} })
	if last.generation == product.Generation && now.Sub(last.at) < queue.ChartRecheck {
		return last.cut, nil
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
	note, err := check{r.Permissions, r.Features}.run(product, name, data)
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
	*last = checkedRevision{product.Generation, now, cutRevision{name: name, chartDigest: content.ChartDigest(), note: note}}
	return last.cut, nil
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
