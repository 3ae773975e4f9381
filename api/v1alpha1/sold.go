package v1alpha1

// A sale outlives its instance by a Secret without data, so that an old call, which anyone who kept it can make again, does not
// make a deleted sale anew. The controller makes it before a deleted instance goes, and deletes it when no call can be that old any
// more; the webhook reads it before it makes an instance. It is a Secret because both may read and write those of a sales
// namespace by name already.
const (
	// SoldSecretType is the type of that Secret.
	SoldSecretType = "stallkeeper.io/sold"
	// SoldLabel stands on it: the name of the Marketplace. InstanceLabel and InstanceNamespaceLabel name the deleted instance.
	SoldLabel = "stallkeeper.io/sold"
)

// SoldSecretName names the Secret that remembers the sale of an order's line (which is empty where the marketplace knows no lines)
// by a Marketplace of the same namespace. It does not depend on UIDs, so that it holds on a restored cluster too.
func SoldSecretName(marketplace, orderID, orderLineID string) string {
	return "sold-" + hashOf(marketplace, orderID, orderLineID)
}
