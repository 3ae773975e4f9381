package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Correction is what a person knows better than the marketplace's calls. It is applied once: another id is another correction.
// +kubebuilder:validation:XValidation:rule="has(self.entitlement) || has(self.expiryTime) || has(self.acknowledgement) || has(self.orderID) || has(self.items) || has(self.packageConsumerRef) || has(self.abandonedOrderIDs)",message="a correction must correct something: entitlement, expiryTime, acknowledgement, orderID, items, packageConsumerRef or abandonedOrderIDs"
// +kubebuilder:validation:XValidation:rule="self.id != oldSelf.id || self == oldSelf",message="a correction is applied once and can't be changed: give the new one another id",fieldPath=".id",reason=FieldValueForbidden
// +kubebuilder:validation:XValidation:rule="!has(self.orderID) || !has(self.abandonedOrderIDs) || !(self.orderID in self.abandonedOrderIDs)",message="one order can't be the order of the purchase and be abandoned",fieldPath=".abandonedOrderIDs",reason=FieldValueInvalid
type Correction struct {
	// id tells this correction from others of the instance, such as the number of a ticket. It stands in subscription.calls
	// afterwards, and a correction whose id stands there is not applied again.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:XValidation:rule="self == self.trim() && !self.matches('\\\\p{C}')",message="id must not begin or end with a space, nor hold line breaks and other invisible characters"
	ID string `json:"id,omitempty"`

	// reason says why, for those who read it later.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:XValidation:rule="self.trim() != ''",message="reason must say something"
	Reason string `json:"reason,omitempty"`

	// by is who corrects, as the API server knows them (kubectl auth whoami). An admission policy holds it to the one who writes it.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:XValidation:rule="self == self.trim()",message="by must not begin or end with a space"
	By string `json:"by,omitempty"`

	// entitlement is what the buyer is entitled to from now on: Active lifts a freeze and takes a release back, Released ends the
	// sale. The controller notes the time.
	// +optional
	Entitlement EntitlementState `json:"entitlement,omitempty"`

	// expiryTime is when the paid time ends. A renewal replaces it. To let a tenant run longer than it is paid, set
	// lifecycle.runUntilTime instead.
	// +optional
	ExpiryTime metav1.Time `json:"expiryTime,omitempty,omitzero"`

	// acknowledgement is Received when a person has seen at the marketplace that it knows of the sale.
	// +optional
	// +kubebuilder:validation:XValidation:rule="self == 'Received'",message="acknowledgement can be Received only: a sale that was acknowledged is not awaited again"
	Acknowledgement AcknowledgementState `json:"acknowledgement,omitempty"`

	// orderID is the order of the purchase, where the marketplace did not say it. It is looked up.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	OrderID string `json:"orderID,omitempty"`

	// items are what is sold, all of them.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:XValidation:rule="self.all(i, has(i.productID) || has(i.sku))",message="each of items needs productID or sku, by which its plan is found"
	Items []SoldItem `json:"items,omitempty"`

	// packageConsumerRef names the instance that uses this package.
	// +optional
	PackageConsumerRef InstanceReference `json:"packageConsumerRef,omitempty,omitzero"`

	// abandonedOrderIDs are orders that are not waited for any more, because the marketplace has canceled them. Each must be one that
	// subscription.calls waits for, or that pendingChange comes from.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=256
	AbandonedOrderIDs []string `json:"abandonedOrderIDs,omitempty"`
}
