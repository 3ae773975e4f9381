package product

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/queue"
	"github.com/stallkeeper/stallkeeper/controllers/report"
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
	// secrets is a digest of the Secrets' values that the check has seen.
	secrets string
	overrun overrun
}

// overrun is a revision whose check took too much.
type overrun struct {
	name string
	// since is when this process saw it first, secrets as in checkedRevision.
	since   time.Time
	secrets string
}

// holds says whether a revision is not to be rendered now. What a former process saw is in the product's status.
func (o *overrun) holds(product *v1alpha1.MarketplaceProduct, name, secrets string, now time.Time) (*report.Verdict, bool) {
	is := meta.FindStatusCondition(product.Status.Conditions, v1alpha1.ConditionReady)
	if product.Status.OverrunRevision != name || is == nil || is.Reason != v1alpha1.ReasonRenderLimit || is.ObservedGeneration != product.Generation {
		return nil, false
	}
	if o.name != name {
		*o = overrun{name, now, secrets}
	}
	return report.Problem(is.Reason, is.Message), o.secrets == secrets && now.Sub(o.since) < queue.RenderLimitRetry
}

// cutRevision checks the product and makes sure that its revision exists.
func (r *Reconciler) cutRevision(ctx context.Context, product *v1alpha1.MarketplaceProduct) (cutRevision, error) {
	now := r.Clock.Now()
	last := r.checked.Of(client.ObjectKeyFromObject(product), product.UID, func() *checkedRevision { return &checkedRevision{} })
	if last.generation == product.Generation && now.Sub(last.at) < queue.ChartRecheck {
		return last.cut, nil
	}
	if err := silly(product); err != nil {
		return cutRevision{}, err
	}
	content, err := r.content(ctx, product)
	if err != nil {
		return cutRevision{}, err
	}
	secrets, err := revision.ReadSecretValues(ctx, r.APIReader, product.Namespace, content.ValuesFrom)
	if err != nil {
		return cutRevision{}, err
	}
	name, err := content.Name(product)
	if err != nil {
		return cutRevision{}, err
	}
	cut := cutRevision{name: name, chartDigest: content.ChartDigest()}
	capabilities, err := r.Capabilities()
	if err != nil {
		return cutRevision{}, fmt.Errorf("asking for the cluster's capabilities: %w", err)
	}
	digest := digestOf(secrets)
	if problem, holds := last.overrun.holds(product, name, digest, now); holds {
		return cut, problem
	}
	data := revision.Data{Content: content, CutAt: now.UTC().Truncate(time.Second), Capabilities: capabilities}
	// What was found good stays so while nothing that it was made from has changed.
	if last.generation == product.Generation && last.cut.name == name && last.secrets == digest {
		cut.note = last.cut.note
	} else if cut.note, err = (check{r.Permissions, r.Features, r.renderer()}).run(ctx, product, name, data, secrets); err != nil {
		last.overrun = overrun{name, now, digest}
		return cut, err
	}
	if err := r.ensureRevision(ctx, product, name, data); err != nil {
		return cutRevision{}, err
	}
	*last = checkedRevision{generation: product.Generation, at: now, cut: cut, secrets: digest}
	return cut, nil
}

// digestOf tells whether values of Secrets have changed.
func digestOf(secrets revision.SecretValues) string {
	sum := sha256.New()
	refs := slices.SortedFunc(maps.Keys(secrets), func(a, b v1alpha1.SecretKeyReference) int {
		return strings.Compare(a.Name+"/"+a.Key, b.Name+"/"+b.Key)
	})
	for _, ref := range refs {
		fmt.Fprintf(sum, "%s/%s/%d/", ref.Name, ref.Key, len(secrets[ref]))
		sum.Write(secrets[ref])
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// content is what the product says today, with what it is made from.
func (r *Reconciler) content(ctx context.Context, product *v1alpha1.MarketplaceProduct) (revision.Content, error) {
	chart, err := r.chart(ctx, product)
	if err != nil {
		return revision.Content{}, err
	}
	files, err := chartSource{live: r.APIReader}.files(ctx, product)
	if err != nil {
		return revision.Content{}, err
	}
	sources, err := revision.ReadSources(ctx, r.APIReader, product)
	if err != nil {
		return revision.Content{}, err
	}
	return revision.ContentOf(product, revision.Material{Chart: chart, Files: files, Sources: sources}), nil
}

// ensureRevision makes the ControllerRevision with the bytes and the MarketplaceRevision that shows it, if they are not there, and notes
// on the former that it is the latest one now.
func (r *Reconciler) ensureRevision(ctx context.Context, product *v1alpha1.MarketplaceProduct, name string, data revision.Data) error {
	key := types.NamespacedName{Namespace: product.Namespace, Name: name}
	held := contentMetadata()
	err := r.APIReader.Get(ctx, key, held)
	switch {
	case apierrors.IsNotFound(err):
		object, err := revision.Object(product, name, data)
		if err != nil {
			return err
		}
		if err := r.Create(ctx, object); err != nil && !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("creating ControllerRevision %s: %w", name, err)
		}
	case err != nil:
		return fmt.Errorf("reading ControllerRevision %s: %w", name, err)
	case product.Status.LatestRevision != name && madeLatestAt(held) < product.Generation:
		before := held.DeepCopy()
		metav1.SetMetaDataAnnotation(&held.ObjectMeta, revision.GenerationAnnotation, strconv.FormatInt(product.Generation, 10))
		if err := r.Patch(ctx, held, client.MergeFrom(before)); err != nil {
			return fmt.Errorf("writing ControllerRevision %s: %w", name, err)
		}
	}
	shown := &v1alpha1.MarketplaceRevision{}
	if err := r.Get(ctx, key, shown); !apierrors.IsNotFound(err) {
		return err
	}
	if err := r.Create(ctx, revision.Shown(product, name)); err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("creating MarketplaceRevision %s: %w", name, err)
	}
	return nil
}

// contentMetadata reads or writes a ControllerRevision without its bytes, which may be a chart.
func contentMetadata() *metav1.PartialObjectMetadata {
	held := &metav1.PartialObjectMetadata{}
	held.SetGroupVersionKind(appsv1.SchemeGroupVersion.WithKind("ControllerRevision"))
	return held
}

// madeLatestAt is the product's generation that made a ControllerRevision the latest one; 0 when it does not say.
func madeLatestAt(held *metav1.PartialObjectMetadata) int64 {
	generation, err := strconv.ParseInt(held.Annotations[revision.GenerationAnnotation], 10, 64)
	if err != nil {
		return 0
	}
	return generation
}

// restoreLatest finds the last good revision of a product whose status does not name one, by the objects that stand.
func (r *Reconciler) restoreLatest(ctx context.Context, product *v1alpha1.MarketplaceProduct) error {
	if product.Status.LatestRevision != "" {
		return nil
	}
	list, err := r.contents(ctx, product.Namespace, product.Name)
	if err != nil {
		return err
	}
	var latest *metav1.PartialObjectMetadata
	for i := range list {
		held := &list[i]
		// Those of a former product of this name are not this one's.
		owned := len(held.OwnerReferences) > 0 && held.OwnerReferences[0].UID == product.UID
		if owned && held.DeletionTimestamp.IsZero() && (latest == nil || madeLatestAt(held) > madeLatestAt(latest)) {
			latest = held
		}
	}
	if latest != nil {
		generation := madeLatestAt(latest)
		product.Status.LatestRevision, product.Status.LatestRevisionGeneration = latest.Name, &generation
	}
	return nil
}

// contents are the ControllerRevisions of a product without their bytes.
func (r *Reconciler) contents(ctx context.Context, namespace, product string) ([]metav1.PartialObjectMetadata, error) {
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(appsv1.SchemeGroupVersion.WithKind("ControllerRevisionList"))
	err := r.APIReader.List(ctx, list, client.InNamespace(namespace), client.MatchingLabels{v1alpha1.ProductLabel: product})
	if err != nil {
		return nil, fmt.Errorf("listing ControllerRevisions: %w", err)
	}
	return list.Items, nil
}

// chart returns the chart's bytes. A chart of a registry is an exact version: once a revision holds it, the registry is not
// asked again for the same generation of the product.
func (r *Reconciler) chart(ctx context.Context, product *v1alpha1.MarketplaceProduct) ([]byte, error) {
	made := product.Status.LatestRevisionGeneration
	if product.Spec.Template.Chart.OCI.Reference != "" && made != nil && *made == product.Generation {
		held := &appsv1.ControllerRevision{}
		err := r.APIReader.Get(ctx, types.NamespacedName{Namespace: product.Namespace, Name: product.Status.LatestRevision}, held)
		if client.IgnoreNotFound(err) != nil {
			return nil, fmt.Errorf("reading ControllerRevision %s: %w", product.Status.LatestRevision, err)
		}
		if err == nil {
			if data, err := revision.Decode(held.Data.Raw); err == nil && len(data.Chart) > 0 {
				return data.Chart, nil
			}
		}
	}
	ctx, cancel := context.WithTimeout(ctx, registryTimeout)
	defer cancel()
	return chartSource{live: r.APIReader}.fetch(ctx, product)
}
