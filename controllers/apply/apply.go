package apply

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

// parallel is how many objects of one tenant are applied or deleted at a time.
const parallel = 8

// Applier writes to tenants. It has no state and may be used by many passes at once.
type Applier struct {
	// Client writes. It is never read through.
	Client client.Client
	// Cache reads what [CacheByObject] keeps; the manager's cache itself, because its client reads unstructured objects
	// past the cache unless told otherwise.
	Cache client.Reader
	// Live reads past the cache.
	Live client.Reader
	// Kinds are the watched tenant kinds, the same that [Observe] is called with. Objects of other kinds (Secrets) are
	// applied, but are no part of a digest.
	Kinds []schema.GroupVersionKind
}

// Set is everything that a tenant should consist of.
type Set struct {
	// Namespace is the tenant's namespace; see [Applier.EnsureNamespace].
	Namespace *unstructured.Unstructured
	// Owner is the instance; OwnerGone is asked only when the namespace records another one.
	Owner     Owner
	OwnerGone OwnerGone
	// Revision names the ControllerRevision the set was rendered from. A Job runs once for each.
	Revision string
	// Groups are applied in their order, the objects within one in parallel. Objects carry the owner's labels, and no
	// namespace but the tenant's. A Job with v1alpha1.HookAnnotation is applied if the event happens, and what comes after it
	// only when it has succeeded. One that is to be suspended is not waited for.
	Groups [][]*unstructured.Unstructured
	// Next are the hooks that come before the revision that the tenant is to move to; nil if it is not to move. They are applied
	// after everything else, and an object of theirs takes the place of the set's own.
	Next *Next
}

// Next is what is done for a revision before the tenant moves to it.
type Next struct {
	// Revision names the ControllerRevision.
	Revision string
	// Groups are applied like those of a Set.
	Groups [][]*unstructured.Unstructured
}

// Keys are the keys of all objects in the groups.
func (s Set) Keys() []Key { return Keys(slices.Concat(s.Groups...)) }

// Applied is what stands after an apply, as the API server answered.
type Applied struct {
	// Namespace is the tenant's namespace.
	Namespace *unstructured.Unstructured
	// Entries are the objects of watched kinds, the namespace among them. A Job that is done and gone has none.
	Entries []Entry
	// Waiting is the hook that everything after it waits for; zero if all groups were applied. Nothing may be pruned then, nor
	// replicas be restored.
	Waiting Key
	// Prepared says that the hooks of Set.Next are through, and the tenant can move. Stands says, of an apply that failed, that
	// only they are to blame: the set itself was applied.
	Prepared, Stands bool
	// Wanted are the keys of the set and of Set.Next, without the hooks whose events don't happen.
	Wanted []Key
	// Hooks is how far the hooks are: what [Observed.Hooks] says until a Job of theirs ends.
	Hooks string
}

// Digest is the [Digest] of what was applied and of what a prune has kept: the value that [Observed.Digest] has once the
// cache has caught up, until somebody changes something.
func (a Applied) Digest(pruned Pruned) string { return Digest(a.Entries, pruned.Kept) }

// Apply applies the namespace and then the groups, with server-side apply under v1alpha1.FieldOwner, taking over fields
// that others hold. The set is not changed.
//
// The failure of one object does not stop the others of its group, but later groups are left alone: they need what the
// earlier ones make. The error is a *[SetError], a *[NamespaceConflictError], or says that the namespace could not be
// read; what was applied until then is returned with it. Nothing may be pruned after an error.
func (a *Applier) Apply(ctx context.Context, set Set) (Applied, error) {
	ns, err := a.EnsureNamespace(ctx, set.Namespace, set.Owner, set.OwnerGone)
	if err != nil {
		return Applied{}, err
	}
	p := a.newPass(set, ns)
	waiting, succeeded, err := p.applyGroups(ctx, p.current, set.Groups)
	if err != nil {
		return p.applied(waiting, false), err
	}
	p.installed = waiting == (Key{}) && succeeded
	prepared, err := p.prepare(ctx)
	if err != nil {
		failed := p.applied(waiting, false)
		failed.Stands = true
		return failed, err
	}
	err = p.record(ctx)
	return p.applied(waiting, prepared), err
}

func (a *Applier) newPass(set Set, ns *unstructured.Unstructured) *pass {
	p := &pass{
		Applier: a, set: set, namespace: ns.GetName(), watched: map[schema.GroupKind]bool{}, entries: map[Key]Entry{},
		ran: jobsRan(ns, set.Revision), standing: ns, current: recordedHooks(ns, set.Revision), records: map[string]hookRecord{},
		preparing: map[Key]bool{},
	}
	for _, gvk := range withNamespace(a.Kinds) {
		p.watched[gvk.GroupKind()] = true
	}
	if set.Next != nil {
		p.next = recordedHooks(ns, set.Next.Revision)
		p.want(p.next, set.Next.Groups)
		for _, key := range p.wanted {
			p.preparing[key] = true
		}
	}
	p.want(p.current, set.Groups)
	p.add(ns)
	return p
}

// want notes the keys of groups, and whether they have hooks.
func (p *pass) want(of hookRecord, groups [][]*unstructured.Unstructured) {
	for _, obj := range slices.Concat(groups...) {
		event := hookEvent(obj)
		if event != "" {
			p.records[of.revision] = of
		}
		if event == "" || of.happens(event) {
			p.wanted = append(p.wanted, KeyOf(obj))
		}
	}
}

// prepare applies the hooks before the next revision. It says whether they are through.
func (p *pass) prepare(ctx context.Context) (bool, error) {
	if p.set.Next == nil {
		return false, nil
	}
	p.preparing = nil
	waiting, succeeded, err := p.applyGroups(ctx, p.next, p.set.Next.Groups)
	return waiting == (Key{}) && succeeded, err
}

// pass is one call of Apply.
type pass struct {
	*Applier
	set       Set
	namespace string
	watched   map[schema.GroupKind]bool
	// wanted are the keys of the set, but for hooks whose events don't happen.
	wanted []Key
	// standing is the namespace as it was written last.
	standing *unstructured.Unstructured
	// ran holds the names of Jobs that were made for the set's revision; it does not change while a group is applied.
	ran map[string]bool
	// current and next say how far the hooks are of the set and of what is to be prepared; records are those of the two that
	// have hooks. installed is true when a new tenant's first revision is there with all its hooks.
	current, next hookRecord
	records       map[string]hookRecord
	installed     bool
	// preparing are the keys that belong to the next revision already.
	preparing map[Key]bool

	mu       sync.Mutex
	entries  map[Key]Entry
	started  []string
	failures []*ObjectError
}

func (p *pass) applied(waiting Key, prepared bool) Applied {
	return Applied{
		Namespace: p.standing, Entries: slices.Collect(maps.Values(p.entries)), Waiting: waiting, Prepared: prepared,
		Wanted: p.wanted, Hooks: p.hooks(),
	}
}

// applyGroups applies one group after the other, and stops at a hook that has not succeeded. It gives that one's key, and says
// whether all hooks that it came to have succeeded: of a suspended tenant none is waited for.
func (p *pass) applyGroups(ctx context.Context, of hookRecord, groups [][]*unstructured.Unstructured) (Key, bool, error) {
	succeeded := true
	for _, group := range groups {
		var objects, hooks []*unstructured.Unstructured
		for _, obj := range group {
			switch event := hookEvent(obj); {
			case p.preparing[KeyOf(obj)]:
			case event == "":
				objects = append(objects, obj)
			case of.happens(event):
				hooks = append(hooks, obj)
			}
		}
		if err := p.applyGroup(ctx, objects); err != nil {
			return Key{}, false, err
		}
		for _, obj := range hooks {
			waits, err := p.applyHook(ctx, of, obj)
			if err != nil {
				return Key{}, false, setError([]*ObjectError{objectError(KeyOf(obj), err)})
			}
			succeeded = succeeded && of.states[hookID(obj)] == hookSucceeded
			if waits {
				return KeyOf(obj), false, nil
			}
		}
	}
	return Key{}, succeeded, nil
}

func (p *pass) applyGroup(ctx context.Context, group []*unstructured.Unstructured) error {
	workers := errgroup.Group{}
	workers.SetLimit(parallel)
	for _, obj := range group {
		workers.Go(func() error {
			applied, err := p.applyOne(ctx, obj)
			if err != nil {
				p.fail(objectError(KeyOf(obj), err))
			} else if applied != nil {
				p.add(applied)
			}
			return nil
		})
	}
	// The workers keep their errors in the pass, so that one failure does not hide the others.
	_ = workers.Wait()

	if len(p.started) == 0 {
		return setError(p.failures)
	}
	if err := p.record(ctx); err != nil {
		p.fail(objectError(Key{Kind: NamespaceKind.Kind, Name: p.namespace}, err))
	}
	return setError(p.failures)
}

// applyOne gives the object as it stands, or nil if it is a Job that is done and gone.
func (p *pass) applyOne(ctx context.Context, obj *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	wanted, err := p.inTenant(obj)
	if err != nil {
		return nil, err
	}
	if isJob(wanted) {
		return p.applyJob(ctx, wanted)
	}
	return p.applyObject(ctx, wanted)
}

// inTenant is a copy of the object in the tenant's namespace.
func (p *pass) inTenant(obj *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	if ns := obj.GetNamespace(); ns != "" && ns != p.namespace {
		return nil, &ObjectError{
			Kind: obj.GetKind(), Name: obj.GetName(), Reason: ReasonInvalid, Field: "metadata.namespace",
			Message: "metadata.namespace is not the tenant's", Remedy: "leave the namespace out of the template",
			Err: errors.New("object of another namespace"),
		}
	}
	wanted := obj.DeepCopy()
	wanted.SetNamespace(p.namespace)
	return wanted, nil
}

// applyObject applies the object and reads the answer into it.
func (a *Applier) applyObject(
	ctx context.Context, obj *unstructured.Unstructured,
) (*unstructured.Unstructured, error) {
	key := KeyOf(obj)
	err := a.Client.Apply(ctx, client.ApplyConfigurationFromUnstructured(obj),
		client.FieldOwner(v1alpha1.FieldOwner), client.ForceOwnership)
	if err != nil {
		return nil, objectError(key, fmt.Errorf("applying %s: %w", key, err))
	}
	return obj, nil
}

func (p *pass) add(obj *unstructured.Unstructured) {
	if !p.watched[obj.GroupVersionKind().GroupKind()] {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.entries[KeyOf(obj)] = entryOf(obj)
}

func (p *pass) fail(failure *ObjectError) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.failures = append(p.failures, failure)
}
