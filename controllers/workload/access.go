package workload

import (
	corev1 "k8s.io/api/core/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

// accessSecret builds the tenant's copy of the initial credentials, and nothing where there are none. It uses data, as all
// Secrets that are applied: whoever owns stringData does not notice that somebody else changes data.
func accessSecret(t Tenant) *corev1ac.SecretApplyConfiguration {
	if t.Credentials == (Credentials{}) {
		return nil
	}
	return corev1ac.Secret(AccessSecretName, t.Namespace).
		WithLabels(ownLabels(t)).
		WithType(corev1.SecretTypeOpaque).
		WithData(map[string][]byte{
			v1alpha1.AccessUserNameKey: []byte(t.Credentials.UserName),
			v1alpha1.AccessPasswordKey: []byte(t.Credentials.Password),
		})
}
