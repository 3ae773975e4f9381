package product

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
	kjson "sigs.k8s.io/json"

	"github.com/stallkeeper/stallkeeper/controllers/report"
	"github.com/stallkeeper/stallkeeper/controllers/workload"
)

const (
	// maxObjectBytes is what the API server stores of one object at most, and a little less.
	maxObjectBytes = 1 << 20
	// maxSchemaProblems bounds the problems that a message names.
	maxSchemaProblems = 10
)

// schemaProblems are what the API server would refuse of objects of Kubernetes' own kinds: fields that there are not, values of another
// type, list entries with one key, objects that are too large. Other kinds are left to the API server, whose schemas are not at hand
// without asking. Texts of values are left out.
func schemaProblems(objects []*unstructured.Unstructured, files map[string]string) []string {
	var problems []string
	for _, object := range objects {
		name := inFile(files[keyOf(object)], object)
		for _, problem := range objectProblems(object) {
			if problems = once(problems, name+": "+problem); len(problems) == maxSchemaProblems {
				return problems
			}
		}
	}
	return problems
}

func objectProblems(object *unstructured.Unstructured) []string {
	raw, err := json.Marshal(object.Object)
	if err != nil {
		return []string{"it can't be encoded as JSON"}
	}
	if size := len(raw) - base64Excess(object); size > maxObjectBytes {
		return []string{fmt.Sprintf("it has %d bytes, but the API server stores at most %d per object: split it", size, maxObjectBytes)}
	}
	into, err := scheme.Scheme.New(object.GroupVersionKind())
	if err != nil {
		return nil // a kind of another's
	}
	strict, err := kjson.UnmarshalStrict(raw, into)
	if err != nil {
		return []string{typeProblem(err, (&culprit{object: object}).path())}
	}
	var problems []string
	for _, one := range strict {
		if field, ok := errors.AsType[kjson.FieldError](one); ok {
			problems = append(problems, fmt.Sprintf("there is no field %s: correct its name or position", field.FieldPath()))
		}
	}
	problems = append(problems, doubled(into, object)...)
	if len(problems) == 0 {
		problems = ruleProblems(into, object)
	}
	return problems
}

// base64Excess is how much longer a Secret's or ConfigMap's data are in base64 than as they are stored.
func base64Excess(object *unstructured.Unstructured) int {
	field := map[string]string{"Secret": "data", "ConfigMap": "binaryData"}[object.GetKind()]
	data, _, _ := unstructured.NestedMap(object.Object, field)
	excess := 0
	for _, value := range data {
		text, _ := value.(string)
		excess += len(text) - base64.StdEncoding.DecodedLen(len(text))
	}
	return excess
}

// goType is how Go's decoder says where it was; the value itself is left out.
var goType = regexp.MustCompile(`cannot unmarshal (\w+)(?: .*)? into Go struct field \w+\.(\S+) of type (\S+)`)

// typeProblem words an error of decoding. path is that of the value that has it, as far as it was found.
func typeProblem(err error, path string) string {
	found := goType.FindStringSubmatch(err.Error())
	if found == nil {
		text := report.Cut(strings.TrimPrefix(err.Error(), "json: "), 200)
		if path == "" {
			return text
		}
		return fmt.Sprintf("%s: %s: correct the value", path, text)
	}
	is, want := yamlKinds[found[1]], kindOf(found[3])
	switch {
	case is == "map" || is == "list" || want == "map" || want == "list":
		return fmt.Sprintf("%s is a %s but must be a %s: write it as a %s", found[2], is, want, want)
	case path == "":
		path = found[2]
	}
	if want == "text" {
		return fmt.Sprintf("%s is a %s but must be a text: quote it", path, is)
	}
	return fmt.Sprintf("%s is a %s but must be a %s: correct it, and do not quote it", path, is, want)
}

// yamlKinds are the decoder's kinds of values in the words of YAML.
var yamlKinds = map[string]string{"object": "map", "array": "list", "bool": "boolean", "string": "text", "number": "number"}

// maxDecodes bounds the search for a culprit. Kubernetes' own kinds are some twenty levels deep, and each costs the logarithm of its width.
const maxDecodes = 256

// culprit is the path of the first value that can't be decoded in its place, whatever stands beside it; empty if it is not found: the decoder does
// not say where a text that is no quantity or no base64 stood.
type culprit struct {
	object *unstructured.Unstructured
	// decodes counts what the search has cost. Each decodes at most the half of what the one a level higher did.
	decodes int
}

func (c *culprit) path() string {
	var path []any
	var value any = c.object.Object
	for {
		keys, part, at := partsOf(value)
		if len(keys) == 0 || c.fails(path, part(0, 0)) {
			break // what is in it is not why
		}
		from, to := 0, len(keys)
		for to-from > 1 {
			if half := from + (to-from)/2; c.fails(path, part(from, half)) {
				to = half
			} else {
				from = half
			}
		}
		path, value = append(path, keys[from]), at(from)
	}
	if c.decodes >= maxDecodes || !c.fails(path, value) {
		return ""
	}
	var text strings.Builder
	for _, key := range path {
		if index, ok := key.(int); ok {
			fmt.Fprintf(&text, "[%d]", index)
		} else {
			fmt.Fprintf(&text, ".%s", key)
		}
	}
	return strings.TrimPrefix(text.String(), ".")
}

// partsOf are the keys of what a value holds, in their order: texts of a map, numbers of a list. part makes a value of the same kind of some of
// them, and at is the value of one.
func partsOf(value any) (keys []any, part func(from, to int) any, at func(int) any) {
	switch value := value.(type) {
	case map[string]any:
		names := slices.Sorted(maps.Keys(value))
		for _, name := range names {
			keys = append(keys, name)
		}
		return keys, func(from, to int) any {
			some := make(map[string]any, to-from)
			for _, name := range names[from:to] {
				some[name] = value[name]
			}
			return some
		}, func(i int) any { return value[names[i]] }
	case []any:
		for i := range value {
			keys = append(keys, i)
		}
		return keys, func(from, to int) any { return value[from:to] }, func(i int) any { return value[i] }
	}
	return nil, nil, nil
}

// fails says whether a value can't be decoded at a path.
func (c *culprit) fails(path []any, value any) bool {
	if c.decodes++; c.decodes > maxDecodes {
		return false
	}
	for _, key := range slices.Backward(path) {
		if name, ok := key.(string); ok {
			value = map[string]any{name: value}
		} else {
			value = []any{value}
		}
	}
	raw, err := json.Marshal(value)
	into, unknown := scheme.Scheme.New(c.object.GroupVersionKind())
	if err != nil || unknown != nil {
		return false
	}
	_, err = kjson.UnmarshalStrict(raw, into)
	return err != nil
}

// kindOf is a type of Go in the words of YAML.
func kindOf(goType string) string {
	switch {
	case strings.HasPrefix(goType, "[]"):
		return "list"
	case strings.HasPrefix(goType, "map["), strings.Contains(goType, "."):
		return "map"
	case strings.HasPrefix(goType, "int"), strings.HasPrefix(goType, "uint"), strings.HasPrefix(goType, "float"):
		return "number"
	case goType == "bool":
		return "boolean"
	default:
		return "text"
	}
}

// doubled are entries of lists that have one key: server-side apply refuses them, or keeps the last one.
func doubled(into runtime.Object, object *unstructured.Unstructured) []string {
	if service, ok := into.(*corev1.Service); ok {
		keys := map[string]int{}
		for _, port := range service.Spec.Ports {
			keys[fmt.Sprintf("port %d/%s", port.Port, orTCP(port.Protocol))]++
		}
		return twice("spec.ports", keys)
	}
	path := workload.PodTemplatePath(object.GroupVersionKind().GroupKind())
	if path == nil {
		return nil
	}
	pod, found, err := unstructured.NestedMap(object.Object, append(slices.Clone(path), "spec")...)
	if !found || err != nil {
		return nil
	}
	var spec corev1.PodSpec
	if runtime.DefaultUnstructuredConverter.FromUnstructured(pod, &spec) != nil {
		return nil
	}
	var problems []string
	names := map[string]int{}
	for _, container := range slices.Concat(spec.InitContainers, spec.Containers) {
		names[fmt.Sprintf("container %q", container.Name)]++
		problems = append(problems, doubledIn(container)...)
	}
	volumes := map[string]int{}
	for _, volume := range spec.Volumes {
		volumes[fmt.Sprintf("volume %q", volume.Name)]++
	}
	return append(append(problems, twice("containers", names)...), twice("volumes", volumes)...)
}

func doubledIn(container corev1.Container) []string {
	env, ports, mounts := map[string]int{}, map[string]int{}, map[string]int{}
	for _, variable := range container.Env {
		env[fmt.Sprintf("variable %q", variable.Name)]++
	}
	for _, port := range container.Ports {
		ports[fmt.Sprintf("port %d/%s", port.ContainerPort, orTCP(port.Protocol))]++
	}
	for _, mount := range container.VolumeMounts {
		mounts[fmt.Sprintf("path %q", mount.MountPath)]++
	}
	of := fmt.Sprintf("container %q ", container.Name)
	return slices.Concat(twice(of+"env", env), twice(of+"ports", ports), twice(of+"volumeMounts", mounts))
}

func orTCP(protocol corev1.Protocol) corev1.Protocol {
	if protocol == "" {
		return corev1.ProtocolTCP
	}
	return protocol
}

// twice are the keys of a list that stand more than once.
func twice(list string, keys map[string]int) []string {
	var problems []string
	for key, count := range keys {
		if count > 1 {
			problems = append(problems, fmt.Sprintf("%s has the %s %d times: remove the duplicates", list, key, count))
		}
	}
	slices.Sort(problems)
	return problems
}
