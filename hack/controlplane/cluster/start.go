package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"k8s.io/client-go/kubernetes"

	"github.com/stallkeeper/stallkeeper/hack/controlplane/binder"
	"github.com/stallkeeper/stallkeeper/hack/controlplane/process"
)

// start makes the cluster's files and starts its processes, each when the ones it needs are ready.
func (c Cluster) start(ctx context.Context) error {
	ports, err := freePorts(3)
	if err != nil {
		return err
	}
	p := parts{Cluster: c, etcdPort: ports[0], etcdPeerPort: ports[1], apiPort: ports[2]}
	if err := errors.Join(p.writeCredentials(), p.writeNodeConfig(), c.copySelf()); err != nil {
		return err
	}
	s := &state{RealNode: c.RealNode}
	if err := c.startNode(ctx, s); err != nil {
		return err
	}
	if err := c.run(ctx, s, etcd, p.etcd()); err != nil {
		return err
	}
	if err := c.untilListening(ctx, s, p.etcdPort); err != nil {
		return err
	}
	if err := c.run(ctx, s, apiServer, p.apiServer()); err != nil {
		return err
	}
	if err := c.untilReady(ctx, s); err != nil {
		return err
	}
	client, err := c.client(s)
	if err != nil {
		return err
	}
	if err := binder.EnsureClass(ctx, client); err != nil {
		return err
	}
	if !c.RealNode {
		if err := createNode(ctx, client); err != nil {
			return err
		}
	}
	for _, part := range p.clients() {
		if err := c.run(ctx, s, part.name, part.args); err != nil {
			return err
		}
	}
	return c.untilUsable(ctx, s, client)
}

// run starts one process and notes it at once, so that it is found again whatever happens to this command.
func (c Cluster) run(ctx context.Context, s *state, name string, args []string) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	started, err := process.Command{
		Name: name, Dir: c.Dir, Log: filepath.Join(c.Dir, name+".log"), Args: args, Inside: s.Holder,
	}.Start()
	if err != nil {
		return err
	}
	s.Processes = append(s.Processes, started)
	if err := c.writeState(s); err != nil {
		return errors.Join(err, process.Stop(ctx, grace, started))
	}
	return nil
}

// client is the administrator's.
func (c Cluster) client(s *state) (kubernetes.Interface, error) {
	config, err := c.restConfig(s)
	if err != nil {
		return nil, err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("making a client for the cluster: %w", err)
	}
	return client, nil
}

// copySelf keeps a copy of this program for the processes that are ours: go run removes the one that runs now.
func (c Cluster) copySelf() error {
	source, err := os.Open(c.Self)
	if err != nil {
		return fmt.Errorf("opening this program, which is also some of the processes: %w", err)
	}
	defer source.Close()
	target, err := os.OpenFile(filepath.Join(c.Dir, selfCopy), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o755)
	if err != nil {
		return fmt.Errorf("copying this program: %w", err)
	}
	if _, err := io.Copy(target, source); err != nil {
		return errors.Join(fmt.Errorf("copying this program: %w", err), target.Close())
	}
	return target.Close()
}
