package workload

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

// stages are groups that wait for each other: each Job of a hook is one of its own.
type stages [][]*unstructured.Unstructured

// then puts an object after what is there. Objects that nobody waits for share a group.
func (s *stages) then(object *unstructured.Unstructured) {
	last := len(*s) - 1
	if last >= 0 && !isHookJob(object) && !isHookJob((*s)[last][0]) {
		(*s)[last] = append((*s)[last], object)
		return
	}
	*s = append(*s, []*unstructured.Unstructured{object})
}

func isHookJob(object *unstructured.Unstructured) bool {
	return object.GetAnnotations()[v1alpha1.HookAnnotation] != ""
}

// placeHook puts an object that is a hook before or after everything else. Its Job stands there once for each event, and
// whoever applies the set leaves out the events that don't happen. Other objects stand there for every event: Helm leaves
// them behind as well, and what they configure goes on to need them.
func (b *builder) placeHook(object *unstructured.Unstructured, events []string) {
	if object.GroupVersionKind().GroupKind() != kindJob {
		if slices.ContainsFunc(events, isBefore) {
			b.before.then(object)
		} else {
			b.after.then(object)
		}
		return
	}
	for _, event := range events {
		job := object.DeepCopy()
		annotate(job, v1alpha1.HookAnnotation, event)
		if isBefore(event) {
			b.before.then(job)
		} else {
			b.after.then(job)
		}
	}
}

func isBefore(event string) bool { return strings.HasPrefix(event, "pre-") }

// hookRefused says why a hook would keep everything after it from being made.
func (b *builder) hookRefused(object *unstructured.Unstructured, events []string) []string {
	suspend, _, _ := unstructured.NestedBool(object.Object, "spec", "suspend")
	if len(events) == 0 || b.suspended || object.GroupVersionKind().GroupKind() != kindJob || !suspend {
		return nil
	}
	return []string{"spec.suspend is true, so the hook would never finish; remove it"}
}
