package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// endGrace is how long a process gets to end by itself.
const endGrace = 10 * time.Second

// process is a started process, as it is written to disk. Its command line is kept with its id: after a reboot the id
// alone may belong to somebody else, who must not be signalled.
type process struct {
	Name string   `json:"name"`
	PID  int      `json:"pid"`
	Args []string `json:"args"`

	// ended is closed when a process that this demo has started ends; nil for one that was read from disk.
	ended chan struct{}
}

// record is what a demo has to end, and what the next one ends if this one could not.
type record struct {
	StartedCluster bool      `json:"startedCluster"`
	Processes      []process `json:"processes"`
}

func readRecord(path string) (record, error) {
	var r record
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(content, &r); err != nil {
		return r, fmt.Errorf("%s is damaged: end what it names by hand, then remove it: %w", path, err)
	}
	return r, nil
}

func (r record) write(path string) error {
	content, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(content, '\n'), 0o600)
}

// start runs a program in the background, with its output in a log, and notes it before anything else can go wrong.
// env is its whole environment.
func (d *demo) start(name string, env []string, args ...string) (process, error) {
	log, err := os.OpenFile(d.paths.log(name), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return process{}, fmt.Errorf("opening the log of %s: %w", name, err)
	}
	defer log.Close()
	cmd := exec.Command(args[0], args[1:]...) //nolint:noctx // it outlives us with KEEP=1, and is ended by the record
	cmd.Dir, cmd.Env = d.paths.demo, env
	cmd.Stdout, cmd.Stderr = log, log
	// A session of its own: with KEEP=1 it outlives the terminal, and an interrupt reaches it through us.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return process{}, fmt.Errorf("starting %s: %w", name, err)
	}
	p := process{Name: name, PID: cmd.Process.Pid, Args: args, ended: make(chan struct{})}
	// Without it a process that ends would stay as a zombie.
	go func() {
		_ = cmd.Wait()
		close(p.ended)
	}()
	d.record.Processes = append(d.record.Processes, p)
	return p, d.record.write(d.paths.record())
}

// alive says whether the process still runs, and is still ours.
func (p process) alive() bool {
	if p.PID <= 0 || len(p.Args) == 0 {
		return false
	}
	if _, err := os.Stat("/proc/self/cmdline"); err == nil {
		line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", p.PID))
		return err == nil && slices.Equal(strings.Split(strings.TrimSuffix(string(line), "\x00"), "\x00"), p.Args)
	}
	// Where there is no /proc, as on macOS.
	line, err := exec.Command("ps", "-ww", "-o", "args=", "-p", strconv.Itoa(p.PID)).Output()
	return err == nil && strings.TrimSpace(string(line)) == strings.Join(p.Args, " ")
}

// hasEnded says whether a process that this demo has started has ended. In the moment after its start its command line is
// still empty, so that alive can't tell.
func (p process) hasEnded() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// stop asks the process to end, and kills it when it does not.
func (p process) stop(ctx context.Context) error {
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		if !p.alive() {
			return nil
		}
		if err := syscall.Kill(p.PID, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("ending %s (process %d): %w", p.Name, p.PID, err)
		}
		ended, cancel := context.WithTimeout(ctx, endGrace)
		for p.alive() && ended.Err() == nil {
			pause(ended, 20*time.Millisecond)
		}
		cancel()
	}
	if p.alive() {
		return fmt.Errorf("process %d of %s is still there after it was killed", p.PID, p.Name)
	}
	return nil
}

// pause waits a while, or until ctx ends.
func pause(ctx context.Context, length time.Duration) {
	timer := time.NewTimer(length)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// end ends what this demo started, the last first.
func (d *demo) end(ctx context.Context) error {
	var errs []error
	for _, p := range slices.Backward(d.record.Processes) {
		errs = append(errs, p.stop(ctx))
	}
	if d.record.StartedCluster {
		errs = append(errs, d.controlplane(ctx, "down", nil))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("ending what was started: %w", err)
	}
	d.record = record{}
	// Addresses and keys of what is gone would only mislead.
	for _, path := range []string{d.paths.env(), d.paths.record()} {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// cleanEarlier ends what an earlier demo left running, because of KEEP=1 or because it was killed.
func (d *demo) cleanEarlier(ctx context.Context) error {
	var err error
	if d.record, err = readRecord(d.paths.record()); err != nil {
		return err
	}
	if len(d.record.Processes) == 0 && !d.record.StartedCluster {
		return nil
	}
	d.out.line("Ending what an earlier demo left running.")
	// The program that ends the control plane may not be there any more.
	if d.record.StartedCluster {
		if _, err := d.runCommand(ctx, command{args: []string{"go", "-C", "hack/controlplane", "build", "-o", d.paths.controlplane(), "."}}); err != nil {
			return err
		}
	}
	return d.end(ctx)
}
