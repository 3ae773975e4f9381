package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Process is a started process, in the form that is written to disk.
type Process struct {
	Name string   `json:"name"` // what people call it, for example kube-apiserver
	PID  int      `json:"pid"`  // its id when it was started
	Args []string `json:"args"` // its command line; the first is the absolute path of its binary
	Log  string   `json:"log"`  // the file that its output is appended to
}

// Command is a process that is to be started.
type Command struct {
	Name string   // what people call it
	Args []string // its command line; the first is the absolute path of its binary
	Dir  string   // its working directory
	Log  string   // the file that its output is appended to

	// Inside is the id of a process in whose network, mounts and process ids it runs; 0 for those of this process. Linux only.
	Inside int
	// Attributes start it with namespaces of its own; it gets a session of its own when nil.
	Attributes *syscall.SysProcAttr
}

// Start runs args in the background with the folder dir as working directory.
func Start(name, dir, log string, args ...string) (Process, error) {
	return Command{Name: name, Args: args, Dir: dir, Log: log}.Start()
}

// Start runs the command in the background. The process has a session of its own, so that an interrupt at the terminal does
// not reach it. It returns as soon as the process can be found again.
func (c Command) Start() (Process, error) {
	out, err := os.OpenFile(c.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return Process{}, fmt.Errorf("opening the log of %s: %w", c.Name, err)
	}
	defer out.Close()
	args := Enter(c.Inside, c.Args...)
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = c.Dir
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = c.Attributes
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	}
	if err := cmd.Start(); err != nil {
		return Process{}, fmt.Errorf("starting %s: %w", c.Name, err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // without it, one that ends while we run would stay as a zombie
		close(ended)
	}()
	p, found := c.appears(cmd.Process.Pid, ended)
	if !found {
		return Process{}, errors.Join(fmt.Errorf("starting %s: it does not show the command line that it was started with", c.Name), cmd.Process.Kill())
	}
	return p, nil
}

// Enter is the command line that runs args inside the namespaces of a process; args itself for the process 0.
func Enter(inside int, args ...string) []string {
	if inside == 0 {
		return args
	}
	return append([]string{"nsenter", "--target", strconv.Itoa(inside), "--net", "--mount", "--pid", "--"}, args...)
}

// appears waits for the moment at which the kernel shows the new process's command line, a little after it exists: before,
// it would be taken for one that has ended. One that really ended at once has appeared, too; Alive tells.
func (c Command) appears(started int, ended <-chan struct{}) (Process, bool) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	deadline := time.After(10 * time.Second)
	p := Process{Name: c.Name, PID: started, Args: c.Args, Log: c.Log}
	for {
		if c.Inside != 0 {
			p.PID = childOf(started)
		}
		if p.Alive() {
			return p, true
		}
		select {
		case <-ended:
			return p, true
		case <-deadline:
			return p, false
		case <-tick.C:
		}
	}
}

// childOf is the id of a process's only child, as nsenter has one when it enters other process ids; 0 when there is none.
func childOf(pid int) int {
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return 0
	}
	child, err := strconv.Atoi(strings.TrimSpace(string(children)))
	if err != nil {
		return 0
	}
	return child
}

// Alive says whether the process still runs, and is still ours.
func (p Process) Alive() bool {
	if p.PID <= 0 || len(p.Args) == 0 {
		return false
	}
	if _, err := os.Stat("/proc/self/cmdline"); err == nil {
		return p.inProc()
	}
	return p.inPS()
}

// inProc compares with what Linux knows. A zombie has an empty command line and counts as ended.
func (p Process) inProc() bool {
	cmdline, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", p.PID))
	if err != nil {
		return false
	}
	return slices.Equal(strings.Split(strings.TrimSuffix(string(cmdline), "\x00"), "\x00"), p.Args)
}

// inPS does the same where there is no /proc, as on macOS.
func (p Process) inPS() bool {
	line, err := exec.Command("ps", "-ww", "-o", "args=", "-p", strconv.Itoa(p.PID)).Output()
	return err == nil && strings.TrimSpace(string(line)) == strings.Join(p.Args, " ")
}

// Stop ends the processes: all are asked, and those that have not ended within grace, or when ctx ends, are killed. It
// returns when none of them is alive; one that is not alive at the start is left alone.
func Stop(ctx context.Context, grace time.Duration, processes ...Process) error {
	if err := signal(processes, syscall.SIGTERM); err != nil {
		return err
	}
	asked, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	if gone(asked, processes) {
		return nil
	}
	if err := signal(processes, syscall.SIGKILL); err != nil {
		return err
	}
	// A killed process is gone within a moment, unless the kernel itself is stuck in it.
	killed, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if gone(killed, processes) {
		return nil
	}
	for _, p := range processes {
		if p.Alive() {
			return fmt.Errorf("ending %s: process %d is still there after it was killed", p.Name, p.PID)
		}
	}
	return nil
}

// signal sends to those that are alive; one that ended a moment ago is no error.
func signal(processes []Process, sig syscall.Signal) error {
	var errs []error
	for _, p := range processes {
		if !p.Alive() {
			continue
		}
		if err := syscall.Kill(p.PID, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
			errs = append(errs, fmt.Errorf("ending %s (process %d): %w", p.Name, p.PID, err))
		}
	}
	return errors.Join(errs...)
}

// gone waits until no process is alive, or ctx ends.
func gone(ctx context.Context, processes []Process) bool {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for slices.ContainsFunc(processes, Process.Alive) {
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
	return true
}
