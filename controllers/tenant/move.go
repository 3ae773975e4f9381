package tenant

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/sets"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/apply"
)

// Moved is what became of a move.
type Moved struct {
	Shaped
	// Moved says that the tenant is on the new revision.
	Moved bool
	// Checked says that the API server took all of the new revision in a dry run, now or in a call before. Without it, nothing in the
	// tenant was changed.
	Checked bool
	// TakenBack says that the move failed half-way, and that the former set was applied again.
	TakenBack bool
}

// Prepare applies what has to be done before a tenant moves to another revision: the hooks before it and what they need, which are the
// groups of the set. The tenant stays as it is. Shaped.Stands says that it can move.
func (t *Tenants) Prepare(ctx context.Context, st Standing, s Set) (Shaped, error) {
	p := t.newPass(st, s)
	p.besides = []string{st.Pin()}
	if !st.Owned(s.Owner) {
		p.result.Refusals = []Refusal{{Key: Key{Kind: kindNamespace.Kind, Name: st.Name}, Reason: ReasonNotOwned, Message: "there is no tenant to prepare"}}
		return p.result, nil
	}
	for _, refusal := range p.check(ctx) {
		p.refuse(refusal)
	}
	if len(p.result.Refusals) == 0 {
		p.run(ctx)
	}
	if err := p.remember(ctx); err != nil {
		return p.result, err
	}
	p.letGo(ctx)
	p.result.Stands = p.stands() && (!s.Stopped || p.ran()) // what has not begun does not begin while the tenant is stopped
	return p.result, nil
}

// Check says what the API server refuses of a set, in a dry run: before its first hook runs, because a hook can't be taken back. It asks
// nothing once a Job of the revision has begun.
func (t *Tenants) Check(ctx context.Context, st Standing, next Set) []Refusal {
	if len(JobsOf(st.Namespace, next.Revision).States) > 0 {
		return nil
	}
	return sortRefusals(t.newPass(st, next).check(ctx))
}

// ran says whether each hook of the set has succeeded.
func (p *pass) ran() bool {
	for _, c := range p.contents {
		if hookEvent(c.obj) != "" && p.jobs.happens(c.obj) && p.jobs.States[jobID(c.obj)].State != JobSucceeded {
			return false
		}
	}
	return true
}

// Move brings a tenant from the former set to the next one, all of it or nothing. It begins with a dry run of everything that would
// change. A refusal there leaves the tenant as it is; one that comes later has the former set applied again. The pin is written when the
// next set stands. What may succeed by itself is left half-way, and the next call goes on from there.
//
// The error is of the namespace; what happened to single objects is in the result.
func (t *Tenants) Move(ctx context.Context, st Standing, former, next Set) (Moved, error) {
	fresh, err := t.freshNamespace(ctx, st, next.Owner)
	if err != nil {
		return Moved{Shaped: Shaped{Standing: st}}, err
	}
	p := t.newPass(fresh, next)
	p.besides = []string{former.Revision}
	if refusals := p.check(ctx); len(refusals) > 0 {
		p.result.Refusals = sortRefusals(refusals)
		return Moved{Shaped: p.result, Checked: underWay(refusals)}, nil
	}
	if p.hooksDue() {
		return Moved{Shaped: p.result}, nil // a stopped tenant runs no hook, and is not moved past one
	}
	moved := Moved{Checked: true}
	if err := p.patchNamespace(ctx, &p.result.Standing, namespaceOf(next, fresh.Pin())); err != nil {
		return Moved{Shaped: p.result, Checked: true}, err
	}
	p.moving = true
	p.run(ctx)
	switch {
	case p.failed():
		// The former set keeps what is on record.
		if err := p.remember(ctx); err != nil {
			return Moved{Shaped: p.result, Checked: true}, err
		}
		p.letGo(ctx)
		return t.takeBack(ctx, p, former)
	case !p.arrived():
		moved.Shaped, err = p.finish(ctx)
		return moved, err
	}
	return p.pinned(ctx)
}

// underWay says whether all that is refused is what a move that has begun still waits for.
func underWay(refusals []Refusal) bool {
	return !slices.ContainsFunc(refusals, func(r Refusal) bool { return r.Reason != ReasonReplacing })
}

// hooksDue says whether hooks that come before the revision have not run, and can't because the tenant is stopped.
func (p *pass) hooksDue() bool {
	for _, c := range p.contents {
		if p.set.Stopped && strings.HasPrefix(hookEvent(c.obj), "pre-") && p.jobs.happens(c.obj) && p.jobs.States[jobID(c.obj)].State != JobSucceeded {
			return true
		}
	}
	return false
}

// freshNamespace reads the namespace live: a process that has just become the leader may have an old cache, and would move a tenant back.
func (t *Tenants) freshNamespace(ctx context.Context, st Standing, owner apply.Owner) (Standing, error) {
	ns := newObject(apply.NamespaceKind, "", st.Name)
	if err := t.Live.Get(ctx, client.ObjectKeyFromObject(ns), ns); err != nil {
		return st, fmt.Errorf("reading namespace %s: %w", st.Name, err)
	}
	if !apply.Recorded(ns, owner) {
		return st, &apply.NamespaceConflictError{Namespace: st.Name, Message: "it does not record this instance", Remedy: "check which instance owns it"}
	}
	fresh := st.clone()
	t.wrote(&fresh, ns)
	return fresh, nil
}

// onlyJobs says whether nothing but Jobs has failed: they are a state of the new revision, not a refusal of it.
func onlyJobs(refusals []Refusal) bool {
	for _, r := range Blocked(refusals) {
		if r.Reason != ReasonJobFailed {
			return false
		}
	}
	return true
}

// arrived says whether the set stands as far as it decides about the pin: all of it but hooks that come after everything.
func (p *pass) arrived() bool {
	if len(p.result.Unsaid) > 0 || Retry(p.result.Refusals) != nil {
		return false
	}
	if p.result.Waiting == (Key{}) {
		return true
	}
	for _, c := range p.contents {
		if c.key == p.result.Waiting && strings.HasPrefix(hookEvent(c.obj), "post-") {
			return true
		}
	}
	return false
}

// pinned writes the pin, deletes what the former revision had, and reports.
func (p *pass) pinned(ctx context.Context) (Moved, error) {
	p.besides = nil
	p.result.Stands = p.stands()
	want := namespaceOf(p.set, p.set.Revision)
	for key, value := range p.notes() {
		want.annotations[key] = value
	}
	if err := p.patchNamespace(ctx, &p.result.Standing, want); err != nil {
		return Moved{Shaped: p.result, Checked: true}, err
	}
	p.letGo(ctx)
	if p.stands() {
		p.prune(ctx)
	}
	p.result.Stands = p.stands()
	sortRefusals(p.result.Refusals)
	return Moved{Shaped: p.result, Checked: true, Moved: true}, nil
}

// takeBack applies the former set again. What was refused of the new one is what is reported.
func (t *Tenants) takeBack(ctx context.Context, p *pass, former Set) (Moved, error) {
	refusals := p.result.Refusals
	if former.Revision == "" {
		// Nothing is known that could be applied again.
		p.result.Stands = false
		return Moved{Shaped: p.result, Checked: true, TakenBack: true}, nil
	}
	former.Next = p.set.Revision
	back, err := t.Shape(ctx, p.result.Standing, former)
	back.Wrote += p.result.Wrote
	back.Refusals = sortRefusals(append(refusals, back.Refusals...))
	back.Stands = false
	return Moved{Shaped: back, Checked: true, TakenBack: true}, err
}

// check asks the API server, in a dry run, whether it would take all that would change. What it refuses only for want of a known step is
// no refusal, where the step itself is possible.
func (p *pass) check(ctx context.Context) []Refusal {
	var actions []action
	for _, c := range p.contents {
		switch {
		case c.key.GroupKind() == kindJob:
			if _, stands := p.before.Objects[c.key]; !stands && p.jobs.happens(c.obj) && p.jobs.States[jobID(c.obj)].State == "" {
				actions = append(actions, action{content: c, why: create, applies: true})
			}
		case !p.before.watched.Has(c.key.GroupKind()):
			if !p.carriesAlready(c) {
				actions = append(actions, action{content: c, why: recontent, applies: true})
			}
		default:
			if a, ok := planObject(p.before.Objects[c.key], p.set, p.carrying(c), p.Ownership.Expected); ok && a.applies {
				actions = append(actions, a)
			}
		}
	}
	var refusals []Refusal
	p.each(actions, func(a action) {
		if refusal := p.checkOne(ctx, a); refusal != nil {
			p.mu.Lock()
			defer p.mu.Unlock()
			refusals = append(refusals, *refusal)
		}
	})
	left := exchanged(given(refusals))
	for _, r := range refusals {
		if !slices.ContainsFunc(left, func(l Refusal) bool { return l.Key == r.Key }) {
			p.awaits.Insert(r.Key)
		}
	}
	return left
}

// given leaves out what is refused for something that an object which was taken gives up. Two that wait for each other stay refused.
func given(refusals []Refusal) []Refusal {
	for {
		refused := sets.New[Key]()
		for _, r := range refusals {
			refused.Insert(r.Key)
		}
		left := slices.DeleteFunc(slices.Clone(refusals), func(r Refusal) bool { return r.After != (Key{}) && !refused.Has(r.After) })
		if len(left) == len(refusals) {
			return left
		}
		refusals = left
	}
}

// carriesAlready says whether what stands was applied with the same content of an object that is not watched.
func (p *pass) carriesAlready(c content) bool {
	hash, name := p.set.carriedHash(c), carriedName(c.key)
	for _, obj := range p.before.Objects {
		if hash != "" && carries(obj)[name] == hash {
			return true
		}
	}
	return hash != "" && carries(p.before.Namespace)[name] == hash
}

func (p *pass) checkOne(ctx context.Context, a action) *Refusal {
	obj := a.obj
	if a.standing == nil && a.why == create {
		obj = a.fresh
	}
	if a.standing != nil && a.standing.GetDeletionTimestamp() != nil {
		return nil // it is on its way out, and made anew
	}
	if held := p.hostHeld(ctx, a); held != nil {
		return held
	}
	_, err := p.apply(ctx, obj, ShapeOwner, client.DryRunAll)
	if err == nil {
		return nil
	}
	if apply.Explain(a.key, err).Retryable() || !p.before.watched.Has(a.key.GroupKind()) {
		r := refused(a.key, fmt.Errorf("trying %s: %w", a.key, err))
		return &r
	}
	s, refusal, live, readErr := p.stepFor(ctx, a, obj, err)
	switch {
	case readErr != nil:
		r := refused(a.key, readErr)
		return &r
	case refusal != nil:
		return refusal
	case s == nil, s.after != Key{}:
		r := refused(a.key, fmt.Errorf("trying %s: %w", a.key, err)).withValues(live, obj)
		if s != nil {
			r.After = s.after
		}
		return &r
	}
	if err := p.checkStep(ctx, live, s); err != nil {
		r := refused(a.key, err)
		return &r
	}
	return nil
}

// checkStep asks whether a step itself would be taken.
func (p *pass) checkStep(ctx context.Context, live *unstructured.Unstructured, s *step) error {
	switch {
	case s.clear != nil:
		patch, err := mergePatch(s.clear)
		if err != nil {
			return err
		}
		return p.Client.Patch(ctx, like(live), patch, client.FieldOwner(repairOwner), client.DryRunAll)
	case s.restore != nil:
		return p.restore(ctx, live, s, client.DryRunAll)
	case s.recreate:
		return p.growClaims(ctx, live, s, client.DryRunAll)
	}
	return nil
}

// Beside are the objects of the groups that [Tenants.Prepare] applies for the next revision, for Set.Besides of the tenant's own.
func Beside(groups [][]*unstructured.Unstructured) sets.Set[Key] {
	keys := sets.New[Key]()
	for _, group := range groups {
		for _, obj := range group {
			keys.Insert(keyOf(obj))
		}
	}
	return keys
}

// Installing says whether the tenant's first revision is not there yet with all its hooks.
func (s Standing) Installing() bool {
	if s.Namespace == nil {
		return true
	}
	_, installing := annotation(s.Namespace, v1alpha1.InstallingAnnotation)
	return installing
}
