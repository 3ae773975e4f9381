package process

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// start runs a process that would stay for a minute.
func start(t *testing.T, args ...string) Process {
	t.Helper()
	path, err := exec.LookPath(args[0])
	if err != nil {
		t.Fatal(err)
	}
	args[0] = path
	p, err := Start("test", t.TempDir(), filepath.Join(t.TempDir(), "log"), args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = Stop(t.Context(), 0, p) })
	return p
}

func TestStopEndsAProcess(t *testing.T) {
	p := start(t, "sleep", "60")
	if !p.Alive() || !p.inPS() {
		t.Fatalf("a process that was just started is alive: %t, for ps: %t", p.Alive(), p.inPS())
	}
	if err := Stop(t.Context(), time.Minute, p); err != nil {
		t.Fatal(err)
	}
	if p.Alive() || p.inPS() {
		t.Errorf("a stopped process is alive: %t, for ps: %t", p.Alive(), p.inPS())
	}
	if err := Stop(t.Context(), time.Minute, p); err != nil {
		t.Errorf("stopping it again: %v", err)
	}
}

func TestStopKillsOneThatDoesNotListen(t *testing.T) {
	p := start(t, "sh", "-c", "trap '' TERM; while :; do sleep 1; done")
	if err := Stop(t.Context(), 50*time.Millisecond, p); err != nil {
		t.Fatal(err)
	}
	if p.Alive() {
		t.Error("it is still alive")
	}
}

func TestStopLeavesOthersAlone(t *testing.T) {
	p := start(t, "sleep", "60")
	reused := Process{Name: "etcd", PID: p.PID, Args: []string{"/somewhere/etcd", "--data-dir=/elsewhere"}}
	if err := Stop(t.Context(), 0, reused, Process{}, Process{Name: "etcd", PID: os.Getpid(), Args: reused.Args}); err != nil {
		t.Fatal(err)
	}
	if !p.Alive() {
		t.Error("a process that only has the id of ours was ended")
	}
}

func TestStartOfSomethingMissing(t *testing.T) {
	if _, err := Start("etcd", t.TempDir(), filepath.Join(t.TempDir(), "log"), "/nowhere/etcd"); err == nil {
		t.Error("starting a binary that does not exist succeeds")
	}
}
