package tenant

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
)

// cacheLag is how long the cache may take to show what was written, before it is believed again.
const cacheLag = 10 * time.Second

// recent is what this process has written a moment ago, so that a pass sees its own writes although the cache does not show them yet.
// What the cache has shown is dropped from it.
type recent struct {
	mu sync.Mutex
	by map[string]map[Key]written
	// replaced is when an object was deleted last to make room for another one of its kind, by namespace.
	replaced map[string]map[schema.GroupKind]time.Time
}

// written is what is known of one object: what it became, or that it was deleted.
type written struct {
	at   time.Time
	obj  *unstructured.Unstructured
	gone types.UID
}

func newRecent() *recent {
	return &recent{by: map[string]map[Key]written{}, replaced: map[string]map[schema.GroupKind]time.Time{}}
}

func (r *recent) forget(namespace string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.by, namespace)
	delete(r.replaced, namespace)
}

// makesRoom notes that an object was deleted to make room for another one.
func (r *recent) makesRoom(namespace string, kind schema.GroupKind, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.replaced[namespace] == nil {
		r.replaced[namespace] = map[schema.GroupKind]time.Time{}
	}
	r.replaced[namespace][kind] = now
}

// madeRoom says whether room was made a moment ago: a quota's count or a webhook's cache may not know of it yet.
func (r *recent) madeRoom(namespace string, kind schema.GroupKind, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	at, ok := r.replaced[namespace][kind]
	return ok && now.Sub(at) < cacheLag
}

func (r *recent) note(namespace string, key Key, what written) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.by[namespace] == nil {
		r.by[namespace] = map[Key]written{}
	}
	r.by[namespace][key] = what
}

func (r *recent) wrote(namespace string, obj *unstructured.Unstructured, now time.Time) {
	r.note(namespace, keyOf(obj), written{at: now, obj: obj})
}

func (r *recent) deleted(namespace string, key Key, uid types.UID, now time.Time) {
	r.note(namespace, key, written{at: now, gone: uid})
}

// merge puts what the cache does not show yet into a standing. It says when to look again; zero if the cache shows everything.
func (r *recent) merge(st *Standing, now time.Time) time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	objects := r.by[st.Name]
	if len(objects) == 0 {
		return time.Time{}
	}
	*st = st.clone()
	var again time.Time
	for key, what := range objects {
		if now.Sub(what.at) >= cacheLag || !what.unseen(st, key) {
			delete(objects, key)
			continue
		}
		if until := what.at.Add(cacheLag); again.IsZero() || until.Before(again) {
			again = until
		}
		switch {
		case key.GroupKind() == kindNamespace:
			st.Namespace = what.obj
		case what.obj == nil:
			delete(st.Objects, key)
		default:
			st.Objects[key] = what.obj
		}
	}
	return again
}

// unseen says whether the cache does not show the write yet.
func (w written) unseen(st *Standing, key Key) bool {
	shown := st.Objects[key]
	if key.GroupKind() == kindNamespace {
		shown = st.Namespace
	}
	if w.obj == nil {
		return shown != nil && shown.GetUID() == w.gone && shown.GetDeletionTimestamp() == nil
	}
	if shown == nil {
		return true
	}
	order, err := resourceversion.CompareResourceVersion(shown.GetResourceVersion(), w.obj.GetResourceVersion())
	return err == nil && order < 0
}
