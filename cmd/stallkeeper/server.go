package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/listener"
)

// stopMargin is what the process gets to stop, beyond the delay: the requests in flight, and the caches after them.
const stopMargin = 15 * time.Second

// serverFlags are those of the processes that serve requests from outside.
type serverFlags struct {
	processFlags
	address       string
	certFile      string
	keyFile       string
	shutdownDelay time.Duration

	maxConnections, maxPerAddress int
}

// addServer adds the flags; what names that which is served, in the plural.
func (f *serverFlags) addServer(cmd *cobra.Command, what string) {
	f.add(cmd)
	flags := cmd.Flags()
	flags.StringVar(&f.address, "bind-address", ":8443", "address to serve "+what+" on")
	flags.StringVar(&f.certFile, "tls-cert-file", "", "PEM file with the TLS certificate; if empty, plain HTTP is served, for an ingress that terminates TLS")
	flags.StringVar(&f.keyFile, "tls-private-key-file", "", "PEM file with the certificate's private key")
	flags.DurationVar(&f.shutdownDelay, "shutdown-delay", 5*time.Second,
		"how long "+what+" are still accepted after the process was asked to stop and reports not ready")
	flags.IntVar(&f.maxConnections, "max-connections", listener.DefaultMaxConnections,
		"maximum open connections; beyond it, each new connection closes the oldest unauthenticated one")
	flags.IntVar(&f.maxPerAddress, "max-connections-per-address", listener.DefaultMaxPerAddress,
		"maximum open connections per client address (IPv6: per /64); behind an ingress, which is a single client, set it to --max-connections")
}

// check finds flags that can't work.
func (f *serverFlags) check() error {
	switch {
	case f.shutdownDelay < 0:
		return errors.New("--shutdown-delay must not be negative")
	case f.maxConnections < 1 || f.maxPerAddress < 1:
		return errors.New("--max-connections and --max-connections-per-address must be at least 1")
	}
	return nil
}

// newManager makes a manager whose cache holds the connections, products and instances of the namespaces before the first request.
// The instances are indexed by the fields that indexes names.
func (f *serverFlags) newManager(
	ctx context.Context, namespaces []string, log logr.Logger, indexes map[string]client.IndexerFunc,
) (ctrl.Manager, error) {
	if err := limitMemory(os.Getenv, log, 0); err != nil {
		return nil, err
	}
	cluster, err := restConfig()
	if err != nil {
		return nil, err
	}
	scheme, err := newScheme()
	if err != nil {
		return nil, err
	}
	stopTimeout := f.shutdownDelay + stopMargin
	mgr, err := ctrl.NewManager(cluster, manager.Options{
		Scheme:                  scheme,
		Logger:                  log,
		Cache:                   inNamespaces(namespaces),
		Client:                  uncached(),
		Metrics:                 metricsserver.Options{BindAddress: f.metricsAddress},
		HealthProbeBindAddress:  f.probeAddress,
		GracefulShutdownTimeout: &stopTimeout,
	})
	if err != nil {
		return nil, fmt.Errorf("connecting to the cluster: %w", err)
	}
	for field, values := range indexes {
		if err := mgr.GetFieldIndexer().IndexField(ctx, &v1alpha1.MarketplaceInstance{}, field, values); err != nil {
			return nil, fmt.Errorf("indexing MarketplaceInstances by %s: %w", field, err)
		}
	}
	for _, kind := range []client.Object{&v1alpha1.Marketplace{}, &v1alpha1.MarketplaceProduct{}, &v1alpha1.MarketplaceInstance{}} {
		if _, err := mgr.GetCache().GetInformer(ctx, kind); err != nil {
			return nil, fmt.Errorf("watching %T: %w", kind, err)
		}
	}
	return mgr, nil
}

// serve serves requests until ctx is done; name is that of the readiness check, and facts are logged, as keys and values.
func (f *serverFlags) serve(ctx context.Context, mgr ctrl.Manager, name string, handler http.Handler, log logr.Logger, facts ...any) error {
	server, err := listener.New(handler, listener.Options{
		Name: name, Address: f.address, CertFile: f.certFile, KeyFile: f.keyFile, ShutdownDelay: f.shutdownDelay, Log: log,
		MaxConnections: f.maxConnections, MaxPerAddress: f.maxPerAddress, Registerer: metrics.Registry,
	})
	if err != nil {
		return err
	}
	err = errors.Join(
		mgr.Add(server),
		mgr.AddReadyzCheck(name, server.Ready),
		mgr.AddHealthzCheck("ping", healthz.Ping),
	)
	if err != nil {
		return fmt.Errorf("setting up the server of the %s: %w", name, err)
	}
	log.Info("Starting", append([]any{"version", version, "address", server.Addr().String(), "tls", f.certFile != ""}, facts...)...)
	return mgr.Start(ctx)
}
