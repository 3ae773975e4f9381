package instance

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/apply"
	"github.com/stallkeeper/stallkeeper/controllers/queue"
	"github.com/stallkeeper/stallkeeper/controllers/report"
	"github.com/stallkeeper/stallkeeper/controllers/revision"
	"github.com/stallkeeper/stallkeeper/controllers/sale"
)

// ensureAccessSecret makes an instance's seed and initial credentials once and never again: everything that the template
// derives from them, such as a database's password, would change with them.
func (r *Reconciler) ensureAccessSecret(ctx context.Context, mpi *v1alpha1.MarketplaceInstance, k known, rev *revision.Revision,
	in revision.Inputs,
) (revision.Secrets, *report.Verdict, error) {
	secret := &corev1.Secret{}
	key := types.NamespacedName{Namespace: mpi.Namespace, Name: v1alpha1.AccessSecretName(mpi.Name)}
	err := r.APIReader.Get(ctx, key, secret)
	switch {
	case err == nil && len(secret.Data[v1alpha1.AccessSeedKey]) >= revision.SeedBytes:
		return secretsOf(secret), nil, nil
	case err == nil:
		return revision.Secrets{}, report.Problem(v1alpha1.ReasonAccessSecretLost, fmt.Sprintf(
			"Secret %q has no key %q of at least %d bytes: restore it", key.Name, v1alpha1.AccessSeedKey, revision.SeedBytes)), nil
	case !apierrors.IsNotFound(err):
		return revision.Secrets{}, nil, fmt.Errorf("reading Secret %s: %w", key.Name, err)
	case k.observed.Namespace != nil && k.observed.Namespace.GetLabels()[v1alpha1.RevisionLabel] != "":
		return r.withoutSeed(ctx, mpi, k)
	}
	userName, err := revision.RenderUserName(rev, in)
	if err != nil {
		return revision.Secrets{}, renderFailed(err), nil
	}
	secret = sale.OwnedSecret(mpi, key.Name)
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
		return revision.Secrets{}, nil, fmt.Errorf("creating Secret %s: %w", key.Name, err)
	}
	return secretsOf(secret), nil, nil
}

// withoutSeed is for a tenant that stands while its seed does not. A new one would change every password in it.
func (r *Reconciler) withoutSeed(ctx context.Context, mpi *v1alpha1.MarketplaceInstance, k known,
) (revision.Secrets, *report.Verdict, error) {
	ns := k.observed.Namespace
	if !sale.IsTenantOf(ns, mpi) && ns.GetAnnotations()[v1alpha1.AdoptAnnotation] != v1alpha1.AdoptAllow {
		// It is somebody else's: that has to be said before anything about Secrets.
		wanted := &unstructured.Unstructured{}
		wanted.SetGroupVersionKind(apply.NamespaceKind)
		wanted.SetName(ns.GetName())
		wanted.SetLabels(ns.GetLabels())
		owner := apply.Owner{Name: mpi.Name, Namespace: mpi.Namespace, UID: mpi.UID}
		if _, err := r.Applier.EnsureNamespace(ctx, wanted, owner, r.ownerGone(mpi)); err != nil {
			failed := applyFailed(err)
			return revision.Secrets{}, failed.problem, failed.err
		}
	}
	return revision.Secrets{}, report.Problem(v1alpha1.ReasonAccessSecretLost, fmt.Sprintf(
		"Secret %q is gone, and with it the seed of this tenant's passwords: restore it from a backup; nothing is changed"+
			" in the tenant until then", v1alpha1.AccessSecretName(mpi.Name))), nil
}

// publishAccess puts into the status where the buyer will find the tenant, before there is one: a marketplace that brings its orders
// does not come back to ask, so its buyer has to be told within seconds, also when the tenant can't be made at once. It is not ok
// when there is nothing to publish, and the tenant can be made; else the pass ends with it, and the status that it writes brings
// the next one.
func (r *Reconciler) publishAccess(ctx context.Context, mpi *v1alpha1.MarketplaceInstance, k known, rev *revision.Revision,
	plan v1alpha1.Plan, suspended bool,
) (early outcome, ok bool) {
	if k.pinned != "" || !asksOnce(mpi.Spec.Subscription) {
		return outcome{}, false
	}
	in := r.tenantInputs(mpi, k, plan, suspended)
	secrets, problem, err := r.ensureAccessSecret(ctx, mpi, k, rev, in)
	if problem != nil || err != nil {
		return outcome{problem: problem, err: err}, true
	}
	in.Secrets = secrets
	access, err := revision.RenderAccess(rev, in)
	if err != nil {
		return outcome{problem: renderFailed(err)}, true
	}
	if access = withCredentials(access, mpi, secrets); access == mpi.Status.Access {
		return outcome{}, false
	}
	return outcome{
		published: true, access: access, nothing: k.observed.Namespace == nil, again: r.Clock.Now().Add(queue.CacheLag),
	}, true
}

// asksOnce says whether the sale's marketplace wants to know at the purchase, and not later, where the buyer finds the tenant.
func asksOnce(sub *v1alpha1.Subscription) bool {
	return sub != nil && slices.ContainsFunc(sub.Orders, func(call v1alpha1.OrderCall) bool {
		return call.OrderID == sub.OrderID && call.OrderLineID == sub.OrderLineID && call.Source == v1alpha1.OrderFromCall
	})
}

// withCredentials names the Secret with the initial credentials, where the product has some.
func withCredentials(access v1alpha1.InstanceAccess, mpi *v1alpha1.MarketplaceInstance, secrets revision.Secrets) v1alpha1.InstanceAccess {
	if secrets.UserName != "" {
		access.CredentialsSecretRef.Name = v1alpha1.AccessSecretName(mpi.Name)
	}
	return access
}

func secretsOf(secret *corev1.Secret) revision.Secrets {
	return revision.Secrets{
		Seed:     secret.Data[v1alpha1.AccessSeedKey],
		UserName: string(secret.Data[v1alpha1.AccessUserNameKey]),
		Password: string(secret.Data[v1alpha1.AccessPasswordKey]),
	}
}
