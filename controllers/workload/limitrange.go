package workload

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

// containerDefault is what a container gets that says nothing about a resource. The request is small, so that sidecars
// and tools fit into a quota that was made for the application. The limit is the same for every plan, so that a bigger
// plan does not change what a restarted container gets.
type containerDefault struct {
	resource       corev1.ResourceName
	request, limit string
}

var containerDefaults = []containerDefault{
	{corev1.ResourceCPU, "10m", "500m"},
	{corev1.ResourceMemory, "64Mi", "512Mi"},
}

// limitRange builds the defaults for containers that name no resources, and nothing where the quota does not need them.
// While a quota counts processor time or memory, the API server refuses every pod that does not name them; it does so for
// no other resource.
//
// A default limit is set only where the quota counts limits. A container that requests more than the default limit and
// names no limit is refused then, as it would be without the default.
func limitRange(t Tenant, quota v1alpha1.ResourceList) *corev1ac.LimitRangeApplyConfiguration {
	requests, limits := corev1.ResourceList{}, corev1.ResourceList{}
	for _, d := range containerDefaults {
		requested := lowest(quota, string(d.resource), "requests."+string(d.resource))
		limited := lowest(quota, "limits."+string(d.resource))
		if requested == nil && limited == nil {
			continue
		}
		// Without a request of its own, a container with a default limit would reserve all of that limit.
		requests[d.resource] = atMost(d.request, requested, limited)
		if limited != nil {
			limits[d.resource] = atMost(d.limit, limited)
		}
	}
	if len(requests) == 0 {
		return nil
	}
	item := corev1ac.LimitRangeItem().WithType(corev1.LimitTypeContainer).WithDefaultRequest(requests)
	if len(limits) > 0 {
		item.WithDefault(limits)
	}
	return corev1ac.LimitRange(ownName, t.Namespace).
		WithLabels(ownLabels(t)).
		WithSpec(corev1ac.LimitRangeSpec().WithLimits(item))
}

// lowest is the lowest of those hard limits that the quota has; nil when it has none of them.
func lowest(quota v1alpha1.ResourceList, names ...string) *resource.Quantity {
	var low *resource.Quantity
	for _, name := range names {
		if quantity, ok := quota[name]; ok && (low == nil || quantity.Cmp(*low) < 0) {
			copied := quantity.DeepCopy()
			low = &copied
		}
	}
	return low
}

// atMost is a default that fits into the whole of the hard limits, or no container could ever start with it.
func atMost(value string, hard ...*resource.Quantity) resource.Quantity {
	quantity := resource.MustParse(value)
	for _, most := range hard {
		if most != nil && most.Cmp(quantity) < 0 {
			quantity = *most
		}
	}
	return quantity
}
