package api_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

// server is a client of the real API server that has the kinds of config/crd, as the cluster's administrator.
var server client.Client

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	environment := &envtest.Environment{
		BinaryAssetsDirectory: binaries(), CRDDirectoryPaths: []string{filepath.Join(root(), "config", "crd")}, ErrorIfCRDPathMissing: true,
	}
	config, err := environment.Start()
	if err != nil {
		// The API server refuses a kind here whose rules are wrong or cost too much.
		fmt.Fprintf(os.Stderr, "Starting the API server with the kinds failed: %v\n", err)
		return 1
	}
	code := 1
	if server, err = clientOf(config); err != nil {
		fmt.Fprintf(os.Stderr, "Making a client failed: %v\n", err)
	} else {
		code = m.Run()
	}
	if err := environment.Stop(); err != nil {
		fmt.Fprintf(os.Stderr, "Stopping the API server failed: %v\n", err)
		return 1
	}
	return code
}

// clientOf is a client that knows the kinds as Go types too.
func clientOf(config *rest.Config) (client.Client, error) {
	scheme := runtime.NewScheme()
	if err := errors.Join(v1alpha1.AddToScheme(scheme), apiextensionsv1.AddToScheme(scheme)); err != nil {
		return nil, err
	}
	return client.New(config, client.Options{Scheme: scheme})
}

// root is the folder of the repository: go test runs a package in its own folder.
func root() string { return filepath.Join("..", "..") }

// binaries is where etcd and kube-apiserver are: KUBEBUILDER_ASSETS, or what hack/controlplane has built.
func binaries() string {
	if assets := os.Getenv("KUBEBUILDER_ASSETS"); assets != "" {
		return assets
	}
	return filepath.Join(root(), "bin", "controlplane")
}
