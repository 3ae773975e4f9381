package apply

import (
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

func TestAJobRunsOncePerRevision(t *testing.T) {
	x := newTenant(t, "jobs")
	first := x.set("rev-1", migration)
	x.settle(x.apply(first), Pruned{})
	job := x.live("Job", "migrate")
	x.Expect(job.GetLabels()).To(HaveKeyWithValue(v1alpha1.RevisionLabel, "rev-1"))

	suspended := x.set("rev-1", strings.Replace(migration, "spec:\n", "spec:\n    suspend: true\n", 1))
	x.settle(x.apply(suspended), Pruned{})
	suspend, _, _ := unstructured.NestedBool(x.live("Job", "migrate").Object, "spec", "suspend")
	x.Expect(suspend).To(BeTrue())

	changed := x.set("rev-1", strings.Replace(migration, "web:1", "web:2", 1))
	x.settle(x.apply(changed), Pruned{})
	same := x.live("Job", "migrate")
	suspend, _, _ = unstructured.NestedBool(same.Object, "spec", "suspend")
	x.Expect(same.GetUID()).To(Equal(job.GetUID()), "other values for the same revision start nothing")
	x.Expect(suspend).To(BeFalse(), "yet it is resumed")

	x.finish(same)
	x.settle(x.apply(changed), Pruned{})
	x.Expect(x.live("Job", "migrate").GetUID()).To(Equal(job.GetUID()))

	x.Expect(x.client.Delete(t.Context(), same, client.PropagationPolicy(metav1.DeletePropagationBackground))).To(Succeed())
	applied := x.apply(first)
	x.Expect(x.live("Job", "migrate")).To(BeNil(), "cleaned up after it ran, it does not run again")
	x.settle(applied, Pruned{})

	x.settle(x.apply(x.set("rev-2", migration)), Pruned{})
	second := x.live("Job", "migrate")
	x.Expect(second).NotTo(BeNil())
	x.settle(x.apply(x.set("rev-3", migration)), Pruned{})
	x.Expect(x.live("Job", "migrate").GetUID()).NotTo(Equal(second.GetUID()), "another revision runs it anew")
	x.Expect(x.observe().Namespace.GetAnnotations()).To(HaveKeyWithValue(JobsRanAnnotation, "rev-3=migrate"))
}

func TestAJobThatEndsInTheSameMomentDoesNotRunAgain(t *testing.T) {
	x := newTenant(t, "jobrace")
	x.apply(x.set("rev-1", migration))
	wanted := x.set("rev-1", migration).Groups[0][0]
	wanted.SetNamespace(x.name)
	wanted.SetUID(x.live("Job", "migrate").GetUID())
	x.Expect(x.client.Delete(t.Context(), x.live("Job", "migrate"),
		client.PropagationPolicy(metav1.DeletePropagationBackground))).To(Succeed())

	_, err := x.applier().applyObject(t.Context(), wanted)

	x.Expect(ObjectErrors(err)).To(HaveLen(1))
	x.Expect(ObjectErrors(err)[0].Reason).To(Equal(ReasonConflict))
	x.Expect(x.live("Job", "migrate")).To(BeNil())
}

// finish lets the Job be complete, as the Job controller would.
func (x *tenant) finish(job *unstructured.Unstructured) {
	x.t.Helper()
	now := "2026-01-01T00:00:00Z"
	job.Object["status"] = map[string]any{
		"startTime": now, "completionTime": now, "succeeded": int64(1),
		"conditions": []any{
			map[string]any{"type": "SuccessCriteriaMet", "status": "True", "lastTransitionTime": now, "lastProbeTime": now},
			map[string]any{"type": "Complete", "status": "True", "lastTransitionTime": now, "lastProbeTime": now},
		},
	}
	x.Expect(x.client.Status().Update(x.t.Context(), job)).To(Succeed())
	x.seen(job)
}
