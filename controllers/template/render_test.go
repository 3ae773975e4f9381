package template

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	chartutil "helm.sh/helm/v4/pkg/chart/v2/util"
)

// createdChart is the chart that `helm create` makes, packaged.
func createdChart(tb testing.TB) []byte {
	tb.Helper()
	dir := tb.TempDir()
	made, err := chartutil.Create("demo", dir)
	if err != nil {
		tb.Fatal(err)
	}
	ch, err := loader.Load(made)
	if err != nil {
		tb.Fatal(err)
	}
	packed, err := chartutil.Save(ch, dir)
	if err != nil {
		tb.Fatal(err)
	}
	data, err := os.ReadFile(packed)
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

func TestCreatedChartRenders(t *testing.T) {
	tmpl := parsed(t, Source{Chart: createdChart(t)})
	out, err := tmpl.Render(inputs(withValues(map[string]any{
		"replicaCount": 2,
		"ingress":      map[string]any{"enabled": true},
		"autoscaling":  map[string]any{"enabled": false},
	})))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"Deployment app-demo templates/deployment.yaml",
		"Ingress app-demo templates/ingress.yaml",
		"Service app-demo templates/service.yaml",
		"ServiceAccount app-demo templates/serviceaccount.yaml",
	}
	if diff := cmp.Diff(want, names(out)); diff != "" {
		t.Error(diff)
	}
	wantDropped := []string{"templates/NOTES.txt", "templates/tests/test-connection.yaml: Pod app-demo-test-connection (test hook)"}
	if diff := cmp.Diff(wantDropped, out.Dropped); diff != "" {
		t.Error(diff)
	}
	spec, _ := out.Objects[0].Object["spec"].(map[string]any)
	if diff := cmp.Diff(any(int64(2)), spec["replicas"]); diff != "" {
		t.Error(diff)
	}
	if got := out.Objects[0].GetLabels()["app.kubernetes.io/managed-by"]; got != "Helm" {
		t.Errorf("managed-by is %q", got)
	}
}

func TestOneTemplateServesManyTenantsAtOnce(t *testing.T) {
	tmpl := parsed(t, Source{Chart: chartOf(t, files{
		"values.yaml":         "name: default\n",
		"templates/_help.tpl": `{{ define "n" }}{{ .Values.name }}{{ end }}`,
		"templates/a.yaml": `{{ $_ := set .Values "name" (printf "%s-x" .Values.name) }}{{ $_ := set .Chart "Name" "changed" }}` +
			config(`include "n" .`),
	})})
	var wait sync.WaitGroup
	for _, name := range []string{"anna", "bert", "carl", "dora"} {
		for range 4 {
			wait.Go(func() {
				out, err := tmpl.Render(inputs(withValues(map[string]any{"name": name})))
				if got := valueOf(t, out, err); got != name+"-x" {
					t.Errorf("got %q for %q", got, name)
				}
			})
		}
	}
	wait.Wait()
}

func TestEqualInputsGiveEqualBytes(t *testing.T) {
	content := files{
		"values.yaml": "m: {e: 1, d: 2, c: 3, b: 4, a: 5}\n",
		"templates/a.yaml": config(`list (keys .Values.m) (values .Values.m) (.Values.m) (now) (date "2006" "today") (htmlDate 0)` +
			` (tenantSecret "x") (durationRound (toDate "2006" "2020")) .Capabilities (dateInZone "15:04" 0 "Local") | toString`),
		"charts/b/Chart.yaml":       "apiVersion: v2\nname: b\nversion: 1.0.0\n",
		"charts/b/templates/b.yaml": strings.Replace(config(".Chart.Name"), "name: c", "name: b", 1),
		"charts/a/Chart.yaml":       "apiVersion: v2\nname: a\nversion: 1.0.0\n",
		"charts/a/templates/a.yaml": strings.Replace(config(".Chart.Name"), "name: c", "name: a", 1),
	}
	var first []byte
	for range 20 {
		out, err := renderChart(t, content)
		if err != nil {
			t.Fatal(err)
		}
		got, err := json.Marshal(out)
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = got
		}
		if diff := cmp.Diff(string(first), string(got)); diff != "" {
			t.Fatal(diff)
		}
	}
}

func TestWhatTemplatesSee(t *testing.T) {
	for name, tc := range map[string]struct {
		expression string
		want       string
	}{
		"the release is constant": {`printf "%s %s %s %v %v %v" .Release.Name .Release.Namespace .Release.Service .Release.Revision .Release.IsInstall .Release.IsUpgrade`,
			"app tenant-a Helm 1 true false"},
		"now is the revision's time":                   {`now | toString`, "2026-03-01 12:00:00 +0000 UTC"},
		"a date of something that is no time is now's": {`date "2006-01-02" "now"`, "2026-03-01"},
		"htmlDate takes now's time":                    {`htmlDate "now"`, "2026-03-01"},
		"a date without a zone is in UTC":              {`dateInZone "15:04 MST" 0 "Local"`, "00:00 UTC"},
		"a date may have a zone":                       {`dateInZone "15:04" 0 "Asia/Shanghai"`, "08:00"},
		"a duration since a time counts from now":      {`durationRound (toDate "2006-01-02" "2026-02-27")`, "2d"},
		"lookup finds nothing":                         {`lookup "v1" "Secret" "tenant-a" "x" | toJson`, "{}"},
		"host names are not looked up":                 {`getHostByName "localhost"`, ""},
		"the version of Kubernetes is the given one":   {`.Capabilities.KubeVersion.Version`, "v1.37.2"},
		"the version prints as in Helm":                {`include "v" .`, "v1.37.2"},
		"a known API is there":                         {`.Capabilities.APIVersions.Has "apps/v1/Deployment" | toString`, "true"},
		"an unknown API is not":                        {`.Capabilities.APIVersions.Has "batch/v1" | toString`, "false"},
		"the toolchain is not seen":                    {`.Capabilities.HelmVersion.GoVersion`, ""},
		"stallkeeper's values are there":               {`printf "%s %d" .Values.stallkeeper.plan .Values.stallkeeper.quantity`, "small 3"},
		"the chart's own default for them stays":       {`.Values.stallkeeper.region`, "eu"},
		"files of the chart can be read":               {`.Files.Get "conf/a.txt"`, "from a file"},
		"numbers of values are Helm's":                 {`printf "%v %s" .Values.large (kindOf .Values.large)`, "1.2345678e+07 float64"},
		"Helm's own functions are Helm's":              {`toYaml (dict "a" 1)`, "a: 1"},
		"keys are sorted":                              {`keys (dict "c" 1 "a" 2 "b" 3) | join ","`, "a,b,c"},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := renderChart(t, files{
				"conf/a.txt":          "from a file",
				"values.yaml":         "stallkeeper: {plan: tiny, region: eu}\n",
				"templates/_help.tpl": `{{ define "v" }}{{ .Capabilities.KubeVersion }}{{ end }}`,
				"templates/a.yaml":    config(tc.expression),
			}, withValues(map[string]any{"large": 12345678}))
			if diff := cmp.Diff(tc.want, valueOf(t, out, err)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestChangingFunctions(t *testing.T) {
	const hint = `gives another result at every pass; use {{ tenantSecret "name" }} instead, or set the chart's value`
	for _, call := range []string{
		"randAlphaNum 5", "randAlpha 5", "randNumeric 5", "randAscii 5", "randBytes 5", "randInt 1 5", "uuidv4",
		`shuffle "abc"`, `genPrivateKey "rsa"`, `(genCA "x" 1).Cert`, `(genCAWithKey "x" 1 "k").Key`,
		`(genSelfSignedCert "x" nil nil 1).Cert`, `(genSelfSignedCertWithKey "x" nil nil 1 "k").Cert`,
		`(genSignedCert "x" nil nil 1 (genCA "y" 1)).Cert`, `(genSignedCertWithKey "x" nil nil 1 (genCA "y" 1) "k").Key`,
		`bcrypt "x"`, `htpasswd "u" "p"`, `encryptAES "k" "x"`, "ago now",
	} {
		t.Run(call, func(t *testing.T) {
			text := "{{ if .Values.used }}\n" + config(call) + "\n{{ end }}"
			_, err := renderInline(t, text, withValues(map[string]any{"used": true}))
			checkError(t, err, "inline.yaml:7: ")
			checkError(t, err, hint)
			out, err := renderInline(t, text, withValues(map[string]any{"used": false}))
			if err != nil || len(out.Objects) > 0 {
				t.Errorf("in a branch not taken: %v", err)
			}
		})
	}
}

func TestAChangingResultIsRefusedOnlyWhereItIsUsed(t *testing.T) {
	for name, tc := range map[string]struct {
		expression string
		want       string
		wantError  string
	}{
		"as a default that is not needed":             {`default (randAlphaNum 16) .Values.password`, "hunter22", ""},
		"encoded, as a default that is not needed":    {`.Values.password | default (randAlphaNum 16 | b64enc | quote)`, "hunter22", ""},
		"as the other choice":                         {`ternary .Values.password (uuidv4) true`, "hunter22", ""},
		"a certificate nobody reads":                  {`coalesce .Values.password (genCA "x" 1).Key`, "hunter22", ""},
		"as a default that is needed":                 {`default (randAlphaNum 16) .Values.none`, "", "inline.yaml:6: randAlphaNum gives"},
		"hashed":                                      {`randAlphaNum 16 | sha256sum`, "", "inline.yaml:6: randAlphaNum gives"},
		"cut":                                         {`randAlphaNum 16 | trunc 5`, "", "inline.yaml:6: randAlphaNum gives"},
		"printed by printf":                           {`printf "%.5s" (randAlphaNum 16)`, "", "inline.yaml:6: randAlphaNum gives"},
		"split into a list":                           {`randAlphaNum 16 | splitList "p" | first`, "", "inline.yaml:6: randAlphaNum gives"},
		"inside a map":                                {`dict "a" (list (uuidv4)) | toYaml`, "", "inline.yaml:6: uuidv4 gives"},
		"joined":                                      {`list "a" (randNumeric 3) | join "-" | b64enc`, "", "inline.yaml:6: randNumeric gives"},
		"evaluated by tpl":                            {`tpl (randAlphaNum 16) .`, "", "randAlphaNum gives"},
		"made inside of a text that tpl evaluates":    {`tpl "{{ randAlphaNum 16 | b64enc }}" .`, "", "randAlphaNum gives"},
		"made inside of a text that is not evaluated": {`"{{ randAlphaNum 16 }}"`, "{{ randAlphaNum 16 }}", ""},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := renderInline(t, config(tc.expression), withValues(map[string]any{"password": "hunter22"}))
			if tc.wantError != "" {
				checkError(t, err, tc.wantError)
				return
			}
			if diff := cmp.Diff(tc.want, valueOf(t, out, err)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestTenantSecret(t *testing.T) {
	secret := func(expression string, change ...func(*Inputs)) string {
		out, err := renderInline(t, config(expression), change...)
		return valueOf(t, out, err)
	}
	other := func(in *Inputs) { in.Seed = []byte("another seed of the same length.") }
	later := func(in *Inputs) { in.Now = in.Now.Add(time.Hour); in.Values = map[string]any{"a": 1} }

	first := secret(`tenantSecret "db"`)
	if len(first) != 32 || strings.Trim(first, alphanumeric) != "" || !strings.Contains(letters, first[:1]) {
		t.Errorf("not 32 letters and digits that begin with a letter (length %d)", len(first))
	}
	if secret(`tenantSecret "db"`, later) != first {
		t.Error("the secret changed with the other inputs")
	}
	for name, got := range map[string]string{
		"another name":   secret(`tenantSecret "cache"`),
		"another seed":   secret(`tenantSecret "db"`, other),
		"another length": secret(`tenantSecret "db" 64`)[:32],
	} {
		if got == first {
			t.Errorf("%s gives the same secret", name)
		}
	}
	// Written down: a secret that changes with an update of the operator locks the tenants out.
	if diff := cmp.Diff("DQWA09xl", secret(`tenantSecret "fixed" 8`)); diff != "" {
		t.Error(diff)
	}
	for expression, want := range map[string]string{
		`tenantSecret ""`:        "needs a name",
		`tenantSecret "a" 7`:     "a length from 8 to 256",
		`tenantSecret "a" 257`:   "a length from 8 to 256",
		`tenantSecret "a" 16 16`: "a length from 8 to 256",
	} {
		_, err := renderInline(t, config(expression))
		checkError(t, err, want)
	}
	_, err := renderInline(t, config(`tenantSecret "a"`), func(in *Inputs) { in.Seed = nil })
	checkError(t, err, "inline.yaml:6: tenantSecret needs the instance's seed")
}

func TestErrorsAreOneLineWithThePlace(t *testing.T) {
	for name, tc := range map[string]struct {
		content files
		want    string
	}{
		"a missing map": {files{"templates/a.yaml": "a: 1\nb: {{ .Values.service.port }}\n"},
			"templates/a.yaml:2: nil pointer evaluating interface {}.port"},
		"in a helper": {files{"templates/a.yaml": "\n\na: {{ include \"h\" . }}", "templates/_h.tpl": "{{ define \"h\" }}\n{{ .Values.a.b }}{{ end }}"},
			"templates/_h.tpl:2: nil pointer evaluating interface {}.b (included by templates/a.yaml:3)"},
		"a syntax error":   {files{"templates/a.yaml": "a: 1\nb: {{ if }}\n"}, "templates/a.yaml:2: missing value for if"},
		"an unknown name":  {files{"templates/a.yaml": "{{ frobnicate }}"}, `templates/a.yaml:1: function "frobnicate" not defined`},
		"no such template": {files{"templates/a.yaml": `{{ include "gone" . }}`}, `templates/a.yaml:1: error calling include: template: no template "gone"`},
		"a required value": {files{"templates/a.yaml": "\n{{ required \"set values.host\" .Values.host }}"}, "templates/a.yaml:2: set values.host"},
		"fail":             {files{"templates/a.yaml": "\n{{ fail \"two\\nlines\" }}"}, "templates/a.yaml:2: two lines"},
		"in a dependency": {files{"charts/db/Chart.yaml": "apiVersion: v2\nname: db\nversion: 1.0.0\n", "charts/db/templates/a.yaml": "{{ .Values.a.b }}"},
			"charts/db/templates/a.yaml:1: nil pointer"},
		"in a text for tpl": {files{"templates/a.yaml": "\nx: {{ tpl \"{{ .Values.a.b }}\" . }}"}, "templates/a.yaml:2: nil pointer evaluating interface {}.b"},
		"environment":       {files{"templates/a.yaml": `{{ env "PATH" }}`}, `function "env" not defined`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := renderChart(t, tc.content)
			checkError(t, err, tc.want)
		})
	}
}

func TestErrorsHoldNoTextOfTheInputs(t *testing.T) {
	const password = "hunter22: \"x\"\n{{ evil }} # y"
	for name, text := range map[string]string{
		"ranged over":          `{{ range .Values.password }}{{ end }}`,
		"a wrong time":         `{{ mustToDate "2006" .Values.password }}`,
		"a wrong version":      `{{ semverCompare .Values.password "1.0.0" }}`,
		"fail":                 `{{ fail (printf "wrong: %s" .Values.password) }}`,
		"required":             `{{ required .Values.password nil }}`,
		"tpl":                  `{{ tpl .Values.password . }}`,
		"not YAML":             "a: {{ .Values.password }}",
		"a key twice":          "a: {{ .Values.inject }}\nb: 1\n",
		"a hook's name twice":  "apiVersion: v1\nkind: Secret\nmetadata: {name: {{ .Values.single }}, annotations: {helm.sh/hook: pre-install}}\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: {{ .Values.single }}, annotations: {helm.sh/hook: pre-install}}\n",
		"an unsupported hook":  "apiVersion: v1\nkind: Job\nmetadata: {name: {{ .Values.single }}, annotations: {helm.sh/hook: {{ .Values.single }}}}",
		"a secret":             `{{ fail (tenantSecret "a") }}`,
		"a kind":               "apiVersion: v1\nkind: {{ .Values.single }}\n",
		"a label's key":        "apiVersion: v1\nkind: Job\nmetadata: {name: x, labels: {{{ .Values.single }}: 1}}\n",
		"a missing template":   `{{ include .Values.single . }}`,
		"a wrong number":       `{{ until .Values.single }}`,
		"a wrong index":        `{{ index .Values .Values.single "a" }}`,
		"bytes that are no Go": `{{ printf "%s" .Values.single | mustFromJson }}`,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := renderInline(t, text, withValues(map[string]any{
				"password": password, "inject": "1\nb: hunter22", "single": "hunter22",
			}))
			if err == nil {
				t.Fatal("no error")
			}
			secret, _ := (&session{seed: seed}).tenantSecret("a")
			for _, hidden := range []string{"hunter22", "evil", secret, string(seed)} {
				if strings.Contains(err.Error(), hidden) {
					t.Errorf("the error holds an input: %v", err)
				}
			}
			checkError(t, err, "inline.yaml")
		})
	}
}

func TestTestsAreDroppedAndCRDsRefused(t *testing.T) {
	out, err := renderChart(t, files{"templates/t.yaml": hookJob("j", "test", ""), "templates/u.yaml": hookJob("j", `"test-success, test"`, "")})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"templates/t.yaml: Job j (test hook)", "templates/u.yaml: Job j (test hook)"}
	if diff := cmp.Diff(want, out.Dropped); diff != "" {
		t.Error(diff)
	}
	_, err = renderChart(t, files{
		"templates/m.yaml": hookJob("a", "pre-install,crd-install", ""), "templates/n.yaml": hookJob("b", `""`, ""),
		"crds/b.yaml": "x", "crds/a.yaml": "x", "crds/README.md": "x",
		"charts/db/Chart.yaml": "apiVersion: v2\nname: db\nversion: 1.0.0\n", "charts/db/crds/c.yaml": "x",
	})
	var unsupported *UnsupportedError
	if !errors.As(err, &unsupported) {
		t.Fatalf("got %v", err)
	}
	if diff := cmp.Diff([]string{"charts/db/crds/c.yaml", "crds/a.yaml", "crds/b.yaml"}, unsupported.CRDs); diff != "" {
		t.Error(diff)
	}
	checkError(t, err, `correct the annotation helm.sh/hook: templates/m.yaml: Job a ("crd-install" is no event of a Helm release; use one of post-delete, `)
	checkError(t, err, `; templates/n.yaml: Job b ("" is no event`)
	checkError(t, err, "install them once for the cluster")
}

func TestCRDsAreSkippedWhereTheClusterHasTheKinds(t *testing.T) {
	crd := func(group, kind, versions string) string {
		return fmt.Sprintf("apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: x}\nspec:\n  group: %s\n  names: {kind: %s}\n  %s\n",
			group, kind, versions)
	}
	content := files{
		"templates/a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n",
		"crds/all.yaml": crd("example.com", "Database", "versions: [{name: v1, served: true}, {name: v1alpha1, served: false}]") + "---\n" +
			crd("example.com", "Backup", "versions: [{name: v2}, {name: v1}]") + "---\n# nothing\n",
		"charts/db/Chart.yaml": "apiVersion: v2\nname: db\nversion: 1.0.0\n", "charts/db/crds/c.yaml": crd("old.example.com", "Old", "version: v1beta1"),
	}
	for name, tc := range map[string]struct {
		served []string
		want   []string
	}{
		"all of them":             {[]string{"example.com/v1/Database", "example.com/v1/Backup", "old.example.com/v1beta1/Old"}, nil},
		"one of them is not":      {[]string{"example.com/v1/Database", "example.com/v1/Backup"}, []string{"old.example.com/v1beta1/Old (charts/db/crds/c.yaml)"}},
		"only in another version": {[]string{"example.com/v1alpha1/Database", "example.com/v2/Backup", "old.example.com/v1beta1/Old"}, []string{"example.com/v1/Database (crds/all.yaml)"}},
		"only the group": {[]string{"example.com/v1", "old.example.com/v1beta1"}, []string{
			"example.com/v1/Backup, example.com/v2/Backup (crds/all.yaml)", "example.com/v1/Database (crds/all.yaml)", "old.example.com/v1beta1/Old (charts/db/crds/c.yaml)",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := renderChart(t, content, func(in *Inputs) { in.SkipCRDs, in.Capabilities.APIVersions = true, tc.served })
			var unsupported *UnsupportedError
			if errors.As(err, &unsupported) != (tc.want != nil) || tc.want == nil && err != nil {
				t.Fatal(err)
			}
			if tc.want == nil {
				if len(out.Objects) != 1 {
					t.Errorf("%d objects", len(out.Objects))
				}
				return
			}
			if diff := cmp.Diff(tc.want, unsupported.Unserved); diff != "" {
				t.Error(diff)
			}
			checkError(t, err, "the cluster has no version of kinds that the chart brings below crds/")
		})
	}
	content["crds/all.yaml"] = "a: b: c"
	_, err := renderChart(t, content, func(in *Inputs) { in.SkipCRDs = true })
	checkError(t, err, "crds/all.yaml is not a manifest")
}

// hookJob is a Job that is a hook.
func hookJob(name, events, weight string) string {
	text := "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: " + name + "\n  annotations:\n    helm.sh/hook: " + events + "\n"
	if weight != "" {
		text += "    helm.sh/hook-weight: " + weight + "\n"
	}
	return text
}

func TestHooksComeInTheOrderInWhichHelmRunsThem(t *testing.T) {
	settings := strings.Replace(hookJob("settings", "pre-install", `"5"`), "batch/v1\nkind: Job", "v1\nkind: ConfigMap", 1)
	out, err := renderChart(t, files{
		"templates/a.yaml": hookJob("last", "post-install", `"10"`),
		"templates/b.yaml": hookJob("b", "pre-upgrade, PRE-INSTALL ,pre-install", `"5"`),
		"templates/c.yaml": hookJob("a", "pre-install", `"5"`) + "---\n" + settings,
		"templates/d.yaml": hookJob("first", "pre-upgrade", `"-1"`),
		"templates/e.yaml": hookJob("none", "test,post-upgrade,pre-delete", `high`),
		"templates/f.yaml": "apiVersion: v1\nkind: Service\nmetadata: {name: web}\n",
	})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, object := range out.Objects {
		got = append(got, strings.TrimSpace(object.GetKind()+" "+object.GetName()+" "+strings.Join(object.Events, ",")))
	}
	want := []string{
		"Service web", "Job first pre-upgrade", "Job none post-upgrade", "ConfigMap settings pre-install", "Job a pre-install",
		"Job b pre-install,pre-upgrade", "Job last post-install",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestHooksThatNeverRunAreNamed(t *testing.T) {
	out, err := renderChart(t, files{
		"templates/a.yaml": hookJob("clean", "pre-delete,post-delete", ""),
		"templates/b.yaml": hookJob("back", `"post-rollback, test"`, ""),
		"templates/c.yaml": hookJob("both", "pre-rollback,pre-upgrade", ""),
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"templates/a.yaml: Job clean (pre-delete,post-delete)", "templates/b.yaml: Job back (post-rollback, test)"}
	if diff := cmp.Diff(want, out.Idle); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"Job both templates/c.yaml"}, names(out)); diff != "" {
		t.Error(diff)
	}
}

func TestAStrictSchemaDoesNotSeeOurKey(t *testing.T) {
	strict := files{
		"values.schema.json": `{"additionalProperties": false, "properties": {"port": {"type": "integer", "maximum": 9000}, "key": {"pattern": "^a"}}}`,
		"templates/a.yaml":   config(".Values.stallkeeper.plan"),
	}
	out, err := renderChart(t, strict, withValues(map[string]any{"port": 80}))
	if got := valueOf(t, out, err); got != "small" {
		t.Errorf("got %q", got)
	}
	_, err = renderChart(t, strict, withValues(map[string]any{"port": "eighty", "key": "hunter22", "prot": 1}))
	checkError(t, err, "the values don't fit the chart's schema: ")
	for _, want := range []string{"values.port: got string, want integer", "values.key: does not match the pattern ^a", "'prot' not allowed"} {
		checkError(t, err, want)
	}
	if strings.Contains(err.Error(), "hunter22") {
		t.Errorf("the error holds the value: %v", err)
	}
	_, err = renderChart(t, files{"values.schema.json": `{"properties": {"stallkeeper": {"properties": {"plan": {"enum": ["large"]}}}}}`})
	checkError(t, err, "values.stallkeeper.plan: value must be 'large'")
	_, err = renderChart(t, files{"values.schema.json": `{"$ref": "https://example.com/schema.json"}`})
	checkError(t, err, "https://example.com/schema.json is outside the chart and is not loaded")
	_, err = renderChart(t, files{"values.schema.json": `{"$ref": "file:///etc/passwd"}`})
	checkError(t, err, "is outside the chart and is not loaded")
	_, err = renderChart(t, files{"values.schema.json": `{`})
	checkError(t, err, "values.schema.json is not JSON")
}

func TestDependencies(t *testing.T) {
	content := files{
		"Chart.yaml": chartYAML + "dependencies:\n" +
			"- {name: db, version: 1.x.x, condition: db.enabled}\n" +
			"- {name: db, alias: cache, version: 1.x.x, tags: [caching]}\n" +
			"- {name: lib, version: 1.x.x}\n",
		"values.yaml":                 "global: {zone: a}\ndb: {size: 1}\ncache: {size: 2}\n",
		"templates/a.yaml":            config(`include "lib.hello" .`),
		"charts/db/Chart.yaml":        "apiVersion: v2\nname: db\nversion: 1.0.0\n",
		"charts/db/values.yaml":       "size: 0\nname: from-db\n",
		"charts/db/templates/b.yaml":  strings.Replace(config(`printf "%s %v %s" .Values.global.zone .Values.size .Values.name`), "name: c", "name: {{ .Chart.Name }}", 1),
		"charts/lib/Chart.yaml":       "apiVersion: v2\nname: lib\nversion: 1.0.0\ntype: library\n",
		"charts/lib/templates/_l.tpl": `{{ define "lib.hello" }}hello {{ .Release.Namespace }}{{ end }}`,
	}
	for name, tc := range map[string]struct {
		values map[string]any
		want   []string
	}{
		"all are on": {nil, []string{"cache a 2 from-db", "db a 1 from-db", "c hello tenant-a"}},
		"one is off by its condition, values and globals reach the other": {
			map[string]any{"db": map[string]any{"enabled": false}, "cache": map[string]any{"size": 7}, "global": map[string]any{"zone": "b"}},
			[]string{"cache b 7 from-db", "c hello tenant-a"},
		},
		"one is off by its tag": {map[string]any{"tags": map[string]any{"caching": false}}, []string{"db a 1 from-db", "c hello tenant-a"}},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := renderChart(t, content, withValues(tc.values))
			if err != nil {
				t.Fatal(err)
			}
			got := []string{}
			for _, o := range out.Objects {
				data, _ := o.Object["data"].(map[string]any)
				value, _ := data["value"].(string)
				got = append(got, o.GetName()+" "+value)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestInputsThatCantBeRendered(t *testing.T) {
	for name, tc := range map[string]struct {
		chart  string
		change func(*Inputs)
		want   string
	}{
		"no namespace":                     {"", func(in *Inputs) { in.Namespace = "" }, "rendering needs the tenant's namespace"},
		"no version":                       {"", func(in *Inputs) { in.Capabilities.KubeVersion = "" }, "rendering needs the version of Kubernetes"},
		"our key in the plan's values":     {"", withValues(map[string]any{"stallkeeper": 1}), "values.stallkeeper is set by Stallkeeper"},
		"a text that Helm would remove":    {"", withValues(map[string]any{"a": []any{"<no value>{x}"}}), "values.a[0] holds the text <no value>"},
		"a character that YAML can't hold": {"", withValues(map[string]any{"a": map[string]any{"b\x7f": 1}}), "a key of values.a holds a control character"},
		"a line break that only YAML sees": {"", withValues(map[string]any{"a": "x\n\u2028evil: y"}), "values.a holds a control character or a separator of lines"},
		"values without a JSON form":       {"", withValues(map[string]any{"f": func() {}}), "reading the plan's values"},
		"too old a cluster":                {"kubeVersion: '>=1.40.0'\n", func(*Inputs) {}, "the chart shop needs Kubernetes >=1.40.0, and the cluster has v1.37.2"},
		"a cluster with a suffix":          {"kubeVersion: '>=1.30.0'\n", func(in *Inputs) { in.Capabilities.KubeVersion = "v1.33.4-gke.1" }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := renderChart(t, files{"Chart.yaml": chartYAML + tc.chart}, tc.change)
			checkError(t, err, tc.want)
		})
	}
}

func TestInputsStayAsTheyAre(t *testing.T) {
	values := map[string]any{"a": map[string]any{"b": []any{"c"}}, "count": 3}
	in := inputs(withValues(values))
	if _, err := parsed(t, Source{Inline: `{{ $_ := set .Values.a "x" 1 }}{{ $_ := set .Values.stallkeeper "y" 1 }}`}).Render(in); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]any{"a": map[string]any{"b": []any{"c"}}, "count": 3}, values); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]any{"plan": "small", "quantity": 3}, in.Stallkeeper); diff != "" {
		t.Error(diff)
	}
}

func BenchmarkRenderCreatedChart(b *testing.B) {
	tmpl := parsed(b, Source{Chart: createdChart(b)})
	in := inputs(withValues(map[string]any{"replicaCount": 2}))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := tmpl.Render(in); err != nil {
			b.Fatal(err)
		}
	}
}
