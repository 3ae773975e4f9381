package render

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stallkeeper/stallkeeper/controllers/template"
)

// workerVariable makes this test's binary a worker.
const workerVariable = "STALLKEEPER_TEST_RENDER_WORKER"

// testLimits are small, so that what overruns does so soon.
var testLimits = Limits{Time: 5 * time.Second, Memory: 384 << 20, Stack: 16 << 20}

func TestMain(m *testing.M) {
	if mode := os.Getenv(workerVariable); mode != "" {
		os.Exit(work(mode))
	}
	os.Exit(m.Run())
}

// work is a worker's process. The hostile modes do what a library might, whatever the template package prevents.
func work(mode string) int {
	limits := testLimits
	if err := json.Unmarshal([]byte(mode), &limits); err != nil {
		return 2
	}
	if err := Serve(context.Background(), os.Stdin, os.Stdout, limits); err != nil {
		fmt.Fprintln(os.Stderr, "Error:", err)
		return 1
	}
	return 0
}

// newPool is a pool whose workers are this binary.
func newPool(tb testing.TB, size int, limits Limits) *Pool {
	tb.Helper()
	self, err := os.Executable()
	if err != nil {
		tb.Fatal(err)
	}
	mode, err := json.Marshal(limits)
	if err != nil {
		tb.Fatal(err)
	}
	p := NewPool(func() *exec.Cmd {
		cmd := exec.Command(self)
		cmd.Env = []string{workerVariable + "=" + string(mode), "GOTRACEBACK=none"}
		return cmd
	}, size, limits)
	tb.Cleanup(p.Close)
	return p
}

func inputs(values map[string]any) template.Inputs {
	return template.Inputs{
		Namespace: "tenant-a", Now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), Seed: []byte("0123456789abcdef0123456789abcdef"),
		Values: values, Stallkeeper: map[string]any{"plan": "small", "quantity": int64(3)},
		Capabilities: template.Capabilities{KubeVersion: "v1.37.2", APIVersions: []string{"apps/v1"}},
	}
}

// good is a template that makes one object of all kinds of inputs.
const good = `apiVersion: v1
kind: Secret
metadata: {name: db}
stringData:
  plan: {{ .Values.stallkeeper.plan }}
  account: {{ .Values.account | toString | quote }}
  kind: {{ kindOf .Values.n }}
  secret: {{ tenantSecret "x" }}
  password: {{ randAlphaNum 8 | quote }}
  now: {{ now | quote }}
  missing: {{ .Values.nothing }}
  evaluated: {{ tpl "{{ .Release.Name }}" . }}
  twice: a
  twice: b
---
apiVersion: v1
kind: Service
metadata: {name: web, annotations: {helm.sh/hook: post-install}}
spec: {ports: [{port: 80, weight: 0.5}], big: 9007199254740993}
`

func rendered(tb testing.TB, r Renderer, text string, in template.Inputs) (template.Output, error) {
	tb.Helper()
	tmpl, err := r.Load(tb.Context(), template.Source{Inline: text})
	if err != nil {
		return template.Output{}, err
	}
	return tmpl.Render(tb.Context(), in)
}

func TestAWorkerRendersAsTheProcessItselfDoes(t *testing.T) {
	in := inputs(map[string]any{"account": int64(123456789012345678), "n": 5, "f": 0.5})
	in.ReportMissing, in.ReportEvaluated = true, true
	in.Kept = template.Kept{}
	first, err := rendered(t, InProcess{}, good, in)
	if err != nil {
		t.Fatal(err)
	}
	in.Kept = first.Made
	want, err := rendered(t, InProcess{}, good, in)
	if err != nil {
		t.Fatal(err)
	}
	got, err := rendered(t, newPool(t, 1, testLimits), good, in)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if len(want.Objects) != 2 || len(want.Missing) != 1 || len(want.Notes) != 1 || len(want.Evaluated) != 1 {
		t.Errorf("the sample shows too little: %d objects, %v, %v, %v", len(want.Objects), want.Missing, want.Notes, want.Evaluated)
	}
}

func TestErrorsComeBackAsTheyAre(t *testing.T) {
	p := newPool(t, 1, testLimits)
	for name, text := range map[string]string{
		"a mistake of the template": "a: {{ .Values.a.b }}",
		"a syntax error":            "{{ if }}",
		"an unknown hook":           "apiVersion: v1\nkind: Pod\nmetadata: {name: p, annotations: {helm.sh/hook: pre-instal}}\n",
		"nothing":                   " ",
		"too large":                 strings.Repeat("#", template.MaxTextBytes+1),
	} {
		t.Run(name, func(t *testing.T) {
			_, want := rendered(t, InProcess{}, text, inputs(nil))
			_, got := rendered(t, p, text, inputs(nil))
			if want == nil || got == nil || want.Error() != got.Error() {
				t.Fatalf("want %v, got %v", want, got)
			}
			var a, b *template.UnsupportedError
			if errors.As(want, &a) != errors.As(got, &b) || cmp.Diff(a, b) != "" {
				t.Errorf("want %v, got %v", a, b)
			}
			if errors.Is(want, template.ErrChartTooLarge) != errors.Is(got, template.ErrChartTooLarge) {
				t.Error("one is ErrChartTooLarge")
			}
		})
	}
}

func TestValuesAreEvaluatedInAWorker(t *testing.T) {
	p := newPool(t, 1, testLimits)
	values := map[string]any{"a": "{{ .quantity | toInt }}", "b": []any{"x {{ .plan }}"}, "large": int64(123456789012345678), "none": nil}
	scope := map[string]any{"plan": "small", "quantity": int64(123456789012345679)}
	want, err := template.EvaluateValues(values, scope)
	if err != nil {
		t.Fatal(err)
	}
	got, err := p.EvaluateValues(t.Context(), values, scope)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	text, err := p.EvaluateString(t.Context(), "access.memo", "{{ .plan }}", scope)
	if err != nil || text != "small" {
		t.Errorf("got %q, %v", text, err)
	}
	if _, err = p.EvaluateString(t.Context(), "access.memo", "{{ .none }}", scope); err == nil || !strings.HasPrefix(err.Error(), "access.memo: ") {
		t.Errorf("got %v", err)
	}
}

// doublingSchema is a chart whose values.schema.json doubles the work with each of its levels.
func doublingSchema(tb testing.TB, levels int) template.Source {
	tb.Helper()
	defs := make([]string, levels)
	for i := range defs {
		defs[i] = fmt.Sprintf(`"%d":{"allOf":[{"$ref":"#/$defs/%d"},{"$ref":"#/$defs/%d"}]}`, i, i+1, i+1)
	}
	schema := fmt.Sprintf(`{"$ref":"#/$defs/0","$defs":{%s,"%d":{}}}`, strings.Join(defs, ","), levels)
	var packed bytes.Buffer
	zip := gzip.NewWriter(&packed)
	archive := tar.NewWriter(zip)
	for _, file := range [][2]string{
		{"shop/Chart.yaml", "apiVersion: v2\nname: shop\nversion: 1.2.3\n"}, {"shop/values.schema.json", schema}, {"shop/templates/a.yaml", "# nothing\n"},
	} {
		header := &tar.Header{Name: file[0], Mode: 0o644, Size: int64(len(file[1])), Typeflag: tar.TypeReg}
		if err := archive.WriteHeader(header); err != nil {
			tb.Fatal(err)
		}
		if _, err := archive.Write([]byte(file[1])); err != nil {
			tb.Fatal(err)
		}
	}
	if err := errors.Join(archive.Close(), zip.Close()); err != nil {
		tb.Fatal(err)
	}
	return template.Source{Chart: packed.Bytes()}
}

func TestASchemaThatDoublesIsStopped(t *testing.T) {
	limits := testLimits
	limits.Time = 500 * time.Millisecond
	tmpl, err := newPool(t, 1, limits).Load(t.Context(), doublingSchema(t, 40))
	if err == nil {
		_, err = tmpl.Render(t.Context(), inputs(nil))
	}
	var limit *LimitError
	if !errors.As(err, &limit) {
		t.Errorf("got %v", err)
	}
}

func TestHostileTemplatesEndInAnError(t *testing.T) {
	p := newPool(t, 1, testLimits)
	for name, text := range map[string]string{
		"deep actions":      strings.Repeat("{{if 1}}", 100_000) + strings.Repeat("{{end}}", 2),
		"deep parentheses":  "{{ " + strings.Repeat("(", 1_000_000) + " }}",
		"deep YAML":         strings.Repeat("[", 1_000_000),
		"deep YAML made":    `a: {{ repeat 100000 "[" }}{{ repeat 100000 "[" }}`,
		"deep maps of YAML": "{{ range $i := until 3000 }}{{ repeat $i \" \" }}a:\n{{ end }}",
		"much YAML":         "{{ range until 70000 }}- {a: [b, c, d, e], b: [], c: {}, d: [], e: [], f: [], g: [], h: []}\n{{ end }}",
		"deep JSON":         `{{ repeat 100000 "[" | fromJsonArray }}`,
		"a cyclic value":    `{{ $d := dict }}{{ $_ := set $d "d" $d }}{{ $d }}`,
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := rendered(t, p, text, inputs(nil)); err == nil {
				t.Error("no error")
			}
			if _, err := rendered(t, p, "# nothing", inputs(nil)); err != nil {
				t.Errorf("the next product: %v", err)
			}
		})
	}
}

func TestWhatOverrunsEndsNoMoreThanItself(t *testing.T) {
	// Whatever the template package stops by itself is stopped before; these show what a worker is for.
	limits := Limits{Time: time.Second, Memory: 256 << 20, Stack: 1 << 20}
	for name, tc := range map[string]struct {
		text string
		want Exceeded
	}{
		"memory": {`{{ $x := dict }}{{ range $i := until 40 }}{{ $_ := set $x (toString $i) (repeat 80 (repeat 100000 "x")) }}{{ end }}`, Memory},
		"time":   {`{{ range until 5 }}{{ range 100000 }}{{ $x := derivePassword 1 "long" "p" "u" "s" }}{{ end }}{{ end }}`, Time},
		"stack":  {`{{ define "a" }}{{ include "a" . }}{{ end }}{{ include "a" . }}`, Stack},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "time" {
				limits.Time = 300 * time.Millisecond
			}
			p := newPool(t, 1, limits)
			_, err := rendered(t, p, tc.text, inputs(nil))
			var limit *LimitError
			if !errors.As(err, &limit) || !errors.Is(err, ErrRenderLimit) ||
				limit.Exceeded != tc.want && (limit.Exceeded != Crashed || shadow == 1) { // what the race detector can't get for itself ends it
				t.Fatalf("got %v", err)
			}
			if strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), "look for unbounded growth") {
				t.Errorf("the error is %q", err)
			}
			out, err := rendered(t, p, good, withKept(inputs(map[string]any{"account": 1, "n": 2})))
			if err != nil || len(out.Objects) != 2 {
				t.Errorf("the next product does not go on: %v", err)
			}
			started := p.started
			if _, again := rendered(t, p, tc.text, inputs(nil)); !errors.Is(again, ErrRenderLimit) {
				t.Errorf("got %v", again)
			}
			if p.started != started {
				t.Error("the same template with the same inputs was tried again")
			}
		})
	}
}

func withKept(in template.Inputs) template.Inputs {
	in.Kept = template.Kept{}
	return in
}

// However many products overrun, with however many buyers, and whether in the template or in the plan's values.
func TestProductsThatOverrunLeaveWorkersToOthers(t *testing.T) {
	limits := testLimits
	limits.Time = 2 * time.Second
	p := newPool(t, 2, limits)
	const loop = `{{ range 100000 }}{{ $x := derivePassword 1 "long" "p" "u" "s" }}{{ end }}`
	var all sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	for product := range 3 {
		source := template.Source{Inline: fmt.Sprintf("# %d\n%s", product, loop)}
		tmpl, err := p.Load(t.Context(), source)
		if err != nil {
			t.Fatal(err)
		}
		values := map[string]any{fmt.Sprint(product): loop}
		p.suspects.Add(digestOf(source), struct{}{})
		raw, err := json.Marshal(values)
		if err != nil {
			t.Fatal(err)
		}
		p.suspects.Add(request{Evaluates: true, Values: raw}.source(), struct{}{})
		for i := range 8 {
			all.Go(func() { _, _ = tmpl.Render(ctx, inputs(map[string]any{"i": i})) })
			all.Go(func() { _, _ = p.EvaluateValues(ctx, values, map[string]any{"i": i}) })
		}
	}
	for range 20 {
		if _, err := rendered(t, p, good, withKept(inputs(map[string]any{"account": 1, "n": 2}))); err != nil {
			t.Fatal(err)
		}
	}
	if len(p.places) > 1 {
		t.Errorf("%d workers are busy, and no good template is rendered", len(p.places))
	}
	cancel()
	all.Wait()
}

func TestAnEvaluationThatOverrunsIsSuspectForEveryBuyer(t *testing.T) {
	limits := testLimits
	limits.Time = 300 * time.Millisecond
	p := newPool(t, 1, limits)
	values := map[string]any{"a": `{{ range 100000 }}{{ $x := derivePassword 1 "long" "p" "u" "s" }}{{ end }}`}
	_, err := p.EvaluateValues(t.Context(), values, map[string]any{"buyer": "a"})
	if !errors.Is(err, ErrRenderLimit) {
		t.Fatalf("got %v", err)
	}
	p.lane <- struct{}{}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := p.EvaluateValues(ctx, values, map[string]any{"buyer": "b"}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	<-p.lane
}

// A node without a processor for us is no fault of the template.
func TestARenderingThatGetsNoProcessorIsTriedAgain(t *testing.T) {
	limits := testLimits
	limits.Time = 200 * time.Millisecond
	p := newPool(t, 1, limits)
	tmpl, err := p.Load(t.Context(), template.Source{Inline: good})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.idle[0].cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if _, err := tmpl.Render(t.Context(), withKept(inputs(map[string]any{"account": 1, "n": 2}))); err != nil {
		t.Errorf("got %v", err)
	}
	if p.overran.Len() > 0 {
		t.Error("it is remembered as too much")
	}
}

func TestAWorkerThatIsKilledFromOutsideIsNoFaultOfTheTemplates(t *testing.T) {
	p := newPool(t, 1, testLimits)
	tmpl, err := p.Load(t.Context(), template.Source{Inline: good})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		w := p.idle[0]
		if err := w.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		if _, err := tmpl.Render(t.Context(), withKept(inputs(map[string]any{"account": 1, "n": 2}))); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAPoolThatCanStartNoWorkerSaysSo(t *testing.T) {
	p := NewPool(func() *exec.Cmd { return exec.Command("/nonexistent") }, 1, testLimits)
	defer p.Close()
	if _, err := p.Load(t.Context(), template.Source{Inline: good}); !errors.Is(err, ErrUnavailable) || errors.Is(err, ErrRenderLimit) {
		t.Errorf("got %v", err)
	}
	closed := newPool(t, 1, testLimits)
	closed.Close()
	if _, err := closed.Load(t.Context(), template.Source{Inline: good}); !errors.Is(err, ErrUnavailable) {
		t.Errorf("got %v", err)
	}
}

func TestWaitingForAWorkerEndsWithTheContext(t *testing.T) {
	p := newPool(t, 1, testLimits)
	p.places <- struct{}{}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.Load(ctx, template.Source{Inline: good}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	<-p.places
}

func TestAMessageHasABound(t *testing.T) {
	var asked request
	if err := receive(strings.NewReader("\xff\xff\xff\xff{}"), &asked); err == nil || !strings.Contains(err.Error(), "at most") {
		t.Errorf("got %v", err)
	}
	if err := receive(strings.NewReader("\x00\x00\x00\x10{}"), &asked); err == nil {
		t.Error("a cut message was read")
	}
}

func BenchmarkRender(b *testing.B) {
	src := template.Source{Inline: strings.Replace(good, "password: {{ randAlphaNum 8 | quote }}", "", 1)}
	for name, r := range map[string]Renderer{"in the process": InProcess{}, "in a worker": newPool(b, 1, testLimits)} {
		b.Run(name, func(b *testing.B) {
			tmpl, err := r.Load(b.Context(), src)
			if err != nil {
				b.Fatal(err)
			}
			in := inputs(map[string]any{"account": 1, "n": 2, "replicaCount": 2})
			b.ReportAllocs()
			for b.Loop() {
				if _, err := tmpl.Render(b.Context(), in); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
