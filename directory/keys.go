package directory

import (
	"crypto/hmac"
	"crypto/sha256"
)

// SeedBytes is the length of an instance's seed.
const SeedBytes = 32

// Use is what a key of an instance is for. Keys of different uses say nothing of each other.
type Use string

// The uses. Their texts must never change: the keys would.
const (
	// ForForwarding signs what is forwarded to the workload.
	ForForwarding Use = "stallkeeper.io/directory/forward"
	// ForLoginTokens signs the tokens of users who have signed in.
	ForLoginTokens Use = "stallkeeper.io/login/token"
	// ForLoginCookies encrypts what a browser keeps while its user signs in.
	ForLoginCookies Use = "stallkeeper.io/login/cookie"
)

// DeriveKey derives a key of 32 bytes from an instance's seed, so that it is made once and needs no keeping. It is nil for what is no
// seed.
func DeriveKey(seed []byte, use Use) []byte {
	if len(seed) < SeedBytes {
		return nil
	}
	mac := hmac.New(sha256.New, seed)
	mac.Write([]byte(use))
	return mac.Sum(nil)
}
