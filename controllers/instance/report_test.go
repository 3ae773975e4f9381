package instance

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/ptr"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/apply"
	"github.com/stallkeeper/stallkeeper/controllers/lifecycle"
	"github.com/stallkeeper/stallkeeper/controllers/report"
	"github.com/stallkeeper/stallkeeper/controllers/sale"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
	"github.com/stallkeeper/stallkeeper/controllers/tenant"
)

// told is what people read of a status: the state, and each condition as status and reason.
type told struct {
	State                                              v1alpha1.InstanceState
	Ready, Order, Provisioned, Paid, Suspended, Paused string
}

func read(mpi *v1alpha1.MarketplaceInstance) told {
	of := map[string]string{}
	for _, c := range mpi.Status.Conditions {
		of[c.Type] = fmt.Sprintf("%s %s", c.Status, c.Reason)
	}
	return told{
		State: mpi.Status.State, Ready: of[v1alpha1.ConditionReady], Order: of[v1alpha1.ConditionOrderResolved],
		Provisioned: of[v1alpha1.ConditionProvisioned], Paid: of[v1alpha1.ConditionEntitled],
		Suspended: of[v1alpha1.ConditionSuspended], Paused: of[v1alpha1.ConditionPaused],
	}
}

var (
	healthy     = tenant.Readiness{State: apply.StateReady}
	progressing = tenant.Readiness{State: apply.StateProgressing, Blockers: []tenant.Blocker{{Refusal: tenant.Refusal{Key: tenant.Key{Kind: "Deployment", Name: "web"}}}}}
	failed      = tenant.Readiness{State: apply.StateFailed}
)

func TestReportSaysWhatIsTrue(t *testing.T) {
	run := lifecycle.Decision{Phase: lifecycle.Run, Rule: lifecycle.RulePaid}
	suspendFor := func(rule lifecycle.Rule) lifecycle.Decision {
		return lifecycle.Decision{Phase: lifecycle.Suspend, Rule: rule}
	}
	removeFor := func(rule lifecycle.Rule) lifecycle.Decision {
		return lifecycle.Decision{Phase: lifecycle.Remove, Rule: rule}
	}
	nothing := lifecycle.Decision{Phase: lifecycle.Nothing, Rule: lifecycle.RuleUnresolved}
	cannotStop := []v1alpha1.Blocker{{Object: "Cluster/db", Reason: v1alpha1.ReasonCannotSuspend, Message: "it runs on"}}
	crash := []v1alpha1.Blocker{{Object: "Deployment/web", Reason: "CrashLoopBackOff", Message: "it ends with an error"}}
	released := salestest.Entitled(v1alpha1.EntitlementReleased, v1alpha1.EntitlementByMarketplace, 20)
	tests := map[string]struct {
		mpi      *v1alpha1.MarketplaceInstance
		day      int
		decision lifecycle.Decision
		outcome  outcome
		want     told
	}{
		"a sale that was never looked up": {
			mpi: salestest.Sale(salestest.UnknownOrder), decision: nothing, outcome: outcome{did: absent},
			want: told{"Pending", "Unknown WaitingForOrder", "", "Unknown WaitingForOrder", "Unknown OrderPending", "False WaitingForOrder",
				""},
		},
		"a sale whose order nobody understands": {
			mpi:      salestest.Sale(salestest.UnknownOrder, salestest.Condition(v1alpha1.ConditionOrderResolved, metav1.ConditionFalse, v1alpha1.ReasonUnknownSKU)),
			decision: nothing, outcome: outcome{did: absent},
			want: told{"Blocked", "False UnknownSKU", "False UnknownSKU", "Unknown WaitingForOrder", "Unknown OrderPending",
				"False WaitingForOrder", ""},
		},
		"a tenant that becomes healthy": {
			mpi: salestest.Sale(), day: 1, decision: run, outcome: outcome{did: made, readiness: progressing},
			want: told{"Provisioning", "Unknown Progressing", "", "Unknown Progressing", "True Paid", "False Running",
				""},
		},
		"a tenant that runs": {
			mpi: salestest.Sale(), day: 1, decision: run, outcome: outcome{readiness: healthy},
			want: told{"Running", "True InstanceReady", "", "True Provisioned", "True Paid", "False Running", ""},
		},
		"a tenant that runs while a renewal's order can't be understood": {
			mpi: salestest.Sale(salestest.Condition(v1alpha1.ConditionOrderResolved, metav1.ConditionFalse, v1alpha1.ReasonUnknownSKU)), day: 1,
			decision: run, outcome: outcome{readiness: healthy},
			want: told{"Blocked", "False UnknownSKU", "False UnknownSKU", "True Provisioned", "True Paid", "False Running",
				""},
		},
		"a tenant that was made by hand": {
			mpi: salestest.HandMade(), day: 1, decision: run, outcome: outcome{readiness: healthy},
			want: told{"Running", "True InstanceReady", "", "True Provisioned", "True NoSale", "False Running", ""},
		},
		"a tenant whose object has failed": {
			mpi: salestest.Sale(), day: 1, decision: run, outcome: outcome{readiness: failed},
			want: told{"Blocked", "False Unhealthy", "", "False Unhealthy", "True Paid", "False Running", ""},
		},
		"a tenant whose pods crash": {
			mpi: salestest.Sale(), day: 1, decision: run, outcome: outcome{readiness: progressing, blockers: crash},
			want: told{"Blocked", "False Unhealthy", "", "False Unhealthy", "True Paid", "False Running", ""},
		},
		"a template that fails": {
			mpi: salestest.Sale(), day: 1, decision: run,
			outcome: outcome{problem: report.Problem(v1alpha1.ReasonRenderFailed, "web.yaml: no"), readiness: healthy},
			want: told{"Blocked", "False RenderFailed", "", "False RenderFailed", "True Paid", "False Running",
				""},
		},
		"a tenant that can't be moved to the next revision": {
			mpi: salestest.Sale(), day: 1, decision: run,
			outcome: outcome{readiness: healthy, stuck: report.Problem(v1alpha1.ReasonRenderFailed, "it stays on shop-1")},
			want: told{"Blocked", "True InstanceReady", "", "False RenderFailed", "True Paid", "False Running",
				""},
		},
		"an API server that is away": {
			mpi: salestest.Sale(), day: 1, decision: run, outcome: outcome{err: errors.New("timeout")},
			want: told{"Provisioning", "Unknown ApplyFailed", "", "Unknown ApplyFailed", "True Paid", "False Running",
				""},
		},
		"a tenant in grace": {
			mpi: salestest.Sale(), day: 31, decision: lifecycle.Decision{Phase: lifecycle.Run, Rule: lifecycle.RuleInGrace},
			outcome: outcome{readiness: healthy},
			want: told{"InGrace", "True InstanceReady", "", "True Provisioned", "True InGrace", "False Running",
				""},
		},
		"an overdue tenant that is being stopped": {
			mpi: salestest.Sale(), day: 46, decision: suspendFor(lifecycle.RuleOverdue), outcome: outcome{did: made, readiness: progressing},
			want: told{"Suspending", "False PaymentOverdue", "", "Unknown Progressing", "False PaymentOverdue", "Unknown Suspending",
				""},
		},
		"an overdue tenant whose renewal's order can't be understood": {
			mpi: salestest.Sale(salestest.Condition(v1alpha1.ConditionOrderResolved, metav1.ConditionFalse, v1alpha1.ReasonUnknownSKU)), day: 46,
			decision: suspendFor(lifecycle.RuleOverdue), outcome: outcome{did: made, readiness: healthy, stopped: true},
			want: told{"Blocked", "False PaymentOverdue", "False UnknownSKU", "True Provisioned", "False PaymentOverdue", "True PaymentOverdue", ""},
		},
		"a released tenant whose last order nobody understands": {
			mpi: salestest.Sale(released, salestest.Condition(v1alpha1.ConditionOrderResolved, metav1.ConditionFalse, v1alpha1.ReasonUnknownSKU)), day: 21,
			decision: suspendFor(lifecycle.RuleReleased), outcome: outcome{did: made, readiness: healthy, stopped: true},
			want: told{"Suspended", "False Released", "False UnknownSKU", "True Provisioned", "False Released", "True Released", ""},
		},
		"an overdue tenant that is stopped": {
			mpi: salestest.Sale(), day: 46, decision: suspendFor(lifecycle.RuleOverdue), outcome: outcome{readiness: healthy, stopped: true},
			want: told{"Suspended", "False PaymentOverdue", "", "True Provisioned", "False PaymentOverdue", "True PaymentOverdue",
				""},
		},
		"a tenant that runs on because a kind can't be stopped": {
			mpi: salestest.Sale(), day: 46, decision: suspendFor(lifecycle.RuleOverdue),
			outcome: outcome{did: made, readiness: healthy, stopped: true, blockers: cannotStop},
			want: told{"Blocked", "False PaymentOverdue", "", "False CannotSuspend", "False PaymentOverdue", "Unknown Suspending",
				""},
		},
		"a tenant that a person has stopped": {
			mpi: salestest.Sale(), day: 1, decision: suspendFor(lifecycle.RuleHeld), outcome: outcome{readiness: healthy, stopped: true},
			want: told{"Suspended", "False SuspensionRequested", "", "True Provisioned", "True Paid", "True SuspensionRequested",
				""},
		},
		"a sale that the marketplace does not know of, and that is being stopped": {
			mpi: salestest.Sale(), day: 1, decision: suspendFor(lifecycle.RuleUnacknowledged),
			outcome: outcome{did: made, readiness: progressing},
			want: told{"Suspending", "False NotAcknowledged", "", "Unknown Progressing", "True Paid", "Unknown Suspending",
				""},
		},
		"a sale that the marketplace does not know of, and that is stopped": {
			mpi: salestest.Sale(), day: 1, decision: suspendFor(lifecycle.RuleUnacknowledged),
			outcome: outcome{readiness: healthy, stopped: true},
			want: told{"Blocked", "False NotAcknowledged", "", "True Provisioned", "True Paid", "True NotAcknowledged",
				""},
		},
		"a sale that was frozen because it expired": {
			mpi: salestest.Sale(salestest.Entitled(v1alpha1.EntitlementFrozen, v1alpha1.EntitlementExpired, 30)), day: 31,
			decision: suspendFor(lifecycle.RuleFrozen), outcome: outcome{readiness: healthy, stopped: true},
			want: told{"Suspended", "False Expired", "", "True Provisioned", "False Expired", "True Expired",
				""},
		},
		"a sale that the marketplace froze early": {
			mpi: salestest.Sale(salestest.Entitled(v1alpha1.EntitlementFrozen, v1alpha1.EntitlementByMarketplace, 10)), day: 11,
			decision: suspendFor(lifecycle.RuleFrozen), outcome: outcome{readiness: healthy, stopped: true},
			want: told{"Suspended", "False Frozen", "", "True Provisioned", "False Frozen", "True Frozen",
				""},
		},
		"a released sale in its retention": {
			mpi: salestest.Sale(released), day: 21, decision: suspendFor(lifecycle.RuleReleased), outcome: outcome{readiness: healthy, stopped: true},
			want: told{"Suspended", "False Released", "", "True Provisioned", "False Released", "True Released",
				""},
		},
		"a released sale that never had a tenant": {
			mpi: salestest.Sale(released), day: 21, decision: suspendFor(lifecycle.RuleReleased), outcome: outcome{did: absent},
			want: told{"Released", "False Released", "", "False Removed", "False Released", "True Released",
				""},
		},
		"a released sale whose tenant goes": {
			mpi: salestest.Sale(released), day: 40, decision: removeFor(lifecycle.RuleReleased), outcome: outcome{did: removing},
			want: told{"Removing", "False Released", "", "False Removing", "False Released", "Unknown Removing",
				""},
		},
		"a released sale whose tenant is gone": {
			mpi: salestest.Sale(released), day: 40, decision: removeFor(lifecycle.RuleReleased), outcome: outcome{did: absent},
			want: told{"Released", "False Released", "", "False Removed", "False Released", "True Released",
				""},
		},
		"a removal that fails": {
			mpi: salestest.Sale(released), day: 40, decision: removeFor(lifecycle.RuleReleased), outcome: outcome{err: errors.New("timeout")},
			want: told{"Removing", "False Released", "", "False Removing", "False Released", "Unknown Suspending",
				""},
		},
		"an instance that is being deleted": {
			mpi: salestest.Sale(func(mpi *v1alpha1.MarketplaceInstance) { mpi.DeletionTimestamp = ptr.To(salestest.At(1)) }), day: 1,
			decision: removeFor(lifecycle.RuleRemoving), outcome: outcome{did: removing},
			want: told{"Removing", "False Removing", "", "False Removing", "True Paid", "Unknown Removing",
				""},
		},
		"a paused tenant": {
			mpi: salestest.Sale(salestest.Paused), day: 1, decision: run, outcome: outcome{readiness: healthy},
			want: told{"Paused", "True InstanceReady", "", "True Provisioned", "True Paid", "False Running", "True ReconciliationPaused"},
		},
		"a paused instance without a tenant": {
			mpi: salestest.Sale(salestest.Paused), day: 1, decision: run, outcome: outcome{did: absent},
			want: told{"Paused", "Unknown Progressing", "", "Unknown Progressing", "True Paid", "False Running",
				"True ReconciliationPaused"},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			writeStatus(&pass{
				Sale: sale.Sale{Instance: tc.mpi, Namespace: "tenant-acme-x", Policy: lifecycle.Policy{Grace: 15 * 24 * time.Hour}},
				pin:  "shop-1", target: "shop-1", decision: tc.decision, now: salestest.Day(tc.day),
			}, tc.outcome)
			if diff := cmp.Diff(tc.want, read(tc.mpi)); diff != "" {
				t.Errorf("status (-want +got):\n%s", diff)
			}
			if !slices.Contains(report.States, tc.mpi.Status.State) {
				t.Errorf("state %q is not counted by products", tc.mpi.Status.State)
			}
			for _, c := range tc.mpi.Status.Conditions {
				if c.Type != v1alpha1.ConditionOrderResolved && c.ObservedGeneration != tc.mpi.Generation {
					t.Errorf("condition %s speaks of generation %d, want %d", c.Type, c.ObservedGeneration, tc.mpi.Generation)
				}
				if c.Message == "" {
					t.Errorf("condition %s says nothing", c.Type)
				}
			}
		})
	}
}

// A status that changes with the clock alone would be written at every pass, and each write brings another pass.
func TestReportDoesNotTick(t *testing.T) {
	broken := outcome{
		readiness: progressing,
		blockers:  []v1alpha1.Blocker{{Object: "Deployment/web", Reason: "ImagePullFailed", Message: "no such image"}},
	}
	policy := lifecycle.Policy{Grace: 15 * 24 * time.Hour, Retention: 15 * 24 * time.Hour, DeleteUnpaid: true}
	for name, first := range map[string]time.Time{
		"while it is paid": salestest.Day(1), "in its grace": salestest.Day(31), "when it is overdue": salestest.Day(46),
	} {
		t.Run(name, func(t *testing.T) {
			mpi := salestest.Sale()
			var seen *v1alpha1.MarketplaceInstance
			for i := range 3 {
				now := first.Add(time.Duration(i) * 61 * time.Second)
				p := &pass{Sale: sale.Sale{Instance: mpi, Namespace: "t", Policy: policy}, now: now}
				p.decision = p.Decide(now)
				writeStatus(p, broken)
				if seen != nil {
					if diff := cmp.Diff(seen.Status, mpi.Status); diff != "" {
						t.Errorf("the status changed without a reason (-before +after):\n%s", diff)
					}
				}
				seen = mpi.DeepCopy()
			}
		})
	}
}

func TestReportTimesConditionsByThePassesClock(t *testing.T) {
	mpi := salestest.Sale()
	writeStatus(&pass{Sale: sale.Sale{Instance: mpi}, decision: lifecycle.Decision{Phase: lifecycle.Run}, now: salestest.Day(1)}, outcome{readiness: progressing})
	writeStatus(&pass{Sale: sale.Sale{Instance: mpi}, decision: lifecycle.Decision{Phase: lifecycle.Run}, now: salestest.Day(2)}, outcome{readiness: healthy})
	got := map[string]time.Time{}
	for _, c := range mpi.Status.Conditions {
		got[c.Type] = c.LastTransitionTime.UTC()
	}
	want := map[string]time.Time{
		v1alpha1.ConditionReady: salestest.Day(2), v1alpha1.ConditionProvisioned: salestest.Day(2), v1alpha1.ConditionEntitled: salestest.Day(1),
		v1alpha1.ConditionSuspended: salestest.Day(1),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("transition times (-want +got):\n%s", diff)
	}
}

func TestReportTimetable(t *testing.T) {
	policy := lifecycle.Policy{Grace: 15 * 24 * time.Hour, Retention: 10 * 24 * time.Hour, DeleteUnpaid: true}
	keep := policy
	keep.DeleteUnpaid = false
	noEnd := func(mpi *v1alpha1.MarketplaceInstance) { mpi.Spec.Subscription.ExpiryTime = metav1.Time{} }
	tests := map[string]struct {
		mpi    *v1alpha1.MarketplaceInstance
		policy lifecycle.Policy
		day    int
		want   v1alpha1.Timetable
	}{
		"paid, and deleted at last":    {salestest.Sale(), policy, 1, v1alpha1.Timetable{ExpiryTime: salestest.At(30), SuspensionTime: salestest.At(45), DeletionTime: salestest.At(55)}},
		"paid, and kept at last":       {salestest.Sale(), keep, 1, v1alpha1.Timetable{ExpiryTime: salestest.At(30), SuspensionTime: salestest.At(45)}},
		"overdue, and deleted at last": {salestest.Sale(), policy, 50, v1alpha1.Timetable{ExpiryTime: salestest.At(30), DeletionTime: salestest.At(55)}},
		"without an end":               {salestest.Sale(noEnd), policy, 50, v1alpha1.Timetable{}},
		"made by hand":                 {salestest.HandMade(), policy, 50, v1alpha1.Timetable{}},
		"released": {
			salestest.Sale(salestest.Entitled(v1alpha1.EntitlementReleased, v1alpha1.EntitlementByMarketplace, 20)), keep, 21,
			v1alpha1.Timetable{ExpiryTime: salestest.At(30), DeletionTime: salestest.At(30)},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			p := &pass{Sale: sale.Sale{Instance: tc.mpi, Policy: tc.policy}, now: salestest.Day(tc.day)}
			p.decision = p.Decide(p.now)
			writeStatus(p, outcome{readiness: healthy})
			if diff := cmp.Diff(tc.want, tc.mpi.Status.Timetable); diff != "" {
				t.Errorf("timetable (-want +got):\n%s", diff)
			}
		})
	}
}

func TestReportKeepsAndForgets(t *testing.T) {
	namespace := &unstructured.Unstructured{Object: map[string]any{"metadata": map[string]any{"name": "tenant-acme-x"}}}
	before := v1alpha1.MarketplaceInstanceStatus{
		Access: v1alpha1.InstanceAccess{FrontEndURL: "https://old.example.com"}, KeptObjects: []string{"ConfigMap/old"},
		PlanLimits: []v1alpha1.PlanLimit{{Plan: "small", MinimumQuantity: 3}}, Namespace: "tenant-acme-x", Revision: "shop-1", TargetRevision: "shop-1",
	}
	stands := tenant.Standing{Name: "tenant-acme-x", Namespace: namespace}
	told := v1alpha1.InstanceAccess{FrontEndURL: "https://new.example.com"}
	tests := map[string]struct {
		standing tenant.Standing
		pin      string
		outcome  outcome
		want     v1alpha1.MarketplaceInstanceStatus
	}{
		"a quiet pass keeps what the last one rendered": {
			stands, "shop-1", outcome{did: made, readiness: healthy}, v1alpha1.MarketplaceInstanceStatus{
				Access: before.Access, KeptObjects: before.KeptObjects, PlanLimits: before.PlanLimits,
				Namespace: "tenant-acme-x", Revision: "shop-1", TargetRevision: "shop-2",
			},
		},
		"a full pass replaces it": {
			stands, "shop-2", outcome{did: made, readiness: healthy, access: &told}, v1alpha1.MarketplaceInstanceStatus{
				Access: told, Namespace: "tenant-acme-x", Revision: "shop-2", TargetRevision: "shop-2",
			},
		},
		"where there is no tenant nothing is left of it": {
			tenant.Standing{Name: "tenant-acme-x"}, "", outcome{did: absent}, v1alpha1.MarketplaceInstanceStatus{},
		},
		"one that is told before there is a tenant keeps that": {
			tenant.Standing{Name: "tenant-acme-x"}, "", outcome{did: absent, access: &told}, v1alpha1.MarketplaceInstanceStatus{
				Access: told, KeptObjects: before.KeptObjects, PlanLimits: before.PlanLimits, TargetRevision: "shop-2",
			},
		},
		"a pass that failed forgets nothing": {
			stands, "shop-1", outcome{err: errors.New("timeout")}, v1alpha1.MarketplaceInstanceStatus{
				Access: before.Access, KeptObjects: before.KeptObjects, PlanLimits: before.PlanLimits,
				Namespace: "tenant-acme-x", Revision: "shop-1", TargetRevision: "shop-2",
			},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			mpi := salestest.Sale(func(mpi *v1alpha1.MarketplaceInstance) { mpi.Status = *before.DeepCopy() })
			writeStatus(&pass{
				Sale: sale.Sale{Instance: mpi, Namespace: "tenant-acme-x"}, standing: tc.standing, pin: tc.pin, target: "shop-2",
				decision: lifecycle.Decision{Phase: lifecycle.Run, Rule: lifecycle.RulePaid}, now: salestest.Day(1),
			}, tc.outcome)
			got := v1alpha1.MarketplaceInstanceStatus{
				Access: mpi.Status.Access, KeptObjects: mpi.Status.KeptObjects, PlanLimits: mpi.Status.PlanLimits,
				Namespace: mpi.Status.Namespace, Revision: mpi.Status.Revision, TargetRevision: mpi.Status.TargetRevision,
			}
			if diff := cmp.Diff(tc.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("status (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPaidVerdictAtItsBoundaries(t *testing.T) {
	policy := lifecycle.Policy{Grace: 15 * 24 * time.Hour}
	tests := map[string]struct {
		now  time.Time
		want string
	}{
		"a second before the paid time ends": {salestest.Day(30).Add(-time.Second), "True Paid"},
		"at the end of the paid time":        {salestest.Day(30), "True InGrace"},
		"a second before the grace ends":     {salestest.Day(45).Add(-time.Second), "True InGrace"},
		"at the end of the grace":            {salestest.Day(45), "False PaymentOverdue"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			v := entitledVerdict(sale.Sale{Instance: salestest.Sale(), Policy: policy}, tc.now)
			if got := fmt.Sprintf("%s %s", v.Status, v.Reason); got != tc.want {
				t.Errorf("paid is %q, want %q", got, tc.want)
			}
		})
	}
	t.Run("without a grace", func(t *testing.T) {
		if v := entitledVerdict(sale.Sale{Instance: salestest.Sale()}, salestest.Day(30)); v.Reason != v1alpha1.ReasonPaymentOverdue {
			t.Errorf("paid is %q at the end, want overdue at once", v.Reason)
		}
	})
	t.Run("a sale without an end", func(t *testing.T) {
		mpi := salestest.Sale(func(mpi *v1alpha1.MarketplaceInstance) { mpi.Spec.Subscription.ExpiryTime = metav1.Time{} })
		if v := entitledVerdict(sale.Sale{Instance: mpi, Policy: policy}, salestest.Day(9999)); v.Reason != v1alpha1.ReasonNoExpiry || v.Status != metav1.ConditionTrue {
			t.Errorf("paid is %v", v)
		}
	})
}

func TestMergeBlockers(t *testing.T) {
	blocker := func(object, reason string, since metav1.Time) v1alpha1.Blocker {
		return v1alpha1.Blocker{Object: object, Reason: reason, Message: "m", FirstSeenTime: since}
	}
	before := []v1alpha1.Blocker{blocker("Deployment/web", "Crash", salestest.At(1)), blocker("Deployment/gone", "Crash", salestest.At(1))}
	now := []v1alpha1.Blocker{
		{Object: "Deployment/web", Reason: "Crash", Message: "m"},
		{Object: "Deployment/web", Reason: "Crash", Message: "said twice"},
		{Object: "Deployment/web", Reason: "Drift"},
	}
	want := []v1alpha1.Blocker{blocker("Deployment/web", "Crash", salestest.At(1)),
		{Object: "Deployment/web", Reason: "Drift", Message: "Drift", FirstSeenTime: salestest.At(2)}}
	merged, _ := mergeBlockers(before, now, salestest.Day(2))
	if diff := cmp.Diff(want, merged); diff != "" {
		t.Errorf("blockers (-want +got):\n%s", diff)
	}
}

// The API server refuses a status of which one list or text is too long, and then nobody learns anything.
func TestReportStaysWithinTheAPIsBounds(t *testing.T) {
	long := strings.Repeat("ä", 5000)
	var blockers []v1alpha1.Blocker
	var orphans []string
	for i := range 100 {
		blockers = append(blockers, v1alpha1.Blocker{Object: fmt.Sprint(i, long), Reason: fmt.Sprint(i, long), Message: long, Remedy: long})
		orphans = append(orphans, fmt.Sprintf("ConfigMap/old-%d", i))
	}
	mpi := salestest.Sale(func(mpi *v1alpha1.MarketplaceInstance) {
		for i := range 64 {
			name := fmt.Sprintf("sold-%d", i)
			mpi.Spec.Subscription.Attributes = append(mpi.Spec.Subscription.Attributes[:i:i], v1alpha1.Attribute{Name: name, Value: ptr.To("a")})
			mpi.Spec.Attributes = append(mpi.Spec.Attributes, v1alpha1.Attribute{Name: fmt.Sprintf("%s-%d", strings.Repeat("x", 120), i)})
		}
	})
	p := &pass{
		Sale: sale.Sale{Instance: mpi, Effective: sale.EffectiveOf(mpi)}, decision: lifecycle.Decision{Phase: lifecycle.Run}, now: salestest.Day(1),
	}
	if len(p.Effective.Attributes) != 128 {
		t.Errorf("the tenant gets %d attributes, want all 128", len(p.Effective.Attributes))
	}
	writeStatus(p, outcome{did: made, access: &v1alpha1.InstanceAccess{}, blockers: blockers, kept: orphans})
	for what, tc := range map[string]struct{ got, most int }{
		"blockers":    {len(mpi.Status.Blockers), 16},
		"orphans":     {len(mpi.Status.KeptObjects), 64},
		"attributes":  {len(mpi.Status.Effective.Attributes), 64},
		"differences": {len(mpi.Status.Effective.Differences), 80},
	} {
		if tc.got > tc.most || tc.got == 0 {
			t.Errorf("%d %s, want 1 to %d", tc.got, what, tc.most)
		}
	}
	for _, b := range mpi.Status.Blockers {
		for what, tc := range map[string]struct {
			text string
			most int
		}{"object": {b.Object, 400}, "reason": {b.Reason, 128}, "message": {b.Message, 1024}, "remedy": {b.Remedy, 512}} {
			if n := len([]rune(tc.text)); n > tc.most {
				t.Errorf("a blocker's %s has %d characters, want at most %d", what, n, tc.most)
			}
		}
	}
	for _, d := range mpi.Status.Effective.Differences {
		if n := len([]rune(d)); n > 512 {
			t.Errorf("a difference has %d characters, want at most 512", n)
		}
	}
}

func TestRemovalBlockersNameOnlyWhatKeepsANamespace(t *testing.T) {
	namespace := &unstructured.Unstructured{Object: map[string]any{
		"metadata": map[string]any{"name": "tenant-acme-x"},
		"status": map[string]any{"conditions": []any{
			map[string]any{"type": "NamespaceContentRemaining", "status": "True", "message": "still deleting"},
			map[string]any{"type": "NamespaceFinalizersRemaining", "status": "True", "message": "one finalizer"},
			map[string]any{"type": "NamespaceDeletionDiscoveryFailure", "status": "False", "message": "fine"},
			"nonsense",
		}},
	}}
	var got []string
	for _, b := range removalBlockers(tenant.Standing{Namespace: namespace}) {
		got = append(got, b.Object+" "+b.Reason+" "+b.Message)
	}
	want := []string{"Namespace/tenant-acme-x NamespaceFinalizersRemaining one finalizer"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("blockers (-want +got):\n%s", diff)
	}
	if got := removalBlockers(tenant.Standing{}); got != nil {
		t.Errorf("blockers of no namespace: %v", got)
	}
}
