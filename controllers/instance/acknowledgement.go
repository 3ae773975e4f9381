package instance

import (
	"fmt"
	"time"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/report"
	"github.com/stallkeeper/stallkeeper/controllers/sale"
)

// acknowledgedVerdict says whether the marketplace has heard that the sale was stored.
func acknowledgedVerdict(mpi *v1alpha1.MarketplaceInstance, a sale.Acknowledgement, now time.Time) report.Verdict {
	sub := mpi.Spec.Subscription
	switch {
	case sub == nil:
		return report.True(v1alpha1.ReasonNoSale, "This instance was made by hand")
	case sub.Acknowledgement.State == v1alpha1.AcknowledgementReceived && sub.Acknowledgement.Time.IsZero():
		return report.True(v1alpha1.ReasonAcknowledged, "A person says that the marketplace knows of the sale")
	case sub.Acknowledgement.State == v1alpha1.AcknowledgementReceived:
		return report.True(v1alpha1.ReasonAcknowledged, "The marketplace knows of the sale: it has called by the instance's id")
	case sub.Entitlement.State == v1alpha1.EntitlementReleased:
		return report.True(v1alpha1.ReasonReleased, "The sale has ended")
	case a.DueAt.IsZero():
		return report.True(v1alpha1.ReasonNotAwaited, "Nobody waits for the marketplace to call by the instance's id")
	case now.Before(a.DueAt):
		return report.Unknown(v1alpha1.ReasonAwaitingAcknowledgement, fmt.Sprintf(
			"The marketplace has not called by the instance's id yet; that is noticed at %s", report.Stamp(a.DueAt)))
	}
	remedy := fmt.Sprintf("Look up order %s in the seller console. If it lives, set spec.subscription.acknowledgement.state to"+
		" Received; if it was cancelled, set spec.subscription.entitlement.state to Released, or delete the instance", sub.OrderID)
	if a.StopAt.IsZero() {
		return report.False(v1alpha1.ReasonAcknowledgementOverdue, fmt.Sprintf("The marketplace has not called by the instance's id until %s, as it"+
			" does after a sale that it knows of, unless the buyer has asked for no licence yet. Nothing is stopped. ", report.Stamp(a.DueAt))+remedy)
	}
	return report.False(v1alpha1.ReasonNotAcknowledged, fmt.Sprintf("The marketplace has not called by the instance's id until %s, as it does after"+
		" a sale that it knows of: most likely it never got our answer and cancelled the order. Nothing runs until it is known, and"+
		" the data are kept. ", report.Stamp(a.DueAt))+remedy+". The first call by the instance's id resumes it")
}
