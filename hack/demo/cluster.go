package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"

	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

// build makes every binary that the demo runs. The Makefile says how, and leaves alone what is up to date.
func (d *demo) build(ctx context.Context) error {
	targets := []struct {
		binary string
		args   []string
	}{
		{d.paths.stallkeeper(), []string{"make", "--no-print-directory", "build"}},
		{d.paths.helm(), []string{"make", "--no-print-directory", d.paths.relative(d.paths.helm())}},
		// A binary of its own instead of `go run`, which would not pass an interrupt on.
		{d.paths.controlplane(), []string{"go", "-C", "hack/controlplane", "build", "-o", d.paths.controlplane(), "."}},
	}
	for _, target := range targets {
		d.out.line("%s", d.paths.relative(target.binary))
		if _, err := d.runCommand(ctx, command{args: target.args}); err != nil {
			return fmt.Errorf("building %s: %w", d.paths.relative(target.binary), err)
		}
	}
	// The control plane's build takes minutes the first time, and says how far it is.
	return d.controlplane(ctx, "build", &indented{out: d.out.out})
}

// controlplane runs the program that owns the control plane. It builds from its own module, so it runs in it.
// live shows its output; nil for none.
func (d *demo) controlplane(ctx context.Context, verb string, live io.Writer) error {
	_, err := d.runCommand(ctx, command{
		dir:  filepath.Join(d.paths.root, "hack", "controlplane"),
		live: live,
		args: []string{d.paths.controlplane(), verb, "--bin", d.paths.controlplaneBin(), "--dir", d.paths.cluster},
	})
	return err
}

// startCluster starts a control plane, unless one runs already, and connects to it.
func (d *demo) startCluster(ctx context.Context) error {
	if _, err := d.runCommand(ctx, command{args: []string{d.paths.controlplane(), "status", "--dir", d.paths.cluster}}); err != nil {
		// Noted first: a start that is interrupted has to be cleaned up as well.
		d.record.StartedCluster = true
		if err := d.record.write(d.paths.record()); err != nil {
			return err
		}
	}
	if err := d.controlplane(ctx, "up", nil); err != nil {
		return err
	}
	config, err := clientcmd.BuildConfigFromFlags("", d.paths.kubeconfig())
	if err != nil {
		return fmt.Errorf("reading %s: %w", d.paths.kubeconfig(), err)
	}
	// Waiting for a step asks often, and there is nobody else to be fair to.
	config.QPS, config.Burst = 200, 400
	scheme := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		return err
	}
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return err
	}
	if d.kube, err = client.NewWithWatch(config, client.Options{Scheme: scheme}); err != nil {
		return fmt.Errorf("connecting to the control plane: %w", err)
	}
	return nil
}

// installChart installs the chart with no pods: the node is fake, and the processes run beside the cluster instead.
func (d *demo) installChart(ctx context.Context) error {
	_, err := d.runCommand(ctx, command{
		env: []string{"KUBECONFIG=" + d.paths.kubeconfig()},
		args: []string{
			d.paths.helm(), "upgrade", "--install", "stallkeeper", d.paths.chart(),
			"--namespace", systemNamespace, "--create-namespace",
			// A cluster that ran already may have the sales namespace or the kinds from elsewhere.
			"--take-ownership",
			"--set", "webhook.replicas=0,controller.replicas=0,salesNamespaces={" + salesNamespace + "}",
			// The fake open API runs beside the cluster.
			"--set", "credentials.apiHosts={127.0.0.1}",
			"--set", "login.enabled=true,login.replicas=0,login.url=https://login.example.com,login.extraArgs={--allow-loopback-http}",
		},
	})
	return err
}
