package sale

import (
	"time"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

// acknowledgementDue is how long after the purchase the marketplace must have called by the instance's id. It cancels an order
// whose call was not answered after three hours.
const acknowledgementDue = 4 * time.Hour

// Acknowledgement is what is known of a sale that the marketplace may not have heard of. It is made of what the marketplace has
// said, and never of the status.
type Acknowledgement struct {
	// DueAt is when the marketplace must have called by the instance's id; zero when nobody awaits it.
	DueAt time.Time
	// StopAt is when the sale is stopped if it has not; zero if it is not stopped.
	StopAt time.Time
}

// acknowledgementOf says until when the marketplace must have called. A sale about which it may stay silent for days is not stopped.
func acknowledgementOf(mpi *v1alpha1.MarketplaceInstance, mayStaySilent bool) Acknowledgement {
	sub := mpi.Spec.Subscription
	if sub == nil || sub.Acknowledgement.State != v1alpha1.AcknowledgementAwaited || sub.PurchaseTime.IsZero() ||
		sub.Entitlement.State == v1alpha1.EntitlementReleased {
		return Acknowledgement{}
	}
	a := Acknowledgement{DueAt: sub.PurchaseTime.Add(acknowledgementDue)}
	if !mayStaySilent {
		a.StopAt = a.DueAt
	}
	return a
}

// Again is when to look again, besides at StopAt; zero for never.
func (a Acknowledgement) Again(now time.Time) time.Time {
	if now.Before(a.DueAt) {
		return a.DueAt
	}
	return time.Time{}
}
