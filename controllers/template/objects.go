package template

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/yaml"
)

// Object is one rendered object. It has an apiVersion, a kind and a metadata.name; its namespace is what the template says,
// and may be empty. Its content is plain, so that DeepCopy works on it.
type Object struct {
	*unstructured.Unstructured
	// File is the template that it comes from, as the chart's author knows it: "templates/deployment.yaml",
	// "charts/redis/templates/service.yaml", "inline.yaml".
	File string
	// Events are the events of a release at which the object is a Helm hook, sorted: v1alpha1.HookPreInstall and its like. Most
	// objects have none.
	Events []string
}

// identity is what may exist once in a cluster.
type identity struct {
	schema.GroupKind
	namespace, name string
}

// manifests collects the objects of rendered files.
type manifests struct {
	namespace   string
	report      *reporter
	objects     []Object
	hooks       []hooked
	dropped     []string
	idle        []string
	unsupported UnsupportedError
	notes       []string
	// seen says at which place of objects an object is.
	seen map[identity]int
	// documents and taken are how many YAML documents and objects there were, also such as are left out.
	documents, taken int
}

// A tenant of many thousands of objects is none that the API server or a pass of ours would get through.
const (
	maxObjects   = 2000
	maxDocuments = 10_000
)

// document is one YAML document and the line of the file that it begins on, counted from 1.
type document struct {
	text string
	line int
}

// separator is what ends a document: Helm's expression, by which whatever follows three dashes belongs to the next document, also
// when it is glued to them as in `---apiVersion: v1`; and the end mark of YAML, which Helm leaves to the YAML library.
var separator = regexp.MustCompile(`(?m)^(?:---[ \t]*|\.\.\.[ \t\r]*$)`)

// documents splits a file.
func documents(text string) []document {
	var docs []document
	from, line := 0, 1
	for _, at := range append(separator.FindAllStringIndex(text, -1), []int{len(text), len(text)}) {
		if part := text[from:at[0]]; strings.TrimSpace(part) != "" {
			docs = append(docs, document{part, line})
		}
		line += strings.Count(text[from:at[1]], "\n")
		from = at[1]
	}
	return docs
}

// read takes the objects out of a rendered file.
func (m *manifests) read(file, text string) error {
	docs := documents(text)
	if m.documents += len(docs); m.documents > maxDocuments {
		return fmt.Errorf("%s: the template renders more than %d YAML documents; look for a range without a bound", file, maxDocuments)
	}
	for _, doc := range docs {
		// Helm puts a line break behind every document of its manifest, but behind a hook only where there is none. A block of
		// text at the end of a document shows the difference.
		content, err := m.decode(file, document{doc.text + "\n", doc.line})
		if err != nil {
			return err
		}
		if content == nil {
			continue
		}
		if _, isHook := (&unstructured.Unstructured{Object: content}).GetAnnotations()[hookAnnotation]; isHook {
			if content, err = m.decode(file, document{strings.TrimSuffix(doc.text, "\n") + "\n", doc.line}); err != nil {
				return err
			}
		}
		if err := m.addAll(file, content, 0); err != nil {
			return fmt.Errorf("%s: the document at line %d of the rendered file: %w", file, doc.line, err)
		}
	}
	return nil
}

// decode reads a document as Helm does: of a key that stands twice the last one counts, and a note says so. It is nil for an
// empty document.
func (m *manifests) decode(file string, doc document) (map[string]any, error) {
	// Helm trims a document's begin, and the first line's indentation with it.
	trimmed := strings.TrimLeftFunc(doc.text, unicode.IsSpace)
	begin := doc.line + strings.Count(doc.text[:len(doc.text)-len(trimmed)], "\n")
	data, err := yaml.YAMLToJSONStrict([]byte(trimmed))
	if err != nil && strings.Contains(err.Error(), "already set in map") {
		m.note(m.report.yaml(file, begin, err, "of a key that stands twice the last one counts"))
		data, err = yaml.YAMLToJSON([]byte(trimmed))
	}
	if err != nil && trimmed != doc.text {
		if whole, other := yaml.YAMLToJSON([]byte(doc.text)); other == nil {
			data, err = whole, nil
		}
	}
	if err != nil {
		return nil, m.report.yaml(file, begin, err, "quote what the template puts in there")
	}
	if string(data) == "null" {
		return nil, nil //nolint:nilnil // an empty document is no mistake
	}
	var content map[string]any
	if err := utiljson.Unmarshal(data, &content); err != nil {
		return nil, fmt.Errorf("%s: the document at line %d of the rendered file is not an object", file, doc.line)
	}
	return content, nil
}

// note keeps what is worth knowing and no mistake, each text once.
func (m *manifests) note(err error) {
	if text := err.Error(); !slices.Contains(m.notes, text) {
		m.notes = append(m.notes, text)
	}
}

// maxListDepth is how deep Lists may lie in each other.
const maxListDepth = 16

// addAll takes an object, or the items of a list: of a List, of a ConfigMapList, of whatever has items at its top, as kubectl and
// Helm read it.
func (m *manifests) addAll(file string, content map[string]any, depth int) error {
	kind, _ := content["kind"].(string)
	listed, has := content["items"]
	if !has && kind != "List" {
		return m.add(file, content)
	}
	items, ok := listed.([]any)
	switch {
	case !ok && listed != nil:
		return fmt.Errorf("the items of the %s are not a list", m.report.redact(kind))
	case depth > maxListDepth:
		return fmt.Errorf("lists lie more than %d deep in each other", maxListDepth)
	}
	annotations := (&unstructured.Unstructured{Object: content}).GetAnnotations()
	for _, item := range items {
		object, ok := item.(map[string]any)
		if !ok {
			return fmt.Errorf("an item of the %s is not an object", m.report.redact(kind))
		}
		if object["kind"] == nil && object["apiVersion"] == nil && kind != "List" {
			object["kind"], object["apiVersion"] = strings.TrimSuffix(kind, "List"), content["apiVersion"]
		}
		inherit(object, annotations)
		if err := m.addAll(file, object, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// inherit gives an item what makes its list a hook, because Helm reads the list's annotations and not the item's.
func inherit(object map[string]any, list map[string]string) {
	item := &unstructured.Unstructured{Object: object}
	annotations := item.GetAnnotations()
	for _, key := range []string{hookAnnotation, weightAnnotation, deletePolicyAnnotation} {
		if value, ok := list[key]; ok {
			if annotations == nil {
				annotations = map[string]string{}
			}
			annotations[key] = value
			item.SetAnnotations(annotations)
		}
	}
}

// add takes one object.
func (m *manifests) add(file string, content map[string]any) error {
	if m.taken++; m.taken > maxObjects {
		return fmt.Errorf("the template renders more than %d objects; look for a range without a bound", maxObjects)
	}
	withoutNulls(content)
	id, err := m.identify(content)
	if err != nil {
		return err
	}
	if err := checkQuantities("", content); err != nil {
		return fmt.Errorf("the %s: %s", m.report.redact(id.Kind), m.report.redact(err.Error()))
	}
	object := &unstructured.Unstructured{Object: content}
	h, err := hookOf(object.GetAnnotations())
	described := fmt.Sprintf("%s: %s %s", file, id.Kind, m.report.redact(id.name))
	switch {
	case err != nil:
		m.unsupported.Hooks = append(m.unsupported.Hooks, fmt.Sprintf("%s (%s)", described, m.report.redact(err.Error())))
		return nil
	case h != nil && len(h.events) == 0 && h.idle:
		m.idle = append(m.idle, fmt.Sprintf("%s (%s)", described, m.report.redact(object.GetAnnotations()[hookAnnotation])))
		return nil
	case h != nil && len(h.events) == 0:
		m.dropped = append(m.dropped, described+" (test hook)")
		return nil
	case h != nil:
		return m.addHook(file, id, object, h)
	}
	if at, twice := m.seen[id]; twice {
		other := m.objects[at].File
		m.note(fmt.Errorf("%s %s stands in %s and in %s; the last one counts", id.Kind, m.report.redact(id.name), other, file))
		m.objects[at] = Object{Unstructured: object, File: file}
		return nil
	}
	m.seen[id] = len(m.objects)
	m.objects = append(m.objects, Object{Unstructured: object, File: file})
	return nil
}

// addHook takes a hook. One of the same name would be started in the other one's place.
func (m *manifests) addHook(file string, id identity, object *unstructured.Unstructured, h *hook) error {
	for _, other := range m.hooks {
		if other.id == id {
			return fmt.Errorf("the hook %s %s is also in %s", id.Kind, m.report.redact(id.name), other.File)
		}
	}
	if id.Kind == "Job" {
		// The cluster would delete the Job some time after its end, and how it ended could not be told any more. It is deleted by
		// the hook's own delete policy.
		unstructured.RemoveNestedField(object.Object, "spec", "ttlSecondsAfterFinished")
	}
	m.hooks = append(m.hooks, hooked{Object: Object{Unstructured: object, File: file, Events: h.events}, weight: h.weight, id: id})
	return nil
}

// identify checks the fields that name an object. Kinds and versions come from the template and stand in errors; other
// content does not.
func (m *manifests) identify(content map[string]any) (identity, error) {
	version, _ := content["apiVersion"].(string)
	gv, err := schema.ParseGroupVersion(version)
	if err != nil || gv.Version == "" {
		return identity{}, errors.New("the object has no apiVersion, or one that is not group/version")
	}
	kind, _ := content["kind"].(string)
	if kind == "" {
		return identity{}, errors.New("the object has no kind")
	}
	kind = m.report.redact(kind)
	metadata, ok := content["metadata"].(map[string]any)
	if !ok {
		return identity{}, fmt.Errorf("the %s has no metadata", kind)
	}
	if metadata["generateName"] != nil {
		return identity{}, fmt.Errorf("the %s has a generateName, which would make a new object at every pass; set metadata.name", kind)
	}
	name, _ := metadata["name"].(string)
	if name == "" {
		return identity{}, fmt.Errorf("the %s has no metadata.name, or one that is not a text; quote it", kind)
	}
	namespace, ok := metadata["namespace"].(string)
	if !ok && metadata["namespace"] != nil {
		return identity{}, fmt.Errorf("the metadata.namespace of the %s is not a text; quote it", kind)
	}
	for _, field := range []string{"labels", "annotations"} {
		if err := checkTexts(metadata[field], m.report); err != nil {
			return identity{}, fmt.Errorf("the metadata.%s of the %s: %w", field, kind, err)
		}
	}
	if namespace == "" {
		namespace = m.namespace
	}
	return identity{schema.GroupKind{Group: gv.Group, Kind: kind}, namespace, name}, nil
}

// checkTexts refuses labels and annotations that are not texts. The API server does too, but names neither file nor key.
func checkTexts(field any, report *reporter) error {
	entries, ok := field.(map[string]any)
	if !ok && field != nil {
		return errors.New("not a map")
	}
	var wrong []string
	for key, value := range entries {
		if _, ok := value.(string); !ok && value != nil {
			wrong = append(wrong, report.redact(key))
		}
	}
	if len(wrong) > 0 {
		slices.Sort(wrong)
		return fmt.Errorf("%s is not a text; quote the value", strings.Join(wrong, ", "))
	}
	return nil
}

// yamlProblem is one problem in the words of the YAML library.
var yamlProblem = regexp.MustCompile(`line (\d+): ([^\n]+)`)

// yaml words what is wrong with a document that begins on a line of a rendered file, and what can be done.
func (r *reporter) yaml(file string, begin int, err error, remedy string) error {
	at := begin
	what := strings.TrimPrefix(err.Error(), "error converting YAML to JSON: ")
	if found := yamlProblem.FindStringSubmatch(what); found != nil {
		line, _ := strconv.Atoi(found[1])
		at, what = begin+line-1, found[2]
	}
	what = strings.TrimPrefix(what, "yaml: ")
	return &notYAML{fmt.Sprintf("%s: line %d of the rendered file is not YAML: %s; %s", file, at, r.short(r.unquote(what)), remedy)}
}
