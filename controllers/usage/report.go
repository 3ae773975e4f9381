package usage

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/queue"
	"github.com/stallkeeper/stallkeeper/controllers/report"
	"github.com/stallkeeper/stallkeeper/controllers/usage/metering"
)

// reportUsage writes into the status what is counted, and what is the matter with it. It is pure. It returns when the report
// changes by itself because something becomes late.
func reportUsage(mpi *v1alpha1.MarketplaceInstance, k known, c counted, now time.Time) (late time.Time) {
	status := &mpi.Status
	set := func(kind string, v report.Verdict) { report.Set(&status.Conditions, kind, v, mpi.Generation, now) }
	if !k.metered {
		status.Usage = nil
		set(v1alpha1.ConditionUsageReported, report.Verdict{Absent: true})
		set(v1alpha1.ConditionPackageAvailable, report.Verdict{Absent: true})
		return time.Time{}
	}
	status.Usage = nil
	for _, m := range k.present() {
		status.Usage = append(status.Usage, meterUsage(mpi, k.user, m))
	}
	reported, late := usageVerdict(mpi, k, c, now)
	set(v1alpha1.ConditionUsageReported, reported)
	set(v1alpha1.ConditionPackageAvailable, packageVerdict(mpi, k.ledger))
	return late
}

func meterUsage(mpi, user *v1alpha1.MarketplaceInstance, m meterAccount) v1alpha1.MeterUsage {
	used := v1alpha1.MeterUsage{
		Meter: m.spec.Name, Unit: m.spec.Unit, Total: m.account.Total.String(), CountedUntilTime: report.Time(m.account.Until),
		PendingRecords: ptr.To(int32(min(len(m.account.Open()), 1<<30))),
	}
	if user != nil {
		used.RelatedInstanceID = user.Spec.Subscription.InstanceID
	}
	if isPackage(mpi) {
		used.PackageUsed = m.account.PackageUsed.String()
		if holds := m.pack.Holds(); holds > 0 {
			used.PackageSize = holds.String()
		}
	}
	return used
}

// usageVerdict says whether the marketplace knows what was used. The first thing that needs a person decides.
func usageVerdict(mpi *v1alpha1.MarketplaceInstance, k known, c counted, now time.Time) (v report.Verdict, late time.Time) {
	if linked(mpi) {
		return linkedVerdict(mpi, k), time.Time{}
	}
	if len(k.present()) == 0 {
		return report.False(v1alpha1.ReasonNoMeters, fmt.Sprintf("The sale is billed by usage, but plan %q of product %q has no meters: no usage is"+
			" reported. Add meters to the plan, or one with records: {} and push: None if usage is reported by other means",
			k.Effective.Plan, mpi.Spec.ProductRef.Name)), time.Time{}
	}
	if k.unclear != nil {
		return report.False(k.unclear.Reason, k.unclear.Message), time.Time{}
	}
	for _, m := range k.meters {
		if p, ok := c.silent[m.spec.Name]; ok && p.Reason == v1alpha1.ReasonMeterInvalid {
			return report.False(p.Reason, p.Message), time.Time{}
		}
	}
	if v, ok := recordsVerdict(k); ok {
		return v, time.Time{}
	}
	return timelyVerdict(k, c, now)
}

// linkedVerdict says whether the use of a package is counted that another instance uses. That instance says whether it is reported.
func linkedVerdict(mpi *v1alpha1.MarketplaceInstance, k known) report.Verdict {
	user := mpi.Spec.Subscription.PackageConsumerRef.Name
	switch {
	case k.unclear != nil:
		return report.False(k.unclear.Reason, k.unclear.Message)
	case len(k.meters) == 0:
		return report.False(v1alpha1.ReasonNoMeters, fmt.Sprintf("The package of plan %q counts a meter that the plan of MarketplaceInstance %q lacks:"+
			" nothing is deducted from the package. Set package.meter to a meter of that plan",
			k.Effective.Plan, user))
	}
	return report.True(v1alpha1.ReasonUsageReported, fmt.Sprintf("MarketplaceInstance %q uses the package and reports its usage", user))
}

// recordsVerdict finds the records that need a person.
func recordsVerdict(k known) (report.Verdict, bool) {
	said := map[string]*metav1.Condition{}
	for i := range k.records {
		said[k.records[i].Name] = meta.FindStatusCondition(k.records[i].Status.Conditions, v1alpha1.ConditionReady)
	}
	// waits says whether a record is to be pushed and is not for a reason.
	waits := func(j metering.Judged, reason string) bool {
		return j.Verdict == metering.Due && said[j.Name] != nil && said[j.Name].Reason == reason
	}
	lost := k.namesOf(func(j metering.Judged) bool { return j.Lost && !j.Pushed || j.Verdict == metering.TooOld })
	uncertain := k.namesOf(func(j metering.Judged) bool {
		return j.Verdict == metering.Uncertain || waits(j, v1alpha1.ReasonAmountDiffers)
	})
	refused := append(k.namesOf(func(j metering.Judged) bool {
		return j.Verdict.Refused() && j.Verdict != metering.TooOld || waits(j, v1alpha1.ReasonMarketplaceRefused)
	}), refusedStrays(k)...)
	look := func(names []string) string { return fmt.Sprintf("see `kubectl describe urec %s`", names[0]) }
	switch {
	case len(lost) > 0:
		return report.False(v1alpha1.ReasonUsageLost, fmt.Sprintf("The usage of %d interval(s) can no longer be charged: settle it with the"+
			" marketplace's support, then delete or withdraw the records; %s", len(lost), look(lost))), true
	case len(uncertain) > 0:
		return report.False(v1alpha1.ReasonUsageUncertain, fmt.Sprintf("%d record(s) may have reached the marketplace, or differ from what it was told;"+
			" %s", len(uncertain), look(uncertain))), true
	case len(refused) > 0:
		message := fmt.Sprintf("%d record(s) were refused; %s", len(refused), look(refused))
		if condition := said[refused[0]]; condition != nil && condition.Status == metav1.ConditionFalse {
			message += ": " + condition.Message
		}
		return report.False(v1alpha1.ReasonUsageRefused, message), true
	}
	return report.Verdict{}, false
}

// namesOf are the names of the records that are wanted.
func (l ledger) namesOf(wanted func(metering.Judged) bool) []string {
	var names []string
	for _, m := range l.meters {
		for _, j := range m.account.Records {
			if wanted(j) {
				names = append(names, j.Name)
			}
		}
	}
	return names
}

// refusedStrays are the records of unknown meters that are not charged.
func refusedStrays(k known) []string {
	var names []string
	for i := range k.strays {
		if strayVerdict(&k.strays[i], k.Effective.Plan).state == v1alpha1.UsageRefused {
			names = append(names, k.strays[i].Name)
		}
	}
	return names
}

// timelyVerdict says whether everything comes in time.
func timelyVerdict(k known, c counted, now time.Time) (v report.Verdict, late time.Time) {
	waiting := ""
	for _, m := range k.meters {
		deadline := time.Time{}
		if due := m.account.Due(); len(due) > 0 && !m.account.Meter.Written {
			deadline = m.account.Deadline(due[0].Ends)
		}
		p, silent := c.silent[m.spec.Name]
		if silent {
			deadline = queue.Earliest(deadline, m.account.Deadline(m.account.Until.Add(time.Second)))
			waiting = p.Message
		}
		if !deadline.IsZero() && !now.Before(deadline) {
			text := "the marketplace has not accepted it yet; see the records with `kubectl get urec`"
			if silent {
				text = p.Message
			}
			return report.False(v1alpha1.ReasonUsageLate, fmt.Sprintf("Usage is reported later than the marketplace requires: %s", text)), time.Time{}
		}
		late = queue.Earliest(late, deadline)
	}
	if waiting != "" {
		return report.Unknown(v1alpha1.ReasonSourceUnavailable, waiting), late
	}
	for _, record := range k.records {
		condition := meta.FindStatusCondition(record.Status.Conditions, v1alpha1.ConditionReady)
		if condition != nil && condition.Reason == v1alpha1.ReasonMarketplaceUnavailable && record.Spec.Delivery.PushTime.IsZero() {
			return report.Unknown(v1alpha1.ReasonMarketplaceUnavailable, condition.Message), late
		}
	}
	return report.True(v1alpha1.ReasonUsageReported, "All usage is reported or scheduled to be reported"), late
}

// packageVerdict says what is left of a package; absent where the plan does not say how much one holds.
func packageVerdict(mpi *v1alpha1.MarketplaceInstance, l ledger) report.Verdict {
	result := report.Verdict{Absent: true}
	if !isPackage(mpi) {
		return result
	}
	for _, m := range l.present() {
		holds := m.pack.Holds()
		if holds <= 0 {
			continue
		}
		passed := m.pack.Passed(m.account.PackageUsed)
		switch {
		case m.pack.UsedUp(m.account.PackageUsed):
			text := "the tenant keeps running"
			if m.spec.pack.WhenUsedUp == v1alpha1.UsedUpSuspend {
				text = "the tenant is stopped once the marketplace has accepted the usage, and its data is kept; a renewal or a larger quantity" +
					" resumes it"
			}
			return report.False(v1alpha1.ReasonPackageUsedUp, fmt.Sprintf("All %s %s of the package are used: %s", holds, m.spec.Unit, text))
		case passed > 0:
			result = report.True(v1alpha1.ReasonPackageLow, fmt.Sprintf("More than %d %% of the package's %s %s is used",
				passed, holds, m.spec.Unit))
		case result.Absent:
			result = report.True(v1alpha1.ReasonPackageAvailable, "Usage is within the package's allowance")
		}
	}
	return result
}
