package login

import (
	"cmp"
	"context"
	"errors"
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
	return place{instance, signOn, connection.Spec.KooGallery.SignOnPKCE != v1alpha1.SignOnPKCEOmit, product.Spec.Login.Path}, nil
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

// EnterpriseField is a field by which instances are looked up.
const EnterpriseField = "status.enterprises"

// EnterprisesOf are an instance's values of EnterpriseField, for a cache.
func EnterprisesOf(object client.Object) []string {
	instance, ok := object.(*v1alpha1.MarketplaceInstance)
	if !ok {
		return nil
	}
	return instance.Status.Enterprises
}

// ofEnterprise is the instance of a product that an enterprise uses: of several one that runs before others, and the newest first.
func (p *places) ofEnterprise(ctx context.Context, product types.NamespacedName, enterprise string) (types.NamespacedName, error) {
	if !slices.Contains(p.namespaces, product.Namespace) || enterprise == "" {
		return types.NamespacedName{}, errNotFound
	}
	var list v1alpha1.MarketplaceInstanceList
	err := p.cached.List(ctx, &list, client.InNamespace(product.Namespace), client.MatchingFields{EnterpriseField: v1alpha1.EnterpriseHash(enterprise)})
	if err != nil {
		return types.NamespacedName{}, fmt.Errorf("%w: listing instances: %w", errUnavailable, err)
	}
	var found []place
	for i := range list.Items {
		at, err := p.find(ctx, client.ObjectKeyFromObject(&list.Items[i]))
		switch {
		case errors.Is(err, errUnavailable):
			return types.NamespacedName{}, err
		case err == nil && at.instance.Spec.ProductRef.Name == product.Name:
			found = append(found, at)
		}
	}
	if len(found) == 0 {
		return types.NamespacedName{}, errNotFound
	}
	return client.ObjectKeyFromObject(slices.MinFunc(found, func(a, b place) int {
		stopped := map[bool]int{true: 1}
		return cmp.Or(
			cmp.Compare(stopped[a.runs() != nil], stopped[b.runs() != nil]),
			b.instance.CreationTimestamp.Compare(a.instance.CreationTimestamp.Time), cmp.Compare(a.instance.Name, b.instance.Name),
		)
	}).instance), nil
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
