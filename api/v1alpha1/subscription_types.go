package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

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

// SoldItem is one product of an order line.
// +kubebuilder:validation:MinProperties=1
type SoldItem struct {
	// productID is the marketplace's product id.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	ProductID string `json:"productID,omitempty"`

	// sku is the marketplace's specification code.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	SKU string `json:"sku,omitempty"`

	// productName is the product's name in the marketplace.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	ProductName string `json:"productName,omitempty"`

	// quantity is the bought quantity of the item's linear attribute. 0 says that nothing of it is counted.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=9999999
	Quantity *int32 `json:"quantity,omitempty"`
}

// SubscriptionType is whether the buyer tries or has bought.
// +kubebuilder:validation:Enum=Trial;Paid
type SubscriptionType string

const (
	// SubscriptionTrial is a trial.
	SubscriptionTrial SubscriptionType = "Trial"
	// SubscriptionPaid is a paid sale.
	SubscriptionPaid SubscriptionType = "Paid"
)

// ChargingMode is how a sale is charged.
// +kubebuilder:validation:Enum=Prepaid;OneTime;Metered;MeteredPackage
type ChargingMode string

const (
	// ChargingPrepaid is charged by the year, month or day, and has an end.
	ChargingPrepaid ChargingMode = "Prepaid"
	// ChargingOneTime is charged once.
	ChargingOneTime ChargingMode = "OneTime"
	// ChargingMetered is billed by usage.
	ChargingMetered ChargingMode = "Metered"
	// ChargingMeteredPackage is a package of use, paid in advance.
	ChargingMeteredPackage ChargingMode = "MeteredPackage"
)

// ExpirySource is who said when the paid time ends: Order, Renewal, Query or Person; later versions may have more.
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=64
type ExpirySource string

const (
	// ExpiryFromOrder is the date of the order: an estimate, since its time zone is not documented.
	ExpiryFromOrder ExpirySource = "Order"
	// ExpiryFromRenewal is the date of a renewal call.
	ExpiryFromRenewal ExpirySource = "Renewal"
	// ExpiryFromQuery is the date that the marketplace told when it was asked about a license code.
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

// EntitlementReason is why an entitlement is frozen or released: Expired, Marketplace or Person; later versions may have more.
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=64
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
// +kubebuilder:validation:XValidation:rule="(self.state == 'Active') != has(self.reason) || (oldSelf.hasValue() && (oldSelf.value().state == 'Active') == has(oldSelf.value().reason))",optionalOldSelf=true,message="an entitlement that is Frozen or Released needs a reason, and one that is Active has none",fieldPath=".reason",reason=FieldValueInvalid
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

// AcknowledgementSource is what showed that the marketplace has heard of a sale: Query, Call or Person; later versions may have
// more.
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=64
type AcknowledgementSource string

const (
	// AcknowledgedByQuery says: the marketplace asked for the instance, which it does after every sale that it knows of.
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

// Subscription is what the marketplace has said about a sale, and does not belong in Git. The webhook server and the controller
// write it. A person writes it once, to bring a sale from before Stallkeeper or to enter a license code; an admission policy
// refuses it later, and spec.correction and spec.lifecycle are there instead.
// +kubebuilder:validation:XValidation:rule="self.marketplace == oldSelf.marketplace && self.instanceID == oldSelf.instanceID",message="marketplace and instanceID name the sale at the marketplace and can't be changed",reason=FieldValueForbidden
// +kubebuilder:validation:XValidation:rule="has(self.license) == has(oldSelf.license)",message="license can't be added or removed: make another instance",fieldPath=".license",reason=FieldValueForbidden
// +kubebuilder:validation:XValidation:rule="has(self.entitlement) || has(self.license) || (oldSelf.hasValue() && !has(oldSelf.value().entitlement))",optionalOldSelf=true,message="entitlement is required, but for a license code, whose entitlement the marketplace tells",fieldPath=".entitlement",reason=FieldValueRequired
// +kubebuilder:validation:XValidation:rule="!has(self.expirySource) || has(self.expiryTime) || (oldSelf.hasValue() && has(oldSelf.value().expirySource) && !has(oldSelf.value().expiryTime))",optionalOldSelf=true,message="expirySource says who set expiryTime, which is missing: a sale without it never ends",fieldPath=".expirySource",reason=FieldValueForbidden
// +kubebuilder:validation:XValidation:rule="!has(self.startTime) || !has(self.expiryTime) || self.startTime <= self.expiryTime || oldSelf.hasValue()",optionalOldSelf=true,message="expiryTime must not be before startTime",fieldPath=".expiryTime",reason=FieldValueInvalid
// +kubebuilder:validation:XValidation:rule="has(self.packageConsumerRef) == has(oldSelf.packageConsumerRef) || (has(self.packageConsumerRef) && !has(oldSelf.items))",message="packageConsumerRef can't be added or removed once the order was read: the package would lose its tenant or its use; name another instance, or make another package",fieldPath=".packageConsumerRef",reason=FieldValueForbidden
type Subscription struct {
	// marketplace is the name of the Marketplace in this namespace that the sale came from.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="!format.dns1123Subdomain().validate(self).hasValue()",message="marketplace must be the name of a Marketplace in this namespace: lower-case letters, digits, dashes and dots"
	Marketplace string `json:"marketplace,omitempty"`

	// instanceID is the id that the marketplace has for the instance: the object's name, unless a sale was live before
	// Stallkeeper or the marketplace chooses its ids. Of a license code it is the code itself, as the buyer got it.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	InstanceID string `json:"instanceID,omitempty"`

	// orderID is the order of the purchase.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	OrderID string `json:"orderID,omitempty"`

	// orderLineID is the line of the purchase.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	OrderLineID string `json:"orderLineID,omitempty"`

	// purchaseTime is when the marketplace first told us of the sale.
	// +optional
	PurchaseTime metav1.Time `json:"purchaseTime,omitempty,omitzero"`

	// items are what is sold, in the marketplace's words.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	Items []SoldItem `json:"items,omitempty"`

	// itemsOrderTime is the time of the order that items come from; an older order does not replace them.
	// +optional
	ItemsOrderTime metav1.Time `json:"itemsOrderTime,omitempty,omitzero"`

	// plan is the plan that items mean, by the product's listings.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Plan string `json:"plan,omitempty"`

	// quantity is the quantity that was sold. 0, or nothing, says that the marketplace counts none: one is what runs.
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
	// +kubebuilder:validation:MaxLength=256
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

	// packageConsumerRef names the instance that is billed by usage and uses this package, which then has no tenant of its own. It is
	// found by buyer and product when the order of a plan with package.consumer: MeteredInstance is read; where not exactly one
	// instance fits, a person names it by a correction.
	// +optional
	PackageConsumerRef InstanceReference `json:"packageConsumerRef,omitempty,omitzero"`

	// startTime is when the paid time began.
	// +optional
	StartTime metav1.Time `json:"startTime,omitempty,omitzero"`

	// expiryTime is when the paid time ends. A sale without it never ends by the clock.
	// +optional
	ExpiryTime metav1.Time `json:"expiryTime,omitempty,omitzero"`

	// expirySource is who said expiryTime.
	// +optional
	ExpirySource ExpirySource `json:"expirySource,omitempty"`

	// entitlement is what the buyer is entitled to. Only a license code that was just entered has none; it counts as Active,
	// and nothing runs before the code is activated.
	// +optional
	Entitlement Entitlement `json:"entitlement,omitempty,omitzero"`

	// acknowledgement says whether the marketplace is known to have heard that the sale was stored. Not set for sales of marketplaces
	// that do not come back to ask.
	// +optional
	Acknowledgement Acknowledgement `json:"acknowledgement,omitempty,omitzero"`

	// pendingChange was bought and waits for its date.
	// +optional
	PendingChange PendingChange `json:"pendingChange,omitempty,omitzero"`

	// calls are the calls already applied, and the corrections, oldest first. When full the oldest goes.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=128
	Calls []Call `json:"calls,omitempty"`

	// license makes this the sale of a license code, which the marketplace mints. A person or the seller's software makes the
	// instance when a buyer enters the code; the controller activates it and asks the marketplace about it every day.
	// +optional
	License License `json:"license,omitempty,omitzero"`

	// licenseRequests are the licenses that the buyer has asked for, oldest first, with when they were delivered.
	// +optional
	// +listType=map
	// +listMapKey=key
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	LicenseRequests []LicenseRequest `json:"licenseRequests,omitempty"`
}
