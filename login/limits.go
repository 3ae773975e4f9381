package login

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/netip"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/hashicorp/golang-lru/v2/expirable"
	"golang.org/x/time/rate"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	"github.com/stallkeeper/stallkeeper/listener"
)

const (
	// maxPerInstance is how many users of one instance are asked about at once, so that a sign-on server that is slow takes nobody
	// else's turn.
	maxPerInstance = 8
	// instanceRate and instanceBurst are how many users of one instance are asked about, a second and at the beginning: anybody can make
	// us ask, with a code that is none.
	instanceRate  = 20
	instanceBurst = 60
	// maxPerAddress is how many users of one instance are asked about at once for one address: never all that there are for the instance.
	maxPerAddress = 6
	// failureRate and failureBurst are how many questions of one address about one instance may fail, a second and at the beginning. States
	// are free, so that without it one address could take all of the instance's rate with codes that are none. Questions that end with a
	// user cost nothing: the users of an enterprise often share an address.
	failureRate  = 5
	failureBurst = 20
	// suspectRate, suspectBurst and maxSuspects are what callers of one instance have together of which a question has failed within
	// rateMemory, or networkBurst questions of their network. What the instance has otherwise is for callers without a failure, so that a few
	// addresses can't take it all, each within its own bound, nor one host that has thousands of IPv6.
	suspectRate  = 10
	suspectBurst = 20
	maxSuspects  = maxPerInstance / 2
	failedMost   = 65_536
	// networkRate and networkBurst are how many questions of a network may fail, a second and at the beginning, before all of it is suspect:
	// more than the users of one provider make by mistake.
	networkRate  = 0.1
	networkBurst = 8
	// rateMemory is how long an instance's rate is kept after its first use; it then begins anew.
	rateMemory = time.Minute
	rateMost   = 4096
	// usedMost is of how many attempts it is known that they were used. Each lives for attemptLife; where more are used within it the
	// oldest is forgotten, and good for one more question.
	usedMost = 65_536
)

// limits bound the sign-ons for which a marketplace is asked.
type limits struct {
	clock clock.PassiveClock
	// places holds one token for each that is at work.
	places chan struct{}

	mu       sync.Mutex
	of       map[types.NamespacedName]int
	ofCaller map[caller]int
	rates    *expirable.LRU[types.NamespacedName, *rate.Limiter]
	// failed are the callers of which a question failed a moment ago, suspects and suspectRates what they have together.
	failed       *expirable.LRU[caller, struct{}]
	suspects     map[types.NamespacedName]int
	suspectRates *expirable.LRU[types.NamespacedName, *rate.Limiter]
	// failures are what callers may still have answered with a failure, networks what all callers of a network may.
	failures, networks *expirable.LRU[caller, *rate.Limiter]
	// used are the states of attempts with which a marketplace was asked, until they are too old anyway. Each replica has its own.
	used *lru.Cache[stateDigest, struct{}]
}

// caller is an address that signs users of an instance in.
type caller struct {
	instance types.NamespacedName
	address  netip.Prefix
}

// stateDigest stands for the state of an attempt.
type stateDigest [sha256.Size]byte

func newLimits(most int, clock clock.PassiveClock) *limits {
	used, _ := lru.New[stateDigest, struct{}](usedMost) // fails for sizes below 1
	return &limits{
		clock: clock, places: make(chan struct{}, most), of: map[types.NamespacedName]int{}, ofCaller: map[caller]int{}, used: used,
		rates:    expirable.NewLRU[types.NamespacedName, *rate.Limiter](rateMost, nil, rateMemory),
		failed:   expirable.NewLRU[caller, struct{}](failedMost, nil, rateMemory),
		suspects: map[types.NamespacedName]int{}, suspectRates: expirable.NewLRU[types.NamespacedName, *rate.Limiter](rateMost, nil, rateMemory),
		failures: expirable.NewLRU[caller, *rate.Limiter](rateMost, nil, rateMemory),
		networks: expirable.NewLRU[caller, *rate.Limiter](rateMost, nil, rateMemory),
	}
}

// enter waits for a place for the attempt of a state; leave gives it back, and is told whether the marketplace has named a user. A state is
// good for one question, whoever brings it and whatever came of it: else one cookie would be as many questions as its holder likes, and take
// the turn of those who really sign in.
func (l *limits) enter(ctx context.Context, of caller, state string) (leave func(proved bool), err error) {
	a, err := l.allow(of, sha256.Sum256([]byte(state)))
	if err != nil {
		return nil, err
	}
	select {
	case l.places <- struct{}{}:
		return func(proved bool) {
			<-l.places
			if !proved {
				a.failures.AllowN(l.clock.Now(), 1)
				a.network.AllowN(l.clock.Now(), 1)
				l.failed.Add(of, struct{}{})
			}
			l.forget(of, a)
		}, nil
	case <-ctx.Done():
		l.forget(of, a)
		return nil, errBusy
	}
}

// allowed is a question that may be asked: what its caller and the caller's network may still fail with, and whether it counts among the
// suspects.
type allowed struct {
	failures, network *rate.Limiter
	suspect           bool
}

// allow notes one more of a caller, unless there are too many, too many of them failed, or the state was used.
func (l *limits) allow(of caller, state stateDigest) (allowed, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.used.Contains(state) {
		return allowed{}, fmt.Errorf("%w: the state was already used", errCode)
	}
	now := l.clock.Now()
	a := allowed{
		failures: limiter(l.failures, of, failureRate, failureBurst),
		network:  limiter(l.networks, caller{of.instance, listener.NetworkOf(of.address)}, networkRate, networkBurst),
	}
	a.suspect = l.failed.Contains(of) || a.network.TokensAt(now) < 1
	if l.of[of.instance] >= maxPerInstance || l.ofCaller[of] >= maxPerAddress || a.failures.TokensAt(now) < float64(l.ofCaller[of]+1) {
		return allowed{}, errBusy
	}
	if a.suspect && (l.suspects[of.instance] >= maxSuspects || !limiter(l.suspectRates, of.instance, suspectRate, suspectBurst).AllowN(now, 1)) {
		return allowed{}, errBusy
	}
	if !a.suspect && !limiter(l.rates, of.instance, instanceRate, instanceBurst).AllowN(now, 1) {
		return allowed{}, errBusy
	}
	l.used.Add(state, struct{}{})
	l.of[of.instance]++
	l.ofCaller[of]++
	if a.suspect {
		l.suspects[of.instance]++
	}
	return a, nil
}

// limiter is that of a key, made at its first use.
func limiter[K comparable](among *expirable.LRU[K, *rate.Limiter], key K, perSecond rate.Limit, burst int) *rate.Limiter {
	found, ok := among.Get(key)
	if !ok {
		found = rate.NewLimiter(perSecond, burst)
		among.Add(key, found)
	}
	return found
}

func (l *limits) forget(of caller, a allowed) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if a.suspect {
		if l.suspects[of.instance]--; l.suspects[of.instance] <= 0 {
			delete(l.suspects, of.instance)
		}
	}
	if l.of[of.instance]--; l.of[of.instance] <= 0 {
		delete(l.of, of.instance)
	}
	if l.ofCaller[of]--; l.ofCaller[of] <= 0 {
		delete(l.ofCaller, of)
	}
}
