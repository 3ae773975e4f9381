package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
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
	"github.com/stallkeeper/stallkeeper/controllers/egress"
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
	tenantRoleRights     string
	maxPodSecurity       string
	tenantLimits         string
	allowLoopback        bool
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
		Short: "Run the reconcilers, which create and manage a tenant for each MarketplaceInstance",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runController(cmd.Context(), f)
		},
	}
	f.add(cmd)
	flags := cmd.Flags()
	flags.StringSliceVar(&f.tenantKinds, "tenant-kinds", nil,
		"kinds that tenants may contain, as resource.version.group, such as deployments.v1.apps or services.v1 (required)")
	flags.StringVar(&f.tenantPrefix, "tenant-namespace-prefix", v1alpha1.DefaultTenantPrefix,
		"prefix of tenants' namespace names, at most 16 characters")
	flags.StringVar(&f.credentialsNamespace, "credentials-namespace", "",
		"namespace of the Secrets that hold the credentials for the marketplaces' APIs (required)")
	flags.StringVar(&f.leaseNamespace, "leader-election-namespace", "",
		"namespace of the leader election Lease; defaults to the pod's namespace")
	flags.StringVar(&f.leaseName, "leader-election-id", "controller.stallkeeper.io", "name of the leader election Lease")
	flags.BoolVar(&f.driftSecrets, "drift-secrets", false,
		"watch tenants' Secrets and correct drift immediately; requires permission to read every Secret in the cluster")
	flags.BoolVar(&f.tenantRBAC, "tenant-rbac", false, "allow Roles and RoleBindings in templates")
	flags.StringVar(&f.tenantRoleRights, "tenant-role-rights", "",
		`what Roles in templates may allow, as JSON of verbs by resource, such as {"pods/log":["get"],"deployments.apps":["list"]}`)
	flags.StringVar(&f.maxPodSecurity, "max-pod-security-level", string(v1alpha1.PodSecurityBaseline),
		"most permissive Pod Security level that a product may request: restricted, baseline or privileged")
	flags.StringVar(&f.tenantLimits, "tenant-limits", "{}",
		"what tenants' objects may have that reaches beyond their tenant, as JSON: the chart's tenantLimits and ownHosts")
	flags.BoolVar(&f.allowLoopback, "allow-loopback", false,
		"let registries and Prometheus be on the controller's own machine, for a controller that does not run in a pod")
	flags.DurationVar(&f.licenseQueryInterval, "license-query-interval", license.DefaultQueryInterval,
		"interval between queries about the same license code, at least 1s; marketplaces expect one query a day")
	flags.StringVar(&f.podNamespace, "pod-namespace", "",
		"namespace of the controller's own pods, for the NetworkPolicies that let them reach tenants' Services; if empty, tenants do not let them in")
	flags.StringToStringVar(&f.podLabels, "pod-labels", nil, "labels of the controller's own pods, as key=value,key=value")
	flags.StringVar(&f.prometheusURL, "usage-prometheus-url", "",
		"default Prometheus base URL for meters that set none; if empty, every Prometheus meter must set one")
	flags.DurationVar(&f.usageRetention, "usage-retention", defaultUsageRetention,
		"how long completed UsageRecords are kept, at least 24h")
	flags.StringVar(&f.clockSkewURL, "clock-skew-url", "", "URL of the webhook servers' /clock-skew; if empty, clock skew is not checked")
	return cmd
}

func runController(ctx context.Context, f *controllerFlags) error {
	log, err := f.logger()
	if err != nil {
		return err
	}
	if err := limitMemory(os.Getenv, log, renderWorkers*renderWorkerMemory); err != nil {
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
	if _, err := workload.ParseRoleRights(f.tenantRoleRights); err != nil {
		return fmt.Errorf("--tenant-role-rights %w", err)
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
	if err := strictJSON(f.tenantLimits, &config.Permissions.Limits); err != nil {
		return nil, controllers.Config{}, fmt.Errorf("--tenant-limits: %w", err)
	}
	if config.Renderer, err = newRenderPool(); err != nil {
		return nil, controllers.Config{}, err
	}
	config.Reach = reachBeside(rest.Host)
	config.Reach.Loopback = f.allowLoopback
	config.ServerTime = &tenant.ServerTime{}
	if config.LeaderLease, err = f.leaderLease(); err != nil {
		return nil, controllers.Config{}, err
	}
	rest.Wrap(config.ServerTime.Wrap)
	mgr, err := ctrl.NewManager(rest, ctrl.Options{
		Scheme: scheme, Logger: log,
		Cache:                         controllers.CacheOptions(config),
		Client:                        client.Options{Cache: &client.CacheOptions{DisableFor: controllers.Uncached()}},
		Metrics:                       metricsserver.Options{BindAddress: f.metricsAddress},
		HealthProbeBindAddress:        f.probeAddress,
		LeaderElection:                true,
		LeaderElectionID:              f.leaseName,
		LeaderElectionNamespace:       config.LeaderLease.Namespace,
		LeaderElectionReleaseOnCancel: true,
	})
	if err != nil {
		return nil, controllers.Config{}, fmt.Errorf("setting up the controller: %w", err)
	}
	return mgr, config, nil
}

// podNamespaceFile says in which namespace a pod runs.
const podNamespaceFile = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"

// leaderLease is the leader election's Lease.
func (f *controllerFlags) leaderLease() (types.NamespacedName, error) {
	if f.leaseNamespace != "" {
		return types.NamespacedName{Namespace: f.leaseNamespace, Name: f.leaseName}, nil
	}
	namespace, err := os.ReadFile(podNamespaceFile)
	if err != nil {
		return types.NamespacedName{}, fmt.Errorf("--leader-election-namespace is required outside of a pod: %w", err)
	}
	return types.NamespacedName{Namespace: strings.TrimSpace(string(namespace)), Name: f.leaseName}, nil
}

// reachBeside is a Reach without the API server: at the address or the name by which this process knows it, and at those by which every pod does. One on
// this machine is for --allow-loopback to say.
func reachBeside(server string) egress.Reach {
	if !strings.Contains(server, "://") {
		server = "https://" + server
	}
	names := []string{"kubernetes.default.svc"}
	at, err := url.Parse(server)
	if err != nil || at.Hostname() == "" {
		return egress.Reach{Names: egress.NewNames(time.Now, names...)}
	}
	ip, err := netip.ParseAddr(at.Hostname())
	switch {
	case err != nil:
		return egress.Reach{Names: egress.NewNames(time.Now, append(names, at.Hostname())...)}
	case ip.IsLoopback():
		return egress.Reach{Names: egress.NewNames(time.Now, names...)}
	default:
		return egress.Reach{Never: []netip.Addr{ip.Unmap()}, Names: egress.NewNames(time.Now, names...)}
	}
}

// strictJSON reads a flag's JSON, with no field that is not known.
func strictJSON(text string, into any) error {
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	return decoder.Decode(into)
}

// config is what the flags and the cluster say.
func (f *controllerFlags) config(namespaces []string, kinds tenantKinds, capabilities func() (template.Capabilities, error),
) controllers.Config {
	permissions := kinds.permissions()
	permissions.TenantRBAC = f.tenantRBAC
	permissions.RoleRights, _ = workload.ParseRoleRights(f.tenantRoleRights) // read before, by run
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
