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
	loopbackHTTP  bool
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
	f.addServer(cmd, "logins")
	flags := cmd.Flags()
	flags.StringVar(&f.url, "url", "", "where browsers reach the sign-on, such as https://login.example.com (required)")
	flags.IntVar(&f.maxConcurrent, "max-concurrent-logins", login.DefaultMaxConcurrent, "users about whom a marketplace is asked at once; more wait")
	flags.BoolVar(&f.loopbackHTTP, "allow-loopback-http", false,
		"let enterprises' domains and front ends be http:// on 127.0.0.1; for tests only")
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
		return errors.New("--url is required: https:// and the host where browsers reach the sign-on")
	}
	mgr, err := f.newManager(ctx, namespaces, log, map[string]client.IndexerFunc{login.EnterpriseField: login.EnterprisesOf})
	if err != nil {
		return err
	}
	handler, err := login.NewHandler(login.Options{
		Namespaces: namespaces, URL: f.url, Client: mgr.GetClient(), APIReader: mgr.GetAPIReader(), Registerer: metrics.Registry, Log: log,
		Protocols:         signOnProtocols(f.loopbackHTTP),
		AllowLoopbackHTTP: f.loopbackHTTP, MaxConcurrent: f.maxConcurrent,
	})
	if err != nil {
		return fmt.Errorf("--url: %w", err)
	}
	return f.serve(ctx, mgr, "logins", handler, log, "namespaces", namespaces, "url", f.url)
}
