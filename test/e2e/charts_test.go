package e2e_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

// orchard is a product of the chart in test/charts/orchard. Its chart is in a ConfigMap, whose name has the chart's version.
const orchard = `apiVersion: stallkeeper.io/v1alpha1
kind: MarketplaceProduct
metadata:
  name: orchard
  namespace: ` + salesNamespace + `
spec:
  plans:
    - name: team
      listings:
        - marketplace: koogallery
          productIDs: [OFFI-E2E-ORCHARD]
          skus: [e2e-orchard]
      values:
        title: 'Orchard {{ .instance.name }}'
        token: '{{ .instance.name }}'
        web:
          minReplicas: '{{ .quantity | toInt }}'
  template:
    chart:
      configMapRef: {name: orchard-VERSION, key: chart.tgz}
  lifecycle:
    retentionPeriodSeconds: 3
  isolation:
    ingressFromNamespaces: [` + visitorsNamespace + `]
    egress: None
`

// offerOrchard packages the chart as a version, and makes it the product's.
func offerOrchard(ctx context.Context, version string) {
	GinkgoHelper()
	folder := filepath.Join(world.dir, "orchard-"+version)
	_, err := run(ctx, nil, "", os.Getenv("E2E_HELM"), "package", filepath.Join(world.root, "test", "charts", "orchard"),
		"--version", version, "--destination", folder)
	Expect(err).NotTo(HaveOccurred())
	mustKubectl(ctx, "", "create", "configmap", "orchard-"+version, "-n", salesNamespace,
		"--from-file=chart.tgz="+filepath.Join(folder, "orchard-"+version+".tgz"))
	mustKubectl(ctx, strings.ReplaceAll(orchard, "VERSION", version), "apply", "-f", "-")
	Eventually(func(g Gomega) {
		product := &v1alpha1.MarketplaceProduct{}
		g.Expect(world.kube.Get(ctx, client.ObjectKey{Namespace: salesNamespace, Name: "orchard"}, product)).To(Succeed())
		g.Expect(product.Status.ObservedGeneration).To(HaveValue(Equal(product.Generation)))
		g.Expect(notReady(product.Status.Conditions)).To(BeEmpty())
	}).WithContext(ctx).Should(Succeed())
}

// runsAChart sells a chart in the style of sellers' own: several workloads, an autoscaler, a dependency with a volume, a
// migration before everything else, and a first entry after everything else.
func runsAChart(ctx SpecContext) {
	const ledger = "/cgi-bin/ledger"
	offerOrchard(ctx, "0.1.0")
	s := newSale("orchard", "orchard")
	s.purchase(ctx, 1)
	s.untilOrchardRuns(ctx, 1)
	s.untilSeen(ctx, "app-orchard-web", "/", "", "Orchard "+s.instance+", edition 0.1.0")

	By("looking at the order in which it was made")
	migrate, web := &batchv1.Job{}, &appsv1.Deployment{}
	Expect(world.kube.Get(ctx, client.ObjectKey{Namespace: s.namespace, Name: "app-orchard-migrate"}, migrate)).To(Succeed())
	Expect(world.kube.Get(ctx, client.ObjectKey{Namespace: s.namespace, Name: "app-orchard-web"}, web)).To(Succeed())
	Expect(notAfter(migrate.Status.CompletionTime, &web.CreationTimestamp)).To(BeTrue(), "the web server did not wait for the migration")
	s.untilSeen(ctx, "app-store", ledger, "", "seeded by 0.1.0\n")
	Expect(s.visit(ctx, "app-store", ledger, "")).To(Equal("seeded by 0.1.0\n"), "at an install there is no store to migrate")

	By("writing, suspending and resuming")
	s.untilSeen(ctx, "app-store", ledger, "kept", "kept\n")
	claims, err := s.claims(ctx)
	Expect(err).NotTo(HaveOccurred())
	Expect(claims).To(HaveLen(1))
	call(ctx, "freeze", "--instance", s.instance)
	Eventually(func(g Gomega) {
		instance, err := s.get(ctx)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(instance.Status.State).To(Equal(v1alpha1.StateSuspended))
		g.Expect(s.claims(ctx)).To(Equal(claims))
	}).WithContext(ctx).Should(Succeed())
	call(ctx, "unfreeze", "--instance", s.instance)
	s.untilOrchardRuns(ctx, 1)
	s.untilSeen(ctx, "app-store", ledger, "", "kept\n")

	By("scaling")
	change := s.order + "-UP"
	Expect(postOrder(ctx, change, "CHANGE", "orchard", 2)).To(Succeed())
	call(ctx, "upgrade", "--instance", s.instance, "--order", change)
	s.untilOrchardRuns(ctx, 2)

	By("moving to a new version of the chart")
	offerOrchard(ctx, "0.2.0")
	s.untilSeen(ctx, "app-orchard-web", "/", "", "edition 0.2.0")
	s.untilOrchardRuns(ctx, 2)
	read, err := s.visit(ctx, "app-store", ledger, "")
	Expect(err).NotTo(HaveOccurred())
	Expect(read).To(ContainSubstring("kept\n"))
	Expect(read).To(ContainSubstring("migrated to 0.2.0\n"), "the migration of the upgrade reached the store")
	Expect(strings.Count(read, "seeded by")).To(Equal(1), "an upgrade is no install")
	remark("a chart with hooks, an autoscaler and a dependency: installed, suspended, scaled and upgraded; its ledger says %q", read)

	call(ctx, "release", "--instance", s.instance)
	s.untilGone(ctx)
}

// notAfter says whether the first instant is there and not after the second.
func notAfter(first, second *metav1.Time) bool {
	return first != nil && !first.After(second.Time)
}

// untilOrchardRuns waits until the sale's tenant runs with as many web servers.
func (s *sale) untilOrchardRuns(ctx context.Context, quantity int32) {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		instance, err := s.get(ctx)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(notReady(instance.Status.Conditions)).To(BeEmpty())
		g.Expect(instance.Status.Revision).To(Equal(instance.Status.TargetRevision))
		s.namespace = instance.Status.Namespace
		web := &appsv1.Deployment{}
		g.Expect(world.kube.Get(ctx, client.ObjectKey{Namespace: s.namespace, Name: "app-orchard-web"}, web)).To(Succeed())
		g.Expect(web.Status.ReadyReplicas).To(Equal(quantity))
	}).WithContext(ctx).WithTimeout(3 * time.Minute).Should(Succeed())
}
