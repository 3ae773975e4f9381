package product

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/queue"
	"github.com/stallkeeper/stallkeeper/controllers/render"
	"github.com/stallkeeper/stallkeeper/controllers/report"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
	"github.com/stallkeeper/stallkeeper/controllers/template"
)

// limited is a renderer for which a template with the word "endless" takes too much. asked counts those.
type limited struct {
	render.InProcess
	asked *int
}

func (l limited) Load(ctx context.Context, src template.Source) (render.Template, error) {
	if strings.Contains(src.Inline, "endless") {
		*l.asked++
		return nil, &render.LimitError{Exceeded: render.Memory, Limits: render.Limits{Memory: 256 << 20}}
	}
	return l.InProcess.Load(ctx, src)
}

// EvaluateString fails for the same word.
func (l limited) EvaluateString(ctx context.Context, name, text string, scope map[string]any) (string, error) {
	if strings.Contains(text, "endless") {
		*l.asked++
		return "", &render.LimitError{Exceeded: render.Memory, Limits: render.Limits{Memory: 256 << 20}}
	}
	return l.InProcess.EvaluateString(ctx, name, text, scope)
}

// The query of a meter is asked at every interval of every sale, so that the product says so before there is a sale.
func TestAQueryThatOverrunsIsTheProductsProblem(t *testing.T) {
	p := salestest.Product(salestest.MeteredBy(func(m *salestest.Metered) { m.Prometheus.Query = "endless" }))
	asked := 0
	w := newWorld(t, p, koogallery())
	for range 2 {
		w.restart()
		w.r.Renderer, w.r.Features = limited{asked: &asked}, allFeatures()
		is := meta.FindStatusCondition(w.pass().Status.Conditions, v1alpha1.ConditionReady)
		if is.Reason != v1alpha1.ReasonRenderLimit || !strings.Contains(is.Message, "spec.meters[requests].prometheus.query: rendering exceeds") {
			t.Errorf("Ready is %s: %s", is.Reason, is.Message)
		}
	}
	if asked != 1 {
		t.Errorf("it was asked %d times, also after a restart", asked)
	}
}

// Each plan may take long, and a product has up to 32.
func TestACheckThatTakesTooLongInAllIsTheProductsProblem(t *testing.T) {
	p := salestest.Product()
	of := check{permissions: salestest.Permissions(), renderer: render.InProcess{}, budget: &render.Budget{}}
	_, err := of.run(t.Context(), p, "shop-1", cutOn0(p, nil), nil)
	problem := &report.Verdict{}
	if !errors.As(err, &problem) || problem.Reason != v1alpha1.ReasonRenderLimit {
		t.Errorf("got %v", err)
	}
}

// busy is a renderer whose workers are taken by others.
type busy struct{ render.InProcess }

func (busy) Load(context.Context, template.Source) (render.Template, error) {
	return nil, render.ErrBusy
}

func TestAProductThatWaitsForItsTurnSaysSo(t *testing.T) {
	w := newWorld(t, salestest.Product(), koogallery())
	w.r.Renderer = busy{}
	w.clock.SetTime(w.clock.Now().Add(queue.ChartRecheck))
	key := client.ObjectKey{Namespace: "sales", Name: "shop"}
	if _, err := w.r.Reconcile(t.Context(), ctrl.Request{NamespacedName: key}); !errors.Is(err, render.ErrBusy) {
		t.Errorf("it is not tried again: %v", err)
	}
	p := &v1alpha1.MarketplaceProduct{}
	if err := w.client.Get(t.Context(), key, p); err != nil {
		t.Fatal(err)
	}
	if is := meta.FindStatusCondition(p.Status.Conditions, v1alpha1.ConditionReady); is.Status != "Unknown" || !strings.Contains(is.Message, "take turns") {
		t.Errorf("Ready is %s: %s", is.Status, is.Message)
	}
}

// A registry that hangs would hold a worker half of the time, and a few of them all workers.
func TestARegistryThatHangsIsAskedLessOften(t *testing.T) {
	from := (&registry{host: "registry.example.com"}).fromOCI("charts/app", "1.2.0", "")
	w := newWorld(t, salestest.Product(from), koogallery())
	asked, lasts := 0, registryTimeout
	w.r.Registries = &http.Client{Transport: salestest.RoundTripper(func(*http.Request) (*http.Response, error) {
		asked++
		w.clock.SetTime(w.clock.Now().Add(lasts))
		return nil, context.DeadlineExceeded
	})}
	inAnHour := func() int {
		asked = 0
		for end := w.clock.Now().Add(time.Hour); w.clock.Now().Before(end); {
			w.pass()
		}
		return asked
	}
	if got := inAnHour(); got < 5 || got > 8 {
		t.Errorf("it was asked %d times in the first hour", got)
	}
	if got := inAnHour(); got < 3 || got > 4 {
		t.Errorf("it was asked %d times in the second hour", got)
	}
	// One that is down says so at once, and is asked every minute.
	lasts = 0
	inAnHour()
	if got := inAnHour(); got < 50 {
		t.Errorf("one that is down was asked %d times in an hour", got)
	}
}

// A worker that ends again at each look costs everybody, so that what overran is left alone: by this controller and by the next one.
func TestAProductThatOverranIsNotRenderedAgainAtEveryLook(t *testing.T) {
	p := salestest.Product(salestest.Inline("# endless"))
	asked := 0
	w := newWorld(t, p, koogallery())
	restart := func() {
		w.restart()
		w.r.Renderer = limited{asked: &asked}
	}
	pass := func(wantAsked int, want string) {
		t.Helper()
		is := w.pass()
		if got := reasonOf(is, v1alpha1.ConditionReady); got != want || asked != wantAsked {
			t.Errorf("Ready is %s, wanted %s; rendered %d times, wanted %d", got, want, asked, wantAsked)
		}
		if (is.Status.OverrunRevision != "") != (want == "False RenderLimit") {
			t.Errorf("the status has the overrun revision %q", is.Status.OverrunRevision)
		}
	}
	restart()
	pass(1, "False RenderLimit")
	pass(1, "False RenderLimit")
	restart()
	pass(1, "False RenderLimit")
	pass(1, "False RenderLimit")
	// A machine that stood still looks the same, so that it is not left alone for ever.
	w.clock.SetTime(w.clock.Now().Add(queue.RenderLimitRetry))
	pass(2, "False RenderLimit")
	pass(2, "False RenderLimit")
	w.change(salestest.Inline("# endless as well"))
	pass(3, "False RenderLimit")
	pass(3, "False RenderLimit")
	w.change(salestest.Inline("{{ fail \"broken\" }}"))
	pass(3, "False RenderFailed")
	w.change(salestest.Inline("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: good}\n"))
	pass(3, "True ProductReady")
}
