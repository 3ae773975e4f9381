package instance

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	applyv1alpha1 "github.com/stallkeeper/stallkeeper/api/v1alpha1/applyconfiguration/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/apply"
	"github.com/stallkeeper/stallkeeper/controllers/lifecycle"
	"github.com/stallkeeper/stallkeeper/controllers/queue"
	"github.com/stallkeeper/stallkeeper/controllers/report"
	"github.com/stallkeeper/stallkeeper/controllers/revision"
	"github.com/stallkeeper/stallkeeper/controllers/sale"
	"github.com/stallkeeper/stallkeeper/controllers/workload"
)

// outcome is what a pass has done and seen.
type outcome struct {
	// err is what went wrong and is tried again.
	err error
	// problem is what went wrong and stays.
	problem *report.Verdict
	// stuck is why the tenant can't be moved to its target revision. Everything else holds on the revision that it has.
	stuck *report.Verdict
	// quiet is true if nothing had to be done: the digests of the status still hold.
	quiet bool
	// held is true if the tenant was left alone because reconciliation is paused, or because it has to be asked what it has used.
	held bool
	// nothing is true if there is no tenant, and none is wanted; removing, if it is still going.
	nothing, removing bool
	// readiness is the state of the tenant's objects.
	readiness apply.Readiness
	// waiting is the hook that everything after it waits for; zero if nothing waits.
	waiting apply.Key
	// prepared is true if nothing has to be done any more before the tenant moves to its next revision; moving is true while
	// there is. nextBlockers are the hooks that keep it from moving.
	prepared, moving bool
	nextBlockers     []v1alpha1.Blocker
	// stands is true if the apply failed at the hooks of the next revision, and all else was applied.
	stands bool
	// torn is true if an apply failed half-way: the digests in the status speak of what stood before it.
	torn bool
	// published says that access is known by this pass, and nothing else yet.
	published bool
	// bare is true if nothing runs for the sale because its product has no template, or because it is a package that another
	// instance uses.
	bare bool
	// rendered says that access, limits, revision, digests and orphans are known by this pass.
	rendered       bool
	access         v1alpha1.InstanceAccess
	limits         []v1alpha1.PlanLimit
	revision       string
	inputs, digest string
	orphans        []string
	blockers       []v1alpha1.Blocker
	// again is when to look again without an event; zero for never.
	again time.Time
}

// converge does what the decision says.
func (r *Reconciler) converge(ctx context.Context, mpi *v1alpha1.MarketplaceInstance, k known,
	decision lifecycle.Decision, memory *memory,
) outcome {
	paused := mpi.Spec.Reconciliation == v1alpha1.ReconciliationPaused
	switch {
	case decision.Phase == lifecycle.Nothing:
		return outcome{nothing: true}
	case paused && decision.Rule != lifecycle.RuleRemoving && isBare(mpi, k):
		return outcome{held: true, bare: true, revision: mpi.Status.Revision, readiness: bareReadiness(decision.Phase == lifecycle.Suspend)}
	case paused && decision.Rule != lifecycle.RuleRemoving, decision.Finishing:
		return r.look(ctx, mpi, k, outcome{held: true, nothing: k.observed.Namespace == nil}, nil, memory)
	case decision.Phase == lifecycle.Remove:
		return r.remove(ctx, mpi, k)
	case decision.Rule == lifecycle.RuleReleased && k.observed.Namespace == nil:
		// A released sale starts nothing, not even to stop it.
		return r.confirmGone(ctx, mpi, k)
	}
	return r.provision(ctx, mpi, k, decision.Phase == lifecycle.Suspend, memory)
}

// provision makes sure that the tenant's objects are what the revision and the instance say. A revision that can't be made
// for this tenant must not keep it from being suspended, resumed or scaled: the tenant then stays on the one that it has.
func (r *Reconciler) provision(ctx context.Context, mpi *v1alpha1.MarketplaceInstance, k known, suspended bool,
	memory *memory,
) outcome {
	if err := r.ensureFinalizer(ctx, mpi); err != nil {
		return outcome{err: err}
	}
	if k.Hosted != nil {
		return r.withoutTenant(ctx, mpi, k, suspended, memory)
	}
	if result, waits := r.prepare(ctx, mpi, k, suspended, memory); waits {
		return result
	}
	result := r.provisionRevision(ctx, mpi, k, suspended, memory)
	if result.problem == nil || result.torn || k.pinned == "" || k.pinned == k.target {
		return result
	}
	former := k
	former.target = k.pinned
	held := r.provisionRevision(ctx, mpi, former, suspended, memory)
	if held.problem == nil {
		held.stuck = report.Problem(result.problem.Reason, report.Shorten(fmt.Sprintf("The tenant stays on revision %q, because %q can't be"+
			" made for it: %s", k.pinned, k.target, result.problem.Message)))
		held.again = queue.Earliest(held.again, r.Clock.Now().Add(queue.ProblemRetry))
	}
	return held
}

// prepare runs the hooks that come before the target revision, and keeps the tenant on the one that it has until they are
// through: it is suspended, resumed and scaled as always, and what a hook needs of it runs. False says that there is nothing to
// wait for, or that the tenant can't stay: what was never installed has nothing that could run meanwhile, and a revision that
// can't be made is better left.
func (r *Reconciler) prepare(ctx context.Context, mpi *v1alpha1.MarketplaceInstance, k known, suspended bool, memory *memory,
) (result outcome, waits bool) {
	if k.pinned == "" || k.pinned == k.target || k.observed.Installing() {
		return outcome{}, false
	}
	former := k
	former.target, former.next = k.pinned, k.target
	result = r.provisionRevision(ctx, mpi, former, suspended, memory)
	if result.problem != nil && result.stands {
		result.stuck = report.Problem(result.problem.Reason, report.Shorten(fmt.Sprintf("The tenant stays on revision %q, because the hooks of %q"+
			" can't be made for it: %s", k.pinned, k.target, result.problem.Message)))
		result.problem = nil
	}
	return result, !result.prepared && result.problem == nil
}

// provisionRevision makes sure that the tenant's objects are what the target revision and the instance say.
func (r *Reconciler) provisionRevision(ctx context.Context, mpi *v1alpha1.MarketplaceInstance, k known, suspended bool,
	memory *memory,
) outcome {
	rev, plan, problem, err := r.planOf(ctx, mpi, k)
	if problem != nil || err != nil {
		return r.look(ctx, mpi, k, outcome{problem: problem, err: err}, nil, memory)
	}
	if early, ok := r.publishAccess(ctx, mpi, k, rev, plan, suspended); ok {
		return r.look(ctx, mpi, k, early, nil, memory)
	}
	inputs, err := r.inputsDigest(mpi, k, suspended, k.observed.Hooks())
	if err != nil {
		return outcome{err: err}
	}
	if rev.Template == nil {
		return r.withoutWorkload(ctx, mpi, k, rev, plan, suspended, inputs, memory)
	}
	now, moving := r.Clock.Now(), k.observed.Preparing(k.next)
	switch {
	case memory.behind(k.observed, now):
		// What the cache shows is older than what was applied: deciding on it would put right what is right.
		behind := outcome{quiet: true, waiting: memory.waiting, moving: moving, again: now.Add(queue.CacheLag)}
		return r.look(ctx, mpi, k, behind, memory.entries, memory)
	case mpi.Status.InputsDigest == inputs && mpi.Status.ObjectsDigest == k.observed.Digest() && k.pinned == k.target &&
		scaled(k.observed, suspended):
		return r.look(ctx, mpi, k, outcome{quiet: true, moving: moving}, nil, memory)
	case mpi.Status.InputsDigest == inputs:
		if blocker, until := memory.drift(k.observed, now); blocker != nil {
			drifts := outcome{quiet: true, moving: moving, blockers: []v1alpha1.Blocker{*blocker}, again: until}
			return r.look(ctx, mpi, k, drifts, nil, memory)
		}
	}
	return r.applyTenant(ctx, mpi, k, rev, plan, suspended, memory)
}

// planOf finds the revision and the plan that shall run.
func (r *Reconciler) planOf(ctx context.Context, mpi *v1alpha1.MarketplaceInstance, k known,
) (*revision.Revision, v1alpha1.Plan, *report.Verdict, error) {
	if k.target == "" {
		name := mpi.Spec.ProductRef.Name
		if k.Product == nil {
			return nil, v1alpha1.Plan{}, report.Problem(v1alpha1.ReasonProductNotFound, fmt.Sprintf(
				"MarketplaceProduct %q does not exist in this namespace: create it", name)), nil
		}
		return nil, v1alpha1.Plan{}, report.Problem(v1alpha1.ReasonProductNotReady, fmt.Sprintf(
			"MarketplaceProduct %q is not ready: see its condition with `kubectl describe mpp %s`", name, name)), nil
	}
	rev, err := r.Revisions.Get(ctx, types.NamespacedName{Namespace: mpi.Namespace, Name: k.target})
	if apierrors.IsNotFound(err) {
		return nil, v1alpha1.Plan{}, report.Problem(v1alpha1.ReasonRevisionNotFound, fmt.Sprintf(
			"ControllerRevision %q is gone: restore it, or create the MarketplaceProduct again", k.target)), nil
	}
	if err != nil {
		return nil, v1alpha1.Plan{}, nil, err
	}
	plan, ok := rev.Plan(k.Effective.Plan)
	if !ok {
		return nil, v1alpha1.Plan{}, report.Problem(v1alpha1.ReasonPlanNotFound, fmt.Sprintf(
			"Revision %q of the product has no plan %q: add it to the product, or set another plan here",
			k.target, k.Effective.Plan)), nil
	}
	return rev, plan, nil, nil
}

// inputsDigest is the digest of everything that decides about the tenant's objects. How far the hooks are is part of it: where
// one has ended, what comes after it is due.
func (r *Reconciler) inputsDigest(mpi *v1alpha1.MarketplaceInstance, k known, suspended bool, hooks string) (string, error) {
	kinds := r.Permissions.Kinds.UnsortedList()
	names := make(map[string]bool, len(kinds))
	for _, kind := range kinds {
		names[kind.String()] = true
	}
	inputs := map[string]any{
		"format": revision.Format, "revision": k.target, "generation": mpi.Generation, "uid": mpi.UID, "suspended": suspended,
		"lifecycle": k.Lifecycle, "protection": k.Effective.DeletionProtection,
		"kinds": names, "tenantRBAC": r.Permissions.TenantRBAC, "level": r.Permissions.MaxPodSecurityLevel,
	}
	if len(k.Inputs) > 0 {
		inputs["features"] = k.Inputs
	}
	if hooks != "" {
		inputs["hooks"] = hooks
	}
	if k.next != "" {
		inputs["next"] = k.next
	}
	if len(k.Services) > 0 {
		inputs["asked"], inputs["controller"] = k.Services, r.Permissions.Controller
	}
	raw, err := json.Marshal(inputs)
	if err != nil {
		return "", fmt.Errorf("encoding the inputs: %w", err)
	}
	sum := sha256.Sum256(raw)
	return base64.RawURLEncoding.EncodeToString(sum[:16]), nil
}

// applyTenant renders, applies, scales and prunes.
func (r *Reconciler) applyTenant(ctx context.Context, mpi *v1alpha1.MarketplaceInstance, k known, rev *revision.Revision,
	plan v1alpha1.Plan, suspended bool, memory *memory,
) outcome {
	set, rendered, problem, err := r.desired(ctx, mpi, k, rev, plan, suspended)
	if problem != nil || err != nil {
		return r.look(ctx, mpi, k, outcome{problem: problem, err: err}, nil, memory)
	}
	owner := apply.Owner{Name: mpi.Name, Namespace: mpi.Namespace, UID: mpi.UID}
	wanted := apply.Set{
		Namespace: set.Namespace, Owner: owner, OwnerGone: r.ownerGone(mpi), Revision: rev.Name, Groups: set.Groups,
	}
	if k.next != "" {
		if wanted.Next, err = r.hooksBefore(ctx, mpi, k, suspended); err != nil {
			return outcome{err: err}
		}
		if wanted.Next == nil {
			return outcome{prepared: true}
		}
	}
	if err := r.Applier.EnsureRetain(ctx, k.Namespace, set.Retain); err != nil {
		return r.look(ctx, mpi, k, applyFailed(err), nil, memory)
	}
	applied, err := r.Applier.Apply(ctx, wanted)
	if err != nil {
		failed := applyFailed(err)
		if failed.stands = applied.Stands; failed.stands {
			failed.nextBlockers, failed.blockers = failed.blockers, nil
		}
		return r.look(ctx, mpi, k, failed, nil, memory)
	}
	if applied.Prepared {
		return outcome{prepared: true}
	}
	result := outcome{
		rendered: true, access: rendered.Access, limits: revision.Limits(rev, rendered), revision: rev.Name, waiting: applied.Waiting,
		moving: k.next != "", orphans: mpi.Status.Orphans, blockers: set.Blockers, again: r.Clock.Now().Add(queue.CacheLag),
	}
	var pruned apply.Pruned
	if applied.Waiting == (apply.Key{}) {
		if pruned, err = r.finish(ctx, k, owner, set.Scales, applied.Wanted); err != nil {
			return r.look(ctx, mpi, k, applyFailed(err), applied.Entries, memory)
		}
		result.orphans = pruned.Orphans
	}
	// What is still to be applied stands as it is until a hook is through.
	left := k.observed.Left(applied, result.waiting != (apply.Key{}))
	pruned.Kept = slices.Concat(pruned.Kept, left)
	if result.inputs, err = r.inputsDigest(mpi, k, suspended, applied.Hooks); err != nil {
		return outcome{err: err}
	}
	result.digest = applied.Digest(pruned)
	memory.remember(applied, r.Clock.Now())
	return r.look(ctx, mpi, k, result, slices.Concat(applied.Entries, left), memory)
}

// hooksBefore are the hooks that have to be through before the tenant moves to its next revision; nil if there are none, or if
// that revision can't be made for the tenant: whoever moves it says why.
func (r *Reconciler) hooksBefore(ctx context.Context, mpi *v1alpha1.MarketplaceInstance, k known, suspended bool,
) (*apply.Next, error) {
	k.target = k.next
	rev, plan, problem, err := r.planOf(ctx, mpi, k)
	if problem != nil || err != nil {
		return nil, err
	}
	set, _, problem, err := r.desired(ctx, mpi, k, rev, plan, suspended)
	if problem != nil || err != nil {
		return nil, err
	}
	for _, object := range slices.Concat(set.Prepare...) {
		if object.GetAnnotations()[v1alpha1.HookAnnotation] == v1alpha1.HookPreUpgrade {
			return &apply.Next{Revision: rev.Name, Groups: set.Prepare}, nil
		}
	}
	return nil, nil //nolint:nilnil // most revisions have none
}

// finish does what follows when everything was applied: replicas that no template sets, and what an earlier revision had.
func (r *Reconciler) finish(ctx context.Context, k known, owner apply.Owner, scales []workload.Scale, wanted []apply.Key,
) (apply.Pruned, error) {
	if err := r.scale(ctx, k.Namespace, scales); err != nil {
		return apply.Pruned{}, err
	}
	return r.Applier.Prune(ctx, k.observed, owner, wanted, keepOnPrune(k.Lifecycle.DataKinds))
}

// desired renders the tenant's complete desired set.
func (r *Reconciler) desired(ctx context.Context, mpi *v1alpha1.MarketplaceInstance, k known, rev *revision.Revision,
	plan v1alpha1.Plan, suspended bool,
) (workload.Set, revision.Rendered, *report.Verdict, error) {
	in := r.tenantInputs(mpi, k, plan, suspended)
	secrets, problem, err := r.ensureAccessSecret(ctx, mpi, k, rev, in)
	if problem != nil || err != nil {
		return workload.Set{}, revision.Rendered{}, problem, err
	}
	in.Secrets = secrets
	rendered, err := revision.Render(rev, in)
	if err != nil {
		return workload.Set{}, revision.Rendered{}, renderFailed(err), nil
	}
	set, err := workload.Desired(workload.Tenant{
		Namespace: k.Namespace, Instance: mpi.Name, InstanceNamespace: mpi.Namespace, InstanceUID: string(mpi.UID),
		Product: mpi.Spec.ProductRef.Name, Revision: rev.Name, DeletionProtection: k.Effective.DeletionProtection,
		Credentials: workload.Credentials{UserName: secrets.UserName, Password: secrets.Password},
		Objects:     k.Objects,
	}, r.workloadPolicy(rev, plan, k), r.Permissions, rendered.Objects, suspended)
	if err != nil {
		return workload.Set{}, revision.Rendered{}, renderFailed(err), nil
	}
	rendered.Access = withCredentials(rendered.Access, mpi, secrets)
	return set, rendered, nil, nil
}

func (r *Reconciler) tenantInputs(mpi *v1alpha1.MarketplaceInstance, k known, plan v1alpha1.Plan, suspended bool,
) revision.Inputs {
	in := revision.Inputs{
		Instance: mpi.Name, SalesNamespace: mpi.Namespace, Namespace: k.Namespace, Plan: plan,
		Quantity: ptr.Deref(k.Effective.Quantity, 1), Attributes: attributeMap(k.Effective.Attributes),
		Suspended: suspended, Overrides: mpi.Spec.Values,
	}
	if sub := mpi.Spec.Subscription; sub != nil {
		in.CustomerID, in.CustomerName = sub.CustomerID, sub.CustomerName
		in.Trial = sub.Type == v1alpha1.SubscriptionTrial
	}
	return in
}

// scale writes the replicas that no template sets.
func (r *Reconciler) scale(ctx context.Context, namespace string, scales []workload.Scale) error {
	var errs []error
	for _, s := range scales {
		target := apply.Workload{GroupVersionKind: s.GVK, Namespace: namespace, Name: s.Name}
		if s.Suspended {
			errs = append(errs, r.Applier.Suspend(ctx, target))
		} else {
			errs = append(errs, r.Applier.Resume(ctx, target))
		}
	}
	return errors.Join(errs...)
}

// scaled says whether the replicas that no template sets are as they should be. No digest covers them, because they are
// an autoscaler's.
func scaled(observed apply.Observed, suspended bool) bool {
	for _, object := range observed.Objects {
		_, kept := object.GetAnnotations()[v1alpha1.ReplicasAnnotation]
		if !suspended && kept {
			return false
		}
		replicas, found, err := unstructured.NestedInt64(object.Object, "spec", "replicas")
		if suspended && kept && (err != nil || (found && replicas > 0)) {
			return false
		}
	}
	return true
}

// keepOnPrune says which objects of an earlier revision are kept.
func keepOnPrune(dataKinds []v1alpha1.GroupKind) func(*unstructured.Unstructured) bool {
	return func(object *unstructured.Unstructured) bool {
		return workload.KeepOnPrune(object.GroupVersionKind().GroupKind(), object.GetAnnotations(), dataKinds)
	}
}

// ensureFinalizer keeps the instance until its tenant is gone. Finalizers are a set for server-side apply, so that nobody else's
// is lost and no other write stands in the way.
func (r *Reconciler) ensureFinalizer(ctx context.Context, mpi *v1alpha1.MarketplaceInstance) error {
	if controllerutil.ContainsFinalizer(mpi, v1alpha1.TenantFinalizer) {
		return nil
	}
	intent := applyv1alpha1.MarketplaceInstance(mpi.Name, mpi.Namespace).WithUID(mpi.UID).
		WithFinalizers(v1alpha1.TenantFinalizer)
	if err := r.Apply(ctx, intent, client.FieldOwner(v1alpha1.FieldOwner)); err != nil {
		return fmt.Errorf("adding the finalizer: %w", err)
	}
	return nil
}

// ownerGone asks the API server whether the instance that a namespace records is gone.
func (r *Reconciler) ownerGone(mpi *v1alpha1.MarketplaceInstance) apply.OwnerGone {
	return func(ctx context.Context, uid types.UID) (bool, error) {
		current := &v1alpha1.MarketplaceInstance{}
		err := r.APIReader.Get(ctx, client.ObjectKeyFromObject(mpi), current)
		if err != nil {
			return apierrors.IsNotFound(err), client.IgnoreNotFound(err)
		}
		return current.UID != uid, nil
	}
}

// applyFailed sorts an apply's failures into those that pass and those that stay.
func applyFailed(err error) outcome {
	var conflict *apply.NamespaceConflictError
	if errors.As(err, &conflict) {
		return outcome{problem: report.Problem(v1alpha1.ReasonNamespaceConflict, conflict.Error())}
	}
	failures := apply.ObjectErrors(err)
	if len(failures) == 0 {
		return outcome{torn: true, err: err}
	}
	result := outcome{torn: true, problem: report.Problem(v1alpha1.ReasonApplyFailed, report.Shorten(err.Error()))}
	for _, failure := range failures {
		if failure.Retryable() {
			result.err = err
			continue
		}
		result.blockers = append(result.blockers, v1alpha1.Blocker{
			Object: failure.Kind + "/" + failure.Name, Reason: string(failure.Reason), Message: failure.Message,
			Remedy: failure.Remedy,
		})
	}
	if len(result.blockers) == 0 {
		result.problem = nil
	}
	return result
}

func renderFailed(err error) *report.Verdict {
	var refused *workload.RefusedError
	if errors.As(err, &refused) {
		return report.Problem(v1alpha1.ReasonNotPermitted, report.Shorten(err.Error()))
	}
	return report.Problem(v1alpha1.ReasonRenderFailed, report.Shorten(err.Error()))
}

// workloadPolicy is what the revision, the product's lifecycle and the features say about the tenant's isolation and data.
func (r *Reconciler) workloadPolicy(rev *revision.Revision, plan v1alpha1.Plan, k known) workload.Policy {
	policy := rev.Policy(plan, k.Lifecycle)
	policy.Asked, policy.Reserved = k.Services, sale.Reserved(r.Sales.Features)
	return policy
}

func attributeMap(attributes []v1alpha1.Attribute) map[string]string {
	result := make(map[string]string, len(attributes))
	for _, attribute := range attributes {
		result[attribute.Name] = ptr.Deref(attribute.Value, "")
	}
	return result
}
