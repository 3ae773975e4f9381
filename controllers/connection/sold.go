package connection

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/queue"
)

const (
	// soldKept is how long a sale is remembered after its instance was deleted. No marketplace's call is taken at such an age.
	soldKept = 30 * 24 * time.Hour
	// maxForgotten is after how many the rest is left to the next pass.
	maxForgotten = 500
)

// forgetSales deletes what remembers the sales of a Marketplace whose instances were deleted long ago.
func (r *Reconciler) forgetSales(ctx context.Context, mp *v1alpha1.Marketplace) error {
	now := r.Clock.Now()
	if now.Before(r.forgets[mp.UID]) {
		return nil
	}
	forgotten := 0
	for list, more := (&corev1.SecretList{}), true; more && forgotten < maxForgotten; more = list.Continue != "" {
		err := r.APIReader.List(ctx, list, client.InNamespace(mp.Namespace), client.MatchingLabels{v1alpha1.SoldLabel: mp.Name},
			client.Limit(maxForgotten), client.Continue(list.Continue))
		if err != nil {
			return fmt.Errorf("listing the remembered sales: %w", err)
		}
		for i := range list.Items {
			secret := &list.Items[i]
			if secret.Type != v1alpha1.SoldSecretType || now.Sub(secret.CreationTimestamp.Time) < soldKept {
				continue
			}
			if err := r.Delete(ctx, secret, client.Preconditions{UID: ptr.To(secret.UID)}); client.IgnoreNotFound(err) != nil {
				return fmt.Errorf("deleting Secret %s: %w", secret.Name, err)
			}
			forgotten++
		}
	}
	if r.forgets == nil {
		r.forgets = map[types.UID]time.Time{}
	}
	if forgotten < maxForgotten {
		r.forgets[mp.UID] = now.Add(queue.SoldRecheck)
	}
	return nil
}
