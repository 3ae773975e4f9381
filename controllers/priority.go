package controllers

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
	// prioritySale is that of a changed instance: somebody has paid, or wants something.
	prioritySale = 1000
	// priorityNormal is that of everything else that happens.
	priorityNormal = 0
	// priorityRaise is what an instance that no pass has seen yet gains every starvationPeriod.
	priorityRaise = 100
	// starvationPeriod is how long an instance may wait after the start before it is raised.
	starvationPeriod = 30 * time.Second
)

type (
	queue   = workqueue.TypedRateLimitingInterface[reconcile.Request]
	request = reconcile.Request
)

// enqueue adds an object with a priority. A queue without priorities takes it as it comes.
func enqueue(q queue, key types.NamespacedName, priority int) {
	if prioritized, ok := q.(priorityqueue.PriorityQueue[request]); ok {
		prioritized.AddWithOpts(priorityqueue.AddOpts{Priority: ptr.To(priority)}, request{NamespacedName: key})
		return
	}
	q.Add(request{NamespacedName: key})
}

// instanceEvents puts what somebody has paid for before all else: an instance that is new or whose spec has changed goes first,
// and the thousands that are listed at the start go last.
func instanceEvents() handler.EventHandler {
	return handler.Funcs{
		CreateFunc: func(_ context.Context, e event.CreateEvent, q queue) {
			priority := prioritySale
			if e.IsInInitialList {
				priority = handler.LowPriority
			}
			enqueue(q, client.ObjectKeyFromObject(e.Object), priority)
		},
		UpdateFunc: func(_ context.Context, e event.UpdateEvent, q queue) {
			priority := priorityNormal
			switch {
			case e.ObjectOld.GetGeneration() != e.ObjectNew.GetGeneration(),
				e.ObjectOld.GetDeletionTimestamp().IsZero() != e.ObjectNew.GetDeletionTimestamp().IsZero():
				priority = prioritySale
			case e.ObjectOld.GetResourceVersion() == e.ObjectNew.GetResourceVersion():
				priority = handler.LowPriority
			}
			enqueue(q, client.ObjectKeyFromObject(e.ObjectNew), priority)
		},
		DeleteFunc: func(_ context.Context, e event.DeleteEvent, q queue) {
			enqueue(q, client.ObjectKeyFromObject(e.Object), priorityNormal)
		},
	}
}

// seenInstances are the instances that a pass has looked at since the start.
type seenInstances struct {
	mu  sync.Mutex
	set map[types.UID]struct{}
}

func (s *seenInstances) add(uid types.UID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.set == nil {
		s.set = map[types.UID]struct{}{}
	}
	s.set[uid] = struct{}{}
}

func (s *seenInstances) has(uid types.UID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.set[uid]
	return ok
}

// starvationGuard raises the instances that no pass has looked at since the start, every starvationPeriod by as much again.
// The queue has no aging: under steady load an item of low priority would never run.
type starvationGuard struct {
	reader client.Reader
	seen   *seenInstances
	raise  chan<- event.TypedGenericEvent[raised]
	// period is the pause between two raises.
	period time.Duration
}

// raised is an instance with its new priority.
type raised struct {
	key      types.NamespacedName
	priority int
}

// Start runs until every instance that was there at the start was seen.
func (g *starvationGuard) Start(ctx context.Context) error {
	ticker := time.NewTicker(g.period)
	defer ticker.Stop()
	for priority := priorityNormal; ; priority += priorityRaise {
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
			case g.raise <- event.TypedGenericEvent[raised]{Object: raised{key: key, priority: priority}}:
			}
		}
	}
}

func (g *starvationGuard) unseen(ctx context.Context) ([]types.NamespacedName, error) {
	instances := &v1alpha1.MarketplaceInstanceList{}
	if err := g.reader.List(ctx, instances); err != nil {
		return nil, err
	}
	var waiting []types.NamespacedName
	for i := range instances.Items {
		if !g.seen.has(instances.Items[i].UID) {
			waiting = append(waiting, client.ObjectKeyFromObject(&instances.Items[i]))
		}
	}
	return waiting, nil
}

// raisedEvents enqueues raised instances.
func raisedEvents() handler.TypedEventHandler[raised, request] {
	return handler.TypedFuncs[raised, request]{
		GenericFunc: func(_ context.Context, e event.TypedGenericEvent[raised], q queue) {
			enqueue(q, e.Object.key, e.Object.priority)
		},
	}
}
