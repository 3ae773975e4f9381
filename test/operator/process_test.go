package operator_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/stallkeeper/stallkeeper/test/chart"
)

// paths are where things lie.
type paths struct {
	root         string // the repository
	dir          string // of this run
	stallkeeper  string // the operator, built for this run
	controlplane string // the program that owns the control plane, built for this run
}

func newPaths(dir string) (paths, error) {
	root, err := filepath.Abs(chart.Root())
	return paths{
		root: root, dir: dir, stallkeeper: filepath.Join(dir, "stallkeeper"), controlplane: filepath.Join(dir, "controlplane"),
	}, err
}

func (p paths) binaries() string   { return filepath.Join(p.root, "bin", "controlplane") }
func (p paths) kubectl() string    { return filepath.Join(p.binaries(), "kubectl") }
func (p paths) cluster() string    { return filepath.Join(p.dir, "cluster") }
func (p paths) kubeconfig() string { return filepath.Join(p.cluster(), "kubeconfig") }

// build makes the two programs from the source as it is.
func build(ctx context.Context, p paths) error {
	for _, target := range []struct{ module, binary, pkg string }{
		{p.root, p.stallkeeper, "./cmd/stallkeeper"},
		{filepath.Join(p.root, "hack", "controlplane"), p.controlplane, "."},
	} {
		if _, err := run(ctx, target.module, []string{"CGO_ENABLED=0"},
			"go", "build", "-trimpath", "-buildvcs=false", "-o", target.binary, target.pkg); err != nil {
			return err
		}
	}
	return nil
}

// controlplane runs the program that owns the control plane. It builds what is missing from its own module, so it runs in it.
func controlplane(ctx context.Context, p paths, verb string) error {
	_, err := run(ctx, filepath.Join(p.root, "hack", "controlplane"), nil,
		p.controlplane, verb, "--bin", p.binaries(), "--dir", p.cluster())
	return err
}

// run runs a program to its end and returns its stdout, also when it fails. env is beside our own environment.
func run(ctx context.Context, dir string, env []string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	// Asked to end and not killed: a control plane that is half started cleans up after itself.
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 20 * time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("running %s %s: %w\n%s", filepath.Base(args[0]), args[1], err, stderr.String())
	}
	return stdout.String(), nil
}

// process is a process of the operator.
type process struct {
	name  string
	args  []string
	env   []string
	log   string // path
	cmd   *exec.Cmd
	ended chan struct{} // closed once it has ended
}

// newProcess starts a program in the background. env is its whole environment.
func newProcess(dir, name string, env []string, args ...string) (*process, error) {
	p := &process{name: name, args: args, env: env, log: filepath.Join(dir, name+".log")}
	return p, p.start()
}

// start starts the program, with its output at the end of the log.
func (p *process) start() error {
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("opening the log of %s: %w", p.name, err)
	}
	defer log.Close()
	cmd := exec.Command(p.args[0], p.args[1:]...)
	cmd.Dir, cmd.Env = filepath.Dir(p.log), p.env
	cmd.Stdout, cmd.Stderr = log, log
	// A group of its own: an interrupt at the terminal reaches it through us, after the specs were told.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting %s: %w", p.name, err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	p.cmd, p.ended = cmd, ended
	return nil
}

func (p *process) alive() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// stop asks the process to end, and kills it when it does not.
func (p *process) stop(ctx context.Context) error {
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		if !p.alive() {
			return nil
		}
		// It may have ended in this moment.
		_ = p.cmd.Process.Signal(sig)
		waiting, cancel := context.WithTimeout(ctx, 10*time.Second)
		select {
		case <-p.ended:
		case <-waiting.Done():
		}
		cancel()
	}
	if p.alive() {
		return fmt.Errorf("%s (process %d) is still there after it was killed", p.name, p.cmd.Process.Pid)
	}
	return nil
}

// text is the whole log.
func (p *process) text() string {
	content, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return string(content)
}

func (p *process) endOfLog() string {
	const most = 25
	lines := strings.Split(strings.TrimSpace(p.text()), "\n")
	return strings.Join(lines[max(0, len(lines)-most):], "\n")
}

// untilReady waits until the probe answers, or the process has ended.
func (p *process) untilReady(ctx context.Context, health string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+health+"/readyz", http.NoBody)
		if err != nil {
			return err
		}
		if answer, err := http.DefaultClient.Do(req); err == nil {
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-p.ended:
			return fmt.Errorf("%s has ended by itself:\n%s", p.name, p.endOfLog())
		case <-ctx.Done():
			return fmt.Errorf("%s does not become ready:\n%s", p.name, p.endOfLog())
		case <-tick.C:
		}
	}
}

// freePorts finds addresses on 127.0.0.1 that nobody listens on.
func freePorts(n int) ([]string, error) {
	addresses := make([]string, 0, n)
	for range n {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("looking for a free port: %w", err)
		}
		// Closed only when all are found, or the same one would be found again.
		defer listener.Close()
		addresses = append(addresses, listener.Addr().String())
	}
	return addresses, nil
}
