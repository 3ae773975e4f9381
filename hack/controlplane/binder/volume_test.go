package binder

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestWantsVolume(t *testing.T) {
	class, other := Class, "fast"
	now := metav1.Now()
	cases := map[string]struct {
		change func(*corev1.PersistentVolumeClaim)
		want   bool
	}{
		"a pending claim of the class gets a volume":          {func(*corev1.PersistentVolumeClaim) {}, true},
		"a bound claim has one":                               {func(c *corev1.PersistentVolumeClaim) { c.Status.Phase = corev1.ClaimBound }, false},
		"a claim that lost its volume must not get a new one": {func(c *corev1.PersistentVolumeClaim) { c.Status.Phase = corev1.ClaimLost }, false},
		"a claim of another class is not ours":                {func(c *corev1.PersistentVolumeClaim) { c.Spec.StorageClassName = &other }, false},
		"a claim without a class is not ours":                 {func(c *corev1.PersistentVolumeClaim) { c.Spec.StorageClassName = nil }, false},
		"a claim that names a volume waits for that":          {func(c *corev1.PersistentVolumeClaim) { c.Spec.VolumeName = "mine" }, false},
		"a claim that selects a volume waits for that":        {func(c *corev1.PersistentVolumeClaim) { c.Spec.Selector = &metav1.LabelSelector{} }, false},
		"a claim that is being deleted needs none":            {func(c *corev1.PersistentVolumeClaim) { c.DeletionTimestamp = &now }, false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			claim := &corev1.PersistentVolumeClaim{
				Spec:   corev1.PersistentVolumeClaimSpec{StorageClassName: &class},
				Status: corev1.PersistentVolumeClaimStatus{Phase: corev1.ClaimPending},
			}
			tc.change(claim)
			if got := wantsVolume(claim); got != tc.want {
				t.Errorf("wantsVolume = %t, want %t", got, tc.want)
			}
		})
	}
}

func TestIsOver(t *testing.T) {
	now := metav1.Now()
	cases := map[string]struct {
		change func(*corev1.PersistentVolume)
		want   bool
	}{
		"a volume of ours whose claim is gone": {func(*corev1.PersistentVolume) {}, true},
		"one that is bound stays":              {func(v *corev1.PersistentVolume) { v.Status.Phase = corev1.VolumeBound }, false},
		"one that somebody else made stays":    {func(v *corev1.PersistentVolume) { v.Annotations = nil }, false},
		"one that a person wants to keep stays": {func(v *corev1.PersistentVolume) {
			v.Spec.PersistentVolumeReclaimPolicy = corev1.PersistentVolumeReclaimRetain
		}, false},
		"one that is being deleted is not deleted": {func(v *corev1.PersistentVolume) { v.DeletionTimestamp = &now }, false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			volume := volumeFor(&corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{UID: "1"}}, "/volumes", "")
			volume.Status.Phase = corev1.VolumeReleased
			tc.change(volume)
			if got := isOver(volume); got != tc.want {
				t.Errorf("isOver = %t, want %t", got, tc.want)
			}
		})
	}
}
