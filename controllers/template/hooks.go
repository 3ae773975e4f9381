package template

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

// Annotations by which a chart makes an object a hook, see helm.sh, "Chart Hooks".
const (
	// hookAnnotation makes an object a hook; its value lists the events.
	hookAnnotation = "helm.sh/hook"
	// weightAnnotation orders the hooks of an event; no number is zero, as in Helm.
	weightAnnotation = "helm.sh/hook-weight"
	// deletePolicyAnnotation says when a hook is deleted.
	deletePolicyAnnotation = "helm.sh/hook-delete-policy"
)

// eventUse says what becomes of a hook at an event of a release.
type eventUse int

const (
	runs  eventUse = iota + 1 // it runs
	never                     // there is no such event: a tenant's namespace goes as a whole, and nothing is rolled back
	tests                     // it is run by hand only
)

// eventUses are the events that Helm knows. The name test-success is that of Helm 2.
var eventUses = map[string]eventUse{
	v1alpha1.HookPreInstall: runs, v1alpha1.HookPostInstall: runs, v1alpha1.HookPreUpgrade: runs, v1alpha1.HookPostUpgrade: runs,
	"pre-delete": never, "post-delete": never, "pre-rollback": never, "post-rollback": never,
	"test": tests, "test-success": tests,
}

// hook is what an object's annotations say about when it runs.
type hook struct {
	// events are those that happen to a tenant, sorted and each once; none if the object is left out.
	events []string
	// idle says that it would run at events that never happen, and so is left out.
	idle   bool
	weight int
}

// hookOf reads an object's annotations; nil if it is no hook. The error names an event that Helm does not know: an object
// that nobody runs would be missed late, and Helm itself drops it without a word.
func hookOf(annotations map[string]string) (*hook, error) {
	list, isHook := annotations[hookAnnotation]
	if !isHook {
		return nil, nil //nolint:nilnil // most objects are no hooks
	}
	h := &hook{}
	for event := range strings.SplitSeq(list, ",") {
		event = strings.ToLower(strings.TrimSpace(event))
		switch eventUses[event] {
		case runs:
			h.events = append(h.events, event)
		case never:
			h.idle = true
		case tests:
		default:
			return nil, fmt.Errorf("%q is no event of a Helm release; use one of %s", event,
				strings.Join(slices.Sorted(maps.Keys(eventUses)), ", "))
		}
	}
	slices.Sort(h.events)
	h.events = slices.Compact(h.events)
	if weight, err := strconv.Atoi(annotations[weightAnnotation]); err == nil {
		h.weight = weight
	}
	return h, nil
}

// hooked is an object that is a hook.
type hooked struct {
	Object
	weight int
	id     identity
}

// inOrder gives the hooks in the order in which Helm runs them: by weight, then kind, then name. Of the kinds it only matters
// that a Job comes after what it may need.
func inOrder(hooks []hooked) []Object {
	slices.SortStableFunc(hooks, func(a, b hooked) int {
		return cmp.Or(
			cmp.Compare(a.weight, b.weight),
			cmp.Compare(isJob(a.GetKind()), isJob(b.GetKind())),
			cmp.Compare(a.GetName(), b.GetName()),
		)
	})
	objects := make([]Object, 0, len(hooks))
	for _, h := range hooks {
		objects = append(objects, h.Object)
	}
	return objects
}

func isJob(kind string) int {
	if kind == "Job" {
		return 1
	}
	return 0
}
