package connection

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/queue"
	"github.com/stallkeeper/stallkeeper/controllers/report"
	"github.com/stallkeeper/stallkeeper/marketplace"
)

const (
	// callDue is how long after its notification the call about an order must have been recorded.
	callDue = 15 * time.Minute
	// notificationsKept is how long a notification is kept whose call does not come.
	notificationsKept = 7 * 24 * time.Hour
	// notificationPage is how many notifications are read at once.
	notificationPage = 500
	// orderTypeTimeout bounds the questions of a pass what orders are for, and orderTypeQuestions their number. Other connections wait for
	// them.
	orderTypeTimeout   = 10 * time.Second
	orderTypeQuestions = 20
)

// notification is what the marketplace has told about an order that it also makes a call about.
type notification struct {
	order, line string
	at          time.Time
	secret      types.NamespacedName
	uid         types.UID
}

// orderTypes remembers, by the UID of its notification, what an order is for, so that the marketplace is asked once. Lost, it is
// asked again. It is used by one pass at a time, because connections are worked on one after the other.
type orderTypes map[types.UID]orderType

type orderType struct {
	// of is the Marketplace that notified us.
	of           types.NamespacedName
	unsubscribes bool
	// again is when to ask again; zero when the type is known.
	again time.Time
}

// keep forgets the types of orders of a Marketplace that are not notified any more.
func (t orderTypes) keep(of types.NamespacedName, notified []notification) {
	maps.DeleteFunc(t, func(uid types.UID, known orderType) bool {
		return known.of == of && !slices.ContainsFunc(notified, func(n notification) bool { return n.uid == uid })
	})
}

// checkCalls looks whether calls came about the orders that the marketplace has notified us of, and forgets those of which
// nothing is to be expected any more.
func (r *Reconciler) checkCalls(ctx context.Context, mp *v1alpha1.Marketplace) (report.Verdict, error) {
	arrive := report.True(v1alpha1.ReasonCallsReceived, "No missing calls are known")
	notified, err := r.notifications(ctx, mp)
	switch {
	case err != nil:
		return report.Verdict{}, err
	case len(notified) == 0:
		return arrive, nil
	}
	instances := &v1alpha1.MarketplaceInstanceList{}
	// They are only read, and there may be thousands.
	if err := r.List(ctx, instances, client.InNamespace(mp.Namespace), client.UnsafeDisableDeepCopy); err != nil {
		return report.Verdict{}, fmt.Errorf("listing the instances: %w", err)
	}
	sales := salesOf(instances.Items, mp.Name, notified)
	now := r.Clock.Now()
	var errs []error
	var overdue []notification
	for _, n := range notified {
		switch {
		case n.order == "", called(sales[n.order], n):
			errs = append(errs, r.forget(ctx, n))
		case now.Sub(n.at) >= notificationsKept:
			errs = append(errs, r.giveUp(ctx, mp, n))
		case now.Sub(n.at) >= callDue:
			overdue = append(overdue, n)
		}
	}
	missing, err := r.withoutUnsubscriptions(ctx, mp, overdue, now)
	if errs = append(errs, err); len(missing) == 0 {
		return arrive, errors.Join(errs...)
	}
	return report.False(v1alpha1.ReasonCallMissing, missingText(mp, missing)), errors.Join(errs...)
}

// notifications are read live, because only the label tells these Secrets from all others: a cache would hold the keys too. All of them
// are: which ones come first says nothing about which of their calls are missing.
func (r *Reconciler) notifications(ctx context.Context, mp *v1alpha1.Marketplace) ([]notification, error) {
	var notified []notification
	for page := ""; ; {
		secrets := &corev1.SecretList{}
		err := r.APIReader.List(ctx, secrets, client.InNamespace(mp.Namespace), client.Limit(notificationPage), client.Continue(page),
			client.MatchingLabels{v1alpha1.CallLabel: string(v1alpha1.CallNotification), v1alpha1.MarketplaceLabel: mp.Name})
		if err != nil {
			return nil, fmt.Errorf("listing the notifications of orders: %w", err)
		}
		notified = append(notified, notificationsIn(secrets)...)
		if page = secrets.Continue; page == "" {
			break
		}
	}
	slices.SortFunc(notified, func(a, b notification) int {
		if order := a.at.Compare(b.at); order != 0 {
			return order
		}
		return strings.Compare(a.order+a.line, b.order+b.line)
	})
	r.orderTypes.keep(client.ObjectKeyFromObject(mp), notified)
	return notified, nil
}

func notificationsIn(secrets *corev1.SecretList) []notification {
	var notified []notification
	for i := range secrets.Items {
		secret := &secrets.Items[i]
		if secret.Type != v1alpha1.CallSecretType || !secret.DeletionTimestamp.IsZero() {
			continue
		}
		notified = append(notified, notification{
			order: string(secret.Data[v1alpha1.CallOrderIDKey]), line: string(secret.Data[v1alpha1.CallOrderLineIDKey]),
			at: secret.CreationTimestamp.Time, secret: client.ObjectKeyFromObject(secret), uid: secret.UID,
		})
	}
	return notified
}

// salesOf are the connection's sales that an order is recorded on, by order, for those that were notified.
func salesOf(instances []v1alpha1.MarketplaceInstance, connection string, notified []notification,
) map[string][]*v1alpha1.Subscription {
	sales := map[string][]*v1alpha1.Subscription{}
	for _, n := range notified {
		sales[n.order] = nil
	}
	for i := range instances {
		sub := instances[i].Spec.Subscription
		if sub == nil || sub.Marketplace != connection {
			continue
		}
		for _, call := range recordedOrders(sub) {
			if _, wanted := sales[call.OrderID]; wanted {
				sales[call.OrderID] = append(sales[call.OrderID], sub)
			}
		}
	}
	return sales
}

// recordedOrders are a sale's purchase, which may have been dropped from the list of calls, and the calls.
func recordedOrders(sub *v1alpha1.Subscription) []v1alpha1.Call {
	return append([]v1alpha1.Call{{OrderID: sub.OrderID, OrderLineID: sub.OrderLineID}}, sub.Calls...)
}

// called says whether a call about the order is recorded on one of the sales.
func called(sales []*v1alpha1.Subscription, n notification) bool {
	return slices.ContainsFunc(sales, func(sub *v1alpha1.Subscription) bool {
		return slices.ContainsFunc(recordedOrders(sub), func(c v1alpha1.Call) bool {
			return c.OrderID == n.order && sameLine(sub, c.OrderLineID, n.line)
		})
	})
}

// sameLine compares the line of a call with the notified one. Calls of older generations name no line, or a product in its
// place.
func sameLine(sub *v1alpha1.Subscription, ofCall, notified string) bool {
	return ofCall == "" || notified == "" || ofCall == notified ||
		slices.ContainsFunc(sub.Items, func(i v1alpha1.SoldItem) bool { return i.ProductID == ofCall })
}

// withoutUnsubscriptions leaves out, and forgets, orders that give something back: the release that they bring may name another
// order, or none. The marketplace is asked about a few orders in a pass; those not asked about yet wait, and those about which it
// gives no answer count as missing.
func (r *Reconciler) withoutUnsubscriptions(ctx context.Context, mp *v1alpha1.Marketplace, overdue []notification,
	now time.Time,
) ([]notification, error) {
	var missing []notification
	var errs []error
	asked := 0
	asking, cancel := context.WithTimeout(ctx, orderTypeTimeout)
	defer cancel()
	for _, n := range overdue {
		known, ok := r.orderTypes[n.uid]
		// A marketplace that does not answer is left alone by the rest: the first question takes all the time that there is.
		if asked < orderTypeQuestions && asking.Err() == nil && (!ok || !known.again.IsZero() && !now.Before(known.again)) {
			asked++
			ok = true
			known = r.askType(asking, mp, n, now)
			r.remember(n, known)
		}
		switch {
		case !ok:
		case known.unsubscribes:
			errs = append(errs, r.forget(ctx, n))
		default:
			missing = append(missing, n)
		}
	}
	return missing, errors.Join(errs...)
}

// askType asks the marketplace what an order is for.
func (r *Reconciler) askType(ctx context.Context, mp *v1alpha1.Marketplace, n notification, now time.Time) orderType {
	unknown := orderType{of: client.ObjectKeyFromObject(mp), again: now.Add(queue.OrderProblemRetry)}
	reader, err := r.Clients.Orders(ctx, mp)
	if err != nil {
		return unknown
	}
	order, err := reader.ReadOrder(ctx, n.order, n.line)
	if err != nil {
		return unknown
	}
	return orderType{of: unknown.of, unsubscribes: order.Type == marketplace.OrderUnsubscription}
}

func (r *Reconciler) remember(n notification, known orderType) {
	if r.orderTypes == nil {
		r.orderTypes = orderTypes{}
	}
	r.orderTypes[n.uid] = known
}

// giveUp forgets an order that has brought no call for a week, and says so: nothing else names it any more.
func (r *Reconciler) giveUp(ctx context.Context, mp *v1alpha1.Marketplace, n notification) error {
	if err := r.forget(ctx, n); err != nil {
		return err
	}
	if !r.orderTypes[n.uid].unsubscribes {
		r.Recorder.Eventf(mp, nil, corev1.EventTypeWarning, v1alpha1.ReasonCallMissing, "Reconcile",
			"Order %q was notified %d days ago, and no call about it was recorded: it is forgotten now. Look for it in the seller console",
			report.Cut(n.order, 64), int(notificationsKept.Hours()/24))
	}
	return nil
}

// forget deletes the Secret of a notification. One that is gone already is forgotten.
func (r *Reconciler) forget(ctx context.Context, n notification) error {
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: n.secret.Namespace, Name: n.secret.Name}}
	err := r.Delete(ctx, secret, client.Preconditions{UID: ptr.To(n.uid)})
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("deleting Secret %s: %w", n.secret.Name, err)
	}
	return nil
}

// missingText names the orders and what to do, the oldest first and at most ten.
func missingText(mp *v1alpha1.Marketplace, missing []notification) string {
	const most = 10
	var names []string
	for i, n := range missing {
		if i == most {
			names = append(names, fmt.Sprintf("and %d more", len(missing)-most))
			break
		}
		names = append(names, fmt.Sprintf("%q", report.Cut(n.order, 64)))
	}
	return fmt.Sprintf("The marketplace sent notifications of these orders, but no call for them was recorded: %s. Look for them among"+
		" the failed calls in the seller console and restart the calls there. An order without a call is dropped after %d days,"+
		" or when its Secret is deleted: kubectl get secrets -n %s -l %s=%s,%s=%s", strings.Join(names, ", "),
		int(notificationsKept.Hours()/24), mp.Namespace, v1alpha1.CallLabel, v1alpha1.CallNotification, v1alpha1.MarketplaceLabel, mp.Name)
}
