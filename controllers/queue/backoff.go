package queue

import (
	"time"

	"k8s.io/client-go/util/flowcontrol"
	"k8s.io/utils/clock"
)

// Backoff is client-go's: it holds the pauses of several items.
type Backoff = flowcontrol.Backoff

// NewBackoff makes a Backoff by another clock than the system's. Next moves an item's pause to first, and then to twice what
// it was, up to last; Get tells it. An item whose last failure is longer ago than twice last begins with first again.
func NewBackoff(first, last time.Duration, passive clock.PassiveClock) *Backoff {
	backoff := flowcontrol.NewBackOff(first, last)
	backoff.Clock = readClock{backoff.Clock, passive}
	return backoff
}

// readClock is a whole clock whose time is that of another. A Backoff only reads the time.
type readClock struct {
	clock.Clock
	time clock.PassiveClock
}

func (c readClock) Now() time.Time                  { return c.time.Now() }
func (c readClock) Since(t time.Time) time.Duration { return c.time.Since(t) }
