package v1alpha1

// Keys of labels, annotations and finalizers. All carry the group's name as prefix.
const (
	// FieldOwner is the field manager of everything that the controller applies in a tenant's namespace.
	FieldOwner = "stallkeeper.io"
	// PowerFieldOwner is the field manager of what stops and resumes a tenant's workloads: their replicas and suspend switches, and
	// the product's suspension patches. It owns nothing else.
	PowerFieldOwner = "stallkeeper.io/power"

	// InstanceLabel stands on a tenant's namespace and on every object in it: the name of the MarketplaceInstance. The
	// admission policies let the controller write only where the namespace carries it.
	InstanceLabel = "stallkeeper.io/instance"
	// InstanceNamespaceLabel stands beside InstanceLabel: the namespace of the MarketplaceInstance.
	InstanceNamespaceLabel = "stallkeeper.io/instance-namespace"
	// CheckInstance is the value of InstanceLabel on the namespace of a product's check, see CheckNamespace. No instance can have that
	// name, and the admission policies let the controller store nothing there.
	CheckInstance = "product_check"
	// InstanceUIDAnnotation stands on a tenant's namespace: the UID of the MarketplaceInstance that owns it.
	InstanceUIDAnnotation = "stallkeeper.io/instance-uid"
	// AdoptAnnotation, set to Allow by a person on a tenant's namespace, lets an instance of the same name take over the
	// namespace of one that is gone.
	AdoptAnnotation = "stallkeeper.io/adopt"
	// RevisionLabel stands on a tenant's namespace: the MarketplaceRevision, and the ControllerRevision of the same name, that the
	// tenant is pinned to.
	RevisionLabel = "stallkeeper.io/revision"
	// ProductLabel stands on MarketplaceRevisions, ControllerRevisions and the namespaces of checks: the name of the MarketplaceProduct.
	ProductLabel = "stallkeeper.io/product"
	// DeletionProtectionLabel stands on a tenant's namespace while deleting it is refused, with the value Enabled.
	DeletionProtectionLabel = "stallkeeper.io/deletion-protection"
	// ReplicasAnnotation keeps the replicas that a workload had before it was suspended, where its template sets none.
	ReplicasAnnotation = "stallkeeper.io/suspended-replicas"
	// ContentHashAnnotation stands on every object that is applied in a tenant's namespace, and is applied with it: a short hash of
	// the content that was applied. An object whose hash is the wanted one is not written again.
	ContentHashAnnotation = "stallkeeper.io/content-hash"
	// LifecycleAnnotation stands on a tenant's namespace: the grace and retention that hold for the tenant, as JSON. They are
	// decided by when the product, or its plan, is gone.
	LifecycleAnnotation = "stallkeeper.io/lifecycle"
	// EditSubscriptionAnnotation, set to Allow by a person on a MarketplaceInstance, lets people write spec.subscription, for a
	// restore. The admission policy reads it as it was before the write.
	EditSubscriptionAnnotation = "stallkeeper.io/edit-subscription"
	// RestoreAnnotation, set to Allow by a person on a UsageRecord that is created, or on a MarketplaceInstance, lets it bring what
	// else only the controller writes: delivery and checkpoint of a record, and the facts of a license code. For a restore.
	RestoreAnnotation = "stallkeeper.io/restore"
	// Allow is the only value of AdoptAnnotation, EditSubscriptionAnnotation and RestoreAnnotation that means anything.
	Allow = "Allow"
	// HookAnnotation stands on the Job of a Helm hook: the one event that it runs at, such as HookPreInstall.
	HookAnnotation = "stallkeeper.io/hook"
	// HooksAnnotation stands on a tenant's namespace: its revision and how far that one's hooks are. Removed by a person, what
	// has no Job any more runs again.
	HooksAnnotation = "stallkeeper.io/hooks"
	// InstallingAnnotation stands on a tenant's namespace from its creation until the hooks of its first revision have all run.
	// A tenant without it is upgraded by its next revision.
	InstallingAnnotation = "stallkeeper.io/installing"

	// TenantFinalizer keeps a MarketplaceInstance until its tenant is gone.
	TenantFinalizer = "stallkeeper.io/tenant"
	// RevisionFinalizer keeps a ControllerRevision while a tenant is pinned to it, so that a tenant can still be suspended
	// after its product was deleted.
	RevisionFinalizer = "stallkeeper.io/revision"
)

// The events at which hooks run in a tenant, as Helm names them: before and after everything else of a tenant's first revision,
// and before and after everything else of each later one.
const (
	HookPreInstall  = "pre-install"
	HookPostInstall = "post-install"
	HookPreUpgrade  = "pre-upgrade"
	HookPostUpgrade = "post-upgrade"
)
