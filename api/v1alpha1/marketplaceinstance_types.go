package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

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

// MarketplaceInstanceSpec is one sale, or one tenant made by hand. What people want stands in every field but subscription, which
// holds what the marketplace has said.
// +kubebuilder:validation:MinProperties=1
// +kubebuilder:validation:XValidation:rule="has(self.subscription) || has(self.productRef)",message="an instance without a sale needs productRef, and plan where the product has several",fieldPath=".productRef",reason=FieldValueRequired
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.productRef) || (has(self.productRef) && self.productRef.name == oldSelf.productRef.name)",message="productRef can't be changed: the tenant's data belong to the product. Make another instance for another product",fieldPath=".productRef",reason=FieldValueForbidden
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.subscription) || has(self.subscription)",message="subscription can't be removed: the marketplace would sell an instance that is not known here",fieldPath=".subscription",reason=FieldValueForbidden
// +kubebuilder:validation:XValidation:rule="has(self.subscription) || !has(self.correction)",message="correction corrects what a marketplace has said, and this instance has no subscription: it was made by hand",fieldPath=".correction",reason=FieldValueForbidden
// +kubebuilder:validation:XValidation:rule="has(self.subscription) || !has(self.lifecycle) || !(has(self.lifecycle.runUntilTime) || has(self.lifecycle.retainUntilTime) || has(self.lifecycle.gracePeriodSeconds) || has(self.lifecycle.retentionPeriodSeconds))",message="an instance without a sale never ends by itself: of lifecycle it can have deletionProtection only",fieldPath=".lifecycle",reason=FieldValueForbidden
type MarketplaceInstanceSpec struct {
	// productRef names the product. For a sale it is filled in once the order is known.
	// +optional
	ProductRef ProductReference `json:"productRef,omitempty,omitzero"`

	// plan overrides the plan that was sold. An instance without a sale needs it only where the product has several.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="!format.dns1123Label().validate(self).hasValue()",message="plan must be the name of one of the product's plans: lower-case letters, digits and dashes"
	Plan string `json:"plan,omitempty"`

	// quantity overrides the quantity that was sold. To stop a tenant, set desiredState instead of 0.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=9999999
	Quantity *int32 `json:"quantity,omitempty"`

	// attributes override those that were sold, name by name.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:XValidation:rule="self.all(a, a.name == a.name.trim())",message="an attribute's name must not begin or end with a space: templates would not find it"
	Attributes []Attribute `json:"attributes,omitempty"`

	// values are merged over the product's and the plan's. They are taken as they stand and are no templates.
	// +optional
	// +kubebuilder:pruning:PreserveUnknownFields
	Values *runtime.RawExtension `json:"values,omitempty"`

	// quantityInUse is how much of the tenant is in use, as you or a job of yours say. The marketplace is told that a change to
	// less is not possible; nothing else depends on it.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=9999999
	QuantityInUse *int32 `json:"quantityInUse,omitempty"`

	// desiredState is what a person wants. Running when not set.
	// +optional
	DesiredState DesiredState `json:"desiredState,omitempty"`

	// reconciliation says whether the controller touches the tenant. Active when not set.
	// +optional
	Reconciliation Reconciliation `json:"reconciliation,omitempty"`

	// lifecycle is what a person wants for this tenant beside what the product and the plan say, for as long as it stands here.
	// +optional
	Lifecycle InstanceLifecycle `json:"lifecycle,omitempty,omitzero"`

	// correction corrects once what the marketplace has said. The controller applies it, by its own clock, and notes it in
	// subscription.calls; a later call of the marketplace goes over it. The same correction applied again does nothing, and another one
	// takes its place once it was applied or refused; the condition Corrected says so.
	// +optional
	Correction Correction `json:"correction,omitempty,omitzero"`

	// subscription is what the marketplace has said. A person writes it when a sale from before Stallkeeper is brought here or a
	// license code is entered, and not afterwards: use lifecycle and correction.
	// +optional
	Subscription *Subscription `json:"subscription,omitempty"`
}

// MarketplaceInstance is one sale, and one tenant with a namespace of its own.
//
// +genclient
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=mpi,categories=stallkeeper
// +kubebuilder:selectablefield:JSONPath=`.spec.productRef.name`
// +kubebuilder:selectablefield:JSONPath=`.spec.subscription.marketplace`
// +kubebuilder:selectablefield:JSONPath=`.spec.subscription.instanceID`
// +kubebuilder:selectablefield:JSONPath=`.spec.subscription.orderID`
// +kubebuilder:selectablefield:JSONPath=`.spec.subscription.customerID`
// +kubebuilder:selectablefield:JSONPath=`.status.state`
// +kubebuilder:selectablefield:JSONPath=`.status.effective.plan`
// +kubebuilder:selectablefield:JSONPath=`.status.revision`
// +kubebuilder:printcolumn:name="Product",type=string,JSONPath=`.spec.productRef.name`
// +kubebuilder:printcolumn:name="Plan",type=string,JSONPath=`.status.effective.plan`
// +kubebuilder:printcolumn:name="Quantity",type=integer,JSONPath=`.status.effective.quantity`
// +kubebuilder:printcolumn:name="State",type=string,JSONPath=`.status.state`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Expires",type=string,JSONPath=`.status.timetable.expiryTime`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Customer",type=string,JSONPath=`.spec.subscription.customerID`,priority=1
// +kubebuilder:printcolumn:name="Namespace",type=string,JSONPath=`.status.namespace`,priority=1
// +kubebuilder:printcolumn:name="Revision",type=string,JSONPath=`.status.revision`,priority=1
// +kubebuilder:validation:XValidation:rule="!has(self.spec.subscription) || !has(self.spec.subscription.packageConsumerRef) || self.spec.subscription.packageConsumerRef.name != self.metadata.name || (oldSelf.hasValue() && has(oldSelf.value().spec.subscription) && has(oldSelf.value().spec.subscription.packageConsumerRef) && oldSelf.value().spec.subscription.packageConsumerRef.name == self.metadata.name)",optionalOldSelf=true,message="packageConsumerRef must name another instance: a package can't use itself",fieldPath=".spec.subscription.packageConsumerRef",reason=FieldValueInvalid
// +kubebuilder:validation:XValidation:rule="!has(self.spec.correction) || !has(self.spec.correction.packageConsumerRef) || self.spec.correction.packageConsumerRef.name != self.metadata.name",message="packageConsumerRef must name another instance: a package can't use itself",fieldPath=".spec.correction.packageConsumerRef",reason=FieldValueInvalid
// +kubebuilder:validation:XValidation:rule="self.metadata.name.size() <= 40 && !self.metadata.name.contains('.')",message="metadata.name must have at most 40 characters and no dots, because the tenant's namespace is named after it",fieldPath=".metadata",reason=FieldValueInvalid
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
	// +kubebuilder:default={conditions: {{type: "Ready", status: "Unknown", reason: "Pending", message: "Waiting for the controller", lastTransitionTime: "1970-01-01T00:00:00Z"}}}
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
