package apiservertest

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/managedfields"
	applyconfigurations "k8s.io/client-go/applyconfigurations"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/kube-openapi/pkg/validation/spec"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/yaml"
)

// Schemas say of what the fields of each kind are: what is merged, and by which keys. Custom kinds without a schema have no lists with
// keys. They cost a tenth of a second, and are good for any number of servers.
type Schemas struct {
	builtIn, unknown managedfields.TypeConverter
	custom           map[schema.GroupKind]managedfields.TypeConverter
	managers         sync.Map
}

// BuiltIn are the schemas of Kubernetes' own kinds.
func BuiltIn() *Schemas {
	return &Schemas{
		builtIn: applyconfigurations.NewTypeConverter(scheme.Scheme), unknown: managedfields.NewDeducedTypeConverter(),
		custom: map[schema.GroupKind]managedfields.TypeConverter{},
	}
}

// WithDefinitions are the schemas of Kubernetes' own kinds and of the custom resource definitions in a folder.
func WithDefinitions(folder string) (*Schemas, error) {
	s := BuiltIn()
	files, err := filepath.Glob(filepath.Join(folder, "*.yaml"))
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		data, err := os.ReadFile(file) //nolint:gosec // A test names its own folder.
		if err != nil {
			return nil, err
		}
		definition := &apiextensionsv1.CustomResourceDefinition{}
		if err := yaml.Unmarshal(data, definition); err != nil {
			return nil, fmt.Errorf("reading %s: %w", file, err)
		}
		if err := s.add(definition); err != nil {
			return nil, fmt.Errorf("the schema of %s: %w", file, err)
		}
	}
	return s, nil
}

// metadata is what is merged of an object's metadata.
const metadata = `{"type": "object", "properties": {
	"labels": {"type": "object", "additionalProperties": {"type": "string"}},
	"annotations": {"type": "object", "additionalProperties": {"type": "string"}},
	"finalizers": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
	"ownerReferences": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["uid"],
		"items": {"type": "object", "additionalProperties": true, "x-kubernetes-map-type": "atomic"}}
}, "x-kubernetes-preserve-unknown-fields": true}`

func (s *Schemas) add(definition *apiextensionsv1.CustomResourceDefinition) error {
	group, kind := definition.Spec.Group, definition.Spec.Names.Kind
	schemas := map[string]*spec.Schema{}
	for _, version := range definition.Spec.Versions {
		data, err := json.Marshal(version.Schema.OpenAPIV3Schema)
		if err != nil {
			return err
		}
		of, meta := &spec.Schema{}, spec.Schema{}
		if err := errors.Join(of.UnmarshalJSON(data), meta.UnmarshalJSON([]byte(metadata))); err != nil {
			return err
		}
		of.Properties["metadata"] = meta
		of.AddExtension("x-kubernetes-group-version-kind", []any{map[string]any{"group": group, "version": version.Name, "kind": kind}})
		schemas[group+"."+version.Name+"."+kind] = of
	}
	converter, err := managedfields.NewTypeConverter(schemas, false)
	if err != nil {
		return err
	}
	s.custom[schema.GroupKind{Group: group, Kind: kind}] = converter
	return nil
}

// managerKey is a kind and a subresource.
type managerKey struct {
	schema.GroupVersionKind
	subresource string
}

// managerOf keeps the fields' owners of a kind.
func (s *Schemas) managerOf(gvk schema.GroupVersionKind, subresource string) (*managedfields.FieldManager, error) {
	key := managerKey{gvk, subresource}
	if found, ok := s.managers.Load(key); ok {
		return found.(*managedfields.FieldManager), nil //nolint:forcetypeassert // Nothing else is stored.
	}
	newManager, converter := managedfields.NewDefaultCRDFieldManager, s.custom[gvk.GroupKind()]
	switch {
	case converter != nil:
	case scheme.Scheme.Recognizes(gvk):
		newManager, converter = managedfields.NewDefaultFieldManager, s.builtIn
	default:
		converter = s.unknown
	}
	reset := map[fieldpath.APIVersion]fieldpath.Filter{}
	version := fieldpath.APIVersion(gvk.GroupVersion().String())
	switch {
	case subresource != "":
		reset[version] = fieldpath.NewExcludeSetFilter(fieldpath.NewSet(fieldpath.MakePathOrDie("spec"), fieldpath.MakePathOrDie("metadata")))
	case hasStatus(gvk.GroupKind()):
		reset[version] = fieldpath.NewExcludeSetFilter(fieldpath.NewSet(fieldpath.MakePathOrDie("status")))
	}
	fm, err := newManager(converter, asItIs{}, asItIs{}, asItIs{}, gvk, gvk.GroupVersion(), subresource, reset)
	if err == nil {
		s.managers.Store(key, fm)
	}
	return fm, err
}

// asItIs neither converts nor defaults.
type asItIs struct{}

func (asItIs) Convert(_, _, _ any) error { return errNotSupported }
func (asItIs) ConvertToVersion(in runtime.Object, _ runtime.GroupVersioner) (runtime.Object, error) {
	return in, nil
}

func (asItIs) ConvertFieldLabel(_ schema.GroupVersionKind, label, value string) (string, string, error) {
	return label, value, nil
}
func (asItIs) Default(runtime.Object) {}
func (asItIs) New(gvk schema.GroupVersionKind) (runtime.Object, error) {
	obj := &unstructured.Unstructured{Object: map[string]any{}}
	obj.SetGroupVersionKind(gvk)
	return obj, nil
}
