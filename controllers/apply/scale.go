package apply

import (
	"context"
	"encoding/json"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// statefulSetKind is the kind whose claims may be deleted by scaling it down.
var statefulSetKind = schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "StatefulSet"}

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
				Message: "the cluster did not store Retain for the claims, so the StatefulSet is not scaled down",
				Remedy:  "find the admission webhook that changes persistentVolumeClaimRetentionPolicy",
			}
		}
	}
	return true, nil
}
