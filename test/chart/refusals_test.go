package chart_test

import (
	"strings"
	"testing"

	"github.com/stallkeeper/stallkeeper/test/chart"
)

func TestRefusals(t *testing.T) {
	tests := map[string]struct {
		values string
		want   []string // parts of the message: what is wrong, and where
	}{
		"an unknown key":                           {"replicas: 3", []string{"replicas", "not allowed"}},
		"an unknown key further in":                {"webhook: {tls: {minVersion: '1.1'}}", []string{"minVersion", "/webhook/tls"}},
		"an attempt at the security context":       {"controller: {securityContext: {runAsUser: 0}}", []string{"securityContext"}},
		"an attempt at the pods' security context": {"webhook: {podSecurityContext: {runAsNonRoot: false}}", []string{"podSecurityContext"}},
		"a sign-on without a URL":                  {"login: {enabled: true}", []string{"login.enabled needs login.url"}},
		"a sign-on without TLS":                    {"login: {enabled: true, url: 'http://login.example.com'}", []string{"/login/url"}},
		"a sign-on below a path":                   {"login: {enabled: true, url: 'https://login.example.com/x'}", []string{"/login/url"}},
		"a sign-on at the callbacks' host":         {"{webhook: {host: shop.example.com}, login: {enabled: true, url: 'https://shop.example.com/'}}", []string{"host of its own"}},
		"a sign-on's URL without a sign-on":        {"login: {url: 'https://login.example.com'}", []string{"login.enabled is false"}},
		"a sign-on's certificate without issuer":   {"login: {enabled: true, url: 'https://login.example.com', tls: {mode: certManager}}", []string{"needs webhook.tls.certManager.issuerName"}},
		"a sign-on's TLS Secret of plain HTTP":     {"login: {enabled: true, url: 'https://login.example.com', tls: {mode: ingress, secretName: t}}", []string{"Set login.ingress.tlsSecretName"}},
		"a text for a number":                      {"webhook: {replicas: many}", []string{"/webhook/replicas", "integer"}},
		"a text for a switch":                      {"crds: {keep: 'yes'}", []string{"/crds/keep", "boolean"}},
		"a number of replicas below zero":          {"controller: {replicas: -1}", []string{"/controller/replicas"}},
		"a TLS mode that there is not":             {"webhook: {tls: {mode: none}}", []string{"/webhook/tls/mode", "certManager"}},
		"a Pod Security level that there is not":   {"maxPodSecurityLevel: root", []string{"/maxPodSecurityLevel"}},
		"a prefix that is too long":                {"tenantNamespacePrefix: a-very-long-prefix-", []string{"/tenantNamespacePrefix"}},
		"a prefix of the cluster's own namespaces": {"tenantNamespacePrefix: kube-", []string{"/tenantNamespacePrefix"}},
		"a test elsewhere":                         {"test: {namespace: other}", []string{"test.namespace: other is none of salesNamespaces"}},
		"no sales namespace":                       {"salesNamespaces: []", []string{"/salesNamespaces"}},
		"a sales namespace twice":                  {"salesNamespaces: [a, a]", []string{"/salesNamespaces"}},
		"a digest that is none":                    {"image: {digest: latest}", []string{"/image/digest"}},
		"every kind":                               {"extraTenantKinds: [{group: '*', version: v1, resource: '*'}]", []string{"/extraTenantKinds/0"}},
		"a kind without a version":                 {"extraTenantKinds: [{group: apps, resource: deployments}]", []string{"/extraTenantKinds/0", "version"}},
		"a subresource as a kind":                  {"extraTenantKinds: [{group: '', version: v1, resource: pods/exec}]", []string{"/extraTenantKinds/0/resource"}},
		"the release's namespace as a sales one":   {"salesNamespaces: [stallkeeper-system]", []string{"salesNamespaces: stallkeeper-system is the release's namespace"}},
		"the credentials' namespace as a sales one": {
			"{salesNamespaces: [vault], credentials: {namespace: vault}}", []string{"salesNamespaces: vault is credentials.namespace"},
		},
		"credentials of a namespace that is not sold in": {
			"credentials: {ofSalesNamespaces: {other: [koogallery-openapi]}}", []string{"credentials.ofSalesNamespaces: other is none of salesNamespaces"},
		},
		"credentials that the controller can't read": {
			"credentials: {ofSalesNamespaces: {sales: [mine]}}", []string{"credentials.ofSalesNamespaces: mine is none of credentials.secretNames"},
		},
		"several sales namespaces with the same credentials": {
			"salesNamespaces: [eu, cn]", []string{"credentials.ofSalesNamespaces is empty", `--set "credentials.ofSalesNamespaces.eu={koogallery-openapi}"`},
		},
		"listeners of a Gateway of others as a kind": {
			"extraTenantKinds: [{group: gateway.networking.k8s.io, version: v1, resource: listenersets}]", []string{"listenersets.gateway.networking.k8s.io would add hosts"},
		},
		"such listeners of before": {
			"extraTenantKinds: [{group: gateway.networking.x-k8s.io, version: v1alpha1, resource: xlistenersets}]", []string{"would add hosts"},
		},
		"a host of the order API with a path":       {"credentials: {apiHosts: [proxy.example.com/x]}", []string{"/credentials/apiHosts/0"}},
		"hosts of tenants that end within a label":  {"tenantLimits: {ingressHostSuffixes: [apps.example.com]}", []string{"/tenantLimits/ingressHostSuffixes/0"}},
		"a user with a quote in the name":           {"admissionPolicies: {gitOpsUsers: [\"a'b\"]}", []string{"/admissionPolicies/gitOpsUsers/0"}},
		"a retention below zero":                    {"admissionPolicies: {minRetentionSeconds: -1}", []string{"/admissionPolicies/minRetentionSeconds"}},
		"the cluster's namespace as a sales one":    {"salesNamespaces: [kube-system]", []string{"salesNamespaces: kube-system is the cluster's own"}},
		"a sales namespace that looks like tenants": {"salesNamespaces: [tenant-a]", []string{"begins with tenantNamespacePrefix"}},
		"a prefix that the release's namespace has": {"tenantNamespacePrefix: stallkeeper-", []string{"tenantNamespacePrefix: the release's namespace"}},
		"Roles as a kind":                           {"extraTenantKinds: [{group: rbac.authorization.k8s.io, version: v1, resource: roles}]", []string{"Set tenantRBAC.enabled"}},
		"the policies as a kind": {
			"extraTenantKinds: [{group: admissionregistration.k8s.io, version: v1, resource: validatingadmissionpolicies}]", []string{"is not a tenant's to have"},
		},
		"Roles without the policies":         {"{tenantRBAC: {enabled: true}, admissionPolicies: {enabled: false}}", []string{"needs admissionPolicies.enabled"}},
		"Roles that escalate":                {"tenantRBAC: {rules: [{apiGroups: [''], resources: [pods], verbs: [escalate]}]}", []string{"the verb escalate gives more rights"}},
		"Roles that impersonate":             {"tenantRBAC: {rules: [{apiGroups: [''], resources: [users], verbs: [impersonate]}]}", []string{"the verb impersonate gives more rights"}},
		"Roles on Roles":                     {"tenantRBAC: {rules: [{apiGroups: ['rbac.authorization.k8s.io'], resources: [roles], verbs: [get]}]}", []string{"rbac.authorization.k8s.io is not a tenant's"}},
		"Roles on our own kinds":             {"tenantRBAC: {rules: [{apiGroups: ['stallkeeper.io'], resources: [marketplaces], verbs: [get]}]}", []string{"stallkeeper.io is not a tenant's"}},
		"Roles on namespaces":                {"tenantRBAC: {rules: [{apiGroups: [''], resources: [namespaces/finalize], verbs: [update]}]}", []string{"namespaces/finalize is not a tenant's"}},
		"Roles on tokens":                    {"tenantRBAC: {rules: [{apiGroups: [''], resources: [serviceaccounts/token], verbs: [create]}]}", []string{"serviceaccounts/token is not a tenant's"}},
		"Roles that write walls":             {"tenantRBAC: {rules: [{apiGroups: ['networking.k8s.io'], resources: [networkpolicies], verbs: [get, delete]}]}", []string{"networkpolicies bounds a tenant"}},
		"Roles that write quotas":            {"tenantRBAC: {rules: [{apiGroups: [''], resources: [resourcequotas/status], verbs: [update]}]}", []string{"resourcequotas/status bounds a tenant"}},
		"Roles of every resource":            {"tenantRBAC: {rules: [{apiGroups: [''], resources: ['*'], verbs: [get]}]}", []string{"/tenantRBAC/rules/0/resources/0"}},
		"Roles of every verb":                {"tenantRBAC: {rules: [{apiGroups: [''], resources: [pods], verbs: ['*']}]}", []string{"/tenantRBAC/rules/0/verbs/0"}},
		"Roles of every group":               {"tenantRBAC: {rules: [{apiGroups: ['*'], resources: [pods], verbs: [get]}]}", []string{"/tenantRBAC/rules/0/apiGroups/0"}},
		"our own kinds as kinds":             {"extraTenantKinds: [{group: stallkeeper.io, version: v1alpha1, resource: marketplaces}]", []string{"is not a tenant's to have"}},
		"bare Pods as a kind":                {"extraTenantKinds: [{group: '', version: v1, resource: pods}]", []string{"pods is refused in templates"}},
		"DaemonSets as a kind":               {"tenantKinds: [{group: apps, version: v1, resource: daemonsets}]", []string{"daemonsets.apps is refused in templates"}},
		"cert-manager without an issuer":     {"webhook: {host: a.io, tls: {mode: certManager}}", []string{"needs webhook.tls.certManager.issuerName"}},
		"cert-manager without a host":        {"webhook: {tls: {mode: certManager, certManager: {issuerName: ca}}}", []string{"needs webhook.host"}},
		"an issuer without cert-manager":     {"webhook: {tls: {certManager: {issuerName: ca}}}", []string{"webhook.tls.mode is secret"}},
		"a TLS Secret of plain HTTP":         {"webhook: {tls: {mode: ingress, secretName: t}}", []string{"Set webhook.ingress.tlsSecretName"}},
		"an ingress without a host":          {"webhook: {ingress: {enabled: true}}", []string{"webhook.ingress.enabled needs webhook.host"}},
		"a Secret of an ingress that is off": {"webhook: {ingress: {tlsSecretName: t}}", []string{"webhook.ingress.enabled is false"}},
		"source ranges without a balancer":   {"webhook: {service: {loadBalancerSourceRanges: [10.0.0.0/8]}}", []string{"webhook.service.type is ClusterIP"}},
	}
	for sentence, tc := range tests {
		t.Run(sentence, func(t *testing.T) {
			_, err := chart.Render(chart.Release{}, parse(t, tc.values))
			if err == nil {
				t.Fatalf("the values are accepted: %s", tc.values)
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the message does not say %q:\n%v", want, err)
				}
			}
		})
	}
}
