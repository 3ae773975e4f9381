package controllers

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

func TestWhatIsPaidForGoesFirst(t *testing.T) {
	changed := func(change instanceChange) *v1alpha1.MarketplaceInstance {
		return sale(func(mpi *v1alpha1.MarketplaceInstance) { mpi.ResourceVersion = "2" }, change)
	}
	tests := map[string]struct {
		old, now *v1alpha1.MarketplaceInstance
		initial  bool
		want     int
	}{
		"a new sale":                        {nil, sale(), false, prioritySale},
		"one of thousands at the start":     {nil, sale(), true, handler.LowPriority},
		"a changed spec":                    {sale(), changed(func(mpi *v1alpha1.MarketplaceInstance) { mpi.Generation++ }), false, prioritySale},
		"a deletion":                        {sale(), changed(func(mpi *v1alpha1.MarketplaceInstance) { mpi.DeletionTimestamp = ptr.To(metav1.Now()) }), false, prioritySale},
		"a changed status":                  {sale(), changed(func(*v1alpha1.MarketplaceInstance) {}), false, priorityNormal},
		"a resync, which tells nothing new": {sale(), sale(), false, handler.LowPriority},
		"an instance that is gone":          {sale(), nil, false, priorityNormal},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			q := priorityqueue.New[request]("test")
			defer q.ShutDown()
			events := instanceEvents()
			switch {
			case tc.old == nil:
				events.Create(t.Context(), event.CreateEvent{Object: tc.now, IsInInitialList: tc.initial}, q)
			case tc.now == nil:
				events.Delete(t.Context(), event.DeleteEvent{Object: tc.old}, q)
			default:
				events.Update(t.Context(), event.UpdateEvent{ObjectOld: tc.old, ObjectNew: tc.now}, q)
			}
			got, priority, _ := q.GetWithPriority()
			if want := (types.NamespacedName{Namespace: "sales", Name: "acme"}); got.NamespacedName != want || priority != tc.want {
				t.Errorf("queued %s with %d, want %s with %d", got, priority, want, tc.want)
			}
		})
	}
}

func TestASaleOvertakesTheStart(t *testing.T) {
	q := priorityqueue.New[request]("test")
	defer q.ShutDown()
	events := instanceEvents()
	named := func(name string) client.Object {
		return sale(func(mpi *v1alpha1.MarketplaceInstance) { mpi.Name = name })
	}
	for _, name := range []string{"old-1", "old-2"} {
		events.Create(t.Context(), event.CreateEvent{Object: named(name), IsInInitialList: true}, q)
	}
	raisedEvents().Generic(t.Context(), event.TypedGenericEvent[raised]{Object: raised{
		key: types.NamespacedName{Namespace: "sales", Name: "old-2"}, priority: priorityRaise,
	}}, q)
	events.Create(t.Context(), event.CreateEvent{Object: named("new")}, q)
	var got []string
	for range 3 {
		item, _, _ := q.GetWithPriority()
		q.Done(item)
		got = append(got, item.Name)
	}
	if diff := cmp.Diff([]string{"new", "old-2", "old-1"}, got); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
}

// The queue has no aging: whoever waits must be raised more and more, until everybody was looked at.
func TestNobodyStarvesAtTheStart(t *testing.T) {
	scheme := newTestScheme(t)
	uid := func(name string) *v1alpha1.MarketplaceInstance {
		return sale(func(mpi *v1alpha1.MarketplaceInstance) { mpi.Name, mpi.UID = name, types.UID("uid-"+name) })
	}
	reader := fake.NewClientBuilder().WithScheme(scheme).WithObjects(uid("a"), uid("b")).Build()
	seen := &seenInstances{}
	raise := make(chan event.TypedGenericEvent[raised])
	guard := &starvationGuard{reader: reader, seen: seen, raise: raise, period: time.Millisecond}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- guard.Start(ctx) }()

	receive := func(n int) []raised {
		var got []raised
		for range n {
			got = append(got, (<-raise).Object)
		}
		return got
	}
	key := func(name string) types.NamespacedName { return types.NamespacedName{Namespace: "sales", Name: name} }
	want := []raised{{key("a"), 0}, {key("b"), 0}, {key("a"), priorityRaise}}
	if diff := cmp.Diff(want, receive(3), cmp.AllowUnexported(raised{})); diff != "" {
		t.Errorf("raised (-want +got):\n%s", diff)
	}
	seen.add("uid-a")
	got := receive(2)
	if diff := cmp.Diff([]raised{{key("b"), priorityRaise}, {key("b"), 2 * priorityRaise}}, got, cmp.AllowUnexported(raised{})); diff != "" {
		t.Errorf("raised after a was seen (-want +got):\n%s", diff)
	}
	seen.add("uid-b")
	for {
		select {
		case <-raise:
			// One round may have been decided before b was seen.
			continue
		case err := <-done:
			if err != nil {
				t.Errorf("the guard ended with %v", err)
			}
			return
		}
	}
}
