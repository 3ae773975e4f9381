package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

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
	// UnmeasuredLost says that it is not known what was used: the source did not answer before it was too late.
	UnmeasuredLost UnmeasuredReason = "Lost"
)

// PackageCheckpoint is what was used of a package that is an instance of its own.
type PackageCheckpoint struct {
	// name of the package's MarketplaceInstance.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=40
	Name string `json:"name,omitempty"`

	// startTime is when the package began that used is about. Not set for the first one.
	// +optional
	StartTime metav1.Time `json:"startTime,omitempty,omitzero"`

	// used is what was used of it.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=20
	// +kubebuilder:validation:Pattern=`^(0|[1-9][0-9]{0,14})(\.[0-9]{1,4})?$`
	Used string `json:"used,omitempty"`
}

// UsageCheckpoint is what was used until a record's endTime. The records before it are removed, and it stands for them.
type UsageCheckpoint struct {
	// total is all that was used since the record's startTime.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=20
	// +kubebuilder:validation:Pattern=`^(0|[1-9][0-9]{0,14})(\.[0-9]{1,4})?$`
	Total string `json:"total,omitempty"`

	// packageStartTime is when the package began that packageUsed is about. Not set for the first one.
	// +optional
	PackageStartTime metav1.Time `json:"packageStartTime,omitempty,omitzero"`

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

// UsageDelivery is what became of the push of a record. The controller writes it; a person does to settle a push that may or may
// not have arrived: with pushTime if the marketplace's console shows the usage. If it does not, withdrawnTime keeps the record from being
// pushed, and removing delivery has it pushed again where attemptTime is set.
type UsageDelivery struct {
	// packageRef names the package, an instance of its own, that the use is deducted from. Written before the push, so that
	// every push of the record says the same.
	// +optional
	PackageRef InstanceReference `json:"packageRef,omitempty,omitzero"`

	// toldTime is when the first push was begun that the marketplace may have taken. It keeps the amount that it was told first, so that
	// from then on no other record can stand for the interval. Written before the push, and taken back if that is refused.
	// +optional
	ToldTime metav1.Time `json:"toldTime,omitempty,omitzero"`

	// attemptTime is when a push was begun that must not be made twice, because the marketplace could not tell a repeat.
	// +optional
	AttemptTime metav1.Time `json:"attemptTime,omitempty,omitzero"`

	// withdrawnTime is when a person withdrew a record that the marketplace may have been told of and whose usage its console does not show.
	// Such a record is not pushed any more, counts for nothing, and can be deleted; another one can take its place.
	// +optional
	WithdrawnTime metav1.Time `json:"withdrawnTime,omitempty,omitzero"`

	// pushTime is when the marketplace accepted the record.
	// +optional
	PushTime metav1.Time `json:"pushTime,omitempty,omitzero"`
}

// UsageRecordSpec is what one meter of one instance has counted in one interval. Nothing of it but delivery can be changed, and push be set.
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.push) || (has(self.push) && self.push == oldSelf.push)",message="push can't be changed once it is set",fieldPath=".push",reason=FieldValueForbidden
// +kubebuilder:validation:XValidation:rule="has(self.tenantActivity) == has(oldSelf.tenantActivity) && has(self.unmeasured) == has(oldSelf.unmeasured) && has(self.checkpoint) == has(oldSelf.checkpoint)",message="a usage record can't be changed: delete it and create another one",reason=FieldValueForbidden
// +kubebuilder:validation:XValidation:rule="has(self.checkpoint) ? self.startTime <= self.endTime : self.startTime < self.endTime",message="startTime must be before endTime",fieldPath=".endTime",reason=FieldValueInvalid
// +kubebuilder:validation:XValidation:rule="!(has(self.checkpoint) || has(self.unmeasured)) || self.value == '0'",message="a record with checkpoint or unmeasured must have the value 0",fieldPath=".value",reason=FieldValueInvalid
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.delivery) || !has(oldSelf.delivery.pushTime) || (has(self.delivery) && self.delivery == oldSelf.delivery)",message="what the marketplace has accepted can't be changed or taken back here",fieldPath=".delivery",reason=FieldValueForbidden
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.delivery) || !has(oldSelf.delivery.withdrawnTime) || (has(self.delivery) && has(self.delivery.withdrawnTime) && self.delivery.withdrawnTime == oldSelf.delivery.withdrawnTime)",message="a record that was withdrawn stays withdrawn: create another one",fieldPath=".delivery",reason=FieldValueForbidden
type UsageRecordSpec struct {
	// instanceRef names the instance that has used something.
	// +required
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="a usage record can't be changed: delete it and create another one",reason=FieldValueForbidden
	InstanceRef InstanceReference `json:"instanceRef,omitempty,omitzero"`

	// meter is the name of a meter of the plan that the instance has, or had in the interval.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="a usage record can't be changed: delete it and create another one",reason=FieldValueForbidden
	Meter string `json:"meter,omitempty"`

	// startTime is when the interval begins: not before the sale, and not longer ago than the
	// marketplace accepts when it is pushed.
	// +required
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="a usage record can't be changed: delete it and create another one",reason=FieldValueForbidden
	StartTime metav1.Time `json:"startTime,omitempty,omitzero"`

	// endTime is when the interval ends. It is pushed only afterwards.
	// +required
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="a usage record can't be changed: delete it and create another one",reason=FieldValueForbidden
	EndTime metav1.Time `json:"endTime,omitempty,omitzero"`

	// value is what was used, in the meter's unit: a decimal number with at most 8 digits before the point and 4 behind it, such
	// as "12.5". With 0 nothing is pushed.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=13
	// +kubebuilder:validation:XValidation:rule="self.matches('^(0|[1-9][0-9]{0,7})([.][0-9]{1,4})?$')",message="value must be a decimal number with at most 8 digits before the point and 4 behind it, such as \"12.5\""
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="a usage record can't be changed: delete it and create another one",reason=FieldValueForbidden
	Value string `json:"value,omitempty"`

	// tenantActivity says what the tenant did after endTime. Running when not set. Written by the controller.
	// +optional
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="a usage record can't be changed: delete it and create another one",reason=FieldValueForbidden
	TenantActivity TenantActivity `json:"tenantActivity,omitempty"`

	// unmeasured is why the meter's source was not asked about the interval. Written by the controller.
	// +optional
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="a usage record can't be changed: delete it and create another one",reason=FieldValueForbidden
	Unmeasured UnmeasuredReason `json:"unmeasured,omitempty"`

	// checkpoint makes the record stand for all those of its meter that ended until endTime. Written by the controller.
	// +optional
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="a usage record can't be changed: delete it and create another one",reason=FieldValueForbidden
	Checkpoint UsageCheckpoint `json:"checkpoint,omitempty,omitzero"`

	// push is how the plan pushed the meter when the record was first seen. It counts where the plan does not have the meter any more: what was
	// used before is charged all the same. The controller sets it; a person may, to have a record pushed whose meter the plan never had.
	// +optional
	Push MeterPush `json:"push,omitempty"`

	// delivery is what became of the push.
	// +optional
	Delivery UsageDelivery `json:"delivery,omitempty,omitzero"`
}

// UsageRecordState sums a record up in one word for people: Pending, Pushed, Refused, Uncertain, Withdrawn, Unused, Kept or Checkpoint;
// later versions may have more. No code reads it.
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=64
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
	// UsageWithdrawn is not charged, because a person has withdrawn it.
	UsageWithdrawn UsageRecordState = "Withdrawn"
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
	// conditions hold Ready; Pushed, with the marketplace's word, for a record that is to be pushed; and Stalled while somebody
	// must act. True is good, but for Stalled.
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
// +kubebuilder:resource:shortName=urec,categories=stallkeeper
// +kubebuilder:selectablefield:JSONPath=`.spec.instanceRef.name`
// +kubebuilder:printcolumn:name="Instance",type=string,JSONPath=`.spec.instanceRef.name`
// +kubebuilder:printcolumn:name="Meter",type=string,JSONPath=`.spec.meter`
// +kubebuilder:printcolumn:name="Start",type=string,JSONPath=`.spec.startTime`
// +kubebuilder:printcolumn:name="End",type=string,JSONPath=`.spec.endTime`
// +kubebuilder:printcolumn:name="Value",type=string,JSONPath=`.spec.value`
// +kubebuilder:printcolumn:name="State",type=string,JSONPath=`.status.state`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Push time",type=string,JSONPath=`.spec.delivery.pushTime`,priority=1
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
	// +kubebuilder:default={conditions: {{type: "Ready", status: "Unknown", reason: "Pending", message: "Waiting for the controller", lastTransitionTime: "1970-01-01T00:00:00Z"}}}
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
