package controllers

import (
	"testing"

	. "github.com/onsi/gomega"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
)

// refusesUpdates installs a policy that refuses every update of the tenants' Deployments, as one does that they do not follow, and waits
// until it is in force.
func (x *shop) refusesUpdates(namespace, deployment string) {
	x.t.Helper()
	policy := &admissionv1.ValidatingAdmissionPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: x.name + "-signed"},
		Spec: admissionv1.ValidatingAdmissionPolicySpec{
			MatchConstraints: &admissionv1.MatchResources{
				NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{v1alpha1.InstanceNamespaceLabel: x.name}},
				ResourceRules: []admissionv1.NamedRuleWithOperations{{RuleWithOperations: admissionv1.RuleWithOperations{
					Operations: []admissionv1.OperationType{admissionv1.Update},
					Rule:       admissionv1.Rule{APIGroups: []string{"apps"}, APIVersions: []string{"v1"}, Resources: []string{"deployments"}},
				}}},
			},
			Validations: []admissionv1.Validation{{Expression: "false", Message: "images have to be signed"}},
		},
	}
	x.create(policy)
	x.create(&admissionv1.ValidatingAdmissionPolicyBinding{
		ObjectMeta: metav1.ObjectMeta{Name: policy.Name},
		Spec:       admissionv1.ValidatingAdmissionPolicyBindingSpec{PolicyName: policy.Name, ValidationActions: []admissionv1.ValidationAction{admissionv1.Deny}},
	})
	x.eventually(func() error {
		web := &appsv1.Deployment{}
		x.Expect(x.client.Get(x.t.Context(), client.ObjectKey{Namespace: namespace, Name: deployment}, web)).To(Succeed())
		web.Labels["tried"] = "yes"
		return x.client.Update(x.t.Context(), web, client.DryRunAll)
	}).Should(MatchError(ContainSubstring("images have to be signed")))
}

func TestAPolicyThatRefusesAllUpdatesKeepsNoTenantFromStoppingAndResuming(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-signed")
	o := x.operate()
	x.sells(withAccess, salestest.Inline(autoscaled+workloadOf("Deployment", "api", "replicas: 2")))
	x.bought("acme")
	_, ns := x.ready("acme")
	x.scales(ns, "web", 7)
	x.passOver("acme")
	x.refusesUpdates(ns, "web")

	x.freezes("acme")
	x.says("acme", v1alpha1.ConditionSuspended, isFrozen)
	x.Expect([]int32{x.replicas(ns, "web"), x.replicas(ns, "api")}).To(Equal([]int32{0, 0}))
	x.Expect(x.instance("acme").Status.Blockers).To(ContainElement(And(
		HaveField("Object", "Deployment/web"), HaveField("Message", ContainSubstring(x.name+"-signed")), HaveField("Remedy", ContainSubstring("exempt")),
	)))
	x.passOver("acme")
	stopped := x.versions(ns)
	o.stop()
	x.operate()
	x.sub("acme", paidUntil(40))
	x.entitled("acme", v1alpha1.ReasonFrozen)
	x.passOver("acme")
	x.Expect(x.versions(ns)).To(Equal(stopped), "nothing is written to a tenant that is stopped")

	x.unfreezes("acme")
	x.ready("acme")
	x.Expect([]int32{x.replicas(ns, "web"), x.replicas(ns, "api")}).To(Equal([]int32{7, 2}))
	x.Expect(x.instance("acme").Status.Blockers).To(BeEmpty())
}
