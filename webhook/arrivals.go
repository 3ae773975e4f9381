package webhook

import (
	"sync"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

// DefaultMaxWaiting is how many purchases wait at once for what their answers have to carry. Each holds a connection, of half of those
// that there are; more are answered at once that they are in progress.
const DefaultMaxWaiting = 512

// arrivals wake the calls that wait for an instance when the cache shows a newer one, so that no call asks again and again.
type arrivals struct {
	mu      sync.Mutex
	max     int
	count   int
	waiting map[arrival][]chan struct{}
}

// arrival is the sale that a call waits for.
type arrival struct{ namespace, instanceID string }

func newArrivals(most int) *arrivals {
	return &arrivals{max: most, waiting: map[arrival][]chan struct{}{}}
}

// await makes changed tell that an instance may be another one, from now until leave is called. It is not ok when too many wait.
func (a *arrivals) await(namespace, instanceID string) (changed <-chan struct{}, leave func(), ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.count >= a.max {
		return nil, nil, false
	}
	key, told := arrival{namespace, instanceID}, make(chan struct{}, 1)
	a.count++
	a.waiting[key] = append(a.waiting[key], told)
	return told, func() { a.leave(key, told) }, true
}

func (a *arrivals) leave(key arrival, told chan struct{}) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.count--
	var others []chan struct{}
	for _, other := range a.waiting[key] {
		if other != told {
			others = append(others, other)
		}
	}
	if a.waiting[key] = others; len(others) == 0 {
		delete(a.waiting, key)
	}
}

// InstanceChanged is told every instance that the cache of Options.Client has taken up, anew or changed, after it did; objects of
// other kinds are passed over. It never blocks.
func (h *Handler) InstanceChanged(object any) {
	if instance, ok := object.(*v1alpha1.MarketplaceInstance); ok && instance.Spec.Subscription != nil {
		h.arrivals.changed(arrival{instance.Namespace, instance.Spec.Subscription.InstanceID})
	}
}

func (a *arrivals) changed(key arrival) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, told := range a.waiting[key] {
		select {
		case told <- struct{}{}:
		default: // It was told already, and has not looked yet.
		}
	}
}
