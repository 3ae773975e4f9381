package template

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"

	"helm.sh/helm/v4/pkg/chart/common"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
)

const (
	// MaxChartBytes is the largest chart archive, in bytes. A revision holds a large one in several objects of the API server.
	MaxChartBytes = 4 << 20
	// MaxTextBytes is the largest inline text, and the most that the files of a ConfigMap have together, in bytes.
	MaxTextBytes = 1 << 20
	// maxUnpackedBytes is the largest sum of what a chart archive and the archives inside it unpack to.
	maxUnpackedBytes = 32 << 20
	// inlineFile is the name under which errors speak of inline text.
	inlineFile = "inline.yaml"
)

// ErrChartTooLarge: the archive has more than MaxChartBytes, the text more than MaxTextBytes, or the archive unpacks to more than 32 MiB. Parse
// wraps it.
var ErrChartTooLarge = errors.New("the chart is too large")

// Source is what a revision holds of a template: exactly one field is set.
type Source struct {
	// Chart is a packaged Helm chart (.tgz) with its dependencies in charts/, at most MaxChartBytes.
	Chart []byte
	// Inline is multi-document YAML in Helm's template language, at most MaxTextBytes.
	Inline string
	// Files are several such texts by the names of their files, which end in .yaml, .yml or .tpl; at most MaxTextBytes in all.
	Files map[string]string
}

// Template is a loaded source. It is immutable and safe for concurrent use.
type Template struct {
	// chart is never given to Helm, which changes what it works on; see copyChart.
	chart *chart.Chart
	// schemas are the compiled values.schema.json of the chart and its dependencies, by their text.
	schemas map[string]valuesSchema
	// crds are the definitions in files below crds/, by the file, once somebody asked; see definitions.
	crds sync.Map
	// asking makes the template that reports missing values, when it is first needed.
	asking func() (*Template, error)
}

// Parse loads a source and checks all that does not depend on values: size, metadata, type, that the declared dependencies
// are inside, that the schemas stand for themselves. The syntax of templates is checked by Render, because the files of a
// dependency that is switched off are never read.
func Parse(src Source) (*Template, error) {
	t, err := parseSource(src, false)
	if err != nil {
		return nil, err
	}
	// Questions cost time at every rendering, and only the check of a product wants to know.
	t.asking = sync.OnceValues(func() (*Template, error) { return parseSource(src, true) })
	return t, nil
}

func parseSource(src Source, asks bool) (*Template, error) {
	switch {
	case len(src.Chart) > 0 && src.Inline != "" || len(src.Files) > 0 && (len(src.Chart) > 0 || src.Inline != ""):
		return nil, errors.New("a template has exactly one of a chart, inline text and files")
	case len(src.Files) > 0:
		return parseFiles(src.Files, asks)
	case len(src.Chart) > MaxChartBytes:
		return nil, fmt.Errorf("%w: %d bytes, at most %d are allowed", ErrChartTooLarge, len(src.Chart), MaxChartBytes)
	case len(src.Inline) > MaxTextBytes:
		return nil, fmt.Errorf("%w: the inline text has %d bytes, at most %d are allowed", ErrChartTooLarge, len(src.Inline), MaxTextBytes)
	case len(src.Chart) > 0:
		return parseChart(src.Chart, asks)
	case strings.TrimSpace(src.Inline) != "":
		return parseInline(src.Inline, asks), nil
	default:
		return nil, errors.New("a template needs a chart, inline text or files")
	}
}

// parseInline makes a chart of one file, so that inline text takes the same way as a chart.
func parseInline(text string, asks bool) *Template {
	return &Template{chart: &chart.Chart{
		Metadata:  &chart.Metadata{APIVersion: chart.APIVersionV2, Name: "inline", Version: "0.0.0"},
		Templates: []*common.File{{Name: inlineFile, Data: meteredAsking(inlineFile, []byte(text), asks)}},
	}}
}

// parseFiles makes a chart of several files.
func parseFiles(files map[string]string, asks bool) (*Template, error) {
	total := 0
	t := &Template{chart: &chart.Chart{Metadata: &chart.Metadata{APIVersion: chart.APIVersionV2, Name: "files", Version: "0.0.0"}}}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if !slices.Contains([]string{".yaml", ".yml", ".tpl"}, path.Ext(name)) || strings.ContainsAny(name, "/\\") {
			return nil, fmt.Errorf("the file %q is no template: its name must end in .yaml, .yml or .tpl", name)
		}
		total += len(files[name])
		t.chart.Templates = append(t.chart.Templates, &common.File{Name: name, Data: meteredAsking(name, []byte(files[name]), asks)})
	}
	if total > MaxTextBytes {
		return nil, fmt.Errorf("%w: the files have %d bytes, at most %d are allowed", ErrChartTooLarge, total, MaxTextBytes)
	}
	return t, nil
}

// parseChart loads a packaged chart.
func parseChart(archive []byte, asks bool) (*Template, error) {
	if err := checkUnpackedSize(archive); err != nil {
		return nil, fmt.Errorf("unpacking the chart: %w", err)
	}
	ch, err := loadArchive(archive)
	if err != nil {
		return nil, fmt.Errorf("loading the chart: %w", err)
	}
	if err := checkMetadata(ch); err != nil {
		return nil, err
	}
	t := &Template{chart: ch, schemas: map[string]valuesSchema{}}
	t.prepare(ch, "", asks)
	return t, nil
}

// loadArchive is Helm's loader; a panic in it becomes an error, since the archive is whatever a registry gave us.
func loadArchive(archive []byte) (ch *chart.Chart, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = errors.New("the archive is malformed")
		}
	}()
	return loader.LoadArchive(bytes.NewReader(archive))
}

// checkMetadata refuses what can't be installed on its own.
func checkMetadata(ch *chart.Chart) error {
	m := ch.Metadata
	switch {
	case m.APIVersion != chart.APIVersionV1 && m.APIVersion != chart.APIVersionV2:
		return fmt.Errorf("the chart %s has the apiVersion %q; v1 and v2 are supported", m.Name, m.APIVersion)
	case m.Type != "" && m.Type != "application":
		return fmt.Errorf("the chart %s is of type %q; only an application can be installed", m.Name, m.Type)
	}
	var missing []string
	for _, dep := range m.Dependencies {
		inside := func(c *chart.Chart) bool { return c.Name() == dep.Name }
		if !slices.ContainsFunc(ch.Dependencies(), inside) && !slices.Contains(missing, dep.Name) {
			missing = append(missing, dep.Name)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("the chart %s declares dependencies that are not in charts/: %s; run `helm dependency build` before packaging",
			m.Name, strings.Join(missing, ", "))
	}
	return nil
}

// prepare meters the templates of a chart and its dependencies, compiles the schemas, and drops what rendering never reads.
// path is where the chart lies in its parents, for the places in errors.
func (t *Template) prepare(ch *chart.Chart, path string, asks bool) {
	ch.Raw = nil
	for _, f := range ch.Templates {
		f.Data = meteredAsking(path+f.Name, f.Data, asks)
	}
	if len(ch.Schema) > 0 {
		t.schemas[string(ch.Schema)] = compileSchema(ch.Schema)
	}
	// Helm loads dependencies in the order of a Go map. Where two have the same name, the first one is taken, so that
	// without an order two passes could differ.
	deps := slices.Clone(ch.Dependencies())
	slices.SortStableFunc(deps, func(a, b *chart.Chart) int {
		if n := strings.Compare(a.Name(), b.Name()); n != 0 {
			return n
		}
		return strings.Compare(a.Metadata.Version, b.Metadata.Version)
	})
	ch.SetDependencies(deps...)
	for _, dep := range deps {
		t.prepare(dep, path+"charts/"+dep.Name()+"/", asks)
	}
}
