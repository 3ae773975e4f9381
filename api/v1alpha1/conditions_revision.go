package v1alpha1

// Reasons of Ready of a MarketplaceRevision.
const (
	// ReasonRevisionReady surfaces while a tenant can run the revision.
	ReasonRevisionReady = "RevisionReady"
	// ReasonRevisionContentLost surfaces when the ControllerRevision with its bytes is gone. Tenants that run it can still be
	// stopped and removed.
	ReasonRevisionContentLost = "RevisionContentLost"
	// ReasonRevisionContentUnreadable surfaces when its bytes can't be read by this version of the operator.
	ReasonRevisionContentUnreadable = "RevisionContentUnreadable"
)
