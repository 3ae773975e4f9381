// Package apiserver finds the API server's programs for tests that need a real one. Without them a test is skipped on a developer's
// machine and fails in CI, where a skipped test would go unnoticed.
package apiserver

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// Binaries is the folder with etcd and kube-apiserver: KUBEBUILDER_ASSETS, or what hack/controlplane has built. Where they are
// missing, it ends the test: with a failure if the environment variable CI is set to anything but false, else by skipping it.
func Binaries(t testing.TB) string {
	t.Helper()
	folder, err := Find()
	switch ci := os.Getenv("CI"); {
	case err == nil:
		return folder
	case ci != "" && ci != "false":
		t.Fatalf("%v (in CI, which CI=%s says this is, that is a failure)", err, ci)
	default:
		t.Skip(err)
	}
	return ""
}

// Find is Binaries for a TestMain, which has no test to end. The error names the remedy.
func Find() (string, error) {
	folder := os.Getenv("KUBEBUILDER_ASSETS")
	if folder == "" {
		root, err := root()
		if err != nil {
			return "", err
		}
		folder = filepath.Join(root, "bin", "controlplane")
	}
	if _, err := os.Stat(filepath.Join(folder, "kube-apiserver")); err != nil {
		return "", fmt.Errorf("no API server in %s: run make controlplane, or set KUBEBUILDER_ASSETS to the folder of another one", folder)
	}
	return folder, nil
}

// root is the repository's root, above the folder that the test runs in.
func root() (string, error) {
	folder, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(folder, "go.mod")); err == nil {
			return folder, nil
		}
		if folder == filepath.Dir(folder) {
			return "", errors.New("no go.mod above the working directory: run the tests inside the repository")
		}
		folder = filepath.Dir(folder)
	}
}
