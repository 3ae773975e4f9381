package webhook

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"golang.org/x/sync/errgroup"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/marketplace"
	"github.com/stallkeeper/stallkeeper/subscription"
)

const (
	// FieldOwner is the field manager of what the callback server writes.
	FieldOwner = "stallkeeper-webhook"
	// queryParallelism is how many of a query's instances are looked up at a time.
	queryParallelism = 8
)

// recorder stores what verified events say, and reads what they ask for.
type recorder struct {
	// client reads instances from the cache and writes to the API server.
	client client.Client
	// live reads from the API server.
	live  client.Reader
	clock clock.PassiveClock
	// writes tell which instances the cache does not show yet as they were stored.
	writes *writes
}

// record does what an event asks for. When it returns without an error the API server has stored it. The error in the
// Outcome wraps one of marketplace's sentinel errors; whatever the API server refuses is ErrUnavailable.
func (r *recorder) record(ctx context.Context, of *v1alpha1.Marketplace, event marketplace.Event) marketplace.Outcome {
	switch {
	case event.Test:
		return rehearse(of, event)
	case event.LicensesOnly && !licenseKinds[event.Kind]:
		return marketplace.Outcome{Err: errNoLicense}
	case event.Kind == marketplace.Purchase:
		return r.purchase(ctx, of, event)
	case event.Kind == marketplace.Query:
		return r.query(ctx, of, event)
	case event.Kind == marketplace.Check:
		return marketplace.Outcome{Err: r.check(ctx, of, event)}
	case event.Kind == marketplace.Notify:
		return marketplace.Outcome{Err: r.notify(ctx, of, event)}
	case event.Kind == marketplace.Synchronize:
		return marketplace.Outcome{Err: r.synchronize(ctx, of, event)}
	case event.LicenseRequest != nil:
		return r.requestLicense(ctx, of, event)
	case event.License != "":
		return marketplace.Outcome{Err: r.changeCode(ctx, of, event)}
	}
	return marketplace.Outcome{Err: r.change(ctx, of, event)}
}

// rehearse answers a debug call out of the call alone.
func rehearse(of *v1alpha1.Marketplace, event marketplace.Event) marketplace.Outcome {
	if event.Kind != marketplace.Purchase {
		return marketplace.Outcome{}
	}
	return marketplace.Outcome{Instance: marketplace.Instance{ID: instanceName(of, event), State: marketplace.StateReady}}
}

func instanceName(of *v1alpha1.Marketplace, event marketplace.Event) string {
	return marketplace.InstanceName(string(of.Spec.Protocol), string(of.Spec.KooGallery.Site), event.OrderID, event.OrderLineID)
}

// purchase makes the sale's instance, or finds the one that an earlier delivery made. Creating is the check: two deliveries
// at once make one object.
func (r *recorder) purchase(ctx context.Context, of *v1alpha1.Marketplace, event marketplace.Event) marketplace.Outcome {
	event.InstanceID = instanceName(of, event)
	outcome := marketplace.Outcome{Instance: marketplace.Instance{ID: event.InstanceID}}
	instance, err := r.soldBefore(ctx, of, event)
	if err == nil && instance == nil {
		if err = r.notDeleted(ctx, of, event); err == nil {
			instance, err = r.create(ctx, of, event)
		}
	}
	if err == nil {
		err = r.checkLicense(ctx, event, instance)
	}
	if err == nil {
		outcome.Instance.ID = instance.Spec.Subscription.InstanceID
		instance, err = r.complete(ctx, of, event, instance)
	}
	if err != nil {
		outcome.Err = err
		return outcome
	}
	outcome.Instance = marketplace.Instance{
		ID: instance.Spec.Subscription.InstanceID, State: progress(instance, r.clock.Now()),
	}
	if !instance.DeletionTimestamp.IsZero() && outcome.Instance.State != marketplace.StateReleased {
		// To say "stored" while a person deletes it would lose a paid sale. The repeated call is refused once it is gone.
		outcome.Err = fmt.Errorf("%w: MarketplaceInstance %s is being deleted", marketplace.ErrUnavailable, instance.Name)
	}
	return outcome
}

// create stores a sale, or reads the object that has its name already. The object carries nothing but the sale and the
// finalizer, because the admission policy lets the callback server write nothing else.
func (r *recorder) create(ctx context.Context, of *v1alpha1.Marketplace, event marketplace.Event) (*v1alpha1.MarketplaceInstance, error) {
	sub, err := subscription.Merge(nil, event, r.clock.Now())
	if err != nil {
		return nil, err
	}
	sub.Marketplace = of.Name
	instance := &v1alpha1.MarketplaceInstance{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: of.Namespace, Name: event.InstanceID, Finalizers: []string{v1alpha1.TenantFinalizer},
		},
		Spec: v1alpha1.MarketplaceInstanceSpec{Subscription: sub},
	}
	err = r.client.Create(ctx, instance, client.FieldOwner(FieldOwner))
	switch {
	case err == nil:
		return instance, nil
	case !apierrors.IsAlreadyExists(err):
		return nil, unavailable("creating MarketplaceInstance "+event.InstanceID, err)
	}
	existing := &v1alpha1.MarketplaceInstance{}
	if err := r.live.Get(ctx, client.ObjectKeyFromObject(instance), existing); err != nil {
		return nil, unavailable("reading MarketplaceInstance "+event.InstanceID, err)
	}
	if !isSale(existing, of, event.InstanceID) {
		return nil, fmt.Errorf("%w: the sale belongs to another Marketplace", marketplace.ErrConflict)
	}
	return existing, nil
}

// change stores an event about an instance that exists.
func (r *recorder) change(ctx context.Context, of *v1alpha1.Marketplace, event marketplace.Event) error {
	instance, err := r.merge(ctx, of, event)
	if err == nil {
		err = r.keepOrder(ctx, instance, event)
	}
	gone := errors.Is(err, marketplace.ErrUnknownInstance) && !errors.Is(err, errNoLicense)
	if event.Kind == marketplace.Release && gone && marketplace.IsInstanceName(event.InstanceID) {
		// One of ours that is gone: that is what a release wants.
		return nil
	}
	return err
}

// merge writes what Merge makes of an event, if nobody has written since the instance was read; else it looks again. The
// cache may be behind: it is good enough to write from, as the API server then refuses what is old, but not to conclude that
// there is nothing to write. It returns the instance as it is then.
func (r *recorder) merge(ctx context.Context, of *v1alpha1.Marketplace, event marketplace.Event) (*v1alpha1.MarketplaceInstance, error) {
	instance, err := r.find(ctx, of, event.InstanceID)
	for err == nil {
		if err = r.checkLicense(ctx, event, instance.MarketplaceInstance); err != nil {
			break
		}
		var merged *v1alpha1.Subscription
		merged, err = subscription.Merge(instance.Spec.Subscription, event, r.clock.Now())
		unchanged := err == nil && equality.Semantic.DeepEqual(merged, instance.Spec.Subscription)
		switch {
		case instance.live && (unchanged || err != nil):
			return instance.MarketplaceInstance, err
		case !unchanged && err == nil:
			var patched *v1alpha1.MarketplaceInstance
			if patched, err = r.patch(ctx, instance.MarketplaceInstance, merged); err == nil {
				return patched, nil
			}
			if !apierrors.IsConflict(err) && !apierrors.IsNotFound(err) {
				return nil, unavailable("patching MarketplaceInstance "+instance.Name, err)
			}
		}
		instance, err = r.findLive(ctx, of, event.InstanceID)
	}
	return nil, err
}

// patch writes spec.subscription and nothing else, guarded by the resourceVersion that it was computed from.
func (r *recorder) patch(ctx context.Context, instance *v1alpha1.MarketplaceInstance, merged *v1alpha1.Subscription,
) (*v1alpha1.MarketplaceInstance, error) {
	after := instance.DeepCopy()
	after.Spec.Subscription = merged
	patch := client.MergeFromWithOptions(instance, client.MergeFromWithOptimisticLock{})
	err := r.client.Patch(ctx, after, patch, client.FieldOwner(FieldOwner))
	if err == nil {
		r.writes.add(after)
	}
	return after, err
}

// query describes the instances that an event asks about. Unknown ones are left out. When none is left that could be
// described, it fails with why.
func (r *recorder) query(ctx context.Context, of *v1alpha1.Marketplace, event marketplace.Event) marketplace.Outcome {
	named := make([]found, len(event.InstanceIDs))
	described := make([]*marketplace.Instance, len(event.InstanceIDs))
	left := make([]error, len(event.InstanceIDs))
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(queryParallelism)
	for i, id := range event.InstanceIDs {
		group.Go(func() error {
			known, instance, err := r.describe(groupCtx, of, id)
			named[i] = known
			if errors.Is(err, marketplace.ErrUnknownInstance) || errors.Is(err, errCredentialsGone) {
				left[i] = err
				return nil
			}
			described[i] = instance
			return err
		})
	}
	err := group.Wait()
	r.acknowledge(ctx, event, named...)
	if err != nil {
		return marketplace.Outcome{Err: err}
	}
	outcome := marketplace.Outcome{}
	for _, instance := range described {
		if instance != nil {
			outcome.Instances = append(outcome.Instances, *instance)
		}
	}
	if len(outcome.Instances) == 0 {
		outcome.Err = whyNone(left)
	}
	return outcome
}

// whyNone is the reason why nothing could be described; that something is missing which will come back counts before
// "unknown".
func whyNone(left []error) error {
	for _, err := range left {
		if errors.Is(err, errCredentialsGone) {
			return err
		}
	}
	return marketplace.ErrUnknownInstance
}

// describe finds an instance and says what a marketplace may know of it. A released one is unknown to it.
func (r *recorder) describe(ctx context.Context, of *v1alpha1.Marketplace, id string) (found, *marketplace.Instance, error) {
	instance, err := r.find(ctx, of, id)
	if err != nil {
		return found{}, nil, err
	}
	described := &marketplace.Instance{ID: id, State: progress(instance.MarketplaceInstance, r.clock.Now())}
	switch described.State {
	case marketplace.StateReleased:
		return instance, nil, fmt.Errorf("%w: the instance was released", marketplace.ErrUnknownInstance)
	case marketplace.StateReady:
		described.Usage = usageOf(instance.MarketplaceInstance)
		described.Access, err = r.access(ctx, of, instance.MarketplaceInstance)
	}
	return instance, described, err
}

// access is what the buyer is told, with the initial credentials where the product has some.
func (r *recorder) access(ctx context.Context, of *v1alpha1.Marketplace, instance *v1alpha1.MarketplaceInstance) (*marketplace.Access, error) {
	access := publicAccess(instance)
	if instance.Status.Access.CredentialsSecretRef.Name == "" {
		return access, nil
	}
	secret := &corev1.Secret{}
	// The name is computed, not taken from the status, so that no status can lead to another Secret.
	key := client.ObjectKey{Namespace: instance.Namespace, Name: v1alpha1.AccessSecretName(tenantOf(instance))}
	err := r.live.Get(ctx, key, secret)
	switch {
	case apierrors.IsNotFound(err):
		return nil, fmt.Errorf("%w: the Secret %s", errCredentialsGone, key.Name)
	case err != nil:
		return nil, unavailable("reading Secret "+key.Name, err)
	}
	addCredentials(access, secret.Data, of.Spec.Disclosure)
	return access, nil
}

// tenantOf is the name of the instance whose tenant a buyer uses: of a package it may be another one's.
func tenantOf(instance *v1alpha1.MarketplaceInstance) string {
	if sub := instance.Spec.Subscription; sub.ChargingMode == v1alpha1.ChargingMeteredPackage && sub.PackageConsumerRef.Name != "" {
		return sub.PackageConsumerRef.Name
	}
	return instance.Name
}
