package operator_test

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

// permissions looks for rights that were missing. An API server that has just started refuses everything for a moment, so it
// is done before that.
func permissions() {
	It("the API server has refused nothing to any process", func() {
		for _, p := range processes() {
			for line := range strings.Lines(p.text()) {
				Expect(strings.ToLower(line)).NotTo(ContainSubstring("forbidden"), "the log of %s", p.name)
			}
		}
	})
}

// secrecy looks at all that the suite has left behind.
func secrecy() {
	It("no process has panicked", func() {
		for _, p := range processes() {
			Expect(strings.ToLower(p.text())).NotTo(ContainSubstring("panic"), "the log of %s", p.name)
		}
	})

	It("no key, password, signature or personal data stand in logs, metrics, events or the objects that people read", func(ctx SpecContext) {
		secrets := &corev1.SecretList{}
		Expect(world.cluster.List(ctx, secrets)).To(Succeed())
		passwords := 0
		for _, secret := range secrets.Items {
			for _, name := range []string{v1alpha1.AccessPasswordKey, v1alpha1.AccessSeedKey} {
				if value := secret.Data[name]; len(value) > 0 {
					world.hidden.add("the "+name+" in a Secret", string(value))
					passwords++
				}
			}
		}
		Expect(passwords).NotTo(BeZero())

		texts := map[string]string{"the webhook server's log": world.webhook.text(), "the controller's log": world.controller.text(), "the login server's log": world.login.text()}
		var err error
		texts["the metrics"], err = metrics(ctx)
		Expect(err).NotTo(HaveOccurred())
		for what, list := range map[string]client.ObjectList{
			"events":               &eventsv1.EventList{},
			"Marketplaces":         &v1alpha1.MarketplaceList{},
			"MarketplaceProducts":  &v1alpha1.MarketplaceProductList{},
			"instances":            &v1alpha1.MarketplaceInstanceList{},
			"ConfigMaps":           &corev1.ConfigMapList{},
			"namespaces":           &corev1.NamespaceList{},
			"UsageRecords":         &v1alpha1.UsageRecordList{},
			"Deployments":          &appsv1.DeploymentList{},
			"StatefulSets":         &appsv1.StatefulSetList{},
			"pods":                 &corev1.PodList{},
			"services":             &corev1.ServiceList{},
			"claims":               &corev1.PersistentVolumeClaimList{},
			"leases":               &coordinationv1.LeaseList{},
			"MarketplaceRevisions": &v1alpha1.MarketplaceRevisionList{},
			"ControllerRevisions":  &appsv1.ControllerRevisionList{},
			"Jobs":                 &batchv1.JobList{},
			"CronJobs":             &batchv1.CronJobList{},
			"Ingresses":            &networkingv1.IngressList{},
			"NetworkPolicies":      &networkingv1.NetworkPolicyList{},
			"ServiceAccounts":      &corev1.ServiceAccountList{},
			"quotas":               &corev1.ResourceQuotaList{},
			"Roles":                &rbacv1.RoleList{},
			"Secrets' metadata":    metadataOf("SecretList"),
		} {
			Expect(world.cluster.List(ctx, list)).To(Succeed())
			content, err := json.Marshal(list)
			Expect(err).NotTo(HaveOccurred())
			texts["the "+what] = string(content)
		}
		texts["the answers to callers"] = world.told.text()
		Expect(texts["the answers to callers"]).NotTo(BeEmpty())
		signature := regexp.MustCompile(`(?i)signature=|[0-9a-f]{64}|(authToken|timeStamp|mobilePhone|customerName|saasExtendParams)=`)
		for where, text := range texts {
			Expect(world.hidden.seenIn(text)).To(BeEmpty(), "what stands in %s and must not", where)
			if strings.HasSuffix(where, "log") {
				Expect(signature.FindString(text)).To(BeEmpty(), "a signature stands in %s", where)
			}
		}
		// The events are there to be looked at.
		Expect(texts["the events"]).To(ContainSubstring("The buyer can use what was sold"))
	})
}

// profiles: a heap profile or a dump of goroutines would hold keys and what callers have sent.
func profiles() {
	It("no process serves profiles or dumps", func(ctx SpecContext) {
		for _, address := range metricsAddresses {
			for _, path := range []string{
				"/debug/pprof/", "/debug/pprof/heap", "/debug/pprof/goroutine?debug=2", "/debug/pprof/cmdline", "/debug/vars", "/debug/requests",
			} {
				req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+path, http.NoBody)
				Expect(err).NotTo(HaveOccurred())
				answer, err := http.DefaultClient.Do(req)
				Expect(err).NotTo(HaveOccurred())
				Expect(answer.Body.Close()).To(Succeed())
				Expect(answer.StatusCode).To(Equal(http.StatusNotFound), address+path)
			}
		}
	})
}

// metadataOf is a list of what everybody sees of objects whose content is secret.
func metadataOf(list string) client.ObjectList {
	objects := &metav1.PartialObjectMetadataList{}
	objects.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind(list))
	return objects
}
