package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// RevisionState sums a revision up in one word for people: Latest, InUse or Unused; later versions may have more. No code reads
// it.
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=64
type RevisionState string

const (
	// RevisionLatest is the revision that new tenants get.
	RevisionLatest RevisionState = "Latest"
	// RevisionInUse is an older one that tenants run.
	RevisionInUse RevisionState = "InUse"
	// RevisionUnused is an older one that no tenant runs. It goes after a while.
	RevisionUnused RevisionState = "Unused"
)

// MarketplaceRevisionSpec says which product's revision it is, and where its bytes are. The controller writes it once.
type MarketplaceRevisionSpec struct {
	// productRef names the product that the revision was made from.
	// +required
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="a revision can't be changed: change the product, and another revision is made",reason=FieldValueForbidden
	ProductRef ProductReference `json:"productRef,omitempty,omitzero"`

	// contentRef names the ControllerRevision that holds the revision's bytes.
	// +required
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="a revision can't be changed: change the product, and another revision is made",reason=FieldValueForbidden
	ContentRef RevisionContentReference `json:"contentRef,omitempty,omitzero"`
}

// MarketplaceRevisionStatus is what is known about the revision. If it is erased, the next pass restores it.
// +kubebuilder:validation:MinProperties=1
type MarketplaceRevisionStatus struct {
	// conditions hold Ready, and Stalled while action is required. True is good, but for Stalled.
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

	// state sums the revision up in one word for people. No code reads it.
	// +optional
	State RevisionState `json:"state,omitempty"`

	// tenants is the number of tenants that run the revision.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Tenants *int32 `json:"tenants,omitempty"`

	// chartDigest is the SHA-256 of the chart's bytes, for a product whose template is a chart.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	ChartDigest string `json:"chartDigest,omitempty"`
}

// MarketplaceRevision is one revision of a product: what its tenants' objects are made from. The controller makes it when a
// product's template, values or quotas change; kubectl get mkr is a product's history.
//
// +genclient
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=mkr,categories=stallkeeper
// +kubebuilder:selectablefield:JSONPath=`.spec.productRef.name`
// +kubebuilder:printcolumn:name="Product",type=string,JSONPath=`.spec.productRef.name`
// +kubebuilder:printcolumn:name="State",type=string,JSONPath=`.status.state`
// +kubebuilder:printcolumn:name="Tenants",type=integer,JSONPath=`.status.tenants`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Chart digest",type=string,JSONPath=`.status.chartDigest`,priority=1
type MarketplaceRevision struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the object's metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec says which product's revision it is, and where its bytes are.
	// +required
	Spec MarketplaceRevisionSpec `json:"spec,omitempty,omitzero"`

	// status is what is known about the revision.
	// +optional
	// +kubebuilder:default={conditions: {{type: "Ready", status: "Unknown", reason: "Pending", message: "Waiting for the controller", lastTransitionTime: "1970-01-01T00:00:00Z"}}}
	Status MarketplaceRevisionStatus `json:"status,omitempty,omitzero"`
}

// MarketplaceRevisionList is a list of MarketplaceRevisions.
//
// +kubebuilder:object:root=true
type MarketplaceRevisionList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []MarketplaceRevision `json:"items"`
}
