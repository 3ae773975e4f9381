package webhook

import (
	"context"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/marketplace"
)

// answerPatience is how long a purchase waits for what its answer has to carry. It leaves time to store the call before, and to
// read a Secret after, within DefaultAnswerTimeout.
const answerPatience = 3 * time.Second

// supply puts into a recorded purchase's outcome what its answer has to carry, for a marketplace that does not come back to ask.
// What does not come in time is left out: the answer then says "in progress", and a later delivery is told. A call that waits has
// no place among those at work, so that a burst of such purchases starves no other call.
func (h *Handler) supply(ctx context.Context, c *call) error {
	released := c.outcome.Instance.State == marketplace.StateReleased
	if c.event.Test || c.event.Wants == marketplace.WantNothing || c.event.Wants == marketplace.WantAccess && released {
		return nil
	}
	done, err := h.look(ctx, c)
	if done || released || err != nil {
		return err
	}
	if !h.await(ctx, c) {
		return nil
	}
	_, err = h.look(ctx, c)
	return err
}

// look takes a place and reads what is wanted; done is false if it is worth to wait for more.
func (h *Handler) look(ctx context.Context, c *call) (done bool, err error) {
	leave, err := h.limits.admit(ctx, 0)
	if err != nil {
		return false, err
	}
	defer leave()
	return h.recorder.supply(ctx, c.connection.marketplace, c.event.Wants, &c.outcome.Instance)
}

// await waits until the cache shows that there is something to tell, or that there won't be. It is false if nothing can have
// changed: too many wait already, or the time for the answer is over.
func (h *Handler) await(ctx context.Context, c *call) bool {
	of, id := c.connection.marketplace, c.outcome.Instance.ID
	changed, leave, ok := h.arrivals.await(of.Namespace, id)
	if !ok {
		return false
	}
	defer leave()
	h.metrics.waiting.Inc()
	defer h.metrics.waiting.Dec()
	timer := h.clock.NewTimer(answerPatience)
	defer timer.Stop()
	for {
		if h.recorder.settled(ctx, of, c.event.Wants, id) {
			return true
		}
		select {
		case <-changed:
		case <-timer.C():
			return true
		case <-ctx.Done():
			return false
		}
	}
}

// supply fills in what a purchase wants to be told of an instance that the cache knows; done is false if there may be more in a
// moment.
func (r *recorder) supply(ctx context.Context, of *v1alpha1.Marketplace, wants marketplace.Want, told *marketplace.Instance,
) (done bool, err error) {
	instance, err := r.cached(ctx, of, told.ID)
	if err != nil || instance == nil {
		return false, err
	}
	if wants == marketplace.WantLicense {
		told.Access, err = r.license(ctx, instance)
		return told.Access != nil || stuck(instance), err
	}
	if told.State = progress(instance, r.clock.Now()); !accessKnown(instance) {
		return stuck(instance) || told.State == marketplace.StateReady, nil
	}
	told.Access, err = r.access(ctx, of, instance)
	return true, err
}

// settled says whether there is no need to wait for an instance any longer. Nothing shows when a license has come, so that one is
// waited for until the time is over.
func (r *recorder) settled(ctx context.Context, of *v1alpha1.Marketplace, wants marketplace.Want, id string) bool {
	instance, err := r.cached(ctx, of, id)
	if err != nil || instance == nil {
		return false
	}
	return stuck(instance) || wants == marketplace.WantAccess &&
		(accessKnown(instance) || progress(instance, r.clock.Now()) != marketplace.StateInProgress)
}

// cached finds an instance without asking the API server; nil when the cache does not have it yet.
func (r *recorder) cached(ctx context.Context, of *v1alpha1.Marketplace, id string) (*v1alpha1.MarketplaceInstance, error) {
	return findByID(ctx, r.client, of, id)
}

func accessKnown(instance *v1alpha1.MarketplaceInstance) bool {
	return instance.Status.Access.FrontEndURL != ""
}

// stuck says whether the instance waits for a person, who takes longer than an answer may.
func stuck(instance *v1alpha1.MarketplaceInstance) bool {
	return meta.IsStatusConditionFalse(instance.Status.Conditions, v1alpha1.ConditionOrderResolved) ||
		meta.IsStatusConditionFalse(instance.Status.Conditions, v1alpha1.ConditionProvisioned)
}

// license reads the license that was sold; nil while nobody has made it.
func (r *recorder) license(ctx context.Context, instance *v1alpha1.MarketplaceInstance) (*marketplace.Access, error) {
	secret := &corev1.Secret{}
	key := client.ObjectKey{Namespace: instance.Namespace, Name: v1alpha1.LicenseSecretName(instance.Name)}
	if err := r.live.Get(ctx, key, secret); err != nil {
		if apierrors.IsNotFound(err) {
			return nil, nil
		}
		return nil, unavailable("reading Secret "+key.Name, err)
	}
	// A Secret that was made from a file ends with the file's line end.
	license := strings.TrimRight(string(secret.Data[v1alpha1.LicenseKey]), "\r\n")
	if license == "" {
		return nil, nil
	}
	return &marketplace.Access{License: license}, nil
}
