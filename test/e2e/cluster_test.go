package e2e_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

// connect is the cluster as its administrator sees it.
func connect() (client.Client, error) {
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("E2E_KUBECONFIG"))
	if err != nil {
		return nil, fmt.Errorf("reading the kubeconfig: %w", err)
	}
	config.QPS, config.Burst = 100, 200
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return nil, err
	}
	return client.New(config, client.Options{Scheme: scheme})
}

// run runs a program and gives what it prints. stdin may be empty.
func run(ctx context.Context, env []string, stdin string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir = world.root
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdin = strings.NewReader(stdin)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	output, err := cmd.Output()
	if err != nil {
		return string(output), fmt.Errorf("%s: %w: %s", strings.Join(args[:min(len(args), 3)], " "), err, strings.TrimSpace(stderr.String()))
	}
	return string(output), nil
}

// kubectl runs kubectl as the cluster's administrator.
func kubectl(ctx context.Context, stdin string, args ...string) (string, error) {
	return run(ctx, []string{"KUBECONFIG=" + os.Getenv("E2E_KUBECONFIG")}, stdin, append([]string{os.Getenv("E2E_KUBECTL")}, args...)...)
}

// helm runs Helm as the cluster's administrator.
func helm(ctx context.Context, args ...string) (string, error) {
	return run(ctx, []string{"KUBECONFIG=" + os.Getenv("E2E_KUBECONFIG")}, "", append([]string{os.Getenv("E2E_HELM")}, args...)...)
}

// refuseInstalled fails where the namespaces or the kinds are there already: they belong to somebody.
func refuseInstalled(ctx context.Context) error {
	for _, name := range []string{systemNamespace, salesNamespace, marketplaceNamespace, visitorsNamespace} {
		err := world.kube.Get(ctx, client.ObjectKey{Name: name}, &corev1.Namespace{})
		if err == nil {
			return fmt.Errorf("the cluster has a namespace %s already: this run would disturb it", name)
		}
		if !apierrors.IsNotFound(err) {
			return fmt.Errorf("looking at the cluster: %w", err)
		}
	}
	err := world.kube.List(ctx, &v1alpha1.MarketplaceList{})
	if err == nil {
		return errors.New("the cluster knows Stallkeeper's kinds already: this run would remove them")
	}
	if !meta.IsNoMatchError(err) {
		return fmt.Errorf("looking at the cluster: %w", err)
	}
	return nil
}

// removeEverything takes what the run has made off a cluster that goes on.
func removeEverything(ctx context.Context) error {
	var errs []error
	try := func(args ...string) {
		_, err := kubectl(ctx, "", args...)
		errs = append(errs, err)
	}
	var instances v1alpha1.MarketplaceInstanceList
	if err := world.kube.List(ctx, &instances, client.InNamespace(salesNamespace)); err == nil {
		for _, instance := range instances.Items {
			try("patch", "mpi", instance.Name, "-n", salesNamespace, "--type=merge", "-p", `{"spec":{"lifecycle":{"deletionProtection":"Disabled"}}}`)
		}
		try("delete", "mpi", "--all", "-n", salesNamespace, "--timeout=120s")
		// Only the controller takes the finalizers off the products' revisions.
		try("wait", "mpp", "--all", "-n", salesNamespace, "--for=jsonpath={.status.rollout.total}=0", "--timeout=60s")
		try("delete", "mpp", "--all", "-n", salesNamespace, "--timeout=60s")
		try("wait", "--for=delete", "controllerrevisions", "-n", salesNamespace, "-l", v1alpha1.ProductLabel, "--timeout=60s")
	}
	// The chart protects the namespace that holds all sales.
	try("label", "namespace", salesNamespace, v1alpha1.DeletionProtectionLabel+"-")
	_, err := helm(ctx, "uninstall", "stallkeeper", "-n", systemNamespace, "--ignore-not-found", "--wait")
	errs = append(errs, err)
	try("delete", "namespace", systemNamespace, salesNamespace, marketplaceNamespace, visitorsNamespace, "--ignore-not-found", "--timeout=120s")
	kinds, err := kubectl(ctx, "", "get", "crd", "-o", "name")
	errs = append(errs, err)
	for _, kind := range strings.Fields(kinds) {
		if strings.HasSuffix(kind, "."+v1alpha1.GroupVersion.Group) {
			try("delete", kind)
		}
	}
	return errors.Join(errs...)
}

// door is an address on 127.0.0.1 behind which a Service is, as a load balancer would have one: each connection goes to
// whichever pod is there at that moment.
type door struct {
	listener          net.Listener // nil for one that is only dialled from here
	direct            string       // the Service's address, where it can be reached; otherwise kubectl forwards
	namespace, target string       // what kubectl forwards to, such as service/webhook
	port              int

	mutex     sync.Mutex
	forward   *exec.Cmd
	forwarded string // where kubectl listens; empty when it does not run
}

func openDoor(ctx context.Context, namespace, service string, port int) (*door, error) {
	found := &corev1.Service{}
	if err := world.kube.Get(ctx, client.ObjectKey{Namespace: namespace, Name: service}, found); err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	d := &door{listener: listener, namespace: namespace, target: "service/" + service, port: port}
	direct := net.JoinHostPort(found.Spec.ClusterIP, strconv.Itoa(port))
	if reachable(ctx, direct) {
		d.direct = direct
	} else {
		remark("Service %s is reached through kubectl port-forward: its address %s is not reachable from here", service, direct)
	}
	go d.serve()
	return d, nil
}

// reachable says whether the address of a Service can be used from here. On the node of a cluster of ours it can, a moment
// after the Service has been made.
func reachable(ctx context.Context, address string) bool {
	if os.Getenv("E2E_PORT_FORWARD") != "" {
		return false
	}
	deadline := time.Now().Add(2 * time.Second)
	if ours() {
		deadline = time.Now().Add(20 * time.Second)
	}
	dialer := net.Dialer{Timeout: 2 * time.Second}
	for time.Now().Before(deadline) && ctx.Err() == nil {
		if connection, err := dialer.DialContext(ctx, "tcp", address); err == nil {
			connection.Close()
			return true
		}
		time.Sleep(200 * time.Millisecond)
	}
	return false
}

func (d *door) address() string { return d.listener.Addr().String() }

func (d *door) close() {
	if d.listener != nil {
		d.listener.Close()
	}
	d.mutex.Lock()
	defer d.mutex.Unlock()
	d.endForward()
}

func (d *door) serve() {
	for {
		outside, err := d.listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer outside.Close()
			inside, err := d.dial()
			if err != nil {
				return // as when a load balancer has nobody to ask
			}
			defer inside.Close()
			go func() {
				_, _ = io.Copy(inside, outside)
				inside.Close()
			}()
			_, _ = io.Copy(outside, inside)
		}()
	}
}

func (d *door) dial() (net.Conn, error) {
	if d.direct != "" {
		return net.DialTimeout("tcp", d.direct, 5*time.Second)
	}
	d.mutex.Lock()
	defer d.mutex.Unlock()
	if d.forwarded != "" {
		if connection, err := net.DialTimeout("tcp", d.forwarded, time.Second); err == nil {
			return connection, nil
		}
		d.endForward() // the pod that it went to is gone
	}
	if err := d.startForward(); err != nil {
		return nil, err
	}
	return net.DialTimeout("tcp", d.forwarded, time.Second)
}

func (d *door) startForward() error {
	cmd := exec.Command(os.Getenv("E2E_KUBECTL"), "--kubeconfig", os.Getenv("E2E_KUBECONFIG"),
		"port-forward", "-n", d.namespace, d.target, ":"+strconv.Itoa(d.port))
	output, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	d.forward = cmd
	lines := bufio.NewScanner(output)
	for lines.Scan() {
		if _, rest, found := strings.Cut(lines.Text(), "Forwarding from "); found {
			d.forwarded, _, _ = strings.Cut(rest, " ")
			go func() { _, _ = io.Copy(io.Discard, output) }()
			return nil
		}
	}
	d.endForward()
	return fmt.Errorf("forwarding to %s: kubectl has ended", d.target)
}

func (d *door) endForward() {
	if d.forward != nil {
		_ = d.forward.Process.Kill()
		_ = d.forward.Wait()
	}
	d.forward, d.forwarded = nil, ""
}
