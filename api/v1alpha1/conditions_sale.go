package v1alpha1

// Conditions of a MarketplaceInstance that is a sale.
const (
	// ConditionOrderResolved is True once it is known what was sold.
	ConditionOrderResolved = "OrderResolved"
	// ConditionAcknowledged is True once the marketplace is known to have heard that the sale was stored. Sales of marketplaces
	// that do not come back to ask do not have it.
	ConditionAcknowledged = "Acknowledged"
	// ConditionCorrected is True once spec.correction was applied. Only instances with a correction have it.
	ConditionCorrected = "Corrected"
)

// Reasons of OrderResolved.
const (
	// ReasonOrderResolved surfaces when every order of the sale is known and applied.
	ReasonOrderResolved = "OrderResolved"
	// ReasonNoSale surfaces, on Entitled, on an instance that was made by hand.
	ReasonNoSale = "NoSale"
	// ReasonOrderPending surfaces while the order API has not answered yet, or a call that brings its order was only partially stored.
	ReasonOrderPending = "OrderPending"
	// ReasonCallIncomplete surfaces when the marketplace has not repeated a call that could only be partially stored.
	ReasonCallIncomplete = "CallIncomplete"
	// ReasonOrderNotFound surfaces when the order API does not know the order ten minutes after the purchase.
	ReasonOrderNotFound = "OrderNotFound"
	// ReasonOrderAPIUnavailable surfaces while the order API is slow, down or answers nonsense; it is asked again.
	ReasonOrderAPIUnavailable = "OrderAPIUnavailable"
	// ReasonOrderAPIRefused surfaces when the order API does not accept the credentials, or the order is another seller's.
	ReasonOrderAPIRefused = "OrderAPIRefused"
	// ReasonOrderInvalid surfaces when the order API's answer about an order can't be used.
	ReasonOrderInvalid = "OrderInvalid"
	// ReasonCredentialsMissing surfaces when the Secret with ak and sk is missing or incomplete.
	ReasonCredentialsMissing = "CredentialsMissing"
	// ReasonMarketplaceNotFound surfaces when the instance's Marketplace does not exist.
	ReasonMarketplaceNotFound = "MarketplaceNotFound"
	// ReasonUnknownSKU surfaces when no product lists what was sold.
	ReasonUnknownSKU = "UnknownSKU"
	// ReasonAmbiguousSKU surfaces when more than one product or plan lists what was sold.
	ReasonAmbiguousSKU = "AmbiguousSKU"
	// ReasonUnexpectedOrderType surfaces when an order is not of a type that its call can have.
	ReasonUnexpectedOrderType = "UnexpectedOrderType"
	// ReasonProductChanged surfaces when an order means another product than the instance has, and in Provisioned when the
	// product has lost the template that the instance's tenant was made from.
	ReasonProductChanged = "ProductChanged"
	// ReasonPackageConsumerUnclear surfaces when it is not clear which instance uses a package that has no tenant of its own; also in
	// Provisioned and UsageReported, when that instance is gone or can't be the one.
	ReasonPackageConsumerUnclear = "PackageConsumerUnclear"
	// ReasonWaitingForActivation surfaces while a license code is not activated; only then the marketplace says what was sold.
	ReasonWaitingForActivation = "WaitingForActivation"
	// ReasonLicenseOrderUnknown surfaces when the marketplace did not say which order an activated license code belongs to.
	ReasonLicenseOrderUnknown = "LicenseOrderUnknown"
)

// Reasons of Acknowledged.
const (
	// ReasonAcknowledged surfaces when the marketplace has called by the instance's id, or a person says that it knows of it.
	ReasonAcknowledged = "Acknowledged"
	// ReasonAwaitingAcknowledgement surfaces in the first hours after a sale.
	ReasonAwaitingAcknowledgement = "AwaitingAcknowledgement"
	// ReasonAcknowledgementOverdue surfaces on a license sale that the marketplace has not called for in hours: it is not stopped,
	// because the marketplace does not call for it before its buyer asks for a license.
	ReasonAcknowledgementOverdue = "AcknowledgementOverdue"
	// ReasonNotAcknowledged surfaces, on Suspended and Ready too, when the marketplace has not called for hours, which it does
	// after each sale that it knows of: the order was most likely canceled. The tenant is stopped and the data are kept.
	ReasonNotAcknowledged = "NotAcknowledged"
)

// Reasons of Corrected.
const (
	// ReasonCorrectionApplied surfaces once the correction stands in spec.subscription.calls.
	ReasonCorrectionApplied = "CorrectionApplied"
	// ReasonCorrectionPending surfaces until then.
	ReasonCorrectionPending = "CorrectionPending"
	// ReasonCorrectionRefused surfaces when the correction can't be what it says, such as a package of another buyer; nothing of it
	// was applied.
	ReasonCorrectionRefused = "CorrectionRefused"
)
