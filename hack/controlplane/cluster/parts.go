package cluster

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	nodefast "sigs.k8s.io/kwok/kustomize/stage/node/fast"
	heartbeat "sigs.k8s.io/kwok/kustomize/stage/node/heartbeat-with-lease"
	podfast "sigs.k8s.io/kwok/kustomize/stage/pod/fast"

	"github.com/stallkeeper/stallkeeper/hack/controlplane/node"
)

// The names of the processes; those from Bin are also the names of their binaries.
const (
	etcd              = "etcd"
	apiServer         = "kube-apiserver"
	controllerManager = "kube-controller-manager"
	scheduler         = "kube-scheduler"
	kwok              = "kwok"
	volumeBinder      = "volume-binder"

	// With a real node, these take the place of kwok.
	nodeHolder = "node-holder"
	containerd = "containerd"
	kubelet    = "kubelet"
	kubeProxy  = "kube-proxy"
	dnsServer  = "dns-server"
)

// The subcommands of this program that are processes of a cluster.
const (
	BinderCommand = "bind-volumes" // gives claims their volumes
	HoldCommand   = "hold-node"    // keeps a real node's namespaces
	DNSCommand    = "serve-dns"    // resolves the names of Services
)

// selfCopy is the name of this program's copy in the cluster's folder.
const selfCopy = "controlplane"

// serviceRange is that large because each tenant takes an address: a /24 would be full after 250 of them.
const serviceRange = "10.96.0.0/12"

// podRange has an address for each pod that the node takes, and none of serviceRange.
const podRange = "10.128.0.0/12"

// parts are the processes' command lines.
type parts struct {
	Cluster
	etcdPort, etcdPeerPort, apiPort int
}

func (p parts) file(path ...string) string {
	return filepath.Join(append([]string{p.Dir}, path...)...)
}

func (p parts) binary(name string, flags ...string) []string {
	return append([]string{filepath.Join(p.Bin, name)}, flags...)
}

func (p parts) kubeconfigFlag(user string) string {
	return "--kubeconfig=" + p.file(user+".kubeconfig")
}

func (p parts) etcdURL() string { return fmt.Sprintf("https://127.0.0.1:%d", p.etcdPort) }

func (p parts) etcd() []string {
	peer := fmt.Sprintf("https://127.0.0.1:%d", p.etcdPeerPort)
	return p.binary(etcd,
		"--name=stallkeeper",
		"--data-dir="+p.file("etcd"),
		"--unsafe-no-fsync", // several times faster on a slow disk; a crash of the machine may lose the data
		"--listen-client-urls="+p.etcdURL(), "--advertise-client-urls="+p.etcdURL(),
		"--listen-peer-urls="+peer, "--initial-advertise-peer-urls="+peer, "--initial-cluster=stallkeeper="+peer,
		"--trusted-ca-file="+p.file("certs", "ca.crt"), "--client-cert-auth",
		"--cert-file="+p.file("certs", "etcd.crt"), "--key-file="+p.file("certs", "etcd.key"),
		"--peer-trusted-ca-file="+p.file("certs", "ca.crt"), "--peer-client-cert-auth",
		"--peer-cert-file="+p.file("certs", "etcd.crt"), "--peer-key-file="+p.file("certs", "etcd.key"),
		"--quota-backend-bytes=8589934592", // thousands of tenants do not fit into the default of 2 GB
		"--log-level=warn",
	)
}

func (p parts) apiServer() []string {
	return append(p.binary(apiServer,
		"--etcd-servers="+p.etcdURL(), "--etcd-cafile="+p.file("certs", "ca.crt"),
		"--etcd-certfile="+p.file("certs", "etcd.crt"), "--etcd-keyfile="+p.file("certs", "etcd.key"),
		"--secure-port="+strconv.Itoa(p.apiPort),
		"--tls-cert-file="+p.file("certs", "apiserver.crt"), "--tls-private-key-file="+p.file("certs", "apiserver.key"),
		"--client-ca-file="+p.file("certs", "ca.crt"),
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file="+p.file("certs", "service-account.key"),
		"--service-account-signing-key-file="+p.file("certs", "service-account.key"),
		"--service-cluster-ip-range="+serviceRange,
		"--authorization-mode=Node,RBAC",
		"--allow-privileged=true",
	), p.apiServerAddress()...)
}

// apiServerAddress is where the API server listens: on loopback, or on all addresses of a real node's own network.
func (p parts) apiServerAddress() []string {
	if p.RealNode {
		return []string{
			"--bind-address=0.0.0.0", "--advertise-address=" + node.Address, "--kubelet-preferred-address-types=InternalIP",
			"--kubelet-client-certificate=" + p.file("certs", "kubelet-client.crt"), "--kubelet-client-key=" + p.file("certs", "kubelet-client.key"),
		}
	}
	// A loopback address is not allowed as an endpoint; the reconciler would fail for ever.
	return []string{"--bind-address=127.0.0.1", "--endpoint-reconciler-type=none"}
}

// part is a process that is a client of the API server.
type part struct {
	name string
	args []string
}

func (p parts) clients() []part {
	// Alone, they need no leader election, and nothing asks for their metrics.
	alone := []string{"--leader-elect=false", "--secure-port=0"}
	parts := []part{
		{controllerManager, p.binary(controllerManager, append(alone, p.kubeconfigFlag(controllerManager),
			"--use-service-account-credentials=true",
			"--service-account-private-key-file="+p.file("certs", "service-account.key"),
			"--root-ca-file="+p.file("certs", "ca.crt"),
			// The defaults are for clusters that must be protected; here they would be all that a benchmark measures.
			"--kube-api-qps=2000", "--kube-api-burst=4000",
			"--concurrent-deployment-syncs=20", "--concurrent-replicaset-syncs=20", "--concurrent-statefulset-syncs=20",
			"--concurrent-namespace-syncs=20", "--concurrent-gc-syncs=40", "--concurrent-resource-quota-syncs=20",
			"--concurrent-serviceaccount-token-syncs=20", "--concurrent-service-endpoint-syncs=20",
			// On a busy machine a heartbeat may be late; evicting every pod would not help.
			"--node-monitor-grace-period=10m",
		)...)},
		{scheduler, p.binary(scheduler, append(alone, p.kubeconfigFlag(scheduler), "--kube-api-qps=2000", "--kube-api-burst=4000")...)},
	}
	parts = append(parts, p.nodeClients()...)
	// Last: with it the cluster is complete.
	return append(parts, part{volumeBinder, p.self(BinderCommand, p.kubeconfigFlag(volumeBinder), "--volumes="+p.file("volumes"), "--node="+p.volumesNode())})
}

// self is the command line of one of this program's own processes.
func (p parts) self(args ...string) []string { return append([]string{p.file(selfCopy)}, args...) }

// volumesNode is the node that volumes are on; none is simulated, since pods that never run need no volume.
func (p parts) volumesNode() string {
	if p.RealNode {
		return node.Name
	}
	return ""
}

// nodeClients are the node's processes.
func (p parts) nodeClients() []part {
	if p.RealNode {
		n := p.node()
		return []part{
			{kubelet, n.Kubelet(p.Bin)},
			{kubeProxy, n.Proxy(p.Bin)},
			{dnsServer, p.self(DNSCommand, p.kubeconfigFlag(dnsServer))},
		}
	}
	return []part{{kwok, p.binary(kwok, p.kubeconfigFlag(kwok), "--config="+p.file("kwok.yaml"), "--manage-all-nodes",
		// Without a lease the node is heard of every ten minutes only; called lost once, its pods never get ready again.
		"--node-lease-duration-seconds=40",
		"--cidr="+podRange, "--node-port=0")}} // 0: without it, it would listen on all addresses
}

// writeNodeConfig writes what the node's processes read.
func (p parts) writeNodeConfig() error {
	if p.RealNode {
		return p.node().WriteFiles()
	}
	return p.writeKwokConfig()
}

// writeKwokConfig gives kwok the stages that make nodes ready and keep them so, and pods ready, complete and deleted.
func (p parts) writeKwokConfig() error {
	stages := []string{
		nodefast.DefaultNodeInit, heartbeat.DefaultNodeHeartbeatWithLease,
		podfast.DefaultPodReady, podfast.DefaultPodComplete, podfast.DefaultPodDelete,
	}
	if err := os.WriteFile(p.file("kwok.yaml"), []byte(strings.Join(stages, "\n---\n")), 0o644); err != nil {
		return fmt.Errorf("writing kwok's stages: %w", err)
	}
	return nil
}

// freePorts finds TCP ports on 127.0.0.1 that nobody listens on. They lie below the range that the kernel hands out for
// outgoing connections, which could otherwise take one while its process is stopped, and are picked at random, so that
// clusters that start at the same time do not pick the same.
func freePorts(count int) ([]int, error) {
	const first, last, attempts = 20000, 29999, 1000
	var ports []int
	for range attempts {
		port := first + rand.IntN(last-first+1)
		listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		// Open until all are found: the same one is not found twice.
		defer listener.Close()
		if ports = append(ports, port); len(ports) == count {
			return ports, nil
		}
	}
	return nil, fmt.Errorf("finding %d free ports on 127.0.0.1 between %d and %d: no luck in %d attempts", count, first, last, attempts)
}
