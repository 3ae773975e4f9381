package workload

import (
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

// serviceAccount builds the namespace's default ServiceAccount, over the one that the cluster makes. It is in the set also
// when tokens are allowed, and then says nothing about them: left out it would be pruned, and with it the tokens of
// running pods.
func serviceAccount(t Tenant, isolation v1alpha1.Isolation) *corev1ac.ServiceAccountApplyConfiguration {
	account := corev1ac.ServiceAccount(defaultServiceAccount, t.Namespace).WithLabels(ownLabels(t))
	if apiAccess(isolation) == v1alpha1.APIAccessNone {
		account.WithAutomountServiceAccountToken(false)
	}
	return account
}

// apiAccess is the isolation's access to the API with its default.
func apiAccess(isolation v1alpha1.Isolation) v1alpha1.APIAccess {
	if isolation.APIAccess == "" {
		return v1alpha1.APIAccessNone
	}
	return isolation.APIAccess
}
