package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// PendingChange is a change that was bought and waits for its date.
type PendingChange struct {
	// effectiveAt is when it takes effect.
	// +required
	EffectiveAt metav1.Time `json:"effectiveAt,omitempty,omitzero"`

	// orderID and orderLineID name the order that bought it.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	OrderID string `json:"orderID,omitempty"`

	// orderLineID names the order's line.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
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

// OrderLookup says what an order is for that was not applied yet, because it has to be read from its source first.
// +kubebuilder:validation:Enum=Purchase;Change;Renewal
type OrderLookup string

const (
	// LookupPurchase asks what was bought, by whom and until when.
	LookupPurchase OrderLookup = "Purchase"
	// LookupChange asks for the new plan and quantity, in force at once.
	LookupChange OrderLookup = "Change"
	// LookupRenewal asks for the plan and quantity of the next period.
	LookupRenewal OrderLookup = "Renewal"
)

// OrderSource says where the content of an order is.
// +kubebuilder:validation:Enum=Call
type OrderSource string

// OrderFromCall says: the call itself brought the order, which is kept in the call's Secret; see CallSecretName.
const OrderFromCall OrderSource = "Call"

// OrderCall is one call of the marketplace that was applied. A repeat has the same activity, scene, order and line.
type OrderCall struct {
	// activity is the marketplace's name of the call.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	Activity string `json:"activity,omitempty"`

	// scene is the marketplace's name of the case.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	Scene string `json:"scene,omitempty"`

	// orderID is the marketplace's order.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	OrderID string `json:"orderID,omitempty"`

	// orderLineID is the order's line.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	OrderLineID string `json:"orderLineID,omitempty"`

	// time is when the marketplace first made the call, by its clock.
	// +required
	Time metav1.Time `json:"time,omitempty,omitzero"`

	// lookup says what of the order still has to be applied. Removed once it was.
	// +optional
	Lookup OrderLookup `json:"lookup,omitempty"`

	// source says where the order is. The marketplace's order API when not set.
	// +optional
	Source OrderSource `json:"source,omitempty"`

	// previousExpiresAt is the end of the paid time before this call changed it.
	// +optional
	PreviousExpiresAt metav1.Time `json:"previousExpiresAt,omitempty,omitzero"`
}
