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
	Self string    // path of this program, which is copied to be the volume binder; for Up only
	Out  io.Writer // gets a few lines for people
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
		fmt.Fprintf(c.Out, "The cluster is already running.\n  export KUBECONFIG=%s\n", c.Kubeconfig())
		return nil
	}
	began := time.Now()
	if err := c.clean(ctx); err != nil {
		return fmt.Errorf("cleaning up what is left of a cluster: %w", err)
	}
	if err := c.start(ctx); err != nil {
		return errors.Join(fmt.Errorf("starting the cluster: %w (logs: %s)", err, filepath.Join(c.Dir, "*.log")), c.stop(ctx))
	}
	fmt.Fprintf(c.Out, "The cluster is ready after %.1f s.\n  export KUBECONFIG=%s\n", time.Since(began).Seconds(), c.Kubeconfig())
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
	fmt.Fprintf(c.Out, "Ready.\n  export KUBECONFIG=%s\n", c.Kubeconfig())
	return nil
}

// StopAPIServer ends the API server and nothing else. Up then takes the cluster for half-dead.
func (c Cluster) StopAPIServer(ctx context.Context) error {
	return c.withAPIServer(ctx, func(_ *state, server *process.Process) error {
		return process.Stop(ctx, grace, *server)
	})
}

// StartAPIServer starts it again after StopAPIServer and waits until it is ready. One that runs is left alone.
func (c Cluster) StartAPIServer(ctx context.Context) error {
	return c.withAPIServer(ctx, func(s *state, server *process.Process) error {
		if !server.Alive() {
			started, err := process.Start(server.Name, c.Dir, server.Log, server.Args...)
			if err != nil {
				return err
			}
			*server = started
			if err := c.writeState(s); err != nil {
				return errors.Join(err, process.Stop(ctx, grace, started))
			}
		}
		return c.untilReady(ctx, s)
	})
}

// withAPIServer finds the process in the state.
func (c Cluster) withAPIServer(ctx context.Context, do func(*state, *process.Process) error) error {
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
		if s.Processes[i].Name == apiServer {
			return do(s, &s.Processes[i])
		}
	}
	return fmt.Errorf("no cluster in %s", c.Dir)
}
