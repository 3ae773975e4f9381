package v1alpha1

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// MarketplaceProtocol names the family of calls that a marketplace makes.
// +kubebuilder:validation:Enum=KooGallery
type MarketplaceProtocol string

// ProtocolKooGallery is Huawei Cloud KooGallery, in every generation of its protocol.
const ProtocolKooGallery MarketplaceProtocol = "KooGallery"

// DisclosurePolicy says whether a piece of data may be shown.
// +kubebuilder:validation:Enum=Show;Hide
type DisclosurePolicy string

const (
	// DisclosureShow lets the data be shown.
	DisclosureShow DisclosurePolicy = "Show"
	// DisclosureHide keeps the data back.
	DisclosureHide DisclosurePolicy = "Hide"
)

// MarketplaceDisclosure says what may be shown to whom.
type MarketplaceDisclosure struct {
	// customerName says whether the buyer's account name may stand in instances, where everybody who reads instances sees
	// it. Hide when not set.
	// +optional
	CustomerName DisclosurePolicy `json:"customerName,omitempty"`

	// initialPassword says whether the marketplace is given the initial password to show it to the buyer. Show when not set.
	// +optional
	InitialPassword DisclosurePolicy `json:"initialPassword,omitempty"`
}

// MarketplaceSpec says where the calls of one marketplace come from, and which keys prove them. Each protocol has a member of
// its own, named after it.
// +kubebuilder:validation:XValidation:rule="has(self.kooGallery) == (self.protocol == 'KooGallery')",message="protocol KooGallery needs the member kooGallery, with at least site and callbackSecretRef",fieldPath=".kooGallery",reason=FieldValueRequired
type MarketplaceSpec struct {
	// protocol is the family of calls that this marketplace makes. It chooses the member that holds everything else.
	// +required
	// +unionDiscriminator
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="protocol can't be changed, because the names of all sales are made from it: make another Marketplace",reason=FieldValueForbidden
	Protocol MarketplaceProtocol `json:"protocol,omitempty"`

	// kooGallery says how KooGallery is talked to, for protocol KooGallery.
	// +optional
	// +unionMember
	KooGallery KooGallery `json:"kooGallery,omitempty,omitzero"`

	// disclosure says what may be shown to whom.
	// +optional
	Disclosure MarketplaceDisclosure `json:"disclosure,omitempty,omitzero"`

	// holdUntilTime is until when no tenant is stopped, made smaller or deleted because a call has not come: what is stored may lack calls that the
	// marketplace has made, as after a restore from a backup. What calls have said, such as a freeze or a release, still stops tenants; their
	// data are kept until then. Set it to the current time when the sales are compared with the marketplace's console: that ends it, and a hold
	// that the controller began by itself (status.callsUncertain).
	// +optional
	HoldUntilTime metav1.Time `json:"holdUntilTime,omitempty,omitzero"`
}

// MarketplaceStatus is what is known about the Marketplace. If it is erased, the next pass restores it.
// +kubebuilder:validation:MinProperties=1
type MarketplaceStatus struct {
	// conditions hold Ready, CallsReceived, CallsComplete while calls may be missing after a restore, and Stalled while action is required. True is
	// good, but for Stalled.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MinItems=0
	// +kubebuilder:validation:MaxItems=32
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// observedGeneration is the generation that the conditions speak of.
	// +optional
	// +kubebuilder:validation:Minimum=0
	ObservedGeneration *int64 `json:"observedGeneration,omitempty"`

	// callbackPath is the path of the callback URL, to be entered in the marketplace's console behind the webhook server's
	// address.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	CallbackPath string `json:"callbackPath,omitempty"`

	// callbackKeys are the kinds of keys that the callback Secret has held, such as accessKey; a key and its successor are one kind. Ready
	// is False when one of them is gone. A kind whose key is there with an empty value is given up, and forgotten.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=0
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=63
	CallbackKeys []string `json:"callbackKeys,omitempty"`

	// callsUncertain is set by the controller when it finds signs of a restore from a backup: no leader has run for 15 minutes or more as far as
	// is stored, or the API server's store went to another revision.
	// +optional
	CallsUncertain CallsUncertain `json:"callsUncertain,omitempty,omitzero"`
}

// CallsUncertain says that calls of the marketplace may be missing in what is stored, and until when nothing is taken from a tenant for want
// of one.
type CallsUncertain struct {
	// completeUntilTime is until when the stored calls are known to be complete; absent if that is not known.
	// +optional
	CompleteUntilTime metav1.Time `json:"completeUntilTime,omitempty,omitzero"`

	// noticedTime is when the controller noticed it. A spec.holdUntilTime that is later replaces holdUntilTime.
	// +required
	NoticedTime metav1.Time `json:"noticedTime,omitempty,omitzero"`

	// holdUntilTime is the end of the hold, unless spec.holdUntilTime says otherwise.
	// +required
	HoldUntilTime metav1.Time `json:"holdUntilTime,omitempty,omitzero"`
}

// Marketplace is a marketplace that sells: where its calls come from, and which keys prove them.
//
// +genclient
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=mkt,categories=stallkeeper
// +kubebuilder:printcolumn:name="Protocol",type=string,JSONPath=`.spec.protocol`
// +kubebuilder:printcolumn:name="Site",type=string,JSONPath=`.spec.kooGallery.site`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="CallsReceived",type=string,JSONPath=`.status.conditions[?(@.type=="CallsReceived")].status`
// +kubebuilder:printcolumn:name="Callback path",type=string,JSONPath=`.status.callbackPath`,priority=1
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.size() <= 63",message="metadata.name must have at most 63 characters, because it stands in labels",fieldPath=".metadata",reason=FieldValueInvalid
type Marketplace struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the object's metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec says where the marketplace's calls come from, and which keys prove them.
	// +required
	Spec MarketplaceSpec `json:"spec,omitempty,omitzero"`

	// status is what is known about the Marketplace.
	// +optional
	// +kubebuilder:default={conditions: {{type: "Ready", status: "Unknown", reason: "Pending", message: "Waiting for the controller", lastTransitionTime: "1970-01-01T00:00:00Z"}}}
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

// HeldUntil is until when no tenant of the Marketplace is stopped, made smaller or deleted for want of a call; zero if nothing says so. What
// a person says after a restore was noticed replaces what the controller has chosen.
func (m *Marketplace) HeldUntil() time.Time {
	said, uncertain := m.Spec.HoldUntilTime.Time, m.Status.CallsUncertain
	if uncertain.NoticedTime.IsZero() || said.After(uncertain.NoticedTime.Time) {
		return said
	}
	return uncertain.HoldUntilTime.Time
}
