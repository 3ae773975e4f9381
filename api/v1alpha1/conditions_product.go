package v1alpha1

// ConditionListingsResolved of a MarketplaceProduct is True while each of its listings leads to one plan. A product without
// listings does not have it.
const ConditionListingsResolved = "ListingsResolved"

// Reasons of ListingsResolved.
const (
	// ReasonListingsResolved surfaces when every listing leads to one plan.
	ReasonListingsResolved = "ListingsResolved"
	// ReasonListingAmbiguous surfaces when a SKU, or a product id, is listed by two plans, of this product or of two. A purchase
	// of it would wait with AmbiguousSKU.
	ReasonListingAmbiguous = "ListingAmbiguous"
	// ReasonListingMarketplaceNotFound surfaces when a listing names a Marketplace that does not exist.
	ReasonListingMarketplaceNotFound = "ListingMarketplaceNotFound"
)

// Reasons of Ready of a MarketplaceProduct. RenderFailed, RenderLimit, NotPermitted and PlanNotFound are among those of Provisioned.
const (
	// ReasonProductReady surfaces when every plan renders, is within the permissions, and its pods pass the level.
	ReasonProductReady = "ProductReady"
	// ReasonChartNotFound surfaces when the chart does not exist where the product says.
	ReasonChartNotFound = "ChartNotFound"
	// ReasonChartUnavailable surfaces while the registry or the network is down, with the status Unknown, and when the registry refuses
	// the credentials or its name or certificate is wrong, with False.
	ReasonChartUnavailable = "ChartUnavailable"
	// ReasonChartTooLarge surfaces when the chart has more than 4 MiB, or unpacks to more than 32 MiB.
	ReasonChartTooLarge = "ChartTooLarge"
	// ReasonTemplateNotFound surfaces when the ConfigMap with the template's files does not exist.
	ReasonTemplateNotFound = "TemplateNotFound"
	// ReasonInvalidTemplate surfaces when the chart or the template can't be read.
	ReasonInvalidTemplate = "InvalidTemplate"
	// ReasonValuesNotFound surfaces when a ConfigMap or Secret of valuesFrom, or its key, does not exist.
	ReasonValuesNotFound = "ValuesNotFound"
	// ReasonInvalidValues surfaces when what valuesFrom names is no YAML map.
	ReasonInvalidValues = "InvalidValues"
	// ReasonMissingValue surfaces when the template asks for a value that is not there, and the product's missingValues says Fail.
	ReasonMissingValue = "MissingValue"
	// ReasonUnsupported surfaces when the template has a hook for an event that Helm does not know, or a crds folder
	// that is not skipped, or whose kinds the cluster does not have.
	ReasonUnsupported = "Unsupported"
	// ReasonPodSecurity surfaces when a plan's pods would not be let in.
	ReasonPodSecurity = "PodSecurity"
)
