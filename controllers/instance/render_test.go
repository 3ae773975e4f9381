package instance

import (
	"context"
	"errors"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/protocol"
	"github.com/stallkeeper/stallkeeper/controllers/queue"
	"github.com/stallkeeper/stallkeeper/controllers/render"
	"github.com/stallkeeper/stallkeeper/controllers/report"
	"github.com/stallkeeper/stallkeeper/controllers/revision"
	"github.com/stallkeeper/stallkeeper/controllers/sale"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
	"github.com/stallkeeper/stallkeeper/controllers/template"
	"github.com/stallkeeper/stallkeeper/controllers/tenant"
)

// counting counts renderings.
type counting struct {
	render.InProcess
	renders *int
}

type counted struct {
	render.Template
	renders *int
}

func (c counting) Load(ctx context.Context, src template.Source) (render.Template, error) {
	loaded, err := c.InProcess.Load(ctx, src)
	return counted{loaded, c.renders}, err
}

func (c counted) Render(ctx context.Context, in template.Inputs) (template.Output, error) {
	*c.renders++
	return c.Template.Render(ctx, in)
}

// refusing is a renderer that loads nothing.
type refusing struct {
	render.InProcess
	err error
}

func (r refusing) Load(context.Context, template.Source) (render.Template, error) { return nil, r.err }

// What does not pass by itself is said, and what does is tried again: also where a revision is loaded, which happens after each start.
func TestARevisionThatCannotBeLoaded(t *testing.T) {
	_, mistake := render.InProcess{}.Load(t.Context(), template.Source{Inline: " "})
	for name, tc := range map[string]struct {
		err    error
		status metav1.ConditionStatus
		reason string
		again  time.Duration
	}{
		"takes too much":      {&render.LimitError{Exceeded: render.Memory}, metav1.ConditionFalse, v1alpha1.ReasonRenderLimit, queue.ProblemRetry},
		"has a mistake":       {mistake, metav1.ConditionFalse, v1alpha1.ReasonRenderFailed, queue.ProblemRetry},
		"is paused":           {&render.LimitError{Exceeded: render.Memory, Paused: true}, metav1.ConditionUnknown, v1alpha1.ReasonRenderLimit, queue.ProblemRetry},
		"waits for its turn":  {render.ErrBusy, metav1.ConditionUnknown, v1alpha1.ReasonProgressing, queue.RenderTurnRetry},
		"has no worker":       {render.ErrUnavailable, "", "", 0},
		"is cut by a restart": {context.Canceled, "", "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			product := salestest.Product()
			c := storedRevision(t, product)
			r := &Reconciler{APIReader: c, Permissions: salestest.Permissions(), Revisions: revision.NewCache(c, refusing{err: tc.err})}
			p := &pass{Sale: sale.Of(salestest.Sale(), product, protocol.Protocol{}, "tenant-acme-x"), memory: newMemory()}
			_, problem, err := r.renderRevision(t.Context(), p, "shop-1", c)
			if tc.reason == "" {
				if problem != nil || !errors.Is(err, tc.err) {
					t.Errorf("%v, %v", problem, err)
				}
				return
			}
			if err != nil || problem == nil || problem.Status != tc.status || problem.Reason != tc.reason || retryOf(problem, nil) != tc.again {
				t.Errorf("%+v, %v", problem, err)
			}
		})
	}
}

// After a restart all tenants of a product that takes long wait, and most of them stand as they should.
func TestATenantThatWaitsForItsTurnIsWhatItWas(t *testing.T) {
	provisioned := salestest.Condition(v1alpha1.ConditionProvisioned, "True", v1alpha1.ReasonProvisioned)
	observed := func(generation int64) salestest.InstanceChange {
		return func(mpi *v1alpha1.MarketplaceInstance) {
			mpi.Generation, mpi.Status.ObservedGeneration = 2, ptr.To(generation)
		}
	}
	waits, err := renderProblem(render.ErrBusy)
	if err != nil {
		t.Fatal(err)
	}
	paused, err := renderProblem(&render.LimitError{Exceeded: render.Time, Paused: true})
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		mpi     *v1alpha1.MarketplaceInstance
		pin     string
		problem *report.Verdict
		said    bool
	}{
		"it stands as it should":           {salestest.Sale(provisioned, observed(2)), "shop-1", waits, false},
		"its template is paused":           {salestest.Sale(provisioned, observed(2)), "shop-1", paused, false},
		"it was changed meanwhile":         {salestest.Sale(provisioned, observed(1)), "shop-1", waits, true},
		"it is on another revision":        {salestest.Sale(provisioned, observed(2)), "shop-0", waits, true},
		"it was not there yet":             {salestest.Sale(observed(2)), "", waits, true},
		"it does not wait, but is refused": {salestest.Sale(provisioned, observed(2)), "shop-1", report.Problem("RenderFailed", "no"), true},
	} {
		t.Run(name, func(t *testing.T) {
			p := &pass{Sale: sale.Sale{Instance: tc.mpi}, now: salestest.Day(0), pin: tc.pin, target: "shop-1"}
			var o outcome
			sets{nextProblem: tc.problem}.fail(p, &o)
			if (o.problem != nil) != tc.said || !tc.said && !o.again.Equal(p.now.Add(tc.problem.After)) {
				t.Errorf("%v is said, and it is looked at again at %s", o.problem, o.again)
			}
		})
	}
}

// A tenant that is moved while its own revision waits can't be taken back, and no hook runs before. One that can't be rendered for good
// is moved, for the next revision may be what puts it right.
func TestATenantWhoseOwnRevisionWaitsIsNotMoved(t *testing.T) {
	product := salestest.Product()
	c := storedRevision(t, product) // which has no product, so that a move ends where it is looked for
	for name, tc := range map[string]struct {
		err   error
		moves bool
	}{
		"it waits for its turn": {render.ErrBusy, false},
		"there is no worker":    {render.ErrUnavailable, false},
		"it is paused":          {&render.LimitError{Exceeded: render.Time, Paused: true}, true},
		"it takes too much":     {&render.LimitError{Exceeded: render.Time}, true},
		"it has a mistake":      {errors.New("no"), true},
		"it can't be read":      {revision.ErrUnreadable, true},
	} {
		t.Run(name, func(t *testing.T) {
			r := &Reconciler{APIReader: c, Permissions: salestest.Permissions(), Revisions: revision.NewCache(c, render.InProcess{})}
			namespace := &unstructured.Unstructured{}
			namespace.SetLabels(map[string]string{v1alpha1.RevisionLabel: "shop-0"})
			p := &pass{
				Sale: sale.Of(salestest.Sale(), product, protocol.Protocol{}, "tenant-acme-x"), memory: newMemory(), now: salestest.Day(0),
				secrets:  &revision.Secrets{Seed: make([]byte, revision.SeedBytes)},
				standing: tenant.Standing{Name: "tenant-acme-x", Namespace: namespace}, pin: "shop-0", target: "shop-1",
			}
			var s sets
			s.next, s.nextProblem, s.nextErr = r.renderRevision(t.Context(), p, "shop-1", c)
			if s.next == nil {
				t.Fatalf("%v, %v", s.nextProblem, s.nextErr)
			}
			if s.formerProblem, s.formerErr = renderProblem(tc.err); errors.Is(tc.err, revision.ErrUnreadable) {
				s.formerProblem, s.formerErr = nil, tc.err
			}
			var o outcome
			settled := r.shape(t.Context(), p, s, &o)
			if moves := apierrors.IsNotFound(o.err); moves != tc.moves || settled || p.pin != "shop-0" {
				t.Fatalf("it moves: %t, it is on %s, and settled is %t: %v", moves, p.pin, settled, o.err)
			}
			if tc.moves {
				return
			}
			if !o.again.Equal(p.now.Add(queue.RenderTurnRetry)) || (o.stuck == nil) == (o.err == nil) || o.problem != nil {
				t.Errorf("it is looked at again at %s; %v, %v, %v", o.again, o.stuck, o.problem, o.err)
			}
		})
	}
}

// storedRevision is an API server with the revision shop-1 of a product.
func storedRevision(t *testing.T, product *v1alpha1.MarketplaceProduct) client.Client {
	t.Helper()
	objects, err := revision.Objects(product, "shop-1", revision.Data{
		Content: revision.ContentOf(product, revision.Material{}), CutAt: salestest.Day(0), Capabilities: template.Capabilities{KubeVersion: "v1.37.2"},
	})
	if err != nil {
		t.Fatal(err)
	}
	stored := fake.NewClientBuilder().WithScheme(salestest.NewTestScheme(t))
	for _, object := range objects {
		stored = stored.WithObjects(object)
	}
	return stored.Build()
}

// A tenant is rendered in each pass in which something has changed. That its buyer's name has an apostrophe costs it more once.
func TestABuyersTextIsNotCheckedInEachPass(t *testing.T) {
	product := salestest.Product(salestest.Values(`{"greeting": "{{ .attributes.company }}"}`))
	c, renders := storedRevision(t, product), 0
	r := &Reconciler{APIReader: c, Permissions: salestest.Permissions(), Revisions: revision.NewCache(c, counting{renders: &renders})}
	memory := newMemory()
	pass := func(company string, want int) {
		t.Helper()
		mpi := salestest.Sale(func(mpi *v1alpha1.MarketplaceInstance) {
			mpi.Spec.Subscription.Attributes = []v1alpha1.Attribute{{Name: "company", Value: ptr.To(company)}}
		})
		p := &pass{
			Sale: sale.Of(mpi, product, protocol.Protocol{}, "tenant-acme-x"), memory: memory, secrets: &revision.Secrets{Seed: make([]byte, revision.SeedBytes)},
		}
		renders = 0
		made, problem, err := r.renderRevision(t.Context(), p, "shop-1", client.Reader(c))
		if made == nil || problem != nil || err != nil {
			t.Fatalf("%s: %v, %v", company, problem, err)
		}
		if renders != want {
			t.Errorf("%s: %d renderings, want %d", company, renders, want)
		}
	}
	pass("Sons", 1)
	pass("O'Neil & Sons", 3)
	pass("O'Neil & Sons", 1)
	pass("O'Neil & Sons", 1)
	pass("O'Neil & Daughters", 3)
	pass("Huawei Technologies Co., Ltd.", 3)
	pass("Huawei Technologies Co., Ltd.", 1)
}
