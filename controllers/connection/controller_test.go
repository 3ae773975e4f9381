package connection

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/protocol"
	"github.com/stallkeeper/stallkeeper/controllers/queue"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
	"github.com/stallkeeper/stallkeeper/marketplace"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery"
)

func TestAConnectionSaysWhatIsMissing(t *testing.T) {
	named := func(namespace, name string, keys ...string) client.Object {
		s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Data: map[string][]byte{}}
		for _, key := range keys {
			s.Data[key] = []byte("value-of-a-key")
		}
		return s
	}
	unnamed := func(mp *v1alpha1.Marketplace) { mp.Spec.KooGallery.API.CredentialsSecretName = "" }
	here := func(name string, source v1alpha1.OrderSource, changes ...salestest.InstanceChange) client.Object {
		mpi := salestest.Sale(append([]salestest.InstanceChange{salestest.UnknownOrder}, changes...)...)
		mpi.Name, mpi.Spec.Subscription.Calls[0].Source = name, source
		return mpi
	}
	callback, openAPI := named("sales", "callback", "accessKey"), named("system", "openapi", "ak", "sk")
	tests := map[string]struct {
		secrets []client.Object
		change  func(*v1alpha1.Marketplace)
		skew    time.Duration
		skewErr error
		order   error
		want    string
		says    string
	}{
		"all that is needed":        {secrets: []client.Object{callback, openAPI}, want: "True MarketplaceReady"},
		"no callback keys":          {secrets: []client.Object{openAPI}, want: "False CallbackSecretNotFound", says: `"callback"`},
		"callback keys without one": {secrets: []client.Object{named("sales", "callback"), openAPI}, want: "False CallbackKeyMissing", says: "accessKey"},
		"no credentials":            {secrets: []client.Object{callback}, want: "False APICredentialsMissing", says: `"system"`},
		"credentials in the wrong namespace": {
			secrets: []client.Object{callback, named("sales", "openapi", "ak", "sk")}, want: "False APICredentialsMissing", says: `"system"`,
		},
		"half of the credentials": {
			secrets: []client.Object{callback, named("system", "openapi", "ak")}, want: "False APICredentialsMissing", says: "no key sk",
		},
		"credentials that nobody names, and no sale needs": {
			secrets: []client.Object{callback, here("o1", v1alpha1.OrderFromCall), here("o2", "", func(mpi *v1alpha1.MarketplaceInstance) {
				mpi.Spec.Subscription.Marketplace = "another"
			}), here("o3", "", salestest.Entitled(v1alpha1.EntitlementReleased, v1alpha1.EntitlementByMarketplace, 1))},
			change: unnamed, want: "True MarketplaceReady", says: "without kooGallery.api",
		},
		"credentials that nobody names, and a sale needs": {
			secrets: []client.Object{callback, openAPI, here("o1", "")}, change: unnamed,
			want: "False APICredentialsMissing", says: "kooGallery.api",
		},
		"a protocol of a later version": {
			secrets: []client.Object{callback, openAPI}, change: func(mp *v1alpha1.Marketplace) { mp.Spec.Protocol = "Bazaar" },
			want: "False CallbackKeyMissing", says: `"Bazaar"`,
		},
		"credentials that the marketplace refuses": {
			secrets: []client.Object{callback, openAPI}, order: &marketplace.CallError{Kind: marketplace.ErrOrderRefused},
			want: "False APICredentialsRefused", says: "mock order",
		},
		"a marketplace that does not answer": {
			secrets: []client.Object{callback, openAPI}, order: &marketplace.CallError{Kind: marketplace.ErrUnavailable}, want: "True MarketplaceReady",
			says: "is not known",
		},
		"sales whose orders are refused": {
			secrets: []client.Object{callback, openAPI, here("b", "", refusedSale), here("a", "", refusedSale), here("c", "")},
			want:    "False OrdersRefused", says: `of 2 sales be read, such as that of instance "a": Order o1: 403`,
		},
		"refused orders of what has ended, and of another connection": {
			secrets: []client.Object{
				callback, openAPI, here("b", "", refusedSale, salestest.Entitled(v1alpha1.EntitlementReleased, v1alpha1.EntitlementByMarketplace, 1)),
				here("a", "", refusedSale, func(mpi *v1alpha1.MarketplaceInstance) { mpi.Spec.Subscription.Marketplace = "another" }),
			}, want: "True MarketplaceReady",
		},
		"a key that was there": {
			secrets: []client.Object{callback, openAPI}, change: hadKeys("accessKey", "licenseAccessKey"), want: "False CallbackKeyLost", says: "licenseAccessKey",
		},
		"a key that was given up": {
			secrets: []client.Object{&corev1.Secret{
				ObjectMeta: metav1.ObjectMeta{Namespace: "sales", Name: "callback"},
				Data:       map[string][]byte{"accessKey": []byte("value-of-a-key"), "licenseAccessKey": {}},
			}, openAPI}, change: hadKeys("accessKey", "licenseAccessKey"), want: "True MarketplaceReady",
		},
		"a clock that is wrong": {
			secrets: []client.Object{callback, openAPI}, skew: -95 * time.Second, want: "False ClockSkew", says: "1m35s",
		},
		"a clock that can't be asked for": {
			secrets: []client.Object{callback, openAPI}, skewErr: errors.New("starting"), want: "True MarketplaceReady",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			mp := &v1alpha1.Marketplace{ObjectMeta: metav1.ObjectMeta{Namespace: "sales", Name: "koogallery", Generation: 2}}
			mp.Spec.Protocol, mp.Spec.KooGallery.CallbackSecretRef.Name, mp.Spec.KooGallery.API.CredentialsSecretName = v1alpha1.ProtocolKooGallery, "callback", "openapi"
			if tc.change != nil {
				tc.change(mp)
			}
			c := fake.NewClientBuilder().WithScheme(salestest.NewTestScheme(t)).WithStatusSubresource(mp).WithObjects(append(tc.secrets, mp)...).Build()
			asked := 0
			api := &salestest.OrderAPI{Answers: map[string]salestest.OrderAnswer{"MOCK": {Err: tc.order}}, Asked: func(string) { asked++ }}
			r := &Reconciler{
				Client: c, APIReader: c, Clock: clocktesting.NewFakePassiveClock(salestest.Day(0)),
				ClockSkew: func(context.Context, types.NamespacedName) (time.Duration, error) { return tc.skew, tc.skewErr },
				Clients: protocol.Clients{Secrets: c, Namespace: "system", Protocols: protocol.Protocols{v1alpha1.ProtocolKooGallery: {
					CheckCallbackKeys: func(data map[string][]byte) error {
						if len(data) == 0 {
							return errors.New("it has no key accessKey")
						}
						return nil
					},
					CallbackKeyKinds: koogallery.KeyKinds,
					SampleOrder:      "MOCK",
					NewOrderReader:   func(protocol.OpenAPI) (marketplace.OrderReader, error) { return api, nil },
				}}},
			}
			result, err := r.Reconcile(t.Context(), ctrl.Request{NamespacedName: client.ObjectKeyFromObject(mp)})
			if err != nil || result.RequeueAfter != queue.ConnectionRecheck {
				t.Fatalf("result %v, error %v", result, err)
			}
			if err := c.Get(t.Context(), client.ObjectKeyFromObject(mp), mp); err != nil {
				t.Fatal(err)
			}
			ready := *meta.FindStatusCondition(mp.Status.Conditions, v1alpha1.ConditionReady)
			stalled := meta.IsStatusConditionTrue(mp.Status.Conditions, v1alpha1.ConditionStalled)
			if stalled == (ready.Status == metav1.ConditionTrue) || *mp.Status.ObservedGeneration != 2 {
				t.Errorf("Stalled is %t, observed %d", stalled, *mp.Status.ObservedGeneration)
			}
			if _, err := r.Reconcile(t.Context(), ctrl.Request{NamespacedName: client.ObjectKeyFromObject(mp)}); err != nil || asked > 1 {
				t.Errorf("the mock order was asked for %d times, error %v", asked, err)
			}
			if got := string(ready.Status) + " " + ready.Reason; got != tc.want || !strings.Contains(ready.Message, tc.says) {
				t.Errorf("%s: %s; want %s with %q", got, ready.Message, tc.want, tc.says)
			}
			if strings.Contains(ready.Message, "value-of-a-key") || ready.ObservedGeneration != 2 {
				t.Errorf("condition %+v", ready)
			}
			if mp.Status.CallbackPath != "/v1/sales/koogallery" {
				t.Errorf("callback path %q", mp.Status.CallbackPath)
			}
		})
	}
}

// refusedSale is a sale whose order the marketplace does not give out.
func refusedSale(mpi *v1alpha1.MarketplaceInstance) {
	mpi.Status.Conditions = []metav1.Condition{{
		Type: v1alpha1.ConditionOrderResolved, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonOrderAPIRefused, Message: "Order o1: 403",
	}}
}

// hadKeys is a Marketplace whose callback Secret has held keys.
func hadKeys(kinds ...string) func(*v1alpha1.Marketplace) {
	return func(mp *v1alpha1.Marketplace) { mp.Status.CallbackKeys = kinds }
}

func TestOnlyWhatChangesTheConnectionWakesIt(t *testing.T) {
	fine, refused := salestest.Sale(), salestest.Sale(refusedSale)
	released := salestest.Sale(refusedSale, salestest.Entitled(v1alpha1.EntitlementReleased, v1alpha1.EntitlementByMarketplace, 1))
	for name, tc := range map[string]struct {
		before, after *v1alpha1.MarketplaceInstance
		want          bool
	}{
		"an order is refused":         {fine, refused, true},
		"an order is read again":      {refused, fine, true},
		"a sale ends with one":        {refused, released, true},
		"it stays refused":            {refused, refused, false},
		"anything else of a sale":     {fine, salestest.Sale(upgradedName), false},
		"one that has ended is other": {released, fine, false},
	} {
		if got := refusals().Update(event.UpdateEvent{ObjectOld: tc.before, ObjectNew: tc.after}); got != tc.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

func upgradedName(mpi *v1alpha1.MarketplaceInstance) { mpi.Labels = map[string]string{"a": "b"} }
