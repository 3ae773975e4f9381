package tenant

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/structured-merge-diff/v6/value"
)

// guarded are the fields in which only we may write, by kind. What others write elsewhere (labels, annotations, finalizers, a
// ConfigMap's keys, fields of kinds that are not listed) stays. docs/decisions/0020-drift.md says why.
var guarded = map[schema.GroupKind][]string{
	kindPolicy:      {"spec"},
	kindQuota:       {"spec"},
	kindLimits:      {"spec"},
	kindService:     {"spec"},
	kindIngress:     {"spec"},
	kindRole:        {"rules"},
	kindRoleBinding: {"subjects", "roleRef"},
	kindDeployment:  {"spec"},
	kindStatefulSet: {"spec"},
	kindCronJob:     {"spec"},
	kindHPA:         {"spec"},
	kindBudget:      {"spec"},
}

// welcome are fields within the guarded ones that others may write: an autoscaler's number, and what kubectl rollout restart sets.
var welcome = []fieldpath.Path{
	fieldpath.MakePathOrDie("spec", "replicas"),
	fieldpath.MakePathOrDie("spec", "template", "metadata", "annotations", restartedAt),
	fieldpath.MakePathOrDie("spec", "template", "metadata", "annotations"),
	fieldpath.MakePathOrDie("spec", "template", "metadata"),
}

// Managers are names of field managers by kind.
type Managers map[schema.GroupKind][]string

// added is what others have added to an object, by field manager, in the form of managedFields.
type added map[string]json.RawMessage

// addedBy gives, as JSON, the fields that others have and we have not, where only we may write; empty if there are none.
func addedBy(obj *unstructured.Unstructured) string {
	roots := guarded[kindOf(obj)]
	if len(roots) == 0 {
		return ""
	}
	entries := managed(obj)
	foreign := slices.ContainsFunc(entries, func(e map[string]any) bool { return intrudes(e, roots) })
	if !foreign {
		return "" // nearly all objects
	}
	mine := fieldpath.NewSet()
	for _, e := range entries {
		if ours(text(e["manager"])) {
			mine = mine.Union(fieldSet(e))
		}
	}
	found := added{}
	for _, e := range entries {
		if !intrudes(e, roots) {
			continue
		}
		if extra := foreignPaths(fieldSet(e), mine, roots); !extra.Empty() {
			if data, err := extra.ToJSON(); err == nil {
				found[text(e["manager"])] = data
			}
		}
	}
	if len(found) == 0 {
		return ""
	}
	data, err := json.Marshal(found)
	if err != nil {
		return ""
	}
	return string(data)
}

// intrudes says whether an entry is another manager's, not of a subresource, and holds something below the roots.
func intrudes(entry map[string]any, roots []string) bool {
	if ours(text(entry["manager"])) || text(entry["subresource"]) != "" {
		return false
	}
	fields, _ := entry["fieldsV1"].(map[string]any)
	return slices.ContainsFunc(roots, func(root string) bool { return fields["f:"+root] != nil })
}

func fieldSet(entry map[string]any) *fieldpath.Set {
	fields := fieldpath.NewSet()
	data, err := json.Marshal(entry["fieldsV1"])
	if err == nil {
		err = fields.FromJSON(bytes.NewReader(data))
	}
	if err != nil {
		return fieldpath.NewSet()
	}
	return fields
}

// foreignPaths are the fields below the roots that are theirs and hold nothing of ours.
func foreignPaths(theirs, mine *fieldpath.Set, roots []string) *fieldpath.Set {
	extra := fieldpath.NewSet()
	theirs.Iterate(func(path fieldpath.Path) {
		first := path[0].FieldName
		if first == nil || !slices.Contains(roots, *first) || len(path) == 1 && hasBelow(mine, path) {
			return
		}
		if mine.Has(path) || hasBelow(mine, path) || isWelcome(path) {
			return
		}
		extra.Insert(slices.Clone(path))
	})
	return extra
}

// hasBelow says whether the set holds something at or below the path.
func hasBelow(set *fieldpath.Set, path fieldpath.Path) bool {
	for _, step := range path {
		set = set.WithPrefix(step)
	}
	return !set.Empty()
}

func isWelcome(path fieldpath.Path) bool {
	return slices.ContainsFunc(welcome, func(w fieldpath.Path) bool { return w.Equals(path) })
}

// drifted says whether others have added something to an object that the tenant may not have; managers are those whose additions are
// welcome.
func drifted(obj *unstructured.Unstructured, managers Managers) bool {
	return len(unwelcome(obj, managers)) > 0
}

// unwelcome is what others have added and has to go.
func unwelcome(obj *unstructured.Unstructured, managers Managers) added {
	noted, ok := annotation(obj, addedFields)
	if !ok {
		return nil
	}
	found := added{}
	if err := json.Unmarshal([]byte(noted), &found); err != nil {
		return nil
	}
	for _, manager := range managers[kindOf(obj)] {
		delete(found, manager)
	}
	return found
}

// cleaned gives the object as it was read live without what others have added, and says whether anything had to go. Their claim to it
// goes as well: a field that the API server sets again by default would be theirs for ever otherwise.
func cleaned(live *unstructured.Unstructured, managers Managers) (*unstructured.Unstructured, bool) {
	noted := like(live)
	if text := addedBy(live); text != "" {
		setAnnotation(noted, addedFields, text)
	}
	rest, found := live.DeepCopy(), unwelcome(noted, managers)
	var entries []any
	for _, entry := range managed(rest) {
		data, intrudes := found[text(entry["manager"])]
		extra := fieldpath.NewSet()
		if intrudes && text(entry["subresource"]) == "" && extra.FromJSON(bytes.NewReader(data)) == nil {
			removeAll(rest, extra)
			if entry = disowned(entry, extra); entry == nil {
				continue
			}
		}
		entries = append(entries, entry)
	}
	if len(found) > 0 {
		set(rest, entries, "metadata", "managedFields")
	}
	return rest, len(found) > 0
}

func removeAll(obj *unstructured.Unstructured, fields *fieldpath.Set) {
	var paths []fieldpath.Path
	fields.Iterate(func(path fieldpath.Path) { paths = append(paths, slices.Clone(path)) })
	// An entry of a list goes as a whole before its parts are looked for: without its key it could not be found any more.
	slices.SortStableFunc(paths, func(a, b fieldpath.Path) int { return len(a) - len(b) })
	for _, path := range paths {
		remove(obj.Object, path)
	}
}

// disowned is an entry of managedFields without some fields; nil if nothing is left.
func disowned(entry map[string]any, extra *fieldpath.Set) map[string]any {
	left := fieldSet(entry).Difference(extra)
	data, err := left.ToJSON()
	if left.Empty() || err != nil {
		return nil
	}
	fields := map[string]any{}
	if json.Unmarshal(data, &fields) != nil {
		return nil
	}
	entry["fieldsV1"] = fields
	return entry
}

// remove takes a field out of a value and says whether it was there.
func remove(from any, path fieldpath.Path) bool {
	step := path[0]
	switch {
	case step.FieldName != nil:
		fields, ok := from.(map[string]any)
		child, there := fields[*step.FieldName]
		if !ok || !there {
			return false
		}
		if len(path) == 1 {
			delete(fields, *step.FieldName)
			return true
		}
		if list, isList := child.([]any); isList {
			left, done := removeItem(list, path[1:])
			fields[*step.FieldName] = left
			return done
		}
		return remove(child, path[1:])
	default:
		return false
	}
}

// removeItem takes an entry, or something of it, out of a list; all of those with the same name, where a list has it twice.
func removeItem(list []any, path fieldpath.Path) ([]any, bool) {
	done := false
	left := make([]any, 0, len(list))
	for i, item := range list {
		switch {
		case !matches(item, path[0], i):
			left = append(left, item)
		case len(path) == 1:
			done = true
		default:
			done = remove(item, path[1:]) || done
			left = append(left, item)
		}
	}
	return left, done
}

// matches says whether a path's step means this entry of a list.
func matches(item any, step fieldpath.PathElement, index int) bool {
	switch {
	case step.Key != nil:
		fields, ok := item.(map[string]any)
		return ok && !slices.ContainsFunc(*step.Key, func(f value.Field) bool {
			return !value.Equals(value.NewValueInterface(fields[f.Name]), f.Value)
		})
	case step.Value != nil:
		return value.Equals(value.NewValueInterface(item), *step.Value)
	case step.Index != nil:
		return *step.Index == index
	}
	return false
}

// otherManagers names those who have added something, sorted.
func otherManagers(found added) string {
	names := make([]string, 0, len(found))
	for name := range found {
		names = append(names, name)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}
