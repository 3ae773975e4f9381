package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// MarketplaceProtocol names the family of calls that a marketplace makes.
// +kubebuilder:validation:Enum=KooGallery
type MarketplaceProtocol string

// ProtocolKooGallery is Huawei Cloud KooGallery, in every generation of its protocol.
const ProtocolKooGallery MarketplaceProtocol = "KooGallery"

// MarketplaceSite names one of a marketplace's separate sites, each with its own accounts and hosts.
// +kubebuilder:validation:Enum=China;International;Europe
type MarketplaceSite string

const (
	// SiteChina is the site for mainland China.
	SiteChina MarketplaceSite = "China"
	// SiteInternational is the international site.
	SiteInternational MarketplaceSite = "International"
	// SiteEurope is the European site.
	SiteEurope MarketplaceSite = "Europe"
)

// DisclosurePolicy says whether a piece of data may be shown.
// +kubebuilder:validation:Enum=Show;Hide
type DisclosurePolicy string

const (
	// DisclosureShow lets the data be shown.
	DisclosureShow DisclosurePolicy = "Show"
	// DisclosureHide keeps the data back.
	DisclosureHide DisclosurePolicy = "Hide"
)

// SecretReference names a Secret. Where it is looked for is said at the field that holds the reference.
type SecretReference struct {
	// name of the Secret.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`
}

// UsageValueForm is how amounts of use are written in pushes.
// +kubebuilder:validation:Enum=Text;Number
type UsageValueForm string

const (
	// UsageValueText writes them as JSON strings.
	UsageValueText UsageValueForm = "Text"
	// UsageValueNumber writes them as JSON numbers.
	UsageValueNumber UsageValueForm = "Number"
)

// SignOnPKCE says whether a sign-on is bound to the one who began it by PKCE (RFC 7636), beside the state and the client secret.
// +kubebuilder:validation:Enum=Send;Omit
type SignOnPKCE string

const (
	// SignOnPKCESend sends a challenge. A sign-on server that does not know it has to ignore it (RFC 6749, 3.1 and 3.2).
	SignOnPKCESend SignOnPKCE = "Send"
	// SignOnPKCEOmit sends none, for a sign-on server that refuses what it does not know.
	SignOnPKCEOmit SignOnPKCE = "Omit"
)

// FieldEncryption is how single fields of an answer are encrypted.
// +kubebuilder:validation:Enum=AES256;AES128
type FieldEncryption string

const (
	// FieldEncryptionAES256 is AES with keys of 256 bits.
	FieldEncryptionAES256 FieldEncryption = "AES256"
	// FieldEncryptionAES128 is AES with keys of 128 bits.
	FieldEncryptionAES128 FieldEncryption = "AES128"
)

// MarketplaceDisclosure says what may be shown to whom.
// +kubebuilder:validation:MinProperties=1
type MarketplaceDisclosure struct {
	// customerName says whether the buyer's account name may stand in instances, where everybody who reads instances sees
	// it. Hide when not set.
	// +optional
	CustomerName DisclosurePolicy `json:"customerName,omitempty"`

	// initialPassword says whether the marketplace is given the initial password to show it to the buyer. Show when not set.
	// +optional
	InitialPassword DisclosurePolicy `json:"initialPassword,omitempty"`
}

// MarketplaceSpec is one connection to a marketplace.
// +kubebuilder:validation:XValidation:rule="self.protocol == oldSelf.protocol && self.site == oldSelf.site",message="protocol and site are part of every sale's name and can't be changed: make another Marketplace"
type MarketplaceSpec struct {
	// protocol is the family of calls that this marketplace makes.
	// +required
	Protocol MarketplaceProtocol `json:"protocol,omitempty"`

	// site chooses the marketplace's site and with it the host of its open API.
	// +required
	Site MarketplaceSite `json:"site,omitempty"`

	// openAPIURL replaces the open API's base URL that follows from site, for a test double or a proxy.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:XValidation:rule="isURL(self) && (self.startsWith('https://') || self.startsWith('http://'))",message="openAPIURL must be a URL that begins with https:// (or http:// for a test double)"
	OpenAPIURL string `json:"openAPIURL,omitempty"`

	// callbackSecretRef names the Secret, in this namespace, that holds the keys of the callbacks: accessKey, and where
	// used kitAccessKey, licenseAccessKey and notifyAccessKey, each with an optional second one named with the ending Next
	// while keys are rotated; kitPrivateKey in PEM.
	// +required
	CallbackSecretRef SecretReference `json:"callbackSecretRef,omitempty,omitzero"`

	// openAPISecretRef names the Secret that holds ak and sk, the credentials of the open API. It is looked for in the
	// namespace where Stallkeeper is installed, which the webhook server can't read.
	// +optional
	OpenAPISecretRef SecretReference `json:"openAPISecretRef,omitempty,omitzero"`

	// usageValues says how amounts of use are written when they are pushed. Text when not set; a site that refuses every record for
	// its value wants Number.
	// +optional
	UsageValues UsageValueForm `json:"usageValues,omitempty"`

	// signOnPKCE says whether users who sign in through Stallkeeper do so with PKCE. Send when not set; a site that refuses to sign
	// users in for it wants Omit.
	// +optional
	SignOnPKCE SignOnPKCE `json:"signOnPKCE,omitempty"`

	// fieldEncryption says how the initial user name and password are encrypted in answers, where the marketplace wants that:
	// KooGallery in SaaS V1.0. AES256 when not set. Fields that come encrypted are read in both forms.
	// +optional
	FieldEncryption FieldEncryption `json:"fieldEncryption,omitempty"`

	// disclosure says what may be shown to whom.
	// +optional
	Disclosure MarketplaceDisclosure `json:"disclosure,omitempty,omitzero"`
}

// MarketplaceStatus is what is known about the connection.
// +kubebuilder:validation:MinProperties=1
type MarketplaceStatus struct {
	// conditions hold Ready and CallsArrive.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +patchStrategy=merge
	// +patchMergeKey=type
	// +kubebuilder:validation:MinItems=0
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty" patchStrategy:"merge" patchMergeKey:"type"`

	// callbackPath is the path of the callback URL, to be entered in the marketplace's console behind the webhook server's
	// address.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	CallbackPath string `json:"callbackPath,omitempty"`
}

// Marketplace is one connection to a marketplace: where its calls come from, and which keys prove them.
//
// +genclient
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=mp,categories=stallkeeper
// +kubebuilder:printcolumn:name="Protocol",type=string,JSONPath=`.spec.protocol`
// +kubebuilder:printcolumn:name="Site",type=string,JSONPath=`.spec.site`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="CallsArrive",type=string,JSONPath=`.status.conditions[?(@.type=="CallsArrive")].status`
// +kubebuilder:printcolumn:name="Callback path",type=string,JSONPath=`.status.callbackPath`,priority=1
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.size() <= 63",message="the name must have at most 63 characters"
type Marketplace struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the object's metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is the connection.
	// +required
	Spec MarketplaceSpec `json:"spec,omitempty,omitzero"`

	// status is what is known about the connection.
	// +optional
	Status MarketplaceStatus `json:"status,omitempty,omitzero"`
}

// MarketplaceList is a list of Marketplaces.
//
// +kubebuilder:object:root=true
type MarketplaceList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Marketplace `json:"items"`
}
