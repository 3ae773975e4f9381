package licenses_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/marketplace"
	"github.com/stallkeeper/stallkeeper/subscription/licenses"
)

// anyAnswer draws what a marketplace may tell.
func anyAnswer(t *rapid.T) marketplace.LicenseCode {
	state := rapid.SampledFrom([]marketplace.LicenseState{
		marketplace.LicenseAlive, marketplace.LicenseAlive, marketplace.LicenseExpired, marketplace.LicenseReleased, "", "RELEASED", "released", "X",
	}).Draw(t, "state")
	return told(state, rapid.IntRange(0, 100).Draw(t, "until"))
}

// Whatever is told: a sale is released at the word alone and once, a release is never taken back, what a person has set stands,
// and the same answer a second time changes nothing but its time.
func TestWhatAQueryMayDo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sub := bought()
		at := day(2)
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			at = at.Add(time.Duration(rapid.IntRange(1, 72).Draw(t, "hours")) * time.Hour)
			if rapid.IntRange(0, 5).Draw(t, "a person") == 0 {
				sub = sub.DeepCopy()
				sub.Entitlement = v1alpha1.Entitlement{State: v1alpha1.EntitlementActive}
				paidUntil(rapid.IntRange(1, 100).Draw(t, "the person's date"), v1alpha1.ExpiryFromPerson)(sub)
			}
			answer := anyAnswer(t)
			after, found := licenses.Queried(sub, answer, at, interval)
			wasReleased := sub.Entitlement.State == v1alpha1.EntitlementReleased
			isReleased := after.Entitlement.State == v1alpha1.EntitlementReleased
			switch {
			case wasReleased && cmp.Diff(sub, after) != "":
				t.Fatalf("a released sale changed:\n%s", cmp.Diff(sub, after))
			case !wasReleased && isReleased && (answer.State != marketplace.LicenseReleased || sub.License.State == v1alpha1.LicenseReleased):
				t.Fatalf("%q released it", answer.State)
			case !wasReleased && isReleased != (found == licenses.FoundRelease):
				t.Fatalf("a release was found: %q", found)
			case sub.ExpirySource == v1alpha1.ExpiryFromPerson && !sub.ExpiryTime.Equal(&after.ExpiryTime):
				t.Fatal("the person's date was replaced")
			case sub.ExpiryTime.After(after.ExpiryTime.Time):
				t.Fatal("the paid time was shortened")
			}
			if again, found := licenses.Queried(after, answer, at, interval); !wasReleased && (found != licenses.FoundNothing || cmp.Diff(after, again) != "") {
				t.Fatalf("the same answer again found %q:\n%s", found, cmp.Diff(after, again))
			}
			sub = after
		}
	})
}

// Codes are asked about at least once in an interval, and not twice in five sixths of it.
func TestEveryCodeIsAskedAboutEveryDay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.String().Draw(t, "uid")
		pause := time.Duration(rapid.Int64Range(int64(time.Second), int64(30*24*time.Hour)).Draw(t, "interval"))
		sub := bought()
		sub.License.LastQueryTime = metav1.NewTime(day(5))
		due := licenses.DueAt(sub, id, pause)
		if due.After(day(5).Add(pause)) || due.Before(day(5).Add(pause-pause/6-time.Nanosecond)) {
			t.Fatalf("due after %s of %s", due.Sub(day(5)), pause)
		}
	})
}
