package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// Escape sequences of a terminal.
const (
	bold  = "\x1b[1m"
	faint = "\x1b[2m"
	red   = "\x1b[31m"
	green = "\x1b[32m"
	plain = "\x1b[0m"
)

// printer writes for people. Its methods are called by one goroutine at a time.
type printer struct {
	out    io.Writer
	colors bool
}

// newPrinter colors only what a person sees: not files, not pipes, and not where NO_COLOR is set.
func newPrinter(out *os.File) *printer {
	info, err := out.Stat()
	terminal := err == nil && info.Mode()&os.ModeCharDevice != 0
	return &printer{out: out, colors: terminal && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"}
}

func (p *printer) colored(color, text string) string {
	if !p.colors {
		return text
	}
	return color + text + plain
}

// title begins a part.
func (p *printer) title(text string) {
	fmt.Fprintf(p.out, "\n%s\n", p.colored(bold, text))
}

// step begins one of the preparations.
func (p *printer) step(number, of int, text string) {
	fmt.Fprintf(p.out, "%s %s\n", p.colored(bold, fmt.Sprintf("[%d/%d]", number, of)), text)
}

// took ends a preparation.
func (p *printer) took(duration time.Duration) {
	p.line("%s", p.colored(faint, fmt.Sprintf("%.1f s", duration.Seconds())))
}

// line writes one line, a step to the right.
func (p *printer) line(format string, args ...any) {
	fmt.Fprintf(p.out, "  "+format+"\n", args...)
}

// called says what the marketplace did and what it was answered.
func (p *printer) called(text, answer string) {
	p.line("%s %s %s", p.colored(bold, "KooGallery:"), text, p.colored(faint, "-> "+answer))
}

// true says what came true.
func (p *printer) true(format string, args ...any) {
	p.line("%s %s", p.colored(green, "ok"), fmt.Sprintf(format, args...))
}

// block writes another's lines as they are.
func (p *printer) block(text string) {
	for line := range strings.Lines(strings.Trim(text, "\n")) {
		fmt.Fprintf(p.out, "     %s\n", strings.TrimRight(line, "\n"))
	}
}

// commands writes lines to copy.
func (p *printer) commands(lines ...string) {
	for _, line := range lines {
		fmt.Fprintf(p.out, "    %s\n", line)
	}
}

// indented passes on what a program writes, each line a step to the right.
type indented struct {
	out    io.Writer
	inside bool // in a line that has begun
}

func (i *indented) Write(part []byte) (int, error) {
	var text strings.Builder
	for line := range strings.Lines(string(part)) {
		if !i.inside {
			text.WriteString("  ")
		}
		text.WriteString(line)
		i.inside = !strings.HasSuffix(line, "\n")
	}
	if _, err := io.WriteString(i.out, text.String()); err != nil {
		return 0, err
	}
	return len(part), nil
}

// failure ends the output of a run that did not come true.
func (p *printer) failure(err error) {
	fmt.Fprintf(p.out, "\n%s %v\n", p.colored(red, "The demo failed:"), err)
}
