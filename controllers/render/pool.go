package render

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"sync"

	"github.com/stallkeeper/stallkeeper/controllers/template"
)

const (
	// maxWorkers bounds a pool.
	maxWorkers = 64
	// longPart is the part of its time from which on a rendering takes long.
	longPart = 5
)

// Renderer loads templates and evaluates values. A *Pool is one, and so is InProcess.
type Renderer interface {
	// Load checks all of a source that does not depend on values, as template.Parse.
	Load(ctx context.Context, src template.Source) (Template, error)
	// EvaluateValues is template.EvaluateValues.
	EvaluateValues(ctx context.Context, values, scope map[string]any) (map[string]any, error)
	// EvaluateString is template.EvaluateString.
	EvaluateString(ctx context.Context, name, text string, scope map[string]any) (string, error)
}

// Template is a loaded source. It is safe for concurrent use.
type Template interface {
	// Render is the Render of template.Template. Errors that wrap ErrRenderLimit say that it took too much; those that wrap
	// ErrUnavailable are no fault of the template's and pass.
	Render(ctx context.Context, in template.Inputs) (template.Output, error)
}

// ErrTemplate: a source can't be loaded, today as ever. Errors of Load wrap it if they are the source's own mistake.
var ErrTemplate = errors.New("the template has a mistake")

// mistake is an error of a source, in its own words.
type mistake struct{ error }

func (m mistake) Unwrap() []error { return []error{m.error, ErrTemplate} }

// ErrUnavailable: no worker could be started or spoken to. It may pass.
var ErrUnavailable = errors.New("rendering is temporarily unavailable")

// Pool is a few workers. Make it with NewPool, and Close it.
type Pool struct {
	command func() *exec.Cmd
	limits  Limits
	// turns are the places of the workers that run; idle are the workers that wait for work.
	turns  *turns
	past   *past
	mu     sync.Mutex
	idle   []*worker
	closed bool
	// started counts the workers that were started.
	started int
}

// NewPool is a pool of at most size workers, which are started when they are needed. The command is one that runs Serve with the
// same limits over its standard input and output; it gets no more of the environment than it brings.
func NewPool(command func() *exec.Cmd, size int, limits Limits) *Pool {
	return &Pool{command: command, limits: limits.orDefault(), turns: newTurns(min(max(size, 1), maxWorkers)), past: newPast()}
}

// Load implements Renderer.
func (p *Pool) Load(ctx context.Context, src template.Source) (Template, error) {
	t := &pooled{pool: p, src: src, digest: digestOf(src)}
	answer, err := p.ask(ctx, request{Digest: t.digest}, &t.src)
	if answer.Error != nil {
		return nil, mistake{err}
	}
	if err != nil {
		return nil, err
	}
	return t, nil
}

// EvaluateValues implements Renderer.
func (p *Pool) EvaluateValues(ctx context.Context, values, scope map[string]any) (map[string]any, error) {
	asked := request{Evaluates: true}
	var first, second error
	asked.Values, first = json.Marshal(values)
	asked.Scope, second = json.Marshal(scope)
	if first != nil || second != nil {
		return nil, errNoJSON
	}
	answer, err := p.ask(ctx, asked, nil)
	if err != nil {
		return nil, err
	}
	return template.DecodeValues(answer.Values)
}

// EvaluateString implements Renderer.
func (p *Pool) EvaluateString(ctx context.Context, name, text string, scope map[string]any) (string, error) {
	raw, err := json.Marshal(scope)
	if err != nil {
		return "", errNoJSON
	}
	answer, err := p.ask(ctx, request{Evaluates: true, Name: name, Text: text, Scope: raw}, nil)
	if err != nil {
		return "", err
	}
	return answer.Text, nil
}

// Close ends the workers that wait for work; the others end with what they are at.
func (p *Pool) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, w := range p.idle {
		w.end()
	}
	p.idle = nil
}

type pooled struct {
	pool   *Pool
	src    template.Source
	digest string
}

// Render implements Template.
func (t *pooled) Render(ctx context.Context, in template.Inputs) (template.Output, error) {
	wire, err := wireInputsOf(in)
	if err != nil {
		return template.Output{}, err
	}
	answer, err := t.pool.ask(ctx, request{Digest: t.digest, Inputs: wire}, &t.src)
	if err != nil || answer.Output == nil {
		return template.Output{}, err
	}
	return answer.Output.output()
}

func digestOf(src template.Source) string {
	sum := sha256.New()
	fmt.Fprintf(sum, "%d/", len(src.Chart))
	sum.Write(src.Chart)
	fmt.Fprintf(sum, "%d/%s", len(src.Inline), src.Inline)
	for _, name := range slices.Sorted(maps.Keys(src.Files)) {
		fmt.Fprintf(sum, "%d/%s%d/%s", len(name), name, len(src.Files[name]), src.Files[name])
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// ask has a request answered, by a worker that has the source or gets it.
func (p *Pool) ask(ctx context.Context, asked request, src *template.Source) (response, error) {
	raw, err := json.Marshal(asked)
	if err != nil {
		return response{}, errors.New("the inputs can't be encoded as JSON")
	}
	of, caller := renderingOf(raw, asked, callerOf(ctx)), callerOf(ctx)
	if known := p.past.known(of); known != nil {
		return response{}, known
	}
	if err := caller.Budget.Err(); err != nil {
		return response{}, err
	}
	turn, err := p.turns.take(ctx, of, func() bool { return p.past.byLane(of) })
	if err != nil {
		return response{}, err
	}
	defer p.turns.give(turn)
	answer, err := p.tried(ctx, asked, src)
	limit := &LimitError{}
	switch {
	case errors.As(err, &limit):
		caller.Budget.take(p.limits.Time)
		p.past.tooMuch(of, limit)
		p.turns.nowSlow(of.source)
	case err == nil:
		long := answer.Took >= p.limits.Time/longPart
		caller.Budget.take(answer.Took)
		p.past.done(of, long)
		if long {
			p.turns.nowSlow(of.source)
		}
		err = answer.Error.error()
	}
	return answer, err
}

// renderingOf is a request as far as it matters to others. Who calls for nobody calls for what he asks.
func renderingOf(raw []byte, asked request, caller Caller) rendering {
	sum := sha256.Sum256(raw)
	of := rendering{key: hex.EncodeToString(sum[:]), source: asked.source(), product: caller.Product, tenant: caller.Tenant}
	of.check = of.product != "" && of.tenant == ""
	of.product, of.tenant = cmp.Or(of.product, of.source), cmp.Or(of.tenant, of.key)
	return of
}

// tried is the answer of a worker, or of a second one where the first says nothing of the template.
func (p *Pool) tried(ctx context.Context, asked request, src *template.Source) (response, error) {
	answer, mixed, err := p.answered(ctx, asked, src, false)
	limit := &LimitError{}
	switch isLimit := errors.As(err, &limit); {
	case isLimit && limit.Exceeded == Memory && mixed:
		// It had worked for others, whose templates it kept.
		answer, _, err = p.answered(ctx, asked, src, true)
	case isLimit && limit.Exceeded == Crashed, errors.Is(err, ErrUnavailable):
		// It says nothing of why. A worker may have been killed from outside, before or during its work.
		answer, _, err = p.answered(ctx, asked, src, false)
	}
	return answer, err
}

// answered takes a worker for a request; a fresh one is started for it. mixed says that the worker has had other sources as well.
func (p *Pool) answered(ctx context.Context, asked request, src *template.Source, fresh bool) (answer response, mixed bool, err error) {
	w, err := p.take(fresh)
	if err != nil {
		return response{}, false, err
	}
	mixed = w.had(asked.source())
	// Not the caller's context: a worker that is killed because its caller lost interest would have to be started again.
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.limits.deadline())
	defer cancel()
	answer, err = w.ask(limited, asked)
	if err == nil && answer.Unknown && src != nil {
		asked.Source = src
		answer, err = w.ask(limited, asked)
	}
	if err != nil {
		return response{}, mixed, w.cause(limited, p.limits, err)
	}
	p.put(w)
	return answer, mixed, nil
}

// take gives a worker to whose turn it is. For a fresh one, one that waits for work makes room.
func (p *Pool) take(fresh bool) (*worker, error) {
	for {
		w, err := p.waiting()
		if err != nil {
			return nil, err
		}
		if w == nil {
			break
		}
		if !fresh && !w.gone() {
			return w, nil
		}
		w.end()
		if fresh {
			break
		}
	}
	p.mu.Lock()
	p.started++
	p.mu.Unlock()
	w, err := start(p.command())
	if err != nil {
		return nil, fmt.Errorf("%w: starting a worker: %w", ErrUnavailable, err)
	}
	return w, nil
}

// waiting is the worker that came back last, whose memory is warm; nil if there is none.
func (p *Pool) waiting() (*worker, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, fmt.Errorf("%w: the pool is closed", ErrUnavailable)
	}
	if len(p.idle) == 0 {
		return nil, nil //nolint:nilnil // then one is started
	}
	w := p.idle[len(p.idle)-1]
	p.idle = p.idle[:len(p.idle)-1]
	return w, nil
}

// put gives a worker back.
func (p *Pool) put(w *worker) {
	p.mu.Lock()
	if p.closed {
		w.end()
	} else {
		p.idle = append(p.idle, w)
	}
	p.mu.Unlock()
}
