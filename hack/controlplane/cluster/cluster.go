package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/stallkeeper/stallkeeper/hack/controlplane/lock"
	"github.com/stallkeeper/stallkeeper/hack/controlplane/process"
)

// grace is how long processes get to end by themselves. It is enough for requests in flight; the API server would wait
// for a minute for clients that hold their connections open.
const grace = 2 * time.Second

// Cluster is a cluster that may or may not run.
type Cluster struct {
	Bin  string    // absolute path of the folder with the binaries
	Dir  string    // absolute path of the folder with all that belongs to the cluster
	Self string    // path of this program, which is copied to be some of the processes; for Up only
	Out  io.Writer // gets a few lines for people

	// RealNode runs pods in containers of this machine, which takes Linux and root, instead of simulating them; for Up only.
	RealNode bool
	// Images are archives whose images the real node's pods can use; for Up only.
	Images []string
}

// Kubeconfig is the path of the cluster administrator's kubeconfig.
func (c Cluster) Kubeconfig() string { return filepath.Join(c.Dir, "kubeconfig") }

// Up starts the cluster and returns when it is ready. A ready one is left alone; of one that is not, the rest is
// removed first. When it fails, or ctx ends, no process is left, but the logs are.
func (c Cluster) Up(ctx context.Context) error {
	release, err := lock.Dir(ctx, c.Dir)
	if err != nil {
		return err
	}
	defer release()
	if c.healthy(ctx) == nil {
		fmt.Fprintln(c.Out, "The cluster is already running.")
		return c.greet()
	}
	began := time.Now()
	if err := c.clean(ctx); err != nil {
		return fmt.Errorf("cleaning up what is left of a cluster: %w", err)
	}
	if err := c.start(ctx); err != nil {
		return errors.Join(fmt.Errorf("starting the cluster: %w (logs: %s)", err, filepath.Join(c.Dir, "*.log")), c.stop(ctx))
	}
	fmt.Fprintf(c.Out, "The cluster is ready after %.1f s.\n", time.Since(began).Seconds())
	return c.greet()
}

// greet says how to reach the cluster.
func (c Cluster) greet() error {
	s, err := c.readState()
	if err != nil {
		return err
	}
	fmt.Fprintf(c.Out, "  export KUBECONFIG=%s\n", c.Kubeconfig())
	if s.RealNode {
		fmt.Fprintf(c.Out, "  nsenter --net=/proc/%d/ns/net %s get pods -A     # it has a network of its own\n", s.Holder, filepath.Join(c.Bin, "kubectl"))
	}
	return nil
}

// Down ends the cluster's processes, waits until they are gone, and removes the files. No cluster is no error.
func (c Cluster) Down(ctx context.Context) error {
	if _, err := os.Stat(c.Dir); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	release, err := lock.Dir(ctx, c.Dir)
	if err != nil {
		return err
	}
	defer release()
	return c.clean(ctx)
}

// Status prints the processes and whether the cluster is ready; if it is not, the error says why.
func (c Cluster) Status(ctx context.Context) error {
	s, err := c.readState()
	if err != nil {
		return err
	}
	if len(s.Processes) == 0 {
		return fmt.Errorf("no cluster in %s", c.Dir)
	}
	table := tabwriter.NewWriter(c.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "PROCESS\tID\tSTATE\tLOG")
	for _, p := range s.Processes {
		word := "ended"
		if p.Alive() {
			word = "running"
		}
		fmt.Fprintf(table, "%s\t%d\t%s\t%s\n", p.Name, p.PID, word, p.Log)
	}
	if err := errors.Join(table.Flush(), c.healthy(ctx)); err != nil {
		return err
	}
	fmt.Fprintln(c.Out, "Ready.")
	return c.greet()
}

// Stop ends one process and nothing else, such as "kube-apiserver" or "kubelet". Up then takes the cluster for half-dead.
func (c Cluster) Stop(ctx context.Context, name string) error {
	return c.with(ctx, name, func(_ *state, p *process.Process) error {
		return process.Stop(ctx, grace, *p)
	})
}

// Start starts a process again after Stop and waits until the API server answers. One that runs is left alone.
func (c Cluster) Start(ctx context.Context, name string) error {
	return c.with(ctx, name, func(s *state, p *process.Process) error {
		if !p.Alive() {
			started, err := process.Command{Name: p.Name, Dir: c.Dir, Log: p.Log, Args: p.Args, Inside: s.Holder}.Start()
			if err != nil {
				return err
			}
			*p = started
			if err := c.writeState(s); err != nil {
				return errors.Join(err, process.Stop(ctx, grace, started))
			}
		}
		return c.untilReady(ctx, s)
	})
}

// StopAPIServer is Stop of the API server.
func (c Cluster) StopAPIServer(ctx context.Context) error { return c.Stop(ctx, apiServer) }

// StartAPIServer is Start of the API server.
func (c Cluster) StartAPIServer(ctx context.Context) error { return c.Start(ctx, apiServer) }

// with finds the process in the state.
func (c Cluster) with(ctx context.Context, name string, do func(*state, *process.Process) error) error {
	release, err := lock.Dir(ctx, c.Dir)
	if err != nil {
		return err
	}
	defer release()
	s, err := c.readState()
	if err != nil {
		return err
	}
	for i := range s.Processes {
		if s.Processes[i].Name == name {
			return do(s, &s.Processes[i])
		}
	}
	return fmt.Errorf("no cluster with a process %s in %s", name, c.Dir)
}
