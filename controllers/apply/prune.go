package apply

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// claimKind is the kind that is never deleted by anything in this package.
var claimKind = schema.GroupVersionKind{Version: "v1", Kind: "PersistentVolumeClaim"}

// Pruned is what became of the objects that are no longer desired.
type Pruned struct {
	// Deleted are the objects whose deletion was accepted.
	Deleted []Key
	// Kept are the objects that we applied once and that still stand. They go on to be part of [Observed.Digest].
	Kept []Entry
	// Orphans are all kept objects as Kind/name, sorted: those in Kept, and claims whose StatefulSet is no longer desired.
	Orphans []string
}

// Prune deletes what an earlier revision applied in the tenant's namespace and the desired set has no more. Call it only
// after all objects were applied without error, with their keys.
//
// Deleted is only what carries the owner's labels, was applied by us, is not controlled by another object, is not said to
// be kept by keep, and still has the UID that was observed; dependents go with it. Claims are kept whatever keep says, also
// those that a StatefulSet would take with it. What is gone already is no error. The error is a *[SetError].
func (a *Applier) Prune(
	ctx context.Context, observed Observed, owner Owner, desired []Key, keep func(*unstructured.Unstructured) bool,
) (Pruned, error) {
	wanted := make(map[Key]bool, len(desired))
	for _, key := range desired {
		wanted[key] = true
	}
	var (
		pruned   Pruned
		mu       sync.Mutex
		failures []*ObjectError
	)
	workers := errgroup.Group{}
	workers.SetLimit(parallel)
	for key, obj := range observed.Objects {
		if wanted[key] || obj.GetDeletionTimestamp() != nil {
			continue
		}
		switch disposal(obj, owner, wanted, keep) {
		case leave:
		case orphan:
			mu.Lock()
			pruned.Orphans = append(pruned.Orphans, key.String())
			if e := entryOf(obj); e.Fields != "" {
				pruned.Kept = append(pruned.Kept, e)
			}
			mu.Unlock()
		case remove:
			workers.Go(func() error {
				err := a.remove(ctx, obj)
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					failures = append(failures, objectError(key, err))
				} else {
					pruned.Deleted = append(pruned.Deleted, key)
				}
				return nil
			})
		}
	}
	_ = workers.Wait()
	slices.SortFunc(pruned.Deleted, compareKeys)
	slices.SortFunc(pruned.Kept, func(a, b Entry) int { return compareKeys(a.Key, b.Key) })
	slices.Sort(pruned.Orphans)
	return pruned, setError(failures)
}

type fate int

const (
	leave  fate = iota // another's business
	orphan             // kept and listed
	remove             // deleted
)

// disposal decides what becomes of an object that is not desired.
func disposal(
	obj *unstructured.Unstructured, owner Owner, wanted map[Key]bool, keep func(*unstructured.Unstructured) bool,
) fate {
	isClaim := obj.GroupVersionKind().GroupKind() == claimKind.GroupKind()
	ours := owner.owns(obj.GetLabels())
	switch {
	case OwnFields(obj) != "":
		if isClaim || !ours || metav1.GetControllerOf(obj) != nil || keep(obj) {
			return orphan
		}
		return remove
	case isClaim && ours && !claimed(obj.GetName(), wanted):
		return orphan
	default:
		// Labels are inherited: by the Jobs of a CronJob, by the Endpoints of a Service.
		return leave
	}
}

// claimOf is the form of a claim's name that a StatefulSet gives: template, StatefulSet, ordinal.
var claimOf = regexp.MustCompile(`^(.+)-\d+$`)

// claimed says whether the name is that of a claim of a desired StatefulSet.
func claimed(name string, wanted map[Key]bool) bool {
	found := claimOf.FindStringSubmatch(name)
	if found == nil {
		return false
	}
	for key := range wanted {
		if key.GroupKind() != statefulSetKind.GroupKind() {
			continue
		}
		if rest, ok := strings.CutSuffix(found[1], "-"+key.Name); ok && rest != "" {
			return true
		}
	}
	return false
}

func (a *Applier) remove(ctx context.Context, obj *unstructured.Unstructured) error {
	if obj.GroupVersionKind().GroupKind() == statefulSetKind.GroupKind() {
		if err := a.releaseClaims(ctx, obj); err != nil {
			return err
		}
	}
	target := newObject(obj.GroupVersionKind(), obj.GetNamespace(), obj.GetName())
	err := a.Client.Delete(ctx, target, client.PropagationPolicy(metav1.DeletePropagationBackground),
		client.Preconditions{UID: ptr.To(obj.GetUID())})
	switch {
	case apierrors.IsNotFound(err):
		return nil
	case err != nil:
		return fmt.Errorf("deleting %s: %w", KeyOf(obj), err)
	default:
		return nil
	}
}

// releaseClaims makes a StatefulSet's claims survive its deletion: with whenDeleted: Delete they name it as their owner
// and would be collected with it.
func (a *Applier) releaseClaims(ctx context.Context, set *unstructured.Unstructured) error {
	exists, err := a.retain(ctx, set.GetNamespace(), set.GetName(), "whenDeleted", "whenScaled")
	if err != nil || !exists {
		return err
	}
	claims := &unstructured.UnstructuredList{}
	claims.SetGroupVersionKind(claimKind.GroupVersion().WithKind(claimKind.Kind + "List"))
	if err := a.Live.List(ctx, claims, client.InNamespace(set.GetNamespace())); err != nil {
		return fmt.Errorf("listing the claims of StatefulSet/%s: %w", set.GetName(), err)
	}
	for i := range claims.Items {
		if err := a.releaseClaim(ctx, &claims.Items[i], set); err != nil {
			return err
		}
	}
	return nil
}

func (a *Applier) releaseClaim(ctx context.Context, claim, set *unstructured.Unstructured) error {
	references := claim.GetOwnerReferences()
	others := slices.DeleteFunc(slices.Clone(references), func(r metav1.OwnerReference) bool {
		// A pod is the owner while its set is scaled down with whenScaled: Delete.
		return r.UID == set.GetUID() || r.Kind == "Pod" && strings.HasPrefix(r.Name, set.GetName()+"-")
	})
	if len(others) == len(references) {
		return nil
	}
	// With the resource version, a reference that is added in the same moment makes this fail and not get lost.
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"resourceVersion": claim.GetResourceVersion(), "ownerReferences": others,
	}})
	if err != nil {
		return fmt.Errorf("encoding the owners of a claim: %w", err)
	}
	err = a.Client.Patch(ctx, newObject(claimKind, claim.GetNamespace(), claim.GetName()), mergePatch(patch),
		client.FieldOwner(scaleOwner))
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("releasing claim %s from StatefulSet/%s: %w", claim.GetName(), set.GetName(), err)
	}
	return nil
}
