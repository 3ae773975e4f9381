package operator_test

import (
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery"
)

// badProducts are refused with the reason and what to change, before anybody has bought one.
func badProducts() {
	object := func(apiVersion, kind string) string {
		return "\n---\napiVersion: " + apiVersion + "\nkind: " + kind + "\nmetadata: {name: x}\n"
	}
	DescribeTable("is not ready", func(ctx SpecContext, name, template, want string, changes ...func(*v1alpha1.MarketplaceProduct)) {
		offer(ctx, product(name, template, changes...), want)
	},
		Entry("when its template can't be read", "unreadable", web+"\n{{ if }}",
			"False RenderFailed: inline.yaml:16: missing value for if"),
		Entry("when its template does not render", "failing", web+"\n{{ fail \"no license\" }}",
			"False RenderFailed: no license"),
		Entry("when what it renders is not YAML", "noyaml", settings+"\n---\na: b: c\n",
			"False RenderFailed: YAML"),
		Entry("when a plan's values don't render", "novalues", web,
			"False RenderFailed: toInt: the text is not a whole number", func(p *v1alpha1.MarketplaceProduct) {
				p.Spec.Plans[0].Values = values(map[string]any{"replicas": "{{ .plan | toInt }}"})
			}),
		Entry("when its chart's ConfigMap does not exist", "nochart", web,
			"False ChartNotFound: kubectl create configmap missing --from-file=chart.tgz", func(p *v1alpha1.MarketplaceProduct) {
				p.Spec.Template = v1alpha1.ProductTemplate{Chart: v1alpha1.Chart{
					ConfigMapRef: v1alpha1.ConfigMapKeyReference{Name: "missing", Key: "chart.tgz"},
				}}
			}),
		Entry("with a cluster-scoped kind", "clusterscoped", web+object("rbac.authorization.k8s.io/v1", "ClusterRole"),
			"False NotPermitted: ClusterRole is cluster-scoped, but a tenant is one namespace; disable it in the product's values or remove it from the template"),
		Entry("with another namespace", "othernamespace", strings.ReplaceAll(settings, "{name: web}\ndata", "{name: web, namespace: kube-system}\ndata"),
			`False NotPermitted: metadata.namespace is "kube-system", not the tenant's; remove it`),
		Entry("with a kind outside the permissions", "outside", web+object("cert-manager.io/v1", "Certificate"),
			"False NotPermitted: add it to Stallkeeper's chart value extraTenantKinds"),
		Entry("with a Role, where the chart does not allow them", "role", web+object("rbac.authorization.k8s.io/v1", "Role"),
			"False NotPermitted: tenantRBAC.enabled"),
		Entry("with a DaemonSet", "daemonset", web+object("apps/v1", "DaemonSet"),
			"False NotPermitted: use a Deployment"),
		Entry("when its pods would be refused", "insecure", strings.ReplaceAll(web, "runAsNonRoot: true", "runAsNonRoot: false"),
			"False PodSecurity: Deployment/web violates Pod Security level restricted: runAsNonRoot != true"),
	)

	It("keeps a sale waiting, which runs as soon as the product is put right", func(ctx SpecContext) {
		p := offer(ctx, product("repaired", web+"\n{{ fail \"not yet\" }}"), "False RenderFailed: not yet")
		s := world.main.buys(ctx, "repaired", orderOptions{quantity: 1})
		s.becomes(ctx, look{state: v1alpha1.StateBlocked, conditions: map[string]string{
			"Ready":         `False ProductNotReady: kubectl describe mpp repaired`,
			"OrderResolved": "True OrderResolved", "Provisioned": "False ProductNotReady",
		}})
		s.purchase(ctx, koogallery.ResultInProgress)
		s.query(ctx, koogallery.ResultInProgress)

		change(ctx, p, func(p *v1alpha1.MarketplaceProduct) { p.Spec.Template.Inline = strings.TrimPrefix(shop, "\n---\n") })
		offered(ctx, p, ready)
		s.becomes(ctx, look{state: v1alpha1.StateRunning, web: pods(1), data: pods(1), conditions: map[string]string{
			"Ready": "True InstanceReady", "Entitled": "True NoExpiry",
		}})
		s.query(ctx, koogallery.ResultSuccess)
	})

	It("that asks for more than its quota is a blocker that says so, until the quota is raised", func(ctx SpecContext) {
		p := offer(ctx, product("quota", web, quota(string(corev1.ResourcePods), "1")), ready)
		s := world.main.buys(ctx, "quota", orderOptions{quantity: 3})
		mpi, _ := s.becomes(ctx, look{state: v1alpha1.StateBlocked, conditions: map[string]string{
			"Ready": "False Unhealthy: quota", "Provisioned": "False Unhealthy",
		}}, func(g Gomega, mpi *v1alpha1.MarketplaceInstance, _ tenant) {
			g.Expect(mpi.Status.Blockers).NotTo(BeEmpty())
		})
		blocker := mpi.Status.Blockers[0]
		Expect(blocker.Object).To(Equal("Deployment/web"))
		Expect(blocker.Message).To(ContainSubstring("quota"))
		Expect(blocker.Remedy).To(ContainSubstring("quota"))
		described, err := world.cluster.kubectl(ctx, "describe", "mpi", s.id)
		Expect(err).NotTo(HaveOccurred())
		Expect(described).To(ContainSubstring(blocker.Remedy))
		s.query(ctx, koogallery.ResultInProgress)

		change(ctx, p, func(p *v1alpha1.MarketplaceProduct) { quota(string(corev1.ResourcePods), "5")(p) })
		s.becomes(ctx, look{state: v1alpha1.StateRunning, web: pods(3)})
	})
}
