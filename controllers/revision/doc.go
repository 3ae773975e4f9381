// Package revision has the contents of a product as they were when a tenant got them: what they are made from, how they are stored in
// a ControllerRevision and shown in a MarketplaceRevision, and how they are rendered for one instance.
package revision
