package e2e_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

// mustKubectl fails the spec when kubectl fails.
func mustKubectl(ctx context.Context, stdin string, args ...string) string {
	GinkgoHelper()
	output, err := kubectl(ctx, stdin, args...)
	Expect(err).NotTo(HaveOccurred())
	return output
}

// testdata reads a file of this run, with the image filled in.
func testdata(name string) string {
	GinkgoHelper()
	content, err := os.ReadFile(filepath.Join(world.root, "test", "e2e", "testdata", name))
	Expect(err).NotTo(HaveOccurred())
	return strings.ReplaceAll(string(content), "image: IMAGE", "image: "+os.Getenv("E2E_IMAGE"))
}

// file writes a file of this run, since a secret on a command line is seen by every user of the machine.
func file(name, content string) string {
	GinkgoHelper()
	path := filepath.Join(world.dir, name)
	Expect(os.WriteFile(path, []byte(content), 0o600)).To(Succeed())
	return path
}

// startSurroundings starts the fake open API and the visitor.
func startSurroundings(ctx context.Context) {
	GinkgoHelper()
	certificate, key, err := world.trust.issue(2, "openapi."+marketplaceNamespace+".svc")
	Expect(err).NotTo(HaveOccurred())
	mustKubectl(ctx, testdata("surroundings.yaml"), "apply", "-f", "-")
	mustKubectl(ctx, "", "create", "secret", "tls", "openapi-tls", "-n", marketplaceNamespace,
		"--cert="+file("openapi.crt", string(certificate)), "--key="+file("openapi.key", string(key)))
	mustKubectl(ctx, "", "create", "secret", "generic", "openapi-credentials", "-n", marketplaceNamespace,
		"--from-file=AK="+file("ak", world.keys.ak), "--from-file=SK="+file("sk", world.keys.sk))
	mustKubectl(ctx, "", "rollout", "status", "deployment/openapi", "-n", marketplaceNamespace, "--timeout=120s")
	mustKubectl(ctx, "", "wait", "--for=condition=Ready", "pod/visitor", "-n", visitorsNamespace, "--timeout=120s")
	world.orders, err = openDoor(ctx, marketplaceNamespace, "openapi", 443)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(world.orders.close)
}

// prepareInstall does what comes before Helm in the README's "Install it on your cluster", with the authority of the fake open
// API on top.
func prepareInstall(ctx context.Context) {
	GinkgoHelper()
	mustKubectl(ctx, "", "create", "namespace", systemNamespace)
	applyCallbackCertificate(ctx, 10)
	mustKubectl(ctx, "", "create", "secret", "generic", "koogallery-openapi", "-n", systemNamespace,
		"--from-file=ak="+filepath.Join(world.dir, "ak"), "--from-file=sk="+filepath.Join(world.dir, "sk"))
	mustKubectl(ctx, "", "create", "configmap", "e2e-authority", "-n", systemNamespace, "--from-file=ca.crt="+world.trust.file)
}

// prepareSales makes what the Marketplace needs in the namespace that the chart has made.
func prepareSales(ctx context.Context) {
	GinkgoHelper()
	mustKubectl(ctx, "", "create", "secret", "generic", "koogallery-callbacks", "-n", salesNamespace,
		"--from-file=accessKey="+file("accessKey", world.keys.accessKey))
	mustKubectl(ctx, "", "create", "configmap", "e2e-authority", "-n", salesNamespace, "--from-file=ca.crt="+world.trust.file)
}

// currentChart is the chart as it stands in the repository.
const currentChart = "charts/stallkeeper"

// helmInstall installs or upgrades the release, as the README tells, and waits until its pods are ready.
func helmInstall(ctx context.Context, chart, image string, more ...string) {
	GinkgoHelper()
	colon := strings.LastIndexByte(image, ':')
	Expect(colon).To(BeNumerically(">", strings.LastIndexByte(image, '/')), "the image "+image+" must have a tag")
	_, err := helm(ctx, append([]string{
		"upgrade", "--install", "stallkeeper", chart, "-n", systemNamespace,
		"--set", "image.repository=" + image[:colon], "--set", "image.tag=" + image[colon+1:],
		"--set", "webhook.host=shop.example.com", "--set", "controller.trustedCAConfigMap=e2e-authority",
		"--set", "credentials.apiHosts={openapi." + marketplaceNamespace + ".svc}",
	}, more...)...)
	Expect(err).NotTo(HaveOccurred())
	untilInstalled(ctx)
}

// currentVersion is the version of this repository's chart.
func currentVersion() (string, error) {
	content, err := os.ReadFile(filepath.Join(world.root, currentChart, "Chart.yaml"))
	if err != nil {
		return "", fmt.Errorf("reading the chart's version: %w", err)
	}
	var about struct{ Version string }
	if err := yaml.Unmarshal(content, &about); err != nil {
		return "", fmt.Errorf("reading the chart's version: %w", err)
	}
	return about.Version, nil
}

// fewerCallbacks is a value that the upgrade changes, and what the webhook's pods have of it.
const (
	fewerCallbacks     = "webhook.maxConcurrentCallbacks=200"
	fewerCallbacksFlag = "--max-concurrent-callbacks=200"
)

// helmInstallCurrent installs the chart and the image of this repository, with a value that the former release did not have.
func helmInstallCurrent(ctx context.Context) {
	GinkgoHelper()
	helmInstall(ctx, currentChart, os.Getenv("E2E_IMAGE"), "--set", "test.trustedCAConfigMap=e2e-authority", "--set", fewerCallbacks)
}

// webhookArguments are those that the webhook's pods were started with.
func webhookArguments(ctx context.Context) []string {
	GinkgoHelper()
	pods, err := operatorPods(ctx, "webhook")
	Expect(err).NotTo(HaveOccurred())
	Expect(pods).NotTo(BeEmpty())
	return pods[0].Spec.Containers[0].Args
}

// untilInstalled waits until all pods of both components are ready and those of the former release gone.
func untilInstalled(ctx context.Context) {
	GinkgoHelper()
	for _, component := range []string{"webhook", "controller"} {
		untilComplete(ctx, component)
		Eventually(func() ([]corev1.Pod, error) { return operatorPods(ctx, component) }).WithContext(ctx).Should(HaveLen(2))
	}
}

// applyCallbackCertificate makes the callback port's certificate, or replaces it.
func applyCallbackCertificate(ctx context.Context, serial int64) {
	GinkgoHelper()
	certificate, key, err := world.trust.issue(serial, "shop.example.com")
	Expect(err).NotTo(HaveOccurred())
	secret := mustKubectl(ctx, "", "create", "secret", "tls", "stallkeeper-webhook-tls", "-n", systemNamespace,
		"--cert="+file("tls.crt", string(certificate)), "--key="+file("tls.key", string(key)), "--dry-run=client", "-o", "yaml")
	mustKubectl(ctx, secret, "apply", "-f", "-")
}

// describeProducts connects the marketplace and says what is sold.
func describeProducts(ctx context.Context) {
	GinkgoHelper()
	manifest := `apiVersion: stallkeeper.io/v1alpha1
kind: Marketplace
metadata: {name: koogallery, namespace: ` + salesNamespace + `}
spec:
  protocol: KooGallery
  kooGallery:
    site: International
    callbackSecretRef: {name: koogallery-callbacks}
    api:
      credentialsSecretName: koogallery-openapi
      url: https://openapi.` + marketplaceNamespace + `.svc
`
	mustKubectl(ctx, manifest, "apply", "-f", "-")
	mustKubectl(ctx, testdata("product.yaml"), "apply", "-f", "-")
	Eventually(func(g Gomega) {
		marketplace := &v1alpha1.Marketplace{}
		g.Expect(world.kube.Get(ctx, client.ObjectKey{Namespace: salesNamespace, Name: "koogallery"}, marketplace)).To(Succeed())
		g.Expect(notReady(marketplace.Status.Conditions)).To(BeEmpty())
		for _, name := range []string{"shop", "card"} {
			product := &v1alpha1.MarketplaceProduct{}
			g.Expect(world.kube.Get(ctx, client.ObjectKey{Namespace: salesNamespace, Name: name}, product)).To(Succeed())
			g.Expect(notReady(product.Status.Conditions)).To(BeEmpty())
		}
		world.url = "https://" + world.callback.address() + marketplace.Status.CallbackPath
	}).WithContext(ctx).Should(Succeed())
}

// notReady says why an object is not ready; empty when it is.
func notReady(conditions []metav1.Condition) string {
	ready := meta.FindStatusCondition(conditions, v1alpha1.ConditionReady)
	switch {
	case ready == nil:
		return "there is no condition Ready yet"
	case ready.Status != metav1.ConditionTrue:
		return fmt.Sprintf("Ready is %s, %s: %s", ready.Status, ready.Reason, ready.Message)
	}
	return ""
}
