// Package v1alpha1 holds the four kinds of the API group stallkeeper.io, their conditions and reasons, and the names and
// labels that belong to them.
//
//   - Marketplace: one connection to a marketplace.
//   - MarketplaceProduct: what is sold, and what runs for it.
//   - MarketplaceInstance: one sale, one tenant.
//   - UsageRecord: what a sale has used in one interval.
//
// Every field has one kind of writer. People and GitOps write what they want; the marketplace's side writes
// spec.subscription of a MarketplaceInstance; the controller writes status, and spec.delivery of a UsageRecord. The operator never writes a field that a person
// writes. No value in spec or status is a secret: phone numbers, mail addresses, real names, passwords and keys live in
// Secrets.
//
// +kubebuilder:object:generate=true
// +kubebuilder:ac:generate=true
// +kubebuilder:ac:output:package="applyconfiguration"
// +groupName=stallkeeper.io
package v1alpha1
