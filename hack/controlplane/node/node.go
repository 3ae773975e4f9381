package node

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"sigs.k8s.io/yaml"
)

const (
	// Name is the node's.
	Name = "node"
	// Address is the node's, and that of the API server and the DNS server, inside.
	Address = "10.89.0.1"
	// PodRange is what pods get their addresses from.
	PodRange = "10.88.0.0/16"
	// ClusterDomain ends the names of Services.
	ClusterDomain = "cluster.local"
	// PauseImage holds a pod's namespaces. It is made on the spot.
	PauseImage = "stallkeeper.io/pause:1"
)

// containerdSocket is where containerd listens, inside.
const containerdSocket = "/run/containerd/containerd.sock"

// Node is a node whose folder is Dir.
type Node struct {
	Dir         string // absolute path; the node's own folder in that of the cluster
	CgroupRoot  string // name of the control group that all pods are in, without slashes
	ClientCA    string // path of the certificate that API clients are recognized by
	Kubeconfig  string // path of the kubelet's
	ProxyConfig string // path of kube-proxy's
}

func (n Node) file(name string) string { return filepath.Join(n.Dir, name) }

// HolderFile holds the process id of the first process of the node's namespaces, as seen from outside.
func (n Node) HolderFile() string { return n.file("holder") }

// Held says whether Hold has made the namespaces.
func (n Node) Held() error {
	if _, err := os.Stat(n.file("held")); err != nil {
		return fmt.Errorf("looking for the node's namespaces: %w", err)
	}
	return nil
}

// PauseArchive is where the pause image's archive lies.
func (n Node) PauseArchive() string { return n.file("pause.tar") }

// WriteFiles makes the node's folder with all configurations.
func (n Node) WriteFiles() error {
	for _, folder := range []string{"containerd", "kubelet", "log", "cni"} {
		if err := os.MkdirAll(n.file(folder), 0o755); err != nil {
			return fmt.Errorf("making the node's folders: %w", err)
		}
	}
	kubelet, err := yaml.Marshal(n.kubeletConfig())
	if err != nil {
		return fmt.Errorf("writing the kubelet's configuration: %w", err)
	}
	network, err := json.MarshalIndent(networkConfig(), "", "  ")
	if err != nil {
		return fmt.Errorf("writing the network's configuration: %w", err)
	}
	for name, content := range map[string][]byte{
		"containerd.toml":   []byte(n.containerdConfig()),
		"kubelet.yaml":      kubelet,
		"cni/pods.conflist": network,
		"overcommit_memory": []byte("1\n"),
		"panic_on_oom":      []byte("0\n"),
		"panic":             []byte("10\n"),
		"panic_on_oops":     []byte("1\n"),
		"root_maxkeys":      []byte("1000000\n"),
		"root_maxbytes":     []byte("25000000\n"),
	} {
		if err := os.WriteFile(n.file(name), content, 0o644); err != nil {
			return fmt.Errorf("writing the node's configuration: %w", err)
		}
	}
	return nil
}

// shields are kernel settings of the whole machine that the kubelet would change: it sees these files instead, which hold what
// it wants.
func (n Node) shields() map[string]string {
	return map[string]string{
		"/proc/sys/vm/overcommit_memory":      n.file("overcommit_memory"),
		"/proc/sys/vm/panic_on_oom":           n.file("panic_on_oom"),
		"/proc/sys/kernel/panic":              n.file("panic"),
		"/proc/sys/kernel/panic_on_oops":      n.file("panic_on_oops"),
		"/proc/sys/kernel/keys/root_maxkeys":  n.file("root_maxkeys"),
		"/proc/sys/kernel/keys/root_maxbytes": n.file("root_maxbytes"),
	}
}

// containerdConfig: the native snapshotter needs nothing of the file system below, which may be an overlay itself.
func (n Node) containerdConfig() string {
	return strings.NewReplacer("PAUSE", PauseImage, "CNI", n.file("cni"), "SOCKET", containerdSocket).Replace(`version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
[grpc]
  address = "SOCKET"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "PAUSE"
  # Where we may not lower it ourselves, asking for it fails the container.
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "CNI"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "native"
`)
}

// networkConfig gives each pod a link of its own to the node.
func networkConfig() map[string]any {
	return map[string]any{
		"cniVersion": "0.4.0",
		"name":       "pods",
		"plugins": []any{map[string]any{
			"type": "ptp",
			"ipam": map[string]any{
				"type":   "host-local",
				"ranges": []any{[]any{map[string]any{"subnet": PodRange}}},
				"routes": []any{map[string]any{"dst": "0.0.0.0/0"}},
			},
		}},
	}
}

// kubeletConfig is for a machine that has other work as well: nothing is evicted, nothing is reserved.
func (n Node) kubeletConfig() map[string]any {
	return map[string]any{
		"apiVersion":               "kubelet.config.k8s.io/v1beta1",
		"kind":                     "KubeletConfiguration",
		"containerRuntimeEndpoint": "unix://" + containerdSocket,
		"cgroupDriver":             "cgroupfs",
		// A control group of our own: the kubelet removes pods that it does not know of from the one that it is given.
		"cgroupRoot":             "/" + n.CgroupRoot,
		"failCgroupV1":           false,
		"enforceNodeAllocatable": []any{},
		"failSwapOn":             false,
		"clusterDomain":          ClusterDomain,
		"clusterDNS":             []any{Address},
		"resolvConf":             "",
		"authentication": map[string]any{
			"anonymous": map[string]any{"enabled": false},
			"webhook":   map[string]any{"enabled": true},
			"x509":      map[string]any{"clientCAFile": n.ClientCA},
		},
		"authorization": map[string]any{"mode": "Webhook"},
		// A full disk of a developer's machine is no reason to evict pods.
		"evictionHard":                map[string]any{"imagefs.available": "0%", "nodefs.available": "0%", "nodefs.inodesFree": "0%", "memory.available": "1Mi"},
		"imageGCHighThresholdPercent": 100,
		"imageGCLowThresholdPercent":  99,
		// A rotated certificate must arrive within a test's patience; the default is a minute.
		"syncFrequency":             "10s",
		"fileCheckFrequency":        "10s",
		"nodeStatusUpdateFrequency": "5s",
		"serializeImagePulls":       false,
		"volumePluginDir":           "/var/lib/kubelet/plugins-exec",
		"staticPodPath":             "",
		"maxPods":                   250,
		"kubeAPIQPS":                200, "kubeAPIBurst": 400,
		"registryPullQPS":               0,
		"shutdownGracePeriod":           "0s",
		"healthzPort":                   0,
		"containerLogMaxSize":           "50Mi",
		"memorySwap":                    map[string]any{},
		"oomScoreAdj":                   0,
		"protectKernelDefaults":         false,
		"makeIPTablesUtilChains":        false,
		"localStorageCapacityIsolation": false,
	}
}

// Containerd is containerd's command line.
func (n Node) Containerd() []string {
	return []string{"/usr/bin/containerd", "--config", n.file("containerd.toml")}
}

// Kubelet is the kubelet's command line; bin is the folder with its binary.
func (n Node) Kubelet(bin string) []string {
	return []string{
		filepath.Join(bin, "kubelet"), "--config=" + n.file("kubelet.yaml"), "--kubeconfig=" + n.Kubeconfig,
		"--root-dir=/var/lib/kubelet", "--hostname-override=" + Name, "--node-ip=" + Address,
	}
}

// Proxy is kube-proxy's command line. Its limits of connection tracking are the machine's, and stay as they are.
func (n Node) Proxy(bin string) []string {
	return []string{
		filepath.Join(bin, "kube-proxy"), "--kubeconfig=" + n.ProxyConfig, "--hostname-override=" + Name,
		"--proxy-mode=nftables", "--cluster-cidr=" + PodRange, "--conntrack-max-per-core=0",
		"--conntrack-tcp-timeout-established=0s", "--conntrack-tcp-timeout-close-wait=0s",
		"--metrics-bind-address=127.0.0.1:10249", "--healthz-bind-address=",
	}
}

// ImportImage is the command that gives containerd an archive's images.
func ImportImage(archive string) []string {
	return []string{"ctr", "--namespace", "k8s.io", "images", "import", archive}
}
