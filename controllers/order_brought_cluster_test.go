package controllers

import (
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/sale"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
	"github.com/stallkeeper/stallkeeper/marketplace"
)

// isToldOf creates an instance as the webhook server does for a call that brings its order, which is not stored yet.
func (x *shop) isToldOf(name string, told time.Time, more ...v1alpha1.Call) *v1alpha1.MarketplaceInstance {
	x.t.Helper()
	mpi := here(x, salestest.Sale(salestest.UnknownOrder))
	mpi.Name = name
	sub := mpi.Spec.Subscription
	sub.InstanceID, sub.OrderID, sub.OrderLineID, sub.Type = name, "o-"+name, "", v1alpha1.SubscriptionPaid
	sub.Calls = append([]v1alpha1.Call{{
		Operation: "newInstance", OrderID: "o-" + name, Time: metav1.NewTime(told), Pending: v1alpha1.CallPendingPurchase, Source: v1alpha1.OrderFromCall,
	}}, more...)
	x.create(mpi)
	return mpi
}

// brings stores what a call has brought, as the webhook server does.
func (x *shop) brings(mpi *v1alpha1.MarketplaceInstance, call v1alpha1.Call, raw []byte) {
	x.t.Helper()
	secret := sale.OwnedSecret(mpi, call.OrderSecretName(mpi.Name, mpi.UID))
	secret.Labels[v1alpha1.CallLabel] = string(v1alpha1.CallOrder)
	secret.Type, secret.Immutable = v1alpha1.CallSecretType, ptr.To(true)
	secret.Data = map[string][]byte{v1alpha1.CallOrderKey: raw, v1alpha1.CallRawKey: []byte(`{"phone":"+49 30 1234567"}`)}
	x.create(secret)
}

// inCall is an order of shop's plan as a call brings it.
func inCall(x *shop, kind marketplace.OrderType, sku string, quantity int32) []byte {
	x.t.Helper()
	raw, err := marketplace.EncodeOrder(marketplace.Order{
		Type: kind, Charging: marketplace.ChargingPrepaid, ExpiresAt: time.Now().Add(24 * time.Hour),
		Items:      []marketplace.Item{{SKUCode: sku, Quantity: ptr.To(quantity)}},
		Attributes: []marketplace.Attribute{{Name: "diskSize", Value: "100"}}, CustomerID: "customer-7", CustomerName: "Ada",
	})
	x.Expect(err).NotTo(HaveOccurred())
	return raw
}

// connectsWithoutOrderAPI creates a connection that has no credentials of the order API.
func (x *shop) connectsWithoutOrderAPI() {
	x.t.Helper()
	mp := &v1alpha1.Marketplace{ObjectMeta: metav1.ObjectMeta{Namespace: x.name, Name: "koogallery"}}
	mp.Spec.Protocol, mp.Spec.KooGallery.Site, mp.Spec.KooGallery.CallbackSecretRef.Name = v1alpha1.ProtocolKooGallery, "International", "callback"
	x.create(mp)
}

func TestAnOrderThatACallBringsNeedsNoOrderAPI(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-brought")
	o := x.operate()
	x.sells(withAccess)
	x.connectsWithoutOrderAPI()
	told := time.Now().Add(-time.Minute).UTC().Truncate(time.Second)
	mpi := x.isToldOf("acme", told)
	waiting := x.says("acme", v1alpha1.ConditionOrderResolved, "Unknown OrderPending")
	x.Expect(waiting.Status.Conditions).To(ContainElement(HaveField("Message", ContainSubstring("waiting for the marketplace to retry it"))))
	o.requests.reset()

	x.brings(mpi, mpi.Spec.Subscription.Calls[0], inCall(x, marketplace.OrderPurchase, "shop-small", 3))
	mpi = x.says("acme", v1alpha1.ConditionReady, "True InstanceReady")
	sub := mpi.Spec.Subscription
	x.Expect([]any{mpi.Spec.ProductRef.Name, sub.Plan, *sub.Quantity, sub.CustomerID, sub.CustomerName, sub.ExpirySource, sub.ChargingMode}).
		To(Equal([]any{"shop", "small", int32(3), "customer-7", "", v1alpha1.ExpiryFromOrder, v1alpha1.ChargingPrepaid}))
	x.Expect(sub.StartTime.UTC()).To(Equal(told), "nobody has said better when it began")
	x.Expect(sub.Calls[0].Pending).To(BeEmpty())
	x.Expect(sub.Attributes).To(ConsistOf(v1alpha1.Attribute{Name: "diskSize", Value: ptr.To("100")}))

	// The seed stands before what is derived from it.
	writes := o.requests.writes()
	made := slices.IndexFunc(writes, func(w string) bool { return strings.Contains(w, "/namespaces/"+mpi.Status.Namespace) })
	kept := slices.IndexFunc(writes, func(w string) bool { return strings.HasSuffix(w, "/secrets") })
	x.Expect([]int{kept, made}).NotTo(ContainElement(-1), "%v", writes)
	x.Expect(kept).To(BeNumerically("<", made))
	x.Expect(mpi.Status.Access).To(Equal(v1alpha1.InstanceAccess{
		FrontEndURL: "https://acme.example.com", Memo: "welcome", CredentialsSecretRef: v1alpha1.SecretReference{Name: "acme-access"},
	}))
	err := x.client.Get(t.Context(), client.ObjectKey{Namespace: x.name, Name: v1alpha1.OrderSecretName("acme")}, &corev1.Secret{})
	x.Expect(apierrors.IsNotFound(err)).To(BeTrue(), "it is kept once")
}

// Where tenants' Secrets are watched, one cache holds those and the calls'.
func TestACallsSecretIsNoticedAlsoWhereTenantsSecretsAreWatched(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-drift")
	x.kinds = append(x.kinds, corev1.SchemeGroupVersion.WithKind("Secret"))
	x.operate()
	x.sells()
	x.connectsWithoutOrderAPI()
	mpi := x.isToldOf("acme", time.Now())
	x.says("acme", v1alpha1.ConditionOrderResolved, "Unknown OrderPending")
	x.brings(mpi, mpi.Spec.Subscription.Calls[0], inCall(x, marketplace.OrderPurchase, "shop-small", 3))
	x.says("acme", v1alpha1.ConditionReady, "True InstanceReady")
}

func TestWhatBecomesOfACallThatWasStoredByHalf(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-half")
	x.operate()
	x.sells()
	x.connectsWithoutOrderAPI()
	upgrade := func(order string, sent time.Time) v1alpha1.Call {
		return v1alpha1.Call{
			Operation: "upgrade", OrderID: order, Time: metav1.NewTime(sent), Pending: v1alpha1.CallPendingChange, Source: v1alpha1.OrderFromCall,
		}
	}
	now := time.Now()
	x.isToldOf("late", now.Add(-4*time.Hour))
	mpi := x.says("late", v1alpha1.ConditionReady, "False CallIncomplete")
	x.Expect(mpi.Status.State).To(Equal(v1alpha1.StateBlocked))

	broken := x.isToldOf("broken", now)
	x.brings(broken, broken.Spec.Subscription.Calls[0], []byte(`{"customerName":"Ada"`))
	mpi = x.says("broken", v1alpha1.ConditionOrderResolved, "False OrderInvalid")
	for _, c := range mpi.Status.Conditions {
		x.Expect(c.Message).NotTo(ContainSubstring("Ada"))
	}

	unlisted := x.isToldOf("unlisted", now)
	x.brings(unlisted, unlisted.Spec.Subscription.Calls[0], inCall(x, marketplace.OrderPurchase, "never-heard", 1))
	x.says("unlisted", v1alpha1.ConditionReady, "False UnknownSKU")

	// The first upgrade is lost. What was bought after it is not.
	acme := x.isToldOf("acme", now.Add(-6*time.Hour), upgrade("up-1", now.Add(-5*time.Hour)), upgrade("up-2", now))
	x.brings(acme, acme.Spec.Subscription.Calls[2], inCall(x, marketplace.OrderChange, "shop-small", 9))
	x.brings(acme, acme.Spec.Subscription.Calls[0], inCall(x, marketplace.OrderPurchase, "shop-small", 3))
	x.eventually(func() int32 { return ptr.Deref(x.instance("acme").Spec.Subscription.Quantity, 0) }).Should(Equal(int32(9)))
	x.says("acme", v1alpha1.ConditionOrderResolved, "False CallIncomplete")
	x.says("acme", v1alpha1.ConditionProvisioned, "True Provisioned")

	t.Run("a person can end the wait for an order that was canceled", func(*testing.T) {
		given := x.isToldOf("given-up", now.Add(-6*time.Hour), upgrade("up-1", now.Add(-5*time.Hour)))
		x.brings(given, given.Spec.Subscription.Calls[0], inCall(x, marketplace.OrderPurchase, "shop-small", 3))
		x.says("given-up", v1alpha1.ConditionProvisioned, "True Provisioned")
		x.says("given-up", v1alpha1.ConditionReady, "False CallIncomplete")
		change(x, given, func(mpi *v1alpha1.MarketplaceInstance) { mpi.Spec.Subscription.Calls[1].Pending = "" })
		x.says("given-up", v1alpha1.ConditionReady, "True InstanceReady")
	})

	// When it comes after all, it is older than what is in force.
	x.brings(acme, acme.Spec.Subscription.Calls[1], inCall(x, marketplace.OrderChange, "shop-small", 5))
	mpi = x.says("acme", v1alpha1.ConditionReady, "True InstanceReady")
	x.Expect(*mpi.Spec.Subscription.Quantity).To(Equal(int32(9)))
}

// A marketplace that comes back only in an hour must not wait for what keeps the tenant from being made.
func TestTheBuyerCanBeToldWhereToGoAlthoughTheTenantCannotBeMade(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-early")
	x.operate()
	x.sells(withAccess)
	x.connectsWithoutOrderAPI()
	taken := v1alpha1.TenantNamespace(v1alpha1.DefaultTenantPrefix, x.name, "acme")
	x.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: taken}})
	mpi := x.isToldOf("acme", time.Now())
	x.brings(mpi, mpi.Spec.Subscription.Calls[0], inCall(x, marketplace.OrderPurchase, "shop-small", 3))
	mpi = x.says("acme", v1alpha1.ConditionProvisioned, "False NamespaceConflict")
	x.Expect(mpi.Status.Access.FrontEndURL).To(Equal("https://acme.example.com"))

	t.Run("and it is told anew when the status was erased", func(*testing.T) {
		x.erase("acme", wholeStatus)
		x.eventually(func() string { return x.instance("acme").Status.Access.FrontEndURL }).Should(Equal("https://acme.example.com"))
	})
	t.Run("one that is polled is told when it runs", func(*testing.T) {
		x.buys("by-hand")
		x.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: v1alpha1.TenantNamespace(v1alpha1.DefaultTenantPrefix, x.name, "by-hand-2")}})
		x.buys("by-hand-2")
		x.Expect(x.says("by-hand-2", v1alpha1.ConditionProvisioned, "False NamespaceConflict").Status.Access.FrontEndURL).To(BeEmpty())
	})
}
