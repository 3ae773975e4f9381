package queue

import (
	"time"

	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
)

// Wake asks for the next pass at the first of the instants that is ahead; zero instants are none.
func Wake(now time.Time, instants ...time.Time) ctrl.Result {
	result := ctrl.Result{Priority: ptr.To(PriorityNormal)}
	for _, at := range instants {
		// A deadline that is due by the clock's rounding must not become "never".
		if after := max(at.Sub(now), time.Millisecond); !at.IsZero() && (result.RequeueAfter == 0 || after < result.RequeueAfter) {
			result.RequeueAfter = after
		}
	}
	return result
}

// Earliest is the first of two instants, of which zero is none.
func Earliest(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}

// Sooner is the shorter of two pauses, of which zero is none.
func Sooner(a, b time.Duration) time.Duration {
	if a == 0 || (b != 0 && b < a) {
		return b
	}
	return a
}
