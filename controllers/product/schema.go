package product

import (
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
			if text := name + ": " + problem; !slices.Contains(problems, text) {
				problems = append(problems, text)
			}
		}
		if len(problems) >= maxSchemaProblems {
			return problems[:maxSchemaProblems]
		}
	}
	return problems
}

func objectProblems(object *unstructured.Unstructured) []string {
	raw, err := json.Marshal(object.Object)
	if err != nil {
		return []string{"it can't be encoded as JSON"}
	}
	if len(raw) > maxObjectBytes {
		return []string{fmt.Sprintf("it has %d bytes, but the API server stores at most %d per object: split it", len(raw), maxObjectBytes)}
	}
	into, err := scheme.Scheme.New(object.GroupVersionKind())
	if err != nil {
		return nil // a kind of another's
	}
	strict, err := kjson.UnmarshalStrict(raw, into)
	if err != nil {
		return []string{typeProblem(err, culprit(object, object.Object, nil))}
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

// goType is how Go's decoder says where it was; the value itself is left out.
var goType = regexp.MustCompile(`cannot unmarshal (\w+)(?: .*)? into Go struct field \w+\.(\S+) of type (\S+)`)

// typeProblem words an error of decoding. at is the value that has it, as far as it was found.
func typeProblem(err error, at []string) string {
	path := strings.ReplaceAll(strings.Join(at, "."), ".[", "[")
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

// culprit is the path of the first value that can't be decoded in its place, whatever stands beside it: the decoder does not say where a
// text that is no quantity or no base64 stood.
func culprit(object *unstructured.Unstructured, value any, path []string) []string {
	switch value := value.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(value)) {
			if found := culprit(object, value[key], append(slices.Clone(path), key)); found != nil {
				return found
			}
		}
		return nil
	case []any:
		for i, entry := range value {
			if found := culprit(object, entry, append(slices.Clone(path), fmt.Sprintf("[%d]", i))); found != nil {
				return found
			}
		}
		return nil
	}
	alone := value
	for _, key := range slices.Backward(path) {
		if strings.HasPrefix(key, "[") {
			alone = []any{alone}
		} else {
			alone = map[string]any{key: alone}
		}
	}
	raw, err := json.Marshal(alone)
	into, unknown := scheme.Scheme.New(object.GroupVersionKind())
	if err != nil || unknown != nil {
		return nil
	}
	if _, err := kjson.UnmarshalStrict(raw, into); err != nil {
		return path
	}
	return nil
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
