package render

import (
	"fmt"
	"testing"
	"time"
)

func newTestPast() (*past, *time.Time) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	p := newPast()
	p.now = func() time.Time { return now }
	return p, &now
}

func inputsOf(product, tenant string, inputs int) rendering {
	return rendering{key: fmt.Sprint(product, tenant, inputs), source: "source of " + product, product: product, tenant: tenant}
}

func TestWhatOverranIsLeftAloneForLongerEachTime(t *testing.T) {
	p, now := newTestPast()
	mine, limit := inputsOf("a", "1", 1), &LimitError{Exceeded: Time}
	for _, want := range []time.Duration{10 * time.Minute, 20 * time.Minute, 40 * time.Minute, time.Hour, time.Hour} {
		p.tooMuch(mine, limit)
		*now = now.Add(want - time.Second)
		if p.known(mine) != limit {
			t.Errorf("it is tried again before %s", want)
		}
		if p.known(inputsOf("a", "1", 2)) != nil || p.known(inputsOf("a", "2", 1)) != nil || p.known(inputsOf("b", "1", 1)) != nil {
			t.Error("other inputs are not tried")
		}
		*now = now.Add(time.Second)
		if p.known(mine) != nil {
			t.Errorf("it is not tried again after %s", want)
		}
	}
	p.done(mine, false)
	p.tooMuch(mine, limit)
	*now = now.Add(overranFirst)
	if p.known(mine) != nil {
		t.Error("what was well in between is left alone for long")
	}
}

func TestATemplateThatOverrunsForManyTenantsIsPausedForAll(t *testing.T) {
	p, now := newTestPast()
	limit, next := &LimitError{Exceeded: Memory}, inputsOf("a", "new", 1)
	overruns := func(tenants, from int) {
		for i := range tenants {
			p.tooMuch(inputsOf("a", fmt.Sprint(from+i), 1), limit)
		}
	}
	// One tenant's buyer may type what he likes.
	for i := range 100 {
		p.tooMuch(inputsOf("a", "1", i), limit)
	}
	overruns(tenantsToPause-2, 2)
	if p.known(next) != nil {
		t.Error("it is paused too soon")
	}
	p.done(inputsOf("a", "good", 1), false)
	overruns(tenantsToPause-1, 10)
	if p.known(next) != nil {
		t.Error("it is paused although it was rendered in between")
	}
	overruns(1, 20)
	for _, want := range []time.Duration{time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 10 * time.Minute, 10 * time.Minute} {
		*now = now.Add(want - time.Second)
		if got := p.known(next); got == nil || !got.Paused || got.Exceeded != Memory {
			t.Errorf("within %s it is %v", want, got)
		}
		if p.known(inputsOf("b", "1", 1)) != nil {
			t.Error("another product is paused")
		}
		*now = now.Add(time.Second)
		if got := p.known(next); got != nil {
			t.Errorf("after %s it is %v", want, got)
		}
		overruns(1, 100+int(want))
	}
}

// Buyers must not keep a seller from putting the product right.
func TestAPauseDoesNotAnswerTheProductsCheck(t *testing.T) {
	p, _ := newTestPast()
	limit, tenant, check := &LimitError{Exceeded: Time}, inputsOf("a", "new", 1), inputsOf("a", "", 2)
	check.check, check.tenant = true, check.key
	for i := range tenantsToPause {
		p.tooMuch(inputsOf("a", fmt.Sprint(i), 1), limit)
	}
	if p.known(tenant) == nil || p.known(check) != nil {
		t.Errorf("a tenant gets %v and the check %v", p.known(tenant), p.known(check))
	}
	if !p.byLane(check) {
		t.Error("the check can take the last place")
	}
	p.tooMuch(check, limit)
	if p.known(check) != limit {
		t.Error("a check that overran itself is tried again at once")
	}
	p.done(check, false)
	if p.known(tenant) != nil || p.known(check) != nil {
		t.Errorf("after a check that ended well, a tenant gets %v and the check %v", p.known(tenant), p.known(check))
	}
}

func TestWhatGoesByTheLane(t *testing.T) {
	p, now := newTestPast()
	template, values := inputsOf("a", "1", 1), rendering{key: "v", source: "values of a", product: "a", tenant: "1"}
	fresh, other := rendering{key: "n", source: "new of a", product: "a", tenant: "1"}, inputsOf("b", "1", 1)
	p.done(values, false)
	p.done(template, false)
	expect := func(when string, want ...bool) {
		t.Helper()
		for i, r := range []rendering{template, values, fresh, other} {
			if got := p.byLane(r); got != want[i] {
				t.Errorf("%s: %s by the lane is %t", when, r.source, got)
			}
		}
	}
	expect("at first", false, false, false, false)
	p.done(template, true)
	expect("after a long rendering", true, false, true, false)
	p.done(fresh, false)
	p.done(template, false)
	expect("after a short one of each", true, false, false, false)
	*now = now.Add(slowFor)
	expect("after a while", false, false, false, false)
	p.tooMuch(values, &LimitError{Exceeded: Time})
	expect("after an overrun", false, true, false, false)
}
