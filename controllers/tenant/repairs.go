package tenant

import (
	"slices"
	"sync"
	"time"
)

// An object that was put right more often than repairLimit times within repairWindow is left to the other side until the window has
// passed, because two managers that overwrite each other help no one.
const (
	repairLimit  = 5
	repairWindow = 10 * time.Minute
)

// repairs remembers when objects had to be put right.
type repairs struct {
	mu sync.Mutex
	by map[string]map[Key][]time.Time
}

func newRepairs() *repairs { return &repairs{by: map[string]map[Key][]time.Time{}} }

func (r *repairs) forget(namespace string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.by, namespace)
}

// held says until when an object is left alone; zero if it may be put right.
func (r *repairs) held(namespace string, key Key, now time.Time) time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	times := slices.DeleteFunc(r.by[namespace][key], func(at time.Time) bool { return now.Sub(at) >= repairWindow })
	if len(times) < repairLimit {
		return time.Time{}
	}
	return times[0].Add(repairWindow)
}

func (r *repairs) note(namespace string, key Key, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.by[namespace] == nil {
		r.by[namespace] = map[Key][]time.Time{}
	}
	recent := slices.DeleteFunc(r.by[namespace][key], func(at time.Time) bool { return now.Sub(at) >= repairWindow })
	r.by[namespace][key] = append(recent, now)
}
