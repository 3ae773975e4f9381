package webhook

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/marketplace"
)

// notDeleted refuses the purchase of a sale whose instance a person has deleted: a late repeat, or a captured call that is made
// again, would make the tenant anew and give it to the buyer for nothing. Errors wrap ErrConflict or ErrUnavailable.
func (r *recorder) notDeleted(ctx context.Context, of *v1alpha1.Marketplace, event marketplace.Event) error {
	name := v1alpha1.SoldSecretName(of.Name, event.OrderID, event.OrderLineID)
	err := r.live.Get(ctx, client.ObjectKey{Namespace: of.Namespace, Name: name}, &corev1.Secret{})
	switch {
	case apierrors.IsNotFound(err):
		return nil
	case err != nil:
		return unavailable("reading Secret "+name, err)
	}
	return fmt.Errorf("%w: the order was sold before and its instance was deleted; to sell it again, the seller deletes the Secret %s"+
		" and restarts the call", marketplace.ErrConflict, name)
}
