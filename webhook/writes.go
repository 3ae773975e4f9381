package webhook

import (
	"time"

	"github.com/hashicorp/golang-lru/v2/expirable"
	"k8s.io/apimachinery/pkg/types"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

const (
	// maxWrites bounds the memory of the cache to about a megabyte.
	maxWrites = 10_000
	// writesTTL is longer than a cache that is fed at all is behind.
	writesTTL = 10 * time.Minute
)

// writes remember what this process has stored last: after a release was confirmed, no answer may come from what was known before
// it. Another replica may still be some milliseconds behind.
type writes struct {
	generations *expirable.LRU[types.UID, int64]
}

func newWrites() *writes {
	return &writes{generations: expirable.NewLRU[types.UID, int64](maxWrites, nil, writesTTL)}
}

// add remembers an instance as the API server has stored it.
func (w *writes) add(stored *v1alpha1.MarketplaceInstance) {
	if last, ok := w.generations.Get(stored.UID); !ok || last < stored.Generation {
		w.generations.Add(stored.UID, stored.Generation)
	}
}

// missing says whether a copy of an instance lacks what this process has stored.
func (w *writes) missing(copied *v1alpha1.MarketplaceInstance) bool {
	last, ok := w.generations.Get(copied.UID)
	return ok && copied.Generation < last
}
