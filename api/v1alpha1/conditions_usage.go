package v1alpha1

// Conditions of a MarketplaceInstance that only sales that are billed by usage have. The usage reconciler sets them.
const (
	// ConditionUsageReported is True while all that was used is, or is about to be, known to the marketplace.
	ConditionUsageReported = "UsageReported"
	// ConditionPackageAvailable is True while something is left of a package of use. Only sales of packages have it.
	ConditionPackageAvailable = "PackageAvailable"
)

// Reasons of UsageReported.
const (
	// ReasonUsageReported surfaces while everything that was used is reported or about to be.
	ReasonUsageReported = "UsageReported"
	// ReasonNoMeters surfaces when a sale is billed by usage and its plan has no meter.
	ReasonNoMeters = "NoMeters"
	// ReasonSeveralMeteredItems surfaces when it is not known under which id the marketplace wants usage: the sale has more than
	// one item or more than one meter that is pushed. Usage is never pushed on a guess.
	ReasonSeveralMeteredItems = "SeveralMeteredItems"
	// ReasonInstanceDuplicate surfaces when another instance has the same id at the marketplace: what is used is pushed for that one
	// only, so that an hour is charged once.
	ReasonInstanceDuplicate = "InstanceDuplicate"
	// ReasonProductIDUnknown surfaces when a meter is pushed one record at a time and the marketplace has told no product id.
	ReasonProductIDUnknown = "ProductIDUnknown"
	// ReasonMeterInvalid surfaces when a meter's question can't be asked as it stands.
	ReasonMeterInvalid = "MeterInvalid"
	// ReasonSourceUnavailable surfaces while a meter's source does not answer; it is asked again.
	ReasonSourceUnavailable = "SourceUnavailable"
	// ReasonUsageLost surfaces when it can't be known any more what was used in some interval.
	ReasonUsageLost = "UsageLost"
	// ReasonUsageRefused surfaces when a record is refused.
	ReasonUsageRefused = "UsageRefused"
	// ReasonUsageUncertain surfaces when it is not known whether a record has reached the marketplace, or the marketplace was told
	// another amount than a record has.
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

// ConditionPushed is True when the marketplace has accepted a UsageRecord. Records that are not to be pushed do not have it.
const ConditionPushed = "Pushed"

// ReasonSettled surfaces on Ready of a UsageRecord with which nothing is left to do and which was not pushed: it is of a meter
// that is not pushed, its value is 0, a person has withdrawn it, or it stands for older records.
const ReasonSettled = "Settled"

// Reasons of Pushed of a UsageRecord, and of its Ready.
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
	// ReasonOverlaps surfaces when another record overlaps it.
	ReasonOverlaps = "Overlaps"
	// ReasonBeforeSale surfaces when the interval begins before the sale.
	ReasonBeforeSale = "BeforeSale"
	// ReasonBeforeCheckpoint surfaces when the interval begins in a time that is settled already.
	ReasonBeforeCheckpoint = "BeforeCheckpoint"
	// ReasonMeterHasSource surfaces when a record was written by hand for a meter that is read by the controller.
	ReasonMeterHasSource = "MeterHasSource"
	// ReasonUnknownMeter surfaces when the instance's plan has no such meter.
	ReasonUnknownMeter = "UnknownMeter"
	// ReasonUnknownInstance surfaces when there is no such instance, it is not billed by usage, or it is a package that another
	// instance uses.
	ReasonUnknownInstance = "UnknownInstance"
	// ReasonNotOver surfaces while the record's interval is not over.
	ReasonNotOver = "NotOver"
	// ReasonAmountDiffers surfaces when another amount of the same interval was pushed before, by a record that was deleted or is of
	// another instance with the same id: the marketplace keeps the first one.
	ReasonAmountDiffers = "AmountDiffers"
	// ReasonAnswerLost surfaces when a push that must not be repeated may or may not have arrived.
	ReasonAnswerLost = "AnswerLost"
)
