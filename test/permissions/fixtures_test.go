package permissions_test

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

func namespace(name string, labels map[string]string) *unstructured.Unstructured {
	object := &unstructured.Unstructured{}
	object.SetAPIVersion("v1")
	object.SetKind("Namespace")
	object.SetName(name)
	object.SetLabels(labels)
	return object
}

// fixtures are a cluster with one sale, instances in all states of protection, Secrets of others, and tenants.
func fixtures() []*unstructured.Unstructured {
	var objects []*unstructured.Unstructured
	for _, text := range []string{
		`{apiVersion: v1, kind: Namespace, metadata: {name: elsewhere}}`,
		`{apiVersion: v1, kind: Namespace, metadata: {name: kube-odd, labels: {stallkeeper.io/instance: sold}}}`,
		`{apiVersion: v1, kind: Namespace, metadata: {name: tenant-sold, labels: {stallkeeper.io/instance: sold,
			stallkeeper.io/instance-namespace: sales, stallkeeper.io/deletion-protection: Enabled,
			pod-security.kubernetes.io/enforce: restricted}}}`,
		`{apiVersion: v1, kind: Namespace, metadata: {name: tenant-free, labels: {stallkeeper.io/instance: free,
			stallkeeper.io/instance-namespace: sales, pod-security.kubernetes.io/enforce: restricted}}}`,
		`{apiVersion: v1, kind: Namespace, metadata: {name: tenant-foreign, labels: {stallkeeper.io/instance: sold,
			stallkeeper.io/instance-namespace: other-sales, stallkeeper.io/deletion-protection: Enabled,
			pod-security.kubernetes.io/enforce: restricted}}}`,

		`{apiVersion: v1, kind: Secret, metadata: {name: keys, namespace: kube-system}, stringData: {k: v}}`,
		`{apiVersion: v1, kind: Secret, metadata: {name: keys, namespace: elsewhere}, stringData: {k: v}}`,
		`{apiVersion: v1, kind: Secret, metadata: {name: stallkeeper-webhook-tls, namespace: stallkeeper-system}, stringData: {k: v}}`,
		`{apiVersion: v1, kind: Secret, metadata: {name: koogallery-openapi, namespace: stallkeeper-system}, stringData: {ak: v}}`,
		`{apiVersion: v1, kind: Secret, metadata: {name: koogallery, namespace: sales}, stringData: {accessKey: v}}`,
		`{apiVersion: v1, kind: Secret, metadata: {name: sold-access, namespace: sales,
			labels: {stallkeeper.io/instance: sold}}, stringData: {seed: v}}`,
		`{apiVersion: v1, kind: Secret, type: stallkeeper.io/call, immutable: true, metadata: {name: ` + callName + `,
			namespace: sales, labels: {stallkeeper.io/instance: sold, stallkeeper.io/call: Order}}, stringData: {order.json: v}}`,
		`{apiVersion: v1, kind: Secret, type: stallkeeper.io/directory, metadata: {name: sold-directory, namespace: sales,
			labels: {stallkeeper.io/instance: sold}}, stringData: {head.json: v}}`,
		`{apiVersion: v1, kind: Secret, metadata: {name: access, namespace: tenant-sold}, stringData: {password: v}}`,
		`{apiVersion: v1, kind: Secret, metadata: {name: stallkeeper-licenses, namespace: tenant-sold}, stringData: {EV1: v}}`,
		`{apiVersion: v1, kind: ConfigMap, metadata: {name: chart, namespace: sales}, data: {k: v}}`,
		`{apiVersion: v1, kind: ConfigMap, metadata: {name: config, namespace: elsewhere}, data: {k: v}}`,
		`{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: reader, namespace: tenant-sold},
			rules: [{apiGroups: [""], resources: [configmaps], verbs: [list]}]}`,
		deployment("tenant-sold"), deployment("elsewhere"),

		`{apiVersion: apps/v1, kind: ControllerRevision, metadata: {name: shop-1, namespace: sales,
			labels: {stallkeeper.io/product: shop}}, revision: 1, data: {}}`,
		`{apiVersion: apps/v1, kind: ControllerRevision, metadata: {name: theirs, namespace: sales}, revision: 1, data: {}}`,

		`{apiVersion: stallkeeper.io/v1alpha1, kind: UsageRecord, metadata: {name: sold-1, namespace: sales}, spec: {
			instanceRef: {name: sold}, meter: requests, value: "5", beginsAt: "2026-01-01T10:00:00Z", endsAt: "2026-01-01T11:00:00Z"}}`,

		`{apiVersion: stallkeeper.io/v1alpha1, kind: Marketplace, metadata: {name: koogallery, namespace: sales},
			spec: {protocol: KooGallery, site: China, callbackSecretRef: {name: koogallery}}}`,
		`{apiVersion: stallkeeper.io/v1alpha1, kind: MarketplaceProduct, metadata: {name: shop, namespace: sales},
			spec: {plans: [{name: small}], template: {inline: 'a: b'}}}`,
		// A sale that the controller has not looked at yet.
		`{apiVersion: stallkeeper.io/v1alpha1, kind: MarketplaceInstance, metadata: {name: sold, namespace: sales,
			labels: {team: a}, finalizers: [stallkeeper.io/tenant, example.com/backup]},
			spec: {quantity: 3, subscription: {marketplace: koogallery, instanceID: sold, entitlement: {state: Active}}}}`,
		`{apiVersion: stallkeeper.io/v1alpha1, kind: MarketplaceInstance, metadata: {name: resolved, namespace: sales},
			spec: {productRef: {name: shop}, subscription: {marketplace: koogallery, instanceID: resolved, entitlement: {state: Active}}}}`,
		// Made by hand; not looked at, protected by the product, and with a person's word against the product's.
		`{apiVersion: stallkeeper.io/v1alpha1, kind: MarketplaceInstance, metadata: {name: fresh, namespace: sales},
			spec: {productRef: {name: shop}, plan: small}}`,
		`{apiVersion: stallkeeper.io/v1alpha1, kind: MarketplaceInstance, metadata: {name: protected, namespace: sales},
			spec: {productRef: {name: shop}, plan: small}, status: {effective: {deletionProtection: Enabled}}}`,
		`{apiVersion: stallkeeper.io/v1alpha1, kind: MarketplaceInstance, metadata: {name: unprotected, namespace: sales},
			spec: {productRef: {name: shop}, plan: small}, status: {effective: {deletionProtection: Disabled}}}`,
		`{apiVersion: stallkeeper.io/v1alpha1, kind: MarketplaceInstance, metadata: {name: released, namespace: sales},
			spec: {productRef: {name: shop}, plan: small, deletionProtection: Disabled},
			status: {effective: {deletionProtection: Enabled}}}`,
		`{apiVersion: stallkeeper.io/v1alpha1, kind: MarketplaceInstance, metadata: {name: kept, namespace: sales},
			spec: {productRef: {name: shop}, plan: small, deletionProtection: Enabled},
			status: {effective: {deletionProtection: Disabled}}}`,
	} {
		object := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(text), &object.Object); err != nil {
			panic(err) // a fixture that is no YAML
		}
		objects = append(objects, object)
	}
	return objects
}

func deployment(namespace string) string {
	return `{apiVersion: apps/v1, kind: Deployment, metadata: {name: app, namespace: ` + namespace + `}, spec: {
		selector: {matchLabels: {app: app}},
		template: {metadata: {labels: {app: app}}, spec: {containers: [{name: app, image: app}]}}}}`
}
