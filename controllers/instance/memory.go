package instance

import (
	"slices"
	"time"

	"k8s.io/client-go/util/flowcontrol"
	"k8s.io/utils/clock"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/queue"
	"github.com/stallkeeper/stallkeeper/controllers/report"
	"github.com/stallkeeper/stallkeeper/controllers/revision"
	"github.com/stallkeeper/stallkeeper/controllers/tenant"
)

// memory is what a process remembers of one tenant to save work. Lost, it costs a few calls and changes no decision.
type memory struct {
	// inputs and digest are those of the last pass that left everything as it should be; empty if the last one did not.
	inputs, digest string
	// access is the resource version of the access Secret that the last pass has read or written.
	access string
	// settled is what that pass had done. A quiet pass says all of it again: the status in the cache may be that from before it was
	// written, and what is left out of it would be lost.
	settled outcome
	// latest is the instance as this process has written it last, while the cache shows an older one.
	latest report.Latest
	// waiting are the objects that the status says the tenant waits for.
	waiting []string
	pods    podsMemory
	// checked is what was found of the texts that the buyer has entered.
	checked revision.Checked
	// backed is the last move that was taken back.
	backed backed
	// stopSeen is when a pass first saw that the tenant has to be stopped while something still needs it running.
	stopSeen time.Time
	// remembered is when a deleted instance whose sale was noted may go; zero while it was not.
	remembered time.Time
	// announced is the last state of each condition that an event was made of.
	announced report.Announced
}

// backed is a move that failed half-way: each try more would replace the tenant's pods twice.
type backed struct {
	// inputs are those of the pass that has tried it, and until is when it is tried again although they are the same.
	inputs string
	until  time.Time
	// stuck and blockers are what is said meanwhile.
	stuck    *report.Verdict
	blockers []v1alpha1.Blocker
}

func newMemory() *memory { return &memory{announced: report.Announced{}} }

// waitsFor names what the tenant waits for. Objects that are ready meanwhile stay named until all of them are, which is no less true: a
// status that follows them one by one would be written for each.
func (m *memory) waitsFor(blockers []tenant.Blocker) []string {
	var names []string
	hooks := false
	for _, blocker := range blockers {
		name := blocker.Key.String()
		if blocker.Hook != "" {
			name, hooks = "the "+blocker.Hook+" hook "+name, true
		}
		names = append(names, name)
	}
	known := func(name string) bool { return slices.Contains(m.waiting, name) }
	if hooks || slices.ContainsFunc(names, func(name string) bool { return !known(name) }) {
		m.waiting = names
	}
	return m.waiting
}

// podsMemory is when the pods were looked at, and what was found.
type podsMemory struct {
	at       time.Time
	blockers []v1alpha1.Blocker
	backoff  *flowcontrol.Backoff
}

// podsItem is the one item of a podsMemory's backoff.
const podsItem = "pods"

// due is when the pods are to be looked at next, if the tenant is unhealthy since an instant.
func (p *podsMemory) due(since time.Time) time.Time {
	if p.at.IsZero() {
		return since.Add(queue.PodsFirst)
	}
	return p.at.Add(p.backoff.Get(podsItem))
}

// looked notes what was found. c is the clock that the pauses are measured by.
func (p *podsMemory) looked(c clock.PassiveClock, blockers []v1alpha1.Blocker) {
	if p.backoff == nil {
		p.backoff = queue.NewBackoff(queue.PodsFirst, queue.PodsLast, c)
	}
	p.at, p.blockers = c.Now(), blockers
	p.backoff.Next(podsItem, p.at)
}
