package template

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	chartutil "helm.sh/helm/v4/pkg/chart/v2/util"
	"helm.sh/helm/v4/pkg/engine"
)

const (
	// ReleaseName is .Release.Name for every tenant. Each tenant has a namespace of its own, so that names need not differ.
	ReleaseName = "app"
	// stallkeeperKey is the key of .Values that holds Inputs.Stallkeeper.
	stallkeeperKey = "stallkeeper"
)

// Inputs is all that a result depends on besides the template. Render neither changes nor keeps any of it.
type Inputs struct {
	// Namespace is the tenant's namespace. Required.
	Namespace string
	// Now is the revision's time: what `now` returns, in UTC.
	Now time.Time
	// Seed is the instance's secret seed for tenantSecret, at least MinSeedBytes long. May be empty where that is not used.
	Seed []byte
	// Values are the plan's values, evaluated; they lie over the chart's own. The key "stallkeeper" is refused.
	Values map[string]any
	// Stallkeeper becomes .Values.stallkeeper, over what the chart itself has there for trying it out.
	Stallkeeper map[string]any
	// Capabilities are the revision's.
	Capabilities Capabilities
	// Kept are the values that random functions gave for this tenant before; see Output.Made. Nil means that none can be kept: a
	// random function is refused where its result ends in an object.
	Kept Kept
	// SkipSchema leaves the chart's values.schema.json out, as helm's --skip-schema-validation does: for a schema that refers to
	// another host.
	SkipSchema bool
	// SkipCRDs leaves the chart's crds/ out, as helm's --skip-crds does, if Capabilities have a version of each kind.
	SkipCRDs bool
	// ReportMissing asks for Output.Missing, ReportEvaluated for Output.Evaluated.
	ReportMissing, ReportEvaluated bool
}

// Output is what a template makes for one tenant.
type Output struct {
	// Objects are in the order of their files' names, then of their place in the file. Hooks come after all others, in the
	// order in which Helm runs them: by weight, kind and name.
	Objects []Object
	// Dropped names what is left out on purpose: NOTES.txt and the chart's tests.
	Dropped []string
	// Notes are worth knowing and no mistakes: keys and objects that stand twice.
	Notes []string
	// Missing are the values that the template prints and that are not there, if Inputs.ReportMissing is set. What it prints
	// through default, include and the like is not among them.
	Missing []MissingValue
	// Evaluated are the actions that tpl evaluated, if Inputs.ReportEvaluated is set.
	Evaluated Evaluated
	// Made are values of random functions, new or with new places, that have to be kept for the tenant before the objects are used,
	// over those of the same names. Nil when there is nothing to keep.
	Made Kept
	// Idle names the hooks that are left out because their events never happen to a tenant, deletion and rollback:
	// "templates/clean.yaml: Job app-clean (pre-delete)".
	Idle []string
}

// Render makes the objects for one tenant. An *UnsupportedError says that the template has what can't be run for a tenant.
// Every error is final until an input changes.
func (t *Template) Render(in Inputs) (Output, error) {
	values, err := in.values()
	if err != nil {
		return Output{}, err
	}
	caps, err := in.Capabilities.seen()
	if err != nil {
		return Output{}, err
	}
	if in.ReportMissing {
		if t, err = t.asking(); err != nil {
			return Output{}, err
		}
	}
	r := &rendering{
		template: t, in: in, values: values, caps: caps, derived: map[string]string{},
		report: &reporter{root: t.chart.Name(), sources: sources(t.chart), values: values, secrets: in.Kept.texts()},
	}
	return r.render()
}

// session is the state for one run of the engine over what a chart sees.
func (r *rendering) session(top common.Values) *session {
	s := newSession(func() (time.Time, error) {
		return r.in.Now.UTC().Round(0), nil // Round drops the monotonic reading, which would be printed
	})
	s.seed, s.namespace, s.derived = r.in.Seed, r.in.Namespace, r.derived
	if r.in.ReportEvaluated {
		s.evaluated = Evaluated{}
	}
	if values, err := top.Table("Values"); err == nil {
		s.whole = whole{budget: s.budget, values: values, ours: values[stallkeeperKey]}
	}
	return s
}

// values are the plan's values with ours in them, as values that nobody else holds.
func (in Inputs) values() (map[string]any, error) {
	if in.Namespace == "" {
		return nil, errors.New("rendering needs the tenant's namespace")
	}
	if _, taken := in.Values[stallkeeperKey]; taken {
		return nil, errors.New("values.stallkeeper is set by Stallkeeper; remove it from the plan's values")
	}
	values, err := plainMap(in.Values)
	if err != nil {
		return nil, fmt.Errorf("reading the plan's values: %w", err)
	}
	ours, err := plainMap(in.Stallkeeper)
	if err != nil {
		return nil, fmt.Errorf("reading values.stallkeeper: %w", err)
	}
	asHelm(values)
	values[stallkeeperKey] = ours
	if err := checkTextsOf("values", values); err != nil {
		return nil, err
	}
	return values, nil
}

// enabled is a copy of the chart without the dependencies that the values switch off, and what its templates see.
func (t *Template) enabled(
	in Inputs, values map[string]any, caps capabilities, report *reporter,
) (ch *chart.Chart, top common.Values, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = errors.New("the chart's metadata is malformed") // Helm trusts more in Chart.yaml than it checks
		}
	}()
	ch, err = copyChart(t.chart)
	if err != nil {
		return nil, nil, err
	}
	if want := ch.Metadata.KubeVersion; want != "" && !chartutil.IsCompatibleRange(want, caps.KubeVersion.String()) {
		return nil, nil, fmt.Errorf("the chart %s needs Kubernetes %s, and the cluster has %s", ch.Name(), want, caps.KubeVersion.Version)
	}
	if err := chartutil.ProcessDependencies(ch, values); err != nil {
		return nil, nil, fmt.Errorf("applying the values to the chart's dependencies: %w", report.plain(err))
	}
	release := common.ReleaseOptions{Name: ReleaseName, Namespace: in.Namespace, Revision: 1, IsInstall: true}
	// The schema is checked below: Helm's check would load what it refers to from the network.
	top, err = util.ToRenderValuesWithSchemaValidation(ch, values, release, nil, true)
	if err != nil {
		return nil, nil, fmt.Errorf("merging the values into the chart's: %w", report.plain(err))
	}
	top["Capabilities"] = caps
	merged, err := top.Table("Values")
	if err != nil {
		return nil, nil, fmt.Errorf("merging the values into the chart's: %w", report.plain(err))
	}
	if in.SkipSchema {
		return ch, top, nil
	}
	return ch, top, t.validate(ch, merged)
}

// run gives the chart to Helm's engine.
func (s *session) run(ch *chart.Chart, top common.Values) (map[string]string, error) {
	functions := s.functions()
	for _, name := range helmsOwn {
		delete(functions, name)
	}
	e := engine.Engine{CustomTemplateFuncs: functions}
	files, err := e.RenderWithContext(context.Background(), ch, top)
	if err != nil {
		return nil, err
	}
	total := 0
	for _, text := range files {
		total += len(text)
	}
	if total > maxOutputBytes {
		return nil, refusef("the template renders to %d bytes; at most %d are allowed", total, maxOutputBytes)
	}
	return files, nil
}

// helmsOwn are the functions that Helm has in another form than sprig.
var helmsOwn = []string{"fromJson", "fail"}

// collect makes objects of the rendered files.
func (r *rendering) collect(files map[string]string, ch *chart.Chart) (Output, error) {
	var out Output
	report := r.report
	found := &manifests{namespace: r.in.Namespace, seen: map[identity]int{}, report: report}
	if r.in.SkipCRDs {
		unserved, err := r.template.unserved(ch, r.caps, report)
		if err != nil {
			return Output{}, err
		}
		found.unsupported.Unserved = unserved
	} else {
		for _, crd := range ch.CRDObjects() {
			found.unsupported.CRDs = append(found.unsupported.CRDs, report.file(crd.Filename))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		file := report.file(name)
		if path.Base(name) == "NOTES.txt" {
			found.dropped = append(found.dropped, file)
			continue
		}
		if err := found.read(file, files[name]); err != nil {
			return Output{}, err
		}
	}
	if !found.unsupported.empty() {
		slices.Sort(found.unsupported.CRDs)
		return Output{}, &found.unsupported
	}
	out.Objects = slices.Concat(found.objects, inOrder(found.hooks))
	out.Dropped, out.Idle, out.Notes = found.dropped, found.idle, found.notes
	return out, nil
}

// UnsupportedError says that a template has hooks for events that Helm does not know, or brings CRDs or needs some that are not there,
// and can't be run for a tenant as it is.
type UnsupportedError struct {
	// Hooks are those objects: "templates/migrate.yaml: Job app-migrate ("pre-instal" is no event of a Helm release; …)".
	Hooks []string
	// CRDs are the files below crds/.
	CRDs []string
	// Unserved are those kinds of CRDs that were left out which the cluster does not have: "example.com/v1/Database (crds/database.yaml)".
	Unserved []string
}

func (e *UnsupportedError) empty() bool { return len(e.Hooks)+len(e.CRDs)+len(e.Unserved) == 0 }

// Error names everything that was found and what to do about it.
func (e *UnsupportedError) Error() string {
	var parts []string
	if len(e.Hooks) > 0 {
		parts = append(parts, "correct the annotation helm.sh/hook: "+strings.Join(e.Hooks, "; "))
	}
	if len(e.CRDs) > 0 {
		parts = append(parts, "a tenant can't bring CRDs; install them once for the cluster, such as with `helm show crds CHART | kubectl apply "+
			"--server-side -f -`, and set the product's template.chart.crds to Skip: "+strings.Join(e.CRDs, ", "))
	}
	if len(e.Unserved) > 0 {
		parts = append(parts, "the cluster has no version of kinds that the chart brings below crds/; install them once, such as with "+
			"`helm show crds CHART | kubectl apply --server-side -f -`: "+strings.Join(e.Unserved, ", "))
	}
	return strings.Join(parts, ". ")
}
