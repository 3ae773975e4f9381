package webhook

import (
	"time"

	"github.com/hashicorp/golang-lru/v2/expirable"
	"k8s.io/apimachinery/pkg/types"
)

const (
	// maxNonces bounds the memory of the cache to some 20 MB; it holds 500 calls a second.
	maxNonces = 100_000
	// nonceTTL covers the whole time in which a call can be accepted, 60 s on both sides of its time, with room for clocks
	// that are put right meanwhile.
	nonceTTL = 3 * time.Minute
)

// nonces remember which calls were answered. It is one of three guards against replays, next to the time window and Merge:
// each replica has its own, and a restart forgets it.
type nonces struct {
	seen *expirable.LRU[nonceKey, struct{}]
}

type nonceKey struct {
	marketplace types.NamespacedName
	nonce       string
}

func newNonces() *nonces {
	return &nonces{seen: expirable.NewLRU[nonceKey, struct{}](maxNonces, nil, nonceTTL)}
}

// has reports whether a call with this nonce was answered. A protocol without nonces is never replayed by this measure.
func (n *nonces) has(target types.NamespacedName, nonce string) bool {
	return nonce != "" && n.seen.Contains(nonceKey{target, nonce})
}

// add remembers a call that was answered for good. Calls that the marketplace shall repeat are not remembered: it may
// repeat them byte by byte.
func (n *nonces) add(target types.NamespacedName, nonce string) {
	if nonce != "" {
		n.seen.Add(nonceKey{target, nonce}, struct{}{})
	}
}
