package usage

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	testingclock "k8s.io/utils/clock/testing"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
	"github.com/stallkeeper/stallkeeper/marketplace"
)

func TestWhatAFailedPushMeans(t *testing.T) {
	tests := map[string]struct {
		failed error
		want   string
		pause  time.Duration
	}{
		"a record that is not accepted": {
			failed: &marketplace.CallError{Kind: marketplace.ErrUsageRefused}, want: "Refused False MarketplaceRefused",
		},
		"a signature that is not accepted is the fault of no record": {
			failed: &marketplace.CallError{Kind: marketplace.ErrUsageRefused, Whole: true}, want: "Pending False MarketplaceRefused",
		},
		"a marketplace that wants to be left alone": {
			failed: &marketplace.CallError{Kind: marketplace.ErrUnavailable, Whole: true, RetryAfter: time.Hour},
			want:   "Pending Unknown MarketplaceUnavailable", pause: time.Hour,
		},
		"what nobody has foreseen": {failed: errors.New("odd"), want: "Pending Unknown MarketplaceUnavailable"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			said, pause := pushFailed(tc.failed)
			if got := fmt.Sprintf("%s %s %s", said.state, said.Status, said.Reason); got != tc.want || pause != tc.pause {
				t.Errorf("it says %q after %s, want %q after %s", got, pause, tc.want, tc.pause)
			}
		})
	}
}

func TestPushesAreTriedMoreAndMoreSeldom(t *testing.T) {
	now := salestest.Day(1)
	clock := testingclock.NewFakePassiveClock(now)
	tries := (&PushReconciler{Clock: clock}).newTries()
	due := func(uids ...types.UID) (pushes []duePush) {
		for _, uid := range uids {
			record := &v1alpha1.UsageRecord{}
			record.UID = uid
			pushes = append(pushes, duePush{object: record})
		}
		return pushes
	}
	wait := func(uid types.UID) time.Duration {
		ready, next := tries.ready(due(uid), now)
		if len(ready) > 0 {
			return 0
		}
		return next.Sub(now)
	}
	for _, want := range []time.Duration{30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 10 * time.Minute} {
		tries.failed("away", false, 0, now)
		if got := wait("away"); got != want {
			t.Errorf("it is tried again after %s, want %s", got, want)
		}
		now = now.Add(want)
		clock.SetTime(now)
	}
	tries.failed("away", false, 20*time.Minute, now)
	if got := wait("away"); got != 20*time.Minute {
		t.Errorf("the marketplace asked for 20 minutes, and is left alone for %s", got)
	}
	tries.failed("bad", true, 0, now)
	if got := wait("bad"); got != time.Hour {
		t.Errorf("what was refused is tried again after %s", got)
	}
	if batches := tries.batches(due("bad", "good")); len(batches) != 2 || batches[0][0].object.UID != "good" {
		t.Errorf("a record that was refused goes with the others: %v", batches)
	}
	tries.succeeded("good", now)
	if open, accepted := tries.split(due("good", "bad")); len(open) != 1 || len(accepted) != 1 || accepted[0].object.UID != "good" {
		t.Error("what was accepted is pushed again")
	}
	now = now.Add(forgetTries + time.Hour + time.Second)
	tries.ready(nil, now)
	if len(tries.by) > 0 {
		t.Errorf("%d records are remembered for ever", len(tries.by))
	}
}
