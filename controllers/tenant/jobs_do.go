package tenant

import (
	"context"
	"errors"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/controllers/apply"
)

// jobsNote is the record of the set's Jobs, and of those of the revision that the tenant is to move to or comes from; nil for none.
func (p *pass) jobsNote() any {
	records := []Jobs{p.jobs}
	for _, revision := range p.besides {
		if revision != "" && revision != p.set.Revision {
			records = append(records, JobsOf(p.result.Standing.Namespace, revision))
		}
	}
	if value := joinJobs(records...); value != "" {
		return value
	}
	return nil
}

// remember writes the Jobs' record at once.
func (p *pass) remember(ctx context.Context) error {
	return p.patchNamespace(ctx, &p.result.Standing, wantedNamespace{annotations: map[string]any{
		JobsAnnotation: p.jobsNote(),
	}})
}

// job brings a Job as far as it gets now. It says whether what comes after has to wait.
func (p *pass) job(ctx context.Context, c content) bool {
	if !p.jobs.happens(c.obj) {
		return false
	}
	id := jobID(c.obj)
	facts := jobFacts{
		record: p.jobs.States[id], wanted: c.obj, revision: p.set.Revision, stopped: p.set.Stopped, now: p.Clock.Now(),
	}
	facts.live = p.result.Standing.Objects[c.key]
	if !p.knownJob(facts) {
		live, err := readLive(ctx, p.Live, like(c.obj))
		if err != nil {
			p.refuse(refused(c.key, err))
			return true
		}
		facts.live = live
	}
	step := planJob(facts)
	if err := p.doJob(ctx, c, facts, step); err != nil {
		p.refuse(p.explain(ctx, action{content: c}, err))
		return step.waits
	}
	if step.failed != nil {
		p.refuse(*step.failed)
	}
	return step.waits
}

// knownJob says whether what the cache shows under a Job's name is enough to decide. That it has succeeded stays true whatever became of
// it since; a Job that is to be made, and one that has failed, is looked at live.
func (p *pass) knownJob(f jobFacts) bool {
	switch {
	case f.live == nil:
		return p.made || f.record.State == JobSucceeded // nothing stands yet, or it is done and gone
	case f.live.GetDeletionTimestamp() != nil || !f.mine() || f.record.State == JobFailed || f.record.State == JobLost:
		return false
	}
	step := planJob(f)
	return !step.start && (step.record == f.record || step.record.State == JobSucceeded)
}

func (p *pass) doJob(ctx context.Context, c content, facts jobFacts, step jobStep) error {
	id := jobID(c.obj)
	if !step.start {
		// The Job itself says how it ended until it is deleted, and that is done once the pass has recorded it.
		p.note(id, step.record)
		if facts.live != nil && (step.remove || step.expire) {
			p.ended = append(p.ended, endedJob{content: c, live: facts.live, remove: step.remove})
		}
		return nil
	}
	if step.remove && facts.live != nil {
		if err := p.removeJob(ctx, facts.live); err != nil {
			return err
		}
	}
	answer, err := p.apply(ctx, c.fresh, ShapeOwner)
	if err != nil {
		return fmt.Errorf("applying %s: %w", c.key, err)
	}
	p.count()
	p.wrote(&p.result.Standing, answer)
	p.note(id, step.record)
	return p.remember(ctx) // one that is gone without a record would run a second time
}

// endedJob is a Job that may go once how it ended is recorded: it is removed, or the cluster may delete it when its time has come.
type endedJob struct {
	content
	live   *unstructured.Unstructured
	remove bool
}

// letGo lets those Jobs go whose ends the namespace has on record.
func (p *pass) letGo(ctx context.Context) {
	for _, job := range p.ended {
		let := func() error { return p.expire(ctx, job.content, job.live) }
		if job.remove {
			let = func() error { return p.removeJob(ctx, job.live) }
		}
		if err := let(); err != nil {
			p.refuse(p.explain(ctx, action{content: job.content}, err))
		}
	}
	p.ended = nil
}

// expire gives a Job whose end is recorded the time after which the cluster deletes it.
func (p *pass) expire(ctx context.Context, c content, live *unstructured.Unstructured) error {
	ttl, _ := number(c.obj, ttlPath...)
	patch, err := mergePatch(map[string]any{
		"metadata": map[string]any{"uid": string(live.GetUID())}, "spec": map[string]any{ttlPath[1]: ttl},
	})
	if err != nil {
		return err
	}
	answer := like(live)
	if err := p.Client.Patch(ctx, answer, patch, client.FieldOwner(ShapeOwner)); err != nil {
		return client.IgnoreNotFound(err) // somebody else has deleted it by now
	}
	p.count()
	p.wrote(&p.result.Standing, answer)
	return nil
}

func (p *pass) note(id string, record JobRecord) {
	if record.State == "" {
		delete(p.jobs.States, id)
		return
	}
	p.jobs.States[id] = record
}

// removeJob deletes a Job with its pods.
func (p *pass) removeJob(ctx context.Context, job *unstructured.Unstructured) error {
	if job.GetDeletionTimestamp() != nil {
		return &apply.ObjectError{
			Kind: job.GetKind(), Name: job.GetName(), Reason: apply.ReasonTransient, Message: "the previous Job is still being deleted",
			Err: errors.New("it is terminating"),
		}
	}
	err := p.Client.Delete(ctx, like(job), client.PropagationPolicy(metav1.DeletePropagationBackground),
		client.Preconditions{UID: ptr.To(job.GetUID())})
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("deleting the previous Job: %w", err)
	}
	p.count()
	p.deleted(&p.result.Standing, keyOf(job), job.GetUID())
	return nil
}
