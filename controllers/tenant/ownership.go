package tenant

import (
	"encoding/json"
	"strings"
	"sync"

	lru "github.com/hashicorp/golang-lru/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/managedfields"
	applyconfigurations "k8s.io/client-go/applyconfigurations"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/structured-merge-diff/v6/typed"
)

// maxLearned is how many contents Ownership remembers the fields of.
const maxLearned = 16384

// Ownership knows which fields a content should make us own. It computes that from the schemas of Kubernetes' own kinds, and takes
// custom kinds for such without list keys. Where that is wrong, the answer of the first apply corrects it, at the cost of one apply
// that changes nothing. It may be used by many passes at once.
type Ownership struct {
	learned *lru.Cache[string, string]
}

// NewOwnership gives one that has learned nothing yet.
func NewOwnership() *Ownership {
	learned, err := lru.New[string, string](maxLearned)
	if err != nil {
		return &Ownership{} // only a size below one is an error; without memory it computes each time
	}
	return &Ownership{learned: learned}
}

// converters hold the schemas, which cost a tenth of a second to read.
var converters = sync.OnceValues(func() (builtIn, custom managedfields.TypeConverter) {
	return applyconfigurations.NewTypeConverter(scheme.Scheme), managedfields.NewDeducedTypeConverter()
})

// Expected is what [shapeFields] should hold after the content was applied; empty if that can't be told before.
func (o *Ownership) Expected(content *unstructured.Unstructured) string {
	key := digest(content.Object)
	if o.learned != nil {
		if fields, ok := o.learned.Get(key); ok {
			return fields
		}
	}
	fields := expectedFields(content)
	o.learn(key, fields)
	return fields
}

// Learn notes what the API server answered to an apply of the content.
func (o *Ownership) Learn(content, answer *unstructured.Unstructured) {
	o.learn(digest(content.Object), shapeHash(entryOf(answer, ShapeOwner)))
}

func (o *Ownership) learn(key, fields string) {
	if o.learned != nil && fields != "" {
		o.learned.Add(key, fields)
	}
}

// never are the fields that the API server leaves out of managedFields.
var never = fieldpath.NewSet(
	fieldpath.MakePathOrDie("apiVersion"), fieldpath.MakePathOrDie("kind"), fieldpath.MakePathOrDie("metadata"),
	fieldpath.MakePathOrDie("metadata", "name"), fieldpath.MakePathOrDie("metadata", "namespace"),
	fieldpath.MakePathOrDie("metadata", "uid"), fieldpath.MakePathOrDie("metadata", "resourceVersion"),
)

func expectedFields(content *unstructured.Unstructured) string {
	fields, err := fieldsOf(content)
	if err != nil {
		return ""
	}
	return shapeHash(ownEntry{version: content.GetAPIVersion(), fields: fields})
}

// fieldsOf are the fields of a content, in the form of managedFields.
func fieldsOf(content *unstructured.Unstructured) (map[string]any, error) {
	value, err := typedValue(content)
	if err != nil {
		return nil, err
	}
	owned, err := value.ToFieldSet()
	if err != nil {
		return nil, err
	}
	data, err := owned.Difference(never).ToJSON()
	if err != nil {
		return nil, err
	}
	fields := map[string]any{}
	if err := json.Unmarshal(data, &fields); err != nil {
		return nil, err
	}
	return fields, nil
}

func typedValue(content *unstructured.Unstructured) (*typed.TypedValue, error) {
	builtIn, custom := converters()
	if value, err := builtIn.ObjectToTyped(content, typed.AllowDuplicates); err == nil {
		return value, nil
	}
	return custom.ObjectToTyped(content, typed.AllowDuplicates)
}

// ownEntry is a field manager's entry in managedFields.
type ownEntry struct {
	version string
	fields  map[string]any
}

func (e ownEntry) empty() bool { return len(e.fields) == 0 }

// has says whether the entry holds the field.
func (e ownEntry) has(path ...string) bool {
	at := e.fields
	for _, step := range path {
		next, ok := at["f:"+step].(map[string]any)
		if !ok {
			return false
		}
		at = next
	}
	return true
}

// entryOf finds an owner's entry of server-side apply in an object as the API server gave it; an empty one if there is none.
func entryOf(obj *unstructured.Unstructured, owner string) ownEntry {
	for _, e := range managed(obj) {
		if e["manager"] != owner || e["operation"] != string(metav1.ManagedFieldsOperationApply) || text(e["subresource"]) != "" {
			continue
		}
		fields, _ := e["fieldsV1"].(map[string]any)
		return ownEntry{version: text(e["apiVersion"]), fields: fields}
	}
	return ownEntry{}
}

func managed(obj *unstructured.Unstructured) []map[string]any {
	metadata, _ := obj.Object["metadata"].(map[string]any)
	list, _ := metadata["managedFields"].([]any)
	var entries []map[string]any
	for _, e := range list {
		if entry, ok := e.(map[string]any); ok {
			entries = append(entries, entry)
		}
	}
	return entries
}

func text(value any) string {
	s, _ := value.(string)
	return s
}

// takenByPower are the fields that power may take from the shape at any time. Who owns them says nothing: their values are looked at.
var takenByPower = [][]string{
	{"spec", "replicas"},
	{"spec", "suspend"},
	{"spec", "minReplicas"},
	{"metadata", "annotations", KeptAnnotation},
	{"metadata", "annotations", kedaPausedReplicas},
	{"metadata", "annotations", kedaPaused},
}

// shapeHash is a hash of the entry without what power may take; empty if nothing is owned.
func shapeHash(e ownEntry) string {
	if e.empty() {
		return ""
	}
	fields := e.fields
	for _, path := range takenByPower {
		fields = without(fields, path)
	}
	return digest([]any{e.version, fields})
}

// without gives the fields without a path, and without the parents that become empty by that. What it was given stays as it is.
func without(fields map[string]any, path []string) map[string]any {
	key := "f:" + path[0]
	child, ok := fields[key].(map[string]any)
	if !ok {
		return fields
	}
	rest := map[string]any{}
	for k, v := range fields {
		rest[k] = v
	}
	if len(path) == 1 {
		delete(rest, key)
		return rest
	}
	left := without(child, path[1:])
	delete(rest, key)
	_, itself := left["."]
	if onlyItself := itself && len(left) == 1 && len(child) > 1; len(left) > 0 && !onlyItself {
		rest[key] = left
	}
	return rest
}

// ours says whether a field manager is one of the operator's.
func ours(manager string) bool {
	return manager == ShapeOwner || strings.HasPrefix(manager, ShapeOwner+"/")
}
