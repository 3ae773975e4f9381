package workload

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

// own is the set of a tenant whose template is empty.
func own(t *testing.T, policy Policy, change func(*Tenant)) Set {
	t.Helper()
	tenant := testTenant()
	if change != nil {
		change(&tenant)
	}
	set, err := Desired(tenant, policy, Permissions{}, nil, false)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// at is the value below a path of an object; nil when either is missing.
func at(object *unstructured.Unstructured, path ...string) any {
	if object == nil {
		return nil
	}
	value, _, _ := unstructured.NestedFieldNoCopy(object.Object, path...)
	return value
}

func TestDefaultsOfContainers(t *testing.T) {
	type limits = map[string]any
	tests := map[string]struct {
		quota v1alpha1.ResourceList
		want  any
	}{
		"no quota needs no defaults": {},
		"a quota on objects and disks needs no defaults": {
			quota: quotaOf("pods", "9", "requests.storage", "1Gi", "requests.ephemeral-storage", "1Gi"),
		},
		"a quota on requests needs requests": {
			quota: quotaOf("cpu", "2", "requests.memory", "2Gi"),
			want:  []any{limits{"type": "Container", "defaultRequest": limits{"cpu": "10m", "memory": "64Mi"}}},
		},
		"a quota on limits needs limits, and requests below them": {
			quota: quotaOf("limits.cpu", "2"),
			want:  []any{limits{"type": "Container", "default": limits{"cpu": "500m"}, "defaultRequest": limits{"cpu": "10m"}}},
		},
		"a default is never more than the whole quota": {
			quota: quotaOf("limits.cpu", "200m", "limits.memory", "32Mi", "requests.cpu", "5m"),
			want: []any{limits{
				"type": "Container", "default": limits{"cpu": "200m", "memory": "32Mi"},
				"defaultRequest": limits{"cpu": "5m", "memory": "32Mi"},
			}},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			set := own(t, Policy{Quota: tc.quota}, nil)
			if diff := cmp.Diff(tc.want, at(find(set, "LimitRange/tenant"), "spec", "limits")); diff != "" {
				t.Errorf("limits (-want +got):\n%s", diff)
			}
			if got := find(set, "ResourceQuota/tenant") != nil; got != (len(tc.quota) > 0) {
				t.Errorf("has a quota = %t", got)
			}
		})
	}
}

func TestPathsOutOfATenant(t *testing.T) {
	tests := map[string]struct {
		egress    v1alpha1.EgressPolicy
		wantRules int
		wantOpen  bool
	}{
		"by default itself, DNS and the internet": {wantRules: 3},
		"Internet is the default":                 {egress: v1alpha1.EgressInternet, wantRules: 3},
		"None leaves itself and DNS":              {egress: v1alpha1.EgressNone, wantRules: 2},
		"All is one rule that names nothing":      {egress: v1alpha1.EgressAll, wantRules: 1, wantOpen: true},
		"an unknown policy opens nothing":         {egress: "Everywhere", wantRules: 2},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			set := own(t, Policy{Isolation: v1alpha1.Isolation{Egress: tc.egress}}, nil)
			policy := find(set, "NetworkPolicy/tenant")
			rules, _ := at(policy, "spec", "egress").([]any)
			if len(rules) != tc.wantRules {
				t.Errorf("got %d rules, want %d: %v", len(rules), tc.wantRules, rules)
			}
			if open := cmp.Equal(rules, []any{map[string]any{}}); open != tc.wantOpen {
				t.Errorf("everything is open = %t, want %t", open, tc.wantOpen)
			}
			if diff := cmp.Diff([]any{"Ingress", "Egress"}, at(policy, "spec", "policyTypes")); diff != "" {
				t.Errorf("directions (-want +got):\n%s", diff)
			}
		})
	}
}

func TestNobodyGetsInUnlessNamed(t *testing.T) {
	set := own(t, Policy{}, nil)
	want := []any{map[string]any{"from": []any{map[string]any{"podSelector": map[string]any{}}}}}
	if diff := cmp.Diff(want, at(find(set, "NetworkPolicy/tenant"), "spec", "ingress")); diff != "" {
		t.Errorf("ingress (-want +got):\n%s", diff)
	}
}

func TestTheOrderOfNamedNamespacesIsNoChange(t *testing.T) {
	from := func(namespaces ...string) Set {
		return own(t, Policy{Isolation: v1alpha1.Isolation{IngressFromNamespaces: namespaces}}, nil)
	}
	if diff := cmp.Diff(from("a", "b"), from("b", "a")); diff != "" {
		t.Errorf("a reordered list changes the set:\n%s", diff)
	}
}

func TestTheNamespaceSaysHowItIsGuarded(t *testing.T) {
	tests := map[string]struct {
		policy         Policy
		protection     v1alpha1.DeletionProtection
		wantLevel      string
		wantProtection any
	}{
		"guarded by default": {wantLevel: "restricted", wantProtection: "Enabled"},
		"as the product and the person say": {
			policy:     Policy{Isolation: v1alpha1.Isolation{PodSecurityLevel: v1alpha1.PodSecurityBaseline}},
			protection: v1alpha1.DeletionProtectionDisabled, wantLevel: "baseline",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			set := own(t, tc.policy, func(tenant *Tenant) { tenant.DeletionProtection = tc.protection })
			if got := at(set.Namespace, "metadata", "labels", "pod-security.kubernetes.io/enforce"); got != tc.wantLevel {
				t.Errorf("level %v, want %v", got, tc.wantLevel)
			}
			if got := at(set.Namespace, "metadata", "labels", v1alpha1.DeletionProtectionLabel); got != tc.wantProtection {
				t.Errorf("protection %v, want %v", got, tc.wantProtection)
			}
		})
	}
}

func TestNoAccessSecretWithoutCredentials(t *testing.T) {
	set := own(t, Policy{}, func(tenant *Tenant) { tenant.Credentials = Credentials{} })
	if find(set, "Secret/access") != nil {
		t.Error("the tenant has an access Secret without credentials")
	}
}

func TestTokensWhereTheProductAllowsThem(t *testing.T) {
	policy := Policy{Isolation: v1alpha1.Isolation{APIAccess: v1alpha1.APIAccessServiceAccountToken}}
	template := deployment("automountServiceAccountToken: true") + `
---
{apiVersion: v1, kind: ServiceAccount, metadata: {name: web}}
---
{apiVersion: v1, kind: Secret, metadata: {name: token}, type: kubernetes.io/service-account-token}`
	set, err := Desired(testTenant(), policy, testPermissions(), rendered(t, template), false)
	if err != nil {
		t.Fatal(err)
	}
	const automount = "automountServiceAccountToken"
	if got := at(find(set, "Deployment/web"), "spec", "template", "spec", automount); got != true {
		t.Errorf("the pods' setting is %v, want the template's", got)
	}
	for _, account := range []string{"ServiceAccount/web", "ServiceAccount/default"} {
		if object := find(set, account); object == nil || at(object, automount) != nil {
			t.Errorf("%s: is %v, want it there and silent about tokens", account, object)
		}
	}
}

func TestTheTemplateOfAScaledJobStaysAsItIs(t *testing.T) {
	template := `{apiVersion: keda.sh/v1alpha1, kind: ScaledJob, metadata: {name: batch}, spec: {jobTargetRef: {template: {spec: {containers: [{name: a, image: a}]}}}}}
---
{apiVersion: v1, kind: ServiceAccount, metadata: {name: web}}`
	set, err := Desired(testTenant(), Policy{}, testPermissions(), rendered(t, template), false)
	if err != nil {
		t.Fatal(err)
	}
	const automount = "automountServiceAccountToken"
	if got := at(find(set, "ScaledJob/batch"), "spec", "jobTargetRef", "template", "spec", automount); got != nil {
		t.Errorf("the pods' setting is %v, by which KEDA would end the Jobs that run", got)
	}
	for _, account := range []string{"ServiceAccount/web", "ServiceAccount/default"} {
		if got := at(find(set, account), automount); got != false {
			t.Errorf("%s has %v, want no token", account, got)
		}
	}
}

// Only what a meter asks is opened, to the controller's pods only, on the port of the pods and not of the Service.
func TestTheControllerReachesWhatItAsks(t *testing.T) {
	controller := Peer{Namespace: "stallkeeper-system", Labels: map[string]string{"app": "controller"}}
	ports := func(text string) string {
		return "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {ports: [" + text + "]}"
	}
	rule := func(port any) any {
		return map[string]any{
			"from": []any{map[string]any{
				"namespaceSelector": map[string]any{"matchExpressions": []any{map[string]any{
					"key": "kubernetes.io/metadata.name", "operator": "In", "values": []any{"stallkeeper-system"},
				}}},
				"podSelector": map[string]any{"matchLabels": map[string]any{"app": "controller"}},
			}},
			"ports": []any{map[string]any{"port": port, "protocol": "TCP"}},
		}
	}
	tests := map[string]struct {
		service string
		asked   []ServicePort
		peer    Peer
		want    []any
	}{
		"a number":                     {ports("{port: 80, targetPort: 8080}"), []ServicePort{{"web", 80}}, controller, []any{rule(int64(8080))}},
		"a name":                       {ports("{port: 80, targetPort: http}"), []ServicePort{{"web", 80}}, controller, []any{rule("http")}},
		"the Service's own":            {ports("{port: 80}"), []ServicePort{{"web", 80}}, controller, []any{rule(int64(80))}},
		"a port that it does not have": {ports("{port: 81}"), []ServicePort{{"web", 80}}, controller, nil},
		"a port of UDP":                {ports("{port: 80, protocol: UDP}"), []ServicePort{{"web", 80}}, controller, nil},
		"another Service":              {ports("{port: 80}"), []ServicePort{{"api", 80}}, controller, nil},
		"no meter asks":                {ports("{port: 80}"), nil, controller, nil},
		"nobody knows who asks":        {ports("{port: 80}"), []ServicePort{{"web", 80}}, Peer{}, nil},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			perms := testPermissions()
			perms.Controller = tc.peer
			set, err := Desired(testTenant(), Policy{Asked: tc.asked}, perms, rendered(t, tc.service), false)
			if err != nil {
				t.Fatal(err)
			}
			rules, _ := at(find(set, "NetworkPolicy/tenant"), "spec", "ingress").([]any)
			var got []any
			if len(rules) > 1 {
				got = rules[1:]
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("opened (-want +got):\n%s", diff)
			}
		})
	}
}
