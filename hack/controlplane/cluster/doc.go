// Package cluster runs one Kubernetes cluster on 127.0.0.1, as background processes with everything they need and write
// in one folder: etcd, the API server, the controller manager, the scheduler, kwok with one large simulated node, and
// the volume binder.
//
// Workflow of Up: lock the folder; leave a ready cluster alone, clean up a half-dead one; make certificates and
// kubeconfigs; start the processes in order, noting each in state.json as soon as it exists; wait until the cluster can be
// worked with. An error or an interrupt ends what was started. Down ends exactly the processes that state.json names
// and that are still ours, and removes the files that Up made, no others.
//
// What it is like: RBAC is on, so are the default admission plugins; everything speaks TLS with certificates of a CA of its
// own; no port is open beyond 127.0.0.1; ports are picked, so that clusters run side by side. Pods become ready
// without running anything. Services have addresses that nothing listens on. There is no fsync: a crash of the machine
// may lose the cluster, which is right for tests and demos only.
//
// With RealNode, a node of this machine takes the place of kwok; package node tells what that is. All processes are then in
// namespaces of their own, in which the ports lie as well, and Down ends them with the first process there.
package cluster
