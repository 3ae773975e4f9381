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

// sharedKey says which older Marketplace has one of a Marketplace's keys; the zero verdict when none has. A signature does not say which
// Marketplace a call is for: with one key, whoever has captured a call of the one could make it again as one of the other. The older one goes
// on, so that nobody who connects a second one stops the sales of the first.
func (r *Reconciler) sharedKey(ctx context.Context, mp *v1alpha1.Marketplace, secret *corev1.Secret) (report.Verdict, error) {
	all := &v1alpha1.MarketplaceList{}
	if err := r.List(ctx, all, client.UnsafeDisableDeepCopy); err != nil {
		return report.Verdict{}, fmt.Errorf("listing the Marketplaces: %w", err)
	}
	r.forgetKeys(all)
	own := r.noteKeys(mp, secret.Data)
	others := slices.DeleteFunc(slices.Clone(all.Items), func(other v1alpha1.Marketplace) bool { return !older(&other, mp) })
	slices.SortFunc(others, func(a, b v1alpha1.Marketplace) int {
		if older(&a, &b) {
			return -1
		}
		return 1
	})
	for i := range others {
		keys, err := r.keysOf(ctx, &others[i])
		if err != nil {
			return report.Verdict{}, err
		}
		for _, digest := range slices.SortedFunc(maps.Keys(own), func(a, b [sha256.Size]byte) int { return cmp.Compare(own[a], own[b]) }) {
			if theirs, ok := keys[digest]; ok {
				return report.False(v1alpha1.ReasonCallbackKeyShared, fmt.Sprintf("The key %s in Secret %q is %s of the older Marketplace %s as well,"+
					" and no call says which of them it is for: every call to this one is answered so that the marketplace makes it again. Sell all"+
					" products of an account through one Marketplace, or give this one a key of its own", own[digest], secret.Name, theirs,
					client.ObjectKeyFromObject(&others[i]))), nil
			}
		}
	}
	return report.Verdict{}, nil
}

// older reports whether a Marketplace was there before another one; of those of one second, the first by name counts as older.
func older(a, b *v1alpha1.Marketplace) bool {
	if order := a.CreationTimestamp.Time.Compare(b.CreationTimestamp.Time); order != 0 {
		return order < 0
	}
	return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name)) < 0
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
