package v1alpha1

// Reasons of Ready of a Marketplace.
const (
	// ReasonMarketplaceReady surfaces when every key that is needed can be read.
	ReasonMarketplaceReady = "MarketplaceReady"
	// ReasonCallbackSecretNotFound surfaces when the Secret of the callbacks' keys does not exist.
	ReasonCallbackSecretNotFound = "CallbackSecretNotFound"
	// ReasonCallbackKeyMissing surfaces when a key of the callbacks is missing or unreadable.
	ReasonCallbackKeyMissing = "CallbackKeyMissing"
	// ReasonCallbackKeyLost surfaces when the Secret has lost a key that it had, so that the calls signed with it are refused.
	ReasonCallbackKeyLost = "CallbackKeyLost"
	// ReasonCallbackKeyShared surfaces when another Marketplace, which sells already or is older, has one of the keys too. The signatures do
	// not say for which Marketplace a call is, so that each call could be made again at the other one: the callback servers have every call
	// repeated until it is resolved.
	ReasonCallbackKeyShared = "CallbackKeyShared"
	// ReasonAPICredentialsMissing surfaces when the Secret with ak and sk is missing or incomplete.
	ReasonAPICredentialsMissing = "APICredentialsMissing"
	// ReasonAPICredentialsRefused surfaces when the marketplace refuses ak and sk, which were tried out on a mock order.
	ReasonAPICredentialsRefused = "APICredentialsRefused"
	// ReasonOrdersRefused surfaces while the marketplace refuses to let the order of a sale be read, though a mock order can be.
	ReasonOrdersRefused = "OrdersRefused"
	// ReasonClockSkew surfaces when well-signed calls are refused only for their time.
	ReasonClockSkew = "ClockSkew"
)

// ConditionCallsReceived of a Marketplace is False while it has notified us of an order whose call did not come.
const ConditionCallsReceived = "CallsReceived"

// Reasons of CallsReceived.
const (
	// ReasonCallsReceived surfaces when no call is known to be missing.
	ReasonCallsReceived = "CallsReceived"
	// ReasonCallMissing surfaces when an order was notified a while ago and no call has named it.
	ReasonCallMissing = "CallMissing"
)

// ConditionCallsComplete of a Marketplace is False while calls may be missing in what is stored, as after a restore from a backup, and nothing
// is taken from a tenant for want of one. It is absent otherwise. Its reason is [ReasonCallsUncertain].
const ConditionCallsComplete = "CallsComplete"
