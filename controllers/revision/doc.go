// Package revision holds immutable snapshots of a product: how they are built, stored in a ControllerRevision, summarized in a
// MarketplaceRevision, and rendered for an instance.
package revision
