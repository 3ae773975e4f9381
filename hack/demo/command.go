package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// errorLines is how many of a failed program's last lines its error shows.
const errorLines = 15

// command is a program that runs to its end.
type command struct {
	dir  string    // working folder; the repository when empty
	env  []string  // variables beside our own
	live io.Writer // shows the output while the program runs; nil for none
	args []string
}

// runCommand returns what the program wrote to stdout, also when it fails. The error shows its last lines.
func (d *demo) runCommand(ctx context.Context, c command) (string, error) {
	cmd := exec.CommandContext(ctx, c.args[0], c.args[1:]...)
	cmd.Dir = c.dir
	if cmd.Dir == "" {
		cmd.Dir = d.paths.root
	}
	cmd.Env = append(os.Environ(), c.env...)
	// A session of its own: an interrupt at the terminal reaches it through us, and once.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	// It is asked to end and not killed: a half-started control plane cleans up after itself.
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 20 * time.Second

	var stdout bytes.Buffer
	everything := &shared{live: c.live}
	cmd.Stdout, cmd.Stderr = io.MultiWriter(&stdout, everything), everything
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("running %s: %w\n%s", filepath.Base(c.args[0]), err, lastLines(everything.written.String(), errorLines))
	}
	return stdout.String(), nil
}

// shared keeps what stdout and stderr write at the same time, and shows it where somebody looks.
type shared struct {
	mutex   sync.Mutex
	written bytes.Buffer
	live    io.Writer
}

func (s *shared) Write(part []byte) (int, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.live != nil {
		if _, err := s.live.Write(part); err != nil {
			return 0, err
		}
	}
	return s.written.Write(part)
}

// lastLines are at most n lines from the end of a text.
func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
