package login

import (
	"context"
	"sync"

	"k8s.io/apimachinery/pkg/types"
)

// maxPerInstance is how many users of one instance are asked about at once, so that a sign-on server that is slow takes nobody else's
// turn.
const maxPerInstance = 8

// limits bound the sign-ons for which a marketplace is asked.
type limits struct {
	// places holds one token for each that is at work.
	places chan struct{}

	mu sync.Mutex
	of map[types.NamespacedName]int
}

func newLimits(most int) *limits {
	return &limits{places: make(chan struct{}, most), of: map[types.NamespacedName]int{}}
}

// enter waits for a place; leave gives it back.
func (l *limits) enter(ctx context.Context, instance types.NamespacedName) (leave func(), err error) {
	l.mu.Lock()
	full := l.of[instance] >= maxPerInstance
	if !full {
		l.of[instance]++
	}
	l.mu.Unlock()
	if full {
		return nil, errBusy
	}
	select {
	case l.places <- struct{}{}:
		return func() {
			<-l.places
			l.forget(instance)
		}, nil
	case <-ctx.Done():
		l.forget(instance)
		return nil, errBusy
	}
}

func (l *limits) forget(instance types.NamespacedName) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.of[instance]--; l.of[instance] <= 0 {
		delete(l.of, instance)
	}
}
