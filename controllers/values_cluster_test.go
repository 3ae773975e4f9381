package controllers

import (
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
)

// A Secret of valuesFrom is not watched, is no part of a revision, and nothing else about the tenant changes with it.
func TestAChangeOfASecretOfValuesFromReachesTenants(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-secret-values")
	x.operate()
	smtp := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: x.name, Name: "smtp"}, Data: map[string][]byte{"values.yaml": []byte("smtp: {host: first}")},
	}
	x.create(smtp)
	p := x.sells(salestest.Inline(`
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data:
  host: {{ .Values.smtp.host | quote }}
`), func(p *v1alpha1.MarketplaceProduct) {
		p.Spec.ValuesFrom = []v1alpha1.ValuesSource{{SecretRef: v1alpha1.SecretKeyReference{Name: smtp.Name, Key: "values.yaml"}}}
	})
	x.bought("acme")
	mpi, ns := x.ready("acme")
	host := func() string { return x.configMap(ns, "settings").Data["host"] }
	x.Expect(host()).To(Equal("first"))

	change(x, p, func(p *v1alpha1.MarketplaceProduct) { p.Spec.Rollout.State = v1alpha1.RolloutPaused })
	x.passOver("acme")
	change(x, smtp, func(s *corev1.Secret) { s.Data["values.yaml"] = []byte("smtp: {host: second}") })
	x.eventually(host).Should(Equal("second"))
	x.Expect(x.instance("acme").Status.Revision).To(Equal(mpi.Status.Revision), "it is another revision")

	change(x, smtp, func(s *corev1.Secret) { s.Data = nil })
	x.says("acme", v1alpha1.ConditionProvisioned, "False "+v1alpha1.ReasonValuesNotFound)
	x.Expect(host()).To(Equal("second"), "it goes on as it is")
	change(x, smtp, func(s *corev1.Secret) { s.Data = map[string][]byte{"values.yaml": []byte("smtp: {host: third}")} })
	x.eventually(host).Should(Equal("third"))
}

func TestAnInjectorThatTheProductNamesIsLeftAlone(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-injected")
	o := x.operate()
	p := x.sells(func(p *v1alpha1.MarketplaceProduct) {
		p.Spec.Drift.Ignore = []v1alpha1.DriftKind{{Group: "apps", Kind: "Deployment", Managers: []string{"kubectl-edit"}}}
	})
	x.bought("acme")
	_, ns := x.ready("acme")
	x.patched(x.deployment(ns, "web"), ns, "web", `{"spec":{"template":{"spec":{"hostAliases":[{"ip":"203.0.113.7","hostnames":["a"]}]}}}}`)
	x.ready("acme")
	x.passOver("acme")
	o.requests.reset()
	x.passOver("acme")
	x.Expect(o.requests.ofTenants()).To(BeEmpty())
	aliases := func() []corev1.HostAlias { return x.deployment(ns, "web").Spec.Template.Spec.HostAliases }
	x.Expect(aliases()).To(HaveLen(1))

	change(x, p, func(p *v1alpha1.MarketplaceProduct) { p.Spec.Drift = v1alpha1.Drift{} })
	x.eventually(aliases).Should(BeEmpty())
}
