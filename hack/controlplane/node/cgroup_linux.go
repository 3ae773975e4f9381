package node

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// cgroups is where control groups are mounted.
const cgroups = "/sys/fs/cgroup"

// hierarchies are the roots of the control groups: one with version 2, one for each controller with version 1.
func hierarchies() ([]string, error) {
	if _, err := os.Stat(filepath.Join(cgroups, "cgroup.controllers")); err == nil {
		return []string{cgroups}, nil
	}
	entries, err := os.ReadDir(cgroups)
	if err != nil {
		return nil, fmt.Errorf("finding control groups: %w", err)
	}
	var roots []string
	for _, entry := range entries {
		if entry.IsDir() {
			roots = append(roots, filepath.Join(cgroups, entry.Name()))
		}
	}
	return roots, nil
}

// MakeCgroup makes the control group that the kubelet puts pods in.
func (n Node) MakeCgroup() error {
	roots, err := hierarchies()
	if err != nil {
		return err
	}
	for _, root := range roots {
		if err := n.makeCgroupIn(root); err != nil {
			return fmt.Errorf("making the node's control group: %w", err)
		}
	}
	return nil
}

func (n Node) makeCgroupIn(root string) error {
	group := filepath.Join(root, n.CgroupRoot)
	if err := os.Mkdir(group, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	// Version 1 starts a group without processors and memory; version 2 hands a controller on only where it is told to.
	for _, name := range []string{"cpuset.cpus", "cpuset.mems"} {
		value, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			continue
		}
		if err := os.WriteFile(filepath.Join(group, name), value, 0o644); err != nil {
			return err
		}
	}
	controllers, err := os.ReadFile(filepath.Join(group, "cgroup.controllers"))
	if err != nil || root != cgroups {
		return nil // version 1, or the part of version 2 beside it that has no controllers
	}
	for controller := range strings.FieldsSeq(string(controllers)) {
		if err := os.WriteFile(filepath.Join(group, "cgroup.subtree_control"), []byte("+"+controller), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// RemoveCgroup removes the control group with all below it. The processes must have ended.
func (n Node) RemoveCgroup() error {
	roots, err := hierarchies()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	deadline := time.Now().Add(5 * time.Second)
	for _, root := range roots {
		for {
			err := removeGroups(filepath.Join(root, n.CgroupRoot))
			if err == nil || errors.Is(err, fs.ErrNotExist) {
				break
			}
			// A group is busy for a moment after its last process has ended.
			if !errors.Is(err, syscall.EBUSY) || time.Now().After(deadline) {
				return fmt.Errorf("removing the node's control group: %w", err)
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
	return nil
}

// removeGroups removes a group, those below it first. The files in them can't be removed, and go with them.
func removeGroups(group string) error {
	entries, err := os.ReadDir(group)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if entry.IsDir() {
			if err := removeGroups(filepath.Join(group, entry.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	return syscall.Rmdir(group)
}
