package template

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"helm.sh/helm/v4/pkg/chart/common"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
)

// definition is what a CustomResourceDefinition says of its kind, in v1 and in v1beta1.
type definition struct {
	Kind string `json:"kind"`
	Spec struct {
		Group string `json:"group"`
		Names struct {
			Kind string `json:"kind"`
		} `json:"names"`
		Version  string `json:"version"`
		Versions []struct {
			Name   string `json:"name"`
			Served *bool  `json:"served"`
		} `json:"versions"`
	} `json:"spec"`
}

// apis are the kind in each of its versions as the cluster's capabilities name it: "example.com/v1/Database".
func (d definition) apis() []string {
	var names []string
	for _, v := range d.Spec.Versions {
		if v.Served == nil || *v.Served {
			names = append(names, v.Name)
		}
	}
	if d.Spec.Version != "" {
		names = append(names, d.Spec.Version)
	}
	slices.Sort(names)
	names = slices.Compact(names)
	for i, name := range names {
		names[i] = strings.Join([]string{d.Spec.Group, name, d.Spec.Names.Kind}, "/")
	}
	return names
}

// definitions reads a file below crds/. Reading them all takes longer than rendering, so that each is read once.
func (t *Template) definitions(file *common.File) ([]definition, error) {
	if known, ok := t.crds.Load(file); ok {
		return known.([]definition), nil //nolint:forcetypeassert // stored below
	}
	var found []definition
	decoder := utilyaml.NewYAMLOrJSONDecoder(bytes.NewReader(file.Data), len(file.Data)+1)
	for {
		var d definition
		err := decoder.Decode(&d)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("%s is not a manifest in YAML; correct it or take it out of the chart", file.Name)
		}
		if d.Kind == "CustomResourceDefinition" {
			found = append(found, d)
		}
	}
	t.crds.Store(file, found)
	return found, nil
}

// unserved are the CRDs of a chart and its enabled dependencies of which the cluster serves no version, each with its file.
func (t *Template) unserved(ch *chart.Chart, caps capabilities, report *reporter) ([]string, error) {
	var missing []string
	for _, crd := range ch.CRDObjects() {
		found, err := t.definitions(crd.File)
		if err != nil {
			return nil, err
		}
		for _, d := range found {
			apis := d.apis()
			if !slices.ContainsFunc(apis, caps.APIVersions.Has) {
				missing = append(missing, fmt.Sprintf("%s (%s)", strings.Join(apis, ", "), report.file(crd.Filename)))
			}
		}
	}
	slices.Sort(missing)
	return missing, nil
}
