package workload

import (
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

// licenseRequests is the ConfigMap that tells the workload which licences were asked for; nil when it need not know.
func licenseRequests(t Tenant) *corev1ac.ConfigMapApplyConfiguration {
	if t.LicenseRequests == "" {
		return nil
	}
	return corev1ac.ConfigMap(v1alpha1.LicenseRequestsName, t.Namespace).
		WithLabels(ownLabels(t)).
		WithData(map[string]string{v1alpha1.LicenseRequestsKey: t.LicenseRequests})
}
