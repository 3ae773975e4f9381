package license

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/protocol"
	"github.com/stallkeeper/stallkeeper/controllers/queue"
	"github.com/stallkeeper/stallkeeper/controllers/report"
	"github.com/stallkeeper/stallkeeper/controllers/sale"
	"github.com/stallkeeper/stallkeeper/marketplace"
	"github.com/stallkeeper/stallkeeper/subscription/licenses"
	"github.com/stallkeeper/stallkeeper/subscription/orders"
)

const (
	// apiTimeout bounds one call of the license API with its repeats.
	apiTimeout = 30 * time.Second
	// staleAfter is how many intervals a code may go without an answer before that is reported.
	staleAfter = 3
	// instanceIDField is a selectable field of the kind.
	instanceIDField = "spec.subscription.instanceID"
)

// statusOwner owns what this reconciler says of an instance.
var statusOwner = report.Owner{
	Name: v1alpha1.FieldOwner + "/license", Conditions: []string{v1alpha1.ConditionLicensed},
}

// Reconciler activates license codes, and delivers the licenses that buyers have asked for. It owns the condition
// Licensed.
type Reconciler struct {
	client.Client
	// APIReader reads Secrets, which are never cached, and what must not be out of date.
	APIReader client.Reader
	Clock     clock.PassiveClock
	// Clients makes the clients of the marketplaces' open APIs.
	Clients protocol.Clients
	// TenantPrefix begins the names of the tenants' namespaces.
	TenantPrefix string
	// QueryInterval is the pause between two queries of a code.
	QueryInterval time.Duration
}

// Reconcile brings one sale's license code and license requests up to date.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	mpi := &v1alpha1.MarketplaceInstance{}
	if err := r.Get(ctx, req.NamespacedName, mpi); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if !mpi.DeletionTimestamp.IsZero() || !sellsLicenses(mpi) {
		return ctrl.Result{}, nil
	}
	activated, activateErr := r.activate(ctx, mpi)
	if apierrors.IsConflict(activateErr) {
		// Somebody was faster: the next event brings the newer object.
		return ctrl.Result{}, activateErr
	}
	var delivered report.Verdict
	var deliverErr error
	if licenses.IsActivated(mpi.Spec.Subscription) {
		delivered, deliverErr = r.deliver(ctx, mpi)
	}
	before := mpi.DeepCopy()
	report.Set(&mpi.Status.Conditions, v1alpha1.ConditionLicensed, licensed(activated, delivered), mpi.Generation, time.Time{})
	// What is tried again waits behind what has just been sold.
	result := ctrl.Result{Priority: ptr.To(queue.PriorityNormal)}
	statusErr := statusOwner.Apply(ctx, r.Client, before, mpi)
	if err := errors.Join(activateErr, deliverErr, statusErr); err != nil {
		return result, err
	}
	result.RequeueAfter = queue.Sooner(activated.After, delivered.After)
	return result, nil
}

// licensed is the one verdict about a code and the licenses that were asked for: the activation comes first, because without it nothing
// is delivered, unless the deliveries need a person and it does not.
func licensed(activated, delivered report.Verdict) report.Verdict {
	weight := map[metav1.ConditionStatus]int{metav1.ConditionFalse: 3, metav1.ConditionUnknown: 2, metav1.ConditionTrue: 1}
	if weight[delivered.Status] > weight[activated.Status] {
		return delivered
	}
	return activated
}

// sellsLicenses says whether an instance has anything to do with licenses.
func sellsLicenses(mpi *v1alpha1.MarketplaceInstance) bool {
	sub := mpi.Spec.Subscription
	return licenses.IsCode(sub) || sub != nil && len(sub.LicenseRequests) > 0
}

// activate makes sure that a license code is activated, and says how it stands.
func (r *Reconciler) activate(ctx context.Context, mpi *v1alpha1.MarketplaceInstance) (report.Verdict, error) {
	sub := mpi.Spec.Subscription
	if !licenses.IsCode(sub) {
		return report.Verdict{}, nil
	}
	if licenses.IsActivated(sub) || sub.Entitlement.State == v1alpha1.EntitlementReleased {
		if ordered := licenses.Ordered(sub); ordered != sub {
			if err := r.store(ctx, mpi, ordered); err != nil {
				return report.Verdict{}, err
			}
		}
		return codeVerdict(mpi, r.Clock.Now(), r.QueryInterval), nil
	}
	return r.activateCode(ctx, mpi)
}

// activateCode activates a code that was just entered, and stores what the marketplace tells about it.
func (r *Reconciler) activateCode(ctx context.Context, mpi *v1alpha1.MarketplaceInstance) (report.Verdict, error) {
	sub := mpi.Spec.Subscription
	twin, err := r.twin(ctx, mpi)
	if err != nil {
		return report.Verdict{}, err
	}
	if twin != "" {
		return protocol.WaitsForPerson(v1alpha1.ReasonLicenseDuplicate, fmt.Sprintf(
			"MarketplaceInstance %q has the same license code, and each code is one sale: delete this instance", twin)), nil
	}
	api, found, err := r.api(ctx, mpi)
	if api == nil || err != nil {
		return found, err
	}
	told, err := r.askToActivate(ctx, api, sub.InstanceID)
	if err != nil {
		return activationFailed(err)
	}
	now := r.Clock.Now()
	after := licenses.Activated(sub, told.LicenseCode, now)
	switch {
	case told.fresh && told.State == marketplace.LicenseAlive:
	case told.State == marketplace.LicenseAlive, told.State == marketplace.LicenseExpired, told.State == marketplace.LicenseReleased:
		after, _ = licenses.Queried(after, told.LicenseCode, now, r.QueryInterval)
	case !told.fresh:
		return protocol.WaitsForPerson(v1alpha1.ReasonLicenseStateUnknown,
			"The marketplace does not activate the code and reports a state that this version does not know: compare the"+
				" code with the seller console"), nil
	}
	if err := r.store(ctx, mpi, after); err != nil {
		return report.Verdict{}, err
	}
	return codeVerdict(mpi, now, r.QueryInterval), nil
}

// activatedCode is what the marketplace tells about a code when it is activated; fresh is false if it was so before.
type activatedCode struct {
	marketplace.LicenseCode
	fresh bool
}

// askToActivate activates a code. One that can't be activated may be so already, by an activation whose answer was lost: the
// query tells.
func (r *Reconciler) askToActivate(ctx context.Context, api marketplace.LicenseClient, code string) (activatedCode, error) {
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	told, err := api.ActivateLicense(ctx, code)
	if !errors.Is(err, marketplace.ErrLicenseActivated) {
		return activatedCode{told, true}, err
	}
	told, queryErr := api.QueryLicense(ctx, code)
	if errors.Is(queryErr, marketplace.ErrLicenseNotActivated) {
		// It is not active, and can't be made so: that is what the activation has said.
		return activatedCode{}, err
	}
	return activatedCode{told, false}, queryErr
}

// twin is the name of another instance that has the code and comes first: activated, or else made earlier. Empty when there is
// none. The API server is asked, because two instances may have been made a moment ago.
func (r *Reconciler) twin(ctx context.Context, mpi *v1alpha1.MarketplaceInstance) (string, error) {
	list := &v1alpha1.MarketplaceInstanceList{}
	err := r.APIReader.List(ctx, list, client.InNamespace(mpi.Namespace),
		client.MatchingFields{instanceIDField: mpi.Spec.Subscription.InstanceID})
	if err != nil {
		return "", fmt.Errorf("looking for another instance with the same license code: %w", err)
	}
	for i := range list.Items {
		other := &list.Items[i]
		sub := other.Spec.Subscription
		if other.UID == mpi.UID || sub == nil || sub.Marketplace != mpi.Spec.Subscription.Marketplace ||
			sub.InstanceID != mpi.Spec.Subscription.InstanceID {
			continue
		}
		active := licenses.IsCode(sub) && !sub.License.ActivationTime.IsZero()
		earlier := other.CreationTimestamp.Before(&mpi.CreationTimestamp) ||
			other.CreationTimestamp.Equal(&mpi.CreationTimestamp) && other.Name < mpi.Name
		if active || earlier {
			return other.Name, nil
		}
	}
	return "", nil
}

func (r *Reconciler) store(ctx context.Context, mpi *v1alpha1.MarketplaceInstance, sub *v1alpha1.Subscription) error {
	return sale.Store(ctx, r.Client, r.APIReader, mpi, orders.Result{Subscription: sub})
}

// api makes the client for an instance's marketplace; nil with what to report when there is none.
func (r *Reconciler) api(ctx context.Context, mpi *v1alpha1.MarketplaceInstance) (marketplace.LicenseClient, report.Verdict, error) {
	mp := &v1alpha1.Marketplace{}
	key := types.NamespacedName{Namespace: mpi.Namespace, Name: mpi.Spec.Subscription.Marketplace}
	if err := r.Get(ctx, key, mp); err != nil {
		if apierrors.IsNotFound(err) {
			return nil, protocol.WaitsForPerson(v1alpha1.ReasonMarketplaceNotFound, fmt.Sprintf(
				"Marketplace %q does not exist in this namespace: create it", key.Name)), nil
		}
		return nil, report.Verdict{}, err
	}
	api, err := r.Clients.Licenses(ctx, mp)
	if credentials, ok := errors.AsType[*protocol.CredentialsError](err); ok {
		return nil, credentials.Verdict(), nil
	}
	switch {
	case err != nil:
		return nil, report.Verdict{}, err
	case api == nil:
		return nil, protocol.WaitsForPerson(v1alpha1.ReasonLicenseUnsupported, fmt.Sprintf(
			"Protocol %q of Marketplace %q does not support licenses", mp.Spec.Protocol, mp.Name)), nil
	}
	return api, report.Verdict{}, nil
}

// activation says what a failed activation means.
var activation = protocol.Failure{
	Unavailable: v1alpha1.ReasonLicenseAPIUnavailable, Unanswered: "Activating the code failed; retrying",
	Mistakes: append([]protocol.Mistake{
		{Kind: marketplace.ErrLicenseNotCollected, Reason: v1alpha1.ReasonLicenseNotCollected, After: queue.NotCollectedRetry},
		{Kind: marketplace.ErrLicenseUnknown, Reason: v1alpha1.ReasonLicenseUnknown},
	}, refusals...),
}

// refusals are the answers that every call of the license API may get.
var refusals = []protocol.Mistake{
	{Kind: marketplace.ErrLicenseRefused, Reason: v1alpha1.ReasonLicenseAPIRefused, After: queue.RefusedRetry},
	{Reason: v1alpha1.ReasonLicenseRefused},
}

func activationFailed(err error) (report.Verdict, error) {
	if errors.Is(err, marketplace.ErrLicenseActivated) {
		// The query was made already, and says that it is not active.
		return protocol.WaitsForPerson(v1alpha1.ReasonLicenseRefused,
			"The license code is not activated and its state does not allow activation: compare it with the seller console"), nil
	}
	return activation.FromCallError(err, "The license code")
}

// codeVerdict says how a code stands that is activated, or whose sale has ended. It comes from the facts in the spec alone.
func codeVerdict(mpi *v1alpha1.MarketplaceInstance, now time.Time, interval time.Duration) report.Verdict {
	sub := mpi.Spec.Subscription
	license := sub.License
	since := license.LastQueryTime.Time
	if since.IsZero() {
		since = license.ActivationTime.Time
	}
	stale := since.Add(staleAfter * interval)
	switch {
	case licenses.EndedByQuery(sub):
		return report.False(v1alpha1.ReasonLicenseEnded, fmt.Sprintf(
			"The marketplace reported at %s, in response to a query, that the code was released; the call was never received. If the seller console"+
				" shows otherwise, set spec.correction.entitlement to Active before the tenant is deleted", report.Stamp(license.LastQueryTime.Time)))
	case sub.Entitlement.State == v1alpha1.EntitlementReleased:
		return report.False(v1alpha1.ReasonReleased, "The marketplace has ended the sale")
	case !now.Before(stale):
		return report.Unknown(v1alpha1.ReasonLicenseAPIUnavailable, fmt.Sprintf(
			"The marketplace last responded about the code at %s; retrying, see the controller's log for the error",
			report.Stamp(since)))
	}
	found := report.True(v1alpha1.ReasonLicenseActivated, fmt.Sprintf(
		"Activated at %s; the marketplace is queried about the code daily", report.Stamp(license.ActivationTime.Time)))
	switch license.State {
	case v1alpha1.LicenseExpired:
		found = report.False(v1alpha1.ReasonLicenseExpired, "The marketplace reports that the code has expired; a renewal reactivates it")
	case v1alpha1.LicenseReleased:
		found = report.False(v1alpha1.ReasonReleased,
			"The marketplace reports that the code was released, but a correction has overridden that: only another correction can end the sale")
	case v1alpha1.LicenseUnknown:
		found = report.Unknown(v1alpha1.ReasonLicenseStateUnknown,
			"The marketplace reports a state of the code that this version does not know; the sale is not changed")
	}
	found.After = stale.Sub(now)
	return found
}
