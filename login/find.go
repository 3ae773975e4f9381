package login

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/marketplace"
)

// place is an instance with a login.
type place struct {
	instance *v1alpha1.MarketplaceInstance
	signOn   marketplace.SignOn
	// pkce says whether the marketplace is sent a challenge.
	pkce bool
	// path is where the application takes tokens.
	path string
}

// places find instances in the cache.
type places struct {
	namespaces []string
	cached     client.Reader
	protocols  map[v1alpha1.MarketplaceProtocol]marketplace.SignOn
	// loopbackHTTP lets a front end be http:// on a loopback address.
	loopbackHTTP bool
}

// find is errNotFound for everything that has no login, so that nobody learns which instances exist.
func (p *places) find(ctx context.Context, target types.NamespacedName) (place, error) {
	if !slices.Contains(p.namespaces, target.Namespace) {
		return place{}, errNotFound
	}
	instance := &v1alpha1.MarketplaceInstance{}
	if err := p.get(ctx, target, instance); err != nil {
		return place{}, err
	}
	sub := instance.Spec.Subscription
	if sub == nil || sub.Entitlement.State == v1alpha1.EntitlementReleased || !instance.DeletionTimestamp.IsZero() ||
		instance.Spec.ProductRef.Name == "" {
		return place{}, errNotFound
	}
	product := &v1alpha1.MarketplaceProduct{}
	if err := p.get(ctx, types.NamespacedName{Namespace: target.Namespace, Name: instance.Spec.ProductRef.Name}, product); err != nil {
		return place{}, err
	}
	connection := &v1alpha1.Marketplace{}
	if err := p.get(ctx, types.NamespacedName{Namespace: target.Namespace, Name: sub.Marketplace}, connection); err != nil {
		return place{}, err
	}
	signOn, known := p.protocols[connection.Spec.Protocol]
	if product.Spec.Login.Path == "" || !known {
		return place{}, errNotFound
	}
	return place{instance, signOn, connection.Spec.SignOnPKCE != v1alpha1.SignOnPKCEOmit, product.Spec.Login.Path}, nil
}

func (p *places) get(ctx context.Context, name types.NamespacedName, into client.Object) error {
	err := p.cached.Get(ctx, name, into)
	if apierrors.IsNotFound(err) {
		return errNotFound
	}
	if err != nil {
		return fmt.Errorf("%w: reading %T: %w", errUnavailable, into, err)
	}
	return nil
}

// runs says whether the tenant can take users. One that ran and is not healthy at the moment can tell them so itself.
func (p place) runs() error {
	conditions := p.instance.Status.Conditions
	switch {
	case meta.IsStatusConditionTrue(conditions, v1alpha1.ConditionSuspended):
		return errSuspended
	case p.instance.Status.Revision == "" && !meta.IsStatusConditionTrue(conditions, v1alpha1.ConditionProvisioned):
		return errNotRunning
	}
	return nil
}

// frontEnd is the scheme and host of the tenant's front end. A token in plain HTTP would be anybody's.
func (p *places) frontEnd(at place) (string, error) {
	address, err := url.Parse(at.instance.Status.Access.FrontEndURL)
	if err != nil || address.Hostname() == "" || address.User != nil {
		return "", fmt.Errorf("%w: the instance has no front-end URL", errFrontEnd)
	}
	ip := net.ParseIP(address.Hostname())
	if address.Scheme != "https" && (address.Scheme != "http" || !p.loopbackHTTP || !ip.IsLoopback()) {
		return "", fmt.Errorf("%w: the instance's front-end URL does not begin with https://", errFrontEnd)
	}
	return address.Scheme + "://" + address.Host, nil
}
