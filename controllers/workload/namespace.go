package workload

import (
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/pod-security-admission/api"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

// namespace builds the tenant's namespace. Its Pod Security version is the cluster's latest: tenants live for years, and
// a version that was pinned at the purchase would let in what has become known as an escalation since.
func namespace(t Tenant, isolation v1alpha1.Isolation) *corev1ac.NamespaceApplyConfiguration {
	level := string(podSecurityLevel(isolation.PodSecurityLevel))
	labels := ownLabels(t)
	labels[v1alpha1.ProductLabel] = t.Product
	labels[v1alpha1.RevisionLabel] = t.Revision
	labels[api.EnforceLevelLabel] = level
	labels[api.EnforceVersionLabel] = api.VersionLatest
	labels[api.AuditLevelLabel] = level
	labels[api.AuditVersionLabel] = api.VersionLatest
	labels[api.WarnLevelLabel] = level
	labels[api.WarnVersionLabel] = api.VersionLatest
	if t.DeletionProtection != v1alpha1.DeletionProtectionDisabled {
		labels[v1alpha1.DeletionProtectionLabel] = string(v1alpha1.DeletionProtectionEnabled)
	}
	return corev1ac.Namespace(t.Namespace).
		WithLabels(labels).
		WithAnnotations(map[string]string{v1alpha1.InstanceUIDAnnotation: t.InstanceUID})
}

// podSecurityLevel is a level with its default.
func podSecurityLevel(level v1alpha1.PodSecurityLevel) v1alpha1.PodSecurityLevel {
	if level == "" {
		return v1alpha1.PodSecurityRestricted
	}
	return level
}
