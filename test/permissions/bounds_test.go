package permissions_test

import (
	"fmt"
	"strings"
	"testing"
)

// repeat is n elements of a YAML list.
func repeat(n int, element func(i int) string) string {
	elements := make([]string, n)
	for i := range elements {
		elements[i] = element(i)
	}
	return "[" + strings.Join(elements, ", ") + "]"
}

// The API server gives each policy a budget of work, and refuses what exceeds it: what a kind allows at most, every policy must be able
// to judge.
func TestTheLargestObjectsAreJudged(t *testing.T) {
	const identity = "apiVersion: stallkeeper.io/v1alpha1, kind: "
	pairs := func(n int, prefix string) string {
		return strings.NewReplacer("[", "{", "]", "}").Replace(repeat(n, func(i int) string {
			return fmt.Sprintf("%s%d: %s", prefix, i, strings.Repeat("v", 60))
		}))
	}
	attributes := repeat(64, func(i int) string { return fmt.Sprintf("{name: a%d, value: '%s'}", i, strings.Repeat("v", 2000)) })
	plans := repeat(32, func(i int) string {
		return fmt.Sprintf("{name: plan-%d, values: {a: %s}, lifecycle: {afterRetention: Delete, retentionPeriodSeconds: 86400}}", i, strings.Repeat("v", 2000))
	})
	instance := func(more string) string {
		return "{" + identity + "MarketplaceInstance, metadata: {name: new, labels: " + pairs(60, "label-") + ", annotations: " + pairs(200, "example.com/a-") + "}, spec: {" +
			"lifecycle: {runUntilTime: '2031-01-01T00:00:00Z', reason: r, by: ben@example.com}, attributes: " + attributes +
			", subscription: {marketplace: koogallery, instanceID: new, entitlement: {state: Active}, attributes: " + attributes + ", calls: " + corrections() + "}" + more + "}}"
	}
	rules := repeat(200, func(i int) string {
		return fmt.Sprintf("{apiGroups: [''], resources: [configmaps], resourceNames: [c%d], verbs: [list, watch, create, patch, delete]}", i)
	})
	volumes := repeat(100, func(i int) string { return fmt.Sprintf("{name: v%d, csi: {driver: secrets.example.com}}", i) })
	hosts := repeat(100, func(i int) string {
		return fmt.Sprintf("{host: h%d.apps.example.com, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}", i)
	})
	try(t, map[string]attempt{
		"an instance with all that fits":             {as(editor, "POST "+instances, instance("")), ""},
		"it as the webhook writes it":                {as(webhook, "MERGE "+instances+"/full", "spec: {subscription: {attributes: "+attributes+"}}"), ""},
		"it as the controller writes it":             {as(controller, "MERGE "+instances+"/sold", "spec: {subscription: {attributes: "+attributes+", calls: "+corrections()+"}}"), ""},
		"a product with all its plans":               {as(editor, "POST "+products, "{"+identity+"MarketplaceProduct, metadata: {name: new}, spec: {template: {inline: 'a: b'}, plans: "+plans+"}}"), ""},
		"a Role with many rules":                     {as(controller, "APPLY /apis/rbac.authorization.k8s.io/v1/namespaces/tenant-sold/roles/r", "rules: "+rules), ""},
		"pods with many volumes":                     {as(controller, "APPLY /apis/apps/v1/namespaces/tenant-sold/deployments/web", "{spec: {selector: {matchLabels: {app: app}}, template: {metadata: {labels: {app: app}, annotations: "+pairs(200, "example.com/a-")+"}, spec: {containers: [{name: app, image: app}], volumes: "+volumes+"}}}}"), ""},
		"an Ingress with many hosts":                 {as(controller, "APPLY /apis/networking.k8s.io/v1/namespaces/tenant-sold/ingresses/web", "spec: {rules: "+hosts+"}"), ""},
		"a tenant's namespace with many annotations": {as(admin, "MERGE /api/v1/namespaces/tenant-sold", "metadata: {labels: "+pairs(60, "label-")+", annotations: "+pairs(200, "example.com/a-")+"}"), ""},
	})
}
