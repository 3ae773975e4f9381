package v1alpha1

// ConditionReady is True while the object does what it is for: an instance is usable as sold, a product can be run, a
// connection can be called.
const ConditionReady = "Ready"

// Conditions of a MarketplaceInstance. All are set on every pass. Status True means usable as sold, Unknown on the way,
// and False stays so until a fact changes or somebody acts.
const (
	// ConditionOrderResolved is True once it is known what was sold. The order reconciler sets it.
	ConditionOrderResolved = "OrderResolved"
	// ConditionAcknowledged is True once the marketplace is known to have heard that the sale was stored, or nobody awaits it.
	ConditionAcknowledged = "Acknowledged"
	// ConditionProvisioned is True when the tenant's objects are in place and healthy, suspended or not.
	ConditionProvisioned = "Provisioned"
	// ConditionPaid is True while the buyer is entitled to use the tenant.
	ConditionPaid = "Paid"
	// ConditionSuspended is True when the tenant is stopped. Its data are kept.
	ConditionSuspended = "Suspended"
	// ConditionUsageReported is True while all that was used is, or is about to be, known to the marketplace. Only sales that are
	// charged by use have it; the usage reconciler sets it.
	ConditionUsageReported = "UsageReported"
	// ConditionPackageAvailable is True while something is left of a package of use. Only such sales have it.
	ConditionPackageAvailable = "PackageAvailable"
	// ConditionPaused is True while a person has told the controller to leave the tenant alone.
	ConditionPaused = "Paused"
	// ConditionDirectorySynced is True while the tenant has all that the marketplace has said of the buyer's sign-on, users and
	// departments. Only instances of which something was said have it.
	ConditionDirectorySynced = "DirectorySynced"
	// ConditionDirectoryForwarded is True while the tenant's endpoint has taken all of it too. Only instances with a directory
	// whose product forwards it have it.
	ConditionDirectoryForwarded = "DirectoryForwarded"
)

// Reasons of DirectorySynced.
const (
	// ReasonDirectoryDelivered surfaces when the tenant has everything.
	ReasonDirectoryDelivered = "Delivered"
	// ReasonDirectoryPending surfaces while something is stored and the tenant can't have it yet: it does not exist, or is
	// paused.
	ReasonDirectoryPending = "Pending"
	// ReasonDirectoryFailed surfaces while reading or writing failed in a way that passes; it is tried again.
	ReasonDirectoryFailed = "Failed"
	// ReasonDirectoryRefused surfaces when the API server refuses the directory's Secrets in the tenant's namespace.
	ReasonDirectoryRefused = "Refused"
	// ReasonDirectoryUnreadable surfaces when a Secret with a call or with a part of the directory can't be read.
	ReasonDirectoryUnreadable = "Unreadable"
	// ReasonDirectoryFull surfaces when there is no room for more users or departments; later calls wait.
	ReasonDirectoryFull = "Full"
)

// Reasons of DirectoryForwarded.
const (
	// ReasonForwarded surfaces when the endpoint has taken everything.
	ReasonForwarded = "Forwarded"
	// ReasonForwarding surfaces while changes are on their way.
	ReasonForwarding = "Forwarding"
	// ReasonForwardPending surfaces while the tenant can't take anything: it does not exist, is suspended or is paused.
	ReasonForwardPending = "Pending"
	// ReasonForwardFailed surfaces when the endpoint can't be reached, or answers anything but success; it is tried again.
	ReasonForwardFailed = "ForwardFailed"
)

// Conditions of a MarketplaceInstance that only sales of licences have. The license reconciler sets them.
const (
	// ConditionLicenseActivated is True once a licence code is activated at the marketplace and as long as it may be used.
	ConditionLicenseActivated = "LicenseActivated"
	// ConditionLicenseDelivered is True when every licence that the buyer has asked for was delivered.
	ConditionLicenseDelivered = "LicenseDelivered"
)

// Reasons of LicenseActivated.
const (
	// ReasonLicenseActivated surfaces when the code is activated.
	ReasonLicenseActivated = "LicenseActivated"
	// ReasonLicenseNotCollected surfaces while the buyer has not collected the code in their console.
	ReasonLicenseNotCollected = "LicenseNotCollected"
	// ReasonLicenseUnknown surfaces when the marketplace does not know the code.
	ReasonLicenseUnknown = "LicenseUnknown"
	// ReasonLicenseDuplicate surfaces when another instance has the same code.
	ReasonLicenseDuplicate = "LicenseDuplicate"
	// ReasonLicenseRefused surfaces when the marketplace refuses the code, or the licence that was uploaded.
	ReasonLicenseRefused = "LicenseRefused"
	// ReasonLicenseEnded surfaces when the marketplace said, when it was asked, that the code was released, and no call had come.
	ReasonLicenseEnded = "LicenseEnded"
	// ReasonLicenseExpired surfaces when the marketplace says that the code has expired.
	ReasonLicenseExpired = "LicenseExpired"
	// ReasonLicenseStateUnknown surfaces when the marketplace says something about the code that this version does not know.
	ReasonLicenseStateUnknown = "LicenseStateUnknown"
	// ReasonLicenseAPIUnavailable surfaces while the licence API is slow, down or answers nonsense; it is asked again.
	ReasonLicenseAPIUnavailable = "LicenseAPIUnavailable"
	// ReasonLicenseAPIRefused surfaces when the licence API does not accept the credentials.
	ReasonLicenseAPIRefused = "LicenseAPIRefused"
	// ReasonLicenseUnsupported surfaces when the marketplace's protocol has no licences.
	ReasonLicenseUnsupported = "LicenseUnsupported"
)

// Reasons of LicenseDelivered.
const (
	// ReasonLicenseDelivered surfaces when every licence was delivered.
	ReasonLicenseDelivered = "LicenseDelivered"
	// ReasonLicenseAwaited surfaces while a licence is waited for from the workload, a person or a job.
	ReasonLicenseAwaited = "LicenseAwaited"
	// ReasonLicenseHeld surfaces while licences are not delivered because the buyer is not entitled to use what was sold.
	ReasonLicenseHeld = "LicenseHeld"
	// ReasonLicenseInvalid surfaces when a licence that was given can't be delivered: it is empty or too large.
	ReasonLicenseInvalid = "LicenseInvalid"
)

// Reasons of OrderResolved.
const (
	// ReasonOrderResolved surfaces when every order of the sale is known and applied.
	ReasonOrderResolved = "OrderResolved"
	// ReasonNoSale surfaces on an instance that was made by hand.
	ReasonNoSale = "NoSale"
	// ReasonOrderPending surfaces while the order API has not answered yet, or a call that brings its order was stored by half.
	ReasonOrderPending = "OrderPending"
	// ReasonCallIncomplete surfaces when the marketplace has not repeated a call that could only be stored by half.
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
	// ReasonPackageUserUnclear surfaces when it is not clear which instance uses a package that has no tenant of its own; also in
	// Provisioned and UsageReported, when that instance is gone or can't be the one.
	ReasonPackageUserUnclear = "PackageUserUnclear"
	// ReasonWaitingForActivation surfaces while a licence code is not activated; only then the marketplace says what was sold.
	ReasonWaitingForActivation = "WaitingForActivation"
	// ReasonLicenseOrderUnknown surfaces when the marketplace did not say which order an activated licence code belongs to.
	ReasonLicenseOrderUnknown = "LicenseOrderUnknown"
)

// Reasons of Acknowledged.
const (
	// ReasonAcknowledged surfaces when the marketplace has called by the instance's id, or a person says that it knows of it.
	ReasonAcknowledged = "Acknowledged"
	// ReasonNotAwaited surfaces on sales of which nobody awaits it: those of marketplaces that do not come back to ask, and
	// those of earlier versions.
	ReasonNotAwaited = "NotAwaited"
	// ReasonAwaitingAcknowledgement surfaces in the first hours after a sale.
	ReasonAwaitingAcknowledgement = "AwaitingAcknowledgement"
	// ReasonAcknowledgementOverdue surfaces on a licence sale that the marketplace has not called for in hours: it is not stopped,
	// because nobody calls for it before its buyer asks for a licence.
	ReasonAcknowledgementOverdue = "AcknowledgementOverdue"
	// ReasonNotAcknowledged surfaces, on Suspended and Ready too, when the marketplace has not called for hours, as it does after
	// a sale that it knows of: the order was most likely cancelled. The tenant is stopped and the data are kept.
	ReasonNotAcknowledged = "NotAcknowledged"
)

// Reasons of Provisioned, and of Ready where it follows from it.
const (
	// ReasonProvisioned surfaces when the tenant's objects are in place and healthy.
	ReasonProvisioned = "Provisioned"
	// ReasonProgressing surfaces while the tenant's objects become healthy.
	ReasonProgressing = "Progressing"
	// ReasonWaitingForOrder surfaces while it is not known what was sold.
	ReasonWaitingForOrder = "WaitingForOrder"
	// ReasonProductNotFound surfaces when the product does not exist.
	ReasonProductNotFound = "ProductNotFound"
	// ReasonProductNotReady surfaces when the product has no revision that could run.
	ReasonProductNotReady = "ProductNotReady"
	// ReasonRevisionNotFound surfaces when the revision that the tenant is pinned to is gone.
	ReasonRevisionNotFound = "RevisionNotFound"
	// ReasonPlanNotFound surfaces when the product's revision has no such plan.
	ReasonPlanNotFound = "PlanNotFound"
	// ReasonRenderFailed surfaces when the template fails with this instance's values.
	ReasonRenderFailed = "RenderFailed"
	// ReasonNotPermitted surfaces when the template asks for what the operator may not make.
	ReasonNotPermitted = "NotPermitted"
	// ReasonNamespaceConflict surfaces when the tenant's namespace exists and belongs to somebody else.
	ReasonNamespaceConflict = "NamespaceConflict"
	// ReasonApplyFailed surfaces when the API server refuses an object.
	ReasonApplyFailed = "ApplyFailed"
	// ReasonUnhealthy surfaces when an object has failed, or is not healthy after a while; see blockers.
	ReasonUnhealthy = "Unhealthy"
	// ReasonCannotSuspend surfaces when a kind has no known way to be stopped without loss.
	ReasonCannotSuspend = "CannotSuspend"
	// ReasonAccessSecretLost surfaces when the Secret with a running tenant's seed and credentials is gone.
	ReasonAccessSecretLost = "AccessSecretLost"
	// ReasonRemoved surfaces when the tenant is gone because the sale has ended.
	ReasonRemoved = "Removed"
	// ReasonRemoving surfaces while the tenant is being deleted.
	// ReasonRemovalHeld surfaces when a tenant was to be deleted, and what was read live, or the clock of the API server, says otherwise.
	ReasonRemovalHeld = "RemovalHeld"
	ReasonRemoving = "Removing"
)

// Reasons of Paid and Suspended, and of Ready where it follows from them.
const (
	// ReasonPaid surfaces while the paid time lasts.
	ReasonPaid = "Paid"
	// ReasonNoExpiry surfaces when the sale has no end.
	ReasonNoExpiry = "NoExpiry"
	// ReasonInGrace surfaces when the paid time is over and its grace is not.
	ReasonInGrace = "InGrace"
	// ReasonPaymentOverdue surfaces when the paid time and its grace are over; the data are kept.
	ReasonPaymentOverdue = "PaymentOverdue"
	// ReasonExpired surfaces when the marketplace froze the sale because its paid time was over.
	ReasonExpired = "Expired"
	// ReasonFrozen surfaces when the marketplace froze the sale for a reason of its own.
	ReasonFrozen = "Frozen"
	// ReasonReleased surfaces when the marketplace has ended the sale.
	ReasonReleased = "Released"
	// ReasonRetentionEnded surfaces when nobody paid until the end of the retention, and the product says to delete then.
	ReasonRetentionEnded = "RetentionEnded"
	// ReasonRequested surfaces when a person has asked for the suspension.
	ReasonRequested = "Requested"
	// ReasonRunning surfaces when the tenant is not suspended.
	ReasonRunning = "Running"
	// ReasonSuspending surfaces while a tenant is being stopped.
	ReasonSuspending = "Suspending"
	// ReasonReady surfaces when a tenant is usable as sold.
	ReasonReady = "Ready"
)

// Reasons of Paused.
const (
	// ReasonReconciliationPaused surfaces when spec.reconciliation is Paused.
	ReasonReconciliationPaused = "ReconciliationPaused"
	// ReasonReconciliationActive surfaces otherwise.
	ReasonReconciliationActive = "ReconciliationActive"
)

// Reasons of Ready of a MarketplaceProduct.
const (
	// ReasonProductReady surfaces when every plan renders, is within the permissions, and its pods pass the level.
	ReasonProductReady = "Ready"
	// ReasonChartNotFound surfaces when the chart does not exist where the product says.
	ReasonChartNotFound = "ChartNotFound"
	// ReasonChartUnavailable surfaces while the registry can't be reached or refuses the credentials.
	ReasonChartUnavailable = "ChartUnavailable"
	// ReasonChartTooLarge surfaces when the chart has more than 1 MiB.
	ReasonChartTooLarge = "ChartTooLarge"
	// ReasonInvalidTemplate surfaces when the chart or the inline template can't be read.
	ReasonInvalidTemplate = "InvalidTemplate"
	// ReasonUnsupported surfaces when the template has a hook for an event that Helm does not know, or a crds folder.
	ReasonUnsupported = "Unsupported"
	// ReasonPodSecurity surfaces when a plan's pods would not be let in.
	ReasonPodSecurity = "PodSecurity"
)

// Reasons of Ready of a Marketplace.
const (
	// ReasonConnectionReady surfaces when every key that is needed can be read.
	ReasonConnectionReady = "Ready"
	// ReasonCallbackSecretNotFound surfaces when the Secret of the callbacks' keys does not exist.
	ReasonCallbackSecretNotFound = "CallbackSecretNotFound"
	// ReasonCallbackKeyMissing surfaces when a key of the callbacks is missing or unreadable.
	ReasonCallbackKeyMissing = "CallbackKeyMissing"
	// ReasonOpenAPICredentialsMissing surfaces when the Secret with ak and sk is missing or incomplete.
	ReasonOpenAPICredentialsMissing = "OpenAPICredentialsMissing"
	// ReasonClockSkew surfaces when well-signed calls are refused only for their time.
	ReasonClockSkew = "ClockSkew"
)

// ConditionCallsArrive of a Marketplace is False while it has notified us of an order whose call did not come.
const ConditionCallsArrive = "CallsArrive"

// Reasons of CallsArrive.
const (
	// ReasonCallsArrive surfaces when no call is known to be missing.
	ReasonCallsArrive = "CallsArrive"
	// ReasonCallMissing surfaces when an order was notified a while ago and no call has named it.
	ReasonCallMissing = "CallMissing"
)

// ConditionPushed is True when the marketplace has accepted a UsageRecord.
const ConditionPushed = "Pushed"

// Reasons of UsageReported.
const (
	// ReasonUsageReported surfaces while everything that was used is reported or about to be.
	ReasonUsageReported = "UsageReported"
	// ReasonNoMeters surfaces when a sale is charged by use and its plan has no meter.
	ReasonNoMeters = "NoMeters"
	// ReasonSeveralMeteredItems surfaces when it is not known under which id the marketplace wants usage: the sale has more than
	// one item or more than one meter that is pushed. Nothing is pushed by guess.
	ReasonSeveralMeteredItems = "SeveralMeteredItems"
	// ReasonProductIDUnknown surfaces when a meter is pushed by the old interface and the marketplace has told no product id.
	ReasonProductIDUnknown = "ProductIDUnknown"
	// ReasonMeterInvalid surfaces when a meter's question can't be asked as it stands.
	ReasonMeterInvalid = "MeterInvalid"
	// ReasonSourceUnavailable surfaces while a meter's source does not answer; it is asked again.
	ReasonSourceUnavailable = "SourceUnavailable"
	// ReasonUsageLost surfaces when nobody knows any more what was used in some interval.
	ReasonUsageLost = "UsageLost"
	// ReasonUsageRefused surfaces when a record is refused.
	ReasonUsageRefused = "UsageRefused"
	// ReasonUsageUncertain surfaces when nobody knows whether a record has reached the marketplace.
	ReasonUsageUncertain = "UsageUncertain"
	// ReasonUsageLate surfaces when usage is not reported within the time that the marketplace asks for.
	ReasonUsageLate = "UsageLate"
)

// Reasons of PackageAvailable.
const (
	// ReasonPackageAvailable surfaces while a package lasts.
	ReasonPackageAvailable = "PackageAvailable"
	// ReasonPackageLow surfaces when more of a package is used than the plan warns at.
	ReasonPackageLow = "PackageLow"
	// ReasonPackageUsedUp surfaces when nothing is left of a package, and on Suspended and Ready when the plan stops the tenant
	// then; the data are kept.
	ReasonPackageUsedUp = "PackageUsedUp"
)

// Reasons of Pushed of a UsageRecord.
const (
	// ReasonPushed surfaces when the marketplace has accepted the record.
	ReasonPushed = "Pushed"
	// ReasonPushPending surfaces as the blocker of an instance that is being deleted while its usage waits to be pushed.
	ReasonPushPending = "PushPending"
	// ReasonMarketplaceUnavailable surfaces while the marketplace does not answer; the push is tried again.
	ReasonMarketplaceUnavailable = "MarketplaceUnavailable"
	// ReasonMarketplaceRefused surfaces when the marketplace does not accept the record. It is tried again until it is too old.
	ReasonMarketplaceRefused = "MarketplaceRefused"
	// ReasonTooOld surfaces when the interval began longer ago than the marketplace accepts: it can't be charged any more.
	ReasonTooOld = "TooOld"
	// ReasonOverlaps surfaces when another record stands for a part of the same time.
	ReasonOverlaps = "Overlaps"
	// ReasonBeforeSale surfaces when the interval begins before the sale.
	ReasonBeforeSale = "BeforeSale"
	// ReasonBeforeCheckpoint surfaces when the interval begins in a time that is settled already.
	ReasonBeforeCheckpoint = "BeforeCheckpoint"
	// ReasonMeterHasSource surfaces when a record was written by hand for a meter that is read by the controller.
	ReasonMeterHasSource = "MeterHasSource"
	// ReasonUnknownMeter surfaces when the instance's plan has no such meter.
	ReasonUnknownMeter = "UnknownMeter"
	// ReasonUnknownInstance surfaces when there is no such instance, it is not charged by use, or it is a package that another
	// instance uses.
	ReasonUnknownInstance = "UnknownInstance"
	// ReasonNotOver surfaces while the record's interval is not over.
	ReasonNotOver = "NotOver"
	// ReasonAnswerLost surfaces when a push that must not be repeated may or may not have arrived.
	ReasonAnswerLost = "AnswerLost"
)
