package tenant

import (
	"encoding/json"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// maxKept bounds, in bytes, what is kept of the values that a patch replaces. What is longer comes back with the next apply of the
// revision.
const maxKept = 16 << 10

// planPatch is the overlay of an object for whose kind the product has a patch: the patch, and on top of it what stops a known kind. It
// is nil where both hold.
func planPatch(obj *unstructured.Unstructured, own *overlay, patch map[string]any, expected func(*unstructured.Unstructured) string) *overlay {
	o := own
	if o == nil {
		o = &overlay{key: keyOf(obj), observed: obj, content: power(obj)}
		stopAgain(obj, o.content)
	}
	o.patched = true
	fields, cleared := split(patch)
	overlayMaps(o.content.Object, fields, false)
	if len(cleared) > 0 {
		o.clear = cleared
	}
	setAnnotation(o.content, PatchHashAnnotation, digest(patch))
	if _, kept := annotation(obj, KeptAnnotation); !kept {
		o.needsLive = !stoppable(kindOf(obj))
	} else if value, _ := annotation(obj, KeptAnnotation); own == nil {
		setAnnotation(o.content, KeptAnnotation, value)
	}
	hash, _ := annotation(obj, PatchHashAnnotation)
	held, _ := annotation(obj, powerFields)
	if own == nil && hash == digest(patch) && !o.needsLive && held == expected(o.content) {
		return nil
	}
	return o
}

// stopAgain writes into the content what holds a known kind already: an apply without it would give it back.
func stopAgain(obj, content *unstructured.Unstructured) {
	switch kindOf(obj) {
	case kindDeployment, kindStatefulSet, kindReplicaSet:
		set(content, int64(0), "spec", "replicas")
	case kindJob, kindCronJob:
		if jobEnd(obj) == "" {
			set(content, true, "spec", "suspend")
		}
	case kindScaledObject, kindScaledJob:
		key, stop := kedaPause(kindOf(obj))
		setAnnotation(content, key, stop)
	}
}

// split takes a merge patch apart: what it sets, and as a merge patch what it takes away.
func split(patch map[string]any) (sets, clears map[string]any) {
	sets, clears = map[string]any{}, map[string]any{}
	for key, value := range patch {
		child, isMap := value.(map[string]any)
		switch {
		case value == nil:
			clears[key] = nil
		case isMap && len(child) > 0:
			s, c := split(child)
			if len(s) > 0 {
				sets[key] = s
			}
			if len(c) > 0 {
				clears[key] = c
			}
		default:
			sets[key] = value
		}
	}
	return sets, clears
}

// overlayMaps lays a map over another one. With replace, values that are there are replaced; without, they win.
func overlayMaps(base, over map[string]any, replace bool) {
	for key, value := range over {
		below, bothMaps := base[key].(map[string]any)
		above, isMap := value.(map[string]any)
		_, there := base[key]
		switch {
		case bothMaps && isMap:
			overlayMaps(below, above, replace)
		case !there || replace:
			base[key] = value
		}
	}
}

// former are the values that stand where a patch sets or takes away something; a field that is not there has none.
func former(patch, standing map[string]any) map[string]any {
	found := map[string]any{}
	for key, value := range patch {
		current, there := standing[key]
		if !there {
			continue
		}
		child, isMap := value.(map[string]any)
		below, bothMaps := current.(map[string]any)
		if isMap && bothMaps { // an empty one changes nothing of what stands
			if rest := former(child, below); len(rest) > 0 {
				found[key] = rest
			}
			continue
		}
		found[key] = current
	}
	return found
}

// keepFormer writes what a patch replaces into the overlay's annotation.
func keepFormer(content *unstructured.Unstructured, patch map[string]any, live *unstructured.Unstructured) {
	values := former(patch, live.Object)
	delete(values, "apiVersion")
	data, err := json.Marshal(values)
	if err != nil || len(data) > maxKept {
		data = []byte("{}")
	}
	setAnnotation(content, KeptAnnotation, string(data))
}

// giveBack writes the kept values into what power applies. A kind that power stops by itself has a single one.
func giveBack(content *unstructured.Unstructured, kept string) {
	switch kindOf(content) {
	case kindDeployment, kindStatefulSet, kindReplicaSet:
		n, ok := whole(kept)
		if !ok {
			n = 1
		}
		set(content, n, "spec", "replicas")
		return
	case kindJob, kindCronJob:
		set(content, kept == "true", "spec", "suspend")
		return
	case kindScaledObject, kindScaledJob:
		if key, _ := kedaPause(kindOf(content)); kept != nothing {
			setAnnotation(content, key, kept)
		}
		return
	case kindHPA:
		if n, ok := whole(kept); ok {
			set(content, n, "spec", "minReplicas")
		}
		return
	}
	values := map[string]any{}
	if json.Unmarshal([]byte(kept), &values) == nil {
		normal, _ := whole64(values).(map[string]any)
		overlayMaps(content.Object, normal, false)
	}
}

// patchPaths are the fields that a patch sets or takes away, so that the shape leaves them out while the patch holds.
func patchPaths(patch map[string]any) [][]string {
	var paths [][]string
	for _, key := range slices.Sorted(maps.Keys(patch)) {
		child, isMap := patch[key].(map[string]any)
		if !isMap || len(child) == 0 {
			paths = append(paths, []string{key})
			continue
		}
		for _, rest := range patchPaths(child) {
			paths = append(paths, append([]string{key}, rest...))
		}
	}
	return paths
}
