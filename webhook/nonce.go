package webhook

import (
	"crypto/sha256"
	"encoding/binary"
	"time"

	"github.com/hashicorp/golang-lru/v2/expirable"
	"k8s.io/apimachinery/pkg/types"

	"github.com/stallkeeper/stallkeeper/marketplace"
)

const (
	// maxNonces bounds the memory of the cache to some 30 MB; it holds 500 calls a second.
	maxNonces = 100_000
	// nonceTTL covers the whole time in which a call can be accepted, 60 s on both sides of its time, with room for clocks
	// that are put right meanwhile.
	nonceTTL = 3 * time.Minute
)

// nonces remember which calls were answered for good, so that one nonce makes one call. It is one of three guards against replays,
// next to the time window and Merge: each replica has its own, and a restart forgets it. The same bytes again are no replay but what
// an HTTP client sends when the connection broke before the answer; see docs/decisions/0021-repeats.md.
type nonces struct {
	seen *expirable.LRU[nonceKey, answered]
}

type nonceKey struct {
	marketplace types.NamespacedName
	nonce       string
}

// answered is a call that was answered for good.
type answered struct {
	call callDigest
	// err is the error of its outcome; nil for success.
	err error
}

// callDigest tells the bytes of a call from all others.
type callDigest [sha256.Size]byte

// digestOf is over all that a call says and all that its signature is made of: of a call whose signature holds, key, nonce and time say
// what the signature is.
func digestOf(req marketplace.Request, proof marketplace.Proof) callDigest {
	hash := sha256.New()
	sentAt := binary.BigEndian.AppendUint64(nil, uint64(proof.SentAt.UnixNano()))
	for _, part := range [][]byte{[]byte(req.Method), []byte(req.Path), []byte(req.Query), req.Body, []byte(proof.KeyName), sentAt} {
		// Without the length, what one part ends with could be the beginning of the next.
		hash.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		hash.Write(part)
	}
	return callDigest(hash.Sum(nil))
}

func newNonces() *nonces {
	return &nonces{seen: expirable.NewLRU[nonceKey, answered](maxNonces, nil, nonceTTL)}
}

// find is the call with this nonce that was answered. A protocol without nonces is never replayed by this measure.
func (n *nonces) find(target types.NamespacedName, nonce string) (answered, bool) {
	if nonce == "" {
		return answered{}, false
	}
	return n.seen.Get(nonceKey{target, nonce})
}

// add remembers a call that was answered for good. Calls that the marketplace shall repeat are not remembered: what they say has yet to
// be stored.
func (n *nonces) add(target types.NamespacedName, nonce string, call answered) {
	if nonce != "" {
		n.seen.Add(nonceKey{target, nonce}, call)
	}
}

// tells are the kinds of events whose answer carries more than success or an error, or may be another one later. They are recorded once
// more when they come again: the purchase finds what it has made, the request its license, and the query changes nothing.
var tells = map[marketplace.Kind]bool{marketplace.Purchase: true, marketplace.Query: true, marketplace.RequestLicense: true}
