package webhook

import (
	"context"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/marketplace"
)

// notify keeps an order's notification beside the Marketplace, because it is about no instance: the controller looks whether
// the order's own call has come. It is never applied to an instance.
func (r *recorder) notify(ctx context.Context, of *v1alpha1.Marketplace, event marketplace.Event) error {
	data := map[string][]byte{v1alpha1.CallOrderIDKey: []byte(event.OrderID)}
	if event.OrderLineID != "" {
		data[v1alpha1.CallOrderLineIDKey] = []byte(event.OrderLineID)
	}
	return r.keepFor(ctx, of, content{
		kind: v1alpha1.CallNotification, call: []string{event.OrderID, event.OrderLineID}, data: data,
	})
}
