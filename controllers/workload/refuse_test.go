package workload

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

// deployment is a Deployment named web with more lines in its pod's spec.
func deployment(podSpec string) string {
	return `{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {template: {spec: {` + podSpec + `}}}}`
}

func TestWhatATemplateMayNotAskFor(t *testing.T) {
	const forbiddenToken = "set the product's spec.isolation.apiAccess to ServiceAccountToken, or remove it from the template"
	tests := map[string]struct {
		template string
		want     []string
	}{
		"a cluster-scoped kind": {
			template: `{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: reader}}`,
			want:     []string{"ClusterRole/reader (app.yaml): ClusterRole is cluster-scoped, but a tenant is one namespace; disable it in the product's values or remove it from the template, and install it once for the cluster"},
		},
		"a namespace, even the tenant's own": {
			template: `{apiVersion: v1, kind: Namespace, metadata: {name: tenant-acme-mfrggz}}`,
			want:     []string{"Namespace/tenant-acme-mfrggz (app.yaml): Namespace is cluster-scoped, but a tenant is one namespace; disable it in the product's values or remove it from the template, and install it once for the cluster"},
		},
		"a kind outside the permissions": {
			template: `{apiVersion: kafka.strimzi.io/v1, kind: Kafka, metadata: {name: events}}`,
			want:     []string{"Kafka/events (app.yaml): Kafka.kafka.strimzi.io is outside the operator's permissions; add it to Stallkeeper's chart value extraTenantKinds"},
		},
		"a permitted kind by an old apiVersion": {
			template: `{apiVersion: extensions/v1beta1, kind: Deployment, metadata: {name: web}}`,
			want:     []string{"Deployment/web (app.yaml): Deployment.extensions is outside the operator's permissions; correct apiVersion and kind where Deployment.apps is meant, or add it to Stallkeeper's chart value extraTenantKinds"},
		},
		"a permitted kind in small letters": {
			template: `{apiVersion: apps/v1, kind: deployment, metadata: {name: web}}`,
			want:     []string{"deployment/web (app.yaml): deployment.apps is outside the operator's permissions; correct apiVersion and kind where Deployment.apps is meant, or add it to Stallkeeper's chart value extraTenantKinds"},
		},
		"one of the operator's own kinds": {
			template: `{apiVersion: stallkeeper.io/v1alpha1, kind: MarketplaceInstance, metadata: {name: free}}`,
			want:     []string{"MarketplaceInstance/free (app.yaml): a tenant can't contain the operator's own kinds; remove it from the template"},
		},
		"another namespace": {
			template: `{apiVersion: v1, kind: ConfigMap, metadata: {name: web, namespace: kube-system}}`,
			want: []string{`ConfigMap/web (app.yaml): metadata.namespace is "kube-system", not the tenant's; ` +
				"remove it from the template"},
		},
		"a DaemonSet": {
			template: `{apiVersion: apps/v1, kind: DaemonSet, metadata: {name: agent}}`,
			want: []string{"DaemonSet/agent (app.yaml): a DaemonSet would run on every node for one buyer; " +
				"use a Deployment"},
		},
		"a bare Pod": {
			template: `{apiVersion: v1, kind: Pod, metadata: {name: web}}`,
			want: []string{"Pod/web (app.yaml): a bare Pod is lost with its node and can't be suspended; " +
				"use a Deployment or a Job"},
		},
		"a bare ReplicaSet": {
			template: `{apiVersion: apps/v1, kind: ReplicaSet, metadata: {name: web}}`,
			want:     []string{"ReplicaSet/web (app.yaml): a bare ReplicaSet has no rollout; use a Deployment"},
		},
		"a List": {
			template: `{apiVersion: v1, kind: List, metadata: {name: all}, items: []}`,
			want:     []string{"List/all (app.yaml): write the items of a List as separate documents"},
		},
		"a Role, where Roles are not allowed": {
			template: `{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: web}}`,
			want:     []string{"Role/web (app.yaml): Roles and RoleBindings are outside the operator's permissions; allow them with Stallkeeper's chart value tenantRBAC.enabled"},
		},
		"the name of an object that the operator makes": {
			template: `{apiVersion: v1, kind: Secret, metadata: {name: access}}`,
			want:     []string{"Secret/access (app.yaml): the name is reserved for an object that every tenant has; use another name"},
		},
		"the name of a Secret that brings the directory": {
			template: `{apiVersion: v1, kind: Secret, metadata: {name: stallkeeper-directory-07}}`,
			want:     []string{"Secret/stallkeeper-directory-07 (app.yaml): the name is reserved for an object that every tenant has; use another name"},
		},
		"the same object twice": {
			template: `{apiVersion: v1, kind: ConfigMap, metadata: {name: web}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: web}, data: {a: b}}`,
			want: []string{"ConfigMap/web (app.yaml): the template defines it twice, first in app.yaml; remove one"},
		},
		"a name that is made by the server": {
			template: `{apiVersion: v1, kind: ConfigMap, metadata: {generateName: web-}}`,
			want:     []string{"ConfigMap/ (app.yaml): metadata.name is missing; with generateName, each reconciliation would create another object"},
		},
		"a name that is not a DNS name": {
			template: `{apiVersion: v1, kind: ConfigMap, metadata: {name: Web}}`,
			want: []string{"ConfigMap/Web (app.yaml): metadata.name is invalid: a lowercase RFC 1123 subdomain must consist of " +
				"lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character " +
				"(e.g. 'example.com', regex used for validation is " +
				`'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')`},
		},
		"a name too long for the pods of its kind": {
			template: `{apiVersion: batch/v1, kind: CronJob, metadata: {name: a234567890123456789012345678901234567890123456789012x},
				spec: {jobTemplate: {spec: {template: {spec: {}}}}}}`,
			want: []string{"CronJob/a234567890123456789012345678901234567890123456789012x (app.yaml): " +
				"metadata.name has 53 characters, but a CronJob allows at most 52; shorten it"},
		},
		"owners and finalizers": {
			template: `{apiVersion: v1, kind: ConfigMap, metadata: {name: web, finalizers: [example.com/keep],
				ownerReferences: [{apiVersion: v1, kind: ConfigMap, name: other, uid: u}]}}`,
			want: []string{
				"ConfigMap/web (app.yaml): metadata.ownerReferences would let the cluster delete it with another object; remove them",
				"ConfigMap/web (app.yaml): metadata.finalizers would keep the tenant from being removed; remove them",
			},
		},
		"the operator's labels and annotations": {
			template: `{apiVersion: v1, kind: ConfigMap, metadata: {name: web, labels: {stallkeeper.io/instance: other},
				annotations: {stallkeeper.io/adopt: Allow}}}`,
			want: []string{
				"ConfigMap/web (app.yaml): metadata.labels has stallkeeper.io/instance, and the prefix stallkeeper.io/ is the operator's; remove it",
				"ConfigMap/web (app.yaml): metadata.annotations has stallkeeper.io/adopt, and the prefix stallkeeper.io/ is the operator's; remove it",
			},
		},
		"a label that is a number": {
			template: `{apiVersion: v1, kind: ConfigMap, metadata: {name: web, labels: {version: 2}}}`,
			want:     []string{"ConfigMap/web (app.yaml): metadata.labels has a value that is not a string; quote it"},
		},
		"a Service with external addresses": {
			template: `{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {externalIPs: [203.0.113.7]}}`,
			want:     []string{"Service/web (app.yaml): spec.externalIPs would capture other tenants' traffic; remove it"},
		},
		"a Secret with a number": {
			template: `{apiVersion: v1, kind: Secret, metadata: {name: web}, stringData: {port: 5432}}`,
			want:     []string{"Secret/web (app.yaml): stringData.port is not a string; quote it"},
		},
		"a Secret whose content is a list": {
			template: `{apiVersion: v1, kind: Secret, metadata: {name: web}, stringData: [a], data: [b]}`,
			want: []string{
				"Secret/web (app.yaml): stringData is not a map of strings",
				"Secret/web (app.yaml): data is not a map of base64 strings",
			},
		},
		"a Secret that the cluster fills with a token": {
			template: `{apiVersion: v1, kind: Secret, metadata: {name: web}, type: kubernetes.io/service-account-token}`,
			want:     []string{"Secret/web (app.yaml): it requests a token for the Kubernetes API; " + forbiddenToken},
		},
		"pods that ask for a token": {
			template: deployment(`automountServiceAccountToken: true`),
			want:     []string{"Deployment/web (app.yaml): spec.template.spec.automountServiceAccountToken is true; " + forbiddenToken},
		},
		"pods that mount a token by themselves": {
			template: deployment(`volumes: [{name: api, projected: {sources: [{serviceAccountToken: {path: token}}]}}]`),
			want:     []string{"Deployment/web (app.yaml): the volume api of spec.template contains a ServiceAccount token; " + forbiddenToken},
		},
		"Jobs by a queue that ask for a token": {
			template: `{apiVersion: keda.sh/v1alpha1, kind: ScaledJob, metadata: {name: batch}, spec: {jobTargetRef: {template: {spec: {automountServiceAccountToken: true}}}}}`,
			want:     []string{"ScaledJob/batch (app.yaml): spec.jobTargetRef.template.spec.automountServiceAccountToken is true; " + forbiddenToken},
		},
		"volumes without a token are fine": {
			template: deployment(`volumes: [{name: a, emptyDir: {}}, {name: b, projected: {sources: [{configMap: {name: web}}]}}]`),
		},
		"a Deployment without pods": {
			template: `{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {replicas: 1}}`,
			want:     []string{"Deployment/web (app.yaml): spec.template can't be read: it is missing or not a map"},
		},
		"several objects at once": {
			template: `{apiVersion: apps/v1, kind: DaemonSet, metadata: {name: agent}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: fine}}
---
{apiVersion: kafka.strimzi.io/v1, kind: Kafka, metadata: {name: events}}`,
			want: []string{
				"DaemonSet/agent (app.yaml): a DaemonSet would run on every node for one buyer; use a Deployment",
				"Kafka/events (app.yaml): Kafka.kafka.strimzi.io is outside the operator's permissions; add it to Stallkeeper's chart value extraTenantKinds",
			},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			for _, suspended := range []bool{false, true} {
				_, err := Desired(testTenant(), Policy{Reserved: reservedNames}, testPermissions(), rendered(t, tc.template), suspended)
				if diff := cmp.Diff(tc.want, problemsOf(err)); diff != "" {
					t.Errorf("problems with suspended=%t (-want +got):\n%s", suspended, diff)
				}
			}
		})
	}
}

func TestWhatRolesMayNotGive(t *testing.T) {
	rights := RoleRights{"pods": {"get", "list"}, "pods/log": {"get"}, "deployments.apps": {"get"}, "networkpolicies.networking.k8s.io": {"get"}}
	role := func(groups, resources, verbs string) string {
		return `{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: "system:web"},
			rules: [{apiGroups: [""], resources: [pods], verbs: [get]}, {apiGroups: [` + groups + `], resources: [` + resources + `], verbs: [` + verbs + `]}]}`
	}
	binding := func(roleRef, subject string) string {
		return `{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: web},
			roleRef: {apiGroup: rbac.authorization.k8s.io, ` + roleRef + `}, subjects: [{` + subject + `}]}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: web}, rules: []}`
	}
	const (
		inTenant = `kind: ServiceAccount, name: web, namespace: tenant-acme-mfrggz`
		notThere = "Role/system:web (app.yaml): rules[1] allows what is not on the list of the chart value tenantRBAC.rules: "
		orOff    = "; add it there, or switch it off by the values of the product"
		star     = "Role/system:web (app.yaml): rules[1] has *, which includes what the tenant is bounded by; list the groups and resources that are needed"
	)
	tests := map[string]struct {
		template string
		want     []string
	}{
		"what is on the list is fine":     {template: role(`""`, "pods", "get, list")},
		"a part of it, in another group":  {template: role("apps", "deployments", "get")},
		"a subresource that is on it":     {template: role(`""`, "pods/log", "get")},
		"a verb that is not":              {template: role(`""`, "pods", "get, delete, create"), want: []string{notThere + "pods (delete, create)" + orOff}},
		"a subresource of what is on it":  {template: role(`""`, "pods, pods/exec", "get"), want: []string{notThere + "pods/exec (get)" + orOff}},
		"a group that is not on it":       {template: role(`"", apps`, "pods", "get"), want: []string{notThere + "pods.apps (get)" + orOff}},
		"the walls of the tenant":         {template: role("networking.k8s.io", "networkpolicies", "get, delete"), want: []string{notThere + "networkpolicies.networking.k8s.io (delete)" + orOff}},
		"its own namespace":               {template: role(`""`, "namespaces", "delete"), want: []string{notThere + "namespaces (delete)" + orOff}},
		"tokens":                          {template: role(`""`, "serviceaccounts/token", "create"), want: []string{notThere + "serviceaccounts/token (create)" + orOff}},
		"Roles":                           {template: role("rbac.authorization.k8s.io", "roles", "get"), want: []string{notThere + "roles.rbac.authorization.k8s.io (get)" + orOff}},
		"every group":                     {template: role(`"*"`, "pods", "get"), want: []string{star}},
		"every resource":                  {template: role(`""`, `"*"`, "get"), want: []string{star}},
		"every subresource":               {template: role(`""`, `"pods/*"`, "get"), want: []string{star}},
		"a subresource of every resource": {template: role(`""`, `"*/scale"`, "get"), want: []string{star}},
		"URLs":                            {template: `{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: web}, rules: [{nonResourceURLs: [/metrics], verbs: [get]}]}`, want: []string{"Role/web (app.yaml): rules[0] has nonResourceURLs, which only a ClusterRole may have; remove them"}},
		"escalate, bind and impersonate": {
			template: role(`""`, "pods", "escalate, bind, impersonate"),
			want: []string{
				"Role/system:web (app.yaml): rules[1] has the verb escalate, which grants more rights than the Role says; remove it",
				"Role/system:web (app.yaml): rules[1] has the verb bind, which grants more rights than the Role says; remove it",
				"Role/system:web (app.yaml): rules[1] has the verb impersonate, which grants more rights than the Role says; remove it",
			},
		},
		"every verb": {
			template: role(`""`, "pods", `"*"`),
			want: []string{"Role/system:web (app.yaml): rules[1] has the verb *, which includes escalate, bind and impersonate; " +
				"list the verbs that are needed"},
		},
		"rules that are no rules": {
			template: `{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: web}, rules: all}`,
			want:     []string{"Role/web (app.yaml): it is not a Role: cannot restore slice from string"},
		},
		"the tenant's account and Role are fine":         {template: binding("kind: Role, name: web", inTenant)},
		"an account without a namespace is the tenant's": {template: binding("kind: Role, name: web", "kind: ServiceAccount, name: web")},
		"a Role that is not there": {
			template: binding("kind: Role, name: wbe", inTenant),
			want: []string{`RoleBinding/web (app.yaml): roleRef names the Role "wbe", which the template does not make: ` +
				"correct the name, or switch the Role on by the values of the product"},
		},
		"a ClusterRole": {
			template: binding("kind: ClusterRole, name: admin", inTenant),
			want: []string{"RoleBinding/web (app.yaml): roleRef is ClusterRole/admin, but a tenant can only use its own Roles; " +
				"add a Role with the required rules"},
		},
		"an account of another namespace": {
			template: binding("kind: Role, name: web", "kind: ServiceAccount, name: web, namespace: default"),
			want: []string{`RoleBinding/web (app.yaml): subjects[0] is ServiceAccount/web in namespace "default", but only ` +
				"ServiceAccounts in the tenant's namespace can be subjects; set its namespace to {{ .Release.Namespace }} or remove it"},
		},
		"a group": {
			template: binding("kind: Role, name: web", `kind: Group, name: "system:authenticated"`),
			want: []string{`RoleBinding/web (app.yaml): subjects[0] is Group/system:authenticated in namespace "", but only ` +
				"ServiceAccounts in the tenant's namespace can be subjects; set its namespace to {{ .Release.Namespace }} or remove it"},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Desired(testTenant(), Policy{}, Permissions{TenantRBAC: true, RoleRights: rights}, rendered(t, tc.template), false)
			if diff := cmp.Diff(tc.want, problemsOf(err)); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRoleRightsAreJSON(t *testing.T) {
	if rights, err := ParseRoleRights(`{"pods/log":["get"]}`); err != nil || !cmp.Equal(rights, RoleRights{"pods/log": {"get"}}) {
		t.Errorf("got %v, %v", rights, err)
	}
	if rights, err := ParseRoleRights(""); err != nil || len(rights) > 0 {
		t.Errorf("of nothing: %v, %v", rights, err)
	}
	if _, err := ParseRoleRights("pods=get"); err == nil {
		t.Error("what is no JSON is read")
	}
}

func TestWhatASuspensionPatchMayNotDo(t *testing.T) {
	const cluster = `{apiVersion: postgresql.cnpg.io/v1, kind: Cluster, metadata: {name: orders}}`
	tests := map[string]struct {
		patches   []string
		suspended bool
		want      []string
	}{
		"be something else than a map, seen while the tenant runs": {
			patches: []string{`"off"`},
			want:    []string{"the product's spec.lifecycle.suspensionPatches[0] (Cluster.postgresql.cnpg.io): patch is not a map"},
		},
		"be there twice for a kind": {
			patches: []string{`{}`, `{"spec":{}}`},
			want: []string{"the product's spec.lifecycle.suspensionPatches[1] (Cluster.postgresql.cnpg.io): " +
				"the kind already has a patch; merge them"},
		},
		"rename the object": {
			patches: []string{`{"metadata":{"name":"other"}}`}, suspended: true,
			want: []string{"Cluster/orders (app.yaml): the product's spec.lifecycle.suspensionPatches changes its apiVersion, kind, " +
				"name or namespace; remove that from the patch"},
		},
		"bring in what a template may not have": {
			patches: []string{`{"metadata":{"finalizers":["example.com/keep"]}}`}, suspended: true,
			want: []string{"Cluster/orders (app.yaml): metadata.finalizers would keep the tenant from being removed; remove them"},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var policy Policy
			for _, patch := range tc.patches {
				policy.Suspension = append(policy.Suspension, v1alpha1.SuspensionPatch{
					Group: "postgresql.cnpg.io", Kind: "Cluster", Patch: runtime.RawExtension{Raw: []byte(patch)},
				})
			}
			_, err := Desired(testTenant(), policy, testPermissions(), rendered(t, cluster), tc.suspended)
			if diff := cmp.Diff(tc.want, problemsOf(err)); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

func TestATenantWithoutANameGetsNothing(t *testing.T) {
	for _, blank := range []func(*Tenant){
		func(t *Tenant) { t.Namespace = "" },
		func(t *Tenant) { t.Instance = "" },
		func(t *Tenant) { t.InstanceNamespace = "" },
		func(t *Tenant) { t.InstanceUID = "" },
		func(t *Tenant) { t.Product = "" },
		func(t *Tenant) { t.Revision = "" },
	} {
		tenant := testTenant()
		blank(&tenant)
		if _, err := Desired(tenant, Policy{}, testPermissions(), nil, false); err == nil {
			t.Errorf("Desired(%+v) made a set", tenant)
		}
	}
}

// problemsOf are the problems of a RefusedError; another error is the only one.
func problemsOf(err error) []string {
	var refused *RefusedError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &refused):
		return refused.Problems
	default:
		return []string{err.Error()}
	}
}

// reservedNames are names that something else than the template uses.
var reservedNames = []Reserved{{Kind: "Secret", Name: "stallkeeper-directory", AnySuffix: true}}
