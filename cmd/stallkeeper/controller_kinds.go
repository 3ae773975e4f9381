package main

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	"github.com/stallkeeper/stallkeeper/controllers/template"
	"github.com/stallkeeper/stallkeeper/controllers/tenant"
	"github.com/stallkeeper/stallkeeper/controllers/workload"
)

// tenantKinds are the kinds that may be made for tenants, and those that are watched: what may be made, and what has to be stopped.
type tenantKinds struct {
	all, watched []schema.GroupVersionKind
}

// resolveTenantKinds asks the cluster what the resources of --tenant-kinds are. One that the cluster does not serve, such as
// that of an operator that is installed later, is left out until the next start.
func resolveTenantKinds(config *rest.Config, resources []string, secrets bool) (tenantKinds, error) {
	if len(resources) == 0 {
		return tenantKinds{}, fmt.Errorf("--tenant-kinds is required: name the resources as resource.version.group, such as deployments.v1.apps")
	}
	httpClient, err := rest.HTTPClientFor(config)
	if err != nil {
		return tenantKinds{}, fmt.Errorf("setting up discovery: %w", err)
	}
	mapper, err := apiutil.NewDynamicRESTMapper(config, httpClient)
	if err != nil {
		return tenantKinds{}, fmt.Errorf("setting up discovery: %w", err)
	}
	var kinds tenantKinds
	for _, resource := range resources {
		gvr, err := parseResource(resource)
		if err != nil {
			return tenantKinds{}, err
		}
		gvk, err := mapper.KindFor(gvr)
		if meta.IsNoMatchError(err) {
			continue
		}
		if err != nil {
			return tenantKinds{}, fmt.Errorf("--tenant-kinds: looking up %q: %w", resource, err)
		}
		mapping, err := mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
		if err != nil {
			return tenantKinds{}, fmt.Errorf("--tenant-kinds: looking up %q: %w", resource, err)
		}
		if mapping.Scope.Name() != meta.RESTScopeNameNamespace {
			return tenantKinds{}, fmt.Errorf("--tenant-kinds: %q is cluster-scoped; tenants can only contain namespaced kinds", resource)
		}
		kinds.all = append(kinds.all, gvk)
		if secrets || gvk.GroupKind() != (schema.GroupKind{Kind: "Secret"}) {
			kinds.watched = append(kinds.watched, gvk)
		}
	}
	kinds.watched, err = withStopped(mapper, kinds.watched)
	return kinds, err
}

// withStopped adds those of the kinds that have to be stopped which the cluster serves.
func withStopped(mapper meta.RESTMapper, watched []schema.GroupVersionKind) ([]schema.GroupVersionKind, error) {
	for _, kind := range tenant.StoppedKinds() {
		if slices.ContainsFunc(watched, func(gvk schema.GroupVersionKind) bool { return gvk.GroupKind() == kind }) {
			continue
		}
		mapping, err := mapper.RESTMapping(kind)
		if meta.IsNoMatchError(err) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("looking up %s: %w", kind, err)
		}
		watched = append(watched, mapping.GroupVersionKind)
	}
	return watched, nil
}

// parseResource reads resource.version.group, or resource.version for the core group.
func parseResource(text string) (schema.GroupVersionResource, error) {
	parts := strings.SplitN(text, ".", 3)
	if len(parts) < 2 || slices.Contains(parts, "") {
		return schema.GroupVersionResource{}, fmt.Errorf(
			"--tenant-kinds: %q must be resource.version.group, such as deployments.v1.apps or services.v1", text)
	}
	gvr := schema.GroupVersionResource{Resource: parts[0], Version: parts[1]}
	if len(parts) == 3 {
		gvr.Group = parts[2]
	}
	return gvr, nil
}

func (k tenantKinds) permissions() workload.Permissions {
	kinds := sets.New[schema.GroupKind]()
	for _, kind := range k.all {
		kinds.Insert(kind.GroupKind())
	}
	return workload.Permissions{Kinds: kinds}
}

// capabilitiesReader asks the cluster for what templates see as .Capabilities.
func capabilitiesReader(discovered discovery.DiscoveryInterface) func() (template.Capabilities, error) {
	return func() (template.Capabilities, error) {
		version, err := discovered.ServerVersion()
		if err != nil {
			return template.Capabilities{}, err
		}
		capabilities := template.Capabilities{KubeVersion: version.GitVersion}
		groups, resources, err := discovered.ServerGroupsAndResources()
		// An aggregated API that is away must not keep products from being checked.
		if err != nil && !discovery.IsGroupDiscoveryFailedError(err) {
			return template.Capabilities{}, err
		}
		for _, group := range groups {
			for _, version := range group.Versions {
				capabilities.APIVersions = append(capabilities.APIVersions, version.GroupVersion)
			}
		}
		for _, list := range resources {
			for _, resource := range list.APIResources {
				if !strings.Contains(resource.Name, "/") {
					capabilities.APIVersions = append(capabilities.APIVersions, list.GroupVersion+"/"+resource.Kind)
				}
			}
		}
		slices.Sort(capabilities.APIVersions)
		capabilities.APIVersions = slices.Compact(capabilities.APIVersions)
		return capabilities, nil
	}
}
