package marketplace

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"strings"
)

const (
	instanceNamePrefix = "s"
	// instanceNameHash is the number of base32 characters: 130 bits, so that two sales never meet by chance.
	instanceNameHash = 26
	base32Alphabet   = "abcdefghijklmnopqrstuvwxyz234567"
)

var instanceNameEncoding = base32.NewEncoding(base32Alphabet).WithPadding(base32.NoPadding)

// InstanceName is the name of the instance of one order line, and the id that the marketplace is told: "s" and 26
// lower-case base32 characters of a SHA-256. It is a valid DNS label.
//
// It depends on nothing but what was sold: protocol and site are those of the Marketplace object, such as "KooGallery" and
// "China", orderID and orderLineID those of the first order. A repeated purchase therefore finds the instance of the first
// one, also after a cluster was restored under other object names.
func InstanceName(protocol, site, orderID, orderLineID string) string {
	hash := sha256.New()
	for _, part := range []string{protocol, site, orderID, orderLineID} {
		// Without the length, ("a", "bc") and ("ab", "c") would be one sale.
		var length [8]byte
		binary.BigEndian.PutUint64(length[:], uint64(len(part)))
		hash.Write(length[:])
		hash.Write([]byte(part))
	}
	return instanceNamePrefix + instanceNameEncoding.EncodeToString(hash.Sum(nil))[:instanceNameHash]
}

// IsInstanceName reports whether id has the form that InstanceName makes. An id of this form that is not stored is one of
// ours that is gone; any other unknown id was never ours.
func IsInstanceName(id string) bool {
	hash, ok := strings.CutPrefix(id, instanceNamePrefix)
	return ok && len(hash) == instanceNameHash && strings.Trim(hash, base32Alphabet) == ""
}
