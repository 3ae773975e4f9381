package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	toolscache "k8s.io/client-go/tools/cache"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery"
	"github.com/stallkeeper/stallkeeper/webhook"
)

type webhookFlags struct {
	serverFlags
	maxConcurrent int
}

func newWebhookCommand() *cobra.Command {
	f := &webhookFlags{}
	cmd := &cobra.Command{
		Use:   "webhook",
		Short: "Run the callback server, which stores the marketplaces' calls as MarketplaceInstances",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runWebhook(cmd.Context(), f)
		},
	}
	f.addServer(cmd, "callbacks")
	cmd.Flags().IntVar(&f.maxConcurrent, "max-concurrent-callbacks", webhook.DefaultMaxConcurrent,
		"maximum concurrently processed verified callbacks; further ones queue")
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
	if f.maxConcurrent < 1 {
		return errors.New("--max-concurrent-callbacks must be at least 1")
	}
	if err := f.check(); err != nil {
		return err
	}
	mgr, err := f.newManager(ctx, namespaces, log, webhook.Indexes)
	if err != nil {
		return err
	}
	handler, err := newCallbackHandler(mgr, f, namespaces, log)
	if err != nil {
		return err
	}
	if err := tellChanges(ctx, mgr, handler); err != nil {
		return err
	}
	if err := mgr.AddMetricsServerExtraHandler(webhook.ClockSkewPath, http.HandlerFunc(handler.ServeClockSkews)); err != nil {
		return fmt.Errorf("serving the clock skew: %w", err)
	}
	return f.serve(ctx, mgr, "callbacks", handler, log, "namespaces", namespaces)
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
		return fmt.Errorf("watching MarketplaceInstances: %w", err)
	}
	return nil
}

func newCallbackHandler(mgr ctrl.Manager, f *webhookFlags, namespaces []string, log logr.Logger) (*webhook.Handler, error) {
	decoy, err := decoyCallbacks()
	if err != nil {
		return nil, err
	}
	return webhook.NewHandler(webhook.Options{
		Namespaces:    namespaces,
		Client:        mgr.GetClient(),
		APIReader:     mgr.GetAPIReader(),
		Protocols:     callbackProtocols(),
		Decoy:         decoy,
		Registerer:    metrics.Registry,
		Log:           log,
		MaxConcurrent: f.maxConcurrent,
		MaxBody:       koogallery.MaxBody,
		MaxBodyOf:     koogallery.MaxBodyOf,
	})
}
