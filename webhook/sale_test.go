package webhook_test

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

// day is midnight of a day after the purchase, which was made on day 0.
func day(n int) time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, n) }

func at(n int) metav1.Time { return metav1.NewTime(day(n)) }

// sale is a monthly sale as the order reconciler leaves it, changed as a test wants it.
func sale(changes ...func(*v1alpha1.Subscription)) *v1alpha1.Subscription {
	sub := &v1alpha1.Subscription{
		Marketplace:  "koogallery",
		InstanceID:   "i1",
		OrderID:      "o1",
		OrderLineID:  "o1-1",
		PurchaseTime: at(0),
		Items:        []v1alpha1.SoldItem{{ProductID: "p1", SKU: "sku"}},
		Type:         v1alpha1.SubscriptionPaid,
		ExpiryTime:   at(30),
		ExpirySource: v1alpha1.ExpiryFromOrder,
		Entitlement:  v1alpha1.Entitlement{State: v1alpha1.EntitlementActive, Time: at(0)},
		Calls:        []v1alpha1.Call{{Operation: "newInstance", OrderID: "o1", OrderLineID: "o1-1", Time: at(0)}},
	}
	for _, change := range changes {
		change(sub)
	}
	return sub
}

func entitled(state v1alpha1.EntitlementState, reason v1alpha1.EntitlementReason, since int) func(*v1alpha1.Subscription) {
	return func(sub *v1alpha1.Subscription) {
		sub.Entitlement = v1alpha1.Entitlement{State: state, Reason: reason, Time: at(since)}
	}
}

func frozen(reason v1alpha1.EntitlementReason, since int) func(*v1alpha1.Subscription) {
	return entitled(v1alpha1.EntitlementFrozen, reason, since)
}

func active(since int) func(*v1alpha1.Subscription) {
	return entitled(v1alpha1.EntitlementActive, "", since)
}

// awaiting is a sale of which the marketplace has not been heard since.
func awaiting(sub *v1alpha1.Subscription) {
	sub.Acknowledgement = v1alpha1.Acknowledgement{State: v1alpha1.AcknowledgementAwaited}
}

func received(by v1alpha1.AcknowledgementSource, on int) v1alpha1.Acknowledgement {
	return v1alpha1.Acknowledgement{State: v1alpha1.AcknowledgementReceived, By: by, Time: at(on)}
}
