package chart_test

import (
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/stallkeeper/stallkeeper/test/chart"
)

// name says what an object is, as kind/name or kind/namespace/name.
func name(object *unstructured.Unstructured) string {
	return strings.Join(slices.DeleteFunc([]string{object.GetKind(), object.GetNamespace(), object.GetName()},
		func(part string) bool { return part == "" }), "/")
}

func names(rendered chart.Rendered) []string {
	var all []string
	for _, object := range rendered.Objects {
		all = append(all, name(object))
	}
	return all
}

// Each switch makes objects come or go, against the defaults.
func TestSwitchesOfObjects(t *testing.T) {
	const system = "stallkeeper-system/"
	tests := map[string]struct {
		release                chart.Release
		values                 string
		wantAdded, wantRemoved []string
	}{
		"sales namespaces that exist already are not made": {
			values:      "createSalesNamespaces: false",
			wantRemoved: []string{"Namespace/sales"},
		},
		"each sales namespace is made, with its roles": {
			values: "{salesNamespaces: [sales, more], credentials: {ofSalesNamespaces: {more: [koogallery-openapi]}}}",
			wantAdded: []string{
				"Namespace/more", "Role/more/stallkeeper-controller", "Role/more/stallkeeper-webhook",
				"RoleBinding/more/stallkeeper-controller", "RoleBinding/more/stallkeeper-webhook",
			},
		},
		"the kinds can come from another release": {
			values: "crds: {enabled: false}",
			wantRemoved: []string{
				"CustomResourceDefinition/marketplaceinstances.stallkeeper.io",
				"CustomResourceDefinition/marketplaceproducts.stallkeeper.io",
				"CustomResourceDefinition/marketplacerevisions.stallkeeper.io",
				"CustomResourceDefinition/marketplaces.stallkeeper.io",
				"CustomResourceDefinition/usagerecords.stallkeeper.io",
			},
		},
		"one replica of each can be evicted, or nothing would ever be drained": {
			values:      "{webhook: {replicas: 1}, controller: {replicas: 1}}",
			wantRemoved: []string{"PodDisruptionBudget/" + system + "stallkeeper-controller", "PodDisruptionBudget/" + system + "stallkeeper-webhook"},
		},
		"no replicas, where the processes run outside of the cluster": {
			values:      "{webhook: {replicas: 0}, controller: {replicas: 0}}",
			wantRemoved: []string{"PodDisruptionBudget/" + system + "stallkeeper-controller", "PodDisruptionBudget/" + system + "stallkeeper-webhook"},
		},
		"network policies can be left to somebody else": {
			values:      "networkPolicy: {enabled: false}",
			wantRemoved: []string{"NetworkPolicy/" + system + "stallkeeper-controller", "NetworkPolicy/" + system + "stallkeeper-webhook"},
		},
		"admission policies can be left to somebody else": {
			values: "admissionPolicies: {enabled: false}",
			wantRemoved: []string{
				"ValidatingAdmissionPolicy/stallkeeper-access-secrets", "ValidatingAdmissionPolicy/stallkeeper-controller",
				"ValidatingAdmissionPolicy/stallkeeper-instance-deletion", "ValidatingAdmissionPolicy/stallkeeper-marketplaces",
				"ValidatingAdmissionPolicy/stallkeeper-namespace-deletion", "ValidatingAdmissionPolicy/stallkeeper-people-instances",
				"ValidatingAdmissionPolicy/stallkeeper-people-records", "ValidatingAdmissionPolicy/stallkeeper-people-revisions",
				"ValidatingAdmissionPolicy/stallkeeper-product-deletion", "ValidatingAdmissionPolicy/stallkeeper-record-deletion",
				"ValidatingAdmissionPolicy/stallkeeper-retention",
				"ValidatingAdmissionPolicy/stallkeeper-tenant-namespaces", "ValidatingAdmissionPolicy/stallkeeper-tenants",
				"ValidatingAdmissionPolicy/stallkeeper-webhook", "ValidatingAdmissionPolicy/stallkeeper-webhook-calls",
				"ValidatingAdmissionPolicyBinding/stallkeeper-access-secrets", "ValidatingAdmissionPolicyBinding/stallkeeper-controller",
				"ValidatingAdmissionPolicyBinding/stallkeeper-instance-deletion", "ValidatingAdmissionPolicyBinding/stallkeeper-marketplaces",
				"ValidatingAdmissionPolicyBinding/stallkeeper-namespace-deletion", "ValidatingAdmissionPolicyBinding/stallkeeper-people-instances",
				"ValidatingAdmissionPolicyBinding/stallkeeper-people-records", "ValidatingAdmissionPolicyBinding/stallkeeper-people-revisions",
				"ValidatingAdmissionPolicyBinding/stallkeeper-product-deletion", "ValidatingAdmissionPolicyBinding/stallkeeper-record-deletion",
				"ValidatingAdmissionPolicyBinding/stallkeeper-retention",
				"ValidatingAdmissionPolicyBinding/stallkeeper-tenant-namespaces", "ValidatingAdmissionPolicyBinding/stallkeeper-tenants",
				"ValidatingAdmissionPolicyBinding/stallkeeper-webhook", "ValidatingAdmissionPolicyBinding/stallkeeper-webhook-calls",
			},
		},
		"data may be deleted at once where somebody wants that": {
			values: "admissionPolicies: {minRetentionSeconds: 0}",
			wantRemoved: []string{
				"ValidatingAdmissionPolicy/stallkeeper-retention", "ValidatingAdmissionPolicyBinding/stallkeeper-retention",
			},
		},
		"no roles for people": {
			values:      "aggregateRoles: {enabled: false}",
			wantRemoved: []string{"ClusterRole/stallkeeper-edit", "ClusterRole/stallkeeper-product-editor", "ClusterRole/stallkeeper-view"},
		},
		"a certificate of cert-manager": {
			values:    "webhook: {host: shop.example.com, tls: {mode: certManager, certManager: {issuerName: letsencrypt}}}",
			wantAdded: []string{"Certificate/" + system + "stallkeeper-webhook"},
		},
		"an ingress": {
			values:    "webhook: {host: shop.example.com, tls: {mode: ingress}, ingress: {enabled: true, tlsSecretName: shop-tls}}",
			wantAdded: []string{"Ingress/" + system + "stallkeeper-webhook"},
		},
		"a sign-on": {
			values: "login: {enabled: true, url: 'https://login.example.com'}",
			wantAdded: []string{
				"Deployment/" + system + "stallkeeper-login", "NetworkPolicy/" + system + "stallkeeper-login",
				"PodDisruptionBudget/" + system + "stallkeeper-login", "Role/sales/stallkeeper-login", "RoleBinding/sales/stallkeeper-login",
				"Service/" + system + "stallkeeper-login", "Service/" + system + "stallkeeper-login-metrics",
				"ServiceAccount/" + system + "stallkeeper-login",
			},
		},
		"a sign-on with an ingress and a certificate, of one replica": {
			values: `{login: {enabled: true, url: 'https://login.example.com', replicas: 1, tls: {mode: certManager}, ingress: {enabled: true}},
				webhook: {tls: {certManager: {issuerName: letsencrypt}}}, networkPolicy: {enabled: false}}`,
			wantAdded: []string{
				"Certificate/" + system + "stallkeeper-login", "Deployment/" + system + "stallkeeper-login", "Ingress/" + system + "stallkeeper-login",
				"Role/sales/stallkeeper-login", "RoleBinding/sales/stallkeeper-login",
				"Service/" + system + "stallkeeper-login", "Service/" + system + "stallkeeper-login-metrics",
				"ServiceAccount/" + system + "stallkeeper-login",
			},
			wantRemoved: []string{"NetworkPolicy/" + system + "stallkeeper-controller", "NetworkPolicy/" + system + "stallkeeper-webhook"},
		},
		"service monitors where the cluster knows them": {
			release:   chart.Release{APIVersions: []string{"monitoring.coreos.com/v1"}},
			values:    "metrics: {serviceMonitor: {enabled: true}}",
			wantAdded: []string{"ServiceMonitor/" + system + "stallkeeper-controller", "ServiceMonitor/" + system + "stallkeeper-webhook"},
		},
		"an alert where the cluster knows that kind": {
			release:   chart.Release{APIVersions: []string{"monitoring.coreos.com/v1"}},
			values:    "metrics: {prometheusRule: {enabled: true}}",
			wantAdded: []string{"PrometheusRule/" + system + "stallkeeper-controller"},
		},
		"no alert where the cluster does not know it": {
			values: "metrics: {prometheusRule: {enabled: true}}",
		},
		"no service monitors where the cluster does not know them": {
			values: "metrics: {serviceMonitor: {enabled: true}}",
		},
		"no service monitors unasked": {
			release: chart.Release{APIVersions: []string{"monitoring.coreos.com/v1"}},
		},
	}
	defaults := names(render(t, chart.Release{}, ""))
	for sentence, tc := range tests {
		t.Run(sentence, func(t *testing.T) {
			got := names(render(t, tc.release, tc.values))
			added := slices.Sorted(slices.Values(slices.DeleteFunc(slices.Clone(got), func(n string) bool { return slices.Contains(defaults, n) })))
			removed := slices.Sorted(slices.Values(slices.DeleteFunc(slices.Clone(defaults), func(n string) bool { return slices.Contains(got, n) })))
			if !slices.Equal(added, tc.wantAdded) {
				t.Errorf("added %q, want %q", added, tc.wantAdded)
			}
			if !slices.Equal(removed, tc.wantRemoved) {
				t.Errorf("removed %q, want %q", removed, tc.wantRemoved)
			}
		})
	}
}

// Each switch changes a field of one object. The field is named as a path; list elements by number.
func TestSwitchesOfFields(t *testing.T) {
	const (
		system     = "stallkeeper-system/"
		webhook    = "Deployment/" + system + "stallkeeper-webhook"
		controller = "Deployment/" + system + "stallkeeper-controller"
		signOn     = "Deployment/" + system + "stallkeeper-login"
		callback   = "Service/" + system + "stallkeeper-webhook"
		pod        = "spec.template.spec."
		args       = pod + "containers.0.args"
	)
	tests := map[string]struct {
		release      chart.Release
		values       string
		object, path string
		want         string // a part of the field's text; empty where the field must not be there
	}{
		"the sales namespaces reach the webhook":     {values: "{salesNamespaces: [a, b], credentials: {secretNames: []}}", object: webhook, path: args, want: "--namespaces=a,b"},
		"the sales namespaces reach the controller":  {values: "{salesNamespaces: [a, b], credentials: {secretNames: []}}", object: controller, path: args, want: "--namespaces=a,b"},
		"the tenants' prefix":                        {values: "tenantNamespacePrefix: t-", object: controller, path: args, want: "--tenant-namespace-prefix=t-"},
		"the tenants' prefix in the policy":          {values: "tenantNamespacePrefix: t-", object: "ValidatingAdmissionPolicy/stallkeeper-controller", path: "spec.validations", want: "startsWith('t-')"},
		"the highest Pod Security level of products": {values: "maxPodSecurityLevel: restricted", object: controller, path: args, want: "--max-pod-security-level=restricted"},
		"more authorities to trust":                  {values: "controller: {trustedCAConfigMap: cas}", object: controller, path: pod + "volumes", want: "cas"},
		"Go looks where they are mounted":            {values: "controller: {trustedCAConfigMap: cas}", object: controller, path: pod + "containers.0.env", want: "/etc/stallkeeper/trusted-ca"},
		"no folder of authorities by default":        {object: controller, path: pod + "volumes"},
		"the highest Pod Security level":             {values: "maxPodSecurityLevel: restricted", object: "ValidatingAdmissionPolicy/stallkeeper-controller", path: "spec.validations", want: `in ["restricted"]`},
		"more kinds":                                 {values: "extraTenantKinds: [{group: keda.sh, version: v1alpha1, resource: scaledobjects}]", object: controller, path: args, want: "scaledobjects.v1alpha1.keda.sh"},
		"kinds of the core group end with a version": {object: controller, path: args, want: "services.v1,"},
		"Roles of tenants":                           {values: "tenantRBAC: {enabled: true}", object: controller, path: args, want: "--tenant-rbac=true"},
		"what Roles of tenants may allow":            {values: "tenantRBAC: {enabled: true, rules: [{apiGroups: ['', apps], resources: [pods, pods/log], verbs: [get]}]}", object: controller, path: args, want: `--tenant-role-rights={"pods":["get"],"pods.apps":["get"],"pods/log":["get"],"pods/log.apps":["get"]}`},
		"nothing while there are none":               {object: "ValidatingAdmissionPolicy/stallkeeper-tenants", path: "spec.variables.9.expression", want: "{}"},
		"watched Secrets":                            {values: "drift: {secrets: true}", object: controller, path: args, want: "--drift-secrets=true"},
		"the Prometheus of meters":                   {values: "usage: {prometheusURL: 'http://prometheus.monitoring.svc:9090'}", object: controller, path: args, want: "--usage-prometheus-url=http://prometheus.monitoring.svc:9090"},
		"the records' retention":                     {values: "usage: {retentionDays: 7}", object: controller, path: args, want: "--usage-retention=168h"},
		"who asks the tenants":                       {release: chart.Release{Namespace: "eu"}, object: "Deployment/eu/stallkeeper-controller", path: args, want: "--pod-namespace=eu"},
		"the credentials' namespace":                 {values: "credentials: {namespace: vault}", object: controller, path: args, want: "--credentials-namespace=vault"},
		"the credentials' names":                     {values: "credentials: {secretNames: [a, b]}", object: "Role/" + system + "stallkeeper-controller-credentials", path: "rules.0.resourceNames", want: "[a b]"},
		"leader election in the release's namespace": {release: chart.Release{Namespace: "eu"}, object: "Deployment/eu/stallkeeper-controller", path: args, want: "--leader-election-namespace=eu"},
		"an image by tag":                            {values: "image: {repository: r/s, tag: v2}", object: webhook, path: pod + "containers.0.image", want: "r/s:v2"},
		"an image by digest":                         {values: "image: {repository: r/s, tag: v2, digest: 'sha256:" + strings.Repeat("a", 64) + "'}", object: controller, path: pod + "containers.0.image", want: "r/s@sha256:aaa"},
		"an image of the chart's version":            {object: webhook, path: pod + "containers.0.image", want: "stallkeeper:0.3.0"},
		"the pull policy":                            {values: "image: {pullPolicy: Never}", object: webhook, path: pod + "containers.0.imagePullPolicy", want: "Never"},
		"pull secrets":                               {values: "imagePullSecrets: [{name: pull}]", object: controller, path: pod + "imagePullSecrets.0.name", want: "pull"},
		"the name":                                   {values: "nameOverride: shop", object: "Deployment/" + system + "stallkeeper-shop-webhook", path: "metadata.labels", want: "app.kubernetes.io/name:shop"},
		"the whole name":                             {values: "fullnameOverride: shop", object: "Deployment/" + system + "shop-webhook", path: pod + "serviceAccountName", want: "shop-webhook"},
		"the priority":                               {values: "priorityClassName: high", object: webhook, path: pod + "priorityClassName", want: "high"},
		"the nodes":                                  {values: "nodeSelector: {disk: ssd}", object: controller, path: pod + "nodeSelector.disk", want: "ssd"},
		"tolerations":                                {values: "tolerations: [{operator: Exists}]", object: controller, path: pod + "tolerations.0.operator", want: "Exists"},
		"the webhook's replicas":                     {values: "webhook: {replicas: 0}", object: webhook, path: "spec.replicas", want: "0"},
		"the controller's replicas":                  {values: "controller: {replicas: 3}", object: controller, path: "spec.replicas", want: "3"},
		"calls at once":                              {values: "webhook: {maxConcurrentCallbacks: 5}", object: webhook, path: args, want: "--max-concurrent-callbacks=5"},
		"the delay of a shutdown":                    {values: "webhook: {shutdownDelaySeconds: 30}", object: webhook, path: args, want: "--shutdown-delay=30s"},
		"a shutdown is given its time":               {values: "webhook: {shutdownDelaySeconds: 30}", object: webhook, path: pod + "terminationGracePeriodSeconds", want: "50"},
		"TLS with a given Secret":                    {values: "webhook: {tls: {secretName: mine}}", object: webhook, path: pod + "volumes.0.secret.secretName", want: "mine"},
		"TLS with the Secret's default name":         {object: webhook, path: pod + "volumes.0.secret.secretName", want: "stallkeeper-webhook-tls"},
		"TLS at the ingress leaves no volume":        {values: "webhook: {tls: {mode: ingress}}", object: webhook, path: pod + "volumes"},
		"TLS at the ingress speaks HTTP":             {values: "webhook: {tls: {mode: ingress}}", object: callback, path: "spec.ports.0.port", want: "80"},
		"TLS ends here on port 443":                  {object: callback, path: "spec.ports.0.port", want: "443"},
		"the certificate's host":                     {values: "webhook: {host: shop.example.com, tls: {mode: certManager, certManager: {issuerName: ca, issuerKind: Issuer}}}", object: "Certificate/" + system + "stallkeeper-webhook", path: "spec", want: "dnsNames:[shop.example.com]"},
		"the certificate's issuer":                   {values: "webhook: {host: shop.example.com, tls: {mode: certManager, certManager: {issuerName: ca, issuerKind: Issuer, issuerGroup: x.io}}}", object: "Certificate/" + system + "stallkeeper-webhook", path: "spec.issuerRef", want: "map[group:x.io kind:Issuer name:ca]"},
		"the callback Service's type":                {values: "webhook: {service: {type: LoadBalancer, loadBalancerSourceRanges: [10.0.0.0/8]}}", object: callback, path: "spec", want: "loadBalancerSourceRanges:[10.0.0.0/8]"},
		"the callback Service's port":                {values: "webhook: {service: {port: 8443}}", object: callback, path: "spec.ports.0.port", want: "8443"},
		"the callback Service's annotations":         {values: "webhook: {service: {annotations: {a: b}}}", object: callback, path: "metadata.annotations.a", want: "b"},
		"the callback Service shows no metrics":      {object: callback, path: "spec.ports.1"},
		"the ingress's class and annotations":        {values: "webhook: {host: h.io, ingress: {enabled: true, className: nginx, annotations: {a: b}}}", object: "Ingress/" + system + "stallkeeper-webhook", path: "spec.ingressClassName", want: "nginx"},
		"the ingress's annotations":                  {values: "webhook: {host: h.io, ingress: {enabled: true, annotations: {a: b}}}", object: "Ingress/" + system + "stallkeeper-webhook", path: "metadata.annotations.a", want: "b"},
		"no URL in ingress-nginx's log":              {values: "webhook: {host: h.io, ingress: {enabled: true}}", object: "Ingress/" + system + "stallkeeper-webhook", path: "metadata.annotations", want: "nginx.ingress.kubernetes.io/enable-access-log:false traefik.ingress.kubernetes.io/router.observability.accesslogs:false"},
		"no URL in its log beside other annotations": {values: "webhook: {host: h.io, ingress: {enabled: true, annotations: {a: b}}}", object: "Ingress/" + system + "stallkeeper-webhook", path: "metadata.annotations", want: "nginx.ingress.kubernetes.io/enable-access-log:false"},
		"the ingress's log, where it is wanted":      {values: "webhook: {host: h.io, ingress: {enabled: true, annotations: {nginx.ingress.kubernetes.io/enable-access-log: 'true'}}}", object: "Ingress/" + system + "stallkeeper-webhook", path: "metadata.annotations", want: "nginx.ingress.kubernetes.io/enable-access-log:true"},
		"the ingress's Secret":                       {values: "webhook: {host: h.io, ingress: {enabled: true, tlsSecretName: t}}", object: "Ingress/" + system + "stallkeeper-webhook", path: "spec.tls.0", want: "secretName:t"},
		"resources":                                  {values: "webhook: {resources: {limits: {memory: 1Gi}}}", object: webhook, path: pod + "containers.0.resources.limits.memory", want: "1Gi"},
		"the controller's resources":                 {values: "controller: {resources: {limits: {memory: 3Gi}}}", object: controller, path: pod + "containers.0.resources.limits.memory", want: "3Gi"},
		"more arguments of the webhook":              {values: "webhook: {extraArgs: [--v=2]}", object: webhook, path: args, want: "--v=2"},
		"more arguments of the controller":           {values: "controller: {extraArgs: [--v=2]}", object: controller, path: args, want: "--v=2"},
		"environment of the controller":              {values: "controller: {env: [{name: HTTPS_PROXY, value: http://p}]}", object: controller, path: pod + "containers.0.env.0.value", want: "http://p"},
		"leader election by release":                 {release: chart.Release{Name: "eu"}, object: "Deployment/" + system + "eu-stallkeeper-controller", path: args, want: "--leader-election-id=eu-stallkeeper-controller"},
		"pod labels":                                 {values: "webhook: {podLabels: {team: a}}", object: webhook, path: "spec.template.metadata.labels", want: "team:a"},
		"pod labels do not replace ours":             {values: "controller: {podLabels: {app.kubernetes.io/component: x}}", object: controller, path: "spec.template.metadata.labels", want: "app.kubernetes.io/component:controller"},
		"pod annotations":                            {values: "webhook: {podAnnotations: {a: b}}", object: webhook, path: "spec.template.metadata.annotations.a", want: "b"},
		"the controller's pod annotations":           {values: "controller: {podAnnotations: {a: b}}", object: controller, path: "spec.template.metadata.annotations.a", want: "b"},
		"affinity of the webhook":                    {values: "webhook: {affinity: {nodeAffinity: {a: b}}}", object: webhook, path: pod + "affinity.nodeAffinity.a", want: "b"},
		"affinity of the controller":                 {values: "controller: {affinity: {nodeAffinity: {a: b}}}", object: controller, path: pod + "affinity.nodeAffinity.a", want: "b"},
		"spread over nodes unasked":                  {object: webhook, path: pod + "topologySpreadConstraints.0.topologyKey", want: "kubernetes.io/hostname"},
		"spread of the webhook":                      {values: "webhook: {topologySpreadConstraints: [{topologyKey: zone}]}", object: webhook, path: pod + "topologySpreadConstraints.0.topologyKey", want: "zone"},
		"spread of the controller":                   {values: "controller: {topologySpreadConstraints: [{topologyKey: zone}]}", object: controller, path: pod + "topologySpreadConstraints.0.topologyKey", want: "zone"},
		"callbacks from everyone unasked":            {object: "NetworkPolicy/" + system + "stallkeeper-webhook", path: "spec.ingress.0.from"},
		"callbacks from the ingress only":            {values: "networkPolicy: {callbackFrom: [{namespaceSelector: {matchLabels: {a: b}}}]}", object: "NetworkPolicy/" + system + "stallkeeper-webhook", path: "spec.ingress.0.from.0.namespaceSelector", want: "a:b"},
		"metrics for the other process always":       {values: "networkPolicy: {metricsFrom: []}", object: "NetworkPolicy/" + system + "stallkeeper-webhook", path: "spec.ingress.1.from", want: "app.kubernetes.io/component:controller"},
		"metrics for those who are named":            {values: "networkPolicy: {metricsFrom: [{podSelector: {matchLabels: {a: b}}}]}", object: "NetworkPolicy/" + system + "stallkeeper-controller", path: "spec.ingress.0.from.1.podSelector", want: "a:b"},
		"labels of the service monitors":             {release: chart.Release{APIVersions: []string{"monitoring.coreos.com/v1"}}, values: "metrics: {serviceMonitor: {enabled: true, labels: {release: prom}, interval: 10s}}", object: "ServiceMonitor/" + system + "stallkeeper-webhook", path: "metadata.labels", want: "release:prom"},
		"interval of the service monitors":           {release: chart.Release{APIVersions: []string{"monitoring.coreos.com/v1"}}, values: "metrics: {serviceMonitor: {enabled: true, interval: 10s}}", object: "ServiceMonitor/" + system + "stallkeeper-webhook", path: "spec.endpoints.0.interval", want: "10s"},
		"what the alert asks": {release: chart.Release{APIVersions: []string{"monitoring.coreos.com/v1"}}, values: "metrics: {prometheusRule: {enabled: true}}", object: "PrometheusRule/" + system + "stallkeeper-controller", path: "spec.groups.0.rules.0.expr",
			want: `max by (namespace, product) (stallkeeper_instances{state="Blocked"}) > 0`},
		"kinds are kept on uninstall":               {object: "CustomResourceDefinition/marketplaceinstances.stallkeeper.io", path: "metadata.annotations", want: "helm.sh/resource-policy:keep"},
		"kinds go on uninstall if so wished":        {values: "crds: {keep: false}", object: "CustomResourceDefinition/marketplaceinstances.stallkeeper.io", path: "metadata.annotations", want: "map[controller-gen.kubebuilder.io/version:v0.23.0]"},
		"sales namespaces are kept and protected":   {object: "Namespace/sales", path: "metadata", want: "stallkeeper.io/deletion-protection:Enabled"},
		"the sign-on's URL":                         {values: "{login: {enabled: true, url: 'https://login.example.com:8443'}}", object: signOn, path: args, want: "--url=https://login.example.com:8443"},
		"the sign-on's sales namespaces":            {values: "{login: {enabled: true, url: 'https://login.example.com:8443'}, salesNamespaces: [a, b], credentials: {secretNames: []}}", object: signOn, path: args, want: "--namespaces=a,b"},
		"the sign-on's replicas":                    {values: "{login: {enabled: true, url: 'https://login.example.com:8443', replicas: 0}}", object: signOn, path: "spec.replicas", want: "0"},
		"the sign-on's TLS Secret":                  {values: "{login: {enabled: true, url: 'https://login.example.com:8443', tls: {secretName: mine}}}", object: signOn, path: pod + "volumes.0.secret.secretName", want: "mine"},
		"the sign-on's TLS Secret's default name":   {values: "{login: {enabled: true, url: 'https://login.example.com:8443'}}", object: signOn, path: pod + "volumes.0.secret.secretName", want: "stallkeeper-login-tls"},
		"the sign-on speaks HTTP behind an ingress": {values: "{login: {enabled: true, url: 'https://login.example.com:8443', tls: {mode: ingress}}}", object: "Service/" + system + "stallkeeper-login", path: "spec.ports.0.port", want: "80"},
		"no certificate behind an ingress":          {values: "{login: {enabled: true, url: 'https://login.example.com:8443', tls: {mode: ingress}}}", object: signOn, path: pod + "volumes"},
		"users' addresses behind an ingress":        {values: "{login: {enabled: true, url: 'https://login.example.com:8443', tls: {mode: ingress}}}", object: signOn, path: args, want: "--forwarded-for"},
		"the sign-on's Service":                     {values: "{login: {enabled: true, url: 'https://login.example.com:8443', service: {type: LoadBalancer, annotations: {a: b}}}}", object: "Service/" + system + "stallkeeper-login", path: "spec.type", want: "LoadBalancer"},
		"the sign-on's Service's annotations":       {values: "{login: {enabled: true, url: 'https://login.example.com:8443', service: {annotations: {a: b}}}}", object: "Service/" + system + "stallkeeper-login", path: "metadata.annotations.a", want: "b"},
		"the sign-on's ingress has the URL's host":  {values: "{login: {enabled: true, url: 'https://login.example.com:8443', ingress: {enabled: true, className: nginx, annotations: {a: b}, tlsSecretName: t}}}", object: "Ingress/" + system + "stallkeeper-login", path: "spec", want: "host:login.example.com"},
		"the sign-on's ingress's Secret":            {values: "{login: {enabled: true, url: 'https://login.example.com:8443', ingress: {enabled: true, tlsSecretName: t}}}", object: "Ingress/" + system + "stallkeeper-login", path: "spec.tls.0", want: "secretName:t"},
		"the sign-on's proxy":                       {values: "{login: {enabled: true, url: 'https://login.example.com:8443', env: [{name: HTTPS_PROXY, value: http://p}]}}", object: signOn, path: pod + "containers.0.env.0.value", want: "http://p"},
		"more arguments of the sign-on":             {values: "{login: {enabled: true, url: 'https://login.example.com:8443', extraArgs: [--log-level=1]}}", object: signOn, path: args, want: "--log-level=1"},
		"the sign-on's resources":                   {values: "{login: {enabled: true, url: 'https://login.example.com:8443', resources: {limits: {memory: 1Gi}}}}", object: signOn, path: pod + "containers.0.resources.limits.memory", want: "1Gi"},
		"the sign-on from the ingress only":         {values: "{login: {enabled: true, url: 'https://login.example.com:8443'}, networkPolicy: {callbackFrom: [{namespaceSelector: {matchLabels: {a: b}}}]}}", object: "NetworkPolicy/" + system + "stallkeeper-login", path: "spec.ingress.0.from.0.namespaceSelector", want: "a:b"},
		"who writes for others":                     {values: "admissionPolicies: {gitOpsUsers: ['system:serviceaccount:argocd:a']}", object: "ValidatingAdmissionPolicy/stallkeeper-people-instances", path: "spec.variables.4.expression", want: `variables.who in ["system:serviceaccount:argocd:a"]`},
		"who restores":                              {values: "admissionPolicies: {restoreUsers: [velero]}", object: "ValidatingAdmissionPolicy/stallkeeper-access-secrets", path: "spec.validations.1.expression", want: `request.userInfo.username in ["velero"]`},
		"another retention":                         {values: "admissionPolicies: {minRetentionSeconds: 60}", object: "ValidatingAdmissionPolicy/stallkeeper-retention", path: "spec.variables.2.expression", want: "< 60)"},
		"hosts of the order API":                    {values: "credentials: {apiHosts: [proxy.example.com]}", object: "ValidatingAdmissionPolicy/stallkeeper-marketplaces", path: "spec.validations.1.expression", want: `in ["proxy.example.com"]`},
		"credentials of all sales namespaces":       {object: "ValidatingAdmissionPolicy/stallkeeper-marketplaces", path: "spec.variables.2.expression", want: `["koogallery-openapi"]`},
		"credentials of each sales namespace":       {values: "{salesNamespaces: [a, b], credentials: {secretNames: [p, q], ofSalesNamespaces: {a: [p]}}}", object: "ValidatingAdmissionPolicy/stallkeeper-marketplaces", path: "spec.variables.2.expression", want: `{"a":["p"]}[?request.namespace].orValue([])`},
		"hosts of tenants":                          {values: "tenantLimits: {ingressHostSuffixes: [.apps.example.com]}", object: "ValidatingAdmissionPolicy/stallkeeper-tenants", path: "spec.validations.5.expression", want: `[".apps.example.com"]`},
		"priority classes of tenants":               {values: "tenantLimits: {priorityClassNames: [low]}", object: "ValidatingAdmissionPolicy/stallkeeper-tenants", path: "spec.validations.7.expression", want: `["","low"]`},
		"inline volumes of tenants":                 {values: "tenantLimits: {inlineCSIDrivers: [a.io]}", object: "ValidatingAdmissionPolicy/stallkeeper-tenants", path: "spec.validations.8.expression", want: `["a.io"]`},
		"cloud accounts of tenants":                 {values: "tenantLimits: {cloudIdentityAnnotations: [iam.gke.io/gcp-service-account]}", object: "ValidatingAdmissionPolicy/stallkeeper-tenants", path: "spec.validations.12.expression", want: `["iam.gke.io/gcp-service-account"]`},
		"hosts of tenants by annotations":           {values: "tenantLimits: {hostAnnotations: [external-dns.alpha.kubernetes.io/hostname]}", object: "ValidatingAdmissionPolicy/stallkeeper-tenants", path: "spec.validations.5.expression", want: `["external-dns.alpha.kubernetes.io/hostname"]`},
		"any host":                                  {values: "tenantLimits: {anyHost: true}", object: "ValidatingAdmissionPolicy/stallkeeper-tenants", path: "spec.validations.4.expression", want: `-snippet`},
		"our own hosts":                             {values: "{webhook: {host: h.io}, login: {enabled: true, url: 'https://l.io'}}", object: "ValidatingAdmissionPolicy/stallkeeper-tenants", path: "spec.variables.8.expression", want: `["h.io","l.io"]`},
		"the clock skew is read from the webhook":   {object: controller, path: args, want: "--clock-skew-url=http://stallkeeper-webhook-metrics.stallkeeper-system.svc:8080/clock-skew"},
	}
	for sentence, tc := range tests {
		t.Run(sentence, func(t *testing.T) {
			rendered := render(t, tc.release, tc.values)
			i := slices.IndexFunc(rendered.Objects, func(o *unstructured.Unstructured) bool { return name(o) == tc.object })
			if i < 0 {
				t.Fatalf("there is no %s", tc.object)
			}
			got, found := field(rendered.Objects[i].Object, tc.path)
			if found != (tc.want != "") || !strings.Contains(got, tc.want) {
				t.Errorf("%s of %s is %q, want %q", tc.path, tc.object, got, tc.want)
			}
		})
	}
}
