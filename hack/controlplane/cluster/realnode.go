package cluster

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/stallkeeper/stallkeeper/hack/controlplane/image"
	"github.com/stallkeeper/stallkeeper/hack/controlplane/node"
	"github.com/stallkeeper/stallkeeper/hack/controlplane/process"
)

// node is the real node of this cluster. Its control group is named after the folder, so that clusters run side by side.
func (p parts) node() node.Node { return p.Cluster.node() }

func (c Cluster) node() node.Node {
	sum := sha256.Sum256([]byte(c.Dir))
	return node.Node{
		Dir:         filepath.Join(c.Dir, "node"),
		CgroupRoot:  "stallkeeper-" + hex.EncodeToString(sum[:6]),
		ClientCA:    filepath.Join(c.Dir, "certs", "ca.crt"),
		Kubeconfig:  filepath.Join(c.Dir, kubelet+".kubeconfig"),
		ProxyConfig: filepath.Join(c.Dir, kubeProxy+".kubeconfig"),
	}
}

// HoldNode is the process that keeps the node's namespaces.
func (c Cluster) HoldNode(ctx context.Context) error { return c.node().Hold(ctx) }

// startNode makes the real node's namespaces, and runs containerd with its images in them. A simulated node needs nothing.
func (c Cluster) startNode(ctx context.Context, s *state) error {
	if !c.RealNode {
		return nil
	}
	n := c.node()
	if err := errors.Join(n.MakeCgroup(), c.packPause(n)); err != nil {
		return err
	}
	// Noted before: without it, down would not know of the control group.
	if err := c.writeState(s); err != nil {
		return err
	}
	holder, err := process.Command{
		Name: nodeHolder, Dir: c.Dir, Log: filepath.Join(c.Dir, nodeHolder+".log"),
		Args: []string{filepath.Join(c.Dir, selfCopy), HoldCommand, "--dir=" + c.Dir}, Attributes: node.HoldAttributes(),
	}.Start()
	if err != nil {
		return err
	}
	s.Processes, s.Holder = append(s.Processes, holder), holder.PID
	if err := errors.Join(c.writeState(s), os.WriteFile(n.HolderFile(), []byte(strconv.Itoa(holder.PID)), 0o644)); err != nil {
		return errors.Join(err, process.Stop(ctx, 0, holder))
	}
	if err := s.until(ctx, n.Held); err != nil {
		return fmt.Errorf("making the node's namespaces: %w", err)
	}
	if err := c.run(ctx, s, containerd, n.Containerd()); err != nil {
		return err
	}
	for _, archive := range append([]string{n.PauseArchive()}, c.Images...) {
		if err := c.importImage(ctx, s, archive); err != nil {
			return err
		}
	}
	return nil
}

// packPause makes the image that holds a pod's namespaces: this program's copy would do, but is thirty times as large.
func (c Cluster) packPause(n node.Node) error {
	return image.Image{
		Name:       node.PauseImage,
		Files:      map[string]string{"pause": filepath.Join(c.Bin, "pause")},
		Entrypoint: []string{"/pause"},
		User:       "65535:65535",
	}.Write(n.PauseArchive())
}

// importImage gives containerd an archive, as soon as it answers.
func (c Cluster) importImage(ctx context.Context, s *state, archive string) error {
	if _, err := os.Stat(archive); err != nil {
		return fmt.Errorf("reading the image archive: %w", err)
	}
	args := process.Enter(s.Holder, node.ImportImage(archive)...)
	err := s.until(ctx, func() error {
		output, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("importing the images of %s: %w: %s", archive, err, strings.TrimSpace(string(output)))
		}
		return nil
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(c.Out, "Imported %s\n", archive)
	return nil
}

// stopNode ends everything inside the node's namespaces: etcd and the API server are asked, so that what they have written is
// on the disk; with the first process, all others end, the containers included.
func (c Cluster) stopNode(ctx context.Context, s *state) error {
	var polite, holder []process.Process
	for _, p := range s.Processes {
		if p.Name == nodeHolder {
			holder = append(holder, p)
		} else {
			polite = append(polite, p)
		}
	}
	return errors.Join(process.Stop(ctx, grace, polite...), process.Stop(ctx, 0, holder...), c.node().RemoveCgroup())
}
