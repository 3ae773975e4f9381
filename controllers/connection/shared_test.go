package connection

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/protocol"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery"
)

// sharing are Marketplaces in a fake cluster, by namespace/name, and one controller.
type sharing struct {
	*testing.T
	client.Client
	reconciler *Reconciler
}

func newSharing(t *testing.T) *sharing {
	t.Helper()
	c := fake.NewClientBuilder().WithScheme(salestest.NewTestScheme(t)).WithStatusSubresource(&v1alpha1.Marketplace{}).Build()
	s := &sharing{T: t, Client: c}
	s.restart()
	return s
}

// restart is a controller that remembers nothing.
func (s *sharing) restart() {
	s.reconciler = &Reconciler{
		Client: s.Client, APIReader: s.Client, Clock: clocktesting.NewFakePassiveClock(salestest.Day(0)),
		Clients: protocol.Clients{Secrets: s.Client, Namespace: "system", Protocols: protocol.Protocols{v1alpha1.ProtocolKooGallery: {
			CheckCallbackKeys: func(data map[string][]byte) error {
				_, err := koogallery.NewCallbacks(data)
				return err
			},
			CallbackKeyKinds: koogallery.KeyKinds,
			SigningKeys:      koogallery.SigningKeys,
		}}},
	}
}

func split(path string) (namespace, name string) {
	namespace, name, _ = strings.Cut(path, "/")
	return namespace, name
}

// connect makes a Marketplace that is so many seconds old when day 0 ends, and has a Secret of its own with its name.
func (s *sharing) connect(path string, second int, keys map[string]string) {
	s.Helper()
	mp := &v1alpha1.Marketplace{}
	mp.Namespace, mp.Name = split(path)
	mp.CreationTimestamp = metav1.NewTime(salestest.Day(0).Add(time.Duration(second) * time.Second))
	mp.Spec.Protocol, mp.Spec.KooGallery.CallbackSecretRef.Name = v1alpha1.ProtocolKooGallery, mp.Name
	if err := s.Create(s.Context(), mp); err != nil {
		s.Fatal(err)
	}
	s.setKeys(path, keys)
}

// setKeys makes or replaces a Marketplace's Secret; nil deletes it.
func (s *sharing) setKeys(path string, keys map[string]string) {
	s.Helper()
	secret := &corev1.Secret{Data: map[string][]byte{}}
	secret.Namespace, secret.Name = split(path)
	if err := client.IgnoreNotFound(s.Delete(s.Context(), secret)); err != nil {
		s.Fatal(err)
	}
	for name, value := range keys {
		secret.Data[name] = []byte(value)
	}
	if keys == nil {
		return
	}
	secret.ResourceVersion = ""
	if err := s.Create(s.Context(), secret); err != nil {
		s.Fatal(err)
	}
}

// ready is what a Marketplace's condition says after a pass.
func (s *sharing) ready(path string) metav1.Condition {
	s.Helper()
	mp := &v1alpha1.Marketplace{}
	mp.Namespace, mp.Name = split(path)
	key := client.ObjectKeyFromObject(mp)
	if _, err := s.reconciler.Reconcile(s.Context(), ctrl.Request{NamespacedName: key}); err != nil {
		s.Fatal(err)
	}
	if err := s.Get(s.Context(), key, mp); err != nil {
		s.Fatal(err)
	}
	condition := meta.FindStatusCondition(mp.Status.Conditions, v1alpha1.ConditionReady)
	if condition == nil {
		s.Fatalf("%s has no condition Ready", path)
	}
	return *condition
}

func TestAKeyIsOfTheOldestMarketplaceThatHasIt(t *testing.T) {
	const first, second = "sales/first", "other/second"
	key := func(value string) map[string]string { return map[string]string{"accessKey": value} }
	for name, tc := range map[string]struct {
		first, second map[string]string
		// age is how many seconds the second one is younger.
		age int
		// refused is the one that is not Ready, for its keys in common; says is in its message.
		refused, says string
	}{
		"keys of their own": {first: key("a"), second: key("b"), age: 1},
		"one key":           {first: key("a"), second: key("a"), age: 1, refused: second, says: "accessKey of the Marketplace sales/first"},
		"one key, with the line break of a file": {
			first: key("a"), second: key("a\n"), age: 1, refused: second, says: "sales/first",
		},
		"the other one is older": {first: key("a"), second: key("a"), age: -1, refused: first, says: "other/second"},
		"of one second":          {first: key("a"), second: key("a"), refused: first, says: "other/second"},
		"a successor": {
			first: map[string]string{"accessKey": "a", "accessKeyNext": "b"}, second: key("b"), age: 1, refused: second, says: "is accessKeyNext of",
		},
		"a key of another kind": {
			first: key("a"), second: map[string]string{"accessKey": "b", "notifyAccessKey": "a"}, age: 1, refused: second, says: "The key notifyAccessKey",
		},
		"empty ones are none": {
			first: map[string]string{"accessKey": "a", "licenseAccessKey": ""}, second: map[string]string{"accessKey": "b", "licenseAccessKey": ""}, age: 1,
		},
		"one that has a key twice shares none": {first: map[string]string{"accessKey": "a", "licenseAccessKey": "a"}, second: key("b"), age: 1},
		"keys that lack one are shared too": {
			first: key("a"), second: map[string]string{"licenseAccessKey": "a"}, age: 1, refused: second, says: "licenseAccessKey",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSharing(t)
			s.connect(first, 0, tc.first)
			s.connect(second, tc.age, tc.second)
			// Whichever is looked at first, also after a restart, and again.
			for _, order := range [][]string{{first, second}, {second, first}, {second, first}} {
				s.restart()
				for _, path := range append(order, order...) {
					got := s.ready(path)
					if shared := got.Reason == v1alpha1.ReasonCallbackKeyShared; shared != (path == tc.refused) {
						t.Errorf("%s is %s %s: %s", path, got.Status, got.Reason, got.Message)
					} else if shared && (got.Status != metav1.ConditionFalse || !strings.Contains(got.Message, tc.says)) {
						t.Errorf("%s says %q, want %q", path, got.Message, tc.says)
					}
				}
			}
		})
	}
}

func TestTheMarketplaceThatSellsKeepsItsKey(t *testing.T) {
	const trial, shop = "other/trial", "sales/shop"
	released := salestest.Entitled(v1alpha1.EntitlementReleased, v1alpha1.EntitlementByMarketplace, 1)
	for name, tc := range map[string]struct {
		sales   map[string]*v1alpha1.MarketplaceInstance
		refused string
	}{
		"none sells":            {refused: shop},
		"the younger one sells": {sales: map[string]*v1alpha1.MarketplaceInstance{shop: salestest.Sale()}, refused: trial},
		"both sell":             {sales: map[string]*v1alpha1.MarketplaceInstance{shop: salestest.Sale(), trial: salestest.Sale()}, refused: shop},
		"a sale that has ended": {sales: map[string]*v1alpha1.MarketplaceInstance{shop: salestest.Sale(released)}, refused: shop},
		"the older one has ended": {
			sales: map[string]*v1alpha1.MarketplaceInstance{shop: salestest.Sale(), trial: salestest.Sale(released)}, refused: trial,
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSharing(t)
			s.connect(trial, 0, map[string]string{"accessKey": "a"})
			s.connect(shop, 1, map[string]string{"accessKey": "a"})
			for path, mpi := range tc.sales {
				mpi.Namespace, mpi.Spec.Subscription.Marketplace = split(path)
				mpi.ResourceVersion = ""
				if err := s.Create(t.Context(), mpi); err != nil {
					t.Fatal(err)
				}
			}
			for range 2 {
				for _, path := range []string{shop, trial} {
					if got := s.ready(path); (got.Reason == v1alpha1.ReasonCallbackKeyShared) != (path == tc.refused) {
						t.Errorf("%s is %s: %s", path, got.Reason, got.Message)
					}
				}
			}
		})
	}
}

func TestAKeyThatIsSharedNoMoreIsTaken(t *testing.T) {
	const first, second = "sales/first", "sales/second"
	for name, end := range map[string]func(*sharing){
		"the older one's key changes": func(s *sharing) { s.setKeys(first, map[string]string{"accessKey": "b"}) },
		"the older one's Secret goes": func(s *sharing) { s.setKeys(first, nil) },
		"the younger one's changes":   func(s *sharing) { s.setKeys(second, map[string]string{"accessKey": "b"}) },
		"the older one is deleted": func(s *sharing) {
			mp := &v1alpha1.Marketplace{}
			mp.Namespace, mp.Name = split(first)
			if err := s.Delete(s.Context(), mp); err != nil {
				s.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSharing(t)
			s.connect(first, 0, map[string]string{"accessKey": "a"})
			s.connect(second, 1, map[string]string{"accessKey": "a"})
			s.ready(first)
			if got := s.ready(second); got.Reason != v1alpha1.ReasonCallbackKeyShared {
				t.Fatalf("%s: %s", got.Reason, got.Message)
			}
			end(s)
			if name != "the older one is deleted" {
				s.ready(first)
			}
			if got := s.ready(second); got.Status != metav1.ConditionTrue {
				t.Errorf("%s: %s", got.Reason, got.Message)
			}
		})
	}
}
