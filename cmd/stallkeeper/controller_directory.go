package main

import (
	"errors"
	"fmt"

	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/stallkeeper/stallkeeper/controllers"
)

// setupDirectories makes the directories' reconcilers run, over a cache of their own: the manager's holds tenants' objects, and of
// a kind it can hold one selection only.
func setupDirectories(mgr ctrl.Manager, f *controllerFlags, protocols controllers.Protocols) error {
	namespaces, err := f.salesNamespaces()
	if err != nil {
		return err
	}
	options := controllers.DirectoryCache(namespaces)
	options.Scheme, options.Mapper, options.HTTPClient = mgr.GetScheme(), mgr.GetRESTMapper(), mgr.GetHTTPClient()
	calls, err := cache.New(mgr.GetConfig(), options)
	if err != nil {
		return fmt.Errorf("setting up the cache of calls: %w", err)
	}
	counts := controllers.NewDirectoryMetrics(calls)
	return errors.Join(
		mgr.Add(calls),
		metrics.Registry.Register(counts),
		(&controllers.DirectoryReconciler{
			Client: mgr.GetClient(), APIReader: mgr.GetAPIReader(), Calls: calls, TenantPrefix: f.tenantPrefix,
			Recorder: mgr.GetEventRecorder("stallkeeper"), Metrics: counts,
		}).SetupWithManager(mgr, calls),
		(&controllers.DirectoryForwarder{
			Client: mgr.GetClient(), APIReader: mgr.GetAPIReader(), Clock: clock.RealClock{}, TenantPrefix: f.tenantPrefix,
			Protocols: protocols, Recorder: mgr.GetEventRecorder("stallkeeper"), Metrics: counts,
		}).SetupWithManager(mgr, calls),
	)
}
