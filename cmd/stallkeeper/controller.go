package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers"
	"github.com/stallkeeper/stallkeeper/controllers/license"
	"github.com/stallkeeper/stallkeeper/controllers/template"
	"github.com/stallkeeper/stallkeeper/controllers/tenant"
	"github.com/stallkeeper/stallkeeper/controllers/workload"
)

const (
	// defaultUsageRetention is longer than the month for which a bill is asked about.
	defaultUsageRetention = 35 * 24 * time.Hour
	minUsageRetention     = 24 * time.Hour
)

type controllerFlags struct {
	processFlags
	tenantKinds          []string
	tenantPrefix         string
	credentialsNamespace string
	leaseNamespace       string
	leaseName            string
	driftSecrets         bool
	tenantRBAC           bool
	maxPodSecurity       string
	clockSkewURL         string
	licenseQueryInterval time.Duration
	podNamespace         string
	podLabels            map[string]string
	prometheusURL        string
	usageRetention       time.Duration
}

func newControllerCommand() *cobra.Command {
	f := &controllerFlags{}
	cmd := &cobra.Command{
		Use:   "controller",
		Short: "Run the tenants of the MarketplaceInstances",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runController(cmd.Context(), f)
		},
	}
	f.add(cmd)
	flags := cmd.Flags()
	flags.StringSliceVar(&f.tenantKinds, "tenant-kinds", nil,
		"kinds that may be made for tenants, as resource.version.group such as deployments.v1.apps or services.v1 (required)")
	flags.StringVar(&f.tenantPrefix, "tenant-namespace-prefix", v1alpha1.DefaultTenantPrefix,
		"beginning of the names of tenants' namespaces, at most 16 characters")
	flags.StringVar(&f.credentialsNamespace, "credentials-namespace", "",
		"namespace of the Secrets with the credentials of the marketplaces' open APIs (required)")
	flags.StringVar(&f.leaseNamespace, "leader-election-namespace", "",
		"namespace of the Lease by which one of several controllers leads; not set: the pod's own")
	flags.StringVar(&f.leaseName, "leader-election-id", "controller.stallkeeper.io", "name of that Lease")
	flags.BoolVar(&f.driftSecrets, "drift-secrets", false,
		"notice changed Secrets of tenants at once; needs the right to read every Secret of the cluster")
	flags.BoolVar(&f.tenantRBAC, "tenant-rbac", false, "accept Roles and RoleBindings in templates")
	flags.StringVar(&f.maxPodSecurity, "max-pod-security-level", string(v1alpha1.PodSecurityBaseline),
		"most permissive Pod Security level of tenants: restricted, baseline or privileged")
	flags.DurationVar(&f.licenseQueryInterval, "license-query-interval", license.DefaultQueryInterval,
		"pause between two queries of a license code, at least 1s; marketplaces ask for one every day")
	flags.StringVar(&f.podNamespace, "pod-namespace", "",
		"namespace of the controller's own pods, which tenants let in where a meter asks them; not set: none is let in")
	flags.StringToStringVar(&f.podLabels, "pod-labels", nil, "labels of those pods, as key=value,key=value")
	flags.StringVar(&f.prometheusURL, "usage-prometheus-url", "",
		"base URL of the Prometheus that meters ask which name none; not set: every such meter has to name one")
	flags.DurationVar(&f.usageRetention, "usage-retention", defaultUsageRetention,
		"how long UsageRecords are kept once nothing more becomes of them, at least 24h")
	flags.StringVar(&f.clockSkewURL, "clock-skew-url", "", "address of the webhook servers' /clock-skew; not set: not asked")
	return cmd
}

func runController(ctx context.Context, f *controllerFlags) error {
	log, err := f.logger()
	if err != nil {
		return err
	}
	if len(f.tenantPrefix) > 16 || f.tenantPrefix == "" {
		return fmt.Errorf("--tenant-namespace-prefix must have 1 to 16 characters, not %d", len(f.tenantPrefix))
	}
	if f.credentialsNamespace == "" {
		return errors.New("--credentials-namespace is required: name the namespace where Stallkeeper is installed")
	}
	if !slices.Contains([]v1alpha1.PodSecurityLevel{
		v1alpha1.PodSecurityRestricted, v1alpha1.PodSecurityBaseline, v1alpha1.PodSecurityPrivileged,
	}, v1alpha1.PodSecurityLevel(f.maxPodSecurity)) {
		return fmt.Errorf("--max-pod-security-level must be restricted, baseline or privileged, not %q", f.maxPodSecurity)
	}
	if f.licenseQueryInterval < time.Second {
		return fmt.Errorf("--license-query-interval must be at least 1s, not %s", f.licenseQueryInterval)
	}
	if f.usageRetention < minUsageRetention {
		return fmt.Errorf("--usage-retention must be at least %s, not %s", minUsageRetention, f.usageRetention)
	}
	mgr, config, err := newControllerManager(f, log)
	if err != nil {
		return err
	}
	if err := controllers.Setup(ctx, mgr, config); err != nil {
		return err
	}
	if err := errors.Join(mgr.AddHealthzCheck("ping", healthz.Ping), mgr.AddReadyzCheck("ping", healthz.Ping)); err != nil {
		return fmt.Errorf("setting up the probes: %w", err)
	}
	return mgr.Start(ctx)
}

// newControllerManager makes the manager, and what the controllers have to be told.
func newControllerManager(f *controllerFlags, log logr.Logger) (ctrl.Manager, controllers.Config, error) {
	namespaces, err := f.salesNamespaces()
	if err != nil {
		return nil, controllers.Config{}, err
	}
	rest, err := restConfig()
	if err != nil {
		return nil, controllers.Config{}, err
	}
	scheme, err := newScheme()
	if err != nil {
		return nil, controllers.Config{}, err
	}
	kinds, err := resolveTenantKinds(rest, f.tenantKinds, f.driftSecrets)
	if err != nil {
		return nil, controllers.Config{}, err
	}
	discovered, err := discovery.NewDiscoveryClientForConfig(rest)
	if err != nil {
		return nil, controllers.Config{}, fmt.Errorf("setting up discovery: %w", err)
	}
	config := f.config(namespaces, kinds, capabilitiesReader(discovered))
	if config.Renderer, err = newRenderPool(); err != nil {
		return nil, controllers.Config{}, err
	}
	config.ServerTime = &tenant.ServerTime{}
	rest.Wrap(config.ServerTime.Wrap)
	mgr, err := ctrl.NewManager(rest, ctrl.Options{
		Scheme: scheme, Logger: log,
		Cache:                         controllers.CacheOptions(config),
		Client:                        client.Options{Cache: &client.CacheOptions{DisableFor: controllers.Uncached()}},
		Metrics:                       metricsserver.Options{BindAddress: f.metricsAddress},
		HealthProbeBindAddress:        f.probeAddress,
		LeaderElection:                true,
		LeaderElectionID:              f.leaseName,
		LeaderElectionNamespace:       f.leaseNamespace,
		LeaderElectionReleaseOnCancel: true,
	})
	if err != nil {
		return nil, controllers.Config{}, fmt.Errorf("setting up the controller: %w", err)
	}
	return mgr, config, nil
}

// config is what the flags and the cluster say.
func (f *controllerFlags) config(namespaces []string, kinds tenantKinds, capabilities func() (template.Capabilities, error),
) controllers.Config {
	permissions := kinds.permissions()
	permissions.TenantRBAC = f.tenantRBAC
	permissions.MaxPodSecurityLevel = v1alpha1.PodSecurityLevel(f.maxPodSecurity)
	permissions.Controller = workload.Peer{Namespace: f.podNamespace, Labels: f.podLabels}
	return controllers.Config{
		SalesNamespaces: namespaces, CredentialsNamespace: f.credentialsNamespace, TenantPrefix: f.tenantPrefix,
		TenantKinds: kinds.watched, Permissions: permissions, Protocols: controllerProtocols(), Capabilities: capabilities,
		ClockSkew: clockSkewReader(f.clockSkewURL), PrometheusURL: f.prometheusURL, UsageRetention: f.usageRetention,
		LicenseQueryInterval: f.licenseQueryInterval, Registerer: metrics.Registry,
	}
}

// clockSkewReader asks the webhook servers for the skew; nil without an address.
func clockSkewReader(url string) func(context.Context, types.NamespacedName) (time.Duration, error) {
	if url == "" {
		return nil
	}
	return (&clockSkews{url: url}).of
}
