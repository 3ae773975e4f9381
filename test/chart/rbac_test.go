package chart_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/stallkeeper/stallkeeper/test/chart"
)

// grant is one right: what may be done to which resource of which group, and to which names only.
type grant struct{ group, resource, names, verbs string }

// A rule that is added to the chart has to be added here, where a reviewer sees the whole of what each process may do.
var (
	webhookInSales = []grant{
		{"stallkeeper.io", "marketplaces", "", "get list watch"},
		{"stallkeeper.io", "marketplaceproducts", "", "get list watch"},
		{"stallkeeper.io", "marketplaceinstances", "", "get list watch create patch"},
		{"", "secrets", "", "get create"},
	}
	// It reads, and by name what is secret.
	loginInSales = []grant{
		{"stallkeeper.io", "marketplaces", "", "get list watch"},
		{"stallkeeper.io", "marketplaceproducts", "", "get list watch"},
		{"stallkeeper.io", "marketplaceinstances", "", "get list watch"},
		{"", "secrets", "", "get"},
	}
	controllerInSales = []grant{
		{"stallkeeper.io", "marketplaces", "", "get list watch"},
		{"stallkeeper.io", "marketplaceproducts", "", "get list watch"},
		{"stallkeeper.io", "marketplaceinstances", "", "get list watch patch delete"},
		{"stallkeeper.io", "usagerecords", "", "get list watch create patch delete"},
		{"stallkeeper.io", "usagerecords/status", "", "patch"},
		{"stallkeeper.io", "marketplacerevisions", "", "get list watch create delete"},
		{"stallkeeper.io", "marketplacerevisions/status", "", "patch"},
		{"stallkeeper.io", "marketplaces/status", "", "patch"},
		{"stallkeeper.io", "marketplaceproducts/status", "", "patch"},
		{"stallkeeper.io", "marketplaceinstances/status", "", "patch"},
		{"apps", "controllerrevisions", "", "get list create patch delete"},
		{"", "secrets", "", "get list watch create patch delete"},
		{"", "configmaps", "", "get"},
		{"events.k8s.io", "events", "", "create patch"},
	}
	controllerAtHome = []grant{
		{"coordination.k8s.io", "leases", "", "create"},
		{"coordination.k8s.io", "leases", "stallkeeper-controller", "get update"},
		{"", "events", "", "create patch"},
	}
	controllerCredentials = []grant{{"", "secrets", "koogallery-openapi", "get"}}

	// What a tenant's workload gives to be delivered to its buyer.
	tenantLicenses = grant{"", "secrets", "stallkeeper-licenses", "get"}

	tenantVerbs         = "list watch create patch delete"
	stopVerbs           = "list watch patch delete"
	controllerInCluster = []grant{
		{"", "namespaces", "", "get list watch create patch delete"},
		{"", "pods", "", "list"},
		{"storage.k8s.io", "storageclasses", "", "get"},
		{"", "services", "", tenantVerbs},
		{"", "configmaps", "", tenantVerbs},
		{"", "persistentvolumeclaims", "", tenantVerbs},
		{"", "serviceaccounts", "", tenantVerbs},
		{"", "resourcequotas", "", tenantVerbs},
		{"", "limitranges", "", tenantVerbs},
		{"apps", "deployments", "", tenantVerbs},
		{"apps", "statefulsets", "", tenantVerbs},
		{"autoscaling", "horizontalpodautoscalers", "", tenantVerbs},
		{"batch", "jobs", "", tenantVerbs},
		{"batch", "cronjobs", "", tenantVerbs},
		{"networking.k8s.io", "ingresses", "", tenantVerbs},
		{"networking.k8s.io", "networkpolicies", "", tenantVerbs},
		{"policy", "poddisruptionbudgets", "", tenantVerbs},
		{"", "secrets", "", "create patch delete"},
		tenantLicenses,
		{"apps", "deployments/scale", "", "get patch"},
		{"apps", "statefulsets/scale", "", "get patch"},
		{"apps", "replicasets/scale", "", "get patch"},
		{"apps", "replicasets", "", stopVerbs},
		{"keda.sh", "scaledobjects", "", stopVerbs},
		{"keda.sh", "scaledjobs", "", stopVerbs},
	}
)

// grantsOf reads the rights of one ServiceAccount by place: a namespace, or "" for the whole cluster.
func grantsOf(t *testing.T, rendered chart.Rendered, account string) map[string][]grant {
	t.Helper()
	grants := map[string][]grant{}
	for _, kind := range []string{"RoleBinding", "ClusterRoleBinding"} {
		for _, object := range rendered.OfKind(kind) {
			var binding rbacv1.RoleBinding
			convert(t, object, &binding)
			for _, subject := range binding.Subjects {
				if subject.Kind != "ServiceAccount" || subject.Namespace != "stallkeeper-system" {
					t.Errorf("%s %s binds %s %s/%s", kind, binding.Name, subject.Kind, subject.Namespace, subject.Name)
				}
				if subject.Name != account {
					continue
				}
				role := rendered.Find(binding.RoleRef.Kind, binding.Namespace, binding.RoleRef.Name)
				if role == nil {
					t.Fatalf("%s %s binds a role that is not there: %s", kind, binding.Name, binding.RoleRef.Name)
				}
				var rules rbacv1.Role
				convert(t, role, &rules)
				grants[binding.Namespace] = append(grants[binding.Namespace], flatten(rules.Rules)...)
			}
		}
	}
	return grants
}

func flatten(rules []rbacv1.PolicyRule) []grant {
	var grants []grant
	for _, rule := range rules {
		for _, group := range rule.APIGroups {
			for _, resource := range rule.Resources {
				grants = append(grants, grant{group, resource, words(rule.ResourceNames), words(rule.Verbs)})
			}
		}
	}
	return grants
}

func words(list []string) string {
	var joined string
	for i, word := range list {
		if i > 0 {
			joined += " "
		}
		joined += word
	}
	return joined
}

func convert(t *testing.T, object *unstructured.Unstructured, into any) {
	t.Helper()
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, into); err != nil {
		t.Fatalf("%s %s: %v", object.GetKind(), object.GetName(), err)
	}
}

func TestRightsAreTheTableAndNotOneVerbMore(t *testing.T) {
	with := func(grants []grant, more ...grant) []grant { return append(slices.Clone(grants), more...) }
	tests := map[string]struct {
		values                      string
		wantWebhook, wantController map[string][]grant
		wantLogin                   map[string][]grant
	}{
		"with the defaults": {
			wantWebhook: map[string][]grant{"sales": webhookInSales},
			wantController: map[string][]grant{
				"": controllerInCluster, "sales": controllerInSales,
				"stallkeeper-system": with(controllerAtHome, controllerCredentials...),
			},
		},
		"in each of several sales namespaces, with credentials elsewhere": {
			values:      "{salesNamespaces: [eu, cn], credentials: {namespace: vault, ofSalesNamespaces: {eu: [koogallery-openapi]}}}",
			wantWebhook: map[string][]grant{"eu": webhookInSales, "cn": webhookInSales},
			wantController: map[string][]grant{
				"": controllerInCluster, "eu": controllerInSales, "cn": controllerInSales,
				"stallkeeper-system": controllerAtHome, "vault": controllerCredentials,
			},
		},
		"with a sign-on": {
			values:      "{salesNamespaces: [eu, cn], credentials: {ofSalesNamespaces: {eu: [koogallery-openapi]}}, login: {enabled: true, url: 'https://login.example.com'}}",
			wantWebhook: map[string][]grant{"eu": webhookInSales, "cn": webhookInSales},
			wantController: map[string][]grant{
				"": controllerInCluster, "eu": controllerInSales, "cn": controllerInSales,
				"stallkeeper-system": with(controllerAtHome, controllerCredentials...),
			},
			wantLogin: map[string][]grant{"eu": loginInSales, "cn": loginInSales},
		},
		"without any order API": {
			values:      "credentials: {secretNames: []}",
			wantWebhook: map[string][]grant{"sales": webhookInSales},
			wantController: map[string][]grant{
				"": controllerInCluster, "sales": controllerInSales, "stallkeeper-system": controllerAtHome,
			},
		},
		"with Roles for tenants, one more kind and watched Secrets": {
			values: `{tenantRBAC: {enabled: true}, drift: {secrets: true},
				extraTenantKinds: [{group: postgresql.cnpg.io, version: v1, resource: clusters}]}`,
			wantWebhook: map[string][]grant{"sales": webhookInSales},
			wantController: map[string][]grant{
				"": with(slices.DeleteFunc(slices.Clone(controllerInCluster), func(g grant) bool { return g.resource == "secrets" && g.names == "" }),
					grant{"", "secrets", "", "list watch create patch delete"},
					grant{"postgresql.cnpg.io", "clusters", "", tenantVerbs},
					grant{"rbac.authorization.k8s.io", "roles", "", tenantVerbs},
					grant{"rbac.authorization.k8s.io", "roles", "", "escalate bind"},
					grant{"rbac.authorization.k8s.io", "rolebindings", "", tenantVerbs}),
				"sales": controllerInSales, "stallkeeper-system": with(controllerAtHome, controllerCredentials...),
			},
		},
		"with the fewest kinds, what every tenant has stays": {
			values:      "tenantKinds: [{group: apps, version: v1, resource: deployments}]",
			wantWebhook: map[string][]grant{"sales": webhookInSales},
			wantController: map[string][]grant{
				// What was made before is stopped all the same.
				"": with(slices.DeleteFunc(slices.Clone(controllerInCluster), func(g grant) bool {
					return slices.Contains([]string{
						"services", "persistentvolumeclaims", "statefulsets",
						"horizontalpodautoscalers", "jobs", "cronjobs", "ingresses", "poddisruptionbudgets",
					}, g.resource)
				}),
					grant{"apps", "statefulsets", "", stopVerbs}, grant{"batch", "jobs", "", stopVerbs}, grant{"batch", "cronjobs", "", stopVerbs},
					grant{"autoscaling", "horizontalpodautoscalers", "", stopVerbs}),
				"sales": controllerInSales, "stallkeeper-system": with(controllerAtHome, controllerCredentials...),
			},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			rendered := render(t, chart.Release{}, tc.values)
			for account, want := range map[string]map[string][]grant{
				"stallkeeper-webhook": tc.wantWebhook, "stallkeeper-controller": tc.wantController, "stallkeeper-login": tc.wantLogin,
			} {
				if diff := cmp.Diff(sorted(want), sorted(grantsOf(t, rendered, account)), cmp.AllowUnexported(grant{})); diff != "" {
					t.Errorf("%s (-want +got):\n%s", account, diff)
				}
			}
		})
	}
}

func sorted(places map[string][]grant) map[string][]grant {
	result := map[string][]grant{}
	for place, grants := range places {
		grants = slices.Clone(grants)
		slices.SortFunc(grants, func(a, b grant) int {
			return slices.Compare([]string{a.group, a.resource, a.names}, []string{b.group, b.resource, b.names})
		})
		result[place] = grants
	}
	return result
}

// With products in the cluster's edit role, every editor of a sales namespace would run what he likes in namespaces that are
// not his own. Revisions are the controller's.
func TestPeopleGetNoProductsWithTheClustersRoles(t *testing.T) {
	rendered := render(t, chart.Release{}, "")
	for _, object := range rendered.OfKind("ClusterRole") {
		var role rbacv1.ClusterRole
		convert(t, object, &role)
		if role.Labels["rbac.authorization.k8s.io/aggregate-to-edit"] == "" && role.Labels["rbac.authorization.k8s.io/aggregate-to-admin"] == "" {
			continue
		}
		for _, grant := range flatten(role.Rules) {
			if grant.resource == "marketplaceproducts" || grant.resource == "marketplacerevisions" {
				t.Errorf("%s brings %s on %s to the cluster's roles", role.Name, grant.verbs, grant.resource)
			}
		}
	}
	for _, name := range []string{"stallkeeper-view", "stallkeeper-edit", "stallkeeper-product-editor"} {
		if rendered.Find("ClusterRole", "", name) == nil {
			t.Errorf("there is no ClusterRole %s", name)
		}
	}
}
