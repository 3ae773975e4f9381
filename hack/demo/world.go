package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

// world is what there really is of a tenant, whatever the instance's status says.
type world struct {
	namespace bool              // it exists
	web       workload          // the Deployment
	data      workload          // the StatefulSet
	claims    map[string]string // UIDs of the bound claims by name
	pods      int
}

// workload is a Deployment or a StatefulSet.
type workload struct{ wanted, ready int32 }

// observe reads the tenant's namespace.
func (d *demo) observe(ctx context.Context, namespace string) (world, error) {
	w := world{claims: map[string]string{}}
	err := d.kube.Get(ctx, client.ObjectKey{Name: namespace}, &corev1.Namespace{})
	if apierrors.IsNotFound(err) {
		return w, nil
	}
	if err != nil {
		return w, err
	}
	w.namespace = true
	var (
		deployments appsv1.DeploymentList
		sets        appsv1.StatefulSetList
		claims      corev1.PersistentVolumeClaimList
		pods        corev1.PodList
	)
	for _, list := range []client.ObjectList{&deployments, &sets, &claims, &pods} {
		if err := d.kube.List(ctx, list, client.InNamespace(namespace)); err != nil {
			return w, err
		}
	}
	for _, deployment := range deployments.Items {
		w.web = workload{replicas(deployment.Spec.Replicas), deployment.Status.ReadyReplicas}
	}
	for _, set := range sets.Items {
		w.data = workload{replicas(set.Spec.Replicas), set.Status.ReadyReplicas}
	}
	for _, claim := range claims.Items {
		if claim.Status.Phase == corev1.ClaimBound && claim.DeletionTimestamp == nil {
			w.claims[claim.Name] = string(claim.UID)
		}
	}
	w.pods = len(pods.Items)
	return w, nil
}

// replicas are one when a workload does not say.
func replicas(wanted *int32) int32 {
	if wanted == nil {
		return 1
	}
	return *wanted
}

// claimsKept says what is missing of the data that were there before.
func (w world) claimsKept(before map[string]string) string {
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if w.claims[name] != before[name] {
			return fmt.Sprintf("the claim %s is no longer the one that was made at first", name)
		}
	}
	return ""
}

// stepTimeout is how long a step may take that nothing but the operator has to do.
const stepTimeout = 60 * time.Second

// instance reads the sale's instance.
func (d *demo) instance(ctx context.Context, s *sale) (*v1alpha1.MarketplaceInstance, error) {
	var instance v1alpha1.MarketplaceInstance
	if err := d.kube.Get(ctx, client.ObjectKey{Namespace: salesNamespace, Name: s.instance}, &instance); err != nil {
		return nil, err
	}
	return &instance, nil
}

// untilTrue waits until check finds nothing missing in the instance and its tenant, and shows the instance's row. When that
// does not happen, the error holds the conditions and the blockers.
func (d *demo) untilTrue(ctx context.Context, s *sale, timeout time.Duration, what string, check func(*v1alpha1.MarketplaceInstance, world) string) error {
	var last *v1alpha1.MarketplaceInstance
	err := d.until(ctx, timeout, "the "+s.title+" is "+what, func(ctx context.Context) (string, error) {
		instance, err := d.instance(ctx, s)
		if err != nil {
			return "", err
		}
		last = instance
		tenant := world{}
		if instance.Status.Namespace != "" {
			if tenant, err = d.observe(ctx, instance.Status.Namespace); err != nil {
				return "", err
			}
		}
		return check(instance, tenant), nil
	})
	if err != nil {
		return fmt.Errorf("%w%s", err, explained(last))
	}
	d.out.true("the %s is %s", s.title, what)
	return d.showRow(ctx, s)
}

// showRow shows the instance as kubectl prints it.
func (d *demo) showRow(ctx context.Context, s *sale) error {
	row, err := d.runCommand(ctx, command{
		env:  []string{"KUBECONFIG=" + d.paths.kubeconfig()},
		args: []string{d.paths.kubectl(), "get", "mpi", s.instance, "-n", salesNamespace},
	})
	if err != nil {
		return err
	}
	d.out.block(row)
	return nil
}

// explained is what the instance itself says about why it is where it is.
func explained(instance *v1alpha1.MarketplaceInstance) string {
	if instance == nil {
		return "\n  the instance was never seen"
	}
	var text strings.Builder
	fmt.Fprintf(&text, "\n  MarketplaceInstance %s says:", instance.Name)
	for _, condition := range instance.Status.Conditions {
		fmt.Fprintf(&text, "\n    %s is %s, %s: %s", condition.Type, condition.Status, condition.Reason, condition.Message)
	}
	for _, blocker := range instance.Status.Blockers {
		fmt.Fprintf(&text, "\n    blocked by %s, %s: %s", blocker.Object, blocker.Reason, blocker.Message)
		if blocker.Remedy != "" {
			fmt.Fprintf(&text, " (%s)", blocker.Remedy)
		}
	}
	return text.String()
}

// conditionMissing says how a condition differs from what is wanted; empty when it is that, and of the present generation.
func conditionMissing(instance *v1alpha1.MarketplaceInstance, kind string, status metav1.ConditionStatus, reason string) string {
	condition := meta.FindStatusCondition(instance.Status.Conditions, kind)
	if condition == nil {
		return "there is no condition " + kind
	}
	if condition.Status != status || reason != "" && condition.Reason != reason || condition.ObservedGeneration < instance.Generation {
		return fmt.Sprintf("the condition %s is %s, %s: %s", kind, condition.Status, condition.Reason, condition.Message)
	}
	return ""
}

// running checks that the tenant runs as bought, with its volume.
func running(s *sale, quantity int32) func(*v1alpha1.MarketplaceInstance, world) string {
	return func(instance *v1alpha1.MarketplaceInstance, w world) string {
		missing := joined(
			conditionMissing(instance, v1alpha1.ConditionReady, metav1.ConditionTrue, ""),
			missingWhen(w.web != (workload{quantity, quantity}), "the Deployment has %d of %d pods ready, %d were bought", w.web.ready, w.web.wanted, quantity),
			missingWhen(w.data != (workload{1, 1}), "the StatefulSet has %d of %d pods ready", w.data.ready, w.data.wanted),
			missingWhen(len(w.claims) != 1, "%d volumes are bound, not 1", len(w.claims)),
			w.claimsKept(s.claims),
		)
		if missing == "" && s.claims == nil {
			s.claims = w.claims
		}
		return missing
	}
}

// suspended checks that nothing runs and the data are kept.
func suspended(s *sale, reason string) func(*v1alpha1.MarketplaceInstance, world) string {
	return func(instance *v1alpha1.MarketplaceInstance, w world) string {
		return joined(
			conditionMissing(instance, v1alpha1.ConditionSuspended, metav1.ConditionTrue, reason),
			missingWhen(w.web.wanted != 0 || w.data.wanted != 0, "the workloads still want pods"),
			missingWhen(w.pods != 0, "%d pods are left", w.pods),
			missingWhen(len(s.claims) == 0, "there were no data"),
			w.claimsKept(s.claims),
		)
	}
}

// inGrace checks that the tenant runs on although nobody has paid.
func inGrace(quantity int32) func(*v1alpha1.MarketplaceInstance, world) string {
	return func(instance *v1alpha1.MarketplaceInstance, w world) string {
		return joined(
			conditionMissing(instance, v1alpha1.ConditionEntitled, metav1.ConditionTrue, v1alpha1.ReasonInGrace),
			missingWhen(w.web != (workload{quantity, quantity}), "the Deployment has %d of %d pods ready", w.web.ready, w.web.wanted),
		)
	}
}

// removed checks that the tenant's namespace is gone and the instance still answers for the sale.
func removed(instance *v1alpha1.MarketplaceInstance, w world) string {
	return joined(
		conditionMissing(instance, v1alpha1.ConditionProvisioned, metav1.ConditionFalse, v1alpha1.ReasonRemoved),
		missingWhen(w.namespace, "the tenant's namespace is still there"),
	)
}

// unknownSKU checks that the condition says what to do.
func unknownSKU(instance *v1alpha1.MarketplaceInstance, w world) string {
	return joined(
		conditionMissing(instance, v1alpha1.ConditionOrderResolved, metav1.ConditionFalse, v1alpha1.ReasonUnknownSKU),
		missingWhen(w.namespace, "there is a tenant, although nobody knows what was bought"),
	)
}
