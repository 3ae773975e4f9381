package connection

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/report"
)

// signingKeys are the names in a callback Secret of the keys that sign calls, by digest: the values are kept nowhere.
type signingKeys map[[sha256.Size]byte]string

// sharedKey says which other Marketplace has one of a Marketplace's keys and goes on with it; the zero verdict when none has, or this one goes
// on. A signature does not say which Marketplace a call is for: with one key, whoever has captured a call of the one could make it again as
// one of the other. The one that sells goes on, and of two the older one, so that nobody who connects a second one stops the sales of the first.
func (r *Reconciler) sharedKey(ctx context.Context, mp *v1alpha1.Marketplace, secret *corev1.Secret) (report.Verdict, error) {
	all := &v1alpha1.MarketplaceList{}
	if err := r.List(ctx, all, client.UnsafeDisableDeepCopy); err != nil {
		return report.Verdict{}, fmt.Errorf("listing the Marketplaces: %w", err)
	}
	r.forgetKeys(all)
	own := r.noteKeys(mp, secret.Data)
	var sharing []*v1alpha1.Marketplace
	for i := range all.Items {
		other := &all.Items[i]
		if client.ObjectKeyFromObject(other) == client.ObjectKeyFromObject(mp) {
			continue
		}
		keys, err := r.keysOf(ctx, other)
		if err != nil {
			return report.Verdict{}, err
		}
		if _, _, shared := own.common(keys); shared {
			sharing = append(sharing, other)
		}
	}
	if len(sharing) == 0 {
		return report.Verdict{}, nil
	}
	first, err := r.firstOf(ctx, append(sharing, mp))
	if err != nil || first == mp {
		return report.Verdict{}, err
	}
	ours, theirs, _ := own.common(r.signing[client.ObjectKeyFromObject(first)])
	return report.False(v1alpha1.ReasonCallbackKeyShared, fmt.Sprintf("The key %s in Secret %q is %s of the Marketplace %s as well, which was"+
		" there before, and no call says which of them it is for: every call to this one is answered so that the marketplace makes it again. Sell"+
		" all products of an account through one Marketplace, or give this one a key of its own", ours, secret.Name, theirs,
		client.ObjectKeyFromObject(first))), nil
}

// common are the names of the first key, by its name here, that two Secrets have in common.
func (k signingKeys) common(others signingKeys) (here, there string, shared bool) {
	for digest, name := range k {
		if other, ok := others[digest]; ok && (!shared || name < here) {
			here, there, shared = name, other, true
		}
	}
	return here, there, shared
}

// firstOf is the Marketplace that has sales which have not ended, and of several or none the oldest one; of those of one second the first by
// name.
func (r *Reconciler) firstOf(ctx context.Context, of []*v1alpha1.Marketplace) (*v1alpha1.Marketplace, error) {
	instances := &v1alpha1.MarketplaceInstanceList{}
	// They are only read, and there may be thousands.
	if err := r.List(ctx, instances, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing the instances: %w", err)
	}
	sells := map[types.NamespacedName]bool{}
	for i := range instances.Items {
		sells[types.NamespacedName{Namespace: instances.Items[i].Namespace, Name: connectionOf(&instances.Items[i])}] = true
	}
	return slices.MinFunc(of, func(a, b *v1alpha1.Marketplace) int {
		switch has, other := sells[client.ObjectKeyFromObject(a)], sells[client.ObjectKeyFromObject(b)]; {
		case has == other:
			return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
		case has:
			return -1
		}
		return 1
	}), nil
}

// keysOf are the keys of another Marketplace, whose own pass brings them up to date. Before its first one they are read.
func (r *Reconciler) keysOf(ctx context.Context, mp *v1alpha1.Marketplace) (signingKeys, error) {
	if known, ok := r.signing[client.ObjectKeyFromObject(mp)]; ok {
		return known, nil
	}
	secret := &corev1.Secret{}
	name := types.NamespacedName{Namespace: mp.Namespace, Name: mp.Spec.KooGallery.CallbackSecretRef.Name}
	if err := r.APIReader.Get(ctx, name, secret); err != nil && !apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("reading Secret %s: %w", name, err)
	}
	return r.noteKeys(mp, secret.Data), nil
}

// noteKeys remembers the keys of a Marketplace.
func (r *Reconciler) noteKeys(mp *v1alpha1.Marketplace, data map[string][]byte) signingKeys {
	keys := signingKeys{}
	if values := r.Clients.Protocols[mp.Spec.Protocol].SigningKeys; values != nil {
		for name, value := range values(data) {
			digest := sha256.Sum256(value)
			// The first by name, so that the message does not change from pass to pass.
			if known, ok := keys[digest]; !ok || name < known {
				keys[digest] = name
			}
		}
	}
	if r.signing == nil {
		r.signing = map[types.NamespacedName]signingKeys{}
	}
	r.signing[client.ObjectKeyFromObject(mp)] = keys
	return keys
}

// forgetKeys forgets those of Marketplaces that are gone.
func (r *Reconciler) forgetKeys(all *v1alpha1.MarketplaceList) {
	maps.DeleteFunc(r.signing, func(name types.NamespacedName, _ signingKeys) bool {
		return !slices.ContainsFunc(all.Items, func(mp v1alpha1.Marketplace) bool { return client.ObjectKeyFromObject(&mp) == name })
	})
}
