package v1alpha1

// Conditions of every MarketplaceInstance.
const (
	// ConditionProvisioned is True when the tenant's objects are in place and healthy, suspended or not.
	ConditionProvisioned = "Provisioned"
	// ConditionEntitled is True while the buyer is entitled to use the tenant: it is paid, tried, billed by usage, in its grace or
	// made by hand.
	ConditionEntitled = "Entitled"
	// ConditionSuspended is True when the tenant is stopped. Its data are kept. True is neither good nor bad: Ready says which.
	ConditionSuspended = "Suspended"
)

// ConditionPaused is True while a person has told the controller to leave the tenant alone, and is not there otherwise.
const ConditionPaused = "Paused"

// ReasonReconciliationPaused surfaces on Paused when spec.reconciliation is Paused.
const ReasonReconciliationPaused = "ReconciliationPaused"

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
	// ReasonProductNotReady surfaces when the product has no revision that could run: Unknown while it is being checked or its chart can't
	// be fetched for a while, False when a person must correct it.
	ReasonProductNotReady = "ProductNotReady"
	// ReasonRevisionNotFound surfaces when the revision that the tenant is pinned to is gone.
	ReasonRevisionNotFound = "RevisionNotFound"
	// ReasonPlanNotFound surfaces when the product's revision has no such plan.
	ReasonPlanNotFound = "PlanNotFound"
	// ReasonPlanUnclear surfaces when an instance without a sale names no plan and its product has several, or when the plan of a sale is not known.
	ReasonPlanUnclear = "PlanUnclear"
	// ReasonRenderFailed surfaces when the template fails with this instance's values.
	ReasonRenderFailed = "RenderFailed"
	// ReasonRenderLimit surfaces when rendering takes more time, memory or stack than it may.
	ReasonRenderLimit = "RenderLimit"
	// ReasonNotPermitted surfaces when the template asks for what the operator may not make.
	ReasonNotPermitted = "NotPermitted"
	// ReasonNamespaceConflict surfaces when the tenant's namespace exists and belongs to another owner.
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
	// ReasonRemovalHeld surfaces when a tenant was to be deleted, and what was read live, or the clock of the API server, says otherwise.
	ReasonRemovalHeld = "RemovalHeld"
	// ReasonRemoving surfaces while the tenant is being deleted.
	ReasonRemoving = "Removing"
)

// Reasons of Entitled and Suspended, and of Ready where it follows from them. A tenant without a sale is Entitled with NoSale.
const (
	// ReasonPaid surfaces while the paid time lasts.
	ReasonPaid = "Paid"
	// ReasonNoExpiry surfaces when the sale has no end.
	ReasonNoExpiry = "NoExpiry"
	// ReasonInGrace surfaces when the paid time is over and its grace is not.
	ReasonInGrace = "InGrace"
	// ReasonCallsUncertain surfaces when the paid time and its grace are over, and the Marketplace says that calls may be missing.
	ReasonCallsUncertain = "CallsUncertain"
	// ReasonRunUntil surfaces when the paid time and its grace are over, and a person wants the tenant to run until a later time.
	ReasonRunUntil = "RunUntil"
	// ReasonPaymentOverdue surfaces when the paid time and its grace are over; the data are kept.
	ReasonPaymentOverdue = "PaymentOverdue"
	// ReasonExpired surfaces when the marketplace froze the sale because its paid time was over.
	ReasonExpired = "Expired"
	// ReasonFrozen surfaces when the marketplace froze the sale for a reason of its own.
	ReasonFrozen = "Frozen"
	// ReasonReleased surfaces when the marketplace has ended the sale.
	ReasonReleased = "Released"
	// ReasonRetentionEnded surfaces when the buyer has not paid until the end of the retention, and the product says to delete then.
	ReasonRetentionEnded = "RetentionEnded"
	// ReasonRequested surfaces when a person has asked for the suspension.
	ReasonRequested = "SuspensionRequested"
	// ReasonRunning surfaces when the tenant is not suspended.
	ReasonRunning = "Running"
	// ReasonSuspending surfaces while a tenant is being stopped.
	ReasonSuspending = "Suspending"
	// ReasonInstanceReady surfaces when a tenant is usable as sold.
	ReasonInstanceReady = "InstanceReady"
)
