package template

import (
	"strings"

	chart "helm.sh/helm/v4/pkg/chart/v2"
)

// What the forms of a text take in memory, in times of its length: a template is kept as two texts, a schema and the objects of a
// definition as trees.
const (
	templateForms = 2
	treeForms     = 16
)

// Bytes is about how much memory a template takes while it is kept.
func (t *Template) Bytes() int { return bytesOf(t.chart) }

func bytesOf(ch *chart.Chart) int {
	const each = 128
	total := treeForms*len(ch.Schema) + templateForms*bytesOfValue(ch.Values)
	for _, f := range ch.Templates {
		total += each + templateForms*len(f.Data)
	}
	for _, f := range ch.Files {
		forms := templateForms
		if strings.HasPrefix(f.Name, "crds/") {
			forms = treeForms
		}
		total += each + forms*len(f.Data)
	}
	for _, dep := range ch.Dependencies() {
		total += bytesOf(dep)
	}
	return total
}

// bytesOfValue counts a value as decoding makes it.
func bytesOfValue(value any) int {
	const each = 64
	total := each
	switch of := value.(type) {
	case string:
		total += len(of)
	case map[string]any:
		for key, below := range of {
			total += each + len(key) + bytesOfValue(below)
		}
	case []any:
		for _, below := range of {
			total += bytesOfValue(below)
		}
	}
	return total
}
