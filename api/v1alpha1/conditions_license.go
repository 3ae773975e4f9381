package v1alpha1

// ConditionLicensed of a MarketplaceInstance is True while a license code is activated at the marketplace and may be used, or
// when every license that the buyer of Online License has asked for was delivered. Other instances do not have it. The license
// reconciler sets it.
const ConditionLicensed = "Licensed"

// Reasons of Licensed, for a license code.
const (
	// ReasonLicenseActivated surfaces when the code is activated.
	ReasonLicenseActivated = "LicenseActivated"
	// ReasonLicenseNotCollected surfaces while the buyer has not collected the code in their console.
	ReasonLicenseNotCollected = "LicenseNotCollected"
	// ReasonLicenseUnknown surfaces when the marketplace does not know the code.
	ReasonLicenseUnknown = "LicenseUnknown"
	// ReasonLicenseDuplicate surfaces when another instance has the same code.
	ReasonLicenseDuplicate = "LicenseDuplicate"
	// ReasonLicenseRefused surfaces when the marketplace refuses the code, or the license that was uploaded.
	ReasonLicenseRefused = "LicenseRefused"
	// ReasonLicenseEnded surfaces when the marketplace said, when it was asked, that the code was released, and no call had come.
	ReasonLicenseEnded = "LicenseEnded"
	// ReasonLicenseExpired surfaces when the marketplace says that the code has expired.
	ReasonLicenseExpired = "LicenseExpired"
	// ReasonLicenseStateUnknown surfaces when the marketplace says something about the code that this version does not know.
	ReasonLicenseStateUnknown = "LicenseStateUnknown"
	// ReasonLicenseAPIUnavailable surfaces while the license API is slow, down or answers nonsense; it is asked again.
	ReasonLicenseAPIUnavailable = "LicenseAPIUnavailable"
	// ReasonLicenseAPIRefused surfaces when the license API does not accept the credentials.
	ReasonLicenseAPIRefused = "LicenseAPIRefused"
	// ReasonLicenseUnsupported surfaces when the marketplace's protocol has no licenses.
	ReasonLicenseUnsupported = "LicenseUnsupported"
)

// Reasons of Licensed, for licenses that the buyer has asked for. The API's are the same.
const (
	// ReasonLicenseDelivered surfaces when every license was delivered.
	ReasonLicenseDelivered = "LicenseDelivered"
	// ReasonLicenseAwaited surfaces while a license is waited for from the workload, a person or a job.
	ReasonLicenseAwaited = "LicenseAwaited"
	// ReasonLicenseHeld surfaces while licenses are not delivered because the buyer is not entitled to use what was sold.
	ReasonLicenseHeld = "LicenseHeld"
	// ReasonLicenseInvalid surfaces when a license that was given can't be delivered: it is empty or too large.
	ReasonLicenseInvalid = "LicenseInvalid"
)
