package webhook

import (
	"context"
	"fmt"
	"maps"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

// content is what a call says beyond what an instance may show.
type content struct {
	kind v1alpha1.CallContent
	// call tells the call from all others about the same owner: a repeat has the same.
	call []string
	// data are the Secret's. They hold personal data.
	data map[string][]byte
	// labels are those beside the ones that say what it is and whose; may be nil.
	labels map[string]string
}

// keepOf keeps a call's content beside an instance, and goes with it.
func (r *recorder) keepOf(ctx context.Context, instance *v1alpha1.MarketplaceInstance, c content) error {
	owner := metav1.OwnerReference{
		APIVersion: v1alpha1.GroupVersion.String(), Kind: "MarketplaceInstance", Name: instance.Name, UID: instance.UID,
	}
	return r.keep(ctx, instance.Namespace, owner, map[string]string{
		v1alpha1.InstanceLabel: instance.Name, v1alpha1.InstanceNamespaceLabel: instance.Namespace,
	}, c)
}

// keepFor keeps the content of a call that is about no instance beside the Marketplace, and goes with it.
func (r *recorder) keepFor(ctx context.Context, of *v1alpha1.Marketplace, c content) error {
	owner := metav1.OwnerReference{
		APIVersion: v1alpha1.GroupVersion.String(), Kind: "Marketplace", Name: of.Name, UID: of.UID,
	}
	return r.keep(ctx, of.Namespace, owner, map[string]string{v1alpha1.MarketplaceLabel: of.Name}, c)
}

// keep makes the call's Secret. Creating is the check: one that is there already is the same call's, because its name says so
// and nobody can change it. Errors wrap marketplace.ErrUnavailable.
func (r *recorder) keep(ctx context.Context, namespace string, owner metav1.OwnerReference, labels map[string]string, c content) error {
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: v1alpha1.CallSecretName(owner.Name, owner.UID, append([]string{string(c.kind)}, c.call...)...),
			Labels: maps.Clone(labels), OwnerReferences: []metav1.OwnerReference{owner},
		},
		Type: v1alpha1.CallSecretType, Immutable: ptr.To(true), Data: c.data,
	}
	maps.Copy(secret.Labels, c.labels)
	secret.Labels[v1alpha1.CallLabel] = string(c.kind)
	err := r.client.Create(ctx, secret, client.FieldOwner(FieldOwner))
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return unavailable(fmt.Sprintf("keeping a call's %s", c.kind), err)
	}
	return nil
}
