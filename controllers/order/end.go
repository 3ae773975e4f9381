package order

import (
	"context"
	"errors"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/marketplace"
	"github.com/stallkeeper/stallkeeper/subscription/orders"
)

const (
	// endRetry is when an order is read again that could not be read at the end of the paid time, and endPatience until when.
	endRetry    = 10 * time.Minute
	endPatience = 24 * time.Hour
)

// confirmEnd reads the order of a purchase once more when the paid time ends that it had named, and when the marketplace has made the
// purchase's call anew. Where a buyer accepts what was bought, the paid time begins then, and the first reading gave an estimate: a tenant
// would be stopped that is paid. It returns when to look again. Which end was confirmed is remembered by the process alone, and costs a call
// after its restart. An order that can't be read changes nothing, and holds back no other.
func (r *Reconciler) confirmEnd(ctx context.Context, mpi *v1alpha1.MarketplaceInstance, now time.Time) (again time.Time, err error) {
	sub := mpi.Spec.Subscription
	call, estimated := orders.Estimate(sub)
	asked := call.Pending == v1alpha1.CallPendingExpiry
	end := sub.ExpiryTime.Time
	confirmed := r.ends.Of(client.ObjectKeyFromObject(mpi), mpi.UID, func() *time.Time { return &time.Time{} })
	switch {
	case !estimated, !asked && (confirmed.Equal(end) || now.Sub(end) > endPatience):
		return time.Time{}, nil
	case !asked && now.Before(end):
		return end, nil
	}
	mp := &v1alpha1.Marketplace{}
	if err := r.Get(ctx, types.NamespacedName{Namespace: mpi.Namespace, Name: sub.Marketplace}, mp); err != nil {
		return time.Time{}, client.IgnoreNotFound(err)
	}
	order, err := r.readOrder(ctx, mpi, mp, call)
	if err != nil && (!asked || !isFinal(err)) {
		return now.Add(endRetry), nil
	}
	if after := orders.ReadEnd(sub, order); after != sub {
		return time.Time{}, r.store(ctx, mpi, orders.Result{Subscription: after, Product: mpi.Spec.ProductRef.Name})
	}
	*confirmed = end
	return time.Time{}, nil
}

// isFinal says whether an order that could not be read will not be read later either.
func isFinal(err error) bool {
	return errors.Is(err, marketplace.ErrOrderNotFound) || errors.Is(err, marketplace.ErrOrderInvalid)
}
