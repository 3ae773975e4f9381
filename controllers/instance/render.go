package instance

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/queue"
	"github.com/stallkeeper/stallkeeper/controllers/render"
	"github.com/stallkeeper/stallkeeper/controllers/report"
	"github.com/stallkeeper/stallkeeper/controllers/revision"
	"github.com/stallkeeper/stallkeeper/controllers/sale"
	"github.com/stallkeeper/stallkeeper/controllers/tenant"
	"github.com/stallkeeper/stallkeeper/controllers/workload"
)

// rendering is what a revision makes of the instance.
type rendering struct {
	rev    *revision.Revision
	result revision.Rendered
	access v1alpha1.InstanceAccess
	set    tenant.Set
	// prepare are the groups that come before a tenant of another revision gets this one.
	prepare [][]*unstructured.Unstructured
}

// prepares says whether hooks have to be through before a tenant moves to the revision.
func (r *rendering) prepares() bool {
	return slices.ContainsFunc(slices.Concat(r.prepare...), func(object *unstructured.Unstructured) bool {
		return object.GetAnnotations()[v1alpha1.HookAnnotation] == v1alpha1.HookPreUpgrade
	})
}

// hook names the hook of a key, as its event, kind and name; empty for an object that is none. A Job can be one of an installation and
// of an upgrade.
func (r *rendering) hook(key tenant.Key, install bool) string {
	happens := map[bool]string{true: "-install", false: "-upgrade"}[install]
	for _, object := range slices.Concat(slices.Concat(r.set.Groups...), slices.Concat(r.prepare...)) {
		event := object.GetAnnotations()[v1alpha1.HookAnnotation]
		if strings.HasSuffix(event, happens) && object.GetKind() == key.Kind && object.GetName() == key.Name {
			return event + " hook " + key.String()
		}
	}
	return ""
}

func (r *rendering) limits(ctx context.Context) ([]v1alpha1.PlanLimit, error) {
	return revision.Limits(ctx, r.rev, r.result)
}

// sets are the renderings of a pass. next is that of the target revision; former that of the revision that the tenant has, where it is
// another one. Each is nil where it could not be made, with the reason.
type sets struct {
	former, next               *rendering
	formerProblem, nextProblem *report.Verdict
	formerErr, nextErr         error
	// access is what the buyer is told, as far as it is known without an object.
	access *v1alpha1.InstanceAccess
}

// wanted are the replicas that the tenant's revision sets; nil where that is not known.
func (s sets) wanted() map[tenant.Key]int64 {
	of := s.former
	if of == nil {
		of = s.next
	}
	if of == nil || of.rev.Template == nil {
		return nil
	}
	return of.set.Wanted()
}

// formerWaits says whether the tenant's revision could not be rendered just now, and soon can. One whose source is paused is not waited for:
// each of its tenants would have to overrun before it may go to a revision that does not.
func (s sets) formerWaits() bool {
	waits := s.formerProblem != nil && s.formerProblem.After > 0 && s.formerProblem.Reason != v1alpha1.ReasonRenderLimit
	fails := s.formerErr != nil && !errors.Is(s.formerErr, revision.ErrUnreadable)
	return s.former == nil && (waits || fails)
}

// fail reports why nothing could be rendered. That a tenant which stands as it should waits for its turn, as all do after a restart, is no
// news: it would not be said to be ready for so long.
func (s sets) fail(p *pass, o *outcome) {
	if s.nextProblem != nil && s.nextProblem.After > 0 && p.standsAsSaid() {
		o.again = queue.Earliest(o.again, p.now.Add(s.nextProblem.After))
		return
	}
	o.problem = s.nextProblem
	if o.problem == nil {
		o.problem = s.formerProblem
	}
	s.failRetry(o)
}

// standsAsSaid says whether the status says that the tenant is what the instance wants today.
func (p *pass) standsAsSaid() bool {
	status := p.Instance.Status
	return p.pin != "" && p.pin == p.target && ptr.Deref(status.ObservedGeneration, 0) == p.Instance.Generation &&
		meta.IsStatusConditionTrue(status.Conditions, v1alpha1.ConditionProvisioned)
}

func (s sets) failRetry(o *outcome) { o.err = errors.Join(o.err, s.formerErr, s.nextErr) }

// render renders the revision that the tenant has and its target.
func (r *Reconciler) render(ctx context.Context, p *pass) sets {
	var s sets
	secrets := noting{r.APIReader, versions{}}
	if p.pin != "" && p.pin != p.target {
		s.former, s.formerProblem, s.formerErr = r.renderRevision(ctx, p, p.pin, secrets)
	}
	s.next, s.nextProblem, s.nextErr = r.renderRevision(ctx, p, p.target, secrets)
	r.sources.rendered(client.ObjectKeyFromObject(p.Instance), secrets.seen)
	if s.next != nil {
		s.access = &s.next.access
	}
	return s
}

// renderRevision renders one revision for the instance, with what secrets reads of valuesFrom. A problem stays until somebody acts; an error is tried again.
func (r *Reconciler) renderRevision(ctx context.Context, p *pass, name string, secrets client.Reader) (*rendering, *report.Verdict, error) {
	rev, plan, problem, err := r.planOf(ctx, p, name)
	if problem != nil || err != nil {
		return nil, problem, err
	}
	in := inputsOf(p, plan)
	in.Checked = &p.memory.checked
	if p.secrets == nil {
		secrets, problem, err := r.ensureAccessSecret(ctx, p, rev, in)
		if problem != nil || err != nil {
			return nil, problem, err
		}
		p.secrets = &secrets
	}
	in.Secrets = *p.secrets
	if in.SecretValues, err = revision.ReadSecretValues(ctx, secrets, p.Instance.Namespace, rev.Data.ValuesFrom); err != nil {
		problem, err = splitProblem(err)
		return nil, problem, err
	}
	rendered, err := revision.Render(ctx, rev, in)
	if err != nil {
		problem, err = renderProblem(err)
		return nil, problem, err
	}
	// Before anything is made of them: a database is born with its password.
	if err := r.storeKept(ctx, p, rendered.Made); err != nil {
		return nil, nil, err
	}
	result := &rendering{rev: rev, result: rendered, access: withCredentials(rendered.Access, p.Instance, in.Secrets)}
	if rev.Template == nil {
		return result, nil, nil
	}
	// The set is the running tenant's: power alone stops it.
	set, err := workload.Desired(r.tenantOf(p, rev.Name, in.Secrets), r.policyFor(p, rev, plan), r.Permissions, rendered.Objects, false)
	if err != nil {
		return nil, renderFailed(err), nil
	}
	annotations := set.Namespace.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[tenant.PeriodsAnnotation] = p.periods().String()
	set.Namespace.SetAnnotations(annotations)
	result.prepare = set.Prepare
	result.set = tenant.Set{
		Namespace: set.Namespace, Owner: p.owner(), OwnerGone: r.ownerGone(p.Instance), Revision: rev.Name, Groups: set.Groups,
		Stopped: p.stop(), Patches: p.patches(), HashKey: in.Secrets.Seed, Managers: p.managers(),
		Keep: func(object *unstructured.Unstructured) bool {
			return workload.KeepOnPrune(object.GroupVersionKind().GroupKind(), object.GetAnnotations(), p.Lifecycle.DataKinds)
		},
	}
	return result, nil, nil
}

// planOf finds a revision and the plan that shall run.
func (r *Reconciler) planOf(ctx context.Context, p *pass, name string) (*revision.Revision, v1alpha1.Plan, *report.Verdict, error) {
	if name == "" {
		return nil, v1alpha1.Plan{}, noRevision(p.Sale), nil
	}
	rev, err := r.Revisions.Get(ctx, types.NamespacedName{Namespace: p.Instance.Namespace, Name: name})
	if apierrors.IsNotFound(err) {
		return nil, v1alpha1.Plan{}, report.Problem(v1alpha1.ReasonRevisionNotFound, fmt.Sprintf(
			"ControllerRevision %q does not exist: restore it, or recreate the MarketplaceProduct", name)), nil
	}
	if errors.Is(err, revision.ErrIncomplete) {
		return nil, v1alpha1.Plan{}, report.Problem(v1alpha1.ReasonRevisionNotFound, fmt.Sprintf("ControllerRevision %q: %s", name, err)), nil
	}
	if errors.Is(err, render.ErrTemplate) || errors.Is(err, render.ErrRenderLimit) || errors.Is(err, render.ErrBusy) {
		problem, err := renderProblem(err)
		return nil, v1alpha1.Plan{}, problem, err
	}
	if err != nil {
		return nil, v1alpha1.Plan{}, nil, err
	}
	if p.Effective.Plan == "" {
		return nil, v1alpha1.Plan{}, planUnclear(p.Instance), nil
	}
	plan, ok := rev.Plan(p.Effective.Plan)
	if !ok {
		return nil, v1alpha1.Plan{}, report.Problem(v1alpha1.ReasonPlanNotFound, fmt.Sprintf(
			"Revision %q of the product has no plan %q: add it to the product, or set another plan here", name, p.Effective.Plan)), nil
	}
	return rev, plan, nil, nil
}

// planUnclear says why there is no plan: of a sale, a person has set and taken back what could not be read from its order.
func planUnclear(mpi *v1alpha1.MarketplaceInstance) *report.Verdict {
	if mpi.Spec.Subscription == nil {
		return report.Problem(v1alpha1.ReasonPlanUnclear, "The instance names no plan, and the product has several: set spec.plan")
	}
	return report.Problem(v1alpha1.ReasonPlanUnclear, "It is not known which plan was sold: set spec.plan")
}

// noRevision says why there is nothing to render.
func noRevision(s sale.Sale) *report.Verdict {
	name := s.Instance.Spec.ProductRef.Name
	if s.Product == nil {
		return report.Problem(v1alpha1.ReasonProductNotFound, fmt.Sprintf("MarketplaceProduct %q does not exist in this namespace: create it", name))
	}
	message := fmt.Sprintf("MarketplaceProduct %q is not ready: see its condition with `kubectl describe mpp %s`", name, name)
	ready := meta.FindStatusCondition(s.Product.Status.Conditions, v1alpha1.ConditionReady)
	if ready == nil || ready.Status != metav1.ConditionFalse || ready.ObservedGeneration != s.Product.Generation {
		// It was applied just now, or its chart can't be fetched for a while.
		return report.Passing(v1alpha1.ReasonProductNotReady, message)
	}
	return report.Problem(v1alpha1.ReasonProductNotReady, message)
}

// tenantOf names the tenant for the desired set.
func (r *Reconciler) tenantOf(p *pass, revisionName string, secrets revision.Secrets) workload.Tenant {
	return workload.Tenant{
		Namespace: p.Namespace, Instance: p.Instance.Name, InstanceNamespace: p.Instance.Namespace, InstanceUID: string(p.Instance.UID),
		Product: p.Instance.Spec.ProductRef.Name, Revision: revisionName, DeletionProtection: p.Effective.DeletionProtection,
		Credentials: workload.Credentials{UserName: secrets.UserName, Password: secrets.Password}, Objects: p.Objects,
	}
}

// policyFor is what the revision, the product's lifecycle and the features say about the tenant's isolation and data. How kinds are
// stopped is power's affair: a patch that can't be used must not keep the set from being made.
func (r *Reconciler) policyFor(p *pass, rev *revision.Revision, plan v1alpha1.Plan) workload.Policy {
	policy := rev.Policy(plan, p.Lifecycle)
	policy.Suspension = nil
	policy.Asked, policy.Reserved = p.Services, sale.Reserved(r.Sales.Features)
	return policy
}

// inputsOf are the instance as its revision sees it.
func inputsOf(p *pass, plan v1alpha1.Plan) revision.Inputs {
	in := revision.Inputs{
		Instance: p.Instance.Name, SalesNamespace: p.Instance.Namespace, Namespace: p.Namespace, Plan: plan,
		Quantity: ptr.Deref(p.Effective.Quantity, 1), Attributes: map[string]string{},
		Suspended: p.stop(), Overrides: p.Instance.Spec.Values,
	}
	for _, attribute := range p.Effective.Attributes {
		in.Attributes[attribute.Name] = ptr.Deref(attribute.Value, "")
	}
	if sub := p.Instance.Spec.Subscription; sub != nil {
		in.CustomerID, in.CustomerName = sub.CustomerID, sub.CustomerName
		in.Trial = sub.Type == v1alpha1.SubscriptionTrial
	}
	return in
}

// splitProblem tells what stays until somebody acts from what is tried again.
func splitProblem(err error) (*report.Verdict, error) {
	var problem *report.Verdict
	if errors.As(err, &problem) {
		return problem, nil
	}
	return nil, err
}

// renderProblem is splitProblem for an error of rendering.
func renderProblem(err error) (*report.Verdict, error) {
	if errors.Is(err, render.ErrBusy) {
		waits := report.Passing(v1alpha1.ReasonProgressing, "Waiting to be rendered: templates that take long take turns").Again(queue.RenderTurnRetry)
		return &waits, nil
	}
	if limit := (&render.LimitError{}); errors.As(err, &limit) && limit.Paused {
		// It was not tried, so that nothing is known of this tenant.
		waits := report.Passing(v1alpha1.ReasonRenderLimit, err.Error()).Again(queue.ProblemRetry)
		return &waits, nil
	}
	if revision.Passes(err) {
		return nil, err
	}
	return renderFailed(err), nil
}

func renderFailed(err error) *report.Verdict {
	var refused *workload.RefusedError
	if errors.As(err, &refused) {
		return report.Problem(v1alpha1.ReasonNotPermitted, err.Error())
	}
	if errors.Is(err, render.ErrRenderLimit) {
		return report.Problem(v1alpha1.ReasonRenderLimit, err.Error())
	}
	return report.Problem(v1alpha1.ReasonRenderFailed, err.Error())
}
