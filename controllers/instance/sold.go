package instance

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/queue"
)

// rememberSale makes the Secret by which a sale outlives its instance. It has no owner: whatever is deleted, it stays until a person
// or its age deletes it. The instance may go from the returned time on: a purchase that looked for the Secret before it was there and
// is about to store the sale still finds the instance until then.
func (r *Reconciler) rememberSale(ctx context.Context, p *pass) (time.Time, error) {
	mpi, sub := p.Instance, p.Instance.Spec.Subscription
	if !p.memory.remembered.IsZero() || sub == nil || sub.OrderID == "" {
		return p.memory.remembered, nil
	}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: mpi.Namespace, Name: v1alpha1.SoldSecretName(sub.Marketplace, sub.OrderID, sub.OrderLineID),
			Labels: map[string]string{
				v1alpha1.SoldLabel: sub.Marketplace, v1alpha1.InstanceLabel: mpi.Name, v1alpha1.InstanceNamespaceLabel: mpi.Namespace,
			},
		},
		Type: v1alpha1.SoldSecretType, Immutable: ptr.To(true),
	}
	err := r.Create(ctx, secret, client.FieldOwner(v1alpha1.FieldOwner))
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return time.Time{}, fmt.Errorf("remembering the sale in Secret %s: %w", secret.Name, err)
	}
	// One that is there already may have been made a moment ago, by a controller that was restarted since.
	p.memory.remembered = p.now.Add(queue.RememberedSale)
	return p.memory.remembered, nil
}
