package product

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/queue"
	"github.com/stallkeeper/stallkeeper/controllers/report"
	"github.com/stallkeeper/stallkeeper/controllers/sale"
	"github.com/stallkeeper/stallkeeper/controllers/template"
	"github.com/stallkeeper/stallkeeper/controllers/workload"
)

// registryTimeout bounds the download of a chart.
const registryTimeout = 30 * time.Second

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
		r.checked.Forget(req.NamespacedName)
		left, err := r.collectRevisions(ctx, req.Namespace, req.Name, "")
		if err != nil || left == 0 {
			return ctrl.Result{}, err
		}
		// Nothing else tells when the last tenant is gone, or when a revision is old enough.
		return ctrl.Result{RequeueAfter: queue.ChartRecheck}, nil
	}
	if !product.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, nil
	}
	before := product.DeepCopy()
	cut, err := r.cutRevision(ctx, product)
	setReady(product, cut, err)

	instances := &v1alpha1.MarketplaceInstanceList{}
	if listErr := r.List(ctx, instances, client.InNamespace(product.Namespace)); listErr != nil {
		return ctrl.Result{}, errors.Join(err, listErr)
	}
	countInstances(product, instances.Items)
	if patchErr := r.patchStatus(ctx, before, product); patchErr != nil {
		return ctrl.Result{}, errors.Join(err, patchErr)
	}
	var problem *report.Verdict
	switch {
	case errors.As(err, &problem):
		// A person changes the product, or puts the chart where it belongs.
		return ctrl.Result{RequeueAfter: queue.ChartRecheck}, nil
	case err != nil:
		return ctrl.Result{}, err
	}
	if _, err := r.collectRevisions(ctx, product.Namespace, product.Name, product.Status.Revision); err != nil {
		return ctrl.Result{}, err
	}
	return ctrl.Result{RequeueAfter: queue.ChartRecheck}, nil
}

// setReady reports on the product. A failed check leaves the last good revision in the status.
func setReady(product *v1alpha1.MarketplaceProduct, cut cutRevision, err error) {
	ready := metav1.Condition{
		Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonProductReady,
		Message: "Every plan renders and may run", ObservedGeneration: product.Generation,
	}
	var problem *report.Verdict
	switch {
	case errors.As(err, &problem):
		ready.Status, ready.Reason, ready.Message = metav1.ConditionFalse, problem.Reason, report.Shorten(problem.Message)
	case err != nil:
		ready.Status, ready.Reason = metav1.ConditionUnknown, v1alpha1.ReasonProgressing
		ready.Message = "The product can't be checked now; it is tried again"
	default:
		product.Status.Revision = cut.name
		product.Status.ChartDigest = cut.chartDigest
		product.Status.ObservedGeneration = ptr.To(product.Generation)
		if cut.note != "" {
			ready.Message = report.Shorten(ready.Message + ". " + cut.note)
		}
	}
	meta.SetStatusCondition(&product.Status.Conditions, ready)
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
		if instances[i].Status.Revision == product.Status.Revision {
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
