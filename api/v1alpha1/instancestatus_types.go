package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// InstanceState sums an instance up in one word for people: Pending, Provisioning, Running, InGrace, Suspending, Suspended,
// Released, Removing, Blocked or Paused; later versions may have more. No code decides by it.
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=64
type InstanceState string

const (
	// StatePending says that the order is not known yet.
	StatePending InstanceState = "Pending"
	// StateProvisioning is on the way to run.
	StateProvisioning InstanceState = "Provisioning"
	// StateRunning is usable.
	StateRunning InstanceState = "Running"
	// StateInGrace is usable, but no longer paid.
	StateInGrace InstanceState = "InGrace"
	// StateSuspending is on the way to be stopped.
	StateSuspending InstanceState = "Suspending"
	// StateSuspended is stopped; the data are kept.
	StateSuspended InstanceState = "Suspended"
	// StateReleased is ended by the marketplace, and removed.
	StateReleased InstanceState = "Released"
	// StateRemoving is being deleted with its data.
	StateRemoving InstanceState = "Removing"
	// StateBlocked needs a person; see blockers and conditions.
	StateBlocked InstanceState = "Blocked"
	// StatePaused is left alone because reconciliation is paused.
	StatePaused InstanceState = "Paused"
)

// EffectiveSubscription is what runs.
// +kubebuilder:validation:MinProperties=1
type EffectiveSubscription struct {
	// plan that runs.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Plan string `json:"plan,omitempty"`

	// quantity that runs.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=9999999
	Quantity *int32 `json:"quantity,omitempty"`

	// attributes that run.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=0
	// +kubebuilder:validation:MaxItems=64
	Attributes []Attribute `json:"attributes,omitempty"`

	// deletionProtection in force. The chart's admission policy reads it when a person deletes the instance.
	// +optional
	DeletionProtection DeletionProtection `json:"deletionProtection,omitempty"`

	// differences say where a person's overrides differ from what was sold, such as "quantity: sold 2, runs 5".
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=0
	// +kubebuilder:validation:MaxItems=80
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=512
	Differences []string `json:"differences,omitempty"`
}

// Timetable is what will happen by itself, and when.
// +kubebuilder:validation:MinProperties=1
type Timetable struct {
	// expiryTime is when the paid time ends.
	// +optional
	ExpiryTime metav1.Time `json:"expiryTime,omitempty,omitzero"`

	// suspensionTime is when the tenant is stopped if nothing else happens.
	// +optional
	SuspensionTime metav1.Time `json:"suspensionTime,omitempty,omitzero"`

	// deletionTime is when the tenant is deleted with its data if nothing else happens.
	// +optional
	DeletionTime metav1.Time `json:"deletionTime,omitempty,omitzero"`
}

// InstanceAccess is what the buyer is told, but for the secrets.
// +kubebuilder:validation:MinProperties=1
type InstanceAccess struct {
	// frontEndURL is the address that the buyer opens.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	FrontEndURL string `json:"frontEndURL,omitempty"`

	// adminURL is the administration's address.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	AdminURL string `json:"adminURL,omitempty"`

	// memo is free text for the buyer.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Memo string `json:"memo,omitempty"`

	// credentialsSecretRef names the Secret in this namespace with userName and password, the initial credentials.
	// +optional
	CredentialsSecretRef SecretReference `json:"credentialsSecretRef,omitempty,omitzero"`
}

// PlanLimit is the smallest quantity of a plan to which the tenant can change.
type PlanLimit struct {
	// plan is the plan's name.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Plan string `json:"plan,omitempty"`

	// minimumQuantity is the smallest quantity at which every volume claim is at least as large as now. Of larger quantities
	// than the tenant has nothing is known.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=10000000
	MinimumQuantity int32 `json:"minimumQuantity,omitempty"`

	// claim is one that would be smaller, as Kind/name.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=400
	Claim string `json:"claim,omitempty"`
}

// Blocker is one reason why the tenant is not where it should be.
type Blocker struct {
	// object that is in the way, as Kind/name.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=400
	Object string `json:"object,omitempty"`

	// reason in one word.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	Reason string `json:"reason,omitempty"`

	// message says what is the matter.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`

	// remedy says what to do.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	Remedy string `json:"remedy,omitempty"`

	// firstSeenTime is when it was first seen.
	// +required
	FirstSeenTime metav1.Time `json:"firstSeenTime,omitempty,omitzero"`
}

// MeterUsage is what one meter has counted so far. The records hold it; this is derived from them.
type MeterUsage struct {
	// meter is the meter's name.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Meter string `json:"meter,omitempty"`

	// unit that the amounts are in.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	Unit string `json:"unit,omitempty"`

	// total is all that was used since the meter was first read.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=20
	Total string `json:"total,omitempty"`

	// packageUsed is what was used of the present package, and packageSize what it holds, for a sale that is one.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=20
	PackageUsed string `json:"packageUsed,omitempty"`

	// packageSize is what the present package holds.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=20
	PackageSize string `json:"packageSize,omitempty"`

	// relatedInstanceID is the marketplace's id of the instance that uses the package, where that is another one.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	RelatedInstanceID string `json:"relatedInstanceID,omitempty"`

	// countedUntilTime is the end of the last interval that is counted.
	// +optional
	CountedUntilTime metav1.Time `json:"countedUntilTime,omitempty,omitzero"`

	// pendingRecords is the number of records that the marketplace has not accepted yet.
	// +optional
	// +kubebuilder:validation:Minimum=0
	PendingRecords *int32 `json:"pendingRecords,omitempty"`
}

// MarketplaceInstanceStatus is what is known about the tenant. If it is erased, the next pass restores it.
// +kubebuilder:validation:MinProperties=1
type MarketplaceInstanceStatus struct {
	// conditions hold Ready, Provisioned, Entitled and Suspended, and of the others those that apply: OrderResolved and
	// Acknowledged for a sale, Licensed for a license code and for a sale whose buyer has asked for a license, UsageReported and
	// PackageAvailable for a sale that is billed by usage, DirectorySynced where the marketplace has told of users, Corrected with
	// spec.correction, Paused while reconciliation is paused, and Stalled while action is required. True is good, but for
	// Suspended, Paused and Stalled, which say that something is so.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MinItems=0
	// +kubebuilder:validation:MaxItems=32
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// state sums the conditions up in one word for people. No code decides by it.
	// +optional
	State InstanceState `json:"state,omitempty"`

	// observedGeneration is the generation that the conditions speak of.
	// +optional
	// +kubebuilder:validation:Minimum=0
	ObservedGeneration *int64 `json:"observedGeneration,omitempty"`

	// effective is what runs.
	// +optional
	Effective EffectiveSubscription `json:"effective,omitempty,omitzero"`

	// timetable is what will happen by itself, and when.
	// +optional
	Timetable Timetable `json:"timetable,omitempty,omitzero"`

	// access is what the buyer is told, but for the secrets.
	// +optional
	Access InstanceAccess `json:"access,omitempty,omitzero"`

	// planLimits are the plans to which the tenant can't change at every quantity, because a volume claim can't become smaller. The
	// webhook server reads them when the marketplace asks whether a change is possible.
	// +optional
	// +listType=map
	// +listMapKey=plan
	// +kubebuilder:validation:MinItems=0
	// +kubebuilder:validation:MaxItems=64
	PlanLimits []PlanLimit `json:"planLimits,omitempty"`

	// namespace is the tenant's namespace.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace,omitempty"`

	// revision is the MarketplaceRevision that runs.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Revision string `json:"revision,omitempty"`

	// targetRevision is the MarketplaceRevision that shall run.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	TargetRevision string `json:"targetRevision,omitempty"`

	// blockers are why the tenant is not where it should be.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=0
	// +kubebuilder:validation:MaxItems=16
	Blockers []Blocker `json:"blockers,omitempty"`

	// blockersTotal is the number of blockers, where there are more than blockers has room for.
	// +optional
	// +kubebuilder:validation:Minimum=0
	BlockersTotal *int32 `json:"blockersTotal,omitempty"`

	// keptObjects are objects of an earlier revision that hold data and were kept, as Kind/name.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=0
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=400
	KeptObjects []string `json:"keptObjects,omitempty"`

	// usage is what the meters have counted so far, for a sale that is billed by usage. The marketplace is told it.
	// +optional
	// +listType=map
	// +listMapKey=meter
	// +kubebuilder:validation:MinItems=0
	// +kubebuilder:validation:MaxItems=8
	Usage []MeterUsage `json:"usage,omitempty"`

	// enterprises are digests of the ids of the enterprises whose users the directory holds. Users whom the marketplace sends are led to
	// the instance by them; who may come in is asked of the directory itself.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=0
	// +kubebuilder:validation:MaxItems=256
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=64
	Enterprises []string `json:"enterprises,omitempty"`
}
