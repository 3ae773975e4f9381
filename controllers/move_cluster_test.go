package controllers

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
)

func TestARevisionThatIsRefusedChangesNothingInATenant(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-nothing")
	x.operate()
	greets := strings.ReplaceAll(salestest.Settings, `"hello"`, `"changed"`)
	p := x.sells(withAccess, salestest.Inline(salestest.Web+salestest.Settings+fixed("red")))
	x.bought("acme")
	before, ns := x.ready("acme")
	versions := x.versions(ns)

	change(x, p, salestest.Inline(workloadOf("Deployment", "new", "replicas: 1")+salestest.Web+greets+fixed("blue")))
	refused := x.says("acme", v1alpha1.ConditionProvisioned, isRefused)
	x.passOver("acme")
	x.Expect(x.versions(ns)).To(Equal(versions), "neither what comes before nor after the refused object")
	x.Expect(condition(refused, v1alpha1.ConditionProvisioned).Message).To(And(
		ContainSubstring("stays on revision"), ContainSubstring("ConfigMap/fixed"), ContainSubstring("immutable")))
	now, _ := x.ready("acme")
	x.Expect(now.Status.Access).To(Equal(before.Status.Access))
	x.Expect(now.Status.Revision).To(Equal(before.Status.Revision))

	change(x, p, salestest.Inline(salestest.Web+greets+fixed("red")))
	x.moves("acme", before.Status.Revision)
	x.says("acme", v1alpha1.ConditionProvisioned, isHealthy)
	x.Expect(x.greeting(ns)).To(Equal("changed"))
	x.Expect(x.instance("acme").Status.Blockers).To(BeEmpty())
}

// A migration can't be taken back: it does not run for a revision that the tenant can't have.
func TestNoHookRunsForARevisionThatIsRefused(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-nohook")
	x.operate()
	p := x.sells(salestest.Inline(salestest.Web + fixed("red")))
	x.bought("acme")
	_, ns := x.ready("acme")
	change(x, p, salestest.Inline(salestest.Web+fixed("blue")+hook("migrate", "pre-upgrade", "")))
	x.says("acme", v1alpha1.ConditionProvisioned, isRefused)
	x.passOver("acme")
	x.Expect(x.job(ns, "migrate")).To(BeNil())
	x.ready("acme")
	change(x, p, salestest.Inline(salestest.Web+fixed("red")+hook("migrate", "pre-upgrade", "")))
	x.ends(ns, "migrate", batchv1.JobComplete)
	x.says("acme", v1alpha1.ConditionProvisioned, isHealthy)
}

// Each of two objects is taken in the dry run, and one of them is refused when both are made.
func TestObjectsThatStandInEachOthersWayReplaceNoPods(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-each-other")
	o := x.operate()
	p := x.sells()
	x.bought("acme")
	before, ns := x.ready("acme")
	generation := x.deployment(ns, "web").Generation
	port := "type: NodePort, ports: [{port: 80, nodePort: 31777}]"
	change(x, p, salestest.Inline(strings.ReplaceAll(salestest.Web, "web:1", "web:2")+salestest.Settings+service("one", port)+service("two", port)))
	x.says("acme", v1alpha1.ConditionProvisioned, isRefused)
	x.passOver("acme")
	o.requests.reset()
	x.passOver("acme")
	x.Expect(o.requests.writes()).To(BeEmpty(), "it is not tried in every pass")
	x.Expect(x.deployment(ns, "web").Generation).To(Equal(generation))
	now, _ := x.ready("acme")
	x.Expect(now.Status.Revision).To(Equal(before.Status.Revision))
}

// A new tenant of a product whose last revision is refused by tenants that stand gets that revision.
func TestARefusalIsOneTenantsAffair(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-affair")
	x.operate()
	p := x.sells(salestest.Inline(salestest.Web + fixed("red")))
	x.bought("old")
	old, _ := x.ready("old")
	change(x, p, salestest.Inline(salestest.Web+fixed("blue")))
	x.says("old", v1alpha1.ConditionProvisioned, isRefused)
	x.bought("new")
	fresh, ns := x.ready("new")
	x.Expect(fresh.Status.Revision).NotTo(Equal(old.Status.Revision))
	x.Expect(x.configMap(ns, "fixed").Data).To(HaveKeyWithValue("color", "blue"))
}

// Where a default of the API server stands in the way, and nobody owns it.
func TestAnotherStrategyIsRolledOut(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-strategy")
	x.operate()
	x.playStatefulSets()
	front, db := workloadOf("Deployment", "front", "replicas: 1"), workloadOf("StatefulSet", "db", "replicas: 1", "serviceName: db")
	p := x.sells(salestest.Inline(front + db))
	x.bought("acme")
	before, ns := x.ready("acme")
	change(x, p, salestest.Inline(workloadOf("Deployment", "front", "replicas: 1", "strategy: {type: Recreate}")+
		workloadOf("StatefulSet", "db", "replicas: 1", "serviceName: db", "updateStrategy: {type: OnDelete}")))
	x.moves("acme", before.Status.Revision)
	x.says("acme", v1alpha1.ConditionProvisioned, isHealthy)
	x.Expect(x.deployment(ns, "front").Spec.Strategy.Type).To(Equal(appsv1.RecreateDeploymentStrategyType))
	x.Expect(x.statefulSet(ns, "db").Spec.UpdateStrategy.Type).To(Equal(appsv1.OnDeleteStatefulSetStrategyType))
	x.ready("acme")

	change(x, p, salestest.Inline(front+db))
	x.eventually(func() string { return x.instance("acme").Status.Revision }).Should(Equal(before.Status.Revision), "and back")
	x.says("acme", v1alpha1.ConditionProvisioned, isHealthy)
}

// growing makes the class of disks that may grow, which all tests share.
var growing sync.Mutex

func (x *shop) hasGrowingDisks() {
	x.t.Helper()
	growing.Lock()
	defer growing.Unlock()
	class := &storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{Name: "grows"}, Provisioner: "example.com/disk", AllowVolumeExpansion: ptr.To(true)}
	if err := x.client.Create(x.t.Context(), class); err != nil && !apierrors.IsAlreadyExists(err) {
		x.t.Fatal(err)
	}
}

// hasClaims makes the claims of a StatefulSet's pods, as its controller does.
func (x *shop) hasClaims(namespace string, names ...string) {
	x.t.Helper()
	for _, name := range names {
		x.create(&corev1.PersistentVolumeClaim{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: map[string]string{"app": "db"}},
			Spec: corev1.PersistentVolumeClaimSpec{
				StorageClassName: ptr.To("grows"), VolumeName: "disk-of-" + name, AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
				Resources: corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}},
			},
		})
		x.binds(namespace, name)
	}
}

func TestALargerClaimTemplateGrowsTheClaimsAndLeavesThePodsAlone(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-grows")
	x.hasGrowingDisks()
	x.operate()
	x.playStatefulSets()
	p := x.sells(salestest.Inline(database("1Gi")))
	x.bought("acme")
	before, ns := x.ready("acme")
	x.hasClaims(ns, "data-db-0", "data-db-1")
	former := x.statefulSet(ns, "db")
	pod := x.runsPod(ns, "db-0", *metav1.NewControllerRef(former, appsv1.SchemeGroupVersion.WithKind("StatefulSet")))

	change(x, p, salestest.Inline(database("3Gi")))
	x.moves("acme", before.Status.Revision)
	x.ready("acme")
	for _, name := range []string{"data-db-0", "data-db-1"} {
		pvc := &corev1.PersistentVolumeClaim{}
		x.Expect(x.client.Get(t.Context(), client.ObjectKey{Namespace: ns, Name: name}, pvc)).To(Succeed())
		x.Expect(pvc.Spec.Resources.Requests.Storage().String()).To(Equal("3Gi"))
		x.Expect(pvc.DeletionTimestamp).To(BeNil())
	}
	made := x.statefulSet(ns, "db")
	x.Expect(made.UID).NotTo(Equal(former.UID))
	x.Expect(*made.Spec.Replicas).To(BeEquivalentTo(2))
	left := &corev1.Pod{}
	x.Expect(x.client.Get(t.Context(), client.ObjectKeyFromObject(pod), left)).To(Succeed())
	x.Expect(left.UID).To(Equal(pod.UID))
	x.Expect(left.DeletionTimestamp).To(BeNil())

	change(x, p, salestest.Inline(database("2Gi")))
	x.says("acme", v1alpha1.ConditionProvisioned, isRefused)
	x.Expect(x.message("acme", v1alpha1.ConditionProvisioned)).To(And(ContainSubstring("3Gi"), ContainSubstring("2Gi"), ContainSubstring("shrink")))
	x.Expect(x.statefulSet(ns, "db").UID).To(Equal(made.UID))
	x.ready("acme")
}

// A larger claim where no disk may grow is refused, and the tenant goes on.
func TestAClaimTemplateThatCannotGrowChangesNothing(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-stays")
	x.operate()
	x.playStatefulSets()
	ungrown := func(size string) string {
		return strings.ReplaceAll(database(size), "storageClassName: grows", "storageClassName: stays")
	}
	p := x.sells(salestest.Inline(ungrown("1Gi") + salestest.Settings))
	x.bought("acme")
	before, ns := x.ready("acme")
	pvc := &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "data-db-0", Labels: map[string]string{"app": "db"}},
		Spec: corev1.PersistentVolumeClaimSpec{
			StorageClassName: ptr.To("stays"), VolumeName: "a-disk", AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources: corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}},
		},
	}
	x.create(pvc)
	x.binds(ns, pvc.Name)
	former := x.statefulSet(ns, "db")
	change(x, p, salestest.Inline(ungrown("3Gi")+strings.ReplaceAll(salestest.Settings, `"hello"`, `"changed"`)))
	x.eventually(func() string {
		return string(condition(x.instance("acme"), v1alpha1.ConditionProvisioned).Status)
	}).Should(Equal("False"))
	x.Expect(x.statefulSet(ns, "db").UID).To(Equal(former.UID))
	x.Expect(x.greeting(ns)).To(Equal("hello"))
	x.Expect(x.instance("acme").Status.Revision).To(Equal(before.Status.Revision))
	x.ready("acme")
	x.freezes("acme")
	x.eventually(func() int32 { return *x.statefulSet(ns, "db").Spec.Replicas }).Should(BeZero())
}

// ports gives each test that needs one a node port of its own.
var ports = make(chan int, 1)

func init() { ports <- 31200 }

func nodePort() int {
	port := <-ports
	ports <- port + 1
	return port
}

func TestARenamedObjectThatHoldsSomethingExclusiveConverges(t *testing.T) {
	t.Parallel()
	port := nodePort()
	for name, template := range map[string]func(name string) string{
		"a node port": func(name string) string {
			return service(name, fmt.Sprintf("type: NodePort, ports: [{port: 80, nodePort: %d}]", port))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := newShop(t, "sales-renamed")
			x.operate()
			p := x.sells(salestest.Inline(salestest.Web + template("front")))
			x.bought("acme")
			before, ns := x.ready("acme")
			change(x, p, salestest.Inline(salestest.Web+template("door")))
			x.moves("acme", before.Status.Revision)
			x.says("acme", v1alpha1.ConditionProvisioned, isHealthy)
			list := &corev1.ServiceList{}
			x.Expect(x.client.List(t.Context(), list, client.InNamespace(ns))).To(Succeed())
			x.Expect(list.Items).To(ConsistOf(HaveField("Name", "door")))
		})
	}
}

// A product that fails its check keeps its last good revision, also when nobody remembers which one that was.
func TestAnErasedProductStatusKeepsTheLastGoodRevision(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-lastgood")
	x.operate()
	p := x.sells()
	good := p.Status.LatestRevision
	change(x, p, salestest.Inline(`{{ fail "broken" }}`))
	says := func() string {
		x.Expect(x.client.Get(t.Context(), client.ObjectKeyFromObject(p), p)).To(Succeed())
		for _, c := range p.Status.Conditions {
			if c.Type == v1alpha1.ConditionReady && c.ObservedGeneration == p.Generation {
				return string(c.Status)
			}
		}
		return ""
	}
	x.eventually(says).Should(Equal("False"))
	x.Expect(p.Status.LatestRevision).To(Equal(good))
	x.bought("before")
	x.ready("before")

	x.eventually(func() error {
		x.Expect(x.client.Get(t.Context(), client.ObjectKeyFromObject(p), p)).To(Succeed())
		p.Status = v1alpha1.MarketplaceProductStatus{}
		return x.client.Status().Update(t.Context(), p)
	}).Should(Succeed())
	x.bought("after")
	after, _ := x.ready("after")
	x.Expect(after.Status.Revision).To(Equal(good))
	x.ready("before")
	x.eventually(says).Should(Equal("False"))
	x.Expect(p.Status.LatestRevision).To(Equal(good))
}

// Where the template and an autoscaler both set the number of replicas, it would flip for ever.
func TestReplicasOfATemplateAndAnAutoscalerAreSaidByTheProduct(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-twice")
	x.allows(autoscalers)
	x.operate("product")
	p := here(x, salestest.Product(salestest.Inline(workloadOf("Deployment", "front", "replicas: 1")+autoscaler("front"))))
	x.create(p)
	ready := func() metav1.Condition {
		x.Expect(x.client.Get(t.Context(), client.ObjectKeyFromObject(p), p)).To(Succeed())
		for _, c := range p.Status.Conditions {
			if c.Type == v1alpha1.ConditionReady && c.ObservedGeneration == p.Generation {
				return c
			}
		}
		return metav1.Condition{}
	}
	x.eventually(ready).Should(HaveField("Message", And(ContainSubstring("Deployment/front"), ContainSubstring("replicas"))))
	change(x, p, salestest.Inline(workloadOf("Deployment", "front")+autoscaler("front")))
	x.eventually(ready).Should(And(HaveField("Status", metav1.ConditionTrue), HaveField("Message", Not(ContainSubstring("replicas")))))
}
