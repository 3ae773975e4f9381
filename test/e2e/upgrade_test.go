package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// overTime are the first specs: the release goes on from one chart to the next and back, while a tenant that was sold under the
// first one runs.
func overTime() {
	var (
		veteran *sale
		before  map[string]string
	)

	It("sells under the chart that was released last", func(ctx SpecContext) {
		expectKinds(ctx, world.released)
		veteran = newSale("veteran", "shop")
		veteran.purchase(ctx, 1)
		veteran.untilRuns(ctx, 1)
		veteran.untilSeen(ctx, "store", "/cgi-bin/note", "kept", "kept")
		before = veteran.written(ctx)
		Expect(len(before)).To(BeNumerically(">", 10))
	})

	It("is upgraded to this chart without a write to a tenant, and with its kinds", func(ctx SpecContext) {
		Expect(webhookArguments(ctx)).NotTo(ContainElement(fewerCallbacksFlag))
		helmInstallCurrent(ctx)
		expectKinds(ctx, currentChart)
		Expect(webhookArguments(ctx)).To(ContainElement(fewerCallbacksFlag), "the upgrade's own values hold")
		untilPassed(ctx, "upgrade")
		Expect(veteran.written(ctx)).To(Equal(before))
		veteran.untilSeen(ctx, "store", "/cgi-bin/note", "", "kept")
	})

	It("can be rolled back, also without a write to a tenant, and upgraded again", func(ctx SpecContext) {
		_, err := helm(ctx, "rollback", "stallkeeper", "-n", systemNamespace)
		Expect(err).NotTo(HaveOccurred())
		untilInstalled(ctx)
		expectKinds(ctx, world.released)
		Expect(webhookArguments(ctx)).NotTo(ContainElement(fewerCallbacksFlag), "the former values hold again")
		untilPassed(ctx, "rollback")
		Expect(veteran.written(ctx)).To(Equal(before))

		helmInstallCurrent(ctx)
		expectKinds(ctx, currentChart)
		untilPassed(ctx, "again")
		Expect(veteran.written(ctx)).To(Equal(before))
		veteran.untilSeen(ctx, "store", "/cgi-bin/note", "", "kept")
	})

	It("can still suspend, resume and release what was sold under the former chart", func(ctx SpecContext) {
		call(ctx, "freeze", "--instance", veteran.instance)
		Eventually(func(g Gomega) { g.Expect(veteran.pods(ctx)).To(BeEmpty()) }).WithContext(ctx).Should(Succeed())
		call(ctx, "unfreeze", "--instance", veteran.instance)
		veteran.untilRuns(ctx, 1)
		veteran.untilSeen(ctx, "store", "/cgi-bin/note", "", "kept")
		call(ctx, "release", "--instance", veteran.instance)
		veteran.untilGone(ctx)
	})

	It("tries itself with helm test", func(ctx SpecContext) {
		_, err := helm(ctx, "test", "stallkeeper", "-n", systemNamespace)
		Expect(err).NotTo(HaveOccurred())
		output := mustKubectl(ctx, "", "logs", "stallkeeper-debug-purchase", "-n", salesNamespace)
		Expect(output).To(ContainSubstring("Verdict: good, 000000"))
		Expect(output).NotTo(ContainSubstring(world.keys.accessKey))
		mustKubectl(ctx, "", "delete", "pod", "stallkeeper-debug-purchase", "-n", salesNamespace)
	})
}

// expectKinds compares the kinds that the cluster knows with those of a chart.
func expectKinds(ctx context.Context, chart string) {
	GinkgoHelper()
	wanted := kindsOf(ctx, chart)
	Expect(wanted).NotTo(BeEmpty())
	for name, versions := range wanted {
		found := &unstructured.Unstructured{}
		found.SetGroupVersionKind(schema.GroupVersionKind{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition"})
		Expect(world.kube.Get(ctx, client.ObjectKey{Name: name}, found)).To(Succeed())
		Expect(versionsOf(found)).To(Equal(versions), name+" is not the one of "+chart)
	}
}

// versionsOf are a CustomResourceDefinition's versions with their schemas, as JSON.
func versionsOf(kind *unstructured.Unstructured) string {
	GinkgoHelper()
	versions, found, err := unstructured.NestedFieldNoCopy(kind.Object, "spec", "versions")
	Expect(err).NotTo(HaveOccurred())
	Expect(found).To(BeTrue())
	text, err := json.Marshal(versions)
	Expect(err).NotTo(HaveOccurred())
	return string(text)
}

// kindsOf are the versions of a chart's CustomResourceDefinitions, by name.
func kindsOf(ctx context.Context, chart string) map[string]string {
	GinkgoHelper()
	output, err := helm(ctx, "template", "stallkeeper", chart, "-n", systemNamespace)
	Expect(err).NotTo(HaveOccurred())
	kinds := map[string]string{}
	decoder := utilyaml.NewYAMLOrJSONDecoder(strings.NewReader(output), 4096)
	for {
		object := &unstructured.Unstructured{}
		err := decoder.Decode(&object.Object)
		if errors.Is(err, io.EOF) {
			return kinds
		}
		Expect(err).NotTo(HaveOccurred())
		if object.GetKind() == "CustomResourceDefinition" {
			kinds[object.GetName()] = versionsOf(object)
		}
	}
}

// tenantKinds are the kinds of the objects that a tenant of this run has.
var tenantKinds = []schema.GroupVersionKind{
	{Version: "v1", Kind: "ConfigMap"}, {Version: "v1", Kind: "Secret"}, {Version: "v1", Kind: "Service"},
	{Version: "v1", Kind: "ServiceAccount"}, {Version: "v1", Kind: "PersistentVolumeClaim"},
	{Version: "v1", Kind: "ResourceQuota"}, {Version: "v1", Kind: "LimitRange"}, {Version: "v1", Kind: "Pod"},
	{Group: "apps", Version: "v1", Kind: "Deployment"}, {Group: "apps", Version: "v1", Kind: "StatefulSet"},
	{Group: "networking.k8s.io", Version: "v1", Kind: "NetworkPolicy"},
}

// written is every object of the tenant with its UID and the version that the API server gives it at each write.
func (s *sale) written(ctx context.Context) map[string]string {
	GinkgoHelper()
	found := map[string]string{}
	note := func(object client.Object, kind string) {
		found[kind+"/"+object.GetName()] = string(object.GetUID()) + " " + object.GetResourceVersion()
	}
	namespace := &corev1.Namespace{}
	Expect(world.kube.Get(ctx, client.ObjectKey{Name: s.namespace}, namespace)).To(Succeed())
	note(namespace, "Namespace")
	for _, kind := range tenantKinds {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(kind)
		Expect(world.kube.List(ctx, list, client.InNamespace(s.namespace))).To(Succeed())
		for i := range list.Items {
			note(&list.Items[i], kind.Kind)
		}
	}
	return found
}

// untilPassed waits until the controller that leads now has looked at every instance. One that is sold now is looked at first,
// so the others have been when the queue is empty.
func untilPassed(ctx context.Context, name string) {
	GinkgoHelper()
	s := newSale(name, "card")
	s.purchase(ctx, 1)
	Eventually(func(g Gomega) {
		instance, err := s.get(ctx)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(notReady(instance.Status.Conditions)).To(BeEmpty())
		leads, err := leader(ctx)
		g.Expect(err).NotTo(HaveOccurred())
		metrics, err := metricsOf(ctx, leads)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(metrics).To(MatchRegexp(
			`controller_runtime_reconcile_total\{controller="instance",result="(success|requeue_after)"\} [1-9]`))
		g.Expect(metrics).NotTo(MatchRegexp(`workqueue_depth\{[^}]*name="instance"[^}]*\} [1-9]`), "instances wait")
		g.Expect(metrics).To(MatchRegexp(`controller_runtime_active_workers\{controller="instance"\} 0\n`), "instances are looked at")
	}).WithContext(ctx).Should(Succeed())
}

// metricsOf reads a controller's metrics. It goes through kubectl port-forward, which no NetworkPolicy closes.
func metricsOf(ctx context.Context, pod string) (string, error) {
	d := &door{namespace: systemNamespace, target: "pod/" + pod, port: 8080}
	defer d.close()
	transport := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return d.dial() }}
	defer transport.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+pod+"/metrics", nil)
	if err != nil {
		return "", err
	}
	answer, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return "", fmt.Errorf("reading the metrics of %s: %w", pod, err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	return string(text), err
}
