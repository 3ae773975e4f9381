package webhook_test

import (
	"context"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/koogallerytest"
)

func TestOnlyTheVersionsThatAMarketplaceNamesAreAccepted(t *testing.T) {
	s := newStand(t, []client.Object{instance("i1")})
	ask := func(ctx context.Context, caller koogallerytest.Caller) (*koogallerytest.Exchange, error) {
		return caller.QueryInstance(ctx, "i1")
	}
	names := func(versions ...v1alpha1.KooGalleryCallVersion) {
		t.Helper()
		mp := &v1alpha1.Marketplace{}
		if err := s.world.Get(t.Context(), client.ObjectKey{Namespace: "sales", Name: "koogallery"}, mp); err != nil {
			t.Fatal(err)
		}
		mp.Spec.KooGallery.CallVersions = versions
		if err := s.world.Update(t.Context(), mp); err != nil {
			t.Fatal(err)
		}
	}
	// A change counts with the next call, whatever is known of the Secret.
	s.do(ask, "000004")
	names(v1alpha1.CallVersionKitV2)
	s.do(ask, "000002")
	names(v1alpha1.CallVersionSaaSV2, v1alpha1.CallVersionKitV2)
	s.do(ask, "000004")
	names()
	s.do(ask, "000004")
}
