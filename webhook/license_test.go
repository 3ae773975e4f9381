package webhook_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/koogallerytest"
)

// code is the sale of the license code PL1, by a person's hand and activated.
func code(changes ...func(*v1alpha1.Subscription)) *v1alpha1.MarketplaceInstance {
	return instance("acme", subscribed(func(sub *v1alpha1.Subscription) {
		sub.InstanceID, sub.OrderLineID, sub.Calls = "PL1", "", nil
		sub.License = v1alpha1.License{Type: v1alpha1.LicenseTypeCode, ActivationTime: at(0)}
	}), subscribed(changes...))
}

func refreshCode(license, scene, order string, until int) a {
	return func(ctx context.Context, c koogallerytest.Caller) (*koogallerytest.Exchange, error) {
		return c.RefreshLicenseCode(ctx, license, koogallerytest.RefreshOptions{
			Scene: scene, OrderID: order, OrderLineID: order + "-1", ExpireTime: day(until),
		})
	}
}

func codeStatus(license, status string) a {
	return func(ctx context.Context, c koogallerytest.Caller) (*koogallerytest.Exchange, error) {
		return c.UpdateLicenseCodeStatus(ctx, license, status)
	}
}

func releaseCode(license string) a {
	return func(ctx context.Context, c koogallerytest.Caller) (*koogallerytest.Exchange, error) {
		return c.ReleaseLicenseCode(ctx, license, "", "")
	}
}

func TestTheLifeOfALicenseCode(t *testing.T) {
	s := newStand(t, []client.Object{code()})
	check := func(what string, want v1alpha1.Entitlement, expires metav1.Time) {
		t.Helper()
		sub := s.stored("acme").Spec.Subscription
		if diff := cmp.Diff(want, sub.Entitlement); diff != "" || !sub.ExpiryTime.Equal(&expires) {
			t.Errorf("after %s: paid until %s, want %s\n%s", what, sub.ExpiryTime, expires, diff)
		}
	}
	s.clock.SetTime(day(30))
	s.do(codeStatus("PL1", koogallery.StatusFreeze), koogallery.ResultSuccess)
	check("the freeze", v1alpha1.Entitlement{State: v1alpha1.EntitlementFrozen, Reason: v1alpha1.EntitlementExpired, Time: at(30)}, at(30))

	s.clock.SetTime(day(31))
	renewal := refreshCode("PL1", koogallery.SceneRenewal, "R1", 60)
	s.do(renewal, koogallery.ResultSuccess)
	active := v1alpha1.Entitlement{State: v1alpha1.EntitlementActive, Time: at(31)}
	check("the renewal", active, at(60))

	s.clock.SetTime(day(32))
	s.do(refreshCode("PL1", koogallery.SceneRenewalReturned, "R2", 40), koogallery.ResultSuccess)
	check("the renewal's cancellation", active, at(40))
	s.do(renewal, koogallery.ResultSuccess)
	check("a repeat of the renewal", active, at(40))

	s.clock.SetTime(day(33))
	s.do(codeStatus("PL1", koogallery.StatusFreeze), koogallery.ResultSuccess)
	check("a freeze before the end", v1alpha1.Entitlement{State: v1alpha1.EntitlementFrozen, Reason: v1alpha1.EntitlementByMarketplace, Time: at(33)}, at(40))
	s.clock.SetTime(day(34))
	s.do(codeStatus("PL1", koogallery.StatusUnfreeze), koogallery.ResultSuccess)
	check("the unfreeze", v1alpha1.Entitlement{State: v1alpha1.EntitlementActive, Time: at(34)}, at(40))

	s.clock.SetTime(day(35))
	s.do(releaseCode("PL1"), koogallery.ResultSuccess)
	released := v1alpha1.Entitlement{State: v1alpha1.EntitlementReleased, Reason: v1alpha1.EntitlementByMarketplace, Time: at(35)}
	check("the release", released, at(40))
	if got := s.stored("acme").Spec.Subscription.License.State; got != v1alpha1.LicenseReleased {
		t.Errorf("the state is %q: a query would take the release for news that a person has taken back", got)
	}
	s.clock.SetTime(day(36))
	s.do(releaseCode("PL1"), koogallery.ResultSuccess)
	s.do(codeStatus("PL1", koogallery.StatusUnfreeze), koogallery.ResultUnknownInstance)
	check("calls after the release", released, at(40))
}

func TestCallsAboutOtherCodes(t *testing.T) {
	s := newStand(t, []client.Object{code(), instance("i1")})
	for name, call := range map[string]a{
		"a renewal": refreshCode("PL2", koogallery.SceneRenewal, "R1", 60), "a freeze": codeStatus("PL2", koogallery.StatusFreeze),
		"a release": releaseCode("PL2"), "a release of what is no code": releaseCode("i1"), "a release by the object's name": releaseCode("acme"),
	} {
		t.Run(name, func(*testing.T) {
			before := []*v1alpha1.MarketplaceInstance{s.stored("acme"), s.stored("i1")}
			s.do(call, koogallery.ResultUnknownInstance)
			if diff := cmp.Diff(before, []*v1alpha1.MarketplaceInstance{s.stored("acme"), s.stored("i1")}); diff != "" {
				t.Errorf("it changed:\n%s", diff)
			}
		})
	}
}

func TestDebugCallsAboutLicensesChangeNothing(t *testing.T) {
	s := newStand(t, []client.Object{code(), instance("i1")})
	caller := s.caller
	caller.Options.Debug = true
	for name, call := range map[string]a{
		"a renewal": refreshCode("PL1", koogallery.SceneRenewal, "R1", 60), "a freeze": codeStatus("PL1", koogallery.StatusFreeze),
		"a release": releaseCode("PL1"), "a release of an unknown code": releaseCode("PL2"), "a request": licenseFor("i1", "E1", ""),
	} {
		t.Run(name, func(*testing.T) {
			before := []*v1alpha1.MarketplaceInstance{s.stored("acme"), s.stored("i1")}
			s.doWith(caller, call, koogallery.ResultSuccess)
			if diff := cmp.Diff(before, []*v1alpha1.MarketplaceInstance{s.stored("acme"), s.stored("i1")}); diff != "" {
				t.Errorf("it changed:\n%s", diff)
			}
		})
	}
}

func licenseFor(id, event, device string) a {
	return func(ctx context.Context, c koogallerytest.Caller) (*koogallerytest.Exchange, error) {
		return c.GetLicenseAsync(ctx, koogallerytest.LicenseRequest{
			InstanceID: id, EventID: event, EffectiveTime: day(1), ExpireTime: day(20), DeviceFingerprint: device,
		})
	}
}

func TestARequestForALicense(t *testing.T) {
	product := &v1alpha1.MarketplaceProduct{ObjectMeta: metav1.ObjectMeta{Namespace: "sales", Name: "cad"}}
	product.Spec.License = v1alpha1.ProductLicense{DeviceFingerprint: v1alpha1.LicenseFingerprintRequired, PerUnit: 1}
	s := newStand(t, []client.Object{product, instance("i1", func(mpi *v1alpha1.MarketplaceInstance) { mpi.Spec.ProductRef.Name = "cad" })})
	s.do(licenseFor("i1", "E1", "d1"), koogallery.ResultInProgress)
	want := []v1alpha1.LicenseRequest{{
		Key: "E1", ID: "E1", DeviceFingerprint: "d1", EffectiveTime: at(1), ExpiryTime: at(20), RequestTime: at(0),
	}}
	stored := s.stored("i1")
	if diff := cmp.Diff(want, stored.Spec.Subscription.LicenseRequests); diff != "" {
		t.Fatalf("stored (-want +got):\n%s", diff)
	}
	s.do(licenseFor("i1", "E1", "d1"), koogallery.ResultInProgress)
	s.do(licenseFor("i1", "E2", ""), koogallery.ResultLicenseUnbound)
	s.do(licenseFor("i1", "E2", "d2"), koogallery.ResultLicenseQuota)
	s.do(licenseFor("i2", "E2", "d2"), koogallery.ResultUnknownInstance)
	if diff := cmp.Diff(stored, s.stored("i1")); diff != "" {
		t.Errorf("a repeat or a refused request changed:\n%s", diff)
	}

	stored.Spec.Subscription.LicenseRequests[0].DeliveryTime = at(1)
	if err := s.world.Update(context.Background(), stored); err != nil {
		t.Fatal(err)
	}
	s.do(licenseFor("i1", "E1", "d1"), koogallery.ResultSuccess)
}

const licenseKey = "the-license-key"

// byLicense are the calls that KooGallery may make about a license, by their activities: of an instance, of the purchase of orderID, and of
// the purchase of orderInCall.
func byLicense(id string) map[string]a {
	renewal := koogallerytest.V1Refresh{OrderID: "R1", InstanceID: id, ExpireTime: day(60)}
	return map[string]a{
		"newInstance": newInstance, "refreshInstance": renewUntil(id, "R1", day(60)), "releaseInstance": releaseOf(id),
		"updateInstanceStatus, a freeze":    status(id, koogallery.StatusFreeze),
		"updateInstanceStatus, an unfreeze": status(id, koogallery.StatusUnfreeze),
		"getLicenseAsync":                   licenseFor(id, "E1", ""),
		"refreshLicenseCode":                refreshCode(id, koogallery.SceneRenewal, "R1", 60),
		"updateLicenseCodeStatus":           codeStatus(id, koogallery.StatusFreeze), "releaseLicenseCode": releaseCode(id),
		"getLicense": getsLicense,
		"refreshLicense": queried(func(ctx context.Context, v koogallerytest.V1) (*koogallerytest.Exchange, error) {
			return v.RefreshLicense(ctx, renewal)
		}),
		"expireLicense": queried(func(ctx context.Context, v koogallerytest.V1) (*koogallerytest.Exchange, error) {
			return v.ExpireLicense(ctx, id, orderID)
		}),
		"releaseLicense": queried(func(ctx context.Context, v koogallerytest.V1) (*koogallerytest.Exchange, error) {
			return v.ReleaseLicense(ctx, id, orderID)
		}),
	}
}

// Online License has the activities of SaaS, and License 1.0 its instances: a license key that leaked changes no tenant by them.
func TestTheLicenseKeyChangesNoOtherSale(t *testing.T) {
	product := &v1alpha1.MarketplaceProduct{ObjectMeta: metav1.ObjectMeta{Namespace: "sales", Name: "shop"}}
	ofProduct := func(mpi *v1alpha1.MarketplaceInstance) { mpi.Spec.ProductRef.Name = "shop" }
	frozenSale := subscribed(frozen(v1alpha1.EntitlementByMarketplace, 0))
	for what, changes := range map[string][]func(*v1alpha1.MarketplaceInstance){
		"one of a product": {ofProduct}, "one whose product is not known yet": nil, "a frozen one": {ofProduct, frozenSale},
	} {
		objects := []client.Object{product, instance(soldName, changes...), instance(broughtName, append(changes, brought)...)}
		for _, id := range []string{soldName, broughtName} {
			for activity, call := range byLicense(id) {
				t.Run(what+" "+activity+" "+id, func(t *testing.T) {
					s := newStand(t, copied(objects))
					s.setKeys(map[string]string{koogallery.KeyAccess: accessKey, koogallery.KeyLicense: licenseKey})
					s.clock.SetTime(day(5))
					before := []*v1alpha1.MarketplaceInstance{s.stored(soldName), s.stored(broughtName)}
					s.doWith(s.withKey(licenseKey), call, koogallery.ResultUnknownInstance)
					if diff := cmp.Diff(before, []*v1alpha1.MarketplaceInstance{s.stored(soldName), s.stored(broughtName)}); diff != "" {
						t.Errorf("it changed:\n%s", diff)
					}
					if secrets := s.callSecrets(); len(secrets) > 0 || s.sales() != 2 {
						t.Errorf("it keeps %d Secrets, and there are %d sales", len(secrets), s.sales())
					}
				})
			}
		}
	}
}

func copied(objects []client.Object) []client.Object {
	var all []client.Object
	for _, object := range objects {
		all = append(all, object.DeepCopyObject().(client.Object))
	}
	return all
}

// Which key KooGallery has for Online License is not documented: a license is changed by either, whichever has bought it.
func TestALicenseIsChangedWithTheLicenseKeyAndWithTheAccessKey(t *testing.T) {
	product := &v1alpha1.MarketplaceProduct{ObjectMeta: metav1.ObjectMeta{Namespace: "sales", Name: "cad"}}
	product.Spec.License.Term = v1alpha1.LicensePerpetual
	ofProduct := func(mpi *v1alpha1.MarketplaceInstance) { mpi.Spec.ProductRef.Name = "cad" }
	asked := subscribed(func(sub *v1alpha1.Subscription) {
		sub.LicenseRequests = []v1alpha1.LicenseRequest{{Key: "E0", ID: "E0", RequestTime: at(0), DeliveryTime: at(0)}}
	})
	for name, tc := range map[string]struct {
		stored []client.Object
		buyer  string // the key that buys it; empty for a sale that is stored
		keys   []string
	}{
		"bought with the license key":       {buyer: licenseKey, keys: []string{licenseKey, accessKey}},
		"its product sells licenses":        {stored: []client.Object{product, instance(soldName, ofProduct)}, keys: []string{licenseKey, accessKey}},
		"its buyer has asked for a license": {stored: []client.Object{instance(soldName, asked)}, keys: []string{licenseKey, accessKey}},
		"bought before sales were marked":   {stored: []client.Object{instance(soldName)}, keys: []string{accessKey}},
		"bought with the access key":        {buyer: accessKey, keys: []string{accessKey}},
	} {
		for _, key := range tc.keys {
			t.Run(name+", changed with "+key, func(t *testing.T) {
				s := newStand(t, copied(tc.stored))
				s.setKeys(map[string]string{koogallery.KeyAccess: accessKey, koogallery.KeyLicense: licenseKey})
				if tc.buyer != "" {
					s.doWith(s.withKey(tc.buyer), newInstance, koogallery.ResultInProgress)
				}
				by := s.withKey(key)
				state := func() v1alpha1.EntitlementState { return s.stored(soldName).Spec.Subscription.Entitlement.State }
				step := func(call a, wantCode string, want v1alpha1.EntitlementState) {
					t.Helper()
					s.clock.Step(time.Hour)
					s.doWith(by, call, wantCode)
					if got := state(); got != want {
						t.Fatalf("it is %s, want %s", got, want)
					}
				}
				step(newInstance, koogallery.ResultInProgress, v1alpha1.EntitlementActive)
				step(renewUntil(soldName, "R1", day(60)), koogallery.ResultSuccess, v1alpha1.EntitlementActive)
				step(licenseFor(soldName, "E1", ""), koogallery.ResultInProgress, v1alpha1.EntitlementActive)
				step(status(soldName, koogallery.StatusFreeze), koogallery.ResultSuccess, v1alpha1.EntitlementFrozen)
				step(status(soldName, koogallery.StatusUnfreeze), koogallery.ResultSuccess, v1alpha1.EntitlementActive)
				step(releaseOf(soldName), koogallery.ResultSuccess, v1alpha1.EntitlementReleased)
				step(releaseOf(soldName), koogallery.ResultSuccess, v1alpha1.EntitlementReleased)
				if sub := s.stored(soldName).Spec.Subscription; !sub.ExpiryTime.Time.Equal(day(60)) || len(sub.LicenseRequests) == 0 {
					t.Errorf("it is paid until %s, with %d requests", sub.ExpiryTime, len(sub.LicenseRequests))
				}
			})
		}
	}
}

// Of a license that is gone a release is a success with the license key too.
func TestAReleaseOfALicenseThatIsGoneIsASuccess(t *testing.T) {
	s := newStand(t, nil)
	s.setKeys(map[string]string{koogallery.KeyAccess: accessKey, koogallery.KeyLicense: licenseKey})
	s.doWith(s.withKey(licenseKey), releaseOf(soldName), koogallery.ResultSuccess)
}

// Whoever has the license key alone and hears of an order before its call comes has not made it a license.
func TestAPurchaseWithTheAccessKeyIsNoLicense(t *testing.T) {
	s := newStand(t, nil)
	s.setKeys(map[string]string{koogallery.KeyAccess: accessKey, koogallery.KeyLicense: licenseKey})
	s.doWith(s.withKey(licenseKey), newInstance, koogallery.ResultInProgress)
	s.do(newInstance, koogallery.ResultInProgress)
	for _, call := range []a{newInstance, releaseOf(soldName), status(soldName, koogallery.StatusFreeze), licenseFor(soldName, "E1", "")} {
		s.doWith(s.withKey(licenseKey), call, koogallery.ResultUnknownInstance)
	}
	if got := s.stored(soldName).Spec.Subscription.Entitlement.State; got != v1alpha1.EntitlementActive {
		t.Errorf("it is %s", got)
	}
}

// A sale of License 1.0 is a license whichever key has bought it, and its order is found by the call that brought it.
func TestALicenseOfLicense10IsChangedWithTheLicenseKey(t *testing.T) {
	for _, buyer := range []string{licenseKey, accessKey} {
		t.Run("bought with "+buyer, func(t *testing.T) {
			s := newStand(t, nil)
			s.setKeys(map[string]string{koogallery.KeyAccess: accessKey, koogallery.KeyLicense: licenseKey})
			s.timeIsOver(1)
			s.doWith(s.withKey(buyer), getsLicense, koogallery.ResultInProgress)
			mpi := s.stored(broughtName)
			if _, ok := s.callSecrets()[mpi.Spec.Subscription.Calls[0].OrderSecretName(mpi.Name, mpi.UID)]; !ok {
				t.Error("its order is not found by its call")
			}
			s.clock.Step(time.Second)
			s.doWith(s.withKey(licenseKey), byLicense(broughtName)["refreshLicense"], koogallery.ResultSuccess)
			s.doWith(s.withKey(licenseKey), byLicense(broughtName)["releaseLicense"], koogallery.ResultSuccess)
			if got := s.stored(broughtName).Spec.Subscription.Entitlement.State; got != v1alpha1.EntitlementReleased {
				t.Errorf("it is %s", got)
			}
		})
	}
}
