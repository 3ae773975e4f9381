package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// paths are where things lie, all absolute.
type paths struct {
	root    string // the repository
	demo    string // what belongs to this demo
	cluster string // what belongs to the control plane
}

// newPaths finds the repository, which is the current folder, and makes the demo's folder.
func newPaths(demo, cluster string) (paths, error) {
	root, err := os.Getwd()
	if err != nil {
		return paths{}, fmt.Errorf("finding the current folder: %w", err)
	}
	if _, err := os.Stat(filepath.Join(root, "hack", "controlplane", "go.mod")); err != nil {
		return paths{}, errors.New("the demo runs in the repository's root: go run ./hack/demo")
	}
	p := paths{root: root, demo: absolute(root, demo), cluster: absolute(root, cluster)}
	// Tokens and keys lie here: nobody else may look into it.
	if err := os.MkdirAll(p.demo, 0o700); err != nil {
		return paths{}, fmt.Errorf("making the demo's folder: %w", err)
	}
	return p, nil
}

func absolute(root, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(root, path)
}

// relative is a path as a person in the repository's root would type it.
func (p paths) relative(path string) string {
	short, err := filepath.Rel(p.root, path)
	if err != nil || strings.HasPrefix(short, "..") {
		return path
	}
	return short
}

func (p paths) stallkeeper() string     { return filepath.Join(p.root, "bin", "stallkeeper") }
func (p paths) helm() string            { return filepath.Join(p.root, "bin", "tools", "helm") }
func (p paths) controlplane() string    { return filepath.Join(p.root, "bin", "tools", "controlplane") }
func (p paths) controlplaneBin() string { return filepath.Join(p.root, "bin", "controlplane") }
func (p paths) kubectl() string         { return filepath.Join(p.controlplaneBin(), "kubectl") }
func (p paths) kubeconfig() string      { return filepath.Join(p.cluster, "kubeconfig") }
func (p paths) chart() string           { return filepath.Join(p.root, "charts", "stallkeeper") }
func (p paths) sample(name string) string {
	return filepath.Join(p.root, "config", "samples", "demo", name)
}

func (p paths) record() string                 { return filepath.Join(p.demo, "processes.json") }
func (p paths) env() string                    { return filepath.Join(p.demo, "env") }
func (p paths) authority() string              { return filepath.Join(p.demo, "ca.crt") }
func (p paths) certificate() string            { return filepath.Join(p.demo, "tls.crt") }
func (p paths) kitPublicKey() string           { return filepath.Join(p.demo, "kit.pub") }
func (p paths) privateKey() string             { return filepath.Join(p.demo, "tls.key") }
func (p paths) log(process string) string      { return filepath.Join(p.demo, process+".log") }
func (p paths) tokenFor(process string) string { return filepath.Join(p.demo, process+".kubeconfig") }
