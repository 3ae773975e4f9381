package directory

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/report"
	"github.com/stallkeeper/stallkeeper/directory"
	"github.com/stallkeeper/stallkeeper/directory/store"
	"github.com/stallkeeper/stallkeeper/marketplace"
)

const (
	// callsAtOnce bounds what a pass holds in memory: 16,000 users.
	callsAtOnce = 32
	// callBytesAtOnce bounds the same by the size that calls are expanded to: the last one may be beyond it. Most have a few kilobytes.
	callBytesAtOnce = 16 << 20
)

var errNoCall = errors.New("the Secret does not contain a call")

// waitingCalls are the calls that are to be folded, as the cache shows them.
type waitingCalls struct {
	// own are about the instance, the oldest first.
	own []metav1.PartialObjectMetadata
	// known is true if the instance has a directory.
	known bool
}

func (w waitingCalls) nothing() bool { return len(w.own) == 0 && !w.known }

// waiting finds what the cache knows of an instance.
func (r *Reconciler) waiting(ctx context.Context, mpi *v1alpha1.MarketplaceInstance) (waitingCalls, error) {
	found := waitingCalls{}
	secrets, err := r.list(ctx, mpi.Namespace, client.MatchingLabels{
		v1alpha1.InstanceLabel: mpi.Name, v1alpha1.InstanceNamespaceLabel: mpi.Namespace,
	})
	if err != nil {
		return waitingCalls{}, err
	}
	for _, secret := range secrets {
		switch {
		case !store.Owned(&secret, mpi.UID) || secret.DeletionTimestamp != nil:
		case secret.Labels[v1alpha1.CallLabel] == string(v1alpha1.CallSync):
			found.own = append(found.own, secret)
		case secret.Name == v1alpha1.DirectorySecretName(mpi.Name):
			found.known = true
		}
	}
	return found, nil
}

// list lists metadata from the cache, the oldest first.
func (r *Reconciler) list(ctx context.Context, namespace string, options ...client.ListOption) ([]metav1.PartialObjectMetadata, error) {
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("SecretList"))
	if err := r.Calls.List(ctx, list, append(options, client.InNamespace(namespace))...); err != nil {
		return nil, fmt.Errorf("listing the calls: %w", err)
	}
	slices.SortFunc(list.Items, func(a, b metav1.PartialObjectMetadata) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Name, b.Name))
	})
	return list.Items, nil
}

// fold takes waiting calls into the directory, stores it, and then deletes them. What is left of them is said by after.
func (r *Reconciler) fold(ctx context.Context, mpi *v1alpha1.MarketplaceInstance, stored *storedDirectory, waiting waitingCalls,
) (report.Verdict, error) {
	batch := waiting.own[:min(len(waiting.own), callsAtOnce)]
	joined, err := r.joining(ctx, mpi, stored, batch)
	if err != nil {
		return report.Verdict{}, err
	}
	if len(batch)+len(joined) == 0 {
		return report.Verdict{}, nil
	}
	calls, broken, looked, err := r.read(ctx, slices.Concat(batch, joined))
	if err != nil {
		return report.Verdict{}, err
	}
	more := looked < len(batch)+len(joined)
	joined = joined[:max(0, looked-len(batch))]
	batch = batch[:min(len(batch), looked)]
	for _, secret := range joined {
		if !slices.Contains(broken, secret.Name) {
			stored.Join(secret.Name)
		}
	}
	if err := foldInto(ctx, stored, calls); err != nil {
		return fullOrUnreadable(err)
	}
	if err := stored.store(ctx, r.Client); err != nil {
		return fullOrUnreadable(err)
	}
	if err := r.discard(ctx, batch, broken); err != nil {
		return report.Verdict{}, err
	}
	r.Metrics.folded(mpi.Namespace, len(calls))
	ctrl.LoggerFrom(ctx).V(1).Info("Merged calls into the directory", "calls", len(calls), "generation", stored.Generation)
	switch {
	case len(broken) > 0:
		return unreadable(&store.UnreadableError{Secret: broken[0]})
	case more, len(waiting.own) > len(batch):
		return report.Verdict{After: time.Millisecond}, nil
	}
	return report.Verdict{}, nil
}

// foldInto folds calls, and spreads the directory over more Secrets where one is full.
func foldInto(ctx context.Context, stored *storedDirectory, calls []marketplace.Sync) error {
	if err := stored.LoadShards(ctx, stored.Missing(calls)); err != nil {
		return err
	}
	if err := stored.Fold(calls); err != nil {
		return err
	}
	if !stored.TooLarge() {
		return nil
	}
	if err := stored.LoadShards(ctx, stored.All()); err != nil {
		return err
	}
	return stored.Grow()
}

func fullOrUnreadable(err error) (report.Verdict, error) {
	if errors.Is(err, directory.ErrFull) {
		return failing(v1alpha1.ReasonDirectoryFull, fmt.Sprintf("The directory is full: %d Secrets hold about 100,000 users;"+
			" ask the enterprise to authorize fewer users; further changes are pending", directory.MaxShards)), nil
	}
	return unreadable(err)
}

// joining are the calls about no instance of the enterprises that the directory is about, which are not in it yet: the
// credentials that KooGallery and its like hand out before there is an order.
func (r *Reconciler) joining(ctx context.Context, mpi *v1alpha1.MarketplaceInstance, stored *storedDirectory,
	batch []metav1.PartialObjectMetadata,
) ([]metav1.PartialObjectMetadata, error) {
	if mpi.Spec.Subscription == nil {
		return nil, nil
	}
	hashes := map[string]bool{}
	for _, enterprise := range stored.Enterprises {
		hashes[v1alpha1.EnterpriseHash(enterprise)] = true
	}
	for _, secret := range batch {
		hashes[secret.Labels[v1alpha1.EnterpriseLabel]] = true
	}
	secrets, err := r.list(ctx, mpi.Namespace, client.MatchingLabels{
		v1alpha1.MarketplaceLabel: mpi.Spec.Subscription.Marketplace, v1alpha1.CallLabel: string(v1alpha1.CallSync),
	})
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(secrets, func(secret metav1.PartialObjectMetadata) bool {
		_, already := slices.BinarySearch(stored.Joined, secret.Name)
		return already || !hashes[secret.Labels[v1alpha1.EnterpriseLabel]] || secret.DeletionTimestamp != nil
	}), nil
}

// read reads calls, as many as fit into the memory that there is for them. One that is gone was folded before; those that can't be read are
// named in broken.
func (r *Reconciler) read(ctx context.Context, secrets []metav1.PartialObjectMetadata,
) (calls []marketplace.Sync, broken []string, looked int, err error) {
	for expanded := 0; looked < len(secrets) && expanded < callBytesAtOnce; looked++ {
		found := secrets[looked]
		secret := &corev1.Secret{}
		switch err := r.APIReader.Get(ctx, client.ObjectKeyFromObject(&found), secret); {
		case apierrors.IsNotFound(err):
			continue
		case err != nil:
			return nil, nil, 0, fmt.Errorf("reading Secret %s: %w", found.Name, err)
		}
		call, size, err := decodeCall(secret)
		if err != nil {
			broken = append(broken, found.Name)
			continue
		}
		expanded += size
		calls = append(calls, call)
	}
	return calls, broken, looked, nil
}

// decodeCall reads a call's Secret, and says to how many bytes it was expanded. Whoever has the webhook's token can put anything there.
func decodeCall(secret *corev1.Secret) (call marketplace.Sync, size int, err error) {
	if secret.Type != v1alpha1.CallSecretType {
		return marketplace.Sync{}, 0, errNoCall
	}
	compressed, err := gzip.NewReader(bytes.NewReader(secret.Data[v1alpha1.CallSyncKey]))
	if err != nil {
		return marketplace.Sync{}, 0, err
	}
	data, err := io.ReadAll(io.LimitReader(compressed, marketplace.MaxEncodedSync+1))
	if err != nil {
		return marketplace.Sync{}, len(data), err
	}
	call, err = marketplace.DecodeSync(data)
	return call, len(data), err
}

// discard deletes calls that are stored in the directory. Broken ones stay for a person to look at.
func (r *Reconciler) discard(ctx context.Context, secrets []metav1.PartialObjectMetadata, broken []string) error {
	for _, found := range secrets {
		if slices.Contains(broken, found.Name) {
			continue
		}
		if err := r.deleteSecret(ctx, found.Namespace, found.Name, found.UID); err != nil {
			return err
		}
	}
	return nil
}

func (r *Reconciler) deleteSecret(ctx context.Context, namespace, name string, uid types.UID) error {
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	err := r.Delete(ctx, secret, client.Preconditions{UID: ptr.To(uid)})
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("deleting Secret %s: %w", name, err)
	}
	return nil
}

// forget deletes a directory and what waits to be folded into it, once the sale is over and the tenant gone: they are personal
// data that nobody needs any more. The head goes last, because it says that there is something to delete.
func (r *Reconciler) forget(ctx context.Context, mpi *v1alpha1.MarketplaceInstance, waiting waitingCalls) error {
	if err := r.discard(ctx, waiting.own, nil); err != nil {
		return err
	}
	names := []string{v1alpha1.DirectoryCursorName(mpi.Name)}
	for shard := range directory.MaxShards {
		names = append(names, v1alpha1.DirectoryShardName(mpi.Name, shard))
	}
	for _, name := range append(names, v1alpha1.DirectorySecretName(mpi.Name)) {
		secret, err := store.Secret(ctx, r.APIReader, mpi, name)
		if err != nil {
			return err
		}
		if secret == nil {
			continue
		}
		if err := r.deleteSecret(ctx, mpi.Namespace, name, secret.UID); err != nil {
			return err
		}
	}
	return nil
}
