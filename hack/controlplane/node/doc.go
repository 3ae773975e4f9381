// Package node makes this Linux machine a Kubernetes node for one cluster, and leaves it as it was.
//
// Everything of the node and its control plane runs in namespaces of its own: processes, mounts and network. Hold makes them
// and is the first process in them, so that its end is the end of every process, mount, address and firewall rule inside,
// however the cluster came to its end. What lies outside are one folder and one control group, both named after the cluster.
//
//	EnsurePackages   containerd, runc, the CNI plugins, nft, … from Debian's packages, where they are missing
//	Hold             the namespaces: private /run, /var/lib and /var/log, the node's address, shields for kernel settings
//	Files            the configurations of containerd, the CNI plugins and the kubelet
//	Containerd, …    the command lines, with the paths that they have inside
//
// Inside, containerd and the kubelet use their usual paths, so that `ctr` and `crictl` work without flags:
//
//	nsenter --target "$(cat bin/cluster/node/holder)" --net --mount --pid
//
// Nothing inside reaches another machine, and nothing outside reaches a pod, unless it enters the network:
//
//	nsenter --net="/proc/$(cat bin/cluster/node/holder)/ns/net" curl …
//
// The network plugin is ptp: each pod has its own link to the node, so that all traffic passes the node's connection tracking,
// and a pod reaches a Service whose pod is on the same node without br_netfilter. It enforces no NetworkPolicy.
package node
