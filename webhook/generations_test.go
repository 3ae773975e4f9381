package webhook_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/koogallerytest"
)

// queried is a call of the generation that has everything in the query.
func queried(call func(context.Context, koogallerytest.V1) (*koogallerytest.Exchange, error)) a {
	return func(ctx context.Context, caller koogallerytest.Caller) (*koogallerytest.Exchange, error) {
		return call(ctx, caller.V1())
	}
}

var orderInCall = koogallerytest.V1Order{
	OrderID: "CS1", ProductID: "p1", SKUCode: "sku", CustomerName: "Zhang", MobilePhone: "15900000000", Email: "buyer@example.com",
}

// What needs no order is the same in both generations, but for the moment of the expiry, which only one of them names.
func TestCallsInQueriesAreRecorded(t *testing.T) {
	s := newStand(t, []client.Object{instance("i1")})
	s.do(queried(func(ctx context.Context, v koogallerytest.V1) (*koogallerytest.Exchange, error) {
		return v.ExpireInstance(ctx, "i1", orderID)
	}), koogallery.ResultSuccess)
	if got := s.stored("i1").Spec.Subscription.Entitlement; got.State != v1alpha1.EntitlementFrozen || got.Reason != v1alpha1.EntitlementExpired {
		t.Errorf("after the expiry: %+v", got)
	}
	renew := queried(func(ctx context.Context, v koogallerytest.V1) (*koogallerytest.Exchange, error) {
		return v.RefreshInstance(ctx, koogallerytest.V1Refresh{OrderID: "R1", InstanceID: "i1", ExpireTime: day(60)})
	})
	s.do(renew, koogallery.ResultSuccess)
	renewed := s.stored("i1")
	if sub := renewed.Spec.Subscription; sub.Entitlement.State != v1alpha1.EntitlementActive || !sub.ExpiresAt.Time.Equal(day(60)) {
		t.Errorf("after the renewal: %s", fmt.Sprint(sub.Entitlement, sub.ExpiresAt))
	}
	s.do(renew, koogallery.ResultSuccess)
	if diff := cmp.Diff(renewed, s.stored("i1")); diff != "" {
		t.Errorf("the repeated renewal changed:\n%s", diff)
	}
	s.do(queried(func(ctx context.Context, v koogallerytest.V1) (*koogallerytest.Exchange, error) {
		return v.ReleaseInstance(ctx, "i1", orderID)
	}), koogallery.ResultSuccess)
	if got := s.stored("i1").Spec.Subscription.Entitlement.State; got != v1alpha1.EntitlementReleased {
		t.Errorf("after the release: %s", got)
	}
}
