package salestest

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/utils/ptr"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/workload"
)

// Day is noon of a day after the purchase, which was made on day 0.
func Day(n int) time.Time { return time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC).AddDate(0, 0, n) }

// At is Day as objects write it.
func At(n int) metav1.Time { return metav1.NewTime(Day(n)) }

type (
	// InstanceChange makes an instance of a builder what a test wants.
	InstanceChange = func(*v1alpha1.MarketplaceInstance)
	// ProductChange makes a product of a builder what a test wants.
	ProductChange = func(*v1alpha1.MarketplaceProduct)
)

// Sale is an instance that was sold: five of shop's small plan, paid until day 30.
func Sale(changes ...InstanceChange) *v1alpha1.MarketplaceInstance {
	mpi := &v1alpha1.MarketplaceInstance{
		ObjectMeta: metav1.ObjectMeta{Namespace: "sales", Name: "acme", UID: "uid-acme", Generation: 3},
		Spec: v1alpha1.MarketplaceInstanceSpec{
			ProductRef: v1alpha1.ProductReference{Name: "shop"},
			Subscription: &v1alpha1.Subscription{
				Marketplace: "koogallery", InstanceID: "acme", OrderID: "o1", OrderLineID: "o1-1", PurchaseTime: At(0),
				Items: []v1alpha1.SoldItem{{SKU: "shop-small"}}, Plan: "small", Quantity: ptr.To(int32(5)),
				Attributes: []v1alpha1.Attribute{{Name: "domain", Value: ptr.To("acme.example.com")}},
				CustomerID: "c-1", Type: v1alpha1.SubscriptionPaid,
				ExpiryTime: At(30), ExpirySource: v1alpha1.ExpiryFromOrder,
				Entitlement: v1alpha1.Entitlement{State: v1alpha1.EntitlementActive, Time: At(0)},
				Calls:       []v1alpha1.Call{{Operation: "newInstance", OrderID: "o1", OrderLineID: "o1-1", Time: At(0)}},
			},
		},
	}
	for _, change := range changes {
		change(mpi)
	}
	return mpi
}

// HandMade is an instance without a sale.
func HandMade(changes ...InstanceChange) *v1alpha1.MarketplaceInstance {
	return Sale(append([]InstanceChange{func(mpi *v1alpha1.MarketplaceInstance) {
		mpi.Spec.Subscription, mpi.Spec.Plan = nil, "small"
	}}, changes...)...)
}

// Entitled sets what the buyer is entitled to.
func Entitled(state v1alpha1.EntitlementState, reason v1alpha1.EntitlementReason, since int) InstanceChange {
	return func(mpi *v1alpha1.MarketplaceInstance) {
		mpi.Spec.Subscription.Entitlement = v1alpha1.Entitlement{State: state, Reason: reason, Time: At(since)}
	}
}

// Paused stops reconciliation.
func Paused(mpi *v1alpha1.MarketplaceInstance) {
	mpi.Spec.Reconciliation = v1alpha1.ReconciliationPaused
}

// UnknownOrder is a sale whose order was not read yet.
func UnknownOrder(mpi *v1alpha1.MarketplaceInstance) {
	sub := mpi.Spec.Subscription
	sub.Items, sub.Plan, sub.Quantity, sub.Attributes = nil, "", nil, nil
	sub.ExpiryTime, sub.ExpirySource = metav1.Time{}, ""
	sub.Calls[0].Pending = v1alpha1.CallPendingPurchase
	mpi.Spec.ProductRef = v1alpha1.ProductReference{}
}

// Condition adds a condition to the status, about a generation before the present one.
func Condition(kind string, status metav1.ConditionStatus, reason string) InstanceChange {
	return func(mpi *v1alpha1.MarketplaceInstance) {
		mpi.Status.Conditions = append(mpi.Status.Conditions, metav1.Condition{
			Type: kind, Status: status, Reason: reason, Message: "about " + reason, LastTransitionTime: At(0), ObservedGeneration: 2,
		})
	}
}

// Web is a template of one web server.
const Web = `
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
      containers:
      - name: web
        image: registry.example.com/web:1
        securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
`

// WebService is a template of the web server's Service. port is a number, and leads to the port http of the pods.
func WebService(port string) string {
	return "---\napiVersion: v1\nkind: Service\nmetadata:\n  name: web\nspec:\n  selector: {app: web}\n  ports: [{port: " + port + ", targetPort: http}]\n"
}

// Settings is a template of a ConfigMap with what the tenant is told.
const Settings = `
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: settings
data:
  greeting: {{ .Values.greeting | default "hello" | quote }}
  quantity: {{ .Values.stallkeeper.quantity | quote }}
`

// Product sells the plans small and large of a web server.
func Product(changes ...ProductChange) *v1alpha1.MarketplaceProduct {
	p := &v1alpha1.MarketplaceProduct{
		ObjectMeta: metav1.ObjectMeta{Namespace: "sales", Name: "shop", UID: "uid-shop", Generation: 1},
		Spec: v1alpha1.MarketplaceProductSpec{
			Plans: []v1alpha1.Plan{
				{Name: "small", Listings: []v1alpha1.Listing{{Marketplace: "koogallery", SKUs: []string{"shop-small"}}}}, {Name: "large"},
			},
			Template: v1alpha1.ProductTemplate{Inline: Web + Settings},
		},
	}
	for _, change := range changes {
		change(p)
	}
	return p
}

// Inline sets the template.
func Inline(text string) ProductChange {
	return func(p *v1alpha1.MarketplaceProduct) { p.Spec.Template = v1alpha1.ProductTemplate{Inline: text} }
}

// Values sets the values of the plan small, written as JSON.
func Values(json string) ProductChange {
	return func(p *v1alpha1.MarketplaceProduct) {
		p.Spec.Plans[0].Values = &runtime.RawExtension{Raw: []byte(json)}
	}
}

// Access sets what a buyer is told.
func Access(a v1alpha1.ProductAccess) ProductChange {
	return func(p *v1alpha1.MarketplaceProduct) { p.Spec.Access = a }
}

// Permissions are those of the chart's defaults that the tests need.
func Permissions() workload.Permissions {
	kinds := sets.New[schema.GroupKind]()
	for _, kind := range TenantKinds() {
		kinds.Insert(kind.GroupKind())
	}
	kinds.Insert(schema.GroupKind{Kind: "Secret"})
	return workload.Permissions{Kinds: kinds, Controller: workload.Peer{
		Namespace: "stallkeeper-system", Labels: map[string]string{"app.kubernetes.io/component": "controller"},
	}}
}

// TenantKinds are the kinds that are watched.
func TenantKinds() []schema.GroupVersionKind {
	return []schema.GroupVersionKind{
		{Version: "v1", Kind: "ConfigMap"},
		{Version: "v1", Kind: "Service"},
		{Version: "v1", Kind: "ServiceAccount"},
		{Version: "v1", Kind: "PersistentVolumeClaim"},
		{Version: "v1", Kind: "ResourceQuota"},
		{Version: "v1", Kind: "LimitRange"},
		{Group: "apps", Version: "v1", Kind: "Deployment"},
		{Group: "apps", Version: "v1", Kind: "StatefulSet"},
		{Group: "batch", Version: "v1", Kind: "Job"},
		{Group: "networking.k8s.io", Version: "v1", Kind: "NetworkPolicy"},
	}
}

// Raw are values as a person writes them, as JSON.
func Raw(json string) *runtime.RawExtension { return &runtime.RawExtension{Raw: []byte(json)} }
