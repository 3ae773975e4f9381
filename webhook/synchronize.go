package webhook

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/marketplace"
)

// maxKept is the most that a Secret holds, less what its metadata take.
const maxKept = 1<<20 - 16<<10

// synchronize keeps what a call says of an enterprise: with the instance that it names, or with the Marketplace where it comes
// before there is an order. What takes something away is not asked whether the instance exists: it wants it gone.
func (r *recorder) synchronize(ctx context.Context, of *v1alpha1.Marketplace, event marketplace.Event) error {
	kept, err := syncContent(*event.Sync)
	if err != nil {
		return err
	}
	if event.InstanceID == "" {
		return r.keepFor(ctx, of, kept)
	}
	instance, err := r.find(ctx, of, event.InstanceID)
	adds := event.Sync.Action == marketplace.SyncPut
	switch {
	case errors.Is(err, marketplace.ErrUnknownInstance) && !adds:
		return nil
	case err != nil:
		return err
	}
	r.acknowledge(ctx, event, instance)
	if adds && instance.Spec.Subscription.Entitlement.State == v1alpha1.EntitlementReleased {
		return fmt.Errorf("%w: the instance was released", marketplace.ErrUnknownInstance)
	}
	return r.keepOf(ctx, instance.MarketplaceInstance, kept)
}

// syncContent is a Sync as it is kept. Two calls that say the same at the same time are one.
func syncContent(s marketplace.Sync) (content, error) {
	encoded, err := marketplace.EncodeSync(s)
	if err != nil {
		return content{}, fmt.Errorf("%w: the synchronized data can't be encoded", marketplace.ErrMalformed)
	}
	var compressed bytes.Buffer
	writer, err := gzip.NewWriterLevel(&compressed, gzip.BestSpeed)
	if err == nil {
		_, err = writer.Write(encoded)
	}
	if err == nil {
		err = writer.Close()
	}
	switch {
	case err != nil:
		return content{}, unavailable("compressing the synchronized data", err)
	case compressed.Len() > maxKept:
		return content{}, fmt.Errorf("%w: send fewer users or departments per call", marketplace.ErrTooLarge)
	}
	return content{
		kind: v1alpha1.CallSync, call: []string{string(encoded)},
		data:   map[string][]byte{v1alpha1.CallSyncKey: compressed.Bytes()},
		labels: map[string]string{v1alpha1.EnterpriseLabel: v1alpha1.EnterpriseHash(s.EnterpriseID)},
	}, nil
}
