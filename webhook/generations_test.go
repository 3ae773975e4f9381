package webhook_test

import (
	"context"
	"encoding/json"
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
	if sub := renewed.Spec.Subscription; sub.Entitlement.State != v1alpha1.EntitlementActive || !sub.ExpiryTime.Time.Equal(day(60)) {
		t.Errorf("after the renewal: %s", fmt.Sprint(sub.Entitlement, sub.ExpiryTime))
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

// The seller says with how many bits the initial credentials are encrypted, also while the server runs.
func TestCredentialsAreEncryptedAsTheSellerSays(t *testing.T) {
	s := newStand(t, []client.Object{instance("i1", provisioned, withCredentials), accessSecret("i1")})
	for _, tc := range []struct {
		encryption v1alpha1.FieldEncryption
		want       koogallery.EncryptType
	}{
		{"", koogallery.EncryptAES256}, {v1alpha1.FieldEncryptionAES128, koogallery.EncryptAES128}, {v1alpha1.FieldEncryptionAES256, koogallery.EncryptAES256},
	} {
		mp := &v1alpha1.Marketplace{}
		if err := s.world.Get(t.Context(), client.ObjectKey{Namespace: "sales", Name: "koogallery"}, mp); err != nil {
			t.Fatal(err)
		}
		mp.Spec.KooGallery.FieldEncryption = tc.encryption
		if err := s.world.Update(t.Context(), mp); err != nil {
			t.Fatal(err)
		}
		got := s.do(queried(func(ctx context.Context, v koogallerytest.V1) (*koogallerytest.Exchange, error) {
			return v.QueryInstance(ctx, "i1")
		}), koogallery.ResultSuccess)
		var body koogallery.Response
		if err := json.Unmarshal([]byte(got.Body), &body); err != nil {
			t.Fatal(err)
		}
		plain, err := koogallery.DecryptField([]byte(accessKey), tc.want, body.Info[0].AppInfo.Password)
		if body.EncryptType != tc.want || err != nil || plain != "initial-password" {
			t.Errorf("with %q the type is %q, want %q, and the password %v", tc.encryption, body.EncryptType, tc.want, err)
		}
	}
}
