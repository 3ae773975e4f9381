package render

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"runtime/debug"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/stallkeeper/stallkeeper/controllers/template"
)

const (
	// maxParsed bounds the templates that a worker keeps.
	maxParsed = 16
	// Of its memory, all of them together take keptPart, and one that would take eachPart alone is not kept: what is kept is missing to
	// whoever is rendered next.
	keptPart = 4
	eachPart = 8
)

// Serve answers requests until the input ends or the context does. The error is nil at the end of the input. It limits the whole process,
// which is why it belongs in a process of its own.
func Serve(ctx context.Context, in io.Reader, out io.Writer, limits Limits) error {
	limits = limits.orDefault()
	if err := limitProcess(limits); err != nil {
		return err
	}
	s := &server{parsed: newTemplates(limits.Memory), limits: limits}
	from, to := bufio.NewReaderSize(in, 64<<10), bufio.NewWriterSize(out, 64<<10)
	for {
		var asked request
		if err := receive(from, &asked); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		answer, err := s.answer(ctx, asked)
		if err != nil {
			return err
		}
		if err := errors.Join(send(to, answer), to.Flush()); err != nil {
			return err
		}
	}
}

// limitProcess sets what the runtime and the system hold. The soft limit of memory is lower than the hard one, so that garbage is
// collected before the process is ended for it.
func limitProcess(limits Limits) error {
	debug.SetMaxStack(int(limits.Stack))
	debug.SetMemoryLimit(limits.Memory / 4 * 3)
	return limitMemory(limits.Memory)
}

// errTooLong is found by the pool in what the process writes at its end.
var errTooLong = errors.New("a rendering took too long")

type server struct {
	parsed *templates
	limits Limits
}

// templates are those that a worker keeps, the ones that were used last.
type templates struct {
	list              *lru.Cache[string, *template.Template]
	each, most, total int
}

func newTemplates(memory int64) *templates {
	t := &templates{each: int(memory / eachPart), most: int(memory / keptPart)}
	// It fails for a size below 1 alone.
	t.list, _ = lru.NewWithEvict(maxParsed, func(_ string, gone *template.Template) { t.total -= gone.Bytes() })
	return t
}

// keep keeps a template that is not there, and as few of the others as there is room for.
func (t *templates) keep(digest string, tmpl *template.Template) {
	bytes := tmpl.Bytes()
	if bytes > t.each {
		return
	}
	t.total += bytes
	t.list.Add(digest, tmpl)
	for t.total > t.most {
		t.list.RemoveOldest()
	}
}

// answer works on one request. The error says that it takes too long: a goroutine can't be stopped, so the process has to end.
func (s *server) answer(ctx context.Context, asked request) (response, error) {
	done := make(chan response, 1)
	began := processorTime()
	go func() { done <- s.work(asked) }()
	for ctx.Err() == nil {
		look, cancel := context.WithTimeout(ctx, s.limits.Time/20)
		select {
		case answer := <-done:
			cancel()
			answer.Took = processorTime() - began
			return answer, nil
		case <-look.Done():
			cancel()
		}
		if processorTime()-began >= s.limits.Time {
			return response{}, errTooLong
		}
	}
	return response{}, ctx.Err()
}

// work does it. A panic is the template's mistake like any other.
func (s *server) work(asked request) (answer response) {
	defer func() {
		if recover() != nil {
			answer = response{Error: &wireError{Text: "rendering failed with an unknown error; please report the template"}}
		}
	}()
	if asked.Evaluates {
		return evaluate(asked)
	}
	tmpl, known := s.parsed.list.Get(asked.Digest)
	switch {
	case !known && asked.Source == nil:
		return response{Unknown: true}
	case !known:
		var err error
		if tmpl, err = template.Parse(*asked.Source); err != nil {
			return response{Error: wireErrorOf(err)}
		}
		s.parsed.keep(asked.Digest, tmpl)
	}
	if asked.Inputs == nil {
		return response{}
	}
	in, err := asked.Inputs.inputs()
	if err != nil {
		return response{Error: wireErrorOf(err)}
	}
	out, err := tmpl.Render(in)
	if err != nil {
		return response{Error: wireErrorOf(err)}
	}
	wire, err := wireOutputOf(out)
	return response{Output: wire, Error: wireErrorOf(err)}
}

func evaluate(asked request) response {
	scope, err := template.DecodeValues(asked.Scope)
	if err != nil {
		return response{Error: wireErrorOf(err)}
	}
	if asked.Name != "" {
		text, err := template.EvaluateString(asked.Name, asked.Text, scope)
		return response{Text: text, Error: wireErrorOf(err)}
	}
	values, err := template.DecodeValues(asked.Values)
	if err == nil {
		values, err = template.EvaluateValues(values, scope)
	}
	if err != nil {
		return response{Error: wireErrorOf(err)}
	}
	raw, err := json.Marshal(values)
	return response{Values: raw, Error: wireErrorOf(err)}
}
