package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

// timeline notes what the marketplace did and what became of the instances. It is safe for concurrent use.
type timeline struct {
	mutex   sync.Mutex
	entries []entry
}

// entry is one line: a call, or a state that the instance came to.
type entry struct {
	at            time.Time
	instance      string
	call          string
	state, reason string
}

func (t *timeline) called(instance, call string, at time.Time) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.entries = append(t.entries, entry{at: at, instance: instance, call: call})
}

// reached notes a state, unless the instance is in it already.
func (t *timeline) reached(instance, state, reason string, at time.Time) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	for i := len(t.entries) - 1; i >= 0; i-- {
		if last := t.entries[i]; last.instance == instance && last.state != "" {
			if last.state == state && last.reason == reason {
				return
			}
			break
		}
	}
	t.entries = append(t.entries, entry{at: at, instance: instance, state: state, reason: reason})
}

// of are the lines of one sale, with the seconds since begin.
func (t *timeline) of(instance string, begin time.Time) []string {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	// A call is noted once it is answered, when its effect may have been seen already.
	sorted := slices.Clone(t.entries)
	slices.SortStableFunc(sorted, func(a, b entry) int { return a.at.Compare(b.at) })
	var lines []string
	for _, e := range sorted {
		if e.instance != instance {
			continue
		}
		seconds := fmt.Sprintf("%6.1f s", e.at.Sub(begin).Seconds())
		if e.call != "" {
			lines = append(lines, fmt.Sprintf("%s  KooGallery: %s", seconds, e.call))
			continue
		}
		lines = append(lines, fmt.Sprintf("%s    %-12s %s", seconds, e.state, e.reason))
	}
	return lines
}

// watch notes the states of all instances until ctx ends. A watch that ends is begun again.
func (t *timeline) watch(ctx context.Context, kube client.WithWatch) {
	for ctx.Err() == nil {
		watcher, err := kube.Watch(ctx, &v1alpha1.MarketplaceInstanceList{}, client.InNamespace(salesNamespace))
		if err != nil {
			pause(ctx, time.Second)
			continue
		}
		for event := range watcher.ResultChan() {
			instance, ok := event.Object.(*v1alpha1.MarketplaceInstance)
			if !ok || instance.Status.State == "" {
				continue
			}
			reason := ""
			if ready := meta.FindStatusCondition(instance.Status.Conditions, v1alpha1.ConditionReady); ready != nil {
				reason = ready.Reason
			}
			t.reached(instance.Name, string(instance.Status.State), reason, time.Now())
		}
		watcher.Stop()
	}
}
