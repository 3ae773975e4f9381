package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strings"
	"text/template"
	"time"

	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	chartutil "helm.sh/helm/v4/pkg/chart/v2/util"
	"helm.sh/helm/v4/pkg/engine"
	release "helm.sh/helm/v4/pkg/release/v1/util"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	ours "github.com/stallkeeper/stallkeeper/controllers/template"
)

// Verdict is what a comparison came to.
type Verdict string

// The verdicts.
const (
	// Same: object for object.
	Same Verdict = "same"
	// Differs: both render, and something is different.
	Differs Verdict = "differs"
	// Refused: Helm renders it, and Stallkeeper does not.
	Refused Verdict = "refused"
	// HelmRefuses: Helm does not render it with these values either.
	HelmRefuses Verdict = "not rendered by Helm"
	// Unreadable: it is no chart.
	Unreadable Verdict = "unreadable"
)

// Result is a verdict and the first reason for it.
type Result struct {
	Verdict Verdict
	Why     string
}

const (
	namespace   = "tenant-a"
	kubeVersion = "v1.37.2"
)

// at is the time that both sides have.
var at = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// apis are the APIs that both sides have.
var apis = slices.Concat(common.DefaultVersionSet, common.VersionSet{
	"v1", "apps/v1", "batch/v1", "autoscaling/v2", "policy/v1", "networking.k8s.io/v1", "networking.k8s.io/v1/Ingress", "rbac.authorization.k8s.io/v1",
})

// Compare renders an archive on both sides with a file of values, which may be empty.
func Compare(archive, valuesFile []byte) Result {
	first, err := helmObjects(archive, valuesFile)
	if err != nil {
		return Result{HelmRefuses, err.Error()}
	}
	second, err := helmObjects(archive, valuesFile)
	if err != nil {
		return Result{HelmRefuses, err.Error()}
	}
	got, again, err := ourObjects(archive, valuesFile)
	if err != nil {
		return Result{Refused, err.Error()}
	}
	if path := differs("", got, again); path != "" {
		return Result{Differs, "rendered a second time by Stallkeeper: " + path}
	}
	random := &randomNames{first: first, second: second}
	first, got = random.aligned(first), random.aligned(got)
	second = random.aligned(second)
	if path := differsBut("", first, got, second); path != "" {
		return Result{Differs, path}
	}
	return Result{Verdict: Same}
}

// ourObjects renders twice, the second time with what is kept of the first.
func ourObjects(archive, valuesFile []byte) (first, second map[string]any, err error) {
	raw, err := yaml.YAMLToJSON(valuesFile)
	if err != nil {
		return nil, nil, err
	}
	values, err := ours.DecodeValues(raw)
	if err != nil {
		return nil, nil, err
	}
	tmpl, err := ours.Parse(ours.Source{Chart: archive})
	if err != nil {
		return nil, nil, err
	}
	in := ours.Inputs{
		Namespace: namespace, Now: at, Seed: bytes.Repeat([]byte{1}, ours.MinSeedBytes), Values: values, Kept: ours.Kept{},
		Capabilities: ours.Capabilities{KubeVersion: kubeVersion, APIVersions: apis}, SkipSchema: true,
		Stallkeeper: map[string]any{"plan": "p", "quantity": int64(1)},
	}
	out, err := tmpl.Render(in)
	if err != nil {
		return nil, nil, err
	}
	in.Kept = in.Kept.With(out.Made)
	again, err := tmpl.Render(in)
	if err != nil {
		return nil, nil, fmt.Errorf("rendered a second time: %w", err)
	}
	return contents(out), contents(again), nil
}

func contents(out ours.Output) map[string]any {
	var objects []map[string]any
	for _, object := range out.Objects {
		objects = append(objects, object.Object)
	}
	return byIdentity(objects)
}

func loadArchive(archive []byte) (*chart.Chart, error) {
	return loader.LoadArchive(bytes.NewReader(archive))
}

// helmObjects is what Helm's client would send: rendered, sorted, split and decoded by Helm's library and its decoder.
func helmObjects(archive, valuesFile []byte) (map[string]any, error) {
	ch, err := loadArchive(archive)
	if err != nil {
		return nil, err
	}
	values := map[string]any{}
	if err := yaml.Unmarshal(valuesFile, &values); err != nil {
		return nil, err
	}
	if err := chartutil.ProcessDependencies(ch, values); err != nil {
		return nil, err
	}
	caps := common.DefaultCapabilities.Copy()
	version, err := common.ParseKubeVersion(kubeVersion)
	if err != nil {
		return nil, err
	}
	caps.KubeVersion, caps.APIVersions = *version, apis
	options := common.ReleaseOptions{Name: ours.ReleaseName, Namespace: namespace, Revision: 1, IsInstall: true}
	top, err := util.ToRenderValuesWithSchemaValidation(ch, values, options, caps, true)
	if err != nil {
		return nil, err
	}
	e := engine.Engine{CustomTemplateFuncs: template.FuncMap{"now": func() time.Time { return at }}}
	rendered, err := e.RenderWithContext(context.Background(), ch, top)
	if err != nil {
		return nil, err
	}
	maps.DeleteFunc(rendered, func(name, _ string) bool { return strings.HasSuffix(name, "NOTES.txt") })
	hooks, manifests, err := release.SortManifests(rendered, caps.APIVersions, release.InstallOrder)
	if err != nil {
		return nil, err
	}
	var all strings.Builder
	for _, m := range manifests {
		fmt.Fprintf(&all, "---\n# Source: %s\n%s\n", m.Name, m.Content)
	}
	objects, err := decoded(all.String())
	for _, h := range hooks {
		more, hookErr := decoded(h.Manifest)
		objects, err = append(objects, more...), errors.Join(err, hookErr)
	}
	return byIdentity(objects), err
}

// decoded reads a manifest as Helm's client does.
func decoded(manifest string) ([]map[string]any, error) {
	var objects []map[string]any
	decoder := utilyaml.NewYAMLOrJSONDecoder(strings.NewReader(manifest), 4096)
	for {
		var raw runtime.RawExtension
		if err := decoder.Decode(&raw); errors.Is(err, io.EOF) {
			return objects, nil
		} else if err != nil {
			return nil, err
		}
		if text := string(bytes.TrimSpace(raw.Raw)); text == "" || text == "null" {
			continue
		}
		object, _, err := unstructured.UnstructuredJSONScheme.Decode(raw.Raw, nil, nil)
		if err != nil {
			return nil, err
		}
		if list, ok := object.(*unstructured.UnstructuredList); ok {
			for _, item := range list.Items {
				objects = append(objects, item.Object)
			}
		} else if one, ok := object.(*unstructured.Unstructured); ok {
			objects = append(objects, one.Object)
		}
	}
}

// leftOut are the events at which nothing of a tenant runs.
var leftOut = []string{"test", "test-success", "test-failure", "pre-delete", "post-delete", "pre-rollback", "post-rollback"}

// byIdentity has the objects by group, kind, namespace and name; of two the last one. Hooks that never run are left out.
func byIdentity(objects []map[string]any) map[string]any {
	named := map[string]any{}
	for _, content := range objects {
		o := &unstructured.Unstructured{Object: content}
		if events, ok := o.GetAnnotations()["helm.sh/hook"]; ok {
			never := func(event string) bool { return slices.Contains(leftOut, strings.ToLower(strings.TrimSpace(event))) }
			if !slices.ContainsFunc(strings.Split(events, ","), func(e string) bool { return !never(e) }) {
				continue
			}
			unstructured.RemoveNestedField(content, "spec", "ttlSecondsAfterFinished")
		}
		if o.GetNamespace() == namespace {
			unstructured.RemoveNestedField(content, "metadata", "namespace")
		}
		gvk := o.GroupVersionKind()
		named[strings.Join([]string{gvk.Group, gvk.Kind, o.GetNamespace(), o.GetName()}, "/")] = content
	}
	return named
}

// randomNames finds objects whose names are random: those of the first that the second does not have.
type randomNames struct{ first, second map[string]any }

// aligned calls objects with a random name by their kind and number, in the order of their names.
func (r *randomNames) aligned(objects map[string]any) map[string]any {
	out, counted := map[string]any{}, map[string]int{}
	for _, key := range slices.Sorted(maps.Keys(objects)) {
		_, inFirst := r.first[key]
		_, inSecond := r.second[key]
		if inFirst && inSecond {
			out[key] = objects[key]
			continue
		}
		kind := strings.Join(strings.Split(key, "/")[:2], "/")
		counted[kind]++
		out[fmt.Sprintf("%s/?%d", kind, counted[kind])] = objects[key]
	}
	return out
}

// differs is the path of the first difference; empty if there is none.
func differs(path string, a, b any) string { return differsBut(path, a, b, a) }

// differsBut is the path of the first difference between a and b, without the leaves at which a differs from other, which is made
// of the same.
func differsBut(path string, a, b, other any) string {
	if empty(a) && empty(b) {
		return ""
	}
	switch left := a.(type) {
	case map[string]any:
		return mapsDiffer(path, left, b, other)
	case []any:
		return listsDiffer(path, left, b, other)
	}
	if reflect.DeepEqual(a, b) || !reflect.DeepEqual(a, other) && !empty(b) && b != "" {
		return ""
	}
	return path
}

func mapsDiffer(path string, left map[string]any, b, other any) string {
	right, ok := b.(map[string]any)
	if !ok {
		return path + " is no map"
	}
	beside, _ := other.(map[string]any)
	keys := slices.Collect(maps.Keys(left))
	for key := range right {
		if _, there := left[key]; !there {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	for _, key := range keys {
		if value, there := left[key]; there && value == nil && right[key] == "" {
			continue // in a map of texts
		}
		if found := differsBut(path+"."+key, left[key], right[key], beside[key]); found != "" {
			return found
		}
	}
	return ""
}

func listsDiffer(path string, left []any, b, other any) string {
	right, ok := b.([]any)
	if !ok || len(left) != len(right) {
		return path + " has another length"
	}
	beside, _ := other.([]any)
	for i := range left {
		var third any
		if i < len(beside) {
			third = beside[i]
		}
		if found := differsBut(fmt.Sprintf("%s[%d]", path, i), left[i], right[i], third); found != "" {
			return found
		}
	}
	return ""
}

// empty says whether the API server would take a value for the field left out.
func empty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case map[string]any:
		for _, e := range v {
			if !empty(e) {
				return false
			}
		}
		return true
	case []any:
		return len(v) == 0
	}
	return false
}
