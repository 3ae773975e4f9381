package apply

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

// Workload names a workload with a /scale subresource whose template sets no replicas.
type Workload struct {
	schema.GroupVersionKind
	Namespace, Name string
}

func (w Workload) object() *unstructured.Unstructured {
	return newObject(w.GroupVersionKind, w.Namespace, w.Name)
}

func (w Workload) key() Key { return Key{Group: w.Group, Kind: w.Kind, Name: w.Name} }

// statefulSetKind is the kind whose claims may be deleted by scaling it down.
var statefulSetKind = schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "StatefulSet"}

// Suspend scales a workload to zero through /scale and keeps its replicas in v1alpha1.ReplicasAnnotation. Applying zero
// would not do where an autoscaler owns the replicas: leaving it out again resets them to 1.
//
// The annotation is stored before zero is written and never overwritten, so that it may be interrupted anywhere and
// repeated. A StatefulSet keeps its claims (see [Applier.EnsureRetain]). A workload that does not exist is no error. The
// error is an *[ObjectError].
func (a *Applier) Suspend(ctx context.Context, w Workload) error {
	if w.GroupKind() == statefulSetKind.GroupKind() {
		if err := a.EnsureRetain(ctx, w.Namespace, []string{w.Name}); err != nil {
			return err
		}
	}
	replicas, exists, err := a.replicas(ctx, w)
	if err != nil || !exists || replicas == 0 {
		return err
	}
	if err := a.keepReplicas(ctx, w, replicas); err != nil {
		return err
	}
	return a.scale(ctx, w, 0)
}

// Resume writes the replicas from v1alpha1.ReplicasAnnotation back through /scale and then removes the annotation.
// Without the annotation it does nothing; replicas that somebody has set meanwhile stay. It may be interrupted anywhere
// and repeated. A workload that does not exist is no error. The error is an *[ObjectError].
func (a *Applier) Resume(ctx context.Context, w Workload) error {
	obj, err := readLive(ctx, a.Live, w.GroupVersionKind, w.Namespace, w.Name)
	if err != nil {
		return objectError(w.key(), err)
	}
	if obj == nil {
		return nil
	}
	kept, ok := obj.GetAnnotations()[v1alpha1.ReplicasAnnotation]
	if !ok {
		return nil
	}
	former, err := strconv.ParseInt(kept, 10, 32)
	if err != nil || former < 0 {
		return &ObjectError{
			Kind: w.Kind, Name: w.Name, Reason: ReasonInvalid, Field: "metadata.annotations",
			Message: v1alpha1.ReplicasAnnotation + " is no number of replicas",
			Remedy:  "set the annotation to the number of replicas that the workload should have",
			Err:     err,
		}
	}
	replicas, exists, err := a.replicas(ctx, w)
	if err != nil || !exists {
		return err
	}
	if replicas == 0 && former > 0 {
		if err := a.scale(ctx, w, former); err != nil {
			return err
		}
	}
	return a.annotate(ctx, w, nil)
}

// EnsureRetain sets persistentVolumeClaimRetentionPolicy.whenScaled of StatefulSets to Retain and returns once that is
// stored. Called before zero replicas are written: with Delete, a StatefulSet loses its claims at zero. StatefulSets that
// don't exist are skipped. The error is an *[ObjectError].
func (a *Applier) EnsureRetain(ctx context.Context, namespace string, statefulSets []string) error {
	for _, name := range statefulSets {
		if _, err := a.retain(ctx, namespace, name, "whenScaled"); err != nil {
			return err
		}
	}
	return nil
}

// retain sets the rules of a StatefulSet's retention policy to Retain. It says whether the StatefulSet exists.
func (a *Applier) retain(ctx context.Context, namespace, name string, rules ...string) (bool, error) {
	wanted := map[string]any{}
	for _, rule := range rules {
		wanted[rule] = "Retain"
	}
	patch, err := json.Marshal(map[string]any{"spec": map[string]any{"persistentVolumeClaimRetentionPolicy": wanted}})
	if err != nil {
		return false, fmt.Errorf("encoding the retention of claims: %w", err)
	}
	stored := newObject(statefulSetKind, namespace, name)
	err = a.Client.Patch(ctx, stored, mergePatch(patch), client.FieldOwner(scaleOwner))
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, objectError(KeyOf(stored), fmt.Errorf("retaining the claims of StatefulSet/%s: %w", name, err))
	}
	// An API server without the field drops it, and deletes no claims.
	policy, known, _ := unstructured.NestedStringMap(stored.Object, "spec", "persistentVolumeClaimRetentionPolicy")
	for _, rule := range rules {
		if known && policy[rule] != "Retain" {
			return false, &ObjectError{
				Kind: statefulSetKind.Kind, Name: name, Reason: ReasonAdmissionDenied,
				Field:   "spec.persistentVolumeClaimRetentionPolicy." + rule,
				Message: "the cluster did not store Retain for the claims, so it is not scaled down",
				Remedy:  "find the admission webhook that changes persistentVolumeClaimRetentionPolicy",
			}
		}
	}
	return true, nil
}

// replicas reads /scale live. It says whether the workload exists.
func (a *Applier) replicas(ctx context.Context, w Workload) (int64, bool, error) {
	scale := newObject(scaleKind, w.Namespace, w.Name)
	err := a.Client.SubResource("scale").Get(ctx, w.object(), scale)
	if apierrors.IsNotFound(err) {
		return 0, false, a.explainMissingScale(ctx, w)
	}
	if err != nil {
		return 0, false, objectError(w.key(), fmt.Errorf("reading the scale of %s: %w", w.key(), err))
	}
	// Zero is left out of the answer.
	replicas, _, _ := unstructured.NestedInt64(scale.Object, "spec", "replicas")
	return replicas, true, nil
}

// explainMissingScale tells a workload that is gone (no error) from a kind that has no /scale.
func (a *Applier) explainMissingScale(ctx context.Context, w Workload) error {
	obj, err := readLive(ctx, a.Live, w.GroupVersionKind, w.Namespace, w.Name)
	if err != nil {
		return objectError(w.key(), err)
	}
	if obj == nil {
		return nil
	}
	return &ObjectError{
		Kind: w.Kind, Name: w.Name, Reason: ReasonInvalid, Field: "scale",
		Message: "the kind has no /scale, so it can't be stopped without loss",
		Remedy:  "give a suspension patch for the kind in spec.lifecycle of the product",
	}
}

var scaleKind = schema.GroupVersionKind{Group: "autoscaling", Version: "v1", Kind: "Scale"}

func (a *Applier) scale(ctx context.Context, w Workload, replicas int64) error {
	patch, err := json.Marshal(map[string]any{"spec": map[string]any{"replicas": replicas}})
	if err != nil {
		return fmt.Errorf("encoding a scale: %w", err)
	}
	err = a.Client.SubResource("scale").Patch(ctx, w.object(), mergePatch(patch),
		client.WithSubResourceBody(newObject(scaleKind, w.Namespace, w.Name)), client.FieldOwner(scaleOwner))
	if err != nil {
		return objectError(w.key(), fmt.Errorf("scaling %s to %d: %w", w.key(), replicas, err))
	}
	return nil
}

// keepReplicas stores the replicas in the annotation, unless an earlier call has: the number from before the suspension
// counts, not what somebody scaled to during it.
func (a *Applier) keepReplicas(ctx context.Context, w Workload, replicas int64) error {
	obj, err := readLive(ctx, a.Live, w.GroupVersionKind, w.Namespace, w.Name)
	if err != nil {
		return objectError(w.key(), err)
	}
	if obj != nil {
		if _, ok := obj.GetAnnotations()[v1alpha1.ReplicasAnnotation]; ok {
			return nil
		}
	}
	return a.annotate(ctx, w, strconv.FormatInt(replicas, 10))
}

// annotate sets v1alpha1.ReplicasAnnotation, or removes it with nil.
func (a *Applier) annotate(ctx context.Context, w Workload, value any) error {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"annotations": map[string]any{v1alpha1.ReplicasAnnotation: value},
	}})
	if err != nil {
		return fmt.Errorf("encoding an annotation: %w", err)
	}
	if err := a.Client.Patch(ctx, w.object(), mergePatch(patch), client.FieldOwner(scaleOwner)); err != nil {
		return objectError(w.key(), fmt.Errorf("annotating %s: %w", w.key(), err))
	}
	return nil
}
