package licenses

import (
	"hash/fnv"
	"math"
	"slices"
	"time"
	"unicode/utf8"

	"k8s.io/utils/ptr"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/marketplace"
	"github.com/stallkeeper/stallkeeper/subscription"
)

const (
	// activation is the activity of the call that stands for the purchase: the marketplace makes none.
	activation = "activate"
	// maxID is the bound of ids in a subscription.
	maxID = 256
	// renewalTolerance is how much later the end of the paid time must be to be a renewal's. The shortest period is a day, and
	// the same date in the marketplace's own zone, read as UTC, is eight hours later.
	renewalTolerance = 12 * time.Hour
)

// IsCode says whether a sale is that of a license code.
func IsCode(sub *v1alpha1.Subscription) bool {
	return sub != nil && sub.License.Type == v1alpha1.LicenseTypeCode
}

// IsActivated says whether what was sold may run at all: a license code only once it is activated.
func IsActivated(sub *v1alpha1.Subscription) bool {
	return !IsCode(sub) || !sub.License.ActivationTime.IsZero()
}

// Activated is a subscription after its code was activated at the given time. told is what the marketplace said about it; its
// end of the paid time is an estimate.
func Activated(sub *v1alpha1.Subscription, told marketplace.LicenseCode, at time.Time) *v1alpha1.Subscription {
	after := sub.DeepCopy()
	after.License.ActivationTime = subscription.WholeSecond(at)
	if !told.ActivatedAt.IsZero() && told.ActivatedAt.Before(at) {
		after.License.ActivationTime = subscription.WholeSecond(told.ActivatedAt)
	}
	if after.PurchaseTime.IsZero() {
		after.PurchaseTime = subscription.WholeSecond(at)
	}
	if after.Entitlement.State == "" {
		// Without a time, every call of the marketplace is later.
		after.Entitlement = v1alpha1.Entitlement{State: v1alpha1.EntitlementActive}
	}
	if after.OrderID == "" && fits(told.OrderID) {
		after.OrderID = told.OrderID
	}
	if len(after.Items) == 0 && fits(told.ProductID) {
		after.Items = []v1alpha1.SoldItem{{ProductID: told.ProductID, Quantity: quantity(told.Quantity)}}
	}
	// A renewal that came before the activation, or a person, knows better.
	if after.ExpiryTime.IsZero() && after.ExpirySource == "" && !told.ExpiresAt.IsZero() {
		after.ExpiryTime, after.ExpirySource = subscription.WholeSecond(told.ExpiresAt), v1alpha1.ExpiryFromOrder
	}
	return Ordered(after)
}

// Ordered is a subscription whose purchase waits to be applied, as every other one does, once its order is known: by the
// activation, or by a person. It returns the argument itself when there is nothing to do.
func Ordered(sub *v1alpha1.Subscription) *v1alpha1.Subscription {
	purchase := func(call v1alpha1.Call) bool {
		return call.OrderID == sub.OrderID && call.OrderLineID == sub.OrderLineID
	}
	if !IsCode(sub) || !IsActivated(sub) || sub.OrderID == "" || slices.ContainsFunc(sub.Calls, purchase) {
		return sub
	}
	after := sub.DeepCopy()
	after.Calls = append([]v1alpha1.Call{{
		Operation: activation, OrderID: sub.OrderID, OrderLineID: sub.OrderLineID, Time: sub.License.ActivationTime,
		Pending: v1alpha1.CallPendingPurchase,
	}}, after.Calls[max(0, len(after.Calls)-subscription.MaxOrders+1):]...)
	return after
}

// Order is what the activation told about the order of the purchase; false when the order API has to be asked. An order may
// sell several codes, and only the activation tells how much one of them is.
func Order(sub *v1alpha1.Subscription, call v1alpha1.Call) (marketplace.Order, bool) {
	if !IsCode(sub) || len(sub.Items) == 0 || call.OrderID != sub.OrderID || call.OrderLineID != sub.OrderLineID {
		return marketplace.Order{}, false
	}
	order := marketplace.Order{Type: marketplace.OrderPurchase}
	for _, item := range sub.Items {
		order.Items = append(order.Items, marketplace.Item{
			ProductID: item.ProductID, SKUCode: item.SKU, ProductName: item.ProductName, Quantity: item.Quantity,
		})
	}
	return order, true
}

// OrderKnown says whether an activated code's order is known. If not, only a person can say what was sold.
func OrderKnown(sub *v1alpha1.Subscription) bool {
	return !IsCode(sub) || slices.ContainsFunc(sub.Calls, func(call v1alpha1.Call) bool {
		return call.Operation != v1alpha1.OperationCorrection || call.OrderID != ""
	})
}

// jitter spreads the queries of codes that were activated at the same time over a sixth of the interval.
const jitter = 6

// DueAt is when the marketplace has to be asked about a code; zero means never. id is the instance's UID: the codes of a
// thousand sales that were activated together are not asked about together for ever.
func DueAt(sub *v1alpha1.Subscription, id string, interval time.Duration) time.Time {
	if !IsCode(sub) || !IsActivated(sub) || sub.Entitlement.State == v1alpha1.EntitlementReleased {
		return time.Time{}
	}
	if sub.License.LastQueryTime.IsZero() {
		return sub.License.ActivationTime.Time
	}
	hash := fnv.New64a()
	_, _ = hash.Write([]byte(id))
	early := time.Duration(float64(interval) / jitter * (float64(hash.Sum64()) / math.MaxUint64))
	return sub.License.LastQueryTime.Add(interval - early)
}

// Settled is how long a call's word stands against a query's: the query's answer may be older than the call.
func Settled(interval time.Duration) time.Duration { return interval / 24 }

func fits(id string) bool {
	return id != "" && utf8.ValidString(id) && utf8.RuneCountInString(id) <= maxID
}

// quantity leaves out what the API can't hold.
func quantity(told *int32) *int32 {
	if told == nil || *told < 0 || *told > subscription.MaxQuantity {
		return nil
	}
	return ptr.To(*told)
}
