package instance

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/queue"
	"github.com/stallkeeper/stallkeeper/controllers/report"
	"github.com/stallkeeper/stallkeeper/controllers/revision"
	"github.com/stallkeeper/stallkeeper/controllers/sale"
	"github.com/stallkeeper/stallkeeper/controllers/template"
)

// accessKey names the Secret with an instance's seed and initial credentials.
func accessKey(mpi *v1alpha1.MarketplaceInstance) types.NamespacedName {
	return types.NamespacedName{Namespace: mpi.Namespace, Name: v1alpha1.AccessSecretName(mpi.Name)}
}

// accessVersion is the resource version of the access Secret as the cache shows it; empty where it shows none. The pass then looks for it
// live.
func (r *Reconciler) accessVersion(ctx context.Context, p *pass) string {
	// The client would read it live, as it does all Secrets.
	secret := queue.SecretMetadata()
	if r.Tenants.Cache.Get(ctx, accessKey(p.Instance), secret) != nil {
		return ""
	}
	return secret.ResourceVersion
}

// ensureAccessSecret makes an instance's seed and initial credentials once and never again: everything that the template
// derives from them, such as a database's password, would change with them.
func (r *Reconciler) ensureAccessSecret(ctx context.Context, p *pass, rev *revision.Revision, in revision.Inputs,
) (revision.Secrets, *report.Verdict, error) {
	if p.pin == "" && !p.adopts() && r.accessVersion(ctx, p) == "" {
		// Most likely there is none. The API server says so by taking one, in the same call.
		secrets, problem, err := r.makeAccessSecret(ctx, p, rev, in)
		if !apierrors.IsAlreadyExists(err) {
			return secrets, problem, err
		}
	}
	secret, key := &corev1.Secret{}, accessKey(p.Instance)
	err := r.APIReader.Get(ctx, key, secret)
	p.memory.access = secret.ResourceVersion
	switch {
	case err == nil && ofAnother(secret, p.Instance.UID):
		// It goes with that one, and the seed with it: what was derived from it could never be derived again.
		return revision.Secrets{}, nil, fmt.Errorf("secret %s belongs to an earlier instance of this name and is about to be garbage-collected", key.Name)
	case err == nil && len(secret.Data[v1alpha1.AccessSeedKey]) >= revision.SeedBytes:
		secrets, err := secretsOf(secret)
		if err != nil {
			return revision.Secrets{}, report.Problem(v1alpha1.ReasonAccessSecretLost, fmt.Sprintf(
				"Secret %q: key %q is damaged: restore it from a backup", key.Name, v1alpha1.AccessKeptKey)), nil
		}
		return secrets, nil, nil
	case err == nil:
		return revision.Secrets{}, report.Problem(v1alpha1.ReasonAccessSecretLost, fmt.Sprintf(
			"Secret %q has no key %q of at least %d bytes: restore it", key.Name, v1alpha1.AccessSeedKey, revision.SeedBytes)), nil
	case !apierrors.IsNotFound(err):
		return revision.Secrets{}, nil, fmt.Errorf("reading Secret %s: %w", key.Name, err)
	case p.pin != "" || p.adopts():
		// A new seed would change every password in the tenant.
		return revision.Secrets{}, report.Problem(v1alpha1.ReasonAccessSecretLost, fmt.Sprintf(
			"Secret %q was deleted, and with it the seed of this tenant's passwords: restore it from a backup; until then the tenant is only"+
				" suspended and resumed, and not changed otherwise", key.Name)), nil
	}
	return r.makeAccessSecret(ctx, p, rev, in)
}

// makeAccessSecret makes the Secret of an instance that has none.
func (r *Reconciler) makeAccessSecret(ctx context.Context, p *pass, rev *revision.Revision, in revision.Inputs,
) (revision.Secrets, *report.Verdict, error) {
	userName, err := revision.RenderUserName(ctx, rev, in)
	if err != nil {
		problem, err := renderProblem(err)
		return revision.Secrets{}, problem, err
	}
	secret := sale.OwnedSecret(p.Instance, v1alpha1.AccessSecretName(p.Instance.Name))
	seed := make([]byte, revision.SeedBytes)
	// crypto/rand.Read never fails: it ends the process rather than giving bytes that are not random.
	_, _ = rand.Read(seed)
	secret.Data = map[string][]byte{v1alpha1.AccessSeedKey: seed}
	if userName != "" {
		secret.Data[v1alpha1.AccessUserNameKey] = []byte(userName)
		secret.Data[v1alpha1.AccessPasswordKey] = []byte(rand.Text())
	}
	if err := r.Create(ctx, secret); err != nil {
		// One that was made meanwhile is read by the next pass.
		return revision.Secrets{}, nil, fmt.Errorf("creating Secret %s: %w", secret.Name, err)
	}
	p.memory.access = secret.ResourceVersion
	secrets, err := secretsOf(secret)
	return secrets, nil, err
}

// storeKept stores values of random functions in the instance's access Secret, over those of the same names. What was stored meanwhile by
// another pass is a conflict, and the pass is tried again with it.
func (r *Reconciler) storeKept(ctx context.Context, p *pass, made template.Kept) error {
	if len(made) == 0 {
		return nil
	}
	p.secrets = nil
	secret, key := &corev1.Secret{}, accessKey(p.Instance)
	if err := r.APIReader.Get(ctx, key, secret); err != nil {
		return fmt.Errorf("reading Secret %s: %w", key.Name, err)
	}
	kept, err := template.DecodeKept(secret.Data[v1alpha1.AccessKeptKey])
	if err != nil {
		return fmt.Errorf("reading Secret %s: %w", key.Name, err)
	}
	encoded, err := template.EncodeKept(kept.With(made))
	if err != nil {
		return err
	}
	before := secret.DeepCopy()
	if secret.Data == nil {
		secret.Data = map[string][]byte{}
	}
	secret.Data[v1alpha1.AccessKeptKey] = encoded
	if err := r.Patch(ctx, secret, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})); err != nil {
		return fmt.Errorf("storing the random values in Secret %s: %w", key.Name, err)
	}
	p.memory.access = secret.ResourceVersion
	return nil
}

// ofAnother says whether a Secret is owned by another object. One that was restored from a backup may have no owner.
func ofAnother(secret *corev1.Secret, uid types.UID) bool {
	return len(secret.OwnerReferences) > 0 &&
		!slices.ContainsFunc(secret.OwnerReferences, func(owner metav1.OwnerReference) bool { return owner.UID == uid })
}

// adopts says whether the tenant's namespace had another revision of a former instance, and may be taken over.
func (p *pass) adopts() bool {
	ns := p.standing.Namespace
	return ns != nil && ns.GetLabels()[v1alpha1.RevisionLabel] != "" && ns.GetAnnotations()[v1alpha1.AdoptAnnotation] == v1alpha1.Allow
}

// withCredentials names the Secret with the initial credentials, where the product has some.
func withCredentials(access v1alpha1.InstanceAccess, mpi *v1alpha1.MarketplaceInstance, secrets revision.Secrets) v1alpha1.InstanceAccess {
	if secrets.UserName != "" {
		access.CredentialsSecretRef.Name = v1alpha1.AccessSecretName(mpi.Name)
	}
	return access
}

func secretsOf(secret *corev1.Secret) (revision.Secrets, error) {
	kept, err := template.DecodeKept(secret.Data[v1alpha1.AccessKeptKey])
	return revision.Secrets{
		Seed:     secret.Data[v1alpha1.AccessSeedKey],
		UserName: string(secret.Data[v1alpha1.AccessUserNameKey]),
		Password: string(secret.Data[v1alpha1.AccessPasswordKey]),
		Kept:     kept,
	}, err
}
