package login

import (
	"context"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/expirable"
	"golang.org/x/time/rate"
	"k8s.io/apimachinery/pkg/types"
)

const (
	// maxPerInstance is how many users of one instance are asked about at once, so that a sign-on server that is slow takes nobody
	// else's turn.
	maxPerInstance = 8
	// instanceRate and instanceBurst are how many users of one instance are asked about, a second and at the beginning: anybody can make
	// us ask, with a code that is none.
	instanceRate  = 20
	instanceBurst = 60
	// rateMemory is how long an instance's rate is kept after its first use; it then begins anew.
	rateMemory = time.Minute
	rateMost   = 4096
)

// limits bound the sign-ons for which a marketplace is asked.
type limits struct {
	// places holds one token for each that is at work.
	places chan struct{}

	mu    sync.Mutex
	of    map[types.NamespacedName]int
	rates *expirable.LRU[types.NamespacedName, *rate.Limiter]
}

func newLimits(most int) *limits {
	return &limits{
		places: make(chan struct{}, most), of: map[types.NamespacedName]int{},
		rates: expirable.NewLRU[types.NamespacedName, *rate.Limiter](rateMost, nil, rateMemory),
	}
}

// enter waits for a place; leave gives it back.
func (l *limits) enter(ctx context.Context, instance types.NamespacedName) (leave func(), err error) {
	if !l.allow(instance) {
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

// allow notes one more of an instance, unless there are too many.
func (l *limits) allow(instance types.NamespacedName) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.of[instance] >= maxPerInstance {
		return false
	}
	limiter, ok := l.rates.Get(instance)
	if !ok {
		limiter = rate.NewLimiter(instanceRate, instanceBurst)
		l.rates.Add(instance, limiter)
	}
	if !limiter.Allow() {
		return false
	}
	l.of[instance]++
	return true
}

func (l *limits) forget(instance types.NamespacedName) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.of[instance]--; l.of[instance] <= 0 {
		delete(l.of, instance)
	}
}
