package webhook_test

import (
	"context"
	"testing"

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
