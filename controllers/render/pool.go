package render

import (
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
	"time"

	"github.com/hashicorp/golang-lru/v2/expirable"

	"github.com/stallkeeper/stallkeeper/controllers/template"
)

const (
	// maxRemembered bounds the renderings that are remembered as too much, rememberedFor how long they are.
	maxRemembered = 1024
	rememberedFor = 10 * time.Minute
	// maxWorkers bounds a pool.
	maxWorkers = 64
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

// ErrUnavailable: no worker could be started or spoken to. It may pass.
var ErrUnavailable = errors.New("rendering is temporarily unavailable")

// Pool is a few workers. Make it with NewPool, and Close it.
type Pool struct {
	command func() *exec.Cmd
	limits  Limits
	// places holds a token for each worker that may run; idle are those that wait for work.
	places chan struct{}
	mu     sync.Mutex
	idle   []*worker
	closed bool
	// started counts the workers that were started.
	started int
	// overran are the renderings that took too much, by the digest of source and inputs; suspects are the sources of them. Whoever
	// renders one of the suspects holds the lane's only token, so that all of them together take one worker.
	overran  *expirable.LRU[string, *LimitError]
	suspects *expirable.LRU[string, struct{}]
	lane     chan struct{}
}

// NewPool is a pool of at most size workers, which are started when they are needed. The command is one that runs Serve with the
// same limits over its standard input and output; it gets no more of the environment than it brings.
func NewPool(command func() *exec.Cmd, size int, limits Limits) *Pool {
	return &Pool{
		command: command, limits: limits.orDefault(), places: make(chan struct{}, min(max(size, 1), maxWorkers)),
		overran:  expirable.NewLRU[string, *LimitError](maxRemembered, nil, rememberedFor),
		suspects: expirable.NewLRU[string, struct{}](maxRemembered, nil, rememberedFor),
		lane:     make(chan struct{}, 1),
	}
}

// Load implements Renderer.
func (p *Pool) Load(ctx context.Context, src template.Source) (Template, error) {
	t := &pooled{pool: p, src: src, digest: digestOf(src)}
	_, err := p.ask(ctx, request{Digest: t.digest}, &t.src)
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
	return answer.Text, err
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
	sum := sha256.Sum256(raw)
	key := hex.EncodeToString(sum[:])
	if known, ok := p.overran.Get(key); ok {
		return response{}, known
	}
	source := asked.source()
	if p.suspects.Contains(source) {
		select {
		case p.lane <- struct{}{}:
			defer func() { <-p.lane }()
		case <-ctx.Done():
			return response{}, ctx.Err()
		}
	}
	answer, err := p.answered(ctx, asked, src)
	var limit *LimitError
	if errors.As(err, &limit) && limit.Exceeded == Crashed || errors.Is(err, ErrUnavailable) {
		// It says nothing of why. A worker may have been killed from outside, before or during its work, so that the template gets
		// another one.
		answer, err = p.answered(ctx, asked, src)
	}
	if errors.As(err, &limit) {
		p.overran.Add(key, limit)
		p.suspects.Add(source, struct{}{})
	}
	if err != nil {
		return response{}, err
	}
	return answer, answer.Error.error()
}

// answered takes a worker for a request.
func (p *Pool) answered(ctx context.Context, asked request, src *template.Source) (response, error) {
	w, err := p.take(ctx)
	if err != nil {
		return response{}, err
	}
	// Not the caller's context: a worker that is killed because its caller lost interest would have to be started again.
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.limits.deadline())
	defer cancel()
	answer, err := w.ask(limited, asked)
	if err == nil && answer.Unknown && src != nil {
		asked.Source = src
		answer, err = w.ask(limited, asked)
	}
	if err != nil {
		<-p.places
		return response{}, w.cause(limited, p.limits, err)
	}
	p.put(w)
	return answer, nil
}

// take waits for a place and gives a worker for it.
func (p *Pool) take(ctx context.Context) (*worker, error) {
	select {
	case p.places <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("waiting for a worker: %w", ctx.Err())
	}
	for {
		w, err := p.waiting()
		if err != nil {
			<-p.places
			return nil, err
		}
		if w == nil {
			break
		}
		if !w.gone() {
			return w, nil
		}
		w.end()
	}
	p.mu.Lock()
	p.started++
	p.mu.Unlock()
	w, err := start(p.command())
	if err != nil {
		<-p.places
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
	<-p.places
}
