package chart

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
)

// Release is where the chart is rendered for.
type Release struct {
	// Name and Namespace of the release; "stallkeeper" and "stallkeeper-system" when empty.
	Name, Namespace string
	// APIVersions that the cluster knows besides Kubernetes' own, such as monitoring.coreos.com/v1.
	APIVersions []string
	// Defaults are used instead of the chart's own, if set: helm upgrade --reuse-values takes those of the former release.
	Defaults map[string]any
}

// Rendered is what the chart makes.
type Rendered struct {
	// Objects in the order of their files' names, and in a file from top to bottom.
	Objects []*unstructured.Unstructured
	// Tests are what helm test starts; an installation has none of it.
	Tests []*unstructured.Unstructured
	// Notes is what Helm prints after an installation.
	Notes string
}

// Root is the repository: the folder above the test that holds the CRDs. A binary that was built with -trimpath does not know
// where its source was, but a test runs in its package's folder.
func Root() string {
	dir, err := os.Getwd()
	for err == nil {
		if _, missing := os.Stat(filepath.Join(dir, "config", "crd")); missing == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			break
		}
		dir = filepath.Dir(dir)
	}
	return "."
}

// Dir is the chart's folder.
func Dir() string { return filepath.Join(Root(), "charts", "stallkeeper") }

// Defaults are the values of the chart in a folder or an archive.
func Defaults(path string) (map[string]any, error) {
	loaded, err := loader.Load(path)
	if err != nil {
		return nil, fmt.Errorf("loading the chart: %w", err)
	}
	return loaded.Values, nil
}

// Render renders the chart with values over its defaults. It fails as helm install would: values that the schema refuses,
// values that contradict each other, a template that is wrong.
func Render(release Release, values map[string]any) (Rendered, error) {
	files, err := Files(release, values)
	if err != nil {
		return Rendered{}, err
	}
	return collect(files)
}

// Files are the texts that the chart's templates make, by their names. They fail as Render does.
func Files(release Release, values map[string]any) (map[string]string, error) {
	loaded, err := loader.LoadDir(Dir())
	if err != nil {
		return nil, fmt.Errorf("loading the chart: %w", err)
	}
	if release.Defaults != nil {
		loaded.Values = release.Defaults
	}
	capabilities := common.DefaultCapabilities.Copy()
	capabilities.KubeVersion = common.KubeVersion{Version: "v1.37.2", Major: "1", Minor: "37"}
	capabilities.APIVersions = append(capabilities.APIVersions, release.APIVersions...)
	options := common.ReleaseOptions{Name: release.Name, Namespace: release.Namespace, Revision: 1, IsInstall: true}
	if options.Name == "" {
		options.Name = "stallkeeper"
	}
	if options.Namespace == "" {
		options.Namespace = "stallkeeper-system"
	}
	if values == nil {
		values = map[string]any{}
	}
	merged, err := util.ToRenderValues(loaded, values, options, capabilities)
	if err != nil {
		return nil, fmt.Errorf("checking values: %w", err)
	}
	files, err := engine.Render(loaded, merged)
	if err != nil {
		return nil, fmt.Errorf("rendering: %w", err)
	}
	return files, nil
}

func collect(files map[string]string) (Rendered, error) {
	var out Rendered
	for _, name := range slices.Sorted(maps.Keys(files)) {
		switch {
		case strings.HasSuffix(name, "NOTES.txt"):
			out.Notes = files[name]
		case strings.HasSuffix(name, ".yaml"):
			objects, err := decode(files[name])
			if err != nil {
				return Rendered{}, fmt.Errorf("reading %s: %w", name, err)
			}
			for _, object := range objects {
				if _, isHook := object.GetAnnotations()["helm.sh/hook"]; isHook {
					out.Tests = append(out.Tests, object)
				} else {
					out.Objects = append(out.Objects, object)
				}
			}
		}
	}
	return out, nil
}

func decode(text string) ([]*unstructured.Unstructured, error) {
	var objects []*unstructured.Unstructured
	decoder := utilyaml.NewYAMLOrJSONDecoder(bytes.NewBufferString(text), 4096)
	for {
		object := &unstructured.Unstructured{}
		switch err := decoder.Decode(&object.Object); {
		case errors.Is(err, io.EOF):
			return objects, nil
		case err != nil:
			return nil, err
		case len(object.Object) > 0:
			objects = append(objects, object)
		}
	}
}

// Find is the object of that kind, namespace (empty where it has none) and name, or nil.
func (r Rendered) Find(kind, namespace, name string) *unstructured.Unstructured {
	for _, object := range r.Objects {
		if object.GetKind() == kind && object.GetNamespace() == namespace && object.GetName() == name {
			return object
		}
	}
	return nil
}

// OfKind are the objects of that kind.
func (r Rendered) OfKind(kind string) []*unstructured.Unstructured {
	var found []*unstructured.Unstructured
	for _, object := range r.Objects {
		if object.GetKind() == kind {
			found = append(found, object)
		}
	}
	return found
}
