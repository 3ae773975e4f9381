package template

import (
	"encoding/json"
	"errors"

	chart "helm.sh/helm/v4/pkg/chart/v2"
)

// copyChart copies what Helm and templates may change: metadata, values, and the tree of dependencies. The files are shared;
// nothing writes to them.
func copyChart(from *chart.Chart) (*chart.Chart, error) {
	metadata, err := json.Marshal(from.Metadata)
	if err != nil {
		return nil, errors.New("copying the chart's metadata failed")
	}
	to := &chart.Chart{Templates: from.Templates, Files: from.Files, Schema: from.Schema, Lock: from.Lock, Metadata: &chart.Metadata{}}
	if err := json.Unmarshal(metadata, to.Metadata); err != nil {
		return nil, errors.New("copying the chart's metadata failed")
	}
	to.Values, _ = copyPlain(from.Values).(map[string]any)
	for _, dep := range from.Dependencies() {
		c, err := copyChart(dep)
		if err != nil {
			return nil, err
		}
		to.AddDependency(c)
	}
	return to, nil
}
