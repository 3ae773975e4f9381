// Controlplane builds a real Kubernetes control plane from the Go module proxy and runs it on 127.0.0.1, for tests
// and for the demo. Nothing prebuilt is downloaded: every version is pinned by this module's go.mod and go.sum.
//
//	go -C hack/controlplane run . build           # etcd, kube-apiserver, … into bin/controlplane
//	go -C hack/controlplane run . up              # a cluster, its kubeconfig at bin/cluster/kubeconfig
//	go -C hack/controlplane run . up --real-node  # as root on Linux: pods run in containers of this machine
//	go -C hack/controlplane run . stop kubelet    # what if a node is away? start kubelet
//	go -C hack/controlplane run . status
//	go -C hack/controlplane run . stop-apiserver  # what if the API server is away?
//	go -C hack/controlplane run . start-apiserver
//	go -C hack/controlplane run . down
//
// The folders follow the flow: build makes the binaries, cluster says which processes a cluster has and when it is
// ready, process starts and ends one of them, binder gives claims their volumes. node, dns, image and pause are what a real
// node needs: namespaces with containerd, the kubelet and kube-proxy, names of Services, and the image that holds a pod.
// lock keeps two commands from working on one folder at once.
//
// It is no place for data that matters: etcd runs without fsync, the node is simulated by kwok unless it is a real one, and down removes it all.
package main
