package sale

import (
	"cmp"
	"context"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/lifecycle"
	"github.com/stallkeeper/stallkeeper/controllers/protocol"
)

// Sale is what is known of one instance's sale in a pass. It is read once, from caches, and decided on without another look.
type Sale struct {
	// Instance is the sale's object. It is the pass's own copy.
	Instance *v1alpha1.MarketplaceInstance
	// Product is the product; nil when it does not exist.
	Product *v1alpha1.MarketplaceProduct
	// Protocol is that of the sale's marketplace, or the defaults.
	Protocol protocol.Protocol
	// HoldUntil is until when the Marketplace lets nothing be taken away for want of a call; zero for no such time.
	HoldUntil time.Time
	// Namespace is the name of the tenant's namespace.
	Namespace string
	// Lifecycle is the product's, with the plan's fields over it, and Policy the same in the words of the rules.
	Lifecycle v1alpha1.ProductLifecycle
	Policy    lifecycle.Policy
	// Effective is what shall run: a person's overrides over what was sold.
	Effective v1alpha1.EffectiveSubscription
	// Acknowledgement is whether the marketplace may not have heard of the sale.
	Acknowledgement Acknowledgement
	// Extension is what the features want of the tenant; empty before Reader.Extend.
	Extension
}

// Reader reads sales.
type Reader struct {
	// Client reads from caches.
	Client client.Reader
	// Protocols are the known marketplaces' protocols.
	Protocols protocol.Protocols
	// TenantPrefix begins the names of the tenants' namespaces.
	TenantPrefix string
	// Features are asked for their extensions, in this order.
	Features []Feature
}

// Read reads a sale without what the features want of it.
func (r Reader) Read(ctx context.Context, mpi *v1alpha1.MarketplaceInstance) (Sale, error) {
	product, err := ProductOf(ctx, r.Client, mpi)
	if err != nil {
		return Sale{}, err
	}
	protocol, hold, err := r.marketplace(ctx, mpi)
	if err != nil {
		return Sale{}, err
	}
	s := Of(mpi, product, protocol, v1alpha1.TenantNamespace(r.TenantPrefix, mpi.Namespace, mpi.Name))
	s.HoldUntil = hold
	s.Acknowledgement = s.acknowledgement()
	return s, nil
}

// Of is what follows from an instance, its product, which may be nil, and its marketplace's protocol. It is pure.
func Of(mpi *v1alpha1.MarketplaceInstance, product *v1alpha1.MarketplaceProduct, protocol protocol.Protocol, namespace string) Sale {
	s := Sale{Instance: mpi, Product: product, Protocol: protocol, Namespace: namespace, Effective: EffectiveOf(mpi)}
	if s.Effective.Plan == "" && mpi.Spec.Subscription == nil && product != nil && len(product.Spec.Plans) == 1 {
		s.Effective.Plan = product.Spec.Plans[0].Name
	}
	s.Lifecycle = LifecycleOf(product, s.Effective.Plan, mpi.Spec.Lifecycle)
	s.Effective.DeletionProtection = deletionProtection(s.Lifecycle)
	s.Policy = policyOf(s.Lifecycle, protocol.DefaultGrace)
	s.Acknowledgement = s.acknowledgement()
	return s
}

// Extend asks the features what they want of a sale that was read.
func (r Reader) Extend(ctx context.Context, s *Sale, now time.Time) error {
	s.Extension = Extension{}
	for _, feature := range r.Features {
		extension, err := feature.Extend(ctx, *s, now)
		if err != nil {
			return err
		}
		*s = s.With(extension)
	}
	return nil
}

// With is the sale with what another feature wants of it.
func (s Sale) With(e Extension) Sale {
	s.add(e)
	s.Acknowledgement = s.acknowledgement()
	return s
}

// acknowledgement is whether the marketplace may not have heard of the sale. It may have been acknowledged by a call that was lost.
func (s Sale) acknowledgement() Acknowledgement {
	a := acknowledgementOf(s.Instance, s.MayStaySilent)
	if !a.StopAt.IsZero() && a.StopAt.Before(s.HoldUntil) {
		a.StopAt = s.HoldUntil
	}
	return a
}

// marketplace is what the marketplace's protocol says, or the defaults, and until when the Marketplace holds its sales.
func (r Reader) marketplace(ctx context.Context, mpi *v1alpha1.MarketplaceInstance) (_ protocol.Protocol, hold time.Time, _ error) {
	defaults := protocol.Protocol{DefaultGrace: defaultGrace, MaxUsageAge: DefaultUsageAge}
	if mpi.Spec.Subscription == nil {
		return defaults, time.Time{}, nil
	}
	mp := &v1alpha1.Marketplace{}
	err := r.Client.Get(ctx, types.NamespacedName{Namespace: mpi.Namespace, Name: mpi.Spec.Subscription.Marketplace}, mp)
	if client.IgnoreNotFound(err) != nil {
		return protocol.Protocol{}, time.Time{}, err
	}
	hold = mp.HeldUntil()
	if known, ok := r.Protocols[mp.Spec.Protocol]; ok && err == nil {
		known.MaxUsageAge = cmp.Or(known.MaxUsageAge, DefaultUsageAge)
		return known, hold, nil
	}
	return defaults, hold, nil
}

// ProductOf is an instance's product; nil when it does not exist.
func ProductOf(ctx context.Context, reader client.Reader, mpi *v1alpha1.MarketplaceInstance) (*v1alpha1.MarketplaceProduct, error) {
	name := mpi.Spec.ProductRef.Name
	if name == "" {
		return nil, nil
	}
	product := &v1alpha1.MarketplaceProduct{}
	if err := reader.Get(ctx, types.NamespacedName{Namespace: mpi.Namespace, Name: name}, product); err != nil {
		return nil, client.IgnoreNotFound(err)
	}
	return product, nil
}
