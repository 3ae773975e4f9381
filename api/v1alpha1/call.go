package v1alpha1

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"strings"

	"k8s.io/apimachinery/pkg/types"
)

// What a call of a marketplace says beyond what an instance may show (an order with the buyer's personal data, users of a
// tenant) is kept in a Secret of its own: the call's Secret. The webhook makes it, once, and can neither change nor delete it;
// the controller reads it.
const (
	// CallSecretType is the type of a call's Secret. The admission policy lets the webhook make no other.
	CallSecretType = "stallkeeper.io/call"
	// CallLabel stands on a call's Secret and says what is in it; see CallContent.
	CallLabel = "stallkeeper.io/call"
	// MarketplaceLabel stands on a call's Secret that is about no instance: the name of the Marketplace. Those about an
	// instance carry InstanceLabel and InstanceNamespaceLabel.
	MarketplaceLabel = "stallkeeper.io/marketplace"
)

// CallContent is what a call's Secret holds: the value of CallLabel.
type CallContent string

const (
	// CallOrder is an order that came with a call, under the keys CallOrderKey and CallRawKey.
	CallOrder CallContent = "Order"
	// CallSync is what a call says of an enterprise, its application, users or departments, under the key CallSyncKey. The Secret
	// carries EnterpriseLabel too. The controller deletes it once the instance's directory holds it.
	CallSync CallContent = "Sync"
	// CallNotification is the notification of an order, under the keys CallOrderIDKey and CallOrderLineIDKey.
	CallNotification CallContent = "Notification"
)

// Keys of a call's Secret.
const (
	// CallOrderKey holds an order as package marketplace encodes it.
	CallOrderKey = "order.json"
	// CallRawKey holds all that the call said, in the marketplace's words.
	CallRawKey = "raw.json"
	// CallSyncKey holds a Sync as package marketplace encodes it, compressed.
	CallSyncKey = "sync.json.gz"
	// CallOrderIDKey holds the id of an order.
	CallOrderIDKey = "orderID"
	// CallOrderLineIDKey holds the id of an order's line; it may be missing.
	CallOrderLineIDKey = "orderLineID"
)

// OrderSecretName names the Secret in which the order is kept that this call brought about an instance.
func (c Call) OrderSecretName(instance string, uid types.UID) string {
	return CallSecretName(instance, uid, append([]string{string(CallOrder)}, c.Key()...)...)
}

// Key is what tells the call from others about the same instance.
func (c Call) Key() []string { return []string{c.Operation, c.Variant, c.ID, c.OrderID, c.OrderLineID} }

// callNameHash is the number of base32 characters: 130 bits.
const callNameHash = 26

// CallSecretName names the Secret of one call about the owner, which is an instance or a Marketplace. It depends on the
// owner's UID, so that an owner that was made anew does not meet what is about to go with the former one, and on what tells
// the call from others: a repeat of the call has the same name. An owner's name of up to 220 characters fits.
func CallSecretName(owner string, uid types.UID, call ...string) string {
	return owner + "-call-" + hashOf(append([]string{string(uid)}, call...)...)
}

func hashOf(parts ...string) string {
	hash := sha256.New()
	for _, part := range parts {
		// With its length before each part, two lists can't run together into one.
		_ = binary.Write(hash, binary.BigEndian, uint64(len(part)))
		hash.Write([]byte(part))
	}
	return strings.ToLower(base32.StdEncoding.EncodeToString(hash.Sum(nil))[:callNameHash])
}
