package queue

import (
	"context"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

const (
	// PriorityDeadline is that of a tenant whose time has come: it has to stop within a second, whoever else waits.
	PriorityDeadline = 3000
	// priorityBegun is that of a tenant on its way. What was begun is finished first: of a thousand buyers at once the first are served
	// while the last still wait, instead of all of them waiting for the last.
	priorityBegun = 2000
	// PrioritySale is that of a changed instance: a person has paid, or wants something.
	PrioritySale = 1000
	// PriorityNormal is that of everything else that happens.
	PriorityNormal = 0
	// priorityRaise is what an instance that no pass has seen yet gains every StarvationPeriod.
	priorityRaise = 100
	// StarvationPeriod is how long an instance may wait after the start before it is raised.
	StarvationPeriod = 30 * time.Second
)

type (
	// Queue is what a controller's handlers add requests to.
	Queue = workqueue.TypedRateLimitingInterface[reconcile.Request]
	// Request names an object that a pass is to look at.
	Request = reconcile.Request
)

// Enqueue adds an object with a priority. A queue without priorities takes it as it comes.
func Enqueue(q Queue, key types.NamespacedName, priority int) {
	if prioritized, ok := q.(priorityqueue.PriorityQueue[Request]); ok {
		prioritized.AddWithOpts(priorityqueue.AddOpts{Priority: ptr.To(priority)}, Request{NamespacedName: key})
		return
	}
	q.Add(Request{NamespacedName: key})
}

// InstanceEvents puts what a person has paid for before all else: an instance that is new or whose spec has changed goes first,
// and the thousands that are listed at the start go last.
func InstanceEvents() handler.EventHandler {
	return handler.Funcs{
		CreateFunc: func(_ context.Context, e event.CreateEvent, q Queue) {
			priority := PrioritySale
			if e.IsInInitialList {
				priority = handler.LowPriority
			}
			Enqueue(q, client.ObjectKeyFromObject(e.Object), priority)
		},
		UpdateFunc: func(_ context.Context, e event.UpdateEvent, q Queue) {
			priority := PriorityNormal
			if mpi, ok := e.ObjectNew.(*v1alpha1.MarketplaceInstance); ok {
				priority = priorityOf(mpi, PriorityNormal)
			}
			switch {
			case e.ObjectOld.GetGeneration() != e.ObjectNew.GetGeneration(),
				e.ObjectOld.GetDeletionTimestamp().IsZero() != e.ObjectNew.GetDeletionTimestamp().IsZero():
				priority = PrioritySale
			case e.ObjectOld.GetResourceVersion() == e.ObjectNew.GetResourceVersion():
				priority = handler.LowPriority
			}
			Enqueue(q, client.ObjectKeyFromObject(e.ObjectNew), priority)
		},
		DeleteFunc: func(_ context.Context, e event.DeleteEvent, q Queue) {
			Enqueue(q, client.ObjectKeyFromObject(e.Object), PriorityNormal)
		},
	}
}

// priorityOf is the priority of an event of an instance: a higher one while its tenant is on its way.
func priorityOf(mpi *v1alpha1.MarketplaceInstance, otherwise int) int {
	switch mpi.Status.State {
	case v1alpha1.StateProvisioning, v1alpha1.StateSuspending:
		return priorityBegun
	}
	return otherwise
}

// SeenInstances are the instances that a pass has looked at since the start.
type SeenInstances struct {
	mu  sync.Mutex
	set map[types.UID]struct{}
}

// Add notes that a pass has looked at an instance.
func (s *SeenInstances) Add(uid types.UID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.set == nil {
		s.set = map[types.UID]struct{}{}
	}
	s.set[uid] = struct{}{}
}

func (s *SeenInstances) has(uid types.UID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.set[uid]
	return ok
}

// StarvationGuard raises the instances that no pass has looked at since the start, every StarvationPeriod by as much again.
// The queue has no aging: under steady load an item of low priority would never run.
type StarvationGuard struct {
	Reader client.Reader
	Seen   *SeenInstances
	Raise  chan<- event.TypedGenericEvent[Raised]
	// Period is the pause between two raises.
	Period time.Duration
}

// Raised is an instance with its new priority.
type Raised struct {
	key      types.NamespacedName
	priority int
}

// Start runs until every instance that was there at the start was seen.
func (g *StarvationGuard) Start(ctx context.Context) error {
	ticker := time.NewTicker(g.Period)
	defer ticker.Stop()
	for priority := PriorityNormal; ; priority += priorityRaise {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		waiting, err := g.unseen(ctx)
		if err != nil {
			continue
		}
		if len(waiting) == 0 {
			return nil
		}
		for _, key := range waiting {
			select {
			case <-ctx.Done():
				return nil
			case g.Raise <- event.TypedGenericEvent[Raised]{Object: Raised{key: key, priority: priority}}:
			}
		}
	}
}

// RaiseEvery raises the instances that look finds, every period until the context ends.
func RaiseEvery(ctx context.Context, period time.Duration, raise chan<- event.TypedGenericEvent[Raised], look func(context.Context) []types.NamespacedName,
) {
	ticker := time.NewTicker(period)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		for _, instance := range look(ctx) {
			select {
			case <-ctx.Done():
				return
			case raise <- event.TypedGenericEvent[Raised]{Object: Raised{key: instance, priority: PriorityNormal}}:
			}
		}
	}
}

func (g *StarvationGuard) unseen(ctx context.Context) ([]types.NamespacedName, error) {
	instances := &v1alpha1.MarketplaceInstanceList{}
	if err := g.Reader.List(ctx, instances); err != nil {
		return nil, err
	}
	var waiting []types.NamespacedName
	for i := range instances.Items {
		if !g.Seen.has(instances.Items[i].UID) {
			waiting = append(waiting, client.ObjectKeyFromObject(&instances.Items[i]))
		}
	}
	return waiting, nil
}

// RaisedEvents enqueues raised instances.
func RaisedEvents() handler.TypedEventHandler[Raised, Request] {
	return handler.TypedFuncs[Raised, Request]{
		GenericFunc: func(_ context.Context, e event.TypedGenericEvent[Raised], q Queue) {
			Enqueue(q, e.Object.key, e.Object.priority)
		},
	}
}
