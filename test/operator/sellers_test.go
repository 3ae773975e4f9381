package operator_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	chartutil "helm.sh/helm/v4/pkg/chart/v2/util"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

// packaged is a chart's folder as `helm package` packs it, as the version that is given, or its own.
func packaged(folder, version string) []byte {
	GinkgoHelper()
	loaded, err := loader.LoadDir(folder)
	Expect(err).NotTo(HaveOccurred())
	if version != "" {
		loaded.Metadata.Version = version
	}
	dir, err := os.MkdirTemp(world.paths.dir, "chart-")
	Expect(err).NotTo(HaveOccurred())
	path, err := chartutil.Save(loaded, dir)
	Expect(err).NotTo(HaveOccurred())
	archive, err := os.ReadFile(path)
	Expect(err).NotTo(HaveOccurred())
	return archive
}

// othersChart is the folder of a chart that somebody else has written, and that comes from the Go module proxy: see the go.mod of
// test/othercharts, by whose go.sum it is checked.
func othersChart(ctx context.Context, module string, below ...string) string {
	GinkgoHelper()
	printed, err := run(ctx, filepath.Join(world.paths.root, "test", "othercharts"), []string{"GOFLAGS="}, "go", "mod", "download", "-json", module)
	Expect(err).NotTo(HaveOccurred())
	var downloaded struct{ Dir string }
	Expect(json.Unmarshal([]byte(printed), &downloaded)).To(Succeed())
	return filepath.Join(append([]string{downloaded.Dir}, below...)...)
}

// inConfigMap puts a chart into a ConfigMap and gives the reference to it.
func inConfigMap(ctx SpecContext, name string, archive []byte) v1alpha1.Chart {
	GinkgoHelper()
	create(ctx, &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: salesNamespace, Name: name}, BinaryData: map[string][]byte{"chart.tgz": archive},
	})
	return v1alpha1.Chart{ConfigMapRef: v1alpha1.ConfigMapKeyReference{Name: name, Key: "chart.tgz"}}
}

// inRegistry pushes a chart and gives the reference to it.
func inRegistry(ctx SpecContext, name, version string, archive []byte) v1alpha1.Chart {
	GinkgoHelper()
	repository := strings.TrimPrefix(newRegistry().URL, "http://") + "/charts/" + name
	Expect(push(ctx, repository, version, archive)).To(Succeed())
	return v1alpha1.Chart{OCI: v1alpha1.OCIChart{Reference: "oci://" + repository, Version: version, Transport: v1alpha1.TransportHTTP}}
}

// productOf is a product whose template is a chart, with a plan's values.
func productOf(name string, chart v1alpha1.Chart, plan map[string]any) *v1alpha1.MarketplaceProduct {
	GinkgoHelper()
	return product(name, "", lasting(3600, 3), func(p *v1alpha1.MarketplaceProduct) {
		p.Spec.Template = v1alpha1.ProductTemplate{Chart: chart}
		p.Spec.Plans[0].Values = values(plan)
	})
}

// sampleOf gives the values and the isolation of a product in config/samples/others-charts, with the storage class that this
// cluster has.
func sampleOf(name string, storage ...string) (plan map[string]any, isolation v1alpha1.Isolation) {
	GinkgoHelper()
	content, err := os.ReadFile(filepath.Join(world.paths.root, "config", "samples", "others-charts", name+".yaml"))
	Expect(err).NotTo(HaveOccurred())
	sample := &v1alpha1.MarketplaceProduct{}
	Expect(yaml.UnmarshalStrict(content, sample)).To(Succeed())
	Expect(json.Unmarshal(sample.Spec.Plans[0].Values.Raw, &plan)).To(Succeed())
	Expect(unstructured.SetNestedField(plan, "demo", storage...)).To(Succeed())
	for _, set := range sample.Spec.Plans[0].Set {
		Expect(set.From).To(Equal(v1alpha1.ValueFromQuantity))
		Expect(unstructured.SetNestedField(plan, "{{ .quantity | toInt }}", strings.Split(set.Path, ".")...)).To(Succeed())
	}
	return plan, sample.Spec.Isolation
}

// readyMessage is the message of a product's condition Ready.
func readyMessage(p *v1alpha1.MarketplaceProduct) string {
	ready := meta.FindStatusCondition(p.Status.Conditions, v1alpha1.ConditionReady)
	if ready == nil {
		return ""
	}
	return ready.Message
}

// planned sets the plan's values.
func planned(plan map[string]any) func(*v1alpha1.MarketplaceProduct) {
	return func(p *v1alpha1.MarketplaceProduct) { p.Spec.Plans[0].Values = values(plan) }
}

// jobsOf are the Jobs in a sale's tenant, by name.
func jobsOf(ctx context.Context, s *sale) map[string]batchv1.Job {
	GinkgoHelper()
	list := &batchv1.JobList{}
	Expect(world.cluster.List(ctx, list, client.InNamespace(tenantNamespace(s.id)))).To(Succeed())
	jobs := map[string]batchv1.Job{}
	for _, job := range list.Items {
		jobs[job.Name] = job
	}
	return jobs
}

// setBecomes waits until a StatefulSet of the tenant has its pods and as many claims at least, and the instance its state.
func (s *sale) setBecomes(ctx SpecContext, state v1alpha1.InstanceState, name string, count int32, claims int) (*v1alpha1.MarketplaceInstance, tenant) {
	GinkgoHelper()
	return s.becomes(ctx, look{state: state}, func(g Gomega, _ *v1alpha1.MarketplaceInstance, t tenant) {
		g.Expect(setPods(t.sets[name])).To(Equal([2]int32{count, count}))
		g.Expect(t.claims).To(HaveLen(claims))
	})
}

// sellersCharts are charts as sellers have them, unchanged.
func sellersCharts() {
	It("with everything that needs an order runs as Helm would install it", func(ctx SpecContext) {
		folder := filepath.Join(world.paths.root, "test", "charts", "orchard")
		plan := map[string]any{
			"title": "Orchard of {{ .instance.name }}", "token": "{{ .instance.name }}",
			"web": map[string]any{"minReplicas": "{{ .quantity | toInt }}"}, "store": map[string]any{"storageClassName": "demo"},
		}
		p := offer(ctx, productOf("orchard", inConfigMap(ctx, "orchard-1", packaged(folder, "")), plan), ready)
		Expect(readyMessage(p)).To(ContainSubstring("templates/farewell.yaml: Job app-orchard-farewell (pre-delete)"))
		s := world.main.buys(ctx, "orchard", orderOptions{quantity: 2, expires: time.Now().Add(time.Hour)})
		runs := func(web int32) (*v1alpha1.MarketplaceInstance, tenant) {
			GinkgoHelper()
			return s.becomes(ctx, look{state: v1alpha1.StateRunning, conditions: map[string]string{"Ready": "True InstanceReady"}},
				func(g Gomega, _ *v1alpha1.MarketplaceInstance, t tenant) {
					g.Expect(deploymentPods(t.deployments["app-orchard-web"])).To(Equal([2]int32{web, web}))
					g.Expect(deploymentPods(t.deployments["app-orchard-worker"])).To(Equal([2]int32{1, 1}))
					g.Expect(setPods(t.sets["app-store"])).To(Equal([2]int32{1, 1}))
				})
		}
		first, t := runs(2)
		jobs := jobsOf(ctx, s)
		migrated := jobs["app-orchard-migrate"]
		Expect(migrated.Status.CompletionTime).NotTo(BeNil())
		for _, later := range []appsv1.Deployment{t.deployments["app-orchard-web"], t.deployments["app-orchard-worker"]} {
			Expect(migrated.Status.CompletionTime.Time.After(later.CreationTimestamp.Time)).To(BeFalse(), "the migration came after "+later.Name)
		}
		Expect(jobs).NotTo(HaveKey("app-orchard-seed"), "its delete policy says so")
		Expect(t.namespace.Annotations[v1alpha1.HooksAnnotation]).To(ContainSubstring("post-install/app-orchard-seed:Succeeded"))
		Expect(t.namespace.Annotations).NotTo(HaveKey(v1alpha1.InstallingAnnotation))

		By("scaling, suspending and resuming")
		s.upgrade(ctx, 3)
		runs(3)
		Expect(jobsOf(ctx, s)["app-orchard-migrate"].UID).To(Equal(migrated.UID))
		s.freeze(ctx)
		s.becomes(ctx, look{state: v1alpha1.StateSuspended}, func(g Gomega, _ *v1alpha1.MarketplaceInstance, now tenant) {
			g.Expect(now.pods).To(HaveLen(1), "only the migration's pod, which is complete")
			g.Expect(now.claims).To(Equal(t.claims))
		})
		s.unfreeze(ctx)
		runs(3)

		By("moving to a new version of the chart")
		newer := inConfigMap(ctx, "orchard-2", packaged(folder, "0.2.0"))
		change(ctx, p, func(p *v1alpha1.MarketplaceProduct) { p.Spec.Template.Chart = newer }) // more than once, after a conflict
		offered(ctx, p, ready)
		Eventually(ctx, func(g Gomega) {
			mpi, err := s.instance(ctx)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(mpi.Status.Revision).To(Equal(p.Status.LatestRevision))
		}).Should(Succeed())
		second, now := runs(3)
		Expect(second.Status.Revision).NotTo(Equal(first.Status.Revision))
		again := jobsOf(ctx, s)["app-orchard-migrate"]
		Expect(again.UID).NotTo(Equal(migrated.UID))
		Expect(now.configMaps["app-orchard-migration"].Data).To(HaveKeyWithValue("steps", "migrated to 0.2.0"))
		Expect(now.namespace.Annotations[v1alpha1.HooksAnnotation]).To(HaveSuffix("=upgrade pre-upgrade/app-orchard-migrate:Succeeded"))
		Expect(now.claims).To(Equal(t.claims))
		releases(ctx, s)
	})

	It("of CockroachDB runs, with the Job that makes its nodes a cluster after everything else", func(ctx SpecContext) {
		const set, job = "app-cockroachdb", "app-cockroachdb-init"
		chart := inConfigMap(ctx, "cockroachdb", packaged(othersChart(ctx, "github.com/cockroachdb/helm-charts", "cockroachdb"), ""))
		plan, isolation := sampleOf("cockroachdb", "storage", "persistentVolume", "storageClass")
		p := offer(ctx, productOf("cockroachdb", chart, map[string]any{}), "False NotPermitted: ClusterRole is cluster-scoped")
		change(ctx, p, func(p *v1alpha1.MarketplaceProduct) { planned(plan)(p); p.Spec.Isolation = isolation })
		offered(ctx, p, ready)
		s := world.main.buys(ctx, "cockroachdb", orderOptions{quantity: 3, expires: time.Now().Add(time.Hour)})
		_, before := s.setBecomes(ctx, v1alpha1.StateRunning, set, 3, 3)
		ran := jobsOf(ctx, s)[job]
		Expect(ran.Status.Succeeded).To(BeEquivalentTo(1))
		Expect(ran.CreationTimestamp.Time.Before(before.sets[set].CreationTimestamp.Time)).To(BeFalse())

		s.upgrade(ctx, 5)
		_, grown := s.setBecomes(ctx, v1alpha1.StateRunning, set, 5, 5)
		Expect(jobsOf(ctx, s)[job].UID).To(Equal(ran.UID), "scaling runs no hook")
		suspendsAndResumes(ctx, s, set, 5, grown.claims)

		plan["image"] = map[string]any{"tag": "v26.3.2"}
		change(ctx, p, planned(plan))
		offered(ctx, p, ready)
		s.becomes(ctx, look{state: v1alpha1.StateRunning}, func(g Gomega, mpi *v1alpha1.MarketplaceInstance, t tenant) {
			g.Expect(mpi.Status.Revision).To(Equal(p.Status.LatestRevision))
			g.Expect(t.sets[set].Spec.Template.Spec.Containers[0].Image).To(HaveSuffix(":v26.3.2"))
			g.Expect(t.claims).To(Equal(grown.claims))
			g.Expect(jobsOf(ctx, s)[job].UID).NotTo(Equal(ran.UID), "it is a hook of upgrades as well")
			g.Expect(jobsOf(ctx, s)[job].Status.Succeeded).To(BeEquivalentTo(1))
		})
		releases(ctx, s)
	})

	It("of HashiCorp's Vault runs from a registry, without what is cluster-scoped", func(ctx SpecContext) {
		const set = "app-vault"
		chart := inRegistry(ctx, "vault", "0.34.1", packaged(othersChart(ctx, "github.com/hashicorp/vault-helm"), ""))
		plan, isolation := sampleOf("vault", "server", "dataStorage", "storageClass")
		p := offer(ctx, productOf("vault", chart, map[string]any{}), "False NotPermitted: MutatingWebhookConfiguration is cluster-scoped")
		change(ctx, p, planned(map[string]any{"injector": map[string]any{"enabled": false}, "server": map[string]any{
			"authDelegator": map[string]any{"enabled": false},
		}}))
		offered(ctx, p, "False PodSecurity")
		change(ctx, p, func(p *v1alpha1.MarketplaceProduct) { planned(plan)(p); p.Spec.Isolation = isolation })
		offered(ctx, p, ready)
		s := world.main.buys(ctx, "vault", orderOptions{quantity: 1, expires: time.Now().Add(time.Hour)})
		s.setBecomes(ctx, v1alpha1.StateRunning, set, 1, 1)
		s.upgrade(ctx, 3)
		_, grown := s.setBecomes(ctx, v1alpha1.StateRunning, set, 3, 3)
		suspendsAndResumes(ctx, s, set, 3, grown.claims)

		Expect(unstructured.SetNestedField(plan, "debug", "server", "logLevel")).To(Succeed())
		change(ctx, p, planned(plan))
		offered(ctx, p, ready)
		s.becomes(ctx, look{state: v1alpha1.StateRunning}, func(g Gomega, mpi *v1alpha1.MarketplaceInstance, t tenant) {
			g.Expect(mpi.Status.Revision).To(Equal(p.Status.LatestRevision))
			g.Expect(fmt.Sprint(t.sets[set].Spec.Template.Spec.Containers[0].Env)).To(ContainSubstring("debug"))
			g.Expect(t.claims).To(Equal(grown.claims))
		})
		releases(ctx, s)
	})
}

// releases ends a sale, and waits until the tenant is gone.
func releases(ctx SpecContext, s *sale) {
	GinkgoHelper()
	By("releasing it")
	s.release(ctx)
	s.removed(ctx)
}

// suspendsAndResumes freezes and unfreezes a sale whose tenant is a StatefulSet with claims.
func suspendsAndResumes(ctx SpecContext, s *sale, set string, count int32, claims map[string]types.UID) {
	GinkgoHelper()
	s.freeze(ctx)
	s.becomes(ctx, look{state: v1alpha1.StateSuspended}, func(g Gomega, _ *v1alpha1.MarketplaceInstance, t tenant) {
		g.Expect(ptr.Deref(t.sets[set].Spec.Replicas, -1)).To(BeZero())
		g.Expect(t.sets[set].Status.Replicas).To(BeZero())
		g.Expect(t.claims).To(Equal(claims))
	})
	s.unfreeze(ctx)
	_, t := s.setBecomes(ctx, v1alpha1.StateRunning, set, count, len(claims))
	Expect(t.claims).To(Equal(claims))
}
