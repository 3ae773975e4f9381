package instance

import (
	"strings"
	"testing"
	"time"

	testingclock "k8s.io/utils/clock/testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stallkeeper/stallkeeper/controllers/queue"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
	"github.com/stallkeeper/stallkeeper/controllers/tenant"
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

func TestWhatIsWaitedForIsSaidOnce(t *testing.T) {
	blocked := func(names ...string) []tenant.Blocker {
		var blockers []tenant.Blocker
		for _, name := range names {
			kind, hook, _ := strings.Cut(name, "!")
			blockers = append(blockers, tenant.Blocker{Refusal: tenant.Refusal{Key: tenant.Key{Kind: "D", Name: kind}}, Hook: hook})
		}
		return blockers
	}
	m := newMemory()
	for _, step := range []struct{ blocked, want []string }{
		{[]string{"a", "b"}, []string{"D/a", "D/b"}},
		{[]string{"b"}, []string{"D/a", "D/b"}},
		{[]string{"c", "b"}, []string{"D/c", "D/b"}},
		{[]string{"h!pre-install"}, []string{"the pre-install hook D/h"}},
		{[]string{"a"}, []string{"D/a"}},
	} {
		if diff := cmp.Diff(step.want, m.waitsFor(blocked(step.blocked...))); diff != "" {
			t.Errorf("while %v is not ready (-want +got):\n%s", step.blocked, diff)
		}
	}
}
