package workload

import (
	"encoding/json"
	"fmt"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

// Annotations by which KEDA is told to pause, see keda.sh, "Pausing autoscaling".
const (
	kedaPausedReplicas = "autoscaling.keda.sh/paused-replicas"
	kedaPaused         = "autoscaling.keda.sh/paused"
)

// newPatches reads the product's suspension patches. It returns a problem for each that is not a JSON merge patch, and
// does so while the tenant runs as well, so that a mistake is seen before the first suspension.
func newPatches(suspension []v1alpha1.SuspensionPatch) (map[schema.GroupKind][]byte, []string) {
	patches, problems := map[schema.GroupKind][]byte{}, []string(nil)
	for i, s := range suspension {
		kind := schema.GroupKind{Group: s.Group, Kind: s.Kind}
		var fields map[string]any
		if err := json.Unmarshal(s.Patch.Raw, &fields); err != nil || fields == nil {
			problems = append(problems, fmt.Sprintf("the product's spec.lifecycle.suspensionPatches[%d] (%s): patch is not a map",
				i, kind))
		}
		if _, twice := patches[kind]; twice {
			problems = append(problems, fmt.Sprintf("the product's spec.lifecycle.suspensionPatches[%d] (%s): the kind already has a "+
				"patch; merge them", i, kind))
		}
		patches[kind] = s.Patch.Raw
	}
	return patches, problems
}

// patch merges the product's patch for the object's kind into the object. It returns what is wrong; empty when nothing is.
func (b *builder) patch(object *unstructured.Unstructured) string {
	patch, ok := b.patches[object.GroupVersionKind().GroupKind()]
	if !ok {
		return ""
	}
	patched, err := merge(object, patch)
	if err != nil {
		return fmt.Sprintf("merging the product's spec.lifecycle.suspensionPatches: %v", err)
	}
	if patched.GroupVersionKind() != object.GroupVersionKind() || patched.GetName() != object.GetName() ||
		patched.GetNamespace() != object.GetNamespace() {
		// The object itself would no longer be in the set, and be pruned.
		return "the product's spec.lifecycle.suspensionPatches changes its apiVersion, kind, name or namespace; " +
			"remove that from the patch"
	}
	object.Object = patched.Object
	return ""
}

// merge applies a JSON merge patch (RFC 7396) and leaves the object as it is.
func merge(object *unstructured.Unstructured, patch []byte) (*unstructured.Unstructured, error) {
	before, err := json.Marshal(object.Object)
	if err != nil {
		return nil, err
	}
	after, err := jsonpatch.MergePatch(before, patch)
	if err != nil {
		return nil, err
	}
	patched := &unstructured.Unstructured{}
	if err := patched.UnmarshalJSON(after); err != nil {
		return nil, err
	}
	return patched, nil
}

// stop changes an object so that it runs nothing and loses nothing, or notes why that can't be done.
func (b *builder) stop(object *unstructured.Unstructured) error {
	id := identityOf(object)
	if id.kind == kindStatefulSet {
		b.retain = append(b.retain, id.name)
	}
	if kind, ok := known[id.kind]; ok {
		if kind.stop == nil {
			return nil
		}
		return kind.stop(object)
	}
	_, patched := b.patches[id.kind]
	if patched || isDataKind(id.kind, b.policy.DataKinds) {
		return nil
	}
	b.blockers = append(b.blockers, v1alpha1.Blocker{
		Object:  id.String(),
		Reason:  v1alpha1.ReasonCannotSuspend,
		Message: fmt.Sprintf("Objects of kind %s can't be stopped because the product does not specify how, so they keep running", id.kind),
		Remedy: "Add a patch for the kind to the product's spec.lifecycle.suspensionPatches ({} if the template itself stops it), " +
			"or name the kind in spec.lifecycle.dataKinds if it runs nothing",
	})
	return nil
}

// hasReplicas says whether the object is of a kind that is stopped by its replicas.
func hasReplicas(object *unstructured.Unstructured) bool {
	kind := object.GroupVersionKind().GroupKind()
	return kind == kindDeployment || kind == kindStatefulSet
}

// setsReplicas says whether the template sets the replicas, rather than an autoscaler.
func setsReplicas(object *unstructured.Unstructured) bool {
	replicas, _, _ := unstructured.NestedFieldNoCopy(object.Object, "spec", "replicas")
	return replicas != nil
}

// stopReplicas applies zero where the template sets a number. Where it does not, zero is written through /scale: applied
// and later left out, it would reset to one and not to what the autoscaler had chosen.
func stopReplicas(object *unstructured.Unstructured) error {
	if !setsReplicas(object) {
		return nil
	}
	return unstructured.SetNestedField(object.Object, int64(0), "spec", "replicas")
}

// stopJobs suspends a Job, or what a CronJob would start.
func stopJobs(object *unstructured.Unstructured) error {
	return unstructured.SetNestedField(object.Object, true, "spec", "suspend")
}

// stopHPA leaves an autoscaler as it is, since it does nothing while its target has no replicas. One that may scale to
// zero does scale up from there, so it may not while the tenant is suspended.
func stopHPA(object *unstructured.Unstructured) error {
	least, _, _ := unstructured.NestedFieldNoCopy(object.Object, "spec", "minReplicas")
	if least == int64(0) || least == float64(0) {
		return unstructured.SetNestedField(object.Object, int64(1), "spec", "minReplicas")
	}
	return nil
}

// stopScaledObject has KEDA hold its target at zero. Its own minimum of zero would not do: the next message in a queue
// scales up from there.
func stopScaledObject(object *unstructured.Unstructured) error {
	annotate(object, kedaPausedReplicas, "0")
	return nil
}

// stopScaledJob has KEDA start no more Jobs. Those that run come to their end.
func stopScaledJob(object *unstructured.Unstructured) error {
	annotate(object, kedaPaused, "true")
	return nil
}

func annotate(object *unstructured.Unstructured, key, value string) {
	annotations := object.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[key] = value
	object.SetAnnotations(annotations)
}
