package v1alpha1

import (
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// Listing says which of a marketplace's products and SKUs mean the plan that it stands in. What it names must all fit: with
// productIDs and skus, one of each.
// +kubebuilder:validation:XValidation:rule="has(self.productIDs) || has(self.skus)",message="a listing needs skus or productIDs, as the marketplace's seller console shows them",reason=FieldValueRequired
type Listing struct {
	// marketplace is the name of the Marketplace in this namespace.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="!format.dns1123Subdomain().validate(self).hasValue()",message="marketplace must be the name of a Marketplace in this namespace: lower-case letters, digits, dashes and dots"
	Marketplace string `json:"marketplace,omitempty"`

	// productIDs are the marketplace's product ids. Without skus they mean each SKU of these products that no plan lists.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=256
	// +kubebuilder:validation:XValidation:rule="self.all(i, i == i.trim())",message="productIDs must not begin or end with a space"
	ProductIDs []string `json:"productIDs,omitempty"`

	// skus are the marketplace's specification codes. Without productIDs they mean these SKUs of any product.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=256
	// +kubebuilder:validation:XValidation:rule="self.all(i, i == i.trim())",message="skus must not begin or end with a space"
	SKUs []string `json:"skus,omitempty"`
}

// ResourceList is a set of resource names with their quantities, as in a ResourceQuota's hard limits.
// +kubebuilder:validation:MaxProperties=64
// +kubebuilder:validation:XValidation:rule="self.all(k, !format.qualifiedName().validate(k).hasValue())",message="every key of quota must be a resource name as in a ResourceQuota, such as pods, requests.storage or count/jobs.batch"
type ResourceList map[string]resource.Quantity

// Plan is one variant of a product.
// +kubebuilder:validation:XValidation:rule="!has(self.package) || !has(self.package.consumer) || self.package.consumer != 'MeteredInstance' || !has(self.meters)",message="a package of a MeteredInstance runs nothing of its own: the meters of that instance's plan count, so leave meters out here",fieldPath=".meters",reason=FieldValueForbidden
type Plan struct {
	// name of the plan.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="!format.dns1123Label().validate(self).hasValue()",message="a plan's name must be lower-case letters, digits and dashes"
	Name string `json:"name,omitempty"`

	// rank says which of two plans is the larger one: that of the higher rank. A renewal to a smaller plan waits for the end of
	// the paid period. All plans have a rank, or none has; without ranks a later plan of the list is the larger one.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000000
	Rank *int32 `json:"rank,omitempty"`

	// listings say which of the marketplaces' products and SKUs mean this plan. Without one only a person can choose it.
	// +optional
	// +listType=map
	// +listMapKey=marketplace
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	Listings []Listing `json:"listings,omitempty"`

	// values are given to the template, over the product's. String leaves may be templates over .instance, .plan, .quantity,
	// .attributes, .customer, .access and .trial. A leaf's result is set as a string, or by toInt, toBool or toJSON as that; it is
	// never read as YAML again.
	// +optional
	// +kubebuilder:pruning:PreserveUnknownFields
	Values *runtime.RawExtension `json:"values,omitempty"`

	// set assigns single values without a template, over values.
	// +optional
	// +listType=map
	// +listMapKey=path
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:XValidation:rule="self.all(s, self.all(t, !t.path.startsWith(s.path + '.')))",message="one path of set lies within another one, such as ingress and ingress.host: only one of them can be set",reason=FieldValueInvalid
	Set []ValueAssignment `json:"set,omitempty"`

	// quota is the hard limits of the tenant namespace's ResourceQuota. No quota when not set.
	// +optional
	Quota ResourceList `json:"quota,omitempty"`

	// lifecycle replaces single fields of the product's lifecycle for this plan.
	// +optional
	Lifecycle LifecyclePolicy `json:"lifecycle,omitempty,omitzero"`

	// meters are those of the product's meters that count what a sale of this plan uses. They hold at once for all tenants, and a
	// change of them is no new revision.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=8
	Meters []PlanMeter `json:"meters,omitempty"`

	// package makes the plan a package of use that is paid in advance.
	// +optional
	Package UsagePackage `json:"package,omitempty,omitzero"`
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
	// +kubebuilder:validation:XValidation:rule="self.matches('^oci://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[a-z0-9]+([._-]+[a-z0-9]+)*)+$')",message="reference must be a repository in lower case without tag or digest, such as oci://registry.example.com/charts/app; the version stands in version"
	Reference string `json:"reference,omitempty"`

	// version is the chart's exact version.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:XValidation:rule="self.matches('^v?[0-9]+([.][0-9]+){0,2}([-+_][0-9A-Za-z.+_-]+)?$')",message="version must be one exact version, such as 3.1.0: a range would give tenants something that you have not tried"
	Version string `json:"version,omitempty"`

	// transport is HTTPS when not set.
	// +optional
	Transport ChartTransport `json:"transport,omitempty"`

	// pullSecretRef names a Secret of type kubernetes.io/dockerconfigjson in this namespace. None when not set.
	// +optional
	PullSecretRef SecretReference `json:"pullSecretRef,omitempty,omitzero"`
}

// Chart is a Helm chart from exactly one place.
// +kubebuilder:validation:ExactlyOneOf=oci;configMapRef
type Chart struct {
	// oci is a chart in an OCI registry.
	// +optional
	OCI OCIChart `json:"oci,omitempty,omitzero"`

	// configMapRef is a packaged chart (.tgz, at most 1 MiB; from a registry at most 4 MiB) in a ConfigMap's binaryData.
	// +optional
	ConfigMapRef ConfigMapKeyReference `json:"configMapRef,omitempty,omitzero"`

	// valuesSchema says whether the values have to fit the chart's values.schema.json: Validate when not set, or Skip, as helm's
	// --skip-schema-validation. A schema that refers to another host can't be used, because nothing is loaded from there.
	// +optional
	ValuesSchema ValuesSchemaPolicy `json:"valuesSchema,omitempty"`

	// crds says what becomes of the chart's folder crds: Refuse when not set, because the kinds belong to the whole cluster, or Skip, as
	// helm's --skip-crds, where the cluster has them already. The product is not ready while the cluster serves no version of one of them.
	// +optional
	CRDs CRDsPolicy `json:"crds,omitempty"`
}

// CRDsPolicy says what becomes of a chart's folder crds.
// +kubebuilder:validation:Enum=Refuse;Skip
type CRDsPolicy string

const (
	// CRDsRefuse refuses a chart that has such a folder.
	CRDsRefuse CRDsPolicy = "Refuse"
	// CRDsSkip leaves the folder out.
	CRDsSkip CRDsPolicy = "Skip"
)

// ValuesSchemaPolicy says what a chart's values.schema.json is for.
// +kubebuilder:validation:Enum=Validate;Skip
type ValuesSchemaPolicy string

const (
	// ValuesSchemaValidate refuses values that do not fit the schema.
	ValuesSchemaValidate ValuesSchemaPolicy = "Validate"
	// ValuesSchemaSkip leaves the schema out.
	ValuesSchemaSkip ValuesSchemaPolicy = "Skip"
)

// MissingValuesPolicy says what it means that a template asks for a value that is not there.
// +kubebuilder:validation:Enum=Fail;Warn
type MissingValuesPolicy string

const (
	// MissingValuesFail makes the product not ready, and a sale RenderFailed.
	MissingValuesFail MissingValuesPolicy = "Fail"
	// MissingValuesWarn names them in the product's condition, and renders them as Helm does.
	MissingValuesWarn MissingValuesPolicy = "Warn"
)

// ProductTemplate is what runs for a tenant: exactly one of chart, inline and configMapRef.
// +kubebuilder:validation:ExactlyOneOf=chart;inline;configMapRef
type ProductTemplate struct {
	// chart is a Helm chart.
	// +optional
	Chart Chart `json:"chart,omitempty,omitzero"`

	// inline is multi-document YAML in Helm's template language.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=262144
	// +kubebuilder:validation:XValidation:rule="self.trim() != ''",message="inline must hold a template; for a product that runs nothing leave template out"
	Inline string `json:"inline,omitempty"`

	// configMapRef is a ConfigMap whose data are files in Helm's template language, each with a name that ends in .yaml, .yml or
	// .tpl. kustomize's configMapGenerator makes one of a folder.
	// +optional
	ConfigMapRef ConfigMapReference `json:"configMapRef,omitempty,omitzero"`

	// missingValues says what it means that the template asks for a value that is not there, such as .Values.replica instead of
	// .Values.replicas. When not set: Warn for a chart, Fail for inline and configMapRef.
	// +optional
	MissingValues MissingValuesPolicy `json:"missingValues,omitempty"`
}

// ProductAccess is what the buyer is told. Each field is a template over .instance, .plan, .quantity, .attributes and
// .customer.
type ProductAccess struct {
	// frontEndURL is the address that the buyer opens; its result has at most 512 characters.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:XValidation:rule="self.contains('{{') ? (self.startsWith('https://') || self.startsWith('http://') || self.startsWith('{{')) : (isURL(self) && url(self).getScheme() in ['https', 'http'] && url(self).getHostname() != '')",message="frontEndURL must be an address that begins with https:// (or http://) and has a host"
	FrontEndURL string `json:"frontEndURL,omitempty"`

	// adminURL is the administration's address; its result has at most 512 characters.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:XValidation:rule="self.contains('{{') ? (self.startsWith('https://') || self.startsWith('http://') || self.startsWith('{{')) : (isURL(self) && url(self).getScheme() in ['https', 'http'] && url(self).getHostname() != '')",message="adminURL must be an address that begins with https:// (or http://) and has a host"
	AdminURL string `json:"adminURL,omitempty"`

	// userName is the administrator's initial account name; its result has at most 128 characters. With it goes a random
	// initial password, made once per instance.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:XValidation:rule="self.trim() != ''",message="userName must say something: leave it out where there is no account"
	UserName string `json:"userName,omitempty"`

	// memo is free text for the buyer; its result has at most 1024 characters.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Memo string `json:"memo,omitempty"`
}

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
	// +kubebuilder:validation:XValidation:rule="self.all(n, !format.dns1123Label().validate(n).hasValue())",message="ingressFromNamespaces must be names of namespaces: lower-case letters, digits and dashes"
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
	// RolloutPaused keeps every tenant on the revision that it has. New tenants start with the latest one.
	RolloutPaused RolloutState = "Paused"
)

// Rollout says how a new revision reaches tenants.
type Rollout struct {
	// state says whether a new revision reaches tenants. Active when not set.
	// +optional
	State RolloutState `json:"state,omitempty"`
}

// DriftKind is a kind whose objects others may complete. Kinds of workloads are the only ones where that can be allowed: what others
// add to a Service, a NetworkPolicy or a quota opens the tenant, or makes it larger than it was sold.
// +kubebuilder:validation:XValidation:rule="(self.group == 'apps' && self.kind in ['Deployment', 'StatefulSet']) || (self.group == 'batch' && self.kind == 'CronJob')",message="of Deployment and StatefulSet (apps) and CronJob (batch) only can additions be left alone; those to other kinds of Stallkeeper's are taken away, and those to kinds that it does not know always stay",fieldPath=".kind",reason=FieldValueInvalid
type DriftKind struct {
	// group is the API group: apps or batch.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Group string `json:"group,omitempty"`

	// kind is Deployment, StatefulSet or CronJob.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Kind string `json:"kind,omitempty"`

	// managers are the field managers whose additions are left alone, as metadata.managedFields names them, such as an injector that
	// writes sidecars into pod templates. What they change of the template's own fields is undone all the same.
	// +required
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=128
	// +kubebuilder:validation:XValidation:rule="self.all(m, m == m.trim() && m != 'stallkeeper.io' && !m.startsWith('stallkeeper.io/'))",message="managers must be names of field managers other than Stallkeeper's own, as kubectl get --show-managed-fields shows them"
	Managers []string `json:"managers,omitempty"`
}

// Drift says what of a tenant's objects is others' business. An empty one is as if it were not set.
type Drift struct {
	// ignore are the kinds to which named field managers may add something. A change of it is no new revision.
	// +optional
	// +listType=map
	// +listMapKey=group
	// +listMapKey=kind
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=3
	Ignore []DriftKind `json:"ignore,omitempty"`
}

// DirectoryForward is an HTTP endpoint of the tenant's workload that is told of every change of the directory.
type DirectoryForward struct {
	// serviceRef names the Service and its port.
	// +required
	ServiceRef ServicePortReference `json:"serviceRef,omitempty,omitzero"`

	// path is the path that changes are posted to, such as /internal/directory.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:XValidation:rule="self.matches('^(/[A-Za-z0-9._~-]*)+$')",message="path must begin with a slash and hold letters, digits, dots, dashes, underscores, tildes and slashes only"
	Path string `json:"path,omitempty"`
}

// Directory says what happens with what a marketplace says of a buyer's sign-on, users and departments. The Secrets in the
// tenant's namespace are made whether it is set or not.
type Directory struct {
	// forward is an HTTP endpoint of the workload that is told of every change as well. None when not set.
	// +optional
	Forward DirectoryForward `json:"forward,omitempty,omitzero"`
}

// ProductLogin lets the users of a buyer's enterprise sign in through Stallkeeper, for an application that has no OAuth2 of its own.
type ProductLogin struct {
	// path is where the application takes the token of a user who has signed in, at the front-end URL's scheme and host, such as
	// /sso. The token is posted to it by the user's browser.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:XValidation:rule="self.matches('^/([A-Za-z0-9._~-]+/?)*$')",message="path must begin with one slash and hold letters, digits, dots, dashes, underscores and single slashes only"
	Path string `json:"path,omitempty"`
}

// LicenseFingerprint says whether a license is bound to a device.
// +kubebuilder:validation:Enum=Required;Optional
type LicenseFingerprint string

const (
	// LicenseFingerprintRequired refuses a request without a device fingerprint.
	LicenseFingerprintRequired LicenseFingerprint = "Required"
	// LicenseFingerprintOptional takes a request with or without one.
	LicenseFingerprintOptional LicenseFingerprint = "Optional"
)

// LicenseTerm says whether a license has an end.
// +kubebuilder:validation:Enum=Periodic;Perpetual
type LicenseTerm string

const (
	// LicensePeriodic refuses a request without an end.
	LicensePeriodic LicenseTerm = "Periodic"
	// LicensePerpetual takes a request with or without an end.
	LicensePerpetual LicenseTerm = "Perpetual"
)

// ProductLicense says which licenses a buyer of Online License may ask for. An empty one is as if it were not set.
type ProductLicense struct {
	// deviceFingerprint says whether a request needs one. Optional when not set.
	// +optional
	DeviceFingerprint LicenseFingerprint `json:"deviceFingerprint,omitempty"`

	// term says whether a request needs an end. When not set, it does if the sale is charged by the period.
	// +optional
	Term LicenseTerm `json:"term,omitempty"`

	// perUnit is how many licenses, that have not ended, one of the bought quantity gives. A device that gets another license
	// takes no further place. As many as 128 when not set.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=64
	PerUnit int32 `json:"perUnit,omitempty"`
}

// MarketplaceProductSpec is what is sold, and what runs for it.
// +kubebuilder:validation:XValidation:rule="self.plans.all(p, has(p.rank)) || self.plans.all(p, !has(p.rank))",message="give every plan a rank, or none",fieldPath=".plans",reason=FieldValueRequired
// +kubebuilder:validation:XValidation:rule="self.plans.all(p, !has(p.rank) || self.plans.exists_one(q, has(q.rank) && q.rank == p.rank))",message="two plans have the same rank: one of two plans must be the larger one",fieldPath=".plans",reason=FieldValueInvalid
// +kubebuilder:validation:XValidation:rule="self.plans.all(p, !has(p.meters) || (has(self.meters) && p.meters.all(m, self.meters.exists(d, d.name == m.name))))",message="a plan's meters must be names of spec.meters: add the meter there, or correct the name",fieldPath=".plans",reason=FieldValueInvalid
// +kubebuilder:validation:XValidation:rule="self.plans.all(p, !has(p.package) || (has(self.meters) && self.meters.exists(d, d.name == p.package.meter)))",message="a plan's package.meter must be the name of one of spec.meters: add the meter there, or correct the name",fieldPath=".plans",reason=FieldValueInvalid
// +kubebuilder:validation:XValidation:rule="self.plans.all(p, !has(p.set) || p.set.all(s, !has(s.attribute) || (has(self.attributes) && self.attributes.exists(a, a.name == s.attribute))))",message="set names an attribute that is not one of spec.attributes: add it there, with a default for sales without it",fieldPath=".plans",reason=FieldValueInvalid
// +kubebuilder:validation:XValidation:rule="!has(self.set) || self.set.all(s, !has(s.attribute) || (has(self.attributes) && self.attributes.exists(a, a.name == s.attribute)))",message="set names an attribute that is not one of spec.attributes: add it there, with a default for sales without it",fieldPath=".set",reason=FieldValueInvalid
// +kubebuilder:validation:XValidation:rule="has(self.template) || !has(self.isolation)",message="isolation is for a tenant's namespace, and without a template there is none",fieldPath=".isolation",reason=FieldValueForbidden
// +kubebuilder:validation:XValidation:rule="has(self.template) || self.plans.all(p, !has(p.quota))",message="a plan's quota is for a tenant's namespace, and without a template there is none",fieldPath=".plans",reason=FieldValueForbidden
// +kubebuilder:validation:XValidation:rule="has(self.template) || (!has(self.values) && !has(self.valuesFrom) && !has(self.set) && self.plans.all(p, !has(p.values) && !has(p.set)))",message="values, valuesFrom and set are given to the template, and there is none",reason=FieldValueForbidden
// +kubebuilder:validation:XValidation:rule="has(self.template) || !has(self.lifecycle) || (!has(self.lifecycle.dataKinds) && !has(self.lifecycle.suspensionPatches))",message="dataKinds and suspensionPatches are about a template's objects, and there is none",fieldPath=".lifecycle",reason=FieldValueForbidden
// +kubebuilder:validation:XValidation:rule="has(self.template) || !has(self.drift) || !has(self.drift.ignore)",message="drift is about a template's objects, and there is none",fieldPath=".drift",reason=FieldValueForbidden
// +kubebuilder:validation:XValidation:rule="has(self.template) || !has(self.login)",message="login is for a tenant with a namespace, where its key is put, and without a template there is none",fieldPath=".login",reason=FieldValueForbidden
// +kubebuilder:validation:XValidation:rule="!has(self.login) || (has(self.access) && has(self.access.frontEndURL))",message="login leads users to the host of access.frontEndURL, which is missing",fieldPath=".login",reason=FieldValueForbidden
// +kubebuilder:validation:XValidation:rule="has(self.template) || !has(self.directory) || !has(self.directory.forward)",message="directory.forward tells a Service of the tenant, and without a template there is none",fieldPath=".directory",reason=FieldValueForbidden
// +kubebuilder:validation:XValidation:rule="has(self.template) || !has(self.meters) || self.meters.all(m, !has(m.http))",message="a meter with http asks a Service of the tenant, and without a template there is none",fieldPath=".meters",reason=FieldValueForbidden
// +kubebuilder:validation:XValidation:rule="has(self.template) || !has(oldSelf.template)",message="template can't be removed: tenants of this product have a namespace with data. To end them, release or delete the instances, then the product",fieldPath=".template",reason=FieldValueForbidden
// +kubebuilder:validation:XValidation:rule="!has(self.template) || has(oldSelf.template)",message="template can't be added: sales of this product have no namespace. Make another product with the template, and move the listings to it",fieldPath=".template",reason=FieldValueForbidden
type MarketplaceProductSpec struct {
	// plans are the variants of the product.
	// +required
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	Plans []Plan `json:"plans,omitempty"`

	// template is what runs for a tenant. Without it nothing does, and a sale has no namespace: for licenses of software that
	// runs elsewhere.
	// +optional
	Template ProductTemplate `json:"template,omitempty,omitzero"`

	// valuesFrom are values for all plans from ConfigMaps and Secrets, under values. A later one goes over an earlier one. What a
	// Secret holds stays out of the stored revisions.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	ValuesFrom []ValuesSource `json:"valuesFrom,omitempty"`

	// values are given to the template for all plans. What a plan and an instance say goes over them. They may hold templates as a
	// plan's values.
	// +optional
	// +kubebuilder:pruning:PreserveUnknownFields
	Values *runtime.RawExtension `json:"values,omitempty"`

	// set assigns single values for all plans without a template, over values and under what a plan says.
	// +optional
	// +listType=map
	// +listMapKey=path
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:XValidation:rule="self.all(s, self.all(t, !t.path.startsWith(s.path + '.')))",message="one path of set lies within another one, such as ingress and ingress.host: only one of them can be set",reason=FieldValueInvalid
	Set []ValueAssignment `json:"set,omitempty"`

	// attributes are what a buyer may enter. Each is there for the templates of every sale: as it was entered, or its default.
	// Others that a sale has are there too.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	Attributes []AttributeDeclaration `json:"attributes,omitempty"`

	// access is what the buyer is told.
	// +optional
	Access ProductAccess `json:"access,omitempty,omitzero"`

	// lifecycle says what happens when the paid time is over.
	// +optional
	Lifecycle ProductLifecycle `json:"lifecycle,omitempty,omitzero"`

	// isolation says what keeps tenants apart.
	// +optional
	Isolation Isolation `json:"isolation,omitempty,omitzero"`

	// meters count what sales use. Plans say which of them count for their sales. A change of them is no new revision.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	Meters []Meter `json:"meters,omitempty"`

	// license says which licenses a buyer of Online License may ask for.
	// +optional
	License ProductLicense `json:"license,omitempty,omitzero"`

	// rollout says how a new revision reaches tenants.
	// +optional
	Rollout Rollout `json:"rollout,omitempty,omitzero"`

	// drift says what of a tenant's objects is others' business. When not set, what others add to them is taken away where Stallkeeper
	// decides.
	// +optional
	Drift Drift `json:"drift,omitempty,omitzero"`

	// directory says what happens with users and departments that the marketplace synchronizes. A change of it is no new
	// revision.
	// +optional
	Directory Directory `json:"directory,omitempty,omitzero"`

	// login lets the users that the marketplace synchronizes sign in through `stallkeeper login`. They can't when not set. A change
	// of it is no new revision.
	// +optional
	Login ProductLogin `json:"login,omitempty,omitzero"`
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

// RolloutStatus is how far the latest revision has come.
type RolloutStatus struct {
	// total is the number of instances that have a tenant.
	// +required
	// +kubebuilder:validation:Minimum=0
	Total *int32 `json:"total,omitempty"`

	// updated is the number of those that run the latest revision.
	// +required
	// +kubebuilder:validation:Minimum=0
	Updated *int32 `json:"updated,omitempty"`
}

// MarketplaceProductStatus is what is known about the product. If it is erased, the next pass restores it.
// +kubebuilder:validation:MinProperties=1
type MarketplaceProductStatus struct {
	// conditions hold Ready, ListingsResolved for a product that is listed, and Stalled while action is required. True is good, but
	// for Stalled.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MinItems=0
	// +kubebuilder:validation:MaxItems=32
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// observedGeneration is the generation that the conditions speak of, good or bad.
	// +optional
	// +kubebuilder:validation:Minimum=0
	ObservedGeneration *int64 `json:"observedGeneration,omitempty"`

	// latestRevision is the name of the newest MarketplaceRevision that passed its check. New tenants get it.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	LatestRevision string `json:"latestRevision,omitempty"`

	// latestRevisionGeneration is the generation that latestRevision was made from. Below observedGeneration, the spec of today
	// has not become a revision: Ready says why.
	// +optional
	// +kubebuilder:validation:Minimum=0
	LatestRevisionGeneration *int64 `json:"latestRevisionGeneration,omitempty"`

	// overrunRevision is the name of a revision whose check took more time, memory or stack than rendering may. It is not rendered
	// again before an hour is over, also by a controller that was restarted, unless the product changes: Ready says what was exceeded.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	OverrunRevision string `json:"overrunRevision,omitempty"`

	// instances counts the product's instances by state.
	// +optional
	// +listType=map
	// +listMapKey=state
	// +kubebuilder:validation:MinItems=0
	// +kubebuilder:validation:MaxItems=32
	Instances []InstanceCount `json:"instances,omitempty"`

	// rollout is how far the latest revision has come.
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
// +kubebuilder:printcolumn:name="Revision",type=string,JSONPath=`.status.latestRevision`
// +kubebuilder:printcolumn:name="Instances",type=integer,JSONPath=`.status.rollout.total`
// +kubebuilder:printcolumn:name="Updated",type=integer,JSONPath=`.status.rollout.updated`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.size() <= 52",message="metadata.name must have at most 52 characters, because revisions are named after it",fieldPath=".metadata",reason=FieldValueInvalid
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
	// +kubebuilder:default={conditions: {{type: "Ready", status: "Unknown", reason: "Pending", message: "Waiting for the controller", lastTransitionTime: "1970-01-01T00:00:00Z"}}}
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
