package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/stallkeeper/stallkeeper/hack/controlplane/process"
)

// healthy says why the cluster is not up, or nil: every process is alive, and the API server is ready.
func (c Cluster) healthy(ctx context.Context) error {
	s, err := c.readState()
	if err != nil {
		return err
	}
	if err := s.alive(); err != nil {
		return err
	}
	// The last process is noted just before the wait for a usable cluster.
	if len(s.Processes) == 0 || s.Processes[len(s.Processes)-1].Name != volumeBinder {
		return errors.New("the cluster was never started completely")
	}
	client, err := c.client(s)
	if err != nil {
		return err
	}
	return errors.Join(ready(ctx, client), usable(ctx, client, s.nodeName()))
}

// alive says which process has ended, with the end of its log.
func (s *state) alive() error {
	var errs []error
	for _, p := range s.Processes {
		if !p.Alive() {
			errs = append(errs, fmt.Errorf("%s has ended; its log ends with:\n%s", p.Name, tail(p)))
		}
	}
	return errors.Join(errs...)
}

// tail is the last of a process's log.
func tail(p process.Process) []byte {
	const lines = 5
	log, err := os.ReadFile(p.Log)
	if err != nil {
		return []byte(err.Error())
	}
	log = bytes.TrimSpace(log)
	from := len(log)
	for range lines {
		if from = bytes.LastIndexByte(log[:from], '\n'); from < 0 {
			return log
		}
	}
	return log[from+1:]
}

// ready asks the API server.
func ready(ctx context.Context, client kubernetes.Interface) error {
	if _, err := client.Discovery().RESTClient().Get().AbsPath("/readyz").DoRaw(ctx); err != nil {
		return fmt.Errorf("asking the API server whether it is ready: %w", err)
	}
	return nil
}

// usable says what is missing before pods can be created and run: the node, and the ServiceAccount that each pod needs.
func usable(ctx context.Context, client kubernetes.Interface, nodeName string) error {
	node, err := client.CoreV1().Nodes().Get(ctx, nodeName, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("reading the node: %w", err)
	}
	if len(node.Spec.Taints) > 0 || !nodeReady(node) {
		return errors.New("the node is not ready")
	}
	if _, err := client.CoreV1().ServiceAccounts(metav1.NamespaceDefault).Get(ctx, "default", metav1.GetOptions{}); err != nil {
		return fmt.Errorf("reading the default ServiceAccount: %w", err)
	}
	return nil
}

func nodeReady(node *corev1.Node) bool {
	for _, condition := range node.Status.Conditions {
		if condition.Type == corev1.NodeReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}

// untilListening waits for a server's port.
func (c Cluster) untilListening(ctx context.Context, s *state, port int) error {
	dial := s.dialer()
	return s.until(ctx, func() error {
		conn, err := dial(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			return err
		}
		return conn.Close()
	})
}

// untilReady waits for the API server.
func (c Cluster) untilReady(ctx context.Context, s *state) error {
	client, err := c.client(s)
	if err != nil {
		return err
	}
	return s.until(ctx, func() error { return ready(ctx, client) })
}

// untilUsable waits for the rest of the cluster.
func (c Cluster) untilUsable(ctx context.Context, s *state, client kubernetes.Interface) error {
	return s.until(ctx, func() error { return usable(ctx, client, s.nodeName()) })
}

// until asks again and again until check has no complaint. It gives up when a process has ended or ctx ends.
func (s *state) until(ctx context.Context, check func() error) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		complaint := check()
		if err := s.alive(); err != nil {
			return err
		}
		if complaint == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", context.Cause(ctx), complaint)
		case <-tick.C:
		}
	}
}
