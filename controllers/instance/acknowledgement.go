package instance

import (
	"fmt"
	"time"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/report"
	"github.com/stallkeeper/stallkeeper/controllers/sale"
)

// acknowledgedVerdict says whether the marketplace has heard that the sale was stored; absent for a sale whose acknowledgement is not
// tracked.
func acknowledgedVerdict(mpi *v1alpha1.MarketplaceInstance, a sale.Acknowledgement, now time.Time) report.Verdict {
	sub := mpi.Spec.Subscription
	switch {
	case sub == nil:
		return report.Verdict{Absent: true}
	case sub.Acknowledgement.State == v1alpha1.AcknowledgementReceived && sub.Acknowledgement.Time.IsZero():
		return report.True(v1alpha1.ReasonAcknowledged, "A correction confirms that the marketplace knows of the sale")
	case sub.Acknowledgement.State == v1alpha1.AcknowledgementReceived:
		return report.True(v1alpha1.ReasonAcknowledged, "The marketplace knows of the sale: it has called with this instance's id")
	case sub.Entitlement.State == v1alpha1.EntitlementReleased && sub.Acknowledgement.State != "":
		return report.True(v1alpha1.ReasonReleased, "The sale has ended")
	case a.DueAt.IsZero():
		return report.Verdict{Absent: true}
	case now.Before(a.DueAt):
		return report.Unknown(v1alpha1.ReasonAwaitingAcknowledgement, fmt.Sprintf(
			"The marketplace has not queried this instance yet; it is expected to by %s", report.Stamp(a.DueAt)))
	}
	remedy := fmt.Sprintf("Look up order %s in the seller console. If the order is valid, set spec.correction with acknowledgement: Received; if"+
		" it was canceled, set spec.correction with entitlement: Released, or delete the instance", sub.OrderID)
	if a.StopAt.IsZero() {
		return report.False(v1alpha1.ReasonAcknowledgementOverdue, fmt.Sprintf("The marketplace had not queried this instance by %s, which it normally does"+
			" after every purchase unless the buyer has not requested a license yet. The tenant keeps running. ", report.Stamp(a.DueAt))+remedy)
	}
	if now.Before(a.StopAt) {
		return report.False(v1alpha1.ReasonAcknowledgementOverdue, fmt.Sprintf("The marketplace had not queried this instance by %s as far as calls are"+
			" known, and calls may be missing: spec.holdUntilTime of Marketplace %q keeps the tenant running until %s. ", report.Stamp(a.DueAt),
			sub.Marketplace, report.Stamp(a.StopAt))+remedy)
	}
	return report.False(v1alpha1.ReasonNotAcknowledged, fmt.Sprintf("The marketplace had not queried this instance by %s, which it does after every"+
		" purchase. It probably never received our response and canceled the order. The tenant is suspended; its data is kept. ",
		report.Stamp(a.DueAt))+remedy+". The first query resumes the tenant")
}
