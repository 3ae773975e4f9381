package webhook_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/marketplace"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/koogallerytest"
)

// broughtName is the name of the instance of orderInCall.
var broughtName = marketplace.InstanceName("KooGallery", "International", orderInCall.OrderID, "")

func buys(changes ...func(*koogallerytest.V1Order)) a {
	order := orderInCall
	for _, change := range changes {
		change(&order)
	}
	return queried(func(ctx context.Context, v koogallerytest.V1) (*koogallerytest.Exchange, error) {
		return v.NewInstance(ctx, order)
	})
}

func getsLicense(ctx context.Context, caller koogallerytest.Caller) (*koogallerytest.Exchange, error) {
	return caller.V1().GetLicense(ctx, orderInCall)
}

func upgradesTo(id, sku string) a {
	return queried(func(ctx context.Context, v koogallerytest.V1) (*koogallerytest.Exchange, error) {
		return v.Upgrade(ctx, id, koogallerytest.V1Order{OrderID: "UP1", ProductID: "p2", SKUCode: sku, DiskSize: ptr.To(200)})
	})
}

func acceptedOn(n int) func(*koogallerytest.V1Order) {
	return func(order *koogallerytest.V1Order) { order.AcceptanceTime = day(n) }
}

// brought is a sale whose purchase brought its order, which was applied.
func brought(mpi *v1alpha1.MarketplaceInstance) {
	sub := mpi.Spec.Subscription
	sub.OrderID, sub.OrderLineID = orderInCall.OrderID, ""
	sub.Calls[0].OrderID, sub.Calls[0].OrderLineID, sub.Calls[0].Source = orderInCall.OrderID, "", v1alpha1.OrderFromCall
}

// timeIsOver lets so many waiting calls wait until there is no time left.
func (s *stand) timeIsOver(calls int) {
	go func() {
		for range calls {
			<-s.waits
		}
		s.clock.Step(answerTime)
	}()
}

// follows tells the handler what changes, as the process's cache does.
func (s *stand) follows() {
	s.Helper()
	changes, err := s.world.Watch(s.Context(), &v1alpha1.MarketplaceInstanceList{})
	if err != nil {
		s.Fatal(err)
	}
	go func() {
		for change := range changes.ResultChan() {
			s.handler.InstanceChanged(change.Object)
		}
	}()
}

// reports writes an instance's status, as the controller does.
func (s *stand) reports(name string, changes ...func(*v1alpha1.MarketplaceInstance)) {
	s.Helper()
	mpi := s.stored(name)
	for _, change := range changes {
		change(mpi)
	}
	if err := s.world.Status().Update(context.Background(), mpi); err != nil {
		s.Fatal(err)
	}
}

// callSecrets are what calls have brought, by name.
func (s *stand) callSecrets() map[string]corev1.Secret {
	s.Helper()
	list := &corev1.SecretList{}
	if err := s.world.List(context.Background(), list, client.HasLabels{v1alpha1.CallLabel}); err != nil {
		s.Fatal(err)
	}
	found := map[string]corev1.Secret{}
	for _, secret := range list.Items {
		found[secret.Name] = secret
	}
	return found
}

func TestAPurchaseThatBringsItsOrderIsStoredWithIt(t *testing.T) {
	s := newStand(t, nil)
	s.timeIsOver(1)
	first := s.do(buys(), koogallery.ResultInProgress)
	if first.InstanceID != broughtName {
		t.Errorf("the id is %q", first.InstanceID)
	}
	mpi := s.stored(broughtName)
	call := mpi.Spec.Subscription.Calls[0]
	if call.Pending != v1alpha1.CallPendingPurchase || call.Source != v1alpha1.OrderFromCall {
		t.Errorf("the call is recorded as %+v", call)
	}
	secrets := s.callSecrets()
	secret, ok := secrets[call.OrderSecretName(mpi.Name, mpi.UID)]
	if !ok || len(secrets) != 1 {
		t.Fatalf("%d Secrets, the call's among them: %v", len(secrets), ok)
	}
	if secret.Type != v1alpha1.CallSecretType || !ptr.Deref(secret.Immutable, false) || len(secret.OwnerReferences) != 1 ||
		secret.OwnerReferences[0].UID != mpi.UID || secret.Labels[v1alpha1.InstanceLabel] != mpi.Name {
		t.Errorf("the Secret is %s, immutable %v, of %v, labeled %v", secret.Type, secret.Immutable, secret.OwnerReferences, secret.Labels)
	}
	order, err := marketplace.DecodeOrder(secret.Data[v1alpha1.CallOrderKey])
	if err != nil || order.CustomerName != "Zhang" || order.Items[0].SKUCode != "sku" {
		t.Errorf("kept %v, %v", order, err)
	}
	if raw := string(secret.Data[v1alpha1.CallRawKey]); !strings.Contains(raw, "15900000000") || !strings.Contains(raw, "buyer@example.com") {
		t.Error("the buyer is not kept")
	}
	shown := fmt.Sprintf("%+v", mpi) + s.log.text()
	for _, personal := range []string{"Zhang", "15900000000", "buyer@", "authToken", "timeStamp"} {
		if strings.Contains(shown, personal) {
			t.Errorf("the instance or the log tells %q:\n%s", personal, shown)
		}
	}

	// A repeat, with another businessId and time, is the same sale.
	s.clock.Step(time.Hour)
	s.timeIsOver(1)
	s.do(buys(), koogallery.ResultInProgress)
	if diff := cmp.Diff(mpi, s.stored(broughtName)); diff != "" {
		t.Errorf("the repeat changed:\n%s", diff)
	}
	if again := s.callSecrets(); len(again) != 1 || again[secret.Name].ResourceVersion != secret.ResourceVersion {
		t.Errorf("the repeat wrote a Secret: %d", len(again))
	}
}

func TestAnUpgradeThatBringsItsOrderIsStoredWithIt(t *testing.T) {
	s := newStand(t, []client.Object{instance("i1")})
	for range 2 {
		s.do(upgradesTo("i1", "sku-2"), koogallery.ResultSuccess)
	}
	mpi := s.stored("i1")
	if len(mpi.Spec.Subscription.Calls) != 2 {
		t.Fatalf("%d calls are recorded", len(mpi.Spec.Subscription.Calls))
	}
	call := mpi.Spec.Subscription.Calls[1]
	secrets := s.callSecrets()
	order, err := marketplace.DecodeOrder(secrets[call.OrderSecretName("i1", mpi.UID)].Data[v1alpha1.CallOrderKey])
	if err != nil || len(secrets) != 1 || order.Type != marketplace.OrderChange || order.Items[0].SKUCode != "sku-2" {
		t.Errorf("%d Secrets with %v, %v", len(secrets), order, err)
	}
}

// The instance is there, and what it waits for is not: the marketplace has to call again.
func TestACallIsNotAcknowledgedBeforeItsOrderIsStored(t *testing.T) {
	tests := map[string]struct {
		call  a
		name  string
		waits int
		want  string
	}{
		"a purchase":            {buys(), broughtName, 1, koogallery.ResultInProgress},
		"a purchase, accepted":  {buys(acceptedOn(0)), broughtName, 1, koogallery.ResultSuccess},
		"a license":             {getsLicense, broughtName, 1, koogallery.ResultInProgress},
		"an upgrade":            {upgradesTo("i1", "sku-2"), "i1", 0, koogallery.ResultSuccess},
		"a trial become formal": {becomesFormal("i1"), "i1", 0, koogallery.ResultSuccess},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			down := true
			s := newStand(t, []client.Object{instance("i1")}, between(interceptor.Funcs{
				Create: func(ctx context.Context, c client.WithWatch, object client.Object, options ...client.CreateOption) error {
					if _, isSecret := object.(*corev1.Secret); isSecret && down {
						return away
					}
					return c.Create(ctx, object, options...)
				},
			}))
			failed, err := tc.call(context.Background(), s.caller)
			if err != nil || failed.ResultCode != koogallery.ResultInternalError {
				t.Fatalf("answered %s, %v", failed.ResultCode, err)
			}
			waiting := s.stored(tc.name)
			if len(s.callSecrets()) != 0 || waiting == nil {
				t.Fatal("the Secret was made, or the instance was not")
			}
			down = false
			s.timeIsOver(tc.waits)
			exchange, err := tc.call(context.Background(), s.caller)
			if err != nil || exchange.ResultCode != tc.want {
				t.Fatalf("the repeat was answered %s, %v", exchange.ResultCode, err)
			}
			if diff := cmp.Diff(waiting, s.stored(tc.name)); diff != "" {
				t.Errorf("the repeat changed:\n%s", diff)
			}
			if len(s.callSecrets()) != 1 {
				t.Errorf("%d Secrets after the repeat", len(s.callSecrets()))
			}
		})
	}
}

func becomesFormal(id string) a {
	return queried(func(ctx context.Context, v koogallerytest.V1) (*koogallerytest.Exchange, error) {
		return v.RefreshInstance(ctx, koogallerytest.V1Refresh{
			OrderID: "F1", InstanceID: id, ProductID: "p9", ExpireTime: day(60), TrialToFormal: true,
		})
	})
}

// Once the order was applied a person may delete it, for the buyer's sake.
func TestAnOrderThatWasDeletedAfterItsUseIsNotKeptAgain(t *testing.T) {
	s := newStand(t, []client.Object{instance(broughtName, brought, provisioned, withFrontEnd)})
	s.do(buys(), koogallery.ResultSuccess)
	if secrets := s.callSecrets(); len(secrets) != 0 {
		t.Errorf("%d Secrets were made", len(secrets))
	}
}

func TestTheAcceptanceIsRecordedAndAlwaysASuccess(t *testing.T) {
	s := newStand(t, []client.Object{instance(broughtName, brought, withFrontEnd)})
	s.do(buys(acceptedOn(3)), koogallery.ResultSuccess)
	accepted := s.stored(broughtName)
	if starts := accepted.Spec.Subscription.StartTime.Time; !starts.Equal(day(3)) {
		t.Errorf("it starts at %s", starts)
	}
	s.do(buys(acceptedOn(3)), koogallery.ResultSuccess)
	s.do(buys(), koogallery.ResultSuccess)
	if diff := cmp.Diff(accepted, s.stored(broughtName)); diff != "" {
		t.Errorf("later deliveries changed:\n%s", diff)
	}
}

func TestAPurchaseOfWhatWasSoldBeforeIsTheOldSale(t *testing.T) {
	old := func(id, line string) *v1alpha1.MarketplaceInstance {
		return instance("by-hand", brought, provisioned, withFrontEnd, subscribed(func(sub *v1alpha1.Subscription) {
			sub.InstanceID, sub.OrderLineID = id, line
			sub.Calls = nil
		}))
	}
	tests := map[string]struct {
		there []client.Object
		call  a
		want  string
		waits int
	}{
		"known by its order":                   {[]client.Object{old("legacy-1", "")}, buys(), "legacy-1", 0},
		"with a line that somebody has noted":  {[]client.Object{old("legacy-1", "CS1-000001")}, buys(), "legacy-1", 0},
		"by use, known by its product":         {[]client.Object{old("legacy-1", "p1")}, buys(byUse), "legacy-1", 0},
		"by use, of another product":           {[]client.Object{old("legacy-1", "p2")}, buys(byUse), marketplace.InstanceName("KooGallery", "International", "CS1", "p1"), 1},
		"of two that were sold with the order": {[]client.Object{old("legacy-1", "l1"), another(old("legacy-2", "l2"))}, buys(), broughtName, 1},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			s := newStand(t, tc.there)
			code := koogallery.ResultSuccess
			if tc.waits > 0 {
				code = koogallery.ResultInProgress
				s.timeIsOver(tc.waits)
			}
			if exchange := s.do(tc.call, code); exchange.InstanceID != tc.want {
				t.Errorf("the id is %q, want %q", exchange.InstanceID, tc.want)
			}
			list := &v1alpha1.MarketplaceInstanceList{}
			if err := s.world.List(context.Background(), list); err != nil || len(list.Items) != len(tc.there)+tc.waits {
				t.Errorf("%d instances, %v", len(list.Items), err)
			}
		})
	}
}

func byUse(order *koogallerytest.V1Order) { order.ChargingMode = ptr.To(0) }

func another(mpi *v1alpha1.MarketplaceInstance) *v1alpha1.MarketplaceInstance {
	mpi.Name += "-2"
	return mpi
}

// Each product of an order that is billed by usage is a sale.
func TestTwoProductsOfOneOrderByUseAreTwoSales(t *testing.T) {
	s := newStand(t, nil)
	ids := map[string]bool{}
	for _, product := range []string{"p1", "p2", "p1"} {
		s.timeIsOver(1)
		exchange := s.do(buys(byUse, func(order *koogallerytest.V1Order) { order.ProductID = product }), koogallery.ResultInProgress)
		ids[exchange.InstanceID] = true
		s.clock.SetTime(day(0))
	}
	if len(ids) != 2 || len(s.callSecrets()) != 2 {
		t.Errorf("ids %v, %d Secrets", ids, len(s.callSecrets()))
	}
}

func TestAReleasedSaleIsAnsweredAndNothingIsMade(t *testing.T) {
	s := newStand(t, []client.Object{instance(broughtName, brought, releasedSale, withFrontEnd)})
	before := s.stored(broughtName)
	exchange, err := buys(acceptedOn(3))(context.Background(), s.caller)
	if err != nil {
		t.Fatal(err)
	}
	if exchange.ResultCode != koogallery.ResultSuccess || exchange.InstanceID != broughtName || exchange.AppInfo != nil {
		t.Errorf("answered %s with %+v", exchange.ResultCode, exchange.AppInfo)
	}
	if diff := cmp.Diff(before, s.stored(broughtName)); diff != "" || len(s.callSecrets()) != 0 {
		t.Errorf("%d Secrets, changed:\n%s", len(s.callSecrets()), diff)
	}
}

func TestAPurchaseOfAnInstanceThatIsDeletedIsToBeRepeated(t *testing.T) {
	s := newStand(t, []client.Object{instance(broughtName, brought, provisioned, withFrontEnd, func(mpi *v1alpha1.MarketplaceInstance) {
		mpi.DeletionTimestamp = ptr.To(metav1.NewTime(day(0)))
	})})
	s.do(buys(), koogallery.ResultInternalError)
}

// A release of another version may own the kinds.
func TestACallIsNotAcknowledgedWhereTheKindsAreTooOldForIt(t *testing.T) {
	s := newStand(t, nil, between(interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, object client.Object, options ...client.CreateOption) error {
			if mpi, ok := object.(*v1alpha1.MarketplaceInstance); ok {
				mpi.Spec.Subscription.Calls[0].Source = ""
			}
			return c.Create(ctx, object, options...)
		},
	}))
	s.do(buys(), koogallery.ResultInternalError)
	if !strings.Contains(s.log.text(), "older than this binary") || len(s.callSecrets()) != 0 {
		t.Errorf("%d Secrets, the log:\n%s", len(s.callSecrets()), s.log.text())
	}
}
