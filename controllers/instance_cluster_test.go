package controllers

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/queue"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
)

var withAccess = salestest.Access(v1alpha1.ProductAccess{
	FrontEndURL: "https://{{ .instance.name }}.example.com", UserName: "admin@{{ .instance.name }}", Memo: "welcome",
})

// deployment reads a tenant's Deployment.
func (x *shop) deployment(namespace, name string) *appsv1.Deployment {
	x.t.Helper()
	d := &appsv1.Deployment{}
	x.Expect(x.client.Get(x.t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, d)).To(Succeed())
	return d
}

func (x *shop) secret(namespace, name string) *corev1.Secret {
	x.t.Helper()
	s := &corev1.Secret{}
	x.Expect(x.client.Get(x.t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, s)).To(Succeed())
	return s
}

// allConditions of an instance that was made by hand are set on every pass.
var allConditions = []string{
	v1alpha1.ConditionReady, v1alpha1.ConditionProvisioned, v1alpha1.ConditionEntitled, v1alpha1.ConditionSuspended,
}

func TestATenantIsMadeSuspendedResumedAndRemoved(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-life")
	x.operate()
	p := x.sells(withAccess)
	x.buys("acme", func(mpi *v1alpha1.MarketplaceInstance) { mpi.Spec.Quantity = ptr.To(int32(4)) })

	x.says("acme", v1alpha1.ConditionReady, "True InstanceReady")
	mpi := x.instance("acme")
	for _, kind := range allConditions {
		x.Expect(mpi.Status.Conditions).To(ContainElement(And(HaveField("Type", kind), HaveField("ObservedGeneration", mpi.Generation))))
	}
	x.Expect(mpi.Status.State).To(Equal(v1alpha1.StateRunning))
	x.Expect(mpi.Status.Revision).To(Equal(p.Status.LatestRevision))
	x.Expect(mpi.Status.Access).To(Equal(v1alpha1.InstanceAccess{
		FrontEndURL: "https://acme.example.com", Memo: "welcome", CredentialsSecretRef: v1alpha1.SecretReference{Name: "acme-access"},
	}))
	x.Expect(*x.deployment(mpi.Status.Namespace, "web").Spec.Replicas).To(BeEquivalentTo(2))
	settings := &corev1.ConfigMap{}
	x.Expect(x.client.Get(t.Context(), client.ObjectKey{Namespace: mpi.Status.Namespace, Name: "settings"}, settings)).To(Succeed())
	x.Expect(settings.Data).To(Equal(map[string]string{"greeting": "hello", "quantity": "4"}))

	own, copied := x.secret(x.name, "acme-access"), x.secret(mpi.Status.Namespace, "access")
	x.Expect(own.OwnerReferences).To(ConsistOf(HaveField("UID", mpi.UID)))
	x.Expect(string(own.Data["userName"])).To(Equal("admin@acme"))
	x.Expect(copied.Data).To(Equal(map[string][]byte{"userName": own.Data["userName"], "password": own.Data["password"]}))
	raw, err := json.Marshal(mpi)
	x.Expect(err).NotTo(HaveOccurred())
	x.Expect(string(raw)).NotTo(ContainSubstring(string(own.Data["password"])))

	change(x, mpi, func(mpi *v1alpha1.MarketplaceInstance) { mpi.Spec.DesiredState = v1alpha1.DesiredStateSuspended })
	x.says("acme", v1alpha1.ConditionSuspended, "True SuspensionRequested")
	x.Expect(*x.deployment(mpi.Status.Namespace, "web").Spec.Replicas).To(BeZero())
	x.Expect(x.instance("acme").Status.State).To(Equal(v1alpha1.StateSuspended))

	change(x, mpi, func(mpi *v1alpha1.MarketplaceInstance) { mpi.Spec.DesiredState = v1alpha1.DesiredStateRunning })
	x.says("acme", v1alpha1.ConditionReady, "True InstanceReady")
	x.Expect(*x.deployment(mpi.Status.Namespace, "web").Spec.Replicas).To(BeEquivalentTo(2))
	x.Expect(x.secret(x.name, "acme-access").Data).To(Equal(own.Data), "the credentials are made once")

	namespace := mpi.Status.Namespace
	x.Expect(x.client.Delete(t.Context(), mpi)).To(Succeed())
	x.says("acme", v1alpha1.ConditionReady, "False Removing")
	x.awaitPass(func() { x.touch("acme", "while the namespace goes") })
	x.Expect(x.instance("acme").Finalizers).To(ContainElement(v1alpha1.TenantFinalizer), "the namespace still stands")
	x.namespaceGoes(namespace)
	x.gone("acme")
}

func TestAQuietPassAsksNothing(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-quiet")
	first := x.operate()
	x.sells(withAccess)
	x.buys("acme")
	x.says("acme", v1alpha1.ConditionReady, "True InstanceReady")
	first.stop()
	ready := x.instance("acme")
	namespace := ready.Status.Namespace

	o := x.operateAndPass("instance")
	x.awaitPass(func() { x.touch("acme", "after a restart") })
	x.Expect(o.requests.writes()).To(BeEmpty(), "a restart writes nothing")
	x.Expect(o.requests.all()).To(ContainElements(HaveSuffix("/secrets/acme-access"), ContainSubstring("/controllerrevisions/")))
	x.Expect(o.requests.about("/namespaces/")).To(HaveLen(2), "a restart reads what the tenant is made of, once")
	x.Expect(x.instance("acme").Status).To(Equal(ready.Status))

	o.requests.reset()
	for i := range 5 {
		x.awaitPass(func() { x.touch("acme", fmt.Sprint("again-", i)) })
	}
	x.Expect(o.requests.all()).To(BeEmpty(), "a pass with nothing to do asks nothing")

	t.Run("somebody adds what is theirs", func(*testing.T) {
		o.requests.reset()
		settings := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "settings"}}
		change(x, settings, func(c *corev1.ConfigMap) {
			metav1.SetMetaDataAnnotation(&c.ObjectMeta, "theirs.example.com/note", "hello")
		})
		x.awaitPass(func() { x.touch("acme", "their annotation") })
		x.Expect(o.requests.writes()).To(BeEmpty())
		// A Deployment gets another generation by that, and so the status tells of it for a moment.
		change(x, x.deployment(namespace, "web"), func(d *appsv1.Deployment) {
			metav1.SetMetaDataAnnotation(&d.ObjectMeta, "theirs.example.com/note", "hello")
		})
		x.awaitPass(func() { x.touch("acme", "their other annotation") })
		x.Expect(o.requests.writes()).NotTo(ContainElement(Not(HaveSuffix("/acme/status"))))
		x.Expect(x.deployment(namespace, "web").Annotations).To(HaveKeyWithValue("theirs.example.com/note", "hello"))
	})
	t.Run("somebody changes what is ours", func(*testing.T) {
		o.requests.reset()
		change(x, x.deployment(namespace, "web"), func(d *appsv1.Deployment) { d.Spec.Template.Spec.Containers[0].Image = "evil:1" })
		x.eventually(func() string { return x.deployment(namespace, "web").Spec.Template.Spec.Containers[0].Image }).
			Should(Equal("registry.example.com/web:1"))
		x.says("acme", v1alpha1.ConditionReady, "True InstanceReady")
		x.Expect(x.deployment(namespace, "web").Annotations).To(HaveKey("theirs.example.com/note"))
	})
	t.Run("somebody deletes what is ours", func(*testing.T) {
		former := x.deployment(namespace, "web")
		x.Expect(x.client.Delete(t.Context(), former)).To(Succeed())
		x.eventually(func() (string, error) {
			d := &appsv1.Deployment{}
			err := x.client.Get(t.Context(), client.ObjectKeyFromObject(former), d)
			return string(d.UID), err
		}).ShouldNot(Equal(string(former.UID)))
		x.says("acme", v1alpha1.ConditionReady, "True InstanceReady")
	})
}

// lasting leaves out what tells when something was first seen.
var lasting = cmpopts.IgnoreFields(metav1.Condition{}, "LastTransitionTime")

func TestAnErasedStatusIsRestored(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-erased")
	x.operate()
	x.sells(withAccess)
	x.buys("acme")
	x.says("acme", v1alpha1.ConditionReady, "True InstanceReady")
	before := x.says("acme", v1alpha1.ConditionEntitled, "True NoSale")
	versions := x.versions(before.Status.Namespace)

	x.erase("acme", wholeStatus)
	x.eventually(func() string {
		return cmp.Diff(sorted(before.Status), sorted(x.instance("acme").Status), lasting)
	}).Should(BeEmpty())
	x.Expect(x.versions(before.Status.Namespace)).To(Equal(versions), "an apply of what stands changes nothing")
}

// sorted puts conditions into one order: they are a map.
func sorted(status v1alpha1.MarketplaceInstanceStatus) v1alpha1.MarketplaceInstanceStatus {
	result := *status.DeepCopy()
	result.Conditions = nil
	for _, kind := range allConditions {
		for _, c := range status.Conditions {
			if c.Type == kind {
				result.Conditions = append(result.Conditions, c)
			}
		}
	}
	return result
}

// versions are the resource versions of a tenant's objects.
func (x *shop) versions(namespace string) map[string]string {
	x.t.Helper()
	versions := map[string]string{}
	for _, kind := range salestest.TenantKinds() {
		list := &metav1.PartialObjectMetadataList{}
		list.SetGroupVersionKind(kind)
		x.Expect(x.client.List(x.t.Context(), list, client.InNamespace(namespace))).To(Succeed())
		for _, object := range list.Items {
			versions[kind.Kind+"/"+object.Name] = object.ResourceVersion
		}
	}
	return versions
}

func TestTenantsShareNothing(t *testing.T) {
	t.Parallel()
	x, y := newShop(t, "sales-one"), newShop(t, "sales-two")
	x.operate()
	y.operate()
	x.sells(withAccess)
	y.sells(withAccess)
	x.buys("acme")
	x.buys("bravo")
	y.buys("acme")
	tenants := map[string]*v1alpha1.MarketplaceInstance{
		"one's acme":  x.says("acme", v1alpha1.ConditionReady, "True InstanceReady"),
		"one's bravo": x.says("bravo", v1alpha1.ConditionReady, "True InstanceReady"),
		"two's acme":  y.says("acme", v1alpha1.ConditionReady, "True InstanceReady"),
	}
	namespaces, passwords, seeds := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for name, mpi := range tenants {
		own := x.secret(mpi.Namespace, mpi.Name+"-access")
		namespaces[mpi.Status.Namespace], passwords[string(own.Data["password"])], seeds[string(own.Data["seed"])] = true, true, true
		x.checkLabels(mpi)
		x.Expect(x.secret(mpi.Status.Namespace, "access").Data).NotTo(HaveKey("seed"), name)
	}
	theirs := tenants["two's acme"].Status.Namespace
	woken := func(reader client.Reader) int {
		q := priorityqueue.New[queue.Request]("test")
		defer q.ShutDown()
		queue.ObjectEvents(reader).Update(t.Context(), event.UpdateEvent{ObjectNew: x.deployment(theirs, "web")}, q)
		return q.Len()
	}
	x.Expect([]int{woken(x.running.client), woken(y.running.client)}).To(Equal([]int{0, 1}), "another release's object wakes nothing")
	x.Expect([]int{len(namespaces), len(passwords), len(seeds)}).To(Equal([]int{3, 3, 3}), "namespaces, passwords and seeds")
}

// checkLabels demands that everything in a tenant's namespace says whose it is.
func (x *shop) checkLabels(mpi *v1alpha1.MarketplaceInstance) {
	x.t.Helper()
	ns, err := x.typed.CoreV1().Namespaces().Get(x.t.Context(), mpi.Status.Namespace, metav1.GetOptions{})
	x.Expect(err).NotTo(HaveOccurred())
	x.Expect(ns.Annotations).To(HaveKeyWithValue(v1alpha1.InstanceUIDAnnotation, string(mpi.UID)))
	x.Expect(ns.Labels).To(And(
		HaveKeyWithValue(v1alpha1.RevisionLabel, mpi.Status.Revision),
		HaveKeyWithValue("pod-security.kubernetes.io/enforce", "restricted"),
		HaveKeyWithValue(v1alpha1.DeletionProtectionLabel, "Enabled"),
	))
	found := 0
	for _, kind := range salestest.TenantKinds() {
		list := &metav1.PartialObjectMetadataList{}
		list.SetGroupVersionKind(kind)
		x.Expect(x.client.List(x.t.Context(), list, client.InNamespace(mpi.Status.Namespace))).To(Succeed())
		for _, object := range list.Items {
			found++
			x.Expect(object.Labels).To(And(HaveKeyWithValue(v1alpha1.InstanceLabel, mpi.Name),
				HaveKeyWithValue(v1alpha1.InstanceNamespaceLabel, mpi.Namespace)), kind.Kind+"/"+object.Name)
		}
	}
	x.Expect(found).To(BeNumerically(">=", 4), "Deployment, ConfigMap, ServiceAccount and NetworkPolicy")
}

func TestANamespaceOfSomebodyElseIsLeftAlone(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-conflict")
	x.operate()
	x.sells()
	taken := v1alpha1.TenantNamespace(v1alpha1.DefaultTenantPrefix, x.name, "acme")
	x.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: taken}})
	x.buys("acme")
	mpi := x.says("acme", v1alpha1.ConditionProvisioned, "False NamespaceConflict")
	x.Expect(mpi.Status.Namespace).To(BeEmpty())
	x.Expect(mpi.Status.State).To(Equal(v1alpha1.StateBlocked))
	ns, err := x.typed.CoreV1().Namespaces().Get(t.Context(), taken, metav1.GetOptions{})
	x.Expect(err).NotTo(HaveOccurred())
	x.Expect(ns.Labels).NotTo(HaveKey(v1alpha1.InstanceLabel))

	x.Expect(x.client.Delete(t.Context(), mpi)).To(Succeed())
	x.gone("acme")
	ns, err = x.typed.CoreV1().Namespaces().Get(t.Context(), taken, metav1.GetOptions{})
	x.Expect(err).NotTo(HaveOccurred())
	x.Expect(ns.DeletionTimestamp).To(BeNil(), "a namespace of somebody else is not deleted")
}

func TestALostAccessSecretChangesNothing(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-lost")
	x.operate()
	x.sells(withAccess, salestest.Inline(salestest.Web+salestest.Settings+"  password: {{ tenantSecret \"db\" | quote }}\n"))
	x.buys("acme")
	mpi := x.says("acme", v1alpha1.ConditionReady, "True InstanceReady")
	secret := x.secret(x.name, "acme-access")
	versions := x.versions(mpi.Status.Namespace)

	x.Expect(x.client.Delete(t.Context(), secret)).To(Succeed())
	change(x, mpi, func(mpi *v1alpha1.MarketplaceInstance) { mpi.Spec.Quantity = ptr.To(int32(9)) })
	mpi = x.says("acme", v1alpha1.ConditionProvisioned, "False AccessSecretLost")
	x.Expect(mpi.Status.Conditions).To(ContainElement(HaveField("Message", ContainSubstring("restore it"))))
	x.Expect(x.versions(mpi.Status.Namespace)).To(Equal(versions))

	restored := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: x.name, Name: secret.Name}, Data: secret.Data}
	x.create(restored)
	x.touch("acme", "restored")
	x.says("acme", v1alpha1.ConditionReady, "True InstanceReady")
	x.Expect(x.versions(mpi.Status.Namespace)["ConfigMap/settings"]).NotTo(Equal(versions["ConfigMap/settings"]), "the quantity")
}

func TestATenantThatIsStuckSaysWhy(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-refused")
	x.operate()
	x.sells(salestest.Inline(salestest.Web + "---\napiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {ports: [{port: {{ .Values.port | default 80 }}}]}\n"))
	mpi := x.buys("acme")
	x.says("acme", v1alpha1.ConditionReady, "True InstanceReady")
	change(x, mpi, func(mpi *v1alpha1.MarketplaceInstance) {
		mpi.Spec.Values = salestest.Raw(`{"port": 99999}`)
	})
	mpi = x.says("acme", v1alpha1.ConditionProvisioned, "False ApplyFailed")
	x.Expect(mpi.Status.Blockers).To(ContainElement(And(HaveField("Object", "Service/web"), HaveField("Remedy", Not(BeEmpty())))))
	for _, c := range mpi.Status.Conditions {
		x.Expect(strings.Contains(c.Message, "  ")).To(BeFalse(), c.Message)
	}
	change(x, mpi, func(mpi *v1alpha1.MarketplaceInstance) { mpi.Spec.Values = salestest.Raw(`{"port": 8080}`) })
	x.says("acme", v1alpha1.ConditionReady, "True InstanceReady")
	x.Expect(x.instance("acme").Status.Blockers).To(BeEmpty())
}

// A revision that the API server refuses changes nothing in the tenant.
func TestATenantIsReadyWhenItsServiceHasAnAddress(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-address")
	x.operate()
	balanced := service("front", "type: LoadBalancer, ports: [{port: 80}]")
	p := x.sells(salestest.Inline(salestest.Web + balanced))
	x.bought("acme")
	x.says("acme", v1alpha1.ConditionProvisioned, "Unknown "+v1alpha1.ReasonProgressing)
	front := &corev1.Service{}
	x.eventually(func() error {
		return x.client.Get(t.Context(), client.ObjectKey{Namespace: x.tenantOf("acme"), Name: "front"}, front)
	}).Should(Succeed())
	front.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: "192.0.2.1"}}
	x.Expect(x.client.Status().Update(t.Context(), front)).To(Succeed())
	x.ready("acme")

	x.bought("bravo")
	x.says("bravo", v1alpha1.ConditionProvisioned, "Unknown "+v1alpha1.ReasonProgressing)
	change(x, p, salestest.Inline(salestest.Web+strings.Replace(balanced, "{name: front}", `{name: front, annotations: {argocd.argoproj.io/ignore-healthcheck: "true"}}`, 1)))
	x.ready("bravo") // as the blocker's message says
}

func TestGoingBackFromARevisionThatFailedPutsEverythingBack(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-back")
	x.operate()
	service := "---\napiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {ports: [{port: 80}]}\n"
	p := x.sells(salestest.Inline(salestest.Web + salestest.Settings + service))
	x.buys("acme")
	mpi := x.says("acme", v1alpha1.ConditionReady, "True InstanceReady")
	first := p.Status.LatestRevision
	greeting := func() string { return x.greeting(mpi.Status.Namespace) }

	change(x, p, salestest.Inline(salestest.Web+strings.ReplaceAll(salestest.Settings, `"hello"`, `"changed"`)+strings.ReplaceAll(service, "{ports", `{ {{ if ne .Values.stallkeeper.instance.name "sample" }}clusterIP: 192.0.2.1, {{ end }}ports`)))
	x.says("acme", v1alpha1.ConditionProvisioned, "False ApplyFailed")
	x.Expect(greeting()).To(Equal("hello"), "a move is all or nothing")

	change(x, p, salestest.Inline(salestest.Web+salestest.Settings+service))
	x.eventually(func() string { return x.instance("acme").Status.TargetRevision }).Should(Equal(first), "equal content is the same revision")
	x.eventually(greeting).Should(Equal("hello"))
	x.says("acme", v1alpha1.ConditionReady, "True InstanceReady")
	x.Expect(x.instance("acme").Status.Revision).To(Equal(first))
}

// greeting is what a tenant's settings say.
func (x *shop) greeting(namespace string) string {
	x.t.Helper()
	c := &corev1.ConfigMap{}
	x.Expect(x.client.Get(x.t.Context(), client.ObjectKey{Namespace: namespace, Name: "settings"}, c)).To(Succeed())
	return c.Data["greeting"]
}

// A process that dies between the apply and the status leaves digests behind that fit what was there before.
func TestGoingBackFromAMoveThatNobodyReportedPutsEverythingBack(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-crash")
	o := x.operate()
	p := x.sells()
	x.buys("acme")
	mpi := x.says("acme", v1alpha1.ConditionReady, "True InstanceReady")
	first := p.Status.LatestRevision
	o.requests.lose("/acme/status")
	change(x, p, salestest.Inline(salestest.Web+strings.ReplaceAll(salestest.Settings, `"hello"`, `"changed"`)))
	x.eventually(func() string { return x.greeting(mpi.Status.Namespace) }).Should(Equal("changed"))
	o.stop()

	o = x.operate("product")
	change(x, p, salestest.Inline(salestest.Web+salestest.Settings))
	x.eventually(func() string {
		x.Expect(x.client.Get(t.Context(), client.ObjectKeyFromObject(p), p)).To(Succeed())
		return p.Status.LatestRevision
	}).Should(Equal(first))
	o.stop()
	x.operate()
	x.eventually(func() string { return x.greeting(mpi.Status.Namespace) }).Should(Equal("hello"))
}

// A revision that can't be made for one tenant must not keep it from what is paid for or not.
func TestATenantStaysOnItsRevisionWhenTheNextOneFails(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-stuck")
	x.operate()
	p := x.sells()
	x.buys("acme", func(mpi *v1alpha1.MarketplaceInstance) { mpi.Spec.Values = salestest.Raw(`{"legacy": true}`) })
	mpi := x.says("acme", v1alpha1.ConditionReady, "True InstanceReady")
	first := p.Status.LatestRevision
	change(x, p, salestest.Inline(salestest.Web+salestest.Settings+"---\n{{ if .Values.legacy }}{{ fail \"legacy is gone\" }}{{ end }}\n"))
	stuck := x.says("acme", v1alpha1.ConditionProvisioned, "False RenderFailed")
	x.Expect(stuck.Status.Revision).To(Equal(first))
	x.Expect(stuck.Status.TargetRevision).NotTo(Equal(first))
	x.Expect(stuck.Status.Conditions).To(ContainElement(HaveField("Message", ContainSubstring("legacy is gone"))))

	change(x, mpi, func(mpi *v1alpha1.MarketplaceInstance) { mpi.Spec.DesiredState = v1alpha1.DesiredStateSuspended })
	x.says("acme", v1alpha1.ConditionSuspended, "True SuspensionRequested")
	x.Expect(*x.deployment(mpi.Status.Namespace, "web").Spec.Replicas).To(BeZero())
	change(x, mpi, func(mpi *v1alpha1.MarketplaceInstance) {
		mpi.Spec.DesiredState, mpi.Spec.Values = v1alpha1.DesiredStateRunning, salestest.Raw(`{"legacy": false}`)
	})
	x.says("acme", v1alpha1.ConditionReady, "True InstanceReady")
	x.Expect(x.instance("acme").Status.Revision).To(Equal(stuck.Status.TargetRevision))
}
