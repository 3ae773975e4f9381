package controllers

import (
	"context"
	"crypto/rand"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/apply"
)

// seedBytes is the length of a tenant's seed.
const seedBytes = 32

// ensureAccessSecret makes an instance's seed and initial credentials once and never again: everything that the template
// derives from them, such as a database's password, would change with them.
func (r *InstanceReconciler) ensureAccessSecret(ctx context.Context, mpi *v1alpha1.MarketplaceInstance, k known, rev *revision,
	in tenantInputs,
) (tenantSecrets, *problem, error) {
	secret := &corev1.Secret{}
	key := types.NamespacedName{Namespace: mpi.Namespace, Name: v1alpha1.AccessSecretName(mpi.Name)}
	err := r.APIReader.Get(ctx, key, secret)
	switch {
	case err == nil && len(secret.Data[v1alpha1.AccessSeedKey]) >= seedBytes:
		return secretsOf(secret), nil, nil
	case err == nil:
		return tenantSecrets{}, &problem{v1alpha1.ReasonAccessSecretLost, fmt.Sprintf(
			"Secret %q has no key %q of at least %d bytes: restore it", key.Name, v1alpha1.AccessSeedKey, seedBytes)}, nil
	case !apierrors.IsNotFound(err):
		return tenantSecrets{}, nil, fmt.Errorf("reading Secret %s: %w", key.Name, err)
	case k.observed.Namespace != nil && k.observed.Namespace.GetLabels()[v1alpha1.RevisionLabel] != "":
		return r.withoutSeed(ctx, mpi, k)
	}
	userName, err := renderUserName(rev, in)
	if err != nil {
		return tenantSecrets{}, renderFailed(err), nil
	}
	secret = ownedSecret(mpi, key.Name)
	seed := make([]byte, seedBytes)
	// crypto/rand.Read never fails: it ends the process rather than giving bytes that are not random.
	_, _ = rand.Read(seed)
	secret.Data = map[string][]byte{v1alpha1.AccessSeedKey: seed}
	if userName != "" {
		secret.Data[v1alpha1.AccessUserNameKey] = []byte(userName)
		secret.Data[v1alpha1.AccessPasswordKey] = []byte(rand.Text())
	}
	if err := r.Create(ctx, secret); err != nil {
		// One that was made meanwhile is read by the next pass.
		return tenantSecrets{}, nil, fmt.Errorf("creating Secret %s: %w", key.Name, err)
	}
	return secretsOf(secret), nil, nil
}

// withoutSeed is for a tenant that stands while its seed does not. A new one would change every password in it.
func (r *InstanceReconciler) withoutSeed(ctx context.Context, mpi *v1alpha1.MarketplaceInstance, k known,
) (tenantSecrets, *problem, error) {
	ns := k.observed.Namespace
	if !owned(ns, mpi) && ns.GetAnnotations()[v1alpha1.AdoptAnnotation] != v1alpha1.AdoptAllow {
		// It is somebody else's: that has to be said before anything about Secrets.
		wanted := &unstructured.Unstructured{}
		wanted.SetGroupVersionKind(apply.NamespaceKind)
		wanted.SetName(ns.GetName())
		wanted.SetLabels(ns.GetLabels())
		owner := apply.Owner{Name: mpi.Name, Namespace: mpi.Namespace, UID: mpi.UID}
		if _, err := r.Applier.EnsureNamespace(ctx, wanted, owner, r.ownerGone(mpi)); err != nil {
			failed := applyFailed(err)
			return tenantSecrets{}, failed.problem, failed.err
		}
	}
	return tenantSecrets{}, &problem{v1alpha1.ReasonAccessSecretLost, fmt.Sprintf(
		"Secret %q is gone, and with it the seed of this tenant's passwords: restore it from a backup; nothing is changed"+
			" in the tenant until then", v1alpha1.AccessSecretName(mpi.Name))}, nil
}

func secretsOf(secret *corev1.Secret) tenantSecrets {
	return tenantSecrets{
		seed:     secret.Data[v1alpha1.AccessSeedKey],
		userName: string(secret.Data[v1alpha1.AccessUserNameKey]),
		password: string(secret.Data[v1alpha1.AccessPasswordKey]),
	}
}
