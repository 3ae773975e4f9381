package sale

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

func TestWhatWasWaitedBeforeARestartCounts(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		reason string
		ago    time.Duration
		waited time.Duration
	}{
		"begun by an earlier process":        {v1alpha1.ReasonSuspending, 5 * time.Minute, 5 * time.Minute},
		"the controller was away for a day":  {v1alpha1.ReasonSuspending, 24 * time.Hour, 13 * time.Minute},
		"a clock that went back":             {v1alpha1.ReasonSuspending, -time.Hour, 0},
		"it ran until now":                   {v1alpha1.ReasonRunning, time.Hour, 0},
		"nothing was said, or it was erased": {"", 0, 0},
	} {
		mpi := &v1alpha1.MarketplaceInstance{}
		if c.reason != "" {
			mpi.Status.Conditions = []metav1.Condition{{
				Type: v1alpha1.ConditionSuspended, Reason: c.reason, LastTransitionTime: metav1.NewTime(now.Add(-c.ago)),
			}}
		}
		if got := now.Sub(UnfinishedSince(mpi, now)); got != c.waited {
			t.Errorf("%s: %s were waited, want %s", name, got, c.waited)
		}
	}
}
