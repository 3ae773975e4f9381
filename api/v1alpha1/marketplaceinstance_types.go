package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// Attribute is one named property of what was sold, such as a domain that the buyer entered.
type Attribute struct {
	// name of the attribute.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	Name string `json:"name,omitempty"`

	// value of the attribute, as the buyer or the marketplace wrote it.
	// +optional
	// +kubebuilder:validation:MinLength=0
	// +kubebuilder:validation:MaxLength=2048
	Value *string `json:"value,omitempty"`
}

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

// SoldItem is one product of an order line.
// +kubebuilder:validation:MinProperties=1
type SoldItem struct {
	// productID is the marketplace's product id.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	ProductID string `json:"productID,omitempty"`

	// skuCode is the marketplace's specification code.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	SKUCode string `json:"skuCode,omitempty"`

	// productName is the product's name in the marketplace.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	ProductName string `json:"productName,omitempty"`

	// quantity is the bought quantity of the item's linear attribute.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=9999999
	Quantity *int32 `json:"quantity,omitempty"`
}

// SubscriptionType is whether the buyer tries or has bought.
// +kubebuilder:validation:Enum=Trial;Formal
type SubscriptionType string

const (
	// SubscriptionTrial is a trial.
	SubscriptionTrial SubscriptionType = "Trial"
	// SubscriptionFormal is a paid sale.
	SubscriptionFormal SubscriptionType = "Formal"
)

// ChargingMode is how a sale is charged.
// +kubebuilder:validation:Enum=Period;OneTime;OnDemand;OnDemandPackage
type ChargingMode string

const (
	// ChargingPeriod is charged by the year, month or day, and has an end.
	ChargingPeriod ChargingMode = "Period"
	// ChargingOneTime is charged once.
	ChargingOneTime ChargingMode = "OneTime"
	// ChargingOnDemand is charged by use.
	ChargingOnDemand ChargingMode = "OnDemand"
	// ChargingOnDemandPackage is a package of use, paid in advance.
	ChargingOnDemandPackage ChargingMode = "OnDemandPackage"
)

// ExpirySource is who said when the paid time ends.
// +kubebuilder:validation:Enum=Order;Renewal;Query;Person
type ExpirySource string

const (
	// ExpiryFromOrder is the date of the order: an estimate, since its time zone is not documented.
	ExpiryFromOrder ExpirySource = "Order"
	// ExpiryFromRenewal is the date of a renewal call.
	ExpiryFromRenewal ExpirySource = "Renewal"
	// ExpiryFromQuery is the date that the marketplace told when it was asked about a licence code.
	ExpiryFromQuery ExpirySource = "Query"
	// ExpiryFromPerson is a date that a person has set; only a renewal replaces it.
	ExpiryFromPerson ExpirySource = "Person"
)

// EntitlementState is what the buyer is entitled to.
// +kubebuilder:validation:Enum=Active;Frozen;Released
type EntitlementState string

const (
	// EntitlementActive entitles to use.
	EntitlementActive EntitlementState = "Active"
	// EntitlementFrozen entitles to nothing but the keeping of the data.
	EntitlementFrozen EntitlementState = "Frozen"
	// EntitlementReleased is final for the marketplace; only a person can take it back.
	EntitlementReleased EntitlementState = "Released"
)

// EntitlementReason is why an entitlement is frozen or released.
// +kubebuilder:validation:Enum=Expired;Marketplace;Person
type EntitlementReason string

const (
	// EntitlementExpired says: frozen because the paid time was over. An unfreeze or a renewal to a date ahead lifts it.
	EntitlementExpired EntitlementReason = "Expired"
	// EntitlementByMarketplace says: the marketplace froze or released it for a reason of its own. Only an unfreeze lifts a freeze.
	EntitlementByMarketplace EntitlementReason = "Marketplace"
	// EntitlementByPerson says: a person has set it.
	EntitlementByPerson EntitlementReason = "Person"
)

// Entitlement is what the buyer is entitled to, and since when.
type Entitlement struct {
	// state is what the buyer is entitled to.
	// +required
	State EntitlementState `json:"state,omitempty"`

	// reason is why the state is not Active.
	// +optional
	Reason EntitlementReason `json:"reason,omitempty"`

	// time is the time of the call that set the state, by the marketplace's clock.
	// +optional
	Time metav1.Time `json:"time,omitempty,omitzero"`
}

// AcknowledgementState says whether the marketplace is known to have heard that a sale was stored.
// +kubebuilder:validation:Enum=Awaited;Received
type AcknowledgementState string

const (
	// AcknowledgementAwaited says: the sale was stored, and the marketplace has not called by its id yet.
	AcknowledgementAwaited AcknowledgementState = "Awaited"
	// AcknowledgementReceived says: the marketplace has called by its id, which it can only have from our answer.
	AcknowledgementReceived AcknowledgementState = "Received"
)

// AcknowledgementSource is what showed that the marketplace has heard of a sale.
// +kubebuilder:validation:Enum=Query;Call;Person
type AcknowledgementSource string

const (
	// AcknowledgedByQuery says: the marketplace asked for the instance, as it does after every sale that it knows of.
	AcknowledgedByQuery AcknowledgementSource = "Query"
	// AcknowledgedByCall says: another call named the instance.
	AcknowledgedByCall AcknowledgementSource = "Call"
	// AcknowledgedByPerson says: a person has looked the order up.
	AcknowledgedByPerson AcknowledgementSource = "Person"
)

// Acknowledgement says whether the marketplace is known to have heard that a sale was stored.
type Acknowledgement struct {
	// state is Awaited until the first call that names the instance, and then Received.
	// +required
	State AcknowledgementState `json:"state,omitempty"`

	// by is what showed it.
	// +optional
	By AcknowledgementSource `json:"by,omitempty"`

	// time is the time of the first call that named the instance, by the marketplace's clock.
	// +optional
	Time metav1.Time `json:"time,omitempty,omitzero"`
}

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

// LicenseType is what a buyer uses what was sold with.
// +kubebuilder:validation:Enum=Code
type LicenseType string

// LicenseTypeCode is a code that the marketplace mints and the buyer enters in the seller's software.
const LicenseTypeCode LicenseType = "Code"

// LicenseState is what the marketplace says about a licence code.
// +kubebuilder:validation:Enum=Alive;Expired;Released;Other
type LicenseState string

const (
	// LicenseAlive entitles to use.
	LicenseAlive LicenseState = "Alive"
	// LicenseExpired says that the paid time is over.
	LicenseExpired LicenseState = "Expired"
	// LicenseReleased says that the sale has ended.
	LicenseReleased LicenseState = "Released"
	// LicenseOther is a word that this version does not know. Nothing follows from it.
	LicenseOther LicenseState = "Other"
)

// License is the licence code that a sale is made of. People write its type; the rest are facts that the controller notes.
type License struct {
	// type of the licence. The code itself is the subscription's instanceID.
	// +required
	Type LicenseType `json:"type,omitempty"`

	// activatedAt is when the code was activated at the marketplace.
	// +optional
	ActivatedAt metav1.Time `json:"activatedAt,omitempty,omitzero"`

	// state is what the marketplace said last about the code.
	// +optional
	State LicenseState `json:"state,omitempty"`

	// queriedAt is when the marketplace was last asked about the code and told its state.
	// +optional
	QueriedAt metav1.Time `json:"queriedAt,omitempty,omitzero"`
}

// LicenseRequest is a licence that the buyer has asked for. A repeat has the same id and deviceFingerprint.
type LicenseRequest struct {
	// key names the request in the tenant's ConfigMap and in the Secret that delivers its licence. It is the id where that can
	// be a key, or else made from id and deviceFingerprint.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:Pattern=`^[-_A-Za-z0-9]+$`
	Key string `json:"key,omitempty"`

	// id is the marketplace's number of the request.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	ID string `json:"id,omitempty"`

	// effectiveAt is when the licence has to begin.
	// +optional
	EffectiveAt metav1.Time `json:"effectiveAt,omitempty,omitzero"`

	// expiresAt is when the licence has to end. Not set when the buyer has named no end.
	// +optional
	ExpiresAt metav1.Time `json:"expiresAt,omitempty,omitzero"`

	// deviceFingerprint is what the licence is bound to, as the buyer entered it.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	DeviceFingerprint string `json:"deviceFingerprint,omitempty"`

	// requestedAt is when the marketplace first asked.
	// +required
	RequestedAt metav1.Time `json:"requestedAt,omitempty,omitzero"`

	// deliveredAt is when the licence was delivered to the marketplace. Not set while it is waited for.
	// +optional
	DeliveredAt metav1.Time `json:"deliveredAt,omitempty,omitzero"`

	// digest is the SHA-256 of the licence that was delivered, in hexadecimal digits.
	// +optional
	// +kubebuilder:validation:MinLength=64
	// +kubebuilder:validation:MaxLength=64
	Digest string `json:"digest,omitempty"`
}

// Subscription is what the marketplace has said about a sale. It is written by the webhook server and by the order
// reconciler, and does not belong in Git. A person may correct it.
// +kubebuilder:validation:XValidation:rule="self.marketplace == oldSelf.marketplace && self.instanceID == oldSelf.instanceID",message="marketplace and instanceID name the sale at the marketplace and can't be changed"
// +kubebuilder:validation:XValidation:rule="has(self.license) == has(oldSelf.license)",message="license can't be added or removed: make another instance"
// +kubebuilder:validation:XValidation:rule="has(self.entitlement) || has(self.license)",message="entitlement is required, but for a licence code, whose entitlement the marketplace tells"
type Subscription struct {
	// marketplace is the name of the Marketplace in this namespace that the sale came from.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Marketplace string `json:"marketplace,omitempty"`

	// instanceID is the id that the marketplace has for the instance: the object's name, unless a sale was live before
	// Stallkeeper. Of a licence code it is the code itself, as the buyer got it.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	InstanceID string `json:"instanceID,omitempty"`

	// orderID is the order of the purchase.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	OrderID string `json:"orderID,omitempty"`

	// orderLineID is the line of the purchase.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	OrderLineID string `json:"orderLineID,omitempty"`

	// purchasedAt is when the marketplace first told us of the sale.
	// +optional
	PurchasedAt metav1.Time `json:"purchasedAt,omitempty,omitzero"`

	// items are what is sold, in the marketplace's words.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	Items []SoldItem `json:"items,omitempty"`

	// itemsOrderedAt is the time of the order that items come from; an older order does not replace them.
	// +optional
	ItemsOrderedAt metav1.Time `json:"itemsOrderedAt,omitempty,omitzero"`

	// plan is the plan that items mean, by the product's listings.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Plan string `json:"plan,omitempty"`

	// quantity is the quantity that was sold.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=9999999
	Quantity *int32 `json:"quantity,omitempty"`

	// attributes are properties that the buyer chose or entered.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	Attributes []Attribute `json:"attributes,omitempty"`

	// customerID is the buyer's account id at the marketplace.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=100
	CustomerID string `json:"customerID,omitempty"`

	// customerName is the buyer's account name, where the Marketplace's disclosure allows it.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	CustomerName string `json:"customerName,omitempty"`

	// type says whether the buyer tries or has bought.
	// +optional
	Type SubscriptionType `json:"type,omitempty"`

	// chargingMode is how the sale is charged.
	// +optional
	ChargingMode ChargingMode `json:"chargingMode,omitempty"`

	// startsAt is when the paid time began.
	// +optional
	StartsAt metav1.Time `json:"startsAt,omitempty,omitzero"`

	// expiresAt is when the paid time ends. A sale without it never ends by the clock.
	// +optional
	ExpiresAt metav1.Time `json:"expiresAt,omitempty,omitzero"`

	// expiresAtSource is who said expiresAt.
	// +optional
	ExpiresAtSource ExpirySource `json:"expiresAtSource,omitempty"`

	// entitlement is what the buyer is entitled to. Only a licence code that was just entered has none; it counts as Active,
	// and nothing runs before the code is activated.
	// +optional
	Entitlement Entitlement `json:"entitlement,omitempty,omitzero"`

	// acknowledgement says whether the marketplace is known to have heard that the sale was stored. Not set for sales of which
	// nobody awaits it.
	// +optional
	Acknowledgement Acknowledgement `json:"acknowledgement,omitempty,omitzero"`

	// pendingChange was bought and waits for its date.
	// +optional
	PendingChange PendingChange `json:"pendingChange,omitempty,omitzero"`

	// orders are the calls already applied, oldest first. When full the oldest goes.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=128
	Orders []OrderCall `json:"orders,omitempty"`

	// license makes this the sale of a licence code, which the marketplace mints. A person or the seller's software makes the
	// instance when a buyer enters the code; the controller activates it and asks the marketplace about it every day.
	// +optional
	License License `json:"license,omitempty,omitzero"`

	// licenseRequests are the licences that the buyer has asked for, oldest first, with when they were delivered.
	// +optional
	// +listType=map
	// +listMapKey=key
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=128
	LicenseRequests []LicenseRequest `json:"licenseRequests,omitempty"`
}

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

// InstanceState sums an instance up in one word for people. No code reads it.
// +kubebuilder:validation:Enum=Pending;Provisioning;Running;InGrace;Suspending;Suspended;Released;Removing;Blocked;Paused
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

	// deletionProtection in force. The admission policy reads it.
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
	// expiresAt is when the paid time ends.
	// +optional
	ExpiresAt metav1.Time `json:"expiresAt,omitempty,omitzero"`

	// suspendAt is when the tenant is stopped if nothing else happens.
	// +optional
	SuspendAt metav1.Time `json:"suspendAt,omitempty,omitzero"`

	// deleteAt is when the tenant is deleted with its data if nothing else happens.
	// +optional
	DeleteAt metav1.Time `json:"deleteAt,omitempty,omitzero"`
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

	// since is when it was first seen.
	// +required
	Since metav1.Time `json:"since,omitempty,omitzero"`
}

// MeterUsage is what one meter has counted so far. The records hold it; this is derived from them.
type MeterUsage struct {
	// meter is the meter's name.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=30
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

	// countedUntil is the end of the last interval that is counted.
	// +optional
	CountedUntil metav1.Time `json:"countedUntil,omitempty,omitzero"`

	// pending is the number of records that the marketplace has not accepted yet.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Pending *int32 `json:"pending,omitempty"`
}

// MarketplaceInstanceStatus is what is known about the tenant. If it is erased, the next pass restores it.
// +kubebuilder:validation:MinProperties=1
type MarketplaceInstanceStatus struct {
	// conditions hold Ready, OrderResolved, Acknowledged, Provisioned, Paid, Suspended and Paused; LicenseActivated for a licence
	// code, LicenseDelivered for a sale whose buyer has asked for a licence, and UsageReported and PackageAvailable for a sale
	// that is charged by use.
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

	// limits are the plans to which the tenant can't change at every quantity, because a volume claim can't become smaller. The
	// webhook server reads them when the marketplace asks whether a change is possible.
	// +optional
	// +listType=map
	// +listMapKey=plan
	// +kubebuilder:validation:MinItems=0
	// +kubebuilder:validation:MaxItems=64
	Limits []PlanLimit `json:"limits,omitempty"`

	// namespace is the tenant's namespace.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace,omitempty"`

	// revision is the ControllerRevision that runs.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Revision string `json:"revision,omitempty"`

	// targetRevision is the ControllerRevision that shall run.
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

	// orphans are objects of an earlier revision that hold data and were kept, as Kind/name.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=0
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=400
	Orphans []string `json:"orphans,omitempty"`

	// usage is what the meters have counted so far, for a sale that is charged by use. The marketplace is told it.
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

	// inputsDigest is the digest of everything that the tenant's objects were made from.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	InputsDigest string `json:"inputsDigest,omitempty"`

	// objectsDigest is the digest of the tenant's objects as they were last applied.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	ObjectsDigest string `json:"objectsDigest,omitempty"`
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
