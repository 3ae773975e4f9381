package order

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	testingclock "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/protocol"
	"github.com/stallkeeper/stallkeeper/controllers/report"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
	"github.com/stallkeeper/stallkeeper/marketplace"
)

// reconciled is an instance after a number of passes, over a marketplace with these orders, with what the instance's reconciler is told to
// say of them. It is day 10.
func reconciled(t *testing.T, mpi *v1alpha1.MarketplaceInstance, answers map[string]salestest.OrderAnswer, passes int) *v1alpha1.MarketplaceInstance {
	t.Helper()
	mp := &v1alpha1.Marketplace{ObjectMeta: metav1.ObjectMeta{Namespace: "sales", Name: "koogallery"}}
	mp.Spec.Protocol = v1alpha1.ProtocolKooGallery
	mp.Spec.KooGallery.API.CredentialsSecretName = "api"
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: "system", Name: "api"}, Data: map[string][]byte{"ak": []byte("a"), "sk": []byte("s")},
	}
	shop := salestest.Product(func(p *v1alpha1.MarketplaceProduct) {
		p.Spec.Plans[1].Listings = []v1alpha1.Listing{{Marketplace: "koogallery", SKUs: []string{"shop-large"}}}
	})
	c := fake.NewClientBuilder().WithScheme(salestest.NewTestScheme(t)).WithStatusSubresource(mpi).WithObjects(mp, secret, shop, mpi).Build()
	r := &Reconciler{
		Client: c, APIReader: c, Clock: testingclock.NewFakePassiveClock(salestest.Day(10)), Findings: &Findings{},
		Clients: protocol.Clients{Secrets: c, Namespace: "system", Protocols: protocol.Protocols{v1alpha1.ProtocolKooGallery: {
			NewOrderReader: func(protocol.OpenAPI) (marketplace.OrderReader, error) {
				return &salestest.OrderAPI{Answers: answers}, nil
			},
		}}},
	}
	for range passes {
		if _, err := r.Reconcile(t.Context(), ctrl.Request{NamespacedName: client.ObjectKeyFromObject(mpi)}); err != nil {
			t.Fatal(err)
		}
	}
	after := &v1alpha1.MarketplaceInstance{}
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(mpi), after); err != nil {
		t.Fatal(err)
	}
	said := r.Findings.verdict(after)
	report.Set(&after.Status.Conditions, v1alpha1.ConditionOrderResolved, said, after.Generation, salestest.Day(10))
	return after
}

// says is a condition as "Status Reason"; empty when it is absent.
func says(mpi *v1alpha1.MarketplaceInstance, kind string) string {
	condition := meta.FindStatusCondition(mpi.Status.Conditions, kind)
	if condition == nil {
		return ""
	}
	return string(condition.Status) + " " + condition.Reason
}

// upgraded was told of an upgrade on a day.
func upgraded(order string, day int) salestest.InstanceChange {
	return func(mpi *v1alpha1.MarketplaceInstance) {
		mpi.Spec.Subscription.Calls = append(mpi.Spec.Subscription.Calls, v1alpha1.Call{
			Operation: "upgradeInstance", OrderID: order, OrderLineID: order + "-1", Time: salestest.At(day), Pending: v1alpha1.CallPendingChange,
		})
	}
}

func upgradeTo(sku string, day int) salestest.OrderAnswer {
	return salestest.OrderAnswer{Order: marketplace.Order{
		Type: marketplace.OrderChange, OrderedAt: salestest.Day(day), Items: []marketplace.Item{{SKUCode: sku, Quantity: ptr.To(int32(9))}},
	}}
}

// The paid time of a product under supervision begins when the buyer accepts: the end that the order named before was an estimate. It is day 10.
func TestTheEndOfAPurchaseIsReadAgain(t *testing.T) {
	ends := func(day int) salestest.InstanceChange {
		return func(mpi *v1alpha1.MarketplaceInstance) { mpi.Spec.Subscription.ExpiryTime = salestest.At(day) }
	}
	comesAgain := func(mpi *v1alpha1.MarketplaceInstance) {
		mpi.Spec.Subscription.Calls[0].Pending = v1alpha1.CallPendingExpiry
	}
	byPerson := func(mpi *v1alpha1.MarketplaceInstance) {
		mpi.Spec.Subscription.ExpirySource = v1alpha1.ExpiryFromPerson
	}
	brought := func(mpi *v1alpha1.MarketplaceInstance) {
		mpi.Spec.Subscription.Calls[0].Source = v1alpha1.OrderFromCall
	}
	until := func(day int) salestest.OrderAnswer {
		return salestest.OrderAnswer{Order: marketplace.Order{Type: marketplace.OrderPurchase, ExpiresAt: salestest.Day(day)}}
	}
	away := salestest.OrderAnswer{Err: &marketplace.CallError{Kind: marketplace.ErrUnavailable}}
	unknown := salestest.OrderAnswer{Err: &marketplace.CallError{Kind: marketplace.ErrOrderNotFound}}
	tests := map[string]struct {
		mpi    *v1alpha1.MarketplaceInstance
		answer salestest.OrderAnswer
		want   int
	}{
		"when the purchase comes once more":                    {salestest.Sale(comesAgain), until(70), 70},
		"an earlier end is none":                               {salestest.Sale(comesAgain), until(20), 30},
		"a person knows better":                                {salestest.Sale(comesAgain, byPerson), until(70), 30},
		"when it is reached":                                   {salestest.Sale(ends(10)), until(70), 70},
		"when it was reached hours ago":                        {salestest.Sale(ends(9)), until(70), 70},
		"not before":                                           {salestest.Sale(ends(11)), until(70), 11},
		"not of a sale that ended long ago":                    {salestest.Sale(ends(8)), until(70), 8},
		"not where the call brought the order":                 {salestest.Sale(ends(10), brought), until(70), 10},
		"not over a person's word":                             {salestest.Sale(ends(10), byPerson), until(70), 10},
		"an order that can't be read at its end holds no sale": {salestest.Sale(ends(10)), away, 10},
		"nor one when the purchase comes once more":            {salestest.Sale(comesAgain), away, 30},
		"nor one that is not known any more":                   {salestest.Sale(comesAgain), unknown, 30},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got := reconciled(t, tc.mpi, map[string]salestest.OrderAnswer{"o1": tc.answer}, 2)
			if end := got.Spec.Subscription.ExpiryTime; !end.Time.Equal(salestest.Day(tc.want)) {
				t.Errorf("it is paid until %s, want day %d", end, tc.want)
			}
			if said := says(got, v1alpha1.ConditionOrderResolved); said != "True OrderResolved" {
				t.Errorf("it says %s", said)
			}
			if got.Spec.Subscription.Plan != "small" || *got.Spec.Subscription.Quantity != 5 {
				t.Error("what was sold was read anew")
			}
		})
	}
}

func TestOneOrderThatCannotBeUsedDoesNotHoldBackTheNext(t *testing.T) {
	refused := salestest.OrderAnswer{Err: &marketplace.CallError{Kind: marketplace.ErrOrderInvalid}}
	tests := map[string]struct {
		bad  salestest.OrderAnswer
		want string
	}{
		"a SKU that no product lists":  {upgradeTo("unlisted", 3), "False UnknownSKU"},
		"an answer that can't be used": {refused, "False OrderInvalid"},
		"an order of another seller":   {salestest.OrderAnswer{Err: &marketplace.CallError{Kind: marketplace.ErrOrderRefused}}, "False OrderAPIRefused"},
		"an answer that can't be read": {
			salestest.OrderAnswer{Err: &marketplace.CallError{Kind: marketplace.ErrUnavailable, RetryAfter: time.Minute}}, "Unknown OrderAPIUnavailable",
		},
		"an order that is not to be found": {salestest.OrderAnswer{Err: &marketplace.CallError{Kind: marketplace.ErrOrderNotFound}}, "False OrderNotFound"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got := reconciled(t, salestest.Sale(upgraded("bad", 3), upgraded("good", 4)), map[string]salestest.OrderAnswer{
				"bad": tc.bad, "good": upgradeTo("shop-large", 4),
			}, 2)
			if got.Spec.Subscription.Plan != "large" || *got.Spec.Subscription.Quantity != 9 {
				t.Errorf("it runs %s, %d", got.Spec.Subscription.Plan, *got.Spec.Subscription.Quantity)
			}
			if said := says(got, v1alpha1.ConditionOrderResolved); said != tc.want {
				t.Errorf("it says %s, want %s", said, tc.want)
			}
			message := meta.FindStatusCondition(got.Status.Conditions, v1alpha1.ConditionOrderResolved).Message
			if strings.Contains(message, "delete") {
				t.Errorf("a paid tenant is to be deleted: %s", message)
			}
		})
	}
}

// Where no order can be read, the marketplace is not asked for one after the other.
func TestWhatIsWrongWithEveryOrderIsAskedOnce(t *testing.T) {
	for name, kind := range map[string]error{"credentials that are refused": marketplace.ErrOrderRefused, "an outage": marketplace.ErrUnavailable} {
		t.Run(name, func(t *testing.T) {
			whole := salestest.OrderAnswer{Err: &marketplace.CallError{Kind: kind, Whole: true, RetryAfter: time.Minute}}
			got := reconciled(t, salestest.Sale(upgraded("first", 3), upgraded("second", 4)), map[string]salestest.OrderAnswer{
				"first": whole, "second": upgradeTo("shop-large", 4),
			}, 1)
			if got.Spec.Subscription.Plan == "large" {
				t.Error("the second order was asked for")
			}
		})
	}
}

func TestACorrectionIsAppliedOnceAndSaid(t *testing.T) {
	corrects := func(change func(*v1alpha1.Correction)) salestest.InstanceChange {
		return func(mpi *v1alpha1.MarketplaceInstance) {
			mpi.Spec.Correction = v1alpha1.Correction{ID: "t-1", By: "jane", Reason: "ticket"}
			change(&mpi.Spec.Correction)
		}
	}
	end := corrects(func(c *v1alpha1.Correction) { c.ExpiryTime = salestest.At(90) })
	tests := map[string]struct {
		mpi       *v1alpha1.MarketplaceInstance
		corrected string
		resolved  string
		entries   int
		check     func(*v1alpha1.Subscription) bool
	}{
		"no correction": {salestest.Sale(), "", "True OrderResolved", 0, nil},
		"an end": {salestest.Sale(end), "True CorrectionApplied", "True OrderResolved", 1, func(sub *v1alpha1.Subscription) bool {
			return sub.ExpiryTime.Time.Equal(salestest.Day(90)) && sub.ExpirySource == v1alpha1.ExpiryFromPerson
		}},
		"a release is taken back": {
			salestest.Sale(salestest.Entitled(v1alpha1.EntitlementReleased, v1alpha1.EntitlementByMarketplace, 5),
				corrects(func(c *v1alpha1.Correction) { c.Entitlement = v1alpha1.EntitlementActive })),
			"True CorrectionApplied", "True OrderResolved", 1, func(sub *v1alpha1.Subscription) bool {
				return sub.Entitlement.State == v1alpha1.EntitlementActive && sub.Entitlement.Time.Time.Equal(salestest.Day(10))
			},
		},
		"an order is given up": {
			salestest.Sale(upgraded("bad", 3), corrects(func(c *v1alpha1.Correction) { c.AbandonedOrderIDs = []string{"bad"} })),
			"True CorrectionApplied", "True OrderResolved", 1, nil,
		},
		"items that no product lists": {
			salestest.Sale(corrects(func(c *v1alpha1.Correction) { c.Items = []v1alpha1.SoldItem{{SKU: "x"}} })),
			"False CorrectionRefused", "True OrderResolved", 0, func(sub *v1alpha1.Subscription) bool { return sub.Plan == "small" },
		},
		"an instance that is no sale": {salestest.HandMade(end), "False CorrectionRefused", "", 0, nil},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got := reconciled(t, tc.mpi, nil, 3)
			if said := says(got, v1alpha1.ConditionCorrected); said != tc.corrected {
				t.Errorf("Corrected says %q, want %q", said, tc.corrected)
			}
			if said := says(got, v1alpha1.ConditionOrderResolved); said != tc.resolved {
				t.Errorf("OrderResolved says %q, want %q", said, tc.resolved)
			}
			entries := 0
			if sub := got.Spec.Subscription; sub != nil {
				for _, call := range sub.Calls {
					if call.Operation == v1alpha1.OperationCorrection {
						entries++
					}
				}
				if tc.check != nil && !tc.check(sub) {
					t.Errorf("it is %+v", sub)
				}
			}
			if entries != tc.entries {
				t.Errorf("%d entries, want %d", entries, tc.entries)
			}
		})
	}
}
