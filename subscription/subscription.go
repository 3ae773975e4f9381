package subscription

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	// MaxOrders is the bound of spec.subscription.orders, in calls.
	MaxOrders = 128
	// MaxQuantity is the bound of every quantity in the API.
	MaxQuantity = 9_999_999
	// ExpiryTolerance is how far the end of the paid time may be away for an expiry to count: the order's date is an estimate.
	ExpiryTolerance = 24 * time.Hour
)

// WholeSecond is a time as the API server stores it: UTC, whole seconds, the zero time as it is. A time that was not cut would
// differ from what is stored, and the difference would be written again at every pass.
func WholeSecond(t time.Time) metav1.Time {
	if t.IsZero() {
		return metav1.Time{}
	}
	return metav1.NewTime(t.UTC().Truncate(time.Second))
}
