package tenant

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/apply"
)

// The two kinds of a release. Each has its own hooks.
const (
	install = "install"
	upgrade = "upgrade"
)

// JobState is how far a Job is. One that has not begun has none.
type JobState string

// States of a Job.
const (
	JobStarted   JobState = "Started"
	JobSucceeded JobState = "Succeeded"
	JobFailed    JobState = "Failed"
	// JobLost is one that is gone and whose end was not seen. It counts as failed: what it should have done may not be done.
	JobLost JobState = "Lost"
)

// JobRecord is the state of a Job, and for one that failed and that the cluster deletes by itself, until when it stands at least.
type JobRecord struct {
	State JobState
	// Stands is when the cluster may delete the ended Job; zero for one that only a person deletes.
	Stands time.Time
}

func (r JobRecord) String() string {
	if r.Stands.IsZero() {
		return string(r.State)
	}
	return string(r.State) + "@" + strconv.FormatInt(r.Stands.Unix(), 10)
}

// Jobs is what [JobsAnnotation] says of one revision, as "revision=release event/name:State,…". A Job that is no hook has no event. It
// stands on the namespace, because a Job may be gone before anyone looks.
type Jobs struct {
	Revision string
	// Install says that the hooks of an installation run, and not those of an upgrade.
	Install bool
	States  map[string]JobRecord
}

// JobsOf reads the record of a revision. Where there is none, the revision is the tenant's first one if its namespace says so, and an
// upgrade otherwise: a tenant of unknown history is never installed anew.
func JobsOf(ns *unstructured.Unstructured, revision string) Jobs {
	jobs := Jobs{Revision: revision, States: map[string]JobRecord{}}
	if ns == nil {
		jobs.Install = true
		return jobs
	}
	_, jobs.Install = annotation(ns, v1alpha1.InstallingAnnotation)
	value, _ := annotation(ns, JobsAnnotation)
	for segment := range strings.SplitSeq(value, ";") {
		name, rest, ok := strings.Cut(segment, "=")
		if !ok || name != revision {
			continue
		}
		release, states, _ := strings.Cut(rest, " ")
		if release == install || release == upgrade {
			jobs.Install = release == install
		}
		for entry := range strings.SplitSeq(states, ",") {
			if id, state, ok := strings.Cut(entry, ":"); ok {
				jobs.States[id] = readRecord(state)
			}
		}
	}
	return jobs
}

func readRecord(text string) JobRecord {
	state, until, _ := strings.Cut(text, "@")
	record := JobRecord{State: JobState(state)}
	if seconds, err := strconv.ParseInt(until, 10, 64); err == nil {
		record.Stands = time.Unix(seconds, 0)
	}
	return record
}

// String is the record's part of the annotation.
func (j Jobs) String() string {
	entries := make([]string, 0, len(j.States))
	for _, id := range slices.Sorted(maps.Keys(j.States)) {
		entries = append(entries, id+":"+j.States[id].String())
	}
	return strings.TrimSpace(j.Revision + "=" + j.release() + " " + strings.Join(entries, ","))
}

func (j Jobs) release() string {
	if j.Install {
		return install
	}
	return upgrade
}

// happens says whether a Job runs in this release: one that is no hook always does.
func (j Jobs) happens(job *unstructured.Unstructured) bool {
	event := hookEvent(job)
	return event == "" || strings.HasSuffix(event, "-"+j.release())
}

// joinJobs is the annotation's value: the records of those revisions that have any.
func joinJobs(records ...Jobs) string {
	var parts []string
	for _, r := range records {
		if len(r.States) > 0 {
			parts = append(parts, r.String())
		}
	}
	return strings.Join(parts, ";")
}

func hookEvent(obj *unstructured.Unstructured) string {
	event, _ := annotation(obj, v1alpha1.HookAnnotation)
	if kindOf(obj) != kindJob {
		return ""
	}
	return event
}

// jobID names a Job within the record of a revision.
func jobID(job *unstructured.Unstructured) string { return hookEvent(job) + "/" + job.GetName() }

// jobEnd is how a Job ended; empty while it has not, and for everything else.
func jobEnd(obj *unstructured.Unstructured) JobState {
	switch {
	case kindOf(obj) != kindJob:
		return ""
	case apply.Condition(obj, "Complete")["status"] == "True":
		return JobSucceeded
	case apply.Condition(obj, "Failed")["status"] == "True":
		return JobFailed
	}
	return ""
}

// ttlPath is the field that lets the cluster delete a Job some time after its end.
var ttlPath = []string{"spec", "ttlSecondsAfterFinished"}

// jobStands is until when an ended Job stands at least; zero if only a person deletes it. What can't be read is now.
func jobStands(wanted, job *unstructured.Unstructured, now time.Time) time.Time {
	ttl, ok := number(wanted, ttlPath...)
	if !ok {
		return time.Time{}
	}
	ended := now
	for _, kind := range []string{"Complete", "Failed"} {
		if at, err := time.Parse(time.RFC3339, text(apply.Condition(job, kind)["lastTransitionTime"])); err == nil {
			ended = at
		}
	}
	return ended.Add(time.Duration(ttl) * time.Second)
}

// jobFacts are what decides about a Job.
type jobFacts struct {
	record JobRecord
	// wanted is the Job as the revision has it.
	wanted *unstructured.Unstructured
	// live is what stands under its name, read live; nil for nothing.
	live     *unstructured.Unstructured
	revision string
	// stopped says that the tenant is: nothing begins then, and nothing is waited for.
	stopped bool
	now     time.Time
}

// mine says whether what stands is the Job of this revision and this event.
func (f jobFacts) mine() bool {
	return f.live != nil && jobID(f.live) == jobID(f.wanted) && f.live.GetLabels()[v1alpha1.RevisionLabel] == f.revision
}

// expires says whether the Job has ended and does not have the time yet after which its revision wants it deleted.
func (f jobFacts) expires() bool {
	_, wants := number(f.wanted, ttlPath...)
	if !wants || !f.mine() || jobEnd(f.live) == "" {
		return false
	}
	_, has := number(f.live, ttlPath...)
	return !has
}

// jobStep is what is to be done about a Job.
type jobStep struct {
	// record is what is known from now on.
	record JobRecord
	// start makes the Job, remove takes away what stands under its name; with both, the second comes first. expire lets the cluster
	// delete the Job when its time has come.
	start, remove, expire bool
	// waits says that what comes after the Job has to wait for it.
	waits bool
	// failed is what a person has to do something about.
	failed *Refusal
}

// planJob decides. It is pure.
func planJob(f jobFacts) jobStep {
	record := f.record
	if f.mine() && record.State != JobSucceeded {
		record = liveRecord(f, record)
	} else if f.live == nil {
		record = goneRecord(f, record)
	}
	hook := hookEvent(f.wanted) != ""
	switch {
	case record.State == JobSucceeded:
		return jobStep{record: record, remove: f.live != nil && (!f.mine() || deletes(f.wanted, JobSucceeded)), expire: f.expires()}
	case record.State == JobFailed, record.State == JobLost:
		step := jobStep{record: record, waits: hook && !f.stopped, failed: jobFailed(f, record), expire: f.expires()}
		step.remove = f.mine() && jobEnd(f.live) == JobFailed && deletes(f.wanted, JobFailed)
		return step
	case f.mine():
		return jobStep{record: record, waits: hook && !f.stopped}
	case f.stopped && hook:
		return jobStep{record: record, remove: f.live != nil}
	}
	return jobStep{record: JobRecord{State: JobStarted}, start: true, remove: f.live != nil, waits: hook}
}

// liveRecord is what the Job itself says.
func liveRecord(f jobFacts, record JobRecord) JobRecord {
	switch end := jobEnd(f.live); {
	case end == JobSucceeded:
		return JobRecord{State: JobSucceeded}
	case end == JobFailed:
		if deletes(f.wanted, JobFailed) {
			return JobRecord{State: JobFailed, Stands: f.now} // we delete it: that it is gone says nothing
		}
		return JobRecord{State: JobFailed, Stands: jobStands(f.wanted, f.live, f.now)}
	case record.State == "", record.State == JobFailed, record.State == JobLost:
		return JobRecord{State: JobStarted} // made again
	}
	return record
}

// goneRecord is what follows from a Job that is not there. One that failed was deleted by a person unless the cluster or we did it,
// and runs again. One whose end was not seen may have done anything.
func goneRecord(f jobFacts, record JobRecord) JobRecord {
	switch {
	case record.State == JobFailed && (record.Stands.IsZero() || f.now.Before(record.Stands)):
		return JobRecord{}
	case record.State == JobStarted:
		return JobRecord{State: JobLost}
	}
	return record
}

// jobFailed says what a person can do about a Job that did not succeed.
func jobFailed(f jobFacts, record JobRecord) *Refusal {
	what := "the Job"
	if event := hookEvent(f.wanted); event != "" {
		what = "the " + event + " hook"
	}
	r := &Refusal{Key: keyOf(f.wanted), Reason: ReasonJobFailed}
	again := "kubectl annotate namespace " + f.wanted.GetNamespace() + " " + JobsAnnotation + "-"
	switch {
	case f.mine():
		r.Message = what + " has failed"
		if message := text(apply.Condition(f.live, "Failed")["message"]); message != "" {
			r.Message += ": " + short(message)
		}
		r.Remedy = "read its log, fix the cause, and rerun the Job by deleting it: kubectl delete job " + f.wanted.GetName() + " -n " +
			f.wanted.GetNamespace()
	case record.State == JobLost:
		r.Message = what + " no longer exists and its outcome is unknown, so it counts as failed"
		r.Remedy = "check whether it did its work; rerun the missing Jobs with " + again + ", or continue with a new revision"
	default:
		r.Message = what + " failed and its Job was deleted"
		r.Remedy = "fix the cause and rerun the missing Jobs with " + again + "; without ttlSecondsAfterFinished and hook-failed " +
			"in helm.sh/hook-delete-policy, the Job is kept with its log"
	}
	return r
}

func short(message string) string {
	const most = 200
	message = strings.Join(strings.Fields(message), " ")
	if len(message) <= most {
		return message
	}
	return strings.ToValidUTF8(message[:most], "") + "..."
}

// deletes says whether the chart wants a hook's Job deleted after it has ended like this.
func deletes(job *unstructured.Unstructured, end JobState) bool {
	wanted := map[JobState]string{JobSucceeded: "hook-succeeded", JobFailed: "hook-failed"}[end]
	policies, _ := annotation(job, "helm.sh/hook-delete-policy")
	for policy := range strings.SplitSeq(policies, ",") {
		if hookEvent(job) != "" && strings.EqualFold(strings.TrimSpace(policy), wanted) {
			return true
		}
	}
	return false
}
