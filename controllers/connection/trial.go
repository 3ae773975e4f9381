package connection

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/queue"
	"github.com/stallkeeper/stallkeeper/controllers/report"
	"github.com/stallkeeper/stallkeeper/marketplace"
)

// trialRecheck is how long credentials that were taken are trusted.
const trialRecheck = time.Hour

// trial is what became of the last trial of a Marketplace's credentials. Lost, they are tried again.
type trial struct {
	// of is a digest of the credentials and of the address that they were tried at.
	of [sha256.Size]byte
	// found is False when they were refused, Unknown when the marketplace gave no answer, and else the zero verdict.
	found report.Verdict
	// again is when to try once more. Also of those that were taken: keys are taken back at the marketplace's console, where no event tells.
	again time.Time
}

// tryCredentials asks for an order that every account may read when the credentials have changed, so that a connection is not ready
// with keys that no order can be read with. False says that they are refused. Unknown says that the marketplace does not answer, which is
// nothing against them. The zero verdict says that they are taken.
func (r *Reconciler) tryCredentials(ctx context.Context, mp *v1alpha1.Marketplace, reader marketplace.OrderReader, order string,
) (report.Verdict, error) {
	if order == "" {
		return report.Verdict{}, nil
	}
	digest, err := r.credentialsDigest(ctx, mp)
	if err != nil {
		return report.Verdict{}, err
	}
	now := r.Clock.Now()
	last, tried := r.trials[mp.UID]
	if tried && last.of == digest && now.Before(last.again) {
		return last.found, nil
	}
	ctx, cancel := context.WithTimeout(ctx, orderTypeTimeout)
	defer cancel()
	_, err = reader.ReadOrder(ctx, order, "")
	made := trial{of: digest, again: now.Add(trialRecheck)}
	switch {
	case errors.Is(err, marketplace.ErrOrderRefused):
		made.again = now.Add(queue.OrderProblemRetry)
		made.found = report.False(v1alpha1.ReasonAPICredentialsRefused, fmt.Sprintf(
			"The marketplace rejected the credentials in Secret %q for reading a mock order: %s", mp.Spec.KooGallery.API.CredentialsSecretName, err))
	case errors.Is(err, marketplace.ErrUnavailable), errors.Is(err, context.DeadlineExceeded):
		made.again = now.Add(queue.ProblemRetry)
		made.found = report.Unknown(v1alpha1.ReasonMarketplaceReady, "Callbacks can be verified. Whether orders can be read is not known:"+
			" the marketplace did not answer when a mock order was asked for; it is asked again every minute")
	}
	if r.trials == nil {
		r.trials = map[types.UID]trial{}
	}
	r.trials[mp.UID] = made
	return made.found, nil
}

// credentialsDigest tells whether the credentials, or where they are used, have changed.
func (r *Reconciler) credentialsDigest(ctx context.Context, mp *v1alpha1.Marketplace) (digest [sha256.Size]byte, err error) {
	secret := &corev1.Secret{}
	key := types.NamespacedName{Namespace: r.Clients.Namespace, Name: mp.Spec.KooGallery.API.CredentialsSecretName}
	if err := r.APIReader.Get(ctx, key, secret); err != nil {
		return digest, fmt.Errorf("reading Secret %s: %w", key, err)
	}
	return sha256.Sum256(fmt.Appendf(nil, "%s|%s|%q|%q", mp.Spec.KooGallery.Site, mp.Spec.KooGallery.API.URL,
		secret.Data[v1alpha1.OpenAPIAccessKeyID], secret.Data[v1alpha1.OpenAPISecretKey])), nil
}
