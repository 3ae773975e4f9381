package webhook_test

import (
	"context"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

// Whoever has kept a call, or lets the marketplace repeat it, makes no deleted sale again. The seller can.
func TestADeletedSaleIsMadeAgainOnPurposeOnly(t *testing.T) {
	for name, tc := range map[string]struct {
		buy         a
		order, line string
		// waits says that the call waits in vain for the buyer's address.
		waits bool
	}{
		"a purchase of SaaS V2.0": {buy: newInstance, order: orderID, line: lineID},
		"a purchase of SaaS V1.0": {buy: buys(), order: orderInCall.OrderID, waits: true},
		"a sale of License 1.0":   {buy: getsLicense, order: orderInCall.OrderID, waits: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStand(t, nil)
			waits := func() {
				if tc.waits {
					s.timeIsOver(1)
				}
			}
			waits()
			first, err := tc.buy(context.Background(), s.caller)
			if err != nil || s.sales() != 1 {
				t.Fatalf("nothing was sold: %v", err)
			}
			if err := s.world.DeleteAllOf(t.Context(), &v1alpha1.MarketplaceInstance{}); err != nil {
				t.Fatal(err)
			}
			s.letGo()
			remembered := &corev1.Secret{
				ObjectMeta: metav1.ObjectMeta{Namespace: "sales", Name: v1alpha1.SoldSecretName("koogallery", tc.order, tc.line)},
				Type:       v1alpha1.SoldSecretType,
			}
			if err := s.world.Create(t.Context(), remembered); err != nil {
				t.Fatal(err)
			}
			s.clock.Step(time.Second)
			if _, err := s.caller.Replay(context.Background(), first); err != nil {
				t.Fatal(err)
			}
			s.do(tc.buy, "000002")
			if got := s.sales(); got != 0 {
				t.Fatalf("%d sales after the repeat", got)
			}
			if err := s.world.Delete(t.Context(), remembered); err != nil {
				t.Fatal(err)
			}
			waits()
			s.do(tc.buy, "000004")
			if got := s.sales(); got != 1 {
				t.Errorf("%d sales after the seller has agreed", got)
			}
		})
	}
}

// letGo takes the finalizers off what is being deleted.
func (s *stand) letGo() {
	s.Helper()
	list := &v1alpha1.MarketplaceInstanceList{}
	if err := s.world.List(s.Context(), list); err != nil {
		s.Fatal(err)
	}
	for i := range list.Items {
		list.Items[i].Finalizers = nil
		if err := s.world.Update(s.Context(), &list.Items[i]); err != nil {
			s.Fatal(err)
		}
	}
}
