package apply

import (
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// parallel is how many objects of one tenant are applied or deleted at a time.
const parallel = 8

// Applier writes to tenants. It has no state and may be used by many passes at once.
type Applier struct {
	// Client writes. It is never read through.
	Client client.Client
	// Cache reads what [CacheByObject] keeps; the manager's cache itself, because its client reads unstructured objects
	// past the cache unless told otherwise.
	Cache client.Reader
	// Live reads past the cache.
	Live client.Reader
	// Kinds are the watched tenant kinds, the same that [Observe] is called with. Objects of other kinds (Secrets) are
	// applied, but are no part of a digest.
	Kinds []schema.GroupVersionKind
}
