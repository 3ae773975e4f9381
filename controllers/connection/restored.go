package connection

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

const (
	// unwatchedLimit is how old the leader's last renewal may be before calls count as missing. An upgrade or an eviction takes minutes.
	unwatchedLimit = 15 * time.Minute
	// holdFor lasts over a weekend: a person has to compare the sales with the marketplace's console.
	holdFor = 72 * time.Hour
	// restoreLook is the default interval between two looks at the revision of the API server's store.
	restoreLook = 5 * time.Second
	// bumpedRevisions are more than a store gets between two looks. A restore adds a billion on demand (etcdutl snapshot restore
	// --bump-revision).
	bumpedRevisions = 100_000_000
)

// ErrRestored ends the process: its caches hold what the API server does not have any more.
var ErrRestored = errors.New("the API server's store went to another revision: the cluster was restored from a backup under a running controller")

// Restores notices that the cluster may have been restored from a backup, and holds the sales of every Marketplace then: calls that came
// since the backup are missing. The leader renews its Lease every two seconds, which is how far the stored calls are known to be whole.
type Restores struct {
	// Client writes the status of Marketplaces, APIReader reads them and the Lease live.
	Client    client.Client
	APIReader client.Reader
	// Lease is the leader election's.
	Lease types.NamespacedName
	// Namespaces are the sales namespaces.
	Namespaces []string
	// Now is the time of the API server's last answer.
	Now func() (time.Time, bool)
	// Every is the interval between two looks at the API server's store while the process runs; zero means five seconds.
	Every time.Duration
}

// Check compares the last renewal of the Lease with the API server's time. It is called before this process seeks to lead, because the
// leader's first renewal hides what was there.
func (r Restores) Check(ctx context.Context) error {
	lease, err := r.lease(ctx)
	if err != nil || lease == nil || lease.Spec.RenewTime == nil {
		return err
	}
	now, known := r.Now()
	renewed := lease.Spec.RenewTime.Time
	if !known || now.Sub(renewed) < unwatchedLimit {
		return nil
	}
	return r.hold(ctx, now, renewed)
}

// Start looks for a store that was put back under the running process, until the context ends. It returns [ErrRestored] then.
func (r Restores) Start(ctx context.Context) error {
	last := uint64(0)
	err := wait.PollUntilContextCancel(ctx, cmp.Or(r.Every, restoreLook), true, func(ctx context.Context) (bool, error) {
		lease, err := r.lease(ctx)
		if err != nil || lease == nil {
			// An API server that can't be asked is looked at again.
			return false, nil //nolint:nilerr // The process ends by its lost Lease if that goes on.
		}
		revision, err := strconv.ParseUint(lease.ResourceVersion, 10, 64)
		if err != nil {
			return false, nil //nolint:nilerr // A store whose revisions are no numbers tells nothing.
		}
		previous := last
		last = revision
		if previous == 0 || revision >= previous && revision-previous < bumpedRevisions {
			return false, nil
		}
		now, known := r.Now()
		if !known {
			return false, nil
		}
		return true, errors.Join(r.hold(ctx, now, time.Time{}), ErrRestored)
	})
	if errors.Is(err, ErrRestored) {
		return err
	}
	return nil
}

// lease is the leader election's; nil if there is none.
func (r Restores) lease(ctx context.Context) (*coordinationv1.Lease, error) {
	lease := &coordinationv1.Lease{}
	err := r.APIReader.Get(ctx, r.Lease, lease)
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading Lease %s: %w", r.Lease, err)
	}
	return lease, nil
}

// hold writes into every Marketplace that calls may be missing. One that is younger than the doubt has none.
func (r Restores) hold(ctx context.Context, now, known time.Time) error {
	var errs []error
	for _, namespace := range r.Namespaces {
		list := &v1alpha1.MarketplaceList{}
		if err := r.APIReader.List(ctx, list, client.InNamespace(namespace)); err != nil {
			errs = append(errs, fmt.Errorf("listing the Marketplaces in %s: %w", namespace, err))
			continue
		}
		for i := range list.Items {
			mp := &list.Items[i]
			if !known.IsZero() && mp.CreationTimestamp.After(known) {
				continue
			}
			before := mp.DeepCopy()
			mp.Status.CallsUncertain = v1alpha1.CallsUncertain{
				CompleteUntilTime: metav1.NewTime(known), NoticedTime: metav1.NewTime(now), HoldUntilTime: metav1.NewTime(now.Add(holdFor)),
			}
			if err := r.Client.Status().Patch(ctx, mp, client.MergeFrom(before)); client.IgnoreNotFound(err) != nil {
				errs = append(errs, fmt.Errorf("holding the sales of Marketplace %s/%s: %w", mp.Namespace, mp.Name, err))
			}
		}
	}
	return errors.Join(errs...)
}
