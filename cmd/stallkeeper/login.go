package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/stallkeeper/stallkeeper/login"
)

type loginFlags struct {
	serverFlags
	url           string
	maxConcurrent int
	forwardedFor  bool
	loopbackHTTP  bool
}

func newLoginCommand() *cobra.Command {
	f := &loginFlags{}
	cmd := &cobra.Command{
		Use:   "login",
		Short: "Run the sign-on bridge, which signs users in at the marketplace for applications without their own OAuth2 support",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runLogin(cmd.Context(), f)
		},
	}
	f.addServer(cmd, "logins")
	flags := cmd.Flags()
	flags.StringVar(&f.url, "url", "", "URL at which browsers reach the sign-on bridge, such as https://login.example.com (required)")
	flags.IntVar(&f.maxConcurrent, "max-concurrent-logins", login.DefaultMaxConcurrent,
		"maximum concurrent sign-on requests to the marketplaces; further ones queue")
	flags.BoolVar(&f.forwardedFor, "forwarded-for", false,
		"take the last address in X-Forwarded-For for the user's; only behind a proxy that appends it")
	flags.BoolVar(&f.loopbackHTTP, "allow-loopback-http", false,
		"allow http:// on 127.0.0.1 for enterprises' domains and front ends; for tests only")
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
	if f.maxConcurrent < 1 {
		return errors.New("--max-concurrent-logins must be at least 1")
	}
	if err := f.check(); err != nil {
		return err
	}
	if f.url == "" {
		return errors.New("--url is required: https:// and the host at which browsers reach the sign-on bridge")
	}
	mgr, err := f.newManager(ctx, namespaces, log, map[string]client.IndexerFunc{login.EnterpriseField: login.EnterprisesOf})
	if err != nil {
		return err
	}
	handler, err := login.NewHandler(login.Options{
		Namespaces: namespaces, URL: f.url, Client: mgr.GetClient(), APIReader: mgr.GetAPIReader(), Registerer: metrics.Registry, Log: log,
		Protocols:         signOnProtocols(f.loopbackHTTP),
		ForwardedFor:      f.forwardedFor,
		AllowLoopbackHTTP: f.loopbackHTTP, MaxConcurrent: f.maxConcurrent,
	})
	if err != nil {
		return fmt.Errorf("--url: %w", err)
	}
	return f.serve(ctx, mgr, "logins", handler, log, "namespaces", namespaces, "url", f.url)
}
