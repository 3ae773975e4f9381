package webhook

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/stallkeeper/stallkeeper/marketplace"
	"github.com/stallkeeper/stallkeeper/subscription"
)

// acknowledgeTimeout is how long an answer that is ready waits until it is noted that the marketplace has asked.
const acknowledgeTimeout = 500 * time.Millisecond

// acknowledge notes on the instances that an event named that it has named them. It is one write in the life of a sale, and
// none for what was noted before. A write that fails is let go: what was asked for is answered whatever becomes of it, and the
// next call is as good a proof.
func (r *recorder) acknowledge(ctx context.Context, event marketplace.Event, named ...found) {
	ctx, cancel := context.WithTimeout(ctx, acknowledgeTimeout)
	defer cancel()
	var group errgroup.Group
	group.SetLimit(queryParallelism)
	for _, instance := range named {
		if instance.MarketplaceInstance == nil || !subscription.AwaitsAcknowledgement(instance.Spec.Subscription) {
			continue
		}
		merged, err := subscription.Merge(instance.Spec.Subscription, event, r.clock.Now())
		if err == nil {
			group.Go(func() error {
				_, err := r.patch(ctx, instance.MarketplaceInstance, merged)
				return err
			})
		}
	}
	_ = group.Wait()
}
