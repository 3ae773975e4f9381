package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// ProductReference names a MarketplaceProduct in this namespace.
type ProductReference struct {
	// name of the MarketplaceProduct.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`
}

// DesiredState is what a person wants of an instance.
// +kubebuilder:validation:Enum=Running;Suspended
type DesiredState string

const (
	// DesiredStateRunning runs the workload while it is paid.
	DesiredStateRunning DesiredState = "Running"
	// DesiredStateSuspended stops the workload and keeps the data.
	DesiredStateSuspended DesiredState = "Suspended"
)

// Reconciliation says whether the controller touches the tenant.
// +kubebuilder:validation:Enum=Active;Paused
type Reconciliation string

const (
	// ReconciliationActive lets the controller work.
	ReconciliationActive Reconciliation = "Active"
	// ReconciliationPaused leaves the tenant as it is, for maintenance by hand. Calls of the marketplace are still stored.
	ReconciliationPaused Reconciliation = "Paused"
)

// MarketplaceInstanceSpec is one sale, or one tenant made by hand.
// +kubebuilder:validation:MinProperties=1
// +kubebuilder:validation:XValidation:rule="has(self.subscription) || (has(self.productRef) && has(self.plan))",message="an instance without a sale needs productRef and plan"
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.productRef) || (has(self.productRef) && self.productRef.name == oldSelf.productRef.name)",message="productRef can't be changed: the tenant's data belong to the product"
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.subscription) || has(self.subscription)",message="subscription can't be removed: the marketplace would sell an instance that nobody knows"
type MarketplaceInstanceSpec struct {
	// productRef names the product. For a sale it is filled in once the order is known.
	// +optional
	ProductRef ProductReference `json:"productRef,omitempty,omitzero"`

	// plan overrides the plan that was sold.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Plan string `json:"plan,omitempty"`

	// quantity overrides the quantity that was sold.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=9999999
	Quantity *int32 `json:"quantity,omitempty"`

	// attributes override those that were sold, name by name.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	Attributes []Attribute `json:"attributes,omitempty"`

	// values are merged over the plan's values. They are taken as they stand and are no templates.
	// +optional
	// +kubebuilder:pruning:PreserveUnknownFields
	Values *runtime.RawExtension `json:"values,omitempty"`

	// minimumQuantity is how much of the tenant is in use, as you or a job of yours say. The marketplace is told that a change to
	// less is not possible; nothing else depends on it.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=9999999
	MinimumQuantity *int32 `json:"minimumQuantity,omitempty"`

	// desiredState is what a person wants. Running when not set.
	// +optional
	DesiredState DesiredState `json:"desiredState,omitempty"`

	// reconciliation says whether the controller touches the tenant. Active when not set.
	// +optional
	Reconciliation Reconciliation `json:"reconciliation,omitempty"`

	// deletionProtection says whether deleting this instance is refused. The product's when not set.
	// +optional
	DeletionProtection DeletionProtection `json:"deletionProtection,omitempty"`

	// subscription is what the marketplace has said. Not written by people, but for a correction.
	// +optional
	Subscription *Subscription `json:"subscription,omitempty"`
}

// MarketplaceInstance is one sale, and one tenant with a namespace of its own.
//
// +genclient
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=mpi,categories=stallkeeper
// +kubebuilder:selectablefield:JSONPath=`.spec.subscription.instanceID`
// +kubebuilder:printcolumn:name="Product",type=string,JSONPath=`.spec.productRef.name`
// +kubebuilder:printcolumn:name="Plan",type=string,JSONPath=`.status.effective.plan`
// +kubebuilder:printcolumn:name="Quantity",type=integer,JSONPath=`.status.effective.quantity`
// +kubebuilder:printcolumn:name="State",type=string,JSONPath=`.status.state`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Expires",type=string,JSONPath=`.status.timetable.expiresAt`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Customer",type=string,JSONPath=`.spec.subscription.customerID`,priority=1
// +kubebuilder:printcolumn:name="Namespace",type=string,JSONPath=`.status.namespace`,priority=1
// +kubebuilder:printcolumn:name="Revision",type=string,JSONPath=`.status.revision`,priority=1
// +kubebuilder:validation:XValidation:rule="self.metadata.name.size() <= 40 && !self.metadata.name.contains('.')",message="the name must have at most 40 characters and no dots, because the tenant's namespace is named after it"
type MarketplaceInstance struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the object's metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is the sale.
	// +required
	Spec MarketplaceInstanceSpec `json:"spec,omitempty,omitzero"`

	// status is what is known about the tenant.
	// +optional
	Status MarketplaceInstanceStatus `json:"status,omitempty,omitzero"`
}

// MarketplaceInstanceList is a list of MarketplaceInstances.
//
// +kubebuilder:object:root=true
type MarketplaceInstanceList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []MarketplaceInstance `json:"items"`
}
