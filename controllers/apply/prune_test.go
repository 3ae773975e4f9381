package apply

import (
	"slices"
	"testing"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/ptr"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

func keepNothing(*unstructured.Unstructured) bool { return false }

const disposable = `
- {apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {mode: fast}}
- {apiVersion: v1, kind: ConfigMap, metadata: {name: former}, data: {a: b}}
- {apiVersion: v1, kind: ConfigMap, metadata: {name: precious}, data: {a: b}}
- {apiVersion: v1, kind: ConfigMap, metadata: {name: controlled}, data: {a: b}}
- {apiVersion: v1, kind: Secret, metadata: {name: access}, data: {password: czNjcjN0}}
- apiVersion: v1
  kind: PersistentVolumeClaim
  metadata: {name: uploads}
  spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
`

func TestPruneDeletesWhatAnEarlierRevisionHad(t *testing.T) {
	x := newTenant(t, "prune")
	before := x.apply(x.set("rev-1", disposable, workloads))
	x.patch("ConfigMap", "controlled",
		`{"metadata":{"ownerReferences":[{"apiVersion":"v1","kind":"Pod","name":"p","uid":"1","controller":true}]}}`)
	x.create(`[{apiVersion: v1, kind: ConfigMap, metadata: {name: inherited}}]`, x.labels())
	x.create(`[{apiVersion: v1, kind: ConfigMap, metadata: {name: theirs}}]`, nil)
	x.settle(before, Pruned{})
	next := x.set("rev-2", configuration)
	applied := x.apply(next)

	pruned, err := x.applier().Prune(t.Context(), x.observe(), x.owner, next.Keys(), func(obj *unstructured.Unstructured) bool {
		return obj.GetName() == "precious"
	})

	x.Expect(err).NotTo(HaveOccurred())
	x.Expect(pruned.Deleted).To(ConsistOf(
		Key{Kind: "ConfigMap", Name: "former"}, Key{Kind: "Service", Name: "web"},
		Key{Group: "apps", Kind: "Deployment", Name: "web"}, Key{Group: "apps", Kind: "StatefulSet", Name: "db"},
	))
	x.Expect(pruned.Orphans).To(Equal(
		[]string{"ConfigMap/controlled", "ConfigMap/precious", "PersistentVolumeClaim/uploads"}))
	x.Expect(x.live("ConfigMap", "former")).To(BeNil())
	for _, stays := range []string{"settings", "precious", "controlled", "inherited", "theirs"} {
		x.Expect(x.live("ConfigMap", stays)).NotTo(BeNil(), stays)
	}
	x.Expect(x.live("PersistentVolumeClaim", "uploads").GetDeletionTimestamp()).To(BeNil())
	x.Expect(x.live("Secret", "access")).NotTo(BeNil())
	x.settle(applied, pruned)
}

func TestPruneSparesWhatWasMadeAnewOrIsAnotherTenants(t *testing.T) {
	x := newTenant(t, "spare")
	x.settle(x.apply(x.set("rev-1", disposable)), Pruned{})
	stale := x.observe()
	x.Expect(x.client.Delete(t.Context(), x.live("ConfigMap", "precious"))).To(Succeed())
	x.create(`[{apiVersion: v1, kind: ConfigMap, metadata: {name: precious}}]`, x.labels())
	x.Expect(x.client.Delete(t.Context(), x.live("ConfigMap", "former"))).To(Succeed())
	keep := x.set("rev-1", disposable).Keys()
	desired := slices.Concat(keep[:1], keep[3:])

	other := x.owner
	other.Namespace = "resale"
	nothing, err := x.applier().Prune(t.Context(), stale, other, nil, keepNothing)
	x.Expect(err).NotTo(HaveOccurred())
	x.Expect(nothing.Deleted).To(BeEmpty(), "the labels are another instance's")

	pruned, err := x.applier().Prune(t.Context(), stale, x.owner, desired, keepNothing)

	x.Expect(pruned.Deleted).To(Equal([]Key{{Kind: "ConfigMap", Name: "former"}}), "gone already is done")
	x.Expect(ObjectErrors(err)).To(HaveLen(1))
	x.Expect(ObjectErrors(err)[0].Name).To(Equal("precious"))
	x.Expect(ObjectErrors(err)[0].Reason).To(Equal(ReasonConflict))
	x.Expect(x.live("ConfigMap", "precious")).NotTo(BeNil())
}

func TestClaimsOutliveTheirStatefulSet(t *testing.T) {
	x := newTenant(t, "claims")
	x.settle(x.apply(x.set("rev-1", configuration, workloads)), Pruned{})
	db := x.live("StatefulSet", "db")
	owner := metav1.OwnerReference{APIVersion: "apps/v1", Kind: "StatefulSet", Name: "db", UID: db.GetUID()}
	pod := metav1.OwnerReference{APIVersion: "v1", Kind: "Pod", Name: "db-1", UID: "2"}
	other := metav1.OwnerReference{APIVersion: "v1", Kind: "ConfigMap", Name: "x", UID: "3", Controller: ptr.To(true)}
	x.claim("data-db-0", owner)
	x.claim("data-db-1", pod, other)

	running := x.set("rev-1", configuration, workloads)
	x.apply(running)
	pruned, err := x.applier().Prune(t.Context(), x.observe(), x.owner, running.Keys(), keepNothing)
	x.Expect(err).NotTo(HaveOccurred())
	x.Expect(pruned).To(Equal(Pruned{}), "claims of a StatefulSet that runs are no orphans")

	next := x.set("rev-2", configuration)
	applied := x.apply(next)
	pruned, err = x.applier().Prune(t.Context(), x.observe(), x.owner, next.Keys(), keepNothing)

	x.Expect(err).NotTo(HaveOccurred())
	x.Expect(x.live("StatefulSet", "db")).To(BeNil())
	x.Expect(pruned.Orphans).To(Equal([]string{"PersistentVolumeClaim/data-db-0", "PersistentVolumeClaim/data-db-1"}))
	x.Expect(x.live("PersistentVolumeClaim", "data-db-0").GetOwnerReferences()).To(BeEmpty())
	x.Expect(x.live("PersistentVolumeClaim", "data-db-1").GetOwnerReferences()).To(Equal([]metav1.OwnerReference{other}))
	x.settle(applied, pruned)
}

func (x *tenant) labels() map[string]string {
	return map[string]string{
		v1alpha1.InstanceLabel: x.owner.Name, v1alpha1.InstanceNamespaceLabel: x.owner.Namespace,
	}
}

// create lets somebody else create an object.
func (x *tenant) create(text string, labels map[string]string) {
	x.t.Helper()
	for _, obj := range objects(x.t, text) {
		obj.SetNamespace(x.name)
		obj.SetLabels(labels)
		x.Expect(x.client.Create(x.t.Context(), obj)).To(Succeed())
		if labels != nil {
			x.seen(obj)
		}
	}
}

// claim is what the StatefulSet controller makes from a claim template.
func (x *tenant) claim(name string, owners ...metav1.OwnerReference) {
	x.t.Helper()
	claim := objects(x.t, `[{apiVersion: v1, kind: PersistentVolumeClaim, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}]`)[0]
	claim.SetNamespace(x.name)
	claim.SetName(name)
	claim.SetLabels(x.labels())
	claim.SetOwnerReferences(owners)
	x.Expect(x.client.Create(x.t.Context(), claim)).To(Succeed())
	x.seen(claim)
}
