package controllers

import (
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
	"github.com/stallkeeper/stallkeeper/marketplace"
	"github.com/stallkeeper/stallkeeper/subscription"
)

// played is one sale and what should be true of it.
type played struct {
	base      client.WithWatch
	namespace string
	lead, old *process
	// now is the time, which goes on with everything that happens.
	now    time.Time
	orders *orderBook
	// said is what the marketplace has said up to now, and ordered what the buyer wants by the order that was made last.
	said    *v1alpha1.Subscription
	ordered marketplace.Order
	// again is the call that the marketplace may repeat.
	again *marketplace.Event
	calls int
	// templates are the templates by revision, written those by the product's UID and generation, and named the one that it has now.
	templates, written map[string]string
	named              string
	// stood is the template that the tenant stood on when things were quiet last; empty if it did not stand.
	stood string
	// retention and grace are those in days that the product has or, when it is gone, had; unpaid says that what is unpaid is deleted.
	retention, grace int
	unpaid           bool
	// deleted says whether the tenant is gone, and claimed whether it has the claim that only the first template has.
	deleted, claimed bool
	// api is what an autoscaler has chosen.
	api int32
	// ends finishes the deletion of a namespace, where nothing else does.
	ends func(*corev1.Namespace)
	// problem is what was found while something happened.
	problem string
}

// orderBook is the marketplace's order API.
type orderBook struct {
	orders map[string]marketplace.Order
	away   bool
}

// ReadOrder implements marketplace.OrderReader.
func (b *orderBook) ReadOrder(_ context.Context, orderID, _ string) (marketplace.Order, error) {
	order, ok := b.orders[orderID]
	switch {
	case b.away:
		return marketplace.Order{}, &marketplace.CallError{Kind: marketplace.ErrUnavailable}
	case !ok:
		return marketplace.Order{}, &marketplace.CallError{Kind: marketplace.ErrOrderNotFound}
	}
	return order, nil
}

// shops' templates: a number in the one Deployment, none in the other, and what can't be rendered for a buyer who says so.
func shopOf(replicas int, greeting, color string) string {
	return strings.Replace(salestest.Web, "replicas: 2", fmt.Sprint("replicas: ", replicas), 1) + workloadOf("Deployment", "api") + fixed(color) +
		strings.ReplaceAll(salestest.Settings, `"hello"`, fmt.Sprintf("%q", greeting)) + `{{ if .Values.unreadable }}{{ fail "no" }}{{ end }}`
}

// shopTemplates are what the product may have. A tenant of the first two can't take the third; the last is no revision.
var shopTemplates = map[string]string{
	"first": shopOf(2, "one", "red") + claim("1Gi"), "second": shopOf(3, "two", "red"), "refused": shopOf(4, "three", "blue"), "broken": `{{ fail "broken" }}`,
}

func (m *played) tenant() string {
	return v1alpha1.TenantNamespace(v1alpha1.DefaultTenantPrefix, m.namespace, "acme")
}

func (m *played) instance() *v1alpha1.MarketplaceInstance {
	mpi := &v1alpha1.MarketplaceInstance{}
	if err := m.base.Get(context.Background(), client.ObjectKey{Namespace: m.namespace, Name: "acme"}, mpi); err != nil {
		panic(err)
	}
	return mpi
}

// edits changes the instance as the webhook server or a person does.
func (m *played) edits(by func(*v1alpha1.MarketplaceInstance)) {
	mpi := m.instance()
	by(mpi)
	if err := m.base.Update(context.Background(), mpi); err != nil {
		panic(err)
	}
}

// produces changes the product, if it stands.
func (m *played) produces(by func(*v1alpha1.MarketplaceProduct)) bool {
	p := &v1alpha1.MarketplaceProduct{}
	err := m.base.Get(context.Background(), client.ObjectKey{Namespace: m.namespace, Name: "shop"}, p)
	if apierrors.IsNotFound(err) {
		return false
	}
	by(p)
	if err == nil {
		err = m.base.Update(context.Background(), p)
	}
	if err != nil {
		panic(err)
	}
	m.learn()
	return true
}

// buys is what a marketplace tells of a purchase.
var buys = marketplace.Event{
	Kind: marketplace.Purchase, Activity: "newInstance", InstanceID: "acme", OrderID: "o", OrderLineID: "1", Lookup: marketplace.LookupPurchase,
}

func newPlayed(base client.WithWatch, namespace string, now time.Time) *played {
	m := &played{
		base: base, namespace: namespace, now: now.UTC().Truncate(time.Second), templates: map[string]string{}, written: map[string]string{}, named: "first",
		retention: 90, grace: 15, orders: &orderBook{orders: map[string]marketplace.Order{}},
	}
	m.lead, m.old = m.process(), m.process()
	m.ordered = m.sells("o", marketplace.OrderPurchase, 1, m.now)
	purchase := buys
	purchase.SentAt = m.now
	sub, err := subscription.Merge(nil, purchase, m.now)
	if err != nil {
		panic(err)
	}
	sub.Marketplace, m.said = "koogallery", sub
	mp := &v1alpha1.Marketplace{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "koogallery"}}
	mp.Spec.Protocol, mp.Spec.KooGallery.Site = v1alpha1.ProtocolKooGallery, "International"
	mp.Spec.KooGallery.CallbackSecretRef.Name, mp.Spec.KooGallery.API.CredentialsSecretName = "callback", "openapi"
	credentials := keys()
	credentials.ObjectMeta = metav1.ObjectMeta{Namespace: namespace, Name: "openapi"}
	mpi := &v1alpha1.MarketplaceInstance{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "acme", Finalizers: []string{v1alpha1.TenantFinalizer}},
		Spec:       v1alpha1.MarketplaceInstanceSpec{Subscription: sub.DeepCopy()},
	}
	for _, object := range []client.Object{mp, credentials, m.product(), mpi} {
		if err := base.Create(context.Background(), object); err != nil {
			panic(err)
		}
	}
	m.learn()
	m.happened(marketplace.Event{Kind: marketplace.Query, Activity: "queryInstance"})
	return m
}

// product is what is sold.
func (m *played) product() *v1alpha1.MarketplaceProduct {
	return salestest.Product(salestest.Inline(shopTemplates[m.named]), withAccess, m.periods, func(p *v1alpha1.MarketplaceProduct) {
		p.Namespace, p.UID, p.Generation = m.namespace, "", 0
	})
}

// periods are those that the product shall have.
func (m *played) periods(p *v1alpha1.MarketplaceProduct) {
	p.Spec.Lifecycle.RetentionPeriodSeconds, p.Spec.Lifecycle.GracePeriodSeconds = days(int64(m.retention)), days(int64(m.grace))
	p.Spec.Lifecycle.AfterRetention = v1alpha1.AfterRetentionKeep
	if m.unpaid {
		p.Spec.Lifecycle.AfterRetention = v1alpha1.AfterRetentionDelete
	}
}

// sells makes an order that the order API knows.
func (m *played) sells(id string, kind marketplace.OrderType, quantity int32, at time.Time) marketplace.Order {
	order := marketplace.Order{
		Type: kind, OrderedAt: at, Charging: marketplace.ChargingPrepaid, Refund: true, Raw: []byte("{}"),
		Items: []marketplace.Item{{SKUCode: "shop-small", Quantity: ptr.To(quantity)}},
	}
	if kind == marketplace.OrderPurchase {
		order.ExpiresAt = at.AddDate(0, 0, 30)
	}
	m.orders.orders[id] = order
	return order
}

// process starts a process that sells.
func (m *played) process() *process {
	p := newProcess(m.base, m.orders, m.namespace, m.now)
	p.deletes = func(kind, name string) {
		if !m.due() {
			m.problem = fmt.Sprintf("%s %s goes at %v, with a retention of %d days: %+v", kind, name, m.now, m.retention, m.instance().Spec.Subscription)
		}
		if kind == "Namespace" {
			m.deleted, m.api = true, 0
		}
	}
	return p
}

// removal is when the tenant's data go; false for never.
func (m *played) removal() (time.Time, bool) {
	sub := m.instance().Spec.Subscription
	switch {
	case sub.Entitlement.State == v1alpha1.EntitlementReleased:
		return sub.Entitlement.Time.AddDate(0, 0, m.retention), true
	case m.unpaid && !sub.ExpiryTime.IsZero():
		return sub.ExpiryTime.AddDate(0, 0, m.grace+m.retention), true
	}
	return time.Time{}, false
}

func (m *played) due() bool {
	at, ok := m.removal()
	return ok && !m.now.Before(at)
}

// passes are one pass of the leader, at the time that it is.
func (m *played) passes() error {
	m.lead.at(m.now)
	return m.lead.passes(context.Background(), m.namespace)
}
