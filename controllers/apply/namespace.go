package apply

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

// podSecurityPrefix begins the labels that set a namespace's Pod Security level.
const podSecurityPrefix = "pod-security.kubernetes.io/"

// OwnerGone says whether the instance with this UID is gone. The owner's name and namespace are those of the instance
// that asks; only the UID is another.
type OwnerGone func(ctx context.Context, uid types.UID) (bool, error)

// EnsureNamespace applies the tenant's namespace and returns it as the API server answered. The labels and the annotation
// that record the owner are added to what the caller wants.
//
// A namespace that stands already is written to only if it records this very instance. It is taken over from an earlier
// instance of the same name if gone says that there is none with its UID, and a person has set v1alpha1.AdoptAnnotation to
// Allow; the annotation is removed by that. Everything else is a *[NamespaceConflictError]. A namespace that is being
// deleted is an *[ObjectError] with [ReasonNamespaceTerminating].
func (a *Applier) EnsureNamespace(
	ctx context.Context, ns *unstructured.Unstructured, owner Owner, gone OwnerGone,
) (*unstructured.Unstructured, error) {
	existing, err := a.claimNamespace(ctx, ns, owner, gone)
	if err != nil {
		return nil, err
	}
	if existing.GetDeletionTimestamp() != nil {
		return nil, &ObjectError{
			Kind: NamespaceKind.Kind, Name: ns.GetName(), Reason: ReasonNamespaceTerminating,
			Message: "the tenant's namespace is being deleted",
		}
	}
	wanted := ns.DeepCopy()
	record(wanted, owner)
	// With the UID, an apply to a namespace that was replaced in between fails instead of taking the new one.
	wanted.SetUID(existing.GetUID())
	return a.applyObject(ctx, wanted)
}

// claimNamespace makes sure that the namespace stands and records the owner.
func (a *Applier) claimNamespace(
	ctx context.Context, wanted *unstructured.Unstructured, owner Owner, gone OwnerGone,
) (*unstructured.Unstructured, error) {
	name := wanted.GetName()
	ns := newObject(NamespaceKind, "", name)
	if err := a.Cache.Get(ctx, client.ObjectKeyFromObject(ns), ns); client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("reading namespace %s: %w", name, err)
	} else if err == nil && recorded(ns, owner) {
		return ns, nil
	}

	// The cache may lag, and it does not hold namespaces without our label: only the API server may say no.
	ns = newObject(NamespaceKind, "", name)
	err := a.Live.Get(ctx, client.ObjectKeyFromObject(ns), ns)
	switch {
	case apierrors.IsNotFound(err):
		return a.createNamespace(ctx, wanted, owner)
	case err != nil:
		return nil, objectError(KeyOf(ns), err)
	case recorded(ns, owner):
		return ns, nil
	default:
		return a.takeOver(ctx, ns, owner, gone)
	}
}

// createNamespace creates it with nothing but the record of its owner, that its first revision is being installed, and its Pod
// Security level, so that it is never without one. An apply would not do: it takes a namespace that somebody else creates in the same moment.
func (a *Applier) createNamespace(
	ctx context.Context, wanted *unstructured.Unstructured, owner Owner,
) (*unstructured.Unstructured, error) {
	ns := newObject(NamespaceKind, "", wanted.GetName())
	levels := map[string]string{}
	for key, value := range wanted.GetLabels() {
		if strings.HasPrefix(key, podSecurityPrefix) {
			levels[key] = value
		}
	}
	ns.SetLabels(levels)
	record(ns, owner)
	annotations := ns.GetAnnotations()
	annotations[v1alpha1.InstallingAnnotation] = "true"
	ns.SetAnnotations(annotations)
	if err := a.Client.Create(ctx, ns, client.FieldOwner(recordOwner)); err != nil {
		return nil, objectError(KeyOf(ns), err)
	}
	return ns, nil
}

// takeOver records the owner on a namespace of an instance that is gone, if a person agreed.
func (a *Applier) takeOver(
	ctx context.Context, ns *unstructured.Unstructured, owner Owner, gone OwnerGone,
) (*unstructured.Unstructured, error) {
	labels := ns.GetLabels()
	former := types.UID(ns.GetAnnotations()[v1alpha1.InstanceUIDAnnotation])
	conflict := &NamespaceConflictError{Namespace: ns.GetName()}
	switch {
	case labels[v1alpha1.InstanceLabel] == "":
		conflict.Message = "it exists and was not made by Stallkeeper"
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
			return nil, fmt.Errorf("looking for the instance that namespace %s records: %w", ns.GetName(), err)
		}
		if !isGone {
			conflict.Message = "it belongs to an instance of the same name that still exists"
			conflict.Remedy = "wait until that instance is gone"
			return nil, conflict
		}
	}
	if ns.GetAnnotations()[v1alpha1.AdoptAnnotation] != v1alpha1.AdoptAllow {
		conflict.Message = "it belongs to an earlier instance of the same name, which is gone; it may hold that customer's data"
		conflict.Remedy = fmt.Sprintf("delete it, or let this instance have it with all that is in it: "+
			"kubectl annotate namespace %s %s=%s", ns.GetName(), v1alpha1.AdoptAnnotation, v1alpha1.AdoptAllow)
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

// record writes the owner's labels and annotation into the object.
func record(ns *unstructured.Unstructured, owner Owner) {
	labels := ns.GetLabels()
	if labels == nil {
		labels = map[string]string{}
	}
	labels[v1alpha1.InstanceLabel] = owner.Name
	labels[v1alpha1.InstanceNamespaceLabel] = owner.Namespace
	ns.SetLabels(labels)

	annotations := ns.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[v1alpha1.InstanceUIDAnnotation] = string(owner.UID)
	ns.SetAnnotations(annotations)
}

func mergePatch(data []byte) client.Patch { return client.RawPatch(types.MergePatchType, data) }
