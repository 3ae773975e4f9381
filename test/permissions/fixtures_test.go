package permissions_test

import (
	"fmt"
	"strings"

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
			pod-security.kubernetes.io/enforce: restricted}, annotations: {stallkeeper.io/instance-uid: u, stallkeeper.io/hooks: h,
			stallkeeper.io/lifecycle: '{}'}}}`,
		`{apiVersion: v1, kind: Namespace, metadata: {name: tenant-back, labels: {stallkeeper.io/instance: back,
			stallkeeper.io/instance-namespace: sales, pod-security.kubernetes.io/enforce: restricted},
			annotations: {stallkeeper.io/restore: Allow}}}`,
		`{apiVersion: v1, kind: Namespace, metadata: {name: tenant-open, labels: {stallkeeper.io/instance: open,
			stallkeeper.io/instance-namespace: sales, pod-security.kubernetes.io/enforce: privileged}}}`,
		`{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: scaledjobs.keda.sh}, spec: {group: keda.sh, scope: Namespaced,
			names: {plural: scaledjobs, singular: scaledjob, kind: ScaledJob, listKind: ScaledJobList},
			versions: [{name: v1alpha1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]}}`,
		`{apiVersion: v1, kind: Namespace, metadata: {name: tenant-free, labels: {stallkeeper.io/instance: free,
			stallkeeper.io/instance-namespace: sales, pod-security.kubernetes.io/enforce: restricted}}}`,
		`{apiVersion: v1, kind: Namespace, metadata: {name: tenant-shop-check, labels: {stallkeeper.io/instance: product_check,
			stallkeeper.io/product: shop, stallkeeper.io/instance-namespace: sales, pod-security.kubernetes.io/enforce: restricted}}}`,
		`{apiVersion: v1, kind: Namespace, metadata: {name: tenant-foreign, labels: {stallkeeper.io/instance: sold,
			stallkeeper.io/instance-namespace: other-sales, stallkeeper.io/deletion-protection: Enabled,
			pod-security.kubernetes.io/enforce: restricted}}}`,

		routeKind("httproutes", "HTTPRoute"), routeKind("grpcroutes", "GRPCRoute"), routeKind("tlsroutes", "TLSRoute"),
		routeKind("tcproutes", "TCPRoute"), routeKind("gateways", "Gateway"),
		`{apiVersion: v1, kind: Secret, metadata: {name: keys, namespace: kube-system}, stringData: {k: v}}`,
		`{apiVersion: v1, kind: Secret, metadata: {name: keys, namespace: elsewhere}, stringData: {k: v}}`,
		`{apiVersion: v1, kind: Secret, metadata: {name: stallkeeper-webhook-tls, namespace: stallkeeper-system}, stringData: {k: v}}`,
		`{apiVersion: v1, kind: Secret, metadata: {name: koogallery-openapi, namespace: stallkeeper-system}, stringData: {ak: v}}`,
		`{apiVersion: v1, kind: Secret, metadata: {name: koogallery, namespace: sales}, stringData: {accessKey: v}}`,
		`{apiVersion: v1, kind: Secret, metadata: {name: sold-access, namespace: sales,
			labels: {stallkeeper.io/instance: sold}}, stringData: {seed: v}}`,
		`{apiVersion: v1, kind: Secret, metadata: {name: back-access, namespace: sales, annotations: {stallkeeper.io/restore: Allow},
			labels: {stallkeeper.io/instance: back}}, stringData: {seed: v}}`,
		`{apiVersion: v1, kind: Secret, metadata: {name: bare-access, namespace: sales,
			labels: {stallkeeper.io/instance: bare}}, stringData: {userName: v}}`,
		`{apiVersion: v1, kind: Secret, metadata: {name: sold-license, namespace: sales,
			labels: {stallkeeper.io/instance: sold}}, stringData: {license: v}}`,
		`{apiVersion: v1, kind: Secret, type: stallkeeper.io/call, immutable: true, metadata: {name: ` + callName + `,
			namespace: sales, labels: {stallkeeper.io/instance: sold, stallkeeper.io/call: Order}}, stringData: {order.json: v}}`,
		`{apiVersion: v1, kind: Secret, type: stallkeeper.io/directory, metadata: {name: sold-directory, namespace: sales,
			labels: {stallkeeper.io/instance: sold}}, stringData: {head.json: v}}`,
		`{apiVersion: v1, kind: Secret, type: stallkeeper.io/sold, immutable: true, metadata: {name: sold-remembered, namespace: sales,
			labels: {stallkeeper.io/instance: gone, stallkeeper.io/sold: koogallery}}}`,
		`{apiVersion: v1, kind: Secret, metadata: {name: access, namespace: tenant-sold}, stringData: {password: v}}`,
		`{apiVersion: v1, kind: Secret, metadata: {name: stallkeeper-licenses, namespace: tenant-sold}, stringData: {EV1: v}}`,
		`{apiVersion: v1, kind: ConfigMap, metadata: {name: chart, namespace: sales}, data: {k: v}}`,
		`{apiVersion: v1, kind: ConfigMap, metadata: {name: config, namespace: elsewhere}, data: {k: v}}`,
		`{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: reader, namespace: tenant-sold},
			rules: [{apiGroups: [""], resources: [configmaps], verbs: [list]}]}`,
		// What came before the rules: it must still be stopped and resumed.
		`{apiVersion: v1, kind: Service, metadata: {name: old, namespace: tenant-sold}, spec: {ports: [{port: 80}], externalIPs: [192.0.2.1]}}`,
		`{apiVersion: apps/v1, kind: Deployment, metadata: {name: old, namespace: tenant-sold}, spec: {
			selector: {matchLabels: {app: old}}, template: {metadata: {labels: {app: old}}, spec: {nodeName: node-1,
			volumes: [{name: v, csi: {driver: old.example.com}}], containers: [{name: app, image: app}]}}}}`,
		`{apiVersion: v1, kind: ServiceAccount, metadata: {name: app, namespace: tenant-sold}}`,
		`{apiVersion: v1, kind: Service, metadata: {name: balanced, namespace: tenant-sold}, spec: {type: LoadBalancer, ports: [{port: 80}]}}`,
		`{apiVersion: v1, kind: ResourceQuota, metadata: {name: quota, namespace: tenant-sold}, spec: {hard: {pods: "100"}}}`,
		`{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: old, namespace: tenant-sold}, spec: {rules: [{host: old.apps.example.com}]}}`,
		`{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: old, namespace: tenant-sold}, spec: {accessModes: [ReadWriteOnce],
			resources: {requests: {storage: 1Gi}}}}`,
		`{apiVersion: v1, kind: Pod, metadata: {name: old, namespace: tenant-sold}, spec: {serviceAccountName: app, automountServiceAccountToken: false,
			securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}, containers: [{name: app, image: app,
			securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}}]}}`,
		`{apiVersion: v1, kind: ServiceAccount, metadata: {name: app, namespace: tenant-free}}`,
		`{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: deny, namespace: tenant-sold}, spec: {podSelector: {}}}`,
		// More than the policies would let it be given, as from before them.
		`{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: too-much}, rules: [{apiGroups: ["*"], resources: ["*"], verbs: ["*"]}]}`,
		`{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: too-much, namespace: tenant-sold},
			roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: too-much},
			subjects: [{kind: ServiceAccount, name: app, namespace: tenant-sold}]}`,
		`{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: too-much, namespace: tenant-free},
			roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: too-much},
			subjects: [{kind: ServiceAccount, name: app, namespace: tenant-free}]}`,
		deployment("tenant-sold"), deployment("elsewhere"),

		`{apiVersion: apps/v1, kind: ControllerRevision, metadata: {name: shop-1, namespace: sales,
			labels: {stallkeeper.io/product: shop}}, revision: 1, data: {}}`,
		`{apiVersion: apps/v1, kind: ControllerRevision, metadata: {name: theirs, namespace: sales}, revision: 1, data: {}}`,

		`{apiVersion: stallkeeper.io/v1alpha1, kind: UsageRecord, metadata: {name: sold-1, namespace: sales}, spec: {
			instanceRef: {name: sold}, meter: requests, value: "5", startTime: "2026-01-01T10:00:00Z", endTime: "2026-01-01T11:00:00Z"}}`,
		record("accepted", `, delivery: {pushTime: "2026-01-01T11:00:01Z"}`),
		record("told", `, delivery: {toldTime: "2026-01-01T11:00:01Z"}`),
		record("withdrawing", `, delivery: {toldTime: "2026-01-01T11:00:01Z", withdrawnTime: "2026-01-01T11:00:01Z"}`),
		record("withdrawn", `, delivery: {attemptTime: "2026-01-01T11:00:01Z", withdrawnTime: "2026-01-01T11:00:01Z"}`, `, status: {state: Withdrawn}`),
		record("withdrawn-late", `, delivery: {toldTime: "2026-01-01T11:00:01Z", withdrawnTime: "2026-01-01T11:00:01Z",
			pushTime: "2026-01-01T11:00:01Z"}`, `, status: {state: Withdrawn}`),
		record("lost", `, delivery: {packageRef: {name: pack}, attemptTime: "2026-01-01T11:00:01Z"}`),

		`{apiVersion: stallkeeper.io/v1alpha1, kind: Marketplace, metadata: {name: koogallery, namespace: sales},
			spec: {protocol: KooGallery, kooGallery: {site: China, callbackSecretRef: {name: koogallery}}}}`,
		`{apiVersion: stallkeeper.io/v1alpha1, kind: MarketplaceProduct, metadata: {name: shop, namespace: sales},
			spec: {plans: [{name: small}], template: {inline: 'a: b'}}, status: {rollout: {total: 1, updated: 1},
			instances: [{state: Running, count: 1}, {state: Released, count: 2}]}}`,
		`{apiVersion: stallkeeper.io/v1alpha1, kind: MarketplaceProduct, metadata: {name: old, namespace: sales},
			spec: {plans: [{name: small}], template: {inline: 'a: b'}}, status: {instances: [{state: Released, count: 2}]}}`,
		`{apiVersion: stallkeeper.io/v1alpha1, kind: MarketplaceProduct, metadata: {name: fleeting, namespace: sales},
			spec: {plans: [{name: small}], template: {inline: 'a: b'}, lifecycle: {deletionProtection: Disabled}},
			status: {instances: [{state: Running, count: 1}]}}`,
		// From before the rule about retention.
		`{apiVersion: stallkeeper.io/v1alpha1, kind: MarketplaceProduct, metadata: {name: hasty, namespace: sales},
			spec: {plans: [{name: small}], template: {inline: 'a: b'}, lifecycle: {afterRetention: Delete, retentionPeriodSeconds: 0}}}`,
		`{apiVersion: stallkeeper.io/v1alpha1, kind: MarketplaceRevision, metadata: {name: shop-1, namespace: sales,
			labels: {stallkeeper.io/product: shop}}, spec: {productRef: {name: shop}, contentRef: {name: shop-1}}}`,
		// A sale that the controller has not looked at yet.
		`{apiVersion: stallkeeper.io/v1alpha1, kind: MarketplaceInstance, metadata: {name: sold, namespace: sales,
			labels: {team: a}, finalizers: [stallkeeper.io/tenant, example.com/backup]},
			spec: {quantity: 3, subscription: {marketplace: koogallery, instanceID: sold, entitlement: {state: Active}}}}`,
		// One that a person is restoring, and one with another person's words.
		`{apiVersion: stallkeeper.io/v1alpha1, kind: MarketplaceInstance, metadata: {name: restored, namespace: sales,
			annotations: {stallkeeper.io/edit-subscription: Allow}},
			spec: {subscription: {marketplace: koogallery, instanceID: restored, entitlement: {state: Active}}}}`,
		`{apiVersion: stallkeeper.io/v1alpha1, kind: MarketplaceInstance, metadata: {name: helped, namespace: sales}, spec: {
			lifecycle: {runUntilTime: "2030-01-01T00:00:00Z", reason: goodwill, by: ana@example.com},
			correction: {id: a, reason: transfer, by: ana@example.com, entitlement: Active},
			subscription: {marketplace: koogallery, instanceID: helped, entitlement: {state: Active}, calls: [
				{operation: Correction, id: a, reason: transfer, by: ana@example.com, time: "2026-01-01T00:00:00Z"}]}}}`,
		// A correction that the controller has not seen, one that it has refused, and one that was refused before a change.
		`{apiVersion: stallkeeper.io/v1alpha1, kind: MarketplaceInstance, metadata: {name: unseen, namespace: sales}, spec: {
			correction: {id: a, reason: transfer, by: ben@example.com, entitlement: Active},
			subscription: {marketplace: koogallery, instanceID: unseen, entitlement: {state: Active}, calls: [
				{operation: Correction, id: earlier, reason: r, by: b, time: "2026-01-01T00:00:00Z"}]}}}`,
		`{apiVersion: stallkeeper.io/v1alpha1, kind: MarketplaceInstance, metadata: {name: refused, namespace: sales}, spec: {
			correction: {id: a, reason: transfer, by: ben@example.com, orderID: other},
			subscription: {marketplace: koogallery, instanceID: refused, orderID: one, entitlement: {state: Active}}},
			status: {conditions: [{type: Corrected, status: "False", reason: CorrectionRefused, message: m, observedGeneration: 1,
				lastTransitionTime: "2026-01-01T00:00:00Z"}]}}`,
		`{apiVersion: stallkeeper.io/v1alpha1, kind: MarketplaceInstance, metadata: {name: resolved, namespace: sales},
			spec: {productRef: {name: shop}, subscription: {marketplace: koogallery, instanceID: resolved, entitlement: {state: Active}}}}`,
		// One with all corrections that fit.
		`{apiVersion: stallkeeper.io/v1alpha1, kind: MarketplaceInstance, metadata: {name: full, namespace: sales}, spec: {subscription: {
			marketplace: koogallery, instanceID: full, expiryTime: "2030-01-01T00:00:00Z", expirySource: Person, entitlement: {state: Active},
			acknowledgement: {state: Received, by: Person}, calls: ` + corrections() + `}}}`,
		// Made by hand; not looked at, protected by the product, and with a person's word against the product's.
		`{apiVersion: stallkeeper.io/v1alpha1, kind: MarketplaceInstance, metadata: {name: fresh, namespace: sales},
			spec: {productRef: {name: shop}, plan: small}}`,
		`{apiVersion: stallkeeper.io/v1alpha1, kind: MarketplaceInstance, metadata: {name: protected, namespace: sales},
			spec: {productRef: {name: shop}, plan: small}, status: {effective: {deletionProtection: Enabled}}}`,
		`{apiVersion: stallkeeper.io/v1alpha1, kind: MarketplaceInstance, metadata: {name: unprotected, namespace: sales},
			spec: {productRef: {name: shop}, plan: small}, status: {effective: {deletionProtection: Disabled}}}`,
		`{apiVersion: stallkeeper.io/v1alpha1, kind: MarketplaceInstance, metadata: {name: released, namespace: sales},
			spec: {productRef: {name: shop}, plan: small, lifecycle: {deletionProtection: Disabled}},
			status: {effective: {deletionProtection: Enabled}}}`,
		`{apiVersion: stallkeeper.io/v1alpha1, kind: MarketplaceInstance, metadata: {name: kept, namespace: sales},
			spec: {productRef: {name: shop}, plan: small, lifecycle: {deletionProtection: Enabled}},
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

// corrections are as many as an instance keeps, as long as they can be.
func corrections() string {
	return repeat(128, func(i int) string {
		return fmt.Sprintf("{operation: Correction, id: %s%d, by: ben@example.com, reason: '%s', time: '2026-01-01T00:00:00Z'}",
			strings.Repeat("i", 120), i, strings.Repeat("r", 500))
	})
}

// record is a usage record of the sold instance, with more fields of its spec.
func record(name, more string, beside ...string) string {
	return `{apiVersion: stallkeeper.io/v1alpha1, kind: UsageRecord, metadata: {name: ` + name + `, namespace: sales}, spec: {
		instanceRef: {name: sold}, meter: requests, value: "5", startTime: "2026-01-01T10:00:00Z", endTime: "2026-01-01T11:00:00Z"` + more + `}` + strings.Join(beside, "") + `}`
}

// routeKind is a kind of the Gateway API, without its schema.
func routeKind(plural, kind string) string {
	return `{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: ` + plural + `.gateway.networking.k8s.io,
		annotations: {api-approved.kubernetes.io: "unapproved, for a test"}}, spec: {group: gateway.networking.k8s.io, scope: Namespaced,
		names: {plural: ` + plural + `, singular: ` + strings.ToLower(kind) + `, kind: ` + kind + `, listKind: ` + kind + `List},
		versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]}}`
}

func deployment(namespace string) string {
	return `{apiVersion: apps/v1, kind: Deployment, metadata: {name: app, namespace: ` + namespace + `}, spec: {
		selector: {matchLabels: {app: app}},
		template: {metadata: {labels: {app: app}}, spec: {containers: [{name: app, image: app}]}}}}`
}
