package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers"
	"github.com/stallkeeper/stallkeeper/controllers/apply"
	"github.com/stallkeeper/stallkeeper/controllers/sources"
	"github.com/stallkeeper/stallkeeper/controllers/workload"
	"github.com/stallkeeper/stallkeeper/marketplace"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/openapi"
)

// koogalleryGrace is how long KooGallery keeps an expired resource frozen at the most before it releases it (protocol page,
// section 2: up to 15 days, by the customer's level).
const koogalleryGrace = 15 * 24 * time.Hour

const (
	// koogalleryUsageAge is how long ago usage may begin that is pushed (protocol page 4.3).
	koogalleryUsageAge = openapi.MaxUsageAge
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
	flags.DurationVar(&f.licenseQueryInterval, "license-query-interval", controllers.DefaultLicenseQueryInterval,
		"pause between two queries of a licence code, at least 1s; marketplaces ask for one every day")
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
	mgr, kinds, err := newControllerManager(f, log)
	if err != nil {
		return err
	}
	if err := controllers.SetupIndexes(ctx, mgr.GetFieldIndexer()); err != nil {
		return err
	}
	licenseMetrics := controllers.NewLicenseMetrics(mgr.GetCache())
	if err := setupReconcilers(mgr, f, kinds, licenseMetrics); err != nil {
		return err
	}
	if err := errors.Join(
		metrics.Registry.Register(licenseMetrics),
		metrics.Registry.Register(controllers.InstanceMetrics{Reader: mgr.GetCache()}),
		metrics.Registry.Register(controllers.UsageMetrics{Reader: mgr.GetCache()}),
	); err != nil {
		return fmt.Errorf("registering the metrics: %w", err)
	}
	if err := errors.Join(mgr.AddHealthzCheck("ping", healthz.Ping), mgr.AddReadyzCheck("ping", healthz.Ping)); err != nil {
		return fmt.Errorf("setting up the probes: %w", err)
	}
	return mgr.Start(ctx)
}

// newControllerManager makes the manager, whose cache holds the kinds of the API in the sales namespaces and the tenants'
// objects everywhere.
func newControllerManager(f *controllerFlags, log logr.Logger) (ctrl.Manager, tenantKinds, error) {
	namespaces, err := f.salesNamespaces()
	if err != nil {
		return nil, tenantKinds{}, err
	}
	config, err := restConfig()
	if err != nil {
		return nil, tenantKinds{}, err
	}
	scheme, err := newScheme()
	if err != nil {
		return nil, tenantKinds{}, err
	}
	kinds, err := resolveTenantKinds(config, f.tenantKinds, f.driftSecrets)
	if err != nil {
		return nil, tenantKinds{}, err
	}
	mgr, err := ctrl.NewManager(config, ctrl.Options{
		Scheme: scheme, Logger: log,
		Cache:                         controllerCache(namespaces, kinds),
		Client:                        client.Options{Cache: &client.CacheOptions{DisableFor: uncachedByController()}},
		Metrics:                       metricsserver.Options{BindAddress: f.metricsAddress},
		HealthProbeBindAddress:        f.probeAddress,
		LeaderElection:                true,
		LeaderElectionID:              f.leaseName,
		LeaderElectionNamespace:       f.leaseNamespace,
		LeaderElectionReleaseOnCancel: true,
	})
	if err != nil {
		return nil, tenantKinds{}, fmt.Errorf("setting up the controller: %w", err)
	}
	return mgr, kinds, nil
}

// uncachedByController are the kinds that are read live: what holds secrets or much, and what is read once.
func uncachedByController() []client.Object {
	return []client.Object{&corev1.Secret{}, &corev1.ConfigMap{}, &corev1.Pod{}, &appsv1.ControllerRevision{}}
}

func setupReconcilers(mgr ctrl.Manager, f *controllerFlags, kinds tenantKinds, licenseMetrics *controllers.LicenseMetrics) error {
	discovered, err := discovery.NewDiscoveryClientForConfig(mgr.GetConfig())
	if err != nil {
		return fmt.Errorf("setting up discovery: %w", err)
	}
	permissions := kinds.permissions()
	permissions.TenantRBAC = f.tenantRBAC
	permissions.MaxPodSecurityLevel = v1alpha1.PodSecurityLevel(f.maxPodSecurity)
	permissions.Controller = workload.Peer{Namespace: f.podNamespace, Labels: f.podLabels}
	protocols := controllers.Protocols{v1alpha1.ProtocolKooGallery: koogalleryProtocol()}
	return errors.Join(
		(&controllers.MarketplaceReconciler{
			Client: mgr.GetClient(), APIReader: mgr.GetAPIReader(), CredentialsNamespace: f.credentialsNamespace,
			Protocols: protocols, ClockSkew: clockSkewReader(f.clockSkewURL),
			Clock: clock.RealClock{}, Recorder: mgr.GetEventRecorder("stallkeeper"),
		}).SetupWithManager(mgr),
		(&controllers.ProductReconciler{
			Client: mgr.GetClient(), APIReader: mgr.GetAPIReader(), Clock: clock.RealClock{},
			Capabilities: capabilitiesReader(discovered), Permissions: permissions,
		}).SetupWithManager(mgr),
		(&controllers.OrderReconciler{
			Client: mgr.GetClient(), APIReader: mgr.GetAPIReader(), Clock: clock.RealClock{},
			CredentialsNamespace: f.credentialsNamespace, Protocols: protocols,
		}).SetupWithManager(mgr),
		(&controllers.LicenseReconciler{
			Client: mgr.GetClient(), APIReader: mgr.GetAPIReader(), Clock: clock.RealClock{}, CredentialsNamespace: f.credentialsNamespace,
			Protocols: protocols, TenantPrefix: f.tenantPrefix, QueryInterval: f.licenseQueryInterval,
		}).SetupWithManager(mgr),
		(&controllers.LicenseQueryReconciler{
			Client: mgr.GetClient(), APIReader: mgr.GetAPIReader(), Clock: clock.RealClock{}, Recorder: mgr.GetEventRecorder("stallkeeper"),
			CredentialsNamespace: f.credentialsNamespace, Protocols: protocols, Interval: f.licenseQueryInterval, Metrics: licenseMetrics,
		}).SetupWithManager(mgr),
		(&controllers.UsageReconciler{
			Client: mgr.GetClient(), APIReader: mgr.GetAPIReader(), Clock: clock.RealClock{},
			Recorder: mgr.GetEventRecorder("stallkeeper"), Protocols: protocols, TenantPrefix: f.tenantPrefix,
			PrometheusURL: f.prometheusURL, Retention: f.usageRetention,
			Prometheus: sources.PrometheusClient(), Tenants: sources.TenantClient(),
		}).SetupWithManager(mgr),
		(&controllers.UsagePushReconciler{
			Client: mgr.GetClient(), APIReader: mgr.GetAPIReader(), Clock: clock.RealClock{},
			Recorder:             mgr.GetEventRecorder("stallkeeper"),
			CredentialsNamespace: f.credentialsNamespace, Protocols: protocols,
		}).SetupWithManager(mgr),
		(&controllers.InstanceReconciler{
			Client: mgr.GetClient(), APIReader: mgr.GetAPIReader(), Clock: clock.RealClock{},
			Recorder: mgr.GetEventRecorder("stallkeeper"),
			Applier: &apply.Applier{
				Client: mgr.GetClient(), Cache: mgr.GetCache(), Live: mgr.GetAPIReader(), Kinds: kinds.watched,
			},
			Permissions: permissions, TenantPrefix: f.tenantPrefix, Protocols: protocols,
		}).SetupWithManager(mgr),
		setupDirectories(mgr, f, protocols),
	)
}

// koogalleryProtocol is what the controller needs of KooGallery.
func koogalleryProtocol() controllers.Protocol {
	return controllers.Protocol{
		CheckCallbackKeys: func(data map[string][]byte) error {
			callbacks, err := koogallery.NewCallbacks(data)
			if err != nil {
				return err
			}
			return callbacks.CheckKit()
		},
		NewOrderReader: func(api controllers.OpenAPI) (marketplace.OrderReader, error) {
			client, err := koogalleryClient(api)
			return openapi.Reader{Client: client}, err
		},
		NewLicenseClient: func(api controllers.OpenAPI) (marketplace.LicenseClient, error) {
			client, err := koogalleryClient(api)
			return openapi.Licenses{Client: client}, err
		},
		NewUsagePusher: func(api controllers.OpenAPI, callbackKeys map[string][]byte) (marketplace.UsagePusher, error) {
			key := strings.TrimRight(string(callbackKeys[koogallery.KeyAccess]), "\r\n")
			if key == "" {
				return nil, fmt.Errorf("it has no key %s, with which usage is signed: add it", koogallery.KeyAccess)
			}
			client, err := koogalleryClient(api)
			if err != nil {
				return nil, err
			}
			client.AccessKey, client.UsageAsNumber = key, api.UsageAsNumber
			return openapi.Pusher{Client: client}, nil
		},
		MaxUsageAge:  koogalleryUsageAge,
		DefaultGrace: koogalleryGrace,
	}
}

// koogalleryClient makes the client of KooGallery's open API.
func koogalleryClient(api controllers.OpenAPI) (*openapi.Client, error) {
	base, fallback, ok := openapi.Host(api.Site)
	if api.URL != "" {
		base, fallback, ok = api.URL, "", true
	}
	if !ok {
		return nil, fmt.Errorf("KooGallery has no site %q", api.Site)
	}
	return &openapi.Client{BaseURL: base, FallbackURL: fallback, AK: api.AccessKeyID, SK: api.SecretKey}, nil
}

// clockSkewReader asks the webhook servers for the skew; nil without an address.
func clockSkewReader(url string) func(context.Context, types.NamespacedName) (time.Duration, error) {
	if url == "" {
		return nil
	}
	return (&clockSkews{url: url}).of
}
