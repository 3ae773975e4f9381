package render

import (
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"k8s.io/utils/clock"
)

const (
	// maxRemembered bounds what is remembered of each kind, and maxProven the sources that are known to be fast: a product has a few dozen.
	maxRemembered = 1024
	maxProven     = 8192
	// slowFor is how long a source, and its product, go by the lane after a rendering that took long.
	slowFor = 10 * time.Minute
	// A rendering that took too much is not tried again for overranFirst, and for twice as long each time that it does so again, up to
	// overranLast. A machine that stood still looks the same, so that it is not for ever.
	overranFirst = 10 * time.Minute
	overranLast  = time.Hour
	// tenantsToPause is how many tenants a source has to overrun for, with no other rendering of it in between, before it is paused for all of
	// them: what one buyer enters says nothing about the others. The pause grows from pauseFirst to pauseLast. A tenant that is bought
	// meanwhile waits for its end.
	tenantsToPause = 4
	pauseFirst     = time.Minute
	pauseLast      = 10 * time.Minute
)

// rendering is one question, as far as it matters to others.
type rendering struct {
	// key is the digest of source and inputs, source that of what the seller has written.
	key, source string
	// product and tenant are those of the caller, or stand for one.
	product, tenant string
	// check is one that no tenant waits for.
	check bool
}

// past is what a pool remembers of its renderings. Lost, it costs a few more of them.
type past struct {
	mu  sync.Mutex
	now func() time.Time
	// overran are the renderings that took too much, by their keys, and failing the sources of them.
	overran *lru.Cache[string, *pause]
	failing *lru.Cache[string, *failing]
	// slow says until when a source or a product is so; proven are the sources that have been fast.
	slow   *lru.Cache[string, time.Time]
	proven *lru.Cache[string, struct{}]
}

// pause is why something is not rendered, and until when.
type pause struct {
	why   *LimitError
	until time.Time
	last  time.Duration
}

// again begins a pause that is twice as long as the last one.
func (p *pause) again(why *LimitError, now time.Time, first, most time.Duration) {
	p.why, p.last = why, min(max(2*p.last, first), most)
	p.until = now.Add(p.last)
}

// failing is a source that has overrun since it was rendered last.
type failing struct {
	pause
	tenants map[string]bool
}

func newPast() *past {
	return &past{
		now: clock.RealClock{}.Now, overran: remember[*pause](maxRemembered), failing: remember[*failing](maxRemembered),
		slow: remember[time.Time](2 * maxRemembered), proven: remember[struct{}](maxProven),
	}
}

func remember[T any](most int) *lru.Cache[string, T] {
	list, _ := lru.New[string, T](most) // it fails for a size below 1 alone
	return list
}

// known is the answer without trying; nil if it has to be tried.
func (p *past) known(of rendering) *LimitError {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	if last, ok := p.overran.Get(of.key); ok && now.Before(last.until) {
		return last.why
	}
	// A check is tried, by the lane: buyers who overrun with what they enter would stop the product's changes, and a check that ends well
	// ends the pause.
	if last, ok := p.failing.Get(of.source); ok && !of.check && now.Before(last.until) {
		return &LimitError{Exceeded: last.why.Exceeded, Limits: last.why.Limits, Paused: true}
	}
	return nil
}

// byLane says whether a rendering may take long. Of a product with a source that does, no source is believed before it was fast once.
func (p *past) byLane(of rendering) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.isSlow(of.source) || p.isSlow("product "+of.product) && !p.proven.Contains(of.source)
}

func (p *past) isSlow(what string) bool {
	until, ok := p.slow.Get(what)
	return ok && p.now().Before(until)
}

// done notes that a rendering has ended by itself, well or with an error of the template's.
func (p *past) done(of rendering, long bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.overran.Remove(of.key)
	p.failing.Remove(of.source)
	if long {
		p.noteSlow(of)
		return
	}
	p.proven.Add(of.source, struct{}{})
}

// tooMuch notes that a rendering took too much.
func (p *past) tooMuch(of rendering, why *LimitError) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	last, ok := p.overran.Get(of.key)
	if !ok {
		last = &pause{}
	}
	last.again(why, now, overranFirst, overranLast)
	p.overran.Add(of.key, last)
	source, ok := p.failing.Get(of.source)
	if !ok {
		source = &failing{tenants: map[string]bool{}}
	}
	if len(source.tenants) < tenantsToPause {
		source.tenants[of.tenant] = true
	}
	if len(source.tenants) >= tenantsToPause {
		source.again(why, now, pauseFirst, pauseLast)
	}
	p.failing.Add(of.source, source)
	p.noteSlow(of)
}

func (p *past) noteSlow(of rendering) {
	until := p.now().Add(slowFor)
	p.slow.Add(of.source, until)
	p.slow.Add("product "+of.product, until)
	p.proven.Remove(of.source)
}
