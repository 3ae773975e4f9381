package queue

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
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
)

func TestWhatIsPaidForGoesFirst(t *testing.T) {
	changed := func(change salestest.InstanceChange) *v1alpha1.MarketplaceInstance {
		return salestest.Sale(func(mpi *v1alpha1.MarketplaceInstance) { mpi.ResourceVersion = "2" }, change)
	}
	tests := map[string]struct {
		old, now *v1alpha1.MarketplaceInstance
		initial  bool
		want     int
	}{
		"a new sale":                        {nil, salestest.Sale(), false, PrioritySale},
		"one of thousands at the start":     {nil, salestest.Sale(), true, handler.LowPriority},
		"a changed spec":                    {salestest.Sale(), changed(func(mpi *v1alpha1.MarketplaceInstance) { mpi.Generation++ }), false, PrioritySale},
		"a deletion":                        {salestest.Sale(), changed(func(mpi *v1alpha1.MarketplaceInstance) { mpi.DeletionTimestamp = ptr.To(metav1.Now()) }), false, PrioritySale},
		"a changed status":                  {salestest.Sale(), changed(func(*v1alpha1.MarketplaceInstance) {}), false, PriorityNormal},
		"a tenant on its way":               {salestest.Sale(), changed(func(mpi *v1alpha1.MarketplaceInstance) { mpi.Status.State = v1alpha1.StateProvisioning }), false, priorityBegun},
		"a resync, which tells nothing new": {salestest.Sale(), salestest.Sale(), false, handler.LowPriority},
		"an instance that is gone":          {salestest.Sale(), nil, false, PriorityNormal},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			q := priorityqueue.New[Request]("test")
			defer q.ShutDown()
			events := InstanceEvents()
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
	q := priorityqueue.New[Request]("test")
	defer q.ShutDown()
	events := InstanceEvents()
	named := func(name string) client.Object {
		return salestest.Sale(func(mpi *v1alpha1.MarketplaceInstance) { mpi.Name = name })
	}
	for _, name := range []string{"old-1", "old-2"} {
		events.Create(t.Context(), event.CreateEvent{Object: named(name), IsInInitialList: true}, q)
	}
	RaisedEvents().Generic(t.Context(), event.TypedGenericEvent[Raised]{Object: Raised{
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
	scheme := salestest.NewTestScheme(t)
	uid := func(name string) *v1alpha1.MarketplaceInstance {
		return salestest.Sale(func(mpi *v1alpha1.MarketplaceInstance) { mpi.Name, mpi.UID = name, types.UID("uid-"+name) })
	}
	reader := fake.NewClientBuilder().WithScheme(scheme).WithObjects(uid("a"), uid("b")).Build()
	seen := &SeenInstances{}
	raise := make(chan event.TypedGenericEvent[Raised])
	guard := &StarvationGuard{Reader: reader, Seen: seen, Raise: raise, Period: time.Millisecond}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- guard.Start(ctx) }()

	receive := func(n int) []Raised {
		var got []Raised
		for range n {
			got = append(got, (<-raise).Object)
		}
		return got
	}
	key := func(name string) types.NamespacedName { return types.NamespacedName{Namespace: "sales", Name: name} }
	want := []Raised{{key("a"), 0}, {key("b"), 0}, {key("a"), priorityRaise}}
	if diff := cmp.Diff(want, receive(3), cmp.AllowUnexported(Raised{})); diff != "" {
		t.Errorf("raised (-want +got):\n%s", diff)
	}
	seen.Add("uid-a")
	got := receive(2)
	if diff := cmp.Diff([]Raised{{key("b"), priorityRaise}, {key("b"), 2 * priorityRaise}}, got, cmp.AllowUnexported(Raised{})); diff != "" {
		t.Errorf("raised after a was seen (-want +got):\n%s", diff)
	}
	seen.Add("uid-b")
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
