package report

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

// An alert on Blocked must name what somebody has to do something about, and nothing else.
func TestStateOfASuspendedTenantThatIsNotHealthy(t *testing.T) {
	unhealthy := v1alpha1.ReasonUnhealthy
	for name, tc := range map[string]struct {
		suspended, provisioned string
		want                   v1alpha1.InstanceState
	}{
		"it comes back with a renewal": {v1alpha1.ReasonExpired, unhealthy, v1alpha1.StateBlocked},
		"it was released":              {v1alpha1.ReasonReleased, unhealthy, v1alpha1.StateSuspended},
		"it was never paid":            {v1alpha1.ReasonRetentionEnded, v1alpha1.ReasonAccessSecretLost, v1alpha1.StateSuspended},
		"a clock is wrong":             {v1alpha1.ReasonReleased, v1alpha1.ReasonRemovalHeld, v1alpha1.StateBlocked},
	} {
		t.Run(name, func(t *testing.T) {
			mpi := &v1alpha1.MarketplaceInstance{}
			mpi.Status.Conditions = []metav1.Condition{
				{Type: v1alpha1.ConditionSuspended, Status: metav1.ConditionTrue, Reason: tc.suspended},
				{Type: v1alpha1.ConditionProvisioned, Status: metav1.ConditionFalse, Reason: tc.provisioned},
				{Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: tc.suspended},
			}
			if got := StateOf(mpi); got != tc.want {
				t.Errorf("it is %s, want %s", got, tc.want)
			}
		})
	}
}
