package render

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"
)

// asks takes a turn in a goroutine of its own. The answer comes through the channel, once there is one.
func (t *turns) asks(ctx context.Context, of rendering, byLane bool) chan result {
	answer := make(chan result, 1)
	go func() {
		held, err := t.take(ctx, of, func() bool { return byLane })
		answer <- result{held, err}
	}()
	return answer
}

type result struct {
	*turn
	err error
}

// waits ends when as many wait.
func (t *turns) waits(tb testing.TB, want int) {
	tb.Helper()
	for {
		t.mu.Lock()
		got := len(t.waiting)
		t.mu.Unlock()
		if got == want {
			return
		}
		if tb.Context().Err() != nil {
			tb.Fatalf("%d wait, want %d", got, want)
		}
		runtime.Gosched()
	}
}

func of(product, tenant string) rendering {
	return rendering{source: "source of " + product, product: product, tenant: tenant, check: tenant == ""}
}

func mustTake(tb testing.TB, t *turns, r rendering, byLane bool) *turn {
	tb.Helper()
	held, err := t.take(tb.Context(), r, func() bool { return byLane })
	if err != nil {
		tb.Fatal(err)
	}
	return held
}

// Sixty tenants of a product that takes long would otherwise have all workers of the reconciler wait, and all places.
func TestAProductThatTakesLongLeavesCallersAndPlacesToOthers(t *testing.T) {
	all := newTurns(2)
	long := mustTake(t, all, of("hostile", "0"), true)
	answers := make(chan error, 60)
	for i := range 60 {
		go func() {
			held, err := all.take(t.Context(), of("hostile", fmt.Sprint(i)), func() bool { return true })
			if err == nil {
				all.give(held)
			}
			answers <- err
		}()
	}
	for range 59 {
		if err := <-answers; !errors.Is(err, ErrBusy) || !errors.Is(err, ErrUnavailable) {
			t.Fatalf("a tenant of the hostile product gets %v", err)
		}
	}
	all.waits(t, 1)
	// Another product is rendered as if there were nobody else.
	for range 3 {
		all.give(mustTake(t, all, of("good", "a"), false))
	}
	// One that takes long as well is next.
	slow := all.asks(t.Context(), of("slow", "a"), true)
	all.waits(t, 2)
	all.give(long)
	held := <-slow
	if held.err != nil {
		t.Fatal(held.err)
	}
	all.give(held.turn)
	if err := <-answers; err != nil {
		t.Errorf("the hostile product's turn never came: %v", err)
	}
}

// Until it is known, a product may have all places; those that wait learn of it with the first rendering that ends.
func TestWhoWaitsLearnsThatASourceTakesLong(t *testing.T) {
	all := newTurns(2)
	first, second := mustTake(t, all, of("hostile", "0"), false), mustTake(t, all, of("hostile", "1"), false)
	var waiting []chan result
	for i := range 16 {
		waiting = append(waiting, all.asks(t.Context(), of("hostile", fmt.Sprint(i)), false))
		all.waits(t, i+1)
	}
	good := all.asks(t.Context(), of("good", "a"), false)
	all.waits(t, 17)
	all.nowSlow(first.source)
	all.waits(t, 2)
	for _, answer := range waiting[1:] {
		if got := <-answer; !errors.Is(got.err, ErrBusy) {
			t.Errorf("got %v", got.err)
		}
	}
	all.give(first)
	held := <-good
	if held.err != nil {
		t.Fatal(held.err)
	}
	all.give(held.turn)
	all.waits(t, 1)
	all.give(second)
	got := <-waiting[0]
	if got.err != nil {
		t.Fatal(got.err)
	}
	all.give(got.turn)
	if len(all.held) != 0 || all.lane != 0 || len(all.runs) != 0 {
		t.Errorf("%d places are taken, %d of the lane, by %v", len(all.held), all.lane, all.runs)
	}
}

// Asked before, it would miss what is found between the answer and the wait.
func TestWhetherItGoesByTheLaneIsAskedWhileTheTurnsAreLocked(t *testing.T) {
	all, asked := newTurns(1), 0
	held, err := all.take(t.Context(), of("a", "1"), func() bool {
		if asked++; all.mu.TryLock() {
			all.mu.Unlock()
			t.Error("the turns can change meanwhile")
		}
		return true
	})
	if err != nil || asked != 1 || !held.lane {
		t.Errorf("asked %d times; %+v, %v", asked, held, err)
	}
}

func TestWhoseTurnIsNext(t *testing.T) {
	type asks struct {
		product, tenant string
		lane            bool
	}
	for name, tc := range map[string]struct {
		holds []asks
		// gives is which of them ends, waiting are those that wait then, in the order of their arrival.
		gives   int
		waiting []asks
		want    asks
	}{
		"who came first": {
			holds: []asks{{"a", "1", false}}, waiting: []asks{{"b", "1", false}, {"c", "1", false}}, want: asks{"b", "1", false},
		},
		"a product without a place": {
			holds: []asks{{"a", "1", false}, {"a", "2", false}}, waiting: []asks{{"a", "3", false}, {"b", "1", false}}, want: asks{"b", "1", false},
		},
		"the one that was served longest ago": {
			holds: []asks{{"a", "1", false}}, waiting: []asks{{"a", "2", false}, {"b", "1", false}}, want: asks{"b", "1", false},
		},
		"a product's check before its tenants": {
			holds: []asks{{"a", "1", false}}, waiting: []asks{{"a", "2", false}, {"a", "", false}}, want: asks{"a", "", false},
		},
		"what takes long only where the lane is free": {
			holds: []asks{{"a", "1", true}, {"b", "1", false}}, gives: 1, waiting: []asks{{"c", "1", true}, {"b", "2", false}}, want: asks{"b", "2", false},
		},
	} {
		t.Run(name, func(t *testing.T) {
			all := newTurns(len(tc.holds))
			var held []*turn
			for _, a := range tc.holds {
				held = append(held, mustTake(t, all, of(a.product, a.tenant), a.lane))
			}
			ctx, cancel := context.WithCancel(t.Context())
			got := make(chan asks, len(tc.waiting))
			for i, a := range tc.waiting {
				go func() {
					if _, err := all.take(ctx, of(a.product, a.tenant), func() bool { return a.lane }); err == nil {
						got <- a
					}
				}()
				all.waits(t, i+1)
			}
			all.give(held[tc.gives])
			if is := <-got; is != tc.want {
				t.Errorf("it is %v, want %v", is, tc.want)
			}
			cancel()
			all.waits(t, 0)
		})
	}
}

func TestWaitingForATurnEndsWithTheContext(t *testing.T) {
	all := newTurns(1)
	held := mustTake(t, all, of("a", "1"), false)
	ctx, cancel := context.WithCancel(t.Context())
	waits := all.asks(ctx, of("b", "1"), false)
	all.waits(t, 1)
	cancel()
	if got := <-waits; !errors.Is(got.err, context.Canceled) {
		t.Errorf("got %v", got.err)
	}
	all.give(held)
	if len(all.held) != 0 || len(all.waiting) != 0 {
		t.Errorf("%d places are taken, %d wait", len(all.held), len(all.waiting))
	}
}
