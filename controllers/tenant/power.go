package tenant

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/apply"
	"github.com/stallkeeper/stallkeeper/controllers/workload"
)

// Wish says whether a tenant shall run.
type Wish struct {
	// Stop wants that nothing runs; otherwise what was stopped runs again.
	Stop bool
	// JobsOnly leaves all but Jobs as they are: while the hooks before the first revision run, nothing else of it does.
	JobsOnly bool
	// Owner is the instance. Nothing is written into a namespace that records another one.
	Owner apply.Owner
	// Patches are the product's suspension patches, JSON merge patches by kind. One that can't be used is a refusal of the objects of its
	// kind.
	Patches map[schema.GroupKind][]byte
	// DataKinds are kinds that hold data and run nothing.
	DataKinds []v1alpha1.GroupKind
	// scaled are the numbers that the namespace keeps.
	scaled scaled
	// Wanted are the replicas that the revision sets, where it was rendered; nil where it could not be. A workload that is not in it
	// gets the number that was kept.
	Wanted map[Key]int64
}

// overlay is what power applies to one object; a nil one is nothing to do.
type overlay struct {
	// key and observed name the object and the state that the overlay was made for.
	key      Key
	observed *unstructured.Unstructured
	// content is applied under PowerOwner. Without any field, power gives the object back.
	content *unstructured.Unstructured
	// clear are fields that a patch takes away, as a merge patch; nil for none.
	clear map[string]any
	// retain says that the claims' retention has to be stored before anything else.
	retain bool
	// patched says that the product's patch is part of the content; needsLive that what it replaces has to be read first.
	patched, needsLive bool
}

// planPower says which overlays stopping or resuming needs, and what can't be stopped. It is pure.
func planPower(st Standing, wish Wish, expected func(*unstructured.Unstructured) string) ([]overlay, []Refusal) {
	var overlays []overlay
	var refusals []Refusal
	for _, key := range st.keys() {
		obj := st.Objects[key]
		if !powered(obj, wish.Owner) || wish.JobsOnly && key.GroupKind() != kindJob {
			continue
		}
		o, refusal := planOne(obj, wish, expected)
		if o != nil {
			overlays = append(overlays, *o)
		}
		if refusal != nil {
			refusals = append(refusals, *refusal)
		}
	}
	return overlays, refusals
}

// powered says whether power looks at an object: it is one that we have applied, whatever a person has made of its labels and owners;
// or it carries the tenant's labels and is not made by another object that would set it back at once.
func powered(obj *unstructured.Unstructured, owner apply.Owner) bool {
	if obj.GetDeletionTimestamp() != nil {
		return false
	}
	if shape, _ := annotation(obj, shapeFields); shape != "" {
		return true
	}
	labels := obj.GetLabels()
	return labels[v1alpha1.InstanceLabel] == owner.Name && labels[v1alpha1.InstanceNamespaceLabel] == owner.Namespace &&
		(metav1.GetControllerOf(obj) == nil || scheduled(obj))
}

// scheduled says whether an object is a Job that a CronJob or a ScaledJob has started. Those never write to a Job again, and pausing
// them does not end it: it would run on in a stopped tenant.
func scheduled(obj *unstructured.Unstructured) bool {
	controller := metav1.GetControllerOf(obj)
	if controller == nil || kindOf(obj) != kindJob {
		return false
	}
	kind := schema.FromAPIVersionAndKind(controller.APIVersion, controller.Kind).GroupKind()
	return kind == kindCronJob || kind == kindScaledJob
}

func planOne(obj *unstructured.Unstructured, wish Wish, expected func(*unstructured.Unstructured) string) (*overlay, *Refusal) {
	if !wish.Stop {
		return planResume(obj, wish), nil
	}
	raw, hasPatch := wish.Patches[kindOf(obj)]
	own := planStop(obj, wish)
	if !hasPatch {
		if own == nil && !stoppable(kindOf(obj)) && !workload.RunsNothing(kindOf(obj), wish.DataKinds) {
			return nil, cannotSuspend(keyOf(obj))
		}
		return own, nil
	}
	patch, err := readPatch(raw)
	if err != nil {
		refusal := Refusal{
			Key: keyOf(obj), Reason: patchReason(kindOf(obj), wish), Message: "the product's spec.lifecycle.suspensionPatches for its kind: " + err.Error(),
			Remedy: "correct the patch in the product",
		}
		return own, &refusal
	}
	if len(patch) == 0 {
		return own, nil // the template itself stops it
	}
	return planPatch(obj, own, patch, expected), nil
}

// patchReason is the reason of a patch that can't be used: without it, an object of a known kind is stopped all the same, and any other
// runs on.
func patchReason(kind schema.GroupKind, wish Wish) string {
	if stoppable(kind) || workload.RunsNothing(kind, wish.DataKinds) {
		return ReasonSuspensionPatch
	}
	return ReasonCannotSuspend
}

func cannotSuspend(key Key) *Refusal {
	return &Refusal{
		Key: key, Reason: ReasonCannotSuspend,
		Message: fmt.Sprintf("objects of kind %s can't be stopped because the product does not specify how, so they keep running", key.GroupKind()),
		Remedy: "add a patch for the kind to the product's spec.lifecycle.suspensionPatches ({} if the template itself stops it), " +
			"or name the kind in spec.lifecycle.dataKinds if it runs nothing",
	}
}

// StoppedKinds are the kinds that power knows how to stop. Those that the cluster serves have to be watched whether templates may have
// them or not: a tenant keeps what was made while they were allowed, and it would run on.
func StoppedKinds() []schema.GroupKind {
	return []schema.GroupKind{kindDeployment, kindStatefulSet, kindReplicaSet, kindJob, kindCronJob, kindHPA, kindScaledObject, kindScaledJob}
}

func stoppable(kind schema.GroupKind) bool { return slices.Contains(StoppedKinds(), kind) }

// planStop is the overlay that stops an object of a known kind; nil where it holds already.
func planStop(obj *unstructured.Unstructured, wish Wish) *overlay {
	o := &overlay{key: keyOf(obj), observed: obj, content: power(obj)}
	former, has := annotation(obj, KeptAnnotation)
	var kept string
	var stops bool
	switch kindOf(obj) {
	case kindDeployment, kindStatefulSet, kindReplicaSet:
		kept, stops = stopReplicas(o, wish, has)
	case kindJob, kindCronJob:
		kept, stops = stopJobs(o, has)
	case kindHPA:
		least, ok := number(obj, "spec", "minReplicas")
		kept, stops, has = "0", ok && least == 0, false // with no replicas to begin from, any other does nothing
		set(o.content, int64(1), "spec", "minReplicas")
	case kindScaledObject, kindScaledJob:
		kept, stops = stopKEDA(o, has)
	}
	if !stops {
		return nil
	}
	if has {
		kept = former // the number from before the stop counts, not what a person has scaled to since
	}
	setAnnotation(o.content, KeptAnnotation, kept)
	return o
}

// stopReplicas wants zero. It gives the number to keep, and false where zero holds.
func stopReplicas(o *overlay, wish Wish, kept bool) (string, bool) {
	replicas := replicasOf(o.observed)
	o.retain = loses(o.observed)
	set(o.content, int64(0), "spec", "replicas")
	if kindOf(o.observed) == kindStatefulSet && retention(o.observed) != "" {
		set(o.content, "Retain", "spec", "persistentVolumeClaimRetentionPolicy", "whenScaled")
	}
	number := replicas
	holds, _ := annotation(o.observed, powerFields)
	n, ok := wish.Wanted[o.key]
	noted, isNoted := wish.scaled[o.key.String()]
	switch {
	case isNoted:
		number = noted
	case replicas != 0:
	case ok:
		number = n // it was made while its tenant was stopped
	case holds != "" && !kept:
		number = 1 // a person has taken away what was kept, and a paid tenant must not stay at zero
	}
	return strconv.FormatInt(number, 10), !kept || replicas != 0 || o.retain
}

// stopJobs suspends a Job that has not ended, or what a CronJob would start.
func stopJobs(o *overlay, kept bool) (string, bool) {
	suspended := flag(o.observed, "spec", "suspend")
	set(o.content, true, "spec", "suspend")
	return strconv.FormatBool(suspended), jobEnd(o.observed) == "" && (!kept || !suspended)
}

// stopKEDA has KEDA hold its target at zero, or start no more Jobs.
func stopKEDA(o *overlay, kept bool) (string, bool) {
	key, stop := kedaPause(kindOf(o.observed))
	value, paused := annotation(o.observed, key)
	setAnnotation(o.content, key, stop)
	if kept && value == stop {
		return "", false
	}
	if !paused {
		value = nothing
	}
	return value, true
}

// nothing is kept where there was no value.
const nothing = "none"

func kedaPause(kind schema.GroupKind) (annotation, value string) {
	if kind == kindScaledJob {
		return kedaPaused, "true"
	}
	return kedaPausedReplicas, "0"
}

// power gives the object that power applies, without any field yet. With UID and resource version, a number that was read from an old
// cache is not kept, and an object that is gone is not made anew.
func power(obj *unstructured.Unstructured) *unstructured.Unstructured {
	content := like(obj)
	content.SetUID(obj.GetUID())
	content.SetResourceVersion(obj.GetResourceVersion())
	return content
}

// planResume is the overlay that lets an object run again; nil where it does.
func planResume(obj *unstructured.Unstructured, wish Wish) *overlay {
	kept, has := keptOn(obj, wish)
	if !has {
		return nil
	}
	o := &overlay{key: keyOf(obj), observed: obj, content: power(obj)}
	if _, patched := annotation(obj, PatchHashAnnotation); patched {
		o.patched = true
		giveBack(o.content, kept)
		if n, wanted := wish.Wanted[o.key]; wanted && stoppable(kindOf(obj)) {
			set(o.content, n, "spec", "replicas")
		}
		return o
	}
	switch kindOf(obj) {
	case kindDeployment, kindStatefulSet, kindReplicaSet:
		replicas, ok := whole(kept)
		if n, set := wish.Wanted[o.key]; set {
			replicas = n
		} else if !ok {
			replicas = 1 // what its controller takes where nothing is said
		}
		set(o.content, replicas, "spec", "replicas")
	case kindJob, kindCronJob:
		set(o.content, kept == "true", "spec", "suspend")
	case kindHPA:
		least, _ := whole(kept)
		set(o.content, least, "spec", "minReplicas")
	case kindScaledObject, kindScaledJob:
		if key, _ := kedaPause(kindOf(obj)); kept != nothing {
			setAnnotation(o.content, key, kept)
		}
	default:
		return nil
	}
	return o
}

// keptOn is what is kept of an object that is stopped: on itself, or on its namespace.
func keptOn(obj *unstructured.Unstructured, wish Wish) (string, bool) {
	kept, has := annotation(obj, KeptAnnotation)
	if n, noted := wish.scaled[keyOf(obj).String()]; !has && noted && replicasOf(obj) == 0 {
		return strconv.FormatInt(n, 10), true
	}
	return kept, has
}

// replicasOf is what a workload should have; 1 where nothing is said, as its controller takes it.
func replicasOf(obj *unstructured.Unstructured) int64 {
	if n, ok := number(obj, "spec", "replicas"); ok {
		return n
	}
	return 1
}

func retention(obj *unstructured.Unstructured) string {
	when, _, _ := unstructured.NestedString(obj.Object, "spec", "persistentVolumeClaimRetentionPolicy", "whenScaled")
	return when
}

// loses says whether a StatefulSet would lose its claims at zero.
func loses(obj *unstructured.Unstructured) bool {
	return kindOf(obj) == kindStatefulSet && strings.EqualFold(retention(obj), "Delete")
}

// readPatch reads a suspension patch. What would make it another object is refused.
func readPatch(raw []byte) (map[string]any, error) {
	var patch map[string]any
	if err := json.Unmarshal(raw, &patch); err != nil || patch == nil {
		return nil, fmt.Errorf("the patch is not a map")
	}
	for _, field := range []string{"apiVersion", "kind", "status"} {
		if _, ok := patch[field]; ok {
			return nil, fmt.Errorf("the patch changes %s, which it can't", field)
		}
	}
	metadata, isMap := patch["metadata"].(map[string]any)
	if _, ok := patch["metadata"]; ok && !isMap {
		return nil, fmt.Errorf("the patch's metadata is not a map")
	}
	for field := range metadata {
		if field != "annotations" && field != "labels" {
			return nil, fmt.Errorf("the patch changes metadata.%s, which it can't", field)
		}
	}
	normal, _ := whole64(patch).(map[string]any)
	return normal, nil
}

// whole64 gives JSON numbers the types that unstructured objects have.
func whole64(value any) any {
	switch v := value.(type) {
	case map[string]any:
		for key, item := range v {
			v[key] = whole64(item)
		}
	case []any:
		for i, item := range v {
			v[i] = whole64(item)
		}
	case float64:
		if v == float64(int64(v)) {
			return int64(v)
		}
	}
	return value
}
