// Package v1alpha1 defines the five kinds of the API group stallkeeper.io, their conditions and reasons, and their names and
// labels.
//
//   - Marketplace: a marketplace that sells.
//   - MarketplaceProduct: what is sold, and what runs for it.
//   - MarketplaceRevision: one revision of a product; only read.
//   - MarketplaceInstance: one sale, one tenant.
//   - UsageRecord: what a sale has used in one interval.
//
// Every field has one kind of writer; docs/decisions/0019-who-writes-what.md has the table. People and GitOps write what they
// want; the webhook server and the controller write what the marketplace has said, in spec.subscription of a
// MarketplaceInstance; the controller writes status, MarketplaceRevisions, and spec.delivery of a UsageRecord. The operator never
// writes a field that a person writes. No value in spec or status is a secret: phone numbers, mail addresses, real names,
// passwords and keys live in Secrets.
//
// Names follow one rule each. A point in time ends in Time, or is time where the object is one event. An object that is named
// stands in a Ref; a plain name is the key of a list, or names something inside the same object. Lengths of time end in Seconds.
// An enum is a word in CamelCase. Words that the machines report are no enums: a later version may know more of them.
//
// +kubebuilder:object:generate=true
// +kubebuilder:ac:generate=true
// +kubebuilder:ac:output:package="applyconfiguration"
// +groupName=stallkeeper.io
package v1alpha1
