package tenant

import (
	"context"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/apply"
)

// wantedNamespace is what a tenant's namespace should carry.
type wantedNamespace struct {
	// labels are all that it should carry; nil leaves them alone.
	labels map[string]string
	// annotations to write; one with the value nil is taken away.
	annotations map[string]any
}

// guardedLabels are those of a namespace that nothing but us may set, besides all Pod Security labels.
var guardedLabels = []string{
	v1alpha1.RevisionLabel, v1alpha1.ProductLabel, v1alpha1.DeletionProtectionLabel,
}

// namespaceOf is what the set wants of the namespace, with the revision that the tenant is pinned to.
func namespaceOf(set Set, pin string) wantedNamespace {
	want := wantedNamespace{labels: map[string]string{}, annotations: map[string]any{}}
	for key, value := range set.Namespace.GetLabels() {
		want.labels[key] = value
	}
	for key, value := range set.Namespace.GetAnnotations() {
		want.annotations[key] = value
	}
	want.labels[v1alpha1.InstanceLabel] = set.Owner.Name
	want.labels[v1alpha1.InstanceNamespaceLabel] = set.Owner.Namespace
	want.annotations[v1alpha1.InstanceUIDAnnotation] = string(set.Owner.UID)
	delete(want.labels, v1alpha1.RevisionLabel)
	if pin != "" {
		want.labels[v1alpha1.RevisionLabel] = pin
	}
	return want
}

// planNamespace is the merge patch that makes a namespace what it should be; nil if it is. It is pure.
func planNamespace(ns *unstructured.Unstructured, want wantedNamespace) map[string]any {
	labels, annotations := planLabels(ns.GetLabels(), want.labels), map[string]any{}
	noted := ns.GetAnnotations()
	for key, value := range want.annotations {
		current, there := noted[key]
		if value == nil && there || value != nil && current != value {
			annotations[key] = value
		}
	}
	if len(labels) == 0 && len(annotations) == 0 {
		return nil
	}
	// Another leader's or a person's write in the same moment makes this fail and not be overwritten; a namespace that was replaced is
	// not taken.
	metadata := map[string]any{"uid": string(ns.GetUID()), "resourceVersion": ns.GetResourceVersion()}
	if len(labels) > 0 {
		metadata["labels"] = labels
	}
	if len(annotations) > 0 {
		metadata["annotations"] = annotations
	}
	return map[string]any{"metadata": metadata}
}

// planLabels are the labels to write, and with nil those to take away.
func planLabels(standing, wanted map[string]string) map[string]any {
	labels := map[string]any{}
	for key, value := range wanted {
		if standing[key] != value {
			labels[key] = value
		}
	}
	for key := range standing {
		if _, wants := wanted[key]; !wants && wanted != nil && isGuarded(key) {
			labels[key] = nil
		}
	}
	return labels
}

func isGuarded(key string) bool {
	for _, guarded := range guardedLabels {
		if key == guarded {
			return true
		}
	}
	return strings.HasPrefix(key, podSecurityPrefix)
}

// patchNamespace writes what the namespace lacks, and nothing if it lacks nothing.
func (t *Tenants) patchNamespace(ctx context.Context, st *Standing, want wantedNamespace) error {
	patch := planNamespace(st.Namespace, want)
	if patch == nil {
		return nil
	}
	raw, err := mergePatch(patch)
	if err != nil {
		return err
	}
	ns := newObject(apply.NamespaceKind, "", st.Name)
	if err := t.Client.Patch(ctx, ns, raw, client.FieldOwner(RecordOwner)); err != nil {
		return fmt.Errorf("writing namespace %s: %w", st.Name, err)
	}
	t.wrote(st, ns)
	return nil
}

// Reclaim gives the labels back to a namespace that records the owner's very UID and whose labels somebody has taken away or changed: it
// can't be seen without them, and the tenant in it could be neither stopped, resumed nor removed. The API server is asked only where the
// cache shows less than there should be: objects of the tenant, or a tenant that was told of (expected), and not its namespace.
func (t *Tenants) Reclaim(ctx context.Context, st Standing, owner apply.Owner, expected bool) (Standing, error) {
	if st.Owned(owner) || st.Namespace == nil && len(st.Objects) == 0 && !expected || st.Namespace != nil && !remembers(st.Namespace, owner) {
		return st, nil
	}
	live := newObject(apply.NamespaceKind, "", st.Name)
	if err := t.Live.Get(ctx, client.ObjectKeyFromObject(live), live); err != nil {
		return st, client.IgnoreNotFound(err)
	}
	if !remembers(live, owner) {
		return st, nil
	}
	st = st.clone()
	return st, t.relabel(ctx, &st, live, owner)
}

// remembers says whether a namespace records the owner's UID, which no other instance ever has.
func remembers(ns *unstructured.Unstructured, owner apply.Owner) bool {
	recorded, _ := annotation(ns, v1alpha1.InstanceUIDAnnotation)
	return recorded != "" && recorded == string(owner.UID)
}

// relabel writes the labels by which a namespace is seen.
func (t *Tenants) relabel(ctx context.Context, st *Standing, live *unstructured.Unstructured, owner apply.Owner) error {
	if !apply.Recorded(live, owner) {
		patch, err := mergePatch(map[string]any{"metadata": map[string]any{
			"uid": string(live.GetUID()), "resourceVersion": live.GetResourceVersion(),
			"labels": map[string]any{v1alpha1.InstanceLabel: owner.Name, v1alpha1.InstanceNamespaceLabel: owner.Namespace},
		}})
		if err != nil {
			return err
		}
		live = newObject(apply.NamespaceKind, "", st.Name)
		if err := t.Client.Patch(ctx, live, patch, client.FieldOwner(RecordOwner)); err != nil {
			return fmt.Errorf("writing namespace %s: %w", st.Name, err)
		}
	}
	t.wrote(st, live)
	return nil
}

// claim makes sure that the namespace stands and records the owner. The error is a *[apply.NamespaceConflictError] if it is not the
// owner's to write to; made says that it did not stand before.
func (t *Tenants) claim(ctx context.Context, st *Standing, set Set) (made bool, err error) {
	if st.Namespace == nil {
		// The cache may lag, and it does not hold namespaces without our label: only the API server may say that there is none. It
		// does so by taking one, in the same call.
		err := t.createNamespace(ctx, st, set)
		if !apierrors.IsAlreadyExists(err) {
			return err == nil, err
		}
	}
	if !st.Owned(set.Owner) {
		live := newObject(apply.NamespaceKind, "", st.Name)
		err := t.Live.Get(ctx, client.ObjectKeyFromObject(live), live)
		switch {
		case apierrors.IsNotFound(err):
			err := t.createNamespace(ctx, st, set)
			return err == nil, err
		case err != nil:
			return false, fmt.Errorf("reading namespace %s: %w", st.Name, err)
		case remembers(live, set.Owner):
			return false, t.relabel(ctx, st, live, set.Owner)
		case !apply.Recorded(live, set.Owner):
			applier := &apply.Applier{Client: t.Client, Live: t.Live}
			if live, err = applier.TakeOver(ctx, live, set.Owner, set.OwnerGone); err != nil {
				return false, err
			}
		}
		t.wrote(st, live)
	}
	if st.Namespace.GetDeletionTimestamp() != nil {
		return false, &apply.ObjectError{
			Kind: kindNamespace.Kind, Name: st.Name, Reason: apply.ReasonNamespaceTerminating, Message: "the tenant's namespace is being deleted",
		}
	}
	return false, nil
}

// createNamespace makes it complete in one call. An apply would not do: it takes a namespace that another client creates in the same
// moment.
func (t *Tenants) createNamespace(ctx context.Context, st *Standing, set Set) error {
	want := namespaceOf(set, set.Revision)
	ns := newObject(apply.NamespaceKind, "", st.Name)
	ns.SetLabels(want.labels)
	annotations := map[string]string{}
	for key, value := range want.annotations {
		annotations[key] = text(value)
	}
	if hasHooks(set) {
		// Only hooks tell an installation from an upgrade; for all others it would be one more write to take it away.
		annotations[v1alpha1.InstallingAnnotation] = "true"
	}
	ns.SetAnnotations(annotations)
	if err := t.Client.Create(ctx, ns, client.FieldOwner(RecordOwner)); err != nil {
		return fmt.Errorf("creating namespace %s: %w", st.Name, err)
	}
	t.wrote(st, ns)
	return nil
}
