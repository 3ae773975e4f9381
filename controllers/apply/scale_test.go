package apply

import (
	"context"
	"errors"
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

var errInterrupted = errors.New("interrupted")

func (x *tenant) workload(kind, name string) Workload {
	return Workload{GroupVersionKind: statefulSetKind.GroupVersion().WithKind(kind), Namespace: x.name, Name: name}
}

func (x *tenant) replicas(kind, name string) int64 {
	x.t.Helper()
	replicas, _, _ := unstructured.NestedInt64(x.live(kind, name).Object, "spec", "replicas")
	return replicas
}

// withoutScaling is an applier whose writes to /scale fail, as if it was stopped before them.
func (x *tenant) withoutScaling() *Applier {
	a := x.applier()
	a.Client = interceptor.NewClient(x.client, interceptor.Funcs{
		SubResourcePatch: func(context.Context, client.Client, string, client.Object, client.Patch, ...client.SubResourcePatchOption) error {
			return errInterrupted
		},
	})
	return a
}

// withoutPatches is an applier whose patches of the workload itself fail.
func (x *tenant) withoutPatches() *Applier {
	a := x.applier()
	a.Client = interceptor.NewClient(x.client, interceptor.Funcs{
		Patch: func(context.Context, client.WithWatch, client.Object, client.Patch, ...client.PatchOption) error {
			return errInterrupted
		},
	})
	return a
}

func TestReplicasOfAnAutoscalerSurviveASuspension(t *testing.T) {
	x := newTenant(t, "scale")
	applied := x.apply(x.set("rev-1", configuration, workloads))
	x.settle(applied, Pruned{})
	web := x.workload("Deployment", "web")
	a := x.applier()
	x.patch("Deployment", "web", `{"spec":{"replicas":7}}`)

	x.Expect(x.withoutScaling().Suspend(t.Context(), web)).To(MatchError(errInterrupted))
	x.Expect(x.replicas("Deployment", "web")).To(Equal(int64(7)))
	for range 2 {
		x.Expect(a.Suspend(t.Context(), web)).To(Succeed())
		x.Expect(x.replicas("Deployment", "web")).To(Equal(int64(0)))
		x.Expect(x.live("Deployment", "web").GetAnnotations()).To(HaveKeyWithValue(v1alpha1.ReplicasAnnotation, "7"))
	}
	again := x.apply(x.set("rev-1", configuration, workloads))
	x.Expect(again.Digest(Pruned{})).To(Equal(applied.Digest(Pruned{})), "suspending is no drift")
	x.Expect(x.replicas("Deployment", "web")).To(Equal(int64(0)), "applying without replicas leaves zero")

	x.patch("Deployment", "web", `{"spec":{"replicas":2}}`)
	x.Expect(a.Suspend(t.Context(), web)).To(Succeed())
	x.Expect(x.live("Deployment", "web").GetAnnotations()).
		To(HaveKeyWithValue(v1alpha1.ReplicasAnnotation, "7"), "what somebody scaled to while suspended does not count")

	x.Expect(x.withoutScaling().Resume(t.Context(), web)).To(MatchError(errInterrupted))
	x.Expect(x.withoutPatches().Resume(t.Context(), web)).To(MatchError(errInterrupted))
	x.Expect(x.replicas("Deployment", "web")).To(Equal(int64(7)))
	x.patch("Deployment", "web", `{"spec":{"replicas":9}}`)
	for range 2 {
		x.Expect(a.Resume(t.Context(), web)).To(Succeed())
		x.Expect(x.replicas("Deployment", "web")).To(Equal(int64(9)), "the autoscaler's number stays")
		x.Expect(x.live("Deployment", "web").GetAnnotations()).NotTo(HaveKey(v1alpha1.ReplicasAnnotation))
	}
}

func TestAClaimIsRetainedBeforeZeroIsWritten(t *testing.T) {
	x := newTenant(t, "retain")
	x.apply(x.set("rev-1", configuration, workloads))
	db := x.workload("StatefulSet", "db")
	policy := func() map[string]string {
		found, _, _ := unstructured.NestedStringMap(x.live("StatefulSet", "db").Object, "spec", "persistentVolumeClaimRetentionPolicy")
		return found
	}
	x.Expect(policy()).To(HaveKeyWithValue("whenScaled", "Delete"))

	x.Expect(x.withoutPatches().Suspend(t.Context(), db)).To(MatchError(errInterrupted))
	x.Expect(x.replicas("StatefulSet", "db")).To(Equal(int64(1)), "without Retain there is no zero")

	x.Expect(x.applier().EnsureRetain(t.Context(), x.name, []string{"gone", "db"})).To(Succeed())
	x.Expect(policy()).To(Equal(map[string]string{"whenScaled": "Retain", "whenDeleted": "Delete"}))
	x.Expect(x.applier().Suspend(t.Context(), db)).To(Succeed())
	x.Expect(x.replicas("StatefulSet", "db")).To(Equal(int64(0)))
}

func TestAClusterThatDoesNotStoreRetainIsNotScaledDown(t *testing.T) {
	x := newTenant(t, "stubborn")
	x.apply(x.set("rev-1", configuration, workloads))
	a := x.applier()
	a.Client = interceptor.NewClient(x.client, interceptor.Funcs{
		Patch: func(ctx context.Context, c client.WithWatch, obj client.Object, patch client.Patch, _ ...client.PatchOption) error {
			return c.Patch(ctx, obj, mergePatch([]byte(`{}`)))
		},
	})

	failures := ObjectErrors(a.Suspend(t.Context(), x.workload("StatefulSet", "db")))

	x.Expect(failures).To(HaveLen(1))
	x.Expect(failures[0].Field).To(Equal("spec.persistentVolumeClaimRetentionPolicy.whenScaled"))
	x.Expect(x.replicas("StatefulSet", "db")).To(Equal(int64(1)))
}

func TestWhatCantBeScaled(t *testing.T) {
	x := newTenant(t, "unscalable")
	x.apply(x.set("rev-1", configuration, workloads))
	a := x.applier()

	x.Expect(a.Suspend(t.Context(), x.workload("Deployment", "gone"))).To(Succeed())
	x.Expect(a.Resume(t.Context(), x.workload("Deployment", "gone"))).To(Succeed())
	service := Workload{GroupVersionKind: NamespaceKind.GroupVersion().WithKind("Service"), Namespace: x.name, Name: "web"}
	failures := ObjectErrors(a.Suspend(t.Context(), service))
	x.Expect(failures).To(HaveLen(1))
	x.Expect(failures[0].Message).To(ContainSubstring("has no /scale"))

	x.patch("Deployment", "web", `{"metadata":{"annotations":{"`+v1alpha1.ReplicasAnnotation+`":"many"}}}`)
	failures = ObjectErrors(a.Resume(t.Context(), x.workload("Deployment", "web")))
	x.Expect(failures).To(HaveLen(1))
	x.Expect(failures[0].Reason).To(Equal(ReasonInvalid))
	x.Expect(x.live("Deployment", "web").GetAnnotations()).To(HaveKey(v1alpha1.ReplicasAnnotation), "nothing is lost")
}
