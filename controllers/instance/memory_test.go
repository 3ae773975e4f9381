package instance

import (
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/apply"
	"github.com/stallkeeper/stallkeeper/controllers/queue"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
)

// shows is a cache with ConfigMaps, each given as its name, UID, resource version and what we own of it.
func shows(objects ...[4]string) apply.Observed {
	observed := apply.Observed{Objects: map[apply.Key]*unstructured.Unstructured{}}
	for _, o := range objects {
		object := &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "v1", "kind": "ConfigMap",
			"metadata": map[string]any{
				"name": o[0], "uid": o[1], "resourceVersion": o[2],
				"labels": map[string]any{v1alpha1.InstanceLabel: "acme"},
				"managedFields": []any{
					map[string]any{"manager": v1alpha1.FieldOwner, "operation": "Apply", "apiVersion": "v1", "fieldsV1": o[3],
						"time": "2026-01-01T00:00:00Z"},
					map[string]any{"manager": "kubectl-edit", "operation": "Update", "time": "2026-01-02T00:00:00Z"},
				},
			},
		}}
		observed.Objects[apply.KeyOf(object)] = object
	}
	return observed
}

func remembering(t *testing.T, applied apply.Observed, now time.Time) *memory {
	t.Helper()
	var all memories
	m := all.of(types.NamespacedName{Name: "acme"}, "uid")
	m.remember(apply.Applied{Entries: applied.Entries()}, now)
	return m
}

func TestMemoryIsBehind(t *testing.T) {
	applied := shows([4]string{"a", "u1", "10", "f"}, [4]string{"b", "u2", "11", "f"})
	before := shows([4]string{"a", "u1", "9", "f"}, [4]string{"b", "u2", "5", "f"})
	tests := map[string]struct {
		seen, now apply.Observed
		after     time.Duration
		want      bool
	}{
		"the cache shows what was applied":               {before, applied, time.Second, false},
		"the cache shows a later state":                  {before, shows([4]string{"a", "u1", "12", "g"}, [4]string{"b", "u2", "13", "f"}), time.Second, false},
		"the cache shows an earlier state":               {before, before, time.Second, true},
		"the cache has not shown a new object yet":       {apply.Observed{}, shows([4]string{"a", "u1", "10", "f"}), time.Second, true},
		"an object that the cache has shown was deleted": {applied, shows([4]string{"a", "u1", "10", "f"}), time.Second, false},
		"an object was deleted and made anew":            {applied, shows([4]string{"a", "u1", "10", "f"}, [4]string{"b", "u9", "20", "f"}), time.Second, false},
		"the cache is believed again after a while":      {before, before, queue.CacheLag, false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			clock := clocktesting.NewFakePassiveClock(salestest.Day(0))
			m := remembering(t, applied, clock.Now())
			m.see(tc.seen)
			clock.SetTime(clock.Now().Add(tc.after))
			if got := m.behind(tc.now, clock.Now()); got != tc.want {
				t.Errorf("behind is %t, want %t", got, tc.want)
			}
		})
	}
	t.Run("a process that has applied nothing yet", func(t *testing.T) {
		if (&memory{}).behind(before, salestest.Day(0)) {
			t.Error("a fresh memory is behind")
		}
	})
}

func TestDriftBacksOff(t *testing.T) {
	applied := shows([4]string{"a", "u1", "10", "ours"}, [4]string{"b", "u2", "11", "ours"})
	changed := shows([4]string{"a", "u1", "12", "theirs"}, [4]string{"b", "u2", "11", "ours"})
	clock := clocktesting.NewFakePassiveClock(salestest.Day(0))
	m := remembering(t, applied, clock.Now())
	first := clock.Now()
	for i := range driftLimit {
		if blocker, _ := m.drift(changed, clock.Now()); blocker != nil {
			t.Fatalf("repair %d was refused: %v", i+1, blocker)
		}
		m.remember(apply.Applied{Entries: applied.Entries()}, clock.Now())
		clock.SetTime(clock.Now().Add(time.Second))
	}
	blocker, until := m.drift(changed, clock.Now())
	if blocker == nil {
		t.Fatalf("repair %d within %s was not refused", driftLimit+1, driftWindow)
	}
	if blocker.Object != "ConfigMap/a" || !strings.Contains(blocker.Message, `"kubectl-edit"`) {
		t.Errorf("blocker %v does not name the object and the other manager", blocker)
	}
	if want := first.Add(driftWindow); !until.Equal(want) {
		t.Errorf("left alone until %s, want %s", until, want)
	}
	again, _ := m.drift(changed, clock.Now().Add(time.Minute))
	if again == nil || again.Message != blocker.Message {
		t.Errorf("a minute later the blocker is %v", again)
	}
	if late, _ := m.drift(changed, until); late != nil {
		t.Errorf("after the window it is still left alone: %v", late)
	}
	if none, _ := m.drift(applied, until); none != nil {
		t.Errorf("what stands as applied has drifted: %v", none)
	}
}

func TestAnotherInstanceOfTheSameNameRemembersNothing(t *testing.T) {
	var all memories
	key := types.NamespacedName{Namespace: "sales", Name: "acme"}
	first := all.of(key, "u1")
	first.remember(apply.Applied{Entries: shows([4]string{"a", "u1", "10", "f"}).Entries()}, salestest.Day(0))
	if all.of(key, "u1") != first {
		t.Error("the same instance has lost its memory")
	}
	if second := all.of(key, "u2"); second == first || len(second.entries) > 0 {
		t.Error("another instance has the memory of the first")
	}
	all.forget(key)
	if got := all.of(key, "u2"); len(got.entries) > 0 {
		t.Error("a forgotten instance is remembered")
	}
}

func TestPodsAreLookedAtLessAndLess(t *testing.T) {
	var m podsMemory
	now := salestest.Day(0)
	if due := m.due(now); !due.Equal(now.Add(queue.PodsFirst)) {
		t.Errorf("first look at %s, want after %s", due, queue.PodsFirst)
	}
	var pauses []time.Duration
	for range 6 {
		m.looked(now, nil)
		pauses = append(pauses, m.due(salestest.Day(-1)).Sub(now))
	}
	want := []time.Duration{30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute, 5 * time.Minute, 5 * time.Minute}
	for i := range want {
		if pauses[i] != want[i] {
			t.Errorf("pause %d is %s, want %s", i, pauses[i], want[i])
		}
	}
}
