package sale

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

// OwnedSecret is an empty Secret beside an instance that goes with it.
func OwnedSecret(mpi *v1alpha1.MarketplaceInstance, name string) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: mpi.Namespace, Name: name,
			Labels:          map[string]string{v1alpha1.InstanceLabel: mpi.Name, v1alpha1.InstanceNamespaceLabel: mpi.Namespace},
			OwnerReferences: []metav1.OwnerReference{OwnerOf(mpi)},
		},
	}
}

// OwnerOf makes an object go with an instance.
func OwnerOf(mpi *v1alpha1.MarketplaceInstance) metav1.OwnerReference {
	return metav1.OwnerReference{
		APIVersion: v1alpha1.GroupVersion.String(), Kind: "MarketplaceInstance", Name: mpi.Name, UID: mpi.UID,
	}
}

// IsTenantOf says whether a namespace records this very instance.
func IsTenantOf(ns metav1.Object, mpi *v1alpha1.MarketplaceInstance) bool {
	labels := ns.GetLabels()
	return labels[v1alpha1.InstanceLabel] == mpi.Name && labels[v1alpha1.InstanceNamespaceLabel] == mpi.Namespace &&
		ns.GetAnnotations()[v1alpha1.InstanceUIDAnnotation] == string(mpi.UID)
}
