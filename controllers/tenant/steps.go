package tenant

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/controllers/apply"
	"github.com/stallkeeper/stallkeeper/controllers/quantity"
)

// step is what makes the API server take an object that it has refused: one of clear, restore, recreate, replace and after.
type step struct {
	// clear is a merge patch that takes away what no one owns and what stands in the way.
	clear map[string]any
	// restore is the object as it stands, without what others have added and with what is wanted, in one write.
	restore *unstructured.Unstructured
	// recreate wants the StatefulSet deleted without its pods and made anew, after its claims have grown to these sizes, by template.
	recreate bool
	grow     map[string]resource.Quantity
	// replace is the object that has to go first.
	replace *unstructured.Unstructured
	// after is the object of the set that holds what this one is to have, and gives it up once it is applied.
	after Key
}

// planStep finds the step for a refusal, or says why there is none. It is pure: live is what stands under the object's name, nil for
// nothing, and rivals are objects that the set has no more, read live.
func planStep(wanted, live *unstructured.Unstructured, rivals []*unstructured.Unstructured, managers Managers, err error) (*step, *Refusal) {
	switch {
	case live == nil:
	case kindOf(wanted) == kindStatefulSet:
		if s, refusal := planRecreate(wanted, live, err); s != nil || refusal != nil {
			return s, refusal
		}
	case kindOf(wanted) == kindConfigMap:
		if s := planUncross(wanted, live); s != nil {
			return s, nil
		}
	case kindOf(wanted) == kindClaim:
		if refusal := shrinks(keyOf(wanted), wanted.GetName(), claimSize(live.Object), claimSize(wanted.Object)); refusal != nil {
			return nil, refusal
		}
	}
	for _, rival := range rivals {
		if inTheWay(wanted, rival, err) {
			return &step{replace: rival}, nil
		}
	}
	if live == nil {
		return nil, nil
	}
	if s := planClear(wanted, live, err); s != nil {
		return s, nil
	}
	return planRestore(wanted, live, managers), nil
}

// planRestore takes away what others have put in the place of ours, where both can't stand side by side: the volume that a person has
// given another source would have two.
func planRestore(wanted, live *unstructured.Unstructured, managers Managers) *step {
	rest, changed := cleaned(live, managers)
	if !changed {
		return nil
	}
	base, err := typedValue(rest)
	if err != nil {
		return nil
	}
	over, err := typedValue(wanted)
	if err != nil {
		return nil
	}
	merged, err := base.Merge(over)
	if err != nil {
		return nil
	}
	fields, ok := merged.AsValue().Unstructured().(map[string]any)
	if !ok {
		return nil
	}
	return &step{restore: &unstructured.Unstructured{Object: fields}}
}

// planUncross takes keys of a ConfigMap out of the map in which a person has put them, where the object wants them in the other one: a
// key may stand in one of both only. Other keys that people add stay.
func planUncross(wanted, live *unstructured.Unstructured) *step {
	patch := map[string]any{}
	for _, maps := range [][2]string{{"data", "binaryData"}, {"binaryData", "data"}} {
		keys, _ := wanted.Object[maps[0]].(map[string]any)
		for key := range keys {
			if at(live.Object, []string{maps[1], key}) != nil {
				overlayMaps(patch, nest([]string{maps[1], key}, nil), true)
			}
		}
	}
	if len(patch) == 0 {
		return nil
	}
	patch["metadata"] = map[string]any{"resourceVersion": live.GetResourceVersion()}
	return &step{clear: patch}
}

// planClear takes away those refused fields that the object does not want, that stand there all the same, and that no field manager
// owns: defaults of the API server that fit a former value of another field.
func planClear(wanted, live *unstructured.Unstructured, err error) *step {
	causes := causesOf(err)
	if len(causes) == 0 {
		return nil
	}
	patch := map[string]any{}
	for _, cause := range causes {
		path := deepest(live, fieldPath(cause.Field))
		if len(path) < 2 || !onlyMaps(live, path) || at(live.Object, path) == nil || at(wanted.Object, path) != nil || owned(live, path) {
			return nil
		}
		// The field beside it that made the default wrong has to change in the same request.
		if parent, ok := at(wanted.Object, path[:len(path)-1]).(map[string]any); ok {
			overlayMaps(patch, nest(path[:len(path)-1], runtimeCopy(parent)), true)
		}
		overlayMaps(patch, nest(path, nil), true)
	}
	patch["metadata"] = map[string]any{"resourceVersion": live.GetResourceVersion()}
	return &step{clear: patch}
}

// onlyMaps says whether a path leads through no list: an entry of one can't be cleared.
func onlyMaps(live *unstructured.Unstructured, path []string) bool {
	for i := range path {
		if _, isMap := at(live.Object, path[:i]).(map[string]any); !isMap {
			return false
		}
	}
	return true
}

// deepest gives the field of the object that the API server means: some validations repeat a step of the path.
func deepest(live *unstructured.Unstructured, path []string) []string {
	if at(live.Object, path) != nil {
		return path
	}
	for i := 1; i < len(path); i++ {
		if shorter := slices.Delete(slices.Clone(path), i, i+1); at(live.Object, shorter) != nil && path[i] == path[i-1] {
			return shorter
		}
	}
	return path
}

func runtimeCopy(value map[string]any) map[string]any {
	return (&unstructured.Unstructured{Object: value}).DeepCopy().Object
}

func nest(path []string, value any) map[string]any {
	nested := map[string]any{path[len(path)-1]: value}
	for _, step := range slices.Backward(path[:len(path)-1]) {
		nested = map[string]any{step: nested}
	}
	return nested
}

// owned says whether any field manager holds a field.
func owned(live *unstructured.Unstructured, path []string) bool {
	for _, e := range managed(live) {
		fields, _ := e["fieldsV1"].(map[string]any)
		if (ownEntry{fields: fields}).has(path...) {
			return true
		}
	}
	return false
}

func causesOf(err error) []metav1.StatusCause {
	status := apierrors.APIStatus(nil)
	if errors.As(err, &status) && status.Status().Details != nil {
		return status.Status().Details.Causes
	}
	return nil
}

// planRecreate makes a StatefulSet anew whose claim templates grow. Every other field that can't be changed is refused, and a claim
// that would shrink as well.
func planRecreate(wanted, live *unstructured.Unstructured, err error) (*step, *Refusal) {
	const templates = "spec.volumeClaimTemplates"
	// Older API servers name the whole spec.
	if !slices.ContainsFunc(causesOf(err), func(c metav1.StatusCause) bool { return c.Field == "spec" || strings.HasPrefix(c.Field, templates) }) {
		return nil, nil
	}
	before, after := claimTemplates(live), claimTemplates(wanted)
	grow := map[string]resource.Quantity{}
	for name, template := range after {
		size, former := claimSize(template), claimSize(before[name])
		if refusal := shrinks(keyOf(wanted), name, former, size); refusal != nil {
			return nil, refusal
		}
		if size.Cmp(former) > 0 {
			grow[name] = size
		}
	}
	if len(grow) == 0 || !onlyGrows(wanted, live) {
		return nil, nil
	}
	return &step{recreate: true, grow: grow}, nil
}

// onlyGrows says whether the sizes of claims are all that differs of what a StatefulSet can't change.
func onlyGrows(wanted, live *unstructured.Unstructured) bool {
	before, after := claimTemplates(live), claimTemplates(wanted)
	if len(before) != len(after) {
		return false
	}
	for name, template := range after {
		former, ok := before[name]
		if !ok {
			return false
		}
		spec, _ := template["spec"].(map[string]any)
		same := runtimeCopy(spec)
		unstructured.RemoveNestedField(same, "resources")
		if !within(same, former["spec"]) {
			return false
		}
	}
	for _, field := range []string{"serviceName", "podManagementPolicy", "selector"} {
		if value := at(wanted.Object, []string{"spec", field}); value != nil && !within(value, at(live.Object, []string{"spec", field})) {
			return false
		}
	}
	return true
}

// within says whether everything that is wanted stands; the server's defaults may stand besides.
func within(wanted, standing any) bool {
	switch w := wanted.(type) {
	case map[string]any:
		s, ok := standing.(map[string]any)
		for key, value := range w {
			if !ok || !within(value, s[key]) {
				return false
			}
		}
		return true
	case []any:
		s, ok := standing.([]any)
		if !ok || len(s) != len(w) {
			return false
		}
		for i := range w {
			if !within(w[i], s[i]) {
				return false
			}
		}
		return true
	}
	return fmt.Sprint(wanted) == fmt.Sprint(standing)
}

func claimTemplates(set *unstructured.Unstructured) map[string]map[string]any {
	found := map[string]map[string]any{}
	list, _ := at(set.Object, []string{"spec", "volumeClaimTemplates"}).([]any)
	for _, item := range list {
		if template, ok := item.(map[string]any); ok {
			found[text(at(template, []string{"metadata", "name"}))] = template
		}
	}
	return found
}

// claimSize is what a claim or its template asks for; zero where that can't be read.
func claimSize(claim map[string]any) resource.Quantity {
	value := at(claim, []string{"spec", "resources", "requests", "storage"})
	size, err := quantity.Parse(fmt.Sprint(value))
	if err != nil {
		return resource.Quantity{}
	}
	return size
}

// shrinks refuses a claim that would become smaller.
func shrinks(key Key, claim string, before, after resource.Quantity) *Refusal {
	if before.IsZero() || after.IsZero() || after.Cmp(before) >= 0 {
		return nil
	}
	return &Refusal{
		Key: key, Reason: ReasonClaimShrinks, Field: "spec.resources.requests.storage", Old: before.String(), New: after.String(),
		Message: fmt.Sprintf("the claim %s would shrink from %s to %s, which Kubernetes does not support", claim, before.String(), after.String()),
		Remedy:  "set the size to at least " + before.String() + " in the product's template or the plan's values",
	}
}

// inTheWay says whether a rival holds what the API server refuses to give the new object a second time.
func inTheWay(wanted, rival *unstructured.Unstructured, err error) bool {
	if kindOf(wanted) != kindOf(rival) {
		return false
	}
	switch failure := apply.Explain(keyOf(wanted), err); failure.Reason {
	case apply.ReasonQuotaExceeded:
		return countsKind(failure.Message, rival)
	case apply.ReasonAdmissionDenied:
		return strings.Contains(failure.Message, rival.GetName()) || shares(wanted, rival, "host")
	case apply.ReasonInvalid:
		return shares(wanted, rival, "nodePort") || shares(wanted, rival, "clusterIP") || shares(wanted, rival, "healthCheckNodePort")
	}
	return false
}

// countsKind says whether a quota counts objects of the kind, and not what they ask for.
func countsKind(message string, obj *unstructured.Unstructured) bool {
	plural := strings.ToLower(obj.GetKind()) + "s"
	return strings.Contains(message, "count/") || strings.Contains(message, plural)
}

// shares says whether two objects have a value in common in fields of this name.
func shares(a, b *unstructured.Unstructured, field string) bool {
	values := map[string]bool{}
	eachField(a.Object["spec"], field, func(value any) { values[fmt.Sprint(value)] = true })
	found := false
	eachField(b.Object["spec"], field, func(value any) { found = found || values[fmt.Sprint(value)] })
	return found
}

func eachField(value any, field string, visit func(any)) {
	switch v := value.(type) {
	case map[string]any:
		for key, child := range v {
			if key == field && child != "None" {
				visit(child)
			}
			eachField(child, field, visit)
		}
	case []any:
		for _, child := range v {
			eachField(child, field, visit)
		}
	}
}

// applyWithSteps applies an object, and where the API server refuses it for want of a known step, takes that step and applies it again.
func (p *pass) applyWithSteps(ctx context.Context, a action, obj *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	answer, err := p.apply(ctx, obj, ShapeOwner)
	p.count()
	if err == nil || apply.Explain(a.key, err).Retryable() || !p.before.watched.Has(a.key.GroupKind()) {
		return answer, err
	}
	s, refusal, live, readErr := p.stepFor(ctx, a, obj, err)
	switch {
	case readErr != nil:
		return nil, readErr
	case refusal != nil:
		p.refuse(*refusal)
		return nil, nil //nolint:nilnil // it is reported already
	case s == nil && p.awaits.Has(a.key):
		p.refuse(*replacing(a.key)) // both were applied at the same time, and by now it is given up
		return nil, nil             //nolint:nilnil // it is reported already
	case s == nil:
		return nil, err
	case s.after != Key{}:
		r := *replacing(a.key) // the next pass finds it given up
		r.After, r.Err = s.after, err
		p.refuse(r)
		return nil, nil //nolint:nilnil // it is reported already
	}
	return p.take(ctx, a, obj, live, s)
}

// stepFor reads live what a step is decided on.
func (p *pass) stepFor(ctx context.Context, a action, obj *unstructured.Unstructured, err error,
) (*step, *Refusal, *unstructured.Unstructured, error) {
	live, readErr := readLive(ctx, p.Live, like(obj))
	if readErr != nil {
		return nil, nil, nil, readErr
	}
	rivals, readErr := p.readAll(ctx, p.rivals(a.key))
	if readErr != nil {
		return nil, nil, nil, readErr
	}
	s, refusal := planStep(obj, live, rivals, p.set.Managers, err)
	if s == nil && refusal == nil {
		if s, readErr = p.giver(ctx, a.key, obj, err); readErr != nil {
			return nil, nil, nil, readErr
		}
	}
	if s == nil && refusal == nil && live == nil && p.recent.madeRoom(p.before.Name, a.key.GroupKind(), p.Clock.Now()) {
		refusal = replacing(a.key)
	}
	return s, refusal, live, nil
}

// readAll reads objects live; those that are gone are left out.
func (p *pass) readAll(ctx context.Context, objects []*unstructured.Unstructured) ([]*unstructured.Unstructured, error) {
	var found []*unstructured.Unstructured
	for _, obj := range objects {
		live, err := readLive(ctx, p.Live, like(obj))
		if err != nil {
			return nil, err
		}
		if live != nil {
			found = append(found, live)
		}
	}
	return found, nil
}

// giver finds the object of the set that holds what another one is refused for, and that gives it up by its own change.
func (p *pass) giver(ctx context.Context, key Key, wanted *unstructured.Unstructured, err error) (*step, error) {
	for _, c := range p.contents {
		if c.key == key || c.key.GroupKind() != key.GroupKind() || inTheWay(wanted, c.obj, err) {
			continue
		}
		live, readErr := readLive(ctx, p.Live, like(c.obj))
		if readErr != nil {
			return nil, readErr
		}
		if live != nil && inTheWay(wanted, live, err) {
			return &step{after: c.key}, nil
		}
	}
	return nil, nil //nolint:nilnil // nothing of the set is in the way
}

// replacing says that the object in the way is deleted or changed, and that the cluster does not count with that yet.
func replacing(key Key) *Refusal {
	return &Refusal{
		Key: key, Reason: ReasonReplacing, Message: "it takes the place of an object that was deleted or changed a moment ago", Retry: true,
	}
}

// exchanged says of objects that wait for each other that no pass will give one of them what the other has, and what does.
func exchanged(refusals []Refusal) []Refusal {
	after := map[Key]Key{}
	for _, r := range refusals {
		if r.After != (Key{}) {
			after[r.Key] = r.After
		}
	}
	for i := range refusals {
		r := &refusals[i]
		last := r.After
		for range len(after) {
			if last == r.Key {
				break
			}
			last = after[last]
		}
		if r.After == (Key{}) || last != r.Key {
			continue
		}
		failure := apply.Explain(r.Key, r.Err)
		r.Reason, r.Retry, r.Field = string(failure.Reason), false, failure.Field
		r.Message = failure.Message + "; " + r.After.String() + " has it, and is to have another object's in exchange"
		r.Remedy = "change it in two steps: give one of them a value that no other has, and when that stands, each its own"
	}
	return refusals
}

// rivals are the objects of the same kind that the set has no more, that we have applied, and that hold no data.
func (p *pass) rivals(key Key) []*unstructured.Unstructured {
	p.mu.Lock()
	defer p.mu.Unlock()
	var found []*unstructured.Unstructured
	wanted := p.wanted()
	for _, other := range p.result.Standing.keys() {
		obj := p.result.Standing.Objects[other]
		fields, _ := annotation(obj, shapeFields)
		if other.GroupKind() == key.GroupKind() && volatile(other.GroupKind()) && fields != "" && !slices.Contains(wanted, other) &&
			powered(obj, p.set.Owner) && !p.keeps(obj) {
			found = append(found, obj)
		}
	}
	return found
}

// take does a step and applies the object.
func (p *pass) take(ctx context.Context, a action, obj, live *unstructured.Unstructured, s *step) (*unstructured.Unstructured, error) {
	switch {
	case s.clear != nil:
		patch, err := mergePatch(s.clear)
		if err != nil {
			return nil, err
		}
		if err := p.Client.Patch(ctx, like(obj), patch, client.FieldOwner(repairOwner)); err != nil {
			return nil, fmt.Errorf("clearing what stands in the way of %s: %w", a.key, err)
		}
		p.count()
	case s.restore != nil:
		if err := p.restore(ctx, live, s); err != nil {
			return nil, fmt.Errorf("correcting drift of %s: %w", a.key, err)
		}
		p.count()
	case s.replace != nil:
		if err := p.remove(ctx, s.replace, metav1.DeletePropagationBackground); err != nil {
			return nil, err
		}
		p.recent.makesRoom(p.before.Name, a.key.GroupKind(), p.Clock.Now())
	case s.recreate:
		gone, err := p.recreate(ctx, live, s)
		if err != nil || !gone {
			return nil, err
		}
		obj = p.anew(a.key, obj)
	}
	answer, err := p.apply(ctx, obj, ShapeOwner)
	p.count()
	if err != nil && s.replace != nil && !apply.Explain(a.key, err).Retryable() {
		p.refuse(*replacing(a.key))
		return nil, nil //nolint:nilnil // it is reported already
	}
	return answer, err
}

// restore writes over what stands, as it was read live.
func (t *Tenants) restore(ctx context.Context, live *unstructured.Unstructured, s *step, options ...client.PatchOption) error {
	patch := client.MergeFromWithOptions(live, client.MergeFromWithOptimisticLock{})
	return t.Client.Patch(ctx, s.restore.DeepCopy(), patch, slices.Concat([]client.PatchOption{client.FieldOwner(repairOwner)}, options)...)
}

// anew is what is applied in the place of an object that was deleted, with the numbers that were recorded before.
func (p *pass) anew(key Key, former *unstructured.Unstructured) *unstructured.Unstructured {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range contents(p.set, p.result.Standing) {
		if c.key == key {
			return c.fresh
		}
	}
	return former
}

// remove deletes an object as it was read live.
func (p *pass) remove(ctx context.Context, live *unstructured.Unstructured, propagation metav1.DeletionPropagation) error {
	err := p.Client.Delete(ctx, like(live), client.PropagationPolicy(propagation), client.Preconditions{UID: ptr.To(live.GetUID())})
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("deleting %s: %w", keyOf(live), err)
	}
	p.count()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.deleted(&p.result.Standing, keyOf(live), live.GetUID())
	return nil
}
