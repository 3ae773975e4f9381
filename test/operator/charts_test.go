package operator_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net/http/httptest"
	"strings"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/distribution/distribution/v3/registry/handlers"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/inmemory" // where the registry keeps its charts
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/sirupsen/logrus"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"oras.land/oras-go/v2"
	"oras.land/oras-go/v2/registry/remote"
	"sigs.k8s.io/controller-runtime/pkg/client"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

// chartOf is a packaged chart.
func chartOf(templates string) []byte {
	GinkgoHelper()
	var packed bytes.Buffer
	zipped := gzip.NewWriter(&packed)
	archive := tar.NewWriter(zipped)
	for name, content := range map[string]string{
		"app/Chart.yaml":          "apiVersion: v2\nname: app\nversion: 1.2.3+build\n",
		"app/values.yaml":         "replicas: 1\n",
		"app/templates/all.yaml":  strings.TrimPrefix(templates, "\n---\n"),
		"app/templates/NOTES.txt": "Thank you\n",
	} {
		Expect(archive.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content))})).To(Succeed())
		_, err := archive.Write([]byte(content))
		Expect(err).NotTo(HaveOccurred())
	}
	Expect(archive.Close()).To(Succeed())
	Expect(zipped.Close()).To(Succeed())
	return packed.Bytes()
}

// newRegistry is an OCI registry on the loopback interface.
func newRegistry() *httptest.Server {
	logrus.SetOutput(io.Discard)
	config := &configuration.Configuration{Storage: configuration.Storage{"inmemory": configuration.Parameters{}}}
	config.HTTP.Secret = random(16)
	config.Log.AccessLog.Disabled = true
	config.Log.Level = "panic"
	server := httptest.NewServer(handlers.NewApp(context.Background(), config))
	DeferCleanup(server.Close)
	return server
}

// push pushes a chart as `helm push` does.
func push(ctx context.Context, repository, tag string, archive []byte) error {
	target, err := remote.NewRepository(repository)
	if err != nil {
		return err
	}
	target.PlainHTTP = true
	layer, err := oras.PushBytes(ctx, target, "application/vnd.cncf.helm.chart.content.v1.tar+gzip", archive)
	if err != nil {
		return err
	}
	config, err := oras.PushBytes(ctx, target, "application/vnd.cncf.helm.config.v1+json", []byte(`{"name":"app"}`))
	if err != nil {
		return err
	}
	manifest, err := oras.PackManifest(ctx, target, oras.PackManifestVersion1_0, "", oras.PackManifestOptions{
		ConfigDescriptor: &config, Layers: []ocispec.Descriptor{layer},
	})
	if err != nil {
		return err
	}
	return target.Tag(ctx, manifest, tag)
}

func charts() {
	fromChart := func(chart v1alpha1.Chart) func(*v1alpha1.MarketplaceProduct) {
		return func(p *v1alpha1.MarketplaceProduct) { p.Spec.Template = v1alpha1.ProductTemplate{Chart: chart} }
	}
	It("comes from an OCI registry, and a tenant is suspended and resumed when that is gone", func(ctx SpecContext) {
		registry := newRegistry()
		repository := strings.TrimPrefix(registry.URL, "http://") + "/charts/app"
		fromRegistry := fromChart(v1alpha1.Chart{OCI: v1alpha1.OCIChart{
			Reference: "oci://" + repository, Version: "1.2.3+build", Transport: v1alpha1.TransportHTTP,
		}})
		p := offer(ctx, product("oci", shop, fromRegistry), "False ChartNotFound: push it with `helm push`, or correct the reference and version")

		Expect(push(ctx, repository, "1.2.3_build", chartOf(shop))).To(Succeed())
		change(ctx, p, func(p *v1alpha1.MarketplaceProduct) { p.Spec.Access.Memo = "Now there is a chart" })
		offered(ctx, p, ready)
		revision := &v1alpha1.MarketplaceRevision{}
		Eventually(ctx, func(g Gomega) {
			g.Expect(world.cluster.Get(ctx, client.ObjectKey{Namespace: salesNamespace, Name: p.Status.LatestRevision}, revision)).To(Succeed())
			g.Expect(revision.Status.ChartDigest).NotTo(BeEmpty())
			g.Expect(conditionMissing(revision.Status.Conditions, "Ready", "True RevisionReady", revision.Generation)).To(BeEmpty())
		}).Should(Succeed())
		s := world.main.buys(ctx, "oci", orderOptions{quantity: 2})
		_, before := s.becomes(ctx, look{state: v1alpha1.StateRunning, web: pods(2), data: pods(1)})

		registry.Close()
		s.freeze(ctx)
		_, t := s.becomes(ctx, suspended(v1alpha1.ReasonFrozen))
		Expect(t.claims).To(Equal(before.claims))
		s.unfreeze(ctx)
		s.becomes(ctx, look{state: v1alpha1.StateRunning, web: pods(2), data: pods(1)})
	})

	It("of a registry that can't be reached is a condition", func(ctx SpecContext) {
		ports, err := freePorts(1)
		Expect(err).NotTo(HaveOccurred())
		offer(ctx, product("noregistry", shop, fromChart(v1alpha1.Chart{OCI: v1alpha1.OCIChart{
			Reference: "oci://" + ports[0] + "/charts/app", Version: "1.2.3", Transport: v1alpha1.TransportHTTP,
		}})), "Unknown ChartUnavailable: Can't fetch chart oci://"+ports[0])
	})

	It("comes from a ConfigMap", func(ctx SpecContext) {
		create(ctx, &corev1.ConfigMap{
			ObjectMeta: metav1.ObjectMeta{Namespace: salesNamespace, Name: "packaged"},
			BinaryData: map[string][]byte{"app.tgz": chartOf(shop)},
		})
		offer(ctx, product("packaged", shop, fromChart(v1alpha1.Chart{
			ConfigMapRef: v1alpha1.ConfigMapKeyReference{Name: "packaged", Key: "app.tgz"},
		})), ready)
		s := world.main.buys(ctx, "packaged", orderOptions{quantity: 2})
		s.becomes(ctx, look{state: v1alpha1.StateRunning, web: pods(2), data: pods(1)})
	})

	It("whose key is missing in its ConfigMap, or is no chart, is a condition", func(ctx SpecContext) {
		create(ctx, &corev1.ConfigMap{
			ObjectMeta: metav1.ObjectMeta{Namespace: salesNamespace, Name: "wrong"},
			BinaryData: map[string][]byte{"app.tgz": []byte("no archive")},
		})
		ref := func(key string) v1alpha1.Chart {
			return v1alpha1.Chart{ConfigMapRef: v1alpha1.ConfigMapKeyReference{Name: "wrong", Key: key}}
		}
		p := offer(ctx, product("wrongkey", shop, fromChart(ref("other.tgz"))), `False ChartNotFound: has no key "other.tgz" in binaryData`)
		change(ctx, p, fromChart(ref("app.tgz")))
		offered(ctx, p, "False InvalidTemplate")
	})
}
