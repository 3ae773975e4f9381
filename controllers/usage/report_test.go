package usage

import (
	"fmt"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/report"
	"github.com/stallkeeper/stallkeeper/controllers/sale"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
	"github.com/stallkeeper/stallkeeper/controllers/usage/metering"
)

// counts is a record of the meter requests of acme, of an hour of day 1, which begins at noon.
func counts(hour int, value string, changes ...func(*v1alpha1.UsageRecord)) v1alpha1.UsageRecord {
	begins := salestest.Day(1).Add(time.Duration(hour) * time.Hour)
	r := v1alpha1.UsageRecord{ObjectMeta: metav1.ObjectMeta{
		Namespace: "sales", Name: metering.RecordName("acme", "acme", "requests", begins), CreationTimestamp: metav1.NewTime(begins),
	}}
	r.Spec = v1alpha1.UsageRecordSpec{
		InstanceRef: v1alpha1.InstanceReference{Name: "acme"}, Meter: "requests", Value: value,
		StartTime: metav1.NewTime(begins), EndTime: metav1.NewTime(begins.Add(time.Hour)),
	}
	for _, change := range changes {
		change(&r)
	}
	return r
}

func wasPushed(r *v1alpha1.UsageRecord)    { r.Spec.Delivery.PushTime = r.Spec.EndTime }
func wasAttempted(r *v1alpha1.UsageRecord) { r.Spec.Delivery.AttemptTime = r.Spec.EndTime }
func wasLost(r *v1alpha1.UsageRecord)      { r.Spec.Unmeasured = v1alpha1.UnmeasuredLost }
func isCheckpoint(r *v1alpha1.UsageRecord) {
	r.Spec.Checkpoint.Total, r.Spec.EndTime = "0", r.Spec.StartTime
}
func namedBy(name string) func(*v1alpha1.UsageRecord) {
	return func(r *v1alpha1.UsageRecord) { r.Name = name }
}
func ofMeter(name string) func(*v1alpha1.UsageRecord) {
	return func(r *v1alpha1.UsageRecord) { r.Spec.Meter = name }
}
func saidOf(status metav1.ConditionStatus, reason string) func(*v1alpha1.UsageRecord) {
	return func(r *v1alpha1.UsageRecord) {
		r.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: status, Reason: reason, Message: "about it"}}
	}
}

func TestWhatIsSaidAboutUsage(t *testing.T) {
	silent := func(reason string) map[string]report.Verdict {
		return map[string]report.Verdict{"requests": report.False(reason, "the source")}
	}
	tests := map[string]struct {
		product *v1alpha1.MarketplaceProduct
		records []v1alpha1.UsageRecord
		silent  map[string]report.Verdict
		// after is how long after the beginning of hour 1 it is.
		after time.Duration
		want  string
	}{
		"a plan without meters": {product: salestest.Product(), want: "False NoMeters"},
		"a plan with two":       {product: salestest.Product(salestest.MeteredBy(), salestest.MeteredBy(func(m *salestest.Metered) { m.Name = "b" })), want: "False SeveralMeteredItems"},
		"nothing counted yet":   {want: "True UsageReported"},
		"all accepted":          {records: []v1alpha1.UsageRecord{counts(0, "1", wasPushed)}, after: time.Hour, want: "True UsageReported"},
		"just counted":          {records: []v1alpha1.UsageRecord{counts(0, "1")}, want: "True UsageReported"},
		"not accepted just before the marketplace's deadline": {
			records: []v1alpha1.UsageRecord{counts(0, "1")}, after: 2*time.Hour - time.Second, want: "True UsageReported",
		},
		"not accepted at the deadline": {records: []v1alpha1.UsageRecord{counts(0, "1")}, after: 2 * time.Hour, want: "False UsageLate"},
		"a marketplace that is away": {
			records: []v1alpha1.UsageRecord{counts(0, "1", saidOf(metav1.ConditionUnknown, v1alpha1.ReasonMarketplaceUnavailable))},
			after:   time.Hour, want: "Unknown MarketplaceUnavailable",
		},
		"a marketplace that refuses": {
			records: []v1alpha1.UsageRecord{counts(0, "1", saidOf(metav1.ConditionFalse, v1alpha1.ReasonMarketplaceRefused))},
			want:    "False UsageRefused",
		},
		"a marketplace that was told another amount": {
			records: []v1alpha1.UsageRecord{counts(0, "1", saidOf(metav1.ConditionFalse, v1alpha1.ReasonAmountDiffers))},
			want:    "False UsageUncertain",
		},
		"a source that is silent": {
			records: []v1alpha1.UsageRecord{counts(-1, "1", wasPushed)}, silent: silent(v1alpha1.ReasonSourceUnavailable),
			after: 2*time.Hour - time.Second, want: "Unknown SourceUnavailable",
		},
		"a source that is silent for too long": {
			records: []v1alpha1.UsageRecord{counts(-1, "1", wasPushed)}, silent: silent(v1alpha1.ReasonSourceUnavailable),
			after: 2 * time.Hour, want: "False UsageLate",
		},
		"a question that can't be asked": {silent: silent(v1alpha1.ReasonMeterInvalid), want: "False MeterInvalid"},
		"an interval that is lost": {
			records: []v1alpha1.UsageRecord{counts(0, "0", wasLost)}, after: time.Hour, want: "False UsageLost",
		},
		"an interval that is too old": {
			records: []v1alpha1.UsageRecord{counts(0, "1")}, after: 30 * 24 * time.Hour, want: "False UsageLost",
		},
		"an answer that is lost": {records: []v1alpha1.UsageRecord{counts(0, "1", wasAttempted)}, want: "False UsageUncertain"},
		"a record by hand for a meter with a source": {
			records: []v1alpha1.UsageRecord{counts(0, "1", namedBy("by-hand"))}, want: "False UsageRefused",
		},
		"a record of an unknown meter": {records: []v1alpha1.UsageRecord{counts(0, "1", ofMeter("other"))}, want: "False UsageRefused"},
		"what an unknown meter has counted before": {
			records: []v1alpha1.UsageRecord{counts(0, "1", ofMeter("other"), wasPushed), counts(0, "0", ofMeter("other"), isCheckpoint)},
			want:    "True UsageReported",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			mpi, sold := byUse(), tc.product
			if sold == nil {
				sold = salestest.Product(salestest.MeteredBy())
			}
			now := salestest.Day(1).Add(time.Hour + tc.after)
			k := known{
				Sale:   sale.Sale{Instance: mpi, Product: sold, Effective: sale.EffectiveOf(mpi)},
				ledger: ledgerOf(mpi, sold, tc.records, sale.DefaultUsageAge, now),
			}
			late := reportUsage(mpi, k, counted{silent: tc.silent}, now)
			got := ""
			for _, c := range mpi.Status.Conditions {
				if c.Type == v1alpha1.ConditionUsageReported {
					got = fmt.Sprintf("%s %s", c.Status, c.Reason)
				}
			}
			if got != tc.want {
				t.Errorf("it says %q, want %q: %+v", got, tc.want, mpi.Status.Conditions)
			}
			if !late.IsZero() && !late.After(now) {
				t.Errorf("it becomes late at %s, which has passed", late)
			}
		})
	}
}

func TestNothingIsSaidAboutUsageOfOtherSales(t *testing.T) {
	mpi := salestest.Sale()
	mpi.Status.Usage = []v1alpha1.MeterUsage{{Meter: "requests", Total: "1"}}
	mpi.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionUsageReported}, {Type: v1alpha1.ConditionEntitled}}
	reportUsage(mpi, known{}, counted{}, salestest.Day(1))
	if len(mpi.Status.Usage) > 0 || len(mpi.Status.Conditions) != 1 {
		t.Errorf("the status says %+v", mpi.Status)
	}
}
