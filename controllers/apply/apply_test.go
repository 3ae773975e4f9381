package apply

import (
	"errors"
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

func TestWhatApplyReturnsIsWhatTheCacheShows(t *testing.T) {
	x := newTenant(t, "digest")
	set := x.set("rev-1", configuration, workloads, migration)
	before := set.Groups[1][1].DeepCopy()

	applied := x.apply(set)
	observed := x.settle(applied, Pruned{})

	x.Expect(set.Groups[1][1]).To(Equal(before), "the desired set belongs to the caller")
	x.Expect(observed.Objects).NotTo(HaveKey(Key{Kind: "Secret", Name: "access"}))
	x.Expect(x.live("Secret", "access")).NotTo(BeNil())
	x.Expect(observed.Objects).To(HaveKey(Key{Group: "apps", Kind: "Deployment", Name: "web"}))
	x.Expect(observed.Namespace.GetLabels()).To(HaveKeyWithValue(v1alpha1.InstanceLabel, "digest"))
	x.Expect(x.apply(set).Digest(Pruned{})).To(Equal(applied.Digest(Pruned{})), "applying again changes nothing")
}

func TestDigestToldApartByWhoseFieldChanged(t *testing.T) {
	x := newTenant(t, "drift")
	applied := x.apply(x.set("rev-1", configuration, workloads))
	x.settle(applied, Pruned{})
	quiet := applied.Digest(Pruned{})
	web := Key{Group: "apps", Kind: "Deployment", Name: "web"}

	for what, patch := range map[string]string{
		"an annotation of their own":         `{"metadata":{"annotations":{"team":"blue"}}}`,
		"a label of their own":               `{"metadata":{"labels":{"team":"blue"}}}`,
		"a field that we leave open":         `{"spec":{"replicas":5,"minReadySeconds":3}}`,
		"an annotation with the cache's key": `{"metadata":{"annotations":{"` + FieldsAnnotation + `":"x"}}}`,
	} {
		x.patch("Deployment", "web", patch)
		x.Expect(x.observe().Digest()).To(Equal(quiet), "somebody adds "+what)
	}

	for what, patch := range map[string]string{
		"the image":         `{"spec":{"template":{"spec":{"containers":[{"name":"web","image":"evil:1"}]}}}}`,
		"the arguments":     `{"spec":{"template":{"spec":{"containers":[{"name":"web","image":"web:1","args":["x"]}]}}}}`,
		"the owner's label": `{"metadata":{"labels":{"` + v1alpha1.InstanceNamespaceLabel + `":"elsewhere"}}}`,
	} {
		x.patch("Deployment", "web", patch)
		observed := x.observe()
		x.Expect(observed.Digest()).NotTo(Equal(quiet), "somebody changes "+what)
		x.Expect(Drifted(applied.Entries, observed.Entries())).To(Equal([]Key{web}))
		x.Expect(OtherManager(observed.Objects[web])).To(Equal("somebody"))

		again := x.apply(x.set("rev-1", configuration, workloads))
		x.Expect(again.Digest(Pruned{})).To(Equal(quiet), "put right: "+what)
		x.settle(again, Pruned{})
	}

	x.Expect(x.client.Delete(t.Context(), x.live("ConfigMap", "settings"))).To(Succeed())
	x.eventually(func() []Key { return Drifted(applied.Entries, x.observe().Entries()) }).
		Should(Equal([]Key{{Kind: "ConfigMap", Name: "settings"}}))
	again := x.apply(x.set("rev-1", configuration, workloads))
	x.Expect(again.Digest(Pruned{})).NotTo(Equal(quiet), "made anew, it is another object")
	x.settle(again, Pruned{})
}

func TestOwnershipWipedByHandIsDriftEvenWithAForgedHash(t *testing.T) {
	x := newTenant(t, "forged")
	applied := x.apply(x.set("rev-1", configuration))
	observed := x.settle(applied, Pruned{})
	hash := OwnFields(observed.Objects[Key{Kind: "ConfigMap", Name: "settings"}])
	x.Expect(hash).To(HaveLen(22))

	x.patch("ConfigMap", "settings", `{"metadata":{"annotations":{"`+FieldsAnnotation+`":"`+hash+`"}}}`)
	x.patch("ConfigMap", "settings", `{"metadata":{"managedFields":[{}]},"data":{"mode":"slow"}}`)

	x.Expect(Drifted(applied.Entries, x.observe().Entries())).To(Equal([]Key{{Kind: "ConfigMap", Name: "settings"}}))
}

func TestAFailedObjectStopsLaterGroupsAndNotItsOwn(t *testing.T) {
	x := newTenant(t, "failing")
	const broken = `
- {apiVersion: v1, kind: ConfigMap, metadata: {name: good}, data: {a: b}}
- {apiVersion: v1, kind: ConfigMap, metadata: {name: other, namespace: kube-system}, data: {a: b}}
- {apiVersion: v1, kind: ConfigMap, metadata: {name: bad}, dada: {a: b}}
- {apiVersion: v1, kind: Secret, metadata: {name: typo}, data: {password: {nested: hunter2}}}
- {apiVersion: v1, kind: Secret, metadata: {name: plain}, data: {password: hunter2!}}
- {apiVersion: gone.example.com/v1, kind: Widget, metadata: {name: w}}
- {apiVersion: v1, kind: Service, metadata: {name: web}, spec: {ports: [{port: 99999}]}}
`
	applied, err := x.applier().Apply(t.Context(), x.set("rev-1", broken, workloads))

	failures := ObjectErrors(err)
	type brief struct {
		Name   string
		Reason Reason
		Field  string
	}
	var got []brief
	for _, f := range failures {
		got = append(got, brief{f.Kind + "/" + f.Name, f.Reason, f.Field})
	}
	x.Expect(got).To(Equal([]brief{
		{"ConfigMap/bad", ReasonInvalid, "dada"},
		{"ConfigMap/other", ReasonInvalid, "metadata.namespace"},
		{"Secret/plain", ReasonInvalid, ""},
		{"Secret/typo", ReasonInvalid, "data.password"},
		{"Service/web", ReasonInvalid, "spec.ports[0].port"},
		{"Widget/w", ReasonKindNotServed, ""},
	}))
	for _, f := range failures {
		x.Expect(f.Remedy).NotTo(BeEmpty(), f.Error())
	}
	x.Expect(err.Error()).NotTo(ContainSubstring("hunter2"))
	var failed *SetError
	x.Expect(errors.As(err, &failed)).To(BeTrue())
	x.Expect(failed.Retryable()).To(BeFalse())
	x.Expect(x.live("ConfigMap", "good")).NotTo(BeNil())
	x.Expect(x.live("Deployment", "web")).To(BeNil(), "a later group needs the earlier one")
	x.Expect(applied.Entries).To(HaveLen(2), "the namespace and the good one")
}

func TestRefusalsOfTheAPIServerAreExplained(t *testing.T) {
	x := newTenant(t, "refused")
	set := x.set("rev-1", workloads)
	set.Namespace.SetLabels(map[string]string{"pod-security.kubernetes.io/enforce": "restricted"})
	x.apply(set)
	x.policy("refused-policy", x.name)
	x.quota(x.name)

	only := func(text string) *ObjectError {
		t.Helper()
		next := x.set("rev-1", text)
		next.Namespace = set.Namespace
		_, err := x.applier().Apply(t.Context(), next)
		if failures := ObjectErrors(err); len(failures) == 1 {
			return failures[0]
		}
		return &ObjectError{Message: "not refused"}
	}

	claims := only(`
- apiVersion: apps/v1
  kind: StatefulSet
  metadata: {name: db}
  spec:
    serviceName: db
    selector: {matchLabels: {app: db}}
    template: {metadata: {labels: {app: db}}, spec: {containers: [{name: db, image: "db:1"}]}}
    volumeClaimTemplates: [{metadata: {name: other}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}]
`)
	x.Expect(claims.Reason).To(Equal(ReasonImmutable))
	x.Expect(claims.Remedy).To(ContainSubstring("--cascade=orphan"))

	selector := only(`
- apiVersion: apps/v1
  kind: Deployment
  metadata: {name: web}
  spec:
    selector: {matchLabels: {app: other}}
    template: {metadata: {labels: {app: other}}, spec: {containers: [{name: web, image: "web:1"}]}}
`)
	x.Expect(selector.Reason).To(Equal(ReasonImmutable))
	x.Expect(selector.Field).To(Equal("spec.selector"))
	x.Expect(selector.Message).To(Equal("spec.selector: field is immutable"))

	pod := only(`[{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [{name: c, image: "c:1"}]}}]`)
	x.Expect(pod.Reason).To(Equal(ReasonPodSecurity))
	x.Expect(pod.Message).To(HavePrefix("Pod Security level restricted refuses it: allowPrivilegeEscalation"))

	// The API server takes note of a new policy and a new quota after a moment.
	x.eventually(func() string { return only(`[{apiVersion: v1, kind: ConfigMap, metadata: {name: denied}}]`).Error() }).
		Should(Equal("ConfigMap/denied: AdmissionDenied: ValidatingAdmissionPolicy refused-policy denied it: not this one"))
	second := `[{apiVersion: v1, kind: Service, metadata: {name: one}, spec: {ports: [{port: 1}]}}]`
	x.eventually(func() string { return only(second).Error() }).
		Should(Equal("Service/one: QuotaExceeded: quota tenant allows services=1; " +
			"with this object, which asks for services=1, it would be exceeded"))
}

// policy refuses the ConfigMap named denied in the namespace.
func (x *tenant) policy(name, namespace string) {
	x.t.Helper()
	for _, obj := range objects(x.t, `
- apiVersion: admissionregistration.k8s.io/v1
  kind: ValidatingAdmissionPolicy
  metadata: {name: `+name+`}
  spec:
    matchConstraints:
      resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [configmaps]}]
    validations: [{expression: "object.metadata.name != 'denied'", message: not this one}]
- apiVersion: admissionregistration.k8s.io/v1
  kind: ValidatingAdmissionPolicyBinding
  metadata: {name: `+name+`}
  spec:
    policyName: `+name+`
    validationActions: [Deny]
    matchResources: {namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: `+namespace+`}}}
`) {
		x.Expect(x.client.Create(x.t.Context(), obj)).To(Succeed())
		x.t.Cleanup(func() { _ = x.client.Delete(x.t.Context(), obj) })
	}
}

// quota lets the namespace have one Service, as the quota controller would after counting.
func (x *tenant) quota(namespace string) {
	x.t.Helper()
	quota := objects(x.t, `[{apiVersion: v1, kind: ResourceQuota, metadata: {name: tenant}, spec: {hard: {services: "1"}}}]`)[0]
	quota.SetNamespace(namespace)
	x.Expect(x.client.Create(x.t.Context(), quota)).To(Succeed())
	quota.Object["status"] = map[string]any{
		"hard": map[string]any{"services": "1"}, "used": map[string]any{"services": "1"},
	}
	x.Expect(x.client.Status().Update(x.t.Context(), quota)).To(Succeed())
}

func TestAnObjectInTheTenantThatIsNotOursIsTaken(t *testing.T) {
	x := newTenant(t, "taken")
	x.apply(x.set("rev-1"))
	theirs := newObject(NamespaceKind.GroupVersion().WithKind("ServiceAccount"), x.name, "default")
	x.Expect(x.client.Create(t.Context(), theirs, client.FieldOwner("kube-controller-manager"))).To(Succeed())

	applied := x.apply(x.set("rev-1", configuration))
	x.settle(applied, Pruned{})

	account := x.live("ServiceAccount", "default")
	x.Expect(account.GetUID()).To(Equal(theirs.GetUID()))
	mounts, _, _ := unstructured.NestedBool(account.Object, "automountServiceAccountToken")
	x.Expect(mounts).To(BeFalse())
}
