package instance

import (
	"testing"
	"time"

	testingclock "k8s.io/utils/clock/testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stallkeeper/stallkeeper/controllers/queue"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
)

func TestPodsAreLookedAtLessAndLess(t *testing.T) {
	var m podsMemory
	clock := testingclock.NewFakePassiveClock(salestest.Day(0))
	if due := m.due(clock.Now()); !due.Equal(clock.Now().Add(queue.PodsFirst)) {
		t.Errorf("first look at %s, want after %s", due, queue.PodsFirst)
	}
	var pauses []time.Duration
	for range 6 {
		m.looked(clock, nil)
		due := m.due(salestest.Day(-1))
		pauses = append(pauses, due.Sub(clock.Now()))
		clock.SetTime(due)
	}
	want := []time.Duration{30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute, 5 * time.Minute, 5 * time.Minute}
	if diff := cmp.Diff(want, pauses); diff != "" {
		t.Errorf("pauses (-want +got):\n%s", diff)
	}
}
