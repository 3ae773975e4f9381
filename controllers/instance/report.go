package instance

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/stallkeeper/stallkeeper/controllers/report"
	"github.com/stallkeeper/stallkeeper/controllers/sale"
	"github.com/stallkeeper/stallkeeper/controllers/tenant"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/apply"
	"github.com/stallkeeper/stallkeeper/controllers/lifecycle"
)

// statusOwner owns what this reconciler says of an instance: everything that the reconcilers of features do not own.
var statusOwner = report.Owner{
	Name: v1alpha1.FieldOwner,
	Conditions: []string{
		v1alpha1.ConditionReady, v1alpha1.ConditionAcknowledged, v1alpha1.ConditionProvisioned, v1alpha1.ConditionEntitled,
		v1alpha1.ConditionSuspended, v1alpha1.ConditionPaused, v1alpha1.ConditionStalled, v1alpha1.ConditionOrderResolved,
	},
	Fields: func(from, to *v1alpha1.MarketplaceInstanceStatus) {
		*to = v1alpha1.MarketplaceInstanceStatus{
			State: from.State, ObservedGeneration: from.ObservedGeneration, Effective: from.Effective, Timetable: from.Timetable,
			Access: from.Access, PlanLimits: from.PlanLimits, Namespace: from.Namespace, Revision: from.Revision,
			TargetRevision: from.TargetRevision, Blockers: from.Blockers, KeptObjects: from.KeptObjects,
			BlockersTotal: from.BlockersTotal,
		}
	},
}

// writeStatus writes into the status what a pass has decided, done and seen. It is pure. Every condition is set on every pass, but
// for those of other reconcilers.
func writeStatus(p *pass, o outcome) {
	mpi, d := p.Instance, p.decision
	status := &mpi.Status
	status.ObservedGeneration = ptr.To(mpi.Generation)
	status.Effective = boundedEffective(p.Effective)
	status.Timetable = timetable(mpi, d)
	status.TargetRevision = p.target
	status.Blockers, status.BlockersTotal = mergeBlockers(status.Blockers, slices.Concat(o.nextBlockers, o.blockers), p.now)
	writeTenant(status, p, o)
	set := func(kind string, v report.Verdict) { report.Set(&status.Conditions, kind, v, mpi.Generation, p.now) }
	provisioned := provisionedVerdict(d, o)
	// What was sold runs, on the revision that the tenant has, whatever keeps it from the next one.
	running := o
	running.stuck, running.preparing, running.nextBlockers = nil, "", nil
	if p.Orders != nil {
		set(v1alpha1.ConditionOrderResolved, *p.Orders)
	}
	set(v1alpha1.ConditionPaused, pausedVerdict(mpi))
	set(v1alpha1.ConditionAcknowledged, acknowledgedVerdict(mpi, p.Acknowledgement, p.now))
	set(v1alpha1.ConditionEntitled, entitledVerdict(p.Sale, p.now))
	set(v1alpha1.ConditionSuspended, suspendedVerdict(p, o))
	set(v1alpha1.ConditionProvisioned, provisioned)
	set(v1alpha1.ConditionReady, readyVerdict(p, provisionedVerdict(d, running)))
	status.State = report.StateOf(mpi)
	set(v1alpha1.ConditionStalled, stalledVerdict(mpi))
}

// stalledVerdict is there only while the buyer can't use what was sold and a person has to act. It says what Ready says.
func stalledVerdict(mpi *v1alpha1.MarketplaceInstance) report.Verdict {
	ready := meta.FindStatusCondition(mpi.Status.Conditions, v1alpha1.ConditionReady)
	if ready == nil || ready.Status != metav1.ConditionFalse || mpi.Status.State != v1alpha1.StateBlocked {
		return report.Verdict{Absent: true}
	}
	return report.True(ready.Reason, ready.Message)
}

// writeTenant writes where the tenant is, what runs in it and what its buyer is told.
func writeTenant(status *v1alpha1.MarketplaceInstanceStatus, p *pass, o outcome) {
	if o.access != nil {
		status.Access = *o.access
	}
	if o.did == made && o.access != nil {
		status.PlanLimits, status.KeptObjects = o.limits, o.kept[:min(len(o.kept), maxOrphans)]
	}
	status.Namespace, status.Revision = "", p.pin
	if p.stands() {
		status.Namespace = p.Namespace
	}
	switch {
	case o.did == elsewhere && p.Hosted == nil:
		status.Revision = p.target
	case o.did == absent && o.access == nil:
		status.Access, status.KeptObjects, status.PlanLimits = v1alpha1.InstanceAccess{}, nil, nil
		status.Namespace, status.Revision, status.TargetRevision = "", "", ""
	}
}

// maxOrphans and maxAttributes are the bounds of the status. The tenant itself gets all attributes.
const (
	maxOrphans    = 64
	maxAttributes = 64
)

func boundedEffective(e v1alpha1.EffectiveSubscription) v1alpha1.EffectiveSubscription {
	e.Attributes = e.Attributes[:min(len(e.Attributes), maxAttributes)]
	return e
}

func pausedVerdict(mpi *v1alpha1.MarketplaceInstance) report.Verdict {
	if mpi.Spec.Reconciliation == v1alpha1.ReconciliationPaused {
		return report.True(v1alpha1.ReasonReconciliationPaused, "Reconciliation is paused: the tenant stays as it is until spec.reconciliation is Active again")
	}
	return report.Verdict{Absent: true}
}

// entitledVerdict says what the buyer is entitled to, whatever else holds the tenant.
func entitledVerdict(s sale.Sale, now time.Time) report.Verdict {
	sub := s.Instance.Spec.Subscription
	if sub == nil {
		return report.True(v1alpha1.ReasonNoSale, "This instance was created manually and is not limited by a sale")
	}
	if ended, ok := entitlementEnded(sub); ok {
		return ended
	}
	expires := sub.ExpiryTime.Time
	end, runUntil := expires.Add(s.Policy.Grace), s.Instance.Spec.Lifecycle.RunUntilTime.Time
	switch {
	case expires.IsZero() && sub.ExpirySource == "" && len(sub.Items) == 0:
		return report.Unknown(v1alpha1.ReasonOrderPending, "The end of the paid period is unknown until the order has been read")
	case expires.IsZero():
		return report.True(v1alpha1.ReasonNoExpiry, "The sale has no end")
	case now.Before(expires):
		return report.True(v1alpha1.ReasonPaid, fmt.Sprintf("Paid until %s", report.Stamp(expires)))
	case now.Before(end):
		return report.True(v1alpha1.ReasonInGrace, fmt.Sprintf("The paid period ended at %s; the tenant keeps running until %s",
			report.Stamp(expires), report.Stamp(end)))
	case now.Before(runUntil):
		return report.True(v1alpha1.ReasonRunUntil, fmt.Sprintf("The paid period ended at %s; spec.lifecycle keeps the tenant running until %s",
			report.Stamp(expires), report.Stamp(runUntil)))
	case now.Before(s.HoldUntil):
		return report.True(v1alpha1.ReasonCallsUncertain, fmt.Sprintf("The paid time ended at %s as far as calls are known, and calls may be missing:"+
			" Marketplace %q keeps the tenant running until %s. Compare the sale with the marketplace's console",
			report.Stamp(expires), sub.Marketplace, report.Stamp(s.HoldUntil)))
	}
	return report.False(v1alpha1.ReasonPaymentOverdue, fmt.Sprintf("The paid period ended at %s and its grace period at %s; the data is kept",
		report.Stamp(expires), report.Stamp(end)))
}

// entitlementEnded says who has ended or frozen a sale; false for one that is active.
func entitlementEnded(sub *v1alpha1.Subscription) (report.Verdict, bool) {
	switch {
	case sub.Entitlement.State == v1alpha1.EntitlementReleased:
		return report.False(v1alpha1.ReasonReleased, "The marketplace has ended the sale"), true
	case sub.Entitlement.State != v1alpha1.EntitlementFrozen:
		return report.Verdict{}, false
	case sub.Entitlement.Reason == v1alpha1.EntitlementExpired:
		return report.False(v1alpha1.ReasonExpired, "The marketplace froze the sale because its paid period had ended; a renewal lifts the freeze"), true
	case sub.Entitlement.Reason == v1alpha1.EntitlementByPerson:
		return report.False(v1alpha1.ReasonFrozen, "A correction froze the sale; a correction with entitlement: Active lifts the freeze"), true
	}
	return report.False(v1alpha1.ReasonFrozen, "The marketplace froze the sale; only the marketplace can lift the freeze"), true
}

// suspendedVerdict says whether the tenant is stopped, and why.
func suspendedVerdict(p *pass, o outcome) report.Verdict {
	d := p.decision
	switch {
	case d.Phase == lifecycle.Nothing:
		return report.False(v1alpha1.ReasonWaitingForOrder, "The tenant has not been started yet")
	case d.Phase == lifecycle.Run:
		return report.False(v1alpha1.ReasonRunning, "The tenant is not suspended")
	case d.Phase == lifecycle.Remove && o.did == removing:
		return report.Unknown(v1alpha1.ReasonRemoving, "The tenant is being removed")
	case o.did == absent:
		return report.True(suspensionReason(p), "There is no tenant")
	case o.did == elsewhere:
		return report.True(suspensionReason(p), "No workload runs for this sale, and the buyer may not use it: "+suspensionText(p))
	}
	reason, message := suspensionReason(p), suspensionText(p)
	if o.stopped && len(cannotStop(o.blockers)) == 0 {
		return report.True(reason, "Suspended; the data is kept: "+message)
	}
	if d.Finishing {
		return report.Unknown(v1alpha1.ReasonSuspending, fmt.Sprintf(
			"Waiting up to %d minutes for %s before stopping: %s", int(lifecycle.FinishTime.Minutes()), p.Unfinished, message))
	}
	return report.Unknown(v1alpha1.ReasonSuspending, "Suspending: "+message)
}

func suspensionReason(p *pass) string {
	d := p.decision
	if d.Phase == lifecycle.Remove && (d.Rule == lifecycle.RuleOverdue || d.Rule == lifecycle.RuleFrozen) {
		return v1alpha1.ReasonRetentionEnded
	}
	switch d.Rule {
	case lifecycle.RuleReleased:
		return v1alpha1.ReasonReleased
	case lifecycle.RuleRemoving:
		return v1alpha1.ReasonRemoving
	case lifecycle.RuleHeld:
		return v1alpha1.ReasonRequested
	case lifecycle.RuleOverdue:
		return v1alpha1.ReasonPaymentOverdue
	case lifecycle.RuleUnacknowledged:
		return v1alpha1.ReasonNotAcknowledged
	case lifecycle.RuleStopWanted:
		return p.Stops[0].Reason
	}
	if sub := p.Instance.Spec.Subscription; sub != nil && sub.Entitlement.Reason == v1alpha1.EntitlementExpired {
		return v1alpha1.ReasonExpired
	}
	return v1alpha1.ReasonFrozen
}

func suspensionText(p *pass) string {
	d := p.decision
	texts := map[string]string{
		v1alpha1.ReasonReleased:        "the marketplace has ended the sale",
		v1alpha1.ReasonRetentionEnded:  "the retention period has ended, and the product's afterRetention is Delete",
		v1alpha1.ReasonRequested:       "spec.desiredState is Suspended",
		v1alpha1.ReasonPaymentOverdue:  "the paid period and its grace period have ended; a renewal resumes the tenant",
		v1alpha1.ReasonExpired:         "the marketplace froze the sale because its paid period had ended; a renewal resumes the tenant",
		v1alpha1.ReasonNotAcknowledged: "the marketplace does not appear to know of the sale; see the condition Acknowledged",
		v1alpha1.ReasonFrozen:          "the sale is frozen; an unfreeze resumes the tenant",
	}
	text := texts[suspensionReason(p)]
	if d.Rule == lifecycle.RuleStopWanted {
		text = p.Stops[0].Message
	}
	if !d.DeleteAt.IsZero() {
		text += fmt.Sprintf("; the tenant is deleted at %s", report.Stamp(d.DeleteAt))
	}
	return text
}

// provisionedVerdict says whether the tenant's objects are in place and healthy.
func provisionedVerdict(d lifecycle.Decision, o outcome) report.Verdict {
	if gone, ok := removalVerdict(d, o); ok {
		return gone
	}
	switch {
	case d.Phase == lifecycle.Nothing:
		return report.Unknown(v1alpha1.ReasonWaitingForOrder, "The tenant is created once the order has been read")
	case o.problem != nil:
		return *o.problem
	case o.stuck != nil:
		return *o.stuck
	case o.err != nil:
		return report.Unknown(v1alpha1.ReasonApplyFailed, retriedText(o.retried))
	case len(cannotStop(o.blockers)) > 0:
		return report.False(v1alpha1.ReasonCannotSuspend, "The tenant can't be stopped: "+blockerText(cannotStop(o.blockers)))
	case o.did == absent:
		return report.Unknown(v1alpha1.ReasonProgressing, "The tenant does not exist yet")
	case o.readiness.State == apply.StateFailed || len(o.blockers) > 0:
		return report.False(v1alpha1.ReasonUnhealthy, cmp.Or(blockerText(o.blockers), "An object of the tenant has failed"))
	}
	if waits := waitsVerdict(d, o); waits.Status != "" {
		return waits
	}
	switch {
	case o.preparing != "":
		return movingVerdict(d, o)
	case o.did == elsewhere:
		return report.True(v1alpha1.ReasonProvisioned, "This sale needs no workload")
	}
	return report.True(v1alpha1.ReasonProvisioned, "All objects of the tenant are in place and healthy")
}

// retriedText says that something is tried again, and what, if that has lasted.
func retriedText(retried []tenant.Refusal) string {
	const text = "Reconciling the tenant failed; retrying"
	if len(retried) == 0 {
		return text
	}
	return text + ": " + refusalText(retried)
}

// waitsVerdict says what a tenant that nothing is wrong with waits for; empty for nothing.
func waitsVerdict(d lifecycle.Decision, o outcome) report.Verdict {
	switch {
	case d.Phase == lifecycle.Suspend && !d.Finishing && !o.stopped:
		return report.Unknown(v1alpha1.ReasonProgressing, "The tenant is being stopped")
	case o.waiting != "":
		return report.Unknown(v1alpha1.ReasonProgressing, "Waiting for the "+o.waiting)
	case o.readiness.State == apply.StateProgressing:
		return report.Unknown(v1alpha1.ReasonProgressing, "Waiting for "+waitingFor(o.waitsFor))
	}
	return report.Verdict{}
}

// movingVerdict says what keeps a tenant from its next revision, while it runs the one that it has.
func movingVerdict(d lifecycle.Decision, o outcome) report.Verdict {
	switch {
	case len(o.nextBlockers) > 0:
		return report.False(v1alpha1.ReasonUnhealthy, "The tenant stays on its revision because a hook of the next one failed: "+blockerText(o.nextBlockers))
	case d.Phase == lifecycle.Suspend:
		return report.True(v1alpha1.ReasonProvisioned, "All objects are in place; the next revision has hooks and is rolled out when the tenant is resumed")
	}
	return report.Unknown(v1alpha1.ReasonProgressing, "Waiting for the "+o.preparing+"")
}

// removalVerdict says how far the removal of a tenant is; false if it is not removed.
func removalVerdict(d lifecycle.Decision, o outcome) (report.Verdict, bool) {
	switch {
	case o.did == removing:
		return report.False(v1alpha1.ReasonRemoving, "The tenant is being deleted with its data"), true
	case d.Phase == lifecycle.Remove && o.err != nil:
		return report.False(v1alpha1.ReasonRemoving, "Deleting the tenant failed; retrying"), true
	case o.did == absent && (d.Phase == lifecycle.Remove || d.Rule == lifecycle.RuleReleased):
		return report.False(v1alpha1.ReasonRemoved, "The sale has ended and the tenant is gone"), true
	}
	return report.Verdict{}, false
}

// waitingFor names the objects that are not ready, at most three.
func waitingFor(names []string) string {
	const most = 3
	if len(names) > most {
		return strings.Join(names[:most], ", ") + " and more"
	}
	return strings.Join(names, ", ")
}

// cannotStop are the blockers that keep the tenant from being stopped.
func cannotStop(blockers []v1alpha1.Blocker) []v1alpha1.Blocker {
	return slices.DeleteFunc(slices.Clone(blockers), func(b v1alpha1.Blocker) bool {
		return b.Reason != tenant.ReasonCannotSuspend && b.Reason != tenant.ReasonStillRuns
	})
}

// readyVerdict says whether the buyer can use what was sold.
func readyVerdict(p *pass, usable report.Verdict) report.Verdict {
	d := p.decision
	order := meta.FindStatusCondition(p.Instance.Status.Conditions, v1alpha1.ConditionOrderResolved)
	refused := order != nil && order.Status == metav1.ConditionFalse
	switch {
	case d.Rule == lifecycle.RuleRemoving:
		return report.False(v1alpha1.ReasonRemoving, "The instance is being deleted")
	case d.Phase == lifecycle.Nothing && p.Unresolved != nil && p.Unresolved.Status == metav1.ConditionFalse:
		return report.False(p.Unresolved.Reason, p.Unresolved.Message)
	case d.Phase == lifecycle.Nothing && refused:
		return report.False(order.Reason, order.Message)
	case d.Phase == lifecycle.Nothing:
		return report.Unknown(v1alpha1.ReasonWaitingForOrder, "Waiting for the order from the marketplace")
	case d.Phase != lifecycle.Run:
		text := "Not usable: " + suspensionText(p)
		if refused && d.Rule != lifecycle.RuleReleased {
			text += ". An order of the sale can't be applied: " + order.Message
		}
		return report.False(suspensionReason(p), text)
	case usable.Status != metav1.ConditionTrue:
		return usable
	case refused:
		return report.False(order.Reason, order.Message)
	}
	return report.True(v1alpha1.ReasonInstanceReady, "The buyer can use what was sold")
}

func timetable(mpi *v1alpha1.MarketplaceInstance, d lifecycle.Decision) v1alpha1.Timetable {
	t := v1alpha1.Timetable{SuspensionTime: report.Time(d.SuspendAt), DeletionTime: report.Time(d.DeleteAt)}
	if sub := mpi.Spec.Subscription; sub != nil {
		t.ExpiryTime = sub.ExpiryTime
	}
	return t
}

// blockerText is the first blocker with its remedy, and how many more there are.
func blockerText(blockers []v1alpha1.Blocker) string {
	if len(blockers) == 0 {
		return ""
	}
	first := blockers[0]
	text := first.Object + ": " + cmp.Or(first.Message, first.Reason)
	if first.Remedy != "" {
		text += " (" + first.Remedy + ")"
	}
	if more := len(blockers) - 1; more > 0 {
		text += fmt.Sprintf("; %d more in status.blockers", more)
	}
	return text
}

// mergeBlockers keeps since when each blocker is known, and bounds their number and lengths. total is how many there are, if that is
// more.
func mergeBlockers(before, now []v1alpha1.Blocker, at time.Time) (result []v1alpha1.Blocker, total *int32) {
	const most = 16
	for _, blocker := range now {
		blocker.Object, blocker.Reason = report.Cut(blocker.Object, 400), report.Cut(blocker.Reason, 128)
		blocker.Message, blocker.Remedy = report.Cut(blocker.Message, 1024), report.Cut(blocker.Remedy, 512)
		if blocker.Message == "" {
			blocker.Message = blocker.Reason
		}
		same := func(b v1alpha1.Blocker) bool { return b.Object == blocker.Object && b.Reason == blocker.Reason }
		if slices.ContainsFunc(result, same) {
			continue
		}
		blocker.FirstSeenTime = report.Time(at)
		if i := slices.IndexFunc(before, same); i >= 0 {
			blocker.FirstSeenTime = before[i].FirstSeenTime
		}
		result = append(result, blocker)
	}
	if len(result) > most {
		total, result = ptr.To(int32(min(len(result), math.MaxInt32))), result[:most]
	}
	return result, total
}
