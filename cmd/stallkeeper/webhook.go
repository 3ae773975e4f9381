package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	toolscache "k8s.io/client-go/tools/cache"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/marketplace"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery"
	"github.com/stallkeeper/stallkeeper/webhook"
)

// stopMargin is what the process gets to stop, beyond the delay: the calls in flight, and the caches after them.
const stopMargin = 15 * time.Second

type webhookFlags struct {
	processFlags
	address       string
	certFile      string
	keyFile       string
	maxConcurrent int
	shutdownDelay time.Duration
}

func newWebhookCommand() *cobra.Command {
	f := &webhookFlags{}
	cmd := &cobra.Command{
		Use:   "webhook",
		Short: "Take the marketplaces' callbacks and store them as MarketplaceInstances",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runWebhook(cmd.Context(), f)
		},
	}
	f.add(cmd)
	flags := cmd.Flags()
	flags.StringVar(&f.address, "bind-address", ":8443", "address of the callbacks")
	flags.StringVar(&f.certFile, "tls-cert-file", "", "PEM file of the TLS certificate; plain HTTP when not set, for an ingress that ends TLS")
	flags.StringVar(&f.keyFile, "tls-private-key-file", "", "PEM file of the certificate's private key")
	flags.IntVar(&f.maxConcurrent, "max-concurrent-callbacks", webhook.DefaultMaxConcurrent, "verified callbacks at work at once; more wait")
	flags.DurationVar(&f.shutdownDelay, "shutdown-delay", 5*time.Second,
		"time for which callbacks are still taken after the end was asked for and readiness is false")
	return cmd
}

func runWebhook(ctx context.Context, f *webhookFlags) error {
	log, err := f.logger()
	if err != nil {
		return err
	}
	namespaces, err := f.salesNamespaces()
	if err != nil {
		return err
	}
	if f.maxConcurrent < 1 || f.shutdownDelay < 0 {
		return errors.New("--max-concurrent-callbacks must be at least 1, and --shutdown-delay not negative")
	}
	mgr, err := newWebhookManager(f, namespaces, log)
	if err != nil {
		return err
	}
	if err := indexInstances(ctx, mgr); err != nil {
		return err
	}
	handler, err := newCallbackHandler(mgr, f, namespaces, log)
	if err != nil {
		return err
	}
	if err := tellChanges(ctx, mgr, handler); err != nil {
		return err
	}
	server, err := webhook.NewServer(handler, webhook.ServerOptions{
		Address: f.address, CertFile: f.certFile, KeyFile: f.keyFile, ShutdownDelay: f.shutdownDelay, Log: log,
	})
	if err != nil {
		return err
	}
	err = errors.Join(
		mgr.Add(server),
		mgr.AddReadyzCheck("callbacks", server.Ready),
		mgr.AddHealthzCheck("ping", healthz.Ping),
		mgr.AddMetricsServerExtraHandler(webhook.ClockSkewPath, http.HandlerFunc(handler.ServeClockSkews)),
	)
	if err != nil {
		return fmt.Errorf("setting up the callback server: %w", err)
	}
	log.Info("Starting", "version", version, "namespaces", namespaces, "address", server.Addr().String(), "tls", f.certFile != "")
	return mgr.Start(ctx)
}

func newWebhookManager(f *webhookFlags, namespaces []string, log logr.Logger) (ctrl.Manager, error) {
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
	return mgr, nil
}

// indexInstances asks the cache for what the handler reads, so that it is filled before the first callback.
func indexInstances(ctx context.Context, mgr ctrl.Manager) error {
	for field, values := range webhook.Indexes {
		if err := mgr.GetFieldIndexer().IndexField(ctx, &v1alpha1.MarketplaceInstance{}, field, values); err != nil {
			return fmt.Errorf("indexing MarketplaceInstances by %s: %w", field, err)
		}
	}
	for _, kind := range []client.Object{&v1alpha1.Marketplace{}, &v1alpha1.MarketplaceProduct{}, &v1alpha1.MarketplaceInstance{}} {
		if _, err := mgr.GetCache().GetInformer(ctx, kind); err != nil {
			return fmt.Errorf("watching %T: %w", kind, err)
		}
	}
	return nil
}

// tellChanges tells the handler which instances the cache has taken up.
func tellChanges(ctx context.Context, mgr ctrl.Manager, handler *webhook.Handler) error {
	informer, err := mgr.GetCache().GetInformer(ctx, &v1alpha1.MarketplaceInstance{})
	if err == nil {
		_, err = informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
			AddFunc:    handler.InstanceChanged,
			UpdateFunc: func(_, object any) { handler.InstanceChanged(object) },
		})
	}
	if err != nil {
		return fmt.Errorf("following MarketplaceInstances: %w", err)
	}
	return nil
}

func newCallbackHandler(mgr ctrl.Manager, f *webhookFlags, namespaces []string, log logr.Logger) (*webhook.Handler, error) {
	decoy, err := koogallery.NewCallbacks(map[string][]byte{
		koogallery.KeyAccess: []byte(rand.Text()), koogallery.KeyKit: []byte(rand.Text()),
	})
	if err != nil {
		return nil, fmt.Errorf("making the decoy's key: %w", err)
	}
	return webhook.NewHandler(webhook.Options{
		Namespaces:    namespaces,
		Client:        mgr.GetClient(),
		APIReader:     mgr.GetAPIReader(),
		Protocols:     map[v1alpha1.MarketplaceProtocol]webhook.Protocol{v1alpha1.ProtocolKooGallery: koogalleryCallbacks},
		Decoy:         decoy,
		Registerer:    metrics.Registry,
		Log:           log,
		MaxConcurrent: f.maxConcurrent,
		MaxBody:       koogallery.MaxBody,
		MaxBodyOf:     koogallery.MaxBodyOf,
	})
}

// koogalleryCallbacks makes KooGallery's side of the callback server.
func koogalleryCallbacks(secret map[string][]byte, encryption v1alpha1.FieldEncryption) (marketplace.Callbacks, error) {
	callbacks, err := koogallery.NewCallbacks(secret)
	if err != nil {
		return nil, err
	}
	if encryption == v1alpha1.FieldEncryptionAES128 {
		return callbacks.WithEncryptType(koogallery.EncryptAES128), nil
	}
	return callbacks, nil
}
