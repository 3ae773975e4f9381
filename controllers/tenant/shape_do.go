package tenant

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/sets"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/apply"
	"github.com/stallkeeper/stallkeeper/controllers/workload"
)

// Shaped is what an apply has done.
type Shaped struct {
	// Standing is what stands now.
	Standing Standing
	// Wrote is how many requests were to change an object; those to the namespace are not counted.
	Wrote int
	// Refusals are the objects that are not as they should be. Each holds back what needs it and nothing else.
	Refusals []Refusal
	// Waiting is the hook that what comes after it waits for; zero if all groups were applied.
	Waiting Key
	// Stands says that the whole set stands: nothing was refused, held back, or waits.
	Stands bool
	// Orphans are the objects that the set has no more and that stay, as Kind/name, sorted.
	Orphans []string
	// Unsaid is what keeps an object from being put right for a while, because somebody changes it again and again.
	Unsaid []Refusal
}

// Shape makes what stands what the set says, and writes only what differs. The tenant stays on its revision: the set is of the one that
// its namespace is pinned to, or of the first one.
//
// The error is a *[apply.NamespaceConflictError], or says why nothing could be done at all; what happened to single objects is in
// the result.
func (t *Tenants) Shape(ctx context.Context, st Standing, s Set) (Shaped, error) {
	p := t.newPass(st, s)
	made, err := t.claim(ctx, &p.result.Standing, s)
	if err != nil {
		return p.result, err
	}
	p.made = made
	if err := t.patchNamespace(ctx, &p.result.Standing, namespaceOf(s, p.pin())); err != nil {
		return p.result, err
	}
	if pin := p.pin(); pin != s.Revision && !p.result.Standing.Installing() {
		// An old cache showed no namespace. What the set leaves out would be reset to the API server's defaults.
		return p.result, fmt.Errorf("namespace %s has revision %q, which the cache does not show yet", st.Name, pin)
	}
	p.run(ctx)
	if p.stands() {
		p.prune(ctx)
	}
	return p.finish(ctx)
}

// pass is one call of Shape or Move.
type pass struct {
	*Tenants
	set      Set
	contents []content
	before   Standing
	jobs     Jobs
	// besides are other revisions whose Jobs stay on record.
	besides []string
	// made says that this pass has made the namespace, so that nothing stands in it.
	made bool
	// ended are Jobs that may go once the namespace has their ends on record.
	ended []endedJob
	// moving says that the tenant comes from another revision, and goes back to it when anything is refused.
	moving  bool
	refused sets.Set[Key]
	// awaits are the objects whose dry run was refused for what another one of the set gives up.
	awaits sets.Set[Key]
	// carried are the hashes of a group's objects that are not watched; loose those of groups without an object that could carry them,
	// which the namespace carries.
	carried, loose map[string]string

	mu     sync.Mutex
	result Shaped
}

func (t *Tenants) newPass(st Standing, s Set) *pass {
	p := &pass{Tenants: t, set: s, before: st, result: Shaped{Standing: st.clone()}, refused: sets.New[Key](), awaits: sets.New[Key]()}
	p.carried, p.loose = map[string]string{}, map[string]string{}
	p.jobs, p.besides = JobsOf(st.Namespace, s.Revision), []string{s.Next}
	if st.Namespace == nil {
		p.jobs.Install = hasHooks(s)
	}
	p.contents = contents(s, st)
	return p
}

// pin is the revision that the namespace keeps while the set is shaped.
func (p *pass) pin() string {
	if pinned := p.result.Standing.Pin(); pinned != "" {
		return pinned
	}
	return p.set.Revision
}

func (p *pass) stands() bool {
	return p.result.Waiting == Key{} && len(p.result.Refusals) == 0 && len(p.result.Unsaid) == 0
}

// run applies one group after the other, up to a hook that has not ended.
func (p *pass) run(ctx context.Context) {
	for i := range p.set.Groups {
		jobs, others := p.groupOf(i)
		p.group(ctx, others)
		if p.failed() {
			return
		}
		for _, c := range jobs {
			if waits := p.job(ctx, c); waits {
				p.result.Waiting = c.key
				return
			}
		}
	}
}

// groupOf are the contents of a group.
func (p *pass) groupOf(i int) (jobs, others []content) {
	for _, c := range p.contents {
		switch {
		case c.group != i || p.set.Besides.Has(c.key):
		case c.key.GroupKind() == kindJob:
			jobs = append(jobs, c)
		default:
			others = append(others, c)
		}
	}
	return jobs, others
}

// group applies the objects of a group that differ: those that are not watched first, what carries their hashes last.
func (p *pass) group(ctx context.Context, group []content) {
	carrier := carrierOf(group, p.before.watched)
	p.unwatched(ctx, group, carrier)
	var actions []action
	for _, c := range group {
		if c.key == carrier {
			c = carry(c, p.carried)
		}
		actions = append(actions, planShape(p.result.Standing, p.set, []content{c}, p.Ownership.Expected)...)
	}
	if !p.moving {
		p.every(ctx, actions)
		return
	}
	// Objects that are each taken in a dry run may stand in each other's way. Pods that run are replaced once nothing else can fail.
	rest := slices.DeleteFunc(slices.Clone(actions), rolls)
	p.every(ctx, rest)
	if !p.failed() {
		p.every(ctx, slices.DeleteFunc(actions, func(a action) bool { return !rolls(a) }))
	}
}

// rolls says whether an action changes a workload that stands.
func rolls(a action) bool {
	return a.standing != nil && workload.PodTemplatePath(a.key.GroupKind()) != nil
}

// failed says whether a move is to be taken back.
func (p *pass) failed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.moving && len(Blocked(p.result.Refusals)) > 0 && !onlyJobs(p.result.Refusals)
}

// every does actions at the same time. What one of them fails at holds back those of later groups only.
func (p *pass) every(ctx context.Context, actions []action) {
	refused := p.refused.Clone()
	p.each(actions, func(a action) {
		if need, ok := needs(a, refused); ok {
			p.refuse(heldBack(a.key, need))
			return
		}
		p.one(ctx, a)
	})
}

func (p *pass) each(actions []action, do func(action)) {
	workers := errgroup.Group{}
	workers.SetLimit(parallel)
	for _, a := range actions {
		workers.Go(func() error {
			do(a)
			return nil
		})
	}
	_ = workers.Wait() // each keeps its own error
}

// unwatched applies the objects whose hashes the carrier does not have.
func (p *pass) unwatched(ctx context.Context, group []content, carrier Key) {
	known := carries(p.result.Standing.Objects[carrier])
	if carrier == (Key{}) {
		known = carries(p.result.Standing.Namespace)
	}
	p.carried = map[string]string{}
	var actions []action
	for _, c := range group {
		if p.before.watched.Has(c.key.GroupKind()) || c.key.GroupKind() == kindJob {
			continue
		}
		hash := p.set.carriedHash(c)
		if name := carriedName(c.key); hash != "" && known[name] == hash {
			p.carried[name] = hash
			continue
		} else if former, ok := known[name]; ok {
			p.carried[name] = former
		}
		actions = append(actions, action{content: c, why: recontent, applies: true})
	}
	p.every(ctx, actions)
	if carrier == (Key{}) {
		for name, hash := range p.carried {
			p.loose[name] = hash
		}
	}
}

// carry gives a content with what it carries.
func carry(c content, carried map[string]string) content {
	add := func(obj *unstructured.Unstructured) *unstructured.Unstructured {
		obj = obj.DeepCopy()
		hash, _ := annotation(obj, ContentHashAnnotation)
		setAnnotation(obj, CarriesAnnotation, joinCarries(carried))
		setAnnotation(obj, ContentHashAnnotation, digest([]any{hash, carried}))
		return obj
	}
	c.obj, c.fresh = add(c.obj), add(c.fresh)
	return c
}

// carrying is a content as it is applied once all that is not watched of its group was.
func (p *pass) carrying(c content) content {
	_, group := p.groupOf(c.group)
	if c.key != carrierOf(group, p.before.watched) {
		return c
	}
	carried := map[string]string{}
	for _, other := range group {
		if hash := p.set.carriedHash(other); hash != "" && !p.before.watched.Has(other.key.GroupKind()) {
			carried[carriedName(other.key)] = hash
		}
	}
	return carry(c, carried)
}

// one does an action.
func (p *pass) one(ctx context.Context, a action) {
	if a.standing != nil && a.standing.GetDeletionTimestamp() != nil {
		p.refuse(leaving(a.key))
		return
	}
	if a.standing != nil && a.why != recontent && p.wait(a) {
		return
	}
	if held := p.hostHeld(ctx, a); held != nil {
		p.refuse(*held)
		return
	}
	answer, err := p.do(ctx, a)
	if err != nil {
		p.refuse(p.explain(ctx, a, err))
		return
	}
	if answer == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wrote(&p.result.Standing, answer)
	if !p.before.watched.Has(a.key.GroupKind()) {
		if hash := p.set.carriedHash(a.content); hash != "" {
			p.carried[carriedName(a.key)] = hash
		}
	}
}

// leaving says that an object has to be gone before it can be made anew.
func leaving(key Key) Refusal {
	return Refusal{Key: key, Reason: string(apply.ReasonTransient), Message: "it is being deleted and will be recreated", Retry: true}
}

// wait says whether an object that a person has changed is left alone for a while.
func (p *pass) wait(a action) bool {
	now := p.Clock.Now()
	until := p.repairs.held(p.before.Name, a.key, now)
	if until.IsZero() {
		p.repairs.note(p.before.Name, a.key, now)
		return false
	}
	other := otherManagers(unwelcome(a.standing, p.set.Managers))
	if other == "" {
		other = apply.OtherManager(a.standing)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.result.Unsaid = append(p.result.Unsaid, Refusal{
		Key: a.key, Reason: ReasonDrift, Message: fmt.Sprintf("conflicting writes by field manager %q; backing off", other),
		Remedy: "let only one field manager own these fields",
	})
	if p.result.Standing.Again.IsZero() || until.Before(p.result.Standing.Again) {
		p.result.Standing.Again = until
	}
	return true
}

// do writes one object: what power has to hold first, the content, and then away with what others have added.
func (p *pass) do(ctx context.Context, a action) (*unstructured.Unstructured, error) {
	a, answer, err := p.afresh(ctx, a)
	if answer != nil || err != nil {
		return answer, err
	}
	if a.hold != nil {
		if answer, err = p.apply(ctx, a.hold, PowerOwner); err != nil {
			return nil, fmt.Errorf("holding %s: %w", a.key, err)
		}
		p.count()
	}
	if a.applies {
		if answer, err = p.applyContent(ctx, a); err != nil || answer == nil {
			return nil, err
		}
	}
	if !a.clean {
		return answer, nil
	}
	// What was ours is ours again by now, and what is left of the others' is in addition.
	if answer, err = p.clean(ctx, a); err != nil {
		return nil, fmt.Errorf("correcting drift of %s: %w", a.key, err)
	}
	return answer, nil
}

// afresh plans an object once more on what is read live, where an old cache would cost a number: what leaves out a field that power or an
// autoscaler is to hold resets it, if nothing holds it by now, and what is made stopped replaces the number that is kept. What stands as
// it should is the answer.
func (p *pass) afresh(ctx context.Context, a action) (action, *unstructured.Unstructured, error) {
	if !a.applies || !p.leavesOut(a) {
		return a, nil, nil
	}
	live, err := readLive(ctx, p.Live, like(a.obj))
	if err != nil {
		return a, nil, err
	}
	if live != nil {
		live = seen(live)
	}
	planned, differs := planObject(live, p.set, a.content, p.Ownership.Expected)
	if !differs {
		return a, live, nil
	}
	return planned, nil, nil
}

// leavesOut says whether the content of an action leaves fields to power or to an autoscaler.
func (p *pass) leavesOut(a action) bool {
	kind := a.key.GroupKind()
	if p.set.Stopped {
		_, patched := p.set.Patches[kind]
		return patched || stoppable(kind)
	}
	_, sets := number(a.obj, "spec", "replicas")
	// A workload that the cache does not show may stand all the same, unless its namespace is as new as this pass.
	return (a.standing != nil || !p.made) && hasReplicas(kind) && !sets
}

// applyContent applies the content, and learns from the answer.
func (p *pass) applyContent(ctx context.Context, a action) (*unstructured.Unstructured, error) {
	obj := a.obj
	if a.standing == nil && p.before.watched.Has(a.key.GroupKind()) {
		obj = a.fresh
	}
	answer, err := p.applyWithSteps(ctx, a, obj)
	if err != nil || answer == nil {
		return nil, err
	}
	if a.standing != nil || !p.set.Stopped {
		p.Ownership.Learn(obj, answer)
	}
	if a.why == revalue && valueDiffers(seen(answer), a.obj) {
		// Power holds a value that the template leaves to the server, and that was not given back.
		if answer, err = p.apply(ctx, power(answer), PowerOwner); err != nil {
			return nil, fmt.Errorf("giving back %s: %w", a.key, err)
		}
		p.count()
	}
	return answer, nil
}

// clean takes away what others have added, on what is read live.
func (p *pass) clean(ctx context.Context, a action) (*unstructured.Unstructured, error) {
	live, err := readLive(ctx, p.Live, like(a.obj))
	if err != nil || live == nil {
		return nil, err
	}
	rest, changed := cleaned(live, p.set.Managers)
	if !changed {
		return live, nil
	}
	patch := client.MergeFromWithOptions(live, client.MergeFromWithOptimisticLock{})
	if err := p.Client.Patch(ctx, rest, patch, client.FieldOwner(repairOwner)); err != nil {
		return nil, err
	}
	p.count()
	return rest, nil
}

func (p *pass) count() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.result.Wrote++
}

func (p *pass) refuse(r Refusal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refused.Insert(r.Key)
	p.result.Refusals = append(p.result.Refusals, r)
}

// explain sorts an error, with the values of the field where the API server named one.
func (p *pass) explain(ctx context.Context, a action, err error) Refusal {
	r := refused(a.key, err)
	if r.Retry || r.Field == "" || a.key.GroupKind() == kindSecret {
		return r
	}
	live, readErr := readLive(ctx, p.Live, like(a.obj))
	if readErr != nil {
		return r // the values are a kindness
	}
	return r.withValues(live, a.obj)
}

// prune deletes what an earlier revision had and the set has no more, and lists what stays.
func (p *pass) prune(ctx context.Context) {
	applier := &apply.Applier{Client: p.Client, Cache: p.Cache, Live: p.Live, Kinds: p.Kinds}
	observed := apply.Observed{Namespace: p.result.Standing.Namespace, Objects: p.result.Standing.Objects}
	pruned, err := applier.Prune(ctx, observed, p.set.Owner, p.wanted(), p.keeps)
	for _, failure := range apply.ObjectErrors(err) {
		p.refuse(refused(Key{Kind: failure.Kind, Name: failure.Name}, failure))
	}
	for _, key := range pruned.Deleted {
		p.result.Wrote++
		p.deleted(&p.result.Standing, key, p.result.Standing.Objects[key].GetUID())
	}
	p.result.Orphans = pruned.Orphans
}

// keeps says whether an object stays although the set has it no more.
func (p *pass) keeps(obj *unstructured.Unstructured) bool {
	return kindOf(obj) == kindClaim || p.set.Keep != nil && p.set.Keep(obj)
}

// wanted are the keys of the set, without hooks whose events don't happen, and of what was made for the next revision.
func (p *pass) wanted() []Key {
	keys := p.set.Besides.UnsortedList()
	for _, c := range p.contents {
		if c.key.GroupKind() != kindJob || p.jobs.happens(c.obj) {
			keys = append(keys, c.key)
		}
	}
	return keys
}

// finish writes down on the namespace what must not be forgotten, all in one write, and none where nothing is new.
func (p *pass) finish(ctx context.Context) (Shaped, error) {
	p.result.Refusals = exchanged(p.result.Refusals)
	p.result.Stands = p.stands()
	if err := p.patchNamespace(ctx, &p.result.Standing, wantedNamespace{annotations: p.notes()}); err != nil {
		sortRefusals(p.result.Refusals)
		return p.result, err
	}
	p.letGo(ctx)
	p.result.Stands = p.stands()
	sortRefusals(p.result.Refusals)
	return p.result, nil
}

// notes are the annotations of the namespace that this pass knows.
func (p *pass) notes() map[string]any {
	notes := map[string]any{}
	notes[JobsAnnotation] = p.jobsNote()
	notes[CarriesAnnotation] = carriesNote(p.loose)
	if p.result.Stands && p.jobs.Install {
		notes[v1alpha1.InstallingAnnotation] = nil
	}
	recreated := recreatedOf(p.result.Standing.Namespace)
	for name := range recreated {
		for key := range p.result.Standing.Objects {
			if key.String() == name {
				delete(recreated, name)
			}
		}
	}
	notes[RecreatedAnnotation] = recreated.annotation()
	return notes
}
