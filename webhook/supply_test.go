package webhook_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/koogallerytest"
)

// answer is a call's answer that is still to come.
func (s *stand) answer(call a) <-chan *koogallerytest.Exchange {
	answered := make(chan *koogallerytest.Exchange, 1)
	go func() {
		exchange, err := call(context.Background(), s.caller)
		if err != nil {
			s.Error(err)
		}
		answered <- exchange
	}()
	return answered
}

var notProvisioned = condition(v1alpha1.ConditionProvisioned, metav1.ConditionFalse, v1alpha1.ReasonProductNotReady)

func licenseSecret(name, license string) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: "sales", Name: v1alpha1.LicenseSecretName(name)},
		Data:       map[string][]byte{v1alpha1.LicenseKey: []byte(license)},
	}
}

func TestAPurchaseIsAnsweredAsSoonAsItIsKnownWhereTheBuyerGoes(t *testing.T) {
	s := newStand(t, []client.Object{accessSecret(broughtName)})
	s.follows()
	answered := s.answer(buys())
	<-s.waits
	// What says nothing of the access wakes nobody for good.
	s.reports(broughtName, condition(v1alpha1.ConditionOrderResolved, metav1.ConditionTrue, v1alpha1.ReasonOrderResolved))
	s.reports(broughtName, withCredentials)
	exchange := <-answered
	want := &koogallery.AppInfo{FrontEndURL: "https://buyer.example.com/", UserName: "admin", Password: "initial-password", Memo: "Welcome"}
	if diff := cmp.Diff(want, exchange.AppInfo); diff != "" || !exchange.Success() || len(exchange.Problems) > 0 {
		t.Errorf("answered %s, problems %v, -want +got:\n%s", exchange.ResultCode, exchange.Problems, diff)
	}
}

func TestWhatAPurchaseIsToldOfAnInstanceThatIsThere(t *testing.T) {
	frozen := subscribed(frozen(v1alpha1.EntitlementByMarketplace, 0))
	tests := map[string]struct {
		changes []func(*v1alpha1.MarketplaceInstance)
		waits   int
		want    string
		told    bool
	}{
		"on its way, and known where it will be": {[]func(*v1alpha1.MarketplaceInstance){withCredentials}, 0, koogallery.ResultSuccess, true},
		"that runs":                              {[]func(*v1alpha1.MarketplaceInstance){provisioned, withCredentials}, 0, koogallery.ResultSuccess, true},
		"that is suspended":                      {[]func(*v1alpha1.MarketplaceInstance){provisioned, withCredentials, frozen}, 0, koogallery.ResultSuccess, true},
		"that is unhealthy":                      {[]func(*v1alpha1.MarketplaceInstance){notProvisioned, withCredentials}, 0, koogallery.ResultSuccess, true},
		"that waits for a product":               {[]func(*v1alpha1.MarketplaceInstance){notProvisioned}, 0, koogallery.ResultInProgress, false},
		"whose SKU nobody lists":                 {[]func(*v1alpha1.MarketplaceInstance){unknownSKU}, 0, koogallery.ResultInProgress, false},
		"on its way, of which nothing is known":  {nil, 1, koogallery.ResultInProgress, false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			s := newStand(t, []client.Object{instance(broughtName, append(tc.changes, brought)...), accessSecret(broughtName)})
			if tc.waits > 0 {
				s.timeIsOver(tc.waits)
			}
			exchange := s.do(buys(), tc.want)
			if told := exchange.AppInfo != nil && exchange.AppInfo.Password == "initial-password"; told != tc.told {
				t.Errorf("told %+v", exchange.AppInfo != nil)
			}
			if exchange.InstanceID != broughtName {
				t.Errorf("the id is %q", exchange.InstanceID)
			}
		})
	}
}

// A product that tells no address is never told of, and the buyer must not wait for it for ever.
func TestAPurchaseOfWhatHasNoFrontEndIsASuccessOnceItRuns(t *testing.T) {
	s := newStand(t, []client.Object{instance(broughtName, brought, provisioned)})
	exchange, err := buys()(context.Background(), s.caller)
	if err != nil || exchange.ResultCode != koogallery.ResultSuccess || exchange.AppInfo != nil {
		t.Errorf("answered %s, %v", exchange.ResultCode, err)
	}
}

func TestCredentialsThatAreGoneAreNotASuccess(t *testing.T) {
	s := newStand(t, []client.Object{instance(broughtName, brought, provisioned, withCredentials)})
	s.do(buys(), koogallery.ResultInternalError)
}

// The other generation is polled, so it never waits, and is told of nothing that does not run.
func TestAQueryIsNotToldOfWhatDoesNotRunYet(t *testing.T) {
	s := newStand(t, []client.Object{instance(broughtName, brought, withCredentials), instance(soldName, withFrontEnd)})
	s.do(query(broughtName), koogallery.ResultInProgress)
	s.do(newInstance, koogallery.ResultInProgress)
	s.do(queried(func(ctx context.Context, v koogallerytest.V1) (*koogallerytest.Exchange, error) {
		return v.QueryInstance(ctx, broughtName)
	}), koogallery.ResultInProgress)
}

func TestPurchasesThatWaitKeepNobodyFromBeingAnswered(t *testing.T) {
	const burst = 100
	s := newStand(t, nil, func(s *stand) { s.options.MaxConcurrent, s.options.AnswerTimeout = 2, time.Minute })
	answers := make([]<-chan *koogallerytest.Exchange, burst)
	for i := range answers {
		answers[i] = s.answer(buys(func(order *koogallerytest.V1Order) { order.OrderID = fmt.Sprintf("BURST%d", i) }))
	}
	for range burst {
		<-s.waits
	}
	// All of them wait, and every other call is answered.
	for name, call := range every(soldName) {
		if name == "newInstance" {
			s.do(call, koogallery.ResultInProgress)
		}
	}
	s.do(query(soldName), koogallery.ResultInProgress)
	s.clock.Step(answerTime)
	for _, answered := range answers {
		if exchange := <-answered; exchange.ResultCode != koogallery.ResultInProgress || len(exchange.Problems) > 0 {
			t.Errorf("answered %s, problems %v", exchange.ResultCode, exchange.Problems)
		}
	}
}

func TestPurchasesBeyondThoseThatMayWaitAreAnsweredAtOnce(t *testing.T) {
	s := newStand(t, nil, func(s *stand) { s.options.MaxWaiting = 1 })
	first := s.answer(buys())
	<-s.waits
	s.do(buys(func(order *koogallerytest.V1Order) { order.OrderID = "CS2" }), koogallery.ResultInProgress)
	s.clock.Step(answerTime)
	<-first
	// The place is free again.
	s.timeIsOver(1)
	s.do(buys(func(order *koogallerytest.V1Order) { order.OrderID = "CS3" }), koogallery.ResultInProgress)
}

func TestALicenseIsToldAsSoonAsItIsThere(t *testing.T) {
	s := newStand(t, []client.Object{instance(broughtName, brought, provisioned)})
	s.timeIsOver(1)
	s.do(getsLicense, koogallery.ResultInProgress)
	s.clock.SetTime(day(0))

	answered := s.answer(getsLicense)
	<-s.waits
	if err := s.world.Create(context.Background(), licenseSecret(broughtName, "LICENSE-1\n")); err != nil {
		t.Fatal(err)
	}
	s.clock.Step(answerTime)
	if exchange := <-answered; exchange.License != "LICENSE-1" || !exchange.Success() || len(exchange.Problems) > 0 {
		t.Errorf("answered %s, problems %v", exchange.ResultCode, exchange.Problems)
	}
	if exchange := s.do(getsLicense, koogallery.ResultSuccess); exchange.License != "LICENSE-1" || exchange.InstanceID != broughtName {
		t.Errorf("the repeat was told of another one, or of the instance %q", exchange.InstanceID)
	}

	s.do(queried(func(ctx context.Context, v koogallerytest.V1) (*koogallerytest.Exchange, error) {
		return v.ReleaseLicense(ctx, broughtName, orderInCall.OrderID)
	}), koogallery.ResultSuccess)
	if state := s.stored(broughtName).Spec.Subscription.Entitlement.State; state != v1alpha1.EntitlementReleased {
		t.Errorf("after the release: %s", state)
	}
}

func TestAnEmptyLicenseIsNone(t *testing.T) {
	s := newStand(t, []client.Object{instance(broughtName, brought, provisioned), licenseSecret(broughtName, "\n")})
	s.timeIsOver(1)
	s.do(getsLicense, koogallery.ResultInProgress)
}

// To ask the API server again and again while calls wait would let a burst of them overload it.
func TestAPurchaseThatWaitsAsksTheAPIServerForNothing(t *testing.T) {
	waiting := make(chan struct{})
	s := newStand(t, nil, func(s *stand) {
		s.options.APIReader = interceptor.NewClient(s.world, interceptor.Funcs{
			Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
				select {
				case <-waiting:
					t.Errorf("asked for %s", key)
				default:
				}
				return c.Get(ctx, key, object, options...)
			},
		})
	})
	s.follows()
	answered := s.answer(buys())
	<-s.waits
	close(waiting)
	for range 5 {
		s.reports(broughtName, func(mpi *v1alpha1.MarketplaceInstance) { mpi.Status.Namespace += "n" })
	}
	s.reports(broughtName, withFrontEnd)
	if exchange := <-answered; !exchange.Success() {
		t.Errorf("answered %s", exchange.ResultCode)
	}
}

// answerTime is longer than any call waits, and less than KooGallery does.
const answerTime = 4 * time.Second
