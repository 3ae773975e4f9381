package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"

	"github.com/stallkeeper/stallkeeper/hack/controlplane/node"
	"github.com/stallkeeper/stallkeeper/hack/controlplane/process"
)

// made are the files that Up makes in the cluster's folder, as patterns; the state is last, so that an interrupted
// removal is continued by the next one.
var made = []string{
	"*.log", "*.kubeconfig", "kubeconfig", "kwok.yaml", selfCopy, "certs", "etcd", "volumes", "node", "state.json.unfinished", "state.json",
}

// state is what has to be known about a cluster after the command that started it is gone.
type state struct {
	Processes []process.Process `json:"processes"`        // in the order they were started
	RealNode  bool              `json:"realNode"`         // whether pods really run
	Holder    int               `json:"holder,omitempty"` // id of the process whose namespaces the others are in; with RealNode only
}

// nodeName is the node's.
func (s *state) nodeName() string {
	if s.RealNode {
		return node.Name
	}
	return simulatedNode
}

// dialer connects to the cluster's ports, which with a real node are in a network of their own.
func (s *state) dialer() func(ctx context.Context, network, address string) (net.Conn, error) {
	if s.Holder == 0 {
		return (&net.Dialer{}).DialContext
	}
	return func(ctx context.Context, network, address string) (conn net.Conn, err error) {
		err = node.InsideNetwork(s.Holder, func() error {
			conn, err = (&net.Dialer{}).DialContext(ctx, network, address)
			return err
		})
		return conn, err
	}
}

func (c Cluster) statePath() string { return filepath.Join(c.Dir, "state.json") }

// readState gives an empty state where there is none.
func (c Cluster) readState() (*state, error) {
	s := &state{}
	data, err := os.ReadFile(c.statePath())
	if errors.Is(err, os.ErrNotExist) {
		return s, nil
	}
	if err == nil {
		err = json.Unmarshal(data, s)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the cluster's state: %w", err)
	}
	return s, nil
}

// writeState replaces the file in one step: half a file would hide processes from down.
func (c Cluster) writeState(s *state) error {
	data, err := json.MarshalIndent(s, "", "  ")
	unfinished := c.statePath() + ".unfinished"
	if err == nil {
		err = os.WriteFile(unfinished, append(data, '\n'), 0o600)
	}
	if err == nil {
		err = os.Rename(unfinished, c.statePath())
	}
	if err != nil {
		return fmt.Errorf("noting the cluster's processes: %w", err)
	}
	return nil
}

// stop ends the processes, those that depend on others first. It also runs when ctx has ended.
func (c Cluster) stop(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx)
	s, err := c.readState()
	if err != nil {
		return err
	}
	if s.RealNode {
		return c.stopNode(ctx, s)
	}
	slices.Reverse(s.Processes)
	// The API server ends last but for etcd: clients of a server that is gone spend the grace on retries.
	clients := slices.DeleteFunc(slices.Clone(s.Processes), func(p process.Process) bool { return p.Name == apiServer || p.Name == etcd })
	return errors.Join(process.Stop(ctx, grace, clients...), process.Stop(ctx, grace, s.Processes...))
}

// clean stops the cluster and removes its files. Files of others in the same folder stay.
func (c Cluster) clean(ctx context.Context) error {
	if err := c.stop(ctx); err != nil {
		return err
	}
	for _, pattern := range made {
		paths, err := filepath.Glob(filepath.Join(c.Dir, pattern))
		if err != nil {
			return fmt.Errorf("finding the cluster's files: %w", err)
		}
		for _, path := range paths {
			if err := os.RemoveAll(path); err != nil {
				return fmt.Errorf("removing the cluster's files: %w", err)
			}
		}
	}
	return nil
}
