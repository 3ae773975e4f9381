package webhook_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/koogallerytest"
)

func notify(order string) a {
	return func(ctx context.Context, caller koogallerytest.Caller) (*koogallerytest.Exchange, error) {
		return caller.OrderNotify(ctx, order, order+"-1")
	}
}

// notifications are the data of the Secrets that keep notifications for a Marketplace.
func (s *stand) notifications() []map[string]string {
	s.Helper()
	list := &corev1.SecretList{}
	if err := s.world.List(context.Background(), list, client.InNamespace("sales"), client.MatchingLabels{
		v1alpha1.CallLabel: string(v1alpha1.CallNotification), v1alpha1.MarketplaceLabel: "koogallery",
	}); err != nil {
		s.Fatal(err)
	}
	var kept []map[string]string
	for _, secret := range list.Items {
		data := map[string]string{}
		for key, value := range secret.Data {
			data[key] = string(value)
		}
		kept = append(kept, data)
	}
	return kept
}

func TestANotificationIsKeptOnceAndTouchesNoInstance(t *testing.T) {
	s := newStand(t, []client.Object{instance("i1", subscribed(awaiting))})
	before := s.stored("i1")
	s.do(notify("N1"), "000000")
	s.do(notify("N1"), "000000")
	s.do(notify(orderID), "000000")
	want := map[string]bool{"N1/N1-1": true, orderID + "/" + orderID + "-1": true}
	got := map[string]bool{}
	for _, kept := range s.notifications() {
		got[kept["orderID"]+"/"+kept["orderLineID"]] = true
	}
	if diff := cmp.Diff(want, got); diff != "" || len(s.notifications()) != 2 {
		t.Errorf("%d are kept; -want +kept:\n%s", len(s.notifications()), diff)
	}
	if diff := cmp.Diff(before, s.stored("i1")); diff != "" {
		t.Errorf("the instance changed:\n%s", diff)
	}
}

func TestADebugNotificationIsNotKept(t *testing.T) {
	s := newStand(t, nil)
	debug := s.caller
	debug.Options.Debug = true
	s.doWith(debug, notify("N1"), "000000")
	if kept := s.notifications(); len(kept) != 0 {
		t.Errorf("kept %v", kept)
	}
}

func TestANotificationThatCannotBeKeptIsToBeRepeated(t *testing.T) {
	down := true
	s := newStand(t, nil, between(interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, object client.Object, options ...client.CreateOption) error {
			if down {
				return away
			}
			return c.Create(ctx, object, options...)
		},
	}))
	failed := s.do(notify("N1"), "000005")
	down = false
	s.do(replay(failed), "000000")
	if kept := s.notifications(); len(kept) != 1 {
		t.Errorf("kept %v", kept)
	}
}
