package login

import (
	"context"
	"crypto/sha256"
	"fmt"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
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
	// usedMost is of how many attempts it is known that they were used. Each lives for attemptLife; where more are used within it the
	// oldest is forgotten, and good for one more question.
	usedMost = 65_536
)

// limits bound the sign-ons for which a marketplace is asked.
type limits struct {
	// places holds one token for each that is at work.
	places chan struct{}

	mu    sync.Mutex
	of    map[types.NamespacedName]int
	rates *expirable.LRU[types.NamespacedName, *rate.Limiter]
	// used are the states of attempts with which a marketplace was asked, until they are too old anyway. Each replica has its own.
	used *lru.Cache[stateDigest, struct{}]
}

// stateDigest stands for the state of an attempt.
type stateDigest [sha256.Size]byte

func newLimits(most int) *limits {
	used, _ := lru.New[stateDigest, struct{}](usedMost) // fails for sizes below 1
	return &limits{
		places: make(chan struct{}, most), of: map[types.NamespacedName]int{}, used: used,
		rates: expirable.NewLRU[types.NamespacedName, *rate.Limiter](rateMost, nil, rateMemory),
	}
}

// enter waits for a place for the attempt of a state; leave gives it back. A state is good for one question, whoever brings it and whatever
// came of it: else one cookie would be as many questions as its holder likes, and take the turn of those who really sign in.
func (l *limits) enter(ctx context.Context, instance types.NamespacedName, state string) (leave func(), err error) {
	if err := l.allow(instance, sha256.Sum256([]byte(state))); err != nil {
		return nil, err
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

// allow notes one more of an instance, unless there are too many or the state was used.
func (l *limits) allow(instance types.NamespacedName, state stateDigest) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.used.Contains(state) {
		return fmt.Errorf("%w: the state was already used", errCode)
	}
	if l.of[instance] >= maxPerInstance {
		return errBusy
	}
	limiter, ok := l.rates.Get(instance)
	if !ok {
		limiter = rate.NewLimiter(instanceRate, instanceBurst)
		l.rates.Add(instance, limiter)
	}
	if !limiter.Allow() {
		return errBusy
	}
	l.used.Add(state, struct{}{})
	l.of[instance]++
	return nil
}

func (l *limits) forget(instance types.NamespacedName) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.of[instance]--; l.of[instance] <= 0 {
		delete(l.of, instance)
	}
}
