package apply

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

// The two kinds of a release. Each has its own hooks.
const (
	install = "install"
	upgrade = "upgrade"
)

// hookState is how far a hook's Job is. A hook that has not begun has none.
type hookState string

const (
	hookStarted   hookState = "Started"
	hookSucceeded hookState = "Succeeded"
	hookFailed    hookState = "Failed"
)

// hookRecord is what v1alpha1.HooksAnnotation says, as "revision=release event/name:State,event/name:State". It stands on the
// namespace while the revision has hooks. Without it, nobody could tell a Job that was deleted after it had succeeded from one
// that was never made, and a revision that was installed from one that is about to be upgraded to.
type hookRecord struct {
	revision, release string
	states            map[string]hookState
}

// recordedHooks reads the record of a revision. Where there is none yet, the revision is the tenant's first one if its
// namespace says so, and an upgrade otherwise: a tenant of unknown history is never installed anew.
func recordedHooks(ns *unstructured.Unstructured, revision string) hookRecord {
	record := hookRecord{revision: revision, release: upgrade, states: map[string]hookState{}}
	annotations := ns.GetAnnotations()
	if _, installing := annotations[v1alpha1.InstallingAnnotation]; installing {
		record.release = install
	}
	recorded, rest, _ := strings.Cut(annotations[v1alpha1.HooksAnnotation], "=")
	if recorded != revision {
		return record
	}
	release, states, _ := strings.Cut(rest, " ")
	if release == install || release == upgrade {
		record.release = release
	}
	for entry := range strings.SplitSeq(states, ",") {
		if hook, state, ok := strings.Cut(entry, ":"); ok {
			record.states[hook] = hookState(state)
		}
	}
	return record
}

// String is the annotation's value.
func (r hookRecord) String() string {
	entries := make([]string, 0, len(r.states))
	for _, hook := range slices.Sorted(maps.Keys(r.states)) {
		entries = append(entries, hook+":"+string(r.states[hook]))
	}
	return strings.TrimSpace(r.revision + "=" + r.release + " " + strings.Join(entries, ","))
}

// happens says whether the release has the event.
func (r hookRecord) happens(event string) bool { return strings.HasSuffix(event, "-"+r.release) }

// hookEvent is the event of a hook's Job; empty for everything else.
func hookEvent(obj *unstructured.Unstructured) string {
	if !isJob(obj) {
		return ""
	}
	return obj.GetAnnotations()[v1alpha1.HookAnnotation]
}

func hookID(job *unstructured.Unstructured) string { return hookEvent(job) + "/" + job.GetName() }

// ended is how a hook's Job ended; empty while it has not.
func ended(job *unstructured.Unstructured) hookState {
	switch {
	case condition(job, "Complete")["status"] == "True":
		return hookSucceeded
	case condition(job, "Failed")["status"] == "True":
		return hookFailed
	}
	return ""
}

// hookRecord is the record of the tenant's revision.
func (o Observed) hookRecord() hookRecord {
	if o.Namespace == nil {
		return hookRecord{}
	}
	return recordedHooks(o.Namespace, o.Namespace.GetLabels()[v1alpha1.RevisionLabel])
}

// judge says of a hook's Job what its own state does not: at which event it runs, and what is to be done when it failed.
func (r hookRecord) judge(job *unstructured.Unstructured, verdict Blocker) Blocker {
	event := hookEvent(job)
	if event == "" || job.GetLabels()[v1alpha1.RevisionLabel] != r.revision {
		return verdict
	}
	switch {
	case verdict.State == StateReady && ended(job) == hookSucceeded && r.states[hookID(job)] != hookSucceeded:
		verdict = blocked(StateProgressing, "HookEnded", "the hook is complete, and what comes after it is about to be applied")
	case verdict.State == StateFailed:
		verdict.Message = fmt.Sprintf("the %s hook failed: %s", event, verdict.Message)
		verdict.Remedy = fmt.Sprintf("read its log, correct the cause, and run it again by deleting it: kubectl delete job %s -n %s; "+
			"a new revision of the product runs its hooks as well", job.GetName(), job.GetNamespace())
	case verdict.State == StateProgressing && verdict.Reason == "JobRunning":
		verdict.Message = fmt.Sprintf("the %s hook is not complete yet", event)
	}
	if verdict.State != StateReady {
		verdict.Hook = event
	}
	return verdict
}

// gone gives the hooks that failed and whose Jobs were deleted after that, with what is to be done.
func (r hookRecord) gone(namespace string, entries []Entry) map[Key]Blocker {
	failed := map[Key]Blocker{}
	for id, state := range r.states {
		event, name, _ := strings.Cut(id, "/")
		key := Key{Group: "batch", Kind: "Job", Name: name}
		if state != hookFailed || slices.ContainsFunc(entries, func(e Entry) bool { return e.Key == key }) {
			continue
		}
		verdict := blocked(StateFailed, "HookFailed", fmt.Sprintf("the %s hook failed, and its Job is deleted", event))
		verdict.Hook = event
		verdict.Remedy = fmt.Sprintf("correct the cause, and run those hooks again whose Jobs are gone: kubectl annotate namespace %s %s-; "+
			"a new revision of the product runs its hooks as well. Without hook-failed in helm.sh/hook-delete-policy, the Job stays "+
			"with its log", namespace, v1alpha1.HooksAnnotation)
		failed[key] = verdict
	}
	return failed
}

// Hooks is how far the hooks of the tenant's revision are: [Applied.Hooks] of the last apply, until a Job ends. Then what comes
// after it has to be applied. It is empty for a tenant without hooks.
func (o Observed) Hooks() string {
	if o.Namespace == nil {
		return ""
	}
	record := o.hookRecord()
	known := strings.HasPrefix(o.Namespace.GetAnnotations()[v1alpha1.HooksAnnotation], record.revision+"=")
	for _, job := range o.Objects {
		if state := ended(job); state != "" && hookEvent(job) != "" && job.GetLabels()[v1alpha1.RevisionLabel] == record.revision {
			record.states[hookID(job)] = state
			known = true
		}
	}
	if !known {
		return ""
	}
	return record.String()
}

// deletePolicy says whether the chart wants a hook's Job deleted after it has ended like this. That a Job is deleted before it
// is made again goes without saying.
func deletePolicy(job *unstructured.Unstructured, state hookState) bool {
	policies := map[hookState]string{hookSucceeded: "hook-succeeded", hookFailed: "hook-failed"}
	for policy := range strings.SplitSeq(job.GetAnnotations()["helm.sh/hook-delete-policy"], ",") {
		if strings.EqualFold(strings.TrimSpace(policy), policies[state]) {
			return true
		}
	}
	return false
}

// applyHook brings a hook's Job as far as it gets now. It says whether what comes after the hook must wait: until the Job has
// succeeded. A Job that failed runs again if somebody deletes it.
func (p *pass) applyHook(ctx context.Context, obj *unstructured.Unstructured) (waits bool, err error) {
	job, err := p.inTenant(obj)
	if err != nil {
		return true, err
	}
	labelRevision(job, p.set.Revision)
	existing, err := readLive(ctx, p.Live, job.GroupVersionKind(), p.namespace, job.GetName())
	if err != nil {
		return true, err
	}
	id := hookID(job)
	mine := existing != nil && hookID(existing) == id && existing.GetLabels()[v1alpha1.RevisionLabel] == p.set.Revision
	if mine && ended(existing) != "" {
		p.hooks.states[id] = ended(existing)
	}
	state := p.hooks.states[id]
	suspended, _, _ := unstructured.NestedBool(job.Object, "spec", "suspend")
	_, cleansUp, _ := unstructured.NestedFieldNoCopy(job.Object, "spec", "ttlSecondsAfterFinished")
	switch {
	case state == hookSucceeded:
		return false, p.endHook(ctx, job, existing, mine)
	case state == hookFailed && (mine || deletePolicy(job, hookFailed)):
		return !suspended, p.endHook(ctx, job, existing, mine)
	case state == hookStarted && existing == nil && cleansUp:
		// The cluster deletes such a Job when it has ended, and was faster. How it ended nobody knows any more.
		p.hooks.states[id] = hookSucceeded
		return false, p.record(ctx)
	case suspended:
		return false, p.restHook(ctx, job, existing, mine)
	case mine:
		return true, p.continueHook(ctx, job, existing)
	default:
		return true, p.startHook(ctx, job, existing)
	}
}

// startHook makes the Job, in the place of one of another revision or event.
func (p *pass) startHook(ctx context.Context, job, existing *unstructured.Unstructured) error {
	if existing != nil {
		if err := p.removeJob(ctx, existing); err != nil {
			return err
		}
	}
	applied, err := p.applyObject(ctx, job)
	if err != nil {
		return err
	}
	p.add(applied)
	p.hooks.states[hookID(job)] = hookStarted
	return p.record(ctx)
}

// continueHook resumes or suspends a Job that has not ended.
func (p *pass) continueHook(ctx context.Context, job, existing *unstructured.Unstructured) error {
	p.hooks.states[hookID(job)] = hookStarted
	if existing.GetDeletionTimestamp() != nil {
		return p.record(ctx)
	}
	applied, err := p.continueJob(ctx, job, existing)
	if err != nil {
		return err
	}
	p.add(applied)
	return p.record(ctx)
}

// restHook stops the Job of a suspended tenant. One that has not begun does not begin.
func (p *pass) restHook(ctx context.Context, job, existing *unstructured.Unstructured, mine bool) error {
	switch {
	case mine:
		return p.continueHook(ctx, job, existing)
	case existing != nil && existing.GetLabels()[v1alpha1.RevisionLabel] != p.set.Revision:
		return client.IgnoreNotFound(p.removeJob(ctx, existing))
	}
	return nil
}

// endHook leaves an ended Job alone or deletes it, as its delete policy says. How it ended is stored before, or it would run
// again.
func (p *pass) endHook(ctx context.Context, job, existing *unstructured.Unstructured, mine bool) error {
	if err := p.record(ctx); err != nil || !mine || existing.GetDeletionTimestamp() != nil {
		return err
	}
	if deletePolicy(job, p.hooks.states[hookID(job)]) {
		return p.removeJob(ctx, existing)
	}
	p.add(existing)
	return nil
}

// record writes down on the namespace what has happened to Jobs and hooks since the last record.
func (p *pass) record(ctx context.Context) error {
	wanted := map[string]any{}
	if len(p.started) > 0 {
		for _, name := range p.started {
			p.ran[name] = true
		}
		p.started = nil
		wanted[JobsRanAnnotation] = p.set.Revision + "=" + strings.Join(slices.Sorted(maps.Keys(p.ran)), ",")
	}
	standing := p.standing.GetAnnotations()
	if _, installing := standing[v1alpha1.InstallingAnnotation]; installing && p.installed {
		wanted[v1alpha1.InstallingAnnotation] = nil
	}
	switch recorded, ok := standing[v1alpha1.HooksAnnotation]; {
	case p.hooked && recorded != p.hooks.String():
		wanted[v1alpha1.HooksAnnotation] = p.hooks.String()
	case !p.hooked && ok:
		// The same revision may come back, and its hooks run again then.
		wanted[v1alpha1.HooksAnnotation] = nil
	}
	if len(wanted) == 0 {
		return nil
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": wanted}})
	if err != nil {
		return fmt.Errorf("encoding the record of Jobs: %w", err)
	}
	ns := newObject(NamespaceKind, "", p.namespace)
	if err := p.Client.Patch(ctx, ns, mergePatch(patch), client.FieldOwner(recordOwner)); err != nil {
		return objectError(KeyOf(ns), fmt.Errorf("recording the Jobs of revision %s: %w", p.set.Revision, err))
	}
	p.standing = ns
	p.add(ns)
	return nil
}
