package usage

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/stallkeeper/stallkeeper/controllers/queue"
	"github.com/stallkeeper/stallkeeper/controllers/report"
)

// usageMemory is what a process remembers of one instance's meters to save work. Lost, it costs a few calls, and a tenant that has
// to stop is waited for anew. It is used by one pass at a time.
type usageMemory struct {
	uid types.UID
	// stopSeen is when a pass first saw that the tenant has to be stopped.
	stopSeen time.Time
	// asked is what became of the last questions, by meter.
	asked map[string]*asked
	// announced is what events were made of, by condition.
	announced map[string]string
}

// asked is a source that has not answered.
type asked struct {
	problem report.Verdict
	next    time.Time
	pause   time.Duration
}

// failed notes that a source has not answered, and when it is asked again.
func (m *usageMemory) failed(meter string, p report.Verdict, now time.Time) *asked {
	last := m.asked[meter]
	if last == nil {
		last = &asked{}
		m.asked[meter] = last
	}
	last.pause = min(max(2*last.pause, queue.AskFirst), queue.AskLast)
	last.problem, last.next = p, now.Add(last.pause)
	return last
}

// usageMemories holds a memory for each instance.
type usageMemories struct {
	mu sync.Mutex
	by map[types.NamespacedName]*usageMemory
}

// of returns the memory of an instance; one of another UID is forgotten.
func (m *usageMemories) of(key types.NamespacedName, uid types.UID) *usageMemory {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.by == nil {
		m.by = map[types.NamespacedName]*usageMemory{}
	}
	if found, ok := m.by[key]; ok && found.uid == uid {
		return found
	}
	m.by[key] = &usageMemory{uid: uid, asked: map[string]*asked{}, announced: map[string]string{}}
	return m.by[key]
}

func (m *usageMemories) forget(key types.NamespacedName) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.by, key)
}
