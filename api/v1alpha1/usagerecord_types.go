package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// InstanceReference names a MarketplaceInstance in this namespace.
type InstanceReference struct {
	// name of the MarketplaceInstance.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=40
	Name string `json:"name,omitempty"`
}

// TenantActivity is whether a tenant ran on or was stopped.
// +kubebuilder:validation:Enum=Running;Stopped
type TenantActivity string

const (
	// TenantRunning says that the tenant ran on.
	TenantRunning TenantActivity = "Running"
	// TenantStopped says that the tenant was stopped: nothing is used until it runs again.
	TenantStopped TenantActivity = "Stopped"
)

// UnmeasuredReason is why a source was not asked about an interval.
// +kubebuilder:validation:Enum=Suspended;Lost
type UnmeasuredReason string

const (
	// UnmeasuredSuspended says that the tenant was stopped, and used nothing.
	UnmeasuredSuspended UnmeasuredReason = "Suspended"
	// UnmeasuredLost says that nobody knows what was used: the source did not answer before it was too late.
	UnmeasuredLost UnmeasuredReason = "Lost"
)

// PackageCheckpoint is what was used of a package that is an instance of its own.
type PackageCheckpoint struct {
	// name of the package's MarketplaceInstance.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=40
	Name string `json:"name,omitempty"`

	// beginsAt is when the package began that used is about. Not set for the first one.
	// +optional
	BeginsAt metav1.Time `json:"beginsAt,omitempty,omitzero"`

	// used is what was used of it.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=20
	// +kubebuilder:validation:Pattern=`^(0|[1-9][0-9]{0,14})(\.[0-9]{1,4})?$`
	Used string `json:"used,omitempty"`
}

// UsageCheckpoint is what was used until a record's endsAt. The records before it are removed, and it stands for them.
type UsageCheckpoint struct {
	// total is all that was used since the record's beginsAt.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=20
	// +kubebuilder:validation:Pattern=`^(0|[1-9][0-9]{0,14})(\.[0-9]{1,4})?$`
	Total string `json:"total,omitempty"`

	// packageBeginsAt is when the package began that packageUsed is about. Not set for the first one.
	// +optional
	PackageBeginsAt metav1.Time `json:"packageBeginsAt,omitempty,omitzero"`

	// packageUsed is what was used of that package.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=20
	// +kubebuilder:validation:Pattern=`^(0|[1-9][0-9]{0,14})(\.[0-9]{1,4})?$`
	PackageUsed string `json:"packageUsed,omitempty"`

	// packages are the packages that the use was deducted from, where they are instances of their own.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	Packages []PackageCheckpoint `json:"packages,omitempty"`
}

// UsageDelivery is what became of the push of a record. The controller writes it; a person does to settle a push of which
// nobody knows whether it has arrived: with pushedAt if the marketplace's console shows the usage, else by removing delivery.
// +kubebuilder:validation:MinProperties=1
type UsageDelivery struct {
	// packageRef names the package, an instance of its own, that the use is deducted from. Written before the push, so that
	// every push of the record says the same.
	// +optional
	PackageRef InstanceReference `json:"packageRef,omitempty,omitzero"`

	// attemptedAt is when a push was begun that must not be made twice, because the marketplace could not tell a repeat.
	// +optional
	AttemptedAt metav1.Time `json:"attemptedAt,omitempty,omitzero"`

	// pushedAt is when the marketplace accepted the record.
	// +optional
	PushedAt metav1.Time `json:"pushedAt,omitempty,omitzero"`
}

// UsageRecordSpec is what one meter of one instance has counted in one interval. Nothing of it but delivery can be changed.
// +kubebuilder:validation:XValidation:rule="self.instanceRef == oldSelf.instanceRef && self.meter == oldSelf.meter && self.beginsAt == oldSelf.beginsAt && self.endsAt == oldSelf.endsAt && self.value == oldSelf.value",message="a usage record can't be changed: delete it and create another one"
// +kubebuilder:validation:XValidation:rule="has(self.tenant) == has(oldSelf.tenant) && has(self.unmeasured) == has(oldSelf.unmeasured) && has(self.checkpoint) == has(oldSelf.checkpoint)",message="a usage record can't be changed: delete it and create another one"
// +kubebuilder:validation:XValidation:rule="has(self.checkpoint) ? self.beginsAt <= self.endsAt : self.beginsAt < self.endsAt",message="beginsAt must be before endsAt"
// +kubebuilder:validation:XValidation:rule="!(has(self.checkpoint) || has(self.unmeasured)) || self.value == '0'",message="a record with checkpoint or unmeasured must have the value 0"
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.delivery) || !has(oldSelf.delivery.pushedAt) || (has(self.delivery) && has(self.delivery.pushedAt) && self.delivery.pushedAt == oldSelf.delivery.pushedAt)",message="what the marketplace has accepted can't be taken back here"
type UsageRecordSpec struct {
	// instanceRef names the instance that has used something.
	// +required
	InstanceRef InstanceReference `json:"instanceRef,omitempty,omitzero"`

	// meter is the name of a meter of the instance's plan.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=30
	Meter string `json:"meter,omitempty"`

	// beginsAt is when the interval begins: not before the sale, and at most 21 days ago when it is pushed.
	// +required
	BeginsAt metav1.Time `json:"beginsAt,omitempty,omitzero"`

	// endsAt is when the interval ends. It is pushed only afterwards.
	// +required
	EndsAt metav1.Time `json:"endsAt,omitempty,omitzero"`

	// value is what was used, in the meter's unit: a decimal number with at most 8 digits before the point and 4 behind it, such
	// as "12.5". With 0 nothing is pushed.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=13
	// +kubebuilder:validation:Pattern=`^(0|[1-9][0-9]{0,7})(\.[0-9]{1,4})?$`
	Value string `json:"value,omitempty"`

	// tenant says what the tenant did after endsAt. Running when not set. Written by the controller.
	// +optional
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="a usage record can't be changed: delete it and create another one"
	Tenant TenantActivity `json:"tenant,omitempty"`

	// unmeasured is why the meter's source was not asked about the interval. Written by the controller.
	// +optional
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="a usage record can't be changed: delete it and create another one"
	Unmeasured UnmeasuredReason `json:"unmeasured,omitempty"`

	// checkpoint makes the record stand for all those of its meter that ended until endsAt. Written by the controller.
	// +optional
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="a usage record can't be changed: delete it and create another one"
	Checkpoint UsageCheckpoint `json:"checkpoint,omitempty,omitzero"`

	// delivery is what became of the push.
	// +optional
	Delivery UsageDelivery `json:"delivery,omitempty,omitzero"`
}

// UsageRecordState sums a record up in one word for people. No code reads it.
// +kubebuilder:validation:Enum=Pending;Pushed;Refused;Uncertain;Unused;Kept;Checkpoint
type UsageRecordState string

const (
	// UsagePending waits to be pushed.
	UsagePending UsageRecordState = "Pending"
	// UsagePushed was accepted by the marketplace.
	UsagePushed UsageRecordState = "Pushed"
	// UsageRefused is not charged; the condition says why.
	UsageRefused UsageRecordState = "Refused"
	// UsageUncertain may have been accepted; a person has to look.
	UsageUncertain UsageRecordState = "Uncertain"
	// UsageUnused has nothing to push.
	UsageUnused UsageRecordState = "Unused"
	// UsageKept is of a meter that is not pushed.
	UsageKept UsageRecordState = "Kept"
	// UsageBase stands for older records.
	UsageBase UsageRecordState = "Checkpoint"
)

// UsageRecordStatus is what is known about the push. If it is erased, the controller restores it.
// +kubebuilder:validation:MinProperties=1
type UsageRecordStatus struct {
	// conditions hold Pushed, with the marketplace's word.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +patchStrategy=merge
	// +patchMergeKey=type
	// +kubebuilder:validation:MinItems=0
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty" patchStrategy:"merge" patchMergeKey:"type"`

	// state sums the conditions up in one word for people. No code reads it.
	// +optional
	State UsageRecordState `json:"state,omitempty"`
}

// UsageRecord is what one meter of one instance has counted in one interval. The controller makes them for meters that have a
// source; for others a person or a job writes them.
//
// +genclient
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=ur,categories=stallkeeper
// +kubebuilder:selectablefield:JSONPath=`.spec.instanceRef.name`
// +kubebuilder:printcolumn:name="Instance",type=string,JSONPath=`.spec.instanceRef.name`
// +kubebuilder:printcolumn:name="Meter",type=string,JSONPath=`.spec.meter`
// +kubebuilder:printcolumn:name="Begins",type=string,JSONPath=`.spec.beginsAt`
// +kubebuilder:printcolumn:name="Ends",type=string,JSONPath=`.spec.endsAt`
// +kubebuilder:printcolumn:name="Value",type=string,JSONPath=`.spec.value`
// +kubebuilder:printcolumn:name="State",type=string,JSONPath=`.status.state`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Pushed")].reason`
// +kubebuilder:printcolumn:name="Pushed at",type=string,JSONPath=`.spec.delivery.pushedAt`,priority=1
// +kubebuilder:printcolumn:name="Total",type=string,JSONPath=`.spec.checkpoint.total`,priority=1
type UsageRecord struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the object's metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is what was used.
	// +required
	Spec UsageRecordSpec `json:"spec,omitempty,omitzero"`

	// status is what is known about the push.
	// +optional
	Status UsageRecordStatus `json:"status,omitempty,omitzero"`
}

// UsageRecordList is a list of UsageRecords.
//
// +kubebuilder:object:root=true
type UsageRecordList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []UsageRecord `json:"items"`
}
