package webhook

import (
	"context"
	"fmt"
	"unicode/utf8"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/marketplace"
)

const (
	// instanceIDField is a selectable field of the CRD, so that the API server can be asked by it too.
	instanceIDField = "spec.subscription.instanceID"
	// orderIDField is an index of the cache only.
	orderIDField = "spec.subscription.orderID"
	// maxInstanceID is the bound of spec.subscription.instanceID: nothing longer is stored.
	maxInstanceID = 256
)

// Indexes are the fields by which instances are looked up, for a cache or for a fake client.
var Indexes = map[string]client.IndexerFunc{
	instanceIDField: func(object client.Object) []string {
		return subscriptionField(object, func(sub *v1alpha1.Subscription) string { return sub.InstanceID })
	},
	orderIDField: func(object client.Object) []string {
		return subscriptionField(object, func(sub *v1alpha1.Subscription) string { return sub.OrderID })
	},
}

func subscriptionField(object client.Object, field func(*v1alpha1.Subscription) string) []string {
	instance, ok := object.(*v1alpha1.MarketplaceInstance)
	if !ok || instance.Spec.Subscription == nil || field(instance.Spec.Subscription) == "" {
		return nil
	}
	return []string{field(instance.Spec.Subscription)}
}

// found is an instance and where it was seen.
type found struct {
	*v1alpha1.MarketplaceInstance
	// live is true when the API server itself has just shown it.
	live bool
}

// find looks an instance up by the id that the marketplace has for it: under that name in the cache, as most are; by the
// field; and before it says "unknown", by the field at the API server. An instance of another Marketplace is unknown. Errors
// wrap ErrUnknownInstance or ErrUnavailable.
func (r *recorder) find(ctx context.Context, of *v1alpha1.Marketplace, id string) (found, error) {
	if id == "" || utf8.RuneCountInString(id) > maxInstanceID {
		return found{}, marketplace.ErrUnknownInstance
	}
	named := &v1alpha1.MarketplaceInstance{}
	err := r.client.Get(ctx, client.ObjectKey{Namespace: of.Namespace, Name: id}, named)
	if err == nil && isSale(named, of, id) {
		return r.notOutdated(ctx, of, named)
	}
	if err != nil && !apierrors.IsNotFound(err) {
		return found{}, unavailable("reading MarketplaceInstance "+id, err)
	}
	instance, err := findByID(ctx, r.client, of, id)
	switch {
	case err != nil:
		return found{}, err
	case instance != nil:
		return r.notOutdated(ctx, of, instance)
	}
	return r.findLive(ctx, of, id)
}

// notOutdated is an instance of the cache, or what the API server shows where the cache lacks what was just stored.
func (r *recorder) notOutdated(ctx context.Context, of *v1alpha1.Marketplace, cached *v1alpha1.MarketplaceInstance) (found, error) {
	if r.writes.missing(cached) {
		return r.findLive(ctx, of, cached.Spec.Subscription.InstanceID)
	}
	return found{MarketplaceInstance: cached}, nil
}

// findLive asks the API server only.
func (r *recorder) findLive(ctx context.Context, of *v1alpha1.Marketplace, id string) (found, error) {
	instance, err := findByID(ctx, r.live, of, id)
	switch {
	case err != nil:
		return found{}, err
	case instance == nil:
		return found{}, marketplace.ErrUnknownInstance
	}
	return found{MarketplaceInstance: instance, live: true}, nil
}

// findByID is nil without an error when there is no such instance.
func findByID(ctx context.Context, reader client.Reader, of *v1alpha1.Marketplace, id string) (*v1alpha1.MarketplaceInstance, error) {
	list := &v1alpha1.MarketplaceInstanceList{}
	err := reader.List(ctx, list, client.InNamespace(of.Namespace), client.MatchingFields{instanceIDField: id})
	if err != nil {
		return nil, unavailable("looking up the instance id "+id, err)
	}
	var only *v1alpha1.MarketplaceInstance
	for i := range list.Items {
		if !isSale(&list.Items[i], of, id) {
			continue
		}
		if only != nil {
			// To choose one would be to change a buyer's tenant by chance.
			return nil, fmt.Errorf("%w: the MarketplaceInstances %s and %s have the same instanceID",
				marketplace.ErrUnavailable, only.Name, list.Items[i].Name)
		}
		only = &list.Items[i]
	}
	return only, nil
}

// soldBefore finds the instance of an order line that has another id than the one that we would give it, because it was sold
// before Stallkeeper came; nil when there is none. Such instances are old, so the cache knows them. A purchase without a line is
// all of its order: then the only instance of the order is meant, whatever line a person has noted there.
func (r *recorder) soldBefore(ctx context.Context, of *v1alpha1.Marketplace, event marketplace.Event) (*v1alpha1.MarketplaceInstance, error) {
	list := &v1alpha1.MarketplaceInstanceList{}
	err := r.client.List(ctx, list, client.InNamespace(of.Namespace), client.MatchingFields{orderIDField: event.OrderID})
	if err != nil {
		return nil, unavailable("looking up the order "+event.OrderID, err)
	}
	var ofOrder []*v1alpha1.MarketplaceInstance
	for i := range list.Items {
		instance := &list.Items[i]
		sub := instance.Spec.Subscription
		if !isSale(instance, of, sub.InstanceID) {
			continue
		}
		if sub.OrderLineID == event.OrderLineID && sub.InstanceID != event.InstanceID {
			return instance, nil
		}
		ofOrder = append(ofOrder, instance)
	}
	if event.OrderLineID == "" && len(ofOrder) == 1 && !marketplace.IsInstanceName(ofOrder[0].Spec.Subscription.InstanceID) {
		return ofOrder[0], nil
	}
	return nil, nil
}

func isSale(instance *v1alpha1.MarketplaceInstance, of *v1alpha1.Marketplace, id string) bool {
	sub := instance.Spec.Subscription
	return sub != nil && sub.Marketplace == of.Name && sub.InstanceID == id
}
