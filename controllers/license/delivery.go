package license

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/apply"
	"github.com/stallkeeper/stallkeeper/controllers/protocol"
	"github.com/stallkeeper/stallkeeper/controllers/queue"
	"github.com/stallkeeper/stallkeeper/controllers/report"
	"github.com/stallkeeper/stallkeeper/controllers/sale"
	"github.com/stallkeeper/stallkeeper/marketplace"
	"github.com/stallkeeper/stallkeeper/subscription/licenses"
)

// textFile is the end of the name under which a text is delivered that is too long for one.
const textFile = ".lic"

// deliver uploads the licenses that were asked for and are there, and says how it stands. Nothing tells when one is there: the
// Secrets are read again after a pause that grows with the age of the youngest request.
func (r *Reconciler) deliver(ctx context.Context, mpi *v1alpha1.MarketplaceInstance) (report.Verdict, error) {
	sub := mpi.Spec.Subscription
	open := licenses.Open(sub)
	switch {
	case len(sub.LicenseRequests) == 0:
		return report.Verdict{}, nil
	case len(open) == 0:
		return allDelivered(), nil
	case sub.Entitlement.State != v1alpha1.EntitlementActive:
		return report.Unknown(v1alpha1.ReasonLicenseHeld, "Licenses are not delivered while the sale is frozen or released"), nil
	}
	given, err := r.givenLicenses(ctx, mpi)
	if err != nil {
		return report.Unknown(v1alpha1.ReasonLicenseAwaited, "Reading the Secrets with the licenses failed; retrying"), err
	}
	var waiting []string
	var problem report.Verdict
	for _, request := range open {
		file, key := licenseFor(given, request.Key)
		if key == "" {
			waiting = append(waiting, request.Key)
			continue
		}
		found, err := r.upload(ctx, mpi, request, file)
		if err != nil {
			return found, err
		}
		if problem.Status == "" {
			problem = found
		}
	}
	after := licenses.Pause(open, r.Clock.Now())
	switch {
	case problem.Status != "":
		problem.After = queue.Sooner(problem.After, after)
		return problem, nil
	case len(waiting) > 0:
		return report.Unknown(v1alpha1.ReasonLicenseAwaited, awaited(mpi, waiting)).Again(after), nil
	}
	return allDelivered(), nil
}

func allDelivered() report.Verdict {
	return report.True(v1alpha1.ReasonLicenseDelivered, "All requested licenses are delivered")
}

// awaited says which licenses are waited for, and where they belong.
func awaited(mpi *v1alpha1.MarketplaceInstance, keys []string) string {
	const most = 3
	text := strings.Join(keys[:min(len(keys), most)], ", ")
	if more := len(keys) - most; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return fmt.Sprintf("Waiting for the license of request %s: store it under that key in Secret %q in this namespace, or have the"+
		" workload store it in Secret %q in its own namespace", text, v1alpha1.LicensesSecretName(mpi.Name), v1alpha1.TenantLicensesSecretName)
}

// upload delivers one license and notes that it was. A license that was delivered and could not be noted is delivered again,
// which does no harm.
func (r *Reconciler) upload(ctx context.Context, mpi *v1alpha1.MarketplaceInstance, request v1alpha1.LicenseRequest,
	file marketplace.LicenseFile,
) (report.Verdict, error) {
	if len(file.Content) == 0 {
		return protocol.WaitsForPerson(v1alpha1.ReasonLicenseInvalid, fmt.Sprintf(
			"The license for request %s is empty: store another one in its Secret", request.Key)), nil
	}
	api, found, err := r.api(ctx, mpi)
	if api == nil || err != nil {
		return found, err
	}
	callCtx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	if err := api.UploadLicense(callCtx, request.ID, file, request.Key+textFile); err != nil {
		return uploading.FromCallError(err, "Uploading the license of request "+request.Key)
	}
	sum := sha256.Sum256(file.Content)
	after := licenses.Delivered(mpi.Spec.Subscription, request.Key, hex.EncodeToString(sum[:]), r.Clock.Now())
	return report.Verdict{}, r.store(ctx, mpi, after)
}

// uploading says what a failed upload means.
var uploading = protocol.Failure{
	Unavailable: v1alpha1.ReasonLicenseAPIUnavailable, Unanswered: "Uploading the licenses failed; retrying", Mistakes: refusals,
}

// licenseFor finds the license of a request: under its key it is a text, and under its key with a dot and an ending a file of
// that name. given is empty for a request whose license is not there. The content is trimmed of the line end that a text made
// from a file carries.
func licenseFor(given map[string][]byte, request string) (file marketplace.LicenseFile, key string) {
	if content, ok := given[request]; ok {
		return marketplace.LicenseFile{Content: bytes.TrimRight(content, "\r\n")}, request
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if strings.HasPrefix(name, request+".") {
			return marketplace.LicenseFile{Name: name, Content: given[name]}, name
		}
	}
	return marketplace.LicenseFile{}, ""
}

// givenLicenses reads the two Secrets in which licenses are given. What a person has put beside the instance comes before what
// the workload has written.
func (r *Reconciler) givenLicenses(ctx context.Context, mpi *v1alpha1.MarketplaceInstance) (map[string][]byte, error) {
	given, err := r.fromTenant(ctx, mpi)
	if err != nil {
		return nil, err
	}
	beside, err := r.licensesIn(ctx, client.ObjectKey{Namespace: mpi.Namespace, Name: v1alpha1.LicensesSecretName(mpi.Name)})
	if err != nil {
		return nil, err
	}
	if given == nil {
		return beside, nil
	}
	maps.Copy(given, beside)
	return given, nil
}

// fromTenant reads what the workload has written, if the tenant's namespace is really this instance's.
func (r *Reconciler) fromTenant(ctx context.Context, mpi *v1alpha1.MarketplaceInstance) (map[string][]byte, error) {
	name := v1alpha1.TenantNamespace(r.TenantPrefix, mpi.Namespace, mpi.Name)
	ns := &metav1.PartialObjectMetadata{}
	ns.SetGroupVersionKind(apply.NamespaceKind)
	err := r.APIReader.Get(ctx, client.ObjectKey{Name: name}, ns)
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading namespace %s: %w", name, err)
	case !sale.IsTenantOf(ns, mpi):
		return nil, nil
	}
	return r.licensesIn(ctx, client.ObjectKey{Namespace: name, Name: v1alpha1.TenantLicensesSecretName})
}

func (r *Reconciler) licensesIn(ctx context.Context, key client.ObjectKey) (map[string][]byte, error) {
	secret := &corev1.Secret{}
	err := r.APIReader.Get(ctx, key, secret)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading Secret %s/%s: %w", key.Namespace, key.Name, err)
	}
	return secret.Data, nil
}
