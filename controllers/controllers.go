package controllers

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/connection"
	"github.com/stallkeeper/stallkeeper/controllers/directory"
	"github.com/stallkeeper/stallkeeper/controllers/egress"
	"github.com/stallkeeper/stallkeeper/controllers/instance"
	"github.com/stallkeeper/stallkeeper/controllers/license"
	"github.com/stallkeeper/stallkeeper/controllers/order"
	"github.com/stallkeeper/stallkeeper/controllers/product"
	"github.com/stallkeeper/stallkeeper/controllers/protocol"
	"github.com/stallkeeper/stallkeeper/controllers/render"
	"github.com/stallkeeper/stallkeeper/controllers/revision"
	"github.com/stallkeeper/stallkeeper/controllers/sale"
	"github.com/stallkeeper/stallkeeper/controllers/template"
	"github.com/stallkeeper/stallkeeper/controllers/tenant"
	"github.com/stallkeeper/stallkeeper/controllers/usage"
	"github.com/stallkeeper/stallkeeper/controllers/usage/sources"
	"github.com/stallkeeper/stallkeeper/controllers/workload"
)

// Config is what the controllers have to be told. Fields are required unless they say otherwise.
type Config struct {
	// SalesNamespaces are the namespaces in which products are sold.
	SalesNamespaces []string
	// CredentialsNamespace is where the Secrets with the credentials of the marketplaces' open APIs are.
	CredentialsNamespace string
	// TenantPrefix begins the names of the tenants' namespaces.
	TenantPrefix string
	// TenantKinds are the kinds of the tenants' objects that are watched.
	TenantKinds []schema.GroupVersionKind
	// Permissions are what may be made in a tenant's namespace.
	Permissions workload.Permissions
	// Renderer renders templates; nil means this process, whose end a template may be.
	Renderer render.Renderer
	// Protocols are the known marketplaces' protocols.
	Protocols protocol.Protocols
	// Capabilities asks the cluster for its version and API versions.
	Capabilities func() (template.Capabilities, error)
	// ClockSkew asks the webhook servers how far off the clock is; nil when they can't be asked.
	ClockSkew func(ctx context.Context, marketplace types.NamespacedName) (time.Duration, error)
	// PrometheusURL is asked by meters that name no address; may be empty.
	PrometheusURL string
	// UsageRetention is how long records of usage are kept once nothing more becomes of them.
	UsageRetention time.Duration
	// LicenseQueryInterval is the pause between two queries of a license code.
	LicenseQueryInterval time.Duration
	// ValuesRecheck is how often the Secrets of valuesFrom are looked at; zero means every minute.
	ValuesRecheck time.Duration
	// PodsRecheck is how often pods are looked for in tenants that were seen stopped; zero means every minute.
	PodsRecheck time.Duration
	// ServerTime is told the API server's time by the manager's clients: its Wrap belongs in their configuration. Without it, no
	// tenant is deleted.
	ServerTime *tenant.ServerTime
	// LeaderLease is the leader election's Lease, whose last renewal shows that a cluster was restored from a backup. An empty name means that
	// nobody looks.
	LeaderLease types.NamespacedName
	// Features are added to those of the product, for tests; may be empty.
	Features []sale.Feature
	// Registerer takes the metrics; nil registers none.
	Registerer prometheus.Registerer
	// Clock is the time; nil means the system's.
	Clock clock.PassiveClock
	// Reach is what may be connected to on behalf of sellers.
	Reach egress.Reach
	// Prometheus asks a Prometheus, Tenants the tenants' Services, Registries fetches charts; nil means clients with the bounds and guards
	// that they need.
	Prometheus, Tenants, Registries *http.Client
	// Only names the controllers to run; empty means all. Tests of one subject run few.
	Only []string
}

// kinds are an empty object of each kind of the API, all of which are read from the cache.
func kinds() []client.Object {
	return []client.Object{
		&v1alpha1.Marketplace{}, &v1alpha1.MarketplaceProduct{}, &v1alpha1.MarketplaceInstance{}, &v1alpha1.MarketplaceRevision{}, &v1alpha1.UsageRecord{},
	}
}

// cacheKinds makes the cache hold every kind of the API, whichever controllers run. One that no controller watches could not be read at
// all, because a read starts no informer.
func cacheKinds(ctx context.Context, c cache.Cache) error {
	for _, kind := range kinds() {
		if _, err := c.GetInformer(ctx, kind, cache.BlockUntilSynced(false)); err != nil {
			return fmt.Errorf("caching %T: %w", kind, err)
		}
	}
	return nil
}

// CacheOptions are those of the manager's cache: the kinds of the API in the sales namespaces, and the tenants' objects, whose
// namespaces are not known beforehand, by their label.
func CacheOptions(c Config) cache.Options {
	sales := map[string]cache.Config{}
	for _, namespace := range c.SalesNamespaces {
		sales[namespace] = cache.Config{}
	}
	objects := tenant.CacheByObject(c.TenantKinds)
	for _, object := range kinds() {
		objects[object] = cache.ByObject{Namespaces: sales}
	}
	if !slices.Contains(c.TenantKinds, corev1.SchemeGroupVersion.WithKind("Secret")) {
		// Their names and labels alone: the calls whose orders are waited for, and the Secrets that tenants can't be without.
		secrets := &metav1.PartialObjectMetadata{}
		secrets.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
		objects[secrets] = cache.ByObject{Namespaces: sales, Label: ofInstances()}
	}
	return cache.Options{ByObject: objects, ReaderFailOnMissingInformer: true, DefaultTransform: cache.TransformStripManagedFields()}
}

// ofInstances selects what carries an instance's label.
func ofInstances() labels.Selector {
	exists, err := labels.NewRequirement(v1alpha1.InstanceLabel, selection.Exists, nil)
	if err != nil {
		// The key is a constant; should it ever be no label, an empty cache is the safe answer.
		return labels.Nothing()
	}
	return labels.NewSelector().Add(*exists)
}

// Uncached are the kinds that are read live: what holds secrets or much, and what is read once.
func Uncached() []client.Object {
	return []client.Object{&corev1.Secret{}, &corev1.ConfigMap{}, &corev1.Pod{}, &appsv1.ControllerRevision{}}
}

// Setup wires every controller. It is the only place where that is done: a new one is a line here.
func Setup(ctx context.Context, mgr ctrl.Manager, c Config) error {
	c = c.withDefaults()
	if err := errors.Join(usage.SetupIndexes(ctx, mgr.GetFieldIndexer()), cacheKinds(ctx, mgr.GetCache()), watchForRestores(ctx, mgr, c)); err != nil {
		return err
	}
	calls, err := directoryCalls(mgr, c)
	if err != nil {
		return err
	}
	cached, live, recorder := mgr.GetClient(), mgr.GetAPIReader(), mgr.GetEventRecorder("stallkeeper")
	findings := &order.Findings{}
	c.Features = append([]sale.Feature{order.Feature(findings), license.Feature(), usage.Feature(cached), directory.Feature()}, c.Features...)
	clients := protocol.Clients{Secrets: live, Namespace: c.CredentialsNamespace, Protocols: c.Protocols}
	sales := sale.Reader{Client: cached, Protocols: c.Protocols, TenantPrefix: c.TenantPrefix, Features: c.Features}
	licenseMetrics, directoryMetrics := license.NewMetrics(mgr.GetCache()), directory.NewMetrics(calls)
	endpoints := directory.NewEndpoints()

	controllers := map[string]interface{ SetupWithManager(ctrl.Manager) error }{
		"instance": &instance.Reconciler{
			Client: cached, APIReader: live, Clock: c.Clock, Recorder: recorder, Permissions: c.Permissions, Sales: sales,
			ValuesRecheck: c.ValuesRecheck, PodsRecheck: c.PodsRecheck, Revisions: revision.NewCache(live, c.Renderer), ServerTime: c.ServerTime,
			Tenants: tenant.New(cached, mgr.GetCache(), live, c.TenantKinds, c.Clock),
		},
		"product": &product.Reconciler{
			Client: cached, APIReader: live, Clock: c.Clock, Capabilities: c.Capabilities, Permissions: c.Permissions, Features: c.Features,
			Renderer: c.Renderer, Registries: c.Registries, DryRun: true, TenantPrefix: c.TenantPrefix,
		},
		"marketplace": &connection.Reconciler{
			Client: cached, APIReader: live, Clock: c.Clock, Recorder: recorder, Clients: clients, ClockSkew: c.ClockSkew,
		},
		"order": &order.Reconciler{Client: cached, APIReader: live, Clock: c.Clock, Clients: clients, Findings: findings},
		"license": &license.Reconciler{
			Client: cached, APIReader: live, Clock: c.Clock, Clients: clients, TenantPrefix: c.TenantPrefix, QueryInterval: c.LicenseQueryInterval,
		},
		"license-query": &license.QueryReconciler{
			Client: cached, APIReader: live, Clock: c.Clock, Recorder: recorder, Clients: clients, Interval: c.LicenseQueryInterval, Metrics: licenseMetrics,
		},
		"usage": &usage.Reconciler{
			Client: cached, APIReader: live, Clock: c.Clock, Recorder: recorder, Sales: sales, PrometheusURL: c.PrometheusURL,
			Retention: c.UsageRetention, Renderer: c.Renderer, Prometheus: c.Prometheus, Tenants: c.Tenants,
		},
		"usagepush": &usage.PushReconciler{
			Client: cached, APIReader: live, Clock: c.Clock, Recorder: recorder, Clients: clients, Sales: sales,
		},
		"directory": &directory.Reconciler{
			Client: cached, APIReader: live, Calls: calls, TenantPrefix: c.TenantPrefix, Endpoints: endpoints, Recorder: recorder, Metrics: directoryMetrics,
		},
		"directory-forward": &directory.Forwarder{
			Client: cached, APIReader: live, Calls: calls, Clock: c.Clock, TenantPrefix: c.TenantPrefix, HTTP: c.Tenants,
			Endpoints: endpoints, Metrics: directoryMetrics,
		},
	}
	var errs []error
	for name, controller := range controllers {
		if len(c.Only) == 0 || slices.Contains(c.Only, name) {
			errs = append(errs, controller.SetupWithManager(mgr))
		}
	}
	return errors.Join(append(errs, register(c.Registerer, mgr.Elected(), licenseMetrics, directoryMetrics,
		instance.Metrics{Reader: mgr.GetCache()}, usage.Metrics{Reader: mgr.GetCache()}))...)
}

// watchForRestores looks for signs of a restore before any controller runs, and while they do.
func watchForRestores(ctx context.Context, mgr ctrl.Manager, c Config) error {
	if c.LeaderLease.Name == "" {
		return nil
	}
	restores := connection.Restores{
		Client: mgr.GetClient(), APIReader: mgr.GetAPIReader(), Lease: c.LeaderLease, Namespaces: c.SalesNamespaces, Now: c.ServerTime.Last,
	}
	if err := restores.Check(ctx); err != nil {
		return fmt.Errorf("looking for signs of a restore: %w", err)
	}
	return mgr.Add(restores)
}

// withDefaults fills in what may be left out.
func (c Config) withDefaults() Config {
	if c.Clock == nil {
		c.Clock = clock.RealClock{}
	}
	if c.Renderer == nil {
		c.Renderer = render.InProcess{}
	}
	if c.Prometheus == nil {
		c.Prometheus = c.Reach.Prometheus(sources.Timeout)
	}
	if c.Tenants == nil {
		c.Tenants = c.Reach.Tenants(sources.Timeout)
	}
	if c.Registries == nil {
		c.Registries = c.Reach.Registries()
	}
	return c
}

// directoryCalls adds a cache of its own for the calls about directories: the manager's holds tenants' objects, and of a kind it can
// hold one selection only.
func directoryCalls(mgr ctrl.Manager, c Config) (cache.Cache, error) {
	options := directory.CacheOptions(c.SalesNamespaces)
	options.Scheme, options.Mapper, options.HTTPClient = mgr.GetScheme(), mgr.GetRESTMapper(), mgr.GetHTTPClient()
	calls, err := cache.New(mgr.GetConfig(), options)
	if err != nil {
		return nil, fmt.Errorf("setting up the cache of calls: %w", err)
	}
	return calls, mgr.Add(calls)
}
