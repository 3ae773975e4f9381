package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// AfterRetention says what happens when the buyer has not paid until the end of the retention period.
// +kubebuilder:validation:Enum=Keep;Delete
type AfterRetention string

const (
	// AfterRetentionKeep keeps the suspended tenant until the marketplace or a person ends it.
	AfterRetentionKeep AfterRetention = "Keep"
	// AfterRetentionDelete deletes the tenant with its data.
	AfterRetentionDelete AfterRetention = "Delete"
)

// DeletionProtection says whether deleting an instance is refused.
// +kubebuilder:validation:Enum=Enabled;Disabled
type DeletionProtection string

const (
	// DeletionProtectionEnabled refuses to delete the instance and its namespace.
	DeletionProtectionEnabled DeletionProtection = "Enabled"
	// DeletionProtectionDisabled lets the instance be deleted, with its data.
	DeletionProtectionDisabled DeletionProtection = "Disabled"
)

// ReductionPolicy says when a smaller plan or quantity takes effect.
// +kubebuilder:validation:Enum=AtExpiry;Immediately
type ReductionPolicy string

const (
	// ReductionAtExpiry waits for the end of the period that is already paid.
	ReductionAtExpiry ReductionPolicy = "AtExpiry"
	// ReductionImmediately applies it at once.
	ReductionImmediately ReductionPolicy = "Immediately"
)

// GroupKind names a kind of objects.
type GroupKind struct {
	// group is the API group; "" is the core group.
	// +required
	// +kubebuilder:validation:MinLength=0
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self == '' || !format.dns1123Subdomain().validate(self).hasValue()",message="group must be an API group without version, such as apps or postgresql.cnpg.io; \"\" is the core group"
	Group string `json:"group"`

	// kind is the kind, such as StatefulSet.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[A-Z][A-Za-z0-9]*$`
	Kind string `json:"kind,omitempty"`
}

// SuspensionPatch says how objects of a kind are stopped without losing data.
type SuspensionPatch struct {
	// group is the API group; "" is the core group.
	// +required
	// +kubebuilder:validation:MinLength=0
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self == '' || !format.dns1123Subdomain().validate(self).hasValue()",message="group must be an API group without version, such as apps or postgresql.cnpg.io; \"\" is the core group"
	Group string `json:"group"`

	// kind is the kind, such as Cluster.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[A-Z][A-Za-z0-9]*$`
	Kind string `json:"kind,omitempty"`

	// patch is merged into each such object while the tenant is suspended (JSON merge patch, RFC 7396). The empty patch says that
	// the template itself stops the object.
	// +required
	// +kubebuilder:pruning:PreserveUnknownFields
	Patch runtime.RawExtension `json:"patch,omitempty,omitzero"`
}

// LifecyclePolicy says what happens when the paid time is over.
type LifecyclePolicy struct {
	// gracePeriodSeconds is how long a tenant runs on after its paid time, in case the marketplace's freeze never comes.
	// The marketplace's default when not set: 15 days (1296000) for KooGallery.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=315360000
	GracePeriodSeconds *int64 `json:"gracePeriodSeconds,omitempty"`

	// retentionPeriodSeconds is how long data are kept after a release, or after an unpaid tenant was suspended. 15 days
	// (1296000) when not set.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=315360000
	RetentionPeriodSeconds *int64 `json:"retentionPeriodSeconds,omitempty"`

	// afterRetention says what happens when the buyer has not paid until the retention period is over. Keep when not set. A sale
	// that the marketplace has released is deleted after its retention in any case.
	// +optional
	AfterRetention AfterRetention `json:"afterRetention,omitempty"`

	// deletionProtection says whether deleting an instance, or its namespace, is refused. Enabled when not set.
	// +optional
	DeletionProtection DeletionProtection `json:"deletionProtection,omitempty"`

	// reductions says when a smaller plan or quantity, bought with a renewal, takes effect. AtExpiry when not set.
	// +optional
	Reductions ReductionPolicy `json:"reductions,omitempty"`
}

// ProductLifecycle says what happens when the paid time is over, and how kinds that the operator does not know are stopped.
// A plan's lifecycle replaces single fields of it, and an instance's those of both.
type ProductLifecycle struct {
	LifecyclePolicy `json:",inline"`

	// dataKinds are more kinds that hold data: never pruned, and kept while suspended. Claims and Secrets always are.
	// +optional
	// +listType=map
	// +listMapKey=group
	// +listMapKey=kind
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	DataKinds []GroupKind `json:"dataKinds,omitempty"`

	// suspensionPatches say how objects of kinds that the operator does not know are stopped. A change of them is no new revision.
	// +optional
	// +listType=map
	// +listMapKey=group
	// +listMapKey=kind
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	SuspensionPatches []SuspensionPatch `json:"suspensionPatches,omitempty"`
}

// InstanceLifecycle is what a person wants for one tenant, for as long as it stands here. Two of its fields are floors: they can
// only lengthen, so that no renewal is cut short by them. An empty one is no wish.
// +kubebuilder:validation:XValidation:rule="!(has(self.runUntilTime) || has(self.retainUntilTime)) || has(self.reason)",message="runUntilTime and retainUntilTime need a reason, for those who read it later",fieldPath=".reason",reason=FieldValueRequired
// +kubebuilder:validation:XValidation:rule="!(has(self.runUntilTime) || has(self.retainUntilTime)) || has(self.by)",message="runUntilTime and retainUntilTime need by: who wants it, as kubectl auth whoami says",fieldPath=".by",reason=FieldValueRequired
// +kubebuilder:validation:XValidation:rule="!(has(self.reason) || has(self.by)) || has(self.runUntilTime) || has(self.retainUntilTime) || has(self.gracePeriodSeconds) || has(self.retentionPeriodSeconds) || has(self.deletionProtection)",message="reason and by belong to another field of lifecycle, and none is set: remove them as well, or lifecycle as a whole"
type InstanceLifecycle struct {
	// runUntilTime is until when the tenant is not stopped for want of payment, even if its paid time and grace end before. What the
	// marketplace freezes or releases is stopped all the same, and a renewal to a later day goes beyond it.
	// +optional
	RunUntilTime metav1.Time `json:"runUntilTime,omitempty,omitzero"`

	// retainUntilTime is until when the tenant's data are not deleted, by the marketplace's release or for want of payment, even
	// if their retention ends before.
	// +optional
	RetainUntilTime metav1.Time `json:"retainUntilTime,omitempty,omitzero"`

	// gracePeriodSeconds replaces the plan's and the product's.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=315360000
	GracePeriodSeconds *int64 `json:"gracePeriodSeconds,omitempty"`

	// retentionPeriodSeconds replaces the plan's and the product's.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=315360000
	RetentionPeriodSeconds *int64 `json:"retentionPeriodSeconds,omitempty"`

	// deletionProtection says whether deleting this instance is refused. The plan's or the product's when not set.
	// +optional
	DeletionProtection DeletionProtection `json:"deletionProtection,omitempty"`

	// reason says why, for those who read it later. Required with runUntilTime and retainUntilTime.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:XValidation:rule="self.trim() != ''",message="reason must say something"
	Reason string `json:"reason,omitempty"`

	// by is who wants it, as the API server knows them (kubectl auth whoami). An admission policy holds it to the one who writes
	// it. Required with runUntilTime and retainUntilTime.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:XValidation:rule="self == self.trim()",message="by must not begin or end with a space"
	By string `json:"by,omitempty"`
}
