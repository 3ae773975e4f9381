package v1alpha1

import (
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// Listing says which of a marketplace's products mean which plan.
// +kubebuilder:validation:XValidation:rule="has(self.productIDs) || has(self.skuCodes)",message="a listing needs productIDs or skuCodes, as the marketplace's seller console shows them"
type Listing struct {
	// marketplace is the name of the Marketplace in this namespace.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Marketplace string `json:"marketplace,omitempty"`

	// productIDs are the marketplace's product ids.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=64
	ProductIDs []string `json:"productIDs,omitempty"`

	// skuCodes are the marketplace's specification codes. They win over productIDs of another listing.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=64
	SKUCodes []string `json:"skuCodes,omitempty"`

	// plan is the name of the plan in this product.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Plan string `json:"plan,omitempty"`
}

// ResourceList is a set of resource names with their quantities, as in a ResourceQuota's hard limits.
// +kubebuilder:validation:MinProperties=1
// +kubebuilder:validation:MaxProperties=64
type ResourceList map[string]resource.Quantity

// Plan is one variant of a product.
type Plan struct {
	// name of the plan.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="!format.dns1123Label().validate(self).hasValue()",message="a plan's name must be lower-case letters, digits and dashes"
	Name string `json:"name,omitempty"`

	// values are given to the template. String leaves may be templates over .instance, .plan, .quantity, .attributes,
	// .customer and .trial. A leaf's result is set as a string, or by toInt, toBool or toJSON as that; it is never read as
	// YAML again.
	// +optional
	// +kubebuilder:pruning:PreserveUnknownFields
	Values *runtime.RawExtension `json:"values,omitempty"`

	// quota is the hard limits of the tenant namespace's ResourceQuota. No quota when not set.
	// +optional
	Quota ResourceList `json:"quota,omitempty"`

	// lifecycle replaces single fields of the product's lifecycle for this plan.
	// +optional
	Lifecycle Lifecycle `json:"lifecycle,omitempty,omitzero"`

	// meters count what a sale of this plan uses, where it is charged by use. They hold at once for all tenants, and a change of
	// them is no new revision.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=8
	Meters []Meter `json:"meters,omitempty"`
}

// ChartTransport is how a registry is talked to.
// +kubebuilder:validation:Enum=HTTPS;HTTP
type ChartTransport string

const (
	// TransportHTTPS is HTTP over TLS.
	TransportHTTPS ChartTransport = "HTTPS"
	// TransportHTTP is plain HTTP, for a registry on the same network that has no TLS.
	TransportHTTP ChartTransport = "HTTP"
)

// OCIChart is a Helm chart in an OCI registry.
type OCIChart struct {
	// reference is the chart's repository, such as oci://registry.example.com/charts/app.
	// +required
	// +kubebuilder:validation:MinLength=7
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:XValidation:rule="self.startsWith('oci://')",message="reference must begin with oci://"
	Reference string `json:"reference,omitempty"`

	// version is the chart's exact version.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	Version string `json:"version,omitempty"`

	// transport is HTTPS when not set.
	// +optional
	Transport ChartTransport `json:"transport,omitempty"`
}

// ConfigMapKeyReference names a key of a ConfigMap in this namespace.
type ConfigMapKeyReference struct {
	// name of the ConfigMap.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`

	// key in the ConfigMap's binaryData.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Key string `json:"key,omitempty"`
}

// Chart is a Helm chart from exactly one place.
// +kubebuilder:validation:MinProperties=1
// +kubebuilder:validation:XValidation:rule="has(self.oci) != has(self.configMapRef)",message="a chart comes either from oci or from configMapRef"
type Chart struct {
	// oci is a chart in an OCI registry.
	// +optional
	OCI OCIChart `json:"oci,omitempty,omitzero"`

	// configMapRef is a packaged chart (.tgz, at most 1 MiB) in a ConfigMap's binaryData.
	// +optional
	ConfigMapRef ConfigMapKeyReference `json:"configMapRef,omitempty,omitzero"`

	// pullSecretRef names a Secret of type kubernetes.io/dockerconfigjson in this namespace.
	// +optional
	PullSecretRef SecretReference `json:"pullSecretRef,omitempty,omitzero"`
}

// ProductTemplate is what runs for a tenant: exactly one of chart and inline.
// +kubebuilder:validation:MinProperties=1
// +kubebuilder:validation:XValidation:rule="has(self.chart) != has(self.inline)",message="a template is either a chart or inline"
type ProductTemplate struct {
	// chart is a Helm chart.
	// +optional
	Chart Chart `json:"chart,omitempty,omitzero"`

	// inline is multi-document YAML in Helm's template language.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=262144
	Inline string `json:"inline,omitempty"`
}

// ProductAccess is what the buyer is told. Each field is a template over .instance, .plan, .quantity, .attributes and
// .customer.
// +kubebuilder:validation:MinProperties=1
type ProductAccess struct {
	// frontEndURL is the address that the buyer opens; its result has at most 512 characters.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	FrontEndURL string `json:"frontEndURL,omitempty"`

	// adminURL is the administration's address; its result has at most 512 characters.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	AdminURL string `json:"adminURL,omitempty"`

	// userName is the administrator's initial account name; its result has at most 128 characters. With it goes a random
	// initial password, made once per instance.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	UserName string `json:"userName,omitempty"`

	// memo is free text for the buyer; its result has at most 1024 characters.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Memo string `json:"memo,omitempty"`
}

// AfterRetention says what happens when nobody paid until the end of the retention period.
// +kubebuilder:validation:Enum=Keep;Delete
type AfterRetention string

const (
	// AfterRetentionKeep keeps the suspended tenant until the marketplace or a person ends it.
	AfterRetentionKeep AfterRetention = "Keep"
	// AfterRetentionDelete deletes the tenant with its data.
	AfterRetentionDelete AfterRetention = "Delete"
)

// DeletionProtection says whether deleting an instance is refused.
// +kubebuilder:validation:Enum=Enabled;Disabled
type DeletionProtection string

const (
	// DeletionProtectionEnabled refuses to delete the instance and its namespace.
	DeletionProtectionEnabled DeletionProtection = "Enabled"
	// DeletionProtectionDisabled lets the instance be deleted, with its data.
	DeletionProtectionDisabled DeletionProtection = "Disabled"
)

// GroupKind names a kind of objects.
type GroupKind struct {
	// group is the API group; not set for the core group.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Group string `json:"group,omitempty"`

	// kind is the kind, such as StatefulSet.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Kind string `json:"kind,omitempty"`
}

// SuspensionPatch says how objects of a kind are stopped without losing data.
type SuspensionPatch struct {
	// group is the API group; not set for the core group.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Group string `json:"group,omitempty"`

	// kind is the kind, such as Cluster.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Kind string `json:"kind,omitempty"`

	// patch is merged into each such object while the tenant is suspended (JSON merge patch, RFC 7396).
	// +required
	// +kubebuilder:pruning:PreserveUnknownFields
	Patch runtime.RawExtension `json:"patch,omitempty,omitzero"`
}

// Lifecycle says what happens when the paid time is over.
// +kubebuilder:validation:MinProperties=1
type Lifecycle struct {
	// gracePeriodSeconds is how long a tenant runs on after its paid time, in case the marketplace's freeze never comes.
	// The marketplace's default when not set: 15 days for KooGallery.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=315360000
	GracePeriodSeconds *int64 `json:"gracePeriodSeconds,omitempty"`

	// retentionPeriodSeconds is how long data are kept after a release, or after an unpaid tenant was suspended. 15 days
	// when not set.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=315360000
	RetentionPeriodSeconds *int64 `json:"retentionPeriodSeconds,omitempty"`

	// afterRetention says what happens when nobody paid until the retention period is over. Keep when not set. A sale that
	// the marketplace has released is deleted after its retention in any case.
	// +optional
	AfterRetention AfterRetention `json:"afterRetention,omitempty"`

	// deletionProtection says whether deleting an instance, or its namespace, is refused. Enabled when not set.
	// +optional
	DeletionProtection DeletionProtection `json:"deletionProtection,omitempty"`

	// pendingChange says when a smaller plan or quantity, bought with a renewal, takes effect. AtExpiry when not set.
	// +optional
	PendingChange PendingChangePolicy `json:"pendingChange,omitempty"`

	// dataKinds are more kinds that hold data: never pruned, and kept while suspended. Claims and Secrets always are.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	DataKinds []GroupKind `json:"dataKinds,omitempty"`

	// suspension says how objects of kinds that the operator does not know are stopped.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	Suspension []SuspensionPatch `json:"suspension,omitempty"`
}

// PendingChangePolicy says when a smaller plan or quantity takes effect.
// +kubebuilder:validation:Enum=AtExpiry;Immediately
type PendingChangePolicy string

const (
	// PendingChangeAtExpiry waits for the end of the period that is already paid.
	PendingChangeAtExpiry PendingChangePolicy = "AtExpiry"
	// PendingChangeImmediately applies it at once.
	PendingChangeImmediately PendingChangePolicy = "Immediately"
)

// PodSecurityLevel is a level of the Pod Security Standards.
// +kubebuilder:validation:Enum=privileged;baseline;restricted
type PodSecurityLevel string

const (
	// PodSecurityPrivileged lets everything in.
	PodSecurityPrivileged PodSecurityLevel = "privileged"
	// PodSecurityBaseline keeps known privilege escalations out.
	PodSecurityBaseline PodSecurityLevel = "baseline"
	// PodSecurityRestricted follows pod hardening best practice.
	PodSecurityRestricted PodSecurityLevel = "restricted"
)

// EgressPolicy says where a tenant's pods may connect to, besides DNS and each other.
// +kubebuilder:validation:Enum=None;Internet;All
type EgressPolicy string

const (
	// EgressNone lets pods reach DNS and their own namespace.
	EgressNone EgressPolicy = "None"
	// EgressInternet lets pods also reach public addresses, but no private or link-local ones.
	EgressInternet EgressPolicy = "Internet"
	// EgressAll lets pods reach everything.
	EgressAll EgressPolicy = "All"
)

// APIAccess says whether a tenant's pods get a token for the Kubernetes API.
// +kubebuilder:validation:Enum=None;ServiceAccountToken
type APIAccess string

const (
	// APIAccessNone mounts no token.
	APIAccessNone APIAccess = "None"
	// APIAccessServiceAccountToken leaves token mounting as the template says.
	APIAccessServiceAccountToken APIAccess = "ServiceAccountToken"
)

// Isolation says what keeps tenants apart.
// +kubebuilder:validation:MinProperties=1
type Isolation struct {
	// podSecurityLevel is enforced in the tenant's namespace. restricted when not set.
	// +optional
	PodSecurityLevel PodSecurityLevel `json:"podSecurityLevel,omitempty"`

	// ingressFromNamespaces are the namespaces whose pods may connect to the tenant's, such as the ingress controller's.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=63
	IngressFromNamespaces []string `json:"ingressFromNamespaces,omitempty"`

	// egress says where the tenant's pods may connect to, besides DNS and each other. Internet when not set.
	// +optional
	Egress EgressPolicy `json:"egress,omitempty"`

	// apiAccess says whether the tenant's pods get a token for the Kubernetes API. None when not set.
	// +optional
	APIAccess APIAccess `json:"apiAccess,omitempty"`
}

// RolloutState says whether a new revision reaches tenants.
// +kubebuilder:validation:Enum=Active;Paused
type RolloutState string

const (
	// RolloutActive moves tenants to a new revision.
	RolloutActive RolloutState = "Active"
	// RolloutPaused keeps every tenant on the revision that it has. New tenants start with the current one.
	RolloutPaused RolloutState = "Paused"
)

// Rollout says how a new revision reaches tenants.
// +kubebuilder:validation:MinProperties=1
type Rollout struct {
	// state says whether a new revision reaches tenants. Active when not set.
	// +optional
	State RolloutState `json:"state,omitempty"`
}

// DirectoryForward is an HTTP endpoint of the tenant's workload that is told of every change of the directory.
type DirectoryForward struct {
	// service is the name of a Service in the tenant's namespace.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="!format.dns1123Label().validate(self).hasValue()",message="service must be the name of a Service in the tenant's namespace: lower-case letters, digits and dashes"
	Service string `json:"service,omitempty"`

	// port is the port of the Service.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Port int32 `json:"port,omitempty"`

	// path is the path that changes are posted to, such as /internal/directory.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:XValidation:rule="self.matches('^(/[A-Za-z0-9._~-]*)+$')",message="path must begin with a slash and hold letters, digits, dots, dashes, underscores and slashes only"
	Path string `json:"path,omitempty"`
}

// Directory says what happens with what a marketplace says of a buyer's sign-on, users and departments. The Secrets in the
// tenant's namespace are made whether it is set or not.
// +kubebuilder:validation:MinProperties=1
type Directory struct {
	// forward is an HTTP endpoint of the workload that is told of every change as well. None when not set.
	// +optional
	Forward DirectoryForward `json:"forward,omitempty,omitzero"`
}

// LicenseFingerprint says whether a licence is bound to a device.
// +kubebuilder:validation:Enum=Required;Optional
type LicenseFingerprint string

const (
	// LicenseFingerprintRequired refuses a request without a device fingerprint.
	LicenseFingerprintRequired LicenseFingerprint = "Required"
	// LicenseFingerprintOptional takes a request with or without one.
	LicenseFingerprintOptional LicenseFingerprint = "Optional"
)

// LicenseTerm says whether a licence has an end.
// +kubebuilder:validation:Enum=Periodic;Perpetual
type LicenseTerm string

const (
	// LicensePeriodic refuses a request without an end.
	LicensePeriodic LicenseTerm = "Periodic"
	// LicensePerpetual takes a request with or without an end.
	LicensePerpetual LicenseTerm = "Perpetual"
)

// ProductLicense says which licences a buyer of Online License may ask for.
// +kubebuilder:validation:MinProperties=1
type ProductLicense struct {
	// deviceFingerprint says whether a request needs one. Optional when not set.
	// +optional
	DeviceFingerprint LicenseFingerprint `json:"deviceFingerprint,omitempty"`

	// term says whether a request needs an end. When not set, it does if the sale is charged by the period.
	// +optional
	Term LicenseTerm `json:"term,omitempty"`

	// perUnit is how many licences, that have not ended, one of the bought quantity gives. A device that gets another licence
	// takes no further place. As many as 128 when not set.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=128
	PerUnit int32 `json:"perUnit,omitempty"`
}

// MarketplaceProductSpec is what is sold, and what runs for it.
// +kubebuilder:validation:XValidation:rule="!has(self.listings) || self.listings.all(l, self.plans.exists(p, p.name == l.plan))",message="every listing's plan must be one of plans"
// +kubebuilder:validation:XValidation:rule="has(self.template) || (!has(self.isolation) && self.plans.all(p, !has(p.quota)))",message="isolation and quota are for a tenant's namespace, and without a template there is none"
// +kubebuilder:validation:XValidation:rule="has(self.template) == has(oldSelf.template)",message="template can't be added or removed: tenants of this product have a namespace or have none; make another product"
type MarketplaceProductSpec struct {
	// listings say which of a marketplace's products mean which plan.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	Listings []Listing `json:"listings,omitempty"`

	// plans are the variants of the product.
	// +required
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	Plans []Plan `json:"plans,omitempty"`

	// template is what runs for a tenant. Without it nothing does, and a sale has no namespace: for licences of software that
	// runs elsewhere.
	// +optional
	Template ProductTemplate `json:"template,omitempty,omitzero"`

	// access is what the buyer is told.
	// +optional
	Access ProductAccess `json:"access,omitempty,omitzero"`

	// lifecycle says what happens when the paid time is over.
	// +optional
	Lifecycle Lifecycle `json:"lifecycle,omitempty,omitzero"`

	// isolation says what keeps tenants apart.
	// +optional
	Isolation Isolation `json:"isolation,omitempty,omitzero"`

	// license says which licences a buyer of Online License may ask for.
	// +optional
	License ProductLicense `json:"license,omitempty,omitzero"`

	// rollout says how a new revision reaches tenants.
	// +optional
	Rollout Rollout `json:"rollout,omitempty,omitzero"`

	// directory says what happens with users and departments that the marketplace synchronises. A change of it is no new
	// revision.
	// +optional
	Directory Directory `json:"directory,omitempty,omitzero"`
}

// InstanceCount is how many of a product's instances are in one state.
type InstanceCount struct {
	// state as in the instances' status.state.
	// +required
	State InstanceState `json:"state,omitempty"`

	// count of instances in that state.
	// +required
	// +kubebuilder:validation:Minimum=0
	Count *int32 `json:"count,omitempty"`
}

// RolloutStatus is how far the current revision has come.
type RolloutStatus struct {
	// total is the number of instances that have a tenant.
	// +required
	// +kubebuilder:validation:Minimum=0
	Total *int32 `json:"total,omitempty"`

	// updated is the number of those that run the current revision.
	// +required
	// +kubebuilder:validation:Minimum=0
	Updated *int32 `json:"updated,omitempty"`
}

// MarketplaceProductStatus is what is known about the product.
// +kubebuilder:validation:MinProperties=1
type MarketplaceProductStatus struct {
	// conditions hold Ready.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +patchStrategy=merge
	// +patchMergeKey=type
	// +kubebuilder:validation:MinItems=0
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty" patchStrategy:"merge" patchMergeKey:"type"`

	// observedGeneration is the generation that revision was made from.
	// +optional
	// +kubebuilder:validation:Minimum=0
	ObservedGeneration *int64 `json:"observedGeneration,omitempty"`

	// revision is the name of the ControllerRevision that new tenants get.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Revision string `json:"revision,omitempty"`

	// chartDigest is the SHA-256 of the chart's bytes in that revision.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	ChartDigest string `json:"chartDigest,omitempty"`

	// instances counts the product's instances by state.
	// +optional
	// +listType=map
	// +listMapKey=state
	// +kubebuilder:validation:MinItems=0
	// +kubebuilder:validation:MaxItems=16
	Instances []InstanceCount `json:"instances,omitempty"`

	// rollout is how far the current revision has come.
	// +optional
	Rollout RolloutStatus `json:"rollout,omitempty,omitzero"`
}

// MarketplaceProduct is what is sold, and what runs for it. Whoever may write one decides what runs in the tenants'
// namespaces.
//
// +genclient
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=mpp,categories=stallkeeper
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Revision",type=string,JSONPath=`.status.revision`
// +kubebuilder:printcolumn:name="Instances",type=integer,JSONPath=`.status.rollout.total`
// +kubebuilder:printcolumn:name="Updated",type=integer,JSONPath=`.status.rollout.updated`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.size() <= 52",message="the name must have at most 52 characters, because revisions are named after it"
type MarketplaceProduct struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the object's metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is what is sold, and what runs for it.
	// +required
	Spec MarketplaceProductSpec `json:"spec,omitempty,omitzero"`

	// status is what is known about the product.
	// +optional
	Status MarketplaceProductStatus `json:"status,omitempty,omitzero"`
}

// MarketplaceProductList is a list of MarketplaceProducts.
//
// +kubebuilder:object:root=true
type MarketplaceProductList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []MarketplaceProduct `json:"items"`
}
