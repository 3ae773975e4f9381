package instance

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/apply"
	"github.com/stallkeeper/stallkeeper/controllers/queue"
)

const (
	// driftLimit and driftWindow: an object that was put right more often than that in this time is left to the other side
	// until the window has passed, because two managers that overwrite each other help nobody.
	driftLimit  = 5
	driftWindow = 10 * time.Minute
)

// memory is what a process remembers of one tenant to save work. Lost, it costs a few calls and changes no decision. It is
// used by one pass at a time, because no two passes work on the same instance.
type memory struct {
	uid types.UID
	// entries were applied last, at the time applied.
	entries []apply.Entry
	applied time.Time
	// waiting is the hook that the last apply has stopped at; zero if it came to its end.
	waiting apply.Key
	// shown are the objects that the cache has shown, by UID. One of them that is missing was deleted; any other may just
	// not be there yet.
	shown map[apply.Key]types.UID
	// repairs are the times at which an object had to be put right, by object.
	repairs map[apply.Key][]time.Time
	pods    podsMemory
	// stopSeen is when a pass first saw that the tenant has to be stopped and can still tell what it has used.
	stopSeen time.Time
	// announced is the last state of each condition that an event was made of.
	announced map[string]string
}

// memories holds a memory for each instance.
type memories struct {
	mu sync.Mutex
	by map[types.NamespacedName]*memory
}

// of returns the memory of an instance; one of another UID is forgotten.
func (m *memories) of(key types.NamespacedName, uid types.UID) *memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.by == nil {
		m.by = map[types.NamespacedName]*memory{}
	}
	if found, ok := m.by[key]; ok && found.uid == uid {
		return found
	}
	m.by[key] = &memory{
		uid: uid, shown: map[apply.Key]types.UID{}, repairs: map[apply.Key][]time.Time{}, announced: map[string]string{},
	}
	return m.by[key]
}

func (m *memories) forget(key types.NamespacedName) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.by, key)
}

func (m *memory) remember(applied apply.Applied, now time.Time) {
	m.entries, m.waiting, m.applied = applied.Entries, applied.Waiting, now
}

// see notes what the cache shows.
func (m *memory) see(observed apply.Observed) {
	for _, entry := range observed.Entries() {
		m.shown[entry.Key] = entry.UID
	}
}

// behind says whether the cache does not show yet what was applied last.
func (m *memory) behind(observed apply.Observed, now time.Time) bool {
	if m.applied.IsZero() || now.Sub(m.applied) >= queue.CacheLag {
		return false
	}
	seen := map[apply.Key]apply.Entry{}
	for _, entry := range observed.Entries() {
		seen[entry.Key] = entry
	}
	for _, entry := range m.entries {
		current, ok := seen[entry.Key]
		if !ok && m.shown[entry.Key] != entry.UID {
			return true
		}
		if order, err := resourceversion.CompareResourceVersion(current.ResourceVersion, entry.ResourceVersion); err == nil && order < 0 {
			return true
		}
	}
	return false
}

// drift notes which applied objects somebody has changed or deleted, and returns a blocker for one that is changed again
// and again, with the time until which it is left alone.
func (m *memory) drift(observed apply.Observed, now time.Time) (*v1alpha1.Blocker, time.Time) {
	for _, key := range apply.Drifted(m.entries, observed.Entries()) {
		recent := slices.DeleteFunc(m.repairs[key], func(at time.Time) bool { return now.Sub(at) >= driftWindow })
		if len(recent) >= driftLimit {
			m.repairs[key] = recent
			return driftBlocker(observed, key), recent[0].Add(driftWindow)
		}
		m.repairs[key] = append(recent, now)
	}
	return nil, time.Time{}
}

func driftBlocker(observed apply.Observed, key apply.Key) *v1alpha1.Blocker {
	other := "somebody else"
	if object := observed.Objects[key]; object != nil && apply.OtherManager(object) != "" {
		other = fmt.Sprintf("the field manager %q", apply.OtherManager(object))
	}
	return &v1alpha1.Blocker{
		Object: key.String(), Reason: "Drift",
		Message: fmt.Sprintf("%s changes it again and again, and so do we; it is left alone for a while", other),
		Remedy:  "let only one of the two manage it",
	}
}

// podsMemory is when the pods were looked at, and what was found.
type podsMemory struct {
	at       time.Time
	pause    time.Duration
	blockers []v1alpha1.Blocker
}

// due is when the pods are to be looked at next, if the tenant is unhealthy since an instant.
func (p *podsMemory) due(since time.Time) time.Time {
	if p.at.IsZero() {
		return since.Add(queue.PodsFirst)
	}
	return p.at.Add(p.pause)
}

func (p *podsMemory) looked(now time.Time, blockers []v1alpha1.Blocker) {
	p.at, p.blockers = now, blockers
	p.pause = min(max(2*p.pause, queue.PodsFirst), queue.PodsLast)
}
