package controllers

import (
	"time"

	"k8s.io/client-go/util/workqueue"
)

// retries is how soon a failed pass is repeated: after a pause that doubles each time, up to two minutes.
func retries(first time.Duration) workqueue.TypedRateLimiter[request] {
	const last = 2 * time.Minute
	return workqueue.NewTypedItemExponentialFailureRateLimiter[request](first, last)
}
