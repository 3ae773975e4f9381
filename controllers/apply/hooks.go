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

// hookRecord is what v1alpha1.HooksAnnotation says of a revision, as "revision=release event/name:State,event/name:State". It
// stands on the namespace while the revision has hooks, and after a semicolon that of the revision that is being prepared.
// Without it, nobody could tell a Job that was deleted after it had succeeded from one that was never made, and a revision that
// was installed from one that is about to be upgraded to.
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
	rest, ok := segments(ns)[revision]
	if !ok {
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

// segments are the parts of the annotation by revision.
func segments(ns *unstructured.Unstructured) map[string]string {
	found := map[string]string{}
	for segment := range strings.SplitSeq(ns.GetAnnotations()[v1alpha1.HooksAnnotation], ";") {
		if revision, rest, ok := strings.Cut(segment, "="); ok {
			found[revision] = rest
		}
	}
	return found
}

// String is the record's part of the annotation.
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

// hookRecords are the records of the tenant's revision and of the one that is being prepared, if they have hooks.
func (o Observed) hookRecords() (current hookRecord, all map[string]hookRecord) {
	if o.Namespace == nil {
		return hookRecord{}, nil
	}
	all = map[string]hookRecord{}
	for revision := range segments(o.Namespace) {
		all[revision] = recordedHooks(o.Namespace, revision)
	}
	return recordedHooks(o.Namespace, o.Namespace.GetLabels()[v1alpha1.RevisionLabel]), all
}

// Preparing says whether hooks are recorded of a revision that is not the tenant's: those that come before it.
func (o Observed) Preparing(revision string) bool {
	current, all := o.hookRecords()
	_, ok := all[revision]
	return ok && revision != current.revision
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

// Hooks is how far the tenant's hooks are: [Applied.Hooks] of the last apply, until a Job ends. Then what comes after it has to
// be applied. It is empty for a tenant without hooks.
func (o Observed) Hooks() string {
	current, all := o.hookRecords()
	if all == nil {
		return ""
	}
	for _, job := range o.Objects {
		revision := job.GetLabels()[v1alpha1.RevisionLabel]
		record, ok := all[revision]
		if !ok {
			record = current
		}
		if state := ended(job); state != "" && hookEvent(job) != "" && record.revision == revision {
			record.states[hookID(job)] = state
			all[revision] = record
		}
	}
	return joined(all, current.revision)
}

// joined is the annotation's value: the tenant's own revision comes first.
func joined(records map[string]hookRecord, current string) string {
	var parts []string
	for _, revision := range slices.Sorted(maps.Keys(records)) {
		if revision == current {
			parts = slices.Insert(parts, 0, records[revision].String())
		} else {
			parts = append(parts, records[revision].String())
		}
	}
	return strings.Join(parts, ";")
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

// hookJob is a hook's Job with what is known about it.
type hookJob struct {
	id string
	// of is the record of the revision that the hook belongs to.
	of hookRecord
	// job is the Job as it is wanted, existing what stands under its name, or nil.
	job, existing *unstructured.Unstructured
	// suspended says that the tenant is, cleansUp that the cluster deletes the Job some time after it has ended.
	suspended, cleansUp bool
}

// mine says whether what stands is the Job of this revision and this event.
func (h hookJob) mine() bool {
	return h.existing != nil && hookID(h.existing) == h.id && !h.foreign()
}

// foreign says whether what stands is the Job of another revision.
func (h hookJob) foreign() bool {
	return h.existing != nil && h.existing.GetLabels()[v1alpha1.RevisionLabel] != h.of.revision
}

func (h hookJob) state() hookState { return h.of.states[h.id] }

// hookJob reads what stands of a hook. Read live, as every Job.
func (p *pass) hookJob(ctx context.Context, of hookRecord, obj *unstructured.Unstructured) (hookJob, error) {
	job, err := p.inTenant(obj)
	if err != nil {
		return hookJob{}, err
	}
	labelRevision(job, of.revision)
	h := hookJob{id: hookID(job), of: of, job: job}
	h.suspended, _, _ = unstructured.NestedBool(job.Object, "spec", "suspend")
	_, h.cleansUp, _ = unstructured.NestedFieldNoCopy(job.Object, "spec", "ttlSecondsAfterFinished")
	h.existing, err = readLive(ctx, p.Live, job.GroupVersionKind(), p.namespace, job.GetName())
	return h, err
}

// applyHook brings a hook's Job as far as it gets now. It says whether what comes after the hook must wait: until the Job has
// succeeded. A Job that failed runs again if somebody deletes it.
func (p *pass) applyHook(ctx context.Context, of hookRecord, obj *unstructured.Unstructured) (waits bool, err error) {
	h, err := p.hookJob(ctx, of, obj)
	if err != nil {
		return true, err
	}
	if h.mine() && ended(h.existing) != "" {
		of.states[h.id] = ended(h.existing)
	}
	switch {
	case h.state() == hookSucceeded:
		return false, p.endHook(ctx, h)
	case h.state() == hookFailed && (h.mine() || deletePolicy(h.job, hookFailed)):
		return !h.suspended, p.endHook(ctx, h)
	case h.state() == hookStarted && h.existing == nil && h.cleansUp:
		// The cluster was faster. How the Job ended nobody knows any more.
		of.states[h.id] = hookSucceeded
		return false, p.record(ctx)
	case h.mine():
		return !h.suspended, p.continueHook(ctx, h)
	case !h.suspended:
		return true, p.startHook(ctx, h)
	case h.foreign():
		return false, p.removeJob(ctx, h.existing)
	}
	return false, nil // what has not begun does not begin while the tenant is suspended
}

// startHook makes the Job, in the place of one of another revision or event.
func (p *pass) startHook(ctx context.Context, h hookJob) error {
	if h.existing != nil {
		if err := p.removeJob(ctx, h.existing); err != nil {
			return err
		}
	}
	applied, err := p.applyObject(ctx, h.job)
	if err != nil {
		return err
	}
	p.add(applied)
	h.of.states[h.id] = hookStarted
	return p.record(ctx)
}

// continueHook resumes or suspends a Job that has not ended.
func (p *pass) continueHook(ctx context.Context, h hookJob) error {
	h.of.states[h.id] = hookStarted
	if h.existing.GetDeletionTimestamp() != nil {
		return p.record(ctx)
	}
	applied, err := p.continueJob(ctx, h.job, h.existing)
	if err != nil {
		return err
	}
	p.add(applied)
	return p.record(ctx)
}

// endHook leaves an ended Job alone or deletes it, as its delete policy says. How it ended is stored before, or it would run
// again. What a revision that never came has left behind under its name goes as well.
func (p *pass) endHook(ctx context.Context, h hookJob) error {
	if err := p.record(ctx); err != nil || h.existing == nil || h.existing.GetDeletionTimestamp() != nil {
		return err
	}
	switch {
	case h.foreign(), h.mine() && deletePolicy(h.job, h.state()):
		return p.removeJob(ctx, h.existing)
	case h.mine():
		p.add(h.existing)
	}
	return nil
}

// hooks is the record of the set's hooks; empty if it has none.
func (p *pass) hooks() string { return joined(p.records, p.set.Revision) }

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
	case p.hooks() != "" && recorded != p.hooks():
		wanted[v1alpha1.HooksAnnotation] = p.hooks()
	case p.hooks() == "" && ok:
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
