package controllers

import (
	"context"
	"fmt"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

const (
	// purchaseRepeats is how long a marketplace repeats the call of a purchase that it got no answer to. Then it cancels the order.
	purchaseRepeats = 3 * time.Hour
	// acknowledgementDue is how long after the purchase the marketplace must have called by the instance's id.
	acknowledgementDue = 4 * time.Hour
	// askingPause is how long after a call that shows that calls arrive the marketplace may still take to ask: it repeats what
	// failed once an hour.
	askingPause = time.Hour
	// acknowledgementRecheck is how soon other sales are looked at again for a sign that calls arrive: after that time, or
	// after an eighth of the time that the call is overdue.
	acknowledgementRecheck = 15 * time.Minute
)

// acknowledgement is what is known of a sale that the marketplace may not have heard of. It is made of what the marketplace has
// said of this sale and of others, and never of the status.
type acknowledgement struct {
	// dueAt is when the marketplace must have called by the instance's id; zero when nobody awaits it.
	dueAt time.Time
	// stopAt is when the sale is stopped; zero while nothing shows that the marketplace could have called.
	stopAt time.Time
}

// acknowledgementOf looks at the other sales only when something depends on them.
func (r *InstanceReconciler) acknowledgementOf(ctx context.Context, mpi *v1alpha1.MarketplaceInstance) (acknowledgement, error) {
	if !awaitsAcknowledgement(mpi) {
		return acknowledgement{}, nil
	}
	purchased := mpi.Spec.Subscription.PurchasedAt.Time
	a := acknowledgement{dueAt: purchased.Add(acknowledgementDue)}
	if mpi.Spec.ProductRef.Name == "" || r.Clock.Now().Before(purchased.Add(purchaseRepeats)) {
		return a, nil
	}
	others := &v1alpha1.MarketplaceInstanceList{}
	// They are only read, and there may be thousands.
	if err := r.List(ctx, others, client.InNamespace(mpi.Namespace), client.UnsafeDisableDeepCopy); err != nil {
		return acknowledgement{}, fmt.Errorf("listing the other sales: %w", err)
	}
	if asked := firstAsked(mpi, others.Items); !asked.IsZero() {
		a.stopAt = a.dueAt
		if settled := asked.Add(askingPause); settled.After(a.stopAt) {
			a.stopAt = settled
		}
	}
	return a, nil
}

func awaitsAcknowledgement(mpi *v1alpha1.MarketplaceInstance) bool {
	sub := mpi.Spec.Subscription
	return sub != nil && sub.Acknowledgement.State == v1alpha1.AcknowledgementAwaited && !sub.PurchasedAt.IsZero() &&
		sub.Entitlement.State != v1alpha1.EntitlementReleased
}

// firstAsked is when the marketplace first asked for a new sale of the same product after it had to have heard of this one;
// zero if it did not. That shows that it asks for sales of this product at all, and that its calls arrive: a server that was
// away, or a product whose sales are not asked for, must not stop a tenant that is paid.
func firstAsked(mpi *v1alpha1.MarketplaceInstance, others []v1alpha1.MarketplaceInstance) time.Time {
	var first time.Time
	since := mpi.Spec.Subscription.PurchasedAt.Add(purchaseRepeats)
	for i := range others {
		sub := others[i].Spec.Subscription
		if sub == nil || sub.Marketplace != mpi.Spec.Subscription.Marketplace || others[i].Spec.ProductRef != mpi.Spec.ProductRef ||
			sub.Acknowledgement.By != v1alpha1.AcknowledgedByQuery {
			continue
		}
		asked := sub.Acknowledgement.Time.Time
		// One that was first asked for days later was perhaps only looked at by its buyer.
		soon := asked.Before(sub.PurchasedAt.Add(acknowledgementDue))
		if soon && !asked.Before(since) && (first.IsZero() || asked.Before(first)) {
			first = asked
		}
	}
	return first
}

// again is when to look again, besides at stopAt; zero for never.
func (a acknowledgement) again(now time.Time) time.Time {
	switch {
	case now.Before(a.dueAt):
		return a.dueAt
	case !a.dueAt.IsZero() && a.stopAt.IsZero():
		return now.Add(max(acknowledgementRecheck, now.Sub(a.dueAt)/8))
	}
	return time.Time{}
}

// acknowledgedVerdict says whether the marketplace has heard that the sale was stored.
func acknowledgedVerdict(mpi *v1alpha1.MarketplaceInstance, a acknowledgement, now time.Time) verdict {
	sub := mpi.Spec.Subscription
	switch {
	case sub == nil:
		return yes(v1alpha1.ReasonNoSale, "This instance was made by hand")
	case sub.Acknowledgement.State == v1alpha1.AcknowledgementReceived && sub.Acknowledgement.Time.IsZero():
		return yes(v1alpha1.ReasonAcknowledged, "A person says that the marketplace knows of the sale")
	case sub.Acknowledgement.State == v1alpha1.AcknowledgementReceived:
		return yes(v1alpha1.ReasonAcknowledged, "The marketplace knows of the sale: it has called by the instance's id")
	case sub.Entitlement.State == v1alpha1.EntitlementReleased:
		return yes(v1alpha1.ReasonReleased, "The sale has ended")
	case a.dueAt.IsZero():
		return yes(v1alpha1.ReasonNotAwaited, "Nobody waits for the marketplace to call by the instance's id")
	case now.Before(a.dueAt):
		return wait(v1alpha1.ReasonAwaitingAcknowledgement, fmt.Sprintf(
			"The marketplace has not called by the instance's id yet; that is noticed at %s", stamp(a.dueAt)))
	}
	remedy := fmt.Sprintf("Look up order %s in the seller console. If it lives, set spec.subscription.acknowledgement.state to"+
		" Received; if it was cancelled, set spec.subscription.entitlement.state to Released, or delete the instance", sub.OrderID)
	if !a.stopAt.IsZero() && !now.Before(a.stopAt) {
		return no(v1alpha1.ReasonNotAcknowledged, "The marketplace asked for later sales of this product and not for this one, which"+
			" it most likely cancelled. Nothing runs until it is known, and the data are kept. "+remedy+
			". The first call by the instance's id resumes it")
	}
	return no(v1alpha1.ReasonAcknowledgementOverdue, fmt.Sprintf("The marketplace has not called by the instance's id until %s, and"+
		" has asked for no other sale of this product since: either its calls do not arrive, or it does not know of this sale."+
		" Nothing is stopped. ", stamp(a.dueAt))+remedy)
}
