package webhook

import (
	"context"
	"fmt"
	"slices"

	"golang.org/x/time/rate"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/marketplace"
)

// liveLookups bound how often strangers, by calling paths that don't exist, can make us ask the API server, per second. A
// Marketplace is in the cache a moment after it was made, so real calls hardly ever need it.
const liveLookups = 5

// connection is the Marketplace that a path names, with its keys.
type connection struct {
	// marketplace is nil when there is none: callbacks are then the decoy's, whose key nobody has.
	marketplace *v1alpha1.Marketplace
	marketplace.Callbacks
}

// sharesKey reports whether the controller has found one of its keys at another Marketplace that comes first. A call that verifies may then have been made to
// that one and captured: neither says which of them it is for.
func (c connection) sharesKey() bool {
	if c.marketplace == nil {
		return false
	}
	ready := meta.FindStatusCondition(c.marketplace.Status.Conditions, v1alpha1.ConditionReady)
	return ready != nil && ready.Reason == v1alpha1.ReasonCallbackKeyShared
}

// connections find what a path names.
type connections struct {
	namespaces []string
	cached     client.Reader
	live       client.Reader
	lookups    *rate.Limiter
	keys       *keyring
	decoy      marketplace.Callbacks
}

// open finds the connection of a path. For a Marketplace that does not exist it returns the decoy and no error, so that the
// call goes on to fail as one with a wrong signature does. Errors wrap marketplace.ErrUnavailable; the connection then can
// still answer.
func (c *connections) open(ctx context.Context, target types.NamespacedName) (connection, error) {
	decoy := connection{Callbacks: c.decoy}
	found, err := c.find(ctx, target)
	if err != nil || found == nil {
		return decoy, err
	}
	callbacks, err := c.keys.callbacks(ctx, found)
	if err != nil {
		return connection{marketplace: found, Callbacks: c.decoy}, err
	}
	return connection{marketplace: found, Callbacks: callbacks}, nil
}

// find is nil without an error when there is no such Marketplace.
func (c *connections) find(ctx context.Context, target types.NamespacedName) (*v1alpha1.Marketplace, error) {
	if !slices.Contains(c.namespaces, target.Namespace) || len(validation.IsDNS1123Subdomain(target.Name)) > 0 {
		return nil, nil
	}
	found := &v1alpha1.Marketplace{}
	err := c.cached.Get(ctx, target, found)
	if apierrors.IsNotFound(err) {
		if !c.lookups.Allow() {
			return nil, nil
		}
		err = c.live.Get(ctx, target, found)
	}
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("%w: reading Marketplace %s: %w", marketplace.ErrUnavailable, target, err)
	}
	return found, nil
}
