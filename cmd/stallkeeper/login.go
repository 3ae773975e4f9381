package main

import (
	"context"
	"errors"
	"fmt"
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
	"github.com/stallkeeper/stallkeeper/login"
	"github.com/stallkeeper/stallkeeper/marketplace"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/signon"
	"github.com/stallkeeper/stallkeeper/webhook"
)

type loginFlags struct {
	processFlags
	address       string
	url           string
	certFile      string
	keyFile       string
	maxConcurrent int
	loopbackHTTP  bool
	shutdownDelay time.Duration
}

func newLoginCommand() *cobra.Command {
	f := &loginFlags{}
	cmd := &cobra.Command{
		Use:   "login",
		Short: "Sign the users of buyers' enterprises in at the marketplace, for applications without OAuth2 of their own",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runLogin(cmd.Context(), f)
		},
	}
	f.add(cmd)
	flags := cmd.Flags()
	flags.StringVar(&f.address, "bind-address", ":8443", "address of the sign-on")
	flags.StringVar(&f.url, "url", "", "where browsers reach it, such as https://login.example.com (required)")
	flags.StringVar(&f.certFile, "tls-cert-file", "", "PEM file of the TLS certificate; plain HTTP when not set, for an ingress that ends TLS")
	flags.StringVar(&f.keyFile, "tls-private-key-file", "", "PEM file of the certificate's private key")
	flags.IntVar(&f.maxConcurrent, "max-concurrent-logins", login.DefaultMaxConcurrent, "users about whom a marketplace is asked at once; more wait")
	flags.BoolVar(&f.loopbackHTTP, "allow-loopback-http", false,
		"let enterprises' domains and front ends be http:// on 127.0.0.1; for tests only")
	flags.DurationVar(&f.shutdownDelay, "shutdown-delay", 5*time.Second,
		"time for which requests are still taken after the end was asked for and readiness is false")
	return cmd
}

func runLogin(ctx context.Context, f *loginFlags) error {
	log, err := f.logger()
	if err != nil {
		return err
	}
	namespaces, err := f.salesNamespaces()
	if err != nil {
		return err
	}
	if f.maxConcurrent < 1 || f.shutdownDelay < 0 {
		return errors.New("--max-concurrent-logins must be at least 1, and --shutdown-delay not negative")
	}
	if f.url == "" {
		return errors.New("--url is required: https:// and the host where browsers reach the sign-on")
	}
	mgr, err := newLoginManager(ctx, f, namespaces, log)
	if err != nil {
		return err
	}
	handler, err := login.NewHandler(login.Options{
		Namespaces: namespaces, URL: f.url, Client: mgr.GetClient(), APIReader: mgr.GetAPIReader(), Registerer: metrics.Registry, Log: log,
		Protocols: map[v1alpha1.MarketplaceProtocol]marketplace.SignOn{
			v1alpha1.ProtocolKooGallery: &signon.SignOn{AllowLoopbackHTTP: f.loopbackHTTP},
		},
		AllowLoopbackHTTP: f.loopbackHTTP, MaxConcurrent: f.maxConcurrent,
	})
	if err != nil {
		return fmt.Errorf("--url: %w", err)
	}
	server, err := webhook.NewServer(handler, webhook.ServerOptions{
		Name: "logins", Address: f.address, CertFile: f.certFile, KeyFile: f.keyFile, ShutdownDelay: f.shutdownDelay, Log: log,
	})
	if err != nil {
		return err
	}
	err = errors.Join(
		mgr.Add(server),
		mgr.AddReadyzCheck("logins", server.Ready),
		mgr.AddHealthzCheck("ping", healthz.Ping),
	)
	if err != nil {
		return fmt.Errorf("setting up the sign-on: %w", err)
	}
	log.Info("Starting", "version", version, "namespaces", namespaces, "address", server.Addr().String(), "tls", f.certFile != "", "url", f.url)
	return mgr.Start(ctx)
}

// newLoginManager makes a manager whose cache holds what the handler reads before the first request.
func newLoginManager(ctx context.Context, f *loginFlags, namespaces []string, log logr.Logger) (ctrl.Manager, error) {
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
	if err := mgr.GetFieldIndexer().IndexField(ctx, &v1alpha1.MarketplaceInstance{}, login.EnterpriseField, login.EnterprisesOf); err != nil {
		return nil, fmt.Errorf("indexing MarketplaceInstances by %s: %w", login.EnterpriseField, err)
	}
	for _, kind := range []client.Object{&v1alpha1.Marketplace{}, &v1alpha1.MarketplaceProduct{}, &v1alpha1.MarketplaceInstance{}} {
		if _, err := mgr.GetCache().GetInformer(ctx, kind); err != nil {
			return nil, fmt.Errorf("watching %T: %w", kind, err)
		}
	}
	return mgr, nil
}
