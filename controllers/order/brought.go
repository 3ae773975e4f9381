package order

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/protocol"
	"github.com/stallkeeper/stallkeeper/controllers/queue"
	"github.com/stallkeeper/stallkeeper/controllers/report"
	"github.com/stallkeeper/stallkeeper/marketplace"
)

// broughtPatience is how long a call may be only partially stored before a person has to act. A marketplace makes a call that
// failed again for some hours, and no longer.
const broughtPatience = 4 * time.Hour

// onItsWay is how long a call's Secret may come after its instance before there is anything to say: the callback server writes one right
// after the other.
const onItsWay = 5 * time.Second

// errNotBrought says that a call's Secret is not there.
var errNotBrought = errors.New("the call's Secret does not exist")

// readBrought reads the order that a call has brought, from the call's Secret.
func (r *Reconciler) readBrought(ctx context.Context, mpi *v1alpha1.MarketplaceInstance, call v1alpha1.Call,
) (marketplace.Order, error) {
	secret := &corev1.Secret{}
	key := types.NamespacedName{Namespace: mpi.Namespace, Name: call.OrderSecretName(mpi.Name, mpi.UID)}
	if err := r.APIReader.Get(ctx, key, secret); err != nil {
		if apierrors.IsNotFound(err) {
			return marketplace.Order{}, errNotBrought
		}
		return marketplace.Order{}, fmt.Errorf("reading Secret %s: %w", key.Name, err)
	}
	order, err := marketplace.DecodeOrder(secret.Data[v1alpha1.CallOrderKey])
	if err == nil && order.OrderedAt.IsZero() {
		// A call says what was ordered, and not when. That it was made is the next best, and keeps an older one out that comes late.
		order.OrderedAt = call.Time.Time
	}
	return order, err
}

// notBrought says what it means that a call was only partially stored: its instance was written, and then the callback server could not
// write its Secret, and has told the marketplace to call again.
func (r *Reconciler) notBrought(call v1alpha1.Call) report.Verdict {
	age := r.Clock.Since(call.Time.Time)
	if age >= 0 && age < onItsWay {
		return untold(onItsWay - age)
	}
	if age >= broughtPatience {
		return protocol.WaitsForPerson(v1alpha1.ReasonCallIncomplete, fmt.Sprintf("The call %s for order %s is only partially stored"+
			" (this instance records it, but the Secret with its order does not exist), and the marketplace has not retried it: restart the call in"+
			" the marketplace's console; if the marketplace has canceled the order, name it in spec.correction.abandonedOrderIDs", call.Operation, call.OrderID))
	}
	return report.Unknown(v1alpha1.ReasonOrderPending, fmt.Sprintf("The call %s for order %s is only partially stored;"+
		" waiting for the marketplace to retry it", call.Operation, call.OrderID)).Again(queue.CallSecretRetry)
}
