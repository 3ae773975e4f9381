package license

import (
	"testing"
	"time"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
)

func TestWhatIsSaidOfAnActivatedCode(t *testing.T) {
	tests := map[string]struct {
		state  v1alpha1.LicenseState
		now    time.Time
		change func(*v1alpha1.Subscription)
		want   string
	}{
		"it lives":                  {v1alpha1.LicenseActive, salestest.Day(31), nil, "True LicenseActivated"},
		"it has expired":            {v1alpha1.LicenseExpired, salestest.Day(31), nil, "False LicenseExpired"},
		"its state is an odd word":  {v1alpha1.LicenseUnknown, salestest.Day(31), nil, "Unknown LicenseStateUnknown"},
		"a release was taken back":  {v1alpha1.LicenseReleased, salestest.Day(31), nil, "False Released"},
		"no answer for three days":  {v1alpha1.LicenseActive, salestest.Day(33), nil, "Unknown LicenseAPIUnavailable"},
		"an answer that is younger": {v1alpha1.LicenseActive, salestest.Day(33).Add(-time.Second), nil, "True LicenseActivated"},
		"a query has found the end": {v1alpha1.LicenseReleased, salestest.Day(31), func(sub *v1alpha1.Subscription) {
			sub.Entitlement = v1alpha1.Entitlement{State: v1alpha1.EntitlementReleased, Reason: v1alpha1.EntitlementByMarketplace, Time: salestest.At(30)}
		}, "False LicenseEnded"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			mpi := salestest.Sale(func(mpi *v1alpha1.MarketplaceInstance) {
				sub := mpi.Spec.Subscription
				sub.License.Type, sub.License.State = v1alpha1.LicenseTypeCode, tc.state
				sub.License.ActivationTime, sub.License.LastQueryTime = salestest.At(0), salestest.At(30)
				if tc.change != nil {
					tc.change(sub)
				}
			})
			said := codeVerdict(mpi, tc.now, DefaultQueryInterval)
			if got := string(said.Status) + " " + said.Reason; got != tc.want {
				t.Errorf("it says %s, want %s", got, tc.want)
			}
		})
	}
}
