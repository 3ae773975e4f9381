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
		"what is no YAML":           "a: [",
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
			for _, known := range []error{template.ErrChartTooLarge, template.ErrNotYAML} {
				if errors.Is(want, known) != errors.Is(got, known) {
					t.Errorf("one is %q", known)
				}
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
	return packed(tb, [][2]string{
		{"shop/Chart.yaml", "apiVersion: v2\nname: shop\nversion: 1.2.3\n"}, {"shop/values.schema.json", schema}, {"shop/templates/a.yaml", "# nothing\n"},
	})
}

// packed is a chart of files with their texts.
func packed(tb testing.TB, files [][2]string) template.Source {
	tb.Helper()
	var data bytes.Buffer
	zip := gzip.NewWriter(&data)
	archive := tar.NewWriter(zip)
	for _, file := range files {
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
	return template.Source{Chart: data.Bytes()}
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
	for name, tc := range map[string]struct {
		text string
		want Exceeded
	}{
		"memory": {`{{ $x := dict }}{{ range $i := until 40 }}{{ $_ := set $x (toString $i) (repeat 80 (repeat 100000 "x")) }}{{ end }}`, Memory},
		"time":   {`{{ range until 5 }}{{ range 100000 }}{{ $x := derivePassword 1 "long" "p" "u" "s" }}{{ end }}{{ end }}`, Time},
		"stack":  {`{{ define "a" }}{{ include "a" . }}{{ end }}{{ include "a" . }}`, Stack},
	} {
		t.Run(name, func(t *testing.T) {
			limits := Limits{Time: 10 * time.Second, Memory: 256 << 20, Stack: 1 << 20}
			if tc.want == Time {
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

// What a seller writes of one line, such as the query of a meter, may take as much as a template.
func TestATextThatOverrunsEndsNoMoreThanItself(t *testing.T) {
	p := newPool(t, 1, Limits{Time: 10 * time.Second, Memory: 256 << 20, Stack: 1 << 20})
	const query = `{{ $x := dict }}{{ range $i := until 1000 }}{{ $_ := set $x (toString $i) (repeat 80 (repeat 100000 "x")) }}{{ end }}up`
	if _, err := p.EvaluateString(t.Context(), "prometheus.query", query, nil); !errors.Is(err, ErrRenderLimit) {
		t.Errorf("got %v", err)
	}
	if text, err := p.EvaluateString(t.Context(), "prometheus.query", "up", nil); text != "up" || err != nil {
		t.Errorf("the next one is %q, %v", text, err)
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
		raw, err := json.Marshal(values)
		if err != nil {
			t.Fatal(err)
		}
		name := fmt.Sprintf("sales/%d", product)
		for _, of := range []string{digestOf(source), request{Evaluates: true, Values: raw}.source()} {
			p.past.noteSlow(rendering{source: of, product: name})
		}
		for i := range 20 {
			as := For(ctx, Caller{Product: name, Tenant: fmt.Sprintf("sales/%d-%d", product, i)})
			all.Go(func() { _, _ = tmpl.Render(as, inputs(map[string]any{"i": i})) })
			all.Go(func() { _, _ = p.EvaluateValues(as, values, map[string]any{"i": i}) })
		}
	}
	as := For(t.Context(), Caller{Product: "sales/good", Tenant: "sales/good"})
	for range 20 {
		tmpl, err := p.Load(as, template.Source{Inline: good})
		if err == nil {
			_, err = tmpl.Render(as, withKept(inputs(map[string]any{"account": 1, "n": 2})))
		}
		if err != nil {
			t.Fatal(err)
		}
		p.turns.mu.Lock()
		if p.turns.lane > 1 {
			t.Errorf("%d places are taken by what overruns", p.turns.lane)
		}
		p.turns.mu.Unlock()
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
	raw, err := json.Marshal(values)
	if err != nil {
		t.Fatal(err)
	}
	if !p.past.byLane(rendering{source: request{Evaluates: true, Values: raw}.source()}) {
		t.Error("it is not")
	}
}

// A check renders all plans, each of which may take long.
func TestABudgetBoundsAllRenderingsOfACaller(t *testing.T) {
	p := newPool(t, 1, testLimits)
	budget := &Budget{Limit: time.Nanosecond}
	ctx := For(t.Context(), Caller{Product: "sales/shop", Budget: budget})
	text := strings.Repeat("{{ range 1000 }}{{ end }}", 50)
	if _, err := p.EvaluateString(ctx, "access.memo", text, nil); err != nil || budget.Err() == nil {
		t.Fatalf("got %v, %v", err, budget.Err())
	}
	_, err := p.EvaluateString(ctx, "access.memo", "a", nil)
	if !errors.Is(err, ErrRenderLimit) || !strings.Contains(err.Error(), "all plans") {
		t.Errorf("got %v", err)
	}
	if _, err := p.EvaluateString(t.Context(), "access.memo", "a", nil); err != nil {
		t.Errorf("another caller gets %v", err)
	}
}

// bulky is a chart with many bytes of files that few templates read.
func bulky(tb testing.TB, name string, bytes int) template.Source {
	tb.Helper()
	return packed(tb, [][2]string{
		{"shop/Chart.yaml", "apiVersion: v2\nname: shop\nversion: 1.2.3\ndescription: " + name + "\n"}, {"shop/templates/a.yaml", "# nothing\n"},
		{"shop/files/a.bin", strings.Repeat("x", bytes)},
	})
}

// What a worker keeps of others is missing to whoever comes next.
func TestOthersTemplatesAreNotChargedToWhoComesNext(t *testing.T) {
	p := newPool(t, 1, Limits{Time: 30 * time.Second, Memory: 256 << 20, Stack: 16 << 20})
	for i := range maxParsed {
		tmpl, err := p.Load(t.Context(), bulky(t, fmt.Sprint(i), 14<<20))
		if err == nil {
			_, err = tmpl.Render(t.Context(), inputs(nil))
		}
		if err != nil {
			t.Fatalf("chart %d: %v", i, err)
		}
	}
	if _, err := rendered(t, p, good, withKept(inputs(map[string]any{"account": 1, "n": 2}))); err != nil {
		t.Error(err)
	}
	if p.past.overran.Len() > 0 {
		t.Error("something is remembered as too much")
	}
}

func TestAWorkerKeepsAsManyTemplatesAsItHasRoomFor(t *testing.T) {
	kept := newTemplates(64 << 20) // 16 MiB together, and 8 MiB each
	keep := func(name string, bytes int) {
		tmpl, err := template.Parse(bulky(t, name, bytes))
		if err != nil {
			t.Fatal(err)
		}
		kept.keep(name, tmpl)
	}
	keep("huge", 5<<20)
	for i := range 20 {
		keep(fmt.Sprint(i), 2<<20)
	}
	if kept.list.Len() != 3 || kept.list.Contains("huge") || !kept.list.Contains("19") || kept.total > kept.most || kept.total < 12<<20 {
		t.Errorf("it keeps %v, %d bytes", kept.list.Keys(), kept.total)
	}
}

// A worker that has worked for others has less memory left than its own.
func TestMemoryIsTriedOnceInAFreshWorker(t *testing.T) {
	if shadow != 1 {
		t.Skip("the race detector's own memory may end a worker without a word")
	}
	p := newPool(t, 2, Limits{Time: 10 * time.Second, Memory: 256 << 20, Stack: 1 << 20})
	const query = `{{ $x := dict }}{{ range $i := until 1000 }}{{ $_ := set $x (toString $i) (repeat 80 (repeat 100000 "x")) }}{{ end }}up`
	for _, tc := range []struct {
		before string
		starts int
	}{{"", 1}, {"another", 2}} {
		p.past, p.started = newPast(), 0
		if tc.before != "" {
			if _, err := p.EvaluateString(t.Context(), "access.memo", tc.before, nil); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := p.EvaluateString(t.Context(), "access.memo", query, nil); !errors.Is(err, ErrRenderLimit) {
			t.Fatalf("got %v", err)
		}
		if p.started != tc.starts || len(p.idle) > 0 {
			t.Errorf("after %q, %d workers were started, want %d; %d are left", tc.before, p.started, tc.starts, len(p.idle))
		}
	}
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
	if p.past.overran.Len() > 0 {
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
