package apply

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

// JobsRanAnnotation stands on a tenant's namespace: the revision and the names of the Jobs that were made for it, as
// "revision=name,name". Without it, a Job that was deleted after it finished (by its TTL) would run again. It is written
// by [Applier.Apply] under a field owner of its own, after the Jobs were made: a crash in between runs a Job again only
// if it is gone by then.
const JobsRanAnnotation = "stallkeeper.io/jobs-ran"

func isJob(obj *unstructured.Unstructured) bool {
	gvk := obj.GroupVersionKind()
	return gvk.Group == "batch" && gvk.Kind == "Job"
}

// jobsRan reads which Jobs were made for the revision.
func jobsRan(ns *unstructured.Unstructured, revision string) map[string]bool {
	ran := map[string]bool{}
	recorded, names, ok := strings.Cut(ns.GetAnnotations()[JobsRanAnnotation], "=")
	if !ok || recorded != revision {
		return ran
	}
	for name := range strings.SplitSeq(names, ",") {
		if name != "" {
			ran[name] = true
		}
	}
	return ran
}

// applyJob applies a Job unless it has run for the revision. One of another revision is deleted and made anew, because a
// Job's template can't be changed. It gives nil if the Job is done and gone.
func (p *pass) applyJob(ctx context.Context, job *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	labelRevision(job, p.set.Revision)
	// Read live: an apply on what an old cache shows would make a Job that has just been cleaned up run again.
	existing, err := readLive(ctx, p.Live, job.GroupVersionKind(), p.namespace, job.GetName())
	switch {
	case err != nil:
		return nil, err
	case existing == nil && p.ran[job.GetName()]:
		return nil, nil
	case existing == nil:
		return p.startJob(ctx, job)
	case existing.GetLabels()[v1alpha1.RevisionLabel] == p.set.Revision:
		return p.keepJob(ctx, job, existing)
	default:
		return p.replaceJob(ctx, job, existing)
	}
}

// labelRevision tells the Job of one revision from that of the next.
func labelRevision(job *unstructured.Unstructured, revision string) {
	labels := job.GetLabels()
	if labels == nil {
		labels = map[string]string{}
	}
	labels[v1alpha1.RevisionLabel] = revision
	job.SetLabels(labels)
}

func (p *pass) startJob(ctx context.Context, job *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	applied, err := p.applyObject(ctx, job)
	if err != nil {
		return nil, err
	}
	p.start(job.GetName())
	return applied, nil
}

// keepJob leaves a finished Job alone, and continues one that still has to finish.
func (p *pass) keepJob(ctx context.Context, job, existing *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	if !p.ran[job.GetName()] {
		p.start(job.GetName())
	}
	if existing.GetDeletionTimestamp() != nil || finished(existing) {
		return existing, nil
	}
	return p.continueJob(ctx, job, existing)
}

// continueJob applies a Job that still has to finish, so that it can be suspended; where the rest of it has changed (other
// values for the same revision), only that is.
func (p *pass) continueJob(
	ctx context.Context, job, existing *unstructured.Unstructured,
) (*unstructured.Unstructured, error) {
	suspend, _, _ := unstructured.NestedBool(job.Object, "spec", "suspend")
	// With the UID, the apply fails if the Job is gone by now, instead of making it run again.
	job.SetUID(existing.GetUID())
	applied, err := p.applyObject(ctx, job)
	if !apierrors.IsInvalid(err) {
		return applied, err
	}
	patch, err := json.Marshal(map[string]any{"spec": map[string]any{"suspend": suspend}})
	if err != nil {
		return nil, fmt.Errorf("encoding the suspension: %w", err)
	}
	if err := p.Client.Patch(ctx, existing, mergePatch(patch), client.FieldOwner(scaleOwner)); err != nil {
		return nil, fmt.Errorf("suspending or resuming: %w", err)
	}
	return existing, nil
}

func (p *pass) replaceJob(
	ctx context.Context, job, existing *unstructured.Unstructured,
) (*unstructured.Unstructured, error) {
	if err := p.removeJob(ctx, existing); err != nil {
		return nil, err
	}
	return p.startJob(ctx, job)
}

func (p *pass) start(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.started = append(p.started, name)
}

// removeJob deletes a Job with its pods.
func (p *pass) removeJob(ctx context.Context, job *unstructured.Unstructured) error {
	if job.GetDeletionTimestamp() != nil {
		return &ObjectError{
			Kind: job.GetKind(), Name: job.GetName(), Reason: ReasonTransient,
			Message: "the Job of an earlier revision is still being deleted",
		}
	}
	err := p.Client.Delete(ctx, job, client.PropagationPolicy(metav1.DeletePropagationBackground),
		client.Preconditions{UID: ptr.To(job.GetUID())})
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("deleting the former Job: %w", err)
	}
	return nil
}

// finished says whether the Job is complete or has failed.
func finished(job *unstructured.Unstructured) bool {
	return ended(job) != ""
}

// condition gives the fields of a condition in the object's status, or nil.
func condition(obj *unstructured.Unstructured, kind string) map[string]any {
	status, _ := obj.Object["status"].(map[string]any)
	conditions, _ := status["conditions"].([]any)
	for _, c := range conditions {
		if fields, _ := c.(map[string]any); fields["type"] == kind {
			return fields
		}
	}
	return nil
}
