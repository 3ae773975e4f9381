package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// PendingChange is a change that was bought and waits for its date.
type PendingChange struct {
	// effectiveTime is when it takes effect.
	// +required
	EffectiveTime metav1.Time `json:"effectiveTime,omitempty,omitzero"`

	// orderID and orderLineID name the order that bought it.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	OrderID string `json:"orderID,omitempty"`

	// orderLineID names the order's line.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	OrderLineID string `json:"orderLineID,omitempty"`

	// items are what is sold from then on.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	Items []SoldItem `json:"items,omitempty"`

	// plan is the plan from then on.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Plan string `json:"plan,omitempty"`

	// quantity is the quantity from then on.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=9999999
	Quantity *int32 `json:"quantity,omitempty"`
}

// CallPending says what of a call was not applied yet, because its order has to be read first.
// +kubebuilder:validation:Enum=Purchase;Change;Renewal;Expiry
type CallPending string

const (
	// CallPendingPurchase waits to know what was bought, by whom and until when.
	CallPendingPurchase CallPending = "Purchase"
	// CallPendingChange waits to know the new plan and quantity, in force at once.
	CallPendingChange CallPending = "Change"
	// CallPendingRenewal waits to know the plan and quantity of the next period.
	CallPendingRenewal CallPending = "Renewal"
	// CallPendingExpiry waits to know until when a purchase is paid, which its order had estimated before the buyer accepted.
	CallPendingExpiry CallPending = "Expiry"
)

// OrderSource says where the content of an order is.
// +kubebuilder:validation:Enum=Call
type OrderSource string

// OrderFromCall says: the call itself brought the order, which is kept in the call's Secret; see CallSecretName.
const OrderFromCall OrderSource = "Call"

// VariantLicense is the variant of a purchase that was made with a key for licenses: the sale is one of a license, which such a key may
// change.
const VariantLicense = "License"

// VariantReleaseTakenBack is the variant of a correction that has taken a release back. A call of a release that is older changes nothing.
const VariantReleaseTakenBack = "ReleaseTakenBack"

// OperationCorrection is the operation of a correction: what a person has said, as spec.correction, and not the marketplace.
const OperationCorrection = "Correction"

// Call is one call of the marketplace, or one correction, that was applied. A repeat has the same operation, variant, id, order
// and line.
// +kubebuilder:validation:XValidation:rule="has(self.orderID) || has(self.id)",message="a call needs orderID, or id where the marketplace gives calls one"
type Call struct {
	// operation is the marketplace's name of the call, or Correction.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	Operation string `json:"operation,omitempty"`

	// variant is the marketplace's name of the case. License says of a purchase that it was made with a key for licenses, and
	// ReleaseTakenBack of a correction that it took a release back.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	Variant string `json:"variant,omitempty"`

	// id of the correction, or of the call where the marketplace gives calls one.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	ID string `json:"id,omitempty"`

	// orderID is the marketplace's order.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	OrderID string `json:"orderID,omitempty"`

	// orderLineID is the order's line.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	OrderLineID string `json:"orderLineID,omitempty"`

	// time is when the marketplace first made the call, by its clock; of a correction, when the controller applied it.
	// +required
	Time metav1.Time `json:"time,omitempty,omitzero"`

	// pending says what of the call still has to be applied. Removed once it was.
	// +optional
	Pending CallPending `json:"pending,omitempty"`

	// source says where the order is. The marketplace's order API when not set.
	// +optional
	Source OrderSource `json:"source,omitempty"`

	// previousExpiryTime is the end of the paid time before this call changed it.
	// +optional
	PreviousExpiryTime metav1.Time `json:"previousExpiryTime,omitempty,omitzero"`

	// by is who has made the correction.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	By string `json:"by,omitempty"`

	// reason is why the correction was made.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	Reason string `json:"reason,omitempty"`

	// digest is the SHA-256 of what the correction said, in hexadecimal digits: another correction under the same id is told from a
	// repeat by it.
	// +optional
	// +kubebuilder:validation:MinLength=64
	// +kubebuilder:validation:MaxLength=64
	Digest string `json:"digest,omitempty"`
}
