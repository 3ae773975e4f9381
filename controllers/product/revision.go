package product

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
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
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/queue"
	"github.com/stallkeeper/stallkeeper/controllers/render"
	"github.com/stallkeeper/stallkeeper/controllers/report"
	"github.com/stallkeeper/stallkeeper/controllers/revision"
	"github.com/stallkeeper/stallkeeper/controllers/template"
)

// cutRevision is a checked revision.
type cutRevision struct {
	name, chartDigest string
	// note is worth knowing and no problem.
	note string
	// asked stands for what the API server took of it, empty for nothing, and away says why it could not be asked.
	asked, away string
}

// checkedRevision is what the last check of a product has found, good or bad. It is remembered so that counting instances does not render
// plans.
type checkedRevision struct {
	generation int64
	at         time.Time
	cut        cutRevision
	// problem is what keeps the product from being sold; nil for nothing.
	problem *report.Verdict
	// inputs is a digest of what the plans were rendered from, empty if they were not; rendered is the problem that this showed, since when
	// this process knows.
	inputs   string
	rendered *report.Verdict
	since    time.Time
	// late counts how often the registry has taken long to give no chart, since it was last asked with success.
	late int
	// refused says that the API server has found the problem. What it goes by besides, such as a policy, is not watched.
	refused bool
}

// found is what is known. A problem comes with the revision that has it.
func (c *checkedRevision) found() (cutRevision, error) {
	if c.problem != nil {
		return c.cut, c.problem
	}
	return c.cut, nil
}

// recall takes over from the product's status what a former process saw: a revision whose check took too much.
func (c *checkedRevision) recall(product *v1alpha1.MarketplaceProduct, cut cutRevision, inputs string, now time.Time) {
	is := meta.FindStatusCondition(product.Status.Conditions, v1alpha1.ConditionReady)
	if c.inputs != "" || product.Status.OverrunRevision != cut.name || is == nil || is.Reason != v1alpha1.ReasonRenderLimit ||
		is.ObservedGeneration != product.Generation {
		return
	}
	c.cut, c.inputs, c.rendered, c.since = cut, inputs, report.Problem(is.Reason, is.Message), now
}

// pause is how long what was found is believed.
func (c *checkedRevision) pause() time.Duration {
	pause := queue.ChartRecheck
	for range c.late - 1 {
		pause = min(2*pause, queue.SlowRegistryLast)
	}
	return pause
}

// lateError is a problem that a registry took long to cause. A product whose registry hangs would hold a worker most of the time.
type lateError struct{ *report.Verdict }

func (e lateError) Unwrap() error { return e.Verdict }

// holds says whether the plans need not be rendered. A machine that stood still looks like a template that takes too much, so that this is
// not believed for ever.
func (c *checkedRevision) holds(inputs string, now time.Time) bool {
	if c.inputs != inputs || c.rendered == nil {
		return c.inputs == inputs
	}
	switch {
	case c.refused:
		return now.Sub(c.since) < queue.RefusedSampleRetry
	case c.rendered.Reason == v1alpha1.ReasonRenderLimit:
		return now.Sub(c.since) < queue.RenderLimitRetry
	default:
		return true
	}
}

// cutRevision checks the product and makes sure that its revision exists. A problem that a person has to solve is a *[report.Verdict].
// What was found is looked at again after a while, or when the product changes.
func (r *Reconciler) cutRevision(ctx context.Context, product *v1alpha1.MarketplaceProduct) (cutRevision, error) {
	now := r.Clock.Now()
	last := r.checked.Of(client.ObjectKeyFromObject(product), product.UID, func() *checkedRevision { return &checkedRevision{} })
	if last.generation == product.Generation && now.Sub(last.at) < last.pause() {
		return last.found()
	}
	if last.generation != product.Generation {
		*last = checkedRevision{generation: product.Generation}
	}
	err := r.checkRevision(ctx, product, last)
	if late := (lateError{}); errors.As(err, &late) {
		last.late = min(last.late+1, 8)
	} else {
		last.late = 0
	}
	last.problem = nil
	if err != nil && !errors.As(err, &last.problem) {
		last.at = time.Time{}
		return cutRevision{}, err
	}
	last.at = now
	return last.found()
}

// checkRevision checks the product, unless last was made from the same.
func (r *Reconciler) checkRevision(ctx context.Context, product *v1alpha1.MarketplaceProduct, last *checkedRevision) error {
	if err := silly(product); err != nil {
		return err
	}
	content, err := r.content(ctx, product)
	if err != nil {
		return err
	}
	secrets, err := revision.ReadSecretValues(ctx, r.APIReader, product.Namespace, content.ValuesFrom)
	if err != nil {
		return err
	}
	name, err := content.Name(product)
	if err != nil {
		return err
	}
	capabilities, err := r.Capabilities()
	if err != nil {
		return fmt.Errorf("asking for the cluster's capabilities: %w", err)
	}
	now, cut, inputs := r.Clock.Now(), cutRevision{name: name, chartDigest: content.ChartDigest()}, digestOf(name, capabilities, secrets)
	data := revision.Data{Content: content, CutAt: now.UTC().Truncate(time.Second), Capabilities: capabilities}
	last.recall(product, cut, inputs, now)
	if !last.holds(inputs, now) {
		// Without the Secrets' values, because it is stored.
		cut.asked = digestOf(name, capabilities, nil)
		last.inputs, last.rendered, last.refused = "", nil, false
		taken, err := r.try(ctx, product, &cut, data, secrets)
		if err != nil && !errors.As(err, &last.rendered) {
			return err
		}
		last.cut, last.since, last.refused = cut, now, last.rendered != nil && taken
		if cut.away == "" {
			last.inputs = inputs
		}
	}
	if last.rendered != nil {
		return last.rendered
	}
	return r.ensureRevision(ctx, product, last.cut, data)
}

// try renders the plans of a revision, and has the API server try what comes of it. rendered says whether it was the latter that the error
// and the notes are of.
func (r *Reconciler) try(ctx context.Context, product *v1alpha1.MarketplaceProduct, cut *cutRevision, data revision.Data, secrets revision.SecretValues,
) (rendered bool, err error) {
	var tried *trial
	if r.DryRun {
		before, err := r.askedBefore(ctx, types.NamespacedName{Namespace: product.Namespace, Name: cut.name})
		if err != nil {
			return false, err
		}
		if before != cut.asked {
			tried = &trial{r: r, product: product, values: secrets, seen: map[[sha256.Size]byte]bool{}}
		}
	}
	budget := &render.Budget{Limit: checkTime}
	ctx = render.For(ctx, render.Caller{Product: client.ObjectKeyFromObject(product).String(), Budget: budget})
	of := check{permissions: r.Permissions, features: r.Features, renderer: r.renderer(), namespace: r.checkNamespace(product), trial: tried, budget: budget}
	if cut.note, err = of.run(ctx, product, cut.name, data, secrets); err != nil || tried == nil || !tried.began {
		return false, err
	}
	notes, err := tried.said.result()
	if away, ok := errors.AsType[*awayError](err); ok && product.Status.LatestRevision == cut.name {
		// What is sold already stays so while a webhook is away, and is asked about again.
		cut.away, err = away.Error(), nil
		notes = []string{"The API server could not be asked about the objects, and is asked again: " + cut.away}
	}
	if len(notes) > 0 {
		// A process that starts later has to say it again.
		cut.asked = ""
	}
	cut.note = strings.Join(append(slices.DeleteFunc([]string{cut.note}, func(note string) bool { return note == "" }), notes...), ". ")
	return true, err
}

// digestOf tells whether what plans are rendered from has changed.
func digestOf(name string, capabilities template.Capabilities, secrets revision.SecretValues) string {
	sum := sha256.New()
	fmt.Fprintf(sum, "%s/%q/", name, capabilities)
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
func (r *Reconciler) ensureRevision(ctx context.Context, product *v1alpha1.MarketplaceProduct, cut cutRevision, data revision.Data) error {
	name := cut.name
	key := types.NamespacedName{Namespace: product.Namespace, Name: name}
	objects, err := revision.Objects(product, name, data)
	if err != nil {
		return err
	}
	if err := r.ensureParts(ctx, objects[1:]); err != nil {
		return err
	}
	held := contentMetadata()
	err = r.APIReader.Get(ctx, key, held)
	switch {
	case apierrors.IsNotFound(err):
		noteAsked(&objects[0].ObjectMeta, cut)
		if err := r.create(ctx, objects[0]); err != nil {
			return err
		}
	case err != nil:
		return fmt.Errorf("reading ControllerRevision %s: %w", name, err)
	default:
		before := held.DeepCopy()
		if product.Status.LatestRevision != name && madeLatestAt(held) < product.Generation {
			metav1.SetMetaDataAnnotation(&held.ObjectMeta, revision.GenerationAnnotation, strconv.FormatInt(product.Generation, 10))
		}
		noteAsked(&held.ObjectMeta, cut)
		if maps.Equal(before.Annotations, held.Annotations) {
			break
		}
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

// noteAsked notes what the API server took.
func noteAsked(meta *metav1.ObjectMeta, cut cutRevision) {
	if cut.asked != "" {
		metav1.SetMetaDataAnnotation(meta, askedAnnotation, cut.asked)
	}
}

// ensureParts makes the parts of a revision that are not there. They come before what names them, so that no revision is seen without
// its parts, and one that was deleted comes back while the product still has the same chart.
func (r *Reconciler) ensureParts(ctx context.Context, parts []*appsv1.ControllerRevision) error {
	for _, part := range parts {
		err := r.APIReader.Get(ctx, client.ObjectKeyFromObject(part), contentMetadata())
		if apierrors.IsNotFound(err) {
			err = r.create(ctx, part)
		}
		if err != nil {
			return fmt.Errorf("storing the parts of a revision: %w", err)
		}
	}
	return nil
}

func (r *Reconciler) create(ctx context.Context, object *appsv1.ControllerRevision) error {
	if err := r.Create(ctx, object); err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("creating ControllerRevision %s: %w", object.Name, err)
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

// contents are the ControllerRevisions of a product without their bytes, and without the parts of any.
func (r *Reconciler) contents(ctx context.Context, namespace, product string) ([]metav1.PartialObjectMetadata, error) {
	return r.listContents(ctx, namespace, product, revision.PartLabel, selection.DoesNotExist)
}

// parts are the ControllerRevisions that belong to another one.
func (r *Reconciler) parts(ctx context.Context, whole *metav1.PartialObjectMetadata) ([]metav1.PartialObjectMetadata, error) {
	return r.listContents(ctx, whole.Namespace, whole.Labels[v1alpha1.ProductLabel], revision.PartLabel, selection.Equals, whole.Name)
}

func (r *Reconciler) listContents(ctx context.Context, namespace, product, label string, is selection.Operator, values ...string,
) ([]metav1.PartialObjectMetadata, error) {
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(appsv1.SchemeGroupVersion.WithKind("ControllerRevisionList"))
	requirement, err := labels.NewRequirement(label, is, values)
	if err != nil {
		return nil, fmt.Errorf("selecting ControllerRevisions: %w", err)
	}
	selector := labels.SelectorFromSet(labels.Set{v1alpha1.ProductLabel: product}).Add(*requirement)
	err = r.APIReader.List(ctx, list, client.InNamespace(namespace), client.MatchingLabelsSelector{Selector: selector})
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
		data, err := revision.Read(ctx, r.APIReader, types.NamespacedName{Namespace: product.Namespace, Name: product.Status.LatestRevision})
		switch {
		case err == nil && len(data.Chart) > 0:
			return data.Chart, nil
		case err == nil, apierrors.IsNotFound(err), errors.Is(err, revision.ErrIncomplete), errors.Is(err, revision.ErrUnreadable):
			// The registry is asked once more.
		default:
			return nil, err
		}
	}
	fetching, cancel := context.WithTimeout(ctx, registryTimeout)
	defer cancel()
	began := r.Clock.Now()
	chart, err := chartSource{live: r.APIReader, registries: r.Registries}.fetch(fetching, product)
	problem := &report.Verdict{}
	if errors.As(err, &problem) && (fetching.Err() != nil || r.Clock.Since(began) >= slowRegistry) {
		err = lateError{problem}
	}
	return chart, err
}
