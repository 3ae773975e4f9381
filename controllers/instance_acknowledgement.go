package controllers

import (
	"fmt"
	"time"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

// acknowledgementDue is how long after the purchase the marketplace must have called by the instance's id. It cancels an order
// whose call was not answered after three hours.
const acknowledgementDue = 4 * time.Hour

// acknowledgement is what is known of a sale that the marketplace may not have heard of. It is made of what the marketplace has
// said, and never of the status.
type acknowledgement struct {
	// dueAt is when the marketplace must have called by the instance's id; zero when nobody awaits it.
	dueAt time.Time
	// stopAt is when the sale is stopped if it has not; zero if it is not stopped.
	stopAt time.Time
}

// acknowledgementOf says until when the marketplace must have called. A product of Online License is asked for by nobody before
// its buyer wants a licence, which may be days after the sale: it is not stopped.
func acknowledgementOf(mpi *v1alpha1.MarketplaceInstance, product *v1alpha1.MarketplaceProduct) acknowledgement {
	sub := mpi.Spec.Subscription
	if sub == nil || sub.Acknowledgement.State != v1alpha1.AcknowledgementAwaited || sub.PurchasedAt.IsZero() ||
		sub.Entitlement.State == v1alpha1.EntitlementReleased {
		return acknowledgement{}
	}
	a := acknowledgement{dueAt: sub.PurchasedAt.Add(acknowledgementDue)}
	if !wantsLicenses(mpi, product) {
		a.stopAt = a.dueAt
	}
	return a
}

// again is when to look again, besides at stopAt; zero for never.
func (a acknowledgement) again(now time.Time) time.Time {
	if now.Before(a.dueAt) {
		return a.dueAt
	}
	return time.Time{}
}

// acknowledgedVerdict says whether the marketplace has heard that the sale was stored.
func acknowledgedVerdict(mpi *v1alpha1.MarketplaceInstance, a acknowledgement, now time.Time) Verdict {
	sub := mpi.Spec.Subscription
	switch {
	case sub == nil:
		return True(v1alpha1.ReasonNoSale, "This instance was made by hand")
	case sub.Acknowledgement.State == v1alpha1.AcknowledgementReceived && sub.Acknowledgement.Time.IsZero():
		return True(v1alpha1.ReasonAcknowledged, "A person says that the marketplace knows of the sale")
	case sub.Acknowledgement.State == v1alpha1.AcknowledgementReceived:
		return True(v1alpha1.ReasonAcknowledged, "The marketplace knows of the sale: it has called by the instance's id")
	case sub.Entitlement.State == v1alpha1.EntitlementReleased:
		return True(v1alpha1.ReasonReleased, "The sale has ended")
	case a.dueAt.IsZero():
		return True(v1alpha1.ReasonNotAwaited, "Nobody waits for the marketplace to call by the instance's id")
	case now.Before(a.dueAt):
		return Unknown(v1alpha1.ReasonAwaitingAcknowledgement, fmt.Sprintf(
			"The marketplace has not called by the instance's id yet; that is noticed at %s", Stamp(a.dueAt)))
	}
	remedy := fmt.Sprintf("Look up order %s in the seller console. If it lives, set spec.subscription.acknowledgement.state to"+
		" Received; if it was cancelled, set spec.subscription.entitlement.state to Released, or delete the instance", sub.OrderID)
	if a.stopAt.IsZero() {
		return False(v1alpha1.ReasonAcknowledgementOverdue, fmt.Sprintf("The marketplace has not called by the instance's id until %s, as it"+
			" does after a sale that it knows of, unless the buyer has asked for no licence yet. Nothing is stopped. ", Stamp(a.dueAt))+remedy)
	}
	return False(v1alpha1.ReasonNotAcknowledged, fmt.Sprintf("The marketplace has not called by the instance's id until %s, as it does after"+
		" a sale that it knows of: most likely it never got our answer and cancelled the order. Nothing runs until it is known, and"+
		" the data are kept. ", Stamp(a.dueAt))+remedy+". The first call by the instance's id resumes it")
}
