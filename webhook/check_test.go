package webhook_test

import (
	"context"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/koogallerytest"
)

// shop sells the plans small and large.
func shop() *v1alpha1.MarketplaceProduct {
	return &v1alpha1.MarketplaceProduct{
		ObjectMeta: metav1.ObjectMeta{Namespace: "sales", Name: "shop"},
		Spec: v1alpha1.MarketplaceProductSpec{
			Plans: []v1alpha1.Plan{
				{Name: "small", Listings: []v1alpha1.Listing{{Marketplace: "koogallery", SKUs: []string{"sku-small"}}}},
				{Name: "large", Listings: []v1alpha1.Listing{{Marketplace: "koogallery", SKUs: []string{"sku-large"}}}},
			},
		},
	}
}

// fourInUse is five of shop's large plan, of which four are in use, and the small plan's volume is too small for them.
func fourInUse(mpi *v1alpha1.MarketplaceInstance) {
	mpi.Spec.ProductRef.Name, mpi.Spec.QuantityInUse = "shop", ptr.To(int32(4))
	mpi.Spec.Subscription.Plan, mpi.Spec.Subscription.Quantity = "large", ptr.To(int32(5))
	mpi.Status.PlanLimits = []v1alpha1.PlanLimit{{Plan: "small", MinimumQuantity: 6, Claim: "PersistentVolumeClaim/data"}}
}

func TestACheckIsAnsweredWithTheReason(t *testing.T) {
	s := newStand(t, []client.Object{instance("i1", fourInUse), shop()})
	ask := func(sku string, quantity int32) a {
		return func(ctx context.Context, caller koogallerytest.Caller) (*koogallerytest.Exchange, error) {
			return caller.ChangeInstanceCheck(ctx, "i1", koogallerytest.Product{SKUCode: sku, LinearValue: &quantity})
		}
	}
	s.do(ask("sku-large", 4), "000000")
	for want, call := range map[string]a{"below the 4 in use": ask("sku-large", 1), "volume": ask("sku-small", 5), `SKU "x"`: ask("x", 9)} {
		exchange := s.do(call, "000002")
		if !strings.Contains(exchange.ResultMsg, want) {
			t.Errorf("told %q, want %q in it", exchange.ResultMsg, want)
		}
	}
}
