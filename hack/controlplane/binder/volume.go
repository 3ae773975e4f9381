package binder

import (
	"context"
	"fmt"
	"path/filepath"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

const (
	// Class is the StorageClass whose claims get volumes.
	Class = "demo"
	// Provisioner is the name under which the class and its volumes refer to this program.
	Provisioner = "stallkeeper.io/demo"

	// provisionedBy tells Kubernetes' volume controller that somebody else deletes the volume. Without it, the
	// controller would try by itself, and mark the volume as failed.
	provisionedBy = "pv.kubernetes.io/provisioned-by"
	defaultClass  = "storageclass.kubernetes.io/is-default-class"
)

// EnsureClass creates the StorageClass if it is not there.
func EnsureClass(ctx context.Context, client kubernetes.Interface) error {
	reclaim, mode := corev1.PersistentVolumeReclaimDelete, storagev1.VolumeBindingImmediate
	_, err := client.StorageV1().StorageClasses().Create(ctx, &storagev1.StorageClass{
		ObjectMeta:        metav1.ObjectMeta{Name: Class, Annotations: map[string]string{defaultClass: "true"}},
		Provisioner:       Provisioner,
		ReclaimPolicy:     &reclaim,
		VolumeBindingMode: &mode,
	}, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("creating StorageClass %s: %w", Class, err)
	}
	return nil
}

// wantsVolume says whether a claim is ours and waits for a volume to be made. A claim that names a volume, or selects
// one by labels, waits for that one.
func wantsVolume(claim *corev1.PersistentVolumeClaim) bool {
	return claim.DeletionTimestamp == nil &&
		claim.Status.Phase == corev1.ClaimPending &&
		claim.Spec.StorageClassName != nil && *claim.Spec.StorageClassName == Class &&
		claim.Spec.VolumeName == "" && claim.Spec.Selector == nil
}

// isOver says whether a volume was made by us and its claim is gone.
func isOver(volume *corev1.PersistentVolume) bool {
	return volume.DeletionTimestamp == nil &&
		volume.Annotations[provisionedBy] == Provisioner &&
		volume.Status.Phase == corev1.VolumeReleased &&
		volume.Spec.PersistentVolumeReclaimPolicy == corev1.PersistentVolumeReclaimDelete
}

// volumeFor is the volume of a claim, with its path below the folder volumes. The name holds the claim's UID: a second
// attempt makes no second volume, and a claim that was deleted and made again gets a new one.
// With a real node it is a local volume there, so that the kubelet gives it the group that the pod asks for.
func volumeFor(claim *corev1.PersistentVolumeClaim, volumes, node string) *corev1.PersistentVolume {
	name := "pvc-" + string(claim.UID)
	path := filepath.Join(volumes, name)
	create := corev1.HostPathDirectoryOrCreate
	source := corev1.PersistentVolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: path, Type: &create}}
	var affinity *corev1.VolumeNodeAffinity
	if node != "" {
		source = corev1.PersistentVolumeSource{Local: &corev1.LocalVolumeSource{Path: path}}
		affinity = &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
			MatchExpressions: []corev1.NodeSelectorRequirement{{Key: corev1.LabelHostname, Operator: corev1.NodeSelectorOpIn, Values: []string{node}}},
		}}}}
	}
	return &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: map[string]string{provisionedBy: Provisioner}},
		Spec: corev1.PersistentVolumeSpec{
			Capacity:                      corev1.ResourceList{corev1.ResourceStorage: claim.Spec.Resources.Requests[corev1.ResourceStorage]},
			AccessModes:                   claim.Spec.AccessModes,
			VolumeMode:                    claim.Spec.VolumeMode,
			PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimDelete,
			StorageClassName:              Class,
			PersistentVolumeSource:        source,
			NodeAffinity:                  affinity,
			// With the UID, no other claim of the same name can take it.
			ClaimRef: &corev1.ObjectReference{
				APIVersion: "v1", Kind: "PersistentVolumeClaim",
				Namespace: claim.Namespace, Name: claim.Name, UID: claim.UID,
			},
		},
	}
}
