package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// privateFolders are covered with empty ones inside: what containerd, runc, the CNI plugins and the kubelet leave there is
// gone with the namespace.
var privateFolders = []string{"/run", "/var/lib", "/var/log"}

// HoldAttributes give the process that is started with them namespaces of its own.
func HoldAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setsid: true, Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWNET}
}

// Hold is the first process of the node's namespaces: it makes them a node's, says so in the file "held" of the node's folder,
// and stays until ctx ends. Its end ends every process inside.
func (n Node) Hold(ctx context.Context) error {
	for _, folder := range privateFolders {
		if strings.HasPrefix(n.Dir, folder+"/") {
			return fmt.Errorf("the cluster's folder %s lies in %s, which the node has for itself: choose another", n.Dir, folder)
		}
	}
	if err := errors.Join(n.mount(), n.network(ctx)); err != nil {
		return err
	}
	if err := os.WriteFile(n.file("held"), nil, 0o644); err != nil {
		return fmt.Errorf("saying that the namespaces are ready: %w", err)
	}
	reap(ctx)
	return nil
}

// mount makes the mounts private and covers what must not be shared with the machine.
func (n Node) mount() error {
	type mount struct {
		source, target, kind string
		flags                uintptr
	}
	mounts := []mount{
		{"none", "/", "", syscall.MS_REC | syscall.MS_PRIVATE},
		{"proc", "/proc", "proc", 0},
	}
	for _, folder := range privateFolders {
		mounts = append(mounts, mount{"tmpfs", folder, "tmpfs", 0})
	}
	for _, folder := range []string{"containerd", "kubelet"} {
		mounts = append(mounts, mount{n.file(folder), "/var/lib/" + folder, "", syscall.MS_BIND})
	}
	for setting, file := range n.shields() {
		if _, err := os.Stat(setting); err == nil {
			mounts = append(mounts, mount{file, setting, "", syscall.MS_BIND})
		}
	}
	for _, m := range mounts {
		if strings.HasPrefix(m.target, "/var/lib/") {
			if err := os.MkdirAll(m.target, 0o755); err != nil {
				return fmt.Errorf("making %s: %w", m.target, err)
			}
		}
		if err := syscall.Mount(m.source, m.target, m.kind, m.flags, ""); err != nil {
			return fmt.Errorf("mounting %s: %w", m.target, err)
		}
	}
	return nil
}

// network gives the node its address. The link is of the kind bridge because every kernel that runs containers has it.
func (n Node) network(ctx context.Context) error {
	for _, line := range []string{
		"link set lo up",
		"link add node type bridge",
		"address add " + Address + "/32 dev node",
		"link set node up",
		"route add default dev node",
	} {
		if output, err := exec.CommandContext(ctx, "ip", strings.Fields(line)...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %s: %w: %s", line, err, strings.TrimSpace(string(output)))
		}
	}
	if err := os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0o644); err != nil {
		return fmt.Errorf("letting the node forward: %w", err)
	}
	return nil
}

// reap waits for the processes whose parent is gone, as the first process of a namespace has to, until ctx ends.
func reap(ctx context.Context) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		for {
			var status syscall.WaitStatus
			if pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil); pid <= 0 || err != nil {
				break
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// InsideNetwork runs do in the network of a process, on a thread that is given up afterwards.
func InsideNetwork(pid int, do func() error) error {
	result := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine, and its network with it
		result <- enterNetwork(pid, do)
	}()
	return <-result
}

func enterNetwork(pid int, do func() error) error {
	network, err := os.Open(filepath.Join("/proc", strconv.Itoa(pid), "ns", "net"))
	if err != nil {
		return fmt.Errorf("finding the node's network: %w", err)
	}
	defer network.Close()
	if err := unix.Setns(int(network.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("entering the node's network: %w", err)
	}
	return do()
}
