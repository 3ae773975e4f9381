package connection

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/protocol"
	"github.com/stallkeeper/stallkeeper/controllers/queue"
	"github.com/stallkeeper/stallkeeper/controllers/report"
	"github.com/stallkeeper/stallkeeper/subscription/orders"
)

// Reconciler checks that the keys of each connection can be read, and that calls come about the orders that the
// marketplace notifies us of. It forgets sales whose instances were deleted long ago.
type Reconciler struct {
	client.Client
	// APIReader reads Secrets, which are never cached.
	APIReader client.Reader
	Clock     clock.PassiveClock
	Recorder  events.EventRecorder
	// Clients makes the clients of the marketplaces' open APIs.
	Clients protocol.Clients
	// ClockSkew asks the webhook servers how far off the clock is by the well-signed calls that they refused for their
	// time; zero when none was. Nil when nobody can be asked.
	ClockSkew func(ctx context.Context, marketplace types.NamespacedName) (time.Duration, error)

	orderTypes orderTypes
	trials     map[types.UID]trial
	// forgets are when remembered sales are looked through next, by the Marketplace's UID.
	forgets map[types.UID]time.Time
	// signing are the keys that each Marketplace's Secret had when it was read last.
	signing map[types.NamespacedName]signingKeys
}

// Reconcile brings one connection's status up to date.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	mp := &v1alpha1.Marketplace{}
	if err := r.Get(ctx, req.NamespacedName, mp); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	before := mp.DeepCopy()
	ready, err := r.check(ctx, mp)
	if err != nil {
		return ctrl.Result{}, err
	}
	arrive, callsErr := r.checkCalls(ctx, mp)
	mp.Status.CallbackPath = fmt.Sprintf("/v1/%s/%s", mp.Namespace, mp.Name)
	mp.Status.ObservedGeneration = ptr.To(mp.Generation)
	report.Set(&mp.Status.Conditions, v1alpha1.ConditionReady, ready, mp.Generation, time.Time{})
	report.Set(&mp.Status.Conditions, v1alpha1.ConditionStalled, stalled(ready), mp.Generation, time.Time{})
	report.Set(&mp.Status.Conditions, v1alpha1.ConditionCallsReceived, arrive, mp.Generation, time.Time{})
	complete := callsComplete(mp, r.Clock.Now())
	report.Set(&mp.Status.Conditions, v1alpha1.ConditionCallsComplete, complete, mp.Generation, time.Time{})
	if !equality.Semantic.DeepEqual(before.Status, mp.Status) {
		if err := client.IgnoreNotFound(r.Status().Patch(ctx, mp, client.MergeFrom(before))); err != nil {
			return ctrl.Result{}, fmt.Errorf("writing the status: %w", err)
		}
		for _, condition := range []string{v1alpha1.ConditionCallsReceived, v1alpha1.ConditionCallsComplete} {
			report.Announcement{Condition: condition, Action: "Reconcile", OnlyFalse: true, Messages: true}.Announce(
				r.Recorder, mp, before.Status.Conditions, mp.Status.Conditions, nil)
		}
	}
	return ctrl.Result{RequeueAfter: queue.ConnectionRecheck}, errors.Join(callsErr, r.forgetSales(ctx, mp))
}

// callsComplete says since when calls may be missing, and how the hold ends.
func callsComplete(mp *v1alpha1.Marketplace, now time.Time) report.Verdict {
	until := mp.HeldUntil()
	if !now.Before(until) {
		return report.Verdict{Absent: true}
	}
	why := "spec.holdUntilTime says that calls may be missing."
	if uncertain := mp.Status.CallsUncertain; until.Equal(uncertain.HoldUntilTime.Time) {
		why = fmt.Sprintf("The API server's store was put back under the running controller at %s, so that calls may be missing.",
			report.Stamp(uncertain.NoticedTime.Time))
		if !uncertain.CompleteUntilTime.IsZero() {
			why = fmt.Sprintf("No controller has run between %s and %s as far as is stored: the cluster was down, or it was restored from a backup,"+
				" so that calls may be missing.", report.Stamp(uncertain.CompleteUntilTime.Time), report.Stamp(uncertain.NoticedTime.Time))
		}
	}
	return report.False(v1alpha1.ReasonCallsUncertain, fmt.Sprintf("%s Until %s no tenant is stopped, made smaller or deleted for want of a call."+
		" Compare the sales with the marketplace's console, then set spec.holdUntilTime to the current time", why, report.Stamp(until)))
}

// stalled says what Ready says while action is required.
func stalled(ready report.Verdict) report.Verdict {
	if ready.Status == metav1.ConditionFalse {
		return report.True(ready.Reason, ready.Message)
	}
	return report.Verdict{Absent: true}
}

// check says whether calls can be verified and orders be read.
func (r *Reconciler) check(ctx context.Context, mp *v1alpha1.Marketplace) (report.Verdict, error) {
	known, ok := r.Clients.Protocols[mp.Spec.Protocol]
	if !ok {
		return report.False(v1alpha1.ReasonCallbackKeyMissing, fmt.Sprintf("Protocol %q is not supported by this version of Stallkeeper",
			mp.Spec.Protocol)), nil
	}
	secret := &corev1.Secret{}
	name := mp.Spec.KooGallery.CallbackSecretRef.Name
	err := r.APIReader.Get(ctx, types.NamespacedName{Namespace: mp.Namespace, Name: name}, secret)
	if apierrors.IsNotFound(err) {
		r.noteKeys(mp, nil)
		return report.False(v1alpha1.ReasonCallbackSecretNotFound, fmt.Sprintf(
			"Secret %q does not exist in this namespace: create it with the key accessKey; until then every callback is refused", name)), nil
	}
	if err != nil {
		return report.Verdict{}, fmt.Errorf("reading Secret %s: %w", name, err)
	}
	// Before all else that is wrong with the keys: calls may be accepted nevertheless.
	if shared, err := r.sharedKey(ctx, mp, secret); err != nil || !shared.IsZero() {
		return shared, err
	}
	if err := known.CheckCallbackKeys(secret.Data); err != nil {
		return report.False(v1alpha1.ReasonCallbackKeyMissing, fmt.Sprintf("Secret %q: %s", name, err)), nil
	}
	if lost := lostKeys(mp, known, secret.Data); len(lost) > 0 {
		return report.False(v1alpha1.ReasonCallbackKeyLost, fmt.Sprintf("Secret %q had the key %s and has it no more, so that calls signed with"+
			" it are refused: put it back. To give it up for good, add it with an empty value; once this condition is True it may go", name,
			strings.Join(lost, " and "))), nil
	}
	return r.checkOrders(ctx, mp, known)
}

// checkOrders says whether orders can be read, where they are needed, and how the clock is.
func (r *Reconciler) checkOrders(ctx context.Context, mp *v1alpha1.Marketplace, known protocol.Protocol) (report.Verdict, error) {
	if needed, err := r.needsOrderAPI(ctx, mp); err != nil || !needed {
		return r.checkClock(ctx, mp, "Callbacks can be verified. Orders that are not part of a call can't be read without"+
			" kooGallery.api, which was not needed so far"), err
	}
	reader, err := r.Clients.Orders(ctx, mp)
	if missing, ok := errors.AsType[*protocol.CredentialsError](err); ok {
		return report.False(v1alpha1.ReasonAPICredentialsMissing, missing.Error()), nil
	}
	if err != nil {
		return report.Verdict{}, err
	}
	read, err := r.tryCredentials(ctx, mp, reader, known.SampleOrder)
	if err != nil || read.Status == metav1.ConditionFalse {
		return read, err
	}
	if refused, err := r.refusedOrders(ctx, mp); err != nil || !refused.IsZero() {
		return refused, err
	}
	return r.checkClock(ctx, mp, cmp.Or(read.Message, "Callbacks can be verified and orders can be read")), nil
}

// lostKeys are the kinds of keys that the callback Secret has held and does not hold any more. What it has held is kept in the status: who
// replaces the Secret by a part of it would notice by refused calls only.
func lostKeys(mp *v1alpha1.Marketplace, known protocol.Protocol, data map[string][]byte) []string {
	if known.CallbackKeyKinds == nil {
		return nil
	}
	held, givenUp := known.CallbackKeyKinds(data)
	var lost []string
	for _, kind := range mp.Status.CallbackKeys {
		if !slices.Contains(held, kind) && !slices.Contains(givenUp, kind) {
			lost = append(lost, kind)
		}
	}
	mp.Status.CallbackKeys = slices.Compact(slices.Sorted(slices.Values(slices.Concat(held, lost))))
	return lost
}

// needsOrderAPI says whether the order API's credentials have to be there: where they are named, and where a sale waits for an
// order that no call has brought. Who sells only by calls that bring their orders needs none.
func (r *Reconciler) needsOrderAPI(ctx context.Context, mp *v1alpha1.Marketplace) (bool, error) {
	if mp.Spec.KooGallery.API.CredentialsSecretName != "" {
		return true, nil
	}
	instances := &v1alpha1.MarketplaceInstanceList{}
	if err := r.List(ctx, instances, client.InNamespace(mp.Namespace)); err != nil {
		return false, fmt.Errorf("listing the instances: %w", err)
	}
	return slices.ContainsFunc(instances.Items, func(mpi v1alpha1.MarketplaceInstance) bool {
		sub := mpi.Spec.Subscription
		return sub != nil && sub.Marketplace == mp.Name && sub.Entitlement.State != v1alpha1.EntitlementReleased &&
			slices.ContainsFunc(orders.AllPending(sub), func(call v1alpha1.Call) bool { return call.Source == "" })
	}), nil
}

// checkClock says what is wrong with the clock; otherwise that all is well.
func (r *Reconciler) checkClock(ctx context.Context, mp *v1alpha1.Marketplace, well string) report.Verdict {
	ready := report.True(v1alpha1.ReasonMarketplaceReady, well)
	if r.ClockSkew == nil {
		return ready
	}
	skew, err := r.ClockSkew(ctx, client.ObjectKeyFromObject(mp))
	if err != nil {
		// A webhook server that is just starting is no reason to call the connection broken.
		ctrl.LoggerFrom(ctx).V(1).Info("Querying the webhook servers' clock skew failed", "reason", err.Error())
		return ready
	}
	if skew == 0 {
		return ready
	}
	return report.False(v1alpha1.ReasonClockSkew, fmt.Sprintf(
		"Correctly signed callbacks are refused because the clocks of the marketplace and the webhook server differ by about %s:"+
			" synchronize the nodes' clocks with NTP", skew.Abs().Round(time.Second)))
}
