package render

import (
	"context"
	"fmt"
	"slices"
	"sync"

	lru "github.com/hashicorp/golang-lru/v2"
)

// maxLaneTenants bounds the tenants whose callers wait for the lane, so that most of a reconciler's workers are left to others.
const maxLaneTenants = 3

// ErrBusy: templates that take long are being rendered, and the caller would have to wait for them. It is an ErrUnavailable.
var ErrBusy = fmt.Errorf("%w, because it takes long and others of that kind are in progress", ErrUnavailable)

// turns says whose rendering is next, when there are more than places.
//
//   - A product that has no place comes before one that has, and of these the one that was served longest ago.
//   - What may take long goes by the lane, which has all places but one. Few wait for it: one check and one tenant of each product, and few
//     tenants in all. The others get ErrBusy.
type turns struct {
	mu   sync.Mutex
	size int
	// lane are the places of those that are taken by what may take long, and runs those of each product.
	lane int
	runs map[string]int
	// held are the turns that have a place, waiting those that have none, in the order of their arrival.
	held    map[*turn]bool
	waiting []*turn
	// served is when each product was served last, by a counter.
	served *lru.Cache[string, uint64]
	count  uint64
}

// turn is a place that is held or waited for.
type turn struct {
	rendering
	lane bool
	// ready is closed when it is granted, or refused.
	ready   chan struct{}
	refused bool
}

func newTurns(size int) *turns {
	return &turns{size: size, runs: map[string]int{}, held: map[*turn]bool{}, served: remember[uint64](maxRemembered)}
}

// take waits for a place. byLane says whether it goes by the lane; it is asked once, while the turns are locked: what is found to take long
// after that finds the turn among those that wait. It must not ask for turns itself.
func (t *turns) take(ctx context.Context, of rendering, byLane func() bool) (*turn, error) {
	t.mu.Lock()
	mine := &turn{rendering: of, lane: byLane(), ready: make(chan struct{})}
	t.waiting = append(t.waiting, mine)
	t.grant()
	t.refuse()
	t.mu.Unlock()
	select {
	case <-mine.ready:
	case <-ctx.Done():
		t.mu.Lock()
		t.waiting = slices.DeleteFunc(t.waiting, func(w *turn) bool { return w == mine })
		t.mu.Unlock()
		select {
		case <-mine.ready: // in the same moment
			if !mine.refused {
				t.give(mine)
			}
		default:
		}
		return nil, fmt.Errorf("waiting for a worker: %w", ctx.Err())
	}
	if mine.refused {
		return nil, ErrBusy
	}
	return mine, nil
}

// give gives a place back.
func (t *turns) give(held *turn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.held, held)
	if held.lane {
		t.lane--
	}
	if t.runs[held.product]--; t.runs[held.product] == 0 {
		delete(t.runs, held.product)
	}
	t.grant()
}

// nowSlow puts those of a source into the lane.
func (t *turns) nowSlow(source string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for h := range t.held {
		if h.source == source && !h.lane {
			h.lane = true
			t.lane++
		}
	}
	for _, w := range t.waiting {
		w.lane = w.lane || w.source == source
	}
	t.grant()
	t.refuse()
}

// grant gives the free places to those whose turn it is.
func (t *turns) grant() {
	for len(t.held) < t.size {
		var next *turn
		for _, w := range t.waiting {
			if (!w.lane || t.lane < max(t.size-1, 1)) && (next == nil || t.before(w, next)) {
				next = w
			}
		}
		if next == nil {
			return
		}
		t.held[next] = true
		t.runs[next.product]++
		if next.lane {
			t.lane++
		}
		t.count++
		t.served.Add(next.product, t.count)
		t.waiting = slices.DeleteFunc(t.waiting, func(w *turn) bool { return w == next })
		close(next.ready)
	}
}

// before says whether a is served before b, which came first.
func (t *turns) before(a, b *turn) bool {
	if a.product == b.product {
		return a.check && !b.check
	}
	if has, other := t.runs[a.product] > 0, t.runs[b.product] > 0; has != other {
		return other
	}
	last, _ := t.served.Peek(a.product)
	others, _ := t.served.Peek(b.product)
	return last < others
}

// refuse sends those away that wait for the lane behind too many.
func (t *turns) refuse() {
	type line struct {
		product string
		check   bool
	}
	tenants, lines := 0, map[line]bool{}
	t.waiting = slices.DeleteFunc(t.waiting, func(w *turn) bool {
		if !w.lane {
			return false
		}
		in := line{w.product, w.check}
		if w.refused = lines[in] || !w.check && tenants >= maxLaneTenants; w.refused {
			close(w.ready)
			return true
		}
		lines[in] = true
		if !w.check {
			tenants++
		}
		return false
	})
}
