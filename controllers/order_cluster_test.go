package controllers

import (
	"fmt"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
	"github.com/stallkeeper/stallkeeper/marketplace"
)

// sold is an order of the shop's plan small.
func sold(changes ...func(*marketplace.Order)) salestest.OrderAnswer {
	order := marketplace.Order{
		Type: marketplace.OrderPurchase, OrderedAt: salestest.Day(0), Charging: marketplace.ChargingPrepaid, ExpiresAt: time.Now().Add(24 * time.Hour),
		Items:      []marketplace.Item{{SKUCode: "shop-small", Quantity: ptr.To(int32(3))}},
		CustomerID: "customer-7", CustomerName: "Ada", Raw: []byte(`{"phone":"+49 30 1234567"}`),
	}
	for _, change := range changes {
		change(&order)
	}
	return salestest.OrderAnswer{Order: order}
}

func refusedBy(kind error, retryAfter time.Duration) salestest.OrderAnswer {
	return salestest.OrderAnswer{Err: &marketplace.CallError{Kind: kind, Detail: "code MKT.1", Remedy: "do this", RetryAfter: retryAfter}}
}

// connects creates the connection to the marketplace, with or without credentials.
func (x *shop) connects(name string, credentials *corev1.Secret) {
	x.t.Helper()
	mp := &v1alpha1.Marketplace{ObjectMeta: metav1.ObjectMeta{Namespace: x.name, Name: name}}
	mp.Spec.Protocol, mp.Spec.KooGallery.Site = v1alpha1.ProtocolKooGallery, "International"
	mp.Spec.KooGallery.CallbackSecretRef.Name = name + "-callback"
	mp.Spec.KooGallery.API.CredentialsSecretName = name + "-openapi"
	x.create(mp)
	if credentials != nil {
		credentials.ObjectMeta = metav1.ObjectMeta{Namespace: x.name, Name: name + "-openapi"}
		x.create(credentials)
	}
}

func keys() *corev1.Secret {
	return &corev1.Secret{Data: map[string][]byte{"ak": []byte("ak-1\n"), "sk": []byte("sk-of-the-seller\n")}}
}

// isSold creates an instance as the webhook server does: its order is the one that is named, and not looked up yet.
func (x *shop) isSold(name, marketplaceName, orderID string, told time.Time) {
	x.t.Helper()
	mpi := here(x, salestest.Sale(salestest.UnknownOrder))
	mpi.Name = name
	sub := mpi.Spec.Subscription
	sub.Marketplace, sub.InstanceID, sub.OrderID = marketplaceName, name, orderID
	sub.Calls[0].OrderID, sub.Calls[0].Time = orderID, metav1.NewTime(told)
	x.create(mpi)
}

func TestWhatTheOrderAPIAnswers(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-orders")
	x.orders.Answers = map[string]salestest.OrderAnswer{
		"o-good": sold(), "o-refused": refusedBy(marketplace.ErrOrderRefused, 0), "o-invalid": refusedBy(marketplace.ErrOrderInvalid, 0),
		"o-busy": refusedBy(marketplace.ErrUnavailable, time.Hour), "o-down": refusedBy(marketplace.ErrUnavailable, 0),
		"o-sku":  sold(func(o *marketplace.Order) { o.Items[0].SKUCode = "never-heard" }),
		"o-type": sold(func(o *marketplace.Order) { o.Type = marketplace.OrderUnsubscription }),
	}
	x.operate()
	x.sells()
	x.connects("koogallery", keys())
	x.connects("without-keys", nil)
	x.connects("half-keys", &corev1.Secret{Data: map[string][]byte{"ak": []byte("ak-1")}})

	now := time.Now()
	tests := map[string]struct {
		marketplace, order string
		told               time.Time
		want               string
	}{
		"good":         {"koogallery", "o-good", now, "True OrderResolved"},
		"not-yet":      {"koogallery", "o-none", now, "Unknown OrderPending"},
		"never":        {"koogallery", "o-none", now.Add(-10 * time.Minute), "False OrderNotFound"},
		"refused":      {"koogallery", "o-refused", now, "False OrderAPIRefused"},
		"invalid":      {"koogallery", "o-invalid", now, "False OrderInvalid"},
		"busy":         {"koogallery", "o-busy", now, "Unknown OrderAPIUnavailable"},
		"down":         {"koogallery", "o-down", now, "Unknown OrderAPIUnavailable"},
		"unknown-sku":  {"koogallery", "o-sku", now, "False UnknownSKU"},
		"wrong-type":   {"koogallery", "o-type", now, "False UnexpectedOrderType"},
		"no-keys":      {"without-keys", "o-good", now, "False CredentialsMissing"},
		"half-keys":    {"half-keys", "o-good", now, "False CredentialsMissing"},
		"no-such-shop": {"gone", "o-good", now, "False MarketplaceNotFound"},
	}
	for name, tc := range tests {
		x.isSold(name, tc.marketplace, tc.order, tc.told)
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			mpi := x.says(name, v1alpha1.ConditionOrderResolved, tc.want)
			for _, c := range mpi.Status.Conditions {
				x.Expect(c.Message).NotTo(Or(ContainSubstring("sk-of-the-seller"), ContainSubstring("+49")))
			}
			if name != "good" {
				x.Expect(mpi.Spec.Subscription.Plan).To(BeEmpty())
				x.Expect(mpi.Spec.Subscription.Calls[0].Pending).To(Equal(v1alpha1.CallPendingPurchase), "it is asked again")
				x.says(name, v1alpha1.ConditionProvisioned, "Unknown WaitingForOrder")
			}
		})
	}
	x.checkGoodOrder()
}

func (x *shop) checkGoodOrder() {
	x.t.Helper()
	mpi := x.says("good", v1alpha1.ConditionReady, "True InstanceReady")
	sub := mpi.Spec.Subscription
	x.Expect([]any{mpi.Spec.ProductRef.Name, sub.Plan, *sub.Quantity, sub.CustomerID, sub.CustomerName, sub.ExpirySource}).
		To(Equal([]any{"shop", "small", int32(3), "customer-7", "", v1alpha1.ExpiryFromOrder}))
	x.Expect(sub.Calls[0].Pending).To(BeEmpty())
	secret := x.secret(x.name, "good-orders")
	x.Expect(secret.Data).To(Equal(map[string][]byte{"o-good.json": []byte(`{"phone":"+49 30 1234567"}`)}))
	x.Expect(secret.OwnerReferences).To(ConsistOf(HaveField("UID", mpi.UID)))
	x.Expect(fmt.Sprintf("%+v", mpi)).NotTo(ContainSubstring("+49"))
}

// The webhook server may store a call while the order API is asked.
func TestACallThatComesMeanwhileIsNotLost(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-meanwhile")
	x.orders.Answers["o-1"] = sold()
	once := true
	x.orders.Asked = func(string) {
		if !once {
			return
		}
		once = false
		mpi := &v1alpha1.MarketplaceInstance{ObjectMeta: metav1.ObjectMeta{Namespace: x.name, Name: "acme"}}
		change(x, mpi, func(mpi *v1alpha1.MarketplaceInstance) {
			sub := mpi.Spec.Subscription
			sub.ExpiryTime, sub.ExpirySource = metav1.NewTime(time.Now().Add(72*time.Hour).Truncate(time.Second)), v1alpha1.ExpiryFromRenewal
			sub.Calls = append(sub.Calls, v1alpha1.Call{Operation: "refreshInstance", Variant: "RENEWAL", OrderID: "o-2", Time: metav1.Now()})
		})
	}
	x.operate()
	x.sells()
	x.connects("koogallery", keys())
	x.isSold("acme", "koogallery", "o-1", time.Now())
	x.says("acme", v1alpha1.ConditionReady, "True InstanceReady")
	sub := x.instance("acme").Spec.Subscription
	x.Expect(sub.Plan).To(Equal("small"))
	x.Expect(sub.ExpirySource).To(Equal(v1alpha1.ExpiryFromRenewal), "the renewal knows better than the order")
	x.Expect(sub.Calls).To(HaveLen(2))
	x.Expect(sub.Calls[0].Pending).To(BeEmpty())
}

func TestAProductThatComesLaterResolvesTheOrder(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-later")
	x.orders.Answers["o-1"] = sold()
	x.operate()
	x.connects("koogallery", keys())
	x.isSold("acme", "koogallery", "o-1", time.Now())
	x.says("acme", v1alpha1.ConditionOrderResolved, "False UnknownSKU")
	mpi := x.says("acme", v1alpha1.ConditionReady, "False UnknownSKU")
	x.Expect(mpi.Status.State).To(Equal(v1alpha1.StateBlocked))
	x.sells()
	x.says("acme", v1alpha1.ConditionReady, "True InstanceReady")

	t.Run("a released sale asks no more and stops", func(*testing.T) {
		change(x, mpi, func(mpi *v1alpha1.MarketplaceInstance) {
			mpi.Spec.Subscription.Entitlement = v1alpha1.Entitlement{
				State: v1alpha1.EntitlementReleased, Reason: v1alpha1.EntitlementByMarketplace, Time: metav1.Now(),
			}
		})
		x.says("acme", v1alpha1.ConditionOrderResolved, "True Released")
		x.says("acme", v1alpha1.ConditionSuspended, "True Released")
		change(x, mpi, func(mpi *v1alpha1.MarketplaceInstance) {
			mpi.Spec.Subscription.Entitlement.Time = metav1.NewTime(time.Now().Add(-15*24*time.Hour - time.Minute))
		})
		namespace := x.instance("acme").Status.Namespace
		x.namespaceGoes(namespace)
		mpi := x.says("acme", v1alpha1.ConditionProvisioned, "False Removed")
		x.Expect(mpi.Status.State).To(Equal(v1alpha1.StateReleased))
		x.Expect(mpi.Status.Namespace).To(BeEmpty())
		x.Expect(client.IgnoreNotFound(x.client.Get(t.Context(), client.ObjectKey{Name: namespace}, &corev1.Namespace{}))).To(Succeed())
	})
}
