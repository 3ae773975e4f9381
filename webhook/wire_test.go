package webhook_test

import (
	"context"
	"strings"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/koogallerytest"
)

// While the seller applies for credentials and tries them, no call of the Kit has an instance.
func TestTheKitWhileApplying(t *testing.T) {
	for name, kit := range map[string]func(koogallerytest.Caller) koogallerytest.Kit{
		"V2": koogallerytest.Caller.Kit, "V1": koogallerytest.Caller.KitV1,
	} {
		for called, call := range map[string]func(context.Context, koogallerytest.Kit) (*koogallerytest.Exchange, error){
			"allOrgSync": func(ctx context.Context, k koogallerytest.Kit) (*koogallerytest.Exchange, error) {
				return k.AllOrgSync(ctx, "", "t1", koogallerytest.KitDepartment{Code: "d1", Name: "R&D"})
			},
			"singleOrgSync": func(ctx context.Context, k koogallerytest.Kit) (*koogallerytest.Exchange, error) {
				return k.SingleOrgSync(ctx, "", "t1", koogallerytest.KitDepartment{Code: "d1", Name: "R&D"}, koogallery.FlagAdd)
			},
			"authSync": func(ctx context.Context, k koogallerytest.Kit) (*koogallerytest.Exchange, error) {
				return k.AuthSync(ctx, koogallerytest.KitUsers{
					TenantID: "t1", AppID: "a1", Flag: koogallery.FlagAdd, Users: []koogallerytest.KitUser{{UserName: "u1", Name: "R&D=1"}},
				})
			},
		} {
			t.Run(name+" "+called, func(t *testing.T) {
				s := newKitStand(t, nil)
				for _, slash := range []string{"", "/"} {
					s.do(func(ctx context.Context, caller koogallerytest.Caller) (*koogallerytest.Exchange, error) {
						caller.URL += slash
						return call(ctx, kit(caller))
					}, koogallery.ResultSuccess)
				}
				if kept := s.calls(); len(kept["Marketplace/koogallery"]) != 1 || len(kept) != 1 {
					t.Errorf("kept %v", kept)
				}
			})
		}
	}
}

// The production URL may end with a slash, which becomes two before the Kit's own path.
func TestTwoSlashesAreOne(t *testing.T) {
	s := newKitStand(t, []client.Object{instance("i1")})
	s.do(func(ctx context.Context, caller koogallerytest.Caller) (*koogallerytest.Exchange, error) {
		caller.URL = strings.Replace(caller.URL, "/koogallery", "/koogallery//", 1)
		return tenantSync("i1", koogallery.FlagDelete)(ctx, caller)
	}, koogallery.ResultSuccess)
}

func TestTheLifeOfALicenseOfTheFirstGeneration(t *testing.T) {
	s := newStand(t, []client.Object{instance("i1")})
	renewal := koogallerytest.V1Refresh{OrderID: "R1", InstanceID: "i1", ExpireTime: day(60)}
	s.do(queried(func(ctx context.Context, v koogallerytest.V1) (*koogallerytest.Exchange, error) {
		return v.ExpireLicense(ctx, "i1", "")
	}), "000000")
	if got := s.stored("i1").Spec.Subscription.Entitlement; got.State != v1alpha1.EntitlementFrozen || got.Reason != v1alpha1.EntitlementExpired {
		t.Errorf("after the expiry: %+v", got)
	}
	s.do(queried(func(ctx context.Context, v koogallerytest.V1) (*koogallerytest.Exchange, error) {
		return v.RefreshLicense(ctx, renewal)
	}), "000000")
	if sub := s.stored("i1").Spec.Subscription; sub.Entitlement.State != v1alpha1.EntitlementActive || !sub.ExpiryTime.Time.Equal(day(60)) {
		t.Errorf("after the renewal: %+v until %s", sub.Entitlement, sub.ExpiryTime)
	}
	renewal.InstanceID = "i9"
	s.do(queried(func(ctx context.Context, v koogallerytest.V1) (*koogallerytest.Exchange, error) {
		return v.RefreshLicense(ctx, renewal)
	}), "000003")
	s.do(queried(func(ctx context.Context, v koogallerytest.V1) (*koogallerytest.Exchange, error) {
		return v.ExpireLicense(ctx, "i9", "")
	}), "000003")
	debug := s.caller
	debug.Options.Debug = true
	s.doWith(debug, queried(func(ctx context.Context, v koogallerytest.V1) (*koogallerytest.Exchange, error) {
		return v.ExpireLicense(ctx, "i9", "")
	}), "000000")
	s.doWith(debug, queried(func(ctx context.Context, v koogallerytest.V1) (*koogallerytest.Exchange, error) {
		return v.RefreshLicense(ctx, renewal)
	}), "000000")
}

// A renewal that is given back names no other scene than its amount.
func TestARenewalInAQueryIsGivenBack(t *testing.T) {
	s := newStand(t, []client.Object{instance("i1")})
	for order, refresh := range map[string]koogallerytest.V1Refresh{
		"R1": {ExpireTime: day(90)}, "R2": {ExpireTime: day(60), OrderAmount: "-100"},
	} {
		refresh.OrderID, refresh.InstanceID = order, "i1"
		s.do(queried(func(ctx context.Context, v koogallerytest.V1) (*koogallerytest.Exchange, error) {
			return v.RefreshInstance(ctx, refresh)
		}), "000000")
	}
	for _, call := range s.stored("i1").Spec.Subscription.Calls {
		if want := map[string]string{"R1": koogallery.SceneRenewal, "R2": koogallery.SceneRenewalReturned}[call.OrderID]; want != "" && call.Variant != want {
			t.Errorf("%s is a %s, want %s", call.OrderID, call.Variant, want)
		}
	}
}

// A sale is stored whatever nothing needs of it says, and the log names the field and not what stands there.
func TestAPurchaseIsNotLostOverWhatNothingNeeds(t *testing.T) {
	s := newStand(t, nil)
	params := map[string]string{
		"activity": "newInstance", "orderId": "CS1", "businessId": strings.Repeat("b", 65), "customerName": "Real\tName" + strings.Repeat("x", 65),
		"saasExtendParams": "no base64 at all", "amount": "1.0", "chargingMode": "0001", "expireTime": "soon", "productId": "p1",
	}
	s.do(func(ctx context.Context, caller koogallerytest.Caller) (*koogallerytest.Exchange, error) {
		return caller.V1().Send(ctx, params)
	}, koogallery.ResultInProgress)
	s.do(send(`{"activity":"newInstance","orderId":"CS2","orderLineId":"l","businessId":12345}`), koogallery.ResultInProgress)
	if got := s.sales(); got != 2 {
		t.Errorf("%d sales are stored, want 2", got)
	}
	log := s.log.text()
	if !strings.Contains(log, "customerName") || !strings.Contains(log, "saasExtendParams") || strings.Contains(log, "Real") || strings.Contains(log, "base64") {
		t.Errorf("the log says\n%s", log)
	}
}
