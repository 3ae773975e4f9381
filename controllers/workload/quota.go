package workload

import (
	corev1 "k8s.io/api/core/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

// resourceQuota builds the tenant's quota from the plan's hard limits, and nothing for a plan without.
func resourceQuota(t Tenant, quota v1alpha1.ResourceList) *corev1ac.ResourceQuotaApplyConfiguration {
	if len(quota) == 0 {
		return nil
	}
	hard := corev1.ResourceList{}
	for name, quantity := range quota {
		hard[corev1.ResourceName(name)] = quantity.DeepCopy()
	}
	return corev1ac.ResourceQuota(ownName, t.Namespace).
		WithLabels(ownLabels(t)).
		WithSpec(corev1ac.ResourceQuotaSpec().WithHard(hard))
}
