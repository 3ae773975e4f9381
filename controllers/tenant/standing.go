package tenant

import (
	"context"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/apply"
)

// Tenants reads and writes tenants' namespaces. It may be used by many passes at once, but by one at a time for each namespace.
type Tenants struct {
	// Client writes. It is never read through.
	Client client.Client
	// Cache reads what [CacheByObject] keeps.
	Cache client.Reader
	// Live reads past the cache.
	Live client.Reader
	// Kinds are the watched tenant kinds. Objects of other kinds (Secrets, where the controller may not read them) are applied, and
	// one watched object carries their hashes.
	Kinds []schema.GroupVersionKind
	// Clock says how long what this process has written is believed before the cache shows it.
	Clock clock.PassiveClock
	// Ownership knows which fields should be ours. Set by [New].
	Ownership *Ownership

	recent  *recent
	repairs *repairs
	stops   stops
	hosts   *hosts
}

// New gives a Tenants without memory.
func New(writer client.Client, cached, live client.Reader, kinds []schema.GroupVersionKind, c clock.PassiveClock) *Tenants {
	return &Tenants{
		Client: writer, Cache: cached, Live: live, Kinds: kinds, Clock: c, Ownership: NewOwnership(), recent: newRecent(), repairs: newRepairs(),
		hosts: &hosts{taken: map[hostPath]taker{}},
	}
}

// Forget drops what is remembered of a namespace. Lost memory costs some calls and changes no decision.
func (t *Tenants) Forget(namespace string) {
	t.recent.forget(namespace)
	t.repairs.forget(namespace)
	t.stops.note(namespace, "")
}

// Standing is what stands in a tenant's namespace: what the cache shows, and what this process has written since.
type Standing struct {
	// Name is the namespace's.
	Name string
	// Namespace is the tenant's namespace, or nil.
	Namespace *unstructured.Unstructured
	// Objects are the objects of the watched kinds that carry the instance label, without the namespace, in the form of the cache. They
	// must not be changed.
	Objects map[Key]*unstructured.Unstructured
	// Again is when to look again because something written here was not shown by the cache yet; zero for never.
	Again time.Time

	watched sets.Set[schema.GroupKind]
}

// Observe lists what stands. An error means that nothing may be concluded from what is missing.
func (t *Tenants) Observe(ctx context.Context, namespace string) (Standing, error) {
	observed, err := apply.Observe(ctx, t.Cache, t.Kinds, namespace)
	if err != nil {
		return Standing{}, err
	}
	st := Standing{Name: namespace, Namespace: observed.Namespace, Objects: observed.Objects, watched: sets.New[schema.GroupKind]()}
	for _, gvk := range t.Kinds {
		st.watched.Insert(gvk.GroupKind())
	}
	st.Again = t.recent.merge(&st, t.Clock.Now())
	return st, nil
}

// ObserveLive lists what stands past the cache: before a tenant is moved by a process that has just become the leader, and wherever
// an old cache would do harm.
func (t *Tenants) ObserveLive(ctx context.Context, namespace string) (Standing, error) {
	st := Standing{Name: namespace, Objects: map[Key]*unstructured.Unstructured{}, watched: sets.New[schema.GroupKind]()}
	for _, gvk := range t.Kinds {
		st.watched.Insert(gvk.GroupKind())
	}
	observed, err := apply.Observe(ctx, t.Live, t.Kinds, namespace)
	if err != nil {
		return Standing{}, err
	}
	for key, obj := range observed.Objects {
		st.Objects[key] = seen(obj)
	}
	if observed.Namespace != nil {
		st.Namespace = seen(observed.Namespace)
	}
	return st, nil
}

// Owned says whether the namespace stands and records this very instance. Nothing is written into any other.
func (s Standing) Owned(owner apply.Owner) bool { return apply.Recorded(s.Namespace, owner) }

// Pin is the revision that the tenant has; empty if it has none.
func (s Standing) Pin() string {
	if s.Namespace == nil {
		return ""
	}
	return s.Namespace.GetLabels()[v1alpha1.RevisionLabel]
}

// Digest is a hash over everything that a pass decides on: equal digests and equal wishes have equal results.
func (s Standing) Digest() string {
	facts := make([]any, 0, len(s.Objects)+1)
	for _, key := range s.keys() {
		facts = append(facts, factsOf(s.Objects[key]))
	}
	if s.Namespace != nil {
		facts = append(facts, s.Namespace.GetUID(), s.Namespace.GetLabels(), s.Namespace.GetAnnotations(), s.Namespace.GetDeletionTimestamp())
	}
	return digest(facts)
}

// factsOf are what a decision may look at of one object. How many pods a workload has at the moment is no part of it.
func factsOf(obj *unstructured.Unstructured) []any {
	annotations := obj.GetAnnotations()
	delete(annotations, apply.ManagerAnnotation)
	delete(annotations, apply.FieldsAnnotation)
	return []any{
		keyOf(obj).Group, keyOf(obj).Kind, obj.GetName(), obj.GetUID(), obj.GetLabels(), annotations, obj.GetDeletionTimestamp(),
		obj.Object["spec"], jobEnd(obj),
	}
}

func (s Standing) keys() []Key {
	keys := make([]Key, 0, len(s.Objects))
	for key := range s.Objects {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, compareKeys)
	return keys
}

func compareKeys(a, b Key) int {
	return slices.Compare([]string{a.Group, a.Kind, a.Name}, []string{b.Group, b.Kind, b.Name})
}

// wrote notes what the API server answered.
func (t *Tenants) wrote(st *Standing, answer *unstructured.Unstructured) {
	kept := seen(answer)
	if kindOf(answer) == kindNamespace {
		st.Namespace = kept
	} else if st.watched.Has(kindOf(answer)) {
		st.Objects[keyOf(answer)] = kept
	}
	if st.watched.Has(kindOf(answer)) || kindOf(answer) == kindNamespace {
		t.recent.wrote(st.Name, kept, t.Clock.Now())
	}
}

// deleted notes that an object is on its way out.
func (t *Tenants) deleted(st *Standing, key Key, uid types.UID) {
	delete(st.Objects, key)
	t.recent.deleted(st.Name, key, uid, t.Clock.Now())
}

// clone gives a standing that may be changed.
func (s Standing) clone() Standing {
	objects := make(map[Key]*unstructured.Unstructured, len(s.Objects))
	for key, obj := range s.Objects {
		objects[key] = obj
	}
	s.Objects = objects
	return s
}

// Begun says whether the hooks before the tenant's revision are through, so that its workloads may run.
func (s Standing) Begun() bool {
	for id, record := range JobsOf(s.Namespace, s.Pin()).States {
		if strings.HasPrefix(id, "pre-") && record.State != JobSucceeded {
			return false
		}
	}
	return true
}
