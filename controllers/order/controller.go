package order

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
	// apiTimeout bounds one pass's call of the order API with its repeats. Workers that wait for a slow API would
	// otherwise keep other sales from being looked up.
	apiTimeout = 30 * time.Second
	// notFoundGrace is how long a purchase's order may be unknown to the order API before it counts as a mistake.
	notFoundGrace = 10 * time.Minute
)

// statusOwner owns what this reconciler says of an instance.
var statusOwner = report.Owner{
	Name: v1alpha1.FieldOwner + "/order", Conditions: []string{v1alpha1.ConditionCorrected},
}

// mostOrders is how many orders one pass reads. With more pending, the latest are read.
const mostOrders = 16

// Reconciler finds out what was sold: it reads every order from the Secret of the call that brought it, or asks the
// marketplace's order API for it, and writes what it says into spec.subscription. Before that it applies spec.correction, once. It owns
// the condition Corrected; what it finds of the orders is said in OrderResolved by the instance's reconciler (see [Feature]).
type Reconciler struct {
	client.Client
	// APIReader reads Secrets, which are never cached.
	APIReader client.Reader
	Clock     clock.PassiveClock
	// Clients makes the clients of the marketplaces' open APIs.
	Clients protocol.Clients
	// Findings take what the passes find.
	Findings *Findings

	// ends are the ends of paid times that an order has named twice.
	ends queue.Memory[time.Time]
}

// Reconcile brings one instance's orders up to date.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	mpi := &v1alpha1.MarketplaceInstance{}
	if err := r.Get(ctx, req.NamespacedName, mpi); err != nil {
		r.Findings.forget(req.NamespacedName)
		r.ends.Forget(req.NamespacedName)
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if !mpi.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, nil
	}
	corrected, err := r.correct(ctx, mpi)
	found := report.Verdict{}
	if err == nil {
		found, err = r.resolve(ctx, mpi)
	}
	if apierrors.IsConflict(err) {
		// Somebody was faster: the next event brings the newer object.
		return ctrl.Result{}, err
	}
	r.Findings.note(mpi, found)
	before := mpi.DeepCopy()
	report.Set(&mpi.Status.Conditions, v1alpha1.ConditionCorrected, corrected, mpi.Generation, time.Time{})
	// What is tried again waits behind what has just been sold.
	result := ctrl.Result{Priority: ptr.To(queue.PriorityNormal)}
	if err := errors.Join(err, statusOwner.Apply(ctx, r.Client, before, mpi)); err != nil {
		return result, err
	}
	result.RequeueAfter = found.After
	if corrected.After > 0 && (found.After == 0 || corrected.After < found.After) {
		result.RequeueAfter = corrected.After
	}
	return result, nil
}

// resolve looks the next order up and stores what it says.
func (r *Reconciler) resolve(ctx context.Context, mpi *v1alpha1.MarketplaceInstance) (report.Verdict, error) {
	sub := mpi.Spec.Subscription
	if sub == nil || sub.Entitlement.State == v1alpha1.EntitlementReleased {
		found, _ := settled(mpi)
		return found, nil
	}
	now := r.Clock.Now()
	due, nextChange, err := r.due(ctx, sub, mpi.Namespace, now)
	if err != nil {
		return report.Verdict{}, err
	}
	if due != sub {
		if err := r.store(ctx, mpi, orders.Result{Subscription: due, Product: mpi.Spec.ProductRef.Name}); err != nil {
			return report.Verdict{}, err
		}
	}
	if calls := orders.AllPending(mpi.Spec.Subscription); len(calls) > 0 {
		return r.lookUp(ctx, mpi, calls)
	}
	found, _ := settled(mpi)
	if found.Status != metav1.ConditionTrue {
		return found, nil
	}
	nextEnd, err := r.confirmEnd(ctx, mpi, now)
	if err != nil {
		return report.Verdict{}, err
	}
	if next := queue.Earliest(nextChange, nextEnd); !next.IsZero() {
		found.After = next.Sub(now)
	}
	return found, nil
}

// due enacts a smaller plan or quantity whose date has come, unless the Marketplace says that calls may be missing: its cancellation may be
// one of them.
func (r *Reconciler) due(ctx context.Context, sub *v1alpha1.Subscription, namespace string, now time.Time,
) (after *v1alpha1.Subscription, next time.Time, err error) {
	after, next = orders.Due(sub, now)
	if after == sub {
		return after, next, nil
	}
	mp := &v1alpha1.Marketplace{}
	if err := r.Get(ctx, types.NamespacedName{Namespace: namespace, Name: sub.Marketplace}, mp); client.IgnoreNotFound(err) != nil {
		return nil, time.Time{}, err
	}
	if hold := mp.HeldUntil(); now.Before(hold) {
		return sub, hold, nil
	}
	return after, next, nil
}

// lookUp reads the orders of the calls, oldest first, until one of them is applied. An order that can't be used holds back none of those
// after it, but for the purchase's. What is said is about the first one that could not be applied.
func (r *Reconciler) lookUp(ctx context.Context, mpi *v1alpha1.MarketplaceInstance, calls []v1alpha1.Call) (report.Verdict, error) {
	mp := &v1alpha1.Marketplace{}
	key := types.NamespacedName{Namespace: mpi.Namespace, Name: mpi.Spec.Subscription.Marketplace}
	if err := r.Get(ctx, key, mp); err != nil {
		if apierrors.IsNotFound(err) {
			return protocol.WaitsForPerson(v1alpha1.ReasonMarketplaceNotFound, fmt.Sprintf(
				"Marketplace %q does not exist in this namespace: recreate it", key.Name)), nil
		}
		return report.Verdict{}, err
	}
	first, retry := report.Verdict{}, error(nil)
	for _, call := range readable(mpi.Spec.Subscription, calls) {
		found, err := r.applyOrder(ctx, mpi, mp, call)
		var unread *unreadError
		switch {
		case err != nil && !errors.As(err, &unread):
			return first, errors.Join(retry, err)
		case unread != nil:
			found, err = r.readFailed(call, unread.error)
			retry = errors.Join(retry, err)
		case found.IsZero():
			return r.afterApplied(mpi, first), nil
		}
		if first.IsZero() {
			first = found
		}
		if orders.IsPurchase(mpi.Spec.Subscription, call) || unread != nil && unread.ofEveryOrder() {
			break
		}
	}
	return first, retry
}

// unreadError is that an order could not be read.
type unreadError struct{ error }

func (e *unreadError) Unwrap() error { return e.error }

// ofEveryOrder says whether any other order could not be read either.
func (e *unreadError) ofEveryOrder() bool {
	if _, missing := errors.AsType[*protocol.CredentialsError](e.error); missing {
		return true
	}
	failed, ok := errors.AsType[*marketplace.CallError](e.error)
	return ok && failed.Whole
}

// readable are the calls whose orders are read in one pass: the purchase alone as long as it waits, because without it nothing can be
// done; else the latest.
func readable(sub *v1alpha1.Subscription, calls []v1alpha1.Call) []v1alpha1.Call {
	for _, call := range calls {
		if orders.IsPurchase(sub, call) {
			return []v1alpha1.Call{call}
		}
	}
	return calls[max(0, len(calls)-mostOrders):]
}

// afterApplied is what there is to say once an order was applied: what is wrong with one before it, or what is read next.
func (r *Reconciler) afterApplied(mpi *v1alpha1.MarketplaceInstance, first report.Verdict) report.Verdict {
	next, more := orders.Pending(mpi.Spec.Subscription)
	switch {
	case !first.IsZero():
		return first
	case more:
		return report.Unknown(v1alpha1.ReasonOrderPending, fmt.Sprintf("Order %s is being read", next.OrderID))
	}
	return allApplied()
}

// applyOrder reads the order of one call and stores what it says; the zero Verdict means that it did.
func (r *Reconciler) applyOrder(ctx context.Context, mpi *v1alpha1.MarketplaceInstance, mp *v1alpha1.Marketplace, call v1alpha1.Call,
) (report.Verdict, error) {
	order, err := r.readOrder(ctx, mpi, mp, call)
	if err != nil {
		return report.Verdict{}, &unreadError{err}
	}
	if err := storeRawOrder(ctx, r.Client, r.APIReader, mpi, call.OrderID, order.Raw); err != nil {
		return report.Verdict{}, err
	}
	products := &v1alpha1.MarketplaceProductList{}
	if err := r.List(ctx, products, client.InNamespace(mpi.Namespace)); err != nil {
		return report.Verdict{}, err
	}
	users := &v1alpha1.MarketplaceInstanceList{}
	if order.Charging == marketplace.ChargingMeteredPackage {
		if err := r.List(ctx, users, client.InNamespace(mpi.Namespace)); err != nil {
			return report.Verdict{}, err
		}
	}
	result, problem := orders.Apply(orders.Sale{
		Instances: users.Items, Subscription: mpi.Spec.Subscription, Product: mpi.Spec.ProductRef.Name, PlanOverride: mpi.Spec.Plan != "",
		ShowCustomerName: mp.Spec.Disclosure.CustomerName == v1alpha1.DisclosureShow, Call: call,
	}, order, products.Items)
	if problem != nil {
		found := protocol.WaitsForPerson(problem.Reason, problem.Message)
		if problem.Reason == v1alpha1.ReasonPackageConsumerUnclear {
			// The buyer may have ordered the other instance in the same moment, and its order is not read yet.
			found.After = queue.RefusedRetry
		}
		return found, nil
	}
	return report.Verdict{}, r.store(ctx, mpi, result)
}

// readOrder reads one call's order from where it is.
func (r *Reconciler) readOrder(ctx context.Context, mpi *v1alpha1.MarketplaceInstance, mp *v1alpha1.Marketplace,
	call v1alpha1.Call,
) (marketplace.Order, error) {
	if order, told := licenses.Order(mpi.Spec.Subscription, call); told {
		return order, nil
	}
	if call.Source == v1alpha1.OrderFromCall {
		return r.readBrought(ctx, mpi, call)
	}
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	reader, err := r.Clients.Orders(ctx, mp)
	if err != nil {
		return marketplace.Order{}, err
	}
	return reader.ReadOrder(ctx, call.OrderID, call.OrderLineID)
}

// lookUpFailed says what a failed look-up means.
var lookUpFailed = protocol.Failure{
	Unavailable: v1alpha1.ReasonOrderAPIUnavailable, Unanswered: "The order API is unavailable; retrying",
	Mistakes: []protocol.Mistake{
		{Kind: marketplace.ErrOrderNotFound, Reason: v1alpha1.ReasonOrderNotFound},
		{Kind: marketplace.ErrOrderRefused, Reason: v1alpha1.ReasonOrderAPIRefused, After: queue.RefusedRetry},
		{Kind: marketplace.ErrOrderInvalid, Reason: v1alpha1.ReasonOrderInvalid},
	},
}

// readFailed says what it means that a call's order could not be read.
func (r *Reconciler) readFailed(call v1alpha1.Call, err error) (report.Verdict, error) {
	switch {
	case errors.Is(err, errNotBrought):
		return r.notBrought(call), nil
	case errors.Is(err, marketplace.ErrOrderNotFound) && r.Clock.Since(call.Time.Time) < notFoundGrace:
		return report.Unknown(v1alpha1.ReasonOrderPending,
			fmt.Sprintf("The order API does not know order %s yet; retrying", call.OrderID)).Again(queue.OrderNotFoundRetry), nil
	}
	return lookUpFailed.FromCallError(err, "Order "+call.OrderID)
}

// store writes what an order has made of the sale.
func (r *Reconciler) store(ctx context.Context, mpi *v1alpha1.MarketplaceInstance, result orders.Result) error {
	return sale.Store(ctx, r.Client, r.APIReader, mpi, result)
}

// waitsForLicense says what keeps it from being known what a license code has sold; false when nothing does.
func waitsForLicense(mpi *v1alpha1.MarketplaceInstance) (bool, report.Verdict) {
	sub := mpi.Spec.Subscription
	switch {
	case !licenses.IsActivated(sub):
		return true, report.Unknown(v1alpha1.ReasonWaitingForActivation,
			"The order is known once the license code is activated: see the condition Licensed")
	case licenses.OrderKnown(sub), mpi.Spec.ProductRef.Name != "" && mpi.Spec.Plan != "":
		return false, report.Verdict{}
	}
	return true, protocol.WaitsForPerson(v1alpha1.ReasonLicenseOrderUnknown, "The license code is activated, but the marketplace does not name its"+
		" order: set spec.correction.orderID to the order that the seller console shows, or productRef and plan in this instance's spec")
}
