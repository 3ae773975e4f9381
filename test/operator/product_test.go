package operator_test

import (
	"encoding/json"
	"fmt"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

// container is a pod's only container, and all else that the Pod Security level restricted asks for.
const container = `
          terminationGracePeriodSeconds: 1
          securityContext: {runAsNonRoot: true, runAsUser: 101, seccompProfile: {type: RuntimeDefault}}
          containers:
            - name: app
              image: example.com/app:1
              securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}`

// web is a Deployment with as many pods as were bought.
const web = `
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
    replicas: {{ .Values.replicas }}
    selector: {matchLabels: {app: web}}
    template:
        metadata: {labels: {app: web}}
        spec:` + container

// settings is what the web servers read, and their Service.
const settings = `
---
apiVersion: v1
kind: ConfigMap
metadata: {name: web}
data:
    instance: {{ .Values.stallkeeper.instance.name | quote }}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
    selector: {app: web}
    ports: [{name: http, port: 80}]`

// data is a StatefulSet with a volume, and a password that its instance keeps.
const data = `
---
apiVersion: v1
kind: Secret
metadata: {name: data}
stringData:
    password: {{ tenantSecret "data" | quote }}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: data}
spec:
    serviceName: data
    replicas: 1
    selector: {matchLabels: {app: data}}
    template:
        metadata: {labels: {app: data}}
        spec:` + container + `
    volumeClaimTemplates:
      - metadata: {name: data}
        spec:
            storageClassName: demo
            accessModes: [ReadWriteOnce]
            resources: {requests: {storage: 1Gi}}`

// shop is what most products run.
const shop = settings + web + data

// product is a MarketplaceProduct that the main connection sells under a SKU of its own.
func product(name, template string, changes ...func(*v1alpha1.MarketplaceProduct)) *v1alpha1.MarketplaceProduct {
	p := &v1alpha1.MarketplaceProduct{
		ObjectMeta: metav1.ObjectMeta{Namespace: salesNamespace, Name: name},
		Spec: v1alpha1.MarketplaceProductSpec{
			Plans: []v1alpha1.Plan{{
				Name: "team", Values: values(map[string]any{"replicas": "{{ .quantity | toInt }}"}),
				Listings: []v1alpha1.Listing{{Marketplace: world.main.name, SKUs: []string{skuOf(name)}}},
			}},
			Template: v1alpha1.ProductTemplate{Inline: strings.TrimPrefix(template, "\n---\n")},
			Access: v1alpha1.ProductAccess{
				FrontEndURL: "https://{{ .instance.name }}.example.com/", AdminURL: "https://{{ .instance.name }}.example.com/admin",
				UserName: "admin", Memo: "Welcome to {{ .plan }}",
			},
		},
	}
	for _, f := range changes {
		f(p)
	}
	return p
}

func values(of map[string]any) *runtime.RawExtension {
	raw, err := json.Marshal(of)
	Expect(err).NotTo(HaveOccurred())
	return &runtime.RawExtension{Raw: raw}
}

// listedBy sells the product through another Marketplace.
func listedBy(c *connection) func(*v1alpha1.MarketplaceProduct) {
	return func(p *v1alpha1.MarketplaceProduct) { p.Spec.Plans[0].Listings[0].Marketplace = c.name }
}

// lasting are the seconds of grace and retention.
func lasting(grace, retention int64) func(*v1alpha1.MarketplaceProduct) {
	return func(p *v1alpha1.MarketplaceProduct) {
		p.Spec.Lifecycle.GracePeriodSeconds, p.Spec.Lifecycle.RetentionPeriodSeconds = ptr.To(grace), ptr.To(retention)
	}
}

func quota(name, most string) func(*v1alpha1.MarketplaceProduct) {
	return func(p *v1alpha1.MarketplaceProduct) {
		p.Spec.Plans[0].Quota = v1alpha1.ResourceList{name: resource.MustParse(most)}
	}
}

// offer creates a product and waits until its condition Ready is as wanted, "status reason: part of the message".
func offer(ctx SpecContext, p *v1alpha1.MarketplaceProduct, want string) *v1alpha1.MarketplaceProduct {
	GinkgoHelper()
	create(ctx, p)
	return offered(ctx, p, want)
}

const ready = "True ProductReady: All plans render and may run"

func offered(ctx SpecContext, p *v1alpha1.MarketplaceProduct, want string) *v1alpha1.MarketplaceProduct {
	GinkgoHelper()
	Eventually(ctx, func(g Gomega) {
		g.Expect(world.cluster.Get(ctx, client.ObjectKeyFromObject(p), p)).To(Succeed())
		g.Expect(conditionMissing(p.Status.Conditions, v1alpha1.ConditionReady, want, p.Generation)).To(BeEmpty())
	}).Should(Succeed())
	words, _, _ := strings.Cut(want, ": ")
	seen := row(ctx, "mpp", p.Name)
	Expect(fmt.Sprintf("%s %s", seen["READY"], seen["REASON"])).To(Equal(words))
	return p
}
