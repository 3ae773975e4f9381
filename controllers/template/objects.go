package template

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

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
	seen        map[identity]string
}

// document is one YAML document and the line of the file that it begins on, counted from 1.
type document struct {
	text string
	line int
}

// separator is a line that ends a document. What follows three dashes on the line belongs to the next one.
var separator = regexp.MustCompile(`(?m)^(?:---(?:[ \t\r]|$)|\.\.\.[ \t\r]*$)`)

// documents splits a file.
func documents(text string) []document {
	var docs []document
	from := 0
	for _, at := range append(separator.FindAllStringIndex(text, -1), []int{len(text), len(text)}) {
		if part := text[from:at[0]]; strings.TrimSpace(part) != "" {
			docs = append(docs, document{part, 1 + strings.Count(text[:from], "\n")})
		}
		from = at[1]
	}
	return docs
}

// read takes the objects out of a rendered file.
func (m *manifests) read(file, text string) error {
	for _, doc := range documents(text) {
		data, err := yaml.YAMLToJSONStrict([]byte(doc.text))
		if err != nil {
			return m.report.yaml(file, doc.line, err)
		}
		if string(data) == "null" {
			continue
		}
		var content map[string]any
		if err := utiljson.Unmarshal(data, &content); err != nil {
			return fmt.Errorf("%s: the document at line %d of the rendered file is not an object", file, doc.line)
		}
		if err := m.add(file, content); err != nil {
			return fmt.Errorf("%s: the document at line %d of the rendered file: %w", file, doc.line, err)
		}
	}
	return nil
}

// add takes one object, or the items of a List.
func (m *manifests) add(file string, content map[string]any) error {
	if content["apiVersion"] == "v1" && content["kind"] == "List" {
		return m.addItems(file, content["items"])
	}
	id, err := m.identify(content)
	if err != nil {
		return err
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
	}
	if other, ok := m.seen[id]; ok {
		return fmt.Errorf("%s %s is also in %s", id.Kind, m.report.redact(id.name), other)
	}
	m.seen[id] = file
	if h != nil {
		m.hooks = append(m.hooks, hooked{Object: Object{Unstructured: object, File: file, Events: h.events}, weight: h.weight})
		return nil
	}
	m.objects = append(m.objects, Object{Unstructured: object, File: file})
	return nil
}

func (m *manifests) addItems(file string, items any) error {
	list, ok := items.([]any)
	if !ok && items != nil {
		return errors.New("the items of the List are not a list")
	}
	for _, item := range list {
		content, ok := item.(map[string]any)
		if !ok {
			return errors.New("an item of the List is not an object")
		}
		if err := m.add(file, content); err != nil {
			return err
		}
	}
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

// yaml words what is wrong with a document that begins on a line of a rendered file.
func (r *reporter) yaml(file string, begin int, err error) error {
	at := begin
	what := strings.TrimPrefix(err.Error(), "error converting YAML to JSON: ")
	if found := yamlProblem.FindStringSubmatch(what); found != nil {
		line, _ := strconv.Atoi(found[1])
		at, what = begin+line-1, found[2]
	}
	what = strings.TrimPrefix(what, "yaml: ")
	return fmt.Errorf("%s: line %d of the rendered file is not YAML: %s; quote what the template puts in there",
		file, at, r.short(r.unquote(what)))
}
