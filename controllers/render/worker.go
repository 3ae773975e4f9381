package render

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"sync"
)

// worker is a process that runs Serve.
type worker struct {
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *bufio.Reader
	errs *tail
	// ended is closed when the process has.
	ended chan struct{}
	// first is the source that it had first, and mixed says that it has had another one since.
	first string
	mixed bool
}

// had notes a source, and says whether it is not the only one that the worker has had.
func (w *worker) had(source string) (mixed bool) {
	if w.first == "" {
		w.first = source
	}
	w.mixed = w.mixed || w.first != source
	return w.mixed
}

// start starts a worker.
func start(cmd *exec.Cmd) (*worker, error) {
	w := &worker{cmd: cmd, errs: &tail{}, ended: make(chan struct{})}
	if cmd.Env == nil {
		cmd.Env = []string{"GOTRACEBACK=none"} // nil would be all of ours
	}
	cmd.Stderr = w.errs
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	w.in, w.out = in, bufio.NewReaderSize(out, 64<<10)
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = cmd.Wait() // how it ended is in what it wrote
		close(w.ended)
	}()
	return w, nil
}

// ask sends a request and waits for its answer. After an error the worker is of no use any more.
func (w *worker) ask(ctx context.Context, asked request) (response, error) {
	type reply struct {
		answer response
		err    error
	}
	got := make(chan reply, 1)
	go func() {
		var r reply
		if r.err = send(w.in, asked); r.err == nil {
			r.err = receive(w.out, &r.answer)
		}
		got <- r
	}()
	select {
	case r := <-got:
		return r.answer, r.err
	case <-ctx.Done():
		w.kill()
		<-got // its pipes are closed with it
		return response{}, ctx.Err()
	}
}

// cause ends a worker that did not answer, and says why it did not.
func (w *worker) cause(ctx context.Context, limits Limits, err error) error {
	w.kill()
	exceeded := w.errs.exceeded()
	switch {
	case exceeded != "":
		return &LimitError{Exceeded: exceeded, Limits: limits}
	case ctx.Err() != nil:
		return fmt.Errorf("%w: a rendering lasted %s without using its processor time: the controller's CPU limit or its node is too busy", ErrUnavailable,
			limits.deadline())
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return &LimitError{Exceeded: Crashed, Limits: limits}
	default:
		return fmt.Errorf("%w: a worker is not responding: %w", ErrUnavailable, err)
	}
}

// kill ends the process at once and waits for its end.
func (w *worker) kill() {
	_ = w.cmd.Process.Kill() // it may have ended already
	<-w.ended
}

// end lets the process end by itself, which it does at the end of its input.
func (w *worker) end() { _ = w.in.Close() }

// gone says whether the process has ended while it waited for work, or sent an answer that was not asked for.
func (w *worker) gone() bool {
	select {
	case <-w.ended:
		return true
	default:
		return w.out.Buffered() > 0
	}
}

// maxTail bounds what is read of a worker's standard error.
const maxTail = 8 << 10

// tail keeps the begin of what is written, where the runtime says why it ends a process.
type tail struct {
	mu   sync.Mutex
	text []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if room := maxTail - len(t.text); room > 0 {
		t.text = append(t.text, p[:min(room, len(p))]...)
	}
	return len(p), nil
}

// causes are the words of the runtime, and of Serve, for what was exceeded.
var causes = []struct {
	words    string
	exceeded Exceeded
}{
	{"stack overflow", Stack}, {"goroutine stack exceeds", Stack},
	{"out of memory", Memory}, {"cannot allocate memory", Memory}, {"failed to create new OS thread", Memory},
	{"a rendering took too long", Time},
}

// exceeded is what the process said; empty if nothing that is known. The text itself may hold a tenant's values and goes nowhere.
func (t *tail) exceeded() Exceeded {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, cause := range causes {
		if bytes.Contains(t.text, []byte(cause.words)) {
			return cause.exceeded
		}
	}
	return ""
}
