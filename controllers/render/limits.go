package render

import (
	"errors"
	"fmt"
	"strconv"
	"time"
)

// Limits bound one worker.
type Limits struct {
	// Time is the processor time that one rendering may take. The zero value means 10 seconds. On a machine that is busy with other things
	// it may last [patience] times as long.
	Time time.Duration
	// Memory is what a worker may have of it, in bytes. The zero value means 512 MiB.
	Memory int64
	// Stack is the largest stack, in bytes. The zero value means 64 MiB.
	Stack int64
}

// patience is how many times its processor time a rendering may last. What lasts longer says nothing about the template: the machine is busy.
const patience = 12

// deadline is how long a rendering may last.
func (l Limits) deadline() time.Duration { return patience * l.Time }

func (l Limits) orDefault() Limits {
	if l.Time <= 0 {
		l.Time = 10 * time.Second
	}
	if l.Memory <= 0 {
		l.Memory = 512 << 20
	}
	if l.Stack <= 0 {
		l.Stack = 64 << 20
	}
	return l
}

// ErrRenderLimit: a template took more than a rendering may. Errors that wrap it are *LimitError, and are final for the template
// and its inputs.
var ErrRenderLimit = errors.New("the template exceeds the rendering limits")

// Exceeded says which limit it was.
type Exceeded string

// The limits.
const (
	Time   Exceeded = "time"
	Memory Exceeded = "memory"
	Stack  Exceeded = "stack"
	// Crashed: the worker ended and did not say why.
	Crashed Exceeded = "crashed"
	// Together: it was one of several that may take so much time together.
	Together Exceeded = "together"
)

// LimitError is a rendering that overran.
type LimitError struct {
	Exceeded Exceeded
	// Limits are those that held.
	Limits Limits
	// Paused says that others of the same template have overrun, and this one was not tried.
	Paused bool
}

// Error says what was exceeded and what to do.
func (e *LimitError) Error() string {
	remedy := "look for unbounded growth, loops or recursion in the template, its values or its values.schema.json"
	if e.Paused {
		remedy = "it was so for several tenants of the product, and is tried again after a pause: " + remedy
	}
	switch e.Exceeded {
	case Time:
		return fmt.Sprintf("rendering was stopped after %s of processor time; %s", e.Limits.Time, remedy)
	case Memory:
		return fmt.Sprintf("rendering exceeds %d MiB of memory; %s", e.Limits.Memory>>20, remedy)
	case Stack:
		return fmt.Sprintf("rendering exceeds %d MiB of stack; %s", e.Limits.Stack>>20, remedy)
	case Together:
		return fmt.Sprintf("rendering all plans takes more than %s of processor time; %s", e.Limits.Time, remedy)
	default:
		return "rendering crashed its process; " + remedy
	}
}

// Unwrap makes it an ErrRenderLimit.
func (e *LimitError) Unwrap() error { return ErrRenderLimit }

// Args are the limits as flags of `stallkeeper render-worker`.
func (l Limits) Args() []string {
	l = l.orDefault()
	return []string{
		"--time=" + l.Time.String(), "--memory=" + strconv.FormatInt(l.Memory, 10), "--stack=" + strconv.FormatInt(l.Stack, 10),
	}
}
