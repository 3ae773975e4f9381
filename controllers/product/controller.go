package product

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/queue"
	"github.com/stallkeeper/stallkeeper/controllers/render"
	"github.com/stallkeeper/stallkeeper/controllers/report"
	"github.com/stallkeeper/stallkeeper/controllers/sale"
	"github.com/stallkeeper/stallkeeper/controllers/template"
	"github.com/stallkeeper/stallkeeper/controllers/workload"
)

const (
	// registryTimeout bounds the download of a chart. A registry that fails after slowRegistry is left alone for longer each time.
	registryTimeout = 30 * time.Second
	slowRegistry    = 5 * time.Second
	// checkTime is the processor time that a check may take for all plans together.
	checkTime = 15 * time.Minute
)

// Reconciler checks products: every plan must render, within the operator's permissions and the Pod Security level.
// What passes becomes a revision; what does not leaves the last good revision in force.
type Reconciler struct {
	client.Client
	// APIReader reads what is not cached: ControllerRevisions, ConfigMaps and Secrets.
	APIReader client.Reader
	Clock     clock.PassiveClock
	// Capabilities asks the cluster for its version and API versions.
	Capabilities func() (template.Capabilities, error)
	// Permissions are the kinds that the operator may make.
	Permissions workload.Permissions
	// Renderer renders the plans; nil means this process.
	Renderer render.Renderer
	// Registries fetches charts; nil means a client of a controller in a pod.
	Registries *http.Client
	// DryRun has the API server try each plan's objects, in a namespace whose name begins with TenantPrefix.
	DryRun       bool
	TenantPrefix string
	// Features say which Services of a tenant the controller connects to, and which names they keep for themselves.
	Features []sale.Feature

	checked queue.Memory[checkedRevision]
}

// Reconcile brings one product's revision and status up to date.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	product := &v1alpha1.MarketplaceProduct{}
	if err := r.Get(ctx, req.NamespacedName, product); err != nil {
		if client.IgnoreNotFound(err) != nil {
			return ctrl.Result{}, err
		}
		return r.gone(ctx, req.NamespacedName)
	}
	if !product.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, nil
	}
	before := product.DeepCopy()
	cut, err := r.cutRevision(ctx, product)
	var problem *report.Verdict
	if err != nil {
		// A product that fails its check keeps its last good revision, also when its status was erased.
		if restoreErr := r.restoreLatest(ctx, product); restoreErr != nil {
			return ctrl.Result{}, errors.Join(err, restoreErr)
		}
		if errors.As(err, &problem) {
			err = nil
		}
	}
	listings, listErr := r.listings(ctx, product)
	instances := &v1alpha1.MarketplaceInstanceList{}
	if listErr = errors.Join(listErr, r.List(ctx, instances, client.InNamespace(product.Namespace))); listErr != nil {
		return ctrl.Result{}, errors.Join(err, listErr)
	}
	setStatus(product, cut, problem, err)
	report.Set(&product.Status.Conditions, v1alpha1.ConditionListingsResolved, listings, product.Generation, time.Time{})
	countInstances(product, instances.Items)
	if patchErr := r.patchStatus(ctx, before, product); patchErr != nil {
		return ctrl.Result{}, errors.Join(err, patchErr)
	}
	if err == nil && problem == nil {
		_, err = r.collectRevisions(ctx, product.Namespace, product.Name, product.Status.LatestRevision)
	}
	err = errors.Join(err, r.reportRevisions(ctx, req.NamespacedName, product.Status.LatestRevision, instances.Items))
	if err != nil {
		return ctrl.Result{}, err
	}
	return ctrl.Result{RequeueAfter: queue.ChartRecheck}, nil
}

// gone keeps the revisions of a product that does not exist any more for the tenants that run them.
func (r *Reconciler) gone(ctx context.Context, product types.NamespacedName) (ctrl.Result, error) {
	r.checked.Forget(product)
	if err := r.dropNamespaces(ctx, product); err != nil {
		return ctrl.Result{}, err
	}
	left, err := r.collectRevisions(ctx, product.Namespace, product.Name, "")
	if err != nil {
		return ctrl.Result{}, err
	}
	instances := &v1alpha1.MarketplaceInstanceList{}
	if err := r.List(ctx, instances, client.InNamespace(product.Namespace)); err != nil {
		return ctrl.Result{}, err
	}
	if err := r.reportRevisions(ctx, product, "", instances.Items); err != nil || left == 0 {
		return ctrl.Result{}, err
	}
	// Nothing else tells when the last tenant is gone, or when a revision is old enough.
	return ctrl.Result{RequeueAfter: queue.ChartRecheck}, nil
}

// renderer is the one that was given, or this process.
func (r *Reconciler) renderer() render.Renderer {
	if r.Renderer != nil {
		return r.Renderer
	}
	return render.InProcess{}
}

// setStatus reports on the product. A failed check leaves the last good revision in the status.
func setStatus(product *v1alpha1.MarketplaceProduct, cut cutRevision, problem *report.Verdict, err error) {
	product.Status.ObservedGeneration = ptr.To(product.Generation)
	ready := report.True(v1alpha1.ReasonProductReady, "All plans render and may run")
	switch {
	case problem != nil:
		ready = *problem
		product.Status.OverrunRevision = ""
		if problem.Reason == v1alpha1.ReasonRenderLimit {
			product.Status.OverrunRevision = cut.name
		}
	case err != nil:
		ready = report.Unknown(v1alpha1.ReasonProgressing, "Checking the product failed for a reason outside the product; retrying")
		if away, ok := errors.AsType[*awayError](err); ok {
			ready.Message = "The API server could not be asked about the objects, and is asked again: " + away.Error()
		}
		if errors.Is(err, render.ErrBusy) {
			ready.Message = "Waiting to be rendered: templates that take long take turns"
		}
	default:
		product.Status.OverrunRevision = ""
		product.Status.LatestRevision = cut.name
		product.Status.LatestRevisionGeneration = ptr.To(product.Generation)
		if cut.note != "" {
			ready.Message += ". " + cut.note
		}
	}
	setConditions(&product.Status.Conditions, ready, product.Generation)
}

// setConditions sets Ready, and Stalled while it is False: then a person has to act.
func setConditions(conditions *[]metav1.Condition, ready report.Verdict, generation int64) {
	stalled := report.Verdict{Absent: true}
	if ready.Status == metav1.ConditionFalse {
		stalled = report.True(ready.Reason, ready.Message)
	}
	report.Set(conditions, v1alpha1.ConditionReady, ready, generation, time.Time{})
	report.Set(conditions, v1alpha1.ConditionStalled, stalled, generation, time.Time{})
}

// countInstances counts a product's instances by state, and how many run the current revision.
func countInstances(product *v1alpha1.MarketplaceProduct, instances []v1alpha1.MarketplaceInstance) {
	counts := map[v1alpha1.InstanceState]int32{}
	var total, updated int32
	for i := range instances {
		if instances[i].Spec.ProductRef.Name != product.Name {
			continue
		}
		counts[report.StateOf(&instances[i])]++
		if instances[i].Status.Revision == "" {
			continue
		}
		total++
		if instances[i].Status.Revision == product.Status.LatestRevision {
			updated++
		}
	}
	product.Status.Instances = nil
	for _, state := range report.States {
		if counts[state] > 0 {
			product.Status.Instances = append(product.Status.Instances,
				v1alpha1.InstanceCount{State: state, Count: ptr.To(counts[state])})
		}
	}
	product.Status.Rollout = v1alpha1.RolloutStatus{Total: ptr.To(total), Updated: ptr.To(updated)}
}

func (r *Reconciler) patchStatus(ctx context.Context, before, after *v1alpha1.MarketplaceProduct) error {
	if equality.Semantic.DeepEqual(before.Status, after.Status) {
		return nil
	}
	if err := client.IgnoreNotFound(r.Status().Patch(ctx, after, client.MergeFrom(before))); err != nil {
		return fmt.Errorf("writing the status: %w", err)
	}
	return nil
}
