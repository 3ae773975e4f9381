package queue

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"
	testingclock "k8s.io/utils/clock/testing"
)

func TestAMemoryGoesWithItsObject(t *testing.T) {
	var memory Memory[int]
	made := 0
	fresh := func() *int {
		made++
		return new(int)
	}
	acme, other := types.NamespacedName{Namespace: "sales", Name: "acme"}, types.NamespacedName{Namespace: "sales", Name: "other"}
	*memory.Of(acme, "1", fresh) = 7
	if got := *memory.Of(acme, "1", fresh); got != 7 {
		t.Errorf("of the same object %d is remembered, want 7", got)
	}
	if got := *memory.Of(other, "1", fresh); got != 0 {
		t.Errorf("another object has %d, want nothing", got)
	}
	if got := *memory.Of(acme, "2", fresh); got != 0 {
		t.Errorf("an object of the same name with another UID has %d, want nothing", got)
	}
	if got := *memory.Of(acme, "1", fresh); got != 0 {
		t.Errorf("what was of the former object came back: %d", got)
	}
	*memory.Of(acme, "1", fresh) = 8
	memory.Forget(acme)
	if got := *memory.Of(acme, "1", fresh); got != 0 {
		t.Errorf("after it was forgotten %d is remembered", got)
	}
	if made != 5 {
		t.Errorf("%d memories were made, want one for each time that there was none: 5", made)
	}
}

func TestABackoffDoublesByTheClockThatItIsGiven(t *testing.T) {
	now := testingclock.NewFakePassiveClock(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	backoff := NewBackoff(30*time.Second, 5*time.Minute, now)
	var got []time.Duration
	for range 6 {
		backoff.Next("a", now.Now())
		got = append(got, backoff.Get("a"))
		now.SetTime(now.Now().Add(backoff.Get("a")))
	}
	backoff.Next("b", now.Now())
	backoff.Reset("a")
	got = append(got, backoff.Get("a"), backoff.Get("b"))
	now.SetTime(now.Now().Add(10*time.Minute + time.Second))
	backoff.GC()
	want := []time.Duration{
		30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute, 5 * time.Minute, 5 * time.Minute, 0, 30 * time.Second, 0,
	}
	if diff := cmp.Diff(want, append(got, backoff.Get("b"))); diff != "" {
		t.Errorf("pauses (-want +got):\n%s", diff)
	}
}
