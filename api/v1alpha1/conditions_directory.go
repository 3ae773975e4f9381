package v1alpha1

// ConditionDirectorySynced of a MarketplaceInstance is True while the tenant has all that the marketplace has said of the buyer's
// sign-on, users and departments, and its endpoint has taken all of it where the product forwards it. Only instances of which
// something was said have it.
const ConditionDirectorySynced = "DirectorySynced"

// Reasons of DirectorySynced.
const (
	// ReasonDirectorySynced surfaces when the tenant has everything, and its endpoint too where the product has one.
	ReasonDirectorySynced = "DirectorySynced"
	// ReasonDirectoryPending surfaces while something is stored and the tenant can't have it yet: it does not exist, or is
	// paused.
	ReasonDirectoryPending = "DirectoryPending"
	// ReasonDirectoryFailed surfaces while reading or writing failed in a way that passes; it is tried again.
	ReasonDirectoryFailed = "DirectoryFailed"
	// ReasonDirectoryRefused surfaces when the API server refuses the directory's Secrets in the tenant's namespace.
	ReasonDirectoryRefused = "DirectoryRefused"
	// ReasonDirectoryUnreadable surfaces when a Secret with a call or with a part of the directory can't be read.
	ReasonDirectoryUnreadable = "DirectoryUnreadable"
	// ReasonDirectoryFull surfaces when there is no room for more users or departments; later calls wait.
	ReasonDirectoryFull = "DirectoryFull"
	// ReasonForwarding surfaces while changes are on their way to the endpoint.
	ReasonForwarding = "DirectoryForwarding"
	// ReasonForwardPending surfaces while the endpoint can't take anything: the tenant does not exist, is suspended or is paused.
	ReasonForwardPending = "DirectoryForwardPending"
	// ReasonForwardFailed surfaces when the endpoint can't be reached, or answers anything but success; it is tried again.
	ReasonForwardFailed = "DirectoryForwardFailed"
)
