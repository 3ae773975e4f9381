package apply

import (
	"context"
	"encoding/json"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

// OwnerGone says whether the instance with this UID is gone. The owner's name and namespace are those of the instance
// that asks; only the UID is another.
type OwnerGone func(ctx context.Context, uid types.UID) (bool, error)

// takeOver records the owner on a namespace of an instance that is gone, if a person agreed.
func (a *Applier) takeOver(
	ctx context.Context, ns *unstructured.Unstructured, owner Owner, gone OwnerGone,
) (*unstructured.Unstructured, error) {
	labels := ns.GetLabels()
	former := types.UID(ns.GetAnnotations()[v1alpha1.InstanceUIDAnnotation])
	conflict := &NamespaceConflictError{Namespace: ns.GetName()}
	switch {
	case labels[v1alpha1.InstanceLabel] == "":
		conflict.Message = "it already exists and was not created by Stallkeeper"
		conflict.Remedy = "delete it, or give the instance another name"
		return nil, conflict
	case !owner.owns(labels):
		conflict.Message = fmt.Sprintf("it belongs to the instance %s/%s",
			labels[v1alpha1.InstanceNamespaceLabel], labels[v1alpha1.InstanceLabel])
		conflict.Remedy = "give this instance another name"
		return nil, conflict
	}
	if former != "" {
		isGone, err := gone(ctx, former)
		if err != nil {
			return nil, fmt.Errorf("looking up the instance that namespace %s records: %w", ns.GetName(), err)
		}
		if !isGone {
			conflict.Message = "it belongs to an instance of the same name that still exists"
			conflict.Remedy = "wait until that instance is deleted"
			return nil, conflict
		}
	}
	if ns.GetAnnotations()[v1alpha1.AdoptAnnotation] != v1alpha1.Allow {
		conflict.Message = "it belongs to an earlier instance of the same name, which was deleted; it may contain that customer's data"
		conflict.Remedy = fmt.Sprintf("delete it, or let this instance take it over with all its contents: "+
			"kubectl annotate namespace %s %s=%s", ns.GetName(), v1alpha1.AdoptAnnotation, v1alpha1.Allow)
		return nil, conflict
	}
	return a.recordTakeover(ctx, ns, owner)
}

// recordTakeover writes the new owner and removes the consent in one step, so that it holds for one takeover only.
func (a *Applier) recordTakeover(
	ctx context.Context, ns *unstructured.Unstructured, owner Owner,
) (*unstructured.Unstructured, error) {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"resourceVersion": ns.GetResourceVersion(),
		"annotations": map[string]any{
			v1alpha1.InstanceUIDAnnotation: string(owner.UID),
			v1alpha1.AdoptAnnotation:       nil,
		},
	}})
	if err != nil {
		return nil, fmt.Errorf("encoding the takeover of namespace %s: %w", ns.GetName(), err)
	}
	taken := newObject(NamespaceKind, "", ns.GetName())
	if err := a.Client.Patch(ctx, taken, mergePatch(patch), client.FieldOwner(recordOwner)); err != nil {
		return nil, objectError(KeyOf(taken), err)
	}
	return taken, nil
}

// recorded says whether the namespace records this very instance.
func recorded(ns *unstructured.Unstructured, owner Owner) bool {
	return owner.owns(ns.GetLabels()) && ns.GetAnnotations()[v1alpha1.InstanceUIDAnnotation] == string(owner.UID)
}

func mergePatch(data []byte) client.Patch { return client.RawPatch(types.MergePatchType, data) }
