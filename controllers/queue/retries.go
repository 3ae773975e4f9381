package queue

import (
	"time"

	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/controller"
)

// How soon something is looked at again that nothing tells of. What changes in the cluster and is watched is noticed at once.
const (
	// NotDoneRetry: a pass that did not finish, or that met what the cache does not show yet.
	NotDoneRetry = time.Second
	// QueryPause: between two batches of license queries, so that thousands of codes do not reach a rate limit.
	QueryPause = time.Second
	// CountPause: the shortest time between two counts of a product's instances.
	CountPause = 5 * time.Second
	// RememberedSale: a deleted instance, after its sale was noted. It is longer than a purchase may take from looking for the note to
	// storing the sale, which is as long as the webhook takes for an answer: else a purchase that saw no note would make the sale anew.
	RememberedSale = 5 * time.Second
	// CacheLag: how long the cache may take to show what was applied, before it is believed again.
	CacheLag = 10 * time.Second
	// PushPause: how long a usage record waits for others, to go with them in one call.
	PushPause = 10 * time.Second
	// ConnectionRecheck: the Secrets of a Marketplace, which are not watched.
	ConnectionRecheck = 15 * time.Second
	// RenderTurnRetry: a tenant whose template takes long, while others of that kind are rendered.
	RenderTurnRetry = 10 * time.Second
	// OrderNotFoundRetry: an order that the marketplace does not know yet.
	OrderNotFoundRetry = 15 * time.Second
	// CredentialsRetry: a Secret with credentials, which is not watched.
	CredentialsRetry = 30 * time.Second
	// RemovalRecheck: a namespace that is being deleted, should its last event be missed.
	RemovalRecheck = 30 * time.Second
	// ProblemRetry: a tenant that waits for a person.
	ProblemRetry = time.Minute
	// ChartRecheck: a chart that can change under the same name, or that is not there yet.
	ChartRecheck = time.Minute
	// ValuesRecheck: the Secrets of a product's valuesFrom, which are not watched.
	ValuesRecheck = time.Minute
	// PodsRecheck: the pods of tenants that were seen stopped, which are not watched.
	PodsRecheck = time.Minute
	// DirectoryPendingRetry: whether a tenant can have its directory.
	DirectoryPendingRetry = time.Minute
	// ForwardPendingRetry: whether a tenant can be told of its directory.
	ForwardPendingRetry = time.Minute
	// CallSecretRetry: the Secret of a call that is only partly stored.
	CallSecretRetry = time.Minute
	// NotCollectedRetry: a license code that the buyer has not collected.
	NotCollectedRetry = time.Minute
	// RefusedRetry: a call that the marketplace refuses with these credentials.
	RefusedRetry = time.Minute
	// RefusedSampleRetry: a product whose objects the API server refused. The policies and webhooks that it asks are not watched.
	RefusedSampleRetry = 5 * time.Minute
	// DirectoryProblemRetry: a directory that waits for a person.
	DirectoryProblemRetry = 5 * time.Minute
	// TakenBackRetry: a move that failed half-way and was taken back.
	TakenBackRetry = 10 * time.Minute
	// OrderProblemRetry: an order that waits for a person; what changes at the marketplace is not noticed.
	OrderProblemRetry = 10 * time.Minute
	// RenderLimitRetry: a product whose check took more than rendering may. A machine that stood still looks the same.
	RenderLimitRetry = time.Hour
	// SoldRecheck: remembered sales, for those old enough to be forgotten.
	SoldRecheck = time.Hour
	// RefusedPushRetry: a usage record that the marketplace refused.
	RefusedPushRetry = time.Hour
)

// The first and the last pause of what backs off: it doubles from one to the other.
const (
	// ChartRecheck and SlowRegistryLast: a registry that takes long to give no chart.
	SlowRegistryLast = 15 * time.Minute
	// PodsFirst and PodsLast: the pods of a tenant that is not healthy, for the reason.
	PodsFirst = 30 * time.Second
	PodsLast  = 5 * time.Minute
	// AskFirst and AskLast: the source of a meter that does not answer.
	AskFirst = 30 * time.Second
	AskLast  = 10 * time.Minute
	// PushFirst and PushLast: usage that a marketplace does not take because it does not answer.
	PushFirst = 30 * time.Second
	PushLast  = 10 * time.Minute
	// QueryFirst and QueryLast: a license code that could not be asked about.
	QueryFirst = time.Minute
	QueryLast  = 6 * time.Hour
	// passLast is the last pause after a pass that failed.
	passLast = 2 * time.Minute
)

// Retries is how soon a failed pass is repeated: after a pause that doubles each time.
func Retries(first time.Duration) workqueue.TypedRateLimiter[Request] {
	return workqueue.NewTypedItemExponentialFailureRateLimiter[Request](first, passLast)
}

// Prioritized are the options of a controller of instances: so many workers take what has just been sold first. first is the pause
// after a pass that failed.
func Prioritized(workers int, first time.Duration) controller.Options {
	return controller.Options{MaxConcurrentReconciles: workers, UsePriorityQueue: ptr.To(true), RateLimiter: Retries(first)}
}
